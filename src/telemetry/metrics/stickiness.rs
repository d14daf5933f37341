//! How often a target group could not send a client to the target that it had before.

use std::sync::Arc;

use super::cells::Counter;
use super::families::{counters, labels, write_used};
use super::text::Text;

/// The handles of one target group that keeps clients on their targets.
#[derive(Debug)]
pub struct StickinessMetrics {
    labels: Box<str>,
    reasons: &'static [&'static str],
    missed: Box<[Counter]>,
}

impl StickinessMetrics {
    pub(super) fn new(target_group: &str, reasons: &'static [&'static str]) -> Self {
        Self {
            labels: labels(&[("target_group", target_group)]),
            reasons,
            missed: counters(reasons),
        }
    }

    /// A request went to a target that its cookies do not name, by the index of the reason.
    pub fn missed(&self, reason: usize) {
        if let Some(counter) = self.missed.get(reason) {
            counter.inc();
        }
    }
}

pub(super) fn write(text: &mut Text, groups: &[Arc<StickinessMetrics>]) {
    let name = "portcullis_non_sticky_requests_total";
    text.family(
        name,
        "counter",
        "Requests to a sticky target group that went to another target than before, by reason.",
    );
    for group in groups {
        write_used(text, name, &group.labels, "reason", group.reasons, &group.missed);
    }
}
