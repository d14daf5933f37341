//! Spans of requests at a collector: what they say, what hangs on what, and what it costs when
//! there is no collector.

use serde_json::Value;

use crate::authorization::protected;
use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn traced(issuer: &Issuer, target: &Target, collector: &str, more: &str) -> String {
    let yaml = protected(issuer, target);
    format!("{yaml}tracing: {{ otlp_endpoint: 'http://{collector}', {more} }}\n")
}

fn collector() -> Target {
    Target::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec())
}

/// Spans of the next `count` or more that arrive.
fn spans(collector: &Target, count: usize) -> Vec<Value> {
    let mut spans = Vec::new();
    while spans.len() < count {
        let received = collector.next();
        assert_eq!(received.request_line, "POST /v1/traces HTTP/1.1");
        assert_eq!(received.values("content-type"), ["application/json"]);
        let body: Value = serde_json::from_slice(&received.body).expect("JSON");
        let more = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        spans.extend(more.as_array().expect("spans").iter().cloned());
    }
    spans
}

fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let all = span["attributes"].as_array()?;
    let value = all.iter().find(|one| one["key"] == key)?["value"].as_object()?;
    value.values().next()?.as_str()
}

fn of_kind(spans: &[Value], kind: u64) -> Vec<&Value> {
    spans.iter().filter(|span| span["kind"] == kind).collect()
}

#[test]
fn a_trace_of_a_client_goes_on_through_the_gateway_to_the_target() {
    let (issuer, target, collector) = (Issuer::start(), Target::start(), collector());
    let at = collector.address().to_string();
    let gateway = Gateway::start(&traced(&issuer, &target, &at, "sample: 0%"));
    let bearer = format!("Bearer {}", issuer.token());
    let fields =
        [("Authorization", bearer.as_str()), ("traceparent", SAMPLED), ("tracestate", "vendor=1")];
    let answer = wire::request(gateway.address(), "GET", "/orders/1?token=hidden", &fields);
    assert_eq!(answer.status, 200);

    let spans = spans(&collector, 2);
    let (server, client) = (of_kind(&spans, 2)[0], of_kind(&spans, 3)[0]);
    assert!(spans.iter().all(|span| span["traceId"] == "0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(server["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(client["parentSpanId"], server["spanId"]);
    let received = target.next();
    let parent =
        format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", client["spanId"].as_str().unwrap());
    assert_eq!(received.values("traceparent"), [parent]);
    assert_eq!(received.values("tracestate"), ["vendor=1"]);

    assert_eq!(server["name"], "GET orders");
    assert_eq!(attribute(server, "url.path"), Some("/orders/1"));
    assert_eq!(attribute(server, "http.response.status_code"), Some("200"));
    assert_eq!(attribute(server, "client.address"), Some("127.0.0.1"));
    let port = target.address().port().to_string();
    assert_eq!(attribute(client, "server.port"), Some(port.as_str()));
    let log = gateway.wait_access_log(|lines| !lines.is_empty()).remove(0);
    assert_eq!(attribute(server, "portcullis.request_id"), log["request_id"].as_str());
    assert_eq!(log["otel_trace_id"], server["traceId"]);
    assert_eq!(attribute(server, "user.hash"), log["subject"].as_str());
    let text = format!("{spans:?}");
    assert!(!text.contains("hidden") && !text.contains("aaaaaaaa-bbbb"), "{text}");
}

#[test]
fn a_refusal_is_traced_and_who_was_not_chosen_is_told_to_the_target_only() {
    let (issuer, target, collector) = (Issuer::start(), Target::start(), collector());
    let at = collector.address().to_string();
    let gateway = Gateway::start(&traced(&issuer, &target, &at, "sample: 100%"));
    assert_eq!(wire::get(gateway.address(), "/orders/1").status, 401);
    let spans = spans(&collector, 1);
    let [server] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(attribute(server, "portcullis.reason"), Some("token_missing"));
    assert_eq!(server["status"], Value::Null, "a client's mistake is not the server's error");
    assert!(server.get("parentSpanId").is_none());

    // A client that does not trace decides for us too, and its word passes as it is.
    let unsampled = SAMPLED.replace("-01", "-00");
    let fields = [("traceparent", unsampled.as_str())];
    assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &fields).status, 200);
    assert_eq!(target.next().values("traceparent"), [unsampled]);

    gateway.write(&traced(&issuer, &target, &at, "sample: 0%"));
    eventually("the new file", || {
        (gateway.metric("portcullis_config_generation") == Some(2.0)).then_some(())
    });
    assert_eq!(
        wire::request(gateway.address(), "GET", "/open/1", &[("tracestate", "a=1")]).status,
        200
    );
    let received = target.next();
    let parent = received.values("traceparent").concat();
    assert!(parent.len() == 55 && parent.ends_with("-00"), "{parent}");
    assert!(received.values("tracestate").is_empty(), "a state without its parent");
    assert!(collector.taken().is_empty());
}

#[test]
fn a_client_that_marks_every_request_gets_a_budget_and_no_more() {
    let (issuer, target, collector) = (Issuer::start(), Target::start(), collector());
    let at = collector.address().to_string();
    let yaml = traced(&issuer, &target, &at, "sample: 0%, max_traces_per_second: 1");
    let gateway = Gateway::start(&yaml);
    let fields = [("traceparent", SAMPLED)];
    for _ in 0..50 {
        assert_eq!(wire::request(gateway.address(), "GET", "/none", &fields).status, 404);
    }
    let limited = gateway.metric("portcullis_traces_limited_total");
    // However long fifty requests take, there is one of each second.
    assert!(limited.is_some_and(|limited| (25.0..50.0).contains(&limited)), "{limited:?}");
}

#[test]
fn a_dead_collector_holds_up_nothing_and_its_spans_are_counted() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let at = format!("127.0.0.1:{}", Issuer::free_port());
    let mut gateway = Gateway::start(&traced(&issuer, &target, &at, "sample: 100%"));
    for _ in 0..20 {
        assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
    }
    eventually("dropped spans", || {
        gateway.metric("portcullis_trace_spans_dropped_total").filter(|dropped| *dropped >= 2.0)
    });
    assert_eq!(gateway.metric("portcullis_trace_spans_exported_total"), Some(0.0));
    let told = |line: &&String| line.contains("the trace collector takes no spans");
    assert!(gateway.log().iter().filter(told).count() <= 1, "one line, however many batches");
}

#[test]
fn the_last_spans_are_sent_before_the_process_ends() {
    let (issuer, target, collector) = (Issuer::start(), Target::start(), collector());
    let at = collector.address().to_string();
    let mut gateway = Start::with(&traced(&issuer, &target, &at, "sample: 100%")).run();
    assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
    gateway.signal("TERM");
    assert!(gateway.wait_exit().success());
    // The process is gone: what it has sent is all there will be.
    assert_eq!(spans(&collector, 2).len(), 2);
}
