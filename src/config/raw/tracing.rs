//! `tracing:`, as it is typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::Field;

/// Spans of requests, for an OpenTelemetry collector.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Tracing {
    /// The collector's base URL; `/v1/traces` is added (OTLP over HTTP, in JSON).
    #[schemars(example = &"http://127.0.0.1:4318")]
    pub(in crate::config) otlp_endpoint: Field<String>,
    /// Of requests that come without a `traceparent`, how many begin a trace: `0%` to `100%`, up to
    /// four decimals. With one, its sampled flag decides. Default: `10%`.
    #[schemars(example = &"10%")]
    pub(in crate::config) sample: Field<String>,
    /// Most requests a second that are traced by our choice, and as many again by their clients',
    /// 1 to 10000. Default: 100.
    #[schemars(range(min = 1, max = 10_000))]
    pub(in crate::config) max_traces_per_second: Field<u64>,
    /// What `service.name` says, 1 to 100 characters. Default: `portcullis`.
    pub(in crate::config) service_name: Field<String>,
}
