//! What may be weakened of a route of an API.
//!
//! Limits are left alone: how often something was asked no test knows. So are answers of targets,
//! which no test sees.

use std::sync::Arc;

use super::demand::Weakening;
use crate::config::model::{
    Api, AuthorizerKind, Backend, Config, GroupIndex, Mapped, Mapping, RequestAuthorizer,
    RequestParameter, Route, RouteAuthorizer, RoutePattern,
};

/// One change of one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Unprotect,
    Weaken(Weakening),
    /// Which audiences or identity sources the authorizer takes.
    DropExpression,
    /// Requests without them are judged too.
    DropIdentitySources,
    DropApiKey,
    /// The parameter at this position.
    DropRequired(usize),
    DropModels,
    AnyMethod,
    Remove,
    /// To another target group.
    ForwardTo(GroupIndex),
    DropPath,
    /// The mapping of requests at this position.
    DropMapping(usize),
}

/// The changes that would mean something to a route.
pub(super) fn changes(route: &Route, api: &Api, config: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut on = |change, holds: bool| {
        if holds {
            changes.push(change);
        }
    };
    if let Some(authorizer) = &route.authorizer {
        on(Change::Unprotect, true);
        for weakening in authorizer.validation.iter().flat_map(|v| Weakening::of(v, config)) {
            on(Change::Weaken(weakening), true);
        }
        on(Change::DropExpression, has_expression(authorizer));
        on(Change::DropIdentitySources, has_identity_sources(authorizer));
    }
    on(Change::DropApiKey, route.is_api_key_required);
    for (position, required) in route.required.iter().enumerate() {
        // Without its variable the path would not be the route's.
        on(Change::DropRequired(position), !matches!(required, RequestParameter::Path(_)));
    }
    on(Change::DropModels, !route.body_models.is_empty());
    on(Change::AnyMethod, has_a_method_of_its_own(route, api));
    on(Change::Remove, true);
    let integration = &route.integration;
    if let Backend::Group(own) = integration.backend {
        let other = (0..config.target_groups.len()).map(GroupIndex).find(|group| *group != own);
        if let Some(other) = other {
            on(Change::ForwardTo(other), true);
        }
    }
    on(Change::DropPath, rewrites_path(route));
    for position in 0..integration.request_mappings.len() {
        on(Change::DropMapping(position), true);
    }
    changes
}

fn has_expression(authorizer: &RouteAuthorizer) -> bool {
    match &authorizer.kind {
        AuthorizerKind::Cognito { validation_expression } => validation_expression.is_some(),
        AuthorizerKind::Request(service) => service.validation_expression.is_some(),
        AuthorizerKind::Jwt | AuthorizerKind::AwsIam => false,
    }
}

fn has_identity_sources(authorizer: &RouteAuthorizer) -> bool {
    matches!(&authorizer.kind, AuthorizerKind::Request(service) if !service.identity_sources.is_empty())
}

/// Whether another method would come to another route, or to none.
fn has_a_method_of_its_own(route: &Route, api: &Api) -> bool {
    let RoutePattern::Path { method: Some(_), segments } = &route.pattern else { return false };
    let takes_the_rest = |other: &Route| matches!(&other.pattern, RoutePattern::Path { method: None, segments: same } if same == segments);
    !api.routes.iter().any(takes_the_rest)
}

/// Whether a target is asked for another path than the route's own.
fn rewrites_path(route: &Route) -> bool {
    match (&route.integration.path, &route.pattern) {
        (None, _) => false,
        (Some(path), RoutePattern::Path { segments, .. }) => path != segments,
        (Some(_), RoutePattern::Default) => true,
    }
}

