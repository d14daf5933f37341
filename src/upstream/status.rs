//! Target groups as the admin listener and the metrics show them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::group::TargetGroup;
use super::standing::WHOLE;
use super::state::{HealthState, Reason};
use super::target::Target;

/// A target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetStatus {
    /// As the file has it, `HOST:PORT`.
    pub target: String,
    /// Where it is; absent until its name is resolved.
    pub address: Option<SocketAddr>,
    /// Its share.
    pub weight: u16,
    /// Its state.
    pub state: HealthState,
    /// Why, unless it is simply healthy.
    pub reason: Option<Reason>,
    /// The status that the last check did not like.
    pub code: Option<u16>,
    /// Requests that it is serving now.
    pub in_flight: u32,
    /// Requests that it broke off or never took.
    pub failures: u64,
    /// How it stands beside its peers; absent while it is not registered.
    pub standing: Option<StandingStatus>,
}

/// How a target stands beside its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingStatus {
    /// Part of its weight that it gets, in hundredths: below 100 in slow start and while mitigated.
    pub share: u32,
    /// It fails more than its peers.
    pub is_anomalous: bool,
    /// It gets fewer requests for that.
    pub is_mitigated: bool,
    /// How much longer it is left out for failing.
    pub ejected_for: Option<Duration>,
}

/// What is counted of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupStatus {
    /// Too few targets are healthy: requests go to all.
    pub is_fail_open: bool,
    /// Requests that were sent so.
    pub unhealthy_routing: u64,
    /// Targets that were left out for failing, so far.
    pub ejections: u64,
    /// Requests that were one too many.
    pub busy: u64,
}

impl TargetGroup {
    /// Its targets, the names that have no address yet, and those that are leaving.
    #[must_use]
    pub fn describe(&self, now: Instant) -> Vec<TargetStatus> {
        let registered = self.members().targets();
        let mut described = Vec::new();
        for configured in &self.settings().targets {
            let label = configured.host.label(configured.port);
            let before = described.len();
            let same = registered.iter().filter(|target| {
                target.host == configured.host && target.address.port() == configured.port
            });
            described.extend(same.map(|target| self.status_of(label.clone(), target, now)));
            if described.len() == before {
                described.push(TargetStatus {
                    target: label,
                    address: None,
                    weight: configured.weight,
                    state: HealthState::Initial,
                    reason: Some(Reason::RegistrationInProgress),
                    code: None,
                    in_flight: 0,
                    failures: 0,
                    standing: None,
                });
            }
        }
        described.extend(self.members().leaving().iter().map(|leaving| {
            let target = &leaving.target;
            TargetStatus {
                state: HealthState::Draining,
                reason: Some(Reason::DeregistrationInProgress),
                code: None,
                standing: None,
                ..self.status_of(target.host.label(target.address.port()), target, now)
            }
        }));
        described
    }

    /// What is counted of it.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        let tally = self.members().tally();
        GroupStatus {
            is_fail_open: self.members().routing.load().fail_open,
            unhealthy_routing: tally.unhealthy_routing.load(Relaxed),
            ejections: tally.ejections.load(Relaxed),
            busy: tally.busy.load(Relaxed),
        }
    }

    fn status_of(&self, label: String, target: &Arc<Target>, now: Instant) -> TargetStatus {
        let health = *target.live.health.lock();
        let standing = *target.live.standing.lock();
        let warm_up = standing.warm_up_share(now, self.settings().slow_start);
        TargetStatus {
            target: label,
            address: Some(target.address),
            weight: target.weight,
            state: health.state(),
            reason: health.reason(),
            code: health.code(),
            in_flight: target.in_flight(),
            failures: target.failures(),
            standing: Some(StandingStatus {
                share: warm_up.min(standing.share()).min(WHOLE),
                is_anomalous: standing.is_anomalous(),
                is_mitigated: standing.is_mitigated(),
                ejected_for: standing.ejected_for(now),
            }),
        }
    }
}
