//! What integrations change in requests and answers.

use std::time::Duration;

use serde_json::json;

use crate::support::issuer::now;
use crate::support::target::Received;
use crate::support::{Gateway, Issuer, Target, wire};

/// An API of this kind, with a route of this authorizer whose integration has these keys.
fn api(issuer: &Issuer, target: &Target, kind: &str, key: &str, keys: &str) -> Gateway {
    Gateway::start(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         user_pools:\n{pool}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    default_action: {{ api: shop }}\n\
         apis:\n  shop:\n    {kind}\n    base_path: /shop\n    stage: dev\n    stage_in_path: true\n    \
         stage_variables: {{ colour: green }}\n    \
         authorizers: {{ main: {{ jwt: {{ user_pool: customers }} }} }}\n    routes:\n      \
         {key}:\n        integration:\n          target_group: all\n{keys}",
        pool = issuer.pool("customers"),
        address = target.address(),
    ))
}

const OPEN: &str = "        authorizer: none\n";
const CLOSED: &str = "        authorizer: main\n";

fn requests(mappings: &str) -> String {
    format!("          request_parameters: {{ {mappings} }}\n")
}

#[test]
fn headers_are_appended_replaced_and_removed() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let keys = requests(
        "'append:header.x-a': '${request.header.X-B}/${request.querystring.q}', \
         'overwrite:header.x-b': $stageVariables.colour, 'remove:header.x-c': '', \
         'append:header.x-d': $request.header.x-absent, \
         'overwrite:header.x-e': $request.header.x-absent, \
         'overwrite:header.x-f': '${context.stage} ${context.routeKey} ${context.path}', \
         'overwrite:header.x-g': $request.path.id, 'overwrite:header.host': inner.example",
    ) + OPEN;
    let gateway = api(&issuer, &target, "type: http", "GET /o/{id}", &keys);
    let headers =
        [("X-A", "1"), ("X-B", "2"), ("X-B", "3"), ("X-C", "4"), ("X-E", "5"), ("X-G", "6")];
    let path = "/shop/dev/o/a%20b%0d%0aX-H:%20c?q=x%20y&q=z";
    assert_eq!(wire::request(gateway.address(), "GET", path, &headers).status, 400);
    let path = "/shop/dev/o/a%20b%C3%A9?q=x%20y&q=z";
    assert_eq!(wire::request(gateway.address(), "GET", path, &headers).status, 200);
    let received = target.next();
    assert_eq!(received.values("x-a"), ["1", "2,3/x y,z"]);
    assert_eq!(received.values("x-b"), ["green"]);
    for name in ["x-c", "x-d", "x-e", "x-h"] {
        assert!(received.values(name).is_empty(), "{name}");
    }
    assert_eq!(received.values("x-f"), ["dev GET /o/{id} /shop/dev/o/a%20b%C3%A9"]);
    assert_eq!(received.values("x-g"), ["a b%C3%A9"]);
    assert_eq!(received.values("host"), ["inner.example"]);
    assert_eq!(received.target(), "/o/a%20b%C3%A9?q=x%20y&q=z");
}

#[test]
fn parameters_and_the_path_are_put_together_and_stay_one_value_each() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let keys = requests(
        "'remove:querystring.token': '', 'overwrite:querystring.a b': $request.path.id, \
         'append:querystring.n': $context.stage, \
         'overwrite:path': '/v1/${stageVariables.colour}/${request.path.id}/${request.querystring.p}'",
    ) + OPEN;
    let gateway = api(&issuer, &target, "type: http", "GET /o/{id}", &keys);
    for (asked, sent) in [
        (
            "/o/7%26x=y?token=s&%74oken=t&k=%2f&a+b=1&n=1&p=c+d",
            Some("/v1/green/7%26x=y/c%20d?k=%2f&n=1&p=c+d&a%20b=7%26x%3Dy&n=dev"),
        ),
        ("/o/7?p=a%2Fb", None),
        ("/o/7?p=..", None),
        ("/o/7?p=", None),
        ("/o/7", None),
    ] {
        let answer = wire::get(gateway.address(), &format!("/shop/dev{asked}"));
        let taken = target.taken();
        assert_eq!(taken.first().map(Received::target), sent, "{asked}: {answer:?}");
        assert_eq!(answer.status, if sent.is_some() { 200 } else { 400 }, "{asked}");
    }
}

#[test]
fn a_value_of_a_query_cannot_climb_out_of_its_segment() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let keys = requests("'overwrite:path': '/v1/${request.querystring.p}/x'") + OPEN;
    let gateway = api(&issuer, &target, "type: http", "GET /o", &keys);
    for value in ["..", "%2e%2e", "a/../..", "a%2f..%2f..", "%252e%252e%252f", "a?b", "a%23b", ""] {
        let path = format!("/shop/dev/o?p={value}");
        let answer = wire::get(gateway.address(), &path);
        let taken = target.taken();
        match taken.as_slice() {
            [] => assert!(matches!(answer.status, 400 | 500), "{value}: {answer:?}"),
            [received] => {
                let path = received.target().split('?').next().unwrap_or_default();
                assert!(path.starts_with("/v1/") && path.ends_with("/x"), "{value}: {path}");
                assert_eq!(path.matches('/').count(), 3, "{value}: {path}");
            }
            several => panic!("{value}: {}", several.len()),
        }
    }
}

