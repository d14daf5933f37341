//! So many in a second, and no more: what a flood would drown in detail is only counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::UnixMillis;

/// Admits a bounded number of things in each second.
#[derive(Debug)]
pub struct PerSecond {
    most: u64,
    /// The second that is being counted, in the upper 40 bits, and how many were admitted in it.
    rate: AtomicU64,
}

impl PerSecond {
    /// At most so many.
    #[must_use]
    pub const fn at_most(most: u64) -> Self {
        Self { most, rate: AtomicU64::new(0) }
    }

    /// Whether one more may be had now.
    #[must_use]
    pub fn admits(&self, now: UnixMillis) -> bool {
        const COUNT_BITS: u32 = 24;
        let second = now.seconds() << COUNT_BITS;
        let before = self.rate.load(Ordering::Relaxed);
        let after = if before >> COUNT_BITS == now.seconds() { before + 1 } else { second + 1 };
        let count = after - second;
        // A lost race is one more or less in the sample.
        count <= self.most && {
            self.rate.store(after, Ordering::Relaxed);
            true
        }
    }
}
