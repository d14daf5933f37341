//! API keys as the gateway keeps them: as digests only, and the file that many of them stand in.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use serde::Deserialize;

/// Most API keys (API Gateway's quota).
pub const MOST_KEYS: usize = 10_000;

/// This process's own; `None` when the system had no randomness.
static PROCESS_KEY: LazyLock<Option<hmac::Key>> =
    LazyLock::new(|| hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok());

/// What stands for an API key's value: HMAC-SHA-256 under a key of this process. Nobody outside can
/// compute one, so that looking one up in a map tells no stopwatch how near a guess was; and a heap
/// dump holds no API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Of a value; `None` when the system had no randomness for the key.
    #[must_use]
    pub fn of(value: &[u8]) -> Option<Self> {
        let tag = hmac::sign(PROCESS_KEY.as_ref()?, value);
        tag.as_ref().try_into().ok().map(Self)
    }
}

/// Why a text cannot be the value of an API key (API Gateway's bounds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value of an API key has 20 to 128 letters, digits, `-` and `_`")]
pub struct NotAValue;

/// Whether this can be the value of an API key.
///
/// # Errors
///
/// When it cannot.
pub fn check_value(value: &str) -> Result<(), NotAValue> {
    let is_good = (20..=128).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    is_good.then_some(()).ok_or(NotAValue)
}

/// One line of a file of API keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// The secret. Not `Debug`, so that nobody prints it.
    pub value: String,
    /// Whether it is good.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The plans that it is in, beside those that name it.
    #[serde(default)]
    pub usage_plans: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// Reads a file of API keys: one JSON object a line; blank lines and those that begin with `#` are
/// nothing.
///
/// # Errors
///
/// The number of the first bad line, and what is wrong with it, without what stands there.
pub fn read_file(text: &str) -> Result<Vec<(usize, Line)>, (usize, String)> {
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if lines.len() == MOST_KEYS {
            return Err((number, format!("more than {MOST_KEYS} API keys")));
        }
        // serde's words may quote what it found, and that is a secret.
        let line: Line = serde_json::from_str(line).map_err(|why| {
            let place = why.column();
            let help = "write {\"name\": \"...\", \"value\": \"...\"}, with \"enabled\" and \
                        \"usage_plans\" if you like";
            (number, format!("not an API key, at character {place}; {help}"))
        })?;
        check_value(&line.value).map_err(|why| (number, why.to_string()))?;
        lines.push((number, line));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_one_value_in_its_spelling() {
        let of = |value: &str| KeyDigest::of(value.as_bytes()).unwrap();
        assert_eq!(of("abc"), of("abc"));
        assert_ne!(of("abc"), of("abC"));
        assert_ne!(of("abc"), of("abc "));
    }

    #[test]
    fn a_file_of_keys_is_read_and_a_bad_line_is_named_without_its_secret() {
        let value = "abcdefghij0123456789";
        let text = format!(
            "# keys\n\n{{\"name\":\"a\",\"value\":\"{value}\"}}\n\
             {{\"name\":\"b\",\"value\":\"{value}X\",\"enabled\":false,\"usage_plans\":[\"gold\"]}}\n"
        );
        let lines = read_file(&text).unwrap();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].1.enabled && lines[0].1.usage_plans.is_empty());
        assert_eq!((lines[1].0, lines[1].1.enabled), (4, false));
        assert_eq!(lines[1].1.usage_plans, ["gold"]);
        for bad in [
            "{\"name\":\"a\"}".to_owned(),
            format!("{{\"name\":\"a\",\"value\":\"{value}\",\"enabled\":\"sosecret\"}}"),
            "{\"name\":\"a\",\"value\":\"sosecret\"}".to_owned(),
            "{\"name\":\"a\",\"value\":\"sosecret ghij0123456789\"}".to_owned(),
            "\"sosecret\"".to_owned(),
        ] {
            let (line, why) = read_file(&format!("\n{bad}")).err().unwrap();
            assert_eq!(line, 2);
            assert!(!why.contains("sosecret"), "{why}");
        }
    }
}
