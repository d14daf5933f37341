//! `response_headers:` of a listener.

use super::{bad, good, places};
use crate::config::model::{AddedHeader, ResponseHeaders, ServerHeader};

/// A listener with these keys on line 3.
fn file(keys: &str) -> String {
    format!("listeners:\n  a: {{ address: '127.0.0.1:80',\nresponse_headers: {{ {keys} }} }}\n")
}

fn headers(keys: &str) -> ResponseHeaders {
    good(&file(keys)).config.listeners.remove(0).response_headers
}

#[test]
fn without_a_word_ours_say_portcullis_and_nothing_is_added() {
    assert_eq!(headers(""), ResponseHeaders::default());
    let plain = good("listeners:\n  a: { address: '127.0.0.1:80' }\n");
    assert_eq!(plain.config.listeners[0].response_headers, ResponseHeaders::default());
}

#[test]
fn every_key_is_its_header_in_a_fixed_order_and_an_empty_value_is_off() {
    for header in AddedHeader::ALL {
        let added = headers(&format!("{}: xyz", header.key())).added;
        assert_eq!(added, [(header, "xyz".to_owned())]);
        assert_eq!(headers(&format!("{}: ''", header.key())).added, []);
    }
    let added = headers("x_frame_options: DENY, strict_transport_security: max-age=1").added;
    let order: Vec<_> = added.iter().map(|(header, _)| *header).collect();
    assert_eq!(order, [AddedHeader::StrictTransportSecurity, AddedHeader::FrameOptions]);
    // A number is text here, as for AWS.
    assert_eq!(headers("access_control_max_age: 600").added[0].1, "600");
}

#[test]
fn server_is_a_switch_or_says_more() {
    let server = |text: &str| headers(&format!("server: {text}")).server;
    let header = |value: Option<&str>, remove_from_targets| ServerHeader {
        value: value.map(str::to_owned),
        remove_from_targets,
    };
    assert_eq!(server("true"), header(Some("portcullis"), false));
    assert_eq!(server("false"), header(None, false));
    assert_eq!(server("{ value: awselb/2.0 }"), header(Some("awselb/2.0"), false));
    assert_eq!(server("{ enabled: false, remove_from_targets: true }"), header(None, true));
}

#[test]
fn what_alb_refuses_is_refused() {
    let long = format!("content_security_policy: {}", "x".repeat(1025));
    for (keys, code) in [
        (r#"content_security_policy: "a \"quoted\" word""#, "invalid-value"),
        ("content_security_policy: a $ b", "invalid-value"),
        (r#"content_security_policy: "a\r\nset-cookie: b""#, "invalid-value"),
        (r#"content_security_policy: "a\tb""#, "invalid-value"),
        ("content_security_policy: é", "invalid-value"),
        ("content_security_policy: ' a'", "invalid-value"),
        (long.as_str(), "invalid-value"),
        ("access_control_allow_credentials: true", "wrong-type"),
        ("server: awselb/2.0", "wrong-type"),
        ("server: { enabled: false, value: x }", "contradiction"),
        ("server: { value: '' }", "invalid-value"),
        (r#"server: { value: "a\x7f" }"#, "invalid-value"),
        ("x_frame_option: DENY", "unknown-key"),
        ("location: /x", "unknown-key"),
    ] {
        let report = bad(&file(keys));
        let found: Vec<_> =
            places(&report.findings).iter().map(|(code, line, _)| (*code, *line)).collect();
        assert_eq!(found, [(code, 3)], "{keys}\n{report}");
    }
}

#[test]
fn values_that_browsers_ignore_are_told() {
    for (keys, count) in [
        ("x_content_type_options: sniff", 1),
        ("x_frame_options: ALLOWALL", 1),
        ("access_control_max_age: 10m", 1),
        ("strict_transport_security: includeSubDomains", 1),
        ("access_control_allow_origin: 'https://a.test, https://b.test'", 1),
        ("access_control_allow_credentials: 'yes'", 1),
        ("access_control_allow_credentials: 'true', access_control_allow_origin: '*'", 1),
        (
            "access_control_allow_credentials: 'true', access_control_allow_origin: 'https://a.test'",
            0,
        ),
        ("x_frame_options: sameorigin, x_content_type_options: nosniff", 0),
        ("access_control_max_age: '-1'", 0),
    ] {
        let warnings = good(&file(keys)).warnings;
        let idle: Vec<_> =
            warnings.iter().filter(|finding| finding.code == "idle-header").collect();
        assert_eq!(idle.len(), count, "{keys}: {idle:?}");
    }
}
