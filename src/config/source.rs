//! The text of a file, the places in it, and what of it must not be shown.

use super::diagnostics::Span;

/// A file that was read.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    /// Its own text, and behind it those of the parts: a place is in the file that holds its byte.
    text: String,
    parts: Vec<Part>,
    masked: Vec<Span>,
}

/// Another file whose places are told with those of the first.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    start: usize,
}

impl Source {
    /// Takes over a text under the name that messages give it.
    #[must_use]
    pub const fn new(name: String, text: String) -> Self {
        Self { name, text, parts: Vec::new(), masked: Vec::new() }
    }

    /// The name that messages give the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text. It may hold secrets: never print it.
    #[must_use]
    pub fn text(&self) -> &str {
        let end = self.parts.first().map_or(self.text.len(), |part| part.start - 1);
        self.text.get(..end).unwrap_or_default()
    }

    /// Adds the text of another file, and says by how much the places in it are moved.
    pub(super) fn append(&mut self, name: String, text: &str) -> usize {
        // Lines end where their file does.
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(text);
        self.parts.push(Part { name, start });
        start
    }

    /// The name of the file that holds a place.
    #[must_use]
    pub fn name_at(&self, span: Span) -> &str {
        let holder = self.parts.iter().rev().find(|part| part.start <= span.start);
        holder.map_or(&self.name, |part| &part.name)
    }

    /// The text at a place; empty when there is none.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.start.saturating_add(span.length)).unwrap_or_default()
    }

    /// The line that holds the byte at `offset`, without its end.
    #[must_use]
    pub fn line_at(&self, offset: usize) -> &str {
        let (start, end) = self.line_bounds(offset);
        self.text.get(start..end).unwrap_or_default()
    }

    /// First byte and end of the line that holds the byte at `offset`.
    pub(super) fn line_bounds(&self, offset: usize) -> (usize, usize) {
        let bytes = self.text.as_bytes();
        let (before, after) = bytes.split_at(offset.min(bytes.len()));
        let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let end = after.iter().position(|&b| b == b'\n').map_or(bytes.len(), |n| before.len() + n);
        (start, end)
    }

    /// The byte offset of a line and column, both from 1.
    pub(super) fn offset_of(&self, line: usize, column: usize) -> usize {
        let mut start = 0;
        for _ in 1..line {
            match self
                .text
                .as_bytes()
                .get(start..)
                .and_then(|rest| rest.iter().position(|&b| b == b'\n'))
            {
                Some(at) => start += at + 1,
                None => return self.text.len(),
            }
        }
        let rest = self.text.get(start..).unwrap_or_default();
        let column = rest.char_indices().nth(column.saturating_sub(1));
        start + column.map_or(rest.len(), |(at, _)| at)
    }

    /// Line and column, both from 1, of a byte offset.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// Forbids to show these places.
    pub(super) fn mask(&mut self, places: impl IntoIterator<Item = Span>) {
        self.masked.extend(places);
    }

    /// The bytes from `start` to `end` as they may be shown: secrets as stars, tabs and controls
    /// as spaces, each byte in its place.
    pub(super) fn shown(&self, start: usize, end: usize) -> String {
        let text = self.text.get(start..end).unwrap_or_default();
        let mut bytes = text.as_bytes().to_vec();
        let mut hide = |from: usize, to: usize| {
            let from = from.saturating_sub(start).min(bytes.len());
            let to = to.saturating_sub(start).min(bytes.len());
            if let Some(hidden) = bytes.get_mut(from..to.max(from)) {
                hidden.iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b'*');
            }
        };
        for span in &self.masked {
            hide(span.start, span.start + span.length.max(1));
        }
        for (from, to) in secret_like(text) {
            hide(start + from, start + to);
        }
        // A value may begin on the line after its key.
        let (above, _) = self.line_bounds(start.saturating_sub(1));
        let above = self.text.get(above..start).unwrap_or_default().trim_end();
        let above = above.trim_end_matches(['|', '>', '-', '+', ' ']);
        if above.strip_suffix(':').is_some_and(names_secret) {
            hide(start, end);
        }
        for byte in &mut bytes {
            if byte.is_ascii_control() && *byte != b'\n' {
                *byte = b' ';
            }
        }
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// What follows a key that names a secret, in a text that may not even be YAML.
fn secret_like(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (colon, _) in text.match_indices(':') {
        let value = text.get(colon + 1..).unwrap_or_default();
        let blank = value.len() - value.trim_start_matches([' ', '\t']).len();
        let value = value.trim_start_matches([' ', '\t']);
        if !names_secret(text.get(..colon).unwrap_or_default()) || value.starts_with(['\n', '#']) {
            continue;
        }
        let end = match value.chars().next() {
            Some('$') if is_reference(value) => continue,
            Some('{' | '[' | '$') => value.find('\n'),
            Some(quote @ ('"' | '\'')) => {
                value.get(1..).and_then(|inner| inner.find(quote)).map(|n| n + 2)
            }
            _ => value.find([',', '}', '\n']),
        };
        let secret = value.get(..end.unwrap_or(value.len())).unwrap_or_default().trim_end();
        let start = colon + 1 + blank;
        found.push((start, start + secret.len()));
    }
    found
}

/// Whether a text ends with a key whose value is a secret.
fn names_secret(before: &str) -> bool {
    let before = before.trim_end_matches(['"', '\'', ' ']);
    let key = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).next();
    let known = super::raw::SECRET_KEYS.iter().copied();
    key.is_some_and(|key| super::suggest::closest(key, known).is_some())
}

/// Whether a value is `${...}` and nothing more.
fn is_reference(value: &str) -> bool {
    let after = value.strip_prefix("${").and_then(|rest| rest.split_once('}'));
    after.is_some_and(|(_, after)| {
        after.trim_start().starts_with([',', '}', '#', '\n']) || after.trim().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Source::new("x".to_owned(), text.to_owned()).shown(0, text.len())
    }

    #[test]
    fn what_follows_a_secret_key_is_starred() {
        assert_eq!(shown("token: abc"), "token: ***");
        assert_eq!(shown("{ client_secret: abc, x: y }"), "{ client_secret: ***, x: y }");
        assert_eq!(shown("passwrod: \"a, b\" # c"), "passwrod: ****** # c");
        assert_eq!(shown("token: ${env:X}"), "token: ${env:X}");
        assert_eq!(shown("token_use: access"), "token_use: access");
    }

    #[test]
    fn a_masked_place_keeps_its_width() {
        let mut source = Source::new("x".to_owned(), "a: é\nb: c\n".to_owned());
        source.mask([Span { start: 3, length: 2, line: 1, column: 4 }]);
        assert_eq!(source.shown(0, 6), "a: **\n");
    }

    #[test]
    fn places_and_offsets_agree() {
        let source = Source::new("x".to_owned(), "a\nüb: c\n".to_owned());
        let offset = source.offset_of(2, 3);
        assert_eq!(source.text().get(offset..), Some(": c\n"));
        assert_eq!(source.position(offset), (2, 3));
        assert_eq!(source.offset_of(9, 9), source.text().len());
    }
}
