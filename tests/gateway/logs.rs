//! Logs that cannot be written are dropped and counted. Nobody waits for them, and nothing ends.

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::authorization::protected;
use crate::support::{Connection, Gateway, Issuer, Start, Target, wire};

const DROPPED: &str = "portcullis_log_dropped_total";

/// Sends requests with long log lines over one connection until lines were dropped.
fn request_until_dropped(gateway: &Gateway) {
    let mut connection = Connection::open(gateway.address());
    let request =
        format!("GET /open/1 HTTP/1.1\r\nHost: h\r\nUser-Agent: {}\r\n\r\n", "a".repeat(2000));
    for _ in 0..100 {
        for _ in 0..100 {
            connection.send(&request);
            assert_eq!(connection.read().status, 200);
        }
        if gateway.metric(DROPPED) > Some(0.0) {
            return;
        }
    }
    panic!("no line was dropped in 10,000");
}

fn serves_and_ends((mut gateway, _target): (Gateway, Target)) {
    assert_eq!(wire::get(gateway.address(), "/open/2").status, 200);
    assert_eq!(gateway.ask_admin("/readyz").status, 200);
    gateway.signal("TERM");
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

fn with_stdout(stdout: impl Into<Stdio>) -> (Gateway, Target) {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let gateway = Start::with(&yaml).stdout(stdout).run();
    assert_eq!(gateway.metric(DROPPED), Some(0.0));
    request_until_dropped(&gateway);
    (gateway, target)
}

#[test]
fn an_access_log_to_a_full_disk_drops_lines_and_says_so_once() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let (mut gateway, target) = with_stdout(full);
    gateway.wait_log(&["access-log lines are being dropped"]);
    request_until_dropped(&gateway);
    assert_eq!(gateway.said().matches("lines are being dropped").count(), 1);
    serves_and_ends((gateway, target));
}

#[test]
fn an_access_log_to_a_pipe_whose_reader_died_drops_lines() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    serves_and_ends(with_stdout(writer));
}

#[test]
fn an_access_log_to_a_pipe_that_nobody_reads_drops_lines_and_does_not_hold_up_the_end() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    serves_and_ends(with_stdout(writer));
    drop(reader);
}

#[test]
fn an_access_log_file_on_a_full_disk_drops_lines() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let log = "access_log: { destination: /dev/full }\n";
    let gateway = Gateway::start(&format!("{log}{}", protected(&issuer, &target)));
    request_until_dropped(&gateway);
    serves_and_ends((gateway, target));
}

/// Each refused file is one long line in the process log.
fn reload_until_dropped(gateway: &Gateway) {
    let refused = || {
        let value = gateway.metric("portcullis_config_reloads_total{result=\"refused\"}");
        value.expect("a metric")
    };
    let nonsense: String = (0..300).map(|number| format!("nonsense_{number}: 1\n")).collect();
    gateway.write(&nonsense);
    for _ in 0..100 {
        let before = refused();
        gateway.signal("HUP");
        crate::support::eventually("the reload is refused", || (refused() > before).then_some(()));
        if gateway.metric(DROPPED) > Some(0.0) {
            return;
        }
    }
    panic!("no line was dropped in 100 reloads");
}

#[test]
fn a_process_log_that_nobody_reads_drops_lines_and_does_not_hold_up_the_end() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    gateway.leave_log_unread();
    reload_until_dropped(&gateway);
    serves_and_ends((gateway, target));
}

#[test]
fn a_process_log_whose_reader_died_drops_lines() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let mut gateway = Gateway::start(&protected(&issuer, &target));
    gateway.stop_reading_log();
    reload_until_dropped(&gateway);
    serves_and_ends((gateway, target));
}

#[test]
fn a_target_that_is_down_does_not_flood_the_process_log() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let nobody = format!("127.0.0.1:{}, 127.0.0.1:{}", Issuer::free_port(), Issuer::free_port());
    let yaml = protected(&issuer, &target).replace(&target.address().to_string(), &nobody);
    let mut gateway = Gateway::start(&yaml);
    for _ in 0..50 {
        assert_eq!(wire::get(gateway.address(), "/open/1").status, 502);
    }
    gateway.signal("TERM");
    gateway.wait_log(&["stopping"]);
    assert!(!gateway.said().contains("Fail to proxy"), "{}", gateway.said());
}
