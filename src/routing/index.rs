//! Finds the few rules worth a look: host, then path, then candidates in priority order.
//!
//! A rule stands under each of its hosts, and there under each of its paths. Exact values are found
//! by hash; a host pattern by the labels behind its last wildcard; a path pattern by the text in
//! front of its first. What has no such anchor is in a list that is walked for every request.
//! Neither the number of hosts nor that of paths makes a look-up dearer, and none allocates.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::pattern::Pattern;

/// One way to a rule: what is left to be compared once the index has led here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Position of the rule.
    pub(super) rule: u32,
    /// What is left to compare of the host.
    pub(super) host: Remainder,
    /// What is left to compare of the path.
    pub(super) path: Remainder,
}

/// What the index did not settle.
#[derive(Debug, Clone, Copy)]
pub(super) enum Remainder {
    /// Nothing: the index compared all of it.
    Nothing,
    /// This pattern, a position in the table's list.
    Pattern(u32),
    /// Any of the rule's.
    AnyOfRule,
}

type Hosts = HashMap<Box<str>, Paths, BuildHasherDefault<TextHash>>;

/// All rules of a listener, by host.
#[derive(Debug, Default)]
pub(super) struct Index {
    exact: Hosts,
    /// By what follows the last wildcard, from a dot on: `.example.com`.
    suffixes: Hosts,
    /// Bit n: some key of `suffixes` has n dots.
    suffix_dots: u128,
    anywhere: Paths,
}

impl Index {
    /// The paths of a host pattern, and whether the host still has to be compared.
    pub(super) fn paths_of(&mut self, host: &Pattern) -> (&mut Paths, bool) {
        if host.is_literal() {
            return (self.exact.entry(host.as_str().into()).or_default(), false);
        }
        let suffix = host.literal_suffix();
        let labels = suffix.find('.').and_then(|dot| suffix.get(dot..)).unwrap_or_default();
        let dots = labels.bytes().filter(|&byte| byte == b'.').count();
        if labels.len() < 2 || dots >= 128 {
            return (&mut self.anywhere, !host.is_everything());
        }
        self.suffix_dots |= 1 << dots;
        let is_settled = host.is_suffix() && labels.len() == suffix.len();
        (self.suffixes.entry(labels.into()).or_default(), !is_settled)
    }

    /// The paths of rules that name no host.
    pub(super) fn paths_of_any_host(&mut self) -> &mut Paths {
        &mut self.anywhere
    }

    /// Shows each list of candidates that the request may match, each in priority order.
    #[inline]
    pub(super) fn visit<'i>(
        &'i self,
        host: &str,
        path: &str,
        mut look: impl FnMut(&'i [Candidate]),
    ) {
        if let Some(paths) = self.exact.get(host) {
            paths.visit(path, &mut look);
        }
        if self.suffix_dots != 0 {
            let dots = host.bytes().enumerate().rev().filter(|&(_, byte)| byte == b'.');
            for (count, (dot, _)) in (1..128).zip(dots) {
                if self.suffix_dots & 1 << count != 0
                    && let Some(paths) = host.get(dot..).and_then(|key| self.suffixes.get(key))
                {
                    paths.visit(path, &mut look);
                }
            }
        }
        self.anywhere.visit(path, &mut look);
    }

    /// The most candidates that are compared one by one for a request: those without an anchor, for
    /// any host and for the host that has most of them, or those that share one anchor.
    pub(super) fn longest_walk(&self) -> usize {
        let of_hosts = || self.exact.values().chain(self.suffixes.values());
        let unanchored = of_hosts().map(|paths| paths.anywhere.len()).max().unwrap_or(0);
        let shared = of_hosts().map(Paths::longest_shared).max().unwrap_or(0);
        (unanchored + self.anywhere.anywhere.len()).max(shared).max(self.anywhere.longest_shared())
    }
}

/// The rules of one host, by path.
#[derive(Debug, Default)]
pub(super) struct Paths {
    exact: PathMap,
    longest_exact: usize,
    /// By what stands in front of the first wildcard.
    prefixes: PathMap,
    /// Lengths of those, rising, each once.
    prefix_lengths: Vec<usize>,
    anywhere: Vec<Candidate>,
}

type PathMap = HashMap<u64, Anchor, BuildHasherDefault<Precomputed>>;

/// The candidates under one text, and those under others of the same hash.
#[derive(Debug)]
struct Anchor {
    text: Box<str>,
    candidates: Vec<Candidate>,
    collided: Vec<Self>,
}

impl Anchor {
    fn new(text: &str) -> Self {
        Self { text: text.into(), candidates: Vec::new(), collided: Vec::new() }
    }

