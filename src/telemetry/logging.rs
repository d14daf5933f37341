//! The gateway's own log: what it does, apart from requests.
//!
//! For people on a terminal, JSON otherwise, always to standard error and through a queue that
//! drops rather than blocks. `PORTCULLIS_LOG` takes `tracing` directives (`debug`,
//! `info,portcullis::fetch=debug`). Records that libraries write with the `log` crate, Pingora's
//! above all, arrive at `info` and above only, whatever is asked for: below that they print
//! requests. Whoever logs never logs a header value, a token or a secret, at any level.

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::sink::{Destination, Sink};

/// The environment variable with the filter.
pub const FILTER_VARIABLE: &str = "PORTCULLIS_LOG";

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The filter cannot be read.
    #[error("{FILTER_VARIABLE}: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The writer thread cannot be started.
    #[error("the log's writer cannot be started: {0}")]
    Writer(#[from] io::Error),
    /// A log was started before.
    #[error("a log is already set up in this process")]
    Twice,
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people, perhaps in colour.
    Human {
        /// Whether to colour.
        colour: bool,
    },
    /// One JSON object a line.
    Json,
}

impl Form {
    /// Human on a terminal, JSON otherwise. `no_color` is whether `NO_COLOR` is set.
    #[must_use]
    pub fn of_stderr(no_color: bool) -> Self {
        if io::stderr().is_terminal() { Self::Human { colour: !no_color } } else { Self::Json }
    }
}

/// The log of this process. Keep it until the end and then [`flush_and_stop`](Self::flush_and_stop).
#[derive(Debug, Clone)]
pub struct Logging {
    sink: Arc<Sink>,
}

impl Logging {
    /// Sets the log up for the whole process. An empty filter means `info`.
    ///
    /// # Errors
    ///
    /// See [`LoggingError`].
    pub fn start(form: Form, filter: &str, dropped: IntCounter) -> Result<Self, LoggingError> {
        let sink = Arc::new(Sink::start(Destination::Stderr, 0, dropped)?);
        let logging = Self { sink };
        let subscriber = logging.subscriber(form, filter)?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::Twice)?;
        tracing_log::LogTracer::builder()
            .with_max_level(tracing_log::log::LevelFilter::Info)
            .init()
            .map_err(|_| LoggingError::Twice)?;
        Ok(logging)
    }

    fn subscriber(
        &self,
        form: Form,
        filter: &str,
    ) -> Result<Box<dyn Subscriber + Send + Sync>, LoggingError> {
        let filter = EnvFilter::try_new(if filter.is_empty() { "info" } else { filter })?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(self.clone());
        Ok(match form {
            Form::Human { colour } => Box::new(builder.with_ansi(colour).finish()),
            Form::Json => Box::new(builder.json().flatten_event(true).finish()),
        })
    }

    /// Writes what was logged until now. Blocks at most for `limit`; nothing is logged afterwards.
    pub fn flush_and_stop(&self, limit: Duration) -> bool {
        self.sink.flush_and_stop(limit)
    }
}

/// One event is one write.
#[derive(Debug)]
pub struct Line<'a>(&'a Sink);

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(|out| out.extend_from_slice(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logging {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(&self.sink)
    }
}

/// From now on a panic is counted and logged in one line, instead of printed.
///
/// The message of a panic may hold what a client sent, so it is logged only when it is a literal
/// of the program; the place always is.
pub fn install_panic_hook(panics: IntCounter) {
    std::panic::set_hook(Box::new(move |panic| {
        panics.inc();
        let thread = std::thread::current();
        tracing::error!(
            place = panic.location().map(tracing::field::display),
            thread = thread.name().unwrap_or("unnamed"),
            "panic: {}",
            message(panic)
        );
    }));
}

fn message<'a>(panic: &PanicHookInfo<'a>) -> &'a str {
    panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)")
}

#[cfg(test)]
mod tests;
