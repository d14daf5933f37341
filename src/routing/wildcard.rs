//! Wildcards over bytes of any case, for values of headers and query parameters.
//!
//! `*` is any run of bytes, `?` exactly one; `\*`, `\?` and `\\` are these characters themselves
//! (alb.md 4.3, 4.5). Letters are compared without case. The whole value must fit. The work is at
//! most the value's length times the pattern's.

use std::fmt;

/// A compiled pattern: pieces between the stars, the first at the beginning, the last at the end.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wildcard(Box<[Box<[Slot]>]>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// In lower case.
    Byte(u8),
    Any,
}

impl Wildcard {
    /// `has_escapes`: whether `\` takes the meaning from what follows it.
    pub(super) fn new(text: &str, has_escapes: bool) -> Self {
        let mut pieces = vec![Vec::new()];
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let slot = match byte {
                b'*' => {
                    pieces.push(Vec::new());
                    continue;
                }
                b'?' => Slot::Any,
                b'\\' if has_escapes => Slot::Byte(bytes.next().unwrap_or(b'\\')),
                other => Slot::Byte(other.to_ascii_lowercase()),
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(slot);
            }
        }
        Self(pieces.into_iter().map(Vec::into_boxed_slice).collect())
    }

    /// Whether the whole value fits.
    pub(super) fn matches(&self, value: &[u8]) -> bool {
        match &*self.0 {
            [] => value.is_empty(),
            [only] => value.len() == only.len() && fits(only, value),
            [first, middle @ .., last] => {
                if value.len() < first.len() + last.len() {
                    return false;
                }
                let (head, rest) = value.split_at(first.len());
                let (mut rest, tail) = rest.split_at(rest.len() - last.len());
                if !fits(first, head) || !fits(last, tail) {
                    return false;
                }
                // The leftmost place is always right: it leaves the most for what follows.
                for piece in middle {
                    let places =
                        rest.len().checked_sub(piece.len()).map_or(0..0, |last| 0..last + 1);
                    let place = places.into_iter().find(|&at| {
                        rest.get(at..at + piece.len()).is_some_and(|part| fits(piece, part))
                    });
                    let Some(place) = place else { return false };
                    rest = rest.get(place + piece.len()..).unwrap_or_default();
                }
                true
            }
        }
    }
}

/// Of equal length.
fn fits(piece: &[Slot], part: &[u8]) -> bool {
    piece.iter().zip(part).all(|(slot, byte)| match slot {
        Slot::Byte(wanted) => *wanted == byte.to_ascii_lowercase(),
        Slot::Any => true,
    })
}

impl fmt::Debug for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wildcard")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        Wildcard::new(pattern, true).matches(value.as_bytes())
    }

    #[test]
    fn the_whole_value_fits_without_case() {
        for (pattern, value) in [
            ("PROD*", "production"),
            ("*", ""),
            ("a?c", "aBc"),
            ("*example*", "an EXAMPLE of it"),
            ("a*b*c", "axxbyyc"),
            ("a*a", "aa"),
            (r"\*", "*"),
            (r"\?\\", r"?\"),
            (r"a\", r"a\"),
        ] {
            assert!(matches(pattern, value), "{pattern} {value}");
        }
        for (pattern, value) in [
            ("prod", "production"),
            ("a?c", "ac"),
            ("a*a", "a"),
            (r"\*", "x"),
            ("*b*b*", "ab"),
            ("", "x"),
        ] {
            assert!(!matches(pattern, value), "{pattern} {value}");
        }
        assert!(Wildcard::new(r"\*", false).matches(br"\anything"));
    }

    /// The definition, without any thought of its cost.
    fn naive(pattern: &[u8], value: &[u8]) -> bool {
        match pattern.split_first() {
            None => value.is_empty(),
            Some((b'*', rest)) => (0..=value.len()).any(|from| naive(rest, &value[from..])),
            Some((b'?', rest)) => value.split_first().is_some_and(|(_, tail)| naive(rest, tail)),
            Some((byte, rest)) => value
                .split_first()
                .is_some_and(|(first, tail)| first.eq_ignore_ascii_case(byte) && naive(rest, tail)),
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_definition_says(pattern in "[abB*?]{0,8}", value in "[aAb]{0,10}") {
            prop_assert_eq!(matches(&pattern, &value), naive(pattern.as_bytes(), value.as_bytes()));
        }
    }
}
