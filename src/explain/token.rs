//! What of a token was compared with what.
//!
//! The verdict is the engine's: its reason says which comparison failed, and all before that one
//! held. Here the two sides of each are laid beside each other; nothing here judges, and nothing
//! that is shown of a refused token is proved.

mod profile;
mod shown;
mod sides;

use std::borrow::Cow;

use ::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use self::profile::{first_unfit, is_cognito};
use crate::auth::{CompiledValidation, Reason as AuthReason};
use crate::config::model::{IdentitySource, JwtValidation, Profile, UserPool};
use crate::engine::{Moment, Reason};
use crate::snapshot::Snapshot;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was compared: `issuer`, `scopes`.
    pub what: Stage,
    /// How it ended.
    pub state: State,
    /// What the file wants.
    pub wanted: String,
    /// What the token has.
    pub found: String,
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Well.
    Held,
    /// Not well: this is why the request is refused.
    Failed,
    /// It was not made.
    NotMade,
}

/// Comparisons, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The header that holds the token.
    Header,
    /// Its spelling.
    Format,
    /// `iss`, which leads to the user pool.
    Issuer,
    /// `alg` and `typ`.
    Algorithm,
    /// `kid`.
    Key,
    /// The signature.
    Signature,
    /// The claims that every token of the profile must have.
    Claims,
    /// `exp`, `nbf`, `iat`.
    Time,
    /// `client_id` and `aud`.
    Client,
    /// The deny list.
    DenyList,
    /// `token_use`.
    TokenUse,
    /// `additional_claims`.
    AdditionalClaims,
    /// `scopes`.
    Scopes,
    /// `groups`.
    Groups,
}

impl Stage {
    const ALL: [Self; 14] = [
        Self::Header,
        Self::Format,
        Self::Issuer,
        Self::Algorithm,
        Self::Key,
        Self::Signature,
        Self::Claims,
        Self::Time,
        Self::Client,
        Self::DenyList,
        Self::TokenUse,
        Self::AdditionalClaims,
        Self::Scopes,
        Self::Groups,
    ];

    /// As it is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Format => "format",
            Self::Issuer => "issuer",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Time => "time",
            Self::Client => "client",
            Self::TokenUse => "token_use",
            Self::DenyList => "deny_list",
            Self::AdditionalClaims => "additional_claims",
            Self::Scopes => "scopes",
            Self::Groups => "groups",
        }
    }
}

/// A token before a rule.
pub(super) struct Seen<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) wanted: &'a JwtValidation,
    pub(super) compiled: &'a CompiledValidation,
    pub(super) headers: &'a HeaderMap,
    pub(super) moment: Moment,
}

/// What the token says, believed by nobody.
struct Told {
    header: Map<String, Value>,
    payload: String,
    claims: Map<String, Value>,
}

