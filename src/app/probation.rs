//! Whether a changed file does worse than the one before it. No clock, no I/O: what was counted, and
//! when, are arguments.
//!
//! While a file is on trial, "before" stays what was seen before the trial: files that follow each
//! other quickly are all compared with the last one that stood its trial.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::config::model::ReloadGuard;
use crate::telemetry::metrics::Outcomes;

/// How far back "before" reaches.
const MEMORY: Duration = Duration::from_secs(60);

/// Compares successive files.
#[derive(Debug, Default)]
pub(super) struct Probation {
    /// What ended between two looks, and when it was seen.
    recent: VecDeque<(Instant, Outcomes)>,
    /// The sums at the last look.
    last: Outcomes,
    trial: Option<Trial>,
}

#[derive(Debug)]
struct Trial {
    guard: ReloadGuard,
    until: Instant,
    before: Outcomes,
    /// The sums when it began.
    start: Outcomes,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file stays.
    Proven,
    /// The file that was proven before is to come back.
    Failed(Rise),
}

/// A share that has risen too far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rise {
    /// The metric's word: `errors` or `denials`.
    pub(super) what: &'static str,
    before: (u64, u64),
    since: (u64, u64),
    most: u64,
}

impl fmt::Display for Rise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, before, since, most } = self;
        write!(
            f,
            "{what} rose from {} of {} requests to {} of {}, by more than {most} of a hundred",
            before.0, before.1, since.0, since.1
        )
    }
}

impl Probation {
    /// Whether a file is on trial.
    pub(super) const fn is_running(&self) -> bool {
        self.trial.is_some()
    }

    /// Puts a file on trial whose counters stand at `start`. Without a guard it is
    /// trusted.
    pub(super) fn begin(&mut self, guard: Option<ReloadGuard>, start: Outcomes, now: Instant) {
        let before = match &self.trial {
            Some(trial) => trial.before,
            None => self.recent.iter().map(|(_, outcomes)| *outcomes).fold(
                Outcomes::default(),
                |sum, outcomes| Outcomes {
                    requests: sum.requests + outcomes.requests,
                    errors: sum.errors + outcomes.errors,
                    denials: sum.denials + outcomes.denials,
                },
            ),
        };
        self.trial = guard.map(|guard| Trial { guard, until: now + guard.window, before, start });
        if self.trial.is_none() {
            self.recent.clear();
        }
        self.last = start;
    }

    /// Takes up what was counted just before a new file: no verdict.
    pub(super) fn note(&mut self, sums: Outcomes, now: Instant) {
        if self.trial.is_none() {
            self.look(sums, now);
        }
    }

    /// Takes up what was counted. The verdict on a trial is told once.
    pub(super) fn look(&mut self, sums: Outcomes, now: Instant) -> Option<Verdict> {
        let Some(trial) = &self.trial else {
            self.remember(since(sums, self.last), now);
            self.last = sums;
            return None;
        };
        let seen = since(sums, trial.start);
        if let Some(rise) = trial.rise(seen) {
            self.trial = None;
            return Some(Verdict::Failed(rise));
        }
        if now < trial.until {
            return None;
        }
        self.trial = None;
        self.recent.clear();
        self.remember(seen, now);
        self.last = sums;
        Some(Verdict::Proven)
    }

    fn remember(&mut self, outcomes: Outcomes, now: Instant) {
        self.recent.push_back((now, outcomes));
        while self.recent.front().is_some_and(|(then, _)| now.duration_since(*then) > MEMORY) {
            self.recent.pop_front();
        }
    }
}

impl Trial {
    fn rise(&self, seen: Outcomes) -> Option<Rise> {
        let least = self.guard.min_requests;
        if self.before.requests < least || seen.requests < least {
            return None;
        }
        let shares = [
            ("errors", self.before.errors, seen.errors, self.guard.max_error_increase),
            ("denials", self.before.denials, seen.denials, self.guard.max_denial_increase),
        ];
        shares.into_iter().find_map(|(what, before, since, most)| {
            let rise = Rise {
                what,
                before: (before, self.before.requests),
                since: (since, seen.requests),
                most,
            };
            rise.is_too_far().then_some(rise)
        })
    }
}

impl Rise {
    /// Without rounding: both shares over the same denominator.
    fn is_too_far(&self) -> bool {
        let wide = u128::from;
        let (before, all_before) = (wide(self.before.0), wide(self.before.1));
        let (since, all_since) = (wide(self.since.0), wide(self.since.1));
        since * all_before * 100
            > before * all_since * 100 + wide(self.most) * all_before * all_since
    }
}

/// Sums may fall when rules have gone.
fn since(now: Outcomes, then: Outcomes) -> Outcomes {
    Outcomes {
        requests: now.requests.saturating_sub(then.requests),
        errors: now.errors.saturating_sub(then.errors),
        denials: now.denials.saturating_sub(then.denials),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(requests: u64, errors: u64, denials: u64) -> Outcomes {
        Outcomes { requests, errors, denials }
    }

    /// A quiet minute of 100 requests, 1 error and 10 denials, then a trial.
    fn on_trial(now: Instant) -> Probation {
        let mut probation = Probation::default();
        assert_eq!(probation.look(sums(0, 0, 0), now), None);
        assert_eq!(probation.look(sums(100, 1, 10), now), None);
        probation.begin(Some(ReloadGuard::default()), sums(100, 1, 10), now);
        probation
    }

    #[test]
    fn a_share_that_rises_further_than_its_budget_ends_the_trial_with_the_file_before() {
        let now = crate::clock::monotonic();
        for (seen, what) in [(sums(200, 8, 20), "errors"), (sums(200, 1, 41), "denials")] {
            let Some(Verdict::Failed(rise)) = on_trial(now).look(seen, now) else {
                panic!("{what} are not seen");
            };
            assert_eq!(rise.what, what);
        }
        // At the budget exactly, it is kept.
        assert_eq!(on_trial(now).look(sums(200, 7, 40), now), None);
    }

    #[test]
    fn too_few_requests_before_or_since_judge_nothing() {
        let now = crate::clock::monotonic();
        assert_eq!(on_trial(now).look(sums(149, 50, 59), now), None);
        let mut quiet = Probation::default();
        quiet.begin(Some(ReloadGuard::default()), sums(0, 0, 0), now);
        assert_eq!(quiet.look(sums(1000, 1000, 0), now), None);
    }

    #[test]
    fn what_stands_its_window_is_proven_and_no_longer_judged() {
        let now = crate::clock::monotonic();
        let mut probation = on_trial(now);
        let later = now + Duration::from_secs(10);
        assert_eq!(probation.look(sums(200, 2, 20), later), Some(Verdict::Proven));
        assert_eq!(probation.look(sums(400, 200, 20), later), None);
    }

    #[test]
    fn a_second_file_within_the_window_is_compared_with_the_proven_one() {
        let now = crate::clock::monotonic();
        let mut probation = on_trial(now);
        assert_eq!(probation.look(sums(140, 30, 40), now), None);
        probation.begin(Some(ReloadGuard::default()), sums(140, 30, 40), now);
        let verdict = probation.look(sums(240, 60, 40), now);
        assert!(matches!(verdict, Some(Verdict::Failed(_))), "{verdict:?}");
    }
}
