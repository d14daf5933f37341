//! Numbers and times as a page shows them.

use std::borrow::Borrow;
use std::fmt::Write as _;
use std::time::Duration;

use super::facts::Sample;
use crate::clock::UnixMillis;
use crate::telemetry::metrics::DURATION_BUCKETS;

/// `3 s`, `12 min`, `5 h`, `9 days`.
pub(super) fn span(duration: impl Borrow<Duration>) -> String {
    let seconds = duration.borrow().as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `3 s ago`.
pub(super) fn ago(then: UnixMillis, now: UnixMillis) -> String {
    format!("{} ago", span(Duration::from_millis(now.0.saturating_sub(then.0))))
}

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2.5 %` of a whole; `–` of nothing.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = (u128::from(part) * 1000).div_ceil(u128::from(whole));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// `2026-11-23 22:45:04 UTC`.
pub(super) fn time(time: UnixMillis) -> String {
    let mut text = Vec::new();
    crate::telemetry::json::push_time(&mut text, time);
    let text = String::from_utf8_lossy(&text).replace('T', " ");
    format!("{} UTC", text.trim_matches('"').split('.').next().unwrap_or_default())
}

/// What happened between two looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) denials: u64,
    pub(super) lasted: Duration,
    durations: [u64; DURATION_BUCKETS.len() + 1],
}

impl Interval {
    /// Between the first and the last of some samples; counts of rules that have gone are gone too.
    pub(super) fn over(samples: &[Sample]) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let pairs = last.durations.iter().zip(&first.durations);
        let mut durations = [0; DURATION_BUCKETS.len() + 1];
        for (count, (after, before)) in durations.iter_mut().zip(pairs) {
            *count = after.saturating_sub(*before);
        }
        Some(Self {
            requests: last.requests.saturating_sub(first.requests),
            errors: last.errors.saturating_sub(first.errors),
            denials: last.denials.saturating_sub(first.denials),
            lasted: Duration::from_millis(last.at.0.saturating_sub(first.at.0)),
            durations,
        })
    }

    /// `12.3`; `–` while there is nothing to divide by.
    pub(super) fn rate(&self) -> String {
        let millis = u64::try_from(self.lasted.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return "–".to_owned();
        }
        let tenths = self.requests.saturating_mul(10_000) / millis;
        format!("{}.{}", count(tenths / 10), tenths % 10)
    }

    /// The bound that so many of a thousand requests did not exceed: `≤ 2.5 ms`.
    pub(super) fn quantile(&self, of_a_thousand: u64) -> String {
        let all: u64 = self.durations.iter().sum();
        if all == 0 {
            return "–".to_owned();
        }
        let wanted = (all * of_a_thousand).div_ceil(1000);
        let mut seen = 0;
        for (count, bound) in self.durations.iter().zip(DURATION_BUCKETS) {
            seen += count;
            if seen >= wanted {
                return match bound {
                    0..1_000_000 => format!("≤ {}.{} ms", bound / 1000, bound % 1000 / 100),
                    _ => format!("≤ {} s", bound / 1_000_000),
                };
            }
        }
        "> 30 s".to_owned()
    }
}

/// Points of a line through the requests of each interval, in a box of 100 by 24, for SVG.
pub(super) fn sparkline(samples: &[Sample], of: fn(&Interval) -> u64) -> String {
    let values: Vec<u64> =
        samples.windows(2).filter_map(Interval::over).map(|interval| of(&interval)).collect();
    let most = values.iter().copied().max().unwrap_or_default().max(1);
    let last = values.len().saturating_sub(1).max(1) as u64;
    values.iter().enumerate().fold(String::new(), |mut points, (at, value)| {
        let (x, y) = (at as u64 * 1000 / last, 230 - value * 220 / most);
        let _ = write!(points, "{}.{},{}.{} ", x / 10, x % 10, y / 10, y % 10);
        points
    })
}

/// A piece of prose: text, or what stands between backticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: &'static str,
    pub(super) is_code: bool,
}

/// The pieces of a line of the manual.
pub(super) fn prose(line: &'static str) -> Vec<Piece> {
    let pieces = line.split('`').enumerate();
    pieces.map(|(at, text)| Piece { text, is_code: at % 2 == 1 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64, requests: u64, fast: u64, slow: u64) -> Sample {
        let mut sample = Sample { requests, ..Sample::nothing(UnixMillis(at * 1000)) };
        sample.durations[0] = fast;
        sample.durations[4] = slow;
        sample
    }

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!([share(0, 0), share(1, 3), share(2, 2)], ["–", "33.4 %", "100.0 %"]);
        assert_eq!(span(Duration::from_secs(7199)), "119 min");
        assert_eq!(time(UnixMillis(1_795_395_735_000)), "2026-11-23 01:02:15 UTC");
    }

    #[test]
    fn rates_and_quantiles_are_of_the_interval_only() {
        let samples = [sample(0, 100, 100, 0), sample(10, 300, 298, 2)];
        let interval = Interval::over(&samples).unwrap();
        assert_eq!(interval.rate(), "20.0");
        assert_eq!(interval.quantile(500), "≤ 0.5 ms");
        assert_eq!(interval.quantile(999), "≤ 10.0 ms");
        assert_eq!(Interval::over(&samples[..1]).unwrap().rate(), "–");
    }

    #[test]
    fn a_sparkline_stays_in_its_box() {
        let samples: Vec<_> = [0, 10, 10, 1000].map(|n| sample(n, n, 0, 0)).into();
        assert_eq!(sparkline(&samples, |i| i.requests), "0.0,22.8 50.0,23.0 100.0,1.0 ");
        assert_eq!(sparkline(&samples[..1], |i| i.requests), "");
    }
}
