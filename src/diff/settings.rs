//! Settings side by side, and which way a change leans.

use serde_json::Value;

/// A setting that has another value.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Keys from the part down to it, with dots between them.
    pub path: String,
    /// `null` where it was not there.
    pub old: Value,
    /// `null` where it is not there any more.
    pub new: Value,
    /// Whether the new one lets more in.
    pub is_weaker: bool,
}

/// Lists of which more items let more in.
const WIDENING: [&str; 6] =
    ["user_pools", "app_clients", "audiences", "algorithms", "trusted_proxies", "issuers"];
/// What keeps somebody out, and keeps nobody out when it is gone.
const GUARDS: [&str; 8] = [
    "jwt_validation",
    "authenticate",
    "scopes",
    "groups",
    "tls",
    "mutual_authentication",
    "identity_assertion",
    "identity_validation_expression",
];
/// Lists of which fewer items let more in.
const NARROWING: [&str; 3] = ["additional_claims", "revocation_lists", "required_parameters"];
/// What keeps somebody out while it is `true`.
const STRICT: [&str; 4] =
    ["require_resource_audience", "drop_invalid_header_fields", "api_key_required", "policy"];

/// All settings that differ, in the order of the old ones.
pub(super) fn compare(old: &Value, new: &Value) -> Vec<Setting> {
    let mut found = Vec::new();
    walk(&mut Vec::new(), old, new, &mut found);
    found
}

fn walk(path: &mut Vec<String>, old: &Value, new: &Value, found: &mut Vec<Setting>) {
    if old == new {
        return;
    }
    if let (Value::Object(before), Value::Object(after)) = (old, new)
        && !is_demand(before)
    {
        let added = after.keys().filter(|key| !before.contains_key(*key));
        for key in before.keys().chain(added) {
            path.push(key.clone());
            let nothing = &Value::Null;
            let sides = (before.get(key).unwrap_or(nothing), after.get(key).unwrap_or(nothing));
            walk(path, sides.0, sides.1, found);
            path.pop();
        }
        return;
    }
    let key = path.last().map(String::as_str).unwrap_or_default();
    found.push(Setting {
        path: path.join("."),
        old: old.clone(),
        new: new.clone(),
        is_weaker: is_weaker(key, old, new) || is_body_unjudged(path, new),
    });
}

/// Whether a model of bodies is gone.
fn is_body_unjudged(path: &[String], new: &Value) -> bool {
    let above = path.len().checked_sub(2).and_then(|at| path.get(at));
    above.is_some_and(|key| key == "request_models") && new.is_null()
}

/// `any_of` and `all_of` mean something only together with what they hold.
fn is_demand(object: &serde_json::Map<String, Value>) -> bool {
    object.contains_key("any_of") || object.contains_key("all_of")
}

fn is_weaker(key: &str, old: &Value, new: &Value) -> bool {
    let is_there = |value: &Value| !value.is_null();
    if GUARDS.contains(&key) {
        return is_there(old) && (!is_there(new) || demands_less(old, new));
    }
    if WIDENING.contains(&key) {
        return *new == "any" || has_more(old, new);
    }
    match key {
        _ if NARROWING.contains(&key) => has_more(new, old),
        _ if STRICT.contains(&key) => *old == true && *new == false,
        "authorizer" => *new == "none",
        "compatibility" => *new == "aws",
        "token_use" => *new == "any",
        "on_unauthenticated_request" => *new == "allow",
        "desync_mitigation_mode" => *new == "monitor" || *old == "strictest",
        "encoded_slash" | "parameters" => *new == "keep",
        "mode" => *old == "verify",
        "ignore_client_certificate_expiry" => *new == true,
        _ => false,
    }
}

/// Whether the one list has an item that the other has not.
fn has_more(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => other.iter().any(|item| !one.contains(item)),
        _ => false,
    }
}

