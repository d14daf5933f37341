//! What reasons mean, and what to do: the rows of `docs/reasons.md`, so that page and manual say the
//! same.

use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("../../../docs/reasons.md");

/// What a reason means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) what: &'static str,
    /// Empty where the manual has no advice.
    pub(super) advice: &'static str,
}

static MEANINGS: LazyLock<HashMap<&'static str, Meaning>> =
    LazyLock::new(|| TEXT.lines().filter(|line| line.starts_with("| `")).flat_map(row).collect());

/// The meaning of a reason, where the manual has it.
pub(super) fn meaning(reason: &str) -> Option<Meaning> {
    MEANINGS.get(reason).copied()
}

/// `` | `one`, `other` (status) | status | meaning | advice | ``; status and advice may lack.
fn row(line: &'static str) -> impl Iterator<Item = (&'static str, Meaning)> {
    let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
    let names = cells.next().unwrap_or_default();
    let is_status = |cell: &&str| cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let mut texts = cells.filter(|cell| !is_status(cell));
    let what = texts.next().unwrap_or_default();
    let meaning = Meaning { what, advice: texts.next().unwrap_or_default() };
    // Between backticks stands every second piece.
    names.split('`').skip(1).step_by(2).map(move |name| (name, meaning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Reason;

    #[test]
    fn every_reason_to_turn_somebody_away_is_in_the_manual() {
        let served = [
            "authorized",
            "public",
            "redirect",
            "fixed_response",
            "mock",
            "parameters_missing",
            "body_invalid",
            "no_route",
            "preflight",
            "identity_keys",
            "sign_in_begun",
            "signed_in",
            "signed_out",
            "back_channel_logout",
            "client_closed",
        ];
        let labels = Reason::labels();
        let missing: Vec<_> = labels
            .iter()
            .filter(|label| !served.contains(label))
            .filter(|label| meaning(label).is_none_or(|meaning| meaning.what.is_empty()))
            .collect();
        assert!(missing.is_empty(), "docs/reasons.md has no row for {missing:?}");
        let unknown: Vec<_> = MEANINGS.keys().filter(|name| !labels.contains(name)).collect();
        assert!(unknown.is_empty(), "docs/reasons.md tells of {unknown:?}, which there are not");
    }

    #[test]
    fn rows_have_meaning_and_advice() {
        let scope = meaning("scope_missing").unwrap();
        assert_eq!(scope.what, "`scopes` not met");
        assert!(scope.advice.contains("ask for the scope"), "{scope:?}");
        assert_eq!(meaning("authorizer_timeout"), meaning("authorizer_failed"));
    }
}
