//! How often something may be done: token buckets, one for all or one for each key.
//!
//! Pure: the time is an argument, and who counts as one key is the caller's business. Nothing here
//! waits or answers. What is over a limit is told when to come again, and costs nothing.
//!
//! The state of a bucket is one word, the time at which it would be full again (GCRA), so there is
//! no lock, no timer that refills, and nothing to tidy up.

mod bucket;
mod table;

#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub use self::bucket::Bucket;
use self::bucket::Pace;
use self::table::Table;
use crate::config::model::{self, Throttle, ThrottleKey};
use crate::telemetry::metrics::ThrottleMetrics;

/// One limit with its state.
#[derive(Debug)]
pub struct Limit {
    /// As the file has it.
    pub settings: Throttle,
    pace: Pace,
    /// When it was first asked; times are counted from there.
    origin: OnceLock<Instant>,
    buckets: Buckets,
    metrics: Arc<ThrottleMetrics>,
}

#[derive(Debug)]
enum Buckets {
    One(Bucket),
    Keyed(Table),
}

/// A limit whose buckets somebody else keeps: of clients that are all known.
#[derive(Debug)]
pub struct Gauge {
    /// As the file has it.
    pub settings: model::Pace,
    pace: Pace,
    /// When it was first asked; times are counted from there.
    origin: OnceLock<Instant>,
}

impl Gauge {
    /// A limit of which nothing is used.
    #[must_use]
    pub fn new(settings: model::Pace) -> Self {
        let pace = Pace::new(settings.rate, settings.burst);
        Self { settings, pace, origin: OnceLock::new() }
    }

    /// Takes one token out of a bucket.
    ///
    /// # Errors
    ///
    /// There is none, and none was taken.
    pub fn take(&self, bucket: &Bucket, now: Instant) -> Result<(), Throttled> {
        let taken = bucket.take(self.pace, since(&self.origin, now));
        taken.map_err(|wait| Throttled { retry_after: Duration::from_nanos(wait) })
    }
}

/// It may not be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// When it could be, if nobody else comes before.
    pub retry_after: Duration,
}

impl Limit {
    /// A limit of which nothing is used.
    #[must_use]
    pub fn new(settings: Throttle, metrics: Arc<ThrottleMetrics>) -> Self {
        let buckets = match settings.per {
            None => Buckets::One(Bucket::default()),
            Some(_) => Buckets::Keyed(Table::new(settings.max_keys)),
        };
        let pace = Pace::new(settings.rate, settings.burst);
        Self { settings, pace, origin: OnceLock::new(), buckets, metrics }
    }

    /// What each bucket is for; absent for one that is for all.
    #[must_use]
    pub const fn per(&self) -> Option<&ThrottleKey> {
        self.settings.per.as_ref()
    }

    /// Takes one token out of the bucket of a key; the key is not looked at where all share one.
    ///
    /// # Errors
    ///
    /// There is none, and none was taken.
    pub fn take(&self, key: impl Hash, now: Instant) -> Result<(), Throttled> {
        let now = since(&self.origin, now);
        let taken = match &self.buckets {
            Buckets::One(bucket) => bucket.take(self.pace, now),
            Buckets::Keyed(table) => table.take(key, self.pace, now),
        };
        taken.map_err(|wait| {
            self.metrics.throttled();
            Throttled { retry_after: Duration::from_nanos(wait) }
        })
    }
}

/// Nanoseconds since it was first asked.
fn since(origin: &OnceLock<Instant>, now: Instant) -> u64 {
    let origin = *origin.get_or_init(|| now);
    u64::try_from(now.saturating_duration_since(origin).as_nanos()).unwrap_or(u64::MAX)
}
