//! Request authorizers of APIs: what the service is asked, what its answer is worth, and how long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::target::Received;
use crate::support::{Gateway, Target, eventually, wire};

/// An API of this type, with one authorizer called `main`.
fn file(kind: &str, target: &Target, authorizer: &str, routes: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    \
         default_action: {{ api: shop }}\n\
         apis:\n  shop:\n    type: {kind}\n    region: eu-west-1\n    \
         account_id: \"123456789012\"\n    stage_variables: {{ v: one }}\n    authorizer: main\n    \
         authorizers:\n      main: {{ {authorizer} }}\n    routes:\n{routes}",
        address = target.address(),
    )
}

fn route(key: &str, parameters: &str) -> String {
    format!(
        "      {key}: {{ integration: {{ target_group: all, request_parameters: {{ {parameters} }} }} }}\n"
    )
}

fn routes() -> String {
    route("GET /a", "'overwrite:header.x-user': $context.authorizer.user")
        + &route("GET /b", "'overwrite:header.x-user': $context.authorizer.user")
}

fn uri(service: &Target) -> String {
    format!("uri: 'http://{}/decide'", service.address())
}

const SOURCE: &str = "identity_source: [$request.header.Authorization]";

fn request(service: &Target, keys: &str) -> String {
    format!("request: {{ {}, {keys} }}", uri(service))
}

fn simple(service: &Target, keys: &str) -> String {
    request(service, &format!("enable_simple_responses: true, {SOURCE}, {keys}"))
}

