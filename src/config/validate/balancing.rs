//! What a target group says about shares: algorithm, slow start, health of the group, ejection,
//! limits.

use std::time::Duration;

use super::{Judge, seconds};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::Field;
use crate::config::model::{
    BalancingAlgorithm, MinimumHealthy, OutlierEjection, Target, TargetHost, TargetLimits,
};
use crate::config::raw;
use crate::config::units::DurationText;

impl Judge<'_> {
    pub(super) fn algorithm(&self, raw: &raw::TargetGroup) -> BalancingAlgorithm {
        match raw.algorithm.value() {
            None | Some(raw::BalancingAlgorithm::RoundRobin) => BalancingAlgorithm::RoundRobin,
            Some(raw::BalancingAlgorithm::LeastOutstandingRequests) => {
                BalancingAlgorithm::LeastOutstandingRequests
            }
            Some(raw::BalancingAlgorithm::WeightedRandom) => BalancingAlgorithm::WeightedRandom,
        }
    }

    pub(super) fn anomaly_mitigation(
        &mut self,
        raw: &raw::TargetGroup,
        algorithm: BalancingAlgorithm,
    ) -> bool {
        let Some(given) = raw.anomaly_mitigation.given().filter(|given| given.value) else {
            return false;
        };
        if algorithm != BalancingAlgorithm::WeightedRandom {
            self.report(
                Diagnostic::error(
                    "contradiction",
                    given.key,
                    "`anomaly_mitigation` works with `algorithm: weighted_random` only",
                )
                .help("set that algorithm, or leave this out"),
            );
        }
        true
    }

    pub(super) fn slow_start(
        &mut self,
        raw: &raw::TargetGroup,
        algorithm: BalancingAlgorithm,
    ) -> Duration {
        let (least, most) = (seconds(30), seconds(900));
        let Some(given) = raw.slow_start.given().filter(|given| !given.value.0.is_zero()) else {
            return Duration::ZERO;
        };
        if algorithm != BalancingAlgorithm::RoundRobin {
            self.report(
                Diagnostic::error(
                    "contradiction",
                    given.key,
                    "`slow_start` works with `algorithm: round_robin` only",
                )
                .help("set that algorithm, or leave this out"),
            );
        }
        if !(least..=most).contains(&given.value.0) {
            let message = format!("`{}` is out of range: 0s, or 30s to 15m", given.value);
            self.report(Diagnostic::error("out-of-range", given.span, message));
        }
        given.value.0
    }

    pub(super) fn minimum_healthy(
        &mut self,
        raw: &Field<raw::TargetGroupHealth>,
        targets: &[Target],
    ) -> MinimumHealthy {
        let absent = raw::MinimumHealthyTargets::default();
        let given = raw.value().and_then(|raw| raw.minimum_healthy_targets.value());
        let given = given.unwrap_or(&absent);
        let minimum = MinimumHealthy {
            count: self.number(&given.count, 1, 1..=1000),
            percentage: self.number(&given.percentage, 0, 1..=100),
        };
        // A name may have any number of addresses.
        let are_all = targets.iter().all(|target| matches!(target.host, TargetHost::Address(_)));
        if let Some(count) = given.count.given()
            && are_all
            && !targets.is_empty()
            && targets.len() < minimum.count as usize
        {
            let message = format!(
                "of {} targets never {} can be healthy: requests always go to all of them",
                targets.len(),
                minimum.count
            );
            self.report(Diagnostic::warning("never-healthy", count.span, message));
        }
        minimum
    }

    pub(super) fn outlier_ejection(
        &mut self,
        raw: &Field<raw::OutlierEjection>,
    ) -> Option<OutlierEjection> {
        let raw = raw.value()?;
        let (least, most) = (seconds(1), seconds(3600));
        let base = self.duration(&raw.base_ejection_time, seconds(30), least..=most);
        let longest = self.duration(&raw.max_ejection_time, seconds(300).max(base), least..=most);
        if let Some(given) = raw.max_ejection_time.given().filter(|_| longest < base) {
            let message =
                format!("the longest ejection is below the first: {}", DurationText(base));
            self.report(Diagnostic::error("out-of-range", given.span, message));
        }
        Some(OutlierEjection {
            consecutive_failures: self.number(&raw.consecutive_failures, 5, 1..=1000),
            base_ejection_time: base,
            max_ejection_time: longest,
            max_ejected_percentage: self.number(&raw.max_ejected_percentage, 50, 1..=100),
        })
    }

    pub(super) fn target_limits(&mut self, raw: Option<&raw::TargetLimits>) -> TargetLimits {
        const MOST: u64 = 1_000_000;
        let absent = raw::TargetLimits::default();
        let raw = raw.unwrap_or(&absent);
        let mut limit =
            |field: &Field<u64>| field.given().map(|_| self.number(field, 1_u32, 1..=MOST));
        TargetLimits {
            requests_per_target: limit(&raw.requests_per_target),
            requests: limit(&raw.requests),
            pending: limit(&raw.pending),
        }
    }
}
