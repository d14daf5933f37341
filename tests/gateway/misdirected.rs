//! A connection serves only hosts that its certificate was chosen for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::support::http2::{self, Client, head};
use crate::support::process::PATIENCE;
use crate::support::tls::Authority;
use crate::support::{Gateway, Start, Target};

/// A gateway that shows `a.pem` by default, and `b.pem` if the file names it.
fn start(certificates: &[&str], target: &Target) -> (Gateway, Authority) {
    let authority = Authority::new();
    let listed: Vec<String> = certificates
        .iter()
        .map(|name| format!("{{ certificate: {name}.pem, private_key: {name}.key }}"))
        .collect();
    let file = format!(
        "admin: {{ address: 127.0.0.1:0 }}\ntarget_groups:\n  \
         orders: {{ targets: ['{}'], health_check: {{ enabled: false }} }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    \
         tls: {{ certificates: [{}] }}\n    rules:\n      \
         - name: all\n        public: true\n        conditions: {{ path_pattern: ['/*'] }}\n        \
         forward: orders\n    default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        target.address(),
        listed.join(", "),
    );
    let mut start = Start::with(&file);
    for (name, hosts) in [("a", &["a.test", "127.0.0.1"][..]), ("b", &["b.test", "*.b.test"])] {
        let pair = authority.issue(hosts);
        start = start.file(&format!("{name}.pem"), pair.certificate);
        start = start.file(&format!("{name}.key"), pair.private_key);
    }
    (start.run(), authority)
}

/// The status of one HTTP/1.1 request over TLS. An address as `name` means no SNI.
fn http1(gateway: &Gateway, authority: &Authority, name: &str, host: &str) -> u16 {
    let tcp = TcpStream::connect(gateway.address()).expect("a connection");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let config = Arc::clone(&authority.client(&["http/1.1"]));
    let mut tls = StreamOwned::new(ClientConnection::new(config, name).expect("TLS"), tcp);
    write!(tls, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("sent");
    let mut start = [0; 12];
    tls.read_exact(&mut start).expect("an answer");
    std::str::from_utf8(&start[9..]).expect("text").parse().expect("a status")
}

#[test]
fn a_host_of_another_certificate_is_misdirected_over_http1() {
    let target = Target::start();
    let (gateway, authority) = start(&["a", "b"], &target);
    for (name, host, status) in [
        ("a.test", "a.test", 200),
        ("a.test", "A.TEST.", 200),
        ("a.test", "b.test", 421),
        ("a.test", "x.b.test", 421),
        ("b.test", "b.test", 200),
        ("b.test", "x.b.test:443", 200),
        ("b.test", "a.test", 421),
        // No certificate covers it: its own connection would be shown the default.
        ("b.test", "c.test", 421),
        ("a.test", "c.test", 200),
        // A wildcard covers one label.
        ("b.test", "x.y.b.test", 421),
        // Without SNI, the default was shown.
        ("127.0.0.1", "a.test", 200),
        ("127.0.0.1", "127.0.0.1", 200),
        ("127.0.0.1", "b.test", 421),
    ] {
        let got = http1(&gateway, &authority, name, host);
        assert_eq!(got, status, "{host} on a connection for {name}");
    }
    let refused: Vec<_> = gateway
        .wait_access_log(|lines| lines.len() == 13)
        .into_iter()
        .filter(|line| line.to_string().contains("misdirected_host"))
        .collect();
    assert_eq!(refused.len(), 6);
    assert_eq!(gateway.metric_sum("portcullis_", &["\"misdirected_host\""]), 6.0);
    assert_eq!(target.taken().len(), 7);
}

#[test]
fn a_host_of_another_certificate_is_misdirected_over_http2_and_the_connection_lives_on() {
    let target = Target::start();
    let (gateway, authority) = start(&["a", "b"], &target);
    let mut client = Client::connect(gateway.address(), &authority, "a.test");
    for (stream, host, status) in
        [(1, "a.test", 200), (3, "b.test", 421), (5, "x.b.test", 421), (7, "a.test", 200)]
    {
        client.send(&http2::headers(stream, http2::END_STREAM, &head("GET", host, "/", &[])));
        assert_eq!(client.status(stream), Some(status), "{host}");
    }
    assert_eq!(target.taken().len(), 2);
}

#[test]
fn a_listener_with_one_certificate_serves_every_host() {
    let target = Target::start();
    let (gateway, authority) = start(&["a"], &target);
    for (name, host) in [("a.test", "b.test"), ("127.0.0.1", "c.test")] {
        assert_eq!(http1(&gateway, &authority, name, host), 200, "{host}");
    }
}
