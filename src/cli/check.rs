//! `portcullis check [FILE]`: judges a file and opens no socket.

pub mod security;

use std::io::{self, Write};
use std::path::Path;

use crate::check::security::without_accepted;
use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::model::{Action, Config};
use crate::config::{self, LoadOptions, Loaded, Source};

/// What the user asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// A JSON list of findings instead of text.
    pub json: bool,
    /// A warning fails too.
    pub strict: bool,
    /// Look neither at certificates nor at secrets nor at any other file.
    pub portable: bool,
    /// Colour the text.
    pub color: bool,
}

/// Judges `file` and writes what was found. `lints` looks at a good configuration once more.
///
/// The exit code: 0 when the file can be served, 1 when it cannot, or when it has a warning and
/// `strict` is asked for.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn run(
    file: &Path,
    options: Options,
    lints: impl FnOnce(&Loaded) -> Vec<Diagnostic>,
    out: &mut impl Write,
) -> io::Result<i32> {
    let judged = config::load(file, LoadOptions { portable: options.portable });
    let (source, findings, summary) = match judged {
        Ok(mut loaded) => {
            let further = lints(&loaded);
            let mut findings = std::mem::take(&mut loaded.warnings);
            findings.extend(further);
            let (mut findings, accepted) = without_accepted(&loaded, findings);
            findings.sort_by_key(|finding| (finding.span.start, finding.span.line));
            (loaded.source, findings, Some(Summary::of(&loaded.config, accepted)))
        }
        Err(report) => (report.source, report.findings, None),
    };
    let errors = count(&findings, Severity::Error);
    let warnings = count(&findings, Severity::Warning);
    let failed = errors > 0 || summary.is_none() || (options.strict && warnings > 0);
    if options.json {
        serde_json::to_writer_pretty(&mut *out, &config::to_json(&source, &findings))?;
        writeln!(out)?;
    } else {
        write_text(out, &source, &findings, summary.filter(|_| !failed), options)?;
    }
    Ok(i32::from(failed))
}

fn write_text(
    out: &mut impl Write,
    source: &Source,
    findings: &[Diagnostic],
    summary: Option<Summary>,
    options: Options,
) -> io::Result<()> {
    out.write_all(config::render(source, findings, options.color).as_bytes())?;
    let errors = count(findings, Severity::Error);
    let warnings = count(findings, Severity::Warning);
    let told = format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"));
    match summary {
        Some(summary) => {
            if !summary.has_state_directory {
                writeln!(out, "note: no `state_directory`: key sets live in memory only")?;
            }
            if let Some(note) = summary.session_keys {
                writeln!(out, "note: no `session_keys`: {note}")?;
            }
            if summary.accepted > 0 {
                let accepted = counted(summary.accepted, "accepted finding");
                writeln!(out, "note: {accepted}, see `check --security`")?;
            }
            if options.portable {
                writeln!(out, "note: certificates, secrets and other files were not looked at")?;
            }
            writeln!(out, "{}: good: {}; {told}", source.name(), summary.text)
        }
        None if errors == 0 => {
            writeln!(out, "{}: {told}; refused, since --strict was given", source.name())
        }
        None => writeln!(out, "{}: {told}", source.name()),
    }
}

/// What a good file holds.
struct Summary {
    text: String,
    has_state_directory: bool,
    /// What their absence means, where cookies are sealed.
    session_keys: Option<&'static str>,
    /// Findings that `accepted_risks` names.
    accepted: usize,
}

impl Summary {
    fn of(config: &Config, accepted: usize) -> Self {
        let rules = config.listeners.iter().map(|listener| listener.rules.len()).sum();
        let parts = [
            counted(config.listeners.len(), "listener"),
            counted(rules, "rule"),
            counted(config.user_pools.len(), "user pool"),
            counted(config.target_groups.len(), "target group"),
        ];
        let has_state_directory = config.state_directory.is_some();
        let session_keys = (config.session_keys.is_empty() && seals_cookies(config)).then_some(
            if has_state_directory {
                "cookies of stickiness and sign-in are good for this machine only, not for other replicas"
            } else {
                "cookies of stickiness and sign-in are good for this process only, not after a restart nor for other replicas"
            },
        );
        Self { text: parts.join(", "), has_state_directory, session_keys, accepted }
    }
}

/// Whether anything of this file is kept by browsers under seal.
fn seals_cookies(config: &Config) -> bool {
    let mut rules = config
        .listeners
        .iter()
        .flat_map(|listener| listener.rules.iter().chain(std::iter::once(&listener.default_rule)));
    let is_sticky =
        |action: &Action| matches!(action, Action::Forward(f) if f.stickiness.is_some());
    config.target_groups.iter().any(|group| group.stickiness.is_some())
        || rules.any(|rule| rule.sign_in.is_some() || is_sticky(&rule.action))
}

fn count(findings: &[Diagnostic], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests;
