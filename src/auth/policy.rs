//! What is judged afresh for each request, whether the token was seen before or not: the time, the
//! pool's lists, and what the rule itself demands.
//!
//! Faults of the token (401) are found before wants of scope or group (403).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

use super::claims::{Claims, Payload};
use super::extract::TokenPlace;
use super::headers::ClaimHeaderSet;
use super::json::{self, JsonError};
use super::pool::{Issuer, Pool};
use super::reason::Reason;
use super::verify::{Use, VerifiedToken};
use crate::clock::UnixMillis;
use crate::config::model::{
    AdditionalClaim, ClaimFormat, Demand, JwtValidation, Profile, TokenUse,
};

/// How far `iat` may lie ahead, whatever the skew.
pub(super) const MAX_ISSUED_AHEAD: Duration = Duration::from_secs(60);
/// Cognito's longest access or ID token.
const COGNITO_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Whether `pool` admits the token at `now`.
pub(super) fn pool_admits(
    token: &VerifiedToken,
    pool: &Pool,
    now: UnixMillis,
) -> Result<(), Reason> {
    if !token.algorithm().is_some_and(|algorithm| pool.algorithms.contain(algorithm)) {
        return Err(Reason::AlgorithmNotAllowed);
    }
    in_time(token, pool, now)?;
    let is_audience = || token.audiences().any(|audience| pool.audiences.contain(audience));
    match token.token_use() {
        Some(token_use) => {
            let is_client = |clients: &super::pool::Names| {
                token.client().is_some_and(|client| clients.contain(client))
            };
            if !pool.app_clients.as_ref().is_none_or(is_client) {
                return Err(Reason::ClientNotAllowed);
            }
            // The `aud` of an ID token is the client; that of an access token is a resource.
            let has_audience = token.audiences().next().is_some();
            let is_right = token_use == Use::Id
                || if has_audience {
                    pool.audiences.is_empty() && !pool.require_resource_audience || is_audience()
                } else {
                    !pool.require_resource_audience
                };
            if is_right { Ok(()) } else { Err(Reason::AudienceWrong) }
        }
        None if token.audiences().next().is_none() => Err(Reason::ClaimMissing),
        None if is_audience() => Ok(()),
        None => Err(Reason::AudienceWrong),
    }
}

pub(super) fn in_time(token: &VerifiedToken, pool: &Pool, now: UnixMillis) -> Result<(), Reason> {
    if now >= token.expires.plus(pool.clock_skew) {
        return Err(Reason::TokenExpired);
    }
    if token.not_before > now.plus(pool.clock_skew) {
        return Err(Reason::TokenNotYetValid);
    }
    let Some(issued) = token.issued else { return Ok(()) };
    if issued > now.plus(MAX_ISSUED_AHEAD) {
        return Err(Reason::IssuedInFuture);
    }
    let longest = issued.plus(COGNITO_LIFETIME + pool.clock_skew);
    if pool.profile == Profile::Cognito && token.expires > longest {
        return Err(Reason::LifetimeTooLong);
    }
    Ok(())
}

/// One issuer that a rule accepts, with its pool.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) issuer: Arc<Issuer>,
    pub(super) pool: Arc<Pool>,
}

/// What a rule demands, compiled against the pools of one configuration.
#[derive(Debug)]
pub struct CompiledValidation {
    pub(super) accepted: Box<[Accepted]>,
    pub(super) place: TokenPlace,
    /// The largest `max_token_size` of the accepted pools.
    pub(super) max_token_size: usize,
    token_use: TokenUse,
    scopes: Option<Demand>,
    pub(super) scope_text: Option<Arc<str>>,
    groups: Option<Demand>,
    additional_claims: Box<[AdditionalClaim]>,
    pub(super) headers: Arc<ClaimHeaderSet>,
    forward_authorization: bool,
}

impl CompiledValidation {
    pub(super) fn new(
        validation: &JwtValidation,
        pools: &[Arc<Pool>],
        headers: Arc<ClaimHeaderSet>,
    ) -> Self {
        let pools = validation.pools.iter().filter_map(|index| pools.get(index.0));
        let accepted: Box<[Accepted]> = pools
            .flat_map(|pool| {
                pool.issuers
                    .iter()
                    .map(|issuer| Accepted { issuer: Arc::clone(issuer), pool: Arc::clone(pool) })
            })
            .collect();
        let wanted = validation.scopes.as_ref().map(|demand| match demand {
            Demand::AnyOf(names) | Demand::AllOf(names) => names.join(" ").into(),
        });
        Self {
            max_token_size: accepted.iter().map(|a| a.pool.max_token_size).max().unwrap_or(0),
            accepted,
            place: TokenPlace::compile(&validation.identity_source),
            token_use: validation.token_use,
            scopes: validation.scopes.clone(),
            scope_text: wanted,
            groups: validation.groups.clone(),
            additional_claims: validation.additional_claims.clone().into_boxed_slice(),
            headers,
            forward_authorization: validation.forward_authorization,
        }
    }

