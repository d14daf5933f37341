//! The access log of the running process: every field, with the right value in the right unit, and
//! nothing that a client could smuggle in or ought not to find there.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};

use crate::authorization::protected;
use crate::support::issuer::CLIENT;
use crate::support::process::PATIENCE;
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Issuer, Start, Target, eventually, wire};

/// What every line has.
const ALWAYS: [&str; 14] = [
    "ts",
    "level",
    "msg",
    "request_id",
    "listener",
    "client_ip",
    "peer_port",
    "conn_trace_id",
    "proto",
    "status",
    "reason",
    "t_total_ms",
    "bytes_in",
    "bytes_out",
];
/// What a line of a request with a good head has besides.
const JUDGED: [&str; 5] = ["method", "host", "path", "rule", "t_authorize_ms"];
/// What a line of a forwarded request has besides.
const FORWARDED: [&str; 7] =
    ["action", "trace_id", "target_group", "target", "attempts", "t_connect_ms", "t_first_byte_ms"];
const IDENTITY: [&str; 3] = ["user_pool", "client_id", "subject"];

fn keys(line: &Value) -> BTreeSet<&str> {
    line.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn with<'a>(lists: &[&[&'a str]]) -> BTreeSet<&'a str> {
    lists.iter().flat_map(|list| list.iter().copied()).collect()
}

/// The only line of a request to this path.
fn line_of(gateway: &Gateway, path: &str) -> Value {
    let is_of = |line: &&Value| line["path"] == *path;
    let lines = gateway.wait_access_log(|lines| lines.iter().any(|line| is_of(&line)));
    let mut lines = lines.iter().filter(is_of);
    let line = lines.next().expect("a line").clone();
    assert!(lines.next().is_none(), "two lines of {path}");
    line
}

fn assert_says(line: &Value, wanted: &Value) {
    for (key, value) in wanted.as_object().expect("an object") {
        assert_eq!(line[key], *value, "{key} in {line}");
    }
}

#[test]
fn a_forwarded_request_is_told_with_caller_target_bytes_and_milliseconds() {
    let issuer = Issuer::start();
    let target = Target::speaking(|_, stream| {
        // The one thing here that takes time, to see whose time is told in which unit.
        std::thread::park_timeout(std::time::Duration::from_millis(60));
        stream.write_all(b"HTTP/1.1 201 X\r\nContent-Length: 5\r\n\r\nabcde").is_ok()
    });
    let gateway = Gateway::start(&protected(&issuer, &target));
    let before = crate::support::issuer::now();
    let mut connection = Connection::open(gateway.address());
    connection.send(format!(
        "POST /x/../orders/%7e1?secret=1 HTTP/1.1\r\nHost: Api.Test:80\r\nUser-Agent: curl/8\r\n\
         Authorization: Bearer {}\r\nContent-Length: 3\r\n\r\nabc",
        issuer.token()
    ));
    assert_eq!(connection.read().status, 201);
    let line = line_of(&gateway, "/orders/~1");
    assert_eq!(keys(&line), with(&[&ALWAYS, &JUDGED, &FORWARDED, &IDENTITY, &["ua"]]), "{line}");
    assert_says(
        &line,
        &json!({
            "level": "info", "msg": "request", "listener": "public", "rule": "orders",
            "client_ip": "127.0.0.1", "method": "POST", "host": "api.test", "proto": "HTTP/1.1",
            "status": 201, "action": "forward", "reason": "authorized",
            "user_pool": "customers", "client_id": CLIENT, "target_group": "orders",
            "target": target.address().to_string(), "attempts": 1,
            "bytes_in": 3, "bytes_out": 5, "ua": "curl/8",
        }),
    );
    let received = target.next();
    assert_eq!(received.values("x-amzn-trace-id"), [line["trace_id"].as_str().expect("text")]);
    let hex = |key: &str| {
        let text = line[key].as_str().expect("text");
        assert!(text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()), "{key}: {text}");
        text.to_owned()
    };
    hex("request_id");
    assert!(!line.to_string().contains("aaaaaaaa-bbbb"), "the subject is not told in clear");
    let subject = hex("subject");

    let millis = |key: &str| line[key].as_f64().expect("a number");
    assert!(millis("t_authorize_ms") <= millis("t_connect_ms"), "{line}");
    assert!(millis("t_connect_ms") <= millis("t_first_byte_ms"), "{line}");
    assert!(millis("t_first_byte_ms") <= millis("t_total_ms"), "{line}");
    assert!(millis("t_first_byte_ms") >= 50.0, "{line}");
    assert!(millis("t_total_ms") < 20_000.0, "{line}");
    let time = line["ts"].as_str().expect("text");
    assert!(time.starts_with("20") && time.len() == 24 && time.ends_with('Z'), "{time}");
    assert!(before > 0 && line["peer_port"].as_u64() > Some(1023), "{line}");

    let bearer = format!("Bearer {}", issuer.token());
    wire::request(gateway.address(), "GET", "/orders/2", &[("Authorization", &bearer)]);
    let again = line_of(&gateway, "/orders/2");
    assert_eq!(again["subject"], *subject, "one person, one mark");
    assert_ne!(again["request_id"], line["request_id"]);
}

