use ::http::{HeaderName, HeaderValue};

use super::super::table::tests::rule;
use super::super::{Facts, RuleTable, Selection};
use super::*;
use crate::config::diagnostics::Span;
use crate::config::model::{HeaderCondition, QueryParameter, Rule};

fn located<T>(value: T) -> Vec<Located<T>> {
    vec![Located { value, span: Span::default() }]
}

fn with(change: impl FnOnce(&mut Conditions)) -> Rule {
    let mut rule = rule(&[], &[], &[]);
    change(&mut rule.conditions);
    rule
}

fn regex(text: &str) -> Vec<Located<Regex>> {
    located(Regex::new(text, false).unwrap())
}

fn parameter(key: Option<&str>, value: &str) -> QueryParameter {
    QueryParameter { key: key.map(str::to_owned), value: value.to_owned() }
}

fn header(name: &str, value: &str) -> HeaderCondition {
    HeaderCondition { name: name.into(), values: located(value.into()), regex_values: Vec::new() }
}

fn takes(rule: &Rule, path: &str, particulars: Particulars<'_>) -> bool {
    let facts = Facts { host: "a.example", path, method: "GET", particulars };
    RuleTable::compile(std::slice::from_ref(rule)).select(&facts) != Selection::Default
}

fn takes_query(any_of: Vec<QueryParameter>, query: &str) -> bool {
    let rule = with(|conditions| conditions.query_string = vec![any_of]);
    takes(&rule, "/", Particulars { query, ..Particulars::default() })
}

#[test]
fn any_occurrence_of_a_header_will_do_and_every_condition_must() {
    let mut headers = HeaderMap::new();
    let name = HeaderName::from_static("x-env");
    headers.append(&name, HeaderValue::from_static("staging"));
    headers.append(&name, HeaderValue::from_static("production"));
    let of = Particulars { headers: Some(&headers), ..Particulars::default() };
    let one = |value| with(|conditions| conditions.http_header = vec![header("x-env", value)]);
    assert!(takes(&one("PROD*"), "/", of));
    assert!(!takes(&one("prod"), "/", of));
    let both = |other| {
        with(|conditions| {
            conditions.http_header = vec![header("x-env", "prod*"), header("x-env", other)];
        })
    };
    assert!(takes(&both("stag*"), "/", of));
    assert!(!takes(&both("test"), "/", of));
    assert!(!takes(&one("*"), "/", Particulars::default()), "no header, no match");
    let mut by_regex = header("x-env", "");
    by_regex.values.clear();
    by_regex.regex_values = regex("^prod(uction)?$");
    assert!(takes(&with(|conditions| conditions.http_header = vec![by_regex]), "/", of));
}

#[test]
fn a_query_parameter_is_found_in_any_case_and_as_it_is_meant() {
    let version = || vec![parameter(Some("version"), "v1")];
    for query in ["Version=V1", "a=b&version=v1", "version=%761", "%76ersion=v1&version=v2"] {
        assert!(takes_query(version(), query), "{query}");
    }
    for query in ["", "version", "version=v12", "versions=v1", "a=version=v1", "version=%2576"] {
        assert!(!takes_query(version(), query), "{query}");
    }
    assert!(takes_query(vec![parameter(None, "*example*")], "x=an%20example&y"));
    assert!(takes_query(vec![parameter(Some("a"), r"\*")], "a=*"));
    assert!(!takes_query(vec![parameter(Some("a"), r"\*")], "a=x"));
    assert!(takes_query(vec![parameter(Some("flag"), "*")], "flag"));
    let either = vec![parameter(Some("a"), "1"), parameter(Some("b"), "2")];
    assert!(takes_query(either.clone(), "b=2"));
    assert!(!takes_query(either, "a=2&b=1"));
}

#[test]
fn a_network_is_that_of_the_client_however_its_address_is_written() {
    let rule = with(|conditions| {
        conditions.source_ip = located("192.0.2.0/24".parse().unwrap());
        conditions.source_ip.extend(located("2001:db8::/32".parse().unwrap()));
    });
    for (client, expected) in [
        ("192.0.2.5", true),
        ("::ffff:192.0.2.5", true),
        ("2001:db8::1", true),
        ("198.51.100.1", false),
        ("2001:db9::1", false),
    ] {
        let client = Some(client.parse().unwrap());
        let of = Particulars { client, ..Particulars::default() };
        assert_eq!(takes(&rule, "/", of), expected, "{client:?}");
    }
    assert!(!takes(&rule, "/", Particulars::default()));
}

#[test]
fn regular_expressions_match_anywhere_unless_they_are_anchored() {
    let path = |text| with(|conditions| conditions.path_regex = regex(text));
    let none = Particulars::default();
    assert!(takes(&path("^/api/(.*)$"), "/api/x", none));
    assert!(!takes(&path("^/api/(.*)$"), "/v1/api/x", none));
    assert!(takes(&path("/api/"), "/v1/api/x", none));
    assert!(!takes(&path("/API/"), "/api/", none));
    let host =
        |text| with(|conditions| conditions.host_regex = located(Regex::new(text, true).unwrap()));
    assert!(takes(&host("^[A-C]\\.example$"), "/", none));
    assert!(!takes(&host("^b"), "/", none));
}

#[test]
fn what_is_found_unreachable_is_and_what_may_be_reached_is_not() {
    let network =
        |text: &str| with(|conditions| conditions.source_ip = located(text.parse().unwrap()));
    let env = |value| with(|conditions| conditions.http_header = vec![header("x-env", value)]);
    let query =
        |value| with(|conditions| conditions.query_string = vec![vec![parameter(None, value)]]);
    let path = |text| with(|conditions| conditions.path_regex = regex(text));
    let plain = || rule(&[], &[], &[]);
    for (front, behind, is_dead) in [
        (plain(), env("a"), true),
        (env("a"), plain(), false),
        (env("a"), env("a"), true),
        (env("a"), env("b"), false),
        (network("10.0.0.0/8"), network("10.1.0.0/16"), true),
        (network("10.1.0.0/16"), network("10.0.0.0/8"), false),
        (query("a"), query("a"), true),
        (query("a"), query("b"), false),
        (path("^/a"), path("^/a"), true),
        (path("^/a"), path("^/b"), false),
        (path("^/a"), plain(), false),
    ] {
        let found = RuleTable::compile(&[front.clone(), behind.clone()]).unreachable();
        assert_eq!(!found.is_empty(), is_dead, "{:?} {:?}", front.conditions, behind.conditions);
    }
}
