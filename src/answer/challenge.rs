//! Refusals of a caller's credentials, as RFC 6750 says them.
//!
//! The description never tells what exactly was wrong with a token, except that it expired: the
//! rest is in the log.

use ::http::HeaderValue;
use ::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use super::{Answer, Caller, grpc};

/// What is demanded of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// 401: there is no token. Nothing is told but the scheme (RFC 6750 3.1).
    NoToken,
    /// 401: there is one, and it does not hold.
    InvalidToken,
    /// 401: it held until it expired.
    ExpiredToken,
    /// 403: it holds, but its scopes or groups do not suffice. The scopes are those that would; none
    /// for groups.
    InsufficientScope(&'a [String]),
    /// 503: its issuer's keys were never there, or are too old to be trusted.
    KeysUnavailable {
        /// When to come back, in seconds.
        retry_after: u32,
    },
}

impl Challenge<'_> {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NoToken | Self::InvalidToken | Self::ExpiredToken => 401,
            Self::InsufficientScope(_) => 403,
            Self::KeysUnavailable { .. } => 503,
        }
    }

    /// The value of `WWW-Authenticate`, if there is one.
    #[must_use]
    pub fn www_authenticate(self) -> Option<HeaderValue> {
        match self {
            Self::NoToken => Some(HeaderValue::from_static("Bearer")),
            Self::InvalidToken => Some(HeaderValue::from_static(
                r#"Bearer error="invalid_token", error_description="The token is not valid""#,
            )),
            Self::ExpiredToken => Some(HeaderValue::from_static(
                r#"Bearer error="invalid_token", error_description="The token has expired""#,
            )),
            Self::InsufficientScope(scopes) => Some(insufficient_scope(scopes)),
            Self::KeysUnavailable { .. } => None,
        }
    }

    /// What a gRPC caller reads.
    const fn grpc_message(self) -> &'static str {
        match self {
            Self::NoToken => "no token",
            Self::InvalidToken => "invalid token",
            Self::ExpiredToken => "expired token",
            Self::InsufficientScope(_) => "insufficient scope",
            Self::KeysUnavailable { .. } => "keys unavailable",
        }
    }
}

/// How the challenge is said to this caller. It may be made once for a rule and cloned.
#[must_use]
pub fn challenge(challenge: Challenge<'_>, caller: Caller) -> Answer {
    let status = challenge.status();
    let mut answer = if caller.is_grpc {
        grpc::answer(status, challenge.grpc_message())
    } else {
        Answer::page(status)
    };
    if let Some(value) = challenge.www_authenticate() {
        answer = answer.with(WWW_AUTHENTICATE, value);
    }
    if let Challenge::KeysUnavailable { retry_after } = challenge {
        answer = answer.with(RETRY_AFTER, HeaderValue::from(retry_after));
    }
    answer.uncached().for_caller(caller)
}

fn insufficient_scope(scopes: &[String]) -> HeaderValue {
    const PLAIN: &str = r#"Bearer error="insufficient_scope""#;
    let mut text = PLAIN.to_owned();
    let sayable: Vec<_> = scopes.iter().filter(|scope| is_sayable(scope)).collect();
    for (place, scope) in sayable.iter().enumerate() {
        text.push_str(if place == 0 { ", scope=\"" } else { " " });
        for character in scope.chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
    }
    if !sayable.is_empty() {
        text.push('"');
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(PLAIN))
}

/// A scope is visible ASCII (RFC 6749 3.3); what is not is left out rather than mangled.
fn is_sayable(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic())
}
