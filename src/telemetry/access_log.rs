//! One line a request, as JSON and in the format of ALB's log.
//!
//! A snapshot's file says where the lines go; the next one carries a stream over unless it names
//! another destination.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;

use super::log_format::LogFormat;
use super::record::Record;
pub use super::stream::Destination;
use super::stream::Stream;

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

/// The access log; clones share the writers.
#[derive(Debug, Clone)]
pub struct AccessLog {
    json: Stream,
    alb: Stream,
    load_balancer: Arc<str>,
}

impl AccessLog {
    /// Opens the destinations and starts their writer threads.
    ///
    /// # Errors
    ///
    /// A file cannot be opened, or no thread can be had.
    pub fn start(settings: Settings, dropped: &IntCounter) -> io::Result<Self> {
        let Settings { json, alb, load_balancer } = settings;
        let (json, alb) = (Stream::start(json, dropped)?, Stream::start(alb, dropped)?);
        Ok(Self { json, alb, load_balancer })
    }

    /// The log for a new snapshot: the writers of this one, and new ones where a destination
    /// changed.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); this log is unchanged then.
    pub fn carry_over(&self, settings: Settings, dropped: &IntCounter) -> io::Result<Self> {
        let Settings { json, alb, load_balancer } = settings;
        let json = self.json.carry_over(json, dropped)?;
        let alb = self.alb.carry_over(alb, dropped)?;
        Ok(Self { json, alb, load_balancer })
    }

    /// Whether a line goes anywhere: when not, do not even make a [`Record`].
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.json.is_on() || self.alb.is_on()
    }

    /// Whether a record's [`Exchange`](super::record::Exchange) is wanted.
    #[must_use]
    pub const fn has_alb(&self) -> bool {
        self.alb.is_on()
    }

    /// Logs a request, in the file's own format where it has one, else in ours.
    pub fn log(&self, record: &Record<'_>, format: Option<&LogFormat>) {
        self.json.write(|out| match format {
            Some(format) => record.write_formatted(format, out),
            None => record.write_json(out),
        });
        if let Some(exchange) = &record.exchange {
            self.alb.write(|out| record.write_alb(exchange, &self.load_balancer, out));
        }
    }

    /// Opens files anew, after `logrotate` moved the old ones away. Call it on SIGHUP.
    pub fn reopen(&self) {
        self.json.reopen();
        self.alb.reopen();
    }

    /// Writes what was logged until now and ends the writers. Blocks the thread at most for `limit`
    /// each; false when lines were still unwritten then. Lines logged later are dropped and counted.
    pub fn flush_and_stop(&self, limit: Duration) -> bool {
        let is_written = self.json.flush_and_stop(limit);
        self.alb.flush_and_stop(limit) && is_written
    }
}

#[cfg(test)]
mod tests;
