//! REST APIs: which method takes a request, whom a Cognito authorizer lets in, and API Gateway's
//! words for everybody else.

use serde_json::json;

use crate::support::issuer::CLIENT;
use crate::support::{Gateway, Issuer, Target, wire};

/// A gateway with a REST API in the stage `prod`, which stands in the path.
fn api(issuer: &Issuer, target: &Target, keys: &str, routes: &str) -> Gateway {
    Gateway::start(&file(&issuer.pool("customers"), target, "customers", keys, routes))
}

fn file(pools: &str, target: &Target, names: &str, keys: &str, routes: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         user_pools:\n{pools}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    \
         default_action: {{ api: pay }}\n\
         apis:\n  pay:\n    type: rest\n    stage_in_path: true\n    \
         authorizers:\n      main: {{ cognito: {{ user_pools: [{names}] }} }}\n      \
         jwt: {{ jwt: {{ user_pool: customers }} }}\n      \
         only: {{ cognito: {{ user_pools: [customers], identity_validation_expression: '^{CLIENT}$' }} }}\n\
         {keys}    routes:\n{routes}",
        address = target.address(),
    )
}

fn route(key: &str, keys: &str) -> String {
    format!("      {key}: {{ {keys}, integration: {{ target_group: all }} }}\n")
}

const OPEN: &str = "authorizer: none";
const CLOSED: &str = "authorizer: main";
const SCOPED: &str = "authorizer: main, scopes: [orders/read, orders/write]";

fn ask(gateway: &Gateway, path: &str, token: &str) -> wire::Response {
    wire::request(gateway.address(), "GET", path, &[("Authorization", token)])
}

/// An ID token, with these changes.
fn id_token(issuer: &Issuer, changes: &serde_json::Value) -> String {
    let mut claims = json!({ "token_use": "id", "aud": CLIENT, "scope": null, "client_id": null });
    let fields = claims.as_object_mut().expect("an object");
    fields.extend(changes.as_object().expect("an object").clone());
    issuer.token_with(&claims)
}

/// An error in API Gateway's words.
#[track_caller]
fn assert_told(answer: &wire::Response, status: u16, kind: &str, body: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (status, body));
    assert_eq!(answer.header("x-amzn-errortype"), Some(kind));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("x-amz-apigw-id").is_some_and(|id| id.len() == 16));
    assert!(answer.header("x-amzn-requestid").is_some_and(|id| id.len() == 36));
    assert!(answer.header("www-authenticate").is_none());
    assert!(answer.header("apigw-requestid").is_none());
}

const MISSING: (&str, &str) =
    ("MissingAuthenticationTokenException", r#"{"message":"Missing Authentication Token"}"#);
const UNAUTHORIZED: (&str, &str) = ("UnauthorizedException", r#"{"message":"Unauthorized"}"#);

#[test]
fn a_slash_at_the_end_is_ignored_and_what_no_method_takes_is_403() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let routes = route("GET /pay", OPEN) + &route("ANY /parent/{proxy+}", OPEN);
    let gateway = api(&issuer, &target, "", &routes);
    for (path, sent) in [
        ("/prod/pay", "/pay"),
        ("/prod/pay/?a=b", "/pay?a=b"),
        ("/prod//pay", "/pay"),
        ("/prod/parent/a%2Bb/?c=d%2Be", "/parent/a%2Bb?c=d%2Be"),
    ] {
        assert_eq!(wire::get(gateway.address(), path).status, 200, "{path}");
        assert_eq!(target.next().target(), sent);
    }
    for (method, path) in [("GET", "/prod/unknown"), ("POST", "/prod/pay"), ("GET", "/prod/parent")]
    {
        let answer = wire::request(gateway.address(), method, path, &[]);
        assert_told(&answer, 403, MISSING.0, MISSING.1);
    }
    for path in ["/", "/pay", "/dev/pay", "/prodx"] {
        let answer = wire::get(gateway.address(), path);
        assert_told(&answer, 403, "ForbiddenException", r#"{"message":"Forbidden"}"#);
    }
    assert!(target.taken().is_empty());
}

#[test]
fn an_authorization_that_is_no_signature_is_complained_of_where_no_method_is() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /pay", CLOSED));
    let answer = ask(&gateway, "/prod/unknown", "Bearer secret");
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("x-amzn-errortype"), Some("IncompleteSignatureException"));
    let text = answer.text();
    assert!(text.contains("Invalid key=value pair (missing equal-sign)"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn without_scopes_an_id_token_is_wanted_and_with_them_an_access_token() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let routes = route("GET /id", CLOSED) + &route("GET /access", SCOPED);
    let gateway = api(&issuer, &target, "", &routes);
    let access = issuer.token_with(&json!({ "scope": "orders/write x" }));
    let poor = issuer.token_with(&json!({ "scope": "orders" }));
    let id = id_token(&issuer, &json!({}));
    for (path, token) in [
        ("/prod/id", id.clone()),
        ("/prod/id", format!("Bearer {id}")),
        ("/prod/access", access.clone()),
        ("/prod/access", format!("Bearer {access}")),
    ] {
        assert_eq!(ask(&gateway, path, &token).status, 200, "{path}");
    }
    let received = target.next();
    assert_eq!(received.values("x-auth-subject"), ["aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"]);
    assert_eq!(target.taken().len(), 3);
    let refused = [
        ("/prod/id", access.as_str()),
        ("/prod/id", "x"),
        ("/prod/id", ""),
        ("/prod/access", id.as_str()),
        ("/prod/access", poor.as_str()),
    ];
    for (path, token) in refused {
        assert_told(&ask(&gateway, path, token), 401, UNAUTHORIZED.0, UNAUTHORIZED.1);
    }
    assert_told(&wire::get(gateway.address(), "/prod/id"), 401, UNAUTHORIZED.0, UNAUTHORIZED.1);
    let old = id_token(&issuer, &json!({ "exp": 1 }));
    let expired = r#"{"message":"The incoming token has expired"}"#;
    assert_told(&ask(&gateway, "/prod/id", &old), 401, UNAUTHORIZED.0, expired);
    assert!(target.taken().is_empty());
}

#[test]
fn each_of_the_authorizers_pools_will_do_and_no_other() {
    let (first, second, third) = (Issuer::start(), Issuer::start(), Issuer::start());
    let target = Target::start();
    let pools = first.pool("customers") + &second.pool("partners") + &third.pool("others");
    let routes = route("GET /id", CLOSED);
    let text = file(&pools, &target, "customers, partners", "", &routes);
    // A pool that nothing uses would only be a warning.
    let gateway = Gateway::start(&text);
    for (issuer, status) in [(&first, 200), (&second, 200), (&third, 401)] {
        assert_eq!(ask(&gateway, "/prod/id", &id_token(issuer, &json!({}))).status, status);
    }
}

#[test]
fn an_audience_must_match_the_expression() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /id", "authorizer: only"));
    assert_eq!(ask(&gateway, "/prod/id", &id_token(&issuer, &json!({}))).status, 200);
    let other = id_token(&issuer, &json!({ "aud": format!("{CLIENT}x") }));
    assert_told(&ask(&gateway, "/prod/id", &other), 401, UNAUTHORIZED.0, UNAUTHORIZED.1);
}

#[test]
fn a_jwt_authorizer_of_a_rest_api_forbids_what_lacks_a_scope() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("GET /a", "authorizer: jwt, scopes: [a/b]"));
    let with = |scope| ask(&gateway, "/prod/a", &issuer.token_with(&json!({ "scope": scope })));
    assert_eq!(with("x a/b").status, 200);
    let forbidden = r#"{"message":"Forbidden"}"#;
    assert_told(&with("x"), 403, "AccessDeniedException", forbidden);
    assert_told(&ask(&gateway, "/prod/a", "x"), 401, UNAUTHORIZED.0, UNAUTHORIZED.1);
}

