//! The parameters of one OAuth request, from a query or from a form.
//!
//! A parameter may stand once (RFC 6749, section 3.1), and one without a value counts as left out.
//! Who reads them decides what a repeated one leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Parameters of one request; far above what any endpoint knows.
const MOST: usize = 32;

/// Decoded parameters by name.
#[derive(Default)]
pub struct Parameters {
    by_name: BTreeMap<String, String>,
    repeated: BTreeSet<String>,
}

/// More parameters than any honest request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many parameters")]
pub struct TooMany;

impl Parameters {
    /// Reads `name=value&name=value`.
    ///
    /// # Errors
    ///
    /// [`TooMany`].
    pub fn parse(encoded: &[u8]) -> Result<Self, TooMany> {
        let mut parameters = Self::default();
        for (count, (name, value)) in url::form_urlencoded::parse(encoded).enumerate() {
            if count == MOST {
                return Err(TooMany);
            }
            if parameters.by_name.contains_key(&*name) {
                parameters.repeated.insert(name.into_owned());
            } else {
                parameters.by_name.insert(name.into_owned(), value.into_owned());
            }
        }
        Ok(parameters)
    }

    /// The value of a parameter that stands once and is not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.by_name.get(name).map(String::as_str)?;
        (!value.is_empty() && !self.repeated.contains(name)).then_some(value)
    }

    /// Whether any parameter stands more than once.
    #[must_use]
    pub fn has_repeated(&self) -> bool {
        !self.repeated.is_empty()
    }
}

/// Values may be passwords, codes and secrets.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_counts_when_it_stands_once_with_a_value() {
        let parameters = Parameters::parse(b"a=1&b=&c=2&c=2&d=x%20y+z&e").unwrap();
        assert_eq!(parameters.get("a"), Some("1"));
        assert_eq!(parameters.get("d"), Some("x y z"));
        for absent in ["b", "c", "e", "f"] {
            assert_eq!(parameters.get(absent), None, "{absent}");
        }
        assert!(parameters.has_repeated());
        assert!(!Parameters::parse(b"a=1&b=").unwrap().has_repeated());
    }

    #[test]
    fn thirty_two_parameters_pass_and_one_more_does_not() {
        let text = |count: usize| (0..count).map(|n| format!("p{n}=1&")).collect::<String>();
        assert!(Parameters::parse(text(32).as_bytes()).is_ok());
        assert_eq!(Parameters::parse(text(33).as_bytes()).unwrap_err(), TooMany);
        // Repeating one name does not get around it.
        assert_eq!(Parameters::parse("a=1&".repeat(33).as_bytes()).unwrap_err(), TooMany);
    }
}
