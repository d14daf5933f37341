//! `target_groups:` as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Certificate;
use super::Stickiness;
use crate::config::field::{Field, List};
use crate::config::units::DurationText;

/// Backends that serve the same thing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["targets"]))]
pub(in crate::config) struct TargetGroup {
    /// Its targets: `HOST:PORT`, or `{ address, weight }`. An empty list answers 503.
    pub(in crate::config) targets: Field<List<Target>>,
    /// How targets are spoken to. Default: `http`.
    pub(in crate::config) protocol: Field<Protocol>,
    /// Which HTTP version targets speak. Default: `http1`.
    pub(in crate::config) protocol_version: Field<ProtocolVersion>,
    /// TLS toward targets, with `protocol: https`: `{ server_name, authorities }`, or `insecure`
    /// for no verification at all.
    pub(in crate::config) tls: Field<TargetTls>,
    /// How a target is chosen. Default: `round_robin`.
    pub(in crate::config) algorithm: Field<BalancingAlgorithm>,
    /// Keeps a client on the target that served it first.
    pub(in crate::config) stickiness: Field<Stickiness>,
    /// Active health checks.
    pub(in crate::config) health_check: Field<HealthCheck>,
    /// Time limits toward targets.
    pub(in crate::config) timeouts: Field<TargetTimeouts>,
    /// Tell targets in a signed header, `x-portcullis-identity`, who calls. Default: `false`.
    pub(in crate::config) identity_assertion: Field<bool>,
}

/// An address, or an address with a weight.
#[derive(Debug)]
pub(in crate::config) enum Target {
    /// `HOST:PORT`.
    Address(String),
    /// The long form.
    Object(Box<TargetObject>),
}

short_and_long!(Target, "`HOST:PORT`, or a mapping with `address` and `weight`", {
    text: |text| Ok(Target::Address(text)),
    map: TargetObject => |object| Target::Object(Box::new(object)),
});

/// One target.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["address"]))]
pub(in crate::config) struct TargetObject {
    /// `HOST:PORT`, `192.0.2.1:8080` or `[2001:db8::1]:8080`.
    #[schemars(example = &"10.0.1.10:8080", example = &"orders.internal:8080")]
    pub(in crate::config) address: Field<String>,
    /// Its share beside its siblings, 0 to 999; 0 receives nothing. Default: 1.
    #[schemars(range(max = 999))]
    pub(in crate::config) weight: Field<u64>,
}

/// How targets are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTPS.
    Https,
}

/// Which HTTP version targets speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum ProtocolVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// gRPC over HTTP/2.
    Grpc,
}

/// TLS toward targets.
#[derive(Debug)]
pub(in crate::config) enum TargetTls {
    /// `insecure`: anyone may answer in the target's place.
    Insecure,
    /// Verified.
    Verified(Box<TargetTlsObject>),
}

short_and_long!(TargetTls, "a mapping with `server_name`, `authorities` and `client_certificate`, or `insecure`", {
    word: "insecure" => TargetTls::Insecure,
    map: TargetTlsObject => |object| TargetTls::Verified(Box::new(object)),
});

/// How a target's certificate is verified.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct TargetTlsObject {
    /// The name that is sent as SNI and checked. Default: the target's own name.
    pub(in crate::config) server_name: Field<String>,
    /// PEM file of the authorities to trust instead of the system's.
    pub(in crate::config) authorities: Field<String>,
    /// What this gateway shows to targets that ask for a certificate.
    pub(in crate::config) client_certificate: Field<Certificate>,
}

/// How a target is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum BalancingAlgorithm {
    /// In turn, by weight.
    RoundRobin,
    /// The one with the fewest requests in flight for its weight.
    LeastOutstandingRequests,
}

/// Active health checks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct HealthCheck {
    /// `false` means that every target counts as healthy. Default: `true`.
    pub(in crate::config) enabled: Field<bool>,
    /// Path and query of the GET. Default: `/`.
    #[schemars(example = &"/healthz")]
    pub(in crate::config) path: Field<String>,
    /// Another port than the target's own.
    #[schemars(range(min = 1, max = 65535))]
    pub(in crate::config) port: Field<u64>,
    /// From the start of one check to the start of the next. Default: `30s`.
    pub(in crate::config) interval: Field<DurationText>,
    /// For a whole check. Default: `5s`, or the interval if that is shorter.
    pub(in crate::config) timeout: Field<DurationText>,
    /// Successes in a row before an unhealthy target is healthy. Default: 5.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) healthy_threshold: Field<u64>,
    /// Failures in a row before a target is unhealthy. Default: 2.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) unhealthy_threshold: Field<u64>,
    /// Statuses that pass: `200`, `200-299`, `200,204,300-399`. Default: `200`.
    #[schemars(with = "StatusMatcher")]
    pub(in crate::config) matcher: Field<String>,
}

/// Schema of `matcher`: a bare `200` is a number to YAML.
struct StatusMatcher;

impl JsonSchema for StatusMatcher {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusMatcher".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "integer"],
            "examples": [200, "200-299", "200,204,300-399"],
        })
    }
}

/// Time limits toward targets.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct TargetTimeouts {
    /// TCP connect, and again TLS. Default: `10s`.
    pub(in crate::config) connect: Field<DurationText>,
    /// Longest silence of a target that owes us bytes. Default: `60s`.
    pub(in crate::config) response: Field<DurationText>,
    /// Longest wait until a target takes bytes. Default: `60s`.
    pub(in crate::config) send: Field<DurationText>,
    /// How long an unused connection is kept. Default: `50s`.
    pub(in crate::config) idle: Field<DurationText>,
}
