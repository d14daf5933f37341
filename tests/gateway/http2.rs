//! HTTP/2 clients that break its rules, or keep them to the letter and mean harm.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::grpc;
use crate::support::http2::{
    CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, head, headers,
};
use crate::support::tls::Authority;
use crate::support::{Gateway, Issuer, Start, Target};

/// The frame that makes a fault on a stream.
type Provocation = fn(u32) -> Vec<u8>;

/// Enhance your calm (RFC 9113 7).
const CALM: u32 = 11;
/// Most memory that an attack may cost, with room for what any connection costs.
const MOST_GROWTH: u64 = 16 * 1024 * 1024;

/// `/orders/*` wants a token, `/open/*` does not, `/none/*` has no target.
pub fn start(issuer: &Issuer, target: &Target) -> (Gateway, Authority) {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let file = format!(
        "admin: {{ address: 127.0.0.1:0 }}\nuser_pools:\n{pool}target_groups:\n  \
         orders: {{ targets: ['{address}'], health_check: {{ enabled: false }} }}\n  \
         none: {{ targets: [], protocol_version: grpc }}\nlisteners:\n  public:\n    address: 127.0.0.1:0\n    \
         max_request_body: 1KiB\n    \
         tls: {{ certificates: [{{ certificate: a.pem, private_key: a.key }}] }}\n    rules:\n      \
         - name: orders\n        conditions: {{ path_pattern: ['/orders/*'] }}\n        \
         jwt_validation: {{ user_pools: [customers], scopes: [orders/read] }}\n        \
         forward: orders\n      \
         - name: none\n        public: true\n        conditions: {{ path_pattern: ['/none/*'] }}\n        \
         forward: none\n      \
         - name: open\n        public: true\n        conditions: {{ path_pattern: ['/open/*'] }}\n        \
         forward: orders\n    default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        pool = issuer.pool("customers"),
        address = target.address(),
    );
    let start = Start::with(&file).file("a.pem", pair.certificate).file("a.key", pair.private_key);
    (start.run(), authority)
}

pub fn connect(gateway: &Gateway, authority: &Authority) -> Client {
    Client::connect(gateway.address(), authority, "a.test")
}

/// Asserts that another connection is served.
fn assert_serves(gateway: &Gateway, authority: &Authority, after: &str) {
    let mut client = connect(gateway, authority);
    client.send(&headers(1, END_STREAM, &head("GET", "a.test", "/open/fine", &[])));
    assert_eq!(client.status(1), Some(200), "after {after}");
}

fn resident(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid()));
    let status = status.expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn fields_that_could_be_read_twice_are_refused_and_no_target_hears_of_them() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    let good = || head("GET", "a.test", "/open/1", &[]);
    let with = |name: &'static str, value: &'static str| {
        head("GET", "a.test", "/open/1", &[(name, value)])
    };
    let but = |name: &'static str, value: &'static str| {
        let swap = |(n, v)| if n == name { (n, value) } else { (n, v) };
        good().into_iter().map(swap).collect::<Vec<(&str, &str)>>()
    };
    let mut cases = vec![
        ("CRLF in the path", but(":path", "/open/1\r\nx: y")),
        ("a space in the path", but(":path", "/open/1 HTTP/1.1")),
        ("CRLF in the method", but(":method", "GET\r\nx: y")),
        ("a space in the method", but(":method", "GET / HTTP/1.1")),
        ("CRLF in the scheme", but(":scheme", "https\r\nx: y")),
        ("CRLF in the authority", but(":authority", "a.test\r\nx: y")),
        ("CRLF in a name", with("x\r\ny", "z")),
        ("CRLF in a value", with("x", "y\r\nz: 1")),
        ("LF in a value", with("x", "y\nz: 1")),
        ("NUL in a value", with("x", "y\u{0}")),
        ("an empty name", with("", "x")),
        ("a colon in a name", with("x:y", "z")),
        ("a space in a name", with("x y", "z")),
        ("an upper-case name", with("X-Auth-Subject", "admin")),
        ("transfer-encoding", with("transfer-encoding", "chunked")),
        ("connection", with("connection", "close")),
        ("upgrade", with("upgrade", "h2c")),
        ("te other than trailers", with("te", "gzip")),
        ("a Host that differs", with("host", "b.test")),
        ("an unknown pseudo-field", with(":unknown", "x")),
        ("a late pseudo-field", with("x", "y").into_iter().chain([(":path", "/open/2")]).collect()),
        ("two paths", good().into_iter().chain([(":path", "/open/2")]).collect()),
        ("two authorities", good().into_iter().chain([(":authority", "b.test")]).collect()),
        ("no path", good().into_iter().filter(|(name, _)| *name != ":path").collect()),
        ("an empty path", but(":path", "")),
        ("a body that is announced and never comes", with("content-length", "5")),
    ];
    for authority in
        ["", "a.test, b.test", "u@a.test", "a.test/x", "a b", "a.test:", "a.test:99999", "a..test"]
    {
        cases.push(("a bad authority", but(":authority", authority)));
    }
    for (what, fields) in cases {
        let mut client = connect(&gateway, &authority);
        client.send(&headers(1, END_STREAM, &fields));
        let status = client.status(1);
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{what}: {status:?} for {fields:?}"
        );
        let taken = target.taken();
        assert!(taken.is_empty(), "{what}: {taken:?}");
    }
    assert_serves(&gateway, &authority, "all of them");
}

