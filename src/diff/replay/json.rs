//! A replay as a program reads it.

use serde_json::{Value, json};

use super::{Change, ChangeKind, Fate, Replay};

/// One object; all lists are there, empty where nothing changed.
#[must_use]
pub fn to_json(replay: &Replay) -> Value {
    let left_out = replay.left_out.iter();
    json!({
        "opens": replay.opens(),
        "requests": replay.requests,
        "changes": replay.changes.iter().map(change).collect::<Vec<_>>(),
        "left_out": left_out
            .map(|(why, count)| json!({ "why": why, "count": count }))
            .collect::<Vec<_>>(),
        "decided_otherwise_when_recorded": replay.drifted,
        "notes": replay.notes,
    })
}

fn change(change: &Change) -> Value {
    json!({
        "change": match change.kind {
            ChangeKind::Opened => "opened",
            ChangeKind::LetIn => "let_in",
            ChangeKind::TurnedAway => "turned_away",
            ChangeKind::NotServed => "not_served",
            ChangeKind::Served => "served",
            ChangeKind::Elsewhere => "elsewhere",
            ChangeKind::Other => "other",
            ChangeKind::OtherRule => "other_rule",
        },
        "listener": change.listener,
        "count": change.count,
        "credential_not_judged": change.unsure,
        "example": change.example.0,
        "request_id": change.example.1,
        "old": fate(&change.old),
        "new": fate(&change.new),
    })
}

fn fate(fate: &Fate) -> Value {
    json!({ "place": fate.place, "end": fate.end, "sent": fate.sent })
}
