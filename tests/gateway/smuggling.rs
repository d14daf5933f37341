//! Requests whose end is in doubt are refused before the HTTP engine can repair them.

use crate::authorization::protected;
use crate::support::{Connection, Gateway, Issuer, Target};

/// Heads of which two readers may find two ends, and what is answered.
const DOUBTFUL: &[(&str, u16)] = &[
    (
        "POST /open/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    (
        "POST /open/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        400,
    ),
    ("POST /open/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    ("POST /open/1 HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
    ("POST /open/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\n", 400),
    ("POST /open/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400),
    ("POST /open/1 HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    ("POST /open/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ("POST /open/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400),
    ("POST /open/1 HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n", 400),
    ("POST /open/1 HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("GET /open/1 HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    ("GET /open/1 HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    ("GET /open/1 HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", 400),
    ("GET /open/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET /open/1 HTTP/1.1\r\n\r\n", 400),
    ("GET /open/1#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://b.test/open/1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("TRACE /open/1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
];

#[test]
fn a_doubtful_request_is_refused_its_connection_closed_and_nothing_behind_it_served() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    for (head, status) in DOUBTFUL {
        let mut connection = Connection::open(gateway.address());
        connection.send(format!("{head}0\r\n\r\nGET /open/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = connection.try_read(false).unwrap_or_else(|| panic!("no answer to {head:?}"));
        assert_eq!(answer.status, *status, "{head:?}: {}", answer.status_line);
        assert!(connection.is_closed(), "left open after {head:?}");
    }
    assert!(target.taken().is_empty());
}

#[test]
fn two_requests_in_one_packet_are_two_requests() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let mut connection = Connection::open(gateway.address());
    connection.send(
        "POST /open/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
         HEAD /open/2 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(connection.read().status, 200);
    assert_eq!(connection.read_head().status, 200);
    assert_eq!(target.next().body, b"abc");
    assert_eq!(target.next().target(), "/open/2");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_body_leaves_no_request_behind() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let mut connection = Connection::open(gateway.address());
    connection.send("POST /open/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    connection.finish_sending();
    let _ = connection.read_to_end();
    // The next request of somebody else is not taken for the rest of it.
    let answer = crate::support::wire::get(gateway.address(), "/open/2");
    assert_eq!(answer.status, 200);
    // What was cut short may reach the target first, later, or not at all.
    let mut first = target.next();
    if first.target() == "/open/1" {
        assert!(b"abc".starts_with(&first.body), "{:?}", first.body);
        first = target.next();
    }
    assert_eq!(first.target(), "/open/2");
    assert!(first.body.is_empty(), "{:?}", first.body);
}
