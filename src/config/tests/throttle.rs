//! `throttle:` of APIs and routes: what it means, and every mistake in its place.

use super::{bad, good};
use crate::config::model::{ClaimPath, Throttle, ThrottleKey};

const GOOD: &str = "\
user_pools:
  main: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [a] }
target_groups:
  all: { targets: [127.0.0.1:1] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - { conditions: { path_pattern: [/*] }, api: shop }
apis:
  shop:
    type: http
    authorizers: { main: { jwt: { user_pool: main } } }
    throttle: { rate: 500, burst: 1000 }
    routes:
      GET /a:
        authorizer: main
        throttle: [{ rate: 0.5, burst: 5, per: address }, { rate: 1, burst: 1, per: claim /a/b, max_keys: 2000 }]
        integration: { target_group: all }
      GET /b: { authorizer: none, throttle: { rate: 2, burst: 3 }, integration: { target_group: all } }
";

#[test]
fn limits_mean_what_they_say() {
    let config = good(GOOD).config;
    let api = &config.apis[0];
    let shared = |rate, burst| Throttle { rate, burst, per: None, max_keys: 0 };
    assert_eq!(api.throttle, [shared(500.0, 1000)]);
    let claim = ClaimPath::Pointer(vec!["a".to_owned(), "b".to_owned()]);
    let address = Some(ThrottleKey::Address);
    assert_eq!(
        api.routes[0].throttle,
        [
            Throttle { rate: 0.5, burst: 5, per: address, max_keys: 65_536 },
            Throttle { rate: 1.0, burst: 1, per: Some(ThrottleKey::Claim(claim)), max_keys: 2048 },
        ]
    );
    assert_eq!(api.routes[0].throttle[1].per.as_ref().unwrap().text(), "claim /a/b");
    assert_eq!(api.routes[1].throttle, [shared(2.0, 3)]);
}

#[test]
fn mistakes_of_throttle() {
    for (right, wrong, code) in [
        ("rate: 500, ", "", "missing-key"),
        (", burst: 1000", "", "missing-key"),
        ("rate: 500", "rate: 0", "out-of-range"),
        ("rate: 500", "rate: -1", "out-of-range"),
        ("rate: 500", "rate: 0.0001", "out-of-range"),
        ("rate: 500", "rate: 1000001", "out-of-range"),
        ("rate: 500", "rate: .nan", "wrong-type"),
        ("rate: 500", "rate: fast", "wrong-type"),
        ("rate: 500", "rate: '500'", "wrong-type"),
        ("rate: 500", "rate: 0500", "wrong-type"),
        ("rate: 500", "rate: 1e400", "out-of-range"),
        ("rate: 500", "rate: 500, rates: 1", "unknown-key"),
        ("burst: 1000", "burst: 0", "out-of-range"),
        ("burst: 1000", "burst: 1000001", "out-of-range"),
        ("burst: 1000", "burst: 1.5", "wrong-type"),
        ("burst: 1000", "burst: 1000, max_keys: 5000", "contradiction"),
        ("max_keys: 2000", "max_keys: 1000", "out-of-range"),
        ("max_keys: 2000", "max_keys: 1048577", "out-of-range"),
        ("per: address", "per: adress", "unknown-value"),
        ("per: address", "per: claim", "unknown-value"),
        ("per: address", "per: 'claim '", "invalid-claim"),
        ("rate: 2, burst: 3", "rate: 2, burst: 3, per: client_id", "contradiction"),
        ("{ rate: 500, burst: 1000 }", "[]", "empty-list"),
        ("{ rate: 500, burst: 1000 }", "5", "wrong-type"),
        (
            "{ rate: 500, burst: 1000 }",
            "[{ rate: 1, burst: 1 }, { rate: 1, burst: 1 }]",
            "duplicate-value",
        ),
    ] {
        let text = GOOD.replacen(right, wrong, 1);
        assert_ne!(text, GOOD, "{right} is not there");
        let codes: Vec<_> = bad(&text).findings.iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&code), "{wrong}: {codes:?}");
    }
}

#[test]
fn a_limit_for_each_caller_stands_where_somebody_asks_who_is_calling() {
    let open = GOOD
        .replace("authorizer: main", "authorizer: none")
        .replace("per: claim /a/b", "per: address");
    let text = open.replacen("burst: 1000", "burst: 1000, per: client_id", 1);
    assert!(bad(&text).findings.iter().any(|finding| finding.code == "contradiction"));
    good(&GOOD.replacen("burst: 1000", "burst: 1000, per: client_id", 1));
}

#[test]
fn memory_of_limits_is_bounded() {
    let limit =
        |number: usize| format!("{{ rate: {number}, burst: 1, per: address, max_keys: 1048576 }}");
    let limits = |count: usize| (1..=count).map(limit).collect::<Vec<_>>().join(", ");
    let with =
        |count| GOOD.replacen("{ rate: 500, burst: 1000 }", &format!("[{}]", limits(count)), 1);
    good(&with(3));
    assert!(bad(&with(4)).findings.iter().any(|finding| finding.code == "out-of-range"));
    assert!(bad(&with(9)).findings.iter().any(|finding| finding.code == "out-of-range"));
}
