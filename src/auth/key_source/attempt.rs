//! One attempt to get keys, from its beginning to what it changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::timing::{back_off, refresh_pause};
use super::{Current, FetchFailure, KeySource};
use crate::auth::jwks::{KeySet, KeySetError};
use crate::clock::UnixMillis;
use crate::config::model;

/// What an attempt brought.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The document.
    pub body: Vec<u8>,
    /// `Cache-Control: max-age`, if the answer had one.
    pub max_age: Option<Duration>,
}

/// What an attempt changed; each is worth a line in the log, but for `Unchanged` and `StillFailing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The first keys of this source.
    First {
        /// How many.
        keys: usize,
    },
    /// Other keys than before.
    Replaced {
        /// Names of keys that are new.
        added: Vec<String>,
        /// Names of keys that left.
        removed: Vec<String>,
    },
    /// The same keys after failures.
    Recovered,
    /// The same keys again.
    Unchanged,
    /// Attempts begin to fail.
    Failing(FetchFailure),
    /// Another failure after one.
    StillFailing(FetchFailure),
}

/// One attempt under way. Dropped without an outcome, it counts as a failure.
#[derive(Debug)]
pub struct Attempt {
    source: Arc<KeySource>,
    number: u64,
    mono: Instant,
    is_finished: bool,
}

impl Attempt {
    pub(super) const fn new(source: Arc<KeySource>, number: u64, mono: Instant) -> Self {
        Self { source, number, mono, is_finished: false }
    }

    /// Whose attempt it is.
    #[must_use]
    pub const fn source(&self) -> &Arc<KeySource> {
        &self.source
    }

    /// Ends the attempt. A bad answer changes nothing about the keys in use. `random` spreads the
    /// next attempts of many gateways.
    pub fn finish(
        mut self,
        outcome: Result<Fetched, FetchFailure>,
        now: UnixMillis,
        mono: Instant,
        random: u64,
    ) -> Change {
        self.is_finished = true;
        self.end(outcome, now, mono, random)
    }

    fn end(
        &self,
        outcome: Result<Fetched, FetchFailure>,
        now: UnixMillis,
        mono: Instant,
        random: u64,
    ) -> Change {
        let source = &self.source;
        let failing = source.last_failure().is_some();
        let max_age = outcome.as_ref().ok().and_then(|fetched| fetched.max_age);
        let outcome = outcome.and_then(|fetched| {
            source.replace(fetched.body, now, mono, failing).map_err(FetchFailure::from)
        });
        let mut schedule = source.schedule.lock();
        schedule.in_flight = false;
        let pause = match &outcome {
            Ok(_) => {
                schedule.failures_in_a_row = 0;
                schedule.last_failure = None;
                refresh_pause(schedule.refresh, max_age, random)
            }
            Err(failure) => {
                if let Some(count) = source.failures.get(failure.index()) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                schedule.failures_in_a_row = schedule.failures_in_a_row.saturating_add(1);
                schedule.last_failure = Some(*failure);
                let has_keys = source.current.load().is_some();
                back_off(schedule.failures_in_a_row, has_keys, source.cooldown(), random)
            }
        };
        let pause = match source.place {
            model::KeySource::Url(_) => pause,
            model::KeySource::File(_) => source.cooldown(),
        };
        schedule.next = Some(schedule.last_begun.unwrap_or(mono) + pause);
        drop(schedule);
        source.ended.store(self.number, Ordering::Release);
        match outcome {
            Ok(change) => change,
            Err(failure) if failing => Change::StillFailing(failure),
            Err(failure) => Change::Failing(failure),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_finished {
            self.end(Err(FetchFailure::Abandoned), UnixMillis(0), self.mono, 0);
        }
    }
}

impl KeySource {
    /// Puts the document in use; says what changed.
    fn replace(
        &self,
        body: Vec<u8>,
        now: UnixMillis,
        mono: Instant,
        recovered: bool,
    ) -> Result<Change, KeySetError> {
        let old = self.current.load_full();
        let fresh = |set, body| {
            let age = Duration::ZERO;
            Arc::new(Current { set, body, base_age: age, since: mono, fetched_at: now })
        };
        if let Some(old) = old.as_ref().filter(|old| *old.body == *body) {
            self.current.store(Some(fresh(Arc::clone(&old.set), Arc::clone(&old.body))));
            return Ok(if recovered { Change::Recovered } else { Change::Unchanged });
        }
        let set = Arc::new(KeySet::parse(&body)?);
        let change = match old.as_ref().map(|old| (names_beyond(&set, &old.set), &old.set)) {
            None => Change::First { keys: set.keys().len() },
            Some((added, old)) => match (added, names_beyond(old, &set)) {
                (added, removed) if added.is_empty() && removed.is_empty() => {
                    if recovered {
                        Change::Recovered
                    } else {
                        Change::Unchanged
                    }
                }
                (added, removed) => Change::Replaced { added, removed },
            },
        };
        self.current.store(Some(fresh(set, body.into())));
        Ok(change)
    }
}

/// Names of the keys of `set` that `other` does not hold.
fn names_beyond(set: &KeySet, other: &KeySet) -> Vec<String> {
    let keys = set.keys().iter().filter(|key| !other.holds(key));
    keys.map(|key| key.kid().to_owned()).collect()
}
