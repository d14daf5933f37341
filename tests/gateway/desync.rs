//! `desync_mitigation_mode`: what is done about requests that others may read differently, and what
//! is told about them.

use serde_json::{Value, json};

use crate::support::{Connection, Gateway, Target, eventually, wire};

fn file(target: &Target, mode: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         target_groups:\n  web: {{ targets: [{}], health_check: {{ enabled: false }} }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n{mode}    rules:\n      \
         - {{ name: all, public: true, conditions: {{ path_pattern: ['/*'] }}, forward: web }}\n",
        target.address()
    )
}

fn start(mode: &str) -> (Target, Gateway) {
    let target = Target::start();
    let gateway = Gateway::start(&file(&target, &format!("    desync_mitigation_mode: {mode}\n")));
    (target, gateway)
}

fn line_of(gateway: &Gateway, path: &str) -> Value {
    let lines = gateway.wait_access_log(|lines| lines.iter().any(|line| line["path"] == *path));
    lines.into_iter().find(|line| line["path"] == *path).expect("a line")
}

fn wait_counted(gateway: &Gateway, wanted: f64) {
    let series = "portcullis_connection_events_total{event=\"desync_non_compliant\"}";
    eventually(series, || (gateway.metric(series) == Some(wanted)).then_some(()));
}

/// Ambiguous: what the body of a GET means is not defined.
const AMBIGUOUS: &str = "GET /odd HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
/// Acceptable.
const ACCEPTABLE: &str = "GET /nearly HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
const PLAIN: &str = "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn after_an_ambiguous_request_in_defensive_mode_both_connections_are_closed() {
    // Statement 86, as far as we let ambiguous requests pass; defensive is the default.
    let target = Target::start();
    let gateway = Gateway::start(&file(&target, ""));
    let mut connection = Connection::open(gateway.address());
    connection.send(format!("{AMBIGUOUS}{PLAIN}"));
    let answer = connection.read();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(connection.is_closed(), "the client's connection lives on");
    let odd = target.next();
    assert_eq!((odd.target(), odd.values("connection")), ("/odd", vec!["close"]));
    assert_eq!(odd.body, b"abc");
    assert_eq!(wire::get(gateway.address(), "/after").status, 200);
    assert_eq!(target.next().target(), "/after", "what was pipelined behind was served");
    let line = line_of(&gateway, "/odd");
    assert_eq!(line["classification"], json!("Ambiguous"));
    assert_eq!(line["classification_reason"], json!("UndefinedContentLengthSemantics"));
    assert_eq!(line_of(&gateway, "/after")["classification"], Value::Null);
    wait_counted(&gateway, 1.0);
}

#[test]
fn a_target_s_connection_serves_one_ambiguous_request_or_in_monitor_mode_many() {
    let ask = |gateway: &Gateway| {
        let mut connection = Connection::open(gateway.address());
        connection.send(AMBIGUOUS);
        assert_eq!(connection.read().status, 200);
    };
    let (target, gateway) = start("defensive");
    for _ in 0..3 {
        ask(&gateway);
    }
    assert_eq!(target.connections(), 3);
    let (target, gateway) = start("monitor");
    ask(&gateway);
    // A connection is free again some time after its answer has reached the client.
    eventually("a connection serves another one", || {
        let before = target.connections();
        ask(&gateway);
        (target.connections() == before).then_some(())
    });
}

#[test]
fn an_ambiguous_upgrade_is_sent_as_a_request_like_any_other() {
    let (target, gateway) = start("defensive");
    let mut connection = Connection::open(gateway.address());
    connection.send(
        "GET /odd HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Content-Length: 3\r\n\r\nabc",
    );
    assert_eq!(connection.read().status, 200);
    assert!(connection.is_closed());
    let odd = target.next();
    assert_eq!((odd.values("upgrade"), odd.values("connection")), (vec![], vec!["close"]));
    assert_eq!(odd.body, b"abc");
}

#[test]
fn a_monitoring_listener_forwards_and_tells() {
    let (target, gateway) = start("monitor");
    let mut connection = Connection::open(gateway.address());
    for request in [AMBIGUOUS, ACCEPTABLE, PLAIN] {
        connection.send(request);
        let answer = connection.read();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
    }
    assert_eq!(target.taken().len(), 3);
    assert_eq!(line_of(&gateway, "/odd")["classification"], json!("Ambiguous"));
    let nearly = line_of(&gateway, "/nearly");
    assert_eq!(nearly["classification"], json!("Acceptable"));
    assert_eq!(nearly["classification_reason"], json!("GetHeadZeroContentLength"));
    assert_eq!(line_of(&gateway, "/plain")["classification"], Value::Null);
    wait_counted(&gateway, 2.0);
}

#[test]
fn the_strictest_mode_takes_only_what_is_compliant() {
    let (target, mut gateway) = start("strictest");
    for (request, class) in [(AMBIGUOUS, "Ambiguous"), (ACCEPTABLE, "Acceptable")] {
        let mut connection = Connection::open(gateway.address());
        connection.send(format!("{request}{PLAIN}"));
        assert_eq!(connection.read().status, 400);
        assert!(connection.is_closed());
        gateway.wait_log(&[class, "refused by desync_mitigation_mode"]);
    }
    assert!(target.taken().is_empty());
    assert_eq!(wire::get(gateway.address(), "/plain").status, 200);
    wait_counted(&gateway, 2.0);
}

#[test]
fn a_head_in_pieces_is_classified_like_one_in_one_piece() {
    let (target, gateway) = start("strictest");
    let mut connection = Connection::open(gateway.address());
    connection.send(&AMBIGUOUS[..20]);
    eventually("the first piece to be read", || {
        (gateway.metric("portcullis_connections") == Some(1.0)).then_some(())
    });
    connection.send(&AMBIGUOUS[20..]);
    assert_eq!(connection.read().status, 400);
    assert!(connection.is_closed());
    assert!(target.taken().is_empty());
}

#[test]
fn two_framings_are_refused_in_every_mode_and_told_by_alb_s_name() {
    for mode in ["monitor", "defensive", "strictest"] {
        let (target, mut gateway) = start(mode);
        for (fields, reason) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "BothTeClPresent"),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", "DuplicateContentLength"),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", "MultipleContentLength"),
        ] {
            let mut connection = Connection::open(gateway.address());
            connection.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n{PLAIN}"));
            assert_eq!(connection.read().status, 400, "{mode}: {fields}");
            assert!(connection.is_closed(), "{mode}: {fields}");
            gateway.wait_log(&[reason]);
        }
        assert!(target.taken().is_empty(), "{mode}");
        wait_counted(&gateway, 3.0);
    }
}

#[test]
fn a_new_mode_holds_for_connections_that_come_after_the_reload() {
    let (target, mut gateway) = start("monitor");
    gateway.write(&file(&target, "    desync_mitigation_mode: strictest\n"));
    gateway.wait_log(&["reload"]);
    eventually("the new mode", || {
        let mut connection = Connection::open(gateway.address());
        connection.send(ACCEPTABLE);
        (connection.read().status == 400).then_some(())
    });
}
