use proptest::prelude::*;

use super::*;

fn matches(pattern: &str, value: &str) -> bool {
    Pattern::path(pattern).matches(value)
}

/// alb.md, conformance 5 to 8.
#[test]
fn alb_s_own_examples_hold() {
    assert!(Pattern::host("*.Example.com").matches("test.example.com"));
    assert!(Pattern::host("*.example.com").matches("a.b.example.com"));
    assert!(!Pattern::host("*.example.com").matches("example.com"));
    assert!(matches("/img/*", "/img/a/b.png"));
    assert!(matches("/img/*", "/img/"));
    for miss in ["/img", "/IMG/a", "/x/img/a"] {
        assert!(!matches("/img/*", miss));
    }
    assert!(matches("/a?c", "/abc"));
    assert!(matches("/a?c", "/a/c"));
    assert!(!matches("/a?c", "/ac"));
    assert!(!matches("/a?c", "/abbc"));
    assert!(matches("/img/*/pics", "/img/a/b/pics"));
}

#[test]
fn the_parts_of_one_star_do_not_share_bytes() {
    assert!(!matches("/ab*ba", "/aba"));
    assert!(matches("/ab*ba", "/abba"));
    assert!(!matches("/a?*b", "/ab"));
    assert!(matches("**", ""));
    assert!(!matches("?", ""));
    assert!(matches("", ""));
}

#[test]
fn the_sieve_dismisses_most_of_the_rest() {
    let pairs = Pairs::of("/service-00000/orders/17");
    let dismissed = (0..64)
        .map(|number| Pattern::path(&format!("*/internal-{number}/*")))
        .filter(|pattern| !pattern.may_match(pairs));
    assert_eq!(dismissed.count(), 64);
}

/// Attack C14, fault F35: no pattern makes a long path expensive.
#[test]
fn a_long_path_against_many_stars_takes_few_steps() {
    let path = "/a".repeat(8 * 1024);
    let hostile = format!("{}b", "*a".repeat(60));
    let long_tail = format!("*{}b*", "/a".repeat(60));
    let periodic = format!("*{}b*", "a".repeat(126));
    let run = format!("/{}", "a".repeat(16 * 1024));
    for _ in 0..200 {
        assert!(!matches(&hostile, &path));
        assert!(!matches(&long_tail, &path));
        assert!(!matches(&periodic, &run));
    }
}

fn by_regex(pattern: &str) -> regex::Regex {
    let body: String = pattern
        .chars()
        .map(|character| match character {
            '*' => "(?s:.*)".to_owned(),
            '?' => "(?s:.)".to_owned(),
            other => regex::escape(&other.to_string()),
        })
        .collect();
    regex::Regex::new(&format!("\\A{body}\\z")).unwrap()
}

/// Every value of up to six letters: enough to tell the patterns below apart.
fn all_values() -> Vec<String> {
    let mut longest = vec![String::new()];
    let mut values = longest.clone();
    for _ in 0..6 {
        longest = longest
            .iter()
            .flat_map(|value| ["/", "a", "b", "c"].map(|letter| format!("{value}{letter}")))
            .collect();
        values.extend(longest.iter().cloned());
    }
    values
}

#[test]
fn inclusion_of_patterns_that_people_write() {
    for (general, special, expected) in [
        ("/*", "/orders/*", true),
        ("/orders/*", "/orders/*", true),
        ("/orders/*", "/orders/?*", true),
        ("/orders/*", "/orders", false),
        ("/orders*", "/orders/*/items", true),
        ("/orders/*/items", "/orders/*", false),
        ("*/items", "/orders/*/items", true),
        ("*a*", "*ba?", true),
        ("*ab*", "*a*b*", false),
        ("*a*b*", "*ab*", true),
        ("/?*", "/*", false),
        ("?*", "*?", true),
        ("*", "*", true),
        ("*.example.com", "*.api.example.com", true),
    ] {
        let covers = Pattern::path(general).covers(&Pattern::path(special), None);
        assert_eq!(covers, expected, "{general} covers {special}");
    }
}

#[test]
fn paths_all_begin_with_a_slash() {
    let covers =
        |general, special| Pattern::path(general).covers(&Pattern::path(special), Some(b'/'));
    assert!(covers("/*", "*"));
    assert!(covers("/*", "*.png"));
    assert!(covers("/*", "*/a"));
    assert!(covers("/*", "?a"));
    assert!(!covers("/a*", "*"));
    assert!(!covers("/?*", "*"));
}

#[test]
fn entangled_patterns_are_not_analysed_for_ever() {
    let general = Pattern::path(&format!("*a{}", "?".repeat(60)));
    let special = Pattern::path(&"*b?a".repeat(30));
    assert!(!general.covers(&special, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn matching_is_what_the_regex_says(pattern in "[ab/*?]{0,8}", value in "[ab/\n]{0,10}") {
        prop_assert_eq!(matches(&pattern, &value), by_regex(&pattern).is_match(&value));
    }

    #[test]
    fn repetitive_values_are_matched_as_the_regex_says(
        pattern in "[ab]{0,2}\\*[ab]{0,6}[ab?]\\*[ab?*]{0,3}", value in "[ab]{0,30}",
    ) {
        prop_assert_eq!(matches(&pattern, &value), by_regex(&pattern).is_match(&value));
    }

    #[test]
    fn the_sieve_dismisses_no_match(pattern in "[ab/*?]{0,8}", value in "[ab/]{0,10}") {
        let pattern = Pattern::path(&pattern);
        prop_assert!(pattern.may_match(Pairs::of(&value)) || !pattern.matches(&value));
    }

    #[test]
    fn matching_odd_bytes_is_what_the_regex_says(pattern in "[a-zA-Z0-9_.$/~\"'@:+&*?-]{0,12}",
        value in "[\0-\x7f]{0,12}")
    {
        prop_assert_eq!(matches(&pattern, &value), by_regex(&pattern).is_match(&value));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn inclusion_and_overlap_are_what_all_short_values_say(
        one in "[ab/*?]{0,4}", other in "[ab/*?]{0,4}",
    ) {
        let values = all_values();
        let (one, other) = (Pattern::path(&one), Pattern::path(&other));
        let includes = |first: Option<u8>| {
            let mut of_other = values
                .iter()
                .filter(|value| first.is_none_or(|byte| value.as_bytes().first() == Some(&byte)))
                .filter(|value| other.matches(value))
                .peekable();
            (first.is_none() || of_other.peek().is_some()) && of_other.all(|value| one.matches(value))
        };
        prop_assert_eq!(one.covers(&other, None), includes(None));
        prop_assert_eq!(one.covers(&other, Some(b'/')), includes(Some(b'/')));
        let meets = values.iter().any(|value| one.matches(value) && other.matches(value));
        if meets {
            prop_assert!(one.overlaps(&other));
        }
        prop_assert_eq!(one.overlaps(&other), other.overlaps(&one));
    }
}
