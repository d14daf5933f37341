//! One place that key sets come from: what is known, when to ask again, who waits.
//!
//! The state machine decides and never fetches: time, randomness and fetched bytes are arguments.
//! Whoever fetches asks [`KeySource::due`], takes the one [`Attempt`] from [`KeySource::begin`] and
//! gives its outcome to [`Attempt::finish`]. A request reads the current keys without a lock; only
//! a request whose `kid` is unknown ever takes one.

mod attempt;
mod failure;
mod timing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use parking_lot::Mutex;

use super::jwks::{KeySet, KeySetError};
use crate::clock::UnixMillis;
use crate::config::model;

pub use self::attempt::{Attempt, Change, Fetched};
pub use self::failure::FetchFailure;

const FAILURES: usize = FetchFailure::ALL.len();

/// From the start of one attempt to the start of the next, whatever came of the first.
pub const COOLDOWN: Duration = Duration::from_secs(10);
/// Requests that may wait for one source at a time.
pub const MAX_WAITERS: u32 = 256;
/// The longest that a request waits for a key.
pub const MAX_WAIT: Duration = Duration::from_secs(5);
/// A saved set from further in the future than this is not believed.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// The keys in use and their age.
#[derive(Debug)]
pub struct Current {
    set: Arc<KeySet>,
    /// The document that the set was read from, to see that a new one is the same.
    body: Arc<[u8]>,
    /// How old the set already was at `since`: only a set kept over a restart is older than 0.
    base_age: Duration,
    since: Instant,
    fetched_at: UnixMillis,
}

impl Current {
    /// The keys.
    #[must_use]
    pub const fn set(&self) -> &Arc<KeySet> {
        &self.set
    }

    /// Time since the last successful fetch. By the monotonic clock within one process, so that a
    /// jump of the wall clock makes no key stale.
    #[must_use]
    pub fn age(&self, mono: Instant) -> Duration {
        self.base_age.saturating_add(mono.saturating_duration_since(self.since))
    }

    /// The wall clock at the last successful fetch.
    #[must_use]
    pub const fn fetched_at(&self) -> UnixMillis {
        self.fetched_at
    }

    /// The document, for keeping it over a restart.
    #[must_use]
    pub const fn body(&self) -> &Arc<[u8]> {
        &self.body
    }
}

/// When a source wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now,
    /// At this moment, unless somebody wants it sooner.
    At(Instant),
    /// An attempt is under way.
    InFlight,
}

/// Why a request need not wait for an unknown `kid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoWait {
    /// The last attempt is too recent, or the source is a file.
    Cooldown,
    /// [`MAX_WAITERS`] wait already.
    Busy,
}

#[derive(Debug)]
struct Schedule {
    /// Attempts begun so far; also the name of the latest.
    begun: u64,
    last_begun: Option<Instant>,
    in_flight: bool,
    /// A request or an operator asked for an attempt.
    wanted: bool,
    /// When the next attempt is due of itself.
    next: Option<Instant>,
    /// Failures since the last success.
    failures_in_a_row: u32,
    last_failure: Option<FetchFailure>,
    /// How often the set is fetched; the shortest of all pools that use the source.
    refresh: Duration,
}

impl Schedule {
    fn due(&self, mono: Instant, cooldown: Duration) -> Due {
        if self.in_flight {
            return Due::InFlight;
        }
        let own = if self.wanted { Some(mono) } else { self.next };
        let earliest = self.last_begun.map(|begun| begun + cooldown);
        match own.max(earliest) {
            Some(at) if at > mono => Due::At(at),
            _ => Due::Now,
        }
    }
}

/// A source of keys; it outlives reloads.
#[derive(Debug)]
pub struct KeySource {
    place: model::KeySource,
    current: ArcSwapOption<Current>,
    schedule: Mutex<Schedule>,
    /// The latest attempt that has ended.
    ended: AtomicU64,
    waiters: AtomicU32,
    attempts: AtomicU64,
    failures: [AtomicU64; FAILURES],
}

