//! `api_keys:` and `usage_plans:` as they are meant.

use std::path::PathBuf;

use super::{ApiIndex, Name};
use crate::config::api_key::KeyDigest;

/// API keys, and what they are good for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Those of the file, then those of its file of keys.
    pub keys: Vec<ApiKey>,
    /// A file of keys and the digest of what was read of it.
    pub key_file: Option<(PathBuf, [u8; 32])>,
    /// In file order.
    pub plans: Vec<UsagePlan>,
}

/// One key. The key itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The file's name for it.
    pub name: Name,
    /// What its value is known by.
    pub digest: KeyDigest,
    /// Whether it is good. Default true.
    pub is_enabled: bool,
}

/// `usage_plans: NAME:`
#[derive(Debug, Clone, PartialEq)]
pub struct UsagePlan {
    /// The file's name for it.
    pub name: Name,
    /// Positions in [`Usage::keys`], each once.
    pub keys: Vec<usize>,
    /// Which APIs they open, each once.
    pub apis: Vec<PlanApi>,
    /// How often each key may be used.
    pub throttle: Option<Pace>,
    /// How often in a period.
    pub quota: Option<Quota>,
}

/// An API of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanApi {
    /// Which one.
    pub api: ApiIndex,
    /// How often each key may be used for a route, by the route's position.
    pub throttle: Vec<(usize, Pace)>,
}

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Requests a second, in the long run; more than 0.
    pub rate: f64,
    /// Requests at once, at least 1.
    pub burst: u32,
}

/// How many requests a key has in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests.
    pub limit: u64,
    /// How many of them are taken off in the first period. Default 0.
    pub offset: u64,
    /// What it is for.
    pub period: Period,
}

/// What a quota is for: calendar periods of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first of the month.
    Month,
}

impl Period {
    /// As the file names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}
