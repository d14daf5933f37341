use ::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};

use super::*;
use crate::http::Malformed;

const PLAIN: Caller = Caller { is_head: false, is_grpc: false };
const HEAD: Caller = Caller { is_head: true, is_grpc: false };
const GRPC: Caller = Caller { is_head: false, is_grpc: true };

fn text<'a>(answer: &'a Answer, name: &HeaderName) -> Option<&'a str> {
    answer.header(name).map(|value| value.to_str().unwrap())
}

fn length(answer: &Answer) -> usize {
    text(answer, &CONTENT_LENGTH).unwrap().parse().unwrap()
}

/// alb.md 14.2 and conformance 102: lengths that were captured or computed there.
#[test]
fn pages_are_alb_s_byte_for_byte() {
    for (status, title, bytes) in [
        (503, "503 Service Temporarily Unavailable", 162),
        (502, "502 Bad Gateway", 122),
        (301, "301 Moved Permanently", 134),
        (302, "302 Found", 110),
        (401, "401 Authorization Required", 144),
        (504, "504 Gateway Time-out", 132),
        (561, "561 Authentication Error", 140),
    ] {
        let page = error_page(status);
        assert_eq!(page.len(), bytes, "{status}");
        let expected = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1>\
             </center>\r\n</body>\r\n</html>\r\n"
        );
        assert_eq!(page, expected);
    }
    assert_eq!(reason_phrase(405), "Not Allowed");
    assert_eq!(reason_phrase(414), "Request-URI Too Large");
    assert_eq!(reason_phrase(418), "I'm a teapot");
    assert!(error_page(599).starts_with(b"<html>\r\n<head><title>599</title>"));
}

#[test]
fn every_status_of_the_closed_lists_has_a_page_of_its_own() {
    let malformed = Malformed::ALL.into_iter().map(Refusal::Malformed);
    for refusal in malformed.chain(Refusal::ALL_BUT_MALFORMED) {
        let answer = refuse(refusal, PLAIN);
        assert_eq!(answer.status, refusal.status());
        assert!(!answer.reason_phrase().is_empty(), "{refusal}");
        assert_eq!(length(&answer), answer.body.len());
        assert_eq!(text(&answer, &SERVER), Some("portcullis"));
    }
}

#[test]
fn every_label_is_used_once() {
    let malformed = Malformed::ALL.into_iter().map(Refusal::Malformed);
    let all: Vec<_> = malformed.chain(Refusal::ALL_BUT_MALFORMED).collect();
    let labels: std::collections::HashSet<_> = all.iter().map(|refusal| refusal.as_str()).collect();
    assert_eq!(labels.len(), all.len());
}

#[test]
fn head_has_the_length_of_get_and_no_body() {
    let (get, head) = (refuse(Refusal::NoTarget, PLAIN), refuse(Refusal::NoTarget, HEAD));
    assert_eq!(get.headers, head.headers);
    assert_eq!((get.body.len(), head.body.len()), (162, 0));
    assert!(challenge(Challenge::NoToken, HEAD).body.is_empty());
    let fixed = FixedResponse {
        status_code: 404,
        content_type: "application/json".to_owned(),
        message_body: "{}".to_owned(),
    };
    let answer = Answer::fixed(&fixed).for_caller(HEAD);
    assert_eq!((length(&answer), answer.body.len()), (2, 0));
}

#[test]
fn a_fixed_response_says_what_is_configured() {
    let mut fixed = FixedResponse {
        status_code: 404,
        content_type: "application/json".to_owned(),
        message_body: "{\"a\":1}".to_owned(),
    };
    let answer = Answer::fixed(&fixed);
    assert_eq!((answer.status, &answer.body[..]), (404, &b"{\"a\":1}"[..]));
    assert_eq!(text(&answer, &CONTENT_TYPE), Some("application/json"));
    fixed.status_code = 204;
    let answer = Answer::fixed(&fixed);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header(&CONTENT_LENGTH), None);
}

#[test]
fn a_redirect_has_its_location_and_alb_s_page() {
    let answer = Answer::redirect(301, "https://a.example:443/x");
    assert_eq!(answer.status, 301);
    assert_eq!(text(&answer, &LOCATION), Some("https://a.example:443/x"));
    assert_eq!(answer.body.len(), 134);
    assert_eq!(Answer::redirect(301, "https://a\r\nb").status, 500);
}

