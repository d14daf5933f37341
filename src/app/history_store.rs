//! The history of served texts, kept in the state directory over a restart.
//!
//! One file for each text, under its number, readable by this user only: a text may hold whatever
//! the file holds. What cannot be read, or is none of ours, is left alone and told once; a gateway
//! must start without its past.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::history::{Cause, Entry, Outcome, hex};
use crate::clock::UnixMillis;
use crate::config::{self, MAX_FILE_BYTES};

/// A text as JSON is at most six times as long.
const LONGEST: u64 = 6 * MAX_FILE_BYTES as u64 + 4096;
/// More files than this are not looked at: `reload.history` goes up to 50.
const MOST_FILES: usize = 64;

/// The folder; without a state directory there is none.
#[derive(Debug)]
pub(super) struct HistoryStore {
    folder: Option<PathBuf>,
    /// What was written last: an unchanged text is not written again.
    written: Mutex<BTreeMap<u64, Outcome>>,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    id: u64,
    sha256: String,
    served_since_ms: u64,
    cause: Cause,
    outcome: Outcome,
    text: String,
}

impl HistoryStore {
    /// The folder in a state directory.
    pub(super) fn new(state_directory: Option<&Path>) -> Self {
        let folder = state_directory.map(|directory| directory.join("history"));
        Self { folder, written: Mutex::default() }
    }

    /// What was served before the restart, the oldest first, and the highest number that is taken.
    pub(super) fn read(&self) -> (Vec<Entry>, u64) {
        let none = (Vec::new(), 0);
        let Some(folder) = &self.folder else { return none };
        let listed = match numbered(folder) {
            Ok(listed) => listed,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return none,
            Err(why) => {
                tracing::warn!(folder = %folder.display(), %why, "the history of served files cannot be read");
                return none;
            }
        };
        let mut strange = listed.strange;
        let highest = listed.files.keys().next_back().copied().unwrap_or_default();
        let mut entries = Vec::with_capacity(listed.files.len());
        let mut written = self.written.lock();
        for (id, path) in listed.files {
            match read(id, &path) {
                Ok(entry) => {
                    written.insert(id, entry.outcome.clone());
                    entries.push(entry);
                }
                Err(_) => strange.push(path),
            }
        }
        if let Some(first) = strange.first() {
            tracing::warn!(
                first = %first.display(),
                files = strange.len(),
                "not of the history of served files, or not readable: left alone"
            );
        }
        (entries, highest)
    }

    /// Keeps what has changed, and forgets what is older than the oldest. Blocks the thread.
    pub(super) fn keep(&self, entries: &[Entry]) {
        let (Some(folder), Some(oldest)) = (&self.folder, entries.first()) else { return };
        // Held while writing, so that the last one to come has the last word.
        let mut written = self.written.lock();
        let mut result = make(folder);
        for entry in entries {
            if written.get(&entry.id) == Some(&entry.outcome) {
                continue;
            }
            result = result.and_then(|()| write(folder, entry));
            if result.is_ok() {
                written.insert(entry.id, entry.outcome.clone());
            }
        }
        for id in written.keys().copied().take_while(|id| *id < oldest.id) {
            result = result.and_then(|()| match fs::remove_file(file_of(folder, id)) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
                _ => Ok(()),
            });
        }
        written.retain(|id, _| *id >= oldest.id);
        if let Err(why) = result {
            tracing::error!(folder = %folder.display(), %why, "the history of served files cannot be kept");
        }
    }
}

/// What is in the folder.
struct Listed {
    /// By number, the newest of them.
    files: BTreeMap<u64, PathBuf>,
    strange: Vec<PathBuf>,
}

