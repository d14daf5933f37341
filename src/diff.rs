//! What changes in meaning from one configuration to another.
//!
//! Two ways lead there. `settings` lays everything that both files mean side by side, defaults
//! filled in, so no change is missed. `probes` has requests made from the conditions of both decided
//! by both, so that what a changed order does to a rule that did not change is seen too: above all
//! that something became open to everybody.
//!
//! Spelling, comments and the order of keys are no change. Contents of certificates and secrets are
//! not looked at.

mod apis;
mod fate;
mod json;
mod order;
mod probes;
pub mod replay;
mod route_probes;
mod settings;
mod text;

#[cfg(test)]
mod tests;

pub use self::fate::{Fate, RouteFate, Shift, ShiftKind};
pub use self::json::to_json;
pub use self::order::Moved;
pub use self::settings::Setting;
pub use self::text::render;

use serde_json::{Map, Value};

use crate::admin::config::redacted;
use crate::config::model::{Config, Listener, Rule};
use crate::engine::Moment;
use crate::snapshot::Snapshot;

/// What is different.
#[derive(Debug, Default)]
pub struct Difference {
    /// Requests that meet something else, the gravest first.
    pub shifts: Vec<Shift>,
    /// Listeners, APIs, target groups and user pools.
    pub parts: Vec<Part>,
    /// Everything that belongs to no part.
    pub settings: Vec<Setting>,
}

/// A listener, an API, a target group, a user pool; or a rule, or a route.
#[derive(Debug)]
pub struct Part {
    /// `listener`, `API`, `target group`, `user pool`, `rule`, `route`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub change: PartChange,
    /// What a rule or a route does that came or went; else empty.
    pub about: String,
    /// Rules of a listener.
    pub rules: Vec<Self>,
    /// Routes of an API.
    pub routes: Vec<Self>,
    /// Rules that stand elsewhere than before.
    pub moved: Vec<Moved>,
}

/// What became of a part.
#[derive(Debug)]
pub enum PartChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has other settings; none, where only its rules changed.
    Changed(Vec<Setting>),
}

impl Part {
    fn new(kind: &'static str, name: &str, change: PartChange) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            change,
            about: String::new(),
            rules: Vec::new(),
            routes: Vec::new(),
            moved: Vec::new(),
        }
    }
}

impl Difference {
    /// Whether both mean the same.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.shifts.is_empty() && self.parts.is_empty() && self.settings.is_empty()
    }

    /// Whether somebody gets in without saying who he is, where he had to before.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.shifts.iter().any(|shift| shift.kind == ShiftKind::Opened)
    }
}

/// Compares two configurations.
#[must_use]
pub fn compare(old: &Snapshot, new: &Snapshot, moment: Moment) -> Difference {
    let (mut before, mut after) = (redacted(&old.config), redacted(&new.config));
    let mut parts = Vec::new();
    for (key, kind) in [("user_pools", "user pool"), ("target_groups", "target group")] {
        parts.extend(named(kind, &take(&mut before, key), &take(&mut after, key)));
    }
    let listeners = (take(&mut before, "listeners"), take(&mut after, "listeners"));
    parts.extend(self::listeners(&old.config, &new.config, listeners));
    let of_both = (take(&mut before, "apis"), take(&mut after, "apis"));
    parts.extend(apis::compare(&old.config, &new.config, of_both));
    // What all rules add up to.
    for side in [&mut before, &mut after] {
        take(side, "owned_headers");
    }
    Difference {
        shifts: probes::compare(old, new, moment),
        parts,
        settings: settings::compare(&before, &after),
    }
}

