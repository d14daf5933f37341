//! The claims of a token: its payload as written, with an index of the top-level members.
//!
//! The text is kept and nothing is built from it, so numbers stay exact and a cached token is one
//! allocation of text and one of index. Which claims must be there is for `verify` to say.

use std::borrow::Cow;

use super::json::{self, JsonError};
use super::reason::Reason;
use crate::config::model::ClaimPath;

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    /// The name, unescaped and unquoted.
    name: Span,
    /// The value as it was written.
    value: Span,
}

/// The claims of one token.
#[derive(Clone)]
pub struct Claims {
    /// The payload, then whatever had to be unescaped.
    text: Box<str>,
    members: Box<[Member]>,
}

impl std::fmt::Debug for Claims {
    /// Names only: values are the caller's own affair.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.members.iter().map(|m| self.slice(m.name))).finish()
    }
}

impl Claims {
    /// Reads a JSON object: 32 levels at most, no name twice at the top.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        Payload::parse(text).ok().map(Payload::into_claims)
    }

    /// The value of the claim `name`, as JSON text.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|m| self.slice(m.name) == name).map(|m| self.slice(m.value))
    }

    /// The claim `name` if it is a string.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name).and_then(json::string)
    }

    /// The JSON text at `path`.
    #[must_use]
    pub fn find(&self, path: &ClaimPath) -> Option<&str> {
        match path {
            ClaimPath::Name(name) => self.raw(name),
            ClaimPath::Pointer(steps) => {
                let (first, rest) = steps.split_first()?;
                rest.iter().try_fold(self.raw(first)?, |value, step| step_into(value, step))
            }
        }
    }

    /// The names of all claims, in the token's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|m| self.slice(m.name))
    }

    pub(super) fn slice(&self, span: Span) -> &str {
        slice(&self.text, span)
    }

    /// Bytes on the heap.
    pub(super) fn weight(&self) -> usize {
        self.text.len() + std::mem::size_of_val(&*self.members)
    }
}

fn slice(text: &str, span: Span) -> &str {
    text.get(span.start as usize..span.end as usize).unwrap_or_default()
}

/// One step of a JSON pointer (RFC 6901 section 4).
fn step_into<'a>(value: &'a str, step: &str) -> Option<&'a str> {
    let mut found = None;
    match value.as_bytes().first()? {
        // The last of doubled names, as most parsers have it; the top level has none.
        b'{' => json::members(value, |name, inner| {
            if json::string(name).is_some_and(|name| name == step) {
                found = Some(inner);
            }
            Ok(())
        }),
        b'[' => {
            let is_index = step == "0" || (!step.starts_with('0') && !step.starts_with('+'));
            let wanted: usize = step.parse().ok().filter(|_| is_index)?;
            let mut index = 0;
            json::elements(value, |inner| {
                if index == wanted {
                    found = Some(inner);
                }
                index += 1;
                Ok(())
            })
        }
        _ => return None,
    }
    .ok()?;
    found
}

/// The claims that verification itself looks at, as JSON text; found in the one pass.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) iss: Option<Span>,
    pub(super) sub: Option<Span>,
    pub(super) aud: Option<Span>,
    pub(super) exp: Option<Span>,
    pub(super) nbf: Option<Span>,
    pub(super) iat: Option<Span>,
    pub(super) jti: Option<Span>,
    pub(super) scope: Option<Span>,
    pub(super) scp: Option<Span>,
    pub(super) client_id: Option<Span>,
    pub(super) token_use: Option<Span>,
    pub(super) username: Option<Span>,
    pub(super) groups: Option<Span>,
    pub(super) cognito_groups: Option<Span>,
}

/// A payload while it is being judged.
#[derive(Debug)]
pub(super) struct Payload {
    text: String,
    members: Vec<Member>,
    /// What had to be unescaped; it will stand behind the text.
    extra: String,
    pub(super) known: Known,
}

