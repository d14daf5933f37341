//! ID tokens at the end of signing in, and the claims of the session that follows.
//!
//! An ID token comes from the token endpoint, over TLS; it is verified all the same (cognito.md
//! 3.7, `OpenID` Connect Core 3.1.3.7): signature, `iss`, `aud`, `azp`, time, `nonce`, `at_hash`.

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::authorize::{Identity, Patience, find_key, read};
use super::headers::ClaimHeaderSet;
use super::jwks::Key;
use super::key_source::{KeyWait, NoWait};
use super::policy::{Accepted, in_time};
use super::pool::{Issuer, Pool};
use super::reason::Reason;
use super::token::{Header, HeaderBuffer};
use super::verify::{self, Use, VerifiedToken};
use crate::clock::UnixMillis;
use crate::config::model::{Algorithm, Profile};

/// What an ID token must agree with.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who we are.
    pub client_id: &'a str,
    /// What we sent; nothing is demanded without.
    pub nonce: Option<&'a str>,
    /// What came with it.
    pub access_token: &'a str,
}

/// A token that was not proved.
#[derive(Debug)]
pub enum Unproved {
    /// Its key is not known yet: wait, and ask again with [`Patience::HasWaited`].
    NeedsKey(KeyWait),
    /// It is not good.
    Refused(Reason),
}

impl From<Reason> for Unproved {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

/// When a token is judged.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Expiry is judged by the wall clock.
    pub wall: UnixMillis,
    /// Key sets are waited for by the monotonic clock.
    pub mono: Instant,
    /// Whether there may still be a wait for a key.
    pub patience: Patience,
}

/// Proves an ID token.
///
/// # Errors
///
/// Why it is not good, or that its key is wanting.
pub fn verify_id_token(
    pool: &Arc<Pool>,
    token: &str,
    expected: Expected<'_>,
    moment: Moment,
) -> Result<VerifiedToken, Unproved> {
    let verified = prove(pool, token, moment)?;
    if verified.token_use().is_some_and(|token_use| token_use != Use::Id) {
        return Err(Reason::TokenUseWrong.into());
    }
    let is_ours = |name: &str| name == expected.client_id;
    if !verified.audiences().any(is_ours) {
        return Err(Reason::AudienceWrong.into());
    }
    let claims = verified.claims();
    let party = claims.raw("azp");
    let is_several = verified.audiences().nth(1).is_some();
    let is_for_us = match party {
        Some(_) => claims.string("azp").is_some_and(|party| is_ours(&party)),
        None => !is_several,
    };
    if !is_for_us {
        return Err(Reason::ClientNotAllowed.into());
    }
    if let Some(nonce) = expected.nonce {
        let found = claims.string("nonce").ok_or(Reason::ClaimMissing)?;
        if found != nonce {
            return Err(Reason::ClaimValueWrong.into());
        }
    }
    if claims.raw("at_hash").is_some() {
        let found = claims.string("at_hash").ok_or(Reason::ClaimFormatInvalid)?;
        let algorithm = verified.algorithm().ok_or(Reason::AlgorithmNotAllowed)?;
        if found != half_hash(algorithm, expected.access_token) {
            return Err(Reason::ClaimValueWrong.into());
        }
    }
    Ok(verified)
}

/// Proves the access token that a Cognito pool gave to our own client.
///
/// # Errors
///
/// Why it is not good, or that its key is wanting.
pub fn verify_own_access_token(
    pool: &Arc<Pool>,
    token: &str,
    client_id: &str,
    moment: Moment,
) -> Result<VerifiedToken, Unproved> {
    let verified = prove(pool, token, moment)?;
    if verified.token_use() != Some(Use::Access) {
        return Err(Reason::TokenUseWrong.into());
    }
    if verified.client() != Some(client_id) {
        return Err(Reason::ClientNotAllowed.into());
    }
    Ok(verified)
}

/// Signature, issuer, types and time.
fn prove(pool: &Arc<Pool>, token: &str, moment: Moment) -> Result<VerifiedToken, Unproved> {
    let token = token.as_bytes();
    if token.len() > pool.max_token_size {
        return Err(Reason::TokenTooLarge.into());
    }
    let profile = match pool.profile {
        Profile::Cognito => Profile::Cognito,
        // Access tokens may follow RFC 9068; ID tokens never do.
        Profile::Oidc | Profile::Rfc9068 => Profile::Oidc,
    };
    let mut buffer = HeaderBuffer::new();
    let (parts, header, payload) = read(token, &mut buffer)?;
    let issuer = issuer(pool, &payload.issuer()?).ok_or(Reason::IssuerUnknown)?;
    if !header.algorithm.is_some_and(|algorithm| pool.algorithms.contain(algorithm)) {
        return Err(Reason::AlgorithmNotAllowed.into());
    }
    if !verify::has_right_type(&header, profile) {
        return Err(Reason::TypeWrong.into());
    }
    let accepted = Accepted { issuer: Arc::clone(issuer), pool: Arc::clone(pool) };
    let key = key(&accepted, &header, moment)?;
    let verified = verify::verify(&parts, &header, payload, profile, issuer, &key)?;
    in_time(&verified, pool, moment.wall)?;
    Ok(verified)
}

/// The key that a token names, or that it is to be waited for.
pub(super) fn key(
    accepted: &Accepted,
    header: &Header<'_>,
    moment: Moment,
) -> Result<Arc<Key>, Unproved> {
    let source = accepted.issuer.source();
    let current = source.current();
    let reason = match find_key(current.as_ref(), header, accepted, moment.mono) {
        Ok(key) => return Ok(Arc::clone(key)),
        Err(reason) => reason,
    };
    Err(match (reason, moment.patience) {
        (Reason::KeyUnknown, Patience::MayWait) => match source.wait(moment.mono) {
            Ok(wait) => Unproved::NeedsKey(wait),
            Err(NoWait::Cooldown) => Reason::KeyUnknownCooldown.into(),
            Err(NoWait::Busy) => Reason::KeyUnknownBusy.into(),
        },
        (reason, _) => reason.into(),
    })
}

/// The pool's issuer of exactly this name.
pub(super) fn issuer<'p>(pool: &'p Pool, name: &str) -> Option<&'p Arc<Issuer>> {
    pool.issuers.iter().find(|issuer| **issuer.name() == *name)
}

/// `at_hash`: the left half of the access token's hash (`OpenID` Connect Core 3.1.3.6).
fn half_hash(algorithm: Algorithm, access_token: &str) -> String {
    let hash = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => &SHA256,
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &SHA384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => &SHA512,
    };
    let digest = digest::digest(hash, access_token.as_bytes());
    let half = digest.as_ref().len() / 2;
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..half).unwrap_or_default())
}

/// The claims of a session whose cookie opened, as those of a token with this life. `None` when the pool has no
/// such issuer any more.
#[must_use]
pub fn session_claims(
    pool: &Pool,
    issuer: &str,
    claims: String,
    life: (UnixMillis, UnixMillis),
) -> Option<VerifiedToken> {
    let issuer = self::issuer(pool, issuer)?;
    verify::session_claims(claims, pool.profile, issuer, life).ok()
}

impl Identity {
    /// The caller of a session.
    #[must_use]
    pub fn of_session(
        token: &Arc<VerifiedToken>,
        pool: &Arc<Pool>,
        headers: &ClaimHeaderSet,
    ) -> Self {
        Self {
            headers: token.blocks.get(headers, token.claims()),
            token: Arc::clone(token),
            pool: Arc::clone(pool),
            was_cached: true,
        }
    }
}
