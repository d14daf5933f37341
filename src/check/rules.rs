//! Rules that can never match, and rules that make every request dear.

use super::finding;
use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::model::Listener;
use crate::routing::RuleTable;

/// Comparing this many rules one by one is nothing beside the rest of a request.
const MAX_WALK: usize = 64;

pub(super) fn judge(listener: &Listener, table: &RuleTable, findings: &mut Vec<Diagnostic>) {
    for (dead, front) in table.unreachable() {
        if let (Some(dead), Some(front)) = (listener.rules.get(dead), listener.rules.get(front)) {
            let (name, other) = (&dead.name, &front.name);
            let message = format!(
                "rule `{name}` can never match: rule `{other}` in front of it takes every request \
                 that it could"
            );
            findings.push(Diagnostic {
                help: Some(format!("move `{name}` in front of `{other}`, or narrow `{other}`")),
                related: vec![(front.span, "the rule in front".to_owned())],
                ..finding(Severity::Error, "unreachable-rule", dead, message)
            });
        }
    }
    let walk = table.longest_walk();
    if walk > MAX_WALK {
        let name = &listener.name;
        findings.push(Diagnostic {
            severity: Severity::Warning,
            code: "residual-rules",
            message: format!(
                "a request to listener `{name}` may have to be compared with {walk} rules one by one"
            ),
            span: listener.span,
            help: Some(
                "begin their `path_pattern` with literal text, or give them a `host_header` that \
                 ends in a literal domain"
                    .to_owned(),
            ),
            related: Vec::new(),
        });
    }
}
