//! Signing keys on disk, so that tokens and cached key sets outlive a restart of the pool.
//!
//! `POOL_ID.access.0.p8` is the newest access key, `.1.` the one before it, and so on; likewise
//! `POOL_ID.id.0.p8`. PKCS#8, readable by the owner only. Nothing here knows of tokens.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::errors::PoolError;
use super::keys::{KeyRing, MAX_KEYS_PER_USE, SigningKey};

/// A PKCS#8 file of an RSA-2048 key is some 1,200 bytes; this is far above and still harmless.
const MAX_FILE: u64 = 16 * 1024;

/// Reads the pool's keys from `directory`, or makes and stores new ones when there are none.
/// Without a directory they are made and live in memory.
///
/// Blocks: it reads files and may make two RSA keys.
///
/// # Errors
///
/// [`PoolError::KeyFile`] and [`PoolError::KeyContent`]; a damaged file is never overwritten.
pub fn load_or_generate(directory: Option<&Path>, pool_id: &str) -> Result<KeyRing, PoolError> {
    super::require_pool_id(pool_id)?;
    let Some(directory) = directory else { return KeyRing::generate() };
    let access = read_all(directory, pool_id, "access")?;
    let id = read_all(directory, pool_id, "id")?;
    if let Some(ring) = KeyRing::from_lists(access, id) {
        return Ok(ring);
    }
    let ring = KeyRing::generate()?;
    store(directory, pool_id, &ring)?;
    Ok(ring)
}

/// Writes every key of `ring` and removes those files that hold none of them any more.
///
/// # Errors
///
/// [`PoolError::KeyFile`]; each file is replaced by rename, so none is ever half written.
pub fn store(directory: &Path, pool_id: &str, ring: &KeyRing) -> Result<(), PoolError> {
    super::require_pool_id(pool_id)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|e| failed("write", directory, e))?;
    write_all(directory, pool_id, "access", &ring.access_keys().collect::<Vec<_>>())?;
    write_all(directory, pool_id, "id", &ring.id_keys().collect::<Vec<_>>())
}

fn path(directory: &Path, pool_id: &str, usage: &str, position: usize) -> PathBuf {
    directory.join(format!("{pool_id}.{usage}.{position}.p8"))
}

fn read_all(directory: &Path, pool_id: &str, usage: &str) -> Result<Vec<SigningKey>, PoolError> {
    let mut keys = Vec::new();
    for position in 0..MAX_KEYS_PER_USE {
        let path = path(directory, pool_id, usage, position);
        match fs::metadata(&path) {
            Ok(about) if about.len() > MAX_FILE => return Err(PoolError::KeyContent(path)),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => break,
            Err(e) => return Err(failed("read", &path, e)),
        }
        let der = fs::read(&path).map_err(|e| failed("read", &path, e))?;
        keys.push(SigningKey::from_pkcs8(&der).map_err(|_| PoolError::KeyContent(path))?);
    }
    Ok(keys)
}

fn write_all(
    directory: &Path,
    pool_id: &str,
    usage: &str,
    keys: &[&Arc<SigningKey>],
) -> Result<(), PoolError> {
    // From the oldest to the newest: whenever this is interrupted, no key is lost that still
    // verifies a token, at worst one is there twice.
    for position in (0..MAX_KEYS_PER_USE).rev() {
        let path = path(directory, pool_id, usage, position);
        match keys.get(position) {
            Some(key) => write(&path, key.to_pkcs8()?.as_ref()),
            None => remove(&path),
        }
        .map_err(|e| failed("write", &path, e))?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("p8.new");
    remove(&temporary)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> PoolError {
    PoolError::KeyFile { what, path: path.to_owned(), source }
}
