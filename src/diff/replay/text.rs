//! A replay as a person reads it.

use std::fmt::Write as _;

use super::{Change, ChangeKind, Fate, Replay};
use crate::diff::text::clean;
use crate::explain::paint::{Ink, ink};

const TITLES: [(ChangeKind, &str, Ink); 8] = [
    (ChangeKind::Opened, "reach a target without proof of who calls, and were refused:", Ink::Bad),
    (ChangeKind::LetIn, "are let in, and were refused:", Ink::Bad),
    (ChangeKind::TurnedAway, "are refused, and were let in:", Ink::Bad),
    (ChangeKind::NotServed, "are answered by the gateway, and reached a target:", Ink::Bad),
    (ChangeKind::Served, "reach a target, and were answered by the gateway:", Ink::Strong),
    (ChangeKind::Elsewhere, "reach another target, or in another spelling:", Ink::Strong),
    (ChangeKind::Other, "meet something else:", Ink::Strong),
    (ChangeKind::OtherRule, "meet the same by another rule:", Ink::Faint),
];

/// Writes it.
#[must_use]
pub fn render(replay: &Replay, color: bool) -> String {
    let mut text = String::new();
    let changed: usize = replay.changes.iter().map(|change| change.count).sum();
    let title = format!("recorded requests: {} decided again, {changed} change", replay.requests);
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{}", ink(color, Ink::Strong, &title));
    for (kind, title, title_ink) in TITLES {
        let changes: Vec<_> = replay.changes.iter().filter(|change| change.kind == kind).collect();
        let count: usize = changes.iter().map(|change| change.count).sum();
        if count > 0 {
            let title = ink(color, title_ink, &format!("{count} {title}"));
            let _ = writeln!(text, "\n{title}");
            changes.into_iter().for_each(|change| tell(&mut text, change));
        }
    }
    let mut notes = Vec::new();
    for (why, count) in &replay.left_out {
        notes.push(format!("{count} left out: {why}"));
    }
    if replay.drifted > 0 {
        notes.push(format!(
            "{} met something else when they were recorded: OLD is not what was served then",
            replay.drifted
        ));
    }
    notes.extend(replay.notes.iter().cloned());
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        let _ = writeln!(text, "note: {}", clean(&note));
    }
    text
}

fn tell(text: &mut String, change: &Change) {
    let more = match change.count {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let (request, id) = &change.example;
    let _ = writeln!(
        text,
        "  {} on listener `{}`, request {}{more}",
        clean(request),
        clean(&change.listener),
        clean(id)
    );
    let _ = writeln!(text, "    was  {}", fate(&change.old));
    let _ = writeln!(text, "    is   {}", fate(&change.new));
    if change.unsure > 0 {
        let _ = writeln!(
            text,
            "    {} of them had a credential that nobody has looked at: it may be a good one",
            change.unsure
        );
    }
}

fn fate(fate: &Fate) -> String {
    let place = if fate.place.is_empty() { "no rule" } else { &fate.place };
    let sent = fate.sent.as_deref().map_or_else(String::new, |sent| format!(" as {sent}"));
    clean(&format!("{place}: {}{sent}", fate.end))
}
