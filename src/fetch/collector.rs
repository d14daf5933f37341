//! Hands spans to an OpenTelemetry collector: OTLP over HTTP, in JSON.
//!
//! No redirect, no proxy, and what the collector answers is not read beyond its status.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use super::ClientError;

const CONNECT: Duration = Duration::from_secs(2);
const TOTAL: Duration = Duration::from_secs(5);

/// What came of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The collector has it.
    Taken,
    /// It may take it later.
    NotNow,
    /// It never will.
    Refused,
}

/// The client toward collectors.
#[derive(Debug)]
pub struct CollectorClient(reqwest::Client);

impl CollectorClient {
    /// A client that has asked nobody yet.
    ///
    /// # Errors
    /// When the TLS library cannot be set up at all.
    pub fn new() -> Result<Self, ClientError> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .referer(false)
                .connect_timeout(CONNECT)
                .timeout(TOTAL)
                // The last batch is sent by another runtime than those before.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        };
        // Without certificate authorities HTTPS fails; the client of key sets has told.
        Ok(Self(builder().build().or_else(|_| builder().tls_certs_only([]).build())?))
    }

    /// Sends one batch, once.
    pub async fn send(&self, endpoint: &str, body: Vec<u8>) -> Delivery {
        let request = self.0.post(endpoint).header(CONTENT_TYPE, "application/json").body(body);
        match request.send().await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Delivery::Taken,
            // The four that OTLP allows to be tried again.
            Ok(
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT,
            ) => Delivery::NotNow,
            Ok(status) => {
                tracing::debug!(status = status.as_u16(), "the trace collector refuses spans");
                Delivery::Refused
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "the trace collector was not reached");
                Delivery::NotNow
            }
        }
    }
}
