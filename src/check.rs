//! What can be said against a configuration that is right in itself.
//!
//! Reading the file finds what is wrong with it; this finds what is surely or probably not meant.
//! No file or socket is opened here.

pub mod aws_quotas;
mod openings;
mod patterns;
mod rules;
pub mod security;

use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::model::{Config, Rule};
use crate::routing::RuleTable;

/// Judges a whole configuration. Findings are in the order of the listeners, and of the rules of
/// each as far as one kind of finding goes.
#[must_use]
pub fn judge(config: &Config) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for listener in &config.listeners {
        let table = RuleTable::compile(&listener.rules);
        patterns::judge(listener, &mut findings);
        rules::judge(listener, &table, &mut findings);
        openings::judge(listener, &table, &mut findings);
    }
    for api in config.apis.iter().filter(|api| !api.is_strict) {
        openings::judge_api(api, &mut findings);
    }
    openings::judge_api_keys(config, &mut findings);
    findings
}

fn finding(severity: Severity, code: &'static str, rule: &Rule, message: String) -> Diagnostic {
    let (span, related) = (rule.span, Vec::new());
    Diagnostic { severity, code, message, span, help: None, related }
}

#[cfg(test)]
mod tests;
