//! WebSockets and streams end with the identity that opened them.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::authorization::protected;
use crate::support::issuer::now;
use crate::support::target::Received;
use crate::support::{Connection, Gateway, Issuer, Target, eventually};

const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
/// A server's text frame `hello`.
const HELLO: &[u8] = &[0x81, 5, b'h', b'e', b'l', b'l', b'o'];
/// A server's close frame with status 1008.
const ENDED: &[u8] = &[0x88, 2, 0x03, 0xf0];

/// Switches, says hello once, and waits for the end.
fn greet(_: &Received, stream: &mut TcpStream) -> bool {
    let _ = stream.write_all(&[SWITCH, HELLO].concat());
    while matches!(stream.read(&mut [0; 64]), Ok(got) if got > 0) {}
    false
}

/// Server-sent events until nobody takes them.
fn events(_: &Received, stream: &mut TcpStream) -> bool {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let mut alive = stream.write_all(head).is_ok();
    while alive {
        alive = stream.write_all(b"data: x\n\n").is_ok();
        // A slow stream is what this simulates; no assertion depends on its pace.
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    false
}

fn upgrade(gateway: &Gateway, token: &str) -> Connection {
    let mut connection = Connection::open(gateway.address());
    connection.send(format!(
        "GET /orders/ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    ));
    assert_eq!(connection.try_read(true).expect("an answer").status, 101);
    connection
}

/// A token that is good for a few seconds.
fn short(issuer: &Issuer) -> String {
    issuer.token_with(&json!({ "exp": now() + 3 }))
}

#[test]
fn a_websocket_is_closed_with_1008_when_its_token_ends() {
    let (issuer, target) = (Issuer::start(), Target::speaking(greet));
    let gateway = Gateway::start(&protected(&issuer, &target));
    let mut connection = upgrade(&gateway, &short(&issuer));
    let said = connection.read_to_end();
    assert_eq!(said, [HELLO, ENDED].concat());
    let series = "portcullis_connection_events_total{event=\"identity_ended\"}";
    assert_eq!(gateway.metric(series), Some(1.0));
}

#[test]
fn a_rule_may_let_it_go_on() {
    let (issuer, target) = (Issuer::start(), Target::speaking(greet));
    let file = protected(&issuer, &target);
    let kept = file.replace(
        "        jwt_validation:",
        "        end_with_identity: false\n        jwt_validation:",
    );
    assert_ne!(file, kept);
    let gateway = Gateway::start(
        &kept.replace("127.0.0.1:0\n    rules", "127.0.0.1:0\n    idle_timeout: 5s\n    rules"),
    );
    let mut connection = upgrade(&gateway, &short(&issuer));
    // Only silence ends it, after the token has.
    assert_eq!(connection.read_to_end(), HELLO);
    let log = gateway.wait_access_log(|lines| !lines.is_empty());
    assert!(log[0]["reason"] != "identity_ended", "{log:?}");
}

#[test]
fn a_stream_is_cut_when_its_token_ends() {
    let (issuer, target) = (Issuer::start(), Target::speaking(events));
    let gateway = Gateway::start(&protected(&issuer, &target));
    let mut connection = Connection::open(gateway.address());
    let token = short(&issuer);
    connection.send(format!(
        "GET /orders/events HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}\r\n\r\n"
    ));
    let said = connection.read_to_end();
    assert!(said.starts_with(b"HTTP/1.1 200"));
    let log = gateway.wait_access_log(|lines| !lines.is_empty());
    assert_eq!(log[0]["reason"], "identity_ended", "{log:?}");
    assert_eq!(log[0]["status"], 200);
}

#[test]
fn a_stream_is_cut_when_its_caller_is_denied() {
    let (issuer, target) = (Issuer::start(), Target::speaking(events));
    let yaml = format!("deny_list: deny.jsonl\n{}", protected(&issuer, &target));
    let gateway = crate::support::Start::with(&yaml).file("deny.jsonl", "").run();
    let mut connection = Connection::open(gateway.address());
    connection.send(format!(
        "GET /orders/events HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {}\r\n\r\n",
        issuer.token()
    ));
    assert_eq!(target.next().target(), "/orders/events");
    let entry = json!({ "claim": "sub", "value": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" });
    std::fs::write(gateway.folder().join("deny.jsonl"), entry.to_string()).expect("written");
    assert!(connection.read_to_end().starts_with(b"HTTP/1.1 200"));
    eventually("it is told", || {
        gateway.access_log().iter().any(|line| line["reason"] == "identity_ended").then_some(())
    });
}

/// Switches and says hello, over and over.
fn greet_again(_: &Received, stream: &mut TcpStream) -> bool {
    let mut alive = stream.write_all(SWITCH).is_ok();
    while alive {
        alive = stream.write_all(HELLO).is_ok();
        // A talkative peer is what this simulates; no assertion depends on its pace.
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    false
}

#[test]
fn a_websocket_is_closed_with_1008_when_its_caller_is_denied() {
    let (issuer, target) = (Issuer::start(), Target::speaking(greet_again));
    let yaml = format!("deny_list: deny.jsonl\n{}", protected(&issuer, &target));
    let gateway = crate::support::Start::with(&yaml).file("deny.jsonl", "").run();
    let mut connection = upgrade(&gateway, &issuer.token());
    let entry = json!({ "claim": "sub", "value": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" });
    std::fs::write(gateway.folder().join("deny.jsonl"), entry.to_string()).expect("written");
    let said = connection.read_to_end();
    assert!(said.ends_with(ENDED), "{:?}", said.last_chunk::<16>());
}
