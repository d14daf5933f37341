//! Durations and sizes as the file writes them: `10s`, `10MiB`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Why a text is not a duration or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Neither number nor unit, or something between them.
    #[error("`{text}` is not {what}")]
    Malformed {
        /// What was typed.
        text: String,
        /// `a duration such as ...`.
        what: &'static str,
    },
    /// A number alone.
    #[error("`{text}` has no unit; write {example}")]
    NoUnit {
        /// What was typed.
        text: String,
        /// The same number with the likely unit.
        example: String,
    },
    /// More than can be counted.
    #[error("`{text}` is too large")]
    TooLarge {
        /// What was typed.
        text: String,
    },
}

/// `500ms`, `10s`, `5m` or `1h`: a whole number and one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationText(pub Duration);

/// `512B`, `64KiB`, `10MiB` or `1GiB`: a whole number and one unit, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SizeText(pub u64);

const DURATION: &str = "a duration such as `500ms`, `10s`, `5m` or `1h`";
const SIZE: &str = "a size such as `512B`, `64KiB`, `10MiB` or `1GiB`";

/// Longest duration, so that no sum of them can overflow: 10 years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl FromStr for DurationText {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split(text, DURATION, "s")?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(UnitError::Malformed { text: shown(text), what: DURATION }),
        };
        number
            .checked_mul(millis)
            .map(Duration::from_millis)
            .filter(|&duration| duration <= LONGEST)
            .map(Self)
            .ok_or_else(|| UnitError::TooLarge { text: shown(text) })
    }
}

impl FromStr for SizeText {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split(text, SIZE, "KiB")?;
        let bytes = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(UnitError::Malformed { text: shown(text), what: SIZE }),
        };
        number
            .checked_mul(bytes)
            .filter(|&bytes| i64::try_from(bytes).is_ok())
            .map(Self)
            .ok_or_else(|| UnitError::TooLarge { text: shown(text) })
    }
}

fn split<'a>(text: &'a str, what: &'static str, unit: &str) -> Result<(u64, &'a str), UnitError> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Err(UnitError::Malformed { text: shown(text), what });
    }
    if rest.is_empty() {
        return Err(UnitError::NoUnit {
            text: shown(text),
            example: format!("`{}{unit}`", shown(text)),
        });
    }
    let number = digits.parse().map_err(|_| UnitError::TooLarge { text: shown(text) })?;
    Ok((number, rest))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            0 => f.write_str("0s"),
            m if m % 3_600_000 == 0 => write!(f, "{}h", m / 3_600_000),
            m if m % 60_000 == 0 => write!(f, "{}m", m / 60_000),
            m if m % 1_000 == 0 => write!(f, "{}s", m / 1_000),
            m => write!(f, "{m}ms"),
        }
    }
}

impl fmt::Display for SizeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b if b > 0 && b % (1 << 30) == 0 => write!(f, "{}GiB", b >> 30),
            b if b > 0 && b % (1 << 20) == 0 => write!(f, "{}MiB", b >> 20),
            b if b > 0 && b % (1 << 10) == 0 => write!(f, "{}KiB", b >> 10),
            b => write!(f, "{b}B"),
        }
    }
}

/// Reads a scalar by its `FromStr`.
struct Parsed<T>(&'static str, PhantomData<T>);

impl<T> Visitor<'_> for Parsed<T>
where
    T: FromStr<Err = UnitError>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parsed(DURATION, PhantomData))
    }
}

impl<'de> Deserialize<'de> for SizeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parsed(SIZE, PhantomData))
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A whole number and a unit: `ms`, `s`, `m` or `h`.",
            "pattern": "^[0-9]+(ms|s|m|h)$",
            "examples": ["500ms", "10s", "5m", "1h"],
        })
    }
}

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A whole number and a unit: `B`, `KiB`, `MiB` or `GiB`.",
            "pattern": "^[0-9]+(B|KiB|MiB|GiB)$",
            "examples": ["512B", "64KiB", "10MiB", "1GiB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read_and_written_back() {
        for text in ["0s", "500ms", "10s", "5m", "1h", "90s", "1500ms"] {
            let duration: DurationText = text.parse().unwrap();
            assert_eq!(duration.to_string().parse::<DurationText>().unwrap(), duration);
        }
        assert_eq!("5m".parse::<DurationText>().unwrap().0, Duration::from_secs(300));
        for (text, bytes) in [("0B", 0), ("64KiB", 65_536), ("10MiB", 10 << 20), ("1GiB", 1 << 30)]
        {
            let size: SizeText = text.parse().unwrap();
            assert_eq!(size.0, bytes);
            assert_eq!(size.to_string(), text);
        }
    }

    #[test]
    fn a_number_without_a_unit_is_shown_with_one() {
        let error = "10".parse::<DurationText>().unwrap_err();
        assert_eq!(error.to_string(), "`10` has no unit; write `10s`");
        let error = "64".parse::<SizeText>().unwrap_err();
        assert_eq!(error.to_string(), "`64` has no unit; write `64KiB`");
    }

    #[test]
    fn strange_units_signs_and_fractions_are_refused() {
        for text in ["", "s", "-1s", "+1s", "1.5s", "1 s", "1d", "1S", "1sec", "1m30s", "٣s"] {
            assert!(
                matches!(text.parse::<DurationText>(), Err(UnitError::Malformed { .. })),
                "{text}"
            );
        }
        for text in ["", "MiB", "1MB", "1kib", "1 MiB", "1.5GiB", "-1B"] {
            assert!(matches!(text.parse::<SizeText>(), Err(UnitError::Malformed { .. })), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        for text in ["99999999999999999999s", "18446744073709551615h", "87601h"] {
            assert!(
                matches!(text.parse::<DurationText>(), Err(UnitError::TooLarge { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            "9223372036854775807GiB".parse::<SizeText>(),
            Err(UnitError::TooLarge { .. })
        ));
    }
}