#[test]
fn claims_are_written_as_each_kind_of_api_writes_them() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let claim = |header: &str, claim: &str| {
        format!("'overwrite:header.{header}': '$context.authorizer.claims{claim}'")
    };
    let keys = requests(
        &[
            claim("x-exp", ".exp"),
            claim("x-verified", ".email_verified"),
            claim("x-groups", ".cognito:groups"),
            claim("x-null", ".nothing"),
            claim("x-role", "[''custom:role'']"),
            claim("x-name", ".name"),
        ]
        .join(", "),
    ) + CLOSED;
    let end = now() + 3600;
    let token = issuer.token_with(&json!({
        "exp": end, "email_verified": true, "cognito:groups": ["admin", "poweruser"],
        "nothing": null, "custom:role": {"a": [1]}, "name": "Zo\u{eb}\r\nX-Evil: 1",
    }));
    // `Tue, 21 Mar 2023 18:36:55 GMT`, in Java's order.
    let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(end));
    let words: Vec<&str> = date.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let [weekday, day, month, year, time, _] = words.as_slice() else { panic!("{date}") };
    for (kind, exp, groups) in [
        ("type: http", end.to_string(), "[admin poweruser]"),
        ("type: rest", format!("{weekday} {month} {day} {time} UTC {year}"), "admin,poweruser"),
    ] {
        let gateway = api(&issuer, &target, kind, "GET /o", &keys);
        let headers =
            [("Authorization", token.as_str()), ("X-Null", "forged"), ("X-Groups", "forged")];
        let answer = wire::request(gateway.address(), "GET", "/shop/dev/o", &headers);
        assert_eq!(answer.status, 200, "{answer:?}");
        let received = target.next();
        assert_eq!(received.values("x-exp"), [exp]);
        assert_eq!(received.values("x-verified"), ["true"]);
        assert_eq!(received.values("x-groups"), [groups]);
        assert!(received.values("x-null").is_empty());
        assert_eq!(received.values("x-role"), [r#"{"a":[1]}"#]);
        assert_eq!(received.values("x-name"), ["Zo%C3%AB%0D%0AX-Evil: 1"]);
        assert!(received.values("x-evil").is_empty());
    }
}

#[test]
fn answers_are_changed_by_their_status() {
    let (issuer, target) = (
        Issuer::start(),
        Target::answering(|received| {
            let status = received.target().trim_start_matches("/s/");
            format!("HTTP/1.1 {status} X\r\nX-A: 1\r\nX-B: 2\r\nContent-Length: 2\r\n\r\nok")
                .into_bytes()
        }),
    );
    let keys = "          response_parameters:\n            '500': { 'overwrite:statuscode': 403, \
                'remove:header.x-a': '', 'overwrite:header.x-b': '${response.header.x-b}-${context.stage}', \
                'append:header.x-c': $response.header.x-a, 'append:header.x-d': $response.header.x-none }\n"
        .to_owned()
        + OPEN;
    for kind in ["type: http", "type: rest"] {
        let gateway = api(&issuer, &target, kind, "GET /s/{code}", &keys);
        let answer = wire::get(gateway.address(), "/shop/dev/s/500");
        assert_eq!((answer.status, answer.text().as_str()), (403, "ok"));
        assert_eq!(answer.header("x-a"), None);
        assert_eq!(answer.header("x-b"), Some("2-dev"));
        assert_eq!(answer.header("x-c"), Some("1"));
        assert_eq!(answer.header("x-d"), None);
        let answer = wire::get(gateway.address(), "/shop/dev/s/502");
        assert_eq!((answer.status, answer.header("x-a")), (502, Some("1")));
        let lines = gateway.wait_access_log(|lines| lines.len() == 2);
        assert_eq!(lines[0]["status"], 403);
    }
}

#[test]
fn a_target_is_told_of_the_api_as_api_gateway_tells_it() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "type: http", "GET /o", OPEN);
    let headers = [("Forwarded", "for=192.0.2.1"), ("Via", "1.0 fred")];
    assert_eq!(wire::request(gateway.address(), "GET", "/shop/dev/o", &headers).status, 200);
    let received = target.next();
    let forwarded = received.values("forwarded");
    let [forwarded] = forwarded.as_slice() else { panic!("{forwarded:?}") };
    assert!(forwarded.starts_with("for=127.0.0.1;host="), "{forwarded}");
    assert!(forwarded.ends_with(";proto=http"), "{forwarded}");
    assert_eq!(received.values("via"), ["1.0 fred", "HTTP/1.1 AmazonAPIGateway"]);
    let gateway = api(&issuer, &target, "type: rest", "GET /o", OPEN);
    let headers = [("X-Amzn-Apigateway-Api-Id", "forged")];
    assert_eq!(wire::request(gateway.address(), "GET", "/shop/dev/o", &headers).status, 200);
    let received = target.next();
    assert_eq!(received.values("x-amzn-apigateway-api-id"), ["shop"]);
    assert_eq!(received.values("accept"), ["application/json"]);
    assert_eq!(received.values("user-agent"), ["AmazonAPIGateway_shop"]);
    assert!(received.values("forwarded").is_empty());
}
