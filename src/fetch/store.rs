//! Key sets on disk, so that a restart while an issuer is down still serves.
//!
//! What is read back is believed no more than what comes over the network. A file name is a hash of
//! the address, never a part of it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::auth::jwks::MAX_BYTES;
use crate::clock::UnixMillis;

/// Room for a document whose every byte needs an escape, and the rest of the record.
const MAX_FILE: u64 = MAX_BYTES as u64 * 6 + 8192;

/// Something is wrong with the state directory or a file in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file is not one that we wrote for this address.
    #[error("{path}: not a saved key set")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
}

/// What is kept of one source.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    url: String,
    fetched_at: u64,
    body: String,
}

/// A directory of saved key sets.
#[derive(Debug, Clone)]
pub struct KeyStore {
    directory: PathBuf,
}

impl KeyStore {
    /// Uses `keys/` under `state_directory`, made if absent, open to nobody else.
    ///
    /// # Errors
    /// When the directory cannot be made or restricted.
    pub fn open(state_directory: &Path) -> Result<Self, StoreError> {
        let directory = state_directory.join("keys");
        let make = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
            fs::set_permissions(&directory, Permissions::from_mode(0o700))
        };
        make().map_err(|source| StoreError::Io { path: directory.clone(), source })?;
        Ok(Self { directory })
    }

    /// Keeps the document of `url`: written beside, then renamed, so a reader never sees half.
    ///
    /// # Errors
    /// When it cannot be written; what was kept before stays.
    pub fn save(&self, url: &str, body: &[u8], fetched_at: UnixMillis) -> Result<(), StoreError> {
        let path = self.path(url);
        let temporary = path.with_extension("new");
        let body = String::from_utf8_lossy(body).into_owned();
        let record = Record { version: 1, url: url.to_owned(), fetched_at: fetched_at.0, body };
        let write = || {
            let text = serde_json::to_vec(&record)?;
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|source| StoreError::Io { path: path.clone(), source })
    }

    /// The document of `url` and when it was fetched; `None` if nothing is kept.
    ///
    /// # Errors
    /// When the file cannot be read or is not ours.
    pub fn load(&self, url: &str) -> Result<Option<(Vec<u8>, UnixMillis)>, StoreError> {
        let path = self.path(url);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { path, source }),
        }
        let record: Record = serde_json::from_slice(&bytes)
            .map_err(|_| StoreError::Foreign { path: path.clone() })?;
        if record.version != 1 || record.url != url {
            return Err(StoreError::Foreign { path });
        }
        Ok(Some((record.body.into_bytes(), UnixMillis(record.fetched_at))))
    }

    fn path(&self, url: &str) -> PathBuf {
        let mut name = String::with_capacity(64 + 5);
        for byte in digest(&SHA256, url.as_bytes()).as_ref() {
            for nibble in [byte >> 4, byte & 15] {
                name.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        name.push_str(".json");
        self.directory.join(name)
    }
}