#[test]
fn an_authority_has_one_spelling_at_the_target() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    for (sent, canonical) in [
        ("A.Test", "a.test"),
        ("a.test.", "a.test"),
        ("a.test:443", "a.test"),
        ("[::0:1]", "[::1]"),
    ] {
        let mut client = connect(&gateway, &authority);
        client.send(&headers(1, END_STREAM, &head("GET", sent, "/open/1", &[])));
        assert_eq!(client.status(1), Some(200), "{sent}");
        assert_eq!(target.next().values("host"), [canonical], "{sent}");
    }
}

#[test]
fn a_body_that_differs_from_its_announced_length_never_becomes_a_request() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    for body in ["abc", "abcdefgh"] {
        let mut client = connect(&gateway, &authority);
        let fields = head("POST", "a.test", "/open/1", &[("content-length", "5")]);
        client.send(&headers(1, 0, &fields));
        client.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
        assert_ne!(client.status(1), Some(200), "{body}");
        // What it has of the body is cut short, and its connection closed.
        assert!(target.taken().iter().all(|received| received.body.len() < 5), "{body}");
    }
    assert_serves(&gateway, &authority, "both");
}

#[test]
fn a_body_over_the_limit_is_refused_announced_or_not() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    let mut client = connect(&gateway, &authority);
    client.send(&headers(1, 0, &head("POST", "a.test", "/open/1", &[("content-length", "1025")])));
    assert_eq!(client.status(1), Some(413));
    assert_eq!(target.connections(), 0);
    client.send(&headers(3, 0, &head("POST", "a.test", "/open/1", &[])));
    client.send(&frame(DATA, 0, 3, &[b'x'; 600]));
    client.send(&frame(DATA, 0, 3, &[b'x'; 600]));
    assert_eq!(client.status(3), Some(413));
    assert!(target.taken().is_empty());
    // The connection is whole.
    client.send(&headers(5, END_STREAM, &head("GET", "a.test", "/open/2", &[])));
    assert_eq!(client.status(5), Some(200));
}

#[test]
fn each_request_of_a_connection_is_judged_on_its_own() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    let mut client = connect(&gateway, &authority);
    let bearer = format!("Bearer {}", issuer.token());
    let token = [("authorization", bearer.as_str())];
    client.send(&headers(1, END_STREAM, &head("GET", "a.test", "/orders/1", &token)));
    client.send(&headers(3, END_STREAM, &head("GET", "a.test", "/orders/2", &[])));
    assert_eq!((client.status(1), client.status(3)), (Some(200), Some(401)));
    client.send(&headers(5, END_STREAM, &head("GET", "a.test", "/orders/3", &[])));
    client.send(&headers(7, END_STREAM, &head("GET", "a.test", "/open/4", &[])));
    assert_eq!((client.status(5), client.status(7)), (Some(401), Some(200)));
    let taken = target.taken();
    assert_eq!(
        taken.iter().map(crate::support::target::Received::target).collect::<Vec<_>>(),
        ["/orders/1", "/open/4"]
    );
    assert_eq!(taken[0].values("x-auth-subject").len(), 1);
    assert!(taken[1].values("x-auth-subject").is_empty());
}

#[test]
fn a_forged_header_arrives_neither_as_a_field_nor_as_a_trailer() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    let forged = [
        ("x-auth-subject", "admin"),
        ("x_auth_subject", "admin"),
        ("x.auth.subject", "admin"),
        ("x-amzn-oidc-identity", "admin"),
    ];
    let mut client = connect(&gateway, &authority);
    client.send(&headers(1, END_STREAM, &head("GET", "a.test", "/open/1", &forged)));
    assert_eq!(client.status(1), Some(200));
    client.send(&headers(3, 0, &head("POST", "a.test", "/open/2", &[])));
    client.send(&frame(DATA, 0, 3, b"abc"));
    client.send(&headers(3, END_STREAM, &forged));
    assert_eq!(client.status(3), Some(200));
    for _ in 0..2 {
        let received = target.next();
        assert!(received.headers.iter().all(|(_, value)| value != "admin"), "{received:?}");
        assert!(!String::from_utf8_lossy(&received.body).contains("admin"), "{received:?}");
    }
}

