//! "Did you mean": the known word nearest to what was typed.

/// The candidate that `word` is most likely a slip of, if any is near enough.
///
/// AWS's own spellings (`HostHeader`, `host-header`) count as the snake-case word.
pub(super) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Longer words are never typed by accident, and the distance is quadratic.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let word = snake_case(word);
    let allowed = match word.chars().count() {
        0 => return None,
        1..=2 => 0,
        3..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(&word, &snake_case(candidate)), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `x`?``, if there is an `x`.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    closest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

fn snake_case(word: &str) -> String {
    let mut snake = String::with_capacity(word.len() + 4);
    let mut after_small = false;
    for c in word.chars() {
        if c.is_ascii_uppercase() && after_small {
            snake.push('_');
        }
        after_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        snake.push(if c == '-' { '_' } else { c.to_ascii_lowercase() });
    }
    snake
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &to) in b.iter().enumerate() {
            let substituted = last[j] + usize::from(from != to);
            let mut best = substituted.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_swapped_or_missing_letter_is_found() {
        assert_eq!(closest("ordres", ["web", "orders"]), Some("orders"));
        assert_eq!(closest("scpoes", ["scopes", "groups"]), Some("scopes"));
        assert_eq!(closest("adress", ["address"]), Some("address"));
    }

    #[test]
    fn the_spelling_of_aws_is_found() {
        assert_eq!(closest("PathPattern", ["path_pattern"]), Some("path_pattern"));
        assert_eq!(closest("host-header", ["host_header"]), Some("host_header"));
        assert_eq!(
            closest("httpRequestMethod", ["http_request_method"]),
            Some("http_request_method")
        );
    }

    #[test]
    fn a_stranger_is_not_guessed_at() {
        assert_eq!(closest("billing", ["orders", "web"]), None);
        assert_eq!(closest("ab", ["cd"]), None);
        assert_eq!(closest(&"x".repeat(10_000), ["x"]), None);
    }
}
