//! What targets see of health checks, and what is told about them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;

use crate::balancing::{before, orders};
use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

const CHECKS: &str = "health_check: { path: /healthz, interval: 200ms, timeout: 200ms, \
    unhealthy_threshold: 3 }";

fn checked() -> (Target, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let now = Arc::clone(&status);
    let target = Target::answering(move |_| {
        let status = now.load(Ordering::SeqCst);
        format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok").into_bytes()
    });
    (target, status)
}

fn lines(gateway: &Gateway) -> Vec<Value> {
    let text = std::fs::read_to_string(gateway.folder().join("checks.log")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_check_is_asked_as_alb_asks_it_on_a_connection_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let _gateway = Start::with(&before(&[address], CHECKS)).run();
    let heads: Vec<String> = (0..3)
        .map(|_| {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a head");
                head.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("sent");
            assert_eq!(stream.read(&mut [0]).expect("the end"), 0, "the connection is kept");
            String::from_utf8(head).expect("text")
        })
        .collect();
    let lines: Vec<&str> = heads[0].trim_end().split("\r\n").collect();
    assert_eq!(lines[0], "GET /healthz HTTP/1.1");
    let host = format!("Host: {address}");
    assert!(lines.contains(&&*host) && lines.contains(&"User-Agent: ELB-HealthChecker/2.0"));
    assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
}

#[test]
fn each_check_is_a_line_of_its_own_log_and_none_of_the_access_log() {
    let (target, status) = checked();
    let nobody = SocketAddr::from(([127, 0, 0, 1], Issuer::free_port()));
    let text = before(&[target.address(), nobody], CHECKS);
    let text = format!("{text}health_check_log: {{ destination: checks.log }}\n");
    let gateway = Start::with(&text).run();
    let has = |target: SocketAddr, field: &str, value: Value| {
        eventually(field, || {
            let of =
                |line: &Value| line["target_addr"] == target.to_string() && line[field] == value;
            lines(&gateway).into_iter().find(of)
        })
    };
    let passed = has(target.address(), "status", "PASS".into());
    assert_eq!((&passed["type"], &passed["status_code"]), (&"http".into(), &200.into()));
    assert_eq!(passed["target_group_id"], "orders");
    assert!(passed["latency"].as_f64() < Some(20.0) && passed["time"].is_string(), "{passed}");
    assert!(passed.get("reason_code").is_none());
    let refused = has(nobody, "status", "FAIL".into());
    assert_eq!(refused["reason_code"], "ConnectionReset");
    assert!(refused.get("status_code").is_none());
    status.store(503, Ordering::SeqCst);
    let mismatch = has(target.address(), "reason_code", "ResponseCodeMismatch".into());
    assert_eq!((&mismatch["status"], &mismatch["status_code"]), (&"FAIL".into(), &503.into()));

    assert_eq!(wire::get(gateway.address(), "/x").status, 503);
    let access = gateway.wait_access_log(|lines| !lines.is_empty());
    assert!(access.iter().all(|line| line["path"] == "/x"), "{access:?}");
}

#[test]
fn a_log_of_checks_is_begun_moved_and_ended_by_a_reload() {
    let (target, _) = checked();
    let text = before(&[target.address()], CHECKS);
    let gateway = Gateway::start(&text);
    let logged = |to: &str| format!("{text}health_check_log: {{ destination: {to} }}\n");
    gateway.write(&logged("checks.log"));
    gateway.signal("HUP");
    eventually("it is begun", || (!lines(&gateway).is_empty()).then_some(()));
    gateway.write(&logged("'off'"));
    gateway.signal("HUP");
    let generation = || gateway.metric("portcullis_config_generation");
    eventually("it is ended", || (generation() >= Some(3.0)).then_some(()));
    // One that cannot be opened changes nothing.
    gateway.write(&logged("/nowhere/checks.log"));
    gateway.signal("HUP");
    eventually("it is refused", || {
        (gateway.metric("portcullis_config_last_reload_success") == Some(0.0)).then_some(())
    });
}

#[test]
fn a_new_target_gets_requests_after_its_first_pass_and_one_that_failed_needs_several() {
    let (one, _) = checked();
    let (two, status) = checked();
    status.store(404, Ordering::SeqCst);
    let gateway = Gateway::start(&before(&[one.address(), two.address()], CHECKS));
    let state = |index: usize| orders(&gateway)["targets"][index]["state"].clone();
    eventually("the first is healthy", || (state(0) == "healthy").then_some(()));
    eventually("the second is not", || (state(1) == "unhealthy").then_some(()));
    let told = orders(&gateway)["targets"][1].clone();
    assert_eq!(told["reason"], "Target.ResponseCodeMismatch");
    assert_eq!(told["status_code"], 404);
    two.taken();
    for _ in 0..4 {
        assert_eq!(wire::get(gateway.address(), "/x").status, 200);
    }
    assert!(two.taken().is_empty());
    let checks_before = two.connections();
    status.store(200, Ordering::SeqCst);
    eventually("it is healthy again", || (state(1) == "healthy").then_some(()));
    // Five passes in a row, each on a connection of its own.
    assert!(two.connections() >= checks_before + 5);
}
