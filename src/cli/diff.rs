//! `portcullis diff OLD NEW`: what changes in meaning.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use super::explain::{Failure, compile, now};
use crate::diff;
use crate::diff::replay::{self, Replay};
use crate::recording::Recording;
use crate::snapshot::Snapshot;

/// What a change of the file means
#[derive(Debug, Clone, clap::Args)]
pub struct DiffArgs {
    /// The configuration before
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The configuration after
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Requests that `portcullis record` has written: which of them meet something else?
    #[arg(long, value_name = "RECORDING")]
    replay: Option<PathBuf>,
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
    let replayed = args.replay.as_deref().map(|path| replay(path, &old, &new)).transpose()?;
    let written = if args.json {
        let mut json = diff::to_json(&difference);
        if let (Some(replayed), Some(json)) = (&replayed, json.as_object_mut()) {
            json.insert("replay".to_owned(), replay::to_json(replayed));
        }
        serde_json::to_writer_pretty(&mut *out, &json)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        let mut text = diff::render(&difference, color);
        if let Some(replayed) = &replayed {
            let gap = if text.is_empty() { "" } else { "\n" };
            text.extend([gap, &replay::render(replayed, color)]);
        }
        out.write_all(text.as_bytes())
    };
    written.map_err(Failure::Output)?;
    let replayed = replayed.unwrap_or_default();
    let differs = if args.fail_on_opened {
        difference.opens() || replayed.opens()
    } else {
        !difference.is_empty() || !replayed.changes.is_empty()
    };
    Ok(u8::from(differs))
}

fn replay(path: &Path, old: &Snapshot, new: &Snapshot) -> Result<Replay, Failure> {
    let told = |why: &dyn std::fmt::Display| Failure::Work(format!("{}: {why}", path.display()));
    let file = File::open(path).map_err(|why| told(&why))?;
    let recording = Recording::read(BufReader::new(file)).map_err(|why| told(&why))?;
    replay::replay(old.config.clone(), new.config.clone(), &recording, now())
        .map_err(|why| told(&why))
}
