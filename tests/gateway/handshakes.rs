//! TLS handshakes as they should not be: cut short, of another age, with names that are none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::slow_clients::open_to;
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Start, Target, eventually};

const TLS_1_0: u16 = 0x0301;
const TLS_1_1: u16 = 0x0302;
const TLS_1_2: u16 = 0x0303;
/// Record types.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

struct Site {
    gateway: Gateway,
    client: Arc<ClientConfig>,
    _target: Target,
}

fn site() -> Site {
    let authority = Authority::new();
    let pair = authority.issue(&["localhost"]);
    let target = Target::start();
    let tls = "    tls: { certificates: [{ certificate: edge.pem, private_key: edge.key }] }\n";
    let gateway = Start::with(&open_to(target.address(), tls))
        .file("edge.pem", &pair.certificate)
        .file("edge.key", &pair.private_key)
        .run();
    Site { gateway, client: authority.client(&["http/1.1"]), _target: target }
}

impl Site {
    /// The status of one request over a connection of its own.
    fn get(&self, client: &Arc<ClientConfig>) -> String {
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::clone(client), name).expect("a session");
        let tcp = TcpStream::connect(self.gateway.address()).expect("a connection");
        let mut stream = BufReader::new(StreamOwned::new(session, tcp));
        stream
            .get_mut()
            .write_all(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .expect("a handshake and a request");
        let mut line = String::new();
        stream.read_line(&mut line).expect("an answer");
        line
    }

    /// A client can see the end of its connection before it is counted.
    fn wait_failures(&self, count: f64) {
        eventually("all are counted", || (self.failures() >= count).then_some(()));
        assert_eq!(self.failures(), count);
    }

    fn failures(&self) -> f64 {
        let series = "portcullis_connection_events_total{event=\"handshake_failure\"}";
        self.gateway.metric(series).expect("a counter")
    }
}

/// A length of two bytes, then the bytes.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(bytes.len()).expect("short").to_be_bytes().to_vec();
    framed.extend_from_slice(bytes);
    framed
}

fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &with_length(content)].concat()
}

/// A client's first message, in its record, as a client of that version would say it.
fn hello(version: u16, server_names: &[&[u8]]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if !server_names.is_empty() {
        let names: Vec<u8> =
            server_names.iter().flat_map(|name| [vec![0], with_length(name)].concat()).collect();
        extensions.extend(extension(0, &with_length(&names)));
    }
    extensions.extend(extension(10, &with_length(&[0, 0x1d, 0, 0x17])));
    extensions.extend(extension(11, &[1, 0]));
    extensions.extend(extension(13, &with_length(&[4, 3, 8, 4, 4, 1, 2, 1, 2, 3])));
    let suites = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x13, 0xc0, 0x14, 0xc0, 0x0a, 0, 0x2f];
    let body = [
        &version.to_be_bytes()[..],
        &[7; 32],
        &[0],
        &with_length(&suites),
        &[1, 0],
        &with_length(&extensions),
    ]
    .concat();
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    [&[HANDSHAKE, 3, 1][..], &with_length(&message)].concat()
}

#[test]
fn tls_1_0_and_1_1_are_refused_by_name_and_1_2_is_spoken() {
    let site = site();
    for version in [TLS_1_0, TLS_1_1] {
        let mut client = Connection::open(site.gateway.address());
        client.send(hello(version, &[b"localhost"]));
        let answer = client.read_to_end();
        assert_eq!(answer.first(), Some(&ALERT), "{answer:?}");
        // Fatal, protocol_version (RFC 5246 section 7.2).
        assert_eq!(answer.get(5..7), Some(&[2, 70][..]), "{answer:?}");
    }
    site.wait_failures(2.0);
    let mut client = Connection::open(site.gateway.address());
    client.send(hello(TLS_1_2, &[b"localhost"]));
    assert_eq!(client.read_exact(1), Some(vec![HANDSHAKE]));
}

#[test]
fn a_name_that_is_none_or_not_there_or_unknown_harms_nobody() {
    let mut site = site();
    let long = [b'a'; 300];
    let names: [&[&[u8]]; 10] = [
        &[],
        &[b"elsewhere.example"],
        &[b"127.0.0.1"],
        &[b""],
        &[b"a..b"],
        &[b"*.example"],
        &[b"loc\0alhost"],
        &[b"caf\xc3\xa9.example"],
        &[&long],
        &[b"localhost", b"elsewhere.example"],
    ];
    for (n, names) in names.iter().enumerate() {
        let mut client = Connection::open(site.gateway.address());
        client.send(hello(TLS_1_2, names));
        let first = client.read_exact(1).expect("an answer")[0];
        if n < 3 {
            // Without a name, or with one that is not ours, the first certificate is shown.
            assert_eq!(first, HANDSHAKE, "{names:?}");
        } else {
            assert!([ALERT, HANDSHAKE].contains(&first), "{names:?}: {first}");
        }
    }
    let mut nameless = (*site.client).clone();
    nameless.enable_sni = false;
    assert!(site.get(&Arc::new(nameless)).starts_with("HTTP/1.1 200 "));
    assert_eq!(site.gateway.metric("portcullis_panics_total"), Some(0.0));
    let log = site.gateway.log().join("\n");
    assert!(!log.contains("elsewhere"), "what clients say about themselves is in the log: {log}");
}

#[test]
fn hundreds_of_half_handshakes_end_at_the_limit_and_others_are_served_meanwhile() {
    const CLIENTS: usize = 300;
    let mut site = site();
    let whole = hello(TLS_1_2, &[b"localhost"]);
    let mut halves: Vec<Connection> = (0..CLIENTS)
        .map(|n| {
            let mut client = Connection::open(site.gateway.address());
            match n % 3 {
                0 => {}
                1 => client.send(&whole[..whole.len() / 2]),
                _ => client.send(&whole),
            }
            client
        })
        .collect();
    while site.failures() < 1.0 {
        assert!(site.get(&site.client).starts_with("HTTP/1.1 200 "));
    }
    for client in &mut halves {
        let _ = client.read_to_end();
    }
    site.wait_failures(CLIENTS as f64);
    assert!(site.get(&site.client).starts_with("HTTP/1.1 200 "));
    let told = site.gateway.log().iter().filter(|line| line.contains("handshake failed")).count();
    assert!(told < CLIENTS, "a line for each");
}

#[test]
fn bytes_that_are_not_tls_are_refused_at_once() {
    let site = site();
    let junk: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
        &[0xff; 600],
        // A record that says to be longer than any may be.
        b"\x16\x03\x01\xff\xff\x01\x00\x00\x00",
    ];
    for bytes in junk {
        let mut client = Connection::open(site.gateway.address());
        client.send(bytes);
        let answer = client.read_to_end();
        assert!(answer.is_empty() || answer[0] == ALERT, "{bytes:?}: {answer:?}");
    }
    site.wait_failures(junk.len() as f64);
    let mut nothing = TcpStream::connect(site.gateway.address()).expect("a connection");
    nothing.shutdown(std::net::Shutdown::Write).expect("half closed");
    assert_eq!(nothing.read(&mut [0; 16]).expect("closed"), 0);
}
