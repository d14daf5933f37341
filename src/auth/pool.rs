//! A user pool made ready to judge tokens: its issuers, its lists, its limits.

use std::sync::Arc;
use std::time::Duration;

use super::key_source::KeySource;
use crate::config::model::{self, Algorithm, AppClients, Name, Profile};

/// One accepted `iss` with the source of its keys. The same object lives on over reloads that do
/// not change it, so that cached tokens are known by it.
#[derive(Debug)]
pub struct Issuer {
    name: Arc<str>,
    source: Arc<KeySource>,
}

impl Issuer {
    pub(super) const fn new(name: Arc<str>, source: Arc<KeySource>) -> Self {
        Self { name, source }
    }

    /// The value of `iss`.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where its keys come from.
    #[must_use]
    pub const fn source(&self) -> &Arc<KeySource> {
        &self.source
    }
}

/// A set of algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Algorithms(u16);

impl Algorithms {
    pub(super) fn new(algorithms: &[Algorithm]) -> Self {
        Self(algorithms.iter().fold(0, |bits, algorithm| bits | 1 << *algorithm as u16))
    }

    pub(super) const fn contain(self, algorithm: Algorithm) -> bool {
        self.0 & (1 << algorithm as u16) != 0
    }
}

/// A sorted list of names.
#[derive(Debug, Clone)]
pub(super) struct Names(Box<[Box<str>]>);

impl Names {
    pub(super) fn new(names: &[String]) -> Self {
        let mut names: Vec<Box<str>> = names.iter().map(|name| name.as_str().into()).collect();
        names.sort_unstable();
        Self(names.into_boxed_slice())
    }

    pub(super) fn contain(&self, name: &str) -> bool {
        self.0.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A compiled user pool.
#[derive(Debug)]
pub struct Pool {
    pub(super) name: Name,
    pub(super) profile: Profile,
    pub(super) issuers: Box<[Arc<Issuer>]>,
    pub(super) algorithms: Algorithms,
    /// `None`: any.
    pub(super) app_clients: Option<Names>,
    pub(super) audiences: Names,
    pub(super) require_resource_audience: bool,
    pub(super) clock_skew: Duration,
    pub(super) max_stale: Duration,
    pub(super) max_token_size: usize,
}

impl Pool {
    pub(super) fn compile(pool: &model::UserPool, issuers: Box<[Arc<Issuer>]>) -> Self {
        Self {
            name: Arc::clone(&pool.name),
            profile: pool.profile,
            issuers,
            algorithms: Algorithms::new(&pool.algorithms),
            app_clients: match &pool.app_clients {
                AppClients::Any => None,
                AppClients::Only(clients) => Some(Names::new(clients)),
            },
            audiences: Names::new(&pool.audiences),
            require_resource_audience: pool.require_resource_audience,
            clock_skew: pool.clock_skew,
            max_stale: pool.max_stale,
            max_token_size: pool.max_token_size,
        }
    }

    /// The file's name for it.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// For how long after `exp` its tokens are good.
    #[must_use]
    pub const fn clock_skew(&self) -> Duration {
        self.clock_skew
    }

    /// Which rules its tokens follow.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Its accepted issuers.
    #[must_use]
    pub const fn issuers(&self) -> &[Arc<Issuer>] {
        &self.issuers
    }

    /// Whether its tokens can be judged: one of its issuers has keys.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.issuers.iter().any(|issuer| issuer.source.current().is_some())
    }
}
