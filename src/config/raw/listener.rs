//! `listeners:` as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::rule::{DefaultAction, Rule};
use crate::config::field::{Field, List};
use crate::config::units::{DurationText, SizeText};

/// An address and port we accept on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["address"]))]
pub(in crate::config) struct Listener {
    /// IP address and port. Port 0 takes any free one. A change needs a restart.
    #[schemars(example = &"0.0.0.0:443", example = &"[::]:443")]
    pub(in crate::config) address: Field<String>,
    /// Certificates. Without it the listener speaks plain HTTP.
    pub(in crate::config) tls: Field<ListenerTls>,
    /// `accepted`: rules may verify tokens although this listener speaks plain HTTP beyond
    /// loopback, since something in front of it does TLS.
    pub(in crate::config) plaintext: Field<Plaintext>,
    /// Whether HTTP/2 is offered. Default: `true`.
    pub(in crate::config) http2: Field<bool>,
    /// What of a path is refused or changed before it is matched.
    pub(in crate::config) path: Field<PathPolicy>,
    /// Longest silence on a client connection. Default: `60s`.
    pub(in crate::config) idle_timeout: Field<DurationText>,
    /// Age after which a client connection takes one more request. Default: `1h`.
    pub(in crate::config) client_keep_alive: Field<DurationText>,
    /// From the first byte of a request head to its last. Default: `10s`.
    pub(in crate::config) head_timeout: Field<DurationText>,
    /// What happens to HTTP/1 requests that others may read differently. Default: `defensive`.
    pub(in crate::config) desync_mitigation_mode: Field<DesyncMitigationMode>,
    /// Longest request body. Default: `1GiB`.
    pub(in crate::config) max_request_body: Field<SizeText>,
    /// Client connections at a time. Default: 65536.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) max_connections: Field<u64>,
    /// Rules. They apply in file order, or by `priority` when every rule has one.
    pub(in crate::config) rules: Field<List<Rule>>,
    /// What happens when no rule matches. Default: a fixed 404.
    pub(in crate::config) default_action: Field<DefaultAction>,
}

/// `accepted`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Plaintext {
    /// Tokens may come in the clear.
    Accepted,
}

/// What happens to HTTP/1 requests that others may read differently. What cannot be read in one way
/// only is refused in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum DesyncMitigationMode {
    /// They are counted and logged.
    Monitor,
    /// Severe ones are refused; after ambiguous ones both connections are closed.
    Defensive,
    /// Only compliant ones are forwarded.
    Strictest,
}

/// Certificates of a listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["certificates"]))]
pub(in crate::config) struct ListenerTls {
    /// At least one; chosen by SNI. The first is served when no name matches.
    #[schemars(length(min = 1))]
    pub(in crate::config) certificates: Field<List<Certificate>>,
}

/// A certificate chain and its key, as PEM files. Relative paths start at this file's folder.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["certificate", "private_key"]))]
pub(in crate::config) struct Certificate {
    /// The chain, leaf first.
    pub(in crate::config) certificate: Field<String>,
    /// The leaf's private key.
    pub(in crate::config) private_key: Field<String>,
}

/// What of a path is refused or changed before it is matched.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct PathPolicy {
    /// `%2F`: refused, or judged and sent as it is. Default: `refuse`.
    pub(in crate::config) encoded_slash: Field<EncodedSlash>,
    /// Runs of `/` become one. Default: `true`.
    pub(in crate::config) merge_slashes: Field<bool>,
    /// `;parameters`: judged without them too, or as they are. Default: `check`.
    pub(in crate::config) parameters: Field<Parameters>,
}

/// What happens to `%2F`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum EncodedSlash {
    /// Answered with 400.
    Refuse,
    /// Judged and sent as it is.
    Keep,
}

/// What happens to `;parameters`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Parameters {
    /// Refused if the path without them selects another rule.
    Check,
    /// Judged and sent as they are.
    Keep,
}
