//! A run as a person reads it.

use std::fmt::Write as _;

use super::mutation::Mutation;
use super::{Coverage, Failure, RouteCoverage, RuleCoverage, Run, TestResult};
use crate::explain::paint::{Ink, ink};

/// What is written of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Also tests that pass.
    pub verbose: bool,
    /// Also what was not reached.
    pub coverage: bool,
    /// For a person on a terminal.
    pub color: bool,
}

/// Writes what failed and why, and a summary. `file` holds the tests.
#[must_use]
pub fn render(run: &Run, file: &str, options: Options) -> String {
    let Options { verbose, coverage: is_covered, color } = options;
    let mut text = String::new();
    for result in &run.results {
        if verbose || !result.failures.is_empty() {
            test(&mut text, result, file, color);
        }
    }
    if is_covered {
        coverage(&mut text, &run.coverage, color);
    }
    let failed = run.failed();
    let passed = run.results.len() - failed;
    let (passed, failed_text) = (format!("{passed} passed"), format!("{failed} failed"));
    let failed_text = if failed > 0 { ink(color, Ink::Bad, &failed_text) } else { failed_text };
    let passed = ink(color, Ink::Good, &passed);
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{passed}, {failed_text}; {} reached", reached(&run.coverage));
    text
}

/// `1 of 2 rules`, and `and 3 of 4 routes` where there are APIs.
fn reached(coverage: &Coverage) -> String {
    let (rules, routes) = (coverage.rules().count(), coverage.routes().count());
    let of_rules = format!("{} of {rules} rules", rules - coverage.unreached().count());
    match routes {
        0 => of_rules,
        _ => {
            let reached = routes - coverage.unreached_routes().count();
            format!("{of_rules} and {reached} of {routes} routes")
        }
    }
}

fn test(text: &mut String, result: &TestResult, file: &str, color: bool) {
    let name = clean(&result.name);
    if result.failures.is_empty() {
        let _ = writeln!(text, "{}      {name}", ink(color, Ink::Good, "ok"));
        return;
    }
    let place = format!("{file}:{}:{}", result.span.line, result.span.column);
    let place = ink(color, Ink::Faint, &place);
    let _ = writeln!(text, "{}  {name}  {place}", ink(color, Ink::Bad, "FAILED"));
    for failure in &result.failures {
        fail(text, failure, color);
    }
    text.push('\n');
}

fn fail(text: &mut String, failure: &Failure, color: bool) {
    let _ = writeln!(text, "    {}", clean(&failure.request));
    for mismatch in &failure.mismatches {
        let (wanted, found) = (clean(&mismatch.wanted), clean(&mismatch.found));
        let found = ink(color, Ink::Bad, &found);
        let _ = writeln!(text, "      {}: expected {wanted}, got {found}", mismatch.what);
    }
    if let Some(told) = &failure.explanation {
        for line in crate::explain::render(told, color).lines() {
            let line = format!("      | {line}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
}

fn coverage(text: &mut String, coverage: &Coverage, color: bool) {
    let mut list = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(text, "{}", ink(color, Ink::Strong, title));
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
        text.push('\n');
    };
    let place = |place: String| ink(color, Ink::Faint, &format!("({place})"));
    let rule = |rule: &RuleCoverage| {
        let place = place(format!("line {}", rule.span.line));
        format!("{} / {}  {place}", rule.listener, rule.rule)
    };
    let route = |route: &RouteCoverage| {
        let line = route.span.line;
        let place = place(match &route.file {
            Some(file) => format!("{}:{line}", clean(file)),
            None => format!("line {line}"),
        });
        format!("{} / {}  {place}", route.api, clean(&route.route))
    };
    list("rules that no test reached:", coverage.unreached().map(rule).collect());
    list("routes that no test reached:", coverage.unreached_routes().map(route).collect());
    list(
        "protected rules that refused nobody in any test:",
        coverage.never_refused().map(rule).collect(),
    );
    list(
        "protected routes that refused nobody in any test:",
        coverage.never_refused_routes().map(route).collect(),
    );
}

/// Writes which changes of the file no test would notice, and a summary.
#[must_use]
pub fn render_mutation(mutation: &Mutation, file: &str, color: bool) -> String {
    let mut text = String::new();
    if !mutation.survivors.is_empty() {
        let title = "no test would notice if";
        let _ = writeln!(text, "{}", ink(color, Ink::Strong, title));
        for survivor in &mutation.survivors {
            let file = survivor.file.as_deref().map_or_else(|| file.to_owned(), clean);
            let place = ink(color, Ink::Faint, &format!("({file}:{})", survivor.span.line));
            let _ = writeln!(text, "  {}  {place}", survivor.what);
        }
        text.push('\n');
    }
    let (all, left) = (mutation.tried, mutation.survivors.len());
    let noticed = format!("{} of {all} changes noticed", all - left);
    let noticed = ink(color, if left == 0 { Ink::Good } else { Ink::Bad }, &noticed);
    let _ = writeln!(text, "{noticed}");
    text
}

/// What came from outside must not play with the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
