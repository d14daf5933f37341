use ::http::uri::PathAndQuery;
use proptest::prelude::*;

use super::*;

fn tidy_target<'a>(
    method: &'a str,
    target: &'a [u8],
    hosts: &[&'a str],
) -> Result<(Target<'a>, Authority<'a>), Malformed> {
    let received = Received { method, target, authority: None, scheme: Scheme::Http };
    tidy(received, hosts.iter().map(|host| host.as_bytes()), PathPolicy::default())
}

fn get(target: &str) -> Result<(Target<'_>, Authority<'_>), Malformed> {
    tidy_target("GET", target.as_bytes(), &["api.example.com"])
}

#[test]
fn a_clean_request_is_borrowed_and_sent_as_it_came() {
    let (target, authority) = get("/orders/17?limit=5&x=%2F..%zz\\").unwrap();
    assert_eq!(target.path, "/orders/17");
    assert_eq!(target.query, Some("limit=5&x=%2F..%zz\\"));
    assert!(target.is_unchanged());
    assert!(matches!(target.path, Cow::Borrowed(_)));
    assert!(matches!(target.path_and_query(), Cow::Borrowed("/orders/17?limit=5&x=%2F..%zz\\")));
    assert_eq!(authority.host(), "api.example.com");
}

#[test]
fn a_changed_path_keeps_every_byte_of_the_query() {
    let (target, _) = get("/a/../b?c=%2e%2E//;?d").unwrap();
    assert_eq!(target.path_and_query(), "/b?c=%2e%2E//;?d");
    assert!(!target.is_unchanged());
    assert_eq!(get("/a?").unwrap().0.path_and_query(), "/a?");
    assert_eq!(get("//?").unwrap().0.path_and_query(), "/?");
    assert_eq!(get("//").unwrap().0.path_and_query(), "/");
}

/// Attack C7: we never are a forward proxy.
#[test]
fn an_absolute_target_must_name_this_host_and_is_sent_in_origin_form() {
    for (raw, sent) in [
        ("http://api.example.com/a?b", "/a?b"),
        ("HTTP://API.example.com:80/a", "/a"),
        ("http://api.example.com", "/"),
        ("http://api.example.com?b", "/?b"),
        ("http://api.example.com./a/../c", "/c"),
    ] {
        let (target, authority) = get(raw).unwrap();
        assert_eq!(target.path_and_query(), sent, "{raw}");
        assert!(!target.is_unchanged());
        assert_eq!(authority.as_str(), "api.example.com");
    }
    for (raw, reason) in [
        ("http://other.example/a", Malformed::HostMismatch),
        ("http://api.example.com:8080/a", Malformed::HostMismatch),
        ("http://169.254.169.254/latest", Malformed::HostMismatch),
        ("http://user@api.example.com/a", Malformed::BadHost),
        ("http://api.example.com@evil/a", Malformed::BadHost),
        ("http:///a", Malformed::NoHost),
        ("http://api.example.com\\a", Malformed::Backslash),
        ("http://api.example.com#a", Malformed::Fragment),
        ("https://api.example.com/a", Malformed::SchemeMismatch),
        ("ftp://api.example.com/a", Malformed::TargetForm),
        ("http:/api.example.com/a", Malformed::TargetForm),
    ] {
        assert_eq!(get(raw), Err(reason), "{raw}");
    }
}

/// Attacks C6 and C8.
#[test]
fn a_target_that_is_neither_path_nor_url_is_refused() {
    for raw in ["", "admin", "?", "?a", "api.example.com:80", "*", "../admin", "%2Fadmin"] {
        assert_eq!(get(raw), Err(Malformed::TargetForm), "{raw:?}");
    }
    for raw in [&b"/a b"[..], b" /x", b"/a\x01", b"/a\xff", b"/a?b\xc3\xa9", b"/a?b c", b"/a?\x7f"]
    {
        let result = tidy_target("GET", raw, &["a"]);
        assert!(
            matches!(result, Err(Malformed::TargetByte | Malformed::TargetForm)),
            "{raw:?} {result:?}"
        );
    }
    assert_eq!(get("/a?b#c"), Err(Malformed::Fragment));
    let long = format!("/{}", "a".repeat(64 * 1024));
    assert_eq!(get(&long), Err(Malformed::TargetTooLong));
}

#[test]
fn an_asterisk_belongs_to_options() {
    let (target, _) = tidy_target("OPTIONS", b"*", &["a"]).unwrap();
    assert_eq!(target.path, "*");
    assert_eq!(tidy_target("OPTIONS", b"*?a", &["a"]), Err(Malformed::TargetForm));
}

