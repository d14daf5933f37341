//! Identifiers of other systems on their way to a target: kept when sound, replaced when not.

use crate::authorization::protected;
use crate::support::{Gateway, Issuer, Target, wire};

const SOUND: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn sound_identifiers_pass_and_absent_ones_are_not_invented() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let id = "a".repeat(128);
    let fields =
        [("traceparent", SOUND), ("tracestate", "vendor=1"), ("X-Request-Id", id.as_str())];
    assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &fields).status, 200);
    let received = target.next();
    assert_eq!(received.values("traceparent"), [SOUND]);
    assert_eq!(received.values("tracestate"), ["vendor=1"]);
    assert_eq!(received.values("x-request-id"), [id.as_str()]);

    assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
    let received = target.next();
    for name in ["traceparent", "tracestate", "x-request-id"] {
        assert!(received.values(name).is_empty(), "{name}");
    }
    let trace = received.values("x-amzn-trace-id").concat();
    assert!(trace.starts_with("Root=1-") && trace.len() == 40, "{trace}");
}

#[test]
fn unsound_identifiers_are_replaced_by_sound_ones() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let long = format!("{SOUND}{}", "-x".repeat(200));
    let odd = [
        SOUND.to_uppercase(),
        SOUND.replace("00-", "ff-"),
        "00-00000000000000000000000000000000-b7ad6b7169203331-01".to_owned(),
        format!("{SOUND}-more"),
        "$(reboot)".to_owned(),
        long,
    ];
    for parent in &odd {
        let fields = [("traceparent", parent.as_str()), ("tracestate", "vendor=1")];
        assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &fields).status, 200);
        let received = target.next();
        let sent = received.values("traceparent").concat();
        assert!(
            sent.starts_with("00-") && sent.ends_with("-00") && sent.len() == 55,
            "{parent}: {sent}"
        );
        assert!(received.values("tracestate").is_empty(), "{parent}");
    }
    // Two are one too many: nobody knows which the target would take.
    let fields = [("traceparent", SOUND), ("traceparent", SOUND)];
    assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &fields).status, 200);
    assert_ne!(target.next().values("traceparent"), [SOUND, SOUND]);

    let long = "a".repeat(129);
    for id in [long.as_str(), "with space", "\u{e9}"] {
        let answer = wire::request(gateway.address(), "GET", "/open/1", &[("X-Request-Id", id)]);
        assert_eq!(answer.status, 200);
        let sent = target.next().values("x-request-id").concat();
        assert!(!sent.is_empty() && sent != id && sent.len() <= 64, "{sent}");
    }
}