impl Payload {
    /// Reads `text` once: one JSON object, 32 levels at most, no name twice at the top.
    pub(super) fn parse(text: String) -> Result<Self, JsonError> {
        let mut members: Vec<Member> = Vec::with_capacity(20);
        let mut extra = String::new();
        let mut known = Known::default();
        let base = text.as_ptr() as usize;
        let place = |piece: &str| span_at(piece.as_ptr() as usize - base, piece.len());
        json::members(&text, |name, value| {
            let value = place(value);
            let name = match json::string(name).ok_or(JsonError::Syntax)? {
                Cow::Borrowed(name) => {
                    known.note(name, value);
                    place(name)
                }
                Cow::Owned(name) => {
                    known.note(&name, value);
                    push(&text, &mut extra, &name)
                }
            };
            members.push(Member { name, value });
            Ok(())
        })?;
        let payload = Self { text, members, extra, known };
        if payload.has_duplicate() { Err(JsonError::Duplicate) } else { Ok(payload) }
    }

    /// Names that differ in length or in a byte at either end need no closer look.
    fn has_duplicate(&self) -> bool {
        let name = |m: &Member| self.get(m.name);
        if self.members.len() > 48 {
            return json::repeats(&mut self.members.iter().map(name).collect::<Vec<_>>());
        }
        let mut seen = 0_u64;
        self.members.iter().enumerate().any(|(n, member)| {
            let text = name(member);
            let (first, last) = (text.as_bytes().first(), text.as_bytes().last());
            let mark = text.len() * 5
                + usize::from(first.copied().unwrap_or(0)) * 7
                + usize::from(last.copied().unwrap_or(0)) * 11;
            let bit = 1 << (mark % 64);
            let is_suspect = seen & bit != 0;
            seen |= bit;
            is_suspect && self.members.iter().take(n).any(|other| name(other) == text)
        })
    }

    /// The text of a span.
    pub(super) fn get(&self, span: Span) -> &str {
        let start = span.start as usize;
        match start.checked_sub(self.text.len()) {
            Some(behind) => {
                let end = (span.end as usize).saturating_sub(self.text.len());
                self.extra.get(behind..end).unwrap_or_default()
            }
            None => slice(&self.text, span),
        }
    }

    /// `iss`: an exact name to look up, nothing else, until the signature is checked.
    pub(super) fn issuer(&self) -> Result<Cow<'_, str>, Reason> {
        let iss = self.known.iss.ok_or(Reason::ClaimMissing)?;
        json::string(self.get(iss)).ok_or(Reason::ClaimFormatInvalid)
    }

    /// The string that the JSON text at `span` stands for. `None` if it is no string.
    pub(super) fn string(&mut self, span: Span) -> Option<Span> {
        let quoted = slice(&self.text, span);
        match json::string(quoted)? {
            Cow::Borrowed(_) => Some(Span { start: span.start + 1, end: span.end - 1 }),
            Cow::Owned(text) => Some(push(&self.text, &mut self.extra, &text)),
        }
    }

    /// The strings of the JSON array at `span`. `None` if it is no array of strings.
    pub(super) fn strings(&mut self, span: Span) -> Option<Box<[Span]>> {
        let mut spans = Vec::new();
        let array = slice(&self.text, span);
        let (base, extra, text) = (array.as_ptr() as usize, &mut self.extra, &self.text);
        json::elements(array, |element| {
            let at = span.start as usize + (element.as_ptr() as usize - base);
            let quoted = span_at(at, element.len());
            spans.push(match json::string(element).ok_or(JsonError::Syntax)? {
                Cow::Borrowed(_) => Span { start: quoted.start + 1, end: quoted.end - 1 },
                Cow::Owned(owned) => push(text, extra, &owned),
            });
            Ok(())
        })
        .ok()?;
        Some(spans.into_boxed_slice())
    }

    /// The pieces of the string at `span` between spaces, without empty ones.
    pub(super) fn split_at_spaces(&self, span: Span) -> Box<[Span]> {
        let text = self.get(span);
        let base = text.as_ptr() as usize;
        text.split(' ')
            .filter(|piece| !piece.is_empty())
            .map(|piece| {
                span_at(span.start as usize + (piece.as_ptr() as usize - base), piece.len())
            })
            .collect()
    }

    /// Ends the judging.
    pub(super) fn into_claims(self) -> Claims {
        let Self { mut text, members, extra, .. } = self;
        if !extra.is_empty() {
            text.reserve_exact(extra.len());
            text.push_str(&extra);
        }
        Claims { text: text.into_boxed_str(), members: members.into_boxed_slice() }
    }
}

