//! Routes of APIs as the pages show them, with their hits.

use std::sync::Arc;

use super::facts::holders;
use crate::admin::page::Rule;
use crate::config::model::{Api, AuthorizerKind, Backend, Config, Route, RoutePattern};
use crate::snapshot::Snapshot;

/// In file order, API by API.
pub(super) fn routes(snapshot: &Snapshot) -> Vec<Rule> {
    let config = &snapshot.config;
    let apis = snapshot.apis.iter().zip(&config.apis);
    apis.flat_map(|(api, written)| {
        let name: Arc<str> = format!("API {}", api.name).into();
        api.routes.iter().zip(&written.routes).map(move |(route, of_file)| {
            let outcomes = route.metrics.outcomes();
            Rule {
                listener: Arc::clone(&name),
                name: route.key.to_string(),
                conditions: conditions(written, of_file),
                callers: callers(of_file, config),
                action: action(of_file, config),
                requests: outcomes.requests,
                errors: outcomes.errors,
                denials: outcomes.denials,
            }
        })
    })
    .collect()
}

/// The path that clients ask for.
fn conditions(api: &Api, route: &Route) -> String {
    let front = match &api.stage {
        Some(stage) if api.has_stage_in_path => format!("{}/{stage}", api.base_path),
        _ => api.base_path.clone(),
    };
    match (&route.pattern, route.key.split_once(' ')) {
        (RoutePattern::Path { .. }, Some((_, path))) => format!("path {front}{path}"),
        _ if front.is_empty() => "whatever no other route takes".to_owned(),
        _ => format!("whatever no other route takes, under {front}"),
    }
}

fn callers(route: &Route, config: &Config) -> String {
    let who = route.authorizer.as_ref().map(|authorizer| match &authorizer.kind {
        AuthorizerKind::Jwt | AuthorizerKind::Cognito { .. } => {
            let validation = authorizer.validation.as_ref();
            validation.map_or_else(String::new, |demand| holders(demand, config))
        }
        AuthorizerKind::Request(_) => format!("whom authorizer {} lets in", authorizer.name),
        AuthorizerKind::AwsIam => "who signs".to_owned(),
    });
    match (who, route.is_api_key_required) {
        (Some(who), true) => format!("{who}; with an API key"),
        (Some(who), false) => who,
        (None, true) => "who has an API key".to_owned(),
        (None, false) => "everybody".to_owned(),
    }
}

fn action(route: &Route, config: &Config) -> String {
    match &route.integration.backend {
        Backend::Group(group) => {
            let name = config.target_groups.get(group.0).map_or("", |group| &group.name);
            format!("forward to {name}")
        }
        Backend::Mock(mock) => format!("answer {}", mock.status_code),
    }
}
