//! A difference as a program reads it.

use serde_json::{Value, json};

use super::{Difference, Fate, Part, PartChange, Setting, Shift, ShiftKind};

/// One object; all lists are there, empty where nothing changed.
#[must_use]
pub fn to_json(difference: &Difference) -> Value {
    json!({
        "opens": difference.opens(),
        "requests": difference.shifts.iter().map(shift).collect::<Vec<_>>(),
        "parts": difference.parts.iter().map(part).collect::<Vec<_>>(),
        "settings": difference.settings.iter().map(setting).collect::<Vec<_>>(),
    })
}

fn shift(shift: &Shift) -> Value {
    json!({
        "change": match shift.kind {
            ShiftKind::Opened => "opened",
            ShiftKind::Exposed => "exposed",
            ShiftKind::Loosened => "loosened",
            ShiftKind::Closed => "closed",
            ShiftKind::Changed => "changed",
        },
        "listener": *shift.listener,
        "example": shift.example,
        "count": shift.count,
        "old": fate(&shift.old),
        "new": fate(&shift.new),
    })
}

fn fate(fate: &Fate) -> Value {
    let route = fate.route.as_ref();
    json!({
        "rule": fate.rule.as_deref(),
        "api": route.map(|route| &*route.api),
        "route": route.map(|route| &*route.key),
        "demand": route.map(|route| &route.demand),
        "asks": fate.asks,
        "end": fate.end,
    })
}

fn part(part: &Part) -> Value {
    let (change, settings) = match &part.change {
        PartChange::Added => ("added", &[][..]),
        PartChange::Removed => ("removed", &[][..]),
        PartChange::Changed(settings) => ("changed", settings.as_slice()),
    };
    let moved =
        part.moved.iter().map(|moved| json!({ "rule": moved.rule, "behind": moved.behind }));
    json!({
        "kind": part.kind,
        "name": part.name,
        "change": change,
        "about": part.about,
        "settings": settings.iter().map(setting).collect::<Vec<_>>(),
        "rules": part.rules.iter().map(self::part).collect::<Vec<_>>(),
        "routes": part.routes.iter().map(self::part).collect::<Vec<_>>(),
        "moved": moved.collect::<Vec<_>>(),
    })
}

fn setting(setting: &Setting) -> Value {
    json!({
        "path": setting.path,
        "old": setting.old,
        "new": setting.new,
        "weaker": setting.is_weaker,
    })
}
