//! How long a client connection lasts, and in which order its requests are answered.

use crate::authorization::protected;
use crate::support::{Connection, Gateway, Issuer, Target};

fn start(target: &Target) -> Gateway {
    Gateway::start(&protected(&Issuer::start(), target))
}

#[test]
fn a_connection_serves_request_after_request_whoever_answers() {
    let issuer = Issuer::start();
    let target = Target::start();
    let gateway = Gateway::start(&protected(&issuer, &target));
    let mut connection = Connection::open(gateway.address());
    let token = issuer.token();
    for _ in 0..3 {
        for (path, more, status) in [
            ("/open/1", String::new(), 200),
            ("/orders/1", String::new(), 401),
            ("/orders/1", format!("Authorization: Bearer {token}\r\n"), 200),
            ("/none", String::new(), 404),
        ] {
            connection.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{more}\r\n"));
            let answer = connection.read();
            assert_eq!(answer.status, status, "{path}");
            assert_ne!(answer.header("connection"), Some("close"), "{path}");
        }
    }
    assert_eq!(gateway.metric("portcullis_connections"), Some(1.0));
}

#[test]
fn connection_close_and_http_1_0_end_the_connection_with_the_answer() {
    let target = Target::start();
    let gateway = start(&target);
    for path in ["/open/1", "/none", "/orders/1"] {
        for head in [
            format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: x, Close\r\n\r\n"),
            format!("GET {path} HTTP/1.0\r\nHost: a.test\r\n\r\n"),
        ] {
            let mut connection = Connection::open(gateway.address());
            connection.send(&head);
            let answer = connection.read();
            assert!([200, 401, 404].contains(&answer.status), "{head:?}");
            assert!(answer.status_line.starts_with("HTTP/1."), "{}", answer.status_line);
            assert!(connection.is_closed(), "left open after {head:?}");
        }
    }
}

#[test]
fn an_http_1_0_client_is_never_sent_chunks() {
    let target = Target::answering(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec()
    });
    let gateway = start(&target);
    let mut connection = Connection::open(gateway.address());
    connection.send("GET /open/1 HTTP/1.0\r\nHost: a.test\r\n\r\n");
    let all = String::from_utf8(connection.read_to_end()).expect("text");
    let (head, body) = all.split_once("\r\n\r\n").expect("a head");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    assert_eq!(body, "abc");
}

#[test]
fn pipelined_requests_are_answered_in_order_although_targets_are_not_asked_at_once() {
    let target = Target::answering(|received| {
        let path = received.target();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()).into_bytes()
    });
    let gateway = start(&target);
    let mut connection = Connection::open(gateway.address());
    let mut all = String::new();
    for n in 0..20 {
        // (An answer of ours to a request with a body would end the connection.)
        all.push_str(&if n % 3 == 2 {
            format!("GET /none/{n} HTTP/1.1\r\nHost: a.test\r\n\r\n")
        } else {
            format!("POST /open/{n} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nx{n:02}")
        });
    }
    connection.send(&all);
    for n in 0..20 {
        let answer = connection.read();
        if n % 3 == 2 {
            assert_eq!(answer.status, 404, "{n}");
        } else {
            assert_eq!(answer.text(), format!("/open/{n}"));
            assert_eq!(target.next().body, format!("x{n:02}").as_bytes());
        }
    }
}

#[test]
fn a_client_that_waits_for_100_continue_is_told_to_go_on_unless_it_is_refused() {
    let target = Target::start();
    let gateway = start(&target);
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\
             Expect: 100-continue\r\n\r\n"
        )
    };
    let mut connection = Connection::open(gateway.address());
    connection.send(head("/open/1"));
    assert_eq!(connection.read().status, 100);
    connection.send("abc");
    assert_eq!(connection.read().status, 200);
    let received = target.next();
    assert_eq!(received.body, b"abc");
    assert!(received.values("expect").is_empty());

    let mut refused = Connection::open(gateway.address());
    refused.send(head("/orders/1"));
    assert_eq!(refused.read().status, 401);
    assert!(refused.is_closed(), "a body may or may not follow");
    assert!(target.taken().is_empty());
}

#[test]
fn nobody_is_told_to_go_on_who_does_not_wait_for_it() {
    let target = Target::start();
    let gateway = start(&target);
    for head in [
        "GET /open/1 HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n",
        "GET /open/1 HTTP/1.1\r\nHost: a.test\r\nExpect: something-else\r\n\r\n",
        "POST /open/1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nExpect: else\r\n\r\na",
        "POST /open/1 HTTP/1.0\r\nHost: a.test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na",
    ] {
        let mut connection = Connection::open(gateway.address());
        connection.send(head);
        assert_eq!(connection.read().status, 200, "{head:?}");
        assert!(target.next().values("expect").is_empty());
    }
}

#[test]
fn an_answer_that_ends_with_its_target_s_connection_ends_for_the_client_too() {
    let target = Target::speaking(|_, stream| {
        use std::io::Write as _;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nabc");
        false
    });
    let gateway = start(&target);
    for version in ["1.0", "1.1"] {
        let mut connection = Connection::open(gateway.address());
        connection.send(format!("GET /open/1 HTTP/{version}\r\nHost: a.test\r\n\r\n"));
        let answer = connection.read();
        assert_eq!((answer.status, answer.text().as_str()), (200, "abc"), "HTTP/{version}");
    }
}

#[test]
fn a_connection_that_asks_nothing_is_closed_without_a_word() {
    let target = Target::start();
    let yaml = protected(&Issuer::start(), &target)
        .replace("    rules:", "    idle_timeout: 1s\n    rules:");
    let gateway = Gateway::start(&yaml);
    let mut silent = Connection::open(gateway.address());
    assert!(silent.read_to_end().is_empty());
    let mut used = Connection::open(gateway.address());
    used.send("GET /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(used.read().status, 200);
    assert!(used.read_to_end().is_empty(), "408 would be taken for the next answer");
}
