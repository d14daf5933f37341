//! `portcullis diff`: exit codes, and what is told.

use std::fs;
use std::process::Output;

use tempfile::TempDir;

use crate::support::process::portcullis;

const OLD: &str = r#"
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
        jwt_validation: { user_pools: [customers], scopes: [orders/read] }
        forward: orders
    default_action: { fixed_response: { status_code: 404 } }
"#;

fn diff(old: &str, new: &str, options: &[&str]) -> Output {
    let folder = TempDir::new().expect("a folder");
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (old, new) = (put("old.yaml", old), put("new.yaml", new));
    portcullis(&[&["diff", old.as_str(), new.as_str()], options].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn the_exit_code_tells_same_from_different_from_trouble() {
    let open = OLD.replace(
        "jwt_validation: { user_pools: [customers], scopes: [orders/read] }",
        "public: true",
    );
    let other = OLD.replace("status_code: 404", "status_code: 410");
    for (new, options, code) in [
        (OLD, &[][..], 0),
        (&other, &[], 1),
        (&open, &[], 1),
        (&other, &["--fail-on-opened"], 0),
        (&open, &["--fail-on-opened"], 1),
        ("listeners: 1\n", &[], 2),
    ] {
        let output = diff(OLD, new, options);
        assert_eq!(output.status.code(), Some(code), "{options:?} {}", said(&output));
        assert_eq!(output.stdout.is_empty(), new == OLD || code == 2, "{}", said(&output));
    }
    assert_eq!(portcullis(&["diff", "/nowhere", "/nowhere"]).status.code(), Some(2));
    assert_eq!(portcullis(&["diff", "/nowhere"]).status.code(), Some(2));
}

#[test]
fn what_was_opened_is_told_with_a_request() {
    let open = OLD.replace(
        "jwt_validation: { user_pools: [customers], scopes: [orders/read] }",
        "public: true",
    );
    let text = said(&diff(OLD, &open, &[]));
    for line in [
        "open to everybody now:",
        "GET http://unlisted.invalid/orders/x on listener `public`",
        "was  rule `orders`: asks who is calling, then: forward to orders",
        "is   rule `orders`: forward to orders",
        "jwt_validation: ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour off a terminal: {text}");
    let json = diff(OLD, &open, &["--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["opens"], true);
    assert_eq!(json["requests"][0]["change"], "opened");
    let rule = &json["parts"][0]["rules"][0];
    assert_eq!((&rule["name"], &rule["settings"][0]["weaker"]), (&"orders".into(), &true.into()));
}

const API: &str = r#"
user_pools:
  customers: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - { name: shop, conditions: { path_pattern: [/shop/*] }, api: shop }
    default_action: { fixed_response: { status_code: 404 } }
apis:
  shop:
    type: http
    base_path: /shop
    authorizers: { main: { jwt: { user_pool: customers } } }
    routes:
      GET /orders/{id}: { authorizer: main, scopes: [read], integration: { target_group: orders } }
      GET /health: { authorizer: none, integration: { target_group: orders } }
"#;

#[test]
fn a_route_of_an_api_that_was_opened_fails_as_a_rule_does() {
    let open = API.replace("authorizer: main, scopes: [read]", "authorizer: none");
    let looser = API.replace(", scopes: [read]", "");
    for (new, code) in [(API, 0), (&looser, 0), (&open, 1)] {
        let output = diff(API, new, &["--fail-on-opened"]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    }
    let text = said(&diff(API, &open, &[]));
    for line in [
        "open to everybody now:",
        "GET http://unlisted.invalid/shop/orders/x on listener `public`",
        "was  route `GET /orders/{id}` of API `shop`: asks who is calling (scope read), then: forward to orders",
        "is   route `GET /orders/{id}` of API `shop`: forward to orders",
        "~ route `GET /orders/{id}`",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let text = said(&diff(API, &looser, &[]));
    assert!(text.starts_with("demands less of callers now:"), "{text}");
    let json = diff(API, &looser, &["--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["requests"][0]["change"], "loosened");
    assert_eq!(json["requests"][0]["old"]["route"], "GET /orders/{id}");
}