#[test]
fn every_way_a_request_can_end_is_told_by_its_reason() {
    let issuer = Issuer::start();
    let target = Target::answering(|received| match received.target() {
        "/open/closes" => Vec::new(),
        "/open/junk" => b"junk\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
    });
    let moved = "    rules:\n      - name: moved\n        \
                 conditions: { path_pattern: [/moved/*] }\n        \
                 redirect: { path: /open/1, status_code: 301 }\n      - name: nowhere\n        \
                 conditions: { path_pattern: [/nowhere/*] }\n        public: true\n        \
                 forward: nowhere\n";
    let nobody =
        format!("target_groups:\n  nowhere: {{ targets: [127.0.0.1:{}] }}\n", Issuer::free_port());
    let yaml = protected(&issuer, &target)
        .replacen("    rules:\n", moved, 1)
        .replacen("target_groups:\n", &nobody, 1)
        .replacen(
            "    address: 127.0.0.1:0\n",
            "    address: 127.0.0.1:0\n    max_request_body: 10B\n",
            1,
        );
    let gateway = Gateway::start(&yaml);
    let answered = with(&[&ALWAYS, &JUDGED]);
    let acted = with(&[&ALWAYS, &JUDGED, &["action"]]);
    let forwarded = with(&[&ALWAYS, &JUDGED, &FORWARDED]);
    let refused = with(&[&ALWAYS, &["method", "host", "path"]]);
    let lost: BTreeSet<_> =
        forwarded.difference(&with(&[&["action", "t_first_byte_ms"]])).copied().collect();
    let denied = with(&[&ALWAYS, &JUDGED, &["error_reason"]]);
    let never: BTreeSet<_> =
        lost.difference(&with(&[&["trace_id", "t_connect_ms"]])).copied().collect();
    for (path, body, said, has) in [
        (
            "/open/1",
            0,
            json!({ "status": 200, "reason": "public", "rule": "open", "bytes_out": 2 }),
            &forwarded,
        ),
        (
            "/moved/1",
            0,
            json!({ "status": 301, "reason": "redirect", "action": "redirect", "rule": "moved" }),
            &acted,
        ),
        (
            "/none",
            0,
            json!({ "status": 404, "reason": "fixed_response", "action": "fixed_response", "rule": "default", "bytes_out": 0 }),
            &acted,
        ),
        (
            "/orders/1",
            0,
            json!({ "status": 401, "reason": "token_missing", "error_reason": "JWTHeaderNotPresent", "rule": "orders" }),
            &denied,
        ),
        ("/%zz", 0, json!({ "status": 400, "reason": "bad_escape" }), &refused),
        (
            "/open/large",
            11,
            json!({ "status": 413, "reason": "body_too_large", "bytes_in": 0 }),
            &answered,
        ),
        ("/open/closes", 0, json!({ "status": 502, "reason": "target_broke_off" }), &lost),
        ("/open/junk", 0, json!({ "status": 502, "reason": "target_malformed" }), &lost),
        (
            "/nowhere/1",
            0,
            json!({ "status": 502, "reason": "target_unreachable", "target_group": "nowhere" }),
            &never,
        ),
    ] {
        let mut connection = Connection::open(gateway.address());
        let method = if body > 0 { "POST" } else { "GET" };
        let length = if body > 0 { format!("Content-Length: {body}\r\n") } else { String::new() };
        let body = "x".repeat(body);
        connection.send(format!("{method} {path} HTTP/1.1\r\nHost: a.test\r\n{length}\r\n{body}"));
        let answer = connection.read();
        let line = line_of(&gateway, path);
        assert_eq!(line["status"], answer.status, "{line}");
        assert_says(&line, &said);
        assert_eq!(keys(&line), *has, "{line}");
        if said.get("bytes_out").is_none() {
            assert_eq!(line["bytes_out"], answer.body.len(), "{line}");
        }
    }
}

