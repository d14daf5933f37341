use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::diagnostics::Span;
use crate::config::model::{Action, FixedResponse};
use crate::http::{PathPolicy, Received, Scheme, tidy};

pub(in crate::routing) fn rule(hosts: &[&str], paths: &[&str], methods: &[&str]) -> Rule {
    let located = |values: &[&str]| {
        let locate = |value: &&str| Located { value: (*value).to_owned(), span: Span::default() };
        values.iter().map(locate).collect()
    };
    Rule {
        name: Arc::from("rule"),
        priority: 1,
        conditions: Conditions {
            host_header: located(hosts),
            path_pattern: located(paths),
            http_request_method: located(methods),
            ..Conditions::default()
        },
        authentication: None,
        sign_in: None,
        transforms: crate::config::model::Transforms::default(),
        ends_with_identity: true,
        public: false,
        action: Action::FixedResponse(FixedResponse {
            status_code: 200,
            content_type: "text/plain".to_owned(),
            message_body: String::new(),
        }),
        claim_headers: Arc::from([]),
        span: Span::default(),
    }
}

fn table(rules: &[Rule]) -> RuleTable {
    RuleTable::compile(rules)
}

fn select(table: &RuleTable, method: &str, host: &str, path: &str) -> Option<usize> {
    match table.select(&Facts { host, path, method, particulars: Particulars::default() }) {
        Selection::Rule(rule) => Some(rule),
        Selection::Default => None,
    }
}

#[test]
fn all_conditions_hold_and_any_value_of_each() {
    let table = table(&[rule(&["a.example", "b.example"], &["/x", "/y/*"], &["GET", "PURGE"])]);
    for (method, host, path, expected) in [
        ("GET", "a.example", "/x", true),
        ("PURGE", "b.example", "/y/1", true),
        ("GET", "a.example", "/y", false),
        ("GET", "c.example", "/x", false),
        ("POST", "a.example", "/x", false),
        ("PURG", "a.example", "/x", false),
        ("HEAD", "a.example", "/x", false),
    ] {
        assert_eq!(select(&table, method, host, path).is_some(), expected, "{method} {host}{path}");
    }
}

#[test]
fn the_first_rule_in_order_wins_whatever_led_to_it() {
    let ways: [(&[&str], &[&str]); 8] = [
        (&["a.example.com"], &["/x/y"]),
        (&["a.example.com"], &["/x/*"]),
        (&["*.example.com"], &["/x/y"]),
        (&["a*.example.com"], &["/x*y"]),
        (&["*"], &["*y"]),
        (&[], &["/x/?"]),
        (&["a.example.com"], &[]),
        (&[], &[]),
    ];
    for first in ways {
        for second in ways {
            let rules = [
                rule(&["other"], &[], &[]),
                rule(first.0, first.1, &[]),
                rule(second.0, second.1, &[]),
            ];
            assert_eq!(select(&table(&rules), "GET", "a.example.com", "/x/y"), Some(1));
        }
    }
}

#[test]
fn a_rule_without_conditions_matches_everything_and_none_means_default() {
    assert_eq!(select(&table(&[rule(&[], &[], &[])]), "GET", "a", "*"), Some(0));
    assert_eq!(select(&table(&[]), "GET", "a", "/"), None);
}

#[test]
fn host_patterns_may_end_inside_a_label() {
    let table = table(&[rule(&["*ample.com"], &[], &[]), rule(&["api-*.*.example.org"], &[], &[])]);
    assert_eq!(select(&table, "GET", "example.com", "/"), Some(0));
    assert_eq!(select(&table, "GET", "api-1.eu.example.org", "/"), Some(1));
    assert_eq!(select(&table, "GET", "web-1.eu.example.org", "/"), None);
}

