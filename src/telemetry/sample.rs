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

    /// Whether one more may be had now. Who comes late with an earlier time counts for the second
    /// that has begun since; but a clock that was set back is followed.
    #[must_use]
    pub fn admits(&self, now: UnixMillis) -> bool {
        const COUNT_BITS: u32 = 24;
        const SET_BACK: u64 = 60;
        let before = self.rate.load(Ordering::Relaxed);
        let (counted, now) = (before >> COUNT_BITS, now.seconds());
        let is_same = now <= counted && counted - now < SET_BACK;
        let after = if is_same { before + 1 } else { (now << COUNT_BITS) + 1 };
        let count = after & ((1 << COUNT_BITS) - 1);
        // A lost race is one more or less in the sample.
        count <= self.most && {
            self.rate.store(after, Ordering::Relaxed);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_a_second_whatever_the_order_in_which_they_come() {
        let sample = PerSecond::at_most(10);
        let admitted = |times: &[u64]| {
            let all = times.iter().cycle().take(100);
            all.filter(|seconds| sample.admits(UnixMillis(**seconds * 1000))).count()
        };
        assert_eq!(admitted(&[500]), 10);
        assert_eq!(admitted(&[501]), 10);
        // Those of the second before count for this one.
        assert_eq!(admitted(&[501, 500]), 0);
        assert_eq!(admitted(&[502, 501, 480]), 10);
        // The clock was set back by a minute.
        assert_eq!(admitted(&[442]), 10);
    }
}
