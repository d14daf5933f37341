//! `trusted_proxies`, `proxy_protocol` and what becomes of a request's headers.

use super::{bad, good, places};
use crate::config::diagnostics::Severity;
use crate::config::model::{Listener, ProxyProtocol};
use crate::http::forwarded::ForwardedFor;

/// A listener with these keys on line 3, on `address`.
fn file_on(address: &str, keys: &str) -> String {
    format!(
        "listeners:\n  a: {{ address: '{address}', default_action: {{ fixed_response: {{ status_code: 200 }} }},\n{keys} }}\n"
    )
}

fn file(keys: &str) -> String {
    file_on("127.0.0.1:80", keys)
}

/// The listener, from a file that is right on a listener with TLS.
fn listener(keys: &str) -> Listener {
    let tls = "tls: { certificates: [{ certificate: a, private_key: b }] }";
    let keys = if keys.is_empty() { tls.to_owned() } else { format!("{keys}, {tls}") };
    good(&file(&keys)).config.listeners.remove(0)
}

fn refused(keys: &str, code: &str) {
    let report = bad(&file(keys));
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let found: Vec<_> = errors.map(|finding| (finding.code, finding.span.line)).collect();
    assert_eq!(found, [(code, 3)], "{keys}\n{report}");
}

#[test]
fn without_a_word_nothing_is_believed_and_the_peer_is_appended() {
    let plain = listener("");
    assert!(plain.trusted_proxies.is_empty() && plain.proxy_protocol.is_none());
    let headers = plain.request_headers;
    assert_eq!(headers.forwarded_for, ForwardedFor::Append { client_port: false });
    assert!(!headers.preserve_host && !headers.drop_invalid && headers.tls.is_none());
}

#[test]
fn every_key_means_what_it_says() {
    let told = listener(
        "trusted_proxies: [10.0.0.0/8, '::1'], proxy_protocol: v2, preserve_host_header: true, \
         drop_invalid_header_fields: true, tls_headers: { cipher_suite: X-Suite }, \
         x_forwarded_for: { client_port: true }",
    );
    let networks: Vec<_> =
        told.trusted_proxies.networks().iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(told.proxy_protocol, Some(ProxyProtocol::V2));
    let headers = told.request_headers;
    assert_eq!(headers.forwarded_for, ForwardedFor::Append { client_port: true });
    assert!(headers.preserve_host && headers.drop_invalid);
    let tls = headers.tls.unwrap();
    assert_eq!((&*tls.version, &*tls.cipher_suite), ("x-amzn-tls-version", "x-suite"));

    for (keys, policy) in [
        ("x_forwarded_for: append", ForwardedFor::Append { client_port: false }),
        ("x_forwarded_for: preserve", ForwardedFor::Preserve),
        ("x_forwarded_for: { mode: remove, client_port: false }", ForwardedFor::Remove),
    ] {
        assert_eq!(listener(keys).request_headers.forwarded_for, policy, "{keys}");
    }
    assert!(listener("tls_headers: true").request_headers.tls.is_some());
    assert!(listener("tls_headers: false").request_headers.tls.is_none());
}

#[test]
fn names_of_tls_headers_are_ours_on_every_listener() {
    let tls = "tls: { certificates: [{ certificate: a, private_key: b }] }";
    let text = file(&format!("tls_headers: {{ version: X-Tls }}, {tls}"));
    let owned = good(&text).config.owned_headers;
    assert!(owned.iter().any(|name| name == "x-tls"), "{owned:?}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (keys, code) in [
        ("trusted_proxies: []", "empty-list"),
        ("trusted_proxies: [10.0.0.1/8]", "invalid-network"),
        ("trusted_proxies: [a.test]", "invalid-network"),
        ("trusted_proxies: 10.0.0.0/8", "wrong-type"),
        ("proxy_protocol: v3", "unknown-value"),
        ("proxy_protocol: true", "wrong-type"),
        ("x_forwarded_for: replace", "unknown-value"),
        ("x_forwarded_for: { mode: replace }", "unknown-value"),
        ("x_forwarded_for: { mode: preserve, client_port: true }", "contradiction"),
        ("x_forwarded_for: { mode: remove, client_port: true }", "contradiction"),
        ("x_forwarded_for: { port: true }", "unknown-key"),
        ("x_forwarded_for: true", "wrong-type"),
        ("preserve_host_header: 1", "wrong-type"),
        ("tls_headers: true", "contradiction"),
        ("tls_headers: {}", "contradiction"),
        ("tls_headers: x-tls", "wrong-type"),
    ] {
        refused(keys, code);
    }
    let tls = "tls: { certificates: [{ certificate: a, private_key: b }] }";
    for (keys, code) in [
        ("{ version: host }", "invalid-header-name"),
        ("{ version: 'a b' }", "invalid-header-name"),
        ("{ version: x_tls }", "invalid-header-name"),
        ("{ version: x-auth-subject }", "duplicate-value"),
        ("{ version: x-tls, cipher_suite: X-Tls }", "duplicate-value"),
        ("{ version: x-amzn-tls-cipher-suite }", "invalid-header-name"),
    ] {
        refused(&format!("tls_headers: {keys}, {tls}"), code);
    }
    let networks = vec!["10.0.0.0/8"; 101].join(", ");
    refused(&format!("trusted_proxies: [{networks}]"), "out-of-range");
}

#[test]
fn whoever_may_say_anything_is_warned_of() {
    let warned = |text: &str| places(&good(text).warnings);
    assert_eq!(warned(&file("proxy_protocol: any")), []);
    let open = "0.0.0.0:80";
    assert_eq!(
        warned(&file_on(open, "proxy_protocol: any")),
        [("proxy-protocol-from-anybody", 3, 1)]
    );
    assert_eq!(warned(&file_on(open, "proxy_protocol: any, trusted_proxies: [10.0.0.0/8]")), []);
    assert_eq!(warned(&file("trusted_proxies: ['::/0']")), [("trusts-everybody", 3, 19)]);
}
