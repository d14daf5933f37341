//! A strict reader of small JSON texts that keeps every value as it was written.
//!
//! A token's claims are read once and mostly compared or copied as text, so nothing is built here:
//! the reader checks the grammar of RFC 8259, bounds the depth and hands out pieces of the text.
//! Numbers therefore stay exact. It knows nothing of tokens.

use std::borrow::Cow;

/// Deepest nesting; an object at the top counts as 1.
pub(super) const MAX_DEPTH: u32 = 32;

/// Above this many members, names are compared by sorting instead of pair by pair.
const FEW: usize = 48;

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JsonError {
    /// Not JSON, or not the kind of value that was asked for.
    #[error("the text is not the JSON that was expected")]
    Syntax,
    /// Nested too deeply.
    #[error("the text is nested more than {MAX_DEPTH} levels deep")]
    Depth,
    /// One object has the same name twice.
    #[error("an object has the same name twice")]
    Duplicate,
}

type Result<T> = std::result::Result<T, JsonError>;

/// Calls `each` with the name (still quoted) and the value of every member of the object `text`.
pub(super) fn members<'a>(
    text: &'a str,
    each: impl FnMut(&'a str, &'a str) -> Result<()>,
) -> Result<()> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    scanner.object(1, each)?;
    scanner.end()
}

/// Calls `each` with every element of the array `text`.
pub(super) fn elements<'a>(text: &'a str, each: impl FnMut(&'a str) -> Result<()>) -> Result<()> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    scanner.array(1, each)?;
    scanner.end()
}

/// The text of a JSON string that is given with its quotes; borrowed when it has no escapes.
/// `None` when it is not a string or its escapes are not Unicode text.
pub(super) fn string(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Whether an object anywhere in `value` has the same name twice. `value` must have been read.
pub(super) fn has_duplicate(value: &str) -> bool {
    match value.as_bytes().first() {
        Some(b'{') => {
            let mut names = Vec::new();
            let mut nested = false;
            let read = members(value, |name, value| {
                names.push(string(name).ok_or(JsonError::Syntax)?);
                nested |= has_duplicate(value);
                Ok(())
            });
            nested || read.is_err() || repeats(&mut names)
        }
        Some(b'[') => {
            let mut nested = false;
            let read = elements(value, |value| {
                nested |= has_duplicate(value);
                Ok(())
            });
            nested || read.is_err()
        }
        _ => false,
    }
}

/// Whether two of `names` are equal; they may be reordered.
pub(super) fn repeats<T: Ord>(names: &mut [T]) -> bool {
    if names.len() <= FEW {
        return names.iter().enumerate().any(|(n, name)| names.iter().take(n).any(|m| m == name));
    }
    names.sort_unstable();
    names.windows(2).any(|pair| pair.first() == pair.last())
}

/// Appends `value` to `out` without the white space between its tokens. `value` must have been read.
pub(super) fn compact(value: &str, out: &mut String) {
    let mut quoted = false;
    let mut escaped = false;
    for character in value.chars() {
        if quoted {
            quoted = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if matches!(character, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            quoted = character == '"';
        }
        out.push(character);
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(JsonError::Syntax)
        }
    }

    fn end(&mut self) -> Result<()> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(JsonError::Syntax) }
    }

    /// The text since `start`.
    fn since(&self, start: usize) -> Result<&'a str> {
        self.text.get(start..self.at).ok_or(JsonError::Syntax)
    }

    /// Steps over one value. Recursion ends at [`MAX_DEPTH`].
    fn value(&mut self, depth: u32) -> Result<()> {
        match self.peek().ok_or(JsonError::Syntax)? {
            b'"' => self.string(),
            b'{' => self.object(depth, |_, _| Ok(())),
            b'[' => self.array(depth, |_| Ok(())),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number(),
        }
    }

    fn object(
        &mut self,
        depth: u32,
        mut each: impl FnMut(&'a str, &'a str) -> Result<()>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(JsonError::Depth);
        }
        self.expect(b'{')?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let start = self.at;
            self.string()?;
            let name = self.since(start)?;
            self.space();
            self.expect(b':')?;
            self.space();
            let start = self.at;
            self.value(depth + 1)?;
            each(name, self.since(start)?)?;
            if self.is_last(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: u32, mut each: impl FnMut(&'a str) -> Result<()>) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(JsonError::Depth);
        }
        self.expect(b'[')?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let start = self.at;
            self.value(depth + 1)?;
            each(self.since(start)?)?;
            if self.is_last(b']')? {
                return Ok(());
            }
        }
    }

    /// Steps over what follows a member: true at `close`, false at a comma.
    fn is_last(&mut self, close: u8) -> Result<bool> {
        self.space();
        let byte = self.peek().ok_or(JsonError::Syntax)?;
        self.at += 1;
        if byte == close {
            return Ok(true);
        }
        self.space();
        if byte == b',' { Ok(false) } else { Err(JsonError::Syntax) }
    }

    fn literal(&mut self, word: &str) -> Result<()> {
        if self.text.as_bytes().get(self.at..self.at + word.len()) == Some(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(JsonError::Syntax)
        }
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(JsonError::Syntax) }
    }

    fn number(&mut self) -> Result<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<()> {
        self.expect(b'"')?;
        loop {
            self.at += plain_run(self.text.as_bytes().get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    fn escape(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(JsonError::Syntax);
                }
                self.at += 5;
            }
            _ => return Err(JsonError::Syntax),
        }
        Ok(())
    }
}