    fn find(&self, text: &str) -> Option<&[Candidate]> {
        if &*self.text == text {
            return Some(&self.candidates);
        }
        self.collided.iter().find(|other| &*other.text == text).map(|other| &*other.candidates)
    }
}

impl Paths {
    /// Adds a candidate that comes after all others so far.
    pub(super) fn add(&mut self, path: &Pattern, number: u32, rule: u32, host: Remainder) {
        let unsettled = Remainder::Pattern(number);
        let candidate = |path| Candidate { rule, host, path };
        let prefix = path.literal_prefix();
        if path.is_literal() {
            self.longest_exact = self.longest_exact.max(prefix.len());
            insert(&mut self.exact, prefix, candidate(Remainder::Nothing));
        } else if prefix.len() >= 2 {
            if let Err(place) = self.prefix_lengths.binary_search(&prefix.len()) {
                self.prefix_lengths.insert(place, prefix.len());
            }
            let left = if path.is_prefix() { Remainder::Nothing } else { unsettled };
            insert(&mut self.prefixes, prefix, candidate(left));
        } else {
            let left = if path.is_everything() { Remainder::Nothing } else { unsettled };
            self.anywhere.push(candidate(left));
        }
    }

    /// Adds a candidate whose path is not indexed.
    pub(super) fn add_anywhere(&mut self, candidate: Candidate) {
        self.anywhere.push(candidate);
    }

    #[inline]
    fn visit<'i>(&'i self, path: &str, look: &mut impl FnMut(&'i [Candidate])) {
        let mut hash = PathHash::default();
        let bytes = path.as_bytes();
        for &length in &self.prefix_lengths {
            let (Some(fresh), Some(prefix)) = (bytes.get(hash.length..length), path.get(..length))
            else {
                // Longer than the path, or in the middle of a character, which no key is.
                if length > bytes.len() {
                    break;
                }
                continue;
            };
            hash.extend(fresh);
            if let Some(found) = self.prefixes.get(&hash.finish()).and_then(|at| at.find(prefix)) {
                look(found);
            }
        }
        if !self.exact.is_empty() && bytes.len() <= self.longest_exact {
            hash.extend(bytes.get(hash.length..).unwrap_or_default());
            if let Some(found) = self.exact.get(&hash.finish()).and_then(|at| at.find(path)) {
                look(found);
            }
        }
        if !self.anywhere.is_empty() {
            look(&self.anywhere);
        }
    }

    fn longest_shared(&self) -> usize {
        let anchors = self.exact.values().chain(self.prefixes.values());
        anchors.map(|anchor| anchor.candidates.len()).max().unwrap_or(0)
    }
}

fn insert(map: &mut PathMap, text: &str, candidate: Candidate) {
    let mut hash = PathHash::default();
    hash.extend(text.as_bytes());
    let anchor = map.entry(hash.finish()).or_insert_with(|| Anchor::new(text));
    if &*anchor.text == text {
        anchor.candidates.push(candidate);
        return;
    }
    let place = anchor.collided.iter().position(|other| &*other.text == text);
    let place = place.unwrap_or_else(|| {
        anchor.collided.push(Anchor::new(text));
        anchor.collided.len() - 1
    });
    if let Some(other) = anchor.collided.get_mut(place) {
        other.candidates.push(candidate);
    }
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of a path that grows: one pass over the path gives that of each of its starts.
///
/// The keys are the configuration's and requests only look them up, so a hash that strangers could
/// compute does them no good.
#[derive(Default)]
struct PathHash {
    state: u64,
    length: usize,
}

impl PathHash {
    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.state = (self.state.rotate_left(5) ^ u64::from(byte)).wrapping_mul(MULTIPLIER);
        }
        self.length += bytes.len();
    }

    /// The table uses the highest and the lowest bits, so both have to be well mixed.
    fn finish(&self) -> u64 {
        let mixed = self.state ^ (self.state >> 32);
        mixed.wrapping_mul(MULTIPLIER) ^ (mixed >> 29)
    }
}

/// Passes a finished hash through.
#[derive(Default)]
struct Precomputed(u64);

impl Hasher for Precomputed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut hash = PathHash { state: self.0, length: 0 };
        hash.extend(bytes);
        self.0 = hash.finish();
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Hashes a host, eight bytes at a time.
#[derive(Default)]
struct TextHash(u64);

impl Hasher for TextHash {
    fn finish(&self) -> u64 {
        PathHash { state: self.0, length: 0 }.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let last = rest.iter().fold(0, |last: u64, &byte| last << 8 | u64::from(byte));
        self.write_u64(last ^ (bytes.len() as u64) << 56);
    }

    fn write_u8(&mut self, _: u8) {
        // The end mark of a text; its length is in already.
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(MULTIPLIER);
    }
}
