//! The same requests to an HTTP API and a REST API of one shape. What each answers, and what its
//! target gets, is written down in `snapshots/`: a difference between the flavours, or from what was
//! so before, is seen there.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::issuer::{CLIENT, Key, now};
use crate::support::target::Received;
use crate::support::{Gateway, Issuer, Target, wire};

const REQUESTS: &str = include_str!("flavours/requests.txt");

/// Routes of both. `mapped` changes what the target gets and what the client is told.
const ROUTES: &str = "
      GET /pets/dog/1: { authorizer: none, integration: { target_group: all } }
      GET /pets/dog/{id}: { authorizer: none, integration: { target_group: all, path: '/dogs/{id}' } }
      GET /pets/{proxy+}: { authorizer: none, integration: { target_group: all } }
      ANY /files/{proxy+}: { authorizer: none, integration: { target_group: all } }
      GET /files/readme: { integration: { target_group: all } }
      GET /orders: { integration: { target_group: all } }
      POST /orders: { scopes: [orders/write], integration: { target_group: all } }
      ANY /orders/{id}:
        scopes: [orders/read, orders/admin]
        integration: { target_group: all, request_parameters: { 'overwrite:header.x-user': $context.authorizer.claims.sub } }
      GET /say/{what}: { authorizer: none, integration: { target_group: all } }
      ANY /closed: { authorizer: none, integration: { target_group: all } }
      ANY /garbled: { authorizer: none, integration: { target_group: all } }
      ANY /dead: { authorizer: none, integration: { target_group: dead } }
      ANY /empty: { authorizer: none, integration: { target_group: empty } }
      GET /mapped:
        authorizer: none
        integration:
          target_group: all
          path: /internal
          request_parameters: { 'append:header.x-a': $request.header.accept, 'overwrite:querystring.who': $context.stage, 'remove:querystring.drop': '' }
          response_parameters: { 200: { 'append:header.x-b': set, 'overwrite:statuscode': '202' } }
";

fn file(issuer: &Issuer, target: &Target) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\nuser_pools:\n{pool}\
         target_groups:\n  all: {{ targets: [{address}] }}\n  \
         dead: {{ targets: [127.0.0.1:1], health_check: {{ enabled: false }} }}\n  \
         empty: {{ targets: [] }}\n\
         listeners:\n  http:\n    address: 127.0.0.1:0\n    default_action: {{ api: http }}\n  \
         rest:\n    address: 127.0.0.1:0\n    default_action: {{ api: rest }}\n\
         apis:\n  http:\n    type: http\n    \
         authorizers: {{ main: {{ jwt: {{ user_pool: customers }} }} }}\n    authorizer: main\n    \
         cors: {{ allow_origins: ['https://app.example.com'], allow_methods: [GET], max_age: 1m }}\n    \
         routes:{ROUTES}  \
         rest:\n    type: rest\n    \
         authorizers: {{ main: {{ cognito: {{ user_pools: [customers] }} }} }}\n    authorizer: main\n    \
         routes:{ROUTES}",
        pool = issuer.pool("customers"),
        address = target.address(),
    )
}

/// A target that answers by the path.
fn answer(received: &Received) -> Vec<u8> {
    let path = received.target().split('?').next().unwrap_or_default();
    let is_head = received.request_line.starts_with("HEAD");
    let with = |status: &str, headers: &str| {
        let body = if is_head { "" } else { "said" };
        format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: 4\r\n\r\n{body}").into_bytes()
    };
    match path.strip_prefix("/say/") {
        Some(bare @ ("204" | "304")) => format!("HTTP/1.1 {bare} Said\r\n\r\n").into_bytes(),
        Some("headers") => with(
            "200",
            "Server: ours\r\nVia: 1.1 ours\r\nWWW-Authenticate: Basic\r\nX-Mine: a\r\nX-Mine: b\r\n\
             X-Auth-Subject: forged\r\nConnection: x-gone\r\nX-Gone: 1\r\n",
        ),
        Some("cors") => with(
            "200",
            "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nVary: Accept\r\n",
        ),
        Some(status) => with(status, "Location: /elsewhere\r\n"),
        None if path == "/closed" => Vec::new(),
        None if path == "/garbled" => b"HTTP/9.9 hello\r\n\r\n".to_vec(),
        None => with("200", ""),
    }
}

