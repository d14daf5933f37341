//! `routes.yaml`: what was typed, what it means, and what is wrong with it.
//!
//! The way of a file: [`tree`] (YAML with places), [`decode`] (raw types), [`validate`] (the model).
//! Each step reports all that it finds, and the next one still looks at what is left, so one run
//! tells everything. Nothing here opens a socket.

#[macro_use]
mod short_and_long;

pub mod api_key;
mod body_model;
mod certificate;
mod decode;
pub mod deny_list;
pub mod diagnostics;
mod error_page;
pub mod expression;
mod field;
pub mod iam_policy;
mod literal;
pub mod model;
mod mutual_authentication;
mod openapi;
mod raw;
pub mod regex;
mod report;
mod response_headers;
mod restart;
pub mod rewrite;
pub mod risk;
pub mod route_tests;
pub mod schema;
mod secret;
mod security_policy;
pub mod sign_in;
pub mod signing_key;
mod source;
mod suggest;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;
pub(crate) mod trust_store;
mod units;
mod validate;
pub mod watch;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub use report::{Report, render, render_risks, to_json};
pub use restart::needs_restart;
pub(crate) use secret::open;
pub use secret::{Surroundings, System};
pub use source::Source;
pub use tree::MAX_FILE_BYTES;
pub use units::{DurationText, SizeText, UnitError};

use crate::clock::UnixMillis;
use diagnostics::{Diagnostic, Severity, Span};
use model::Config;

/// How a file is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Judge the text alone: neither secrets nor certificates nor any other file is looked at, but
    /// for those that say routes themselves (`openapi`).
    /// Secrets of the result are empty, so it must not be served.
    pub portable: bool,
}

/// A good file.
#[derive(Debug)]
pub struct Loaded {
    /// What it means.
    pub config: Config,
    /// What should be said about it.
    pub warnings: Vec<Diagnostic>,
    /// Its text, to show places in it.
    pub source: Source,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// Its `tests`, for `portcullis test` only.
    pub tests: Vec<route_tests::Test>,
    /// Its `accepted_risks`, for the security review only.
    pub accepted_risks: Vec<risk::AcceptedRisk>,
    /// Where its sections stand.
    pub sections: Sections,
    /// Where `development_user_pool` stands, if it is there.
    development_user_pool: Option<Span>,
}

impl Loaded {
    /// Why `run` refuses this file: it has a user pool whose passwords anyone can read.
    #[must_use]
    pub fn refuse_development_user_pool(&self) -> Option<Diagnostic> {
        self.development_user_pool.map(|span| {
            Diagnostic::error(
                "development-user-pool",
                span,
                "`development_user_pool` is for `portcullis demo` and `portcullis user-pool` only",
            )
            .help("remove it, or keep a second file for production")
        })
    }
}

/// Where sections stand that the model does not place; nowhere when they are not in the file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sections {
    /// `admin`
    pub admin: Span,
    /// `access_log`
    pub access_log: Span,
    /// `claim_headers`
    pub claim_headers: Span,
}

impl Sections {
    fn of(raw: &raw::File) -> Self {
        Self {
            admin: raw.admin.key().unwrap_or_default(),
            access_log: raw.access_log.key().unwrap_or_default(),
            claim_headers: raw.claim_headers.key().unwrap_or_default(),
        }
    }
}

/// What surrounds a text: its folder, the environment and files, and the time.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// Where relative paths begin.
    pub folder: &'a Path,
    /// The environment and the files; `None` judges the text alone.
    pub surroundings: Option<&'a dyn Surroundings>,
    /// The files that are parts of this one, such as OpenAPI files; `None` where only a text is.
    pub parts: Option<&'a dyn Surroundings>,
    /// When certificates are judged.
    pub now: UnixMillis,
}

