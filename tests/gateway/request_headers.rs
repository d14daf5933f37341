//! What a listener does with the heads of its requests: `Host`, names that ALB calls invalid, the
//! client's TLS, the case of names.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::client_address::open;
use crate::support::http2::{Client, END_STREAM, head, headers};
use crate::support::process::PATIENCE;
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Start, Target, wire};

const TLS: &str = "    tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n";

fn start_tls(target: &Target, keys: &str) -> (Gateway, Authority) {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let start = Start::with(&open(target, &format!("{TLS}{keys}")));
    (start.file("a.pem", pair.certificate).file("a.key", pair.private_key).run(), authority)
}

/// One request over TLS 1.2 or 1.3, HTTP/1.0.
fn over_tls(gateway: &Gateway, authority: &Authority, only_1_2: bool, fields: &str) {
    let mut config = (*authority.client(&[])).clone();
    if only_1_2 {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject as _;
        let der = rustls::pki_types::CertificateDer::from_pem_slice(authority.pem.as_bytes());
        roots.add(der.expect("PEM")).expect("an authority");
        config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
    }
    let socket = TcpStream::connect(gateway.address()).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let name = ServerName::try_from("a.test").expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("TLS");
    let mut stream = StreamOwned::new(session, socket);
    let head = format!("GET /open/1 HTTP/1.0\r\nHost: a.test\r\n{fields}\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains(" 200 "), "{answer}");
}

#[test]
fn a_host_is_sent_as_the_client_wrote_it_when_that_is_wanted() {
    let target = Target::start();
    for (keys, sent) in [
        ("", ["a.test", "a.test", "a.test:8080", "a.test"]),
        ("    preserve_host_header: true\n", ["A.Test", "a.test:80", "A.test:8080", "a.test."]),
    ] {
        let gateway = Gateway::start(&open(&target, keys));
        for (host, sent) in ["A.Test", "a.test:80", "A.test:8080", "a.test."].into_iter().zip(sent)
        {
            let mut connection = Connection::open(gateway.address());
            connection.send(format!("GET /open/1 HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(connection.read().status, 200);
            assert_eq!(target.next().values("host"), [sent], "{keys}");
        }
        // What is refused stays refused.
        for hosts in ["Host: a.test\r\nHost: b.test\r\n", "", "Host: a@b\r\n"] {
            let mut connection = Connection::open(gateway.address());
            connection.send(format!("GET /open/1 HTTP/1.1\r\n{hosts}\r\n"));
            assert_eq!(connection.read().status, 400, "{hosts:?}");
        }
    }
    assert!(target.taken().is_empty());
}

#[test]
fn over_http2_a_preserved_host_is_the_authority() {
    let target = Target::start();
    let (gateway, authority) = start_tls(&target, "    preserve_host_header: true\n");
    let mut client = Client::connect(gateway.address(), &authority, "a.test");
    client.send(&headers(1, END_STREAM, &head("GET", "A.test:8443", "/open/1", &[])));
    assert_eq!(client.status(1), Some(200));
    assert_eq!(target.next().values("host"), ["A.test:8443"]);
}

#[test]
fn names_that_alb_calls_invalid_are_counted_and_dropped_on_demand() {
    let target = Target::start();
    for (keys, action, is_dropped) in
        [("", "forwarded", false), ("    drop_invalid_header_fields: true\n", "dropped", true)]
    {
        let gateway = Gateway::start(&open(&target, keys));
        let fields = [
            ("X_Bad", "1"),
            ("x.bad", "2"),
            ("X_BAD", "3"),
            ("X-Good-1", "4"),
            ("Cookie", "a_b=c"),
        ];
        assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &fields).status, 200);
        let received = target.next();
        assert_eq!(received.values("x-good-1"), ["4"]);
        assert_eq!(received.values("cookie"), ["a_b=c"]);
        let kept: &[&str] = if is_dropped { &[] } else { &["1", "3"] };
        assert_eq!(received.values("x_bad"), kept);
        assert_eq!(received.values("x.bad").is_empty(), is_dropped);
        assert_eq!(wire::get(gateway.address(), "/open/2").status, 200);
        target.next();
        let series = format!(
            "portcullis_invalid_header_requests_total{{listener=\"public\",action=\"{action}\"}}"
        );
        assert_eq!(gateway.metric(&series), Some(1.0), "requests, not fields");
    }
}

#[test]
fn targets_are_told_of_the_client_s_tls_in_openssl_s_words_and_by_nobody_else() {
    let target = Target::start();
    let forged =
        "X-Amzn-Tls-Version: forged\r\nx_amzn_tls_cipher_suite: forged\r\nX-Tls: forged\r\n";
    for (keys, names) in [
        ("    tls_headers: true\n", Some(["x-amzn-tls-version", "x-amzn-tls-cipher-suite"])),
        (
            "    tls_headers: { version: X-Tls, cipher_suite: x-tls-suite }\n",
            Some(["x-tls", "x-tls-suite"]),
        ),
        ("    tls_headers: { version: x-tls }\n", Some(["x-tls", "x-amzn-tls-cipher-suite"])),
        ("    tls_headers: false\n", None),
        ("", None),
    ] {
        let (gateway, authority) = start_tls(&target, keys);
        for only_1_2 in [true, false] {
            over_tls(&gateway, &authority, only_1_2, forged);
            let received = target.next();
            let Some([version, suite]) = names else {
                assert!(received.values("x-amzn-tls-version").is_empty(), "{received:?}");
                assert!(received.values("x_amzn_tls_cipher_suite").is_empty(), "{received:?}");
                continue;
            };
            let (told, suites) = (received.values(version), received.values(suite));
            if only_1_2 {
                assert_eq!(told, ["TLSv1.2"], "{keys}");
                assert!(suites[0].starts_with("ECDHE-ECDSA-") && suites.len() == 1, "{suites:?}");
            } else {
                assert_eq!(told, ["TLSv1.3"], "{keys}");
                assert!(suites[0].starts_with("TLS_") && suites.len() == 1, "{suites:?}");
            }
            assert!(received.values("x_amzn_tls_cipher_suite").is_empty(), "{received:?}");
            if keys.contains("x-tls") || keys.contains("X-Tls") {
                assert!(!format!("{received:?}").contains("forged"), "{received:?}");
            }
        }
    }
}

#[test]
fn names_from_http2_reach_http1_in_lower_case_but_for_those_of_alb() {
    let target = Target::start();
    let (gateway, authority) = start_tls(&target, "");
    let mut client = Client::connect(gateway.address(), &authority, "a.test");
    let fields = [
        ("x-custom", "1"),
        ("content-type", "a/b"),
        ("x-custom", "2"),
        ("x-forwarded-for", "1.1.1.1"),
    ];
    client.send(&headers(1, END_STREAM, &head("GET", "a.test", "/open/1?a=b", &fields)));
    assert_eq!(client.status(1), Some(200));
    let received = target.next();
    assert_eq!(received.request_line, "GET /open/1?a=b HTTP/1.1");
    let names: Vec<&str> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "Host"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    for name in ["X-Amzn-Trace-Id", "x-custom", "content-type"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(received.values("x-custom"), ["1", "2"]);
    assert_eq!(received.values("x-forwarded-for"), ["1.1.1.1, 127.0.0.1"]);

    // Over HTTP/1 they keep the client's case.
    over_tls(&gateway, &authority, false, "X-CusTom: 1\r\n");
    assert!(target.next().headers.iter().any(|(name, _)| name == "X-CusTom"));
}
