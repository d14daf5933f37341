//! The health of one target as ALB has it: probe outcomes in, transitions out.
//!
//! Of ALB's reasons these cannot occur here: `Target.NotRegistered` (what is not registered is not
//! shown), `Target.InvalidState` (of EC2 instances) and `Target.IpUnusable`.
//!
//! Pure: no clock, no socket, no lock. Only probes change it; failures of ordinary requests do not.

use std::fmt;

/// ALB's target health states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HealthState {
    /// Not judged yet. Receives requests only while the group fails open.
    Initial,
    /// Passed.
    Healthy,
    /// Failed. Receives requests only while the group fails open.
    Unhealthy,
    /// Its group is not used by any rule, so nobody checks it.
    Unused,
    /// Health checks are off; counts as healthy.
    Unavailable,
    /// It left the file, or its name's answer, and ends the requests that it has.
    Draining,
}

impl HealthState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Initial,
        Self::Healthy,
        Self::Unhealthy,
        Self::Unused,
        Self::Unavailable,
        Self::Draining,
    ];

    /// AWS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unused => "unused",
            Self::Unavailable => "unavailable",
            Self::Draining => "draining",
        }
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a target is not simply healthy: the reason codes of ELB's `TargetHealth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No check has ended yet, or the target's name has no address yet.
    RegistrationInProgress,
    /// Checks are running, none has passed.
    InitialHealthChecking,
    /// The last check failed for a reason of our own, such as no descriptor. It counts for nothing.
    InternalError,
    /// The status was not in the matcher.
    ResponseCodeMismatch,
    /// The check did not end in time.
    Timeout,
    /// No connection, or an answer that is not HTTP.
    FailedHealthChecks,
    /// The group is not used by any rule.
    NotInUse,
    /// `health_check: { enabled: false }`.
    HealthCheckDisabled,
    /// It is draining.
    DeregistrationInProgress,
}

impl Reason {
    /// ELB's code for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegistrationInProgress => "Elb.RegistrationInProgress",
            Self::InitialHealthChecking => "Elb.InitialHealthChecking",
            Self::InternalError => "Elb.InternalError",
            Self::ResponseCodeMismatch => "Target.ResponseCodeMismatch",
            Self::Timeout => "Target.Timeout",
            Self::FailedHealthChecks => "Target.FailedHealthChecks",
            Self::NotInUse => "Target.NotInUse",
            Self::HealthCheckDisabled => "Target.HealthCheckDisabled",
            Self::DeregistrationInProgress => "Target.DeregistrationInProgress",
        }
    }
}

/// What one probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeOutcome {
    /// This status, which is in the matcher.
    Passed(u16),
    /// It is not: this one came.
    Mismatch(u16),
    /// Out of time.
    TimedOut,
    /// The connection was refused or reset.
    Reset,
    /// No TLS, or no HTTP.
    Failed,
    /// gRPC: an answer without `grpc-status`.
    NoGrpcStatus,
    /// Our own fault: says nothing about the target.
    Internal,
}

impl ProbeOutcome {
    const fn reason(self) -> Option<Reason> {
        match self {
            Self::Passed(_) => None,
            Self::Mismatch(_) => Some(Reason::ResponseCodeMismatch),
            Self::TimedOut => Some(Reason::Timeout),
            Self::Reset | Self::Failed | Self::NoGrpcStatus => Some(Reason::FailedHealthChecks),
            Self::Internal => Some(Reason::InternalError),
        }
    }

    const fn code(self) -> Option<u16> {
        match self {
            Self::Mismatch(code) => Some(code),
            _ => None,
        }
    }

