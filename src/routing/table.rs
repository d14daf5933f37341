//! A listener's rules, compiled.

use super::condition::{Particulars, Unindexed};
use super::index::{Candidate, Index, Remainder};
use super::miss::Miss;
use super::pattern::{Pairs, Pattern};
use crate::config::model::{Conditions, Located, Rule};
use crate::http::{Malformed, Target};

/// What rules judge of a request. All of it canonical: see [`crate::http`].
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Lower case, no port, no trailing dot.
    pub host: &'a str,
    /// Begins with `/`, or is `*`.
    pub path: &'a str,
    /// As received.
    pub method: &'a str,
    /// The rest, for conditions that look at it.
    pub particulars: Particulars<'a>,
}

/// Which rule takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selection {
    /// Position in the listener's rules.
    Rule(usize),
    /// No rule matched.
    Default,
}

/// The compiled conditions of a listener's rules.
#[derive(Debug)]
pub struct RuleTable {
    /// In the order in which they are tried.
    pub(super) rules: Vec<Compiled>,
    patterns: Vec<Pattern>,
    index: Index,
}

/// The compiled conditions of one rule. An empty list is no condition.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) hosts: Vec<Pattern>,
    pub(super) paths: Vec<Pattern>,
    pub(super) methods: Methods,
    /// Judged last.
    pub(super) unindexed: Option<Box<Unindexed>>,
}

/// More combinations of host and path than this, and a rule is indexed by host alone.
const MAX_COMBINATIONS: usize = 1024;

/// From this many candidates on, it pays to look at the path once more beforehand.
const WORTH_A_SIEVE: usize = 8;

impl RuleTable {
    /// Compiles rules that stand in the order in which they are tried.
    #[must_use]
    pub fn compile(rules: &[Rule]) -> Self {
        let mut table = Self {
            rules: Vec::with_capacity(rules.len()),
            patterns: Vec::new(),
            index: Index::default(),
        };
        for rule in rules {
            table.push(Compiled::new(&rule.conditions));
        }
        table
    }

    fn push(&mut self, rule: Compiled) {
        // Rules are held in memory one by one, so there are never 4 billion.
        let number = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        let path_numbers = self.keep(&rule.paths);
        if rule.hosts.is_empty() {
            let paths = self.index.paths_of_any_host();
            add_paths(paths, &rule, path_numbers, number, Remainder::Nothing);
        }
        let host_numbers = self.keep(&rule.hosts);
        for (host, host_number) in rule.hosts.iter().zip(host_numbers..) {
            let (paths, is_open) = self.index.paths_of(host);
            let left = if is_open { Remainder::Pattern(host_number) } else { Remainder::Nothing };
            add_paths(paths, &rule, path_numbers, number, left);
        }
        self.rules.push(rule);
    }

    /// Keeps patterns for candidates and says the number of the first.
    fn keep(&mut self, patterns: &[Pattern]) -> u32 {
        let first = u32::try_from(self.patterns.len()).unwrap_or(u32::MAX);
        self.patterns.extend_from_slice(patterns);
        first
    }

    /// The first rule that matches, in the order in which they are tried.
    #[must_use]
    pub fn select(&self, facts: &Facts<'_>) -> Selection {
        let method = method_bit(facts.method);
        let mut best = u32::MAX;
        self.index.visit(facts.host, facts.path, |candidates| {
            let pairs = (candidates.len() >= WORTH_A_SIEVE).then(|| Pairs::of(facts.path));
            for candidate in candidates.iter().take_while(|candidate| candidate.rule < best) {
                if pairs.is_none_or(|pairs| self.may_match(candidate, pairs))
                    && self.is_match(candidate, facts, method)
                    && self.hold_unindexed(candidate, facts)
                {
                    best = candidate.rule;
                    return;
                }
            }
        });
        if best == u32::MAX { Selection::Default } else { Selection::Rule(best as usize) }
    }

    /// The rule for a request, if all readings of its path agree on it.
    ///
    /// # Errors
    ///
    /// [`Malformed::ParametersChangeRule`], if cutting the path's `;parameters` selects another rule.
    pub fn route(
        &self,
        host: &str,
        target: &Target<'_>,
        method: &str,
        particulars: Particulars<'_>,
    ) -> Result<Selection, Malformed> {
        let facts = Facts { host, path: &target.path, method, particulars };
        let selection = self.select(&facts);
        match &target.without_parameters {
            Some(path) if self.select(&Facts { path, ..facts }) != selection => {
                Err(Malformed::ParametersChangeRule)
            }
            _ => Ok(selection),
        }
    }

    /// The first condition of a rule that does not hold, for explaining; `None` when all do. A rule
    /// that does not exist takes no request by any path.
    #[must_use]
    pub fn first_miss_of(&self, rule: usize, facts: &Facts<'_>) -> Option<Miss> {
        self.rules.get(rule).map_or(Some(Miss::Path), |rule| rule.first_miss(facts))
    }

    /// How many rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether any rule judges the method: then a target must not be told another one by a header.
    #[must_use]
    pub fn judges_methods(&self) -> bool {
        self.rules.iter().any(|rule| !rule.methods.is_any())
    }

    /// The most rules that are compared one by one for a single request. The cost of a request does
    /// not grow with the number of rules, but it does with this one.
    #[must_use]
    pub fn longest_walk(&self) -> usize {
        self.index.longest_walk()
    }

    /// Every rule whose host, path and method match, in order, and how many had to be compared.
    pub(super) fn matches(&self, facts: &Facts<'_>) -> (Vec<usize>, usize) {
        let method = method_bit(facts.method);
        let mut compared = 0;
        let mut found = Vec::new();
        self.index.visit(facts.host, facts.path, |candidates| {
            compared += candidates.len();
            let matching = candidates.iter().filter(|each| self.is_match(each, facts, method));
            found.extend(matching.map(|candidate| candidate.rule as usize));
        });
        found.sort_unstable();
        found.dedup();
        (found, compared)
    }

