//! The one question of the request path: who is calling, and may they.
//!
//! Nothing here does I/O; an unknown `kid` comes back as a [`KeyWait`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::authorizers::Authorizers;
use super::cache::TokenName;
use super::claims::Payload;
use super::headers::HeaderBlock;
use super::jwks::Key;
use super::key_source::{Current, KeyWait, NoWait};
use super::policy::{Accepted, CompiledValidation, pool_admits};
use super::pool::Pool;
use super::reason::{Reason, Refusal};
use super::token::{self, Header, HeaderBuffer};
use super::verify::{self, VerifiedToken};
use crate::clock::UnixMillis;

/// What became of a request's token.
#[derive(Debug)]
pub enum Outcome {
    /// The caller is known and meets the rule's demands.
    Allowed(Identity),
    /// The request goes no further.
    Refused(Refusal),
    /// The token names a key that is not known yet: wait for the attempt, at most
    /// [`super::key_source::MAX_WAIT`], and ask again with [`Patience::HasWaited`].
    NeedsKey(KeyWait),
}

/// Whether a request may still wait for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It has not waited.
    MayWait,
    /// It has: an unknown `kid` is refused now.
    HasWaited,
}

/// A proved caller.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The token.
    pub token: Arc<VerifiedToken>,
    /// The pool that admits it.
    pub pool: Arc<Pool>,
    /// The rule's claim headers for it; none where it is refused.
    pub headers: Arc<HeaderBlock>,
    /// Whether the signature had been checked before.
    pub was_cached: bool,
}

impl Authorizers {
    /// Judges the token among `headers` by `check`.
    #[must_use]
    pub fn authorize(
        &self,
        check: &CompiledValidation,
        headers: &HeaderMap,
        now: UnixMillis,
        mono: Instant,
        patience: Patience,
    ) -> Outcome {
        match check.token(headers) {
            Ok(token) => self.authorize_token(check, token, now, mono, patience),
            Err(reason) => Outcome::Refused(refusal(reason, None, check)),
        }
    }

    /// Judges a token by `check`, wherever it was found.
    #[must_use]
    pub fn authorize_token(
        &self,
        check: &CompiledValidation,
        token: &[u8],
        now: UnixMillis,
        mono: Instant,
        patience: Patience,
    ) -> Outcome {
        if token.len() > check.max_token_size {
            return Outcome::Refused(refusal(Reason::TokenTooLarge, None, check));
        }
        let name = self.cache.name(token);
        if let Some((cached, accepted)) = self.cached(check, name.as_ref()) {
            let size_is_right = token.len() <= accepted.pool.max_token_size;
            let is_fresh = accepted.issuer.source().current().as_ref().is_some_and(|current| {
                current.age(mono) < accepted.pool.max_stale
                    && cached.key().is_some_and(|key| current.set().holds(key))
            });
            if size_is_right && is_fresh {
                self.counts.hits.fetch_add(1, Ordering::Relaxed);
                return conclude(self, check, accepted, cached, now, true);
            }
        }
        self.counts.misses.fetch_add(1, Ordering::Relaxed);
        self.first_seen(check, token, name, now, mono, patience)
    }

    /// A token verified before by an issuer that the rule accepts, under the pool's profile.
    fn cached<'c>(
        &self,
        check: &'c CompiledValidation,
        name: Option<&TokenName>,
    ) -> Option<(Arc<VerifiedToken>, &'c Accepted)> {
        let token = self.cache.get(name?)?;
        let accepted = check.accepts(token.issuer())?;
        (token.profile() == accepted.pool.profile).then_some((token, accepted))
    }

    /// The long way: everything is read and the signature checked.
    fn first_seen(
        &self,
        check: &CompiledValidation,
        token: &[u8],
        name: Option<TokenName>,
        now: UnixMillis,
        mono: Instant,
        patience: Patience,
    ) -> Outcome {
        let refuse = |reason, accepted: Option<&Accepted>| {
            Outcome::Refused(refusal(reason, accepted.map(|a| &a.pool), check))
        };
        let mut buffer = HeaderBuffer::new();
        let (parts, header, payload) = match read(token, &mut buffer) {
            Ok(read) => read,
            Err(reason) => return refuse(reason, None),
        };
        let accepted = match self.accepted(check, &payload) {
            Ok(accepted) => accepted,
            Err(reason) => return refuse(reason, None),
        };
        if let Err(reason) = suits(&header, token, &accepted.pool) {
            return refuse(reason, Some(accepted));
        }
        let current = accepted.issuer.source().current();
        let key = match find_key(current.as_ref(), &header, accepted, mono) {
            Ok(key) => key,
            Err(reason) => {
                drop(current);
                return self.without_key(reason, check, accepted, mono, patience);
            }
        };
        let (pool, issuer) = (&accepted.pool, &accepted.issuer);
        match verify::verify(&parts, &header, payload, pool.profile, issuer, key) {
            Ok(verified) => {
                let verified = Arc::new(verified);
                if let Err(reason) = pool_admits(&verified, pool, now) {
                    return refuse(reason, Some(accepted));
                }
                let end = verified.expires().plus(pool.clock_skew);
                let life = Duration::from_millis(end.0.saturating_sub(now.0));
                if let Some(name) = name {
                    self.cache.insert(name, &verified, life);
                }
                conclude(self, check, accepted, verified, now, false)
            }
            Err(reason) => refuse(reason, Some(accepted)),
        }
    }

    /// The rule's issuer of exactly this `iss`.
    fn accepted<'c>(
        &self,
        check: &'c CompiledValidation,
        payload: &Payload,
    ) -> Result<&'c Accepted, Reason> {
        let issuer = payload.issuer()?;
        let known = self.by_issuer.get(&*issuer).ok_or(Reason::IssuerUnknown)?;
        check.accepts(known).ok_or(Reason::PoolNotAllowed)
    }

    /// No key to check the signature with: wait for one, or refuse.
    fn without_key(
        &self,
        reason: Reason,
        check: &CompiledValidation,
        accepted: &Accepted,
        mono: Instant,
        patience: Patience,
    ) -> Outcome {
        let source = accepted.issuer.source();
        let reason = match (reason, patience) {
            (Reason::KeyUnknown, Patience::MayWait) => match source.wait(mono) {
                Ok(wait) => return Outcome::NeedsKey(wait),
                Err(NoWait::Cooldown) => Reason::KeyUnknownCooldown,
                Err(NoWait::Busy) => Reason::KeyUnknownBusy,
            },
            (reason, _) => reason,
        };
        let is_ours = matches!(reason, Reason::JwksUnavailable | Reason::JwksStale);
        let retry_after = if is_ours { source.next_attempt_in(mono) } else { Duration::ZERO };
        let name = Some(Arc::clone(&accepted.pool.name));
        let mut refusal = Refusal::new(reason, name, check.scope_text.clone(), retry_after);
        refusal.fetch_failure = if is_ours { source.last_failure() } else { None };
        Outcome::Refused(refusal)
    }
}

