//! Whatever happens to a group, in whatever order: requests go only where they may.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::clock::monotonic;
use crate::upstream::state::ProbeOutcome;
use crate::upstream::target::Chosen;

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    /// The target at this port passes a check, or fails one.
    Checked(u16, bool),
    /// A request begins; and one of those that are held ends like this.
    Begins,
    Ends(usize, Ending),
    /// Time goes by, in halves of a second.
    Passes(u32),
    /// The file changes: which ports it has, and whether it has the group.
    Reloaded(Vec<u16>, bool),
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Good,
    Bad,
    Broken,
}

fn event() -> impl Strategy<Value = Event> {
    let ending = prop_oneof![Just(Ending::Good), Just(Ending::Bad), Just(Ending::Broken)];
    prop_oneof![
        4 => (1_u16..6, any::<bool>()).prop_map(|(port, passed)| Event::Checked(port, passed)),
        4 => Just(Event::Begins),
        4 => (0_usize..8, ending).prop_map(|(which, ending)| Event::Ends(which, ending)),
        2 => (1_u32..80).prop_map(Event::Passes),
        1 => (prop::sample::subsequence(vec![1_u16, 2, 3, 4, 5], 0..=5), prop::bool::weighted(0.9))
            .prop_map(|(ports, is_there)| Event::Reloaded(ports, is_there)),
    ]
}

/// What a group says beside its targets; the first three by algorithm.
const MANNERS: [&str; 5] = [
    "slow_start: 30s, deregistration_delay: 10s",
    "algorithm: least_outstanding_requests, limits: { requests_per_target: 2, pending: 6 }",
    "algorithm: weighted_random, anomaly_mitigation: true",
    "outlier_ejection: { consecutive_failures: 2 }, deregistration_delay: 0s",
    "target_group_health: { minimum_healthy_targets: { count: 2, percentage: 50 } }",
];

fn file(manner: &str, ports: &[u16], is_there: bool) -> Config {
    let targets: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let mut config = config(&format!("{{ targets: [{}], {manner} }}", targets.join(", ")));
    if !is_there {
        config.target_groups.clear();
        config.listeners.clear();
    }
    config
}

struct History {
    manner: &'static str,
    groups: TargetGroups,
    now: Instant,
    ports: Vec<u16>,
    held: Vec<Chosen>,
}

impl History {
    fn begin(manner: &'static str) -> Self {
        let now = monotonic();
        let ports = vec![1, 2, 3];
        let groups = TargetGroups::compile_at(&file(manner, &ports, true), None, now);
        Self { manner, groups, now, ports, held: Vec::new() }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Checked(port, passed) => self.check(port, passed),
            Event::Begins if self.held.len() < 8 => self.held.extend(self.choose()),
            Event::Begins => {}
            Event::Ends(which, ending) => {
                if which >= self.held.len() {
                    return;
                }
                let mut chosen = self.held.swap_remove(which);
                chosen.connected();
                match ending {
                    Ending::Good => chosen.answered(200, self.now),
                    Ending::Bad => chosen.answered(500, self.now),
                    Ending::Broken => chosen.failed(self.now),
                }
                // One that began under an older file may have got its target ejected: then it takes
                // half a second until that is known here.
                self.groups.tune(self.now);
            }
            Event::Passes(halves) => {
                self.now += halves * Duration::from_millis(500);
                self.groups.tune(self.now);
            }
            Event::Reloaded(ports, is_there) => {
                let file = file(self.manner, &ports, is_there);
                self.groups = TargetGroups::compile_at(&file, Some(&self.groups), self.now);
                self.groups.adopt();
                self.ports = if is_there { ports } else { Vec::new() };
            }
        }
    }

    fn check(&self, port: u16, passed: bool) {
        let outcome = if passed { ProbeOutcome::Passed(200) } else { ProbeOutcome::TimedOut };
        let Some(group) = self.groups.groups().first() else { return };
        let targets = group.checked_targets();
        if let Some(target) = targets.iter().find(|target| target.address.port() == port) {
            group.record(target, outcome, &self.groups.shared, self.now);
        }
    }

    /// Chooses, and judges the choice.
    fn choose(&self) -> Option<Chosen> {
        let chosen = match self.groups.choose(GROUP, &Tried::default()) {
            Ok(chosen) => chosen,
            Err(NoTarget::Absent) => {
                assert!(self.ports.is_empty(), "nobody of {:?}", self.ports);
                return None;
            }
            Err(NoTarget::Busy) => {
                assert!(self.manner.contains("limits"));
                return None;
            }
        };
        assert!(self.ports.contains(&chosen.address().port()), "{chosen:?} has left");
        assert!(!chosen.is_over(), "{chosen:?}");
        let health = chosen.target().live.health.lock().state();
        let standing = *chosen.target().live.standing.lock();
        if !chosen.is_fail_open() {
            assert_eq!(health, HealthState::Healthy);
            assert!(!standing.is_ejected(self.now), "{standing:?}");
        }
        if self.manner.contains("limits") {
            assert!(chosen.target().in_flight() <= 2);
        }
        Some(chosen)
    }

    /// Nobody is counted who is not there.
    fn judge(&self) {
        let ours = self.groups.all().filter(|group| &**group.name() == "targets");
        let described: Vec<_> = ours.flat_map(|group| group.describe(self.now)).collect();
        let in_flight: u32 = described.iter().map(|target| target.in_flight).sum();
        let kept = self.held.iter().filter(|chosen| !chosen.is_over()).count();
        assert_eq!(usize::try_from(in_flight).unwrap(), kept, "{described:?}");
        let drains = |target: &&TargetStatus| target.state == HealthState::Draining;
        assert_eq!(described.iter().filter(|target| !drains(target)).count(), self.ports.len());
    }
}

proptest! {
    #[test]
    fn requests_go_where_they_may_whatever_happened(
        manner in prop::sample::select(MANNERS.as_slice()),
        events in prop::collection::vec(event(), 1..60),
    ) {
        let mut history = History::begin(manner);
        history.groups.adopt();
        for event in events {
            history.happens(event);
            drop(history.choose());
            history.judge();
        }
        history.held.clear();
        history.judge();
    }
}
