use std::time::Duration;

use prometheus::IntCounter;
use serde_json::{Value, json};

use super::*;
use crate::clock::UnixMillis;
use crate::telemetry::record::{Identity, Record};
use crate::telemetry::trace::Ids;

const SAMPLED: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const ALL: (u32, u32) = (1_000_000, 100);

fn counter() -> IntCounter {
    IntCounter::new("c", "c").unwrap()
}

fn spans(trace: &Trace, record: &Record<'_>, target_status: Option<u16>) -> Vec<Value> {
    let queue = Queue::new(&counter());
    trace.end(record, target_status, &queue);
    let batch = queue.take("edge").unwrap();
    let body: Value = serde_json::from_slice(&batch.body).unwrap();
    let service = &body["resourceSpans"][0]["resource"]["attributes"][0];
    assert_eq!(service, &json!({ "key": "service.name", "value": { "stringValue": "edge" } }));
    let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans.as_array().unwrap().len() as u64, batch.spans);
    spans.as_array().unwrap().clone()
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let all = span["attributes"].as_array().unwrap();
    let found: Vec<&Value> = all.iter().filter(|one| one["key"] == key).collect();
    assert!(found.len() < 2, "{key} is there twice");
    found.first().map_or(&Value::Null, |one| {
        let value = one["value"].as_object().unwrap();
        value.values().next().unwrap()
    })
}

fn record(ids: &Ids) -> Record<'static> {
    let peer = "192.0.2.1:4711".parse().unwrap();
    let mut record = Record::new(UnixMillis(1_700_000_000_000), ids.request_id(), "web", peer);
    record.method = b"GET";
    record.host = b"shop.example:8443";
    record.path = b"/orders/\"1\"";
    record.query = Some(b"token=secret");
    record.protocol = "HTTP/1.1";
    record.rule = "orders";
    record.reason = "forwarded";
    record.status = 200;
    record.timings.total = Duration::from_millis(20);
    record
}

#[test]
fn a_parent_is_read_only_when_it_is_sound() {
    let parent = Parent::read(SAMPLED).unwrap();
    assert!(
        parent.is_sampled && parent.trace.starts_with(b"0af7") && parent.span.ends_with(b"331")
    );
    let unsampled = [&SAMPLED[..53], b"fe"].concat();
    assert!(!Parent::read(&unsampled).unwrap().is_sampled);
    for odd in [&SAMPLED[1..], b"", &SAMPLED.to_ascii_uppercase(), &[SAMPLED, b"-x"].concat()] {
        assert_eq!(Parent::read(odd), None);
    }
}

#[test]
fn a_client_decides_by_its_flag_within_a_budget_of_its_own() {
    let (ids, limited) = (Ids::random(), counter());
    let sampler = Sampler::new(&limited);
    let parent = Parent::read(SAMPLED).unwrap();
    let now = UnixMillis(5_000);
    let unsampled = Some(Parent { is_sampled: false, ..parent });
    assert!(sampler.sample(unsampled, ALL, &ids, now).is_none());
    let traced = |parent, limits, now| {
        (0..1000).filter(|_| sampler.sample(parent, limits, &ids, now).is_some()).count()
    };
    assert_eq!(traced(Some(parent), (0, 100), now), 100);
    assert_eq!(limited.get(), 900);
    // Ours has its own, in the same second.
    assert_eq!(traced(None, ALL, now), 100);
    assert_eq!(traced(Some(parent), ALL, UnixMillis(6_000)), 100);
    assert_eq!(traced(None, (0, 100), UnixMillis(7_000)), 0);
    let some = traced(None, (100_000, 10_000), UnixMillis(8_000));
    assert!((40..250).contains(&some), "{some}");
}

#[test]
fn spans_hang_together_and_say_what_the_conventions_ask_for() {
    let ids = Ids::random();
    let sampler = Sampler::new(&counter());
    let mut trace = sampler.sample(Parent::read(SAMPLED), ALL, &ids, UnixMillis(1)).unwrap();
    trace.tries("10.0.0.1:80".parse().unwrap(), Duration::from_millis(1), &ids);
    trace.failed("target_unreachable", Duration::from_millis(3));
    trace.tries("[2001:db8::1]:81".parse().unwrap(), Duration::from_millis(4), &ids);
    let parent = String::from_utf8(trace.traceparent().to_vec()).unwrap();
    let mut record = record(&ids);
    record.identity = Some(Identity { user_pool: "people", client_id: "c", subject: "d1gest" });
    let spans = spans(&trace, &record, Some(200));

    let [first, second, server] = &spans[..] else { panic!("{spans:?}") };
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    assert!(spans.iter().all(|span| span["traceId"] == trace_id));
    assert_eq!(server["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(
        (&first["parentSpanId"], &second["parentSpanId"]),
        (&server["spanId"], &server["spanId"])
    );
    assert_eq!(parent, format!("00-{trace_id}-{}-01", second["spanId"].as_str().unwrap()));
    assert_eq!((&server["name"], &server["kind"]), (&json!("GET orders"), &json!(2)));
    assert_eq!((&first["kind"], &first["status"]), (&json!(3), &json!({ "code": 2 })));
    assert_eq!(first["endTimeUnixNano"], "1700000000003000000");
    assert_eq!(second["endTimeUnixNano"], "1700000000020000000");
    assert_eq!(attribute(first, "error.type"), "target_unreachable");
    assert_eq!(attribute(first, "http.response.status_code"), &Value::Null);
    assert_eq!(attribute(second, "http.request.resend_count"), "1");
    assert_eq!(attribute(second, "server.address"), "2001:db8::1");
    assert_eq!(server["status"], Value::Null);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/orders/\"1\""),
        ("server.address", "shop.example"),
        ("server.port", "8443"),
        ("client.address", "192.0.2.1"),
        ("http.response.status_code", "200"),
        ("http.route", "orders"),
        ("network.protocol.version", "1.1"),
        ("user.hash", "d1gest"),
    ] {
        assert_eq!(attribute(server, key), value, "{key}");
    }
    assert!(!format!("{spans:?}").contains("secret"));
}

#[test]
fn an_error_has_a_type_and_an_odd_method_no_name() {
    let ids = Ids::random();
    let trace = Sampler::new(&counter()).sample(None, ALL, &ids, UnixMillis(1)).unwrap();
    let mut record = record(&ids);
    (record.status, record.reason, record.method) = (503, "no_target", b"BREW");
    record.route = "ANY /pots/{pot}";
    let spans = spans(&trace, &record, None);
    let [server] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(server["name"], "HTTP /pots/{pot}");
    assert_eq!(server["parentSpanId"], Value::Null);
    assert_eq!(attribute(server, "error.type"), "no_target");
    assert_eq!(attribute(server, "http.request.method"), "_OTHER");
    assert_eq!(attribute(server, "http.request.method_original"), "BREW");
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (ids, dropped) = (Ids::random(), counter());
    let queue = Queue::new(&dropped);
    let trace = Sampler::new(&counter()).sample(None, ALL, &ids, UnixMillis(1)).unwrap();
    for _ in 0..5000 {
        trace.end(&record(&ids), None, &queue);
    }
    assert_eq!(dropped.get(), 5000 - 4096);
    assert_eq!(queue.take("edge").unwrap().spans, 512);
    queue.clear();
    assert_eq!(dropped.get(), 5000 - 512);
    assert!(queue.take("edge").is_none());
}
