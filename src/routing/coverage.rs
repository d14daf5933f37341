//! Which rules can never match, and which meet: questions asked when the file is judged.

use super::condition::Particulars;
use super::pattern::Pattern;
use super::table::{Compiled, Facts, RuleTable};

/// Most comparisons for a whole table. Ten thousand rules that the index tells apart need some tens
/// of thousands; a table that would need more is not judged to its end.
const MAX_WORK: usize = 4_000_000;
/// Most rules in front that are weighed against one rule.
const MAX_WEIGHED: usize = 64;
/// A character that neither patterns nor requests have: a wildcard filled with it is matched by
/// wildcards only.
const NOBODYS: char = '\u{1}';

impl RuleTable {
    /// Rules that can never match since one in front takes all they could: pairs of positions, the
    /// rule and the one in front.
    ///
    /// Each pair is right. A rule that only several in front together leave nothing for is not
    /// found.
    #[must_use]
    pub fn unreachable(&self) -> Vec<(usize, usize)> {
        let mut work = 0;
        let mut found = Vec::new();
        for (position, rule) in self.rules.iter().enumerate() {
            // Whoever covers the rule matches this request of it, too; mostly nobody does.
            let (host, path) = (example(&rule.hosts), example_path(&rule.paths));
            let method = rule.methods.example();
            let particulars = Particulars::default();
            let facts = Facts { host: &host, path: &path, method, particulars };
            let (matching, compared) = self.matches(&facts);
            work += compared;
            let in_front = matching.into_iter().take_while(|&other| other < position);
            let cover = in_front.take(MAX_WEIGHED).find(|&other| self.covers(other, position));
            found.extend(cover.map(|cover| (position, cover)));
            if work > MAX_WORK {
                break;
            }
        }
        found
    }

    /// Whether one rule matches whatever the other matches. Paths begin with `/`, so `/*` is taken
    /// for all of them, though `OPTIONS *` is not among them.
    fn covers(&self, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.rules.get(one), self.rules.get(other)) else {
            return false;
        };
        let is_implied = match (&one.unindexed, &other.unindexed) {
            (None, _) => true,
            (Some(ours), Some(theirs)) => ours.is_implied_by(theirs),
            (Some(_), None) => false,
        };
        is_implied
            && one.methods.cover(&other.methods)
            && all_covered(&one.hosts, &other.hosts, None)
            && all_covered(&one.paths, &other.paths, Some(b'/'))
    }

    /// Whether some request matches both rules, as far as host, path and method tell.
    #[must_use]
    pub fn overlap(&self, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.rules.get(one), self.rules.get(other)) else {
            return false;
        };
        let Compiled { hosts, paths, methods, unindexed: _ } = one;
        methods.overlap(&other.methods)
            && any_meet(hosts, &other.hosts)
            && any_meet(paths, &other.paths)
    }
}

fn all_covered(general: &[Pattern], special: &[Pattern], first: Option<u8>) -> bool {
    if general.is_empty() {
        return true;
    }
    let is_covered = |each: &Pattern| general.iter().any(|general| general.covers(each, first));
    if special.is_empty() {
        is_covered(&Pattern::path("*"))
    } else {
        special.iter().all(is_covered)
    }
}

fn any_meet(ours: &[Pattern], theirs: &[Pattern]) -> bool {
    ours.is_empty()
        || theirs.is_empty()
        || ours.iter().any(|one| theirs.iter().any(|other| one.overlaps(other)))
}

fn example(patterns: &[Pattern]) -> String {
    patterns.first().map_or_else(|| NOBODYS.to_string(), |first| first.filled_with(NOBODYS))
}

/// Every path begins with `/`, also one that a leading wildcard matches.
fn example_path(patterns: &[Pattern]) -> String {
    let path = example(patterns);
    match patterns.first().map(Pattern::as_str) {
        Some(text) if text.starts_with('?') => path.replacen(NOBODYS, "/", 1),
        Some(text) if !text.starts_with('*') => path,
        _ => format!("/{path}"),
    }
}

#[cfg(test)]
mod tests;
