//! ALB's patterns: `*` is any run of bytes, `?` is any one byte, all else is itself (alb.md 4).
//!
//! A pattern matches the whole value. `*` crosses `/` and `.`. There are no escapes and no classes.
//! Matching is linear in the value, so that no path is expensive, however long; only a run with `?`
//! between two stars costs its own length for each byte.

mod language;
mod pairs;
mod pieces;

use std::fmt;

pub(super) use pairs::Pairs;
use pieces::Pieces;

/// A compiled pattern.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Runs of `*` are one.
    text: Box<str>,
    /// Bytes in front of the first wildcard.
    prefix: usize,
    /// Bytes behind the last wildcard.
    suffix: usize,
    shape: Shape,
    /// Of a [`Shape::Glob`], what is between prefix and suffix.
    pieces: Pieces,
    /// Pairs of neighbours that every match has.
    pairs: Pairs,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    /// No wildcard.
    Literal,
    /// `*`
    Everything,
    /// One `*`, and nothing or something at its sides.
    OneStar,
    /// Anything else.
    Glob,
}

impl Pattern {
    /// A pattern for hosts, which are canonical: lower case. Its own case does not matter.
    #[must_use]
    pub fn host(text: &str) -> Self {
        Self::new(&text.to_ascii_lowercase())
    }

    /// A pattern for paths: case matters.
    #[must_use]
    pub fn path(text: &str) -> Self {
        Self::new(text)
    }

    fn new(text: &str) -> Self {
        let mut merged = String::with_capacity(text.len());
        for character in text.chars() {
            if character != '*' || !merged.ends_with('*') {
                merged.push(character);
            }
        }
        let text = merged.into_boxed_str();
        let prefix = text.find(is_wildcard).unwrap_or(text.len());
        let suffix = text.rfind(is_wildcard).map_or(0, |last| text.len() - last - 1);
        let shape = match text.len() - prefix {
            0 => Shape::Literal,
            _ if &*text == "*" => Shape::Everything,
            rest if rest == suffix + 1 && text.contains('*') => Shape::OneStar,
            _ => Shape::Glob,
        };
        let middle = text.get(prefix..text.len() - suffix).filter(|_| shape == Shape::Glob);
        let pieces = middle.map(Pieces::of).unwrap_or_default();
        let pairs = text.split(is_wildcard).map(Pairs::of).fold(Pairs::default(), Pairs::and);
        Self { text, prefix, suffix, shape, pieces, pairs }
    }

    /// Whether the whole value fits.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let (pattern, value) = (self.text.as_bytes(), value.as_bytes());
        match self.shape {
            Shape::Literal => pattern == value,
            Shape::Everything => true,
            Shape::OneStar => {
                value.len() + 1 >= pattern.len()
                    && value.starts_with(self.literal_prefix().as_bytes())
                    && value.ends_with(self.literal_suffix().as_bytes())
            }
            Shape::Glob => value
                .strip_prefix(self.literal_prefix().as_bytes())
                .and_then(|rest| rest.strip_suffix(self.literal_suffix().as_bytes()))
                .is_some_and(|rest| self.pieces.fit(rest)),
        }
    }

    /// Whether a value with these pairs of neighbours may match. Dismisses most values that do not,
    /// for less than a comparison costs; dismisses none that does.
    #[inline]
    pub(super) fn may_match(&self, pairs: Pairs) -> bool {
        pairs.include(self.pairs)
    }

    /// What is in front of the first wildcard; all of it if there is none.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        self.text.get(..self.prefix).unwrap_or_default()
    }

    /// What is behind the last wildcard; nothing if there is none.
    #[must_use]
    pub fn literal_suffix(&self) -> &str {
        self.text.get(self.text.len() - self.suffix..).unwrap_or_default()
    }

    /// Whether it has no wildcard.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.shape == Shape::Literal
    }

    /// Whether it is `*`.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.shape == Shape::Everything
    }

    /// Whether it is a literal and one `*` at the end.
    #[must_use]
    pub fn is_prefix(&self) -> bool {
        self.shape == Shape::OneStar && self.suffix == 0
    }

    /// Whether it is one `*` and a literal.
    #[must_use]
    pub fn is_suffix(&self) -> bool {
        self.shape == Shape::OneStar && self.prefix == 0
    }

    /// The text, with runs of `*` as one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The pattern with each wildcard filled in, as one value that it matches.
    #[must_use]
    pub(super) fn filled_with(&self, filling: char) -> String {
        let fill = |character| if is_wildcard(character) { filling } else { character };
        self.text.chars().map(fill).collect()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

const fn is_wildcard(character: char) -> bool {
    matches!(character, '*' | '?')
}

#[cfg(test)]
mod tests;
