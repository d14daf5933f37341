//! APIs as JSON.

use serde_json::{Map, Value, json};

use super::claims::jwt_validation;
use super::{Names, seconds};
use crate::config::model::{Api, Integration, Route, Segment};

pub(super) fn api(api: &Api, names: &Names<'_>) -> Value {
    let Api { name: _, base_path, is_strict, routes, span: _ } = api;
    let routes: Map<String, Value> =
        routes.iter().map(|route| (route.key.to_string(), self::route(route, names))).collect();
    json!({
        "type": "http",
        "base_path": base_path,
        "compatibility": if *is_strict { "strict" } else { "aws" },
        "routes": routes,
    })
}

fn route(route: &Route, names: &Names<'_>) -> Value {
    let Route { key: _, pattern: _, validation, integration } = route;
    let Integration { group, path, timeout } = integration;
    json!({
        "authorizer": validation.as_ref().map_or_else(
            || json!("none"),
            |validation| json!({ "jwt": jwt_validation(validation, names) }),
        ),
        "integration": {
            "target_group": names.groups.get(group.0).map(|name| &***name),
            "path": path.as_deref().map(template),
            "timeout": seconds(*timeout),
        },
    })
}

fn template(segments: &[Segment]) -> String {
    let mut text = String::new();
    for segment in segments {
        text.push('/');
        match segment {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Variable(name) | Segment::Greedy(name) => {
                text.extend(["{", name.as_str(), "}"]);
            }
        }
    }
    text
}