/// The `Authorization` that a name in the file stands for.
fn authorization(issuer: &Issuer, name: &str) -> String {
    let id = json!({ "token_use": "id", "aud": CLIENT, "scope": null, "client_id": null });
    let changed = |changes: Value| issuer.token_with(&changes);
    let id_with = |changes: Value| {
        let mut all = id.clone();
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        issuer.token_with(&all)
    };
    let good = changed(json!({ "scope": "profile" }));
    let unsigned = |algorithm: &str, signature: &str| {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{algorithm}","kid":"key-0"}}"#));
        format!("{header}.{}.{signature}", good.split('.').nth(1).unwrap())
    };
    let token = match name {
        "access" => good,
        "id" => id_with(json!({})),
        "raw-access" => return good,
        "raw-id" => return id_with(json!({})),
        "lower-access" => return format!("bearer {good}"),
        "expired" => changed(json!({ "exp": now() - 1 })),
        "early" => changed(json!({ "nbf": now() + 600 })),
        "forged" => {
            let (head, signature) = good.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { "B" } else { "A" };
            format!("{head}.{first}{}", &signature[1..])
        }
        "none" => unsigned("none", ""),
        "symmetric" => unsigned("HS256", "c2lnbmF0dXJl"),
        "other-key" => Key::number(1).sign(&issuer.claims()),
        "other-issuer" => changed(json!({ "iss": "https://login.example.com" })),
        "other-audience" => id_with(json!({ "aud": "somebody" })),
        "other-client" => changed(json!({ "client_id": "somebody" })),
        "foreign-id" => id_with(json!({ "iss": "https://login.example.com" })),
        "no-sub" => changed(json!({ "sub": null })),
        "garbage" => "garbage".to_owned(),
        "three-dots" => "a.b.c.d".to_owned(),
        "empty" => String::new(),
        "basic" => return "Basic YTpi".to_owned(),
        "long" => "x".repeat(6000),
        "read" => changed(json!({ "scope": "orders/read" })),
        "write" => changed(json!({ "scope": "orders/write" })),
        "admin" => changed(json!({ "scope": "x orders/admin" })),
        "prefix-scope" => changed(json!({ "scope": "orders/rea orders/reading" })),
        "read-id" => id_with(json!({ "scope": "orders/read" })),
        other => panic!("no token is called {other}"),
    };
    format!("Bearer {token}")
}

/// A line of the file, as it is sent.
fn bytes(issuer: &Issuer, line: &str, host: &str) -> (String, bool) {
    let mut parts = line.split(" | ");
    let mut words = parts.next().expect("a request").split(' ');
    let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for token in words {
        let name = token.strip_prefix('@').expect("the name of a token");
        write!(head, "Authorization: {}\r\n", authorization(issuer, name)).unwrap();
    }
    for header in parts {
        write!(head, "{header}\r\n").unwrap();
    }
    head.push_str("\r\n");
    (head, method == "HEAD")
}

/// Every byte of an answer that is not chance, and what the target got.
fn describe(line: &str, answer: Option<&wire::Response>, received: &[Received]) -> String {
    let mut text = format!("{line}\n");
    let Some(answer) = answer else { return text + "  closed\n" };
    writeln!(text, "  {}", answer.status_line).unwrap();
    for (name, value) in &answer.headers {
        let value = match name.as_str() {
            "date" | "x-amzn-remapped-date" => "(a date)",
            "apigw-requestid" | "x-amz-apigw-id" | "x-amzn-requestid" => "(an id)",
            _ => value,
        };
        writeln!(text, "  {name}: {value}").unwrap();
    }
    if !answer.body.is_empty() {
        let body = answer.text();
        // The digest of a token that is another each time.
        let body = match body.split_once(" Base64): '").zip(body.rsplit_once('\'')) {
            Some(((before, _), (_, after))) => format!("{before} Base64): '(a digest)'{after}"),
            None => body,
        };
        writeln!(text, "  = {body}").unwrap();
    }
    for received in received {
        writeln!(text, "  > {}", received.request_line).unwrap();
        for name in ["x-user", "X_User", "x-auth-subject", "x-amzn-oidc-data", "x-a"] {
            for value in received.values(name) {
                writeln!(text, "  > {name}: {value}").unwrap();
            }
        }
    }
    text
}

/// What the listener of a flavour makes of all of them.
fn golden(flavour: &str) -> String {
    let issuer = Issuer::start();
    let target = Target::answering(answer);
    let gateway = Gateway::start(&file(&issuer, &target));
    let lines = REQUESTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut count = 0;
    let mut text = String::new();
    for line in lines {
        count += 1;
        let (head, is_head) = bytes(&issuer, line, "api.example.com");
        let mut connection = wire::Connection::open(gateway.listener(flavour));
        connection.send(head);
        let answer = connection.try_read(is_head);
        text.push_str(&describe(line, answer.as_ref(), &target.taken()));
    }
    assert!(count >= 200, "{count}");
    text.replace(&issuer.issuer(), "(the issuer)")
}

#[test]
fn an_http_api_answers_each_request_as_it_did() {
    insta::assert_snapshot!("http", golden("http"));
}

#[test]
fn a_rest_api_answers_each_request_as_it_did() {
    insta::assert_snapshot!("rest", golden("rest"));
}