/// Reads and judges a file.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn load(path: &Path, options: LoadOptions) -> Result<Loaded, Box<Report>> {
    let name = path.display().to_string();
    let refuse = |finding: Box<Diagnostic>| {
        let source = Source::new(name.clone(), String::new());
        Box::new(Report::new(source, vec![*finding]))
    };
    let (bytes, writable) = read(path).map_err(refuse)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let system = System;
    let ground = Ground {
        folder,
        surroundings: (!options.portable).then_some(&system as &dyn Surroundings),
        parts: Some(&system),
        now: crate::clock::wall(),
    };
    let mut loaded = parse(&bytes, &name, ground)?;
    loaded.warnings.extend(writable.filter(|_| !options.portable));
    Ok(loaded)
}

/// Judges a text that is already read; `name` is what messages call it.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn parse(bytes: &[u8], name: &str, ground: Ground<'_>) -> Result<Loaded, Box<Report>> {
    let mut findings = Vec::new();
    let text = match syntax::decode_text(bytes) {
        Ok(text) => text,
        Err(refused) => {
            let (readable, finding) = *refused;
            let source = Source::new(name.to_owned(), readable);
            return Err(Box::new(Report::new(source, vec![finding])));
        }
    };
    let mut source = Source::new(name.to_owned(), text);
    let root = tree::read(&source, &mut findings);
    let mut config = None;
    let mut development_user_pool = None;
    let mut tests = Vec::new();
    let mut accepted_risks = Vec::new();
    let mut sections = Sections::default();
    if let Some(root) = root {
        let (raw, notes) = decode::decode::<raw::File>(&root, &source);
        drop(root);
        findings.extend(notes.findings);
        source.mask(notes.masked);
        if let field::Field::Given(mut raw) = raw {
            let raw_tests = std::mem::take(&mut raw.value.tests);
            let raw_risks = std::mem::take(&mut raw.value.accepted_risks);
            sections = Sections::of(&raw.value);
            development_user_pool = raw.value.development_user_pool.key();
            config =
                validate::validate(raw.value, ground, &notes.misspelt, &mut source, &mut findings);
            if let Some(config) = &config {
                tests = route_tests::inside(&raw_tests, config, &notes.misspelt, &mut findings);
                accepted_risks =
                    validate::accepted_risks(&raw_risks, config, &notes.misspelt, &mut findings);
            }
        }
    }
    findings.sort_by_key(|finding| (finding.span.start, finding.span.line));
    // Routes of an OpenAPI file share what is wrong with the target group they are all sent to.
    findings.dedup();
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    match config {
        Some(config) if !failed => Ok(Loaded {
            config,
            warnings: findings,
            source,
            digest: digest(bytes),
            tests,
            accepted_risks,
            sections,
            development_user_pool,
        }),
        _ => Err(Box::new(Report::new(source, findings))),
    }
}

/// Judges a text alone, as `check --portable` does.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn parse_portable(text: &str, name: &str) -> Result<Loaded, Box<Report>> {
    let ground =
        Ground { folder: Path::new("."), surroundings: None, parts: None, now: UnixMillis(0) };
    parse(text.as_bytes(), name, ground)
}

/// SHA-256, by which a changed file is told from an unchanged one.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().unwrap_or([0; 32])
}

/// The bytes of a file, never more than [`MAX_FILE_BYTES`], with a warning if others may write it.
fn read(path: &Path) -> Result<(Vec<u8>, Option<Diagnostic>), Box<Diagnostic>> {
    let refuse =
        |code, message: String| Box::new(Diagnostic::error(code, Span::default(), message));
    let unreadable =
        |error: io::Error| refuse("unreadable-file", format!("cannot read it: {error}"));
    let too_large = || {
        let limit = SizeText(MAX_FILE_BYTES as u64);
        refuse("file-too-large", format!("the file is larger than {limit}"))
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    if metadata.len() > MAX_FILE_BYTES as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(too_large());
    }
    Ok((bytes, secret::writable_by_others(&metadata)))
}
