//! An explanation as a program reads it.

use serde_json::{Map, Value, json};

use super::{ApiStep, Check, Explanation, Forwarding, Outcome, RuleStep, State, Verdict};
use crate::answer::Answer;

/// One object; keys that say nothing are `null`, lists are never absent.
#[must_use]
pub fn to_json(explanation: &Explanation) -> Value {
    let canonical = explanation.canonical.as_ref();
    let alb = explanation.error_reason;
    json!({
        "listener": *explanation.listener,
        "method": explanation.method,
        "target": explanation.target,
        "client": explanation.client.to_string(),
        "host": canonical.map(|canonical| &canonical.authority),
        "path": canonical.map(|canonical| &canonical.path),
        "query": canonical.and_then(|canonical| canonical.query.as_ref()),
        "rules": explanation.rules.iter().map(rule).collect::<Vec<_>>(),
        "rules_not_looked_at": explanation.unseen,
        "rule": explanation.rule.as_deref(),
        "reason": explanation.reason.as_str(),
        "error_reason": (!alb.is_empty()).then_some(alb),
        "api": explanation.api.as_ref().map(api),
        "jwt_validation": explanation.checks.iter().map(check).collect::<Vec<_>>(),
        "outcome": outcome(&explanation.outcome),
        "notes": explanation.notes,
    })
}

fn api(step: &ApiStep) -> Value {
    json!({
        "name": *step.name,
        "type": step.kind,
        "path": step.path,
        "route": step.route.as_deref(),
        "authorizer": step.authorizer.as_deref(),
    })
}

fn rule(step: &RuleStep) -> Value {
    let missed = match &step.verdict {
        Verdict::Taken => None,
        Verdict::Missed(missed) => Some(json!({
            "condition": missed.condition,
            "subject": missed.subject,
            "wanted": missed.wanted,
            "found": missed.found,
        })),
    };
    json!({
        "name": *step.name,
        "line": step.line,
        "takes_it": missed.is_none(),
        "missed": missed,
    })
}

fn check(check: &Check) -> Value {
    let state = match check.state {
        State::Held => "held",
        State::Failed => "failed",
        State::NotMade => "not_made",
    };
    json!({
        "check": check.what.as_str(),
        "state": state,
        "wanted": check.wanted,
        "found": (check.state != State::NotMade).then_some(&check.found),
    })
}

fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Forward(forwarding) => forward(forwarding),
        Outcome::Answer(answer) => answered(answer),
        Outcome::Asks(what) => json!({ "action": "ask", "first": what }),
    }
}

fn forward(forwarding: &Forwarding) -> Value {
    let group = |(name, weight): &(crate::config::model::Name, u16)| json!({ "name": **name, "weight": weight });
    let names = |name: &::http::HeaderName| name.as_str().to_owned();
    let set = forwarding.set.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    json!({
        "action": "forward",
        "target_groups": forwarding.groups.iter().map(group).collect::<Vec<_>>(),
        "target": forwarding.target,
        "host": forwarding.host,
        "rewritten": forwarding.is_rewritten,
        "headers_set": headers(set),
        "headers_removed": forwarding.removed.iter().map(names).collect::<Vec<_>>(),
        "token_withheld": forwarding.withheld.is_some(),
        "in_session": forwarding.in_session,
        "identity_assertion": forwarding.is_vouched_for,
    })
}

fn answered(answer: &Answer) -> Value {
    let all = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    json!({ "action": "answer", "status": answer.status, "headers": headers(all) })
}

/// Each name with the list of its values.
fn headers<'a>(all: impl Iterator<Item = (&'a str, &'a [u8])>) -> Value {
    let mut map = Map::new();
    for (name, value) in all {
        let value = Value::from(String::from_utf8_lossy(value).into_owned());
        match map.get_mut(name) {
            Some(Value::Array(values)) => values.push(value),
            _ => drop(map.insert(name.to_owned(), Value::Array(vec![value]))),
        }
    }
    Value::Object(map)
}
