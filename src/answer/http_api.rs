//! What an HTTP API of API Gateway says: a JSON message, and a challenge that RFC 6750 would spell
//! otherwise (api-gateway.md 2.3 and 3.7).

use ::http::HeaderValue;
use ::http::header::WWW_AUTHENTICATE;
use bytes::Bytes;

use super::{Answer, Caller, Refusal, grpc};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What is demanded of the caller of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiChallenge<'a> {
    /// 401: there is no token.
    NoToken,
    /// 401: there is one, and it does not hold.
    InvalidToken {
        /// What the route wants.
        scopes: &'a [String],
        /// Why, as far as the caller is told.
        description: &'a str,
    },
    /// 403: it holds, but none of these scopes is in it.
    InsufficientScope {
        /// What the route wants.
        scopes: &'a [String],
    },
}

/// How a challenge is said to this caller.
#[must_use]
pub fn api_challenge(challenge: ApiChallenge<'_>, caller: Caller) -> Answer {
    let (status, header) = match challenge {
        ApiChallenge::NoToken => (401, "Bearer".to_owned()),
        ApiChallenge::InvalidToken { scopes, description } => {
            let scopes = scopes.join(" ");
            let header = format!(
                r#"Bearer scope="{scopes}" error="invalid_token" error_description="{description}""#
            );
            (401, header)
        }
        ApiChallenge::InsufficientScope { scopes } => {
            let scopes = scopes.join(" ");
            let header = format!(
                r#"Bearer scope="{scopes}" error="insufficient_scope" error_description="expected scopes: [{scopes}]""#
            );
            (403, header)
        }
    };
    let answer =
        if caller.is_grpc { grpc::answer(status, message(status)) } else { api_message(status) };
    let header = HeaderValue::try_from(header);
    let header = header.unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
    answer.with(WWW_AUTHENTICATE, header).uncached().for_caller(caller)
}

/// How a refusal is said to this caller of an API.
#[must_use]
pub fn api_refuse(refusal: Refusal, caller: Caller) -> Answer {
    let status = match refusal.status() {
        502..=504 => 503,
        status @ (400 | 408 | 413 | 429 | 431 | 500) => status,
        400..=499 => 400,
        _ => 500,
    };
    if caller.is_grpc {
        return grpc::answer(status, refusal.as_str());
    }
    api_message(status).for_caller(caller)
}

/// A request authorizer does not let the caller through: 401 without a challenge, 403 or 500.
#[must_use]
pub fn api_unjudged(status: u16, caller: Caller) -> Answer {
    if caller.is_grpc {
        return grpc::answer(status, message(status));
    }
    api_message(status).uncached().for_caller(caller)
}

/// No route takes the request.
#[must_use]
pub fn api_not_found(caller: Caller) -> Answer {
    if caller.is_grpc {
        return grpc::answer(404, message(404));
    }
    api_message(404).for_caller(caller)
}

fn api_message(status: u16) -> Answer {
    let body = format!(r#"{{"message":"{}"}}"#, message(status));
    Answer::new(status, JSON, Bytes::from(body))
}

const fn message(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(challenge: ApiChallenge<'_>) -> (u16, String, String) {
        let answer = api_challenge(challenge, Caller::default());
        let header = answer.header(&WWW_AUTHENTICATE).unwrap().to_str().unwrap().to_owned();
        (answer.status, header, String::from_utf8(answer.body.to_vec()).unwrap())
    }

    #[test]
    fn challenges_are_spelled_as_api_gateway_spells_them() {
        let unauthorized = r#"{"message":"Unauthorized"}"#;
        let none = text(ApiChallenge::NoToken);
        assert_eq!(none, (401, "Bearer".into(), unauthorized.into()));
        let scopes = ["a/read".to_owned(), "a/write".to_owned()];
        let bad =
            ApiChallenge::InvalidToken { scopes: &scopes, description: "issuer does not match" };
        let header = r#"Bearer scope="a/read a/write" error="invalid_token" error_description="issuer does not match""#;
        assert_eq!(text(bad), (401, header.into(), unauthorized.into()));
        let header = r#"Bearer scope="a/read a/write" error="insufficient_scope" error_description="expected scopes: [a/read a/write]""#;
        let poor = text(ApiChallenge::InsufficientScope { scopes: &scopes });
        assert_eq!(poor, (403, header.into(), r#"{"message":"Forbidden"}"#.into()));
    }

    #[test]
    fn whatever_is_wrong_with_a_target_is_service_unavailable() {
        for refusal in [Refusal::NoTarget, Refusal::TargetTimeout, Refusal::TargetBrokeOff] {
            let answer = api_refuse(refusal, Caller::default());
            assert_eq!(answer.status, 503);
            assert_eq!(&answer.body[..], br#"{"message":"Service Unavailable"}"#);
            assert_eq!(answer.body.len(), 33);
        }
    }

    #[test]
    fn nothing_here_is_23_bytes_long_as_on_api_gateway() {
        assert_eq!(api_not_found(Caller::default()).body.len(), 23);
    }
}
