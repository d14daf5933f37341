//! Where the lines of one log go.
//!
//! Logging never holds up a request: lines go through a bounded queue to a writer thread, and when
//! the disk is full, the pipe is blocked or its reader dead, they are dropped and counted in
//! `portcullis_log_dropped_total`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;

use super::sink::{self, Sink};

/// A thread's lines are handed over at this many bytes.
const HAND_OVER: usize = 32 * 1024;

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere, and nothing is done for it.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to a file, made with mode 0640 if need be.
    File(PathBuf),
}

/// A destination with its writer; clones share it. When the last one is dropped, what was logged
/// is still written, in the background.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    destination: Destination,
    sink: Option<Arc<Sink>>,
}

impl Stream {
    /// Opens the destination and starts its writer thread.
    pub(super) fn start(destination: Destination, dropped: &IntCounter) -> io::Result<Self> {
        let target = match &destination {
            Destination::Off => return Ok(Self { destination, sink: None }),
            Destination::Stdout => sink::Destination::Stdout,
            Destination::File(path) => sink::Destination::File(path.clone()),
        };
        let sink = Some(Arc::new(Sink::start(target, HAND_OVER, dropped.clone())?));
        Ok(Self { destination, sink })
    }

    /// The stream for a new file: this one, or a new one when the destination changed.
    pub(super) fn carry_over(
        &self,
        destination: Destination,
        dropped: &IntCounter,
    ) -> io::Result<Self> {
        if destination == self.destination {
            return Ok(self.clone());
        }
        Self::start(destination, dropped)
    }

    /// Whether a line goes anywhere.
    pub(super) const fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    /// Has `line` append a line, with its line feed.
    pub(super) fn write(&self, line: impl FnOnce(&mut Vec<u8>)) {
        if let Some(sink) = &self.sink {
            sink.write(line);
        }
    }

    /// Opens the file anew, after `logrotate` moved the old one away. Call it on SIGHUP.
    pub(super) fn reopen(&self) {
        if let Some(sink) = &self.sink {
            sink.reopen();
        }
    }

    /// Writes what was logged until now and ends the writer. Blocks the thread at most for `limit`;
    /// false when lines were still unwritten then. Lines logged later are dropped and counted.
    pub(super) fn flush_and_stop(&self, limit: Duration) -> bool {
        self.sink.as_ref().is_none_or(|sink| sink.flush_and_stop(limit))
    }
}
