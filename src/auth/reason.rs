//! Why a request was refused: the closed list that logs, metrics and decision records share.
//!
//! A reason is never sent to the caller; what the caller learns is the [`Challenge`].

use std::sync::Arc;
use std::time::Duration;

use super::authorize::Identity;
use super::key_source::FetchFailure;
use crate::config::model::Name;

/// What kind of answer a reason asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    NoToken,
    InvalidToken,
    InsufficientScope,
    Unavailable,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $text:literal $class:ident $alb:literal,)*) => {
        /// A reason code. `as u8` is its position in [`Reason::ALL`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason, in the order of [`Reason::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as logs and metrics write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// ALB's `error_reason` for the same fact (ALB access log, "error reason codes").
            /// [`Refusal::error_reason`] knows more where keys could not be fetched.
            #[must_use]
            #[allow(clippy::match_same_arms)]
            pub const fn error_reason(self) -> &'static str {
                match self { $(Self::$variant => $alb,)* }
            }

            #[allow(clippy::match_same_arms)]
            const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }
        }
    };
}

reasons! {
    /// The header that should hold the token is absent.
    TokenMissing "token_missing" NoToken "JWTHeaderNotPresent",
    /// `Authorization` has another scheme than `Bearer`.
    SchemeNotBearer "scheme_not_bearer" NoToken "JWTRequestFormatInvalid",
    /// The header is there more than once.
    TokenRepeated "token_repeated" InvalidToken "JWTRequestFormatInvalid",
    /// Longer than `max_token_size`.
    TokenTooLarge "token_too_large" InvalidToken "JWTRequestFormatInvalid",
    /// Not a signed token in its one valid spelling.
    TokenMalformed "token_malformed" InvalidToken "JWTRequestFormatInvalid",
    /// The header asks for what is not understood: `crit`, `b64`, `zip`, `cty`, `enc`.
    HeaderNotSupported "header_not_supported" InvalidToken "JWTRequestFormatInvalid",
    /// `typ` is not one that the pool's profile allows.
    TypeWrong "type_wrong" InvalidToken "JWTClaimValueInvalid",
    /// `alg` is not one that the pool allows, or not the key's.
    AlgorithmNotAllowed "algorithm_not_allowed" InvalidToken "JWTSignatureValidationFailed",
    /// No usable `kid`.
    KeyIdMissing "key_id_missing" InvalidToken "JWTSignatureValidationFailed",
    /// `kid` is not in the issuer's key set, not even after a fetch.
    KeyUnknown "key_unknown" InvalidToken "JWTSignatureValidationFailed",
    /// `kid` is not in the key set, and the last attempt to fetch it is too recent.
    KeyUnknownCooldown "key_unknown_cooldown" InvalidToken "JWTSignatureValidationFailed",
    /// `kid` is not in the key set, and too many requests wait for it already.
    KeyUnknownBusy "key_unknown_busy" InvalidToken "JWTSignatureValidationFailed",
    /// The signature is not that key's.
    SignatureInvalid "signature_invalid" InvalidToken "JWTSignatureValidationFailed",
    /// `iss` is no configured issuer.
    IssuerUnknown "issuer_unknown" InvalidToken "JWTClaimValueInvalid",
    /// `iss` belongs to a pool that this rule does not accept.
    PoolNotAllowed "pool_not_allowed" InvalidToken "JWTClaimValueInvalid",
    /// `exp` is not in the future.
    TokenExpired "token_expired" InvalidToken "JWTClaimValueInvalid",
    /// `nbf` is in the future.
    TokenNotYetValid "token_not_yet_valid" InvalidToken "JWTClaimValueInvalid",
    /// `iat` is more than 60 s in the future.
    IssuedInFuture "issued_in_future" InvalidToken "JWTClaimValueInvalid",
    /// `exp` is more than a day after `iat`, which Cognito never does.
    LifetimeTooLong "lifetime_too_long" InvalidToken "JWTClaimValueInvalid",
    /// An ID token where an access token is wanted, or the reverse.
    TokenUseWrong "token_use_wrong" InvalidToken "JWTClaimValueInvalid",
    /// The app client is not one of the pool's `app_clients`.
    ClientNotAllowed "client_not_allowed" InvalidToken "JWTClaimValueInvalid",
    /// `aud` is not one of the pool's `audiences`.
    AudienceWrong "audience_wrong" InvalidToken "JWTClaimValueInvalid",
    /// A claim that must be there is absent.
    ClaimMissing "claim_missing" InvalidToken "JWTClaimNotPresent",
    /// A claim has another JSON type than it must have.
    ClaimFormatInvalid "claim_format_invalid" InvalidToken "JWTClaimFormatInvalid",
    /// A claim has another value than the rule demands.
    ClaimValueWrong "claim_value_wrong" InvalidToken "JWTClaimValueInvalid",
    /// The caller is on the deny list.
    Denied "denied" InvalidToken "JWTClaimValueInvalid",
    /// The scopes that the rule demands are not all there.
    ScopeMissing "scope_missing" InsufficientScope "JWTClaimValueInvalid",
    /// The groups that the rule demands are not all there.
    GroupMissing "group_missing" InsufficientScope "JWTClaimValueInvalid",
    /// The issuer's keys were never obtained.
    JwksUnavailable "jwks_unavailable" Unavailable "JWKSRequestFailed",
    /// The issuer's keys are older than `max_stale`.
    JwksStale "jwks_stale" Unavailable "JWKSRequestFailed",
}

