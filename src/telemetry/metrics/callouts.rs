//! How often request authorizers of APIs are asked, what comes of it and how long it takes.

use std::sync::Arc;
use std::time::Duration;

use super::cells::{Counter, Histogram};
use super::families::{labels, write_histogram, write_used};
use super::text::Text;

/// What comes of asking; what is kept is not asked for.
const OUTCOMES: [&str; 7] = [
    "answered",
    "cached",
    "authorizer_unauthorized",
    "authorizer_failed",
    "authorizer_timeout",
    "authorizer_malformed",
    "authorizer_busy",
];

/// The handles of one authorizer.
#[derive(Debug)]
pub struct AuthorizerMetrics {
    labels: Box<str>,
    outcomes: [Counter; OUTCOMES.len()],
    duration: Histogram,
}

impl AuthorizerMetrics {
    pub(super) fn new(api: &str, authorizer: &str) -> Self {
        Self {
            labels: labels(&[("api", api), ("authorizer", authorizer)]),
            outcomes: Default::default(),
            duration: Histogram::default(),
        }
    }

    /// It was asked, with this outcome.
    pub fn called(&self, outcome: &str, took: Duration) {
        self.count(outcome);
        self.duration.observe(took);
    }

    /// It need not be asked.
    pub fn cached(&self) {
        self.count("cached");
    }

    fn count(&self, outcome: &str) {
        for (_, counter) in
            OUTCOMES.iter().zip(&self.outcomes).filter(|(known, _)| **known == outcome)
        {
            counter.inc();
        }
    }
}

pub(super) fn write(text: &mut Text, authorizers: &[Arc<AuthorizerMetrics>]) {
    if authorizers.is_empty() {
        return;
    }
    let name = "portcullis_authorizer_requests_total";
    text.family(name, "counter", "What came of asking request authorizers; cached: not asked.");
    for authorizer in authorizers {
        write_used(text, name, &authorizer.labels, "outcome", &OUTCOMES, &authorizer.outcomes);
    }
    let name = "portcullis_authorizer_duration_seconds";
    text.family(name, "histogram", "How long request authorizers take to answer.");
    for authorizer in authorizers {
        write_histogram(text, name, &authorizer.labels, &authorizer.duration);
    }
}
