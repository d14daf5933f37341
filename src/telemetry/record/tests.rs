use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::telemetry::json::LONGEST;
use crate::telemetry::trace::Ids;

fn typical() -> Record<'static> {
    Record {
        trace_id: b"69215e40c0ffee00c0ffee00c0ffee00",
        rule: "orders-api",
        method: b"GET",
        host: b"api.example.com",
        path: b"/orders/4711",
        protocol: "HTTP/1.1",
        status: 200,
        reason: "allowed",
        action: "forward",
        identity: Some(Identity {
            user_pool: "customers",
            client_id: "1example23456789",
            subject: "b70294960242986a",
        }),
        target_group: "orders",
        target: Some("10.0.1.10:8080".parse().unwrap()),
        attempts: 1,
        timings: Timings {
            authorize: Some(Duration::from_micros(12)),
            first_byte: Some(Duration::from_micros(1834)),
            total: Duration::from_micros(1905),
            ..Timings::default()
        },
        bytes_out: 1234,
        user_agent: b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ..Record::new(
            UnixMillis(1_795_395_735_007),
            Ids::keyed([1, 2]).request_id(),
            "public",
            "192.0.2.7:51234".parse().unwrap(),
        )
    }
}

fn line(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    record.write_json(&mut out);
    String::from_utf8(out).unwrap()
}

fn parsed(record: &Record<'_>) -> Value {
    serde_json::from_str(&line(record)).unwrap()
}

#[test]
fn a_typical_line_says_everything_once() {
    let mut record = typical();
    record.tls = Some(Tls { version: "TLSv1.3", cipher: "TLS13_AES_128_GCM_SHA256" });
    insta::assert_snapshot!(line(&record).trim_end().replace(",\"", ",\n\""), @r#"
    {"ts":"2026-11-23T01:02:15.007Z",
    "level":"info",
    "msg":"request",
    "request_id":"dbd238973a2b148a",
    "trace_id":"69215e40c0ffee00c0ffee00c0ffee00",
    "listener":"public",
    "rule":"orders-api",
    "client_ip":"192.0.2.7",
    "peer_port":51234,
    "method":"GET",
    "host":"api.example.com",
    "path":"/orders/4711",
    "proto":"HTTP/1.1",
    "status":200,
    "action":"forward",
    "reason":"allowed",
    "user_pool":"customers",
    "client_id":"1example23456789",
    "subject":"b70294960242986a",
    "target_group":"orders",
    "target":"10.0.1.10:8080",
    "attempts":1,
    "t_authorize_ms":0.012,
    "t_first_byte_ms":1.834,
    "t_total_ms":1.905,
    "bytes_in":0,
    "bytes_out":1234,
    "ua":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "tls":"TLSv1.3",
    "tls_cipher":"TLS13_AES_128_GCM_SHA256"}
    "#);
}

#[test]
fn a_client_behind_a_proxy_is_told_beside_the_peer() {
    let told = |client: &str, port| {
        parsed(&Record { client: client.parse().unwrap(), client_port: port, ..typical() })
    };
    let direct = told("192.0.2.7", Some(51234));
    assert_eq!((&direct["client_ip"], &direct["peer_port"]), (&"192.0.2.7".into(), &51234.into()));
    assert!(direct.get("peer_ip").is_none() && direct.get("client_port").is_none());
    let behind = told("2001:db8::1", Some(443));
    assert_eq!(
        (&behind["client_ip"], &behind["client_port"]),
        (&"2001:db8::1".into(), &443.into())
    );
    assert_eq!((&behind["peer_ip"], &behind["peer_port"]), (&"192.0.2.7".into(), &51234.into()));
    let unknown = told("2001:db8::1", None);
    assert!(unknown.get("client_port").is_none() && unknown["peer_ip"] == "192.0.2.7");
}

#[test]
fn what_is_unknown_is_left_out() {
    let record = Record::new(
        UnixMillis(0),
        Ids::keyed([1, 2]).request_id(),
        "public",
        "[2001:db8::7]:1".parse().unwrap(),
    );
    let keys: Vec<String> =
        parsed(&record).as_object().unwrap().keys().map(ToString::to_string).collect();
    assert_eq!(
        keys,
        [
            "ts",
            "level",
            "msg",
            "request_id",
            "listener",
            "client_ip",
            "peer_port",
            "status",
            "t_total_ms",
            "bytes_in",
            "bytes_out"
        ]
    );
}

#[test]
fn no_token_survives_in_any_field_that_a_client_fills() {
    let token = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln";
    let record = Record {
        method: token,
        host: token,
        path: token,
        query: Some(token),
        user_agent: token,
        trace_id: token,
        ..typical()
    };
    assert!(!line(&record).contains("eyJ"), "{}", line(&record));
}

#[test]
fn every_client_string_is_cut() {
    let long = vec![b'\x01'; 64 * 1024];
    let record = Record {
        method: &long,
        host: &long,
        path: &long,
        query: Some(&long),
        user_agent: &long,
        ..typical()
    };
    assert!(line(&record).len() < 5 * 6 * LONGEST + 2048);
}

proptest! {
    #[test]
    fn any_bytes_make_one_line_of_json(
        method in proptest::collection::vec(any::<u8>(), 0..40),
        host in proptest::collection::vec(any::<u8>(), 0..400),
        path in proptest::collection::vec(any::<u8>(), 0..5000),
        query in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        agent in ".*",
        names in ".*",
        status in any::<u16>(),
        micros in any::<u64>(),
        start in 0..253_402_300_800_000_u64,
    ) {
        let record = Record {
            start: UnixMillis(start),
            method: &method,
            host: &host,
            path: &path,
            query: query.as_deref(),
            user_agent: agent.as_bytes(),
            rule: &names,
            listener: &names,
            target_group: &names,
            status,
            timings: Timings { total: Duration::from_micros(micros), ..Timings::default() },
            ..typical()
        };
        let line = line(&record);
        let value: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&value["status"], &Value::from(status));
        let body = line.strip_suffix('\n').unwrap();
        prop_assert!(!body.contains(|c: char| c.is_control()));
    }

    #[test]
    fn valid_text_without_tokens_is_read_back_unchanged(path in "[^J]{0,500}") {
        let record = Record { path: path.as_bytes(), ..typical() };
        let expected = if path.is_empty() { Value::Null } else { Value::from(path.as_str()) };
        prop_assert_eq!(parsed(&record).get("path").cloned().unwrap_or(Value::Null), expected);
    }
}
