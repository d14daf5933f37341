//! A signal ends the process without breaking what was begun.

use parking_lot::Mutex;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::authorization::protected;
use crate::support::process::PATIENCE;
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Issuer, Start, Target, eventually, wire};

#[test]
fn an_idle_process_ends_with_code_0_on_sigterm_and_on_sigint() {
    let (issuer, target) = (Issuer::start(), Target::start());
    for signal in ["TERM", "INT"] {
        let yaml = format!("shutdown: {{ pre_stop_wait: 0s }}\n{}", protected(&issuer, &target));
        let mut gateway = Gateway::start(&yaml);
        let mut idle = Connection::open(gateway.address());
        idle.send("GET /open/1 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(idle.read().status, 200);
        gateway.signal(signal);
        assert!(idle.is_closed());
        assert_eq!(gateway.wait_exit().code(), Some(0), "SIG{signal}");
    }
}

#[test]
fn a_download_in_flight_completes_while_new_requests_are_served_until_the_wait_is_over() {
    let issuer = Issuer::start();
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let target = Target::speaking(move |received, stream| {
        let slow = received.target() == "/open/slow";
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no";
        if stream.write_all(head).is_err() {
            return false;
        }
        !(slow && wait.lock().recv().is_err()) && stream.write_all(b"k").is_ok()
    });
    let yaml = format!("shutdown: {{ pre_stop_wait: 3s }}\n{}", protected(&issuer, &target));
    let mut gateway = Gateway::start(&yaml);
    let mut download = Connection::open(gateway.address());
    download.send("GET /open/slow HTTP/1.1\r\nHost: h\r\n\r\n");
    target.next();
    gateway.signal("TERM");
    eventually("/readyz is red", || (gateway.ask_admin("/readyz").status == 503).then_some(()));
    assert_eq!(wire::get(gateway.address(), "/open/2").status, 200);
    gateway.wait_log(&["stopping"]);
    eventually("no new connection is taken", || {
        std::net::TcpStream::connect(gateway.address()).is_err().then_some(())
    });
    go.send(()).expect("the target waits");
    assert_eq!(download.read().text(), "ok");
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = format!("shutdown: {{ pre_stop_wait: 60s }}\n{}", protected(&issuer, &target));
    let mut gateway = Gateway::start(&yaml);
    gateway.signal("TERM");
    gateway.wait_log(&["stopping"]);
    gateway.signal("TERM");
    gateway.wait_log(&["second signal"]);
    gateway.wait_exit();
}

/// Asks on kept connections until nobody listens any more. Returns how many requests were answered;
/// panics when one that was begun is not, on a connection that has not been idle.
fn ask_until_refused(address: std::net::SocketAddr, served: &AtomicUsize) {
    while let Some(mut connection) = Connection::try_open(address) {
        let mut is_fresh = true;
        loop {
            let is_sent = connection.try_send("GET /open/1 HTTP/1.1\r\nHost: h\r\n\r\n");
            let answer = if is_sent { connection.try_read(false) } else { None };
            let Some(answer) = answer else {
                // A kept connection may end when its client was silent for a while (RFC 9112, 9.3.1).
                assert!(!is_fresh, "a new connection was accepted and not answered");
                break;
            };
            assert_eq!(answer.status, 200);
            served.fetch_add(1, Ordering::Relaxed);
            if answer.header("connection") == Some("close") {
                assert!(connection.is_closed());
                break;
            }
            is_fresh = false;
        }
    }
}

#[test]
fn under_load_nothing_is_refused_before_the_wait_is_over_and_nothing_begun_is_reset() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = format!("shutdown: {{ pre_stop_wait: 1s }}\n{}", protected(&issuer, &target));
    let mut gateway = Gateway::start(&yaml);
    let address = gateway.address();
    let served = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let served = Arc::clone(&served);
            std::thread::spawn(move || ask_until_refused(address, &served))
        })
        .collect();
    eventually("there is load", || (served.load(Ordering::Relaxed) > 100).then_some(()));
    gateway.signal("TERM");
    gateway.wait_log(&["stopping"]);
    let before = served.load(Ordering::Relaxed);
    let answer = wire::get(address, "/open/1");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    eventually("load goes on", || (served.load(Ordering::Relaxed) > before + 50).then_some(()));
    for client in clients {
        client.join().expect("no request of this client was lost");
    }
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn an_http2_client_is_told_to_go_away_and_its_stream_completes() {
    let issuer = Issuer::start();
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let target = Target::speaking(move |received, stream| {
        let is_slow = received.target() == "/open/slow";
        let is_told = !is_slow || wait.lock().recv().is_ok();
        is_told && stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let tls = "    tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n    rules:";
    let yaml = protected(&issuer, &target).replace("    rules:", tls);
    let start = Start::with(&yaml).file("a.pem", pair.certificate).file("a.key", pair.private_key);
    let mut gateway = start.run();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let session = async {
        let tcp = tokio::net::TcpStream::connect(gateway.address()).await.expect("a connection");
        let connector = TlsConnector::from(authority.client(&["h2"]));
        let name = ServerName::try_from("a.test").expect("a name");
        let stream = connector.connect(name, tcp).await.expect("a handshake");
        let (mut requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let ask = http::Request::get("https://a.test/open/slow").body(()).expect("a request");
        let (answer, _) = requests.send_request(ask, true).expect("sent");
        // Until the target has the request this thread drives the connection.
        while target.taken().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        gateway.signal("TERM");
        let mut told = Ok(());
        while told.is_ok() {
            told = std::future::poll_fn(|context| requests.poll_ready(context)).await;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        go.send(()).expect("the target waits");
        let (head, mut body) = answer.await.expect("an answer").into_parts();
        assert_eq!(head.status, 200);
        let data: Bytes = body.data().await.expect("a body").expect("data");
        assert_eq!(&data[..], b"ok");
        drop((body, requests));
        connection.await.expect("a task").expect("the connection ends in order");
    };
    runtime.expect("a runtime").block_on(async {
        tokio::time::timeout(PATIENCE, session).await.expect("it ends in time");
    });
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn a_websocket_client_gets_a_close_frame_that_says_going_away() {
    let issuer = Issuer::start();
    let target = Target::speaking(|_, stream| {
        let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                        Connection: Upgrade\r\n\r\n\x81\x02hi";
        let mut end = [0; 64];
        // What comes next is not HTTP: wait for the client's reply to the close frame.
        stream.write_all(upgrade).is_ok() && std::io::Read::read(stream, &mut end).is_err()
    });
    let mut gateway = Gateway::start(&protected(&issuer, &target));
    let mut client = Connection::open(gateway.address());
    client.send(
        "GET /open/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.read_exact(4).expect("a message"), b"\x81\x02hi");
    gateway.signal("TERM");
    assert_eq!(client.read_exact(4).expect("a close frame"), [0x88, 2, 0x03, 0xe9]);
    client.send([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]);
    assert!(client.is_closed());
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn what_does_not_end_within_the_drain_limit_is_cut_off_with_code_0_and_a_word_about_it() {
    let issuer = Issuer::start();
    let target = Target::speaking(|received, stream| {
        if received.values("user-agent").iter().any(|agent| agent.starts_with("ELB-Health")) {
            return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_ok();
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\no");
        std::io::Read::read(stream, &mut [0; 1]).is_ok_and(|count| count > 0)
    });
    let yaml = format!("shutdown: {{ drain_limit: 300ms }}\n{}", protected(&issuer, &target));
    let mut gateway = Gateway::start(&yaml);
    let mut client = Connection::open(gateway.address());
    client.send("GET /open/1 HTTP/1.1\r\nHost: h\r\n\r\n");
    target.next();
    gateway.signal("TERM");
    gateway.wait_log(&["drain_limit reached", "\"connections\":1"]);
    assert!(client.try_read(false).is_none(), "the answer cannot have been complete");
    assert_eq!(gateway.wait_exit().code(), Some(0));
}