#[test]
fn a_client_that_leaves_is_told_with_what_it_was_sent() {
    let issuer = Issuer::start();
    let target = Target::speaking(|_, stream| stream.read(&mut [0]).is_ok_and(|count| count > 0));
    let gateway = Gateway::start(&protected(&issuer, &target));
    for (path, more) in [("/open/plain", ""), ("/open/told", "Expect: 100-continue\r\n")] {
        let mut connection = Connection::open(gateway.address());
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n{more}\r\n"
        ));
        if !more.is_empty() {
            assert_eq!(connection.read().status, 100);
        }
        eventually("it is in flight", || {
            (gateway.metric("portcullis_requests_in_flight") == Some(1.0)).then_some(())
        });
        drop(connection);
        let line = line_of(&gateway, path);
        assert_says(&line, &json!({ "status": 400, "reason": "client_closed", "bytes_out": 0 }));
        assert_eq!(line.get("action"), None, "{line}");
    }
}

#[test]
fn a_line_of_a_tls_connection_names_version_and_cipher() {
    let authority = Authority::new();
    let pair = authority.issue(&["edge.test"]);
    let gateway = Start::with(
        "admin: { address: 127.0.0.1:0 }\nlisteners:\n  public:\n    address: 127.0.0.1:0\n    \
         tls: { certificates: [{ certificate: edge.pem, private_key: edge.key }] }\n    \
         default_action: { fixed_response: { status_code: 404 } }\n",
    )
    .file("edge.pem", &pair.certificate)
    .file("edge.key", &pair.private_key)
    .run();
    let name = ServerName::try_from("edge.test").expect("a name");
    let session = ClientConnection::new(Arc::clone(&authority.client(&[])), name).expect("TLS");
    let socket = TcpStream::connect_timeout(&gateway.address(), PATIENCE).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let mut stream = StreamOwned::new(session, socket);
    stream.write_all(b"GET /tls HTTP/1.0\r\nHost: edge.test:443\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1."), "{answer}");
    let line = line_of(&gateway, "/tls");
    assert_says(
        &line,
        &json!({ "proto": "HTTP/1.0", "host": "edge.test", "tls": "TLSv1.3", "status": 404 }),
    );
    let cipher = line["tls_cipher"].as_str().expect("a cipher");
    assert!(cipher.starts_with("TLS_"), "IANA's name, not {cipher}");
}

#[test]
fn a_wait_for_keys_is_told_apart() {
    use crate::support::issuer::Key;
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    issuer.serve(&[Key::number(0), Key::number(1)]);
    let bearer = format!("Bearer {}", Key::number(1).sign(&issuer.claims()));
    // The first fetch was less than ten seconds ago: nobody waits, and no field says so.
    wire::request(gateway.address(), "GET", "/orders/1", &[("Authorization", &bearer)]);
    let line = line_of(&gateway, "/orders/1");
    assert_eq!(
        (&line["reason"], line.get("t_wait_for_keys_ms")),
        (&json!("key_unknown_cooldown"), None)
    );
}

