//! Paths of APIs: base paths, route keys, and what integrations make of them.

use std::collections::HashSet;

use super::super::pattern::Refusal;
use crate::config::model::{Flavour, RoutePattern, Segment};

/// Most segments of a route's path.
const MOST_SEGMENTS: usize = 64;
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY"];

fn refuse<T>(message: impl Into<String>, help: &str) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), help: Some(help.to_owned()) })
}

pub(super) fn base_path(text: &str) -> Result<String, Refusal> {
    const HELP: &str = "write it like `/shop`, or leave it out";
    let Some(rest) = text.strip_prefix('/') else {
        return refuse("a base path begins with `/`", HELP);
    };
    for segment in rest.split('/') {
        literal(segment)?;
        if segment.is_empty() {
            return refuse("a base path has no empty segment, and no slash at its end", HELP);
        }
    }
    Ok(text.to_owned())
}

/// `METHOD /path` or `$default`.
pub(super) fn route_key(text: &str, flavour: Flavour) -> Result<RoutePattern, Refusal> {
    const HELP: &str = "write `GET /orders/{id}`, `ANY /files/{proxy+}` or `$default`";
    if text == "$default" {
        return match flavour {
            Flavour::Http => Ok(RoutePattern::Default),
            Flavour::Rest => {
                refuse("a REST API has no `$default` route", "use `ANY /{proxy+}` and `ANY /`")
            }
        };
    }
    let Some((method, path)) = text.split_once(' ') else {
        return refuse("a route key is a method, one space and a path", HELP);
    };
    if !METHODS.contains(&method) {
        let upper = method.to_ascii_uppercase();
        let help = if METHODS.contains(&upper.as_str()) {
            format!("write `{upper}`")
        } else {
            format!("known: {}", METHODS.join(", "))
        };
        return refuse("this is not a method", &help);
    }
    let Some(rest) = path.strip_prefix('/') else {
        return refuse("the path of a route begins with `/`", HELP);
    };
    if rest.ends_with('/') {
        return refuse(
            "the path of a route has no slash at its end",
            "`/a/` is served by `/a/{proxy+}` or `$default`",
        );
    }
    let method = (method != "ANY").then(|| method.to_owned());
    Ok(RoutePattern::Path { method, segments: segments(rest)? })
}

fn segments(rest: &str) -> Result<Vec<Segment>, Refusal> {
    let texts: Vec<&str> = rest.split('/').collect();
    if texts.len() > MOST_SEGMENTS {
        return refuse("this path has too many segments", "at most 64");
    }
    let mut names = HashSet::new();
    let mut segments = Vec::with_capacity(texts.len());
    for (position, text) in texts.iter().enumerate() {
        let segment = segment(text)?;
        match &segment {
            Segment::Literal(text) if text.is_empty() && texts.len() > 1 => {
                return refuse("this path has an empty segment", "write one `/`, not two");
            }
            Segment::Literal(_) => {}
            Segment::Greedy(_) if position + 1 < texts.len() => {
                return refuse("a variable with `+` is the last segment", "put it last");
            }
            Segment::Variable(name) | Segment::Greedy(name) => {
                if !names.insert(name.clone()) {
                    return refuse(
                        format!("`{name}` stands twice in this path"),
                        "give each variable a name of its own",
                    );
                }
            }
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn segment(text: &str) -> Result<Segment, Refusal> {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(inner) = inner else { return literal(text) };
    let (name, is_greedy) = match inner.strip_suffix('+') {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
        return refuse("this is not a variable's name", "letters, digits, `_`, `-` and `.`");
    }
    let name = name.to_owned();
    Ok(if is_greedy { Segment::Greedy(name) } else { Segment::Variable(name) })
}

/// Text that is its own canonical spelling, so that it can match at all.
fn literal(text: &str) -> Result<Segment, Refusal> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&b);
    if text.contains(['{', '}']) {
        return refuse("a variable is a whole segment", "write `/{name}/` between slashes");
    }
    if matches!(text, "." | "..") || !text.bytes().all(is_plain) {
        return refuse(
            "this segment of a path could never match",
            "letters, digits and `-._~!$&'()*+,=:@`; no escapes, no dot segments",
        );
    }
    Ok(Segment::Literal(text.to_owned()))
}

/// The path of an integration; its variables must be the route's.
pub(super) fn template(text: &str, pattern: &RoutePattern) -> Result<Vec<Segment>, Refusal> {
    let Some(rest) = text.strip_prefix('/') else {
        return refuse("the path of an integration begins with `/`", "write it like `/v1/{id}`");
    };
    let known: Vec<&Segment> = match pattern {
        RoutePattern::Default => Vec::new(),
        RoutePattern::Path { segments, .. } => segments.iter().collect(),
    };
    let mut parts: Vec<Segment> = Vec::new();
    for text in rest.split('/') {
        let part = segment(text)?;
        match parts.last() {
            Some(Segment::Greedy(name)) => {
                return refuse(
                    format!("`{name}` holds slashes, so nothing can stand behind it"),
                    "put it last",
                );
            }
            Some(Segment::Literal(before)) if before.is_empty() => {
                return refuse("this path has an empty segment", "write one `/`, not two");
            }
            _ => {}
        }
        let (Segment::Variable(name) | Segment::Greedy(name)) = &part else {
            parts.push(part);
            continue;
        };
        let found = known.iter().find(|segment| match segment {
            Segment::Literal(_) => false,
            Segment::Variable(known) | Segment::Greedy(known) => known == name,
        });
        let Some(found) = found else {
            return refuse(
                format!("the route has no variable `{name}`"),
                "only variables of the route key can stand here",
            );
        };
        parts.push((*found).clone());
    }
    Ok(parts)
}

/// Equal for patterns that match the same requests.
pub(super) fn shape(pattern: &RoutePattern) -> String {
    let RoutePattern::Path { method, segments } = pattern else { return "$default".to_owned() };
    let mut shape = method.clone().unwrap_or_default();
    for segment in segments {
        shape.push('/');
        shape.push_str(match segment {
            Segment::Literal(text) => text,
            Segment::Variable(_) => "{}",
            Segment::Greedy(_) => "{+}",
        });
    }
    shape
}
