//! `cors:` of an API as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, List};
use crate::config::units::DurationText;

/// Which pages of other origins may call an API from a browser. Preflights are answered by the
/// gateway, before any authorizer, unless a route takes `OPTIONS`; what targets say about CORS is
/// replaced.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["allow_origins"]))]
pub(in crate::config) struct Cors {
    /// Origins as browsers send them (`https://app.example.com`), `*` for all, `https://*` or
    /// `http://*` for all of a scheme.
    #[schemars(length(min = 1), example = ["https://app.example.com"])]
    pub(in crate::config) allow_origins: Field<List<String>>,
    /// Methods in capitals, or `*`. Default: none are named; browsers then let GET, HEAD and POST
    /// pass.
    #[schemars(length(min = 1), example = ["GET", "POST"])]
    pub(in crate::config) allow_methods: Field<List<String>>,
    /// Headers that pages may send, or `*` (which for browsers does not cover `authorization`).
    #[schemars(length(min = 1), example = ["authorization", "content-type"])]
    pub(in crate::config) allow_headers: Field<List<String>>,
    /// Headers that pages may read, or `*`.
    #[schemars(length(min = 1), example = ["x-request-id"])]
    pub(in crate::config) expose_headers: Field<List<String>>,
    /// How long browsers may keep the answer to a preflight: `0s` to `24h`. Default: nothing is
    /// said; they then keep it for 5 seconds.
    #[schemars(example = &"10m")]
    pub(in crate::config) max_age: Field<DurationText>,
    /// Whether pages may send cookies, and read what they got by them. Not with the origin `*`.
    /// Default: `false`.
    pub(in crate::config) allow_credentials: Field<bool>,
}
