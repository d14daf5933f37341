//! One target: where it is, and what is known about it beyond one configuration.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::anomaly::Sample;
use super::balance::Candidate;
use super::limits::{Place, add_within};
use super::peer::PreparedPeer;
use super::standing::Standing;
use super::state::{Duty, Health};
use crate::config;
use crate::config::model::TargetHost;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// What outlives a reload. Shared by every configuration in which a group of the same name has a
/// target of the same address.
#[derive(Debug)]
pub(crate) struct Live {
    /// Unique in this process.
    pub(crate) id: u64,
    /// Only probes and compilation lock it, never a request.
    pub(crate) health: Mutex<Health>,
    /// The same holds of it, but for the request that gets a target ejected.
    pub(crate) standing: Mutex<Standing>,
    /// Failures in a row.
    pub(crate) failing: AtomicU32,
    /// It left the file, and the time for its last requests is over.
    pub(crate) is_over: AtomicBool,
    in_flight: AtomicU32,
    failures: AtomicU64,
    /// Requests that ended, and those that ended in a failure or a 5xx.
    requests: AtomicU64,
    bad_requests: AtomicU64,
}

impl Live {
    pub(crate) fn new(duty: Duty, standing: Standing) -> Arc<Self> {
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            health: Mutex::new(Health::new(duty)),
            standing: Mutex::new(standing),
            failing: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            failures: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            bad_requests: AtomicU64::new(0),
        })
    }

    /// How its requests ended so far.
    pub(crate) fn sample(&self) -> Sample {
        Sample {
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.bad_requests.load(Ordering::Relaxed),
        }
    }
}

/// A target as one configuration has it.
pub struct Target {
    pub(crate) host: TargetHost,
    pub(crate) address: SocketAddr,
    pub(crate) weight: u16,
    pub(crate) key: TargetKey,
    pub(crate) live: Arc<Live>,
    pub(crate) peer: PreparedPeer,
}

/// A target's name in cookies: one and the same for the same host, address and port, in every
/// configuration and in every replica. It is a digest, and tells nobody what was digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey(pub u64);

impl TargetKey {
    pub(crate) fn of(host: &TargetHost, address: SocketAddr) -> Self {
        let host = match host {
            TargetHost::Name(name) => name,
            TargetHost::Address(_) => "",
        };
        let [a, b, c, d, e, f, g, h, ..] = config::digest(format!("{host} {address}").as_bytes());
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl Target {
    /// Its name in cookies.
    #[must_use]
    pub const fn key(&self) -> TargetKey {
        self.key
    }

    /// Where connections to it go.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Unique in this process; never 0.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.live.id
    }

    /// Where its health is asked for: perhaps at another port.
    pub(crate) fn checked_at(&self, port: Option<u16>) -> SocketAddr {
        SocketAddr::new(self.address.ip(), port.unwrap_or(self.address.port()))
    }

    /// Requests that it is serving now.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.live.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that it did not serve properly, or at all, since it is known. Health is judged by
    /// probes alone; this is for people.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.live.failures.load(Ordering::Relaxed)
    }

    /// It left the file, and the time for its last requests is over.
    pub(crate) fn is_over(&self) -> bool {
        self.live.is_over.load(Ordering::Relaxed)
    }

    /// Whether it serves as many requests as it may.
    pub(crate) fn is_full(&self, limit: Option<u32>) -> bool {
        limit.is_some_and(|limit| self.in_flight() >= limit)
    }

    /// Counts one more request in flight, unless that is one too many.
    pub(crate) fn take(&self, limit: Option<u32>) -> bool {
        add_within(&self.live.in_flight, limit)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("address", &self.address)
            .field("weight", &self.weight)
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}

impl Candidate for Arc<Target> {
    fn weight(&self) -> u16 {
        self.weight
    }

    fn in_flight(&self) -> u32 {
        Target::in_flight(self)
    }

    fn key(&self) -> TargetKey {
        self.key
    }
}

/// Why nobody takes a request: 503 in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// The group is empty, or all its targets have weight 0.
    #[error("the target group has no target that may receive requests")]
    Absent,
    /// Targets, or the group, have as many requests as the file allows.
    #[error("the targets have as many requests as they may")]
    Busy,
}

/// A target that serves a request. While it is held, the request counts as in flight there.
#[derive(Debug)]
pub struct Chosen {
    target: Arc<Target>,
    fail_open: bool,
    /// Whether the request was counted as one that ended, and then as one that ended badly.
    counted_as_bad: Option<bool>,
    /// In groups with limits or ejection only.
    place: Option<Place>,
}

impl Chosen {
    /// For a request that [`Target::take`] counted.
    pub(crate) const fn new(target: Arc<Target>, fail_open: bool, place: Option<Place>) -> Self {
        Self { target, fail_open, counted_as_bad: None, place }
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Where the target is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.target.address
    }

    /// It was chosen although too few targets of the group are healthy
    /// (`UnhealthyRoutingRequestCount`).
    #[must_use]
    pub const fn is_fail_open(&self) -> bool {
        self.fail_open
    }

    /// The target left the file and had its time to end what it was doing: the request is to be
    /// cut.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.target.is_over()
    }

    /// Notes that there is a connection to the target.
    pub fn connected(&mut self) {
        if let Some(place) = &mut self.place {
            place.connected();
        }
    }

    /// Notes the status that the target answered with.
    pub fn answered(&mut self, status: u16, now: Instant) {
        let is_bad = status >= 500;
        self.count(is_bad);
        self.judge(is_bad, now);
    }

    /// Notes that the target did not serve the request.
    pub fn failed(&mut self, now: Instant) {
        self.target.live.failures.fetch_add(1, Ordering::Relaxed);
        self.count(true);
        self.judge(true, now);
    }

    fn count(&mut self, is_bad: bool) {
        let live = &self.target.live;
        if self.counted_as_bad.is_none() {
            live.requests.fetch_add(1, Ordering::Relaxed);
        }
        if is_bad && self.counted_as_bad != Some(true) {
            live.bad_requests.fetch_add(1, Ordering::Relaxed);
        }
        self.counted_as_bad = Some(is_bad || self.counted_as_bad == Some(true));
    }

    fn judge(&self, is_bad: bool, now: Instant) {
        let Some(place) = &self.place else { return };
        let failing = &self.target.live.failing;
        if is_bad {
            place.members().note_failure(&self.target, now);
        } else if failing.load(Ordering::Relaxed) != 0 {
            failing.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        self.target.live.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Targets that one request has tried: as many as there can be attempts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    // Ids begin at 1, so 0 is an empty place.
    ids: [u64; 2],
}

impl Tried {
    /// Notes a target. A third one takes the place of the second.
    pub fn note(&mut self, chosen: &Chosen) {
        let [first, second] = &mut self.ids;
        let place = if *first == 0 { first } else { second };
        *place = chosen.target.live.id;
    }

    pub(crate) fn contains(&self, target: &Target) -> bool {
        self.ids.contains(&target.live.id)
    }
}
