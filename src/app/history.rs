//! The texts that were served, the last one being the one that is.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::UnixMillis;

/// Bytes of all remembered texts; the last two are kept whatever their size.
const MOST_BYTES: usize = 64 << 20;

/// Who had a text put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The process began with it.
    Start,
    /// The file was seen to change.
    FileChange,
    /// A file that it names was seen to change.
    NamedFile,
    /// SIGHUP.
    Signal,
    /// Somebody at the admin listener.
    Admin,
    /// It was put back.
    Rollback,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::FileChange => "file_change",
            Self::NamedFile => "named_file",
            Self::Signal => "signal",
            Self::Admin => "admin",
            Self::Rollback => "rollback",
        }
    }

    /// Whether somebody wants just this, and now.
    pub(super) const fn is_forced(self) -> bool {
        matches!(self, Self::Signal | Self::Admin)
    }
}

/// A text that was served.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) digest: [u8; 32],
    /// May hold secrets: never shown.
    pub(super) text: Arc<str>,
    pub(super) at: UnixMillis,
    pub(super) cause: Cause,
    pub(super) outcome: Outcome,
}

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is in force.
    Serving,
    /// Another one came.
    Replaced,
    /// It was put away, and why.
    RolledBack(String),
}

/// Texts in the order in which they were served.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    served: u64,
}

impl History {
    /// What a process before has kept, and the highest number that it gave.
    pub(super) fn restored((entries, served): (Vec<Entry>, u64)) -> Self {
        Self { entries: entries.into(), served }
    }

    /// The process begins with a text; one that the process before served last goes on, so that
    /// many restarts push nothing out. Why it was rolled back once, if it was.
    pub(super) fn begin(
        &mut self,
        text: Arc<str>,
        digest: [u8; 32],
        at: UnixMillis,
        most: usize,
    ) -> Option<String> {
        let serving = self.serving().filter(|last| last.outcome == Outcome::Serving);
        if serving.is_none_or(|last| last.digest != digest) {
            self.serve(text, digest, Cause::Start, at, most);
        }
        let mut entries = self.entries.iter().rev();
        entries.find_map(|entry| match &entry.outcome {
            Outcome::RolledBack(why) if entry.digest == digest => Some(why.clone()),
            _ => None,
        })
    }

    /// All of it, the oldest first.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    /// A text is served from now on; of those before, so many are kept with it as `most` says.
    pub(super) fn serve(
        &mut self,
        text: Arc<str>,
        digest: [u8; 32],
        cause: Cause,
        at: UnixMillis,
        most: usize,
    ) {
        if let Some(last) = self.entries.back_mut()
            && last.outcome == Outcome::Serving
        {
            last.outcome = Outcome::Replaced;
        }
        self.served += 1;
        let outcome = Outcome::Serving;
        self.entries.push_back(Entry { id: self.served, digest, text, at, cause, outcome });
        let bytes = |entries: &VecDeque<Entry>| -> usize {
            entries.iter().map(|entry| entry.text.len()).sum()
        };
        while self.entries.len() > most.max(2)
            || (self.entries.len() > 2 && bytes(&self.entries) > MOST_BYTES)
        {
            self.entries.pop_front();
        }
    }

    /// A text was put away, and why.
    pub(super) fn condemn(&mut self, id: u64, why: String) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
            entry.outcome = Outcome::RolledBack(why);
        }
    }

    /// What is served.
    pub(super) fn serving(&self) -> Option<&Entry> {
        self.entries.back()
    }

    /// By its number.
    pub(super) fn get(&self, id: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// The last text that is not the one served and that was never put away.
    pub(super) fn before(&self) -> Option<&Entry> {
        let serving = self.serving()?.digest;
        let is_bad = |digest: [u8; 32]| {
            self.entries.iter().any(|entry| {
                entry.digest == digest && matches!(entry.outcome, Outcome::RolledBack(_))
            })
        };
        let mut entries = self.entries.iter().rev();
        entries.find(|entry| entry.digest != serving && !is_bad(entry.digest))
    }

    /// What the admin listener shows, the newest first; texts are not shown.
    pub(super) fn json(&self) -> Value {
        let entries: Vec<Value> = self
            .entries
            .iter()
            .rev()
            .map(|entry| {
                let (outcome, why) = match &entry.outcome {
                    Outcome::Serving => ("serving", None),
                    Outcome::Replaced => ("replaced", None),
                    Outcome::RolledBack(why) => ("rolled_back", Some(why)),
                };
                json!({
                    "id": entry.id,
                    "sha256": hex(entry.digest),
                    "bytes": entry.text.len(),
                    "served_since": entry.at.seconds(),
                    "cause": entry.cause.as_str(),
                    "outcome": outcome,
                    "why": why,
                })
            })
            .collect();
        Value::Array(entries)
    }
}

/// As it is shown.
pub(super) fn hex(digest: [u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(history: &mut History, mark: u8, cause: Cause) {
        history.serve(format!("text {mark}").into(), [mark; 32], cause, UnixMillis(1000), 3);
    }

    #[test]
    fn the_one_before_is_the_last_good_text_that_differs() {
        let mut history = History::default();
        serve(&mut history, 1, Cause::Start);
        assert!(history.before().is_none());
        serve(&mut history, 2, Cause::FileChange);
        assert_eq!(history.before().map(|entry| entry.id), Some(1));
        history.condemn(2, "errors".into());
        serve(&mut history, 1, Cause::Rollback);
        assert!(history.before().is_none(), "what was put away is not offered again");
        assert_eq!(history.json()[1]["why"], "errors");
    }

    #[test]
    fn a_restart_goes_on_with_the_same_text_and_remembers_a_bad_one() {
        let mut history = History::default();
        serve(&mut history, 1, Cause::Start);
        serve(&mut history, 2, Cause::FileChange);
        history.condemn(2, "errors".into());
        serve(&mut history, 1, Cause::Rollback);
        let mut again = History::restored((history.entries(), 3));
        assert_eq!(again.begin("text 1".into(), [1; 32], UnixMillis(2), 3), None);
        assert_eq!(again.serving().map(|entry| entry.id), Some(3));
        let why = again.begin("text 2".into(), [2; 32], UnixMillis(2), 3);
        assert_eq!(why.as_deref(), Some("errors"));
        assert_eq!(again.serving().map(|entry| entry.id), Some(4));
        assert_eq!(again.before().map(|entry| entry.digest), Some([1; 32]));
    }

    #[test]
    fn no_more_texts_are_kept_than_wanted() {
        let mut history = History::default();
        for mark in 0..9 {
            serve(&mut history, mark, Cause::FileChange);
        }
        assert_eq!(history.entries.len(), 3);
        assert_eq!(history.serving().map(|entry| entry.id), Some(9));
        assert!(history.get(6).is_none());
    }
}
