//! When each target is to be checked next. Pure: the time is an argument.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

/// Things that are due in a fixed rhythm each, by an id.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    entries: HashMap<u64, Entry<T>>,
    /// Holds every entry's `due`, and moments that no entry has any more.
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
}

#[derive(Debug)]
struct Entry<T> {
    item: T,
    interval: Duration,
    due: Instant,
    is_running: bool,
    /// Came due while it was running, and is not in the queue.
    is_parked: bool,
}

/// Something to be put into the schedule.
pub(crate) struct Wanted<T> {
    pub(crate) id: u64,
    pub(crate) interval: Duration,
    pub(crate) item: T,
}

impl<T: Clone> Schedule<T> {
    pub(crate) fn new() -> Self {
        Self { entries: HashMap::new(), queue: BinaryHeap::new() }
    }

    /// Replaces everything. What was there keeps its rhythm if `is_same` says so; the rest begins
    /// after `delay`, which should spread it out.
    pub(crate) fn reconcile(
        &mut self,
        now: Instant,
        wanted: impl IntoIterator<Item = Wanted<T>>,
        is_same: impl Fn(&T, &T) -> bool,
        delay: impl Fn(u64, Duration) -> Duration,
    ) {
        let mut entries = HashMap::new();
        for Wanted { id, interval, item } in wanted {
            let known = self.entries.get(&id);
            let is_running = known.is_some_and(|known| known.is_running);
            let rhythm = known
                .filter(|known| known.interval == interval && is_same(&known.item, &item))
                .map(|known| known.due);
            let due = rhythm.unwrap_or_else(|| now + delay(id, interval));
            entries.insert(id, Entry { item, interval, due, is_running, is_parked: false });
        }
        self.queue = entries.iter().map(|(id, entry)| Reverse((entry.due, *id))).collect();
        self.entries = entries;
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((due, _))| *due)
    }

    /// Something that is due, now counted as running. What still runs waits for its own end.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(u64, T)> {
        while let Some(Reverse((due, id))) = self.queue.peek().copied() {
            if due > now {
                return None;
            }
            self.queue.pop();
            let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.due == due) else {
                continue;
            };
            if entry.is_running {
                entry.is_parked = true;
                continue;
            }
            // A fixed rhythm, however long a check takes; moments that were missed are left out.
            let behind = now.saturating_duration_since(entry.due);
            let missed = behind.as_nanos() / entry.interval.as_nanos().max(1);
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            entry.due = entry
                .interval
                .checked_mul(missed.saturating_add(1))
                .and_then(|ahead| entry.due.checked_add(ahead))
                .unwrap_or(now + entry.interval);
            self.queue.push(Reverse((entry.due, id)));
            entry.is_running = true;
            return Some((id, entry.item.clone()));
        }
        None
    }

    /// The end of what [`Self::take_due`] gave out: the item as it is now, if it is still wanted.
    pub(crate) fn finish(&mut self, id: u64) -> Option<&T> {
        let entry = self.entries.get_mut(&id)?;
        entry.is_running = false;
        if std::mem::take(&mut entry.is_parked) {
            self.queue.push(Reverse((entry.due, id)));
        }
        Some(&entry.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOTHING: [u64; 0] = [];

    fn wanted(ids: &[u64]) -> Vec<Wanted<&'static str>> {
        ids.iter().map(|id| Wanted { id: *id, interval: 10 * SECOND, item: "a" }).collect()
    }

    fn schedule(ids: &[u64], now: Instant) -> Schedule<&'static str> {
        let mut schedule = Schedule::new();
        let delay = |id, _| Duration::from_secs(id);
        schedule.reconcile(now, wanted(ids), |one, other| one == other, delay);
        schedule
    }

    fn due(schedule: &mut Schedule<&'static str>, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| schedule.take_due(now)).map(|(id, _)| id).collect()
    }

    #[test]
    fn rhythm_does_not_depend_on_how_long_a_check_took() {
        let start = crate::clock::monotonic();
        let mut schedule = schedule(&[1], start);
        assert_eq!(due(&mut schedule, start), NOTHING);
        assert_eq!(due(&mut schedule, start + 4 * SECOND), [1]);
        schedule.finish(1);
        assert_eq!(schedule.next_due(), Some(start + 11 * SECOND));
    }

    #[test]
    fn a_check_that_still_runs_is_not_started_twice() {
        let start = crate::clock::monotonic();
        let mut schedule = schedule(&[1], start);
        assert_eq!(due(&mut schedule, start + SECOND), [1]);
        assert_eq!(due(&mut schedule, start + 11 * SECOND), NOTHING);
        schedule.finish(1);
        assert_eq!(due(&mut schedule, start + 12 * SECOND), [1]);
        assert_eq!(schedule.next_due(), Some(start + 21 * SECOND));
    }

    #[test]
    fn missed_moments_are_not_caught_up_with() {
        let start = crate::clock::monotonic();
        let mut schedule = schedule(&[1], start);
        assert_eq!(due(&mut schedule, start + 95 * SECOND), [1]);
        schedule.finish(1);
        assert_eq!(due(&mut schedule, start + 95 * SECOND), NOTHING);
        assert_eq!(schedule.next_due(), Some(start + 101 * SECOND));
    }

    #[test]
    fn reload_keeps_the_rhythm_of_what_did_not_change() {
        let start = crate::clock::monotonic();
        let mut schedule = schedule(&[1, 2], start);
        assert_eq!(due(&mut schedule, start + 2 * SECOND), [1, 2]);
        let mut changed = wanted(&[1, 2, 3]);
        changed[1].item = "b";
        schedule.reconcile(start + 5 * SECOND, changed, |one, other| one == other, |_, _| SECOND);
        schedule.finish(1);
        schedule.finish(2);
        assert_eq!(due(&mut schedule, start + 6 * SECOND), [2, 3]);
        assert_eq!(due(&mut schedule, start + 11 * SECOND), [1]);
    }

    #[test]
    fn what_is_not_wanted_any_more_is_forgotten() {
        let start = crate::clock::monotonic();
        let mut schedule = schedule(&[1, 2], start);
        schedule.reconcile(start, wanted(&[2]), |one, other| one == other, |_, _| SECOND);
        assert_eq!(due(&mut schedule, start + 9 * SECOND), [2]);
        assert!(schedule.finish(1).is_none());
    }
}
