//! What is kept of a request, and what is not.

use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::take::{headers, target};
use super::*;
use crate::clock::UnixMillis;
use crate::snapshot::LookedAt;

fn looked_at() -> LookedAt {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    LookedAt {
        headers: names(&["x-track", "authorization", "x-session-id"]),
        parameters: names(&["lang", "code"]),
        any_parameter: false,
        claims: names(&["department"]),
    }
}

#[test]
fn of_a_target_values_stay_that_a_rule_looks_at_unless_they_are_secrets() {
    let kept = |text: &str| target(text.as_bytes(), &looked_at(), None);
    for (sent, wanted) in [
        ("/orders/7", "/orders/7"),
        ("/orders?", "/orders?"),
        ("/orders?lang=de&name=x", "/orders?lang=de&name=-"),
        ("/orders?LANG=de&%6cang=fr", "/orders?LANG=de&%6cang=fr"),
        ("/orders?a&b=&=c", "/orders?a&b=-&=-"),
        ("/back?code=abc&state=def&lang=de", "/back?code=-&state=-&lang=de"),
        ("/orders?lang=eyJhbGciOiJub25lIn0.e30.c2ln&x=1", "/orders?x=-"),
        ("/eyJhbGciOiJub25lIn0.e30.c2ln/x", "/-/x"),
        ("/token/%65yJhbGciOiJub25lIn0.e30.c2ln", "/token/-"),
        ("/a%20b", "/a%20b"),
    ] {
        assert_eq!(kept(sent), wanted, "{sent}");
    }
    let any = LookedAt { any_parameter: true, ..LookedAt::default() };
    assert_eq!(target(b"/?name=x&token=y", &any, None), "/?name=x&token=-");
}

#[test]
fn of_headers_all_names_stay_and_values_that_are_nobody_s_secret() {
    let mut sent = HeaderMap::new();
    for (name, value) in [
        ("accept", "text/html"),
        ("x-track", "beta"),
        ("x-tenant", "blue"),
        ("authorization", "Basic YTpi"),
        ("x-session-id", "12"),
        ("user-agent", "eyJhbGciOiJub25lIn0.e30.c2ln"),
    ] {
        sent.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let kept: Vec<_> = headers(&sent, &looked_at(), None)
        .into_iter()
        .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("")))
        .collect();
    let wanted = [
        "accept=text/html",
        "x-track=beta",
        "x-tenant=",
        "authorization=",
        "x-session-id=",
        "user-agent=",
    ];
    assert_eq!(kept, wanted);
}

proptest! {
    /// Wherever a token stands in a target, and however often it is encoded, it is not kept.
    #[test]
    fn no_token_is_kept_of_a_target(
        before in "[a-z/=&?%.]{0,12}",
        after in "[a-z/=&?%.]{0,12}",
        encoded in 0..3,
        in_path in any::<bool>(),
    ) {
        let token = (0..encoded).fold("eyJhbGciOiJub25lIn0".to_owned(), |text, _| {
            text.bytes().map(|byte| format!("%{byte:02x}")).collect()
        });
        let any = LookedAt { any_parameter: true, ..LookedAt::default() };
        let mark = if in_path { "" } else { "?" };
        let kept = target(format!("/x{mark}{before}{token}{after}").as_bytes(), &any, None);
        let mut plain = kept;
        for _ in 0..4 {
            prop_assert!(!plain.contains("eyJhbGci"), "{plain}");
            plain = percent_encoding::percent_decode_str(&plain).decode_utf8_lossy().into_owned();
        }
    }
}

#[test]
fn an_order_is_kept_within_its_bounds_and_a_recording_within_its_time() {
    let order = |seconds, requests| Order {
        seconds,
        requests,
        headers: ["X-Tenant".to_owned()].into(),
        parameters: std::collections::BTreeSet::new(),
        claims: std::collections::BTreeSet::new(),
    };
    for (seconds, requests) in [(0, 1), (LONGEST_SECONDS + 1, 1), (1, 0), (1, MOST_REQUESTS + 1)] {
        assert!(order(seconds, requests).checked().is_err(), "{seconds} {requests}");
    }
    let good = order(1, 1).checked().unwrap();
    assert!(good.headers.contains("x-tenant"));

    let recorder = Recorder::new();
    let (wall, mono) = (UnixMillis(1_000_000), crate::clock::monotonic());
    assert!(recorder.lines(mono).is_none());
    assert!(recorder.wants(wall, mono).unwrap().order.is_none());
    recorder.begin(good.clone(), &looked_at(), (wall, mono)).unwrap();
    assert_eq!(recorder.begin(good.clone(), &looked_at(), (wall, mono)), Err(BeginError::UnderWay));
    assert!(recorder.wants(wall, mono).unwrap().order.is_some());
    let later = mono + Duration::from_secs(1);
    assert!(recorder.wants(wall, later).unwrap().order.is_none());
    assert_eq!(recorder.state(later)["why"], "time");
    // Names of secrets are not said to be kept.
    assert_eq!(recorder.state(later)["headers"], serde_json::json!(["x-tenant", "x-track"]));
    recorder.begin(good, &looked_at(), (wall, later)).unwrap();
}

#[test]
fn of_a_flood_without_a_recording_only_a_sample_is_kept() {
    let recorder = Recorder::new();
    let wanted = |second: u64| {
        (0..1000)
            .filter(|_| {
                recorder.wants(UnixMillis(second * 1000), crate::clock::monotonic()).is_some()
            })
            .count()
    };
    assert_eq!((wanted(5), wanted(6)), (100, 100));
}
