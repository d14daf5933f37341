//! Request bodies that are too long, or that nobody wants.

use crate::authorization::protected;
use crate::support::{Connection, Gateway, Issuer, Target, wire};

fn start(issuer: &Issuer, target: &Target) -> Gateway {
    let file = protected(issuer, target)
        .replace("] }\nlisteners", "], health_check: { enabled: false } }\nlisteners")
        .replace("127.0.0.1:0\n    rules", "127.0.0.1:0\n    max_request_body: 1KiB\n    rules");
    assert!(file.contains("max_request_body") && file.contains("enabled: false"));
    Gateway::start(&file)
}

#[test]
fn an_announced_body_over_the_limit_is_refused_before_the_target_hears_of_it() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    let mut connection = Connection::open(gateway.address());
    connection.send("POST /open/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\nabc");
    assert_eq!(connection.read().status, 413);
    assert!(connection.is_closed());
    assert_eq!(target.connections(), 0);
    let mut connection = Connection::open(gateway.address());
    connection.send("POST /open/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n");
    connection.send([b'x'; 1024]);
    assert_eq!(connection.read().status, 200);
}

#[test]
fn a_chunked_body_that_grows_over_the_limit_is_refused_and_its_target_connection_dropped() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    let mut connection = Connection::open(gateway.address());
    connection.send("POST /open/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("258\r\n{}\r\n", "x".repeat(600));
    connection.send(&chunk);
    connection.send(&chunk);
    assert_eq!(connection.read().status, 413);
    assert!(connection.is_closed());
    assert_eq!(wire::get(gateway.address(), "/open/2").status, 200);
    let taken = target.taken();
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0].target(), "/open/2");
    gateway.wait_access_log(|lines| {
        lines.iter().any(|line| line.to_string().contains("body_too_large"))
    });
}

#[test]
fn a_denied_upload_is_answered_early_and_not_read_to_its_end() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    let mut connection = Connection::open(gateway.address());
    connection.send("PUT /orders/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nabc");
    let answer = connection.read();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(connection.is_closed());
    assert_eq!(target.connections(), 0);
}

#[test]
fn a_client_that_asks_before_it_sends_is_told_401_and_never_to_go_on() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    for path in ["/orders/1", "/open/1"] {
        let mut connection = Connection::open(gateway.address());
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        ));
        if path == "/open/1" {
            assert_eq!(connection.read_head().status, 100);
            connection.send("abc");
            assert_eq!(connection.read().status, 200);
            continue;
        }
        assert_eq!(connection.read().status, 401);
        assert_eq!(target.connections(), 0);
    }
}