#[test]
fn streams_that_are_taken_back_at_once_end_the_connection_before_the_target_suffers() {
    const STREAMS: u32 = 5000;
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    let mut client = connect(&gateway, &authority);
    let mut bytes = Vec::new();
    for stream in (1..STREAMS * 2).step_by(2) {
        bytes.extend(headers(stream, END_STREAM, &head("GET", "a.test", "/open/1", &[])));
        bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let _ = client.try_send(&bytes);
    // Long before the idle timeout.
    client.wait_end();
    assert!(client.goaway.is_none_or(|code| code == CALM), "{:?}", client.goaway);
    assert_serves(&gateway, &authority, "a rapid reset");
    let taken = target.taken().len();
    assert!(taken <= STREAMS as usize / 20, "{taken} requests reached the target");
}

#[test]
fn a_client_that_makes_us_reset_streams_loses_its_connection() {
    const STREAMS: u32 = 2000;
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    let provoke: [(&str, Provocation); 5] = [
        ("a window update of nothing", |s| frame(WINDOW_UPDATE, 0, s, &[0; 4])),
        ("a window that overflows", |s| frame(WINDOW_UPDATE, 0, s, &[0x7f, 0xff, 0xff, 0xff])),
        ("data after the end", |s| frame(DATA, 0, s, b"x")),
        ("fields after the end", |s| headers(s, END_STREAM, &[("x", "y")])),
        ("a stream that depends on itself", |s| {
            frame(2, 0, s, &[s.to_be_bytes().as_slice(), &[1]].concat())
        }),
    ];
    for (what, provocation) in provoke {
        let mut client = connect(&gateway, &authority);
        let mut bytes = Vec::new();
        for stream in (1..STREAMS * 2).step_by(2) {
            bytes.extend(headers(stream, END_STREAM, &head("GET", "a.test", "/open/1", &[])));
            bytes.extend(provocation(stream));
        }
        let _ = client.try_send(&bytes);
        client.wait_end();
        assert_serves(&gateway, &authority, what);
        let taken = target.taken().len();
        assert!(taken <= STREAMS as usize / 20, "{what}: {taken} requests reached the target");
    }
}

#[test]
fn a_header_block_without_end_or_of_great_size_costs_little_memory() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    assert_serves(&gateway, &authority, "nothing");
    let before = resident(&gateway);

    let mut client = connect(&gateway, &authority);
    let start = block(&head("GET", "a.test", "/open/1", &[]));
    let mut alive = client.try_send(&frame(HEADERS, END_STREAM, 1, &start));
    let name = "x".repeat(60);
    let more = frame(CONTINUATION, 0, 1, &block(&[(&name, &"y".repeat(16_000))]));
    for _ in 0..4096 {
        alive = alive && client.try_send(&more);
    }
    assert!(!alive, "64 MiB of one header block were taken");
    assert_serves(&gateway, &authority, "a flood of CONTINUATION");

    // One entry of the table, 4,000 octets long, named again and again by one octet.
    let mut client = connect(&gateway, &authority);
    let mut bomb = start.clone();
    let mut entry = block(&[("x", &"y".repeat(4000))]);
    entry[0] = 0x40;
    bomb.extend(entry);
    bomb.resize(16_000, 0xbe);
    for stream in (1..200).step_by(2) {
        if !client.try_send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &bomb)) {
            break;
        }
    }
    assert_ne!(client.status(1), Some(200));
    assert_serves(&gateway, &authority, "a bomb in a header block");
    let growth = resident(&gateway).saturating_sub(before);
    assert!(growth < MOST_GROWTH, "{growth} bytes more");
    assert!(target.taken().iter().all(|received| received.target() == "/open/fine"));
}

#[test]
fn floods_of_frames_that_mean_nothing_cost_little_memory_and_disturb_nobody() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    assert_serves(&gateway, &authority, "nothing");
    let before = resident(&gateway);
    for (what, one) in [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])),
        ("PING", frame(PING, 0, 0, &[1; 8])),
        ("empty DATA", frame(DATA, 0, 1, &[])),
        ("PRIORITY", frame(2, 0, 3, &[0, 0, 0, 0, 1])),
    ] {
        let mut client = connect(&gateway, &authority);
        client.send(&headers(1, 0, &head("POST", "a.test", "/open/1", &[])));
        let many = one.repeat(1000);
        for _ in 0..100 {
            if !client.try_send(&many) {
                break;
            }
        }
        // Still open, or closed already: others are served.
        assert_serves(&gateway, &authority, what);
    }
    let growth = resident(&gateway).saturating_sub(before);
    assert!(growth < MOST_GROWTH, "{growth} bytes more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_grpc_caller_is_refused_in_its_own_words() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = start(&issuer, &target);
    let mut requests = grpc::connect(gateway.address(), &authority).await;
    let wrong = issuer.token_with(&serde_json::json!({ "scope": "orders/rea" }));
    for (path, token, code) in [
        ("/orders/1", None, "16"),
        ("/orders/1", Some(&wrong), "7"),
        // The group does not speak HTTP/2.
        ("/open/1", None, "12"),
        ("/none/1", None, "14"),
    ] {
        let mut request = Request::builder()
            .method("POST")
            .uri(format!("https://a.test{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(()).expect("a request");
        let (answer, mut body) = requests.send_request(request, false).expect("sent");
        let _ = body.send_data(Bytes::from_static(&[0; 5]), true);
        let answer = tokio::time::timeout(Duration::from_secs(20), answer).await;
        let answer = answer.expect("in time").expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/grpc", "{path}");
        assert_eq!(answer.headers()["grpc-status"], code, "{path}");
        // Trailers alone: the stream ends with the head.
        assert!(answer.body().is_end_stream(), "{path}");
    }
    assert!(target.taken().is_empty());
}
