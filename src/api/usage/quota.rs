//! How much of a quota is used, in calendar periods of UTC. Pure: the time is an argument.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::UnixMillis;
use crate::config::model::{Period, Quota};

const DAY: u64 = 86_400;
/// A period that begins so many days ahead is of a clock that went wrong.
const LONGEST_PERIOD: u64 = 31;
/// Bits of the word for the count; those above are the day on which the period began.
const COUNT_BITS: u32 = 40;
const MOST: u64 = (1 << COUNT_BITS) - 1;

/// What is used of one quota: the day on which its period began and the requests since, in one word,
/// so that a new period begins for all threads at once and without a lock. 0: nothing yet.
#[derive(Debug, Default)]
pub struct Used(AtomicU64);

/// What was counted, as it is kept over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The day on which the period began, counted from 1970.
    pub since: u64,
    /// Requests since then.
    pub used: u64,
}

/// The quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedUp;

impl Used {
    /// Whether one more request may come, which takes nothing.
    ///
    /// # Errors
    ///
    /// It may not.
    pub fn check(&self, quota: Quota, now: UnixMillis) -> Result<(), UsedUp> {
        let count = current(self.0.load(Ordering::Relaxed), quota, now);
        if count.used < quota.limit { Ok(()) } else { Err(UsedUp) }
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// The quota is used up, and nothing was counted.
    pub fn take(&self, quota: Quota, now: UnixMillis) -> Result<(), UsedUp> {
        // Nothing else is published with the word, so no order beside its own is needed.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let Count { since, used } = current(word, quota, now);
            if used >= quota.limit {
                return Err(UsedUp);
            }
            let next = pack(Count { since, used: used + 1 });
            match self.0.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => word = other,
            }
        }
    }

    /// What was counted; `None` when nothing was.
    #[must_use]
    pub fn count(&self) -> Option<Count> {
        let word = self.0.load(Ordering::Relaxed);
        (word != 0).then(|| unpack(word))
    }

    /// Takes up what was counted before a restart.
    pub fn restore(&self, count: Count) {
        self.0.store(pack(count), Ordering::Relaxed);
    }
}

/// The count in the period of `now`. A clock that goes back over the end of a period gives nobody a
/// second quota: the later period goes on.
fn current(word: u64, quota: Quota, now: UnixMillis) -> Count {
    let today = begin(quota.period, now);
    if word == 0 {
        return Count { since: today, used: quota.offset };
    }
    let known = unpack(word);
    let goes_on = known.since >= today && known.since - today <= LONGEST_PERIOD;
    if goes_on { known } else { Count { since: today, used: 0 } }
}

const fn pack(count: Count) -> u64 {
    let used = if count.used > MOST { MOST } else { count.used };
    count.since << COUNT_BITS | used
}

const fn unpack(word: u64) -> Count {
    Count { since: word >> COUNT_BITS, used: word & MOST }
}

/// The day, counted from 1970, on which the period of `now` began.
#[must_use]
pub fn begin(period: Period, now: UnixMillis) -> u64 {
    let day = now.seconds() / DAY;
    match period {
        Period::Day => day,
        // 1970 began on a Thursday, the fourth day of a week.
        Period::Week => day.saturating_sub((day + 3) % 7),
        Period::Month => day + 1 - civil(day).2,
    }
}

/// Seconds until the next period.
#[must_use]
pub fn until_next(period: Period, now: UnixMillis) -> u64 {
    let first = begin(period, now);
    let next = match period {
        Period::Day => first + 1,
        Period::Week => first + 7,
        // The 32nd day after the first of a month is in the month after.
        Period::Month => begin(period, UnixMillis((first + 31) * DAY * 1000)),
    };
    (next * DAY).saturating_sub(now.seconds()).max(1)
}

/// Year, month and day of the month, in the calendar that UTC has (Howard Hinnant's
/// `civil_from_days`, for days since 1970).
const fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1000)
    }

    fn quota(period: Period, limit: u64, offset: u64) -> Quota {
        Quota { limit, offset, period }
    }

    /// `Tue, 01 Dec 2026 00:00:00 GMT`
    fn date(seconds: u64) -> String {
        httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
    }

    proptest! {
        #[test]
        fn a_period_begins_at_midnight_of_its_day_and_ends_where_the_next_one_begins(
            seconds in 0_u64..20_000_000_000,
        ) {
            for period in [Period::Day, Period::Week, Period::Month] {
                let first = begin(period, at(seconds)) * DAY;
                let next = seconds + until_next(period, at(seconds));
                // (The first week began before 1970.)
                prop_assert!(first <= seconds && seconds < next);
                prop_assert_eq!(next % DAY, 0);
                prop_assert_eq!(begin(period, at(next)) * DAY, next);
                prop_assert_eq!(begin(period, at(next - 1)) * DAY, first);
                let (first, next) = (date(first), date(next));
                match period {
                    Period::Day => {}
                    Period::Week => prop_assert!(next.starts_with("Mon"), "{}", next),
                    Period::Month => {
                        prop_assert_eq!(&first[5..7], "01");
                        prop_assert_eq!(&next[5..7], "01");
                    }
                }
            }
        }

        #[test]
        fn nobody_has_more_than_the_limit_in_a_period_and_everybody_has_all_of_it(
            start in 1_000_000_000_u64..4_000_000_000,
            steps in prop::collection::vec(0_u64..200_000, 1..200),
            limit in 1_u64..6,
        ) {
            let quota = quota(Period::Week, limit, 0);
            let used = Used::default();
            let mut taken = std::collections::BTreeMap::<u64, u64>::new();
            let mut now = start;
            for step in steps {
                now += step;
                let in_period = taken.entry(begin(Period::Week, at(now))).or_default();
                let is_left = *in_period < limit;
                prop_assert_eq!(used.check(quota, at(now)).is_ok(), is_left);
                prop_assert_eq!(used.take(quota, at(now)).is_ok(), is_left);
                *in_period += u64::from(is_left);
            }
        }
    }

    #[test]
    fn the_first_period_has_the_offset_less_and_the_next_one_all() {
        let quota = quota(Period::Day, 3, 2);
        let used = Used::default();
        let now = 1_795_395_735;
        assert!(used.take(quota, at(now)).is_ok());
        assert!(used.take(quota, at(now)).is_err());
        let next = now + until_next(Period::Day, at(now));
        assert!((0..3).all(|_| used.take(quota, at(next)).is_ok()));
        assert!(used.take(quota, at(next)).is_err());
    }

    #[test]
    fn a_clock_that_goes_back_gives_no_second_quota_and_one_that_was_wrong_blocks_nobody() {
        let quota = quota(Period::Day, 1, 0);
        let used = Used::default();
        let now = 1_795_395_735;
        assert!(used.take(quota, at(now)).is_ok());
        assert!(used.take(quota, at(now - DAY)).is_err());
        assert!(used.take(quota, at(now - 40 * DAY)).is_ok());
    }

    #[test]
    fn what_was_counted_is_restored() {
        let quota = quota(Period::Month, 2, 1);
        let (before, after) = (Used::default(), Used::default());
        assert_eq!(before.count(), None);
        let now = at(1_795_395_735);
        assert!(before.take(quota, now).is_ok());
        after.restore(before.count().unwrap());
        assert_eq!(after.count(), before.count());
        assert_eq!(after.take(quota, now), Err(UsedUp));
    }
}