#[test]
fn a_rule_with_very_many_combinations_still_matches_them_all() {
    let hosts: Vec<_> = (0..50).map(|number| format!("h{number}")).collect();
    let paths: Vec<_> = (0..50).map(|number| format!("/p{number}")).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let table = table(&[rule(&hosts, &paths, &[])]);
    assert_eq!(select(&table, "GET", "h49", "/p49"), Some(0));
    assert_eq!(select(&table, "GET", "h49", "/p50"), None);
    assert_eq!(select(&table, "GET", "h50", "/p49"), None);
}

/// Attack C4, end to end: the path is judged with and without its parameters.
#[test]
fn parameters_may_not_select_another_rule() {
    let table = table(&[rule(&[], &["/admin/*"], &[]), rule(&[], &["/public/*"], &[])]);
    let route = |raw: &str| {
        let received = Received {
            method: "GET",
            target: raw.as_bytes(),
            authority: None,
            scheme: Scheme::Http,
        };
        let (target, authority) = tidy(received, [&b"a"[..]], PathPolicy::default())?;
        table.route(authority.host(), &target, "GET", Particulars::default())
    };
    assert_eq!(route("/public/a;v=1"), Ok(Selection::Rule(1)));
    assert_eq!(route("/admin;x/users"), Err(Malformed::ParametersChangeRule));
    assert_eq!(route("/;/admin/users"), Err(Malformed::ParametersChangeRule));
    assert_eq!(route("/public/..;/admin/users"), Err(Malformed::DotSegmentParameters));
}

#[test]
fn the_longest_walk_counts_what_has_no_anchor() {
    let many = |make: &dyn Fn(usize) -> Rule| -> usize {
        table(&(0..100).map(make).collect::<Vec<_>>()).longest_walk()
    };
    assert_eq!(many(&|n| rule(&["a"], &[&format!("/p{n}/*")], &[])), 1);
    assert_eq!(many(&|n| rule(&[&format!("h{n}")], &[], &[])), 1);
    assert_eq!(many(&|n| rule(&[], &[&format!("*{n}")], &[])), 100);
    assert_eq!(many(&|n| rule(&["a"], &[&format!("/p/*{n}")], &[])), 100);
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let hosts =
        prop::collection::vec("[ab*?]{1,2}|[ab*?]{0,2}\\.[ab*]{1,2}|a\\.b|\\*\\.a\\.b|\\*", 0..3);
    let paths = prop::collection::vec("/|/[ab/*?]{0,4}|\\*[ab/]{0,2}|/a/b/\\*", 0..3);
    let methods = prop::collection::vec(prop::sample::select(vec!["GET", "POST", "X", "Y"]), 0..3);
    let one = (hosts, paths, methods).prop_map(|(hosts, paths, methods)| {
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        rule(&hosts, &paths, &methods)
    });
    prop::collection::vec(one, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_index_says_what_a_walk_over_all_rules_says(
        rules in any_rules(),
        requests in prop::collection::vec(
            ("[ab]{1,2}(\\.[ab]{1,2}){0,2}", "/[ab/é]{0,5}|\\*", "GET|POST|X|Z"), 1..20),
    ) {
        let table = table(&rules);
        for (host, path, method) in &requests {
            let facts = Facts { host, path, method, particulars: Particulars::default() };
            let walked: Vec<_> =
                (0..rules.len()).filter(|&rule| table.first_miss_of(rule, &facts).is_none()).collect();
            prop_assert_eq!(select(&table, method, host, path), walked.first().copied());
            prop_assert_eq!(table.matches(&facts).0, walked);
        }
    }

    /// Adding a rule below a matching one never changes the verdict.
    #[test]
    fn a_rule_below_changes_nothing_for_requests_that_match_above(
        rules in any_rules(), extra in any_rules(),
        host in "[ab](\\.[ab]){0,1}", path in "/[ab/]{0,4}",
    ) {
        if let Some(first) = select(&table(&rules), "GET", &host, &path) {
            let longer = [rules, extra].concat();
            prop_assert_eq!(select(&table(&longer), "GET", &host, &path), Some(first));
        }
    }
}
