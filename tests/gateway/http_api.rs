//! HTTP APIs: which route takes a request, who gets through, what the others are told, and what a
//! target is asked.

use std::time::Duration;

use serde_json::json;

use crate::support::issuer::{Key, Mode};
use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

/// A gateway with an API under `/shop`, and an open rule behind it that takes everything else.
fn api(issuer: &Issuer, target: &Target, keys: &str, routes: &str) -> Gateway {
    Gateway::start(&file(issuer, target, keys, routes))
}

fn file(issuer: &Issuer, target: &Target, keys: &str, routes: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         user_pools:\n{pool}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - {{ name: shop, conditions: {{ path_pattern: [/shop, /shop/*] }}, api: shop }}\n      \
         - {{ name: open, public: true, conditions: {{ path_pattern: ['*'] }}, forward: all }}\n\
         apis:\n  shop:\n    type: http\n    base_path: /shop\n    \
         authorizers: {{ main: {{ jwt: {{ user_pool: customers }} }} }}\n{keys}    routes:\n{routes}",
        pool = issuer.pool("customers"),
        address = target.address(),
    )
}

/// A route with these keys.
fn route(key: &str, keys: &str, integration: &str) -> String {
    format!("      {key}: {{ {keys}, integration: {{ target_group: all{integration} }} }}\n")
}

const OPEN: &str = "authorizer: none";
const CLOSED: &str = "authorizer: main";

fn ask(gateway: &Gateway, path: &str, token: &str) -> wire::Response {
    wire::request(gateway.address(), "GET", path, &[("Authorization", token)])
}

#[test]
fn a_route_gets_the_path_without_the_base_path_and_the_query_as_it_came() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let routes = route("GET /orders/{id}", OPEN, "") + &route("GET /", OPEN, "");
    let gateway = api(&issuer, &target, "", &routes);
    let answer = wire::get(gateway.address(), "/shop/orders/a%20b?x=%2f&y");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert!(answer.header("apigw-requestid").is_some_and(|id| id.len() == 16), "{answer:?}");
    assert_eq!(target.next().target(), "/orders/a%20b?x=%2f&y");
    for root in ["/shop", "/shop/"] {
        assert_eq!(wire::get(gateway.address(), root).status, 200);
        assert_eq!(target.next().target(), "/");
    }
}

#[test]
fn what_no_route_takes_is_the_apis_own_404_and_never_the_next_rule() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /a", OPEN, ""));
    for (method, path) in
        [("GET", "/shop/b"), ("POST", "/shop/a"), ("GET", "/shop/a/"), ("GET", "/shop")]
    {
        let answer = wire::request(gateway.address(), method, path, &[]);
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.text(), r#"{"message":"Not Found"}"#);
        assert_eq!(answer.header("content-length"), Some("23"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("apigw-requestid").is_some());
    }
    assert!(target.taken().is_empty());
    assert_eq!(wire::get(gateway.address(), "/elsewhere").status, 200);
}

#[test]
fn each_route_is_counted_by_what_came_of_it_and_shown_with_its_hits() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let routes = route("GET /orders/{id}", OPEN, "")
        + &route("GET /closed", CLOSED, "")
        + &route("GET /never", OPEN, "");
    let gateway = api(&issuer, &target, "", &routes);
    for path in ["/shop/orders/1", "/shop/orders/2", "/shop/closed", "/shop/nowhere", "/elsewhere"]
    {
        wire::get(gateway.address(), path);
    }
    for (key, class, count) in [("GET /orders/{id}", "2xx", 2.0), ("GET /closed", "4xx", 1.0)] {
        let series = format!(
            "portcullis_route_requests_total{{api=\"shop\",route=\"{key}\",status_class=\"{class}\"}}"
        );
        eventually(&series, || (gateway.metric(&series) == Some(count)).then_some(()));
    }
    assert_eq!(gateway.metric_sum("portcullis_route_requests_total", &[]), 3.0);
    let page = gateway.ask_admin("/page/rules?dead&find=shop").text();
    assert!(page.contains("GET /never") && page.contains("path /shop/never"), "{page}");
    assert!(!page.contains("GET /closed"), "{page}");
    let page = gateway.ask_admin("/page/rules?find=API+shop").text();
    assert!(page.contains("3 routes, 1 of them never hit"), "{page}");
    assert!(page.contains("tokens of customers"), "{page}");
}

#[test]
fn the_request_id_that_a_client_is_told_is_the_one_in_the_log() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /a", OPEN, ""));
    let told = wire::get(gateway.address(), "/shop/b");
    let lines = gateway.wait_access_log(|lines| lines.len() == 1);
    assert_eq!(lines[0]["request_id"].as_str(), told.header("apigw-requestid"));
    assert_eq!((&lines[0]["reason"], &lines[0]["rule"]), (&json!("no_route"), &json!("shop")));
    assert_eq!((&lines[0]["api"], &lines[0]["route"]), (&json!("shop"), &serde_json::Value::Null));
    assert_eq!(wire::get(gateway.address(), "/shop/a").status, 200);
    let lines = gateway.wait_access_log(|lines| lines.len() == 2);
    assert_eq!((&lines[1]["api"], &lines[1]["route"]), (&json!("shop"), &json!("GET /a")));
}

#[test]
fn a_missing_token_is_told_in_api_gateways_words() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /a", CLOSED, ""));
    let answer = wire::get(gateway.address(), "/shop/a");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.text(), r#"{"message":"Unauthorized"}"#);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("apigw-requestid").is_some());
    assert!(target.taken().is_empty());
}

#[test]
fn a_token_is_taken_with_bearer_in_front_and_without() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /a", CLOSED, ""));
    let token = issuer.token();
    for value in [token.clone(), format!("Bearer {token}"), format!("bearer {token}")] {
        assert_eq!(ask(&gateway, "/shop/a", &value).status, 200);
        let received = target.next();
        assert_eq!(received.values("authorization"), [value]);
        assert_eq!(received.values("x-auth-subject"), ["aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"]);
    }
}

#[test]
fn each_fault_of_a_token_is_told_as_api_gateway_tells_it() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let scopes = format!("{CLOSED}, scopes: [a/read, orders/read]");
    let routes = route("GET /a", CLOSED, "") + &route("GET /b", &scopes, "");
    let gateway = api(&issuer, &target, "", &routes);
    let forged = Key::number(1).named(&Key::number(0).kid).sign(&issuer.claims());
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";
    let audience = "the token does not have a valid audience";
    let cases = [
        ("not-a-jwt".to_owned(), "token contains an invalid number of segments"),
        (
            issuer.token_with(&json!({ "iss": format!("{}/", issuer.issuer()) })),
            "issuer does not match",
        ),
        (issuer.token_with(&json!({ "client_id": "another" })), audience),
        (issuer.token_with(&json!({ "exp": 1 })), "the token has expired"),
        (issuer.token_with(&json!({ "token_use": "id" })), "the token is not valid"),
        (issuer.token_with(&json!({ "nbf": 99_999_999_999_u64 })), "the token is not valid yet"),
        (forged, "crypto/rsa: verification error"),
    ];
    for (token, description) in &cases {
        for (path, scope) in [("/shop/a", ""), ("/shop/b", "a/read orders/read")] {
            let answer = ask(&gateway, path, token);
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (401, r#"{"message":"Unauthorized"}"#)
            );
            let challenge = format!(
                r#"Bearer scope="{scope}" error="invalid_token" error_description="{description}""#
            );
            assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()), "{token}");
        }
    }
    assert_eq!(ask(&gateway, "/shop/a", none).status, 401);
    let twice = [("Authorization", issuer.token()), ("Authorization", issuer.token())];
    let twice = twice.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(wire::request(gateway.address(), "GET", "/shop/a", &twice).status, 401);
    assert!(target.taken().is_empty());
}

#[test]
fn any_scope_of_the_route_will_do_and_none_is_forbidden() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let scopes = format!("{CLOSED}, scopes: [A/read, A/write]");
    let gateway = api(&issuer, &target, "", &route("GET /a", &scopes, ""));
    let with =
        |scope: &str| ask(&gateway, "/shop/a", &issuer.token_with(&json!({ "scope": scope })));
    assert_eq!(with("A/write x").status, 200);
    let answer = with("A/rea a/write");
    assert_eq!((answer.status, answer.text().as_str()), (403, r#"{"message":"Forbidden"}"#));
    assert_eq!(
        answer.header("www-authenticate"),
        Some(
            r#"Bearer scope="A/read A/write" error="insufficient_scope" error_description="expected scopes: [A/read A/write]""#
        )
    );
    assert_eq!(target.taken().len(), 1);
}

#[test]
fn an_open_route_does_not_serve_what_a_protected_one_names_unless_aws_is_asked_for() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let routes = route("POST /admin", CLOSED, "") + &route("ANY /{proxy+}", OPEN, "");
    let gateway = api(&issuer, &target, "", &routes);
    let paths = [
        "/shop/admin",
        "/shop/admin/",
        "/shop//admin",
        "/shop/./admin",
        "/shop/x/../admin",
        "/shop/%61dmin",
        "/shop/admin?x",
        "/shop/admin;x=1",
    ];
    for path in paths {
        let answer = wire::get(gateway.address(), path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    let over = [("X-HTTP-Method-Override", "POST")];
    assert_eq!(wire::request(gateway.address(), "GET", "/shop/admin", &over).status, 404);
    assert_eq!(wire::request(gateway.address(), "GET", "/shop/other", &over).status, 200);
    let received = target.next();
    assert_eq!(received.target(), "/other");
    assert!(received.values("x-http-method-override").is_empty());
    assert!(target.taken().is_empty());

    let aws = api(&issuer, &target, "    compatibility: aws\n", &routes);
    assert_eq!(wire::get(aws.address(), "/shop/admin").status, 200);
}

#[test]
fn an_integrations_path_is_put_together_from_the_routes_variables() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let routes = route("GET /orders/{id}", OPEN, ", path: '/v1/o/{id}'")
        + &route("GET /files/{dir}/{rest+}", OPEN, ", path: '/{dir}/all/{rest}'")
        + &route("GET /fixed", OPEN, ", path: /x/y/");
    let gateway = api(&issuer, &target, "", &routes);
    for (asked, sent) in [
        ("/shop/orders/7?a=b", "/v1/o/7?a=b"),
        ("/shop/orders/a%20b%3f", "/v1/o/a%20b%3F"),
        ("/shop/orders/%2e%2e%2e", "/v1/o/..."),
        ("/shop/files/a/b/c/", "/a/all/b/c/"),
        ("/shop/fixed?", "/x/y/?"),
    ] {
        assert_eq!(wire::get(gateway.address(), asked).status, 200, "{asked}");
        assert_eq!(target.next().target(), sent);
    }
    for asked in ["/shop/orders/a%2fb", "/shop/orders/..", "/shop/orders/%2e%2e/x", "/shop/orders/"]
    {
        assert!(matches!(wire::get(gateway.address(), asked).status, 400 | 404), "{asked}");
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_target_that_is_too_slow_or_not_there_is_service_unavailable() {
    let issuer = Issuer::start();
    let slow = Target::speaking(|_, _| {
        std::thread::park_timeout(Duration::from_secs(20));
        false
    });
    let routes = route("POST /slow", OPEN, ", timeout: 100ms");
    let gateway = api(&issuer, &slow, "", &routes);
    let answer = wire::request(gateway.address(), "POST", "/shop/slow", &[("Content-Length", "0")]);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (503, r#"{"message":"Service Unavailable"}"#)
    );
    assert!(answer.header("apigw-requestid").is_some());
    let lines = gateway.wait_access_log(|lines| lines.len() == 1);
    assert_eq!(lines[0]["reason"], "target_timeout");
}

#[test]
fn a_body_of_more_than_ten_mebibytes_is_refused_whether_announced_or_not() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("POST /a", OPEN, ""));
    let announced = [("Content-Length", "10485761")];
    let answer = wire::request(gateway.address(), "POST", "/shop/a", &announced);
    let text = r#"{"message":"Request Entity Too Large"}"#;
    assert_eq!((answer.status, answer.text().as_str()), (413, text));
    assert!(target.taken().is_empty());
    let mut client = wire::Connection::open(gateway.address());
    client.send("POST /shop/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"100000\r\n".as_slice(), &[b'x'; 0x10_0000], b"\r\n"].concat();
    for _ in 0..11 {
        if !client.try_send(&chunk) {
            break;
        }
    }
    let answer = client.read();
    assert_eq!((answer.status, answer.text().as_str()), (413, text));
}

#[test]
fn a_reload_that_makes_a_route_ask_for_a_token_is_in_force_on_open_connections() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let open = file(&issuer, &target, "", &route("GET /a", OPEN, ""));
    let gateway = Gateway::start(&open);
    let mut client = wire::Connection::open(gateway.address());
    client.send("GET /shop/a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read().status, 200);
    gateway.write(&file(&issuer, &target, "", &route("GET /a", CLOSED, "")));
    crate::support::eventually("the new file is in force", || {
        client.send("GET /shop/a HTTP/1.1\r\nHost: a\r\n\r\n");
        (client.read().status == 401).then_some(())
    });
}

#[test]
fn decisions_of_an_api_are_counted_at_its_rule() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /a", CLOSED, ""));
    assert_eq!(wire::get(gateway.address(), "/shop/a").status, 401);
    assert_eq!(ask(&gateway, "/shop/a", &issuer.token()).status, 200);
    let config = gateway.ask_admin("/config");
    assert_eq!(config.status, 200);
    let lines = gateway.wait_access_log(|lines| lines.len() == 2);
    assert_eq!(lines[0]["reason"], "token_missing");
    assert_eq!(lines[1]["reason"], "authorized");
    assert_eq!(lines[1]["target_group"], "all");
}

#[test]
fn a_stage_that_stands_in_the_path_is_taken_off_it() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let keys = "    stage: dev\n    stage_in_path: true\n";
    let gateway = api(&issuer, &target, keys, &route("GET /x", OPEN, ""));
    assert_eq!(wire::get(gateway.address(), "/shop/dev/x").status, 200);
    assert_eq!(target.next().target(), "/x");
    for path in ["/shop/x", "/shop/dev", "/shop/prod/x", "/shop/devx"] {
        let answer = wire::get(gateway.address(), path);
        assert_eq!((answer.status, answer.text().as_str()), (404, r#"{"message":"Not Found"}"#));
    }
}

#[test]
fn a_token_may_stand_in_the_query_under_exactly_its_name_and_once() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let text = file(&issuer, &target, "", &route("GET /a", CLOSED, ""));
    let source = "user_pool: customers, identity_source: $request.querystring.token }";
    let gateway = Gateway::start(&text.replace("user_pool: customers }", source));
    let token = issuer.token();
    for query in [format!("?token={token}"), format!("?a=b&token=Bearer%20{token}&c")] {
        assert_eq!(wire::get(gateway.address(), &format!("/shop/a{query}")).status, 200);
    }
    for query in [
        String::new(),
        format!("?Token={token}"),
        "?token=".to_owned(),
        format!("?token={token}&token={token}"),
        format!("?token={token}&%74oken=x"),
    ] {
        assert_eq!(wire::get(gateway.address(), &format!("/shop/a{query}")).status, 401, "{query}");
    }
    assert_eq!(ask(&gateway, "/shop/a", &token).status, 401);
    assert_eq!(target.taken().len(), 2);
    let log = gateway.wait_access_log(|lines| lines.len() == 8);
    assert!(!format!("{log:?}").contains(&token), "the log holds a token");
}

#[test]
fn a_token_that_no_rsa_key_signed_is_told_its_algorithm() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /a", CLOSED, ""));
    let key = Key::number(0);
    for (algorithm, told) in [
        ("ES256", "signing method ES256 is invalid"),
        ("HS256", "signing method HS256 is invalid"),
        ("none", "signing method none is invalid"),
        ("a\\\" b=\\\"", "signing method is invalid"),
    ] {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{}"}}"#, key.kid);
        let token = key.sign_texts(header, issuer.claims().to_string());
        let answer = ask(&gateway, "/shop/a", &token);
        assert_eq!(answer.status, 401);
        let challenge =
            format!(r#"Bearer scope="" error="invalid_token" error_description="{told}""#);
        assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_request_line_and_headers_of_over_10240_bytes_are_refused() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /a", OPEN, ""));
    let answer =
        wire::request(gateway.address(), "GET", "/shop/a", &[("X-Long", &"x".repeat(10_241))]);
    let text = r#"{"message":"Request Header Fields Too Large"}"#;
    assert_eq!((answer.status, answer.text().as_str()), (431, text));
    assert!(target.taken().is_empty());
    let fits = [("X-Long", "x".repeat(9_900))];
    let fits = fits.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(wire::request(gateway.address(), "GET", "/shop/a", &fits).status, 200);
}

#[test]
fn an_issuer_whose_keys_were_never_there_is_the_callers_401() {
    let (issuer, target) = (Issuer::start(), Target::start());
    issuer.set(Mode::Close);
    let keys = "startup_wait: 1s\n";
    let http = file(&issuer, &target, "", &route("GET /a", CLOSED, ""));
    let rest = http.replace("type: http", "type: rest");
    let token = issuer.token();
    let gateway = Start::with(&format!("{keys}{http}")).unready().run();
    let answer = ask(&gateway, "/shop/a", &token);
    assert_eq!((answer.status, answer.text().as_str()), (401, r#"{"message":"Unauthorized"}"#));
    assert!(answer.header("www-authenticate").is_some_and(|challenge| {
        challenge.contains(r#"error_description="JWKS communication error""#)
    }));
    let gateway = Start::with(&format!("{keys}{rest}")).unready().run();
    let answer = ask(&gateway, "/shop/a", &token);
    assert_eq!((answer.status, answer.text().as_str()), (500, r#"{"message":null}"#));
    let kind = answer.header("x-amzn-errortype");
    assert_eq!(kind, Some("AuthorizerConfigurationException"));
    assert!(target.taken().is_empty());
}
