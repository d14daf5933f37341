//! `accepted_risks:`: each names a finding that exists, a part of this file, and a reason.

use crate::config::decode::Misspelt;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List, Spanned};
use crate::config::model::Config;
use crate::config::raw;
use crate::config::risk::{AcceptedRisk, Risk};
use crate::config::suggest::did_you_mean;

/// Judges the list against the file that it stands in.
pub(in crate::config) fn accepted_risks(
    raw: &Field<List<raw::AcceptedRisk>>,
    config: &Config,
    misspelt: &Misspelt,
    findings: &mut Vec<Diagnostic>,
) -> Vec<AcceptedRisk> {
    let Some(list) = raw.given() else { return Vec::new() };
    if list.value.is_empty {
        let message = "`accepted_risks` may not be an empty list";
        findings.push(Diagnostic::error("empty-list", list.key, message));
    }
    let places = Places::of(config);
    let mut accepted: Vec<AcceptedRisk> = Vec::new();
    for item in &list.value.items {
        let Some(entry) = entry(item, &places, misspelt, findings) else { continue };
        if accepted.iter().any(|other| (other.risk, &other.place) == (entry.risk, &entry.place)) {
            let message = format!("`{}` is accepted here already", entry.risk.code());
            findings.push(Diagnostic::error("duplicate-value", item.span, message));
        }
        accepted.push(entry);
    }
    accepted
}

fn entry(
    item: &Spanned<raw::AcceptedRisk>,
    places: &Places,
    misspelt: &Misspelt,
    findings: &mut Vec<Diagnostic>,
) -> Option<AcceptedRisk> {
    let raw = &item.value;
    for (field, key) in [(&raw.code, "code"), (&raw.reason, "reason")] {
        if field.is_absent() && !misspelt.has_any(item.span, &[key]) {
            let message = format!("`{key}` is missing here");
            findings.push(Diagnostic::error("missing-key", item.span, message));
        }
    }
    let risk = raw.code.given().and_then(|code| known(code, findings));
    let reason = raw.reason.given().and_then(|reason| worded(reason, findings));
    let place = match raw.place.given() {
        Some(place) => Some(places.check(place, findings)?),
        None if raw.place.is_absent() => None,
        None => return None,
    };
    Some(AcceptedRisk { risk: risk?, place, reason: reason?, span: item.span })
}

fn known(code: &Spanned<String>, findings: &mut Vec<Diagnostic>) -> Option<Risk> {
    let risk = Risk::named(&code.value);
    if risk.is_none() {
        let message = format!("there is no finding `{}`", code.value);
        let codes = Risk::ALL.iter().map(|risk| risk.code());
        let help = did_you_mean(&code.value, codes).unwrap_or_else(|| {
            "`portcullis check --security` prints the code of each finding".to_owned()
        });
        findings.push(Diagnostic::error("unknown-risk", code.span, message).help(help));
    }
    risk
}

/// A reason is shown on one line of a terminal.
fn worded(reason: &Spanned<String>, findings: &mut Vec<Diagnostic>) -> Option<String> {
    let text = reason.value.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        let message = "a reason is one line of text";
        findings.push(Diagnostic::error("invalid-value", reason.span, message));
        return None;
    }
    Some(text.to_owned())
}

/// What a risk can be accepted of.
struct Places {
    /// Listeners, APIs, target groups and user pools.
    parts: Vec<String>,
    /// Listener and rule.
    rules: Vec<(String, String)>,
}

impl Places {
    fn of(config: &Config) -> Self {
        let mut parts = Vec::new();
        let mut rules = Vec::new();
        for listener in &config.listeners {
            parts.push(listener.name.to_string());
            for rule in listener.rules.iter().chain([&listener.default_rule]) {
                rules.push((listener.name.to_string(), rule.name.to_string()));
            }
        }
        parts.extend(config.apis.iter().map(|api| api.name.to_string()));
        parts.extend(config.target_groups.iter().map(|group| group.name.to_string()));
        parts.extend(config.user_pools.iter().map(|pool| pool.name.to_string()));
        Self { parts, rules }
    }

    /// A name of one part only: else more would be accepted than was looked at.
    fn check(&self, place: &Spanned<String>, findings: &mut Vec<Diagnostic>) -> Option<String> {
        let text = &place.value;
        if self.parts.contains(text) || self.rules.iter().any(|rule| full(rule) == *text) {
            return Some(text.clone());
        }
        let mut named = self.rules.iter().filter(|(_, name)| name == text);
        match (named.next(), named.next()) {
            (Some(rule), None) => return Some(full(rule)),
            (Some(one), Some(other)) => {
                let message = format!("several rules are called `{text}`");
                let help = format!("write `{}` or `{}`", full(one), full(other));
                findings.push(Diagnostic::error("ambiguous-name", place.span, message).help(help));
            }
            (None, _) => {
                let message = format!("nothing in this file is called `{text}`");
                let rules = self.rules.iter().map(|(_, name)| name.as_str());
                let names = self.parts.iter().map(String::as_str).chain(rules);
                let mut finding = Diagnostic::error("unknown-name", place.span, message);
                finding.help = did_you_mean(text, names);
                findings.push(finding);
            }
        }
        None
    }
}

fn full((listener, rule): &(String, String)) -> String {
    format!("{listener}/{rule}")
}
