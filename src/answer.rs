//! What we say ourselves: status, headers, body and label, in one place.
//!
//! Nobody else writes an error page or a challenge. Everything here is data; whoever holds the
//! connection sends it, adds `Date` and decides about keep-alive. Who is refused and why is decided
//! elsewhere; here is only how it is said: in the dialect of a listener rule, and in those of an HTTP
//! API (`http_api`) and a REST API (`rest_api`), which differ in body and status.

mod challenge;
mod custom_page;
mod grpc;
mod http_api;
mod page;
mod refusal;
mod rest_api;
mod style;

pub use challenge::{Challenge, challenge};
pub use http_api::{ApiChallenge, api_challenge, api_not_found, api_refuse, api_unjudged};
pub use page::{error_page, reason_phrase};
pub use refusal::Refusal;
pub use rest_api::{RestAsker, RestError, rest_error, rest_refuse};
pub use style::Style;

use std::time::Duration;

use ::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION,
    REFERRER_POLICY, SERVER,
};
use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;

use crate::config::model::{FixedResponse, Mock, ServerHeader};

/// `Server` of what we say ourselves, unless the listener's [`Style`] has another word.
const SERVER_NAME: HeaderValue = HeaderValue::from_static(ServerHeader::DEFAULT);

/// An answer of ours: no connection handling, no `Date`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, also such as 463 and 561 that no registry knows.
    pub status: u16,
    /// In the order in which they are sent; `content-length` among them where there may be one.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Empty for HEAD, though `content-length` is that of GET.
    pub body: Bytes,
    /// Whether its body may give way to the listener's page for its status.
    is_replaceable: bool,
}

/// What about the caller shapes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Caller {
    /// The method is HEAD: no body.
    pub is_head: bool,
    /// `content-type: application/grpc`: HTTP status 200, the refusal in `grpc-status`.
    pub is_grpc: bool,
}

impl Caller {
    /// Reads it off a request: its method and its `content-type`.
    #[must_use]
    pub fn of(method: &str, content_type: Option<&HeaderValue>) -> Self {
        let is_grpc = content_type.is_some_and(|value| grpc::is_grpc(value.as_bytes()));
        Self { is_head: method == "HEAD", is_grpc }
    }
}

impl Answer {
    fn new(status: u16, content_type: HeaderValue, body: Bytes) -> Self {
        let mut headers = Vec::with_capacity(5);
        headers.push((SERVER, SERVER_NAME));
        // A 204 has neither body nor length (RFC 9110 8.6).
        let body = if status == 204 { Bytes::new() } else { body };
        if status != 204 {
            headers.push((CONTENT_TYPE, content_type));
            headers.push((CONTENT_LENGTH, HeaderValue::from(body.len())));
        }
        Self { status, headers, body, is_replaceable: false }
    }

    /// A page of ours for a status, in ALB's shape (alb.md 14.2).
    #[must_use]
    pub fn page(status: u16) -> Self {
        let answer = Self::new(status, page::CONTENT_TYPE_HTML, error_page(status));
        Self { is_replaceable: true, ..answer }
    }

    /// A `fixed_response` action.
    #[must_use]
    pub fn fixed(response: &FixedResponse) -> Self {
        let content_type = HeaderValue::from_str(&response.content_type)
            .unwrap_or_else(|_| HeaderValue::from_static("text/plain"));
        let body = Bytes::copy_from_slice(response.message_body.as_bytes());
        // A rule that says a status and no more leaves open what is shown.
        let is_replaceable = body.is_empty();
        Self { is_replaceable, ..Self::new(response.status_code, content_type, body) }
    }

    /// The answer of an API's `mock` integration.
    #[must_use]
    pub fn mock(mock: &Mock) -> Self {
        let content_type = HeaderValue::from_str(&mock.content_type)
            .unwrap_or_else(|_| HeaderValue::from_static("application/json"));
        let body = Bytes::copy_from_slice(mock.body.as_bytes());
        let mut answer = Self::new(mock.status_code, content_type, body);
        for (name, value) in &mock.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                answer.headers.push((name, value));
            }
        }
        answer
    }

    /// A `redirect` action to a location made by [`crate::routing::redirect`].
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        match HeaderValue::from_str(location) {
            Ok(location) => Self::page(status).with(LOCATION, location),
            Err(_) => Self::page(500),
        }
    }

    /// A JWK set (RFC 7517 8.5) that may be kept for a while.
    #[must_use]
    pub fn key_set(document: Bytes, max_age: Duration) -> Self {
        let content_type = HeaderValue::from_static("application/jwk-set+json");
        let answer = Self::new(200, content_type, document);
        match HeaderValue::try_from(format!("public, max-age={}", max_age.as_secs())) {
            Ok(value) => answer.with(CACHE_CONTROL, value),
            Err(_) => answer,
        }
    }

    /// 204: yes, and nothing more to say.
    #[must_use]
    pub fn no_content() -> Self {
        Self::new(204, page::CONTENT_TYPE_HTML, Bytes::new())
    }

    /// A public key in PEM form, which never changes under its name.
    #[must_use]
    pub fn public_key(pem: Bytes) -> Self {
        let content_type = HeaderValue::from_static("application/x-pem-file");
        let keep = HeaderValue::from_static("public, max-age=86400");
        Self::new(200, content_type, pem).with(CACHE_CONTROL, keep)
    }

    /// A JSON text for a machine, which nothing keeps.
    #[must_use]
    pub fn json(status: u16, text: &'static str) -> Self {
        let content_type = HeaderValue::from_static("application/json");
        Self::new(status, content_type, Bytes::from_static(text.as_bytes())).uncached()
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Not to be kept by any cache: what depends on who asks.
    fn uncached(self) -> Self {
        self.with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// The same for this caller: HEAD gets no body. What a rule configures (`fixed_response`,
    /// `redirect`) is otherwise said as it is, also to gRPC callers.
    #[must_use]
    pub fn for_caller(mut self, caller: Caller) -> Self {
        if caller.is_head {
            self.body = Bytes::new();
        }
        self
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The reason phrase of its status, as ALB writes it.
    #[must_use]
    pub fn reason_phrase(&self) -> &'static str {
        reason_phrase(self.status)
    }
}

/// How a refusal is said to this caller.
#[must_use]
pub fn refuse(refusal: Refusal, caller: Caller) -> Answer {
    let status = refusal.status();
    if caller.is_grpc {
        return grpc::answer(status, refusal.as_str());
    }
    let answer = Answer::page(status);
    let answer = match refusal.allow() {
        Some(methods) => answer.with(::http::header::ALLOW, HeaderValue::from_static(methods)),
        None => answer,
    };
    answer.for_caller(caller)
}

/// A page for who could not be signed in, with a way to try again. gRPC callers get a status.
#[must_use]
pub fn sign_in_failed(status: u16, retry: Option<&str>, caller: Caller) -> Answer {
    if caller.is_grpc {
        return grpc::answer(status, "not signed in");
    }
    let answer = match retry {
        None => Answer::page(status),
        Some(retry) => {
            Answer::new(status, page::CONTENT_TYPE_HTML, page::retry_page(status, retry))
                .with(
                    CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
                )
                .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
        }
    };
    answer.uncached().for_caller(caller)
}

#[cfg(test)]
mod tests;
