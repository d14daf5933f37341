//! What the pages draw lines through: counts at regular moments, bounded.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use crate::admin::page::Sample;
use crate::clock;
use crate::snapshot::Snapshot;

/// Between two looks.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// Ten minutes, and the look before.
const KEPT: usize = 121;

/// The last looks.
#[derive(Debug, Default)]
pub(super) struct Traffic(Mutex<VecDeque<Sample>>);

impl Traffic {
    /// Takes a look, and keeps it.
    pub(super) fn look(&self, snapshot: &Snapshot) {
        let sample = sample(snapshot);
        let mut samples = self.0.lock();
        if samples.len() >= KEPT {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// What was kept, and how it stands now.
    pub(super) fn samples(&self, snapshot: &Snapshot) -> Vec<Sample> {
        let mut samples: Vec<_> = self.0.lock().iter().cloned().collect();
        samples.push(sample(snapshot));
        samples
    }
}

fn sample(snapshot: &Snapshot) -> Sample {
    let mut sample = Sample::nothing(clock::wall());
    for rule in snapshot.listeners.iter().flat_map(|listener| &listener.rules) {
        let outcomes = rule.metrics.outcomes();
        sample.requests += outcomes.requests;
        sample.errors += outcomes.errors;
        sample.denials += outcomes.denials;
        for (sum, count) in sample.durations.iter_mut().zip(rule.metrics.durations()) {
            *sum += count;
        }
    }
    sample
}
