//! The deny list: callers whose tokens and sessions are no longer good, though they look it.
//!
//! A signed token is good until it expires, whatever became of its bearer. What stands here is
//! refused all the same, from the next request on, also when the token was verified before. An
//! entry names one claim; with `issued_before` it ends what was issued until then and lets in what
//! came later (a global sign-out), by `auth_time` where there is one, since a refresh does not
//! change that.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::verify::VerifiedToken;
use crate::clock::UnixMillis;
use crate::config::deny_list::{CAPACITY, Claim, Entry, EntryError};

fn matches(entry: &Entry, token: &VerifiedToken, issued: Option<u64>, now: UnixMillis) -> bool {
    let is_issuers = entry.issuer.as_ref().is_none_or(|own| **own == **token.issuer().name());
    // What does not say when it was issued cannot be shown to be new.
    let is_old = entry.issued_before.is_none_or(|end| issued.is_none_or(|at| at <= end));
    is_issuers && is_old && !entry.is_over(now)
}

/// Entries by what they name.
#[derive(Debug, Default)]
struct Index(HashMap<(Claim, Box<str>), Vec<Entry>>);

impl Index {
    /// `None` when there is no entry.
    fn of(entries: &[Entry]) -> Option<Self> {
        let mut index: HashMap<(Claim, Box<str>), Vec<Entry>> = HashMap::new();
        for entry in entries {
            index.entry((entry.claim, entry.value.clone())).or_default().push(entry.clone());
        }
        (!index.is_empty()).then_some(Self(index))
    }

    fn denies(&self, token: &VerifiedToken, now: UnixMillis) -> bool {
        let issued = token.first_issued();
        Claim::ALL.into_iter().any(|claim| {
            let value = match claim {
                Claim::Sub => Some(token.subject().into()),
                Claim::ClientId => token.client().map(Into::into),
                other => token.claims().string(other.name()),
            };
            let Some(value) = value else { return false };
            let entries = self.0.get(&(claim, Box::from(&*value)));
            entries.is_some_and(|entries| {
                entries.iter().any(|entry| matches(entry, token, issued, now))
            })
        })
    }
}

/// Entries that the admin listener was given; one list for the process.
#[derive(Default)]
pub struct PostedDenials {
    entries: Mutex<Vec<Entry>>,
    /// `None` when there is no entry: the usual case costs one look.
    index: ArcSwap<Option<Index>>,
}

impl fmt::Debug for PostedDenials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostedDenials").finish_non_exhaustive()
    }
}

impl PostedDenials {
    /// Puts entries that were posted before a restart back.
    pub fn restore(&self, entries: Vec<Entry>) {
        let mut held = self.entries.lock();
        *held = entries;
        self.publish(&held);
    }

    /// Adds an entry, or with `is_removal` takes it out. What is left is all that was posted.
    ///
    /// # Errors
    ///
    /// [`EntryError::Full`].
    pub fn post(
        &self,
        entry: Entry,
        is_removal: bool,
        now: UnixMillis,
    ) -> Result<Vec<Entry>, EntryError> {
        let mut held = self.entries.lock();
        held.retain(|known| *known != entry && !known.is_over(now));
        if !is_removal {
            if held.len() >= CAPACITY {
                return Err(EntryError::Full);
            }
            held.push(entry);
        }
        self.publish(&held);
        Ok(held.clone())
    }

    /// All that was posted.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().clone()
    }

    fn publish(&self, entries: &[Entry]) {
        self.index.store(Arc::new(Index::of(entries)));
    }
}

/// The deny list as one configuration sees it: its file's entries, and those that were posted.
#[derive(Debug, Default)]
pub struct DenyList {
    file: Option<Index>,
    posted: Arc<PostedDenials>,
}

impl DenyList {
    pub(super) fn new(file: &[Entry], posted: Arc<PostedDenials>) -> Self {
        Self { file: Index::of(file), posted }
    }

    /// Whether a caller is denied.
    #[must_use]
    pub fn denies(&self, token: &VerifiedToken, now: UnixMillis) -> bool {
        let posted = self.posted.index.load();
        let posted: &Option<Index> = &posted;
        let is_in = |index: &Option<Index>| index.as_ref().is_some_and(|i| i.denies(token, now));
        is_in(&self.file) || is_in(posted)
    }

    /// What was posted.
    #[must_use]
    pub const fn posted(&self) -> &Arc<PostedDenials> {
        &self.posted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_list_takes_no_more_but_gives_room_again() {
        let entry = |n: usize| Entry {
            claim: Claim::Jti,
            value: n.to_string().into(),
            issuer: None,
            issued_before: None,
            until: None,
        };
        let list = PostedDenials::default();
        list.restore((0..CAPACITY).map(entry).collect());
        let now = UnixMillis(0);
        assert_eq!(list.post(entry(CAPACITY), false, now), Err(EntryError::Full));
        list.post(entry(7), true, now).unwrap();
        assert!(list.post(entry(CAPACITY), false, now).is_ok());
        assert_eq!(list.entries().len(), CAPACITY);
        // The same again is one entry.
        assert_eq!(list.post(entry(CAPACITY), false, now).unwrap().len(), CAPACITY);
    }

    #[test]
    fn entries_that_are_over_go_with_the_next_change() {
        let ended = Entry::parse(r#"{"claim":"jti","value":"a","until":10}"#).unwrap();
        let other = Entry::parse(r#"{"claim":"jti","value":"b"}"#).unwrap();
        let list = PostedDenials::default();
        list.post(ended, false, UnixMillis(0)).unwrap();
        let left = list.post(other.clone(), false, UnixMillis(10_000)).unwrap();
        assert_eq!(left, [other]);
    }
}
