//! The HTTP client toward the endpoints of user pools: tokens, claims, revocation.
//!
//! Like the one for key sets it follows no redirect and no proxy, and bounds every answer; unlike
//! that one it keeps connections, since a person is waiting.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};

use super::ClientError;
use crate::sign_in::exchange::{Ask, LONGEST_REPLY, PATIENCE, Reply};

/// For the connection.
const CONNECT: Duration = Duration::from_secs(2);

/// Asks user pools. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ProviderClient {
    inner: reqwest::Client,
}

impl ProviderClient {
    /// # Errors
    /// When the TLS library cannot be set up at all.
    pub(super) fn new() -> Result<Self, ClientError> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .referer(false)
                .connect_timeout(CONNECT)
                .timeout(PATIENCE)
                .pool_idle_timeout(Duration::from_secs(30))
                .pool_max_idle_per_host(16)
                .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        };
        // Without certificate authorities HTTPS fails; the client of key sets has told.
        let inner = builder().build().or_else(|_| builder().tls_certs_only([]).build())?;
        Ok(Self { inner })
    }

    /// Asks, and waits no longer than a person would.
    pub(super) async fn ask(&self, ask: &Ask) -> Reply {
        tokio::time::timeout(PATIENCE, self.send(ask)).await.unwrap_or(Reply::Silent)
    }

    async fn send(&self, ask: &Ask) -> Reply {
        let mut request = match &ask.form {
            Some(form) => self
                .inner
                .post(&*ask.url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone()),
            None => self.inner.get(&*ask.url),
        };
        request = request.header(ACCEPT, "application/json");
        if let Some(authorization) = &ask.authorization {
            let Ok(mut value) = HeaderValue::try_from(authorization) else {
                return Reply::Unreadable;
            };
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return lost(&error),
        };
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= LONGEST_REPLY => {
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => return Reply::Unreadable,
                Ok(None) => return Reply::Answered { status, body },
                Err(error) => return lost(&error),
            }
        }
    }
}

/// No connection is as good as no answer.
fn lost(error: &reqwest::Error) -> Reply {
    let shown: &dyn std::error::Error = error;
    tracing::debug!(error = shown, "a user pool's endpoint did not answer");
    if error.is_timeout() || error.is_connect() { Reply::Silent } else { Reply::Unreadable }
}
