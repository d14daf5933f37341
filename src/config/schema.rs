//! The JSON Schema of `routes.yaml`, for editors: draft-07, made from the raw types.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::raw;

/// The schema as it is committed at `schema/routes.schema.json`, with a line break at the end.
#[must_use]
pub fn render() -> String {
    render_for::<raw::File>()
}

/// The schema of any file that is made of raw types.
pub(super) fn render_for<T: JsonSchema>() -> String {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>();
    RecursiveTransform(tidy).transform(&mut schema);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Doc comments are wrapped for the source, not for a hover; Rust's integer types say nothing to
/// an editor.
fn tidy(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    schema.remove("format");
}

#[cfg(test)]
mod tests;