#[test]
fn the_file_words_gateway_responses() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let keys = "    gateway_responses:\n      UNAUTHORIZED:\n        status_code: 403\n        \
         response_parameters: { gatewayresponse.header.Access-Control-Allow-Origin: \"'*'\" }\n        \
         response_templates: { application/problem+json: '{\"title\":$context.error.messageString}' }\n      \
         DEFAULT_4XX: { response_parameters: { gatewayresponse.header.X-Class: \"'4xx'\" } }\n";
    let gateway = api(&issuer, &target, keys, &route("GET /id", CLOSED));
    let answer = wire::get(gateway.address(), "/prod/id");
    assert_eq!((answer.status, answer.text().as_str()), (403, r#"{"title":"Unauthorized"}"#));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("x-class"), None);
    let answer = wire::get(gateway.address(), "/prod/unknown");
    assert_told(&answer, 403, MISSING.0, MISSING.1);
    assert_eq!(answer.header("x-class"), Some("4xx"));
}

#[test]
fn headers_of_a_target_that_api_gateway_renames_are_renamed() {
    let (issuer, target) = (
        Issuer::start(),
        Target::answering(|_| {
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nServer: mine\r\n\
              Date: Tue, 01 Jan 2030 00:00:00 GMT\r\nVia: 1.1 x\r\nX-Mine: 1\r\n\
              Content-Length: 2\r\n\r\nok"
                .to_vec()
        }),
    );
    let gateway = api(&issuer, &target, "", &route("GET /pay", OPEN));
    let answer = wire::get(gateway.address(), "/prod/pay");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("x-amzn-remapped-www-authenticate"), Some("Basic"));
    assert_eq!(answer.header("x-amzn-remapped-server"), Some("mine"));
    assert_eq!(answer.header("x-amzn-remapped-date"), Some("Tue, 01 Jan 2030 00:00:00 GMT"));
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(answer.header("via"), None);
    assert_ne!(answer.header("date"), Some("Tue, 01 Jan 2030 00:00:00 GMT"));
    assert_eq!(answer.header("x-mine"), Some("1"));
}

#[test]
fn a_target_that_is_too_slow_or_gone_is_504() {
    let issuer = Issuer::start();
    let slow = Target::speaking(|_, _| {
        std::thread::park_timeout(std::time::Duration::from_secs(20));
        false
    });
    let routes = "      POST /slow: { authorizer: none, integration: { target_group: all, timeout: 100ms } }\n";
    let gateway = api(&issuer, &slow, "", routes);
    let answer = wire::request(gateway.address(), "POST", "/prod/slow", &[("Content-Length", "0")]);
    let told = r#"{"message":"Endpoint request timed out"}"#;
    assert_told(&answer, 504, "InternalServerErrorException", told);
}

#[test]
fn what_is_too_large_is_told_in_plain_text() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = api(&issuer, &target, "", &route("POST /a", OPEN));
    let announced = [("Content-Length", "10485761")];
    let answer = wire::request(gateway.address(), "POST", "/prod/a", &announced);
    let text = "HTTP content length exceeded 10485760 bytes.";
    assert_eq!((answer.status, answer.text().as_str()), (413, text));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let long = "x".repeat(10_241);
    let answer = wire::request(gateway.address(), "POST", "/prod/a", &[("X-Long", &long)]);
    assert_eq!(answer.status, 431);
    assert_eq!(answer.text(), "HTTP header is larger than 10240 bytes.");
    assert!(target.taken().is_empty());
}
