//! CORS of APIs: who answers a preflight, and whose word about origins a browser gets.

use crate::support::{Gateway, Issuer, Target, wire};

const APP: (&str, &str) = ("Origin", "https://app.example");
const ELSEWHERE: (&str, &str) = ("Origin", "https://elsewhere.example");
const ASKS: (&str, &str) = ("Access-Control-Request-Method", "PUT");
const CORS: &str = "    cors:\n      \
     allow_origins: [https://app.example, http://localhost:3000]\n      \
     allow_methods: [GET, PUT]\n      allow_headers: [Authorization, x-a]\n      \
     expose_headers: [etag]\n      max_age: 10m\n      allow_credentials: true\n";
const CLOSED: &str = "      PUT /a: { authorizer: main, integration: { target_group: all } }\n";
const OPEN: &str = "      GET /open: { authorizer: none, integration: { target_group: all } }\n";

fn file(issuer: &Issuer, target: &Target, cors: &str, routes: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         user_pools:\n{pool}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    \
         response_headers: {{ access_control_allow_origin: https://listener.example }}\n    \
         rules: [{{ name: shop, conditions: {{ path_pattern: ['*'] }}, api: shop }}]\n\
         apis:\n  shop:\n    type: http\n    base_path: /shop\n    \
         authorizers: {{ main: {{ jwt: {{ user_pool: customers }} }} }}\n{cors}    routes:\n{routes}",
        pool = issuer.pool("customers"),
        address = target.address(),
    )
}

/// A target that has its own word about CORS.
fn talkative() -> Target {
    Target::answering(|_| {
        b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n\
          Access-Control-Allow-Credentials: true\r\nACCESS-CONTROL-ALLOW-METHODS: DELETE\r\n\
          Access-Control-Expose-Headers: x-secret\r\nAccess-Control-Allow-Private-Network: true\r\n\
          Vary: Accept\r\nContent-Length: 2\r\n\r\nok"
            .to_vec()
    })
}

/// What an answer says about CORS, in order of names.
fn said(answer: &wire::Response) -> Vec<String> {
    let all = answer.headers.iter();
    let mut said: Vec<String> = all
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"))
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .collect();
    said.sort();
    said
}

const GRANTED: [&str; 5] = [
    "access-control-allow-credentials: true",
    "access-control-allow-headers: authorization,x-a",
    "access-control-allow-methods: GET,PUT",
    "access-control-allow-origin: https://app.example",
    "access-control-max-age: 600",
];
const ALLOWED: [&str; 3] = [
    "access-control-allow-credentials: true",
    "access-control-allow-origin: https://app.example",
    "access-control-expose-headers: etag",
];

#[test]
fn a_preflight_that_no_route_takes_is_answered_without_authorizer_or_target() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&file(&issuer, &target, CORS, CLOSED));
    for path in ["/shop/a", "/shop/nowhere", "/shop"] {
        let answer = wire::request(gateway.address(), "OPTIONS", path, &[APP, ASKS]);
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{path}");
        assert_eq!(said(&answer), GRANTED);
        assert_eq!(answer.header("vary"), Some("origin"));
        assert!(answer.header("apigw-requestid").is_some());
        assert_eq!(answer.header("www-authenticate"), None);
    }
    assert!(target.taken().is_empty());
    let lines = gateway.wait_access_log(|lines| lines.len() == 3);
    assert_eq!(lines[0]["reason"], "preflight");
}

#[test]
fn a_preflight_from_an_origin_that_may_not_call_is_told_nothing() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&file(&issuer, &target, CORS, CLOSED));
    let origins = [
        "https://elsewhere.example",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "http://app.example",
        "null",
    ];
    for origin in origins {
        let asks = [("Origin", origin), ASKS];
        let answer = wire::request(gateway.address(), "OPTIONS", "/shop/a", &asks);
        assert_eq!((answer.status, said(&answer)), (204, Vec::new()), "{origin}");
        assert_eq!(answer.header("vary"), Some("origin"));
    }
    let twice = [ELSEWHERE, APP, ASKS];
    let answer = wire::request(gateway.address(), "OPTIONS", "/shop/a", &twice);
    assert!(said(&answer).is_empty());
}

