//! Limits of APIs and routes: what is let through, what the others are told, and whom they touch.

use serde_json::json;

use crate::support::process::portcullis;
use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

/// So slow that nothing comes back while a test runs.
const ONCE: &str = "rate: 0.001, burst: 1";
const TWICE: &str = "rate: 0.001, burst: 2";

struct File<'a> {
    issuer: &'a Issuer,
    target: &'a Target,
}

impl File<'_> {
    /// With these keys of the API, and these routes: key and keys.
    fn with(&self, keys: &str, routes: &[(&str, &str)]) -> String {
        let routes: String = routes
            .iter()
            .map(|(key, keys)| {
                format!("      {key}: {{ {keys}, integration: {{ target_group: all }} }}\n")
            })
            .collect();
        format!(
            "admin: {{ address: 127.0.0.1:0 }}\n\
             user_pools:\n{pool}\
             target_groups:\n  all: {{ targets: [{address}] }}\n\
             listeners:\n  public:\n    address: 127.0.0.1:0\n    \
             trusted_proxies: [127.0.0.1/32]\n    \
             rules: [{{ name: shop, conditions: {{ path_pattern: ['*'] }}, api: shop }}]\n\
             apis:\n  shop:\n    type: http\n    \
             authorizers: {{ main: {{ jwt: {{ user_pool: customers }} }} }}\n{keys}    routes:\n{routes}",
            pool = self.issuer.pool("customers"),
            address = self.target.address(),
        )
    }
}

fn open(throttle: &str) -> String {
    format!("authorizer: none, throttle: {{ {throttle} }}")
}

fn get(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> u16 {
    wire::request(gateway.address(), "GET", path, headers).status
}

#[test]
fn a_burst_of_two_lets_two_through_and_answers_the_third_429() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let gateway = Gateway::start(&file.with("", &[("GET /a", &open(TWICE))]));
    let statuses: Vec<u16> = (0..2).map(|_| get(&gateway, "/a", &[])).collect();
    assert_eq!(statuses, [200, 200]);
    let answer = wire::get(gateway.address(), "/a");
    let text = r#"{"message":"Too Many Requests"}"#;
    assert_eq!((answer.status, answer.text().as_str()), (429, text));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("apigw-requestid").is_some());
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((900..=1000).contains(&seconds), "{seconds}");
    assert_eq!(target.taken().len(), 2);
    let lines = gateway.wait_access_log(|lines| lines.len() == 3);
    assert_eq!((&lines[2]["reason"], &lines[2]["status"]), (&json!("throttled"), &json!(429)));
    assert_eq!(
        gateway.metric("portcullis_throttled_total{api=\"shop\",route=\"GET /a\"}"),
        Some(1.0)
    );
}

#[test]
fn tokens_come_back_at_the_rate() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let gateway = Gateway::start(&file.with("", &[("GET /a", &open("rate: 5, burst: 1"))]));
    assert_eq!(get(&gateway, "/a", &[]), 200);
    eventually("a token is back", || (get(&gateway, "/a", &[]) == 200).then_some(()));
}

#[test]
fn limits_of_the_api_and_of_the_route_both_count() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let api = "    throttle: { rate: 0.001, burst: 3 }\n";
    let routes = [("GET /a", open(ONCE)), ("GET /b", "authorizer: none".to_owned())];
    let routes = routes.each_ref().map(|(key, keys)| (*key, keys.as_str()));
    let gateway = Gateway::start(&file.with(api, &routes));
    assert_eq!(get(&gateway, "/a", &[]), 200);
    assert_eq!(get(&gateway, "/a", &[]), 429, "the route's own");
    // What no route takes is nobody's request.
    assert_eq!(get(&gateway, "/nowhere", &[]), 404);
    assert_eq!(get(&gateway, "/b", &[]), 200);
    assert_eq!(get(&gateway, "/b", &[]), 200);
    assert_eq!(get(&gateway, "/b", &[]), 429, "the API's");
    let series = "portcullis_throttled_total{api=\"shop\",route=\"\"}";
    assert_eq!(gateway.metric(series), Some(1.0));
}

#[test]
fn each_address_has_its_own_bucket_and_an_ipv6_network_has_one() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let limit = format!("{ONCE}, per: address");
    let gateway = Gateway::start(&file.with("", &[("GET /a", &open(&limit))]));
    for (address, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("::ffff:192.0.2.2", 429),
        ("2001:db8:0:1::1", 200),
        ("2001:db8:0:1:ffff::9", 429),
        ("2001:db8:0:2::1", 200),
    ] {
        assert_eq!(get(&gateway, "/a", &[("X-Forwarded-For", address)]), status, "{address}");
    }
}

#[test]
fn nobody_chooses_a_bucket_by_a_header_or_another_spelling_of_the_path() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let limit = format!("{ONCE}, per: address");
    let text = file.with("", &[("GET /a/{id}", &open(&limit))]);
    let gateway = Gateway::start(&text.replace("    trusted_proxies: [127.0.0.1/32]\n", ""));
    assert_eq!(get(&gateway, "/a/1", &[]), 200);
    for path in ["/a/1", "/a/2", "//a/1", "/%61/1", "/x/../a/1", "/a/1?x", "/a/1;x"] {
        for header in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP"] {
            let status = get(&gateway, path, &[(header, "192.0.2.9")]);
            assert_eq!(status, 429, "{path} {header}");
        }
    }
}

