//! What a listener believes of its clients' way, and what it tells targets about it, as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::Field;

/// Which header of the PROXY protocol every connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum ProxyProtocol {
    /// The line of text.
    V1,
    /// The binary header.
    V2,
    /// Either.
    Any,
}

/// A mode, or a mode with the client's port.
#[derive(Debug)]
pub(in crate::config) enum ForwardedFor {
    /// The mode alone.
    Mode(ForwardedForMode),
    /// The long form.
    Object(Box<ForwardedForObject>),
}

short_and_long!(ForwardedFor, "`append`, `preserve`, `remove`, or a mapping with `mode` and `client_port`", {
    choice: ForwardedForMode => |mode| ForwardedFor::Mode(mode),
    map: ForwardedForObject => |object| ForwardedFor::Object(Box::new(object)),
});

/// What becomes of `X-Forwarded-For`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum ForwardedForMode {
    /// The other end of the connection is appended to what came in.
    Append,
    /// It goes on as the client wrote it. Targets can then not believe any of it.
    Preserve,
    /// It does not go on.
    Remove,
}

/// What becomes of `X-Forwarded-For`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct ForwardedForObject {
    /// Default: `append`.
    pub(in crate::config) mode: Field<ForwardedForMode>,
    /// Whether the appended address has its port: `192.0.2.1:5000`, `[2001:db8::1]:5000`. Default:
    /// `false`.
    pub(in crate::config) client_port: Field<bool>,
}

/// Off, on, or on under other names.
#[derive(Debug)]
pub(in crate::config) enum TlsHeaders {
    /// Under ALB's names, or not at all.
    Plain(bool),
    /// Under these names.
    Object(Box<TlsHeaderNames>),
}

short_and_long!(TlsHeaders, "`true`, `false`, or a mapping with `version` and `cipher_suite`", {
    flag: |on| TlsHeaders::Plain(on),
    map: TlsHeaderNames => |object| TlsHeaders::Object(Box::new(object)),
});

/// Names of the headers that tell targets about the client's TLS.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct TlsHeaderNames {
    /// `TLSv1.3`, `TLSv1.2`. Default: `x-amzn-tls-version`.
    pub(in crate::config) version: Field<String>,
    /// As OpenSSL spells it. Default: `x-amzn-tls-cipher-suite`.
    pub(in crate::config) cipher_suite: Field<String>,
}