impl Reason {
    /// Position in [`Reason::ALL`], for arrays of counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether the token is good, so that it proves who is calling, and yet does not suffice.
    pub(super) const fn is_about_a_known_caller(self) -> bool {
        matches!(self.class(), Class::InsufficientScope)
    }
}

/// What the caller is told (RFC 6750 section 3); status and body are made elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// There was no token: a bare challenge without an error code.
    NoToken,
    /// `invalid_token`; only expiry is told apart.
    InvalidToken {
        /// Whether the description may say that the token has expired.
        expired: bool,
    },
    /// `insufficient_scope`.
    InsufficientScope {
        /// The wanted scopes, separated by spaces; absent when groups were wanting.
        scope: Option<Arc<str>>,
    },
    /// The gateway cannot judge this pool's tokens now.
    Unavailable {
        /// When the next attempt to fetch keys is due; at least 1 s.
        retry_after: Duration,
    },
}

/// A request that goes no further.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why, for log and metric.
    pub reason: Reason,
    /// What the caller is told.
    pub challenge: Challenge,
    /// Whose token it claimed to be; not proved unless the reason comes after the signature.
    pub pool: Option<Name>,
    /// Who asked, where the token is good and only its scopes or groups do not suffice.
    pub identity: Option<Identity>,
    /// What went wrong with the last fetch, when the reason is about keys.
    pub fetch_failure: Option<FetchFailure>,
}

impl Refusal {
    /// A refusal for `reason`. `scope` and `retry_after` are used where the reason's answer has a
    /// place for them.
    pub(super) fn new(
        reason: Reason,
        pool: Option<Name>,
        scope: Option<Arc<str>>,
        retry_after: Duration,
    ) -> Self {
        let challenge = match reason.class() {
            Class::NoToken => Challenge::NoToken,
            Class::InvalidToken => {
                Challenge::InvalidToken { expired: reason == Reason::TokenExpired }
            }
            Class::InsufficientScope => Challenge::InsufficientScope {
                scope: scope.filter(|_| reason == Reason::ScopeMissing),
            },
            Class::Unavailable => {
                Challenge::Unavailable { retry_after: retry_after.max(Duration::from_secs(1)) }
            }
        };
        Self { reason, challenge, pool, identity: None, fetch_failure: None }
    }

    /// ALB's `error_reason`.
    #[must_use]
    pub fn error_reason(&self) -> &'static str {
        match self.fetch_failure {
            Some(FetchFailure::Timeout | FetchFailure::Connect) => "JWKSRequestTimeout",
            Some(FetchFailure::TooLarge | FetchFailure::TooManyKeys) => "JWKSResponseSizeExceeded",
            _ => self.reason.error_reason(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_indexed_in_order() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert!(Reason::ALL.iter().enumerate().all(|(n, r)| r.index() == n));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
    }

    #[test]
    fn a_wrong_scheme_is_answered_as_no_token_but_recorded_as_bad_format() {
        let refusal = Refusal::new(Reason::SchemeNotBearer, None, None, Duration::ZERO);
        assert_eq!(refusal.challenge, Challenge::NoToken);
        assert_eq!(refusal.error_reason(), "JWTRequestFormatInvalid");
    }

    #[test]
    fn a_missing_group_names_no_scope() {
        let scope = Some(Arc::from("a b"));
        let refusal = Refusal::new(Reason::GroupMissing, None, scope.clone(), Duration::ZERO);
        assert_eq!(refusal.challenge, Challenge::InsufficientScope { scope: None });
        let refusal = Refusal::new(Reason::ScopeMissing, None, scope.clone(), Duration::ZERO);
        assert_eq!(refusal.challenge, Challenge::InsufficientScope { scope });
    }
}
