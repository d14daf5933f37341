//! Entries of the deny list, as a file or the admin listener has them: one JSON object each.

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;

/// Most entries, of the file and of the admin listener together.
pub const CAPACITY: usize = 100_000;
/// Longest value that is compared.
pub const LONGEST: usize = 2048;

/// Which claim an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A person, or a machine.
    Sub,
    /// A session at the issuer.
    Sid,
    /// A sign-in at a Cognito pool, with all tokens that came of it.
    OriginJti,
    /// One token.
    Jti,
    /// An app client.
    ClientId,
}

impl Claim {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sub, Self::Sid, Self::OriginJti, Self::Jti, Self::ClientId];

    /// The claim's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sub => "sub",
            Self::Sid => "sid",
            Self::OriginJti => "origin_jti",
            Self::Jti => "jti",
            Self::ClientId => "client_id",
        }
    }
}

/// One entry: a claim and its value, of any issuer unless one is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which claim.
    pub claim: Claim,
    /// Its value.
    pub value: Box<str>,
    /// Only of this issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Box<str>>,
    /// Only what was issued until then, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
    /// When the entry itself ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Why there is no such entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not the JSON of an entry.
    #[error(
        "not an entry: {0}; write {{\"claim\": \"sub\", \"value\": \"...\"}}, with \"issuer\", \
         \"issued_before\" and \"until\" if you like"
    )]
    Malformed(String),
    /// An empty value would name nobody, and a very long one nobody either.
    #[error("`value` is empty, or longer than {LONGEST} bytes")]
    Value,
    /// There are too many.
    #[error("the deny list is full: {CAPACITY} entries")]
    Full,
}

impl Entry {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let entry: Self =
            serde_json::from_str(text).map_err(|why| EntryError::Malformed(why.to_string()))?;
        if entry.value.is_empty() || entry.value.len() > LONGEST {
            return Err(EntryError::Value);
        }
        Ok(entry)
    }

    /// Whether the entry itself has ended.
    #[must_use]
    pub fn is_over(&self, now: UnixMillis) -> bool {
        self.until.is_some_and(|until| until <= now.seconds())
    }
}

/// Reads a file of entries: one a line, as JSON; blank lines and those that begin with `#` are
/// nothing.
///
/// # Errors
///
/// The number of the first bad line, and what is wrong with it.
pub fn read_file(text: &str) -> Result<Vec<Entry>, (usize, EntryError)> {
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if entries.len() == CAPACITY {
            return Err((number + 1, EntryError::Full));
        }
        entries.push(Entry::parse(line).map_err(|why| (number + 1, why))?);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_an_entry_a_line_and_a_bad_one_is_named() {
        let text = "# gone\n\n{\"claim\":\"sub\",\"value\":\"a\"}\n \
                    {\"claim\":\"origin_jti\",\"value\":\"b\",\"issued_before\":5}\n";
        let entries = read_file(text).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].claim, entries[1].issued_before), (Claim::OriginJti, Some(5)));
        for bad in [
            "{}",
            "sub: a",
            "{\"claim\":\"sub\",\"value\":\"\"}",
            "{\"claim\":\"email\",\"value\":\"a\"}",
            "{\"claim\":\"sub\",\"value\":\"a\",\"untill\":1}",
            "{\"claim\":\"sub\",\"value\":\"a\",\"until\":-1}",
        ] {
            let why = read_file(&format!("\n{bad}\n")).unwrap_err();
            assert_eq!(why.0, 2, "{bad}");
        }
    }
}
