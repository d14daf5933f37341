//! A token bucket in one word (the generic cell rate algorithm).

use std::sync::atomic::{AtomicU64, Ordering};

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Nanoseconds for one token.
    interval: u64,
    /// Nanoseconds for all tokens but one.
    tolerance: u64,
}

impl Pace {
    /// For tokens a second and the size of the bucket, which are not 0.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn new(rate: f64, burst: u32) -> Self {
        // A cast of a float saturates. At a million a second the rounding is below 0.1 %.
        let interval = ((1e9 / rate).round() as u64).max(1);
        Self { interval, tolerance: interval.saturating_mul(u64::from(burst.saturating_sub(1))) }
    }
}

/// When the bucket is full again, in nanoseconds; before that, it lacks one token for each
/// interval. It never falls.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

impl Bucket {
    /// Takes a token, or says after how many nanoseconds there is one. Times that go back a little,
    /// as those of two threads do, take no token twice.
    pub(super) fn take(&self, pace: Pace, now: u64) -> Result<(), u64> {
        // Nothing else is published with the word, so no order beside its own is needed.
        let mut full = self.0.load(Ordering::Relaxed);
        loop {
            let begins = full.max(now);
            let lacking = begins - now;
            if lacking > pace.tolerance {
                return Err(lacking - pace.tolerance);
            }
            let next = begins.saturating_add(pace.interval);
            match self.0.compare_exchange_weak(full, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => full = other,
            }
        }
    }

    /// When it is full again.
    pub(super) fn full_at(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
