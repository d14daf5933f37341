//! Whether the file has changed, found out by looking again and again.
//!
//! Watching by events misses what Kubernetes does (it swaps a symlink two levels up) and network
//! file systems. A look costs one `stat`; the bytes are read only when something about them moved.
//! A changed file counts once it has held still for two looks, so that a half-written one is never
//! taken for the whole: cut off, it may well be valid and lack its strictest rules.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::MAX_FILE_BYTES;

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing new.
    Unchanged,
    /// Other bytes than the last time this was said.
    Changed,
    /// It cannot be read any more, told once. What is loaded goes on.
    Missing(io::ErrorKind),
}

/// A file that is looked at now and then.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    /// SHA-256 of the bytes that were told of last.
    known: [u8; 32],
    /// What the file looked like when its bytes were last compared.
    compared: Option<Stamp>,
    /// What it looked like at the last look, if that was something new.
    moving: Option<Stamp>,
    missing: bool,
}

/// All that moves when a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    resolved: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watch {
    /// Watches a file whose loaded bytes have this digest ([`super::Loaded::digest`]): what changed
    /// between loading and the first look is not missed.
    #[must_use]
    pub const fn new(path: PathBuf, known: [u8; 32]) -> Self {
        Self { path, known, compared: None, moving: None, missing: false }
    }

    /// The file that is watched.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the bytes that were told of last.
    #[must_use]
    pub const fn known(&self) -> [u8; 32] {
        self.known
    }

    /// Looks once. Blocks for a `stat`, and for reading the file when it moved.
    pub fn poll(&mut self) -> Change {
        let stamp = match stamp(&self.path) {
            Ok(stamp) => stamp,
            Err(error) => return self.gone(&error),
        };
        if self.compared.as_ref() == Some(&stamp) {
            self.missing = false;
            self.moving = None;
            return Change::Unchanged;
        }
        if self.moving.as_ref() != Some(&stamp) {
            self.moving = Some(stamp);
            return Change::Unchanged;
        }
        let digest = match digest(&self.path) {
            Ok(digest) => digest,
            Err(error) => return self.gone(&error),
        };
        self.missing = false;
        self.moving = None;
        self.compared = Some(stamp);
        if digest == self.known {
            return Change::Unchanged;
        }
        self.known = digest;
        Change::Changed
    }

    fn gone(&mut self, error: &io::Error) -> Change {
        self.moving = None;
        if std::mem::replace(&mut self.missing, true) {
            return Change::Unchanged;
        }
        Change::Missing(error.kind())
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let resolved = std::fs::canonicalize(path)?;
    let metadata: Metadata = std::fs::metadata(&resolved)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(Stamp {
        resolved,
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// Bytes past the largest file that is loaded do not matter: it is refused anyway.
fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut bytes = Vec::new();
    super::secret::open(path)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(super::digest(&bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn watched(folder: &Path, text: &str) -> Watch {
        let path = folder.join("routes.yaml");
        fs::write(&path, text).unwrap();
        Watch::new(path, crate::config::digest(text.as_bytes()))
    }

    fn polls(watch: &mut Watch, times: usize) -> Vec<Change> {
        (0..times).map(|_| watch.poll()).collect()
    }

    use Change::{Changed, Missing, Unchanged};

    #[test]
    fn an_untouched_file_never_changes() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = watched(folder.path(), "a");
        assert_eq!(polls(&mut watch, 4), [Unchanged; 4]);
    }

    #[test]
    fn a_write_is_told_once_and_only_when_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = watched(folder.path(), "a");
        polls(&mut watch, 2);
        fs::write(watch.path(), "half").unwrap();
        assert_eq!(watch.poll(), Unchanged);
        fs::write(watch.path(), "half and whole").unwrap();
        assert_eq!(polls(&mut watch, 4), [Unchanged, Changed, Unchanged, Unchanged]);
    }

    #[test]
    fn a_change_between_loading_and_the_first_look_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = watched(folder.path(), "a");
        fs::write(watch.path(), "b").unwrap();
        assert_eq!(polls(&mut watch, 3), [Unchanged, Changed, Unchanged]);
    }

    #[test]
    fn the_same_bytes_written_again_are_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = watched(folder.path(), "a");
        polls(&mut watch, 2);
        fs::write(folder.path().join("new"), "a").unwrap();
        fs::rename(folder.path().join("new"), watch.path()).unwrap();
        assert_eq!(polls(&mut watch, 3), [Unchanged; 3]);
    }

    #[test]
    fn a_file_moved_into_its_place_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = watched(folder.path(), "a");
        polls(&mut watch, 2);
        fs::write(folder.path().join("new"), "b").unwrap();
        fs::rename(folder.path().join("new"), watch.path()).unwrap();
        assert_eq!(polls(&mut watch, 3), [Unchanged, Changed, Unchanged]);
    }

    #[test]
    fn a_swapped_symlink_of_a_config_map_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("v1", "a"), ("v2", "b")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("routes.yaml"), text).unwrap();
        }
        symlink("v1", at("..data")).unwrap();
        symlink("..data/routes.yaml", at("routes.yaml")).unwrap();
        let mut watch = Watch::new(at("routes.yaml"), crate::config::digest(b"a"));
        assert_eq!(polls(&mut watch, 3), [Unchanged; 3]);
        symlink("v2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!(polls(&mut watch, 3), [Unchanged, Changed, Unchanged]);
    }

    #[test]
    fn a_deleted_file_is_told_once_and_its_return_is_judged_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = watched(folder.path(), "a");
        polls(&mut watch, 2);
        fs::remove_file(watch.path()).unwrap();
        let gone = Missing(io::ErrorKind::NotFound);
        assert_eq!(polls(&mut watch, 3), [gone, Unchanged, Unchanged]);
        fs::write(watch.path(), "a").unwrap();
        assert_eq!(polls(&mut watch, 3), [Unchanged; 3]);
        fs::remove_file(watch.path()).unwrap();
        assert_eq!(watch.poll(), gone);
        fs::write(watch.path(), "b").unwrap();
        assert_eq!(polls(&mut watch, 3), [Unchanged, Changed, Unchanged]);
    }
}
