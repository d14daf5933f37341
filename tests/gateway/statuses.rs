//! Statuses that ALB gives to requests that no rule sees, or whose client is gone, and the end of
//! connections that are old or have carried much.

use std::io::Read as _;

use serde_json::Value;

use crate::client_address::open;
use crate::support::http2::{Client, END_STREAM, head, headers};
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Start, Target, eventually};

fn start_tls(target: &Target, keys: &str) -> (Gateway, Authority) {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let tls = "    tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n";
    let start = Start::with(&open(target, &format!("{tls}{keys}")));
    (start.file("a.pem", pair.certificate).file("a.key", pair.private_key).run(), authority)
}

fn answer(gateway: &Gateway, bytes: impl AsRef<[u8]>) -> crate::support::wire::Response {
    let mut connection = Connection::open(gateway.address());
    connection.send(bytes);
    connection.read()
}

#[test]
fn each_kind_of_unfit_head_has_its_status() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, ""));
    let long = "a".repeat(16 * 1024);
    let fields = |size: usize, count: usize| -> String {
        (0..count).map(|n| format!("x-{n}: {}\r\n", "v".repeat(size))).collect()
    };
    let get = |fields: &str| format!("GET /open/1 HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
    for (what, head, status) in [
        ("an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
        ("HTTP/3", "GET / HTTP/3.0\r\nHost: a.test\r\n\r\n".to_owned(), 505),
        ("a coding", get("Transfer-Encoding: gzip\r\n"), 501),
        ("codings", get("Transfer-Encoding: gzip, chunked\r\n"), 501),
        ("a long target", format!("GET /open/{long} HTTP/1.1\r\nHost: a.test\r\n\r\n"), 414),
        ("a long query", format!("GET /open/1?{long} HTTP/1.1\r\nHost: a.test\r\n\r\n"), 414),
        ("a long field", get(&fields(16 * 1024, 1)), 431),
        ("many bytes", get(&fields(15_000, 5)), 431),
        ("many fields", get(&fields(1, 101)), 431),
        ("TRACE", "TRACE /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 405),
        ("TRACE anywhere", "TRACE /none HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 405),
        ("TRACE *", "TRACE * HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 405),
        ("CONNECT", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n".to_owned(), 405),
        ("CONNECT a path", "CONNECT /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 405),
        ("an unknown method", "get /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 501),
        ("no version", "GET /open/1\r\nHost: a.test\r\n\r\n".to_owned(), 400),
    ] {
        assert_eq!(answer(&gateway, head).status, status, "{what}");
    }
    assert!(target.taken().is_empty());
    assert_eq!(answer(&gateway, "PURGE /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n").status, 200);
    assert_eq!(target.next().request_line, "PURGE /open/1 HTTP/1.1");
}

#[test]
fn connect_is_refused_like_any_other_method_with_allow_and_a_line_in_the_log() {
    let target = Target::start();
    let (gateway, authority) = start_tls(&target, "");
    let mut client = Client::connect(gateway.address(), &authority, "a.test");
    let fields = [(":method", "CONNECT"), (":authority", "a.test")];
    client.send(&headers(1, END_STREAM, &fields));
    assert_eq!(client.status(1), Some(405));

    let plain = Gateway::start(&open(&target, ""));
    for method in ["CONNECT a.test:443", "TRACE /open/1"] {
        let refused = answer(&plain, format!("{method} HTTP/1.1\r\nHost: a.test:443\r\n\r\n"));
        let allow = refused.header("allow").expect("RFC 9110 15.5.6");
        assert!(allow.contains("GET") && !allow.contains("CONNECT"), "{allow}");
        assert_eq!(refused.header("connection"), Some("close"), "{method}");
    }
    for (gateway, count) in [(&gateway, 1), (&plain, 2)] {
        for line in gateway.wait_access_log(|lines| lines.len() == count) {
            assert_eq!(line["reason"], "method_not_allowed");
            assert_eq!(line["status"], 405);
        }
    }
    assert_eq!(target.connections(), 0);
}

#[test]
fn a_client_that_leaves_is_460_or_400_in_the_middle_of_its_body() {
    // Its targets hold every request until their connection ends.
    let target = Target::speaking(|_, stream| stream.read(&mut [0]).is_ok_and(|count| count > 0));
    let gateway = Gateway::start(&open(&target, ""));
    for (path, body, status) in [
        ("/open/whole", "", 460),
        ("/open/with-body", "Content-Length: 3\r\n\r\nabc", 460),
        ("/open/half", "Content-Length: 30\r\n\r\nabc", 400),
        ("/open/chunk", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 400),
    ] {
        let mut connection = Connection::open(gateway.address());
        let end = if body.is_empty() { "\r\n" } else { "" };
        connection.send(format!("POST {path} HTTP/1.1\r\nHost: a.test\r\n{body}{end}"));
        eventually("it is in flight", || {
            (gateway.metric("portcullis_requests_in_flight") == Some(1.0)).then_some(())
        });
        drop(connection);
        let is_of = |line: &Value| line["path"] == *path;
        let lines = gateway.wait_access_log(|lines| lines.iter().any(is_of));
        let line = lines.iter().find(|line| is_of(line)).expect("a line");
        assert_eq!((&line["status"], &line["reason"]), (&status.into(), &"client_closed".into()));
    }
    let sum = gateway.metric_sum("portcullis_requests_total", &["status_class=\"4xx\""]);
    assert!((sum - 4.0).abs() < 0.5, "{sum}");
}

#[test]
fn a_client_that_stops_in_the_middle_of_its_body_is_408() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, "    idle_timeout: 200ms\n"));
    let mut connection = Connection::open(gateway.address());
    connection.send("POST /open/1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 30\r\n\r\nabc");
    assert_eq!(connection.read().status, 408);
    let line = gateway.wait_access_log(|lines| lines.len() == 1).remove(0);
    assert_eq!((&line["status"], &line["reason"]), (&408.into(), &"request_timeout".into()));
}

#[test]
fn an_old_connection_is_told_to_close_with_the_request_after() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, "    client_keep_alive: 300ms\n"));
    let mut connection = Connection::open(gateway.address());
    let mut served = 0;
    loop {
        connection.send("GET /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answer = connection.read();
        assert_eq!(answer.status, 200);
        served += 1;
        if answer.header("connection") == Some("close") {
            break;
        }
        // (A request every 50 ms: it is age that ends it, not silence.)
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    assert!(connection.is_closed());
    assert_eq!(target.taken().len(), served, "the last one was served");
    assert!(served > 1);
}

#[test]
fn an_old_http2_connection_gets_goaway_and_what_it_began_is_served() {
    let target = Target::answering(|received| {
        let body = received.target().to_owned();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    });
    let (gateway, authority) = start_tls(&target, "    client_keep_alive: 300ms\n");
    let mut client = Client::connect(gateway.address(), &authority, "a.test");
    let mut stream = 1;
    while client.goaway.is_none() {
        client.send(&headers(stream, END_STREAM, &head("GET", "a.test", "/open/1", &[])));
        assert_eq!(client.status(stream), Some(200), "stream {stream}");
        stream += 2;
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    assert_eq!(client.goaway, Some(0), "no error");
    client.wait_end();
}

#[test]
fn a_connection_that_has_carried_its_share_of_http2_requests_gets_goaway() {
    const DEFAULT: u32 = 10_000;
    let target = Target::start();
    for (keys, most) in [("", DEFAULT), ("    max_http2_requests: 50\n", 50)] {
        let (gateway, authority) = start_tls(&target, keys);
        let mut client = Client::connect(gateway.address(), &authority, "a.test");
        let (mut stream, mut served) = (1, 0_u32);
        while client.goaway.is_none() {
            let (first, round) = (stream, most.min(100));
            let mut frames = Vec::new();
            for _ in 0..round {
                frames.extend(headers(stream, END_STREAM, &head("GET", "a.test", "/none", &[])));
                stream += 2;
            }
            client.send(&frames);
            for at in (first..stream).step_by(2) {
                match client.status(at) {
                    Some(status) => {
                        assert_eq!(status, 404);
                        served += 1;
                    }
                    None => assert!(client.goaway.is_some(), "stream {at}"),
                }
            }
            assert!(served <= most + 2 * round, "{served}");
        }
        assert!(served >= most - most.min(100), "{served}");
        assert_eq!(client.goaway, Some(0), "no error");
        client.wait_end();
    }
}
