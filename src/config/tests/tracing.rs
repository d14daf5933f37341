//! `tracing:`: what it means, and every mistake in its place.

use super::{bad, good};

const GOOD: &str = "\
tracing: { otlp_endpoint: 'http://collector:4318/otlp/', sample: 0.5%, max_traces_per_second: 7, service_name: edge }
listeners: { public: { address: 127.0.0.1:0 } }
";

#[test]
fn where_spans_go_and_of_which_requests() {
    let tracing = good(GOOD).config.tracing.unwrap();
    assert_eq!(&*tracing.endpoint, "http://collector:4318/otlp/v1/traces");
    assert_eq!((tracing.sample, tracing.max_per_second), (5_000, 7));
    assert_eq!(&*tracing.service_name, "edge");

    let least = "tracing: { otlp_endpoint: 'https://a.example' }\nlisteners: { p: { address: 127.0.0.1:0 } }\n";
    let tracing = good(least).config.tracing.unwrap();
    assert_eq!(&*tracing.endpoint, "https://a.example/v1/traces");
    assert_eq!((tracing.sample, tracing.max_per_second), (100_000, 100));
    assert_eq!(&*tracing.service_name, "portcullis");
    assert!(good("listeners: { p: { address: 127.0.0.1:0 } }\n").config.tracing.is_none());
}

#[test]
fn mistakes_of_tracing() {
    for (right, wrong, code) in [
        ("otlp_endpoint: 'http://collector:4318/otlp/', ", "", "missing-key"),
        ("http://collector:4318/otlp/", "collector:4318", "invalid-url"),
        ("http://collector:4318/otlp/", "grpc://collector:4317", "invalid-url"),
        ("http://collector:4318/otlp/", "http://user:pw@collector:4318", "invalid-url"),
        ("http://collector:4318/otlp/", "http://collector:4318/v1/traces", "invalid-url"),
        ("http://collector:4318/otlp/", "http://collector:4318/?key=1", "invalid-url"),
        ("sample: 0.5%", "sample: 0.5", "invalid-percentage"),
        ("sample: 0.5%", "sample: 101%", "invalid-percentage"),
        ("second: 7", "second: 0", "out-of-range"),
        ("second: 7", "second: 10001", "out-of-range"),
        ("service_name: edge", "service_name: ''", "invalid-name"),
        ("service_name: edge", "service: edge", "unknown-key"),
    ] {
        let text = GOOD.replacen(right, wrong, 1);
        assert_ne!(text, GOOD, "{right}");
        let codes: Vec<&str> = bad(&text).findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [code], "{text}");
    }
}
