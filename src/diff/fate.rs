//! What a request without a token meets, and how grave it is that it meets something else.

use crate::answer::Refusal;
use crate::config::model::{
    Action, Api, ApiIndex, AuthorizerKind, Backend, Config, Demand, Name, Route, Rule,
};
use crate::engine::{self, Decision, Moment, Reason, Step};
use crate::explain::Question;
use crate::sign_in::Outcome;
use crate::snapshot::Snapshot;

/// Requests that meet something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// How grave it is.
    pub kind: ShiftKind,
    /// The listener.
    pub listener: Name,
    /// One of them: method, host and `path?query`.
    pub example: String,
    /// How many of the requests that were tried.
    pub count: usize,
    /// What they met.
    pub old: Fate,
    /// What they meet.
    pub new: Fate,
}

/// How grave a shift is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShiftKind {
    /// A target is reached without saying who asks, which was demanded before.
    Opened,
    /// A target is reached without saying who asks, where the gateway itself answered before.
    Exposed,
    /// A route of an API demands less of those who come.
    Loosened,
    /// It is demanded now.
    Closed,
    /// Something else.
    Changed,
}

/// What a request without a token meets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fate {
    /// The rule; `None` where it never comes to rules.
    pub rule: Option<Name>,
    /// The route, where the rule leads to an API.
    pub route: Option<RouteFate>,
    /// Whether it is asked who is calling, or for anything else that tells callers apart.
    pub asks: bool,
    /// What then becomes of it: `forward to orders`, `answer 404`.
    pub end: String,
}

/// The route that takes a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteFate {
    /// Its API.
    pub api: Name,
    /// Its key.
    pub key: Name,
    /// What it demands of callers: `asks who is calling (scope orders/read)`; empty: nothing.
    pub demand: String,
}

impl Fate {
    const FORWARD: &str = "forward";

    /// Whether a target gets it.
    pub(super) fn is_forwarded(&self) -> bool {
        self.end.starts_with(Self::FORWARD)
    }

    /// Whether it is the same, but for what is demanded of those who say who they are.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let place = |fate: &Self| fate.route.as_ref().map(|at| (at.api.clone(), at.key.clone()));
        self.rule == other.rule
            && place(self) == place(other)
            && self.asks == other.asks
            && self.end == other.end
    }
}

/// What a request without a token meets, and the position of the route that it comes to.
pub(super) fn fate(
    snapshot: &Snapshot,
    question: &Question,
    moment: Moment,
) -> Option<(Fate, Option<(usize, usize)>)> {
    let asked = question.ask(snapshot).ok()?;
    let decision = engine::decide(snapshot, &asked.request(snapshot), moment);
    let config = &snapshot.config;
    let listener = config.listeners.get(asked.listener())?;
    let rule = decision
        .rule
        .map(|position| listener.rules.get(position).unwrap_or(&listener.default_rule));
    let place = decision.api.and_then(|place| Some((place.api, place.route?)));
    let at = place.and_then(|(api, route)| {
        let api = config.apis.get(api)?;
        Some((api, api.routes.get(route)?))
    });
    let asks = asks(decision.reason);
    let end = match (&at, rule) {
        // Whoever brings what is demanded comes to the route's target, or to the rule's action.
        (Some((_, route)), _) if asks || is_let_through(&decision) => serves(route, config),
        (None, Some(rule)) if asks || is_let_through(&decision) => action(rule, config),
        _ => match &decision.step {
            Step::Answer { answer, .. } => format!("answer {}", answer.status),
            _ => decision.reason.as_str().to_owned(),
        },
    };
    let route = at.map(|(api, route)| route_fate(api, route, decision.reason));
    Some((Fate { rule: rule.map(|rule| rule.name.clone()), route, asks, end }, place))
}

/// Whether nothing more is demanded. Of a body that is yet to be read, the right one will do.
const fn is_let_through(decision: &Decision) -> bool {
    matches!(decision.step, Step::Forward(_) | Step::ReadBody)
}

