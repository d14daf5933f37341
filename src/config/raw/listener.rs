//! `listeners:` as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::error_page::ErrorPage;
use super::forwarding::{ForwardedFor, ProxyProtocol, TlsHeaders};
use super::response_headers::ResponseHeaders;
use super::rule::{DefaultAction, Rule};
use crate::config::field::{Field, List, Table};
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
    /// Proxies in front of us, as CIDR blocks or addresses. What they say in `X-Forwarded-For`,
    /// `-Proto` and `-Port` is believed; without it nothing of the kind is.
    #[schemars(example = &["10.0.0.0/8"])]
    pub(in crate::config) trusted_proxies: Field<List<String>>,
    /// `v1`, `v2` or `any`: every connection begins with a header of the PROXY protocol, and its
    /// source is the client. With `trusted_proxies`, only they may connect.
    pub(in crate::config) proxy_protocol: Field<ProxyProtocol>,
    /// What becomes of `X-Forwarded-For`: `append`, `preserve`, `remove`, or
    /// `{ mode, client_port }`. Default: `append`.
    pub(in crate::config) x_forwarded_for: Field<ForwardedFor>,
    /// Whether targets get `Host` as the client wrote it, and not in its canonical spelling.
    /// Default: `false`.
    pub(in crate::config) preserve_host_header: Field<bool>,
    /// Whether header fields whose names are not of letters, digits and `-` are removed. Default:
    /// `false`.
    pub(in crate::config) drop_invalid_header_fields: Field<bool>,
    /// Whether targets are told the client's TLS version and cipher suite, and under which names.
    /// Default: `false`.
    pub(in crate::config) tls_headers: Field<TlsHeaders>,
    /// Headers of every answer of this listener, and whether it says who answers.
    pub(in crate::config) response_headers: Field<ResponseHeaders>,
    /// What its own answers show in place of ALB's pages, by status (`404`) or class (`4xx`, `5xx`);
    /// before the file's `error_pages`.
    pub(in crate::config) error_pages: Field<Table<ErrorPage>>,
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
    /// Client connections of one address at a time, or of the first 64 bits of an IPv6 address. Those
    /// of `trusted_proxies` are not counted. Default: as many as `max_connections`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) max_connections_per_client: Field<u64>,
    /// Requests on one HTTP/2 connection; then it gets GOAWAY. Default: 10000.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(in crate::config) max_http2_requests: Field<u64>,
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
    /// AWS's name for the versions, suites and groups that are spoken. Default:
    /// `ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09`. TLS 1.0, 1.1 and CBC suites are never spoken.
    #[schemars(extend("examples" = [
        "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
        "ELBSecurityPolicy-TLS13-1-3-2021-06",
    ]))]
    pub(in crate::config) security_policy: Field<String>,
    /// Certificates are asked of clients.
    pub(in crate::config) mutual_authentication: Field<MutualAuthentication>,
}

/// Certificates are asked of clients, and targets told of them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["mode"]))]
pub(in crate::config) struct MutualAuthentication {
    /// `verify`: nobody connects without a certificate that the trust store vouches for.
    /// `passthrough`: the target gets the chain, if there is one, and judges it.
    pub(in crate::config) mode: Field<MutualMode>,
    /// PEM file of the certificate authorities that vouch for clients (`verify` only).
    pub(in crate::config) trust_store: Field<String>,
    /// PEM files of what authorities have revoked (`verify` only).
    pub(in crate::config) revocation_lists: Field<List<String>>,
    /// Whether a client's certificate that has ended is taken all the same (`verify` only).
    /// Default: `false`.
    pub(in crate::config) ignore_client_certificate_expiry: Field<bool>,
    /// Whether clients are told the authorities' names (`verify` only). Default: `false`.
    pub(in crate::config) advertise_trust_store_ca_names: Field<bool>,
    /// Other names for the headers by which targets are told.
    pub(in crate::config) header_names: Field<ClientHeaderNames>,
}

/// What happens to a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum MutualMode {
    /// It must be vouched for.
    Verify,
    /// The target gets it unjudged.
    Passthrough,
}

/// Names of the headers that tell targets of a client's certificate.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct ClientHeaderNames {
    /// The chain, with `passthrough`. Default: `X-Amzn-Mtls-Clientcert`.
    pub(in crate::config) x_amzn_mtls_clientcert: Field<String>,
    /// Default: `X-Amzn-Mtls-Clientcert-Serial-Number`.
    pub(in crate::config) x_amzn_mtls_clientcert_serial_number: Field<String>,
    /// Default: `X-Amzn-Mtls-Clientcert-Issuer`.
    pub(in crate::config) x_amzn_mtls_clientcert_issuer: Field<String>,
    /// Default: `X-Amzn-Mtls-Clientcert-Subject`.
    pub(in crate::config) x_amzn_mtls_clientcert_subject: Field<String>,
    /// Default: `X-Amzn-Mtls-Clientcert-Validity`.
    pub(in crate::config) x_amzn_mtls_clientcert_validity: Field<String>,
    /// Default: `X-Amzn-Mtls-Clientcert-Leaf`.
    pub(in crate::config) x_amzn_mtls_clientcert_leaf: Field<String>,
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
