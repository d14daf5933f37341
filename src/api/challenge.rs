//! Refusals of a caller's token in the words of an HTTP API's JWT authorizer.

use crate::answer::ApiChallenge;
use crate::auth::Reason;

/// What the caller of a route with these scopes is told.
///
/// The texts are API Gateway's where they are known; for the rest, ones of the JWT library that it
/// seems to use. What exactly was wrong stands in the log.
#[must_use]
pub const fn challenge(reason: Reason, scopes: &[String]) -> ApiChallenge<'_> {
    let description = match reason {
        Reason::TokenMissing => return ApiChallenge::NoToken,
        Reason::ScopeMissing | Reason::GroupMissing => {
            return ApiChallenge::InsufficientScope { scopes };
        }
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
    };
    ApiChallenge::InvalidToken { scopes, description }
}
