//! `response_headers:` of a listener as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::Field;

/// Headers of every answer of this listener, whoever made it. A value replaces a target's; an empty
/// one adds nothing. Values are 1 KiB at most, of letters, digits and ``_ :;.,\/'?!(){}[]@<>=-+*#&`|~^%``.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct ResponseHeaders {
    /// Whether our own answers say `Server`; or `{ enabled, value, remove_from_targets }`. Default:
    /// `true`.
    pub(in crate::config) server: Field<Server>,
    /// Browsers come back by HTTPS only.
    #[schemars(example = &"max-age=31536000; includeSubDomains")]
    pub(in crate::config) strict_transport_security: Field<String>,
    /// CORS: the origin whose scripts may read answers, or `*`.
    #[schemars(example = &"https://app.example.com")]
    pub(in crate::config) access_control_allow_origin: Field<String>,
    /// CORS: methods that scripts may use.
    #[schemars(example = &"GET, POST")]
    pub(in crate::config) access_control_allow_methods: Field<String>,
    /// CORS: headers that scripts may send.
    #[schemars(example = &"authorization, content-type")]
    pub(in crate::config) access_control_allow_headers: Field<String>,
    /// CORS: `"true"` when cookies may go along.
    #[schemars(example = &"true")]
    pub(in crate::config) access_control_allow_credentials: Field<String>,
    /// CORS: headers of answers that scripts may see.
    #[schemars(example = &"x-request-id")]
    pub(in crate::config) access_control_expose_headers: Field<String>,
    /// CORS: seconds for which all that may be remembered.
    #[schemars(example = &"600")]
    pub(in crate::config) access_control_max_age: Field<String>,
    /// What a page may load and do.
    #[schemars(example = &"default-src 'self'")]
    pub(in crate::config) content_security_policy: Field<String>,
    /// `nosniff`: types are not guessed.
    #[schemars(example = &"nosniff")]
    pub(in crate::config) x_content_type_options: Field<String>,
    /// Who may show a page in a frame: `DENY` or `SAMEORIGIN`.
    #[schemars(example = &"DENY")]
    pub(in crate::config) x_frame_options: Field<String>,
}

/// Whether `Server` is said, and what.
#[derive(Debug)]
pub(in crate::config) enum Server {
    /// On or off.
    Plain(bool),
    /// The long form.
    Object(Box<ServerObject>),
}

short_and_long!(Server, "`true`, `false`, or a mapping with `enabled`, `value` and `remove_from_targets`", {
    flag: |on| Server::Plain(on),
    map: ServerObject => |object| Server::Object(Box::new(object)),
});

/// Whether `Server` is said, and what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct ServerObject {
    /// Whether our own answers say `Server`. Default: `true`.
    pub(in crate::config) enabled: Field<bool>,
    /// What they say. ALB says `awselb/2.0`. Default: `portcullis`.
    #[schemars(example = &"awselb/2.0")]
    pub(in crate::config) value: Field<String>,
    /// Whether targets' `Server` is removed. Default: `false`.
    pub(in crate::config) remove_from_targets: Field<bool>,
}
