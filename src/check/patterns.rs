//! Patterns that no canonical host or path can match: a rule that seems to guard something and
//! never does.

use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::model::{Listener, Located};
use crate::http::{Authority, PathPolicy, Scheme, path};

pub(super) fn judge(listener: &Listener, findings: &mut Vec<Diagnostic>) {
    let policy = listener.path;
    for rule in &listener.rules {
        let (paths, hosts) = (&rule.conditions.path_pattern, &rule.conditions.host_header);
        let dead_paths = paths.iter().filter(|path| !can_match_a_path(&path.value, policy));
        findings.extend(dead_paths.map(|path| {
            let canonical = path::canonical(&path.value, policy).ok();
            let instead = canonical.map(|tidied| tidied.path.into_owned());
            dead(path, "path", instead)
        }));
        let dead_hosts = hosts.iter().filter(|host| !can_match_a_host(&host.value));
        findings.extend(dead_hosts.map(|host| dead(host, "host", None)));
    }
}

fn dead(pattern: &Located<String>, what: &str, instead: Option<String>) -> Diagnostic {
    let help = match instead.filter(|instead| *instead != pattern.value) {
        Some(instead) => format!("write `{instead}`"),
        None if what == "path" => {
            "a path begins with `/` and has neither query, fragment nor dot segments".to_owned()
        }
        None => "a host has neither port, trailing dot nor user name".to_owned(),
    };
    Diagnostic {
        severity: Severity::Error,
        code: "pattern-never-matches",
        message: format!(
            "`{}` can never match: requests are refused or rewritten before they have such a {what}",
            pattern.value
        ),
        span: pattern.span,
        help: Some(help),
        related: Vec::new(),
    }
}

/// Fills the wildcards in harmlessly and asks whether the result is a canonical path.
fn can_match_a_path(pattern: &str, policy: PathPolicy) -> bool {
    if has_open_escape(pattern) || pattern == "*" {
        return true;
    }
    let filled = match pattern.strip_prefix('?') {
        Some(rest) => format!("/{rest}"),
        None if pattern.starts_with('*') => format!("/{pattern}"),
        None => pattern.to_owned(),
    };
    let filled = filled.replace(['*', '?'], "x");
    path::canonical(&filled, policy).is_ok_and(|tidied| tidied.path == filled)
}

/// Whether a wildcard may stand for a digit of an escape.
fn has_open_escape(pattern: &str) -> bool {
    pattern.split('%').skip(1).any(|rest| rest.bytes().take(2).any(|byte| b"*?".contains(&byte)))
}

fn can_match_a_host(pattern: &str) -> bool {
    if pattern.starts_with('[') {
        return true;
    }
    let filled = pattern.to_ascii_lowercase().replace(['*', '?'], "x");
    Authority::parse(filled.as_bytes(), Scheme::Http)
        .is_ok_and(|authority| authority.host() == filled && authority.port().is_none())
}
