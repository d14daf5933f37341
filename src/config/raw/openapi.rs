//! `openapi:` of an API as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, Table};

/// An OpenAPI file, and who serves what it names.
#[derive(Debug)]
pub(in crate::config) enum OpenApi {
    /// The file alone.
    File(String),
    /// With what it cannot say itself.
    Full(Box<OpenApiFile>),
}

short_and_long!(OpenApi, "the path of an OpenAPI file, or a mapping with `file` and `integrations`", {
    text: |path| Ok(OpenApi::File(path)),
    map: OpenApiFile => |file| OpenApi::Full(Box::new(file)),
});

/// An OpenAPI file with API Gateway's extensions, and who serves what it names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["file"]))]
pub(in crate::config) struct OpenApiFile {
    /// OpenAPI 3.0, for REST APIs also Swagger 2.0; YAML or JSON, 6 MiB at most. A relative path
    /// begins at this file's folder.
    #[schemars(example = &"shop.openapi.yaml")]
    pub(in crate::config) file: Field<String>,
    /// Who serves an integration, by its `uri` as the file has it; `*` at the end stands for the
    /// rest. The longest that fits wins.
    #[schemars(example = &"https://orders.internal/*")]
    pub(in crate::config) integrations: Field<Table<OpenApiIntegration>>,
}

/// Who serves an integration of an OpenAPI file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["target_group"]))]
pub(in crate::config) struct OpenApiIntegration {
    /// The target group.
    pub(in crate::config) target_group: Field<String>,
}
