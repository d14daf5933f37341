//! Questions about everything that a pattern matches: does it include, or meet, what another does?

use std::collections::HashSet;

use super::{Pattern, Shape};

/// Longest pattern that is analysed; ALB's limit is 128.
const MAX_LENGTH: usize = 255;
/// Most steps of one analysis. Patterns that people write need a few hundred.
const MAX_STATES: usize = 4096;

impl Pattern {
    /// Whether this one matches whatever the other matches. With `first`, only values that begin
    /// with that byte count, and a pattern without any is covered by none.
    ///
    /// True is always right. False is right too, unless the patterns are so long or so entangled
    /// that the analysis gave up.
    #[must_use]
    pub fn covers(&self, other: &Self, first: Option<u8>) -> bool {
        if first.is_some_and(|byte| !other.may_begin(byte)) {
            return false;
        }
        if self.shape == Shape::Everything || self.text == other.text {
            return true;
        }
        if other.shape == Shape::Literal {
            return self.matches(&other.text);
        }
        if self.text.len() > MAX_LENGTH || other.text.len() > MAX_LENGTH {
            return false;
        }
        includes(self.text.as_bytes(), other.text.as_bytes(), first)
    }

    fn may_begin(&self, byte: u8) -> bool {
        matches!(self.text.as_bytes().first(), Some(&own) if own == byte || matches!(own, b'*' | b'?'))
    }

    /// Whether some value matches both. True, too, if the patterns are too long to tell.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.literal_prefix().as_bytes(), other.literal_prefix().as_bytes());
        if !ours.starts_with(theirs) && !theirs.starts_with(ours) {
            return false;
        }
        match (self.shape, other.shape) {
            (Shape::Literal, _) => other.matches(&self.text),
            (_, Shape::Literal) => self.matches(&other.text),
            _ => {
                let (ours, theirs) = (self.literal_suffix(), other.literal_suffix());
                (ours.ends_with(theirs) || theirs.ends_with(ours))
                    && meets(self.text.as_bytes(), other.text.as_bytes())
            }
        }
    }
}

/// Positions in a pattern, as a set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Positions([u64; 4]);

impl Positions {
    fn has(self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|word| word & 1 << (position % 64) != 0)
    }

    /// Adds a position, and the one behind it where the pattern has `*` there.
    fn add(&mut self, mut position: usize, pattern: &[u8]) {
        loop {
            if let Some(word) = self.0.get_mut(position / 64) {
                *word |= 1 << (position % 64);
            }
            if pattern.get(position) != Some(&b'*') {
                return;
            }
            position += 1;
        }
    }

    fn after(self, byte: u8, pattern: &[u8]) -> Self {
        let mut next = Self::default();
        for (position, &symbol) in pattern.iter().enumerate().filter(|&(at, _)| self.has(at)) {
            match symbol {
                b'*' => next.add(position, pattern),
                b'?' => next.add(position + 1, pattern),
                _ if symbol == byte => next.add(position + 1, pattern),
                _ => {}
            }
        }
        next
    }
}

/// A state of the search: how far the special pattern is read, where the general one may be, and
/// whether anything was read yet.
type State = (usize, Positions, bool);

/// Searches a value of `special` that `general` does not match: the product of one pattern's
/// automaton with the other's subset automaton.
fn includes(general: &[u8], special: &[u8], first: Option<u8>) -> bool {
    let mut start = Positions::default();
    start.add(0, general);
    let mut seen: HashSet<State> = HashSet::new();
    let mut waiting = vec![(0, start, true)];
    while let Some(state @ (read, positions, at_start)) = waiting.pop() {
        if !seen.insert(state) {
            continue;
        }
        if seen.len() > MAX_STATES {
            return false;
        }
        let Some(&symbol) = special.get(read) else {
            let is_counted = !at_start || first.is_none();
            if is_counted && !positions.has(general.len()) {
                return false;
            }
            continue;
        };
        if general.ends_with(b"*") && positions.has(general.len() - 1) {
            continue;
        }
        if symbol == b'*' {
            waiting.push((read + 1, positions, at_start));
        }
        let next_read = if symbol == b'*' { read } else { read + 1 };
        for byte in bytes_to_try(symbol, general) {
            if at_start && first.is_some_and(|first| first != byte) {
                continue;
            }
            waiting.push((next_read, positions.after(byte, general), false));
        }
    }
    true
}

/// What a symbol of the special pattern can read, as far as the general one can tell apart. Zero
/// stands for every byte that the general one does not name.
fn bytes_to_try(symbol: u8, general: &[u8]) -> Vec<u8> {
    if !matches!(symbol, b'*' | b'?') {
        return vec![symbol];
    }
    let mut bytes: Vec<u8> =
        general.iter().copied().filter(|byte| !matches!(byte, b'*' | b'?')).collect();
    bytes.extend([0, b'/']);
    bytes.sort_unstable();
    bytes.dedup();
    bytes
}

/// Whether two patterns have a value in common: reachability over pairs of positions.
fn meets(one: &[u8], other: &[u8]) -> bool {
    if one.len() > MAX_LENGTH || other.len() > MAX_LENGTH {
        return true;
    }
    let width = other.len() + 1;
    let mut reached = vec![false; (one.len() + 1) * width];
    let mut waiting = vec![(0, 0)];
    while let Some((a, b)) = waiting.pop() {
        match reached.get_mut(a * width + b) {
            Some(known) if !*known => *known = true,
            _ => continue,
        }
        match (one.get(a), other.get(b)) {
            (None, None) => return true,
            (Some(b'*'), _) | (_, Some(b'*')) => {
                if one.get(a) == Some(&b'*') {
                    waiting.push((a + 1, b));
                    waiting.extend(other.get(b).map(|_| (a, b + 1)));
                }
                if other.get(b) == Some(&b'*') {
                    waiting.push((a, b + 1));
                    waiting.extend(one.get(a).map(|_| (a + 1, b)));
                }
            }
            (Some(x), Some(y)) if x == y || *x == b'?' || *y == b'?' => {
                waiting.push((a + 1, b + 1));
            }
            _ => {}
        }
    }
    false
}
