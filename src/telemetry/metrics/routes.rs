//! How often each route of an API was taken, and what came of it.

use std::sync::Arc;

use super::cells::Counter;
use super::families::{Outcomes, STATUS_CLASSES, labels, write_used};
use super::text::Text;

/// The handle of a route.
#[derive(Debug)]
pub struct RouteMetrics {
    labels: Box<str>,
    /// By [`STATUS_CLASSES`].
    requests: [Counter; STATUS_CLASSES.len()],
    denials: Counter,
}

impl RouteMetrics {
    pub(super) fn new(api: &str, route: &str) -> Self {
        let labels = labels(&[("api", api), ("route", route)]);
        Self { labels, requests: Default::default(), denials: Counter::default() }
    }

    /// Counts a request that has ended; `status` is 0 when nothing was answered.
    pub fn request(&self, status: u16, is_denial: bool) {
        let class = usize::from(status / 100);
        if let Some(counter) = self.requests.get(class).or_else(|| self.requests.first()) {
            counter.inc();
        }
        if is_denial {
            self.denials.inc();
        }
    }

    /// How its requests have ended so far.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        Outcomes {
            requests: self.requests.iter().map(Counter::get).sum(),
            errors: self.requests.last().map_or(0, Counter::get),
            denials: self.denials.get(),
        }
    }
}

/// Series appear with a route's first request: an API may have hundreds that never see one.
pub(super) fn write(text: &mut Text, routes: &[Arc<RouteMetrics>]) {
    let name = "portcullis_route_requests_total";
    text.family(name, "counter", "Requests that a route of an API took, by class of status.");
    for route in routes {
        write_used(text, name, &route.labels, "status_class", &STATUS_CLASSES, &route.requests);
    }
}
