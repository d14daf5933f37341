//! How many requests with an API key were over a limit of their usage plan.

use std::sync::Arc;

use super::cells::Counter;
use super::families::labels;
use super::text::Text;

/// The handle of a usage plan.
#[derive(Debug)]
pub struct PlanMetrics {
    labels: [Box<str>; 2],
    throttled: Counter,
    over_quota: Counter,
}

impl PlanMetrics {
    pub(super) fn new(plan: &str) -> Self {
        let labels = ["throttle", "quota"].map(|limit| labels(&[("plan", plan), ("limit", limit)]));
        Self { labels, throttled: Counter::default(), over_quota: Counter::default() }
    }

    /// A key was used too often.
    pub fn throttled(&self) {
        self.throttled.inc();
    }

    /// A key's quota was used up.
    pub fn over_quota(&self) {
        self.over_quota.inc();
    }
}

pub(super) fn write(text: &mut Text, plans: &[Arc<PlanMetrics>]) {
    let name = "portcullis_usage_plan_refused_total";
    text.family(name, "counter", "Requests over a limit of their key's usage plan.");
    for plan in plans {
        for (labels, counter) in plan.labels.iter().zip([&plan.throttled, &plan.over_quota]) {
            if counter.get() > 0 {
                text.sample(name, labels, None, counter.get());
            }
        }
    }
}
