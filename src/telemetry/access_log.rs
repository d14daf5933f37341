//! One line a request, as JSON and in the format of ALB's log, to standard output or a file.
//!
//! Logging never holds up a request: lines go through a bounded queue to a writer thread, and when
//! the disk is full, the pipe is blocked or its reader dead, they are dropped and counted in
//! `portcullis_log_dropped_total`. A snapshot holds an [`AccessLog`]; the next snapshot carries it
//! over unless its file names another destination.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;

use super::record::Record;
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

/// What is written, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Lines of JSON.
    pub json: Destination,
    /// Lines in the format of an Application Load Balancer.
    pub alb: Destination,
    /// What the load balancer is called there: `app/NAME/ID`.
    pub load_balancer: Arc<str>,
}

/// The access log; clones share the writers. When the last one is dropped, what was logged is still
/// written, in the background.
#[derive(Debug, Clone)]
pub struct AccessLog {
    settings: Settings,
    json: Option<Arc<Sink>>,
    alb: Option<Arc<Sink>>,
}

impl AccessLog {
    /// Opens the destinations and starts their writer threads.
    ///
    /// # Errors
    ///
    /// A file cannot be opened, or no thread can be had.
    pub fn start(settings: Settings, dropped: &IntCounter) -> io::Result<Self> {
        let json = open(&settings.json, dropped)?;
        let alb = open(&settings.alb, dropped)?;
        Ok(Self { settings, json, alb })
    }

    /// The log for a new snapshot: the writers of this one, and new ones where a destination
    /// changed.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); this log is unchanged then.
    pub fn carry_over(&self, settings: Settings, dropped: &IntCounter) -> io::Result<Self> {
        let json = match &self.json {
            Some(_) if settings.json == self.settings.json => self.json.clone(),
            _ => open(&settings.json, dropped)?,
        };
        let alb = match &self.alb {
            Some(_) if settings.alb == self.settings.alb => self.alb.clone(),
            _ => open(&settings.alb, dropped)?,
        };
        Ok(Self { settings, json, alb })
    }

    /// Whether a line goes anywhere: when not, do not even make a [`Record`].
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.json.is_some() || self.alb.is_some()
    }

    /// Whether a record's [`Exchange`](super::record::Exchange) is wanted.
    #[must_use]
    pub const fn has_alb(&self) -> bool {
        self.alb.is_some()
    }

    /// Logs a request.
    pub fn log(&self, record: &Record<'_>) {
        if let Some(sink) = &self.json {
            sink.write(|out| record.write_json(out));
        }
        if let (Some(sink), Some(exchange)) = (&self.alb, &record.exchange) {
            sink.write(|out| record.write_alb(exchange, &self.settings.load_balancer, out));
        }
    }

    /// Opens files anew, after `logrotate` moved the old ones away. Call it on SIGHUP.
    pub fn reopen(&self) {
        self.sinks().for_each(Sink::reopen);
    }

    /// Writes what was logged until now and ends the writers. Blocks the thread at most for `limit`
    /// each; false when lines were still unwritten then. Lines logged later are dropped and counted.
    pub fn flush_and_stop(&self, limit: Duration) -> bool {
        // Every one, also behind one that did not make it.
        self.sinks().filter(|sink| !sink.flush_and_stop(limit)).count() == 0
    }

    fn sinks(&self) -> impl Iterator<Item = &Sink> {
        [&self.json, &self.alb].into_iter().flatten().map(|sink| &**sink)
    }
}

pub(super) fn open(
    destination: &Destination,
    dropped: &IntCounter,
) -> io::Result<Option<Arc<Sink>>> {
    let target = match destination {
        Destination::Off => return Ok(None),
        Destination::Stdout => sink::Destination::Stdout,
        Destination::File(path) => sink::Destination::File(path.clone()),
    };
    Ok(Some(Arc::new(Sink::start(target, HAND_OVER, dropped.clone())?)))
}

#[cfg(test)]
mod tests;
