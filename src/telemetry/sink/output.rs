//! The destination itself, and what to do when it fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use prometheus::IntCounter;

use super::Destination;
use crate::clock;

/// How long a full pipe is waited for before a buffer is given up.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(5);

/// An open destination. Writing never fails: what cannot be written is counted.
#[derive(Debug)]
pub(super) struct Output {
    destination: Destination,
    file: Option<File>,
    dropped: IntCounter,
    /// The last thing written was not a whole line.
    is_mid_line: bool,
    is_failing: bool,
    /// The process ends: full pipes are waited for only briefly.
    pub(super) is_urgent: bool,
}

impl Output {
    pub(super) fn open(destination: Destination, dropped: IntCounter) -> io::Result<Self> {
        let file = open_file(&destination)?;
        Ok(Self {
            destination,
            file,
            dropped,
            is_mid_line: false,
            is_failing: false,
            is_urgent: false,
        })
    }

    /// Keeps the old file when the new one cannot be opened: better there than nowhere.
    pub(super) fn reopen(&mut self) {
        match open_file(&self.destination) {
            Ok(file) => {
                self.file = file;
                self.is_mid_line = false;
            }
            Err(error) => tracing::warn!(%error, "the log file could not be opened anew"),
        }
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) {
        if self.is_mid_line && !self.write_all(b"\n").1 {
            self.dropped.inc_by(count_lines(lines));
            return;
        }
        let (written, is_complete) = self.write_all(lines);
        if written > 0 {
            self.is_mid_line = lines.get(written - 1) != Some(&b'\n');
        }
        if !is_complete {
            self.dropped.inc_by(count_lines(&lines[written..]));
        }
    }

    /// How many bytes were written, and whether these were all.
    fn write_all(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut written = 0;
        let mut gives_up = None;
        while written < bytes.len() {
            match self.write_some(&bytes[written..]) {
                Ok(0) => return (written, false),
                Ok(some) => {
                    written += some;
                    gives_up = None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let now = clock::monotonic();
                    let wait = if self.is_urgent { LONGEST_WAIT / 10 } else { LONGEST_WAIT };
                    if *gives_up.get_or_insert(now + wait) <= now {
                        self.fails(&error);
                        return (written, false);
                    }
                    std::thread::park_timeout(RETRY);
                }
                Err(error) => {
                    self.fails(&error);
                    return (written, false);
                }
            }
        }
        self.is_failing = false;
        (written, true)
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.destination, &mut self.file) {
            (_, Some(file)) => file.write(bytes),
            (Destination::Stderr, None) => io::stderr().write(bytes),
            (_, None) => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write(bytes)?;
                stdout.flush()?;
                Ok(written)
            }
        }
    }

    /// Says so once, until it works again. The log itself cannot say that the log is broken.
    fn fails(&mut self, error: &io::Error) {
        if !self.is_failing && self.destination != Destination::Stderr {
            tracing::warn!(%error, "access-log lines are being dropped");
        }
        self.is_failing = true;
    }
}

/// Readable by the owner and the group only: it tells who was where. Without blocking, so that a
/// named pipe that nobody reads is an error now rather than a thread that hangs later.
fn open_file(destination: &Destination) -> io::Result<Option<File>> {
    let Destination::File(path) = destination else { return Ok(None) };
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map(Some)
}

#[allow(clippy::naive_bytecount)]
fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
