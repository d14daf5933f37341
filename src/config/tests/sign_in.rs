//! What the file says about signing in.

use std::time::Duration;

use super::{bad, good};
use crate::config::diagnostics::Severity;
use crate::config::model::Config;
use crate::config::model::{Action, Logout, OnUnauthenticatedRequest};
use crate::config::sign_in::DEFAULT_COOKIE;

const POOLS: &str = "user_pools:\n  main: { user_pool_id: eu-west-1_Ab1, domain: auth.example.com, client_id: web }\n  \
    other: { issuer: 'https://i.example', client_id: web, authorization_endpoint: 'https://i.example/a', token_endpoint: 'https://i.example/t' }\n  \
    bare: { user_pool_id: eu-west-1_Ab2, app_clients: [x] }\n";

fn check(text: &str) -> Option<Config> {
    Some(good(text).config)
}

/// The codes of all errors.
fn codes(text: &str) -> Vec<&'static str> {
    let report = bad(text);
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code).collect()
}

fn file(rule: &str) -> String {
    format!(
        "{POOLS}target_groups: {{ g: {{ targets: [10.0.0.1:80] }} }}\nlisteners:\n  l:\n    address: 127.0.0.1:8080\n    rules:\n      \
         - conditions: {{ path_pattern: [/a] }}\n        {rule}\n"
    )
}

#[test]
fn defaults_are_those_of_alb() {
    let config =
        check(&file("authenticate_cognito: { user_pool: main }\n        forward: g")).unwrap();
    let sign_in = config.listeners[0].rules[0].sign_in.as_ref().unwrap();
    assert_eq!(sign_in.scope, "openid");
    assert_eq!(&*sign_in.session_cookie_name, DEFAULT_COOKIE);
    assert_eq!(sign_in.session_timeout, Duration::from_secs(604_800));
    assert_eq!(sign_in.on_unauthenticated_request, OnUnauthenticatedRequest::Authenticate);
    let provider = config.user_pools[0].sign_in.as_ref().unwrap();
    assert_eq!(&*provider.authorization_endpoint, "https://auth.example.com/oauth2/authorize");
    assert_eq!(&*provider.token_endpoint, "https://auth.example.com/oauth2/token");
    assert_eq!(
        provider.user_info_endpoint.as_deref(),
        Some("https://auth.example.com/oauth2/userInfo")
    );
    let logout = Logout::Cognito("https://auth.example.com/logout".into());
    assert_eq!(provider.logout, Some(logout));
    assert!(provider.pkce && provider.nonce);
}

#[test]
fn a_sign_out_says_where_one_lands() {
    let rule =
        "sign_out: { user_pool: main, redirect_to: ['https://a.example/', 'https://b.example/x'] }";
    let config = check(&file(rule)).unwrap();
    let Action::SignOut(sign_out) = &config.listeners[0].rules[0].action else {
        panic!("a sign-out")
    };
    assert_eq!(sign_out.redirect_to, ["https://a.example/", "https://b.example/x"]);
}

#[test]
fn mistakes_are_named() {
    for (settings, code) in [
        ("user_pool: other", "contradiction"),
        ("user_pool: bare", "no-sign-in"),
        ("user_pool: none", "unknown-user-pool"),
        ("scope: openid", "missing-key"),
        ("user_pool: main, scope: email", "invalid-value"),
        ("user_pool: main, session_timeout: 169h", "out-of-range"),
        ("user_pool: main, session_timeout: 0s", "out-of-range"),
        ("user_pool: main, session_cookie_name: 'a b'", "invalid-cookie-name"),
        ("user_pool: main, session_cookie_name: AWSALB", "invalid-cookie-name"),
        (
            "user_pool: main, authentication_request_extra_params: { state: x }",
            "reserved-parameter",
        ),
        (
            "user_pool: main, authentication_request_extra_params: { a: a, b: b, c: c, d: d, e: e, f: f, g: g, h: h, i: i, j: j, k: k }",
            "out-of-range",
        ),
        ("user_pool: main, on_unauthenticated_request: maybe", "unknown-value"),
        ("user_pool: main, client_id: x", "not-yet-supported"),
    ] {
        let text = file(&format!("authenticate_cognito: {{ {settings} }}\n        forward: g"));
        assert_eq!(codes(&text), [code], "{settings}");
    }
}

#[test]
fn a_rule_signs_people_in_at_one_place_and_is_not_public() {
    let both = "authenticate_cognito: { user_pool: main }\n        authenticate_oidc: { user_pool: other }\n        forward: g";
    assert_eq!(codes(&file(both)), ["contradiction"]);
    let public =
        "authenticate_oidc: { user_pool: other }\n        public: true\n        forward: g";
    assert_eq!(codes(&file(public)), ["contradiction"]);
    let clear = file("authenticate_oidc: { user_pool: other }\n        forward: g")
        .replace("127.0.0.1:8080", "0.0.0.0:8080");
    assert_eq!(codes(&clear), ["plaintext-authentication"]);
}

#[test]
fn endpoints_are_https_and_belong_to_the_kind_of_pool() {
    for (pool, code) in [
        (
            "{ user_pool_id: eu-west-1_A, domain: 'http://a.example', client_id: x }",
            "invalid-domain",
        ),
        ("{ user_pool_id: eu-west-1_A, domain: a.example/x, client_id: x }", "invalid-domain"),
        ("{ user_pool_id: eu-west-1_A, domain: a.example, app_clients: [x] }", "missing-key"),
        ("{ user_pool_id: eu-west-1_A, client_id: x }", "missing-key"),
        (
            "{ user_pool_id: eu-west-1_A, domain: a.example, client_id: x, token_endpoint: 'https://a.example' }",
            "contradiction",
        ),
        (
            "{ user_pool_id: eu-west-1_A, domain: a.example, client_id: x, back_channel_logout: true }",
            "contradiction",
        ),
        ("{ issuer: 'https://i.example', back_channel_logout: true }", "missing-key"),
        (
            "{ issuer: 'https://i.example', client_id: x, authorization_endpoint: 'https://a/x', token_endpoint: 'http://a.example/t' }",
            "invalid-endpoint",
        ),
        (
            "{ issuer: 'https://i.example', client_id: x, authorization_endpoint: 'https://a/x' }",
            "missing-key",
        ),
    ] {
        let text = format!(
            "user_pools: {{ p: {pool} }}\nlisteners: {{ l: {{ address: 127.0.0.1:8080 }} }}\n"
        );
        let found = codes(&text);
        assert!(found.contains(&code), "{pool}: {found:?}");
    }
}

#[test]
fn landings_are_absolute_and_to_be_shown_by_browsers() {
    for bad in [
        "/bye",
        "javascript:alert(1)",
        "https://u@a.example/",
        "https://a.example/#x",
        "https://a.example/\\\\b",
    ] {
        let rule = format!("sign_out: {{ user_pool: main, redirect_to: [\"{bad}\"] }}");
        assert_eq!(codes(&file(&rule)), ["invalid-landing"], "{bad}");
    }
}
