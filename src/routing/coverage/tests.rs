use proptest::prelude::*;

use crate::config::model::Rule;
use crate::routing::RuleTable;
use crate::routing::table::tests::rule;

fn unreachable(rules: &[Rule]) -> Vec<(usize, usize)> {
    RuleTable::compile(rules).unreachable()
}

#[test]
fn a_rule_behind_one_that_takes_everything_of_it_is_found() {
    for (front, behind) in [
        (rule(&[], &[], &[]), rule(&["a.b"], &["/x"], &["GET"])),
        (rule(&[], &["/*"], &[]), rule(&["a.b"], &[], &[])),
        (rule(&["*.b"], &[], &[]), rule(&["a.b", "*.a.b"], &[], &[])),
        (rule(&["a.b"], &["/x*"], &[]), rule(&["a.b"], &["/x", "/x/*"], &[])),
        (rule(&[], &["/x"], &["GET", "POST"]), rule(&[], &["/x"], &["POST"])),
        (rule(&[], &["/x"], &["GET", "PURGE"]), rule(&[], &["/x"], &["PURGE"])),
        (rule(&[], &["/a*", "/b*"], &[]), rule(&[], &["/bx", "/ax/*"], &[])),
    ] {
        assert_eq!(unreachable(&[front.clone(), behind.clone()]), [(1, 0)]);
        let between = rule(&["other"], &["/other"], &[]);
        assert_eq!(unreachable(&[between, front, behind]), [(2, 1)]);
    }
}

#[test]
fn a_rule_that_some_request_can_reach_is_not() {
    for (front, behind) in [
        (rule(&["a.b"], &[], &[]), rule(&[], &[], &[])),
        (rule(&[], &["/x/*"], &[]), rule(&[], &["/x", "/x/y"], &[])),
        (rule(&[], &["/x"], &["GET"]), rule(&[], &["/x"], &["GET", "POST"])),
        (rule(&[], &["/x"], &["GET"]), rule(&[], &["/x"], &[])),
        (rule(&[], &["/x"], &["PURGE"]), rule(&[], &["/x"], &["LINK"])),
        (rule(&["a.b"], &["/x"], &[]), rule(&["a.b", "c.d"], &["/x"], &[])),
        (rule(&["a.b"], &["/x"], &[]), rule(&["a.b"], &["/y"], &[])),
    ] {
        assert_eq!(unreachable(&[front, behind]), []);
    }
}

#[test]
fn ten_thousand_rules_are_judged_without_comparing_each_with_each() {
    let mut rules: Vec<_> = (0..10_000)
        .map(|number| rule(&["api.example.com"], &[&format!("/service-{number}/*")], &[]))
        .collect();
    rules.push(rule(&["api.example.com"], &["/service-77/a"], &[]));
    assert_eq!(unreachable(&rules), [(10_000, 77)]);
    let alike: Vec<_> = (0..10_000).map(|_| rule(&[], &["*x"], &[])).collect();
    assert!(unreachable(&alike).len() > 100);
}

#[test]
fn rules_overlap_if_one_request_can_match_both() {
    let table = RuleTable::compile(&[
        rule(&["*.example.com"], &["/a*"], &["GET"]),
        rule(&["api.*"], &["*z"], &["GET", "POST"]),
        rule(&["api.*"], &["*z"], &["POST"]),
        rule(&["web.example.org"], &[], &[]),
        rule(&[], &[], &[]),
    ]);
    assert!(table.overlap(0, 1));
    assert!(!table.overlap(0, 2));
    assert!(!table.overlap(0, 3));
    assert!(table.overlap(3, 4));
    assert!(!table.overlap(0, 99));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_request_reaches_a_rule_that_is_called_unreachable(
        paths in prop::collection::vec("/[ab*?]{0,3}|\\*[ab]{0,2}", 2..6),
        requests in prop::collection::vec("/[ab]{0,4}", 30),
    ) {
        let rules: Vec<_> = paths.iter().map(|path| rule(&[], &[path], &[])).collect();
        let table = RuleTable::compile(&rules);
        for (dead, front) in table.unreachable() {
            prop_assert!(front < dead);
            for path in &requests {
                let facts = crate::routing::Facts {
                    host: "a",
                    path,
                    method: "GET",
                    particulars: crate::routing::Particulars::default(),
                };
                prop_assert!(table.first_miss_of(dead, &facts).is_some()
                    || table.first_miss_of(front, &facts).is_none());
            }
        }
    }
}