/// RFC 6750 and attack A25: codes of the RFC, no detail of the token.
#[test]
fn challenges_are_those_of_rfc_6750() {
    let scopes = ["orders/read".to_owned(), "orders/write".to_owned()];
    for (refused, status, header) in [
        (Challenge::NoToken, 401, "Bearer"),
        (
            Challenge::InvalidToken,
            401,
            r#"Bearer error="invalid_token", error_description="The token is not valid""#,
        ),
        (
            Challenge::ExpiredToken,
            401,
            r#"Bearer error="invalid_token", error_description="The token has expired""#,
        ),
        (
            Challenge::InsufficientScope(&scopes),
            403,
            r#"Bearer error="insufficient_scope", scope="orders/read orders/write""#,
        ),
        (Challenge::InsufficientScope(&[]), 403, r#"Bearer error="insufficient_scope""#),
    ] {
        let answer = challenge(refused, PLAIN);
        assert_eq!(answer.status, status);
        assert_eq!(text(&answer, &WWW_AUTHENTICATE), Some(header));
        assert_eq!(text(&answer, &CACHE_CONTROL), Some("no-store"));
        assert_eq!(answer.body, error_page(status));
    }
}

#[test]
fn scopes_are_quoted_and_none_can_end_the_quotes() {
    let odd = ["a\"b\\c", "d e", "\r\nx: y", "é", "", "ok"].map(str::to_owned);
    let answer = challenge(Challenge::InsufficientScope(&odd), PLAIN);
    assert_eq!(
        text(&answer, &WWW_AUTHENTICATE),
        Some(r#"Bearer error="insufficient_scope", scope="a\"b\\c ok""#)
    );
}

#[test]
fn missing_keys_are_our_fault_and_for_later() {
    let answer = challenge(Challenge::KeysUnavailable { retry_after: 7 }, PLAIN);
    assert_eq!(answer.status, 503);
    assert_eq!(text(&answer, &RETRY_AFTER), Some("7"));
    assert_eq!(answer.header(&WWW_AUTHENTICATE), None);
}

#[test]
fn grpc_callers_read_the_refusal_in_grpc_status() {
    let status = HeaderName::from_static("grpc-status");
    for (answer, code) in [
        (challenge(Challenge::NoToken, GRPC), "16"),
        (challenge(Challenge::InsufficientScope(&[]), GRPC), "7"),
        (challenge(Challenge::KeysUnavailable { retry_after: 1 }, GRPC), "14"),
        (refuse(Refusal::NoTarget, GRPC), "14"),
        (refuse(Refusal::TargetTimeout, GRPC), "14"),
        (refuse(Refusal::RequestTimeout, GRPC), "4"),
        (refuse(Refusal::Malformed(Malformed::BadEscape), GRPC), "13"),
        (refuse(Refusal::BodyTooLarge, GRPC), "8"),
    ] {
        assert_eq!(answer.status, 200);
        assert!(answer.body.is_empty());
        assert_eq!(text(&answer, &status), Some(code));
        assert_eq!(text(&answer, &CONTENT_TYPE), Some("application/grpc"));
        assert_eq!(answer.header(&CONTENT_LENGTH), None);
    }
    assert!(challenge(Challenge::NoToken, GRPC).header(&WWW_AUTHENTICATE).is_some());
}

#[test]
fn a_caller_is_grpc_by_its_content_type() {
    let is_grpc = |value| Caller::of("POST", Some(&HeaderValue::from_static(value))).is_grpc;
    for value in ["application/grpc", "Application/GRPC+proto", "application/grpc; charset=x"] {
        assert!(is_grpc(value), "{value}");
    }
    for value in ["application/grpc-web", "application/grpcx", "application/json", ""] {
        assert!(!is_grpc(value), "{value}");
    }
    assert!(!Caller::of("GET", None).is_grpc);
    assert!(Caller::of("HEAD", None).is_head);
}

#[test]
fn a_405_says_what_is_allowed() {
    let answer = refuse(Refusal::Malformed(Malformed::MethodNotAllowed), PLAIN);
    assert!(text(&answer, &ALLOW).unwrap().contains("GET"));
}
