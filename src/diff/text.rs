//! A difference as a person reads it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Difference, Fate, Part, PartChange, Setting, Shift, ShiftKind};
use crate::explain::paint::{Ink, ink};

/// Writes it; nothing at all when there is no difference.
#[must_use]
pub fn render(difference: &Difference, color: bool) -> String {
    let mut page = Page { text: String::new(), color };
    for (kind, title, title_ink) in [
        (ShiftKind::Opened, "open to everybody now:", Ink::Bad),
        (ShiftKind::Exposed, "reaches a target now, and nobody is asked who calls:", Ink::Strong),
        (ShiftKind::Loosened, "demands less of callers now:", Ink::Bad),
        (ShiftKind::Closed, "asks who is calling now:", Ink::Good),
        (ShiftKind::Changed, "requests that meet something else:", Ink::Strong),
    ] {
        let shifts: Vec<_> = difference.shifts.iter().filter(|shift| shift.kind == kind).collect();
        if !shifts.is_empty() {
            page.title(title, title_ink);
            shifts.into_iter().for_each(|shift| page.shift(shift));
        }
    }
    if !difference.parts.is_empty() || !difference.settings.is_empty() {
        page.title("settings:", Ink::Strong);
    }
    for part in &difference.parts {
        page.part(part, 1);
    }
    for setting in &difference.settings {
        page.setting(setting, 1);
    }
    page.text
}

struct Page {
    text: String,
    color: bool,
}

impl Page {
    // Writing to a text cannot fail.
    fn line(&mut self, depth: usize, line: &str) {
        let _ = writeln!(self.text, "{:width$}{line}", "", width = depth * 2);
    }

    fn title(&mut self, title: &str, title_ink: Ink) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let title = ink(self.color, title_ink, title);
        self.line(0, &title);
    }

    fn shift(&mut self, shift: &Shift) {
        let more = match shift.count {
            1 => String::new(),
            count => format!(" (and {} more of the requests that were tried)", count - 1),
        };
        let line = format!("{} on listener `{}`{more}", clean(&shift.example), shift.listener);
        self.line(1, &line);
        let (was, is) = (fate(&shift.old), fate(&shift.new));
        self.line(2, &format!("was  {was}"));
        self.line(2, &format!("is   {is}"));
    }

    fn part(&mut self, part: &Part, depth: usize) {
        let title = format!("{} `{}`", part.kind, clean(&part.name));
        let (sign, sign_ink) = match &part.change {
            PartChange::Added => ("+", Ink::Good),
            PartChange::Removed => ("-", Ink::Bad),
            PartChange::Changed(_) => ("~", Ink::Strong),
        };
        let sign = ink(self.color, sign_ink, sign);
        let about = match part.about.as_str() {
            "" => String::new(),
            about => format!("  {about}"),
        };
        self.line(depth, &format!("{sign} {title}{about}"));
        if let PartChange::Changed(settings) = &part.change {
            for setting in settings {
                self.setting(setting, depth + 2);
            }
        }
        for inner in part.rules.iter().chain(&part.routes) {
            self.part(inner, depth + 2);
        }
        for moved in &part.moved {
            let place = match &moved.behind {
                Some(rule) => format!("is tried after `{}` now", clean(rule)),
                None => "is tried first now".to_owned(),
            };
            let sign = ink(self.color, Ink::Strong, ">");
            self.line(depth + 2, &format!("{sign} rule `{}` {place}", clean(&moved.rule)));
        }
    }

    fn setting(&mut self, setting: &Setting, depth: usize) {
        let path = &setting.path;
        let weaker =
            if setting.is_weaker { ink(self.color, Ink::Bad, "  weaker") } else { String::new() };
        let change = match (&setting.old, &setting.new) {
            (Value::Array(old), Value::Array(new)) => items(old, new),
            (old, new) => format!("{} -> {}", shown(old), shown(new)),
        };
        self.line(depth, &format!("{path}: {change}{weaker}"));
    }
}

/// `rule \`orders\`: asks who is calling, then: forward to orders`, or the route of an API so.
fn fate(fate: &Fate) -> String {
    let end = &fate.end;
    let (place, demand) = match (&fate.route, &fate.rule) {
        (Some(route), _) => {
            let place = format!("route `{}` of API `{}`", clean(&route.key), route.api);
            (place, clean(&route.demand))
        }
        (None, rule) => {
            let place =
                rule.as_deref().map_or_else(|| "no rule".to_owned(), |r| format!("rule `{r}`"));
            let asks = if fate.asks { "asks who is calling" } else { "" };
            (place, asks.to_owned())
        }
    };
    if demand.is_empty() {
        format!("{place}: {end}")
    } else {
        format!("{place}: {demand}, then: {end}")
    }
}

/// What came and what went, or both lists where only the order changed.
fn items(old: &[Value], new: &[Value]) -> String {
    let gone =
        old.iter().filter(|item| !new.contains(item)).map(|item| format!("-{}", shown(item)));
    let came =
        new.iter().filter(|item| !old.contains(item)).map(|item| format!("+{}", shown(item)));
    let changes: Vec<_> = gone.chain(came).collect();
    if changes.is_empty() {
        let whole = |list: &[Value]| shown(&Value::Array(list.to_vec()));
        return format!("{} -> {}", whole(old), whole(new));
    }
    changes.join(" ")
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(object) if object.len() == 1 => {
            let demand = object.iter().map(|(key, value)| (key.replace('_', " "), shown(value)));
            demand.map(|(key, value)| format!("{key} {value}")).collect()
        }
        Value::Object(object) => {
            let given = object.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<_> =
                given.map(|(key, value)| format!("{key}: {}", shown(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    };
    clean(&text)
}

/// What came from a file must not play with the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
