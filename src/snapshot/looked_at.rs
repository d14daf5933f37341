//! What of a request the file's rules look at, beside method, host and path.
//!
//! A recording keeps the values of just these, so that it can be decided again without holding what
//! nobody asked for.

use std::collections::BTreeSet;

use crate::config::model::{Conditions, Config, JwtValidation};

/// Names of headers, query parameters and claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookedAt {
    /// Headers of conditions, in lower case.
    pub headers: BTreeSet<String>,
    /// Query parameters of conditions, in lower case.
    pub parameters: BTreeSet<String>,
    /// Whether a condition names a value and no parameter, or one with wildcards.
    pub any_parameter: bool,
    /// Claims of `additional_claims`.
    pub claims: BTreeSet<String>,
}

impl LookedAt {
    /// Collects them over all rules and routes.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut looked_at = Self::default();
        for listener in &config.listeners {
            for rule in listener.rules.iter().chain([&listener.default_rule]) {
                looked_at.add_conditions(&rule.conditions);
                looked_at.add_demands(rule.authentication.as_ref());
            }
        }
        for route in config.apis.iter().flat_map(|api| &api.routes) {
            let authorizer = route.authorizer.as_ref();
            looked_at.add_demands(authorizer.and_then(|authorizer| authorizer.validation.as_ref()));
        }
        looked_at
    }

    fn add_conditions(&mut self, conditions: &Conditions) {
        self.headers.extend(conditions.http_header.iter().map(|header| header.name.clone()));
        for parameter in conditions.query_string.iter().flatten() {
            match &parameter.key {
                Some(key) if !key.contains(['*', '?', '\\']) => {
                    self.parameters.insert(key.to_lowercase());
                }
                _ => self.any_parameter = true,
            }
        }
    }

    fn add_demands(&mut self, wanted: Option<&JwtValidation>) {
        let claims = wanted.into_iter().flat_map(|wanted| &wanted.additional_claims);
        self.claims.extend(claims.map(|claim| claim.name.clone()));
    }
}