    /// The status that came, good or bad.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Passed(code) | Self::Mismatch(code) => Some(code),
            _ => None,
        }
    }

    /// The reason code in ALB's health-check log (alb.md 11.6); none when it passed.
    pub(crate) const fn log_reason(self, is_grpc: bool) -> Option<&'static str> {
        match self {
            Self::Passed(_) => None,
            Self::Mismatch(_) if is_grpc => Some("GRPCUnexpectedStatus"),
            Self::Mismatch(_) => Some("ResponseCodeMismatch"),
            Self::TimedOut => Some("TimedOut"),
            Self::Reset => Some("ConnectionReset"),
            Self::Failed => Some("TargetError"),
            Self::NoGrpcStatus => Some("GRPCStatusHeaderEmpty"),
            Self::Internal => Some("InternalError"),
        }
    }
}

/// Outcomes in a row that change a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thresholds {
    pub(crate) healthy: u32,
    pub(crate) unhealthy: u32,
}

/// Whether a group's targets are probed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// A rule uses the group and checks are on.
    Checked,
    /// Checks are off.
    Unchecked,
    /// No rule uses the group.
    Unused,
}

/// A change of state that is worth a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) from: HealthState,
    pub(crate) to: HealthState,
}

/// What is known about one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Health {
    state: HealthState,
    reason: Option<Reason>,
    /// Status of the last mismatch.
    code: Option<u16>,
    /// Outcomes in a row that speak against `state`.
    contrary: u32,
}

impl Health {
    /// A target that nothing is known about.
    pub(crate) const fn new(duty: Duty) -> Self {
        let (state, reason) = match duty {
            Duty::Checked => (HealthState::Initial, Reason::RegistrationInProgress),
            Duty::Unchecked => (HealthState::Unavailable, Reason::HealthCheckDisabled),
            Duty::Unused => (HealthState::Unused, Reason::NotInUse),
        };
        Self { state, reason: Some(reason), code: None, contrary: 0 }
    }

    pub(crate) const fn state(&self) -> HealthState {
        self.state
    }

    pub(crate) const fn reason(&self) -> Option<Reason> {
        self.reason
    }

    pub(crate) const fn code(&self) -> Option<u16> {
        self.code
    }

    /// Takes over what is known when the file changes: an earned state stays while the target goes
    /// on being checked, all else starts anew.
    pub(crate) fn assign(&mut self, duty: Duty) {
        let is_checked = matches!(
            self.state,
            HealthState::Initial | HealthState::Healthy | HealthState::Unhealthy
        );
        if !(duty == Duty::Checked && is_checked) {
            *self = Self::new(duty);
        }
    }