impl KeySource {
    /// A source of which nothing is known yet; due at once.
    #[must_use]
    pub fn new(place: model::KeySource, refresh: Duration) -> Self {
        Self {
            place,
            current: ArcSwapOption::empty(),
            schedule: Mutex::new(Schedule {
                begun: 0,
                last_begun: None,
                in_flight: false,
                wanted: false,
                next: None,
                failures_in_a_row: 0,
                last_failure: None,
                refresh,
            }),
            ended: AtomicU64::new(0),
            waiters: AtomicU32::new(0),
            attempts: AtomicU64::new(0),
            failures: [const { AtomicU64::new(0) }; FAILURES],
        }
    }

    /// Where the keys come from.
    #[must_use]
    pub const fn place(&self) -> &model::KeySource {
        &self.place
    }

    /// The keys in use; `None` until the first set is in.
    #[must_use]
    pub fn current(&self) -> Guard<Option<Arc<Current>>> {
        self.current.load()
    }

    /// Takes over a changed `refresh` after a reload.
    pub fn set_refresh(&self, refresh: Duration) {
        let mut schedule = self.schedule.lock();
        if refresh < schedule.refresh
            && let (Some(next), Some(begun)) = (schedule.next, schedule.last_begun)
        {
            schedule.next = Some(next.min(begun + refresh.max(self.cooldown())));
        }
        schedule.refresh = refresh;
    }

    /// When this source wants an attempt.
    #[must_use]
    pub fn due(&self, mono: Instant) -> Due {
        self.schedule.lock().due(mono, self.cooldown())
    }

    /// The one attempt that may be made now, if any may.
    pub fn begin(self: &Arc<Self>, mono: Instant) -> Option<Attempt> {
        let mut schedule = self.schedule.lock();
        if schedule.due(mono, self.cooldown()) != Due::Now {
            return None;
        }
        schedule.in_flight = true;
        schedule.wanted = false;
        schedule.begun += 1;
        schedule.last_begun = Some(mono);
        self.attempts.fetch_add(1, Ordering::Relaxed);
        Some(Attempt::new(Arc::clone(self), schedule.begun, mono))
    }

    /// Asks for an attempt as soon as the budget allows; false while it does not.
    pub fn request(&self, mono: Instant) -> bool {
        let mut schedule = self.schedule.lock();
        let may = schedule.in_flight
            || schedule.last_begun.is_none_or(|begun| mono >= begun + self.cooldown());
        schedule.wanted |= may && !schedule.in_flight;
        may
    }

    /// Puts keys in place that were kept over a restart. They are as untrusted as fetched ones.
    ///
    /// # Errors
    /// The document's own fault, or [`KeySetError::Malformed`] for a time in the future.
    pub fn restore(
        &self,
        body: &[u8],
        fetched_at: UnixMillis,
        now: UnixMillis,
        mono: Instant,
    ) -> Result<(), KeySetError> {
        if fetched_at > now.plus(CLOCK_TOLERANCE) {
            return Err(KeySetError::Malformed);
        }
        let current = Current {
            set: Arc::new(KeySet::parse(body)?),
            body: body.into(),
            base_age: Duration::from_millis(now.0.saturating_sub(fetched_at.0)),
            since: mono,
            fetched_at,
        };
        if self.current.load().is_none() {
            self.current.store(Some(Arc::new(current)));
        }
        Ok(())
    }

