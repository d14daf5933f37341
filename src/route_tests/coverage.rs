//! Which rules the tests reached, and which verdicts of theirs.

use crate::config::diagnostics::Span;
use crate::config::model::{Config, Name};
use crate::engine::Reason;
use crate::explain::Explanation;

/// What tests reached of a configuration.
#[derive(Debug)]
pub struct Coverage {
    /// Each listener's rules in order, its default rule as the last.
    listeners: Vec<Vec<RuleCoverage>>,
}

/// What tests reached of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCoverage {
    /// Its listener.
    pub listener: Name,
    /// Its name.
    pub rule: Name,
    /// Where it stands.
    pub span: Span,
    /// Whether it asks who calls.
    pub is_protected: bool,
    /// Requests that it took.
    pub reached: usize,
    /// Of those, requests whose caller it refused.
    pub refused: usize,
}

impl Coverage {
    pub(super) fn of(config: &Config) -> Self {
        let listeners = config.listeners.iter().map(|listener| {
            let rules = listener.rules.iter().chain(std::iter::once(&listener.default_rule));
            rules
                .map(|rule| RuleCoverage {
                    listener: listener.name.clone(),
                    rule: rule.name.clone(),
                    span: rule.span,
                    is_protected: rule.is_protected(),
                    reached: 0,
                    refused: 0,
                })
                .collect()
        });
        Self { listeners: listeners.collect() }
    }

    pub(super) fn note(&mut self, listener: usize, told: &Explanation) {
        let rules = self.listeners.get_mut(listener);
        let rule = rules.zip(told.position).and_then(|(rules, rule)| rules.get_mut(rule));
        if let Some(rule) = rule {
            rule.reached += 1;
            let is_kept_out = matches!(told.reason, Reason::Auth(_) | Reason::SignIn(_));
            rule.refused += usize::from(is_kept_out);
        }
    }

    /// All rules.
    pub fn rules(&self) -> impl Iterator<Item = &RuleCoverage> {
        self.listeners.iter().flatten()
    }

    /// Rules that no test reached.
    pub fn unreached(&self) -> impl Iterator<Item = &RuleCoverage> {
        self.rules().filter(|rule| rule.reached == 0)
    }

    /// Protected rules that tests reached and that refused nobody: that they are protected is not
    /// tested.
    pub fn never_refused(&self) -> impl Iterator<Item = &RuleCoverage> {
        self.rules().filter(|rule| rule.is_protected && rule.reached > 0 && rule.refused == 0)
    }

    /// How many in a hundred rules were reached.
    #[must_use]
    pub fn percentage(&self) -> usize {
        let all = self.rules().count();
        let reached = all - self.unreached().count();
        (reached * 100).checked_div(all).unwrap_or(100)
    }
}
