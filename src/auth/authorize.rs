//! The one question of the request path: who is calling, and may they.
//!
//! [`Authorizers`] are the pools of one configuration with what lives longer than it: key sources
//! and the token cache. Nothing here does I/O; an unknown `kid` comes back as a [`KeyWait`].

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::HeaderMap;
use parking_lot::Mutex;

use super::cache::{CAPACITY, TokenCache, TokenName};
use super::claims::Payload;
use super::headers::{ClaimHeaderSet, HeaderBlock};
use super::jwks::Key;
use super::key_source::{Current, KeySource, KeyWait, NoWait, SourceStatus};
use super::policy::{Accepted, CompiledValidation, pool_admits};
use super::pool::{Issuer, Pool};
use super::reason::{Reason, Refusal};
use super::token::{self, Header, HeaderBuffer};
use super::verify::{self, VerifiedToken};
use crate::clock::UnixMillis;
use crate::config::model::{self, ClaimHeader, Config, JwtValidation};

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

/// Hits and misses of the token cache.
#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// All pools of one configuration.
#[derive(Debug)]
pub struct Authorizers {
    pools: Vec<Arc<Pool>>,
    by_issuer: HashMap<Arc<str>, Arc<Issuer>>,
    sources: Vec<Arc<KeySource>>,
    cache: Arc<TokenCache>,
    counts: Arc<Counts>,
    /// Claim header sets in use; only compiling looks at it.
    header_sets: Mutex<Vec<Arc<ClaimHeaderSet>>>,
    inherited_sets: Vec<Arc<ClaimHeaderSet>>,
}

impl Authorizers {
    /// Compiles the pools of `config`. Key sources, issuers and header sets that `previous` has
    /// too are taken over with all they know, and so is the token cache.
    #[must_use]
    pub fn compile(config: &Config, previous: Option<&Self>) -> Self {
        let mut sources: HashMap<&model::KeySource, Arc<KeySource>> = HashMap::new();
        let mut in_order = Vec::new();
        for (place, refresh) in places(config) {
            let known = previous.and_then(|p| p.sources.iter().find(|s| s.place() == place));
            let source = known.map_or_else(
                || Arc::new(KeySource::new(place.clone(), refresh)),
                |known| {
                    known.set_refresh(refresh);
                    Arc::clone(known)
                },
            );
            in_order.push(Arc::clone(&source));
            sources.insert(place, source);
        }
        let mut by_issuer = HashMap::new();
        let mut pools = Vec::with_capacity(config.user_pools.len());
        for pool in &config.user_pools {
            let issuers = pool.issuers.iter().filter_map(|issuer| {
                let source = sources.get(&issuer.keys)?;
                let known = previous
                    .and_then(|p| p.by_issuer.get(&issuer.issuer))
                    .filter(|known| Arc::ptr_eq(known.source(), source));
                let compiled = known.map_or_else(
                    || Arc::new(Issuer::new(Arc::clone(&issuer.issuer), Arc::clone(source))),
                    Arc::clone,
                );
                by_issuer.insert(Arc::clone(&issuer.issuer), Arc::clone(&compiled));
                Some(compiled)
            });
            pools.push(Arc::new(Pool::compile(pool, issuers.collect())));
        }
        Self {
            pools,
            by_issuer,
            sources: in_order,
            cache: previous
                .map_or_else(|| Arc::new(TokenCache::new(CAPACITY)), |p| Arc::clone(&p.cache)),
            counts: previous.map_or_else(Arc::default, |p| Arc::clone(&p.counts)),
            header_sets: Mutex::default(),
            inherited_sets: previous.map_or_else(Vec::new, |p| p.header_sets.lock().clone()),
        }
    }

    /// Compiles one rule's `jwt_validation` with the rule's claim headers.
    #[must_use]
    pub fn compile_validation(
        &self,
        validation: &JwtValidation,
        claim_headers: &[ClaimHeader],
    ) -> CompiledValidation {
        CompiledValidation::new(validation, &self.pools, self.header_set(claim_headers))
    }

