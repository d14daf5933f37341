//! Sign-outs that issuers asked for, by user pool.

use std::sync::Arc;

use super::cells::Counter;
use super::families::labels;
use super::text::Text;

/// What came of one, each with its reason in the log.
const OUTCOMES: [(&str, &str); 4] = [
    ("signed_out", "back_channel_logout"),
    ("refused", "back_channel_logout_refused"),
    ("unavailable", "back_channel_logout_unavailable"),
    ("failed", "back_channel_logout_failed"),
];

/// The handles of one user pool.
#[derive(Debug)]
pub struct LogoutMetrics {
    labels: Box<str>,
    counters: [Counter; OUTCOMES.len()],
}

impl LogoutMetrics {
    pub(super) fn new(pool: &str) -> Self {
        Self { labels: labels(&[("user_pool", pool)]), counters: Default::default() }
    }

    /// Counts one, by its reason in the log.
    pub fn count(&self, reason: &str) {
        let of_outcomes = OUTCOMES.iter().zip(&self.counters);
        for ((_, known), counter) in of_outcomes {
            if *known == reason {
                counter.inc();
            }
        }
    }
}

/// All series are there from the start: an alarm must see the first failure.
pub(super) fn write(text: &mut Text, pools: &[Arc<LogoutMetrics>]) {
    if pools.is_empty() {
        return;
    }
    let name = "portcullis_back_channel_logout_total";
    text.family(name, "counter", "Sign-outs that issuers asked for, by user pool and outcome.");
    for pool in pools {
        for ((outcome, _), counter) in OUTCOMES.iter().zip(&pool.counters) {
            text.sample(name, &pool.labels, Some(("outcome", outcome)), counter.get());
        }
    }
}