impl Seen<'_> {
    /// All comparisons of a rule, given what the engine says of them.
    pub(super) fn checks(&self, reason: Reason) -> Vec<Check> {
        let told = self.told();
        let failed = match reason {
            Reason::Auth(reason) => Some(self.stage_of(reason, told.as_ref())),
            // Whatever else became of the request, the token did.
            _ => None,
        };
        let is_wanted = |stage: &Stage| match stage {
            Stage::AdditionalClaims => !self.wanted.additional_claims.is_empty(),
            Stage::Scopes => self.wanted.scopes.is_some(),
            Stage::Groups => self.wanted.groups.is_some(),
            // What is posted to a running gateway is not known here.
            Stage::DenyList => self.snapshot.config.deny_list.is_some(),
            Stage::TokenUse => self.pool(told.as_ref()).is_none_or(is_cognito),
            _ => true,
        };
        let check = |stage: Stage| {
            let state = match failed {
                None => State::Held,
                Some(failed) if stage < failed => State::Held,
                Some(failed) if stage == failed => State::Failed,
                Some(_) => State::NotMade,
            };
            let (wanted, found) = self.sides(stage, told.as_ref());
            let found = match state {
                State::Held | State::Failed => found,
                State::NotMade => String::new(),
            };
            Check { what: stage, state, wanted, found }
        };
        let stages =
            Stage::ALL.into_iter().filter(|stage| Some(*stage) == failed || is_wanted(stage));
        stages.map(check).collect()
    }

    fn token(&self) -> Option<Cow<'_, str>> {
        let value =
            String::from_utf8_lossy(self.headers.get(self.compiled.token_header())?.as_bytes());
        Some(match (&self.wanted.identity_source, value.split_once(' ')) {
            (IdentitySource::Authorization, Some((_, token))) => Cow::Owned(token.to_owned()),
            _ => value,
        })
    }

    fn told(&self) -> Option<Told> {
        let token = self.token()?;
        let mut parts = token.split('.');
        let mut part = || String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok();
        let (header, payload) = (part()?, part()?);
        let header = serde_json::from_str(&header).unwrap_or_default();
        let claims = serde_json::from_str(&payload).unwrap_or_default();
        Some(Told { header, payload, claims })
    }

    /// The pool of the token's `iss`.
    fn pool(&self, told: Option<&Told>) -> Option<&UserPool> {
        let issuer = told?.claims.get("iss")?.as_str()?;
        self.snapshot
            .config
            .user_pools
            .iter()
            .find(|pool| pool.issuers.iter().any(|own| *own.issuer == *issuer))
    }

    /// Which comparison a reason comes from.
    fn stage_of(&self, reason: AuthReason, told: Option<&Told>) -> Stage {
        match reason {
            AuthReason::TokenMissing | AuthReason::SchemeNotBearer | AuthReason::TokenRepeated => {
                Stage::Header
            }
            AuthReason::TokenTooLarge
            | AuthReason::TokenMalformed
            | AuthReason::HeaderNotSupported
            | AuthReason::KeyIdMissing => Stage::Format,
            AuthReason::IssuerUnknown | AuthReason::PoolNotAllowed => Stage::Issuer,
            AuthReason::TypeWrong | AuthReason::AlgorithmNotAllowed => Stage::Algorithm,
            AuthReason::KeyUnknown
            | AuthReason::KeyUnknownCooldown
            | AuthReason::KeyUnknownBusy
            | AuthReason::JwksUnavailable
            | AuthReason::JwksStale => Stage::Key,
            AuthReason::SignatureInvalid => Stage::Signature,
            AuthReason::TokenExpired
            | AuthReason::TokenNotYetValid
            | AuthReason::IssuedInFuture
            | AuthReason::LifetimeTooLong => Stage::Time,
            AuthReason::ClientNotAllowed | AuthReason::AudienceWrong => Stage::Client,
            AuthReason::Denied => Stage::DenyList,
            AuthReason::ClaimValueWrong => Stage::AdditionalClaims,
            AuthReason::ScopeMissing => Stage::Scopes,
            AuthReason::GroupMissing => Stage::Groups,
            AuthReason::ClaimMissing
            | AuthReason::ClaimFormatInvalid
            | AuthReason::TokenUseWrong => self.stage_of_claim(reason, told),
        }
    }

    /// A reason that several comparisons share. The engine says that one of them failed; which one
    /// is plain from the claims.
    fn stage_of_claim(&self, reason: AuthReason, told: Option<&Told>) -> Stage {
        let (Some(told), Some(pool)) = (told, self.pool(told)) else { return Stage::Issuer };
        if first_unfit(&told.claims, pool.profile).is_some() {
            return Stage::Claims;
        }
        match reason {
            AuthReason::TokenUseWrong => Stage::TokenUse,
            AuthReason::ClaimMissing
                if pool.profile == Profile::Oidc && !told.claims.contains_key("aud") =>
            {
                Stage::Client
            }
            _ => Stage::AdditionalClaims,
        }
    }
}
