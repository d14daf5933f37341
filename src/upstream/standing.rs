//! How a target stands beside its peers, beyond its health: slow start, ejection, anomaly.
//!
//! Pure: no clock, no socket, no lock; the time is an argument. It changes a target's share of the
//! requests, never its health, which probes alone decide.

use std::time::{Duration, Instant};

use super::anomaly::Sample;
use crate::config::model::OutlierEjection;

/// A whole share, in hundredths of the target's weight.
pub(crate) const WHOLE: u32 = 100;

/// What an anomalous target keeps: a hundredth would be too little to see it recover.
pub(crate) const LEAST: u32 = 4;

/// What is known about one target beside its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Registered while the group served from no healthy target: it begins with a whole share.
    is_founder: bool,
    warm_up_since: Option<Instant>,
    /// Until when it is left out, or was.
    ejected_until: Option<Instant>,
    /// Whether whoever shares out requests was told that it is back.
    is_out: bool,
    /// Ejections in a row, each longer than the one before.
    ejections: u32,
    is_anomalous: bool,
    /// By anomaly mitigation.
    share: u32,
    /// What was known at the end of the last window.
    seen: Sample,
}

impl Standing {
    pub(crate) const fn new(is_founder: bool) -> Self {
        Self {
            is_founder,
            warm_up_since: None,
            ejected_until: None,
            is_out: false,
            ejections: 0,
            is_anomalous: false,
            share: WHOLE,
            seen: Sample { requests: 0, failures: 0 },
        }
    }

    /// The target became healthy. `has_warm_peer`: another target of the group is healthy and not
    /// in slow start itself; without one this target has to take all there is.
    pub(crate) const fn begin_serving(&mut self, now: Instant, has_warm_peer: bool) {
        if has_warm_peer && !self.is_founder {
            self.warm_up_since = Some(now);
        }
        self.is_founder = false;
    }

    /// The target is not healthy any more.
    pub(crate) const fn stop_serving(&mut self) {
        self.warm_up_since = None;
        self.is_founder = false;
    }

    /// Whether it is in a slow start of that length.
    pub(crate) fn is_warming_up(&self, now: Instant, slow_start: Duration) -> bool {
        self.warm_up_since.is_some_and(|since| now.saturating_duration_since(since) < slow_start)
    }

    /// Its part of its weight in hundredths, rising in a line over the slow start.
    pub(crate) fn warm_up_share(&self, now: Instant, slow_start: Duration) -> u32 {
        let Some(since) = self.warm_up_since else { return WHOLE };
        let elapsed = now.saturating_duration_since(since).as_millis();
        let whole = slow_start.as_millis();
        if elapsed >= whole {
            return WHOLE;
        }
        u32::try_from(elapsed * u128::from(WHOLE) / whole).unwrap_or(WHOLE).max(1)
    }

