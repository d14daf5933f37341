//! A run as a program reads it.

use serde_json::{Value, json};

use super::coverage::Seen;
use super::mutation::Mutation;
use super::{Failure, Run, TestResult};
use crate::config::diagnostics::Span;
use crate::config::model::Name;
use crate::explain;

/// One object; `file` holds the tests, and `configuration` what they are about.
#[must_use]
pub fn to_json(
    run: &Run,
    (file, configuration): (&str, &str),
    mutation: Option<&Mutation>,
    is_good: bool,
) -> Value {
    let failed = run.failed();
    json!({
        "good": is_good,
        "file": file,
        "passed": run.results.len() - failed,
        "failed": failed,
        "tests": run.results.iter().map(test).collect::<Vec<_>>(),
        "coverage": coverage(run, configuration),
        "mutation": mutation.map(|mutation| json!({
            "tried": mutation.tried,
            "survivors": mutation
                .survivors
                .iter()
                .map(|one| json!({ "what": one.what, "at": place(one.file.as_ref(), configuration, one.span) }))
                .collect::<Vec<_>>(),
        })),
    })
}

fn test(result: &TestResult) -> Value {
    json!({
        "name": result.name,
        "line": result.span.line,
        "passed": result.failures.is_empty(),
        "failures": result.failures.iter().map(failure).collect::<Vec<_>>(),
    })
}

fn failure(failure: &Failure) -> Value {
    let mismatches = failure
        .mismatches
        .iter()
        .map(|wrong| json!({ "what": wrong.what, "wanted": wrong.wanted, "found": wrong.found }));
    json!({
        "request": failure.request,
        "mismatches": mismatches.collect::<Vec<_>>(),
        "explanation": failure.explanation.as_deref().map(explain::to_json),
    })
}

fn coverage(run: &Run, configuration: &str) -> Value {
    let coverage = &run.coverage;
    let rules = coverage.rules().map(|rule| {
        let at = place(None, configuration, rule.span);
        let name = json!({ "listener": *rule.listener, "rule": *rule.rule, "at": at });
        with(name, rule.seen)
    });
    let routes = coverage.routes().map(|route| {
        let at = place(route.file.as_ref(), configuration, route.span);
        with(json!({ "api": *route.api, "route": *route.route, "at": at }), route.seen)
    });
    json!({
        "percentage": coverage.percentage(),
        "rules": rules.collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
    })
}

fn with(mut name: Value, seen: Seen) -> Value {
    name["protected"] = seen.is_protected.into();
    name["reached"] = seen.reached.into();
    name["refused"] = seen.refused.into();
    name
}

/// `routes.yaml:14`
fn place(file: Option<&Name>, configuration: &str, span: Span) -> String {
    format!("{}:{}", file.map_or(configuration, |file| file), span.line)
}
