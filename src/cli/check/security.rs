//! `portcullis check --security [FILE]`: what a right file leaves weaker than it could be.

use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Options, count, counted};
use crate::check::security::{Finding, Review, review};
use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::risk::Level;
use crate::config::{self, LoadOptions, Loaded, Source};

/// From which level on a finding fails a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MinSeverity {
    /// Every finding.
    Low,
    /// All but those that are good to know.
    Medium,
    /// The worst only.
    High,
}

impl From<MinSeverity> for Level {
    fn from(least: MinSeverity) -> Self {
        match least {
            MinSeverity::Low => Self::Low,
            MinSeverity::Medium => Self::Medium,
            MinSeverity::High => Self::High,
        }
    }
}

/// Reviews `file` and writes what was found. `lints` are those of the ordinary check.
///
/// The exit code: 0 when nothing as bad as `least` is open, 1 otherwise, or when the file cannot
/// be served.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn run(
    file: &Path,
    options: Options,
    least: MinSeverity,
    lints: impl FnOnce(&Loaded) -> Vec<Diagnostic>,
    out: &mut impl Write,
) -> io::Result<i32> {
    let mut loaded = match config::load(file, LoadOptions { portable: options.portable }) {
        Ok(loaded) => loaded,
        Err(report) => return wrong(&report.source, &report.findings, options, out),
    };
    let mut warnings = std::mem::take(&mut loaded.warnings);
    warnings.extend(lints(&loaded));
    if count(&warnings, Severity::Error) > 0 {
        warnings.sort_by_key(|finding| (finding.span.start, finding.span.line));
        return wrong(&loaded.source, &warnings, options, out);
    }
    let review = review(&loaded, warnings, options.portable);
    let failing = review.count(least.into());
    if options.json {
        write_json(&loaded.source, &review, out)?;
    } else {
        write_text(&loaded.source, &review, least.into(), options, out)?;
    }
    Ok(i32::from(failing > 0))
}

/// A file that cannot be served is not reviewed.
fn wrong(
    source: &Source,
    findings: &[Diagnostic],
    options: Options,
    out: &mut impl Write,
) -> io::Result<i32> {
    if options.json {
        serde_json::to_writer_pretty(&mut *out, &config::to_json(source, findings))?;
        writeln!(out)?;
    } else {
        out.write_all(config::render(source, findings, options.color).as_bytes())?;
        let errors = counted(count(findings, Severity::Error), "error");
        writeln!(out, "{}: {errors}; not reviewed", source.name())?;
    }
    Ok(1)
}

fn write_text(
    source: &Source,
    review: &Review,
    least: Level,
    options: Options,
    out: &mut impl Write,
) -> io::Result<()> {
    let open = review.open.iter().map(|finding| (finding.level(), &finding.diagnostic));
    out.write_all(config::render_risks(source, open, options.color).as_bytes())?;
    for (finding, reason) in &review.accepted {
        let place = finding.place.as_ref().map(|at| format!(" at `{at}`")).unwrap_or_default();
        let (code, line) = (finding.risk.code(), finding.diagnostic.span.line);
        writeln!(out, "accepted[{code}]{place}, {}:{line}: {reason}", source.name())?;
    }
    if options.portable {
        writeln!(out, "note: certificates, secrets and other files were not looked at")?;
    }
    let of = |level| review.open.iter().filter(|finding| finding.level() == level).count();
    writeln!(
        out,
        "{}: {} high, {} medium, {} low, {} accepted; {}",
        source.name(),
        of(Level::High),
        of(Level::Medium),
        of(Level::Low),
        review.accepted.len(),
        match review.count(least) {
            0 => "good".to_owned(),
            failing => format!("{failing} to mend or to accept under `accepted_risks`"),
        }
    )
}

/// The objects of `check --json`, with the level as severity, the place's name, and whether it is
/// accepted.
fn write_json(source: &Source, review: &Review, out: &mut impl Write) -> io::Result<()> {
    let open = review.open.iter().map(|finding| to_json(source, finding, None));
    let accepted = review.accepted.iter();
    let accepted = accepted.map(|(finding, reason)| to_json(source, finding, Some(reason)));
    let all: Vec<Value> = open.chain(accepted).collect();
    serde_json::to_writer_pretty(&mut *out, &all)?;
    writeln!(out)
}

fn to_json(source: &Source, finding: &Finding, reason: Option<&String>) -> Value {
    let mut list = config::to_json(source, std::slice::from_ref(&finding.diagnostic));
    let mut object = list.get_mut(0).map(Value::take).unwrap_or_default();
    if let Value::Object(object) = &mut object {
        object.insert("severity".to_owned(), json!(finding.level().as_str()));
        object.insert("where".to_owned(), json!(finding.place));
        object.insert("accepted".to_owned(), json!(reason.is_some()));
        object.insert("reason".to_owned(), json!(reason));
    }
    object
}

#[cfg(test)]
mod tests;
