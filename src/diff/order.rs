//! Rules that stand elsewhere: as few as tell the whole difference.

use std::collections::HashMap;

/// A rule that is tried earlier or later than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its name.
    pub rule: String,
    /// The rule that now stands right in front of it; `None` where it is the first.
    pub behind: Option<String>,
}

/// The rules of both lists that must be moved to make one order of the other.
pub(super) fn moved(old: &[&str], new: &[&str]) -> Vec<Moved> {
    let places: HashMap<&str, usize> =
        old.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let common: Vec<(usize, usize)> =
        new.iter().enumerate().filter_map(|(now, name)| Some((now, *places.get(name)?))).collect();
    let before: Vec<usize> = common.iter().map(|(_, before)| *before).collect();
    let kept = longest_rising(&before);
    common
        .iter()
        .enumerate()
        .filter(|(position, _)| !kept.contains(position))
        .map(|(_, (now, _))| Moved {
            rule: new.get(*now).map(ToString::to_string).unwrap_or_default(),
            behind: now.checked_sub(1).and_then(|at| new.get(at)).map(ToString::to_string),
        })
        .collect()
}

/// The positions of a longest rising subsequence, in n log n.
fn longest_rising(values: &[usize]) -> std::collections::HashSet<usize> {
    // For each length, the position of the smallest value that a subsequence of it ends with.
    let mut ends: Vec<usize> = Vec::new();
    let mut in_front: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (position, value) in values.iter().enumerate() {
        let length = ends.partition_point(|end| values.get(*end).is_some_and(|end| end < value));
        in_front.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = position,
            None => ends.push(position),
        }
    }
    let mut kept = std::collections::HashSet::new();
    let mut next = ends.last().copied();
    while let Some(position) = next {
        kept.insert(position);
        next = in_front.get(position).copied().flatten();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &[&str], new: &[&str]) -> Vec<String> {
        let tell = |moved: &Moved| {
            format!("{} behind {}", moved.rule, moved.behind.as_deref().unwrap_or("nothing"))
        };
        moved(old, new).iter().map(tell).collect()
    }

    #[test]
    fn one_rule_that_moved_is_told_once() {
        assert_eq!(told(&["a", "b", "c", "d"], &["b", "c", "d", "a"]), ["a behind d"]);
        assert_eq!(told(&["a", "b", "c", "d"], &["d", "a", "b", "c"]), ["d behind nothing"]);
        assert_eq!(told(&["a", "b"], &["b", "a"]).len(), 1);
    }

    #[test]
    fn rules_that_come_and_go_move_nobody() {
        assert!(told(&["a", "b", "c"], &["x", "a", "c", "y"]).is_empty());
        assert!(told(&[], &["a"]).is_empty() && told(&["a"], &[]).is_empty());
    }
}