/// Attack C9.
#[test]
fn exactly_one_host_is_needed() {
    assert_eq!(tidy_target("GET", b"/", &[]), Err(Malformed::NoHost));
    assert_eq!(tidy_target("GET", b"/", &[""]), Err(Malformed::NoHost));
    assert_eq!(tidy_target("GET", b"/", &["a", "b"]), Err(Malformed::SeveralHosts));
    assert_eq!(tidy_target("GET", b"/", &["a", "a"]), Err(Malformed::SeveralHosts));
    assert_eq!(tidy_target("GET", b"/", &["gw.test/evil"]), Err(Malformed::BadHost));
}

/// Attack D9.
#[test]
fn host_and_pseudo_header_must_agree() {
    let ask = |authority: &'static str, hosts: &[&'static str]| {
        let received = Received {
            method: "GET",
            target: b"/",
            authority: Some(authority.as_bytes()),
            scheme: Scheme::Https,
        };
        tidy(received, hosts.iter().map(|host| host.as_bytes()), PathPolicy::default())
            .map(|(_, authority)| authority.as_str().to_owned())
    };
    assert_eq!(ask("A.example:443", &[]).as_deref(), Ok("a.example"));
    assert_eq!(ask("a.example", &["A.EXAMPLE:443"]).as_deref(), Ok("a.example"));
    assert_eq!(ask("a.example", &["b.example"]), Err(Malformed::HostMismatch));
    assert_eq!(ask("a.example", &["a.example:444"]), Err(Malformed::HostMismatch));
    assert_eq!(ask("a.example", &["a.example", "a.example"]), Err(Malformed::SeveralHosts));
}

/// Attack C12.
#[test]
fn methods_that_rules_cannot_name_do_not_pass() {
    for method in ["GET", "HEAD", "PROPFIND", "M-SEARCH", "MY_METHOD"] {
        assert!(tidy_target(method, b"/", &["a"]).is_ok(), "{method}");
    }
    for (method, reason, status) in [
        ("TRACE", Malformed::MethodNotAllowed, 405),
        ("CONNECT", Malformed::MethodNotAllowed, 405),
        ("get", Malformed::UnknownMethod, 501),
        ("Get", Malformed::UnknownMethod, 501),
        ("GET!", Malformed::UnknownMethod, 501),
        ("", Malformed::BadMethod, 400),
        ("GE T", Malformed::BadMethod, 400),
        ("G(T", Malformed::BadMethod, 400),
    ] {
        assert_eq!(tidy_target(method, b"/", &["a"]), Err(reason), "{method}");
        assert_eq!(reason.status(), status);
    }
    let long = "A".repeat(41);
    assert_eq!(tidy_target(&long, b"/", &["a"]), Err(Malformed::UnknownMethod));
}

#[test]
fn every_reason_has_its_own_label_and_a_client_error_status() {
    let mut labels: Vec<_> = Malformed::ALL.iter().map(|reason| reason.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Malformed::ALL.len());
    assert!(
        Malformed::ALL
            .iter()
            .all(|reason| (400..500).contains(&reason.status())
                || *reason == Malformed::UnknownMethod)
    );
}

/// Pingora hands targets to this parser; what we pass on must mean the same to it.
#[test]
fn whatever_passes_is_a_path_and_query_for_the_http_crate() {
    for byte in 0..=u8::MAX {
        for raw in [[b"/a", &[byte][..], b"b"].concat(), [b"/a?", &[byte][..], b"b"].concat()] {
            if let Ok((target, _)) = tidy_target("GET", &raw, &["a"]) {
                let sent = target.path_and_query().into_owned();
                let parsed: PathAndQuery = sent.parse().expect("the http crate takes it");
                assert_eq!(parsed.as_str(), sent);
                assert_eq!(parsed.path(), target.path);
                assert_eq!(parsed.query(), target.query);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_what_was_judged(raw in "/[a%2e5cf./;?&A-]{0,16}") {
        if let Ok((target, authority)) = get(&raw) {
            let sent = target.path_and_query().into_owned();
            let (again, _) = tidy_target("GET", sent.as_bytes(), &[authority.as_str()]).unwrap();
            prop_assert_eq!(&again.path, &target.path);
            prop_assert_eq!(again.query, target.query);
            prop_assert_eq!(&again.without_parameters, &target.without_parameters);
            prop_assert!(again.is_unchanged());
        }
    }

    #[test]
    fn any_bytes_are_judged_without_panic(raw in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = tidy_target("GET", &raw, &["a"]);
    }
}
