use std::sync::atomic::Ordering::Relaxed;

use super::support::{Gateway, page, settings};

#[tokio::test]
async fn one_connection_serves_request_after_request() {
    let gateway = Gateway::start(settings()).await;
    let mut client = gateway.connect().await;
    for number in 1..=3 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a.test\r\n\r\n")).await;
        assert_eq!(client.answer().await, (200, true, format!("/{number} GET ")));
    }
    let seen = gateway.seen.lock().clone();
    assert_eq!(seen.iter().map(|seen| seen.requests).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(seen[0].peer, client.stream.local_addr().unwrap());
    assert_eq!(gateway.stats.accepted.load(Relaxed), 1);
    assert_eq!(gateway.stats.malformed.load(Relaxed), 0);
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_turn() {
    let gateway = Gateway::start(settings()).await;
    let mut client = gateway.connect().await;
    client
        .send(
            "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n\
             POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello\
             POST /3 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\n\r\n\
             GET /4 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await, (200, true, "/1 GET ".into()));
    assert_eq!(client.answer().await, (200, true, "/2 POST hello".into()));
    assert_eq!(client.answer().await, (200, true, "/3 POST 3\r\nabc\r\n0\r\n\r\n".into()));
    assert_eq!(client.answer().await, (200, true, "/4 GET ".into()));
}

#[tokio::test]
async fn a_request_sent_while_another_is_served_waits_its_turn() {
    let gateway = Gateway::start(settings()).await;
    let mut client = gateway.connect().await;
    client.send("GET /held HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gateway.target.arrived.notified().await;
    client.send("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gateway.target.release.notify_one();
    assert_eq!(client.answer().await, (200, true, "/held GET ".into()));
    assert_eq!(client.answer().await, (200, true, "/2 GET ".into()));
}

#[tokio::test]
async fn a_head_in_single_bytes_is_a_head() {
    let gateway = Gateway::start(settings()).await;
    let mut client = gateway.connect().await;
    client.stream.set_nodelay(true).unwrap();
    for byte in b"\r\nPOST /drip HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nok" {
        client.send([*byte]).await;
    }
    assert_eq!(client.answer().await, (200, true, "/drip POST ok".into()));
}

#[tokio::test]
async fn a_head_larger_than_one_read_arrives_whole() {
    let gateway = Gateway::start(settings()).await;
    let mut client = gateway.connect().await;
    let cookie = "c".repeat(50_000);
    client.send(format!("GET /big HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n")).await;
    assert_eq!(client.answer().await, (200, true, "/big GET ".into()));
}

#[tokio::test]
async fn two_framings_are_refused_before_the_engine_can_repair_them() {
    let gateway = Gateway::start(settings()).await;
    for head in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        let mut client = gateway.connect().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\n{head}\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n"
            ))
            .await;
        assert_eq!(client.answer().await, (400, false, page(400)));
        assert!(client.is_closed().await);
    }
    assert!(gateway.seen.lock().is_empty());
    assert_eq!(gateway.stats.malformed.load(Relaxed), 2);
}

#[tokio::test]
async fn what_the_engine_refuses_is_counted() {
    let gateway = Gateway::start(settings()).await;
    let mut client = gateway.connect().await;
    client.send("GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(client.answer().await.0, 400);
    assert!(gateway.seen.lock().is_empty());
    assert_eq!(gateway.stats.malformed.load(Relaxed), 1);
}

#[tokio::test]
async fn a_body_that_ends_early_or_loosely_is_never_forwarded_as_whole() {
    let gateway = Gateway::start(settings()).await;
    for body in ["3\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n"] {
        let mut client = gateway.connect().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
            ))
            .await;
        let answer = client.rest().await;
        assert!(!answer.contains("200"), "{body:?}: {answer}");
    }
    assert_eq!(gateway.stats.malformed_bodies.load(Relaxed), 3);
}

#[tokio::test]
async fn an_upgraded_connection_passes_bytes_both_ways() {
    let gateway = Gateway::start(settings()).await;
    let mut client = gateway.connect().await;
    client
        .send(
            "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    assert!(client.head().await.unwrap().contains("101"));
    assert_eq!(client.bytes(7).await, [0x81, 0x05, b'h', b'e', b'l', b'l', b'o']);
    client.send([0x82, 0x01, 7]).await;
    assert_eq!(client.bytes(3).await, [0x82, 0x01, 7]);
}

#[tokio::test]
async fn bytes_sent_before_the_101_wait_for_it() {
    let gateway = Gateway::start(settings()).await;
    let mut client = gateway.connect().await;
    client
        .send(
            "GET /plain HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n",
        )
        .await;
    // The target answers 200: what follows is an ordinary request, judged like any other.
    assert_eq!(client.answer().await.2, "/plain GET ");
    assert_eq!(client.answer().await.2, "/smuggled GET ");
    assert_eq!(gateway.seen.lock().len(), 2);
}