    /// Whether a path with these pairs of neighbours may match what is left to compare of it.
    #[inline]
    fn may_match(&self, candidate: &Candidate, path: Pairs) -> bool {
        match candidate.path {
            Remainder::Pattern(number) => {
                self.patterns.get(number as usize).is_some_and(|pattern| pattern.may_match(path))
            }
            Remainder::Nothing | Remainder::AnyOfRule => true,
        }
    }

    #[inline]
    fn is_match(&self, candidate: &Candidate, facts: &Facts<'_>, method: u16) -> bool {
        let Some(rule) = self.rules.get(candidate.rule as usize) else { return false };
        rule.methods.allow(facts.method, method)
            && self.is_remainder(candidate.path, &rule.paths, facts.path)
            && self.is_remainder(candidate.host, &rule.hosts, facts.host)
    }

    #[inline]
    fn hold_unindexed(&self, candidate: &Candidate, facts: &Facts<'_>) -> bool {
        self.rules.get(candidate.rule as usize).is_some_and(|rule| rule.hold_unindexed(facts))
    }

    #[inline]
    fn is_remainder(&self, left: Remainder, of_rule: &[Pattern], value: &str) -> bool {
        match left {
            Remainder::Nothing => true,
            Remainder::Pattern(number) => {
                self.patterns.get(number as usize).is_some_and(|pattern| pattern.matches(value))
            }
            Remainder::AnyOfRule => is_any(of_rule, value),
        }
    }
}

fn add_paths(
    paths: &mut super::index::Paths,
    rule: &Compiled,
    path_numbers: u32,
    number: u32,
    host: Remainder,
) {
    if rule.paths.is_empty() {
        paths.add_anywhere(Candidate { rule: number, host, path: Remainder::Nothing });
    } else if rule.paths.len() * rule.hosts.len() > MAX_COMBINATIONS {
        paths.add_anywhere(Candidate { rule: number, host, path: Remainder::AnyOfRule });
    } else {
        for (path, path_number) in rule.paths.iter().zip(path_numbers..) {
            paths.add(path, path_number, number, host);
        }
    }
}

pub(super) fn is_any(patterns: &[Pattern], value: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(value))
}

impl Compiled {
    fn hold_unindexed(&self, facts: &Facts<'_>) -> bool {
        self.unindexed.as_ref().is_none_or(|conditions| {
            conditions.first_miss(facts.host, facts.path, &facts.particulars).is_none()
        })
    }

    fn new(conditions: &Conditions) -> Self {
        let texts = |values: &'_ [Located<String>], make: fn(&str) -> Pattern| {
            values.iter().map(|located| make(&located.value)).collect()
        };
        Self {
            hosts: texts(&conditions.host_header, Pattern::host),
            paths: texts(&conditions.path_pattern, Pattern::path),
            methods: Methods::new(&conditions.http_request_method),
            unindexed: Unindexed::new(conditions),
        }
    }
}

/// Methods as bits, with the names of uncommon ones beside.
#[derive(Debug)]
pub(super) struct Methods {
    bits: u16,
    uncommon: Vec<Box<str>>,
}

const UNCOMMON: u16 = 1 << 15;

pub(super) fn method_bit(method: &str) -> u16 {
    match method {
        "GET" => 1,
        "HEAD" => 1 << 1,
        "POST" => 1 << 2,
        "PUT" => 1 << 3,
        "DELETE" => 1 << 4,
        "OPTIONS" => 1 << 5,
        "PATCH" => 1 << 6,
        _ => UNCOMMON,
    }
}

impl Methods {
    fn new(names: &[Located<String>]) -> Self {
        if names.is_empty() {
            return Self { bits: u16::MAX, uncommon: Vec::new() };
        }
        let bits = names.iter().fold(0, |bits, name| bits | method_bit(&name.value));
        let uncommon = names.iter().filter(|name| method_bit(&name.value) == UNCOMMON);
        Self { bits, uncommon: uncommon.map(|name| name.value.as_str().into()).collect() }
    }

    fn is_any(&self) -> bool {
        self.bits == u16::MAX
    }

    /// Names are compared exactly: HEAD is not GET (alb.md 4.4).
    pub(super) fn allow(&self, method: &str, bit: u16) -> bool {
        self.bits & bit != 0
            && (bit != UNCOMMON
                || self.is_any()
                || self.uncommon.iter().any(|name| **name == *method))
    }

    /// Whether these allow all that the others allow.
    pub(super) fn cover(&self, others: &Self) -> bool {
        self.is_any()
            || !others.is_any()
                && self.bits & others.bits == others.bits
                && others.uncommon.iter().all(|name| self.uncommon.contains(name))
    }

    /// Whether some method is allowed by both.
    pub(super) fn overlap(&self, others: &Self) -> bool {
        let common = self.bits & others.bits;
        common & !UNCOMMON != 0
            || common != 0
                && (self.is_any()
                    || others.is_any()
                    || self.uncommon.iter().any(|name| others.uncommon.contains(name)))
    }

    /// One allowed method.
    pub(super) fn example(&self) -> &str {
        const COMMON: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
        if self.is_any() {
            return "\u{1}";
        }
        let common = COMMON.into_iter().find(|name| self.bits & method_bit(name) != 0);
        common.or(self.uncommon.first().map(|name| &**name)).unwrap_or("\u{1}")
    }
}

#[cfg(test)]
pub(super) mod tests;
