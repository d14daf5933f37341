//! `Condition` of a statement: an operator, a key, and the values that it is compared with.
//!
//! Keys are those that need no IAM caller. Those of AWS's own networks are never there.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::Facts;
use super::glob::Glob;
use super::list::{OneOrMany, Pairs};

/// Why a condition is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// There is no such operator, or none for this.
    #[error("the operator is not known")]
    Operator,
    /// There is no such key, or only for IAM callers.
    #[error("the key is not known")]
    Key,
    /// The operator compares values of another kind than the key has.
    #[error("the operator does not suit the key")]
    Mismatch,
    /// A value is not of the operator's kind.
    #[error("a value is not of the operator's kind")]
    Value,
}

/// A value as it is written: texts, and what JSON has beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scalar(String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    key: Key,
    test: Test,
    /// What holds where a value is none of those that are wanted, and where there is no value.
    is_negated: bool,
    holds_without: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    CurrentTime,
    EpochTime,
    Referer,
    SecureTransport,
    SourceIp,
    UserAgent,
    /// Of AWS's networks: never there.
    Absent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Text {
        wanted: Vec<String>,
        ignores_case: bool,
    },
    Like(Vec<Glob>),
    Address(Vec<IpNet>),
    Bool(bool),
    /// In milliseconds.
    Time(Order, Vec<i128>),
    /// Whether the key must be missing.
    Null(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

pub(super) fn parse(
    raw: Pairs<Pairs<OneOrMany<Scalar>>>,
) -> Result<Vec<Condition>, ConditionError> {
    let mut conditions = Vec::new();
    for (operator, keys) in raw.0 {
        for (key, OneOrMany(values)) in keys.0 {
            conditions.push(Condition::parse(&operator, &key, &values)?);
        }
    }
    Ok(conditions)
}

impl Condition {
    fn parse(operator: &str, key: &str, values: &[Scalar]) -> Result<Self, ConditionError> {
        let key = Key::of(key)?;
        if values.is_empty() {
            return Err(ConditionError::Value);
        }
        if operator == "Null" {
            let test = Test::Null(flag(values)?);
            return Ok(Self { key, test, is_negated: false, holds_without: false });
        }
        let (name, if_exists) = match operator.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (operator, false),
        };
        let (test, is_negated) = test(name, key, values)?;
        if !test.suits(key) {
            return Err(ConditionError::Mismatch);
        }
        Ok(Self { key, test, is_negated, holds_without: is_negated || if_exists })
    }

    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        if let Test::Null(must_be_missing) = self.test {
            return self.key.is_there(facts) != must_be_missing;
        }
        if !self.key.is_there(facts) {
            return self.holds_without;
        }
        self.finds(facts) != self.is_negated
    }

    fn finds(&self, facts: &Facts<'_>) -> bool {
        let text = match self.key {
            Key::Referer => facts.referer,
            Key::UserAgent => facts.user_agent,
            _ => None,
        };
        match &self.test {
            Test::Text { wanted, ignores_case } => text.is_some_and(|text| {
                wanted.iter().any(|wanted| match ignores_case {
                    true => wanted.eq_ignore_ascii_case(text),
                    false => wanted == text,
                })
            }),
            Test::Like(globs) => {
                text.is_some_and(|text| globs.iter().any(|glob| glob.matches(text.as_bytes())))
            }
            Test::Address(nets) => {
                let address = facts.source_ip.to_canonical();
                nets.iter().any(|net| net.contains(&address))
            }
            Test::Bool(wanted) => facts.is_tls == *wanted,
            Test::Time(order, wanted) => {
                let now = i128::from(facts.now.0);
                wanted.iter().any(|wanted| order.holds(now, *wanted))
            }
            Test::Null(_) => false,
        }
    }

    pub(super) fn weight(&self) -> usize {
        size_of::<Self>()
            + match &self.test {
                Test::Text { wanted, .. } => wanted.iter().map(|text| text.len() + 24).sum(),
                Test::Like(globs) => globs.iter().map(Glob::weight).sum(),
                Test::Address(nets) => nets.len() * size_of::<IpNet>(),
                Test::Time(_, times) => times.len() * size_of::<i128>(),
                Test::Bool(_) | Test::Null(_) => 0,
            }
    }
}

