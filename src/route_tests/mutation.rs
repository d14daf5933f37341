//! Would the tests notice? Weakens the file in one place at a time and runs them again.
//!
//! A change that no test notices is something that the file says and nobody checks: a rule or a
//! route that may lose its protection, a condition that may go. The changes are made to what the
//! file means, never to its text.

mod demand;
mod route;
mod rule;

use super::{Run, Suite, TestResult, Wallet, notices};
use crate::config::diagnostics::Span;
use crate::config::model::{Action, Config, Name};
use crate::engine::Moment;
use crate::explain::SignerError;
use crate::routing::RuleTable;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

/// What came of all changes.
#[derive(Debug)]
pub struct Mutation {
    /// How many changes were tried.
    pub tried: usize,
    /// Those that no test noticed, in file order: of rules, then of routes.
    pub survivors: Vec<Mutant>,
}

/// A change that can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// `rule ... did not ...`: goes on after "if".
    pub what: String,
    /// The OpenAPI file that says it; absent where it is the configuration itself.
    pub file: Option<Name>,
    /// The rule, or the route.
    pub span: Span,
}

/// Tries every change that makes sense. All tests pass as it is: `run` says so.
///
/// # Errors
///
/// See [`SignerError`].
pub fn mutate(
    suite: &Suite,
    run: &Run,
    snapshot: &Snapshot,
    wallet: &mut Wallet,
    metrics: &Metrics,
    moment: Moment,
) -> Result<Mutation, SignerError> {
    let mutation = Mutation { tried: 0, survivors: Vec::new() };
    let mut trial = Trial { suite, run, snapshot, wallet, metrics, moment, mutation };
    trial.rules()?;
    trial.apis()?;
    Ok(trial.mutation)
}

/// All that trying takes, and what came of it so far.
struct Trial<'a> {
    suite: &'a Suite,
    run: &'a Run,
    snapshot: &'a Snapshot,
    wallet: &'a mut Wallet,
    metrics: &'a Metrics,
    moment: Moment,
    mutation: Mutation,
}

impl Trial<'_> {
    fn rules(&mut self) -> Result<(), SignerError> {
        let config = &self.snapshot.config;
        for (number, listener) in config.listeners.iter().enumerate() {
            let table = RuleTable::compile(&listener.rules);
            let rules = listener.rules.iter().chain(std::iter::once(&listener.default_rule));
            for (position, rule) in rules.enumerate() {
                for change in rule::changes(rule, position, &table, config) {
                    let mut changed = config.clone();
                    rule::apply(change, &mut changed, number, position);
                    let is_likely =
                        |result: &TestResult| result.reached.contains(&(number, position));
                    self.attempt(changed, is_likely, || Mutant {
                        what: rule::tell(change, rule, listener, config),
                        file: None,
                        span: rule.span,
                    })?;
                }
            }
        }
        Ok(())
    }

    fn apis(&mut self) -> Result<(), SignerError> {
        let config = &self.snapshot.config;
        for (number, api) in config.apis.iter().enumerate() {
            // Of an API that no rule leads to nothing can be noticed, and nothing is lost.
            if !is_led_to(config, number) {
                continue;
            }
            if api.policy.is_some() {
                let mut changed = config.clone();
                if let Some(api) = changed.apis.get_mut(number) {
                    api.policy = None;
                }
                let is_likely =
                    |result: &TestResult| result.routes.iter().any(|place| place.api == number);
                self.attempt(changed, is_likely, || Mutant {
                    what: format!("API `{}` had no policy", api.name),
                    file: None,
                    span: api.span,
                })?;
            }
            for (position, route) in api.routes.iter().enumerate() {
                for change in route::changes(route, api, config) {
                    let mut changed = config.clone();
                    route::apply(change, &mut changed, number, position);
                    let is_it = |place: &crate::api::Place| {
                        place.api == number && place.route == Some(position)
                    };
                    let is_likely = |result: &TestResult| result.routes.iter().any(is_it);
                    self.attempt(changed, is_likely, || Mutant {
                        what: route::tell(change, route, api, config),
                        file: route.file.clone(),
                        span: route.span,
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Runs the tests with a changed file.
    fn attempt(
        &mut self,
        changed: Config,
        is_likely: impl Fn(&TestResult) -> bool,
        mutant: impl FnOnce() -> Mutant,
    ) -> Result<(), SignerError> {
        let changed = Snapshot::compile(changed, Some(self.snapshot), self.metrics);
        self.wallet.introduce(&changed, self.moment)?;
        self.mutation.tried += 1;
        if !notices(self.suite, self.run, is_likely, &changed, self.wallet, self.moment) {
            self.mutation.survivors.push(mutant());
        }
        Ok(())
    }
}

/// Whether any rule leads to an API.
pub(super) fn is_led_to(config: &Config, api: usize) -> bool {
    let mut rules = config
        .listeners
        .iter()
        .flat_map(|listener| listener.rules.iter().chain(std::iter::once(&listener.default_rule)));
    rules.any(|rule| matches!(rule.action, Action::Api(index) if index.0 == api))
}