#[test]
fn an_address_over_its_limit_takes_nothing_of_what_all_share() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let keys = "authorizer: none, throttle: [{ rate: 0.001, burst: 3 }, \
                { rate: 0.001, burst: 1, per: address }]";
    let gateway = Gateway::start(&file.with("", &[("GET /a", keys)]));
    let from = |address: &str| get(&gateway, "/a", &[("X-Forwarded-For", address)]);
    assert_eq!(from("192.0.2.1"), 200);
    for _ in 0..10 {
        assert_eq!(from("192.0.2.1"), 429);
    }
    assert_eq!((from("192.0.2.2"), from("192.0.2.3"), from("192.0.2.4")), (200, 200, 429));
}

#[test]
fn a_limit_by_address_comes_before_the_authorizer_and_one_by_caller_after_it() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let before = format!("authorizer: main, throttle: {{ {ONCE}, per: address }}");
    let after = format!("authorizer: main, throttle: {{ {ONCE}, per: claim sub }}");
    let routes = [("GET /before", before.as_str()), ("GET /after", after.as_str())];
    let gateway = Gateway::start(&file.with("", &routes));
    // Bad tokens are counted where nobody has looked at them yet, and only there.
    let bad = [("Authorization", "Bearer x")];
    assert_eq!((get(&gateway, "/before", &bad), get(&gateway, "/before", &bad)), (401, 429));
    for _ in 0..5 {
        assert_eq!(get(&gateway, "/after", &bad), 401);
    }
    let of = |subject: &str| issuer.token_with(&json!({ "sub": subject }));
    let (one, other) = (of("one"), of("other"));
    // Another token of the same caller is the same caller.
    let again = issuer.token_with(&json!({ "sub": "one", "jti": "x" }));
    for (token, status) in [(&one, 200), (&again, 429), (&other, 200), (&one, 429)] {
        assert_eq!(get(&gateway, "/after", &[("Authorization", token)]), status);
    }
    let lines = gateway.wait_access_log(|lines| lines.len() == 11);
    assert_eq!(lines[10]["reason"], "throttled");
}

#[test]
fn callers_are_counted_by_client_and_those_without_the_claim_together() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let client = format!("authorizer: main, throttle: {{ {ONCE}, per: client_id }}");
    let claim = format!("authorizer: main, throttle: {{ {ONCE}, per: claim tenant }}");
    let routes = [("GET /client", client.as_str()), ("GET /claim", claim.as_str())];
    let gateway = Gateway::start(&file.with("", &routes));
    let ask = |path: &str, claims: serde_json::Value| {
        get(&gateway, path, &[("Authorization", &issuer.token_with(&claims))])
    };
    assert_eq!(ask("/client", json!({ "sub": "one" })), 200);
    assert_eq!(ask("/client", json!({ "sub": "two" })), 429);
    assert_eq!(ask("/claim", json!({ "tenant": "a" })), 200);
    assert_eq!(ask("/claim", json!({ "tenant": "b" })), 200);
    assert_eq!(ask("/claim", json!({ "tenant": "a", "sub": "two" })), 429);
    assert_eq!(ask("/claim", json!({ "sub": "three" })), 200);
    assert_eq!(ask("/claim", json!({ "sub": "four" })), 429);
}

#[test]
fn a_reload_keeps_what_is_used_of_a_limit_and_a_changed_limit_begins_anew() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let route = |throttle: &str| file.with("", &[("GET /a", &open(throttle))]);
    let more = |throttle: &str| {
        file.with("", &[("GET /new", "authorizer: none"), ("GET /a", &open(throttle))])
    };
    let gateway = Gateway::start(&route(ONCE));
    assert_eq!(get(&gateway, "/a", &[]), 200);
    gateway.write(&more(ONCE));
    eventually("the new file is in force", || (get(&gateway, "/new", &[]) == 200).then_some(()));
    assert_eq!(get(&gateway, "/a", &[]), 429);
    gateway.write(&more(TWICE));
    eventually("the changed limit is in force", || (get(&gateway, "/a", &[]) == 200).then_some(()));
}

#[test]
fn tests_of_a_file_are_never_throttled() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let start = Start::with(&file.with("", &[("GET /a", &open(ONCE))]));
    let ask = "{ request: GET http://a.example/a, expect: { reason: public } }";
    let tests: String =
        (0..3).map(|n| ask.replacen('{', &format!("  - {{ name: t{n},"), 1) + "\n").collect();
    let gateway = start.file("routes.test.yaml", format!("tests:\n{tests}")).run();
    let routes = gateway.file();
    let output = portcullis(&["test", routes.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
}

#[test]
fn an_api_that_does_as_aws_does_says_nothing_of_when_to_come_again() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let text = file.with("    compatibility: aws\n", &[("GET /a", &open(ONCE))]);
    let gateway = Gateway::start(&text);
    assert_eq!(get(&gateway, "/a", &[]), 200);
    let answer = wire::get(gateway.address(), "/a");
    assert_eq!((answer.status, answer.header("retry-after")), (429, None));
}

#[test]
fn a_preflight_takes_no_token_and_a_throttled_page_can_read_why() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = File { issuer: &issuer, target: &target };
    let cors = "    cors: { allow_origins: [https://app.example] }\n    \
                throttle: { rate: 0.001, burst: 1 }\n";
    let gateway = Gateway::start(&file.with(cors, &[("GET /a", "authorizer: none")]));
    let origin = ("Origin", "https://app.example");
    let asks = [origin, ("Access-Control-Request-Method", "GET")];
    for _ in 0..3 {
        assert_eq!(wire::request(gateway.address(), "OPTIONS", "/a", &asks).status, 204);
    }
    assert_eq!(get(&gateway, "/a", &[origin]), 200);
    let answer = wire::request(gateway.address(), "GET", "/a", &[origin]);
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
}
