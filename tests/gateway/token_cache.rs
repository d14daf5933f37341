//! Verified tokens are remembered; what is remembered is only that a signature was right.

use serde_json::json;

use crate::support::issuer::{Key, now};
use crate::support::{Gateway, Issuer, Target, Trials, Verdict, eventually, wire};

/// Rules with different demands, each at a folder of its name, for tokens of two pools.
fn demanding(issuers: &[Issuer; 2], target: &Target) -> Gateway {
    let rule = |name: &str, demands: &str| {
        format!(
            "      - name: {name}\n        conditions: {{ path_pattern: [/{name}/*] }}\n        \
             jwt_validation: {{ {demands} }}\n        forward: all\n"
        )
    };
    Gateway::start(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\nuser_pools:\n{first}{second}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n\
         {orders}{writes}{admins}{other}{id}{team}{elsewhere}    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        first = issuers[0].pool("first"),
        second = issuers[1].pool("second"),
        address = target.address(),
        orders = rule("orders", "user_pools: [first], scopes: [orders/read]"),
        writes = rule("writes", "user_pools: [first], scopes: [orders/write]"),
        admins = rule("admins", "user_pools: [first], groups: [admins]"),
        other = rule("other", "user_pools: [second]"),
        id = rule("id", "user_pools: [first], token_use: id"),
        team = rule(
            "team",
            "user_pools: [first], additional_claims: \
             [{ name: team, format: single_string, values: [blue] }]"
        ),
        elsewhere =
            rule("elsewhere", "user_pools: [first], identity_source: $request.header.X-Token"),
    ))
}

/// Hits and misses of the cache.
fn counts(gateway: &Gateway) -> (f64, f64) {
    let of = |name: &str| gateway.metric(&format!("portcullis_token_cache_{name}_total"));
    (of("hits").expect("hits"), of("misses").expect("misses"))
}

fn ask(gateway: &Gateway, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    wire::request(gateway.address(), "GET", "/orders/1", &headers).status
}

#[test]
fn a_token_that_passed_one_rule_is_judged_afresh_by_each_other() {
    let (issuers, target) = ([Issuer::start(), Issuer::start()], Target::start());
    let gateway = demanding(&issuers, &target);
    let token = issuers[0].token();
    let mut trials = Trials::new();
    for _ in 0..3 {
        trials.token("its own rule", &token, Verdict::Passes);
        trials.token_at("/writes", "scope", &token, Verdict::WantsScope("orders/write"));
        trials.token_at("/admins", "group", &token, Verdict::WantsGroup);
        trials.token_at("/other", "pool", &token, Verdict::Invalid("pool_not_allowed"));
        trials.token_at("/id", "use", &token, Verdict::Invalid("token_use_wrong"));
        trials.token_at("/team", "claim", &token, Verdict::Invalid("claim_missing"));
        trials.token_at("/elsewhere", "place", &token, Verdict::NoToken("token_missing"));
        let at = [("X-Token", token.as_str())];
        trials.headers_at("/elsewhere", "the right place", &at, Verdict::Passes);
    }
    trials.hold(&gateway, &target);
    // It is remembered when it comes a second time; then only another pool's rule looks at it again,
    // and in vain.
    assert_eq!(counts(&gateway), (16.0, 5.0));
    assert_eq!(gateway.metric("portcullis_token_cache_entries"), Some(1.0));
}

#[test]
fn a_token_expires_while_it_is_remembered() {
    let (issuers, target) = ([Issuer::start(), Issuer::start()], Target::start());
    let gateway = demanding(&issuers, &target);
    let token = issuers[0].token_with(&json!({ "exp": now() + 4 }));
    assert_eq!([ask(&gateway, &token), ask(&gateway, &token)], [200, 200]);
    assert_eq!(ask(&gateway, &token), 200);
    assert_eq!(counts(&gateway), (1.0, 2.0));
    eventually("it expires", || (ask(&gateway, &token) == 401).then_some(()));
    let lines =
        gateway.wait_access_log(|lines| lines.iter().any(|line| line["reason"] == "token_expired"));
    assert!(lines.iter().all(|line| line["status"] == 200 || line["reason"] == "token_expired"));
}

#[test]
fn a_flood_of_bad_tokens_is_not_remembered_and_pushes_nobody_out() {
    let (issuers, target) = ([Issuer::start(), Issuer::start()], Target::start());
    let gateway = demanding(&issuers, &target);
    let good = issuers[0].token();
    assert_eq!([ask(&gateway, &good), ask(&gateway, &good)], [200, 200]);
    let entries = || gateway.metric("portcullis_token_cache_entries").expect("a gauge");
    let bytes = || gateway.metric("portcullis_token_cache_bytes").expect("a gauge");
    let before = eventually("the token is counted", || {
        let counted = (entries(), bytes());
        (counted.0 > 0.0).then_some(counted)
    });
    let (signed, signature) = good.rsplit_once('.').expect("a token");
    let mut connection = wire::Connection::open(gateway.address());
    for n in 0..2000 {
        // Four characters of the signature: well spelt, and each time another token.
        let token = format!("{signed}.{n:04}{}", &signature[4..]);
        connection.send(format!(
            "GET /orders/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        ));
        assert_eq!(connection.read().status, 401);
    }
    // Rightly signed, and yet refused by the pool: neither are these worth remembering.
    for n in 0..50 {
        let client = format!("client-{n}");
        let token = issuers[0].token_with(&json!({ "client_id": client }));
        assert_eq!(ask(&gateway, &token), 401);
        let token = issuers[0].token_with(&json!({ "jti": client, "exp": now() - 1 }));
        assert_eq!(ask(&gateway, &token), 401);
    }
    assert_eq!((entries(), bytes()), before);
    let (hits, misses) = counts(&gateway);
    assert_eq!(ask(&gateway, &good), 200);
    assert_eq!(counts(&gateway), (hits + 1.0, misses));
}

#[test]
fn a_remembered_token_ends_with_its_pool_and_its_rule_s_demands() {
    let (issuers, target) = ([Issuer::start(), Issuer::start()], Target::start());
    let gateway = demanding(&issuers, &target);
    let token = issuers[0].token();
    assert_eq!([ask(&gateway, &token), ask(&gateway, &token)], [200, 200]);
    let file = std::fs::read_to_string(gateway.file()).expect("the file");
    let own = issuers[0].issuer();
    for (from, to, status) in [
        ("app_clients: [1example23456789]", "app_clients: [other]", 401),
        ("scopes: [orders/read]", "scopes: [orders/delete]", 403),
        (own.as_str(), "http://127.0.0.1:9/us-east-1_TestPool1", 401),
        ("algorithms: [RS256]", "algorithms: [RS512]", 401),
    ] {
        let base = file.replacen("    app_clients", "    algorithms: [RS256]\n    app_clients", 1);
        gateway.write(&base.replacen(from, to, 1));
        eventually("the new file is in force", || (ask(&gateway, &token) == status).then_some(()));
        gateway.write(&base);
        eventually("the old file is in force", || (ask(&gateway, &token) == 200).then_some(()));
    }
    let same_name = Key::number(1).named(&Key::number(0).kid).sign(&issuers[0].claims());
    assert_eq!(ask(&gateway, &same_name), 401);
}
