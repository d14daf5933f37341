//! Paths in one spelling: refused, changed or kept, as `docs/security.md` lists it.
//!
//! Refused is what two readers could read differently. Changed are spellings of one thing: escapes
//! of unreserved characters, the case of other escapes, runs of slashes, dot segments. Kept are
//! case and the trailing slash. The result made canonical again is itself.

use std::borrow::Cow;

use super::{Malformed, scan};

/// How much of a path a listener leaves alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathPolicy {
    /// `%2F` stays in the path instead of being refused. Default false.
    pub keep_encoded_slash: bool,
    /// Runs of `/` become one. Default true.
    pub merge_slashes: bool,
    /// `;parameters` are nothing special. Default false.
    pub keep_parameters: bool,
}

impl Default for PathPolicy {
    fn default() -> Self {
        Self { keep_encoded_slash: false, merge_slashes: true, keep_parameters: false }
    }
}

/// A path in its canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TidyPath<'a> {
    /// What is judged, logged and sent.
    pub path: Cow<'a, str>,
    /// The same with every `;parameter` cut, when there are any and the policy cares.
    pub without_parameters: Option<String>,
}

/// What a first look at a target found.
pub(super) struct Survey {
    /// Where the path ends: at `?` or at the end.
    pub(super) end: usize,
    /// Nothing to change: no escape, no run of slashes, no dot segment.
    clean: bool,
    has_parameters: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Slash,
    Semicolon,
    Percent,
    Question,
    Backslash,
    Hash,
    Bad,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Bad; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        classes[byte] = match byte as u8 {
            b'/' => Class::Slash,
            b';' => Class::Semicolon,
            b'%' => Class::Percent,
            b'?' => Class::Question,
            b'\\' => Class::Backslash,
            b'#' => Class::Hash,
            // No URI library takes these raw, so a target could only be told something else.
            b'<' | b'>' | b'`' => Class::Bad,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

/// One look at each byte up to the query. This is all that a clean path costs.
pub(super) fn survey(target: &[u8], policy: PathPolicy) -> Result<Survey, Malformed> {
    let mut survey = Survey { end: target.len(), clean: true, has_parameters: false };
    let start = scan::plain_start(target, is_odd);
    for (position, &byte) in target.iter().enumerate().skip(start) {
        let class = CLASSES[usize::from(byte)];
        if class == Class::Plain {
            continue;
        }
        match class {
            Class::Plain => {}
            Class::Slash => {
                let rest = target.get(position + 1..).unwrap_or_default();
                survey.clean &= starts_plain_segment(rest, policy);
            }
            Class::Semicolon => survey.has_parameters = true,
            Class::Percent => survey.clean = false,
            Class::Question => {
                survey.end = position;
                break;
            }
            Class::Backslash => return Err(Malformed::Backslash),
            Class::Hash => return Err(Malformed::Fragment),
            Class::Bad => return Err(Malformed::TargetByte),
        }
    }
    Ok(survey)
}

/// Whether a byte is not [`Class::Plain`], nor a slash in front of neither slash nor dot.
#[inline]
const fn is_odd(byte: u8, next: u8) -> bool {
    (byte <= b' ')
        | (byte >= 0x7f)
        | (byte == b'#')
        | (byte == b'%')
        | ((byte >= b';') & (byte <= b'?') & (byte != b'='))
        | (byte == b'\\')
        | (byte == b'`')
        | ((byte == b'/') & ((next == b'/') | (next == b'.')))
}

/// Whether what follows a slash is neither another slash nor a dot segment.
#[inline]
fn starts_plain_segment(rest: &[u8], policy: PathPolicy) -> bool {
    match rest {
        [b'/', ..] => !policy.merge_slashes,
        [b'.', rest @ ..] => {
            let rest = rest.strip_prefix(b".").unwrap_or(rest);
            !matches!(rest, [] | [b'/' | b'?', ..])
        }
        _ => true,
    }
}

/// Makes a path canonical. It must begin with `/`; `survey` has seen it.
pub(super) fn tidy<'a>(
    path: &'a str,
    survey: &Survey,
    policy: PathPolicy,
) -> Result<TidyPath<'a>, Malformed> {
    let path = if survey.clean {
        Cow::Borrowed(path)
    } else {
        let tidied = resolve_segments(&normalize_escapes(path, policy)?, policy)?;
        if tidied == path { Cow::Borrowed(path) } else { Cow::Owned(tidied) }
    };
    let may_have_parameters = survey.has_parameters || !survey.clean;
    let without_parameters = if may_have_parameters && !policy.keep_parameters {
        cut_parameters(&path, policy)?
    } else {
        None
    };
    Ok(TidyPath { path, without_parameters })
}