    fn header_set(&self, headers: &[ClaimHeader]) -> Arc<ClaimHeaderSet> {
        let mut sets = self.header_sets.lock();
        if let Some(known) = sets.iter().find(|set| set.is_made_from(headers)) {
            return Arc::clone(known);
        }
        let known = self.inherited_sets.iter().find(|set| set.is_made_from(headers));
        let set = known.map_or_else(|| Arc::new(ClaimHeaderSet::compile(headers)), Arc::clone);
        sets.push(Arc::clone(&set));
        set
    }

    /// Every source of keys, once.
    #[must_use]
    pub fn sources(&self) -> &[Arc<KeySource>] {
        &self.sources
    }

    /// The pools, in file order.
    #[must_use]
    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    /// Whether every pool has keys from one of its issuers.
    #[must_use]
    pub fn all_first_sets_in(&self) -> bool {
        self.pools.iter().all(|pool| pool.has_keys())
    }

    /// The token cache, for its gauges.
    #[must_use]
    pub fn cache(&self) -> &TokenCache {
        &self.cache
    }

    /// Requests whose token had been verified before, and those whose had not.
    #[must_use]
    pub fn cache_hits_and_misses(&self) -> (u64, u64) {
        (self.counts.hits.load(Ordering::Relaxed), self.counts.misses.load(Ordering::Relaxed))
    }

    /// Every pool with the state of its key sources.
    #[must_use]
    pub fn status(&self, mono: Instant) -> Vec<PoolStatus> {
        let pools = self.pools.iter().map(|pool| PoolStatus {
            pool: Arc::clone(&pool.name),
            is_ready: pool.has_keys(),
            max_stale: pool.max_stale,
            issuers: pool
                .issuers
                .iter()
                .map(|issuer| (Arc::clone(issuer.name()), issuer.source().status(mono)))
                .collect(),
        });
        pools.collect()
    }

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
        match check.place.token(headers) {
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
                current.age(mono) < accepted.pool.max_stale && current.set().holds(cached.key())
            });
            if size_is_right && is_fresh {
                self.counts.hits.fetch_add(1, Ordering::Relaxed);
                return conclude(check, accepted, cached, now, true);
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
        match verify::verify(&parts, &header, payload, pool, issuer, key) {
            Ok(verified) => {
                let verified = Arc::new(verified);
                if let Err(reason) = pool_admits(&verified, pool, now) {
                    return refuse(reason, Some(accepted));
                }
                let end = verified.expires().plus(pool.clock_skew);
                let life = Duration::from_millis(end.0.saturating_sub(now.0));
                let outcome = conclude(check, accepted, Arc::clone(&verified), now, false);
                if let Some(name) = name {
                    self.cache.insert(name, verified, life);
                }
                outcome
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

/// A pool as `/keys` and `/readyz` show it.
#[derive(Debug, Clone)]
pub struct PoolStatus {
    /// The file's name for it.
    pub pool: model::Name,
    /// Whether one of its issuers has keys.
    pub is_ready: bool,
    /// Age at which keys are used no longer.
    pub max_stale: Duration,
    /// Its issuers with their sources.
    pub issuers: Vec<(Arc<str>, SourceStatus)>,
}

/// Every place of keys once, with the shortest `refresh` of those who use it.
fn places(config: &Config) -> Vec<(&model::KeySource, Duration)> {
    let mut places: Vec<(&model::KeySource, Duration)> = Vec::new();
    for pool in &config.user_pools {
        for issuer in &pool.issuers {
            match places.iter_mut().find(|(place, _)| *place == &issuer.keys) {
                Some((_, refresh)) => *refresh = pool.refresh.min(*refresh),
                None => places.push((&issuer.keys, pool.refresh)),
            }
        }
    }
    places
}

fn refusal(reason: Reason, pool: Option<&Arc<Pool>>, check: &CompiledValidation) -> Refusal {
    let name = pool.map(|pool| Arc::clone(&pool.name));
    Refusal::new(reason, name, check.scope_text.clone(), Duration::ZERO)
}

/// The last word on a token whose signature is right.
fn conclude(
    check: &CompiledValidation,
    accepted: &Accepted,
    token: Arc<VerifiedToken>,
    now: UnixMillis,
    was_cached: bool,
) -> Outcome {
    let pool = Arc::clone(&accepted.pool);
    match pool_admits(&token, &pool, now).and_then(|()| check.admits(&token)) {
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

fn read<'t, 'b>(
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
fn find_key<'k>(
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