    pub(crate) fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.is_some_and(|until| now < until)
    }

    /// How much longer it is left out.
    pub(crate) fn ejected_for(&self, now: Instant) -> Option<Duration> {
        self.ejected_until
            .map(|until| until.saturating_duration_since(now))
            .filter(|d| !d.is_zero())
    }

    /// Leaves it out for a while: the base time as many times as it was ejected in a row. One that
    /// has then served for as long as it was out begins anew.
    pub(crate) fn eject(&mut self, now: Instant, settings: &OutlierEjection) -> Duration {
        let time = |ejections: u32| {
            settings.base_ejection_time.saturating_mul(ejections).min(settings.max_ejection_time)
        };
        if self.ejected_until.is_some_and(|until| now >= until + time(self.ejections)) {
            self.ejections = 0;
        }
        self.ejections = self.ejections.saturating_add(1);
        let out = time(self.ejections);
        self.ejected_until = Some(now + out);
        self.is_out = true;
        out
    }

    /// Whether its share has changed since this was last asked, or does so all the time: while it
    /// warms up, and while it is left out, which a request under an older file may have brought about.
    pub(crate) fn is_moving(&mut self, now: Instant, slow_start: Duration) -> bool {
        let was_warming_up = self.warm_up_since.is_some();
        if !self.is_warming_up(now, slow_start) {
            self.warm_up_since = None;
        }
        let was_out = self.is_out;
        self.is_out &= self.is_ejected(now);
        was_warming_up || was_out
    }

    /// What happened since this was last asked.
    pub(crate) const fn window(&mut self, now: Sample) -> Sample {
        let window = now.since(self.seen);
        self.seen = now;
        window
    }

    pub(crate) const fn is_anomalous(&self) -> bool {
        self.is_anomalous
    }

    /// Whether mitigation holds requests back from it.
    pub(crate) const fn is_mitigated(&self) -> bool {
        self.share < WHOLE
    }

    /// By anomaly mitigation, in hundredths.
    pub(crate) const fn share(&self) -> u32 {
        self.share
    }

    /// Takes in what one window showed. An anomalous target loses half of its share each time, and
    /// one that recovers gets it back in the same steps.
    pub(crate) fn judge(&mut self, is_anomalous: bool, mitigates: bool) {
        self.is_anomalous = is_anomalous;
        self.share = match (mitigates, is_anomalous) {
            (false, _) => WHOLE,
            (true, true) => (self.share / 2).max(LEAST),
            (true, false) => (self.share * 2).min(WHOLE),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SLOW: Duration = Duration::from_secs(100);

    fn warming(start: Instant) -> Standing {
        let mut standing = Standing::new(false);
        standing.begin_serving(start, true);
        standing
    }

    #[test]
    fn the_share_rises_in_a_line_and_then_is_whole() {
        let start = crate::clock::monotonic();
        let standing = warming(start);
        for (seconds, share) in
            [(0, 1), (1, 1), (25, 25), (50, 50), (99, 99), (100, 100), (900, 100)]
        {
            assert_eq!(standing.warm_up_share(start + seconds * SECOND, SLOW), share);
        }
        assert!(standing.is_warming_up(start + 99 * SECOND, SLOW));
        assert!(!standing.is_warming_up(start + 100 * SECOND, SLOW));
    }

    #[test]
    fn founders_and_lonely_targets_have_no_slow_start() {
        let start = crate::clock::monotonic();
        let mut lonely = Standing::new(false);
        lonely.begin_serving(start, false);
        assert_eq!(lonely.warm_up_share(start, SLOW), WHOLE);
        let mut founder = Standing::new(true);
        founder.begin_serving(start, true);
        assert_eq!(founder.warm_up_share(start, SLOW), WHOLE);
        // The second time it is a target like any other.
        founder.stop_serving();
        founder.begin_serving(start, true);
        assert_eq!(founder.warm_up_share(start, SLOW), 1);
    }

    #[test]
    fn becoming_unhealthy_ends_a_slow_start_and_recovery_begins_another() {
        let start = crate::clock::monotonic();
        let mut standing = warming(start);
        standing.stop_serving();
        assert!(!standing.is_warming_up(start + SECOND, SLOW));
        standing.begin_serving(start + 50 * SECOND, true);
        assert_eq!(standing.warm_up_share(start + 60 * SECOND, SLOW), 10);
    }

    #[test]
    fn the_end_of_a_slow_start_and_of_an_ejection_is_told_once() {
        let start = crate::clock::monotonic();
        let mut standing = warming(start);
        assert!(standing.is_moving(start, SLOW));
        assert!(standing.is_moving(start + SLOW, SLOW));
        assert!(!standing.is_moving(start + SLOW, SLOW));
        let settings = OutlierEjection {
            consecutive_failures: 5,
            base_ejection_time: SECOND,
            max_ejection_time: SECOND,
            max_ejected_percentage: 50,
        };
        standing.eject(start, &settings);
        assert!(standing.is_moving(start, SLOW));
        assert!(standing.is_moving(start + SECOND, SLOW));
        assert!(!standing.is_moving(start + SECOND, SLOW));
    }

    #[test]
    fn ejections_in_a_row_grow_to_their_limit_and_good_service_forgets_them() {
        let settings = OutlierEjection {
            consecutive_failures: 5,
            base_ejection_time: 30 * SECOND,
            max_ejection_time: 70 * SECOND,
            max_ejected_percentage: 50,
        };
        let mut now = crate::clock::monotonic();
        let mut standing = Standing::new(false);
        for expected in [30, 60, 70, 70] {
            assert_eq!(standing.eject(now, &settings), expected * SECOND);
            assert!(standing.is_ejected(now + (expected - 1) * SECOND));
            now += expected * SECOND;
            assert!(!standing.is_ejected(now));
        }
        assert_eq!(standing.eject(now + 69 * SECOND, &settings), 70 * SECOND);
        assert_eq!(standing.eject(now + 69 * SECOND + 140 * SECOND, &settings), 30 * SECOND);
    }

    #[test]
    fn an_anomalous_target_keeps_a_little_and_ramps_back() {
        let mut standing = Standing::new(false);
        let mut shares = Vec::new();
        for is_anomalous in [[true; 6], [false; 6]].concat() {
            standing.judge(is_anomalous, true);
            shares.push(standing.share());
        }
        assert_eq!(shares, [50, 25, 12, 6, 4, 4, 8, 16, 32, 64, 100, 100]);
        standing.judge(true, false);
        assert!(standing.is_anomalous() && !standing.is_mitigated());
    }
}
