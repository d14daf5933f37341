//! The atomics that requests touch.
//!
//! Smaller and cheaper than the `prometheus` crate's: 10,000 rules hold a megabyte or so instead of
//! a hundred, and an observation is two additions instead of four and a compare-and-swap loop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the duration buckets, in microseconds.
pub const DURATION_BUCKETS: [u64; 12] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// How often which duration was seen.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; DURATION_BUCKETS.len() + 1],
    sum_micros: Counter,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let micros = duration
            .as_secs()
            .saturating_mul(1_000_000)
            .saturating_add(u64::from(duration.subsec_micros()));
        let bucket = DURATION_BUCKETS.iter().position(|bound| micros <= *bound);
        if let Some(counter) = self.buckets.get(bucket.unwrap_or(DURATION_BUCKETS.len())) {
            counter.inc();
        }
        self.sum_micros.add(micros);
    }

    /// Each bucket on its own (not cumulated), the last one without an upper bound.
    #[must_use]
    pub fn counts(&self) -> [u64; DURATION_BUCKETS.len() + 1] {
        std::array::from_fn(|i| self.buckets[i].get())
    }

    /// All durations added up.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros.get())
    }
}
