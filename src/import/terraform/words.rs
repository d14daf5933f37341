//! Terraform's words as AWS's.

use serde_json::{Map, Value};

/// `target_group_arn` as `TargetGroupArn`.
pub(super) fn pascal(text: &str) -> String {
    text.split('_')
        .map(|word| {
            let mut characters = word.chars();
            characters.next().map_or_else(String::new, |first| {
                first.to_ascii_uppercase().to_string() + characters.as_str()
            })
        })
        .collect()
}

/// `rest_api_id` as `restApiId`.
pub(super) fn camel(text: &str) -> String {
    let text = pascal(text);
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_ascii_lowercase().to_string() + characters.as_str()
    })
}

/// Members with AWS's names, without secrets, bookkeeping and what says nothing.
pub(super) fn members(values: &Map<String, Value>, name: fn(&str) -> String) -> Map<String, Value> {
    let is_told = |key: &str, value: &Value| {
        !key.contains("secret")
            && !matches!(key, "tags" | "tags_all" | "region" | "timeouts")
            && !is_nothing(value)
    };
    values
        .iter()
        .filter(|(key, value)| is_told(key, value))
        .map(|(key, value)| (name(key), value.clone()))
        .collect()
}

/// Whether it is what Terraform writes for something that was not said.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The one block of its name.
pub(super) fn block<'v>(
    values: &'v Map<String, Value>,
    key: &str,
) -> Option<&'v Map<String, Value>> {
    match values.get(key)? {
        Value::Array(blocks) => blocks.first()?.as_object(),
        Value::Object(block) => Some(block),
        _ => None,
    }
}

/// All blocks of its name.
pub(super) fn blocks<'v>(
    values: &'v Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'v Map<String, Value>> {
    let blocks = values.get(key).and_then(Value::as_array).into_iter().flatten();
    blocks.filter_map(Value::as_object)
}

/// A number or a text as text; Terraform has either.
pub(super) fn text(values: &Map<String, Value>, key: &str) -> Option<String> {
    match values.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
