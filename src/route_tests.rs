//! Runs the tests of a configuration: each request goes through the engine that serves, with a
//! token that is signed for the occasion, and what becomes of it is compared with what was expected.
//!
//! No socket is opened and no target asked: what a target answers cannot be tested here. Reading
//! the tests is [`crate::config::route_tests`]'s.

mod coverage;
pub mod draft;
mod expectation;
mod json;
mod junit;
pub mod mutation;
mod text;
mod wallet;

#[cfg(test)]
mod tests;

pub use self::coverage::{Coverage, RouteCoverage, RuleCoverage, Seen};
pub use self::expectation::Mismatch;
pub use self::json::to_json;
pub use self::junit::to_junit;
pub use self::text::{Options, render, render_mutation};
pub use self::wallet::Wallet;

use std::time::Duration;

use crate::api::Place;
use crate::clock;
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::route_tests::{Request, Suite, Test};
use crate::engine::{Moment, Reason};
use crate::explain::{self, Asked, Explanation, Question};
use crate::snapshot::Snapshot;

/// Mistakes in tests that only the engine's closed lists show.
#[must_use]
pub fn judge(tests: &[Test]) -> Vec<Diagnostic> {
    crate::config::route_tests::unknown_reasons(tests, &Reason::labels())
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// In the order of the file.
    pub results: Vec<TestResult>,
    /// What was reached of the configuration.
    pub coverage: Coverage,
}

impl Run {
    /// How many tests failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.results.iter().filter(|result| !result.failures.is_empty()).count()
    }
}

/// What came of one test.
#[derive(Debug)]
pub struct TestResult {
    /// The test's name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// How long it took.
    pub took: Duration,
    /// The rules that took its requests: positions of listener and rule.
    pub reached: Vec<(usize, usize)>,
    /// The routes that took its requests.
    pub routes: Vec<Place>,
    /// Empty when all was as expected.
    pub failures: Vec<Failure>,
}

/// A request that met something else than was expected.
#[derive(Debug)]
pub struct Failure {
    /// Method and URL.
    pub request: String,
    /// What was not as expected; at least one.
    pub mismatches: Vec<Mismatch>,
    /// What became of it, and why; absent when it could not be asked.
    pub explanation: Option<Box<Explanation>>,
}

/// Runs all tests.
#[must_use]
pub fn run(suite: &Suite, snapshot: &Snapshot, wallet: &mut Wallet, moment: Moment) -> Run {
    let mut coverage = Coverage::of(&snapshot.config);
    let mut results = Vec::with_capacity(suite.tests.len());
    for (number, test) in suite.tests.iter().enumerate() {
        let begun = clock::monotonic();
        let (mut failures, mut reached, mut routes) = (Vec::new(), Vec::new(), Vec::new());
        for request in &test.requests {
            match ask(request, test, number, snapshot, wallet, moment) {
                Ok((asked, told)) => {
                    coverage.note(asked.listener(), &told);
                    reached.extend(told.position.map(|rule| (asked.listener(), rule)));
                    routes.extend(told.api.as_ref().map(|step| step.place));
                    failures.extend(failure(request, test, told));
                }
                Err(why) => failures.push(Failure {
                    request: shown(request),
                    mismatches: vec![Mismatch::unaskable(why)],
                    explanation: None,
                }),
            }
        }
        let took = clock::monotonic().saturating_duration_since(begun);
        let (name, span) = (test.name.clone(), test.span);
        results.push(TestResult { name, span, took, reached, routes, failures });
    }
    Run { results, coverage }
}

/// Whether any test would fail; looks no further than the first that does, and first at those that
/// are likely to.
fn notices(
    suite: &Suite,
    run: &Run,
    is_likely: impl Fn(&TestResult) -> bool,
    snapshot: &Snapshot,
    wallet: &mut Wallet,
    moment: Moment,
) -> bool {
    let is_likely = |number: &usize| run.results.get(*number).is_some_and(&is_likely);
    let (likely, others): (Vec<_>, Vec<_>) = (0..suite.tests.len()).partition(is_likely);
    likely.into_iter().chain(others).any(|number| {
        let Some(test) = suite.tests.get(number) else { return false };
        test.requests.iter().any(|request| {
            ask(request, test, number, snapshot, wallet, moment)
                .map_or(true, |(_, told)| !expectation::compare(&test.expect, &told).is_empty())
        })
    })
}

fn ask(
    request: &Request,
    test: &Test,
    number: usize,
    snapshot: &Snapshot,
    wallet: &mut Wallet,
    moment: Moment,
) -> Result<(Asked, Explanation), String> {
    let question = Question {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: test.headers.clone(),
        source: test.source_ip,
        listener: test.listener.clone(),
        is_http2: test.http2,
    };
    let mut asked = question.ask(snapshot).map_err(|why| why.to_string())?;
    wallet.show(number, snapshot, &mut asked, moment).map_err(|why| why.to_string())?;
    let told = explain::explain(snapshot, &asked, moment);
    Ok((asked, told))
}

fn failure(request: &Request, test: &Test, told: Explanation) -> Option<Failure> {
    let mismatches = expectation::compare(&test.expect, &told);
    (!mismatches.is_empty()).then(|| Failure {
        request: shown(request),
        mismatches,
        explanation: Some(Box::new(told)),
    })
}

fn shown(request: &Request) -> String {
    format!("{} {}", request.method, request.url)
}
