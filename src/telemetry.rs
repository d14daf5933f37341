//! What the gateway tells about itself: metrics, the access and connection logs, recent denials, its own log.
//!
//! Nothing here decides anything, and nothing here may hold up a request: handles are held, never
//! looked up; lines go through a bounded queue that drops and counts. This is the lowest tier, so
//! names arrive as plain text and reasons as closed lists that the caller owns.

pub mod access_log;
pub mod connection_log;
pub mod denials;
pub mod health_check_log;
pub mod json;
pub mod log_format;
pub mod logging;
pub mod metrics;
pub mod otel;
pub mod record;
pub mod sample;
mod sink;
mod stream;
pub mod trace;
