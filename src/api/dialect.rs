//! In which words an API refuses: those of an HTTP API, or of a REST API.

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderName, HeaderValue};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Api, Route, Unjudged};
use crate::answer::{self, Answer, ApiChallenge, Caller, Refusal, RestAsker, RestError};
use crate::auth::Reason;
use crate::aws;
use crate::config::model::{AuthorizerKind, Flavour, ResponseType};

const HTTP_ID: HeaderName = HeaderName::from_static("apigw-requestid");
const REST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const REST_EXTENDED_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");

/// Somebody whom policies do not let in.
#[derive(Debug)]
pub struct Denial<'a> {
    /// An ARN, or `anonymous`.
    pub caller: &'a str,
    /// What was wanted.
    pub resource: String,
    /// What stands behind the message: nothing, or who has denied.
    pub how: &'static str,
}

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

    /// The request has not what the route requires.
    #[must_use]
    pub fn refuse_parameters(&self, missing: &[&str], asker: Asker<'_>) -> Answer {
        let message = format!("Missing required request parameters: [{}]", missing.join(", "));
        let error = RestError::of(ResponseType::BadRequestParameters, message.as_str());
        self.say(&error.because(format!("[{message}]")), asker)
    }

    /// The body is not as the route's model has it.
    #[must_use]
    pub fn refuse_body(&self, found: String, asker: Asker<'_>) -> Answer {
        let error = RestError::of(ResponseType::BadRequestBody, "Invalid request body");
        self.say(&error.because(found), asker)
    }

    /// No model is for the type of the body.
    #[must_use]
    pub fn refuse_body_type(&self, asker: Asker<'_>) -> Answer {
        let error = RestError::of(ResponseType::UnsupportedMediaType, "Unsupported Media Type");
        self.say(&error, asker)
    }

    /// A service that is asked who may come does not let this caller through.
    #[must_use]
    pub fn refuse_unjudged(&self, why: Unjudged, asker: Asker<'_>) -> Answer {
        const DENIED: &str = "User is not authorized to access this resource";
        if self.flavour == Flavour::Http {
            let status = match why {
                Unjudged::SourceMissing | Unjudged::SourceInvalid | Unjudged::Unauthorized => 401,
                Unjudged::Denied | Unjudged::ExplicitlyDenied => 403,
                _ => 500,
            };
            return answer::api_unjudged(status, asker.caller);
        }
        let error = match why {
            Unjudged::SourceMissing | Unjudged::SourceInvalid | Unjudged::Unauthorized => {
                RestError::of(ResponseType::Unauthorized, "Unauthorized")
            }
            Unjudged::Denied => RestError::of(ResponseType::AccessDenied, DENIED),
            Unjudged::ExplicitlyDenied => {
                let message = format!("{DENIED} with an explicit deny");
                RestError::of(ResponseType::AccessDenied, message)
            }
            Unjudged::ArnTooLong => {
                RestError::of(ResponseType::RequestTooLarge, "Request URI too long").status(414)
            }
            Unjudged::Malformed => RestError::silent(ResponseType::AuthorizerConfigurationError),
            Unjudged::Failed | Unjudged::TimedOut | Unjudged::Busy => {
                RestError::of(ResponseType::AuthorizerFailure, "Internal server error")
            }
        };
        self.say(&error, asker)
    }

    /// A request is not signed as it must be.
    #[must_use]
    pub fn refuse_signature(&self, why: &aws::Refused, asker: Asker<'_>) -> Answer {
        if self.flavour == Flavour::Http {
            return answer::api_unjudged(403, asker.caller);
        }
        const NO_MATCH: &str = "The request signature we calculated does not match the signature \
                                you provided. Check your AWS Secret Access Key and signing method.";
        const UNKNOWN: &str = "The security token included in the request is invalid.";
        use aws::Refused::{BodyWrong, Expired, KeyUnknown, Malformed, Missing, Unsigned};
        let error = match why {
            Missing => RestError::of(
                ResponseType::MissingAuthenticationToken,
                "Missing Authentication Token",
            ),
            Malformed(text) => {
                RestError::of(ResponseType::MissingAuthenticationToken, text.as_str())
                    .spelled("IncompleteSignatureException")
            }
            KeyUnknown => RestError::of(ResponseType::AccessDenied, UNKNOWN)
                .spelled("UnrecognizedClientException"),
            Expired => RestError::of(
                ResponseType::InvalidSignature,
                "Signature expired: its time is not within five minutes of ours, or is over.",
            ),
            Unsigned(name) => RestError::of(
                ResponseType::InvalidSignature,
                format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."),
            ),
            BodyWrong => RestError::of(
                ResponseType::InvalidSignature,
                "The provided 'x-amz-content-sha256' is not the SHA-256 of the body.",
            ),
            _ => RestError::of(ResponseType::InvalidSignature, NO_MATCH),
        };
        self.say(&error, asker)
    }

    /// Policies do not let the caller in.
    #[must_use]
    pub fn refuse_policy(&self, denial: &Denial<'_>, asker: Asker<'_>) -> Answer {
        if self.flavour == Flavour::Http {
            return answer::api_unjudged(403, asker.caller);
        }
        let Denial { caller, resource, how } = denial;
        let parts: Vec<&str> = resource.splitn(6, ':').collect();
        let resource = match parts.as_slice() {
            [arn, partition, service, region, account, rest] => {
                let last = account.get(account.len().saturating_sub(4)..).unwrap_or_default();
                format!("{arn}:{partition}:{service}:{region}:********{last}:{rest}")
            }
            _ => String::new(),
        };
        let message = format!(
            "User: {caller} is not authorized to perform: execute-api:Invoke on resource: \
             {resource}{how}"
        );
        self.say(&RestError::of(ResponseType::AccessDenied, message), asker)
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
