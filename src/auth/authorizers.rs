//! The pools of one configuration, with what lives longer than it: key sources, issuers, header
//! sets and the token cache. What a token is worth here is judged in `authorize`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::cache::{CAPACITY, TokenCache};
use super::deny::DenyList;
use super::headers::ClaimHeaderSet;
use super::key_source::{KeySource, SourceStatus};
use super::policy::CompiledValidation;
use super::pool::{Issuer, Pool};
use crate::config::model::{self, ClaimHeader, Config, JwtValidation};

/// Hits and misses of the token cache.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
}

/// All pools of one configuration.
#[derive(Debug)]
pub struct Authorizers {
    pools: Vec<Arc<Pool>>,
    pub(super) by_issuer: HashMap<Arc<str>, Arc<Issuer>>,
    sources: Vec<Arc<KeySource>>,
    pub(super) cache: Arc<TokenCache>,
    pub(super) counts: Arc<Counts>,
    deny_list: DenyList,
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
        let posted = previous.map_or_else(Arc::default, |p| Arc::clone(p.deny_list.posted()));
        let file = config.deny_list.as_ref().map_or(&[][..], |file| &file.entries);
        let deny_list = DenyList::new(file, posted);
        Self {
            pools,
            deny_list,
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

    /// The rule's claim headers; equal lists are one set.
    pub fn header_set(&self, headers: &[ClaimHeader]) -> Arc<ClaimHeaderSet> {
        let mut sets = self.header_sets.lock();
        if let Some(known) = sets.iter().find(|set| set.is_made_from(headers)) {
            return Arc::clone(known);
        }
        let known = self.inherited_sets.iter().find(|set| set.is_made_from(headers));
        let set = known.map_or_else(|| Arc::new(ClaimHeaderSet::compile(headers)), Arc::clone);
        sets.push(Arc::clone(&set));
        set
    }

    /// Callers that are refused though their tokens look good.
    #[must_use]
    pub const fn deny_list(&self) -> &DenyList {
        &self.deny_list
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
