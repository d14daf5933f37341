//! How many requests a group and its targets take at a time (`limits:`), and what a group counts.
//!
//! Who is one too many is answered at once: a queue in front of slow targets would only make the
//! wait longer, for everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::members::Members;
use super::target::NoTarget;

/// What is counted of a group. Outlives a reload by the group's name.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests in flight, and those of them that wait for a connection. Kept only where the file
    /// sets limits.
    requests: AtomicU32,
    pending: AtomicU32,
    /// Requests that were sent although too few targets were healthy.
    pub(crate) unhealthy_routing: AtomicU64,
    /// Targets that were left out for failing.
    pub(crate) ejections: AtomicU64,
    /// Requests that were one too many.
    pub(crate) busy: AtomicU64,
}

/// A request's place among those of its group. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    members: Arc<Members>,
    is_pending: bool,
}

impl Place {
    /// Takes a place.
    ///
    /// # Errors
    ///
    /// [`NoTarget::Busy`] when there is none.
    pub(crate) fn take(members: &Arc<Members>) -> Result<Self, NoTarget> {
        let (tally, limits) = (members.tally(), members.limits());
        if !add_within(&tally.requests, limits.requests) {
            return Err(NoTarget::Busy);
        }
        let mut place = Self { members: Arc::clone(members), is_pending: false };
        if !add_within(&tally.pending, limits.pending) {
            return Err(NoTarget::Busy);
        }
        place.is_pending = true;
        Ok(place)
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// The request does not wait for a connection any more.
    pub(crate) fn connected(&mut self) {
        if std::mem::take(&mut self.is_pending) {
            self.members.tally().pending.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connected();
        self.members.tally().requests.fetch_sub(1, Relaxed);
    }
}

/// Adds one, unless that would be more than `limit`.
pub(crate) fn add_within(counter: &AtomicU32, limit: Option<u32>) -> bool {
    match limit {
        None => {
            counter.fetch_add(1, Relaxed);
            true
        }
        Some(limit) => {
            let one_more = |count: u32| (count < limit).then_some(count + 1);
            counter.fetch_update(Relaxed, Relaxed, one_more).is_ok()
        }
    }
}