#[test]
fn a_route_that_takes_options_takes_the_preflight_and_one_without_authorizer_cures_it() {
    let (issuer, target) = (Issuer::start(), talkative());
    let any = "      ANY /{proxy+}: { authorizer: main, integration: { target_group: all } }\n";
    let gateway = Gateway::start(&file(&issuer, &target, CORS, any));
    let answer = wire::request(gateway.address(), "OPTIONS", "/shop/a", &[APP, ASKS]);
    let text = answer.text();
    assert_eq!((answer.status, text.as_str()), (401, r#"{"message":"Unauthorized"}"#));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert!(target.taken().is_empty());

    let options =
        "      OPTIONS /{proxy+}: { authorizer: none, integration: { target_group: all } }\n";
    let cured = Gateway::start(&file(&issuer, &target, CORS, &format!("{any}{options}")));
    let answer = wire::request(cured.address(), "OPTIONS", "/shop/a", &[APP, ASKS]);
    assert_eq!((answer.status, said(&answer)), (200, GRANTED.map(str::to_owned).to_vec()));
    assert_eq!(target.taken().len(), 1);
}

#[test]
fn without_cors_options_is_not_found_and_the_targets_word_passes() {
    let (issuer, target) = (Issuer::start(), talkative());
    let gateway = Gateway::start(&file(&issuer, &target, "", &format!("{CLOSED}{OPEN}")));
    let answer = wire::request(gateway.address(), "OPTIONS", "/shop/a", &[APP, ASKS]);
    assert_eq!((answer.status, answer.text().as_str()), (404, r#"{"message":"Not Found"}"#));
    assert!(target.taken().is_empty());
    let answer = wire::request(gateway.address(), "GET", "/shop/open", &[APP]);
    assert_eq!(answer.header("access-control-expose-headers"), Some("x-secret"));
    assert_eq!(answer.header("vary"), Some("Accept"));
}

#[test]
fn a_plain_options_request_is_no_preflight() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&file(&issuer, &target, CORS, CLOSED));
    for headers in [&[APP][..], &[ASKS], &[]] {
        let answer = wire::request(gateway.address(), "OPTIONS", "/shop/a", headers);
        assert_eq!(answer.status, 404, "{headers:?}");
    }
    // Not this API's path at all.
    let answer = wire::request(gateway.address(), "OPTIONS", "/shopping", &[APP, ASKS]);
    assert_eq!(answer.status, 404);
}

#[test]
fn a_targets_own_word_is_replaced_and_without_an_origin_none_is_said() {
    let (issuer, target) = (Issuer::start(), talkative());
    let gateway = Gateway::start(&file(&issuer, &target, CORS, OPEN));
    let answer = wire::request(gateway.address(), "GET", "/shop/open", &[APP]);
    assert_eq!((answer.status, said(&answer)), (200, ALLOWED.map(str::to_owned).to_vec()));
    for headers in [&[][..], &[ELSEWHERE], &[APP, ELSEWHERE]] {
        let answer = wire::request(gateway.address(), "GET", "/shop/open", headers);
        assert_eq!((answer.status, said(&answer)), (200, Vec::new()), "{headers:?}");
        let vary = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
        let vary: Vec<&str> = vary.map(|(_, value)| value.as_str()).collect();
        assert_eq!(vary.join(","), "Accept,origin");
    }
}

#[test]
fn our_own_refusals_can_be_read_by_the_page_that_asked() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gone = "      GET /gone: { authorizer: none, integration: { target_group: gone } }\n";
    let scoped =
        "      GET /s: { authorizer: main, scopes: [a/b], integration: { target_group: all } }\n";
    let text = file(&issuer, &target, CORS, &format!("{CLOSED}{gone}{scoped}"));
    let free = Issuer::free_port();
    let text = text.replace(
        "listeners:\n",
        &format!("  gone: {{ targets: [127.0.0.1:{free}] }}\nlisteners:\n"),
    );
    let gateway = Gateway::start(&text);
    let token = issuer.token();
    for (method, path, status) in [
        ("PUT", "/shop/a", 401),
        ("GET", "/shop/s", 403),
        ("GET", "/shop/nowhere", 404),
        ("GET", "/shop/gone", 503),
    ] {
        let token = if status == 403 { token.as_str() } else { "" };
        let credential = ("Authorization", token);
        let headers = [APP, credential];
        let answer = wire::request(gateway.address(), method, path, &headers);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(said(&answer), ALLOWED, "{path}");
        let answer = wire::request(gateway.address(), method, path, &[ELSEWHERE, credential]);
        assert_eq!((answer.status, said(&answer)), (status, Vec::new()), "{path}");
    }
}

#[test]
fn credentials_for_every_origin_are_refused_when_the_file_is_checked() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let cors = "    cors: { allow_origins: ['*'], allow_credentials: true }\n";
    let start = crate::support::process::Start::with(&file(&issuer, &target, cors, OPEN));
    let refused = start.try_run().err().expect("the file is wrong");
    let text = "allow-credentials is not supported if 'allow-origin' is *";
    assert!(refused.said.contains(text), "{}", refused.said);
}
