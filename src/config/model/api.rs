//! `apis:` as it is meant.

use std::time::Duration;

use super::{Cors, GroupIndex, JwtValidation, Name, Throttle};
use crate::config::diagnostics::Span;

/// Position in [`Config::apis`](super::Config::apis).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiIndex(pub usize);

/// `apis: NAME:`
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// The file's name for it.
    pub name: Name,
    /// Taken off the path before routes are matched: empty, or `/a/b` without a slash at its end.
    pub base_path: String,
    /// Whether the safe reading applies where AWS's is open to bypass. Default true.
    pub is_strict: bool,
    /// Which pages of other origins may call; targets say it when absent.
    pub cors: Option<Cors>,
    /// How often its routes may be asked; all of these count.
    pub throttle: Vec<Throttle>,
    /// In file order.
    pub routes: Vec<Route>,
    /// Where the API stands in the file.
    pub span: Span,
}

impl Api {
    /// The target groups of its routes.
    pub fn groups(&self) -> impl Iterator<Item = GroupIndex> + '_ {
        self.routes.iter().map(|route| route.integration.group)
    }
}

/// One route of an API.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its key as AWS spells it: `GET /orders/{id}`.
    pub key: Name,
    /// What it matches.
    pub pattern: RoutePattern,
    /// Who may come; nobody is asked when absent.
    pub validation: Option<JwtValidation>,
    /// How often it may be asked; all of these count, and the API's.
    pub throttle: Vec<Throttle>,
    /// Where requests go.
    pub integration: Integration,
}

/// What a route matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutePattern {
    /// `$default`: whatever no other route takes.
    Default,
    /// `METHOD /path`.
    Path {
        /// `None` for `ANY`.
        method: Option<String>,
        /// The path, split at its slashes; `/` is one empty literal.
        segments: Vec<Segment>,
    },
}

/// A segment of a route's path, or of an integration's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Itself.
    Literal(String),
    /// `{name}`: one segment that is not empty.
    Variable(String),
    /// `{name+}`: all the rest, one segment or more. Always the last.
    Greedy(String),
}

/// `integration:`
#[derive(Debug, Clone, PartialEq)]
pub struct Integration {
    /// Who serves it.
    pub group: GroupIndex,
    /// The path that the target gets; the request's, less `base_path`, when absent.
    pub path: Option<Vec<Segment>>,
    /// Longest silence of a target that owes us bytes. Default 30 s, as on AWS.
    pub timeout: Duration,
}
