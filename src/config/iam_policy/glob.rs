//! Patterns of actions, resources and `StringLike`: `*` is any run of characters, slashes and colons
//! among them, `?` is exactly one.

/// A pattern, cut at its stars: the first piece stands at the beginning, the last at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Box<[Box<[u8]>]>);

impl Glob {
    /// `None` for an empty one, and where it has a variable such as `${aws:username}`: nobody here
    /// could say what that is.
    pub(super) fn new(text: &str) -> Option<Self> {
        if text.is_empty() || text.contains("${") {
            return None;
        }
        Some(Self(text.as_bytes().split(|byte| *byte == b'*').map(Box::from).collect()))
    }

    /// Whether the whole text fits. There is nothing to try again: the leftmost place of a piece
    /// leaves the most for those behind it. So each byte is looked at once for each byte of a piece
    /// at most.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let (first, last, middle) = match &*self.0 {
            [] => return text.is_empty(),
            [only] => return fits(only, text),
            [first, middle @ .., last] => (first, last, middle),
        };
        if text.len() < first.len() + last.len() {
            return false;
        }
        let (head, rest) = text.split_at(first.len());
        let (mut rest, tail) = rest.split_at(rest.len() - last.len());
        if !fits(first, head) || !fits(last, tail) {
            return false;
        }
        for piece in middle.iter().filter(|piece| !piece.is_empty()) {
            let Some(place) = rest.windows(piece.len()).position(|part| fits(piece, part)) else {
                return false;
            };
            rest = rest.get(place + piece.len()..).unwrap_or_default();
        }
        true
    }

    pub(super) fn weight(&self) -> usize {
        self.0.iter().map(|piece| piece.len() + size_of::<Box<[u8]>>()).sum()
    }
}

fn fits(piece: &[u8], part: &[u8]) -> bool {
    piece.len() == part.len()
        && piece.iter().zip(part).all(|(wanted, byte)| *wanted == b'?' || wanted == byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the definition, and slowly.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            ([b'?', rest @ ..], [_, text @ ..]) => naive(rest, text),
            ([byte, rest @ ..], [found, text @ ..]) => byte == found && naive(rest, text),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_fits_is_what_the_definition_says(pattern in "[ab/*?]{1,9}", text in "[ab/]{0,10}") {
            let glob = Glob::new(&pattern).unwrap();
            prop_assert_eq!(glob.matches(text.as_bytes()), naive(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn many_stars_are_no_more_work() {
        let glob = Glob::new(&"*a".repeat(250)).unwrap();
        assert!(!glob.matches(format!("{}b", "a".repeat(100_000)).as_bytes()));
        assert!(glob.matches("a".repeat(100_000).as_bytes()));
    }

    #[test]
    fn variables_and_nothing_are_no_patterns() {
        assert!(Glob::new("").is_none());
        assert!(Glob::new("arn:aws:s3:::${aws:username}/*").is_none());
    }
}
