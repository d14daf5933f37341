//! WebSockets and streams end with the identity that opened them.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use serde_json::json;

use crate::authorization::protected;
use crate::grpc::{Http2Target, connect};
use crate::support::issuer::now;
use crate::support::target::Received;
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Issuer, Target, eventually, wire};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_http2_stream_is_reset_when_its_token_ends_and_its_connection_goes_on() {
    let target = Http2Target::start().await;
    let (issuer, authority) =
        tokio::task::spawn_blocking(|| (Issuer::start(), Authority::new())).await.expect("started");
    let pair = authority.issue(&["a.test"]);
    let file = format!(
        "admin: {{ address: 127.0.0.1:0 }}\nuser_pools:\n{pool}target_groups:\n  orders:\n    \
         targets: ['{address}']\n    protocol_version: grpc\n    health_check: {{ enabled: false }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    \
         tls: {{ certificates: [{{ certificate: a.pem, private_key: a.key }}] }}\n    rules:\n      \
         - {{ name: all, conditions: {{ path_pattern: ['/*'] }}, \
         jwt_validation: {{ user_pools: [customers] }}, forward: orders }}\n",
        pool = issuer.pool("customers"),
        address = target.address,
    );
    let start = crate::support::Start::with(&file);
    let start = start.file("a.pem", pair.certificate).file("a.key", pair.private_key);
    let gateway = tokio::task::spawn_blocking(|| start.run()).await.expect("started");
    let mut requests = connect(gateway.address(), &authority).await;
    let call = |token: String| {
        http::Request::post("https://a.test/shop.Orders/Watch")
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {token}"))
            .body(())
            .expect("a request")
    };
    let (answer, mut send) = requests.send_request(call(short(&issuer)), false).expect("sent");
    let mut answer = answer.await.expect("an answer").into_body();
    let mut pieces = 0;
    let error = loop {
        if send.send_data(Bytes::from_static(b"one"), false).is_err() {
            break None;
        }
        match answer.data().await {
            Some(Ok(piece)) => {
                let _ = answer.flow_control().release_capacity(piece.len());
                pieces += 1;
            }
            Some(Err(error)) => break Some(error),
            None => break None,
        }
        // A call that goes on for a while is what this simulates; no assertion depends on its pace.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(pieces > 0, "it streamed");
    assert!(error.is_none_or(|error| error.is_reset()), "it was reset");
    // Who renews the token goes on, over the same connection.
    let (answer, _) = requests.send_request(call(issuer.token()), true).expect("sent");
    assert_eq!(answer.await.expect("an answer").status(), 200);
    let log = gateway.wait_access_log(|lines| lines.len() == 2);
    assert!(log.iter().any(|line| line["reason"] == "identity_ended"), "{log:?}");
}

#[test]
fn a_token_that_is_over_but_within_the_clock_skew_ends_nothing() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = protected(&issuer, &target);
    let lenient = file.replace("    app_clients", "    clock_skew: 60s\n    app_clients");
    assert_ne!(file, lenient);
    let gateway = Gateway::start(&lenient);
    let token = issuer.token_with(&json!({ "exp": now() - 20, "iat": now() - 60 }));
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(wire::request(gateway.address(), "GET", "/orders/1", &headers).status, 200);
}
