//! Which requests are traced.
//!
//! A client's `traceparent` decides by its sampled flag, so that a trace is whole or not there; a
//! share of the other requests begins a trace of its own. Both have a budget a second, each its own:
//! a client that marks every request can neither cost more than that nor push out our own choice.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::IntCounter;

use super::span::Trace;
use crate::clock::UnixMillis;
use crate::http::trace::is_sound_traceparent;
use crate::telemetry::trace::Ids;

const MILLION: u64 = 1_000_000;

/// What a client's `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// 32 digits.
    pub trace: [u8; 32],
    /// 16 digits.
    pub span: [u8; 16],
    /// Whether the client traces it.
    pub is_sampled: bool,
}

impl Parent {
    /// Reads the one `traceparent`; `None` when it is not sound.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        if !is_sound_traceparent(value) {
            return None;
        }
        let mut parts = value.split(|&byte| byte == b'-').skip(1);
        let trace = parts.next()?.try_into().ok()?;
        let span = parts.next()?.try_into().ok()?;
        let flags = std::str::from_utf8(parts.next()?).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

/// Chooses; one for the process, so that a reload gives nobody a new budget.
#[derive(Debug)]
pub struct Sampler {
    chosen: Budget,
    asked: Budget,
    limited: IntCounter,
}

impl Sampler {
    /// Nobody has been traced; `limited` counts whom the budget leaves out.
    #[must_use]
    pub fn new(limited: &IntCounter) -> Self {
        Self { chosen: Budget::default(), asked: Budget::default(), limited: limited.clone() }
    }

    /// The trace of a request, if it is to have one. `share` is of a million.
    #[must_use]
    pub fn sample(
        &self,
        parent: Option<Parent>,
        (share, max_per_second): (u32, u32),
        ids: &Ids,
        now: UnixMillis,
    ) -> Option<Box<Trace>> {
        let budget = match parent {
            Some(parent) if !parent.is_sampled => return None,
            Some(_) => &self.asked,
            None if !is_chosen(share, ids) => return None,
            None => &self.chosen,
        };
        if !budget.spend(now.seconds(), u64::from(max_per_second)) {
            self.limited.inc();
            return None;
        }
        Some(Box::new(Trace::new(parent, ids)))
    }
}

fn is_chosen(share: u32, ids: &Ids) -> bool {
    share > 0 && u64::from_le_bytes(ids.trace_bytes()) % MILLION < u64::from(share)
}

/// The second that is being counted in the upper 40 bits, and how many were spent in it.
#[derive(Debug, Default)]
struct Budget(AtomicU64);

impl Budget {
    fn spend(&self, second: u64, most: u64) -> bool {
        const COUNT_BITS: u32 = 24;
        let spent = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            let count =
                if before >> COUNT_BITS == second { before & ((1 << COUNT_BITS) - 1) } else { 0 };
            (count < most).then_some(second << COUNT_BITS | (count + 1))
        });
        spent.is_ok()
    }
}
