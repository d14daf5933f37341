//! How many requests were over a limit of an API or of a route.

use std::sync::Arc;

use super::cells::Counter;
use super::families::labels;
use super::text::Text;

/// The handle of an API's limits, or of a route's.
#[derive(Debug)]
pub struct ThrottleMetrics {
    labels: Box<str>,
    throttled: Counter,
}

impl ThrottleMetrics {
    pub(super) fn new(api: &str, route: &str) -> Self {
        let labels = labels(&[("api", api), ("route", route)]);
        Self { labels, throttled: Counter::default() }
    }

    /// A request was over a limit.
    pub fn throttled(&self) {
        self.throttled.inc();
    }
}

pub(super) fn write(text: &mut Text, limits: &[Arc<ThrottleMetrics>]) {
    let name = "portcullis_throttled_total";
    text.family(
        name,
        "counter",
        "Requests over a limit, by where it stands: an API and its route (empty: the API's own).",
    );
    for limit in limits.iter().filter(|limit| limit.throttled.get() > 0) {
        text.sample(name, &limit.labels, None, limit.throttled.get());
    }
}