/// What an operator compares, and whether it is meant the other way round.
fn test(name: &str, key: Key, values: &[Scalar]) -> Result<(Test, bool), ConditionError> {
    let order = |suffix: &str| match suffix {
        "Equals" => Ok((Order::Equal, false)),
        "NotEquals" => Ok((Order::Equal, true)),
        "LessThan" => Ok((Order::Less, false)),
        "LessThanEquals" => Ok((Order::LessOrEqual, false)),
        "GreaterThan" => Ok((Order::Greater, false)),
        "GreaterThanEquals" => Ok((Order::GreaterOrEqual, false)),
        _ => Err(ConditionError::Operator),
    };
    let texts = |ignores_case| {
        if values.iter().any(|value| value.0.contains("${")) {
            return Err(ConditionError::Value);
        }
        let wanted = values.iter().map(|value| value.0.clone()).collect();
        Ok(Test::Text { wanted, ignores_case })
    };
    let globs = || {
        let globs = values.iter().map(|value| Glob::new(&value.0));
        globs.collect::<Option<_>>().map(Test::Like).ok_or(ConditionError::Value)
    };
    let nets = || {
        let nets = values.iter().map(|value| net(&value.0));
        nets.collect::<Option<_>>().map(Test::Address).ok_or(ConditionError::Value)
    };
    Ok(match name {
        "StringEquals" => (texts(false)?, false),
        "StringNotEquals" => (texts(false)?, true),
        "StringEqualsIgnoreCase" => (texts(true)?, false),
        "StringNotEqualsIgnoreCase" => (texts(true)?, true),
        "StringLike" | "ArnLike" | "ArnEquals" => (globs()?, false),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (globs()?, true),
        "IpAddress" => (nets()?, false),
        "NotIpAddress" => (nets()?, true),
        "Bool" => (Test::Bool(flag(values)?), false),
        _ => {
            let (suffix, read): (_, fn(&str) -> Option<i128>) =
                if let Some(suffix) = name.strip_prefix("Date") {
                    (suffix, date)
                } else if let Some(suffix) = name.strip_prefix("Numeric") {
                    // A number of seconds is all there is to compare.
                    if key != Key::EpochTime {
                        return Err(ConditionError::Mismatch);
                    }
                    (suffix, seconds)
                } else {
                    return Err(ConditionError::Operator);
                };
            let (order, is_negated) = order(suffix)?;
            let times = values.iter().map(|value| read(&value.0));
            let times = times.collect::<Option<_>>().ok_or(ConditionError::Value)?;
            (Test::Time(order, times), is_negated)
        }
    })
}

impl Test {
    fn suits(&self, key: Key) -> bool {
        matches!(
            (key, self),
            (Key::Absent | Key::Referer | Key::UserAgent, Self::Text { .. } | Self::Like(_))
                | (Key::SourceIp, Self::Address(_))
                | (Key::SecureTransport, Self::Bool(_))
                | (Key::CurrentTime | Key::EpochTime, Self::Time(..))
        )
    }
}

impl Key {
    fn of(name: &str) -> Result<Self, ConditionError> {
        Ok(match &*name.to_ascii_lowercase() {
            "aws:currenttime" => Self::CurrentTime,
            "aws:epochtime" => Self::EpochTime,
            "aws:referer" => Self::Referer,
            "aws:securetransport" => Self::SecureTransport,
            "aws:sourceip" => Self::SourceIp,
            "aws:useragent" => Self::UserAgent,
            "aws:sourcearn" | "aws:sourcevpc" | "aws:sourcevpce" => Self::Absent,
            _ => return Err(ConditionError::Key),
        })
    }

    const fn is_there(self, facts: &Facts<'_>) -> bool {
        match self {
            Self::CurrentTime | Self::EpochTime | Self::SecureTransport | Self::SourceIp => true,
            Self::Referer => facts.referer.is_some(),
            Self::UserAgent => facts.user_agent.is_some(),
            Self::Absent => false,
        }
    }
}

impl Order {
    /// To the second, as AWS knows the time.
    const fn holds(self, now: i128, wanted: i128) -> bool {
        let now = now.div_euclid(1000) * 1000;
        match self {
            Self::Equal => now == wanted,
            Self::Less => now < wanted,
            Self::LessOrEqual => now <= wanted,
            Self::Greater => now > wanted,
            Self::GreaterOrEqual => now >= wanted,
        }
    }
}

fn flag(values: &[Scalar]) -> Result<bool, ConditionError> {
    match values {
        [Scalar(value)] => value.to_ascii_lowercase().parse().map_err(|_| ConditionError::Value),
        _ => Err(ConditionError::Value),
    }
}

fn net(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address)
}

fn seconds(text: &str) -> Option<i128> {
    text.parse::<i64>().ok().map(|seconds| i128::from(seconds) * 1000)
}

/// `2026-07-10T19:19:05Z`, a day alone, or seconds since 1970.
fn date(text: &str) -> Option<i128> {
    if let Some(time) = seconds(text) {
        return Some(time);
    }
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(day, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days of years that begin in March, so that a leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let seconds = (days - 719_469) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(i128::from(seconds) * 1000)
}

fn numbers(text: &str, separator: char, lengths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut number = |length| {
        let part = parts.next().filter(|part: &&str| part.len() == length)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let [first, second, third] = lengths;
    let found = [number(first)?, number(second)?, number(third)?];
    parts.next().is_none().then_some(found)
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, a number or a boolean")
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(value.to_owned()))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
