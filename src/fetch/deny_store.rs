//! What was posted to the deny list, kept in the state directory over a restart.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use thiserror::Error;

use crate::config::deny_list::{Entry, EntryError, read_file};

/// Why the list is not read or kept.
#[derive(Debug, Error)]
pub enum DenyStoreError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Somebody has changed the file, and an entry that is missed would let somebody in.
    #[error("{path}:{line}: {why}")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        line: usize,
        /// What is wrong there.
        why: EntryError,
    },
}

/// The file; without a state directory there is none.
#[derive(Debug)]
pub struct DenyStore {
    path: Option<PathBuf>,
    writing: Mutex<()>,
}

impl DenyStore {
    /// The file in a state directory.
    #[must_use]
    pub fn new(state_directory: Option<&Path>) -> Self {
        let path = state_directory.map(|directory| directory.join("deny-list.jsonl"));
        Self { path, writing: Mutex::default() }
    }

    /// What was kept; nothing without a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not what was written.
    pub fn read(&self) -> Result<Vec<Entry>, DenyStoreError> {
        let Some(path) = &self.path else { return Ok(Vec::new()) };
        let text = match fs::read_to_string(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(|source| DenyStoreError::Io { path: path.clone(), source })?,
        };
        read_file(&text).map_err(|(line, why)| DenyStoreError::Foreign {
            path: path.clone(),
            line,
            why,
        })
    }

    /// Keeps all of it, written beside and renamed. `entries` is asked when it is this call's turn,
    /// so that the last one to write has the last word.
    ///
    /// # Errors
    ///
    /// When it cannot be written; what was kept before stays.
    pub fn keep(&self, entries: impl FnOnce() -> Vec<Entry>) -> Result<(), DenyStoreError> {
        let Some(path) = &self.path else { return Ok(()) };
        let _turn = self.writing.lock();
        let write = || {
            if let Some(directory) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            }
            let temporary = path.with_extension("new");
            let mut options = OpenOptions::new();
            let file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            let mut file = BufWriter::new(file);
            for entry in entries() {
                serde_json::to_writer(&mut file, &entry)?;
                file.write_all(b"\n")?;
            }
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            fs::rename(&temporary, path)
        };
        write().map_err(|source| DenyStoreError::Io { path: path.clone(), source })
    }
}
