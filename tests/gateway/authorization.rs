//! Who gets through a rule with `jwt_validation`, and what the others are told.

use serde_json::json;

use crate::support::issuer::{CLIENT, Key};
use crate::support::{Gateway, Issuer, Target, wire};

/// A gateway whose `/orders/*` wants `orders/read`, before one target.
pub fn protected(issuer: &Issuer, target: &Target) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         user_pools:\n{pool}\
         target_groups:\n  orders: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - name: orders\n        conditions: {{ path_pattern: [/orders/*] }}\n        \
         jwt_validation: {{ user_pools: [customers], scopes: [orders/read] }}\n        \
         forward: orders\n      \
         - name: open\n        public: true\n        conditions: {{ path_pattern: [/open/*] }}\n        \
         forward: orders\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        pool = issuer.pool("customers"),
        address = target.address(),
    )
}

#[test]
fn a_good_token_reaches_the_target_with_its_claims_as_headers() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let bearer = format!("Bearer {}", issuer.token());
    let answer =
        wire::request(gateway.address(), "GET", "/orders/1", &[("Authorization", &bearer)]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    let received = target.next();
    assert_eq!(received.request_line, "GET /orders/1 HTTP/1.1");
    assert_eq!(received.values("x-auth-subject"), ["aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"]);
    assert_eq!(received.values("x-auth-scope"), ["orders/read profile"]);
    assert_eq!(received.values("x-auth-groups"), ["staff"]);
    assert_eq!(received.values("authorization"), [bearer]);
}

#[test]
fn without_a_token_the_answer_is_a_bare_challenge_and_no_target_hears_of_it() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let answer = wire::get(gateway.address(), "/orders/1");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert!(target.taken().is_empty());
}

#[test]
fn a_wrong_scope_is_forbidden_and_told_which_scope_is_wanted() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let bearer = format!("Bearer {}", issuer.token_with(&json!({ "scope": "orders/rea" })));
    let answer =
        wire::request(gateway.address(), "GET", "/orders/1", &[("Authorization", &bearer)]);
    assert_eq!(answer.status, 403);
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"orders/read\""), "{challenge}");
    assert!(target.taken().is_empty());
}

#[test]
fn a_token_of_another_key_under_a_known_name_is_refused() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let forged = Key::number(1).named(&Key::number(0).kid).sign(&issuer.claims());
    let bearer = format!("Bearer {forged}");
    let answer =
        wire::request(gateway.address(), "GET", "/orders/1", &[("Authorization", &bearer)]);
    assert_eq!(answer.status, 401);
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(target.taken().is_empty());
}

#[test]
fn the_log_knows_who_was_forbidden_but_believes_no_token_that_is_not_good() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let ask = |path: &str, changes: &serde_json::Value| {
        let bearer = format!("Bearer {}", issuer.token_with(changes));
        wire::request(gateway.address(), "GET", path, &[("Authorization", &bearer)]).status
    };
    let poor = json!({ "scope": "profile" });
    assert_eq!(ask("/orders/good", &json!({})), 200);
    // The first time it is verified, the second time it is known.
    assert_eq!([ask("/orders/poor", &poor), ask("/orders/poor", &poor)], [403, 403]);
    assert_eq!(ask("/orders/expired", &json!({ "exp": 1 })), 401);
    assert_eq!(ask("/orders/client", &json!({ "client_id": "other" })), 401);
    let lines = gateway.wait_access_log(|lines| lines.len() == 5);
    let of = |path: &'static str| lines.iter().filter(move |line| line["path"] == path);
    let subject = of("/orders/good").next().expect("a line")["subject"].clone();
    assert!(subject.as_str().is_some_and(|digits| digits.len() == 16), "{subject}");
    for line in of("/orders/poor") {
        assert_eq!(line["subject"], subject, "{line}");
        assert_eq!((&line["user_pool"], &line["client_id"]), (&json!("customers"), &json!(CLIENT)));
        assert_eq!(line["reason"], "scope_missing");
    }
    for line in of("/orders/expired").chain(of("/orders/client")) {
        assert!(line.get("subject").is_none() && line.get("client_id").is_none(), "{line}");
    }
}