/// Whether a request was turned away for what it did not bring.
fn asks(reason: Reason) -> bool {
    match reason {
        Reason::Auth(_)
        | Reason::Signature(_)
        | Reason::AuthorizerAsked
        | Reason::Authorizer(_)
        | Reason::Refused(
            Refusal::ApiKeyMissing
            | Refusal::ApiKeyUnknown
            | Refusal::ApiKeyDisabled
            | Refusal::ApiKeyUnattached,
        ) => true,
        Reason::SignIn(outcome) => {
            matches!(outcome, Outcome::Begun | Outcome::SessionMissing | Outcome::ScriptRefused)
        }
        _ => false,
    }
}

fn route_fate(api: &Api, route: &Route, reason: Reason) -> RouteFate {
    let mut demand = demand(route);
    if demand.is_empty() && matches!(reason, Reason::Signature(_)) {
        "asks the policy of the API".clone_into(&mut demand);
    }
    RouteFate { api: api.name.clone(), key: route.key.clone(), demand }
}

/// How grave it is; `is_looser` says whether less is demanded than before.
pub(super) fn kind(old: &Fate, new: &Fate, is_looser: bool) -> ShiftKind {
    match (old.asks, new.asks) {
        (true, false) if new.is_forwarded() => ShiftKind::Opened,
        (false, false) if new.is_forwarded() && !old.is_forwarded() => ShiftKind::Exposed,
        (false, true) => ShiftKind::Closed,
        _ if is_looser => ShiftKind::Loosened,
        _ => ShiftKind::Changed,
    }
}

/// What a rule does with whom it lets in.
pub(super) fn action(rule: &Rule, config: &Config) -> String {
    match &rule.action {
        Action::Forward(forward) => {
            let groups = forward.groups.iter().filter(|weighted| weighted.weight > 0);
            let names = groups.filter_map(|weighted| config.target_groups.get(weighted.group.0));
            let names: Vec<_> = names.map(|group| &*group.name).collect();
            format!("{} to {}", Fate::FORWARD, names.join(" or "))
        }
        Action::Redirect(redirect) => format!("answer {}", redirect.status_code),
        Action::FixedResponse(response) => format!("answer {}", response.status_code),
        Action::SignOut(_) => "sign out".to_owned(),
        Action::Api(ApiIndex(api)) => {
            let name = config.apis.get(*api).map_or("", |api| &api.name);
            format!("the API {name}")
        }
    }
}

/// What a route does with whom it lets in.
pub(super) fn serves(route: &Route, config: &Config) -> String {
    match &route.integration.backend {
        Backend::Group(group) => {
            let name = config.target_groups.get(group.0).map_or("", |group| &group.name);
            format!("{} to {name}", Fate::FORWARD)
        }
        Backend::Mock(mock) => format!("answer {}", mock.status_code),
    }
}

/// What a route demands of its callers; empty where it demands nothing.
pub(super) fn demand(route: &Route) -> String {
    let who = route.authorizer.as_ref().map(|authorizer| match &authorizer.kind {
        AuthorizerKind::Jwt | AuthorizerKind::Cognito { .. } => {
            let validation = authorizer.validation.as_ref();
            let scopes = validation.and_then(|validation| validation.scopes.as_ref());
            format!("asks who is calling{}", scopes.map(scoped).unwrap_or_default())
        }
        AuthorizerKind::Request(_) => format!("asks the authorizer `{}`", authorizer.name),
        AuthorizerKind::AwsIam => "asks for a signature".to_owned(),
    });
    match (who, route.is_api_key_required) {
        (Some(who), true) => format!("{who} and for an API key"),
        (Some(who), false) => who,
        (None, true) => "asks for an API key".to_owned(),
        (None, false) => String::new(),
    }
}

/// ` (scopes a or b)`
fn scoped(scopes: &Demand) -> String {
    match scopes {
        Demand::AnyOf(names) | Demand::AllOf(names) if names.len() == 1 => {
            format!(" (scope {})", names.join(""))
        }
        Demand::AnyOf(names) => format!(" (scopes {})", names.join(" or ")),
        Demand::AllOf(names) => format!(" (scopes {})", names.join(" and ")),
    }
}