fn numbered(folder: &Path) -> io::Result<Listed> {
    let mut listed = Listed { files: BTreeMap::new(), strange: Vec::new() };
    for found in fs::read_dir(folder)? {
        let path = found?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".json"))
            .and_then(|number| number.parse().ok())
            .filter(|id| path == file_of(folder, *id));
        match number {
            Some(id) => {
                listed.files.insert(id, path);
                if listed.files.len() > MOST_FILES {
                    listed.files.pop_first();
                }
            }
            // Left by a process that ended while it wrote; the next write takes it away.
            None if path.extension().is_some_and(|end| end == "new") => {}
            None if listed.strange.len() < MOST_FILES => listed.strange.push(path),
            None => {}
        }
    }
    Ok(listed)
}

fn file_of(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("{id:08}.json"))
}

fn read(id: u64, path: &Path) -> io::Result<Entry> {
    let file = config::open(path)?;
    if file.metadata()?.len() > LONGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let kept: Kept = serde_json::from_slice(&bytes)?;
    let digest = config::digest(kept.text.as_bytes());
    if kept.id != id || kept.sha256 != hex(digest) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Entry {
        id,
        digest,
        text: kept.text.into(),
        at: UnixMillis(kept.served_since_ms),
        cause: kept.cause,
        outcome: kept.outcome,
    })
}

/// Closed to others, also where somebody else has made it.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes beside and renames, so that a file is whole when it is there.
fn write(folder: &Path, entry: &Entry) -> io::Result<()> {
    let kept = Kept {
        id: entry.id,
        sha256: hex(entry.digest),
        served_since_ms: entry.at.0,
        cause: entry.cause,
        outcome: entry.outcome.clone(),
        text: entry.text.to_string(),
    };
    let temporary = folder.join("next.new");
    match fs::remove_file(&temporary) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(&kept)?)?;
    file.sync_all()?;
    fs::rename(&temporary, file_of(folder, entry.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64, text: &str, outcome: Outcome) -> Entry {
        Entry {
            id,
            digest: config::digest(text.as_bytes()),
            text: text.into(),
            at: UnixMillis(1000 * id),
            cause: Cause::FileChange,
            outcome,
        }
    }

    #[test]
    fn what_was_kept_is_read_again_and_closed_to_others() {
        let state = tempfile::tempdir().unwrap();
        let store = HistoryStore::new(Some(state.path()));
        let bad = Outcome::RolledBack("errors".into());
        store.keep(&[entry(1, "a", Outcome::Replaced), entry(2, "b", bad.clone())]);
        store.keep(&[entry(2, "b", bad.clone()), entry(3, "a", Outcome::Serving)]);
        let (again, highest) = HistoryStore::new(Some(state.path())).read();
        assert_eq!(highest, 3);
        let told: Vec<_> = again.iter().map(|it| (it.id, &*it.text, &it.outcome)).collect();
        assert_eq!(told, [(2, "b", &bad), (3, "a", &Outcome::Serving)]);

        let folder = state.path().join("history");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("00000003.json")), 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "what is too old is gone");
    }

    #[test]
    fn strange_files_are_ignored_and_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("history");
        HistoryStore::new(Some(state.path())).keep(&[entry(1, "a", Outcome::Serving)]);
        let good = fs::read_to_string(folder.join("00000001.json")).unwrap();
        let strange = [
            ("notes.txt", "mine".to_owned()),
            ("00000002.json", "{".to_owned()),
            ("00000003.json", good.clone()),
            ("00000004.json", good.replace("\"id\":1", "\"id\":4").replace("\"a\"", "\"b\"")),
            ("5.json", good.replace("\"id\":1", "\"id\":5")),
        ];
        for (name, text) in &strange {
            fs::write(folder.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink("/dev/zero", folder.join("00000006.json")).unwrap();
        let store = HistoryStore::new(Some(state.path()));
        let (read, highest) = store.read();
        assert_eq!((read.iter().map(|it| it.id).collect::<Vec<_>>(), highest), (vec![1], 6));
        store.keep(&[entry(9, "c", Outcome::Serving)]);
        assert!(!folder.join("00000001.json").exists());
        for (name, text) in strange {
            assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), text);
        }
    }
}