fn reply(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A service that answers every question with this.
#[allow(clippy::needless_pass_by_value)]
fn service(body: impl ToString) -> Target {
    let body = body.to_string();
    Target::answering(move |_| reply(200, &body))
}

fn policy(effect: &str, resource: &str, context: &Value) -> Value {
    json!({
        "principalId": "me",
        "policyDocument": { "Version": "2012-10-17", "Statement": [{
            "Action": "execute-api:Invoke", "Effect": effect, "Resource": resource,
        }] },
        "context": context,
    })
}

fn ask(gateway: &Gateway, path: &str, token: &str) -> wire::Response {
    wire::request(gateway.address(), "GET", path, &[("Authorization", token)])
}

fn event(received: &Received) -> Value {
    serde_json::from_slice(&received.body).expect("an event")
}

#[track_caller]
fn assert_http(answer: &wire::Response, status: u16) {
    let message = match status {
        401 => "Unauthorized",
        403 => "Forbidden",
        _ => "Internal Server Error",
    };
    let body = format!(r#"{{"message":"{message}"}}"#);
    assert_eq!((answer.status, answer.text()), (status, body));
    assert!(answer.header("www-authenticate").is_none());
    assert!(answer.header("apigw-requestid").is_some());
}

#[track_caller]
fn assert_rest(answer: &wire::Response, status: u16, kind: &str, body: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (status, body));
    assert_eq!(answer.header("x-amzn-errortype"), Some(kind));
}

#[test]
fn who_is_authorized_comes_in_and_the_target_is_told_of_the_context() {
    let target = Target::start();
    let body = json!({
        "isAuthorized": true,
        "context": { "user": "eve\r\nx-admin: yes, 100%", "n": 1.50, "b": true, "l": [1, "a"], "z": null },
    });
    let service = service(body);
    let parameters = ["user", "n", "b", "l", "z", "none"]
        .map(|key| format!("'overwrite:header.x-{key}': $context.authorizer.{key}"))
        .join(", ");
    let text = file("http", &target, &simple(&service, ""), &route("GET /a/{id}", &parameters));
    let gateway = Gateway::start(&text);
    let answer = wire::request(
        gateway.address(),
        "GET",
        "/a/x%20y?q=1&q=%32&r",
        &[
            ("Authorization", "secret"),
            ("Cookie", "c=1; d=2"),
            ("X-User", "forged"),
            ("X-Z", "forged"),
            ("X_None", "forged"),
            ("X-None", "forged"),
        ],
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let received = target.next();
    assert_eq!(received.values("x-user"), ["eve%0D%0Ax-admin: yes, 100%25"]);
    assert_eq!(received.values("x-admin"), Vec::<&str>::new());
    assert_eq!(received.values("x-n"), ["1.5"]);
    assert_eq!(received.values("x-b"), ["true"]);
    assert_eq!(received.values("x-l"), [r#"[1,"a"]"#]);
    assert!(received.values("x-z").is_empty() && received.values("x-none").is_empty());

    let asked = service.next();
    assert_eq!(asked.request_line, "POST /decide HTTP/1.1");
    assert_eq!(asked.values("content-type"), ["application/json"]);
    let event = event(&asked);
    let arn = "arn:aws:execute-api:eu-west-1:123456789012:shop/$default/GET/a/x%20y";
    for (pointer, expected) in [
        ("/version", json!("2.0")),
        ("/type", json!("REQUEST")),
        ("/routeArn", json!(arn)),
        ("/identitySource", json!(["secret"])),
        ("/routeKey", json!("GET /a/{id}")),
        ("/rawPath", json!("/a/x y")),
        ("/rawQueryString", json!("q=1&q=%32&r")),
        ("/cookies", json!(["c=1", "d=2"])),
        ("/headers/authorization", json!("secret")),
        ("/queryStringParameters", json!({ "q": "1,2", "r": "" })),
        ("/pathParameters", json!({ "id": "x y" })),
        ("/stageVariables", json!({ "v": "one" })),
        ("/requestContext/accountId", json!("123456789012")),
        ("/requestContext/http/method", json!("GET")),
        ("/requestContext/http/sourceIp", json!("127.0.0.1")),
        ("/requestContext/stage", json!("$default")),
    ] {
        assert_eq!(event.pointer(pointer), Some(&expected), "{pointer}");
    }
    let told = gateway.ask_admin("/config").text();
    assert!(told.contains("/decide"), "{told}");
    assert!(!gateway.said().contains("secret"));
}

#[test]
fn without_each_identity_source_nobody_is_asked() {
    let (target, service) = (Target::start(), service(json!({ "isAuthorized": true })));
    let keys = "enable_simple_responses: true, result_ttl: 60s, \
                identity_source: [$request.header.Authorization, $request.querystring.key]";
    let text = file("http", &target, &request(&service, keys), &routes());
    let gateway = Gateway::start(&text);
    let get =
        |path, headers: &[(&str, &str)]| wire::request(gateway.address(), "GET", path, headers);
    let authorization = ("Authorization", "a");
    for (path, headers) in [
        ("/a", &[authorization][..]),
        ("/a?key=", &[authorization]),
        ("/a?KEY=b", &[authorization]),
        ("/a?key=b", &[]),
        ("/a?key=b", &[("Authorization", "")]),
        ("/a?key=b", &[authorization, authorization]),
        ("/a?key=b", &[authorization, ("authorization", "other")]),
        ("/a?key=b&key=b", &[authorization]),
        ("/a?key=b&k%65y=c", &[authorization]),
    ] {
        assert_http(&get(path, headers), 401);
    }
    assert!(service.taken().is_empty() && target.taken().is_empty());
    assert_eq!(get("/a?key=b", &[authorization]).status, 200);
}

#[test]
fn no_two_lists_of_identity_sources_share_an_answer() {
    let target = Target::start();
    let service = Target::answering(|received| {
        let event = event(received);
        let user = event["identitySource"].to_string();
        reply(200, &json!({ "isAuthorized": true, "context": { "user": user } }).to_string())
    });
    let keys = "enable_simple_responses: true, result_ttl: 60s, \
                identity_source: [$request.header.x-a, $request.header.x-b]";
    let text = file("http", &target, &request(&service, keys), &routes());
    let gateway = Gateway::start(&text);
    let values =
        [("a,b", "c"), ("a", "b,c"), ("a,b,", "c"), ("a", "bc"), ("ab", "c"), ("c", "a,b")];
    for _ in 0..2 {
        for (a, b) in values {
            let headers = [("x-a", a), ("x-b", b)];
            assert_eq!(wire::request(gateway.address(), "GET", "/a", &headers).status, 200);
            let user = json!([a, b]).to_string();
            assert_eq!(target.next().values("x-user"), [user.as_str()]);
        }
    }
    assert_eq!(service.taken().len(), values.len(), "each was asked about once");
    let asked = |outcome| {
        let name = "portcullis_authorizer_requests_total";
        gateway.metric_sum(name, &["api=\"shop\"", "authorizer=\"main\"", outcome])
    };
    assert_eq!(asked("outcome=\"answered\""), 6.0);
    assert_eq!(asked("outcome=\"cached\""), 6.0);
}

#[test]
fn what_is_not_a_yes_lets_nobody_through() {
    let target = Target::start();
    let said: Arc<Mutex<Vec<u8>>> = Arc::default();
    let saying = Arc::clone(&said);
    let service = Target::answering(move |_| saying.lock().clone());
    let text = file("http", &target, &simple(&service, "result_ttl: 1h"), &routes());
    let gateway = Gateway::start(&text);
    let large = format!(r#"{{"isAuthorized":true,"context":{{"a":"{}"}}}}"#, "x".repeat(70_000));
    for (bytes, status) in [
        (reply(200, r#"{"isAuthorized":false}"#), 403),
        (reply(401, r#"{"isAuthorized":true}"#), 401),
        (reply(200, r#"{"errorMessage":"Unauthorized","errorType":"Error"}"#), 401),
        (reply(200, r#"{"errorMessage":"Boom","isAuthorized":true}"#), 500),
        (reply(200, ""), 500),
        (reply(200, "true"), 500),
        (reply(200, "{}"), 500),
        (reply(200, r#"{"isAuthorized":"true"}"#), 500),
        (reply(200, r#"{"isAuthorized":true"#), 500),
        (reply(200, r#"{"isAuthorized":true} x"#), 500),
        (reply(200, r#"{"isAuthorized":true,"isAuthorized":true}"#), 500),
        (reply(200, r#"{"isAuthorized":true,"context":{"claims":{"sub":"root"}}}"#), 500),
        (reply(200, r#"{"isAuthorized":true,"context":[]}"#), 500),
        (reply(200, &policy("Allow", "*", &json!({})).to_string()), 500),
        (reply(200, &large), 500),
        (reply(403, r#"{"isAuthorized":true}"#), 500),
        (reply(204, ""), 500),
        (reply(500, r#"{"isAuthorized":true}"#), 500),
        (b"HTTP/1.1 302 X\r\nLocation: /yes\r\nContent-Length: 0\r\n\r\n".to_vec(), 500),
        (b"hello\r\n\r\n".to_vec(), 500),
        (Vec::new(), 500),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        *said.lock() = bytes;
        let answer = ask(&gateway, "/a", &format!("{shown:?}"));
        assert_eq!(answer.status, status, "{shown}");
        assert_http(&answer, status);
        assert!(target.taken().is_empty(), "{shown}");
    }
    // Only what was well-formed is kept: the same callers now come in, but for the one denied.
    *said.lock() = reply(200, r#"{"isAuthorized":true}"#);
    let failed =
        format!("{:?}", "HTTP/1.1 500 X\r\nContent-Length: 21\r\n\r\n{\"isAuthorized\":true}");
    assert_eq!(ask(&gateway, "/a", &failed).status, 200);
    let denied =
        format!("{:?}", "HTTP/1.1 200 X\r\nContent-Length: 22\r\n\r\n{\"isAuthorized\":false}");
    assert_http(&ask(&gateway, "/a", &denied), 403);
}

#[test]
fn a_service_that_says_nothing_in_time_is_an_error_and_so_is_none_at_all() {
    let target = Target::start();
    // Holds the connection open and never speaks.
    let silent = Target::speaking(|_, _| true);
    let text = file("http", &target, &simple(&silent, "timeout: 100ms"), &routes());
    let gateway = Gateway::start(&text);
    assert_http(&ask(&gateway, "/a", "x"), 500);
    let half = Target::speaking(|_, stream| {
        use std::io::Write as _;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"isAuth").is_ok()
    });
    let text = file("http", &target, &simple(&half, "timeout: 100ms"), &routes());
    let gateway = Gateway::start(&text);
    assert_http(&ask(&gateway, "/a", "x"), 500);
    eventually("the denial is noted", || {
        gateway.ask_admin("/denials").text().contains("authorizer_timeout").then_some(())
    });
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address: SocketAddr = nobody.local_addr().expect("an address");
    drop(nobody);
    let authorizer = format!("request: {{ uri: 'http://{address}/', {SOURCE} }}");
    let gateway = Gateway::start(&file("http", &target, &authorizer, &routes()));
    assert_http(&ask(&gateway, "/a", "x"), 500);
    assert!(target.taken().is_empty());
}

#[test]
fn one_answer_serves_all_routes_unless_the_route_is_an_identity_source() {
    let target = Target::start();
    for (source, questions) in [("", 1), (", $context.routeKey", 2)] {
        let service = service(json!({ "isAuthorized": true }));
        let keys = format!(
            "enable_simple_responses: true, result_ttl: 60s, \
             identity_source: [$request.header.Authorization{source}]"
        );
        let text = file("http", &target, &request(&service, &keys), &routes());
        let gateway = Gateway::start(&text);
        for path in ["/a", "/b", "/a", "/b"] {
            assert_eq!(ask(&gateway, path, "x").status, 200);
        }
        assert_eq!(service.taken().len(), questions);
        assert_eq!(service.connections(), 1, "connections are kept");
    }
}

#[test]
fn many_at_once_ask_one_question() {
    let target = Target::start();
    let may_speak = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&may_speak);
    let service = Target::answering(move |_| {
        eventually("the test lets it speak", || gate.load(Ordering::Acquire).then_some(()));
        reply(200, r#"{"isAuthorized":true}"#)
    });
    let text = file("http", &target, &simple(&service, "result_ttl: 60s"), &routes());
    let gateway = Gateway::start(&text);
    let mut waiting: Vec<wire::Connection> = (0..20)
        .map(|_| {
            let mut connection = wire::Connection::open(gateway.address());
            connection.send("GET /a HTTP/1.1\r\nHost: a.example\r\nAuthorization: x\r\n\r\n");
            connection
        })
        .collect();
    service.next();
    // The first to ask leaves, and the others are served nevertheless.
    drop(waiting.remove(0));
    may_speak.store(true, Ordering::Release);
    for connection in &mut waiting {
        assert_eq!(connection.read().status, 200);
    }
    assert!(service.taken().is_empty(), "it was asked a second time");
}

#[test]
fn a_reload_keeps_answers_while_the_settings_are_the_same() {
    let target = Target::start();
    let service = service(json!({ "isAuthorized": true }));
    let text = file("http", &target, &simple(&service, "result_ttl: 60s"), &routes());
    let gateway = Gateway::start(&text);
    assert_eq!(ask(&gateway, "/a", "x").status, 200);
    assert_eq!(service.taken().len(), 1);
    let reloaded = |text: &str, count: f64| {
        gateway.write(text);
        eventually("the file is put in force", || {
            (gateway.metric("portcullis_config_generation")? >= count).then_some(())
        });
    };
    reloaded(&(text.clone() + &route("GET /c", "")), 2.0);
    assert_eq!(ask(&gateway, "/c", "x").status, 200);
    assert!(service.taken().is_empty(), "the answer was forgotten");
    reloaded(&text.replace("result_ttl: 60s", "result_ttl: 61s"), 3.0);
    assert_eq!(ask(&gateway, "/a", "x").status, 200);
    assert_eq!(service.taken().len(), 1, "other settings, other answers");
}

#[test]
fn a_request_that_waits_through_a_reload_is_judged_by_the_file_it_came_under() {
    let target = Target::start();
    let may_speak = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&may_speak);
    let service = Target::answering(move |_| {
        eventually("the test lets it speak", || gate.load(Ordering::Acquire).then_some(()));
        reply(200, r#"{"isAuthorized":true}"#)
    });
    let text = file("http", &target, &simple(&service, "result_ttl: 60s"), &routes());
    let gateway = Gateway::start(&text);
    let mut connection = wire::Connection::open(gateway.address());
    connection.send("GET /a HTTP/1.1\r\nHost: a.example\r\nAuthorization: x\r\n\r\n");
    service.next();
    gateway.write(&text.replace("GET /a:", "GET /gone:"));
    eventually("the file is put in force", || {
        (gateway.metric("portcullis_config_generation")? >= 2.0).then_some(())
    });
    assert_eq!(ask(&gateway, "/a", "y").status, 404);
    may_speak.store(true, Ordering::Release);
    assert_eq!(connection.read().status, 200);
    assert_eq!(target.next().target(), "/a");
}

#[test]
fn policies_of_an_http_api_judge_the_route_that_is_asked() {
    let target = Target::start();
    let resource = "arn:aws:execute-api:*:*:shop/$default/GET/a";
    let service = service(policy("Allow", resource, &json!({ "user": "u" })));
    let authorizer =
        request(&service, &format!("payload_format_version: \"1.0\", result_ttl: 60s, {SOURCE}"));
    let parameters = "'overwrite:header.x-user': $context.authorizer.principalId";
    let routes = route("GET /a", parameters) + &route("GET /b", "");
    let gateway = Gateway::start(&file("http", &target, &authorizer, &routes));
    assert_eq!(ask(&gateway, "/a", "x").status, 200);
    assert_eq!(target.next().values("x-user"), ["me"]);
    assert_http(&ask(&gateway, "/b", "x"), 403);
    let questions = service.taken();
    assert_eq!(questions.len(), 1);
    let event = event(&questions[0]);
    assert_eq!(event["version"], "1.0");
    assert_eq!(event["authorizationToken"], "x");
    assert_eq!(
        event["methodArn"],
        "arn:aws:execute-api:eu-west-1:123456789012:shop/$default/GET/a"
    );
}

const DENIED: &str = r#"{"Message":"User is not authorized to access this resource"}"#;
const EXPLICIT: &str =
    r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#;

#[test]
fn a_kept_policy_of_a_rest_api_judges_each_method_anew() {
    let target = Target::start();
    let service = service(policy("Allow", "arn:*:shop/prod/GET/a", &json!({ "user": 7 })));
    let authorizer = format!("token: {{ {} }}", uri(&service));
    let gateway = Gateway::start(&file("rest", &target, &authorizer, &routes()));
    assert_eq!(ask(&gateway, "/a", "x").status, 200);
    assert_eq!(target.next().values("x-user"), ["7"]);
    assert_rest(&ask(&gateway, "/b", "x"), 403, "AccessDeniedException", DENIED);
    let questions = service.taken();
    assert_eq!(questions.len(), 1, "the policy was kept");
    assert_eq!(
        event(&questions[0]),
        json!({
            "type": "TOKEN",
            "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:shop/prod/GET/a",
            "authorizationToken": "x",
        })
    );
    assert!(target.taken().is_empty());
}

#[test]
fn an_explicit_deny_is_told_as_one() {
    let target = Target::start();
    let service = service(policy("Deny", "*", &json!({})));
    let authorizer = request(&service, "identity_source: [method.request.header.Authorization]");
    let gateway = Gateway::start(&file("rest", &target, &authorizer, &routes()));
    assert_rest(&ask(&gateway, "/a", "x"), 403, "AccessDeniedException", EXPLICIT);
    let event = event(&service.next());
    assert_eq!(event["type"], "REQUEST");
    assert_eq!(event["resource"], "/a");
    assert_eq!(event["multiValueHeaders"]["authorization"], json!(["x"]));
    assert_eq!(event["requestContext"]["resourcePath"], "/a");
    assert!(target.taken().is_empty());
}

#[test]
fn a_token_that_does_not_fit_the_expression_is_asked_about_by_nobody() {
    let (target, service) = (Target::start(), service(policy("Allow", "*", &json!({}))));
    let authorizer =
        format!("token: {{ {}, identity_validation_expression: '^allow-[a-z]+$' }}", uri(&service));
    let gateway = Gateway::start(&file("rest", &target, &authorizer, &routes()));
    let unauthorized = r#"{"message":"Unauthorized"}"#;
    for token in ["", "deny", "allow-1", "xallow-a"] {
        assert_rest(&ask(&gateway, "/a", token), 401, "UnauthorizedException", unauthorized);
    }
    assert!(service.taken().is_empty());
    assert_eq!(ask(&gateway, "/a", "allow-me").status, 200);
}

#[test]
fn a_rest_authorizer_that_throws_or_rambles_is_told_apart_from_one_that_refuses() {
    let target = Target::start();
    let said: Arc<Mutex<String>> = Arc::default();
    let saying = Arc::clone(&said);
    let service = Target::answering(move |_| reply(200, &saying.lock()));
    let authorizer = format!("token: {{ {} }}", uri(&service));
    let gateway = Gateway::start(&file("rest", &target, &authorizer, &routes()));
    let failure = ("AuthorizerFailureException", r#"{"message":"Internal server error"}"#);
    let broken = ("AuthorizerConfigurationException", r#"{"message":null}"#);
    let nested = policy("Allow", "*", &json!({ "user": { "a": 1 } })).to_string();
    let long = policy("Allow", &"*".repeat(513), &json!({})).to_string();
    let nobody = policy("Allow", "*", &json!({})).to_string().replace("principalId", "id");
    let cases = [
        (
            r#"{"errorMessage":"Unauthorized"}"#,
            401,
            ("UnauthorizedException", r#"{"message":"Unauthorized"}"#),
        ),
        (r#"{"errorMessage":"unauthorized"}"#, 500, failure),
        ("nonsense", 500, broken),
        (r#"{"isAuthorized":true}"#, 500, broken),
        (nested.as_str(), 500, broken),
        (long.as_str(), 500, broken),
        (nobody.as_str(), 500, broken),
    ];
    for (body, status, (kind, told)) in cases {
        body.clone_into(&mut said.lock());
        assert_rest(&ask(&gateway, "/a", "x"), status, kind, told);
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_path_of_more_than_1600_bytes_is_414_before_anybody_is_asked() {
    let (target, service) = (Target::start(), service(policy("Allow", "*", &json!({}))));
    let authorizer = format!("token: {{ {} }}", uri(&service));
    let routes = route("GET /{proxy+}", "");
    let gateway = Gateway::start(&file("rest", &target, &authorizer, &routes));
    let answer = ask(&gateway, &format!("/{}", "a".repeat(1600)), "x");
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (414, r#"{"message":"Request URI too long"}"#)
    );
    assert!(service.taken().is_empty());
    assert_eq!(ask(&gateway, &format!("/{}", "a".repeat(1500)), "x").status, 200);
}

#[test]
fn an_authorizer_without_identity_sources_is_asked_each_time() {
    let (target, service) = (Target::start(), service(json!({ "isAuthorized": true })));
    let authorizer = request(&service, "enable_simple_responses: true");
    let gateway = Gateway::start(&file("http", &target, &authorizer, &routes()));
    for _ in 0..3 {
        assert_eq!(wire::get(gateway.address(), "/a").status, 200);
    }
    assert_eq!(service.taken().len(), 3);
}

#[test]
fn parameters_of_a_path_do_not_lead_around_a_policy() {
    let target = Target::start();
    let service = service(json!({
        "principalId": "me",
        "policyDocument": { "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": "*", "Resource": "arn:*/prod/GET/admin" },
        ] },
    }));
    let authorizer = format!("token: {{ {} }}", uri(&service));
    let routes = route("GET /{proxy+}", "");
    let gateway = Gateway::start(&file("rest", &target, &authorizer, &routes));
    for path in ["/admin", "/admin;x", "/admin;", "/%61dmin", "//admin", "/b/../admin", "/admin/"] {
        assert_rest(&ask(&gateway, path, "x"), 403, "AccessDeniedException", EXPLICIT);
    }
    for path in ["/administrator", "/b;x"] {
        assert_eq!(ask(&gateway, path, "x").status, 200, "{path}");
    }
}
