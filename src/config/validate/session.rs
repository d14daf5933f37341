//! `session_keys:`, the secrets that seal cookies.

use super::Judge;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List};
use crate::config::model::Secret;
use crate::config::raw;

/// Shorter secrets could be guessed.
const SHORTEST: usize = 32;
/// Each cookie that is not ours may cost a try with every key.
const MOST: usize = 8;

impl Judge<'_> {
    pub(super) fn session_keys(&mut self, raw: &Field<List<raw::SecretText>>) -> Vec<Secret> {
        let Some(list) = raw.given() else { return Vec::new() };
        if list.value.is_empty {
            let message = "`session_keys` may not be an empty list";
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        if let Some(item) = list.value.items.get(MOST) {
            let message = format!("there are more than {MOST} session keys");
            self.report(Diagnostic::error("out-of-range", item.span, message));
        }
        let mut keys: Vec<Secret> = Vec::with_capacity(list.value.items.len());
        for item in &list.value.items {
            let Some(key) = self.secret(item) else { continue };
            // Secrets are not looked at in a portable check: all are empty then.
            if self.ground.surroundings.is_some() && key.expose().len() < SHORTEST {
                let message = format!("a session key needs {SHORTEST} bytes or more");
                self.report(
                    Diagnostic::error("short-session-key", item.span, message)
                        .help("`openssl rand -base64 32` makes a good one"),
                );
            } else if self.ground.surroundings.is_some() && keys.contains(&key) {
                let message = "this session key is listed twice";
                self.report(Diagnostic::error("duplicate-value", item.span, message));
            }
            keys.push(key);
        }
        keys
    }
}
