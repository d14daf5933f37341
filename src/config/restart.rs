//! What a reload cannot change.

use super::diagnostics::Diagnostic;
use super::model::Config;

/// One error for each change that needs a restart; empty when `next` can be taken over while
/// running. Places are in the file of `next`.
#[must_use]
pub fn needs_restart(running: &Config, next: &Config) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut refuse = |span, message: String| {
        findings.push(
            Diagnostic::error("needs-restart", span, message)
                .help("restart to apply it; until then the running configuration stays"),
        );
    };
    let nowhere = super::diagnostics::Span::default();
    for listener in &next.listeners {
        match running.listeners.iter().find(|old| old.name == listener.name) {
            None => refuse(listener.span, format!("listener `{}` is new", listener.name)),
            Some(old) if old.address != listener.address => refuse(
                listener.span,
                format!(
                    "listener `{}` moves from {} to {}",
                    listener.name, old.address, listener.address
                ),
            ),
            Some(_) => {}
        }
    }
    for old in &running.listeners {
        if !next.listeners.iter().any(|listener| listener.name == old.name) {
            refuse(nowhere, format!("listener `{}` is gone", old.name));
        }
    }
    if running.admin.address != next.admin.address {
        let (old, new) = (running.admin.address, next.admin.address);
        refuse(nowhere, format!("`admin.address` changes from {old} to {new}"));
    }
    if running.admin.token != next.admin.token {
        refuse(nowhere, "`admin.token` changes".to_owned());
    }
    if running.threads != next.threads {
        refuse(nowhere, "`threads` changes".to_owned());
    }
    if running.memory_limit != next.memory_limit {
        refuse(nowhere, "`memory_limit` changes".to_owned());
    }
    if running.state_directory != next.state_directory {
        refuse(nowhere, "`state_directory` changes".to_owned());
    }
    findings
}