fn take(object: &mut Value, key: &str) -> Map<String, Value> {
    match object.as_object_mut().and_then(|object| object.remove(key)) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Parts by name: those that went, those that changed, those that came.
fn named(kind: &'static str, old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Part> {
    let part = |name: &str, change| Part::new(kind, name, change);
    let mut parts = Vec::new();
    for (name, before) in old {
        match new.get(name) {
            None => parts.push(part(name, PartChange::Removed)),
            Some(after) => {
                let settings = settings::compare(before, after);
                if !settings.is_empty() {
                    parts.push(part(name, PartChange::Changed(settings)));
                }
            }
        }
    }
    let added = new.keys().filter(|name| !old.contains_key(*name));
    parts.extend(added.map(|name| part(name, PartChange::Added)));
    parts
}

fn listeners(
    old: &Config,
    new: &Config,
    (mut before, mut after): (Map<String, Value>, Map<String, Value>),
) -> Vec<Part> {
    let mut rules = Vec::new();
    for listener in &old.listeners {
        let later = new.listeners.iter().find(|later| later.name == listener.name);
        let sides = (
            before.get_mut(&*listener.name).map(|side| rules_of(side, old)).unwrap_or_default(),
            after.get_mut(&*listener.name).map(|side| rules_of(side, new)).unwrap_or_default(),
        );
        let Some(later) = later else { continue };
        let mut changed = named("rule", &sides.0, &sides.1);
        for part in &mut changed {
            let (of, config) = match part.change {
                PartChange::Added => (later, new),
                PartChange::Removed => (listener, old),
                PartChange::Changed(_) => continue,
            };
            let rule = of.rules.iter().find(|rule| *rule.name == *part.name);
            part.about = rule.map(|rule| about(rule, config)).unwrap_or_default();
        }
        let moved = order::moved(&names(listener), &names(later));
        rules.push((listener.name.to_string(), changed, moved));
    }
    for listener in &new.listeners {
        if !old.listeners.iter().any(|other| other.name == listener.name) {
            let all = listener.rules.iter().chain(std::iter::once(&listener.default_rule));
            let added = all.map(|rule| added(rule, new)).collect();
            rules.push((listener.name.to_string(), added, Vec::new()));
        }
    }
    let mut parts = named("listener", &before, &after);
    for (name, rules, moved) in rules {
        if rules.is_empty() && moved.is_empty() {
            continue;
        }
        if let Some(part) = parts.iter_mut().find(|part| part.name == name) {
            (part.rules, part.moved) = (rules, moved);
        } else {
            let part = Part::new("listener", &name, PartChange::Changed(Vec::new()));
            parts.push(Part { rules, moved, ..part });
        }
    }
    parts
}

fn added(rule: &Rule, config: &Config) -> Part {
    let part = Part::new("rule", &rule.name, PartChange::Added);
    Part { about: about(rule, config), ..part }
}

/// What a rule does.
fn about(rule: &Rule, config: &Config) -> String {
    let asks = if rule.is_protected() { "asks who is calling, then: " } else { "" };
    format!("{asks}{}", fate::action(rule, config))
}

fn names(listener: &Listener) -> Vec<&str> {
    listener.rules.iter().map(|rule: &Rule| &*rule.name).collect()
}

/// Takes the rules out of a listener, by name, without what they have in common or what says only
/// where they stand.
fn rules_of(listener: &mut Value, config: &Config) -> Map<String, Value> {
    let Some(listener) = listener.as_object_mut() else { return Map::new() };
    let rules = match listener.remove("rules") {
        Some(Value::Array(rules)) => rules,
        _ => Vec::new(),
    };
    let common = redacted_claim_headers(config);
    rules
        .into_iter()
        .chain(listener.remove("default_action"))
        .filter_map(|mut rule| {
            let fields = rule.as_object_mut()?;
            fields.remove("priority");
            if let Some(Value::Object(headers)) = fields.get_mut("claim_headers") {
                headers.retain(|name, value| common.get(name) != Some(value));
            }
            let name = fields.remove("name")?.as_str()?.to_owned();
            Some((name, rule))
        })
        .collect()
}

fn redacted_claim_headers(config: &Config) -> Map<String, Value> {
    take(&mut redacted(config), "claim_headers")
}