/// Changes a route of a file.
pub(super) fn apply(change: Change, config: &mut Config, api: usize, position: usize) {
    let pools = config.user_pools.len();
    if change == Change::Remove {
        return remove(config, api, position);
    }
    let route = config.apis.get_mut(api).and_then(|api| api.routes.get_mut(position));
    let Some(route) = route else { return };
    match change {
        Change::Unprotect => route.authorizer = None,
        Change::Weaken(weakening) => {
            let validation = route.authorizer.as_mut().and_then(|own| own.validation.as_mut());
            if let Some(wanted) = validation {
                weakening.apply(wanted, pools);
            }
        }
        Change::DropExpression | Change::DropIdentitySources => {
            if let Some(authorizer) = &mut route.authorizer {
                loosen(change, &mut authorizer.kind);
            }
        }
        Change::DropApiKey => route.is_api_key_required = false,
        Change::DropRequired(at) => drop(route.required.remove(at)),
        Change::DropModels => route.body_models.clear(),
        Change::AnyMethod => {
            if let RoutePattern::Path { method, .. } = &mut route.pattern {
                *method = None;
            }
        }
        Change::ForwardTo(group) => route.integration.backend = Backend::Group(group),
        Change::DropPath => route.integration.path = None,
        Change::DropMapping(at) => drop(route.integration.request_mappings.remove(at)),
        Change::Remove => {}
    }
}

fn loosen(change: Change, kind: &mut AuthorizerKind) {
    match kind {
        AuthorizerKind::Cognito { validation_expression } => *validation_expression = None,
        AuthorizerKind::Request(service) => {
            let mut changed = RequestAuthorizer::clone(service);
            changed.validation_expression = None;
            if change == Change::DropIdentitySources {
                changed.identity_sources.clear();
            }
            *service = Arc::new(changed);
        }
        AuthorizerKind::Jwt | AuthorizerKind::AwsIam => {}
    }
}

/// Takes a route away; plans know those behind it by their positions.
fn remove(config: &mut Config, api: usize, position: usize) {
    let Some(routes) = config.apis.get_mut(api).map(|api| &mut api.routes) else { return };
    if position >= routes.len() {
        return;
    }
    routes.remove(position);
    let of_plans = config.usage.plans.iter_mut().flat_map(|plan| &mut plan.apis);
    for of_plan in of_plans.filter(|of_plan| of_plan.api.0 == api) {
        of_plan.throttle.retain(|(route, _)| *route != position);
        for (route, _) in of_plan.throttle.iter_mut().filter(|(route, _)| *route > position) {
            *route -= 1;
        }
    }
}

/// What goes on after "no test would notice if".
pub(super) fn tell(change: Change, route: &Route, api: &Api, config: &Config) -> String {
    let what = match change {
        Change::Unprotect => "asked nobody who is calling".to_owned(),
        Change::Weaken(weakening) => weakening.tell().to_owned(),
        Change::DropExpression => "did without its authorizer's expression".to_owned(),
        Change::DropIdentitySources => {
            "had its authorizer judge requests without an identity source".to_owned()
        }
        Change::DropApiKey => "asked nobody for an API key".to_owned(),
        Change::DropRequired(at) => route.required.get(at).map(not_required).unwrap_or_default(),
        Change::DropModels => "took any body".to_owned(),
        Change::AnyMethod => "took any method".to_owned(),
        Change::Remove => "were not there".to_owned(),
        Change::ForwardTo(group) => {
            let group = config.target_groups.get(group.0).map(|group| &*group.name);
            format!("forwarded to `{}`", group.unwrap_or_default())
        }
        Change::DropPath => "asked its target for the path as it came".to_owned(),
        Change::DropMapping(at) => {
            let mapping = route.integration.request_mappings.get(at);
            format!("did not map {}", mapping.map(mapped).unwrap_or_default())
        }
    };
    format!("route `{}` of API `{}` {what}", route.key, api.name)
}

fn not_required(parameter: &RequestParameter) -> String {
    let what = match parameter {
        RequestParameter::Header(..) => "header",
        RequestParameter::Query(_) => "query parameter",
        RequestParameter::Path(_) => "path variable",
    };
    format!("did not require {what} {}", parameter.name())
}

fn mapped(mapping: &Mapping) -> String {
    match &mapping.place {
        Mapped::Header(name) => format!("header {name}"),
        Mapped::Parameter(name) => format!("query parameter {name}"),
        Mapped::Path => "the path".to_owned(),
        Mapped::StatusCode(code) => format!("status {code}"),
    }
}
