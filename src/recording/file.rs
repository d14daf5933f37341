//! A recording as it was written down: JSON lines, the first of which tells of the others.

use std::collections::BTreeSet;
use std::io::{self, BufRead};

use serde::Deserialize;

use super::recorder::MOST_REQUESTS;
use super::shape::Shape;

/// A line of more bytes is none that a gateway has written.
const LONGEST_LINE: u64 = 256 * 1024;
/// More than a gateway writes in all.
const LONGEST: u64 = 128 * 1024 * 1024;

/// Requests that were recorded.
#[derive(Debug)]
pub struct Recording {
    /// Headers whose values were kept.
    pub headers: BTreeSet<String>,
    /// Query parameters whose values were kept; `None` where all were.
    pub parameters: Option<BTreeSet<String>>,
    /// Claims whose values were kept.
    pub claims: BTreeSet<String>,
    /// Requests that found no room in it.
    pub dropped: u64,
    /// In the order in which they ended.
    pub shapes: Vec<Shape>,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("{0}")]
    Input(#[from] io::Error),
    /// It is something else.
    #[error("line 1 is not the head of a recording; `portcullis record` makes one")]
    Head,
    /// A line is wrong.
    #[error("line {0} is no recorded request: {1}")]
    Line(usize, String),
    /// There is too much.
    #[error("a recording has at most {MOST_REQUESTS} requests, and 128 MiB")]
    TooMuch,
}

#[derive(Deserialize)]
struct Head {
    headers: BTreeSet<String>,
    parameters: Option<BTreeSet<String>>,
    claims: BTreeSet<String>,
    dropped: u64,
}

impl Recording {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// See [`RecordingError`].
    pub fn read(mut input: impl BufRead) -> Result<Self, RecordingError> {
        let (mut line, mut left) = (Vec::new(), LONGEST);
        let mut next = |line: &mut Vec<u8>, number: usize| {
            line.clear();
            io::Read::take(&mut input, LONGEST_LINE).read_until(b'\n', line)?;
            left = left.checked_sub(line.len() as u64).ok_or(RecordingError::TooMuch)?;
            if line.len() as u64 >= LONGEST_LINE {
                return Err(RecordingError::Line(number, "it is too long".to_owned()));
            }
            Ok::<_, RecordingError>(!line.is_empty())
        };
        next(&mut line, 1)?;
        let head: Head = serde_json::from_slice(&line).map_err(|_| RecordingError::Head)?;
        let mut shapes = Vec::new();
        for number in 2.. {
            if !next(&mut line, number)? {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            if shapes.len() >= MOST_REQUESTS {
                return Err(RecordingError::TooMuch);
            }
            let shape = serde_json::from_slice(&line);
            shapes.push(shape.map_err(|why| RecordingError::Line(number, why.to_string()))?);
        }
        let Head { headers, parameters, claims, dropped } = head;
        Ok(Self { headers, parameters, claims, dropped, shapes })
    }
}
