//! `portcullis diff OLD NEW`: what changes in meaning.

use std::io::{self, Write};
use std::path::PathBuf;

use super::explain::{Failure, compile, now};
use crate::diff;

/// What a change of the file means
#[derive(Debug, Clone, clap::Args)]
pub struct DiffArgs {
    /// The configuration before
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The configuration after
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Exit code 1 only when something is open to everybody that was not
    #[arg(long)]
    fail_on_opened: bool,
}

/// Compares two files; the exit code is 0 when they mean the same, else 1.
///
/// # Errors
///
/// See [`Failure`].
pub fn run(args: &DiffArgs, color: bool, out: &mut impl Write) -> Result<u8, Failure> {
    let (old, new) = (compile(&args.old)?, compile(&args.new)?);
    let difference = diff::compare(&old, &new, now());
    let written = if args.json {
        serde_json::to_writer_pretty(&mut *out, &diff::to_json(&difference))
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        out.write_all(diff::render(&difference, color).as_bytes())
    };
    written.map_err(Failure::Output)?;
    let differs = if args.fail_on_opened { difference.opens() } else { !difference.is_empty() };
    Ok(u8::from(differs))
}