    /// Whether the header that held the token goes on to the target.
    #[must_use]
    pub const fn forward_authorization(&self) -> bool {
        self.forward_authorization
    }

    /// The token among these headers.
    ///
    /// # Errors
    ///
    /// There is none, more than one, or one that is not spelled as it should be.
    pub fn token<'a>(&self, headers: &'a HeaderMap) -> Result<&'a [u8], Reason> {
        self.place.token(headers)
    }

    /// The header that the token is taken from.
    #[must_use]
    pub fn token_header(&self) -> &HeaderName {
        static AUTHORIZATION_NAME: HeaderName = AUTHORIZATION;
        match &self.place {
            TokenPlace::Authorization | TokenPlace::Elsewhere => &AUTHORIZATION_NAME,
            TokenPlace::Header(name) | TokenPlace::BearerOrBare(name) => name,
        }
    }

    /// The longest token that is read, in bytes.
    #[must_use]
    pub const fn max_token_size(&self) -> usize {
        self.max_token_size
    }

    /// The first additional claim, by its position, that a token's payload does not meet. For
    /// explaining a refusal: nothing about the payload is proved here.
    #[must_use]
    pub fn first_unmet(&self, payload: &str) -> Option<usize> {
        let claims = Payload::parse(payload.to_owned()).ok()?.into_claims();
        self.additional_claims.iter().position(|wanted| has_claim(&claims, wanted).is_err())
    }

    /// The pools whose tokens are accepted; one with two issuers stands twice.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.accepted.iter().map(|accepted| &accepted.pool)
    }

    /// What the rule accepts of `issuer`.
    pub(super) fn accepts(&self, issuer: &Arc<Issuer>) -> Option<&Accepted> {
        self.accepted.iter().find(|accepted| Arc::ptr_eq(&accepted.issuer, issuer))
    }

    /// Whether the rule's own demands are met by a token that its pool admits.
    pub(super) fn admits(&self, token: &VerifiedToken) -> Result<(), Reason> {
        let is_wanted = match (self.token_use, token.token_use()) {
            (TokenUse::Any, _) | (_, None) => true,
            (TokenUse::Access, Some(token_use)) => token_use == Use::Access,
            (TokenUse::Id, Some(token_use)) => token_use == Use::Id,
        };
        if !is_wanted {
            return Err(Reason::TokenUseWrong);
        }
        for wanted in &self.additional_claims {
            has_claim(token.claims(), wanted)?;
        }
        if !self.scopes.as_ref().is_none_or(|d| meets(d, |name| token.scopes().any(|s| s == name)))
        {
            return Err(Reason::ScopeMissing);
        }
        if !self.groups.as_ref().is_none_or(|d| meets(d, |name| token.groups().any(|g| g == name)))
        {
            return Err(Reason::GroupMissing);
        }
        Ok(())
    }
}

fn meets(demand: &Demand, has: impl Fn(&str) -> bool) -> bool {
    match demand {
        Demand::AnyOf(names) => names.iter().any(|name| has(name)),
        Demand::AllOf(names) => names.iter().all(|name| has(name)),
    }
}

/// ALB's three formats (`JwtValidationActionAdditionalClaim`).
fn has_claim(claims: &Claims, wanted: &AdditionalClaim) -> Result<(), Reason> {
    let raw = claims.raw(&wanted.name).ok_or(Reason::ClaimMissing)?;
    let is_met = match wanted.format {
        ClaimFormat::SingleString => {
            let text = json::string(raw).ok_or(Reason::ClaimFormatInvalid)?;
            wanted.values.iter().any(|value| *value == text)
        }
        ClaimFormat::StringArray => {
            let elements = strings(raw).ok_or(Reason::ClaimFormatInvalid)?;
            wanted.values.iter().any(|value| elements.iter().any(|element| element == value))
        }
        ClaimFormat::SpaceSeparatedValues => {
            let text = json::string(raw).ok_or(Reason::ClaimFormatInvalid)?;
            wanted.values.iter().all(|value| text.split(' ').any(|word| word == value))
        }
    };
    if is_met { Ok(()) } else { Err(Reason::ClaimValueWrong) }
}

fn strings(raw: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut elements = Vec::new();
    json::elements(raw, |element| {
        elements.push(json::string(element).ok_or(JsonError::Syntax)?);
        Ok(())
    })
    .ok()?;
    Some(elements)
}
