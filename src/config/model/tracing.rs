//! `tracing:`

use std::sync::Arc;

/// Where spans of requests go, and of which requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracing {
    /// Where batches are posted to, `/v1/traces` included.
    pub endpoint: Arc<str>,
    /// Requests without a `traceparent` that begin a trace, of a million.
    pub sample: u32,
    /// Most traces a second that we choose, and most that clients choose.
    pub max_per_second: u32,
    /// `service.name`.
    pub service_name: Arc<str>,
}
