//! `portcullis run [FILE]`: serves, from a judged file to the drained end.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{self, Task};
use crate::check;
use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::{self, Loaded};
use crate::connection::PassedSockets;
use crate::telemetry::logging::{self, FILTER_VARIABLE, Form, Logging};
use crate::telemetry::metrics::Metrics;

/// Serves `file`. The exit code.
pub(super) fn run(file: &Path) -> u8 {
    let Some(loaded) = super::load(file) else { return super::FAILED };
    let refusal = loaded.refuse_development_user_pool();
    serve(file, loaded, refusal, Vec::new())
}

/// Serves a file that was read, unless the lints or `refusal` stand against it.
pub(super) fn serve(
    file: &Path,
    loaded: Loaded,
    refusal: Option<Diagnostic>,
    tasks: Vec<Task>,
) -> u8 {
    let mut findings = loaded.warnings.clone();
    findings.extend(check::judge(&loaded.config));
    let (mut findings, _) = check::security::without_accepted(&loaded, findings);
    findings.extend(refusal);
    if !findings.is_empty() {
        let text = config::render(&loaded.source, &findings, super::use_color(&io::stderr()));
        let _ = write!(io::stderr(), "{text}");
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return super::FAILED;
    }

    let passed = match PassedSockets::of_environment() {
        Ok(passed) => passed,
        Err(why) => return super::fail(&format!("a socket of the service manager: {why}")),
    };
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), "");
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let filter = if filter.is_empty() { app::LOG_FILTER } else { &filter };
    let logging = match Logging::start(form(), filter, metrics.log_dropped.clone()) {
        Ok(logging) => logging,
        Err(why) => return super::fail(&format!("the log: {why}")),
    };
    logging::install_panic_hook(metrics.panics.clone());
    let served = app::run(file.to_owned(), loaded, Arc::clone(&metrics), tasks, passed);
    logging.flush_and_stop(Duration::from_secs(1));
    super::finish(served.map_err(|why| why.to_string()))
}

/// `PORTCULLIS_LOG_FORMAT` is `json` or `text`; by default text on a terminal, JSON elsewhere.
fn form() -> Form {
    let no_color = !super::use_color(&io::stderr());
    match std::env::var("PORTCULLIS_LOG_FORMAT").as_deref() {
        Ok("json") => Form::Json,
        Ok("text") => Form::Human { colour: !no_color },
        _ => Form::of_stderr(no_color),
    }
}