    /// A place among those who wait for the next attempt to end.
    pub(super) fn wait(self: &Arc<Self>, mono: Instant) -> Result<KeyWait, NoWait> {
        if matches!(self.place, model::KeySource::File(_)) {
            return Err(NoWait::Cooldown);
        }
        let attempt = {
            let mut schedule = self.schedule.lock();
            if schedule.in_flight {
                schedule.begun
            } else if schedule.last_begun.is_some_and(|begun| mono < begun + self.cooldown()) {
                return Err(NoWait::Cooldown);
            } else {
                schedule.wanted = true;
                schedule.begun + 1
            }
        };
        let joined = self.waiters.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            (n < MAX_WAITERS).then_some(n + 1)
        });
        match joined {
            Ok(_) => Ok(KeyWait { source: Arc::clone(self), attempt }),
            Err(_) => Err(NoWait::Busy),
        }
    }

    /// How long until the next attempt is due; for `Retry-After`.
    pub(super) fn next_attempt_in(&self, mono: Instant) -> Duration {
        match self.due(mono) {
            Due::At(at) => at.saturating_duration_since(mono),
            Due::Now | Due::InFlight => Duration::ZERO,
        }
    }

    /// Why the last attempt failed, if it did.
    #[must_use]
    pub fn last_failure(&self) -> Option<FetchFailure> {
        self.schedule.lock().last_failure
    }

    /// Everything that an operator may want to know.
    #[must_use]
    pub fn status(&self, mono: Instant) -> SourceStatus {
        let current = self.current.load();
        let schedule = self.schedule.lock();
        SourceStatus {
            place: self.place.clone(),
            keys: current.as_ref().map_or_else(Vec::new, |current| {
                let keys = current.set.keys().iter();
                keys.map(|key| (key.kid().to_owned(), *key.thumbprint())).collect()
            }),
            skipped_keys: current.as_ref().map_or(0, |current| current.set.skipped()),
            age: current.as_ref().map(|current| current.age(mono)),
            fetched_at: current.as_ref().map(|current| current.fetched_at),
            next_attempt_in: schedule.next.map(|next| next.saturating_duration_since(mono)),
            in_flight: schedule.in_flight,
            last_failure: schedule.last_failure,
            attempts: self.attempts.load(Ordering::Relaxed),
            failures: std::array::from_fn(|n| {
                self.failures.get(n).map_or(0, |count| count.load(Ordering::Relaxed))
            }),
            waiters: self.waiters.load(Ordering::Relaxed),
        }
    }

    /// A file costs nothing to look at.
    const fn cooldown(&self) -> Duration {
        match self.place {
            model::KeySource::Url(_) => COOLDOWN,
            model::KeySource::File(_) => Duration::from_secs(1),
        }
    }
}

/// A place among those who wait for one attempt to end; given back when dropped.
#[derive(Debug)]
pub struct KeyWait {
    source: Arc<KeySource>,
    attempt: u64,
}

impl KeyWait {
    /// Whether the attempt has ended, well or not.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.source.ended.load(Ordering::Acquire) >= self.attempt
    }

    /// What is waited for.
    #[must_use]
    pub const fn source(&self) -> &Arc<KeySource> {
        &self.source
    }
}

impl Drop for KeyWait {
    fn drop(&mut self) {
        self.source.waiters.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A source as `/keys` and the metrics show it.
#[derive(Debug, Clone)]
pub struct SourceStatus {
    /// Where the keys come from.
    pub place: model::KeySource,
    /// Names and thumbprints of the usable keys.
    pub keys: Vec<(String, [u8; 32])>,
    /// How many keys of the document cannot be used.
    pub skipped_keys: usize,
    /// Time since the last success; `None` before the first.
    pub age: Option<Duration>,
    /// The wall clock at the last success.
    pub fetched_at: Option<UnixMillis>,
    /// Until the next attempt is due of itself.
    pub next_attempt_in: Option<Duration>,
    /// Whether an attempt is under way.
    pub in_flight: bool,
    /// Why the last attempt failed, if it did.
    pub last_failure: Option<FetchFailure>,
    /// Attempts begun.
    pub attempts: u64,
    /// Failures by [`FetchFailure::index`].
    pub failures: [u64; FAILURES],
    /// Requests that wait now.
    pub waiters: u32,
}
