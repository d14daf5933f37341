//! The end of certificates in use, told in the log before it comes: 30 days, 7 days, and when it is
//! there. Time is an argument; the metric beside it is set by `reload`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::clock::UnixMillis;

const DAY: u64 = 24 * 3600;

/// How near the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nearness {
    /// Within 30 days.
    Month,
    /// Within 7 days.
    Week,
    /// Over.
    Expired,
}

/// What was told of which certificate.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// By listener and file: the end that was meant, and how near it was.
    told: BTreeMap<(String, String), (UnixMillis, Nearness)>,
}

impl Expiry {
    /// Whether there is something new to tell of a certificate: how near its end is, and days left.
    pub(super) fn look(
        &mut self,
        listener: &str,
        file: &Path,
        not_after: UnixMillis,
        now: UnixMillis,
    ) -> Option<(Nearness, u64)> {
        let left = not_after.seconds().saturating_sub(now.seconds());
        let nearness = match left {
            0 => Nearness::Expired,
            left if left < 7 * DAY => Nearness::Week,
            left if left < 30 * DAY => Nearness::Month,
            _ => return None,
        };
        let name = (listener.to_owned(), file.display().to_string());
        let before = self.told.insert(name, (not_after, nearness));
        let is_new = before.is_none_or(|(end, told)| end != not_after || told < nearness);
        is_new.then_some((nearness, left / DAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_once_a_month_and_a_week_before_and_when_it_is_there() {
        let end = UnixMillis(1000 * 100 * DAY * 1000);
        let mut expiry = Expiry::default();
        let mut look = |end: UnixMillis, seconds_before: u64| {
            let now = UnixMillis(end.0 - seconds_before * 1000);
            expiry.look("public", Path::new("edge.pem"), end, now)
        };
        assert_eq!(look(end, 30 * DAY), None);
        assert_eq!(look(end, 30 * DAY - 1), Some((Nearness::Month, 29)));
        assert_eq!(look(end, 7 * DAY), None);
        assert_eq!(look(end, 7 * DAY - 1), Some((Nearness::Week, 6)));
        assert_eq!(look(end, 1), None);
        assert_eq!(look(end, 0), Some((Nearness::Expired, 0)));
        assert_eq!(look(end, 0), None);
        let renewed = UnixMillis(end.0 + 1000);
        assert_eq!(look(renewed, 6 * DAY), Some((Nearness::Week, 6)), "another certificate");
    }
}
