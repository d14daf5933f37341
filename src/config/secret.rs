//! Secrets: `${env:NAME}` and `${file:PATH}`, and nothing else.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::diagnostics::{Diagnostic, Span};
use super::model::Secret;
use super::source::Source;
use super::{Ground, suggest};

/// Longest secret, certificate or key set that is read from a file.
const MAX_FILE: u64 = 1024 * 1024;
/// Longest file of many secrets.
const MAX_LARGE_FILE: u64 = 8 * 1024 * 1024;

/// The environment and the files around `routes.yaml`.
pub trait Surroundings {
    /// An environment variable; `None` when it is not set or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// A file's bytes, 1 MiB at most.
    ///
    /// # Errors
    ///
    /// As reading does, and when the file is larger.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The bytes of a file that is a part of `routes.yaml`, `most` at most.
    ///
    /// # Errors
    ///
    /// As reading does, and when the file is larger.
    fn part(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.file(path).and_then(|bytes| match bytes.len() as u64 <= most {
            true => Ok(bytes),
            false => Err(io::ErrorKind::FileTooLarge.into()),
        })
    }

    /// The bytes of a file of many secrets, 8 MiB at most.
    ///
    /// # Errors
    ///
    /// As [`file`](Self::file).
    fn large_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.file(path)
    }
}

/// This process's environment and file system.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Surroundings for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        read(path, MAX_FILE)
    }

    fn part(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        read(path, most)
    }

    fn large_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        read(path, MAX_LARGE_FILE)
    }
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Opens a file of which nobody may be made to wait: opening a named pipe would, for its writer.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_fifo() {
        return Err(io::Error::other("it is a named pipe"));
    }
    Ok(file)
}

/// The secret that a text stands for. A text that is a secret itself is masked and refused.
pub(super) fn resolve(
    text: &str,
    span: Span,
    ground: Ground<'_>,
    source: &mut Source,
) -> Result<Secret, Box<Diagnostic>> {
    let error = |code, message: String| Box::new(Diagnostic::error(code, span, message));
    let Some((kind, name)) = reference(text) else {
        source.mask([span]);
        let message = "a secret stands here in plain text";
        let help = "write `${env:NAME}` or `${file:PATH}`, and change the secret: it was in a file";
        return Err(Diagnostic::error("plaintext-secret", span, message).help(help).into());
    };
    if !SOURCES.contains(&kind) {
        let message = format!("unknown source of secrets `{kind}`");
        let help = suggest::did_you_mean(kind, SOURCES)
            .unwrap_or_else(|| "write `${env:NAME}` or `${file:PATH}`".to_owned());
        return Err(Diagnostic::error("unknown-secret-source", span, message).help(help).into());
    }
    let Some(surroundings) = ground.surroundings else {
        return Ok(Secret::new(String::new()));
    };
    let value = if kind == "env" {
        surroundings.variable(name).ok_or_else(|| {
            error("missing-secret", format!("the environment variable `{name}` is not set"))
        })?
    } else {
        let path = ground.folder.join(name);
        let bytes = surroundings.file(&path).map_err(|why| {
            error("missing-secret", format!("cannot read `{}`: {why}", path.display()))
        })?;
        String::from_utf8(bytes).map_err(|_| {
            error("missing-secret", format!("`{}` is not UTF-8 text", path.display()))
        })?
    };
    // Editors and `echo` end a file with a line break that is not part of the secret.
    let value = value.trim_end_matches(['\r', '\n']);
    if value.trim().is_empty() {
        return Err(error("empty-secret", format!("the secret from `{kind}:{name}` is empty")));
    }
    Ok(Secret::new(value.to_owned()))
}

/// Where secrets come from.
const SOURCES: [&str; 2] = ["env", "file"];

/// Kind and name of `${KIND:NAME}`.
pub(super) fn reference(text: &str) -> Option<(&str, &str)> {
    let (kind, name) = text.strip_prefix("${")?.strip_suffix('}')?.split_once(':')?;
    (!name.is_empty() && !name.contains(['$', '{', '}', '\n'])).then_some((kind, name))
}

/// A warning when others than the owner may write the file.
///
/// A group that has the owner's own number is the owner's private one.
pub(super) fn writable_by_others(metadata: &Metadata) -> Option<Diagnostic> {
    const GROUP: u32 = 0o020;
    const WORLD: u32 = 0o002;
    let who = if metadata.mode() & WORLD != 0 {
        "everyone"
    } else if metadata.mode() & GROUP != 0 && metadata.gid() != metadata.uid() {
        "its group"
    } else {
        return None;
    };
    let message = format!("{who} may write this file, and with it decide who gets in");
    Some(Diagnostic::warning("writable-file", Span::default(), message).help("chmod go-w"))
}
