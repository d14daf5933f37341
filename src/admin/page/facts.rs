//! What the pages show.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::admin::Readiness;
use crate::clock::UnixMillis;
use crate::telemetry::denials::Denial;
use crate::telemetry::metrics::DURATION_BUCKETS;

/// The gateway at a moment.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The program's version.
    pub version: &'static str,
    /// The moment.
    pub now: UnixMillis,
    /// Since the process began.
    pub up_for: Duration,
    /// Number of the configuration in force.
    pub generation: u64,
    /// As `/readyz` says.
    pub readiness: Readiness,
    /// Why the file on disk is not served, where it was rolled back.
    pub held_back: Option<String>,
    /// Whether the last file that was read is in force.
    pub is_last_reload_good: bool,
    /// Requests between their head and the end of their answer.
    pub in_flight: i64,
    /// Client connections.
    pub connections: i64,
    /// Counts at regular moments, the oldest first.
    pub samples: Vec<Sample>,
    /// Outcomes of authorization since the start, but for those that never came.
    pub decisions: Vec<(&'static str, u64)>,
    /// Places of keys.
    pub issuers: Vec<Issuer>,
    /// Target groups.
    pub groups: Vec<Group>,
    /// Certificates of listeners.
    pub certificates: Vec<Certificate>,
    /// Rules in the order in which they are looked at, listener by listener.
    pub rules: Vec<Rule>,
    /// Routes of APIs, told as rules: in place of the listener stands `API NAME`.
    pub routes: Vec<Rule>,
    /// The last requests that were turned away, the newest first.
    pub denials: Vec<Arc<Denial>>,
    /// How many more there were.
    pub suppressed: u64,
    /// Files that were served, the newest first.
    pub history: Vec<Served>,
}

/// How much had happened when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: UnixMillis,
    /// Requests that had ended.
    pub requests: u64,
    /// Those that were answered 5xx.
    pub errors: u64,
    /// Those that authorization turned away.
    pub denials: u64,
    /// How many took how long.
    pub durations: [u64; DURATION_BUCKETS.len() + 1],
}

impl Sample {
    /// Before anything has happened.
    #[must_use]
    pub const fn nothing(at: UnixMillis) -> Self {
        let durations = [0; DURATION_BUCKETS.len() + 1];
        Self { at, requests: 0, errors: 0, denials: 0, durations }
    }
}

/// Where keys of a user pool come from.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The user pool's name.
    pub user_pool: String,
    /// The issuer.
    pub issuer: String,
    /// Key ids.
    pub kids: Vec<String>,
    /// Since the last success.
    pub age: Option<Duration>,
    /// Until the next fetch.
    pub next_fetch: Option<Duration>,
    /// Age at which keys are used no longer.
    pub max_stale: Duration,
    /// Why the last fetch failed.
    pub last_error: Option<&'static str>,
}

/// A target group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Whether requests go to all targets because none is healthy.
    pub is_fail_open: bool,
    /// Its targets.
    pub targets: Vec<Target>,
}

/// A target.
#[derive(Debug, Clone)]
pub struct Target {
    /// As the file has it.
    pub name: String,
    /// Where it is.
    pub address: Option<String>,
    /// `healthy`, `unhealthy`, ...
    pub state: &'static str,
    /// Why it is in that state.
    pub why: Option<&'static str>,
    /// Requests that it is serving.
    pub in_flight: u32,
    /// Requests that it broke off or never took.
    pub failures: u64,
}

/// A certificate in use.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The listener's name.
    pub listener: String,
    /// Its file.
    pub file: String,
    /// When it ends, in seconds since 1970.
    pub end: u64,
}

/// A rule of a listener, or a route of an API.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The listener's name.
    pub listener: Arc<str>,
    /// Its name.
    pub name: String,
    /// Its conditions.
    pub conditions: String,
    /// Who may come.
    pub callers: String,
    /// What becomes of a request.
    pub action: String,
    /// Requests that it took.
    pub requests: u64,
    /// Those that were answered 5xx.
    pub errors: u64,
    /// Those that authorization turned away.
    pub denials: u64,
}

/// A file that was served, as `/history` tells it.
#[derive(Debug, Clone, Deserialize)]
pub struct Served {
    /// Its number.
    pub id: u64,
    /// Digest of its text.
    pub sha256: String,
    /// Since when, in seconds since 1970.
    pub served_since: u64,
    /// By whose doing.
    pub cause: String,
    /// What became of it.
    pub outcome: String,
    /// Why it was put away.
    pub why: Option<String>,
}
