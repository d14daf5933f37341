//! Checks the health of all targets from one loop, which outlives reloads.

use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::group::TargetGroup;
use super::groups::TargetGroups;
use super::probe::Probe;
use super::schedule::{Schedule, Wanted};
use super::state::ProbeOutcome;
use super::target::Target;
use super::{NOTICE, ended};
use crate::clock::{self, UnixMillis};
use crate::config::model::{Protocol, ProtocolVersion};
use crate::telemetry::health_check_log::HealthCheck;

/// Checks at the same time. More wait for their turn.
const AT_ONCE: usize = 64;

/// First checks of new targets are spread over this time, or over the interval if that is shorter.
const SPREAD: Duration = Duration::from_secs(1);

/// Checks targets until `shutdown` says true.
pub(super) async fn keep_checked(
    current: &(impl Fn() -> Arc<TargetGroups> + Sync),
    log: &(impl Fn(&HealthCheck<'_>) + Sync),
    mut shutdown: watch::Receiver<bool>,
) {
    let mut prober = Prober::new(current());
    // Also wakes the loop for its own changes, which is harmless and rare.
    let mut changes = prober.groups.changes();
    loop {
        let now = clock::monotonic();
        prober.start_due(now);
        let wake = prober.wake_at(now);
        tokio::select! {
            () = ended(&mut shutdown) => return,
            Some(done) = prober.running.join_next() => {
                if let Ok(done) = done {
                    prober.finish(&done, log);
                }
            }
            Ok(()) = changes.changed() => prober.reconcile(),
            () = tokio::time::sleep_until(wake.into()) => {}
        }
        let groups = current();
        if !Arc::ptr_eq(&groups, &prober.groups) {
            prober.adopt(groups);
            changes = prober.groups.changes();
        }
    }
}

/// A target, and the group whose settings say how it is checked.
#[derive(Clone)]
struct Check {
    group: Arc<TargetGroup>,
    target: Arc<Target>,
}

impl Check {
    /// Whether a check of the one says something about the other.
    fn is_same(&self, other: &Self) -> bool {
        self.group.settings().health_check == other.group.settings().health_check
            && self.group.settings().protocol_version == other.group.settings().protocol_version
            && self.target.peer.is_same(&other.target.peer)
    }
}

/// A check that has ended.
struct Done {
    id: u64,
    began: UnixMillis,
    took: Duration,
    outcome: ProbeOutcome,
}

struct Prober {
    groups: Arc<TargetGroups>,
    schedule: Schedule<Check>,
    running: JoinSet<Done>,
    probe: Arc<Probe>,
    /// Replicas that were started together must not check in step.
    dice: RandomState,
}

impl Prober {
    fn new(groups: Arc<TargetGroups>) -> Self {
        let mut prober = Self {
            groups: Arc::clone(&groups),
            schedule: Schedule::new(),
            running: JoinSet::new(),
            probe: Arc::new(Probe::default()),
            dice: RandomState::new(),
        };
        prober.adopt(groups);
        prober
    }

    fn adopt(&mut self, groups: Arc<TargetGroups>) {
        self.groups = groups;
        self.groups.adopt();
        self.reconcile();
    }

    fn reconcile(&mut self) {
        let wanted = self.groups.groups().iter().flat_map(|group| {
            let interval = group.settings().health_check.interval;
            group.checked_targets().into_iter().map(move |target| Wanted {
                id: target.live.id,
                interval,
                item: Check { group: Arc::clone(group), target },
            })
        });
        let delay = |id, interval| {
            let spread = SPREAD.min(interval).as_micros();
            let dice = u128::from(self.dice.hash_one(id));
            Duration::from_micros(u64::try_from(dice % spread.max(1)).unwrap_or(0))
        };
        self.schedule.reconcile(clock::monotonic(), wanted, Check::is_same, delay);
    }

    fn start_due(&mut self, now: Instant) {
        while self.running.len() < AT_ONCE {
            let Some((id, check)) = self.schedule.take_due(now) else { return };
            let probe = Arc::clone(&self.probe);
            self.running.spawn(async move {
                let (began, start) = (clock::wall(), clock::monotonic());
                let outcome = probe.outcome(check.group.settings(), &check.target);
                // A target must not end its own checks, whatever it makes the HTTP engine do.
                let outcome = AssertUnwindSafe(outcome).catch_unwind().await;
                let outcome = outcome.unwrap_or(ProbeOutcome::Failed);
                let took = clock::monotonic().saturating_duration_since(start);
                Done { id, began, took, outcome }
            });
        }
    }

    /// When something has to be started, or the file may have been reloaded.
    fn wake_at(&self, now: Instant) -> Instant {
        let notice = now + NOTICE;
        match self.schedule.next_due() {
            Some(due) if self.running.len() < AT_ONCE => due.min(notice),
            _ => notice,
        }
    }

    fn finish(&mut self, done: &Done, log: &(impl Fn(&HealthCheck<'_>) + Sync)) {
        // By the group that is in force now, which may be a later one than the check began with.
        let Some(check) = self.schedule.finish(done.id) else { return };
        let settings = check.group.settings();
        let is_grpc = settings.protocol_version == ProtocolVersion::Grpc;
        log(&HealthCheck {
            kind: match (settings.protocol_version, &settings.protocol) {
                (ProtocolVersion::Grpc, _) => "grpc",
                (ProtocolVersion::Http2, _) => "h2",
                (ProtocolVersion::Http1, Protocol::Https(_)) => "https",
                (ProtocolVersion::Http1, Protocol::Http) => "http",
            },
            time: done.began,
            latency: done.took,
            target: check.target.checked_at(settings.health_check.port),
            target_group: &settings.name,
            status_code: done.outcome.status(),
            reason: done.outcome.log_reason(is_grpc),
        });
        let now = clock::monotonic();
        check.group.record(&check.target, done.outcome, &self.groups.shared, now);
    }
}
