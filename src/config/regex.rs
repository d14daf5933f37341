//! A regular expression of the file, compiled.

use std::fmt;

/// Most memory that one compiled expression takes; those of a few hundred states fit.
const LARGEST: usize = 256 * 1024;

/// Matches in time linear to the text, whatever it is. Unicode classes are off, as AWS has it, so
/// `.` is one byte and texts need not be UTF-8. Equal texts are equal expressions.
#[derive(Clone)]
pub struct Regex(::regex::bytes::Regex);

impl Regex {
    /// Compiles it. The error is for the operator: it shows the text and marks the place in it.
    ///
    /// # Errors
    ///
    /// Syntax that the engine does not have (look-around, back-references, atomic groups), and
    /// expressions that would need too much memory.
    pub fn new(text: &str, ignores_case: bool) -> Result<Self, String> {
        ::regex::bytes::RegexBuilder::new(text)
            .unicode(false)
            .case_insensitive(ignores_case)
            .size_limit(LARGEST)
            .dfa_size_limit(LARGEST)
            .build()
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// Whether it matches anywhere in the text.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }

    /// Where each group, the whole first, has found something.
    #[must_use]
    pub fn captures(&self, text: &str) -> Option<Vec<Option<(usize, usize)>>> {
        let found = self.0.captures(text.as_bytes())?;
        Some(found.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect())
    }

    /// How many groups there are, the whole among them.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.0.captures_len()
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Regex {}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regex({:?})", self.as_str())
    }
}
