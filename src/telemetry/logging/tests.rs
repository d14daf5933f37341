use std::fs;

use super::*;
use crate::telemetry::sink;

fn counter() -> IntCounter {
    IntCounter::new("test", "test").unwrap()
}

/// A log to a file instead of standard error, and what was written while `log` ran.
fn logged(form: Form, filter: &str, log: impl FnOnce()) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let destination = sink::Destination::File(path.clone());
    let logging = Logging { sink: Arc::new(Sink::start(destination, 0, counter()).unwrap()) };
    let subscriber = logging.subscriber(form, filter).unwrap();
    tracing::subscriber::with_default(subscriber, log);
    assert!(logging.flush_and_stop(Duration::from_secs(10)));
    fs::read_to_string(path).unwrap()
}

#[test]
fn json_lines_have_level_target_and_fields() {
    let text = logged(Form::Json, "", || {
        tracing::info!(listener = "public", "listening");
        tracing::debug!("unasked for");
    });
    let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "listening");
    assert_eq!(line["listener"], "public");
}

#[test]
fn the_filter_is_obeyed_and_a_bad_one_refused() {
    let text = logged(Form::Human { colour: false }, "warn", || {
        tracing::info!("quiet");
        tracing::warn!("loud");
    });
    assert!(text.contains("loud") && !text.contains("quiet"), "{text}");
    let sink = Sink::start(sink::Destination::Stderr, 0, counter()).unwrap();
    let error = Logging { sink: Arc::new(sink) }.subscriber(Form::Json, "portcullis=loud").err();
    assert!(matches!(error, Some(LoggingError::Filter(_))));
}

#[test]
fn escape_sequences_in_fields_do_not_reach_the_terminal() {
    let text = logged(Form::Human { colour: false }, "", || {
        tracing::info!(host = "a\x1b[2Jb\nc", "seen {}", "\x1b]0;x\x07");
    });
    assert!(!text.contains('\x1b') && text.lines().count() == 1, "{text:?}");
}

#[test]
fn a_panic_is_counted_and_its_formatted_message_withheld() {
    let panics = counter();
    let before = std::panic::take_hook();
    let text = logged(Form::Json, "", || {
        install_panic_hook(panics.clone());
        let _ = std::panic::catch_unwind(|| panic!("a literal"));
        let secret = "eyJhbGciOiJSUzI1NiJ9";
        let _ = std::panic::catch_unwind(|| panic!("bad token {secret}"));
    });
    std::panic::set_hook(before);
    assert!(panics.get() >= 2);
    assert!(text.contains("panic: a literal") && text.contains("logging/tests.rs"), "{text}");
    assert!(!text.contains("eyJ") && text.contains("(message withheld)"), "{text}");
}
