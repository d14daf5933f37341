//! One target: where it is, and what is known about it beyond one configuration.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::balance::Candidate;
use super::peer::PreparedPeer;
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
    in_flight: AtomicU32,
    failures: AtomicU64,
}

impl Live {
    pub(crate) fn new(duty: Duty) -> Arc<Self> {
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            health: Mutex::new(Health::new(duty)),
            in_flight: AtomicU32::new(0),
            failures: AtomicU64::new(0),
        })
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

    /// Requests that it is serving now.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.live.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that it did not serve properly, or at all, since it is known. Health is judged by
    /// probes alone; this is for people, and for whoever sorts out the odd target later.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.live.failures.load(Ordering::Relaxed)
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

/// The group has no target that may receive requests: 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the target group has no target that may receive requests")]
pub struct NoTarget;

/// A target that serves a request. While it is held, the request counts as in flight there.
#[derive(Debug)]
pub struct Chosen {
    target: Arc<Target>,
    fail_open: bool,
}

impl Chosen {
    pub(crate) fn new(target: Arc<Target>, fail_open: bool) -> Self {
        target.live.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { target, fail_open }
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

    /// It was chosen although no target of the group is healthy (`UnhealthyRoutingRequestCount`).
    #[must_use]
    pub const fn is_fail_open(&self) -> bool {
        self.fail_open
    }

    /// Notes that the target did not serve the request.
    pub fn failed(&self) {
        self.target.live.failures.fetch_add(1, Ordering::Relaxed);
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
