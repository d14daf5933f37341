//! A defect of ours that panics costs the request that meets it, and nothing else.
//!
//! The gateway is told to panic by a hook that only builds with debug assertions have.
#![cfg(debug_assertions)]

use crate::grpc::connect;
use crate::slow_clients::{https_to, open_to};
use crate::support::{Connection, Gateway, Start, Target, eventually, wire};

fn gateway_that_may_panic(target: &Target) -> Gateway {
    let yaml = open_to(target.address(), "");
    Start::with(&yaml).env("PORTCULLIS_FAIL_POINTS", "1").run()
}

#[test]
fn a_panic_costs_one_request_and_is_counted_and_told_without_what_the_client_sent() {
    let target = Target::start();
    let mut gateway = gateway_that_may_panic(&target);
    let mut other = Connection::open(gateway.address());
    other.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(other.read().status, 200);

    for place in ["request", "answer"] {
        let mut unlucky = Connection::open(gateway.address());
        unlucky.send(format!(
            "GET /x HTTP/1.1\r\nHost: x\r\nx-fail-point: {place} of-a-secret\r\n\r\n"
        ));
        let answer = unlucky.try_read(false);
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 500), "{place}: {answer:?}");
        assert!(unlucky.is_closed());
        other.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(other.read().text(), "ok", "after a panic at {place}");
    }
    assert_eq!(gateway.metric("portcullis_panics_total"), Some(2.0));
    // Nothing that a request holds while it lives is lost with it.
    eventually("the requests are counted as ended", || {
        (gateway.metric("portcullis_requests_in_flight") == Some(0.0)).then_some(())
    });

    for _ in 0..2 {
        let line = gateway.wait_log(&["panic: "]);
        assert!(line.contains("src/proxy/fail_point.rs:"), "no place: {line}");
        assert!(line.contains("\"level\":\"ERROR\""), "{line}");
    }
    gateway.signal("TERM");
    assert!(gateway.wait_exit().success());
    let said = gateway.log().join("\n");
    assert_eq!(said.matches("panic: ").count(), 2, "one line each: {said}");
    assert!(!said.contains("of-a-secret"), "{said}");
}

#[test]
fn a_target_connection_of_a_request_that_panicked_is_not_used_again() {
    let target = Target::start();
    let gateway = gateway_that_may_panic(&target);
    let mut unlucky = Connection::open(gateway.address());
    unlucky.send("GET /x HTTP/1.1\r\nHost: x\r\nx-fail-point: answer\r\n\r\n");
    assert!(unlucky.try_read(false).is_none_or(|answer| answer.status == 500));
    let before = target.connections();
    assert_eq!(wire::get(gateway.address(), "/y").text(), "ok");
    assert_eq!(target.connections(), before + 1, "a new connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_one_http2_stream_leaves_the_others_of_its_connection_alone() {
    let target = Target::start();
    let (start, authority) = https_to(target.address(), "");
    let gateway = start.env("PORTCULLIS_FAIL_POINTS", "1").run();
    let mut client = connect(gateway.address(), &authority).await;
    for place in ["none", "request", "none", "answer", "none"] {
        let request = http::Request::get("https://a.test/x").header("x-fail-point", place);
        client = client.ready().await.expect("a connection that lives");
        let request = request.body(()).expect("a request");
        let (answer, _) = client.send_request(request, true).expect("sent");
        match answer.await {
            Ok(answer) => {
                let expected = if place == "none" { 200 } else { 500 };
                assert_eq!(answer.status(), expected, "{place}");
            }
            Err(why) => assert!(place != "none" && why.is_reset(), "{place}: {why}"),
        }
    }
    assert_eq!(gateway.metric("portcullis_panics_total"), Some(2.0));
}

#[test]
fn without_being_told_to_the_hook_does_nothing() {
    let target = Target::start();
    let gateway = Gateway::start(&open_to(target.address(), ""));
    let headers = [("x-fail-point", "request")];
    let answer = wire::request(gateway.address(), "GET", "/x", &headers);
    assert_eq!((answer.status, gateway.metric("portcullis_panics_total")), (200, Some(0.0)));
}