/// Whether some set of scopes or groups meets the new demand and does not meet the old one.
fn demands_less(old: &Value, new: &Value) -> bool {
    let is_implied = |old: &Value, new: &Value| -> Option<bool> {
        Some(match (old.get("all_of"), new.get("all_of")) {
            // Whoever has all of the new ones has all of the old.
            (Some(old), Some(new)) => !has_more(new, old),
            // Each of a single new one would do.
            (Some(old), None) => {
                let new = new.get("any_of")?.as_array()?;
                let old = old.as_array()?;
                matches!((&new[..], &old[..]), ([new], [old]) if new == old)
            }
            (None, Some(new)) => {
                let old = old.get("any_of")?.as_array()?;
                new.as_array()?.iter().any(|name| old.contains(name))
            }
            (None, None) => !has_more(old.get("any_of")?, new.get("any_of")?),
        })
    };
    is_demand_value(old) && !is_implied(old, new).unwrap_or(false)
}

fn is_demand_value(value: &Value) -> bool {
    value.as_object().is_some_and(is_demand)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_demand_is_weaker_if_it_can_be_met_with_less() {
        for (old, new, expected) in [
            (json!({ "any_of": ["a"] }), json!({ "any_of": ["a", "b"] }), true),
            (json!({ "any_of": ["a", "b"] }), json!({ "any_of": ["a"] }), false),
            (json!({ "any_of": ["a"] }), json!({ "any_of": ["b"] }), true),
            (json!({ "all_of": ["a", "b"] }), json!({ "all_of": ["a"] }), true),
            (json!({ "all_of": ["a"] }), json!({ "all_of": ["b", "a"] }), false),
            (json!({ "all_of": ["a", "b"] }), json!({ "any_of": ["a", "b"] }), true),
            (json!({ "any_of": ["a", "b"] }), json!({ "all_of": ["a", "b"] }), false),
            (json!({ "any_of": ["a"] }), json!({ "all_of": ["b"] }), true),
            (json!({ "all_of": ["a"] }), json!({ "any_of": ["a"] }), false),
            (json!({ "any_of": ["a"] }), Value::Null, true),
            (Value::Null, json!({ "any_of": ["a"] }), false),
        ] {
            assert_eq!(is_weaker("scopes", &old, &new), expected, "{old} {new}");
        }
    }

    #[test]
    fn lists_lean_one_way_or_the_other() {
        let (less, more) = (json!(["a"]), json!(["a", "b"]));
        assert!(is_weaker("app_clients", &less, &more) && !is_weaker("app_clients", &more, &less));
        assert!(is_weaker("app_clients", &less, &json!("any")));
        assert!(is_weaker("additional_claims", &more, &less));
        assert!(!is_weaker("additional_claims", &less, &more));
        assert!(is_weaker("jwt_validation", &json!({ "user_pools": [] }), &Value::Null));
        assert!(!is_weaker("idle_timeout", &json!("60s"), &json!("1s")));
    }

    #[test]
    fn a_route_is_weaker_with_less_to_bring() {
        let route = json!({
            "authorizer": { "name": "main", "jwt": { "scopes": { "any_of": ["a"] } } },
            "api_key_required": true,
            "required_parameters": ["method.request.header.x"],
            "request_models": { "application/json": {} },
        });
        let changed = |pointer: &str, value: Value| {
            let mut changed = route.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            compare(&route, &changed)
        };
        for (pointer, value) in [
            ("/authorizer", json!("none")),
            ("/authorizer/jwt/scopes", Value::Null),
            ("/api_key_required", json!(false)),
            ("/required_parameters", json!([])),
            ("/request_models", json!({})),
        ] {
            let found = changed(pointer, value.clone());
            assert!(found.iter().all(|setting| setting.is_weaker), "{pointer}: {found:?}");
            assert_eq!(found.len(), 1, "{pointer}");
        }
        assert!(!changed("/authorizer/name", json!("other"))[0].is_weaker);
        assert!(
            !changed("/required_parameters", json!(["method.request.header.x", "y"]))[0].is_weaker
        );
    }

    #[test]
    fn keys_that_come_and_go_are_settings_too() {
        let (old, new) = (json!({ "a": { "b": 1, "c": 2 } }), json!({ "a": { "c": 2, "d": 3 } }));
        let found = compare(&old, &new);
        let paths: Vec<_> = found.iter().map(|setting| setting.path.as_str()).collect();
        assert_eq!(paths, ["a.b", "a.d"]);
        assert!(compare(&old, &old).is_empty());
    }
}
