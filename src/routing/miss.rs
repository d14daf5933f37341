//! Why a rule does not take a request: the first of its conditions that does not hold.
//!
//! The running gateway finds rules by an index and never asks; whoever explains does. Both compare
//! by the same compiled conditions, and a property test holds them to the same verdicts.

use super::condition::Unindexed;
use super::table::{Compiled, Facts, is_any, method_bit};

/// A condition that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Miss {
    /// None of the patterns of `host_header`.
    Host,
    /// None of the patterns of `path_pattern`.
    Path,
    /// None of `http_request_method`.
    Method,
    /// None of the regular expressions of `host_header`.
    HostRegex,
    /// None of the regular expressions of `path_pattern`.
    PathRegex,
    /// None of the networks of `source_ip`.
    SourceIp,
    /// The `http_header` at this position.
    Header(usize),
    /// The `query_string` at this position.
    Query(usize),
}

impl Compiled {
    /// The first condition that does not hold; `None` when all do.
    pub(super) fn first_miss(&self, facts: &Facts<'_>) -> Option<Miss> {
        if !is_any(&self.hosts, facts.host) {
            return Some(Miss::Host);
        }
        if !is_any(&self.paths, facts.path) {
            return Some(Miss::Path);
        }
        if !self.methods.allow(facts.method, method_bit(facts.method)) {
            return Some(Miss::Method);
        }
        self.unindexed.as_deref().and_then(|conditions: &Unindexed| {
            conditions.first_miss(facts.host, facts.path, &facts.particulars)
        })
    }
}
