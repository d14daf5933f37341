//! The session key of this machine, for a file that has no `session_keys`: made once, and kept in
//! the state directory, so that a restart forgets nobody.
//!
//! The file holds text, so that it can also be shared: as `${file:...}` in the `session_keys` of
//! several replicas it is the same key.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::config;
use crate::session::keys::{Key, KeyError, MIN_SECRET, random_secret};

/// More is none of ours.
const LONGEST: u64 = 4096;

/// Why there is no session key.
#[derive(Debug, Error)]
pub enum SessionKeyError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path}: not a session key; remove it to have a new one")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// The library made no key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The key that is kept under `state_directory`; a new one if there is none.
///
/// # Errors
///
/// When it can be neither read nor made, or something else has its name.
pub(super) fn keep(state_directory: &Path) -> Result<Key, SessionKeyError> {
    let path = state_directory.join("session-key");
    let io = |source| SessionKeyError::Io { path: path.clone(), source };
    let secret = match read(&path).map_err(io)? {
        Some(secret) => secret,
        None => {
            make(state_directory, &path, &STANDARD.encode(random_secret()?)).map_err(io)?;
            // Another process may have been faster: what is there now counts.
            read(&path).map_err(io)?.unwrap_or_default()
        }
    };
    let secret = secret.trim_ascii_end();
    if secret.len() < MIN_SECRET || secret.len() as u64 > LONGEST {
        return Err(SessionKeyError::Foreign { path });
    }
    Ok(Key::derive(secret)?)
}

/// What the file holds; `None` without a file. Closes it to others.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    const OTHERS: u32 = 0o077;
    let file = match config::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    if file.metadata()?.permissions().mode() & OTHERS != 0 {
        tracing::warn!(file = %path.display(), "others could read the session key; they cannot now");
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    let mut secret = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut secret)?;
    Ok(Some(secret))
}

/// Writes the file beside and links it into place, so that it is whole when it is there, and the
/// first of two processes wins.
fn make(directory: &Path, path: &Path, secret: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let temporary = directory.join(format!("session-key.{}", std::process::id()));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(secret.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    match fs::hard_link(&temporary, path) {
        Ok(()) => fs::remove_file(&temporary),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(&temporary),
        // Some file systems know no links.
        Err(_) => fs::rename(&temporary, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Purpose, Seal};

    fn opens(sealing: Key, opening: Key) -> bool {
        let purpose = Purpose::new("x", "");
        let sealed = Seal::new(vec![sealing], None).seal(&purpose, b"x").unwrap();
        Seal::new(vec![opening], None).open(&purpose, sealed).is_some()
    }

    #[test]
    fn the_key_is_made_once_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert!(opens(keep(&state).unwrap(), keep(&state).unwrap()));
        let file = state.join("session-key");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&file)), (0o700, 0o600));
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing else is left");

        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        keep(&state).unwrap();
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn the_kept_text_is_a_good_session_key_for_replicas() {
        let folder = tempfile::tempdir().unwrap();
        let own = keep(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join("session-key")).unwrap();
        assert!(opens(own, Key::derive(text.trim_end().as_bytes()).unwrap()));
    }

    #[test]
    fn another_file_of_that_name_is_refused_and_left_alone() {
        for text in ["", "short", &"x".repeat(5000)] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("session-key");
            fs::write(&file, text).unwrap();
            let refused = keep(folder.path());
            assert!(matches!(refused, Err(SessionKeyError::Foreign { .. })), "{refused:?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("session-key")).unwrap();
        assert!(matches!(keep(folder.path()), Err(SessionKeyError::Io { .. })));
    }

    #[test]
    fn of_two_that_make_one_the_first_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session-key");
        make(folder.path(), &path, "first").unwrap();
        make(folder.path(), &path, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
    }
}
