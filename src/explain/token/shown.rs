//! Values as they may be shown.

use serde_json::Value;

/// Items with commas between them.
pub(super) fn list<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let items: Vec<S> = items.into_iter().collect();
    items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// Whether it is a list of texts.
pub(super) fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
}

/// A claim as it may be shown: text as it is, all else as JSON, and not too much of it.
pub(super) fn shown(value: Option<&Value>) -> String {
    const LONGEST: usize = 200;
    let text = match value {
        None => return "absent".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if is_texts(&Value::Array(items.clone())) => {
            list(items.iter().filter_map(Value::as_str))
        }
        Some(other) => other.to_string(),
    };
    let mut shown: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// `in 59 min`, `2 h ago`.
pub(super) fn relative(seconds: i64) -> String {
    let distance = seconds.unsigned_abs();
    let text = match distance {
        0..120 => format!("{distance} s"),
        120..7200 => format!("{} min", distance / 60),
        7200..172_800 => format!("{} h", distance / 3600),
        _ => format!("{} days", distance / 86_400),
    };
    if seconds < 0 { format!("{text} ago") } else { format!("in {text}") }
}
