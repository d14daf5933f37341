//! What the admin listener wants to know, and may ask to be done.

use async_trait::async_trait;
use serde::Deserialize;
use thiserror::Error;

use super::page::Facts;
use crate::config::deny_list::{Entry, EntryError};

/// The gateway as the admin listener sees it. Nothing here may wait for a request or for an
/// identity provider, except [`reload`](View::reload) and [`refresh_keys`](View::refresh_keys).
#[async_trait]
pub trait View: Send + Sync {
    /// Whether the process turns: false asks the orchestrator to start it anew.
    fn is_live(&self) -> bool;

    /// Whether new requests should be sent here.
    fn readiness(&self) -> Readiness;

    /// The Prometheus text. Called on a thread that may block, one call at a time.
    fn metrics_text(&self) -> String;

    /// All that the pages show.
    fn facts(&self) -> Facts;

    /// Per user pool: key ids, age, next refresh, last error. A JSON text.
    fn keys_json(&self) -> String;

    /// The configuration in force without its secrets, see [`super::config`]. A JSON text.
    fn config_json(&self) -> String;

    /// Per target group: each target's state, why, and its share. A JSON text.
    fn targets_json(&self) -> String;

    /// Recent denials, see [`crate::telemetry::denials`]. A JSON text.
    fn denials_json(&self) -> String;

    /// The last requests, whatever became of them, or that of one id; see [`crate::recording`]. A
    /// JSON text.
    fn requests_json(&self, id: Option<&str>) -> String;

    /// How the recording is that was asked for last. A JSON text.
    fn recording_json(&self) -> String;

    /// That recording, as JSON lines; `None` where there is none.
    fn recording_lines(&self) -> Option<String>;

    /// Begins a recording.
    fn record(&self, order: RecordingOrder) -> Result<(), RecordingError>;

    /// Ends the recording under way.
    fn stop_recording(&self);

    /// Whom the gateway was told to deny, but for the file's own list. A JSON text.
    fn deny_list_json(&self) -> String;

    /// Adds an entry to the deny list, or takes it out: then how many there are. Kept on disk, where
    /// there is a state directory, before this ends.
    async fn deny(&self, entry: Entry, is_removal: bool) -> Result<usize, DenyError>;

    /// Reads the file again and puts it in force, or says why not and changes nothing. Runs to its
    /// end even when the one who asked has gone.
    async fn reload(&self) -> Result<ReloadReport, String>;

    /// What was served: number, digest, since when, by whom, and what became of it. A JSON text.
    fn history_json(&self) -> String;

    /// Puts a text of the history in force again, the last good one before if none is named. Runs to
    /// its end even when the one who asked has gone.
    async fn roll_back(&self, id: Option<u64>) -> Result<ReloadReport, String>;

    /// Fetches key sets now, of one pool or of all, within the budget of fetches. Ends with the
    /// fetches, but does not wait for one that hangs.
    async fn refresh_keys(&self, pool: Option<&str>) -> Result<Vec<RefreshedPool>, RefreshError>;
}

/// What a recording shall hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingOrder {
    /// How long it lasts at most. Default 60.
    pub seconds: Option<u64>,
    /// How many requests it holds at most. Default 10,000.
    pub requests: Option<usize>,
    /// Names of headers whose values are kept beside those that rules look at, with commas.
    #[serde(default)]
    pub headers: String,
    /// The same of query parameters.
    #[serde(default)]
    pub parameters: String,
    /// The same of claims.
    #[serde(default)]
    pub claims: String,
}

/// Why nothing is recorded.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// It cannot be had.
    #[error("{0}")]
    Order(String),
    /// One at a time.
    #[error("{0}")]
    UnderWay(String),
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Whether new requests should be sent here.
    pub ready: bool,
    /// Why not, one short line each; empty when ready.
    pub reasons: Vec<String>,
    /// What else is worth telling with `?verbose`: a pool with stale keys, say.
    pub notes: Vec<String>,
}

/// A reload that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadReport {
    /// The number of the configuration that is now in force.
    pub generation: u64,
    /// False when the file means what was in force already.
    pub changed: bool,
    /// Warnings about the file, as `check` prints them.
    pub warnings: Vec<String>,
}

/// What became of a pool's refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshedPool {
    /// The pool's name in the file.
    pub user_pool: String,
    /// Why its keys are as old as before; none when they are fresh.
    pub error: Option<String>,
}

/// Why an entry is not on the deny list, or not kept.
#[derive(Debug, Error)]
pub enum DenyError {
    /// There is no room.
    #[error(transparent)]
    Full(#[from] EntryError),
    /// It holds, until the process ends.
    #[error("the entry is in force, but could not be kept for a restart: {0}")]
    NotKept(String),
}

/// Why nothing was refreshed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RefreshError {
    /// The file has no user pool of this name.
    #[error("there is no user pool of this name; the file has {}", list(.known))]
    UnknownPool {
        /// The names that it has.
        known: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
