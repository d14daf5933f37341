//! Listeners whose connections begin with a header of the PROXY protocol.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::client_address::open;
use crate::support::process::PATIENCE;
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Issuer, Start, Target, eventually, skipped, wire};

const LINE: &str = "PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n";
const REQUEST: &str = "GET /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Version 2 with these bytes behind the signature.
fn binary(rest: &[u8]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n", rest].concat()
}

/// 192.0.2.1:5000 to 192.0.2.2:443.
fn binary_source() -> Vec<u8> {
    binary(&[0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0x88, 1, 0xbb])
}

fn refused(gateway: &Gateway) -> f64 {
    gateway.metric("portcullis_connection_events_total{event=\"proxy_header\"}").unwrap_or(0.0)
}

#[test]
fn the_header_names_the_client_of_every_request_on_its_connection() {
    let target = Target::start();
    let keys = "    proxy_protocol: any\n    x_forwarded_for: { client_port: true }\n";
    let gateway = Gateway::start(&open(&target, keys));
    for header in [LINE.as_bytes().to_vec(), binary_source()] {
        let mut connection = Connection::open(gateway.address());
        // In the segment of the first request, as most proxies send it.
        connection.send([&header[..], REQUEST.as_bytes()].concat());
        assert_eq!(connection.read().status, 200);
        connection.send(REQUEST);
        assert_eq!(connection.read().status, 200);
        for _ in 0..2 {
            assert_eq!(target.next().values("x-forwarded-for"), ["192.0.2.1:5000"]);
        }
    }
    for line in gateway.wait_access_log(|lines| lines.len() == 4) {
        assert_eq!(
            (line["client_ip"].as_str(), line["peer_ip"].as_str()),
            (Some("192.0.2.1"), Some("127.0.0.1"))
        );
        assert_eq!(line["client_port"], 5000);
    }
}

#[test]
fn a_header_may_come_in_pieces_and_ipv6_is_spoken() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, "    proxy_protocol: any\n"));
    for (header, client) in [
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 5000 443\r\n".to_vec(), "2001:db8::1"),
        (binary_source(), "192.0.2.1"),
    ] {
        let mut connection = Connection::open(gateway.address());
        for byte in header.iter().chain(REQUEST.as_bytes()) {
            connection.send([*byte]);
        }
        assert_eq!(connection.read().status, 200);
        assert_eq!(target.next().values("x-forwarded-for"), [client]);
    }
}

#[test]
fn a_proxy_that_asks_for_itself_is_the_client() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, "    proxy_protocol: any\n"));
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
        binary(&[0x20, 0, 0, 0]),
        binary(&[0x20, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0x88, 1, 0xbb]),
        binary(&[0x21, 0, 0, 0]),
    ] {
        let mut connection = Connection::open(gateway.address());
        connection.send([&header[..], REQUEST.as_bytes()].concat());
        assert_eq!(connection.read().status, 200, "{header:?}");
        assert_eq!(target.next().values("x-forwarded-for"), ["127.0.0.1"], "{header:?}");
    }
}

