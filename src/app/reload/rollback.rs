//! Trials of changed files, and the way back to a text that was served before.

use std::sync::Arc;

use super::{ReloadError, Reloader, State};
use crate::admin::ReloadReport;
use crate::app::history::{Cause, Entry};
use crate::app::probation::Verdict;
use crate::clock;
use crate::snapshot::Snapshot;

/// A file on disk that was rolled back.
#[derive(Debug, Clone)]
pub(super) struct HeldBack {
    pub(super) digest: [u8; 32],
    why: String,
}

impl Reloader {
    /// Notes a new text and puts it on trial, unless somebody insists on it or it came back.
    pub(super) fn begin(
        &self,
        text: Arc<str>,
        digest: [u8; 32],
        snapshot: &Snapshot,
        cause: Cause,
        state: &mut State,
    ) {
        let settings = &snapshot.config.reload;
        let mut history = self.history.lock();
        if !state.probation.is_running() {
            state.proven = history.serving().cloned();
        }
        history.serve(text, digest, cause, clock::wall(), settings.history);
        let held_back = self.held_back.lock().as_ref().map(|held| held.digest);
        let is_insisted = cause.is_forced() && held_back == Some(digest);
        let is_trusted = is_insisted || cause == Cause::Rollback;
        let guard = settings.guard.filter(|_| !is_trusted);
        let entries = history.entries();
        drop(history);
        self.history_store.keep(&entries);
        state.probation.begin(guard, snapshot.outcomes(), clock::monotonic());
    }

    /// Compares what was counted with the time before, and takes a file back that does worse.
    /// Whether one is on trial: then it should be looked at again soon.
    pub fn watch_trial(&self) -> bool {
        let mut state = self.state.lock();
        let sums = self.gateway.snapshot.load().outcomes();
        match state.probation.look(sums, clock::monotonic()) {
            None => {}
            Some(Verdict::Proven) => tracing::info!("the changed file has stood its trial"),
            Some(Verdict::Failed(rise)) => {
                if let Some(entry) = state.proven.take() {
                    // What goes wrong is said in the log.
                    drop(self.put_back(&entry, rise.what, rise.to_string(), &mut state));
                }
            }
        }
        state.probation.is_running()
    }

    /// Puts a text of the history in force again: the one of this number, or the last good one before.
    ///
    /// # Errors
    ///
    /// That there is none, or that it can no longer be served.
    pub fn roll_back(&self, id: Option<u64>) -> Result<ReloadReport, ReloadError> {
        let mut state = self.state.lock();
        let entry = {
            let history = self.history.lock();
            id.map_or_else(|| history.before(), |id| history.get(id)).cloned()
        };
        let Some(entry) = entry else {
            let why = "there is no such text in the history; GET /history lists what there is";
            return Err(ReloadError::Needs(why.to_owned()));
        };
        if entry.digest == state.digest {
            return Err(ReloadError::Needs("this text is served already".to_owned()));
        }
        self.put_back(&entry, "asked", "somebody asked for it".to_owned(), &mut state)
    }

    fn put_back(
        &self,
        entry: &Entry,
        reason: &str,
        why: String,
        state: &mut State,
    ) -> Result<ReloadReport, ReloadError> {
        let loaded = self.parse(entry).and_then(|loaded| self.judge(loaded));
        let bad = self.history.lock().serving().map(|bad| (bad.id, bad.digest));
        let put = loaded.and_then(|loaded| self.put_in_force(loaded, state, Cause::Rollback));
        match &put {
            Ok(report) => {
                self.gateway.metrics.rolled_back(reason);
                if let Some((bad, _)) = bad {
                    let mut history = self.history.lock();
                    history.condemn(bad, why.clone());
                    let entries = history.entries();
                    drop(history);
                    self.history_store.keep(&entries);
                }
                let is_on_disk = state.judged != entry.digest;
                let digest = state.judged;
                tracing::error!(
                    generation = report.generation,
                    reason,
                    why,
                    put_back = entry.id,
                    "rolled back: the rules before serve again, the file on disk is left as it is"
                );
                self.hold_back(is_on_disk.then_some(HeldBack { digest, why }));
            }
            Err(failed) => {
                tracing::error!(reason, why, "the rules before cannot be put back:\n{failed}");
            }
        }
        put
    }

    pub(super) fn hold_back(&self, held: Option<HeldBack>) {
        self.gateway.metrics.config_held_back.set(i64::from(held.is_some()));
        *self.held_back.lock() = held;
    }

    /// Why the file on disk is not what is served, if it was rolled back.
    #[must_use]
    pub fn held_back(&self) -> Option<String> {
        self.held_back.lock().as_ref().map(|held| held.why.clone())
    }

    /// What was served, as JSON.
    #[must_use]
    pub fn history_json(&self) -> serde_json::Value {
        self.history.lock().json()
    }
}
