//! Which targets fail more than their peers (alb.md 9.2, "automatic target weights").
//!
//! Pure. What is looked at is a window of a few seconds: requests that ended, and those of them that
//! ended in a 5xx of the target's or for which there was no answer. A dependency that fails for all
//! targets alike makes none of them anomalous.

use std::time::Duration;

/// From one look to the next.
pub(crate) const WINDOW: Duration = Duration::from_secs(5);

/// With fewer healthy targets nobody can say which of them is odd.
pub(crate) const FEWEST_TARGETS: usize = 3;

/// Failures in one window below which a target is not called anomalous; one is enough while it is,
/// since it gets few requests then.
const FEWEST_FAILURES: u64 = 3;

/// A target is anomalous when its rate of failures is over twice its peers', and five in a hundred
/// more.
const TIMES_PEERS: u64 = 2;
const MARGIN_PERCENT: u64 = 5;

/// Requests of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sample {
    /// That ended.
    pub(crate) requests: u64,
    /// That ended badly.
    pub(crate) failures: u64,
}

impl Sample {
    /// What happened since an earlier sample.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            failures: self.failures.saturating_sub(earlier.failures),
        }
    }
}

/// What one window says about each healthy target, given whether it was anomalous before.
pub(crate) fn judge(targets: &[(Sample, bool)]) -> Vec<bool> {
    if targets.len() < FEWEST_TARGETS {
        return vec![false; targets.len()];
    }
    let sum = |of: fn(&Sample) -> u64| targets.iter().map(|(sample, _)| of(sample)).sum::<u64>();
    let (requests, failures) = (sum(|sample| sample.requests), sum(|sample| sample.failures));
    let is_odd = |(one, was_anomalous): &(Sample, bool)| {
        let fewest = if *was_anomalous { 1 } else { FEWEST_FAILURES };
        // Two counters are read one after the other.
        let (own, own_failures) = (one.requests.max(1), one.failures.min(one.requests.max(1)));
        let peers = requests - one.requests;
        let peers_failures = (failures - one.failures).min(peers);
        if own_failures < fewest || peers == 0 {
            return false;
        }
        // own_failures / own > TIMES * peers_failures / peers + MARGIN / 100, without fractions.
        let wide = |number: u64| u128::from(number);
        wide(own_failures) * wide(peers) * 100
            > (wide(TIMES_PEERS) * wide(peers_failures) * 100 + wide(MARGIN_PERCENT) * wide(peers))
                * wide(own)
    };
    targets.iter().map(is_odd).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(targets: &[(u64, u64)]) -> Vec<bool> {
        let calm: Vec<_> = targets
            .iter()
            .map(|(requests, failures)| {
                (Sample { requests: *requests, failures: *failures }, false)
            })
            .collect();
        judge(&calm)
    }

    #[test]
    fn the_one_that_fails_among_good_ones_is_anomalous() {
        assert_eq!(judged(&[(100, 90), (100, 0), (100, 1)]), [true, false, false]);
        assert_eq!(judged(&[(100, 10), (100, 1), (100, 1)]), [true, false, false]);
        assert_eq!(judged(&[(9, 9), (9, 9), (99, 0), (99, 0), (99, 0)])[..2], [true, true]);
    }

    #[test]
    fn what_fails_everywhere_is_nobody_s_anomaly() {
        assert_eq!(judged(&[(100, 100), (100, 100), (100, 100)]), [false; 3]);
        assert_eq!(judged(&[(100, 60), (100, 50), (100, 50)]), [false; 3]);
    }

    #[test]
    fn a_few_failures_or_few_targets_say_nothing() {
        assert_eq!(judged(&[(2, 2), (100, 0), (100, 0)]), [false; 3]);
        assert_eq!(judged(&[(100, 90), (100, 0)]), [false; 2]);
        assert_eq!(judged(&[(100, 90), (0, 0), (0, 0)]), [false; 3]);
    }

    #[test]
    fn while_anomalous_one_failure_keeps_it_so_and_a_clean_window_ends_it() {
        let window = |failures| {
            let peers = (Sample { requests: 100, failures: 0 }, false);
            judge(&[(Sample { requests: 4, failures }, true), peers, peers])[0]
        };
        assert!(window(1));
        assert!(!window(0));
    }

    proptest! {
        #[test]
        fn nobody_without_failures_is_anomalous_and_never_all_of_them(
            targets in prop::collection::vec((0_u64..1000, 0_u64..1000, any::<bool>()), 0..12),
        ) {
            let samples: Vec<_> = targets
                .iter()
                .map(|(requests, failures, was)| {
                    (Sample { requests: *requests, failures: *failures.min(requests) }, *was)
                })
                .collect();
            let judged = judge(&samples);
            prop_assert_eq!(judged.len(), samples.len());
            for ((sample, _), is_anomalous) in samples.iter().zip(&judged) {
                prop_assert!(!is_anomalous || sample.failures > 0);
            }
            prop_assert!(judged.is_empty() || !judged.iter().all(|is_anomalous| *is_anomalous));
        }
    }
}