fn refusal(reason: Reason, pool: Option<&Arc<Pool>>, check: &CompiledValidation) -> Refusal {
    let name = pool.map(|pool| Arc::clone(&pool.name));
    Refusal::new(reason, name, check.scope_text.clone(), Duration::ZERO)
}

/// The last word on a token whose signature is right.
fn conclude(
    authorizers: &Authorizers,
    check: &CompiledValidation,
    accepted: &Accepted,
    token: Arc<VerifiedToken>,
    now: UnixMillis,
    was_cached: bool,
) -> Outcome {
    let pool = Arc::clone(&accepted.pool);
    let is_welcome = || {
        let is_denied = authorizers.deny_list().denies(&token, now);
        if is_denied { Err(Reason::Denied) } else { Ok(()) }
    };
    let admitted = pool_admits(&token, &pool, now)
        .and_then(|()| is_welcome())
        .and_then(|()| check.admits(&token));
    match admitted {
        Ok(()) => {
            let headers = token.blocks.get(&check.headers, token.claims());
            Outcome::Allowed(Identity { token, pool, headers, was_cached })
        }
        Err(reason) => {
            let mut refusal = refusal(reason, Some(&pool), check);
            if reason.is_about_a_known_caller() {
                let headers = Arc::default();
                refusal.identity = Some(Identity { token, pool, headers, was_cached });
            }
            Outcome::Refused(refusal)
        }
    }
}

pub(super) fn read<'t, 'b>(
    token: &'t [u8],
    buffer: &'b mut HeaderBuffer,
) -> Result<(token::Parts<'t>, Header<'b>, Payload), Reason> {
    let parts = token::split(token)?;
    let header = parts.header(buffer)?;
    let payload = Payload::parse(parts.payload()?).map_err(|_| Reason::TokenMalformed)?;
    Ok((parts, header, payload))
}

/// Whether the pool takes such a token at all, before any key is looked up.
fn suits(header: &Header<'_>, token: &[u8], pool: &Pool) -> Result<(), Reason> {
    if token.len() > pool.max_token_size {
        return Err(Reason::TokenTooLarge);
    }
    if !header.algorithm.is_some_and(|algorithm| pool.algorithms.contain(algorithm)) {
        return Err(Reason::AlgorithmNotAllowed);
    }
    if verify::has_right_type(header, pool.profile) { Ok(()) } else { Err(Reason::TypeWrong) }
}

/// The key that the header names, from a set that is not too old.
pub(super) fn find_key<'k>(
    current: Option<&'k Arc<Current>>,
    header: &Header<'_>,
    accepted: &Accepted,
    mono: Instant,
) -> Result<&'k Arc<Key>, Reason> {
    let current = current.ok_or(Reason::JwksUnavailable)?;
    if current.age(mono) >= accepted.pool.max_stale {
        return Err(Reason::JwksStale);
    }
    let algorithm = header.algorithm.ok_or(Reason::AlgorithmNotAllowed)?;
    match current.set().find(&header.key_id, algorithm) {
        Some(key) => Ok(key),
        None if current.set().names(&header.key_id) => Err(Reason::AlgorithmNotAllowed),
        None => Err(Reason::KeyUnknown),
    }
}
