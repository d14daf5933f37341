//! Headers of a listener's answers: on every one, whoever makes it, and in place of a target's.

use std::net::SocketAddr;

use http::Request;

use crate::grpc;
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Issuer, Start, Target, eventually, wire};

const HSTS: &str = "max-age=31536000; includeSubDomains";
const CSP: &str = "default-src 'self'; img-src *";

/// Everything that a listener can add, with its value.
const ADDED: [(&str, &str); 10] = [
    ("strict-transport-security", HSTS),
    ("access-control-allow-origin", "https://app.example.com"),
    ("access-control-allow-methods", "GET, POST"),
    ("access-control-allow-headers", "authorization, content-type"),
    ("access-control-allow-credentials", "true"),
    ("access-control-expose-headers", "x-request-id"),
    ("access-control-max-age", "600"),
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

fn all_of_them() -> String {
    let keys =
        ADDED.map(|(name, value)| format!("      {}: \"{value}\"\n", name.replace('-', "_")));
    format!("    response_headers:\n{}", keys.concat())
}

/// `/orders/*` wants a token, `/open/*` does not, `/gone/*` has no target, `/moved` redirects.
fn file(issuer: &Issuer, target: &Target, keys: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\nuser_pools:\n{pool}target_groups:\n  \
         web: {{ targets: ['{target}'], health_check: {{ enabled: false }} }}\n  \
         dead: {{ targets: ['{dead}'], health_check: {{ enabled: false }} }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    head_timeout: 300ms\n    \
         max_request_body: 1KiB\n{keys}    rules:\n      \
         - conditions: {{ path_pattern: [/orders/*] }}\n        \
         jwt_validation: {{ user_pools: [customers] }}\n        forward: web\n      \
         - public: true\n        conditions: {{ path_pattern: [/open/*] }}\n        forward: web\n      \
         - public: true\n        conditions: {{ path_pattern: [/gone/*] }}\n        forward: dead\n      \
         - conditions: {{ path_pattern: [/moved] }}\n        \
         redirect: {{ path: /new, status_code: 301 }}\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        pool = issuer.pool("customers"),
        target = target.address(),
        dead = SocketAddr::from(([127, 0, 0, 99], 1)),
    )
}

fn assert_added(answer: &wire::Response, what: &str) {
    for (name, value) in ADDED {
        assert_eq!(answer.header(name), Some(value), "{what}: {answer:?}");
    }
}

/// A target that has an opinion of its own on every header that we add.
fn opinionated() -> Target {
    Target::answering(|_| {
        let own =
            ADDED.map(|(name, _)| format!("{}: theirs\r\n{name}: again\r\n", name.to_uppercase()));
        format!(
            "HTTP/1.1 200 OK\r\nServer: theirs/1\r\n{}Content-Length: 2\r\n\r\nok",
            own.concat()
        )
        .into_bytes()
    })
}

#[test]
fn every_answer_over_http1_bears_them_whoever_makes_it() {
    let (issuer, target) = (Issuer::start(), opinionated());
    let gateway = Gateway::start(&file(&issuer, &target, &all_of_them()));
    for (path, status) in [
        ("/open/1", 200),
        ("/orders/1", 401),
        ("/gone/1", 502),
        ("/moved", 301),
        ("/nothing", 404),
        ("/a%2Fb", 400),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = wire::request(gateway.address(), method, path, &[]);
            assert_eq!(answer.status, status, "{path}");
            assert_added(&answer, path);
            let server = if status == 200 { "theirs/1" } else { "portcullis" };
            assert_eq!(answer.header("server"), Some(server), "{path}");
        }
    }
    let raw = |bytes: &str| {
        let mut connection = Connection::open(gateway.address());
        connection.send(bytes);
        let answer = connection.try_read(bytes.starts_with("HEAD")).expect("an answer");
        assert!(connection.is_closed(), "{bytes:?}: bytes behind the answer");
        answer
    };
    let huge = format!("GET /open/1 HTTP/1.1\r\nHost: a.test\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "x".repeat(70_000));
    for (what, bytes, status) in [
        ("a bare LF", "GET / HTTP/1.1\nHost: a.test\n\n", 400),
        ("a bare LF in HEAD", "HEAD / HTTP/1.1\nHost: a.test\n\n", 400),
        ("a version", "GET / HTTP/3.0\r\nHost: a.test\r\n\r\n", 505),
        ("a coding", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("half a head", "GET / HTTP/1.1\r\nHo", 408),
        ("half a head of HEAD", "HEAD / HTTP/1.1\r\nHo", 408),
        ("a large head", huge.as_str(), 431),
        ("a long line", long.as_str(), 414),
        ("two authorities", "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("two authorities in HEAD", "HEAD http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("TRACE", "TRACE / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", 405),
        (
            "a large body",
            "POST /open/1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2000\r\n\r\n",
            413,
        ),
    ] {
        let answer = raw(bytes);
        assert_eq!(answer.status, status, "{what}");
        assert_added(&answer, what);
        assert_eq!(answer.header("server"), Some("portcullis"), "{what}");
        assert!(answer.header("date").is_some(), "{what}");
    }
}

#[test]
fn a_listener_that_is_full_says_so_in_its_own_style() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let keys = format!("    max_connections: 1\n{}", all_of_them());
    let gateway = Gateway::start(&file(&issuer, &target, &keys));
    let mut first = Connection::open(gateway.address());
    first.send("GET /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(first.read().status, 200);
    let mut second = Connection::open(gateway.address());
    let answer = second.read();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_added(&answer, "a full listener");
}

#[test]
fn server_can_be_left_out_renamed_and_taken_from_targets() {
    let (issuer, target) = (Issuer::start(), opinionated());
    let server = |said: &str| format!("    response_headers: {{ server: {said} }}\n");
    for (said, ours, theirs) in [
        ("true", Some("portcullis"), Some("theirs/1")),
        ("false", None, Some("theirs/1")),
        ("{ value: awselb/2.0 }", Some("awselb/2.0"), Some("theirs/1")),
        ("{ remove_from_targets: true }", Some("portcullis"), None),
        ("{ enabled: false, remove_from_targets: true }", None, None),
    ] {
        let gateway = Gateway::start(&file(&issuer, &target, &server(said)));
        for path in ["/nothing", "/orders/1", "/gone/1"] {
            let answer = wire::get(gateway.address(), path);
            assert_eq!(answer.header("server"), ours, "{said} {path}");
        }
        let mut connection = Connection::open(gateway.address());
        connection.send("GET / HTTP/1.1\nHost: a.test\n\n");
        assert_eq!(connection.read().header("server"), ours, "{said}, refused head");
        assert_eq!(wire::get(gateway.address(), "/open/1").header("server"), theirs, "{said}");
    }
}

#[test]
fn a_reload_changes_them_for_the_next_answer_on_the_same_connection() {
    let (issuer, target) = (Issuer::start(), opinionated());
    let before = file(&issuer, &target, "    response_headers: { x_frame_options: DENY }\n");
    let gateway = Gateway::start(&before);
    let mut connection = Connection::open(gateway.address());
    let mut ask = || {
        connection.send("GET /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answer = connection.read();
        let values = answer.headers.iter().filter(|(name, _)| name == "x-frame-options");
        values.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ask(), ["DENY"]);
    gateway.write(&before.replace("DENY", "SAMEORIGIN"));
    eventually("the new value", || (ask() == ["SAMEORIGIN"]).then_some(()));
    // An empty value adds nothing, and the target's word counts again.
    gateway.write(&before.replace("DENY", "''"));
    eventually("the target's values", || (ask() == ["theirs", "again"]).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_answer_over_http2_bears_them_refused_grpc_calls_too() {
    let (issuer, target) = (Issuer::start(), opinionated());
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let keys = format!(
        "{}    tls: {{ certificates: [{{ certificate: a.pem, private_key: a.key }}] }}\n",
        all_of_them()
    );
    let gateway = Start::with(&file(&issuer, &target, &keys))
        .file("a.pem", pair.certificate)
        .file("a.key", pair.private_key)
        .run();
    let mut requests = grpc::connect(gateway.address(), &authority).await;
    for (path, is_grpc, status) in [
        ("/open/1", false, 200),
        ("/orders/1", false, 401),
        ("/gone/1", false, 502),
        ("/moved", false, 301),
        ("/orders/1", true, 200),
        ("/open/1", true, 200),
    ] {
        let request = Request::builder().uri(format!("https://a.test{path}"));
        let request = match is_grpc {
            true => request.method("POST").header("content-type", "application/grpc"),
            false => request,
        };
        let (answer, _) =
            requests.send_request(request.body(()).expect("a request"), true).expect("sent");
        let answer: http::Response<h2::RecvStream> = answer.await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        for (name, value) in ADDED {
            let values: Vec<_> = answer.headers().get_all(name).into_iter().collect();
            assert_eq!(values, [value], "{path} {name}");
        }
        assert_eq!(answer.headers().contains_key("grpc-status"), is_grpc, "{path}");
        let is_ended = answer.body().is_end_stream();
        assert_eq!(is_ended, is_grpc, "{path}: trailers-only for gRPC");
    }
}

#[test]
fn a_tunnel_begins_with_them_and_early_hints_do_not() {
    let (issuer, target) = (
        Issuer::start(),
        Target::answering(|received| {
            let answer: &[u8] = if received.target() == "/open/ws" {
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            } else {
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            };
            answer.to_vec()
        }),
    );
    let gateway = Gateway::start(&file(&issuer, &target, &all_of_them()));
    let mut connection = Connection::open(gateway.address());
    connection.send(
        "GET /open/ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let answer = connection.read();
    assert_eq!(answer.status, 101);
    assert_added(&answer, "a tunnel");
    let mut connection = Connection::open(gateway.address());
    connection.send("GET /open/hints HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    let mut answer = connection.read();
    if answer.status == 103 {
        assert_eq!(answer.header("x-frame-options"), None);
        answer = connection.read();
    }
    assert_eq!(answer.status, 200);
    assert_added(&answer, "what follows hints");
}
