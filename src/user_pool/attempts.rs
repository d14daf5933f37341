//! Bounds how often passwords are guessed, by Cognito's published rule: from the fifth failure on
//! an account is locked for a second, and each further failure doubles that, up to 15 minutes.
//!
//! Only users that exist are counted, so the table cannot outgrow the configuration.

use std::collections::HashMap;
use std::time::Duration;

use super::directory::UserIndex;
use crate::clock::UnixMillis;

/// Failures that cost nothing.
const FREE_FAILURES: u32 = 5;

/// The longest lock; also how long a user must rest for the count to start anew.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Failed attempts by user.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    by_user: HashMap<UserIndex, Failures>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: UnixMillis,
    locked_until: UnixMillis,
}

impl Attempts {
    /// Whether `user` must wait. An attempt made meanwhile does not prolong the wait.
    pub(super) fn is_locked(&self, user: UserIndex, now: UnixMillis) -> bool {
        self.by_user.get(&user).is_some_and(|failures| now < failures.locked_until)
    }

    /// Counts a wrong password.
    pub(super) fn failed(&mut self, user: UserIndex, now: UnixMillis) {
        let failures =
            self.by_user.entry(user).or_insert(Failures { count: 0, last: now, locked_until: now });
        if failures.last.plus(LONGEST) <= now {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if let Some(doublings) = failures.count.checked_sub(FREE_FAILURES) {
            let seconds = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
            failures.locked_until = now.plus(Duration::from_secs(seconds).min(LONGEST));
        }
    }

    /// Forgets the failures of a user who got in.
    pub(super) fn succeeded(&mut self, user: UserIndex) {
        self.by_user.remove(&user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: UserIndex = UserIndex(0);

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1000)
    }

    #[test]
    fn the_fifth_failure_locks_for_a_second_and_each_further_one_doubles_it() {
        let mut attempts = Attempts::default();
        for _ in 0..4 {
            attempts.failed(ALICE, at(0));
            assert!(!attempts.is_locked(ALICE, at(0)));
        }
        attempts.failed(ALICE, at(0));
        assert!(attempts.is_locked(ALICE, at(0)));
        assert!(!attempts.is_locked(ALICE, at(1)));
        attempts.failed(ALICE, at(1));
        assert!(attempts.is_locked(ALICE, at(2)));
        assert!(!attempts.is_locked(ALICE, at(3)));
        assert!(!attempts.is_locked(UserIndex(1), at(2)));
    }

    #[test]
    fn the_lock_never_exceeds_fifteen_minutes() {
        let mut attempts = Attempts::default();
        for _ in 0..100 {
            attempts.failed(ALICE, at(0));
        }
        assert!(attempts.is_locked(ALICE, at(899)));
        assert!(!attempts.is_locked(ALICE, at(900)));
    }

    #[test]
    fn success_or_rest_starts_the_count_anew() {
        let mut attempts = Attempts::default();
        for _ in 0..20 {
            attempts.failed(ALICE, at(0));
        }
        attempts.succeeded(ALICE);
        attempts.failed(ALICE, at(1));
        assert!(!attempts.is_locked(ALICE, at(1)));
        for _ in 0..20 {
            attempts.failed(ALICE, at(1));
        }
        attempts.failed(ALICE, at(901));
        assert!(!attempts.is_locked(ALICE, at(901)));
    }
}
