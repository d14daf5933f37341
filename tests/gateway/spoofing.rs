//! Invariant: a backend can trust an owned header. It is ours, once, or absent.

use serde_json::json;

use crate::authorization::protected;
use crate::support::{Connection, Gateway, Issuer, Target, wire};

/// Spellings by which a client may try to set `x-auth-subject` and its kin.
const FORGED: [&str; 10] = [
    "x-auth-subject",
    "X-AUTH-SUBJECT",
    "x_auth_subject",
    "X-Auth_Subject",
    "x.auth.subject",
    "x--auth-subject",
    "x-auth-groups",
    "X-Amzn-Oidc-Identity",
    "x_amzn_oidc_data",
    "x-amzn-oidc-accesstoken",
];

#[test]
fn a_forged_header_never_arrives_on_a_public_rule() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    for name in FORGED {
        let answer = wire::request(gateway.address(), "GET", "/open/1", &[(name, "admin")]);
        assert_eq!(answer.status, 200, "{name}");
        let received = target.next();
        assert!(
            received.headers.iter().all(|(_, value)| value != "admin"),
            "{name} arrived: {:?}",
            received.headers
        );
    }
}

#[test]
fn a_verified_claim_takes_the_place_of_a_forged_header_and_comes_once() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let bearer = format!("Bearer {}", issuer.token());
    let fields = [
        ("Authorization", bearer.as_str()),
        ("x-auth-subject", "admin"),
        ("X-Auth-Subject", "root"),
        ("x_auth_subject", "root"),
    ];
    assert_eq!(wire::request(gateway.address(), "GET", "/orders/1", &fields).status, 200);
    let received = target.next();
    assert_eq!(received.values("x-auth-subject"), ["aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"]);
    assert!(received.values("x_auth_subject").is_empty());
}

#[test]
fn an_absent_claim_leaves_its_header_absent_whatever_the_client_sent() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let bearer = format!("Bearer {}", issuer.token_with(&json!({ "cognito:groups": null })));
    let fields = [("Authorization", bearer.as_str()), ("x-auth-groups", "admins")];
    assert_eq!(wire::request(gateway.address(), "GET", "/orders/1", &fields).status, 200);
    assert!(target.next().values("x-auth-groups").is_empty());
}

#[test]
fn our_header_cannot_be_nominated_away_by_connection() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let bearer = format!("Bearer {}", issuer.token());
    let mut connection = Connection::open(gateway.address());
    connection.send(format!(
        "GET /orders/1 HTTP/1.1\r\nHost: a.test\r\nAuthorization: {bearer}\r\n\
         Connection: x-auth-subject, x-auth-scope\r\n\r\n"
    ));
    assert_eq!(connection.read().status, 200);
    let received = target.next();
    assert_eq!(received.values("x-auth-subject").len(), 1);
    assert_eq!(received.values("x-auth-scope").len(), 1);
}

#[test]
fn what_a_target_says_in_our_name_does_not_reach_the_client() {
    let issuer = Issuer::start();
    let target = Target::answering(|_| {
        b"HTTP/1.1 200 OK\r\nX-Auth-Subject: other\r\nX-Amzn-Oidc-Data: x\r\nX-Own: y\r\n\
          Content-Length: 2\r\n\r\nok"
            .to_vec()
    });
    let gateway = Gateway::start(&protected(&issuer, &target));
    let answer = wire::get(gateway.address(), "/open/1");
    assert_eq!(answer.header("x-own"), Some("y"));
    assert_eq!((answer.header("x-auth-subject"), answer.header("x-amzn-oidc-data")), (None, None));
}

#[test]
fn a_claim_with_line_breaks_makes_neither_a_header_nor_a_log_line() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let evil = "a\r\nX-Injected: yes\u{0}\u{1b}[31m";
    let bearer = format!("Bearer {}", issuer.token_with(&json!({ "sub": evil })));
    let answer =
        wire::request(gateway.address(), "GET", "/orders/1", &[("Authorization", &bearer)]);
    assert_eq!(answer.status, 200);
    let received = target.next();
    assert!(received.values("x-injected").is_empty());
    assert_eq!(received.values("x-auth-subject"), ["a%0D%0AX-Injected: yes%00%1B[31m"]);
    gateway.wait_access_log(|lines| lines.len() == 1);
}
