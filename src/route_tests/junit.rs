//! A run in the XML that CI servers read as "JUnit".

use std::fmt::Write as _;

use super::{Failure, Run};

/// One `testsuite`; `name` is the file of the tests.
#[must_use]
pub fn to_junit(run: &Run, name: &str) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let seconds: f64 = run.results.iter().map(|result| result.took.as_secs_f64()).sum();
    let (tests, failed) = (run.results.len(), run.failed());
    let name = escaped(name);
    // Writing to a text cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites>\n<testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" \
         errors=\"0\" skipped=\"0\" time=\"{seconds:.3}\">"
    );
    properties(&mut xml, run);
    for result in &run.results {
        let (case, line) = (escaped(&result.name), result.span.line);
        let time = result.took.as_secs_f64();
        let _ = write!(
            xml,
            "<testcase classname=\"{name}\" name=\"{case}\" file=\"{name}\" line=\"{line}\" \
             time=\"{time:.3}\""
        );
        if result.failures.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        xml.push_str(">\n");
        for failure in &result.failures {
            let (message, body) = (escaped(&message(failure)), escaped(&body(failure)));
            let _ = writeln!(xml, "<failure message=\"{message}\">{body}</failure>");
        }
        xml.push_str("</testcase>\n");
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

/// How much was reached, for servers that draw a line through it.
fn properties(xml: &mut String, run: &Run) {
    let coverage = &run.coverage;
    let (rules, routes) = (coverage.rules().count(), coverage.routes().count());
    xml.push_str("<properties>\n");
    for (name, value) in [
        ("rules", rules),
        ("rules_reached", rules - coverage.unreached().count()),
        ("routes", routes),
        ("routes_reached", routes - coverage.unreached_routes().count()),
    ] {
        let _ = writeln!(xml, "<property name=\"{name}\" value=\"{value}\"/>");
    }
    xml.push_str("</properties>\n");
}

fn message(failure: &Failure) -> String {
    let first = failure.mismatches.first();
    let wrong = first.map(|m| format!("{}: expected {}, got {}", m.what, m.wanted, m.found));
    format!("{}: {}", failure.request, wrong.unwrap_or_default())
}

fn body(failure: &Failure) -> String {
    let mut text = String::new();
    for mismatch in &failure.mismatches {
        let (what, wanted, found) = (&mismatch.what, &mismatch.wanted, &mismatch.found);
        let _ = writeln!(text, "{what}: expected {wanted}, got {found}");
    }
    if let Some(told) = &failure.explanation {
        let _ = write!(text, "\n{}", crate::explain::render(told, false));
    }
    text
}

/// XML 1.0: no markup, and of the controls only line break and tab.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other if other.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
