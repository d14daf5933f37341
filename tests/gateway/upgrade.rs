//! An `Upgrade` request is a request: it takes the same way, and only a 101 opens a tunnel.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::authorization::protected;
use crate::support::target::Received;
use crate::support::{Connection, Gateway, Issuer, Target};

const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// A gateway whose targets may take 200 ms for an answer, with this limit for silence.
fn start(issuer: &Issuer, target: &Target, idle: &str) -> Gateway {
    let file = protected(issuer, target)
        .replace(
            "] }\nlisteners",
            "], health_check: { enabled: false }, timeouts: { response: 200ms } }\nlisteners",
        )
        .replace(
            "127.0.0.1:0\n    rules",
            &format!("127.0.0.1:0\n    idle_timeout: {idle}\n    rules"),
        );
    assert!(file.contains("response: 200ms") && file.contains("idle_timeout"));
    Gateway::start(&file)
}

fn upgrade(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n"
    )
}

/// Switches, and sends back what comes until the other side ends.
fn echo(_: &Received, stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 1024];
    let mut alive = stream.write_all(SWITCH).is_ok();
    while alive {
        alive = match stream.read(&mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(got) => stream.write_all(&buffer[..got]).is_ok(),
        };
    }
    false
}

#[test]
fn a_websocket_without_a_token_is_refused_before_any_byte_reaches_the_target() {
    let (issuer, target) = (Issuer::start(), Target::speaking(echo));
    let gateway = start(&issuer, &target, "10s");
    let mut connection = Connection::open(gateway.address());
    connection.send(upgrade("/orders/ws", ""));
    assert_eq!(connection.read().status, 401);
    assert_eq!(target.connections(), 0);
}

#[test]
fn a_websocket_with_a_token_echoes_and_the_target_hears_our_claims_alone() {
    let (issuer, target) = (Issuer::start(), Target::speaking(echo));
    let gateway = start(&issuer, &target, "10s");
    let mut connection = Connection::open(gateway.address());
    let more = format!(
        "Authorization: Bearer {}\r\nx-auth-subject: admin\r\nX_Auth_Subject: admin\r\n\
         x-amzn-oidc-identity: admin\r\n",
        issuer.token()
    );
    connection.send(upgrade("/orders/ws", &more));
    assert_eq!(connection.try_read(true).expect("an answer").status, 101);
    for piece in ["one", "two"] {
        connection.send(piece);
        assert_eq!(connection.read_exact(3).expect("an echo"), piece.as_bytes());
    }
    let received = target.next();
    assert_eq!(received.values("upgrade"), ["websocket"]);
    assert_eq!(received.values("x-auth-subject"), ["aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"]);
    assert!(received.headers.iter().all(|(_, value)| value != "admin"), "{:?}", received.headers);
}

#[test]
fn a_quiet_websocket_outlives_the_limit_for_an_answer() {
    let issuer = Issuer::start();
    let target = Target::speaking(|_, stream| {
        // Silence for five times the limit is what this simulates.
        stream.write_all(SWITCH).is_ok() && {
            std::thread::park_timeout(Duration::from_secs(1));
            stream.write_all(b"late").is_ok()
        }
    });
    let gateway = start(&issuer, &target, "10s");
    let mut connection = Connection::open(gateway.address());
    connection.send(upgrade("/open/ws", ""));
    assert_eq!(connection.try_read(true).expect("an answer").status, 101);
    assert_eq!(connection.read_exact(4).expect("the target's word"), b"late");
}

#[test]
fn a_websocket_that_both_sides_leave_silent_ends_with_the_idle_timeout() {
    let (issuer, target) = (Issuer::start(), Target::speaking(echo));
    let gateway = start(&issuer, &target, "300ms");
    let mut connection = Connection::open(gateway.address());
    connection.send(upgrade("/open/ws", ""));
    assert_eq!(connection.try_read(true).expect("an answer").status, 101);
    assert!(connection.is_closed());
    gateway.wait_access_log(|lines| lines.len() == 1);
}

#[test]
fn bytes_behind_an_upgrade_that_was_not_granted_are_a_request_of_their_own() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target, "10s");
    let mut connection = Connection::open(gateway.address());
    connection.send(upgrade("/open/ws", "") + "GET /orders/1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(connection.read().status, 200);
    assert_eq!(connection.read().status, 401);
    let taken = target.taken();
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0].target(), "/open/ws");
    assert!(taken[0].body.is_empty());
}

#[test]
fn an_upgrade_to_h2c_is_never_sent_on() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target, "10s");
    for protocol in ["h2c", "H2C", "websocket, h2c", "h2c, websocket"] {
        let mut connection = Connection::open(gateway.address());
        connection.send(format!(
            "GET /open/1 HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        let status = connection.read().status;
        assert_ne!(status, 101, "{protocol}");
        for received in target.taken() {
            let offered = received.values("upgrade").join(",").to_ascii_lowercase();
            assert!(!offered.contains("h2c"), "{protocol}: {:?}", received.headers);
            assert!(received.values("http2-settings").is_empty(), "{:?}", received.headers);
        }
    }
    // Nor is the preface of HTTP/2 without TLS taken for anything.
    let mut connection = Connection::open(gateway.address());
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let said = connection.read_to_end();
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 4") || said.starts_with(b"HTTP/1.1 5"));
    assert!(target.taken().is_empty());
}

#[test]
fn nothing_of_ours_is_said_in_a_tunnel_that_its_target_breaks() {
    let (issuer, target) = (
        Issuer::start(),
        Target::speaking(|_, stream| {
            // What is left unread makes the end a reset.
            let _ = stream.write_all(SWITCH).and_then(|()| stream.read(&mut [0; 1]));
            false
        }),
    );
    let gateway = start(&issuer, &target, "10s");
    let mut connection = Connection::open(gateway.address());
    let more = format!("Authorization: Bearer {}\r\n", issuer.token());
    connection.send(upgrade("/orders/ws", &more));
    assert_eq!(connection.try_read(true).expect("an answer").status, 101);
    connection.send("many bytes");
    let last = connection.read_to_end();
    assert!(last.is_empty(), "{:?}", String::from_utf8_lossy(&last));
}
