//! Files that were made to hurt.

use super::{bad, good, places};
use crate::config::{LoadOptions, MAX_FILE_BYTES, load};

#[test]
fn billion_laughs_are_refused() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut last = 'a';
    for name in 'b'..='l' {
        let items = vec![format!("*{last}"); 10].join(", ");
        text.push_str(&format!("{name}: &{name} [{items}]\n"));
        last = name;
    }
    let report = bad(&text);
    assert_eq!(places(&report.findings)[0].0, "too-complex", "{report}");
}

#[test]
fn a_wide_bomb_of_few_aliases_is_refused() {
    let items = vec!["x"; 2_000].join(", ");
    let aliases = vec!["*a"; 60].join(", ");
    let text = format!("a: &a [{items}]\nb: [{aliases}]\n");
    assert_eq!(places(&bad(&text).findings)[0].0, "too-complex");
}

#[test]
fn deep_nesting_is_refused_in_both_styles() {
    for depth in [33, 300, 5_000, 100_000] {
        let flow = format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(places(&bad(&flow).findings)[0].0, "too-complex", "flow {depth}");
    }
    for depth in [40, 300, 5_000] {
        let block: String = (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
        assert_eq!(places(&bad(&block).findings)[0].0, "too-complex", "block {depth}");
        let list = format!("{}x\n", "- ".repeat(depth));
        assert_eq!(places(&bad(&list).findings)[0].0, "too-complex", "list {depth}");
    }
}

#[test]
fn a_hundred_megabytes_are_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes.yaml");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(100 * 1024 * 1024).unwrap();
    let report = load(&path, LoadOptions::default()).unwrap_err();
    assert_eq!(places(&report.findings), [("file-too-large", 0, 0)]);
    file.set_len(MAX_FILE_BYTES as u64 + 1).unwrap();
    assert_eq!(
        places(&load(&path, LoadOptions::default()).unwrap_err().findings)[0].0,
        "file-too-large"
    );
}

#[test]
fn an_endless_file_and_a_directory_are_refused() {
    let report = load("/dev/zero".as_ref(), LoadOptions::default()).unwrap_err();
    assert_eq!(places(&report.findings), [("file-too-large", 0, 0)]);
    let report = load("/tmp".as_ref(), LoadOptions::default()).unwrap_err();
    assert_eq!(places(&report.findings), [("unreadable-file", 0, 0)]);
}

#[test]
fn what_is_not_utf8_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes.yaml");
    for (bytes, place) in [
        (&b"threads: 1\nadmin: \xff\n"[..], (2, 8)),
        (&b"\xfe\xff\x00a"[..], (1, 1)),
        (&b"\xff\xfea\x00"[..], (1, 1)),
        (&b"threads: 1 # \xe2\x82"[..], (1, 14)),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let report = load(&path, LoadOptions::default()).unwrap_err();
        assert_eq!(places(&report.findings), [("not-utf8", place.0, place.1)]);
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_taken() {
    good(&format!("\u{feff}{}", super::GOOD.replace('\n', "\r\n")));
    let report = bad("\u{feff}threads: 1\r\nthraeds: 2\r\n");
    assert_eq!(places(&report.findings), [("unknown-key", 2, 1)]);
}

#[test]
fn nothing_and_only_comments_are_an_empty_configuration() {
    for text in ["", "\n", "# only\n", "---\n", "{}\n"] {
        assert!(good(text).config.listeners.is_empty(), "{text}");
    }
}

#[test]
fn ten_thousand_rules_are_taken() {
    let mut text = super::GOOD.to_owned();
    for number in 0..10_000 {
        text.push_str(&format!(
            "      - name: rule-{number}\n        conditions:\n          host_header: [h{number}.example.com]\n          \
             path_pattern: [/orders/{number}/*]\n        jwt_validation: {{ user_pools: [main], scopes: [orders/read] }}\n        \
             forward: orders\n"
        ));
    }
    assert_eq!(good(&text).config.listeners[0].rules.len(), 10_001);
}

#[test]
fn ten_thousand_mistakes_are_counted_and_a_hundred_shown() {
    let mut text = super::GOOD.to_owned();
    for _ in 0..10_000 {
        text.push_str("      - { nmae: x }\n");
    }
    let report = bad(&text);
    assert!(report.findings.len() > 10_000);
    let shown = report.render(false);
    assert!(shown.contains("more\n"), "{}", &shown[shown.len() - 100..]);
    assert!(shown.len() < 100_000);
}

#[test]
fn comments_in_masses_are_taken() {
    let comments = "# a line\n".repeat(1_000);
    good(&format!(
        "{comments}{}{comments}",
        super::GOOD.replace("    rules:\n", &format!("    rules:\n{comments}"))
    ));
}

#[test]
fn a_very_long_line_is_not_shown() {
    let text = format!(
        "listeners: {{}} # {}\nadmin: {{ x: {} }}\n",
        "c".repeat(50_000),
        "y".repeat(50_000)
    );
    let report = bad(&text);
    assert_eq!(places(&report.findings), [("unknown-key", 2, 10)]);
    assert!(report.render(false).len() < 2_000);
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let report = bad("admin: { \"x\\e[31m\": \"\u{9b}31m\" }\nthreads: \u{1b}[31m\n");
    let shown = report.render(false);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let report = bad("admin: { \"x\\e[31m\": 1 }\n");
    assert!(!report.render(false).contains('\u{1b}'));
}

proptest::proptest! {
    /// Whatever stands in the file, judging ends with findings, and showing them does not fail.
    #[test]
    fn no_text_makes_it_panic(text in "[a-z:{}\\[\\]\"'*&!|>%@`#$, \\-\n\té0-9]{0,200}") {
        if let Err(report) = crate::config::parse_portable(&text, "x") {
            proptest::prop_assert!(!report.findings.is_empty());
            let _ = report.render(true);
            let _ = crate::config::to_json(&report.source, &report.findings);
        }
    }

    /// A good file with one piece cut out or doubled never makes it panic either.
    #[test]
    fn no_cut_makes_it_panic(from in 0..400_usize, length in 0..40_usize, double in proptest::bool::ANY) {
        let text = super::GOOD;
        let from = from.min(text.len());
        let to = (from + length).min(text.len());
        let cut = if double {
            format!("{}{}{}", &text[..to], &text[from..to], &text[to..])
        } else {
            format!("{}{}", &text[..from], &text[to..])
        };
        if let Err(report) = crate::config::parse_portable(&cut, "x") {
            proptest::prop_assert!(!report.findings.is_empty());
            let _ = report.render(false);
        }
    }
}
