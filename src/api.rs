//! API Gateway's HTTP APIs: which route takes a request, who may come, and what its target gets.
//!
//! Pure, like everything that decides. Tokens are judged by `auth` as for any rule; here is only
//! what differs: how a path selects a route, and in which words a caller is refused. Sending is
//! `proxy`'s, bodies and headers of answers are `answer`'s.

mod challenge;
pub mod cors;
mod integration;
pub mod limits;
mod table;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use self::challenge::challenge;
pub use self::cors::Cors;
pub use self::integration::Integration;
pub use self::limits::Limits;
use self::table::RouteTable;
use crate::auth::{Authorizers, CompiledValidation};
use crate::config::model::{self, ClaimHeader, Demand, GroupIndex, Name};
use crate::telemetry::metrics::Metrics;

/// Longest request body, in bytes (API Gateway's fixed quota).
pub const MAX_BODY: u64 = 10 * 1024 * 1024;

/// An API, ready for requests.
pub struct Api {
    /// The file's name for it.
    pub name: Name,
    base_path: Box<str>,
    table: RouteTable,
    /// What browsers are told; targets tell it when absent.
    pub cors: Option<Cors>,
    /// How often it may be asked.
    pub limits: Option<Box<Limits>>,
    /// Whether who is over a limit is told when to come again; API Gateway does not say.
    pub tells_when_to_retry: bool,
    /// In file order.
    pub routes: Vec<Route>,
}

/// A route, ready for requests.
pub struct Route {
    /// As in the file: `GET /orders/{id}`.
    pub key: Name,
    /// Who may come; everybody when absent.
    pub validation: Option<CompiledValidation>,
    /// Any of these is demanded; what a refused caller is told.
    pub scopes: Vec<String>,
    /// How often it may be asked.
    pub limits: Option<Box<Limits>>,
    /// What becomes of its requests.
    pub integration: Integration,
}

/// Where a request came to, for whoever answers it or writes it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Position of the API in the file.
    pub api: usize,
    /// Position of the route in the API; absent when none takes the request.
    pub route: Option<usize>,
}

impl Api {
    /// Makes an API ready. Its callers' claims become the file's `claim_headers`. Limits that the
    /// API of this name had before keep their state.
    #[must_use]
    pub fn compile(
        api: &model::Api,
        authorizers: &Authorizers,
        claim_headers: &[ClaimHeader],
        previous: Option<&Self>,
        metrics: &Metrics,
    ) -> Self {
        let before: HashMap<&str, &Limits> = previous
            .into_iter()
            .flat_map(|api| &api.routes)
            .filter_map(|route| Some((&*route.key, route.limits.as_deref()?)))
            .collect();
        let groups = groups(api);
        let mut routes = Vec::with_capacity(api.routes.len());
        for route in &api.routes {
            let group = route.integration.group;
            let position = groups.iter().position(|known| *known == group).unwrap_or_default();
            let validation = route.validation.as_ref();
            routes.push(Route {
                key: route.key.clone(),
                limits: Limits::compile(&route.throttle, before.get(&*route.key).copied(), || {
                    metrics.throttle(&api.name, &route.key)
                }),
                scopes: validation.map(scopes).unwrap_or_default(),
                validation: validation.map(|v| authorizers.compile_validation(v, claim_headers)),
                integration: Integration::compile(route, position),
            });
        }
        Self {
            name: api.name.clone(),
            base_path: api.base_path.as_str().into(),
            table: RouteTable::compile(&api.routes, api.is_strict),
            cors: api.cors.as_ref().map(Cors::compile),
            limits: Limits::compile(
                &api.throttle,
                previous.and_then(|api| api.limits.as_deref()),
                || metrics.throttle(&api.name, ""),
            ),
            tells_when_to_retry: api.is_strict,
            routes,
        }
    }

    /// The part of a canonical path that routes are matched with; `None` where it is not this
    /// API's.
    #[must_use]
    pub fn relative<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&*self.base_path)?;
        match rest.as_bytes() {
            [] => Some("/"),
            // Sent as a target of its own it would begin with an authority.
            [b'/', b'/', ..] if !self.base_path.is_empty() => None,
            [b'/', ..] => Some(rest),
            _ => None,
        }
    }

    /// The position of the route that takes a request for this relative path.
    #[must_use]
    pub fn select(&self, method: &str, relative: &str) -> Option<usize> {
        self.table.select(method, relative)
    }
}

/// The target groups of all routes, each once, as they first stand there. An integration's
/// position points here.
#[must_use]
pub fn groups(api: &model::Api) -> Vec<GroupIndex> {
    let mut groups = Vec::new();
    for route in &api.routes {
        if !groups.contains(&route.integration.group) {
            groups.push(route.integration.group);
        }
    }
    groups
}

fn scopes(validation: &model::JwtValidation) -> Vec<String> {
    match &validation.scopes {
        Some(Demand::AnyOf(scopes) | Demand::AllOf(scopes)) => scopes.clone(),
        None => Vec::new(),
    }
}
