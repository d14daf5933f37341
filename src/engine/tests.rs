use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::auth::{self, Patience};
use crate::config;
use crate::http::Malformed;
use crate::telemetry::metrics::Metrics;

const FILE: &str = r##"
user_pools:
  customers:
    user_pool_id: eu-west-1_AbCdEfGhI
    app_clients: [1example23456789]
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
  none: { targets: [] }
listeners:
  public:
    address: 127.0.0.1:0
    max_request_body: 1KiB
    rules:
      - name: orders
        conditions: { path_pattern: [/orders/*] }
        jwt_validation: { user_pools: [customers], scopes: [orders/read] }
        forward: orders
      - name: open
        public: true
        conditions: { path_pattern: [/open/*] }
        forward: orders
      - name: moved
        conditions: { path_pattern: [/old/*] }
        redirect: { path: "/new/#{path}", status_code: 301 }
    default_action: { fixed_response: { status_code: 404, message_body: nothing here } }
"##;

fn snapshot() -> Snapshot {
    let loaded = config::parse_portable(FILE, "routes.yaml")
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
    Snapshot::compile(loaded.config, None, &Metrics::new("test", ""))
}

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let host = [("host", "api.example.com")];
    host.iter()
        .chain(fields)
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn decide_get(target: &str, headers: &HeaderMap, content_length: Option<u64>) -> Decision {
    let request = Request {
        listener: 0,
        id: "0000000000000000",
        received: Received {
            method: "GET",
            target: target.as_bytes(),
            authority: None,
            scheme: crate::http::Scheme::Http,
        },
        headers,
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        content_length,
        is_http2: false,
        presented: None,
        is_unverified: true,
        is_counted: true,
        renewed: None,
        body: Body::Unread,
        consulted: None,
    };
    let moment = Moment {
        wall: UnixMillis(1_795_395_735_000),
        mono: crate::clock::monotonic(),
        random: 7,
        patience: Patience::MayWait,
    };
    decide(&snapshot(), &request, moment)
}

fn status(decision: &Decision) -> Option<u16> {
    match &decision.step {
        Step::Answer { answer, .. } => Some(answer.status),
        Step::Forward(_) | Step::Wait(_) | Step::ReadBody => None,
        Step::Redeem(_) | Step::Renew(_) | Step::Logout(_) => panic!("nobody signs in here"),
        Step::Consult(_) => panic!("nobody is asked here"),
    }
}

#[test]
fn a_public_rule_forwards_without_asking_who_calls() {
    let decision = decide_get("/open/1?x=1", &headers(&[]), None);
    assert_eq!(decision.reason, Reason::Public);
    assert_eq!(decision.plan().map(|plan| plan.group), Some(GroupIndex(0)));
    assert!(decision.identity.is_none() && decision.target.is_none());
}

#[test]
fn a_protected_rule_never_falls_through_to_the_next_one() {
    for fields in [
        &[][..],
        &[("authorization", "Basic eHg6eXk=")],
        &[("authorization", "Bearer a.b.c")],
        &[("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c")],
    ] {
        let decision = decide_get("/orders/1", &headers(fields), None);
        assert_eq!(decision.rule, Some(0));
        assert_eq!(status(&decision), Some(401), "{fields:?}");
        assert!(matches!(decision.reason, Reason::Auth(_)));
    }
}

#[test]
fn a_token_of_an_unknown_issuer_asks_for_no_key() {
    // {"alg":"RS256","kid":"k"}.{"iss":"https://evil.example"}
    const TOKEN: &str = "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.\
        eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.AAAA";
    let decision = decide_get("/orders/1", &headers(&[("authorization", TOKEN)]), None);
    assert_eq!(decision.reason, Reason::Auth(auth::Reason::IssuerUnknown));
    assert_eq!(status(&decision), Some(401));
}

#[test]
fn another_spelling_takes_the_same_rule_and_is_sent_in_the_canonical_one() {
    let decision = decide_get("//open/%61/./b/../c?q=%2F", &headers(&[]), None);
    assert_eq!(decision.rule, Some(1));
    assert_eq!(decision.target.as_deref(), Some("/open/a/c?q=%2F"));
    let decision = decide_get("/open/../orders/1", &headers(&[]), None);
    assert_eq!(decision.rule, Some(0));
    assert_eq!(status(&decision), Some(401));
}

#[test]
fn an_ambiguous_target_is_refused_and_the_connection_closed() {
    for target in ["/orders%2f1", "/open/%252e%252e/orders", "/open\\..\\orders", "/%zz"] {
        let decision = decide_get(target, &headers(&[]), None);
        assert_eq!(status(&decision), Some(400), "{target}");
        assert!(matches!(decision.step, Step::Answer { close: true, .. }), "{target}");
        assert_eq!(decision.rule, None);
    }
    let decision = decide_get("/open/..;/orders/1", &headers(&[]), None);
    assert!(matches!(decision.reason, Reason::Refused(Refusal::Malformed(_))));
    assert_ne!(decision.reason, Reason::Refused(Refusal::Malformed(Malformed::NoHost)));
}

#[test]
fn a_body_over_the_limit_is_refused_by_its_announced_length() {
    let decision = decide_get("/open/1", &headers(&[]), Some(1025));
    assert_eq!(status(&decision), Some(413));
    assert_eq!(decide_get("/open/1", &headers(&[]), Some(1024)).reason, Reason::Public);
}

#[test]
fn a_redirect_and_the_default_rule_answer_by_themselves() {
    let decision = decide_get("/old/a?b=c", &headers(&[]), None);
    assert_eq!(decision.reason, Reason::Redirect);
    let Step::Answer { answer, .. } = &decision.step else { panic!("{decision:?}") };
    assert_eq!(answer.status, 301);
    let location = answer.header(&::http::header::LOCATION).unwrap().to_str().unwrap();
    assert_eq!(location, "http://api.example.com:80/new/old/a?b=c");
    let decision = decide_get("/", &headers(&[]), None);
    assert_eq!((status(&decision), decision.rule), (Some(404), Some(3)));
}
