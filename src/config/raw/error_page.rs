//! `error_pages:` as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::Field;

/// A page in place of ALB's. `#{status_code}` and `#{request_id}` in its text are filled in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["body"] }, { "required": ["file"] }]))]
pub(in crate::config) struct ErrorPage {
    /// Default: `text/html`.
    #[schemars(example = &"application/problem+json")]
    pub(in crate::config) content_type: Field<String>,
    /// The text, 64 KiB at most.
    pub(in crate::config) body: Field<String>,
    /// A file with the text. It is read again when it changes.
    #[schemars(example = &"pages/503.html")]
    pub(in crate::config) file: Field<String>,
}
