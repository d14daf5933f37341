//! APIs as JSON.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::claims::jwt_validation;
use super::{Names, seconds};
use crate::config::model::{
    AllowedOrigin, Api, Cors, Integration, Route, Segment, Throttle, ThrottleKey,
};

pub(super) fn api(api: &Api, names: &Names<'_>) -> Value {
    let Api { name: _, base_path, is_strict, cors, throttle, routes, span: _ } = api;
    let routes: Map<String, Value> =
        routes.iter().map(|route| (route.key.to_string(), self::route(route, names))).collect();
    json!({
        "type": "http",
        "base_path": base_path,
        "compatibility": if *is_strict { "strict" } else { "aws" },
        "cors": cors.as_ref().map(self::cors),
        "throttle": limits(throttle),
        "routes": routes,
    })
}

fn cors(cors: &Cors) -> Value {
    let Cors {
        allow_origins,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
        allow_credentials,
    } = cors;
    json!({
        "allow_origins": allow_origins.iter().map(AllowedOrigin::text).collect::<Vec<_>>(),
        "allow_methods": allow_methods,
        "allow_headers": allow_headers,
        "expose_headers": expose_headers,
        "max_age": max_age.map(|age| seconds(Duration::from_secs(age.into()))),
        "allow_credentials": allow_credentials,
    })
}

fn route(route: &Route, names: &Names<'_>) -> Value {
    let Route { key: _, pattern: _, validation, throttle, integration } = route;
    let Integration { group, path, timeout } = integration;
    json!({
        "authorizer": validation.as_ref().map_or_else(
            || json!("none"),
            |validation| json!({ "jwt": jwt_validation(validation, names) }),
        ),
        "throttle": limits(throttle),
        "integration": {
            "target_group": names.groups.get(group.0).map(|name| &***name),
            "path": path.as_deref().map(template),
            "timeout": seconds(*timeout),
        },
    })
}

fn limits(limits: &[Throttle]) -> Value {
    let limit = |limit: &Throttle| {
        let Throttle { rate, burst, per, max_keys } = limit;
        json!({
            "rate": rate,
            "burst": burst,
            "per": per.as_ref().map(ThrottleKey::text),
            "max_keys": max_keys,
        })
    };
    limits.iter().map(limit).collect()
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
