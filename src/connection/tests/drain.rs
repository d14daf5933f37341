use std::io::{Read as _, Write as _};
use std::time::Duration;

use super::support::{Client, Gateway, PATIENCE, settings, timing};
use crate::connection::ListenerSettings;
use tokio::net::TcpStream;

const WEB_SOCKET: &str = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_in_flight_ends() {
    let gateway = Gateway::start(settings()).await;
    let mut idle = gateway.connect().await;
    idle.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(idle.answer().await, (200, true, "/1 GET ".into()));
    let mut silent = gateway.connect().await;
    let mut busy = gateway.connect().await;
    busy.send("GET /held HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gateway.target.arrived.notified().await;

    gateway.drain.begin();
    gateway.drain.stop_accepting();
    assert!(idle.is_closed().await);
    assert!(silent.is_closed().await);
    gateway.target.release.notify_one();
    assert_eq!(busy.answer().await, (200, false, "/held GET ".into()));
    assert!(busy.is_closed().await);
    assert!(gateway.drain.wait(PATIENCE).await);
    assert!(TcpStream::connect(gateway.address).await.is_err());
}

#[tokio::test]
async fn a_request_on_its_way_when_draining_begins_is_answered() {
    let timing = super::super::watch::Timing { drain_grace: PATIENCE, ..timing() };
    let gateway = Gateway::start_with(settings(), timing, None).await;
    let mut client = gateway.connect().await;
    client.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(client.answer().await, (200, true, "/1 GET ".into()));
    gateway.drain.begin();
    client.send("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(client.answer().await, (200, false, "/2 GET ".into()));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_was_promised_keep_alive_may_send_one_more() {
    let timing = super::super::watch::Timing { drain_grace: PATIENCE, ..timing() };
    let gateway = Gateway::start_with(settings(), timing, None).await;
    let mut client = gateway.connect().await;
    client.send("GET /held HTTP/1.1\r\nHost: a.test\r\nX-Late: 1\r\n\r\n").await;
    gateway.target.arrived.notified().await;
    gateway.drain.begin();
    gateway.target.release.notify_one();
    assert_eq!(client.answer().await, (200, true, "/held GET ".into()));
    client.send("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(client.answer().await, (200, false, "/2 GET ".into()));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn new_connections_are_served_once_until_accepting_stops() {
    let timing = super::super::watch::Timing { newcomer_grace: PATIENCE, ..timing() };
    let gateway = Gateway::start_with(settings(), timing, None).await;
    gateway.drain.begin();
    let mut client = gateway.connect().await;
    client.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(client.answer().await, (200, false, "/1 GET ".into()));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_new_connection_has_longer_than_a_kept_one() {
    let timing = super::super::watch::Timing { newcomer_grace: PATIENCE, ..timing() };
    let gateway = Gateway::start_with(settings(), timing, None).await;
    let mut kept = gateway.connect().await;
    kept.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(kept.answer().await, (200, true, "/1 GET ".into()));
    let mut new = gateway.connect().await;
    gateway.drain.begin();
    assert!(kept.is_closed().await);
    new.send("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(new.answer().await, (200, false, "/2 GET ".into()));
}

#[tokio::test]
async fn what_the_kernel_has_accepted_is_served_before_waiting_ends() {
    let gateway = Gateway::start(settings()).await;
    let mut first = gateway.connect().await;
    first.send("GET /1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
    assert!(first.answer().await.0 == 200 && first.is_closed().await);
    assert!(gateway.drain.wait(PATIENCE).await);
    gateway.drain.begin();
    // Blocking calls: on this one thread the accept loop does not come to see the connection.
    let mut client = std::net::TcpStream::connect(gateway.address).unwrap();
    client.write_all(b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    gateway.drain.stop_accepting();
    assert!(gateway.drain.wait(PATIENCE).await);
    client.set_nonblocking(true).unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn waiting_ends_at_its_limit_and_cutting_off_ends_the_rest() {
    let gateway = Gateway::start(settings()).await;
    let mut busy = gateway.connect().await;
    busy.send("GET /held HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gateway.target.arrived.notified().await;
    gateway.drain.begin();
    gateway.drain.stop_accepting();
    assert!(!gateway.drain.wait(Duration::from_millis(50)).await);
    gateway.drain.cut_off();
    assert!(gateway.drain.wait(PATIENCE).await);
    assert!(!busy.rest().await.contains("200"));
}

#[tokio::test]
async fn an_old_connection_takes_one_more_request() {
    let settings = ListenerSettings { client_keep_alive: Duration::from_millis(50), ..settings() };
    let gateway = Gateway::start(settings).await;
    let mut client = gateway.connect().await;
    for number in 1.. {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a.test\r\n\r\n")).await;
        let (status, lives, _) = client.answer().await;
        assert_eq!(status, 200);
        if !lives {
            break;
        }
    }
    assert!(client.is_closed().await);
    let mut next = gateway.connect().await;
    next.send("GET /new HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(next.answer().await, (200, true, "/new GET ".into()));
}

async fn web_socket(gateway: &Gateway) -> Client<TcpStream> {
    let mut client = gateway.connect().await;
    client.send(WEB_SOCKET).await;
    assert!(client.head().await.unwrap().contains("101"));
    assert_eq!(client.bytes(7).await, [0x81, 0x05, b'h', b'e', b'l', b'l', b'o']);
    client
}

#[tokio::test]
async fn a_web_socket_is_told_to_go_and_its_target_hears_the_reply() {
    let gateway = Gateway::start(settings()).await;
    let mut client = web_socket(&gateway).await;
    gateway.drain.begin();
    assert_eq!(client.bytes(4).await, [0x88, 0x02, 0x03, 0xe9]);
    // The client's reply passes to the target, whose own close frame must not follow ours.
    client.send([0x88, 0x82, 1, 2, 3, 4, 2, 0xeb]).await;
    assert!(client.is_closed().await);
    assert!(gateway.drain.wait(PATIENCE).await);
}

#[tokio::test]
async fn a_frame_under_way_is_finished_before_the_close_frame() {
    let gateway = Gateway::start(settings()).await;
    let mut client = web_socket(&gateway).await;
    // The target sends these back: a frame of 4 bytes, of which 1 is there.
    client.send([0x82, 0x04, 1]).await;
    assert_eq!(client.bytes(3).await, [0x82, 0x04, 1]);
    gateway.drain.begin();
    client.send([2, 3, 4, 0x82, 0x01, 9]).await;
    assert_eq!(client.bytes(7).await, [2, 3, 4, 0x88, 0x02, 0x03, 0xe9]);
}
