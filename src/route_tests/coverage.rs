//! Which rules and which routes of APIs the tests reached, and which verdicts of theirs.

use super::mutation::is_led_to;
use crate::answer::Refusal;
use crate::config::diagnostics::Span;
use crate::config::model::{Api, Config, Name, Route};
use crate::engine::Reason;
use crate::explain::Explanation;

/// What tests reached of a configuration.
#[derive(Debug)]
pub struct Coverage {
    /// Each listener's rules in order, its default rule as the last.
    listeners: Vec<Vec<RuleCoverage>>,
    /// Each API's routes in file order; none of an API that no rule leads to.
    apis: Vec<Vec<RouteCoverage>>,
}

/// What tests reached of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCoverage {
    /// Its listener.
    pub listener: Name,
    /// Its name.
    pub rule: Name,
    /// Where it stands.
    pub span: Span,
    /// What tests saw of it.
    pub seen: Seen,
}

/// What tests reached of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCoverage {
    /// Its API.
    pub api: Name,
    /// Its key.
    pub route: Name,
    /// The OpenAPI file that it stands in; absent where it is the configuration itself.
    pub file: Option<Name>,
    /// Where it stands.
    pub span: Span,
    /// What tests saw of it.
    pub seen: Seen,
}

/// What tests saw of a rule or of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether it asks its callers for anything.
    pub is_protected: bool,
    /// Requests that it took.
    pub reached: usize,
    /// Of those, requests whose caller it refused.
    pub refused: usize,
}

impl Seen {
    const fn nothing(is_protected: bool) -> Self {
        Self { is_protected, reached: 0, refused: 0 }
    }

    fn note(&mut self, is_refused: bool) {
        self.reached += 1;
        self.refused += usize::from(is_refused);
    }

    /// Whether it is protected, and no test of those that reached it shows that.
    const fn is_never_refused(&self) -> bool {
        self.is_protected && self.reached > 0 && self.refused == 0
    }
}

impl Coverage {
    pub(super) fn of(config: &Config) -> Self {
        let listeners = config.listeners.iter().map(|listener| {
            let rules = listener.rules.iter().chain(std::iter::once(&listener.default_rule));
            rules
                .map(|rule| RuleCoverage {
                    listener: listener.name.clone(),
                    rule: rule.name.clone(),
                    span: rule.span,
                    seen: Seen::nothing(rule.is_protected()),
                })
                .collect()
        });
        let apis = config.apis.iter().enumerate().map(|(position, api)| {
            if is_led_to(config, position) { routes(api) } else { Vec::new() }
        });
        Self { listeners: listeners.collect(), apis: apis.collect() }
    }

    pub(super) fn note(&mut self, listener: usize, told: &Explanation) {
        let rules = self.listeners.get_mut(listener);
        let rule = rules.zip(told.position).and_then(|(rules, rule)| rules.get_mut(rule));
        if let Some(rule) = rule {
            rule.seen.note(matches!(told.reason, Reason::Auth(_) | Reason::SignIn(_)));
        }
        let place = told.api.as_ref().map(|step| step.place);
        let routes = place.and_then(|place| self.apis.get_mut(place.api));
        let at = place.and_then(|place| place.route);
        let route = routes.zip(at).and_then(|(routes, at)| routes.get_mut(at));
        if let Some(route) = route {
            route.seen.note(keeps_out(told.reason));
        }
    }

    /// All rules.
    pub fn rules(&self) -> impl Iterator<Item = &RuleCoverage> {
        self.listeners.iter().flatten()
    }

    /// All routes that a rule leads to.
    pub fn routes(&self) -> impl Iterator<Item = &RouteCoverage> {
        self.apis.iter().flatten()
    }

    /// Rules that no test reached.
    pub fn unreached(&self) -> impl Iterator<Item = &RuleCoverage> {
        self.rules().filter(|rule| rule.seen.reached == 0)
    }

    /// Routes that no test reached.
    pub fn unreached_routes(&self) -> impl Iterator<Item = &RouteCoverage> {
        self.routes().filter(|route| route.seen.reached == 0)
    }

    /// Protected rules that tests reached and that refused nobody: that they are protected is not
    /// tested.
    pub fn never_refused(&self) -> impl Iterator<Item = &RuleCoverage> {
        self.rules().filter(|rule| rule.seen.is_never_refused())
    }

    /// Protected routes that tests reached and that refused nobody.
    pub fn never_refused_routes(&self) -> impl Iterator<Item = &RouteCoverage> {
        self.routes().filter(|route| route.seen.is_never_refused())
    }

    /// How many in a hundred rules and routes were reached.
    #[must_use]
    pub fn percentage(&self) -> usize {
        let all = self.rules().count() + self.routes().count();
        let reached = all - self.unreached().count() - self.unreached_routes().count();
        (reached * 100).checked_div(all).unwrap_or(100)
    }
}

fn routes(api: &Api) -> Vec<RouteCoverage> {
    let coverage = |route: &Route| RouteCoverage {
        api: api.name.clone(),
        route: route.key.clone(),
        file: route.file.clone(),
        span: route.span,
        seen: Seen::nothing(route.is_protected()),
    };
    api.routes.iter().map(coverage).collect()
}

/// Whether a route kept somebody out for who he is, or asks a service about him.
const fn keeps_out(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Auth(_)
            | Reason::Signature(_)
            | Reason::AuthorizerAsked
            | Reason::Authorizer(_)
            | Reason::Refused(
                Refusal::ApiKeyMissing
                    | Refusal::ApiKeyUnknown
                    | Refusal::ApiKeyDisabled
                    | Refusal::ApiKeyUnattached
            )
    )
}