#[test]
fn a_client_writes_neither_a_line_nor_a_field_nor_a_control_into_the_log() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let log = "access_log: { query: true }\n";
    let mut gateway = Gateway::start(&format!("{log}{}", protected(&issuer, &target)));
    let mut heads: Vec<Vec<u8>> = Vec::new();
    let quoted = "\",\"status\":999,\"x\":\"";
    for (path, agent) in [
        ("/open/%0d%0a%7B%22status%22:999%7D", "a"),
        ("/open/%1b%5B31m", "a"),
        ("/open/%E2%80%AE%E2%80%A8", "a"),
        ("/open/%22,%22status%22:999", "a"),
        ("/open/%ff%fe", "a"),
        ("/open/?%0d%0a%1b%5B31m", "a"),
        ("/open/1", quoted),
        ("/open/1", "\\"),
        ("/open/1", "\t\u{202e}\u{2028}\u{9b}31m"),
    ] {
        heads.push(
            format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nUser-Agent: {agent}\r\n\r\n").into(),
        );
    }
    heads.push(b"GET /open/1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \xff\xc3\r\n\r\n".to_vec());
    heads.push(b"GET /open/\xff\xc3 HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec());
    heads.push(b"GET /open/1 HTTP/1.1\r\nHost: \"}\xff\r\n\r\n".to_vec());
    heads.push(format!("GET /open/{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "a".repeat(15_000)).into());
    heads.push(format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "a".repeat(64 * 1024)).into());
    heads.push(format!("GET /open/1 HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(15_000)).into());
    heads.push(
        format!("GET /open/1 HTTP/1.1\r\nHost: a\r\nUser-Agent: {}\r\n\r\n", "a".repeat(15_000))
            .into(),
    );
    for head in &heads {
        let mut connection = Connection::open(gateway.address());
        connection.send(head);
        assert!(connection.try_read(false).is_some(), "{:?}", String::from_utf8_lossy(head));
    }
    let bearer = [("Authorization", "Bearer \u{9b}31m\"x")];
    wire::request(gateway.address(), "GET", "/orders/last", &bearer);
    // Each line is read as JSON there.
    gateway.wait_access_log(|lines| lines.iter().any(|line| line["path"] == "/orders/last"));
    let text = std::fs::read_to_string(gateway.folder().join("access.log")).expect("UTF-8");
    let logged = text + &gateway.log().join("\n");
    for line in logged.lines() {
        assert!(line.len() < 16 * 1024, "{} bytes: {}", line.len(), &line[..200]);
        let is_odd = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c);
        assert!(!line.contains(is_odd), "{line:?}");
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_ne!(line["status"], 999, "{line}");
    }
}

#[test]
fn secrets_sent_anywhere_appear_in_no_log_no_metric_and_no_page() {
    const ODD: &str = "s3cr3t-0f-a-client";
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = format!("access_log: {{ query: true }}\n{}", protected(&issuer, &target)).replace(
        "admin: { address: 127.0.0.1:0 }",
        "admin: { address: 127.0.0.1:0, token: '${env:ADMIN_TOKEN}' }",
    );
    let mut gateway =
        Start::with(&yaml).env("ADMIN_TOKEN", "s3cr3t-0f-an-operator-1234567890").run();
    let token = issuer.token();
    let (bearer, broken) = (format!("Bearer {token}"), format!("Bearer {token}x"));
    let escaped = token.replace("eyJ", "%65yJ");
    let basic = format!("Basic {ODD}");
    let cookie = format!("session={ODD}; jwt={token}");
    for folder in ["open", "orders", "none"] {
        for path in [
            format!("/{folder}/1?access_token={token}"),
            format!("/{folder}/2?a=1&x={token}&code={ODD}&client_secret={ODD}&password={ODD}"),
            format!("/{folder}/3?X-Amz-Signature={ODD}&X-Amz-Security-Token={ODD}"),
            format!("/{folder}/4/{token}/x"),
            format!("/{folder}/5/{escaped}"),
            format!("/{folder}/6?{escaped}"),
            format!("/{folder}/7/%zz/{token}"),
            format!("/{folder}/8/{token}?x={}", token.replace('.', "%2E")),
        ] {
            for headers in [
                &[("Authorization", bearer.as_str())][..],
                &[("Authorization", broken.as_str()), ("Cookie", cookie.as_str())],
                &[("Authorization", basic.as_str()), ("X-Api-Key", ODD)],
                &[("Authorization", token.as_str()), ("Proxy-Authorization", basic.as_str())],
                &[("User-Agent", bearer.as_str()), ("Referer", token.as_str())],
                &[("X-Amzn-Trace-Id", token.as_str()), ("X-Request-Id", token.as_str())],
                &[("traceparent", token.as_str()), ("X-Forwarded-For", token.as_str())],
                &[("Expect", token.as_str()), ("Connection", token.as_str())],
                &[("Content-Type", token.as_str()), ("Origin", token.as_str())],
            ] {
                let answer = wire::request(gateway.address(), "GET", &path, headers);
                assert!(answer.status >= 200, "{path}");
            }
        }
    }
    for head in [
        format!("GET /open/1 HTTP/1.1\r\nHost: {token}\r\n\r\n"),
        format!("{token} /open/1 HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /open/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {token}\r\n\r\n"),
        format!("GET /open/1 HTTP/1.1\r\nHost: a\r\nCookie {ODD}\r\n\r\n"),
        format!("GET /open/1 {token}\r\nHost: a\r\n\r\n"),
    ] {
        let mut connection = Connection::open(gateway.address());
        connection.send(head);
        assert!(connection.try_read(false).is_some());
    }
    wire::get(gateway.address(), "/last");
    let lines = gateway.wait_access_log(|lines| lines.iter().any(|line| line["path"] == "/last"));
    assert!(lines.len() > 200, "{}", lines.len());
    let mut outputs: Vec<(&str, String)> = ["/metrics", "/config", "/keys", "/denials", "/readyz"]
        .map(|page| (page, gateway.ask_admin(page).text()))
        .into();
    let access_log = std::fs::read_to_string(gateway.folder().join("access.log")).expect("text");
    outputs.push(("access log", access_log));
    outputs.push(("process log", gateway.log().join("\n")));
    let signature = token.rsplit('.').next().expect("a signature");
    for (output, text) in &outputs {
        for secret in ["eyJ", "%65yJ", "s3cr3t-0f", signature] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} in {output}");
        }
    }
}