/// Tokens are far below 4 GiB; a span beyond would be empty, and so refuse.
fn span_at(start: usize, length: usize) -> Span {
    let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span { start: to_u32(start), end: to_u32(start.saturating_add(length)) }
}

fn push(text: &str, extra: &mut String, piece: &str) -> Span {
    let start = text.len() + extra.len();
    extra.push_str(piece);
    span_at(start, piece.len())
}

impl Known {
    fn note(&mut self, name: &str, value: Span) {
        let place = match name {
            "iss" => &mut self.iss,
            "sub" => &mut self.sub,
            "aud" => &mut self.aud,
            "exp" => &mut self.exp,
            "nbf" => &mut self.nbf,
            "iat" => &mut self.iat,
            "jti" => &mut self.jti,
            "scope" => &mut self.scope,
            "scp" => &mut self.scp,
            "client_id" => &mut self.client_id,
            "token_use" => &mut self.token_use,
            "username" => &mut self.username,
            "groups" => &mut self.groups,
            "cognito:groups" => &mut self.cognito_groups,
            _ => return,
        };
        *place = Some(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(text: &str) -> Claims {
        Payload::parse(text.to_owned()).unwrap().into_claims()
    }

    #[test]
    fn values_are_kept_as_written() {
        let claims = claims(r#"{"n":1.10e0,"s":"a\/b","u\u0072l":true,"o":{"x":[1, 2]}}"#);
        assert_eq!(claims.raw("n"), Some("1.10e0"));
        assert_eq!(claims.string("s").as_deref(), Some("a/b"));
        assert_eq!(claims.raw("url"), Some("true"));
        assert_eq!(claims.raw("absent"), None);
        let pointer =
            |steps: &[&str]| ClaimPath::Pointer(steps.iter().map(ToString::to_string).collect());
        assert_eq!(claims.find(&pointer(&["o", "x", "1"])), Some("2"));
        assert_eq!(claims.find(&pointer(&["o", "x", "01"])), None);
        assert_eq!(claims.find(&pointer(&["o", "x", "2"])), None);
        assert_eq!(claims.find(&pointer(&["n", "x"])), None);
    }

    #[test]
    fn doubled_names_at_the_top_are_refused_also_through_escapes() {
        for bad in [r#"{"sub":"a","sub":"b"}"#, r#"{"sub":"a","\u0073ub":"b"}"#] {
            assert_eq!(Payload::parse(bad.into()).unwrap_err(), JsonError::Duplicate);
        }
        let many: Vec<String> = (0..100).map(|n| format!("\"k{n}\":1")).collect();
        let bad = format!("{{{},\"k5\":1}}", many.join(","));
        assert_eq!(Payload::parse(bad).unwrap_err(), JsonError::Duplicate);
        assert!(Payload::parse(r#"{"a":{"x":1,"x":2}}"#.into()).is_ok());
    }

    #[test]
    fn strings_are_found_behind_the_text_when_they_had_escapes() {
        let text = r#"{"scope":"a  b\u002fc ","cognito:groups":["x","\u0079"]}"#;
        let mut payload = Payload::parse(text.to_owned()).unwrap();
        let scope = payload.known.scope.unwrap();
        let scope = payload.string(scope).unwrap();
        let scopes = payload.split_at_spaces(scope);
        let groups = payload.known.cognito_groups.unwrap();
        let groups = payload.strings(groups).unwrap();
        let claims = payload.into_claims();
        let read = |spans: &[Span]| -> Vec<String> {
            spans.iter().map(|s| claims.slice(*s).to_owned()).collect()
        };
        assert_eq!(read(&scopes), ["a", "b/c"]);
        assert_eq!(read(&groups), ["x", "y"]);
    }
}
