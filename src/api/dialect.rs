//! In which words an API refuses: those of an HTTP API, or of a REST API.

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderName, HeaderValue};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Api, Route};
use crate::answer::{self, Answer, ApiChallenge, Caller, Refusal, RestAsker, RestError};
use crate::auth::Reason;
use crate::config::model::{AuthorizerKind, Flavour, ResponseType};

const HTTP_ID: HeaderName = HeaderName::from_static("apigw-requestid");
const REST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const REST_EXTENDED_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");

/// Who is told something.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// What about the request shapes an answer.
    pub caller: Caller,
    /// The request's id, as the access log has it.
    pub id: &'a str,
}

impl Api {
    /// The request's id in the headers where API Gateway says it. The one that the access log has is
    /// `apigw-requestid` of an HTTP API, and `x-amz-apigw-id` of a REST API.
    pub fn identify(&self, id: &str) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let value =
            |text: &str| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("-"));
        let (first, second) = match self.flavour {
            Flavour::Http => ((HTTP_ID, value(id)), None),
            Flavour::Rest => ((REST_ID, value(&uuid(id))), Some((REST_EXTENDED_ID, value(id)))),
        };
        std::iter::once(first).chain(second)
    }

    /// What `$context.requestId` is.
    #[must_use]
    pub fn request_id(&self, id: &str) -> String {
        match self.flavour {
            Flavour::Http => id.to_owned(),
            Flavour::Rest => uuid(id),
        }
    }

    /// How a refusal is said that is not about who is calling.
    #[must_use]
    pub fn refuse(&self, refusal: Refusal, asker: Asker<'_>) -> Answer {
        match self.flavour {
            Flavour::Http => answer::api_refuse(refusal, asker.caller),
            Flavour::Rest => answer::rest_refuse(refusal, &self.gateway_responses, &rest(asker)),
        }
    }

    /// The path is not under the API's base path and stage.
    #[must_use]
    pub fn refuse_path(&self, asker: Asker<'_>) -> Answer {
        match self.flavour {
            Flavour::Http => answer::api_not_found(asker.caller),
            Flavour::Rest => {
                let error = RestError::of(ResponseType::WafFiltered, "Forbidden");
                self.say(&error, asker)
            }
        }
    }

    /// No route takes the request. A REST API looks at `Authorization` as at a signature then, and
    /// complains of what it finds there.
    #[must_use]
    pub fn refuse_route(&self, headers: &HeaderMap, asker: Asker<'_>) -> Answer {
        if self.flavour == Flavour::Http {
            return answer::api_not_found(asker.caller);
        }
        let credentials = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let error = match credentials.filter(|value| !value.is_empty()) {
            Some(value) if !value.starts_with(b"AWS4-") => {
                let hash = STANDARD.encode(digest(&SHA256, value));
                let message = format!(
                    "Invalid key=value pair (missing equal-sign) in Authorization header (hashed \
                     with SHA-256 and encoded with Base64): '{hash}'."
                );
                RestError::of(ResponseType::MissingAuthenticationToken, message)
                    .spelled("IncompleteSignatureException")
            }
            _ => RestError::of(
                ResponseType::MissingAuthenticationToken,
                "Missing Authentication Token",
            ),
        };
        self.say(&error, asker)
    }

    /// The caller's token does not do for this route. `algorithm` is what it says to be signed with.
    #[must_use]
    pub fn refuse_token(
        &self,
        route: &Route,
        reason: Reason,
        algorithm: Option<&str>,
        asker: Asker<'_>,
    ) -> Answer {
        if self.flavour == Flavour::Http {
            let description = match algorithm.filter(|_| reason == Reason::AlgorithmNotAllowed) {
                Some(algorithm) => format!("signing method {algorithm} is invalid"),
                None => description(reason).to_owned(),
            };
            let scopes = &route.scopes;
            let challenge = match reason {
                Reason::TokenMissing => ApiChallenge::NoToken,
                Reason::ScopeMissing => ApiChallenge::InsufficientScope { scopes },
                _ => ApiChallenge::InvalidToken { scopes, description: &description },
            };
            return answer::api_challenge(challenge, asker.caller);
        }
        let is_jwt = matches!(route.kind, Some(AuthorizerKind::Jwt));
        let error = match reason {
            Reason::TokenExpired => {
                RestError::of(ResponseType::Unauthorized, "The incoming token has expired")
            }
            Reason::ScopeMissing if is_jwt => {
                RestError::of(ResponseType::AccessDenied, "Forbidden")
            }
            Reason::JwksUnavailable | Reason::JwksStale => {
                RestError::silent(ResponseType::AuthorizerConfigurationError)
            }
            _ => RestError::of(ResponseType::Unauthorized, "Unauthorized"),
        };
        self.say(&error, asker)
    }

    fn say(&self, error: &RestError, asker: Asker<'_>) -> Answer {
        answer::rest_error(error, &self.gateway_responses, &rest(asker))
    }
}

/// `$context.authorizer.error`.
#[must_use]
pub fn authorizer_error(route: &Route, reason: Reason) -> String {
    match reason {
        Reason::TokenMissing => "missing: token not provided".to_owned(),
        Reason::ScopeMissing => {
            format!("insufficient_scope: expected scopes: [{}]", route.scopes.join(" "))
        }
        _ => format!("invalid_token: {}", description(reason)),
    }
}

fn rest(asker: Asker<'_>) -> RestAsker<'_> {
    RestAsker { caller: asker.caller, request_id: uuid(asker.id), extended_id: asker.id }
}

/// A UUID that is always the same for an id: what API Gateway calls a request beside its extended
/// id, and what clients expect to look like one.
fn uuid(id: &str) -> String {
    let digest = digest(&SHA256, id.as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest.as_ref()).for_each(|(byte, from)| *byte = *from);
    let number = u128::from_be_bytes(bytes);
    // Version 4, variant 1 (RFC 9562 5.4).
    let number = number & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The texts are API Gateway's where they are known; for the rest, ones of the JWT library that it
/// seems to use. What exactly was wrong stands in the log.
const fn description(reason: Reason) -> &'static str {
    match reason {
        Reason::TokenMalformed => "token contains an invalid number of segments",
        Reason::AlgorithmNotAllowed => "signing method is invalid",
        Reason::IssuerUnknown | Reason::PoolNotAllowed => "issuer does not match",
        Reason::ClientNotAllowed | Reason::AudienceWrong => {
            "the token does not have a valid audience"
        }
        Reason::TokenExpired => "the token has expired",
        Reason::TokenNotYetValid => "the token is not valid yet",
        Reason::IssuedInFuture => "token used before issued",
        Reason::SignatureInvalid => "crypto/rsa: verification error",
        Reason::KeyIdMissing
        | Reason::KeyUnknown
        | Reason::KeyUnknownCooldown
        | Reason::KeyUnknownBusy => "kid not found",
        Reason::JwksUnavailable | Reason::JwksStale => "JWKS communication error",
        _ => "the token is not valid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_uuid() {
        let first = uuid("0123456789abcdef");
        assert_eq!(first, uuid("0123456789abcdef"));
        assert_ne!(first, uuid("0123456789abcdee"));
        let parts: Vec<usize> = first.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(first.chars().nth(14), Some('4'));
        assert!(matches!(first.chars().nth(19), Some('8' | '9' | 'a' | 'b')), "{first}");
    }
}