/// Makes any text canonical as a path, if it is one: for texts that do not come from a request.
///
/// # Errors
///
/// The reason for which a request with this path would be refused; a `?` is refused here too.
pub fn canonical(path: &str, policy: PathPolicy) -> Result<TidyPath<'_>, Malformed> {
    let survey = survey(path.as_bytes(), policy)?;
    if !path.starts_with('/') || survey.end != path.len() {
        return Err(Malformed::TargetForm);
    }
    tidy(path, &survey, policy)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn hex_digit(digit: Option<u8>) -> Option<u8> {
    char::from(digit?).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn unescape(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    Some(hex_digit(high)? << 4 | hex_digit(low)?)
}

/// Decodes escapes of unreserved characters, writes the others in upper case, refuses the rest.
fn normalize_escapes(path: &str, policy: PathPolicy) -> Result<String, Malformed> {
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    let mut escapes_percent = false;
    let mut escapes_high = false;
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(char::from(byte));
            continue;
        }
        let value = unescape(bytes.next(), bytes.next()).ok_or(Malformed::BadEscape)?;
        match value {
            0..=0x1f | 0x7f => return Err(Malformed::EscapedControl),
            b'/' if !policy.keep_encoded_slash => return Err(Malformed::EscapedSlash),
            b'\\' => return Err(Malformed::EscapedBackslash),
            _ if is_unreserved(value) => {
                out.push(char::from(value));
                continue;
            }
            _ => {}
        }
        escapes_percent |= value == b'%';
        escapes_high |= value >= 0x80;
        push_escape(&mut out, value);
    }
    if escapes_percent && has_double_escape(out.as_bytes()) {
        return Err(Malformed::DoubleEscape);
    }
    if escapes_high && !is_utf8_once_unescaped(&out) {
        return Err(Malformed::NotUtf8);
    }
    Ok(out)
}

fn push_escape(out: &mut String, value: u8) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    out.push('%');
    out.push(DIGITS[usize::from(value >> 4)]);
    out.push(DIGITS[usize::from(value & 15)]);
}

/// Whether a `%25`, however often escaped, leads to a dot, slash or backslash.
fn has_double_escape(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(start) = rest.windows(3).position(|window| window == b"%25") {
        rest = rest.get(start + 3..).unwrap_or(&[]);
        let mut hidden = rest;
        while let Some(deeper) = hidden.strip_prefix(b"25") {
            hidden = deeper;
        }
        let value = unescape(hidden.first().copied(), hidden.get(1).copied());
        if matches!(value, Some(b'.' | b'/' | b'\\')) {
            return true;
        }
    }
    false
}

fn is_utf8_once_unescaped(path: &str) -> bool {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        let value = if byte == b'%' { unescape(bytes.next(), bytes.next()) } else { Some(byte) };
        decoded.extend(value);
    }
    std::str::from_utf8(&decoded).is_ok()
}

/// Merges runs of slashes, then removes dot segments (RFC 3986 5.2.4, but `..` at the root is
/// refused rather than forgotten).
fn resolve_segments(path: &str, policy: PathPolicy) -> Result<String, Malformed> {
    let mut out = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "" if policy.merge_slashes => {}
            "." => {}
            ".." => {
                let parent = out.rfind('/').ok_or(Malformed::AboveRoot)?;
                out.truncate(parent);
            }
            _ => {
                out.push('/');
                out.push_str(segment);
                continue;
            }
        }
        if is_last {
            out.push('/');
        }
    }
    Ok(out)
}

/// The path as whoever ignores `;parameters` reads it, if that differs. `%3B` counts as `;`: some
/// unescape first and cut then.
fn cut_parameters(path: &str, policy: PathPolicy) -> Result<Option<String>, Malformed> {
    if !path.contains(';') && !path.contains("%3B") {
        return Ok(None);
    }
    let mut out = String::with_capacity(path.len());
    for segment in path.split('/').skip(1) {
        let kept = segment.split(';').next().unwrap_or_default();
        let kept = kept.split("%3B").next().unwrap_or_default();
        if kept.len() < segment.len() && matches!(kept, "." | "..") {
            return Err(Malformed::DotSegmentParameters);
        }
        // A segment of parameters alone leaves nothing, hence perhaps a run of slashes.
        if policy.merge_slashes && out.ends_with('/') {
            out.pop();
        }
        out.push('/');
        out.push_str(kept);
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests;
