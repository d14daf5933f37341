use super::*;
use crate::config;

const FILE: &str = r#"
user_pools:
  customers: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - name: orders
        conditions: { path_pattern: [/orders/*] }
        jwt_validation: { user_pools: [customers] }
        forward: orders
    default_action: { fixed_response: { status_code: 404 } }
"#;

fn config() -> Config {
    config::parse_portable(FILE, "routes.yaml").expect("good").config
}

fn suite(text: &str) -> Suite {
    parse(text.as_bytes(), "routes.test.yaml", &config())
        .unwrap_or_else(|report| panic!("{}", report.render(false)))
}

/// Each finding as `line:column code`.
fn mistakes(text: &str) -> Vec<String> {
    let report = parse(text.as_bytes(), "routes.test.yaml", &config()).expect_err("refused");
    let place = |finding: &Diagnostic| {
        format!("{}:{} {}", finding.span.line, finding.span.column, finding.code)
    };
    report.findings.iter().map(place).collect()
}

#[test]
fn the_committed_schema_is_the_one_that_is_made() {
    let committed = include_str!("../../../schema/routes.test.schema.json");
    assert!(
        schema() == committed,
        "run `portcullis schema --tests > schema/routes.test.schema.json`"
    );
}

#[test]
fn claims_keep_their_types() {
    let suite = suite(
        r#"
tests:
  - request: GET /orders/1
    as:
      claims:
        { text: a, number: 7, real: 1.5, quoted: "7", yes: true, gone: null, list: [a, 1], map: { a: { b: 2 } } }
      expires_in: -90s
      signature: forged
    expect: { status: 401 }
"#,
    );
    let caller = suite.tests[0].caller.as_ref().expect("a caller");
    let wanted = serde_json::json!({ "text": "a", "number": 7, "real": 1.5, "quoted": "7",
        "yes": true, "gone": null, "list": ["a", 1], "map": { "a": { "b": 2 } } });
    assert_eq!(Value::from(caller.claims.clone()), wanted);
    assert_eq!((caller.expires_in, caller.is_forged), (Some(-90), true));
}

#[test]
fn each_case_is_a_test_of_its_own() {
    let suite = suite(
        r"
identities:
  alice: { claims: { sub: alice } }
tests:
  - name: orders
    request: [GET /orders/1, GET /orders/2]
    cases:
      - { expect: { status: 401 } }
      - { as: alice, expect: { rule: orders, target_group: orders } }
",
    );
    let names: Vec<_> = suite.tests.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(names, ["orders (as nobody)", "orders (as alice)"]);
    assert!(suite.tests.iter().all(|test| test.requests.len() == 2));
    assert_eq!(suite.tests[1].span.line, 9);
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let found = mistakes(
        r"
identities:
  alice: { claims: { sub: alice }, expires_in: soon, user_pool: costumers }
tests:
  - request: orders/1
    expect: { rule: ordres }
  - request: GET /orders/1
    as: alcie
    expect: { statsu: 401 }
  - request: GET /orders/1
  - expect: { status: 99 }
  - request: []
    as: alice
    cases: [{ expect: { forwarded: true, status: 200 } }]
  - request: GET /x
    source_ip: home
    headers: { 'a b': c }
    expect: { target_group: orders, location: /x, headers: { x-a: 1 }, headers_absent: [X-A] }
  - { request: GET /x, listener: other, expect: {} }
",
    );
    assert_eq!(
        found,
        [
            "3:48 invalid-duration",
            "3:65 unknown-name",
            "5:14 invalid-request",
            "6:21 unknown-name",
            "8:9 unknown-name",
            "9:15 unknown-key",
            "10:5 missing-key",
            "11:5 missing-key",
            "11:23 out-of-range",
            "12:5 empty-list",
            "13:5 contradiction",
            "14:42 contradiction",
            "16:16 invalid-address",
            "17:16 invalid-header",
            "18:37 contradiction",
            "18:72 contradiction",
            "19:34 unknown-name",
            "19:41 empty-mapping",
        ]
    );
}

#[test]
fn nothing_to_test_is_a_mistake() {
    assert_eq!(mistakes("tests: []\n"), ["1:1 empty-list"]);
    assert_eq!(mistakes("tests:\n  - { request: GET /, expect: {} }\n"), ["2:23 empty-mapping"]);
    assert_eq!(mistakes("identities: {}\n").len(), 1);
    assert_eq!(mistakes("testz: []\n").len(), 1);
    assert_eq!(mistakes("").len(), 1);
    assert_eq!(mistakes("- a\n").len(), 1);
}

#[test]
fn unknown_reasons_are_told_with_what_was_meant() {
    let suite = suite("tests:\n  - { request: GET /, expect: { reason: scope_mising } }\n");
    let found = unknown_reasons(&suite.tests, &["scope_missing", "public"]);
    assert_eq!(found.len(), 1);
    assert!(found[0].help.as_deref().is_some_and(|help| help.contains("scope_missing")));
    assert_eq!((found[0].span.line, found[0].span.column), (2, 41));
    assert!(unknown_reasons(&suite.tests, &["scope_mising"]).is_empty());
}

#[test]
fn tests_may_stand_in_the_configuration_and_are_judged_with_it() {
    let inside = "tests:\n  - { request: GET /orders/1, expect: { status: 401 } }\n";
    let loaded = config::parse_portable(&format!("{FILE}{inside}"), "routes.yaml").expect("good");
    assert_eq!(loaded.tests.len(), 1);
    let wrong = "tests:\n  - { request: GET /orders/1, expect: { rule: nobody } }\n";
    let report =
        config::parse_portable(&format!("{FILE}{wrong}"), "routes.yaml").expect_err("refused");
    assert_eq!(report.findings[0].code, "unknown-name");
}