#[test]
fn a_connection_without_a_good_header_is_closed_unheard_counted_and_logged() {
    let target = Target::start();
    let mut gateway = Gateway::start(&open(&target, "    proxy_protocol: any\n"));
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
    let bad: [(&[u8], &str); 9] = [
        (b"", "no PROXY header"),
        (b"proxy TCP4 192.0.2.1 192.0.2.2 5000 443\r\n", "no PROXY header"),
        (b"\r\n\r\n", "no PROXY header"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\n", "malformed line"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 99999 443\r\n", "malformed line"),
        (b"PROXY TCP4 forged\r\n", "malformed line"),
        (long.as_bytes(), "too long"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "too long"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x12\x00\x00", "malformed binary header"),
    ];
    for (at, (header, detail)) in bad.into_iter().enumerate() {
        let mut connection = Connection::open(gateway.address());
        let _ = connection.try_send([header, REQUEST.as_bytes()].concat());
        assert!(connection.is_closed(), "{detail}");
        eventually("it is counted", || (refused(&gateway) >= (at + 1) as f64).then_some(()));
        gateway.wait_log(&["PROXY header refused", detail]);
    }
    assert!(target.taken().is_empty());
    assert!(gateway.access_log().is_empty());
    // Who only knocks is no news.
    drop(TcpStream::connect(gateway.address()).expect("a connection"));
    let mut good = Connection::open(gateway.address());
    good.send(format!("{LINE}{REQUEST}"));
    assert_eq!(good.read().status, 200);
    assert_eq!(refused(&gateway), bad.len() as f64);
}

#[test]
fn a_second_header_is_no_header() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, "    proxy_protocol: any\n"));
    for second in [LINE.as_bytes().to_vec(), binary_source()] {
        let mut connection = Connection::open(gateway.address());
        connection.send([LINE.as_bytes(), &second, REQUEST.as_bytes()].concat());
        assert_eq!(connection.read().status, 400);
    }
    // Nor is there one where nobody asked for it.
    let gateway = Gateway::start(&open(&target, ""));
    for header in [LINE.as_bytes().to_vec(), binary_source()] {
        let mut connection = Connection::open(gateway.address());
        connection.send([&header[..], REQUEST.as_bytes()].concat());
        assert_eq!(connection.read().status, 400);
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_header_has_as_long_as_a_head() {
    let target = Target::start();
    let keys = "    proxy_protocol: v1\n    head_timeout: 100ms\n";
    let mut gateway = Gateway::start(&open(&target, keys));
    for start in ["", "PROXY TCP4 192.0.2.1"] {
        let mut connection = Connection::open(gateway.address());
        connection.send(start);
        assert!(connection.is_closed(), "{start:?}");
        gateway.wait_log(&["PROXY header refused", "not complete in time"]);
    }
}

#[test]
fn only_the_version_that_is_asked_for_is_taken() {
    let target = Target::start();
    for (version, good, bad) in [
        ("v1", LINE.as_bytes().to_vec(), binary_source()),
        ("v2", binary_source(), LINE.as_bytes().to_vec()),
    ] {
        let gateway = Gateway::start(&open(&target, &format!("    proxy_protocol: {version}\n")));
        let mut connection = Connection::open(gateway.address());
        let _ = connection.try_send([&bad[..], REQUEST.as_bytes()].concat());
        assert!(connection.is_closed(), "{version}");
        let mut connection = Connection::open(gateway.address());
        connection.send([&good[..], REQUEST.as_bytes()].concat());
        assert_eq!(connection.read().status, 200, "{version}");
    }
}

#[test]
fn with_trusted_proxies_nobody_else_may_connect_and_their_headers_are_believed_beyond() {
    let target = Target::start();
    let keys = "    proxy_protocol: v1\n    trusted_proxies: [198.51.100.0/24]\n";
    let mut gateway = Gateway::start(&open(&target, keys));
    let mut connection = Connection::open(gateway.address());
    let _ = connection.try_send(format!("{LINE}{REQUEST}"));
    assert!(connection.is_closed());
    gateway.wait_log(&["PROXY header refused", "not a trusted proxy"]);

    // The source of the header is a trusted proxy itself: X-Forwarded-For goes on from there.
    let keys = "    proxy_protocol: v1\n    trusted_proxies: [127.0.0.1, 192.0.2.1]\n";
    let gateway = Gateway::start(&open(&target, keys));
    let told = "GET /open/1 HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    for (line, client) in
        [(LINE, "203.0.113.9"), ("PROXY TCP4 192.0.2.77 192.0.2.2 5000 443\r\n", "192.0.2.77")]
    {
        let before = gateway.access_log().len();
        let mut connection = Connection::open(gateway.address());
        connection.send(format!("{line}{told}"));
        assert_eq!(connection.read().status, 200);
        let lines = gateway.wait_access_log(|lines| lines.len() > before);
        assert_eq!(lines[before]["client_ip"], client);
    }
}

#[test]
fn the_header_stands_in_front_of_tls() {
    let (target, authority) = (Target::start(), Authority::new());
    let pair = authority.issue(&["a.test"]);
    let keys = "    proxy_protocol: any\n    \
         tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n";
    let gateway = Start::with(&open(&target, keys))
        .file("a.pem", pair.certificate)
        .file("a.key", pair.private_key)
        .run();
    for header in [LINE.as_bytes().to_vec(), binary_source()] {
        let mut socket = TcpStream::connect(gateway.address()).expect("a connection");
        socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
        socket.write_all(&header).expect("sent");
        let name = ServerName::try_from("a.test").expect("a name");
        let session = ClientConnection::new(Arc::clone(&authority.client(&[])), name).expect("TLS");
        let mut stream = StreamOwned::new(session, socket);
        stream.write_all(b"GET /open/1 HTTP/1.0\r\nHost: a.test\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.") && answer.contains(" 200 "), "{answer}");
        assert_eq!(target.next().values("x-forwarded-for"), ["192.0.2.1"]);
    }
}

