use ::http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn owned() -> OwnedHeaders {
    OwnedHeaders::compile(&["x-auth-subject", "x-auth-groups", "tenant"])
}

#[test]
fn ordinary_headers_are_not_ours() {
    for name in [
        "host",
        "user-agent",
        "accept",
        "cookie",
        "authorization",
        "content-length",
        "traceparent",
        "x-request-id",
        "x-api-key",
        "x-amzn-trace-id",
        "x-amz-date",
        "x-amzn-oidcx",
        "x-auth",
        "x-auth-subjects",
        "x-authsubject",
        "x-original-url",
        "x-forwarded-for",
        "X-Forwarded-Proto",
        "x-forwarded-port",
        "proxy-authorization",
        "tenant-id",
        "-",
        "",
    ] {
        assert!(!owned().owns(name), "{name}");
    }
}

/// Attacks B1, B2, B6 and B12: each name in each spelling that some target folds into it.
#[test]
fn owned_names_are_ours_in_every_spelling() {
    let names = [
        "x-auth-subject",
        "x-auth-groups",
        "tenant",
        "x-amzn-oidc-identity",
        "x-amzn-oidc-data",
        "x-amzn-oidc-accesstoken",
        "x-amzn-mtls-clientcert",
        "x-amzn-mtls-clientcert-leaf",
        "x-forwarded-client-cert",
        "proxy",
        "forwarded",
        "x-real-ip",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "x-forwarded-uri",
        "x-forwarded-user",
    ];
    let owned = owned();
    for name in names {
        for spelling in [
            name.to_owned(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replace('-', "."),
            name.replace('-', "--"),
            name.replace('-', "_-._"),
            name.replacen('-', "_", 1),
            format!("{name}-"),
            format!("{name}__"),
            format!("_{name}"),
            name.replace('-', "~"),
            name.replace('-', "!"),
        ] {
            assert!(owned.owns(&spelling), "{spelling}");
        }
    }
}

#[test]
fn headers_that_are_written_anew_go_only_in_their_wrong_spellings() {
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id"] {
        assert!(!owned().owns(name));
        assert!(!owned().owns(name.to_uppercase()));
        assert!(owned().owns(name.replace('-', "_")), "{name}");
        assert!(owned().owns(format!("{name}-")), "{name}");
    }
}

#[test]
fn a_configured_name_is_ours_even_if_it_is_one_that_is_written_anew() {
    assert!(OwnedHeaders::compile(&["X_Forwarded_For"]).owns("x-forwarded-for"));
}

#[test]
fn method_overrides_are_ours_only_where_rules_judge_methods() {
    let overrides = ["X-HTTP-Method-Override", "x_http_method", "x-method-override"];
    for name in overrides {
        assert!(!owned().owns(name));
        assert!(owned().with_method_overrides().owns(name), "{name}");
    }
}

/// B4 and B7: duplicates, empty values and trailers are removed by name, whatever they hold.
#[test]
fn every_field_of_an_owned_name_is_removed_and_no_other() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-auth-subject", "eve"),
        ("x-auth-subject", ""),
        ("x_auth_subject", "eve"),
        ("x-amzn-oidc-data", "a,b"),
        ("accept", "*/*"),
        ("x-request-id", "1"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    assert_eq!(owned().remove_from(&mut headers), 4);
    assert_eq!(headers.len(), 2);
    assert_eq!(owned().remove_from(&mut headers), 0);
}

#[test]
fn nothing_is_allocated_when_nothing_is_found() {
    let mut headers = HeaderMap::new();
    headers.append("x-request-id", HeaderValue::from_static("1"));
    assert_eq!(owned().found_in(&headers).capacity(), 0);
}

/// B5: hop-by-hop removal of what we are about to add.
#[test]
fn two_spellings_of_one_name_are_the_same_header() {
    assert!(is_same_header("X-Auth.Subject_", "x_auth_subject"));
    assert!(!is_same_header("x-auth-subject", "x-authsubject"));
}

fn fold_by_regex(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let runs = regex::Regex::new("[^a-z0-9]+").unwrap().replace_all(&lower, "-").into_owned();
    runs.trim_matches('-').to_owned()
}

proptest! {
    #[test]
    fn folding_is_what_the_regex_says(name in "[a-cA-C0-1_.~-]{0,12}") {
        let folded: String = fold(name.as_bytes()).map(char::from).collect();
        prop_assert_eq!(folded, fold_by_regex(&name));
    }

    #[test]
    fn a_name_is_ours_exactly_if_its_folded_form_is_configured(
        configured in prop::collection::vec("[ab][ab-]{0,3}", 0..4),
        name in "[abAB_.-]{0,6}",
    ) {
        let expected = fold_by_regex(&name);
        let owned = OwnedHeaders::compile(&configured);
        let is_configured =
            !expected.is_empty() && configured.iter().any(|known| fold_by_regex(known) == expected);
        prop_assert_eq!(owned.owns(&name), is_configured);
    }
}
