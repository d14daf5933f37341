use serde_json::{Value, json};

use super::*;

const COMMITTED: &str = include_str!("../../../schema/routes.schema.json");
const SAMPLE: &str = include_str!("../../../routes.yaml");

#[test]
fn the_committed_schema_is_the_one_that_is_made() {
    let made = render();
    assert!(made == COMMITTED, "run `portcullis schema > schema/routes.schema.json`");
}

#[test]
fn the_schema_is_draft_07_and_closed() {
    let schema: Value = serde_json::from_str(COMMITTED).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        if definition.get("properties").is_some() {
            assert_eq!(definition["additionalProperties"], false, "{name}");
        }
    }
}

#[test]
fn every_key_has_a_hover_text() {
    fn walk(at: &str, schema: &Value) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (key, property) in properties {
                let text = property["description"].as_str().unwrap_or_default();
                assert!(text.len() > 8, "{at}.{key} has no description");
                walk(&format!("{at}.{key}"), property);
            }
        }
    }
    let schema: Value = serde_json::from_str(COMMITTED).unwrap();
    walk("file", &schema);
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        walk(name, definition);
    }
}

#[test]
fn the_sample_satisfies_the_schema() {
    assert_eq!(problems(SAMPLE), Vec::<String>::new());
}

#[test]
fn bad_files_fail_the_schema_and_check_alike() {
    for bad in [
        "listners: {}",
        "admin: { adress: 127.0.0.1:9901 }",
        "admin: { token: plain }",
        "startup_wait: 10",
        "startup_wait: 10 s",
        "threads: many",
        "user_pools: { a: { app_clients: [x] } }",
        "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: all } }",
        "user_pools: { a: { issuer: https://a.b, audiences: [x], algorithms: [HS256] } }",
        "target_groups: { a: { protocol: http } }",
        "target_groups: { a: { targets: [{ weight: 1 }] } }",
        "target_groups: { a: { targets: [], stickiness: { type: cookie } } }",
        "session_keys: [plain]",
        "listeners: { a: { rules: [] } }",
        "listeners: { a: { address: 127.0.0.1:1, rules: [{ name: x, conditions: { path_pattern: [/] } }] } }",
        "listeners: { a: { address: 127.0.0.1:1, rules: [{ fixed_response: { status_code: 200 } }] } }",
        "listeners: { a: { address: 127.0.0.1:1, default_action: { fixed_response: { status_code: 700 } } } }",
        "listeners: { a: { address: 127.0.0.1:1, plaintext: yes } }",
        "listeners: { a: { address: 127.0.0.1:1, default_action: { redirect: { host: a, status_code: 307 } } } }",
    ] {
        assert_ne!(problems(bad), Vec::<String>::new(), "the schema takes {bad}");
        assert!(crate::config::parse_portable(bad, "x").is_err(), "check takes {bad}");
    }
}

fn problems(yaml: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(COMMITTED).unwrap();
    let value: Value = serde_saphyr::from_str(yaml).unwrap();
    let mut problems = Vec::new();
    judge(&schema, &schema, &value, "$", &mut problems);
    problems
}

/// As much of JSON Schema draft-07 as the schema uses.
fn judge(root: &Value, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().unwrap() {
        let good = match keyword.as_str() {
            "$schema" | "title" | "description" | "examples" | "definitions" => true,
            "$ref" => {
                let name = wanted.as_str().unwrap().strip_prefix("#/definitions/").unwrap();
                judge(root, &root["definitions"][name], value, at, problems);
                true
            }
            "allOf" => wanted.as_array().unwrap().iter().all(|part| fits(root, part, value)),
            "anyOf" => wanted.as_array().unwrap().iter().any(|part| fits(root, part, value)),
            "oneOf" => {
                let fitting =
                    wanted.as_array().unwrap().iter().filter(|part| fits(root, part, value));
                fitting.count() == 1
            }
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|one| is_type(one, value)),
                one => is_type(one, value),
            },
            "pattern" => {
                let pattern = regex::Regex::new(wanted.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "minItems" => {
                value.as_array().is_none_or(|list| list.len() as u64 >= wanted.as_u64().unwrap())
            }
            "minProperties" => {
                value.as_object().is_none_or(|map| map.len() as u64 >= wanted.as_u64().unwrap())
            }
            "required" => wanted.as_array().unwrap().iter().all(|key| {
                value.as_object().is_none_or(|map| map.contains_key(key.as_str().unwrap()))
            }),
            "items" => {
                for (position, item) in value.as_array().into_iter().flatten().enumerate() {
                    judge(root, wanted, item, &format!("{at}[{position}]"), problems);
                }
                true
            }
            "properties" => {
                for (key, property) in wanted.as_object().unwrap() {
                    if let Some(inner) = value.get(key) {
                        judge(root, property, inner, &format!("{at}.{key}"), problems);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(key)) {
                        continue;
                    }
                    if *wanted == json!(false) {
                        problems.push(format!("{at}.{key} is not known"));
                    } else {
                        judge(root, wanted, inner, &format!("{at}.{key}"), problems);
                    }
                }
                true
            }
            other => panic!("the schema uses `{other}`, which this test does not know"),
        };
        if !good {
            problems.push(format!("{at} does not satisfy `{keyword}`: {wanted}"));
        }
    }
}

fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let mut problems = Vec::new();
    judge(root, schema, value, "", &mut problems);
    problems.is_empty()
}

fn is_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}