/// A running HAProxy, ended when dropped.
struct HaProxy(Child);

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts HAProxy in front of the gateway; `None` where the machine has none.
fn haproxy(gateway: &Gateway, send: &str) -> Option<(HaProxy, SocketAddr)> {
    Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().ok()?;
    // Where no other test listens: the port is free now, and must be when HAProxy takes it.
    let port = Issuer::free_port();
    let file = gateway.folder().join("haproxy.cfg");
    let text = format!(
        "defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 10s\n  timeout server 10s\n\
         listen edge\n  bind 127.0.0.77:{port}\n  server gateway {} {send}\n",
        gateway.address(),
    );
    std::fs::write(&file, text).expect("haproxy.cfg");
    let child = Command::new("haproxy").arg("-db").arg("-f").arg(&file).spawn().expect("haproxy");
    let running = HaProxy(child);
    let address = SocketAddr::from(([127, 0, 0, 77], port));
    eventually("HAProxy listens", || TcpStream::connect(address).ok());
    Some((running, address))
}

#[test]
fn haproxy_s_headers_are_understood() {
    let target = Target::start();
    let keys = "    proxy_protocol: any\n    trusted_proxies: [127.0.0.1]\n    \
         x_forwarded_for: { client_port: true }\n";
    for send in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority",
        "send-proxy-v2 check inter 100ms",
    ] {
        let gateway = Gateway::start(&open(&target, keys));
        let Some((_running, address)) = haproxy(&gateway, send) else {
            return skipped("haproxy is not installed");
        };
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let own = stream.local_addr().expect("an address");
        stream.write_all(b"GET /open/1 HTTP/1.0\r\nHost: a.test\r\n\r\n").expect("sent");
        stream.read_to_end(&mut Vec::new()).expect("an answer");
        assert_eq!(target.next().values("x-forwarded-for"), [own.to_string()], "{send}");
        assert_eq!(refused(&gateway), 0.0, "{send}");
    }
}

#[test]
fn what_is_required_of_clients_is_required_after_a_reload() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, ""));
    let mut kept = Connection::open(gateway.address());
    kept.send(REQUEST);
    assert_eq!(kept.read().status, 200);
    gateway.write(&open(&target, "    proxy_protocol: v1\n"));
    gateway.signal("HUP");
    eventually("the reload", || {
        (gateway.metric("portcullis_config_generation") == Some(2.0)).then_some(())
    });
    let mut connection = Connection::open(gateway.address());
    let _ = connection.try_send(REQUEST);
    assert!(connection.is_closed());
    kept.send(REQUEST);
    assert_eq!(kept.read().status, 200, "a connection keeps what it was accepted with");
    let curl = Command::new("curl")
        .args(["-s", "--haproxy-protocol", "--max-time", "20"])
        .arg(format!("http://{}/open/1", gateway.address()))
        .output();
    match curl {
        Ok(output) => assert_eq!(output.stdout, b"ok"),
        Err(_) => skipped("curl is not installed"),
    }
    assert_eq!(wire::get(gateway.admin(), "/livez").status, 200);
}