/// How many bytes at the start of `bytes` are neither quote, backslash nor control.
///
/// Eight at a time: the classic test for "a byte below n" and "a byte equal to n" in a word. Both
/// may mark too much, but only above a true mark, and only the lowest mark is used.
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, _) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let marks = control
            | has_zero(word ^ (ONES * u64::from(b'"')))
            | has_zero(word ^ (ONES * u64::from(b'\\')));
        if marks != 0 {
            return n * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let done = words.len() * 8;
    let rest = bytes.get(done..).unwrap_or_default();
    done + rest.iter().position(|&b| b < 0x20 || b == b'"' || b == b'\\').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_json(text: &str) -> bool {
        let mut scanner = Scanner { text, at: 0 };
        scanner.space();
        scanner.value(1).and_then(|()| scanner.end()).is_ok()
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_what_is_json(
            text in r#"[\[\]{}",:\\/ueE+\-. \n\ta01\u{1f}é]{0,24}"#
        ) {
            let known = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(is_json(&text), known, "{}", text);
        }

        #[test]
        fn a_plain_run_ends_at_the_first_special_byte(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let slow = bytes
                .iter()
                .position(|&b| b < 0x20 || b == b'"' || b == b'\\')
                .unwrap_or(bytes.len());
            prop_assert_eq!(plain_run(&bytes), slow);
        }

        #[test]
        fn what_serde_json_writes_is_read(value in "\\PC{0,40}") {
            let text = serde_json::json!({ "k": [value.clone(), { "x": value.clone() }] }).to_string();
            prop_assert!(is_json(&text));
            let quoted = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(string(&quoted).unwrap().into_owned(), value);
        }
    }

    #[test]
    fn thirty_two_levels_are_read_and_thirty_three_are_not() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(elements(&nested(32), |_| Ok(())), Ok(()));
        assert_eq!(elements(&nested(33), |_| Ok(())), Err(JsonError::Depth));
        assert_eq!(elements(&"[".repeat(100_000), |_| Ok(())), Err(JsonError::Depth));
    }

    #[test]
    fn duplicates_are_seen_at_any_depth_and_through_escapes() {
        assert!(has_duplicate(r#"{"a":1,"\u0061":2}"#));
        assert!(has_duplicate(r#"{"a":[{"b":{"c":1,"c":1}}]}"#));
        assert!(!has_duplicate(r#"{"a":{"b":1},"b":1}"#));
        let many: Vec<String> = (0..200).map(|n| format!("\"k{n}\":1")).collect();
        assert!(!has_duplicate(&format!("{{{}}}", many.join(","))));
        assert!(has_duplicate(&format!("{{{},\"k7\":1}}", many.join(","))));
    }

    #[test]
    fn compacting_leaves_strings_alone() {
        let mut out = String::new();
        compact("{ \"a b\" : [ 1 , \"x \\\" y\" ]\n}", &mut out);
        assert_eq!(out, r#"{"a b":[1,"x \" y"]}"#);
    }
}