    /// Takes in the outcome of one probe.
    pub(crate) fn record(
        &mut self,
        outcome: ProbeOutcome,
        thresholds: Thresholds,
    ) -> Option<Transition> {
        let from = self.state;
        if outcome == ProbeOutcome::Internal {
            if matches!(from, HealthState::Initial | HealthState::Unhealthy) {
                (self.reason, self.code) = (outcome.reason(), None);
            }
            return None;
        }
        let passed = matches!(outcome, ProbeOutcome::Passed(_));
        let limit = match (from, passed) {
            // The first pass is enough for a target that was never judged.
            (HealthState::Initial, true) => 1,
            (HealthState::Unhealthy, true) => thresholds.healthy,
            (HealthState::Initial | HealthState::Healthy, false) => thresholds.unhealthy,
            (HealthState::Healthy, true) => {
                *self = Self { state: from, reason: None, code: None, contrary: 0 };
                return None;
            }
            (HealthState::Unhealthy, false) => {
                self.contrary = 0;
                self.reason = outcome.reason();
                self.code = outcome.code();
                return None;
            }
            // A probe that was under way when the checks were turned off.
            (HealthState::Unused | HealthState::Unavailable | HealthState::Draining, _) => {
                return None;
            }
        };
        self.contrary = self.contrary.saturating_add(1);
        if self.contrary < limit {
            if from == HealthState::Initial {
                self.reason = Some(Reason::InitialHealthChecking);
            }
            return None;
        }
        self.state = if passed { HealthState::Healthy } else { HealthState::Unhealthy };
        self.reason = outcome.reason();
        self.code = outcome.code();
        self.contrary = 0;
        Some(Transition { from, to: self.state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { healthy: 3, unhealthy: 2 };

    fn after(outcomes: &[ProbeOutcome]) -> Health {
        let mut health = Health::new(Duty::Checked);
        for outcome in outcomes {
            health.record(*outcome, THRESHOLDS);
        }
        health
    }

    use ProbeOutcome::{Failed, Internal, Mismatch, TimedOut};

    #[allow(non_upper_case_globals)]
    const Passed: ProbeOutcome = ProbeOutcome::Passed(200);

    #[test]
    fn a_fault_of_our_own_counts_neither_for_nor_against_a_target() {
        let health = after(&[Passed, Failed, Internal, Internal]);
        assert_eq!((health.state(), health.reason()), (HealthState::Healthy, None));
        assert_eq!(after(&[Passed, Failed, Internal, Failed]).state(), HealthState::Unhealthy);
        let unjudged = after(&[Internal, Internal, Internal]);
        assert_eq!(unjudged.state(), HealthState::Initial);
        assert_eq!(unjudged.reason(), Some(Reason::InternalError));
        assert_eq!(after(&[Internal, Passed]).reason(), None);
    }

    #[test]
    fn first_pass_makes_a_new_target_healthy() {
        assert_eq!(after(&[Passed]).state(), HealthState::Healthy);
        assert_eq!(after(&[Failed, Passed]).state(), HealthState::Healthy);
    }

    #[test]
    fn new_target_stays_initial_until_the_unhealthy_threshold() {
        let once = after(&[Failed]);
        assert_eq!(once.state(), HealthState::Initial);
        assert_eq!(once.reason(), Some(Reason::InitialHealthChecking));
        assert_eq!(after(&[Failed, Failed]).state(), HealthState::Unhealthy);
    }

    #[test]
    fn one_failure_between_passes_changes_nothing() {
        let health = after(&[Passed, Failed, Passed, Failed, Passed]);
        assert_eq!(health.state(), HealthState::Healthy);
        assert_eq!(health.reason(), None);
    }

    #[test]
    fn unhealthy_target_needs_passes_in_a_row() {
        let down = [Failed, Failed];
        let broken = [Passed, Passed, Failed, Passed, Passed];
        let mut outcomes = [down.as_slice(), broken.as_slice()].concat();
        assert_eq!(after(&outcomes).state(), HealthState::Unhealthy);
        outcomes.push(Passed);
        assert_eq!(after(&outcomes).state(), HealthState::Healthy);
    }

    #[test]
    fn the_latest_reason_is_kept() {
        let health = after(&[Failed, Failed, Mismatch(503)]);
        assert_eq!(health.reason(), Some(Reason::ResponseCodeMismatch));
        assert_eq!(health.code(), Some(503));
        let health = after(&[Failed, Failed, Mismatch(503), TimedOut]);
        assert_eq!((health.reason(), health.code()), (Some(Reason::Timeout), None));
    }

    #[test]
    fn transitions_are_told_once() {
        let mut health = Health::new(Duty::Checked);
        assert!(health.record(Passed, THRESHOLDS).is_some());
        assert!(health.record(Passed, THRESHOLDS).is_none());
        assert!(health.record(Failed, THRESHOLDS).is_none());
        let down = health.record(Failed, THRESHOLDS);
        let expected = Transition { from: HealthState::Healthy, to: HealthState::Unhealthy };
        assert_eq!(down, Some(expected));
        assert!(health.record(Failed, THRESHOLDS).is_none());
    }

    #[test]
    fn earned_state_survives_a_reload_but_not_a_change_of_duty() {
        let mut health = after(&[Passed]);
        health.assign(Duty::Checked);
        assert_eq!(health.state(), HealthState::Healthy);
        health.assign(Duty::Unchecked);
        assert_eq!(health.state(), HealthState::Unavailable);
        assert_eq!(health.record(Failed, THRESHOLDS), None);
        health.assign(Duty::Checked);
        assert_eq!(health.state(), HealthState::Initial);
        health.assign(Duty::Unused);
        assert_eq!(health.reason(), Some(Reason::NotInUse));
    }
}
