//! Each mistake by its code and line. What is told beside it must be nothing, so that one slip
//! never looks like three.

use super::{bad, good, places};

/// A file around one listener's rules, which begin on line 8.
fn with_rules(rules: &str) -> String {
    format!(
        "user_pools:\n  main: {{ user_pool_id: eu-west-1_Ab1, app_clients: [web] }}\n  \
         partner: {{ issuer: 'https://p.example', audiences: [shop] }}\n\
         target_groups:\n  orders: {{ targets: [10.0.0.1:80] }}\n\
         listeners:\n  public: {{ address: 127.0.0.1:8080, rules: [\n{rules}\n] }}\n"
    )
}

fn expect(text: &str, expected: &[(&str, usize)]) {
    let report = bad(text);
    let found: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == crate::config::diagnostics::Severity::Error)
        .map(|finding| (finding.code, finding.span.line))
        .collect();
    assert_eq!(found, expected, "\n{text}\n{report}");
}

/// A rule with these keys; conditions and action are good unless the keys say otherwise.
fn expect_in_rule(keys: &str, code: &str) {
    let action = if keys.contains("forward:")
        || keys.contains("redirect:")
        || keys.contains("fixed_response:")
    {
        ""
    } else {
        ", forward: orders"
    };
    let conditions =
        if keys.contains("conditions") { "" } else { ", conditions: { path_pattern: [/a] }" };
    expect(&with_rules(&format!("{{ {keys}{conditions}{action} }}")), &[(code, 8)]);
}

#[test]
fn mistakes_of_rules() {
    for (keys, code) in [
        ("jwt_validation: { user_pools: [mian] }", "unknown-user-pool"),
        ("jwt_validation: { user_pools: [] }", "empty-list"),
        ("jwt_validation: { user_pools: [main, main] }", "duplicate-value"),
        ("jwt_validation: {}", "missing-key"),
        ("jwt_validation: true", "wrong-type"),
        ("jwt_validation: ", "wrong-type"),
        ("jwt_validation: { user_pools: main }", "wrong-type"),
        ("jwt_validation: { user_pools: [main], scpoes: [a] }", "unknown-key"),
        ("jwt_validation: { user_pools: [main], scopes: [] }", "empty-list"),
        ("jwt_validation: { user_pools: [main], scopes: ['a b'] }", "invalid-value"),
        ("jwt_validation: { user_pools: [main], scopes: a }", "wrong-type"),
        ("jwt_validation: { user_pools: [main], scopes: { all_of: [] } }", "empty-list"),
        ("jwt_validation: { user_pools: [main], scopes: {} }", "missing-key"),
        (
            "jwt_validation: { user_pools: [main], groups: { all_of: [a], any_of: [b] } }",
            "contradiction",
        ),
        ("jwt_validation: { user_pools: [main], groups: ['  '] }", "invalid-value"),
        ("jwt_validation: { user_pools: [main], token_use: acces }", "unknown-value"),
        ("jwt_validation: { user_pools: [partner], token_use: access }", "contradiction"),
        (
            "jwt_validation: { user_pools: [main], identity_source: X-Token }",
            "invalid-identity-source",
        ),
        (
            "jwt_validation: { user_pools: [main], identity_source: $request.header.X-Auth-Subject }",
            "invalid-identity-source",
        ),
        (
            "jwt_validation: { user_pools: [main], claim_headers: { host: sub } }",
            "invalid-claim-header",
        ),
        ("jwt_validation: { user_pools: [main], claim_headers: { x-a: /a//b } }", "invalid-claim"),
        (
            "jwt_validation: { user_pools: [main], claim_headers: { x-a: { as: csv } } }",
            "missing-key",
        ),
        (
            "jwt_validation: { user_pools: [main], claim_headers: { x-a: { claim: a, as: cvs } } }",
            "unknown-value",
        ),
        (
            "jwt_validation: { user_pools: [main], claim_headers: { x-a: { claim: a, max_size: 1MiB } } }",
            "out-of-range",
        ),
        (
            "jwt_validation: { user_pools: [main], claim_headers: { x-a: a, X-A: b } }",
            "duplicate-key",
        ),
        (
            "jwt_validation: { user_pools: [main], additional_claims: [{ name: exp, format: single_string, values: [a] }] }",
            "invalid-claim",
        ),
        (
            "jwt_validation: { user_pools: [main], additional_claims: [{ name: a, format: single-string, values: [a] }] }",
            "unknown-value",
        ),
        (
            "jwt_validation: { user_pools: [main], additional_claims: [{ name: a, format: space_separated_values, values: [a b] }] }",
            "invalid-value",
        ),
        (
            "jwt_validation: { user_pools: [main], additional_claims: [{ name: a, format: string_array, values: [] }] }",
            "empty-list",
        ),
        ("jwt_validation: { user_pools: [main], forward_authorization: no }", "wrong-type"),
        ("jwt_validation: { user_pools: [main] }, public: true", "contradiction"),
        ("public: false", "contradiction"),
        ("public: 'true'", "wrong-type"),
        ("public: true, forward: ordres", "unknown-target-group"),
        ("public: true, forward: { target_groups: [] }", "empty-list"),
        (
            "public: true, forward: { target_groups: [{ name: orders, weight: 1000 }] }",
            "out-of-range",
        ),
        ("public: true, forward: { target_groups: [{ name: orders, weight: 0 }] }", "no-weight"),
        ("public: true, forward: { target_groups: [orders, orders] }", "duplicate-value"),
        ("public: true, forward: { target_groups: [{ weight: 1 }] }", "missing-key"),
        ("public: true, forward: [orders]", "wrong-type"),
        (
            "public: true, forward: orders, redirect: { host: a, status_code: 301 }",
            "several-actions",
        ),
        ("fixed_response: { status_code: 301 }", "invalid-status"),
        ("fixed_response: { status_code: 99999999999999999999 }", "out-of-range"),
        ("fixed_response: {}", "missing-key"),
        ("fixed_response: { status_code: 200, content_type: text/xml }", "unknown-value"),
        ("redirect: { status_code: 301 }", "redirect-loop"),
        ("redirect: { protocol: HTTP, query: a, status_code: 301 }", "redirect-loop"),
        ("redirect: { host: a }", "missing-key"),
        ("redirect: { host: a, status_code: 307 }", "invalid-status"),
        ("redirect: { host: 'a:80', status_code: 301 }", "invalid-redirect"),
        ("redirect: { path: a, status_code: 301 }", "invalid-redirect"),
        ("redirect: { path: '/#{pth}', status_code: 301 }", "invalid-redirect"),
        ("redirect: { port: 0, status_code: 301 }", "invalid-redirect"),
        ("redirect: { protocol: https, status_code: 301 }", "invalid-redirect"),
        ("public: true, conditions: {}", "missing-conditions"),
        ("public: true, conditions: { path_pattern: [] }", "empty-list"),
        ("public: true, conditions: { path_pattern: [orders] }", "invalid-pattern"),
        ("public: true, conditions: { path_pattern: [/a, /a] }", "duplicate-value"),
        ("public: true, conditions: { path_pattern: /a }", "wrong-type"),
        ("public: true, conditions: { host_header: ['a.com:80'] }", "invalid-pattern"),
        ("public: true, conditions: { http_request_method: [get] }", "invalid-pattern"),
        ("public: true, conditions: { http_header: { a: b } }", "wrong-type"),
        ("public: true, conditions: { pathPattern: [/a], path_pattern: [/a] }", "unknown-key"),
        ("public: true, transforms: []", "wrong-type"),
        ("public: true, transforms: {}", "missing-key"),
        ("public: true, transforms: { url_rewrite: { regex: a } }", "missing-key"),
        ("public: true, transforms: { url_rewrite: { regex: (, replace: b } }", "invalid-regex"),
        ("public: true, transforms: { url_rewrite: { regex: a, replace: $1 } }", "invalid-regex"),
        ("public: true, url_rewrite: { regex: a, replace: b }", "not-yet-supported"),
        ("public: true, priority: 0", "out-of-range"),
        ("public: true, priority: 50001", "out-of-range"),
        ("public: true, priority: 010", "invalid-value"),
        ("public: true, priority: -1", "wrong-type"),
        ("public: true, name: 'a b'", "invalid-name"),
        ("public: true, name: default", "invalid-name"),
        ("public: true, public: true", "duplicate-key"),
        ("public: true, <<: { a: b }", "merge-key"),
        ("public: true, [a]: b", "invalid-key"),
    ] {
        expect_in_rule(keys, code);
    }
}

#[test]
fn mistakes_of_the_file_and_its_parts() {
    for (text, code) in [
        ("listners: {}", "unknown-key"),
        ("identity_pools: {}", "not-yet-supported"),
        ("[]", "wrong-type"),
        ("text", "wrong-type"),
        ("threads: 0", "out-of-range"),
        ("threads: 99999999999999999999999", "out-of-range"),
        ("threads: 1.5", "wrong-type"),
        ("startup_wait: 2h", "out-of-range"),
        ("startup_wait: 10", "invalid-value"),
        ("startup_wait: 18446744073709551615h", "invalid-value"),
        ("state_directory: ''", "invalid-path"),
        ("access_log: { query: yes }", "wrong-type"),
        ("admin: { address: ':9901' }", "invalid-address"),
        ("admin: { address: localhost:9901 }", "invalid-address"),
        ("admin: { token: plain-text }", "plaintext-secret"),
        ("admin: { token: '${vault:x}' }", "unknown-secret-source"),
        ("claim_headers: { authorization: sub }", "invalid-claim-header"),
        ("claim_headers: { x_sub: sub }", "invalid-claim-header"),
        ("claim_headers:", "wrong-type"),
        ("target_groups: { a: {} }", "missing-key"),
        ("target_groups: { a b: { targets: [] } }", "invalid-name"),
        ("target_groups: { a: { targets: [10.0.0.1] } }", "invalid-target"),
        ("target_groups: { a: { targets: ['http://a:80'] } }", "invalid-target"),
        ("target_groups: { a: { targets: [a:80, a:80] } }", "duplicate-value"),
        ("target_groups: { a: { targets: [{ address: a:80, weight: 1000 }] } }", "out-of-range"),
        ("target_groups: { a: { targets: [], protocol: tcp } }", "unknown-value"),
        ("target_groups: { a: { targets: [], tls: insecure } }", "contradiction"),
        ("target_groups: { a: { targets: [], protocol: https, tls: off } }", "invalid-value"),
        ("target_groups: { a: { targets: [], target_type: lambda } }", "not-yet-supported"),
        ("target_groups: { a: { targets: [], health_check: { path: x } } }", "invalid-path"),
        (
            "target_groups: { a: { targets: [], health_check: { matcher: 2xx } } }",
            "invalid-matcher",
        ),
        (
            "target_groups: { a: { targets: [], health_check: { interval: 5s, timeout: 6s } } }",
            "out-of-range",
        ),
        ("target_groups: { a: { targets: [], health_check: { port: 65536 } } }", "out-of-range"),
        ("target_groups: { a: { targets: [], timeouts: { connect: 0s } } }", "out-of-range"),
        ("user_pools: { a: {} }", "missing-key"),
        ("user_pools: { a: { user_pool_id: nope, app_clients: [x] } }", "invalid-user-pool-id"),
        ("user_pools: { a: { user_pool_id: eu-west-1_A } }", "missing-key"),
        ("user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [] } }", "empty-list"),
        ("user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: all } }", "invalid-value"),
        (
            "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: ['${env:X}'] } }",
            "misplaced-secret",
        ),
        (
            "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [x], profile: oidc } }",
            "contradiction",
        ),
        (
            "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [x], clock_skew: 61s } }",
            "out-of-range",
        ),
        (
            "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [x], issuer: 'https://a', issuer_type: updated } }",
            "contradiction",
        ),
        (
            "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [x], require_resource_audience: true } }",
            "missing-key",
        ),
        (
            "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [x], jwks_uri: 'http://a.b/' } }",
            "invalid-jwks-uri",
        ),
        (
            "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [x], jwks_uri: 'https://a.b/', jwks_file: x } }",
            "contradiction",
        ),
        (
            "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [x], max_stale: 10m } }",
            "out-of-range",
        ),
        (
            "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [x], session_cookie_name: s } }",
            "not-yet-supported",
        ),
        ("user_pools: { a: { issuer: 'https://a.b' } }", "missing-key"),
        ("user_pools: { a: { issuer: 'http://a.b', audiences: [x] } }", "invalid-jwks-uri"),
        ("user_pools: { a: { issuer: a.b, audiences: [x] } }", "invalid-jwks-uri"),
        ("user_pools: { a: { issuer: '', audiences: [x] } }", "invalid-issuer"),
        (
            "user_pools: { a: { issuer: 'https://a.b', audiences: [x], app_clients: [x] } }",
            "contradiction",
        ),
        (
            "user_pools: { a: { issuer: 'https://a.b', audiences: [x], issuer_type: original } }",
            "contradiction",
        ),
        (
            "user_pools: { a: { issuer: 'https://a.b', audiences: [x], profile: cognito } }",
            "contradiction",
        ),
        (
            "user_pools: { a: { issuer: 'https://a.b', audiences: [x], algorithms: [HS256] } }",
            "invalid-value",
        ),
        (
            "user_pools: { a: { issuer: 'https://a.b', audiences: [x], algorithms: [none] } }",
            "invalid-value",
        ),
        (
            "user_pools: { a: { issuer: 'https://a.b', audiences: [x], algorithms: [] } }",
            "empty-list",
        ),
        (
            "user_pools: { a: { issuer: 'https://a.b', audiences: [x] }, b: { issuer: 'https://a.b', audiences: [y] } }",
            "shared-issuer",
        ),
        ("listeners: { a: {} }", "missing-key"),
        ("listeners: { a: { address: 1.2.3.4 } }", "invalid-address"),
        ("listeners: { a: { address: 127.0.0.1:9901 } }", "address-taken"),
        (
            "listeners: { a: { address: 127.0.0.1:80 }, b: { address: 0.0.0.0:80 } }",
            "address-taken",
        ),
        ("listeners: { a: { address: 127.0.0.1:80, tls: {} } }", "missing-key"),
        ("listeners: { a: { address: 127.0.0.1:80, tls: { certificates: [] } } }", "empty-list"),
        (
            "listeners: { a: { address: 127.0.0.1:80, tls: { certificates: [{ certificate: a }] } } }",
            "missing-key",
        ),
        ("listeners: { a: { address: 127.0.0.1:80, plaintext: true } }", "wrong-type"),
        (
            "listeners: { a: { address: 127.0.0.1:80, path: { encoded_slash: yes } } }",
            "unknown-value",
        ),
        ("listeners: { a: { address: 127.0.0.1:80, max_connections: 0 } }", "out-of-range"),
        ("listeners: { a: { address: 127.0.0.1:80, max_request_body: 1GB } }", "invalid-value"),
        ("listeners: { a: { address: 127.0.0.1:80, default_action: {} } }", "missing-action"),
        (
            "listeners: { a: { address: 127.0.0.1:80, default_action: { fixed_response: { status_code: 404 }, transforms: {} } } }",
            "not-yet-supported",
        ),
        ("listeners: { a: { address: 127.0.0.1:80, rules: {} } }", "wrong-type"),
        (
            "development_user_pool: { address: 0.0.0.0:1, user_pool_id: us-east-1_A }",
            "development-pool-exposed",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, users: { a: { password: x, groups: [g] } } }",
            "unknown-group",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, users: { a: {} } }",
            "missing-key",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [] } } }",
            "empty-list",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [user_password], scopes: [a/b] } } }",
            "unknown-scope",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [client_credentials] } } }",
            "contradiction",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [authorization_code], scopes: [openid] } } }",
            "missing-key",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [authorization_code], callback_urls: [https://a.example/] } } }",
            "contradiction",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [authorization_code], scopes: [openid], callback_urls: [http://a.example/] } } }",
            "invalid-url",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [authorization_code], scopes: [openid], callback_urls: [] } } }",
            "empty-list",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, resource_servers: { s: [r] }, clients: { a: { client_secret: x, grants: [authorization_code, client_credentials], scopes: [s/r], callback_urls: [https://a.example/] } } }",
            "contradiction",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [user_password], refresh_token_rotation: {} } } }",
            "contradiction",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [refresh_token], refresh_token_rotation: { retry_grace_period: 61s } } } }",
            "out-of-range",
        ),
        (
            "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A, clients: { a: { grants: [user_password], logout_urls: [https://a.example/] } } }",
            "contradiction",
        ),
    ] {
        expect(&format!("# first line\n{text}\n"), &[(code, 2)]);
    }
}

#[test]
fn mistakes_of_yaml() {
    for (text, code, line) in [
        ("a: 1\n---\nb: 2\n", "two-documents", 2),
        ("admin:\n\taddress: x\n", "syntax", 2),
        ("admin: { address: [1, 2 }\n", "syntax", 1),
        ("admin: \"open\n", "syntax", 1),
        ("admin: !secret x\n", "syntax", 1),
        ("admin: { token: ${env:X} }\n", "syntax", 1),
        ("admin: &a { address: *a }\n", "self-reference", 1),
        ("admin: *nothing\n", "unquoted-star", 1),
        ("admin: @x\n", "syntax", 1),
        ("a: b: c\n", "syntax", 1),
        ("threads: 1\n admin: 2\n", "syntax", 2),
    ] {
        let report = bad(text);
        let first = &report.findings[0];
        assert_eq!((first.code, first.span.line), (code, line), "{text}\n{report}");
    }
}

#[test]
fn bare_stars_do_not_hide_what_follows() {
    let text = "\
listeners:
  a:
    address: 127.0.0.1:80
    rules:
      - conditions: { host_header: [*.example.com, *] }
        public: true
        forward: nowhere
";
    let report = bad(text);
    let expected =
        [("unquoted-star", 5, 37), ("unquoted-star", 5, 52), ("unknown-target-group", 7, 18)];
    assert_eq!(places(&report.findings), expected, "{report}");
    assert_eq!(report.findings[0].help.as_deref(), Some("put it in quotes: \"*.example.com\""));
}

#[test]
fn everything_is_told_at_once() {
    let text = "\
listeners:
  a:
    adress: 127.0.0.1:80
    idle_timeout: 10
    rules:
      - conditions: { path_patern: [/a] }
        jwt_validation: { user_pools: [customers] }
        forward: orders
      - conditions: { path_pattern: [b] }
        forward: web
        public: on
threads: many
";
    let report = bad(text);
    let expected = [
        ("unknown-key", 3, 5),
        ("invalid-value", 4, 19),
        ("unknown-key", 6, 23),
        ("unknown-user-pool", 7, 40),
        ("unknown-target-group", 8, 18),
        ("invalid-pattern", 9, 38),
        ("unknown-target-group", 10, 18),
        ("wrong-type", 11, 17),
        ("wrong-type", 12, 10),
    ];
    assert_eq!(places(&report.findings), expected, "{report}");
}

#[test]
fn a_broken_group_is_not_also_unknown() {
    let text = "\
target_groups: { orders: [] }
user_pools: { main: 5 }
listeners:
  a:
    address: 127.0.0.1:80
    rules:
      - { conditions: { path_pattern: [/a] }, jwt_validation: { user_pools: [main] }, forward: orders }
";
    assert_eq!(places(&bad(text).findings), [("wrong-type", 1, 26), ("wrong-type", 2, 21)]);
}

#[test]
fn priorities_are_all_or_none_and_unique() {
    let rule = |keys: &str| {
        format!("{{ {keys}, conditions: {{ path_pattern: [/a] }}, public: true, forward: orders }}")
    };
    let rules = [rule("priority: 5"), rule("priority: 5")].join(",\n");
    expect(&with_rules(&rules), &[("priority-in-use", 9)]);
    let rules = [rule("priority: 5"), rule("name: b"), rule("name: c")].join(",\n");
    expect(&with_rules(&rules), &[("missing-priority", 9)]);
    let rules = [rule("name: b"), rule("name: b")].join(",\n");
    expect(&with_rules(&rules), &[("duplicate-rule-name", 9)]);
}

#[test]
fn tokens_do_not_travel_in_the_clear_beyond_loopback() {
    let text = super::GOOD.replace("127.0.0.1:8080", "0.0.0.0:8080");
    expect(&text, &[("plaintext-authentication", 11)]);
    let accepted = text.replace("    rules:", "    plaintext: accepted\n    rules:");
    good(&accepted);
    let text = text.replace(
        "    rules:",
        "    tls: { certificates: [{ certificate: a, private_key: b }] }\n    rules:",
    );
    good(&text);
    let both = text.replace("    rules:", "    plaintext: accepted\n    rules:");
    expect(&both, &[("contradiction", 9)]);
}

#[test]
fn redirects_to_the_clear_are_refused_on_https() {
    let listener = "listeners:\n  a:\n    address: 127.0.0.1:443\n    \
                    tls: { certificates: [{ certificate: a, private_key: b }] }\n    default_action:\n      ";
    let text = format!("{listener}redirect: {{ protocol: HTTP, host: a, status_code: 301 }}\n");
    expect(&text, &[("redirect-to-plaintext", 6)]);
    let text = format!("{listener}redirect: {{ protocol: HTTPS, status_code: 301 }}\n");
    expect(&text, &[("redirect-loop", 6)]);
}

#[test]
fn warnings_name_their_rule() {
    let warned = |text: &str| places(&good(text).warnings);
    assert_eq!(warned(super::GOOD), []);
    let open = super::GOOD.replace("        jwt_validation: { user_pools: [main] }\n", "");
    let warnings = good(&open).warnings;
    assert_eq!(places(&warnings), [("unused-user-pool", 2, 3)]);
    assert!(warnings[0].message.contains("`main`"));
    let spare = super::GOOD.replace("listeners:", "  spare: { targets: [] }\nlisteners:");
    assert_eq!(warned(&spare), [("unused-target-group", 5, 3)]);
    let any = super::GOOD.replace("[web]", "any");
    assert_eq!(warned(&any), [("any-app-client", 2, 59)]);
    let insecure =
        super::GOOD.replace("[10.0.0.1:80]", "[10.0.0.1:80], protocol: https, tls: insecure");
    assert_eq!(warned(&insecure), [("insecure-target-tls", 4, 59)]);
    let id = super::GOOD.replace("[main] }", "[main], token_use: id, scopes: [a] }");
    assert_eq!(warned(&id), [("scopes-on-id-token", 11, 62)]);
    let redirect = super::GOOD.replace(
        "forward: orders\n",
        "forward: orders\n    \
         default_action: { redirect: { protocol: HTTPS, status_code: 301 } }\n",
    );
    assert_eq!(warned(&redirect), [("redirect-keeps-port", 13, 45)]);
}

#[test]
fn a_development_pool_is_refused_by_run_with_its_place() {
    let pool = "development_user_pool: { address: 127.0.0.1:1, user_pool_id: us-east-1_A }\n";
    assert!(good(super::GOOD).refuse_development_user_pool().is_none());
    let finding = good(&format!("{}{pool}", super::GOOD)).refuse_development_user_pool().unwrap();
    assert_eq!((finding.code, finding.span.line), ("development-user-pool", 13));
}

#[test]
fn a_token_cannot_come_in_a_header_that_another_rule_owns() {
    let text = "\
user_pools: { main: { user_pool_id: eu-west-1_A, app_clients: [web] } }
listeners:
  a:
    address: 127.0.0.1:80
    rules:
      - conditions: { path_pattern: [/a] }
        jwt_validation: { user_pools: [main], identity_source: $request.header.X-Role }
        fixed_response: { status_code: 200 }
      - conditions: { path_pattern: [/b] }
        jwt_validation: { user_pools: [main], claim_headers: { x-role: role } }
        fixed_response: { status_code: 200 }
";
    expect(text, &[("invalid-identity-source", 7)]);
    good(&text.replace("x-role: role", "x-other: role"));
}

#[test]
fn long_lists_of_doubles_end() {
    let patterns = vec!["/a"; 50_000].join(", ");
    let text = super::GOOD.replace("[/orders/*]", &format!("[{patterns}]"));
    assert_eq!(bad(&text).findings.len(), 49_999);
    let names: Vec<_> = (0..20_000).map(|number| format!("/p{number}")).collect();
    good(&super::GOOD.replace("[/orders/*]", &format!("[{}]", names.join(", "))));
}

/// What is planned is told by its name, and nothing else of a file that uses it is wrong.
#[test]
fn a_file_of_a_later_version_is_told_what_is_not_there_yet() {
    let text = super::GOOD.replace(
        "        jwt_validation: { user_pools: [main] }\n        forward: orders\n",
        "        rate_limit: 5\n        forward: orders\nidentity_pools: {}\n",
    );
    expect(&text, &[("not-yet-supported", 11), ("not-yet-supported", 13)]);
}

#[test]
fn mistakes_of_conditions() {
    for (conditions, code) in [
        ("{ http_header: [{ name: Host, values: [a] }] }", "invalid-header"),
        ("{ http_header: [{ name: 'x-*', values: [a] }] }", "invalid-header"),
        ("{ http_header: [{ name: 'x y', values: [a] }] }", "invalid-header"),
        ("{ http_header: [{ name: Transfer-Encoding, values: [a] }] }", "invalid-header"),
        ("{ http_header: [{ name: X-Auth-Subject, values: [a] }] }", "invalid-header"),
        ("{ http_header: [{ name: x-amzn-oidc-data, values: [a] }] }", "invalid-header"),
        ("{ http_header: [{ values: [a] }] }", "missing-key"),
        ("{ http_header: [{ name: x }] }", "missing-key"),
        ("{ http_header: [{ name: x, values: [a], regex_values: [b] }] }", "contradiction"),
        ("{ http_header: [{ name: x, values: [] }] }", "empty-list"),
        ("{ http_header: [{ name: x, values: [''] }] }", "invalid-pattern"),
        ("{ http_header: [{ name: x, values: ['é'] }] }", "invalid-pattern"),
        ("{ http_header: [] }", "empty-list"),
        ("{ query_string: [{ key: a }] }", "missing-key"),
        ("{ query_string: [{ value: '' }] }", "invalid-pattern"),
        ("{ query_string: [{ value: '?a=b' }] }", "invalid-pattern"),
        ("{ query_string: [{ key: a, any_of: [{ value: b }] }] }", "contradiction"),
        ("{ query_string: [{ any_of: [] }] }", "empty-list"),
        ("{ source_ip: [10.0.0.1/8] }", "invalid-network"),
        ("{ source_ip: [255.255.255.255/32] }", "invalid-network"),
        ("{ source_ip: [localhost] }", "invalid-network"),
        ("{ source_ip: [10.0.0.0/8, 10.0.0.0/8] }", "duplicate-value"),
        ("{ path_pattern: { regex_values: ['(?=x)'] } }", "invalid-regex"),
        ("{ path_pattern: { regex_values: ['(a)\\1'] } }", "invalid-regex"),
        ("{ path_pattern: { regex_values: ['\\p{L}'] } }", "invalid-regex"),
        ("{ path_pattern: { regex_values: ['(a'] } }", "invalid-regex"),
        ("{ path_pattern: { regex_values: ['((a{1,99}){1,99}){1,99}'] } }", "invalid-regex"),
        ("{ path_pattern: { regex_values: [''] } }", "invalid-regex"),
        ("{ path_pattern: { regex_values: [] } }", "empty-list"),
        ("{ path_pattern: {} }", "missing-key"),
        ("{ path_pattern: { values: [/a], regex_values: [b] } }", "contradiction"),
    ] {
        let text = format!(
            "target_groups: {{ a: {{ targets: [] }} }}\nlisteners:\n  l:\n    address: 127.0.0.1:80\n    \
             rules:\n      - name: r\n        public: true\n        forward: a\n        \
             conditions: {conditions}\n"
        );
        expect(&text, &[(code, 9)]);
    }
}

#[test]
fn mistakes_of_stickiness() {
    for (stickiness, code) in [
        ("true", "wrong-type"),
        ("{ type: source_ip }", "unknown-value"),
        ("{ type: lb_cookie, cookie_name: sid }", "contradiction"),
        ("{ cookie_name: sid }", "contradiction"),
        ("{ type: app_cookie }", "missing-key"),
        ("{ type: app_cookie, cookie_name: '' }", "invalid-cookie-name"),
        ("{ type: app_cookie, cookie_name: 'a b' }", "invalid-cookie-name"),
        ("{ type: app_cookie, cookie_name: 'a=b' }", "invalid-cookie-name"),
        ("{ type: app_cookie, cookie_name: AWSALB }", "invalid-cookie-name"),
        ("{ type: app_cookie, cookie_name: AWSALBTGX }", "invalid-cookie-name"),
        ("{ type: app_cookie, cookie_name: awsalbapp-0 }", "invalid-cookie-name"),
        ("{ duration: 0s }", "out-of-range"),
        ("{ duration: 999ms }", "out-of-range"),
        ("{ duration: 169h }", "out-of-range"),
        ("{ durations: 1h }", "unknown-key"),
    ] {
        let text = format!("target_groups:\n  a: {{ targets: [], stickiness: {stickiness} }}\n");
        expect(&text, &[(code, 2)]);
    }
    let by_lot =
        "target_groups:\n  a: { targets: [], algorithm: weighted_random, stickiness: {} }\n";
    expect(by_lot, &[("contradiction", 2)]);
}

#[test]
fn mistakes_of_group_stickiness() {
    let file = |groups: &str, forward: &str| {
        format!(
            "target_groups:\n  a: {{ targets: [], {groups} }}\n  b: {{ targets: [] }}\n\
             listeners: {{ p: {{ address: 127.0.0.1:80, default_action: {{ public: true,\n\
             forward: {{ target_groups: [a, b]{forward} }} }} }} }}\n"
        )
    };
    let sticky = "stickiness: { duration: 1h }";
    for (groups, forward, code) in [
        (sticky, "", "missing-stickiness"),
        (sticky, ", stickiness: { enabled: false, duration: 1h }", "missing-stickiness"),
        (
            "stickiness: { type: app_cookie, cookie_name: sid }",
            ", stickiness: { duration: 1h }",
            "contradiction",
        ),
        ("", ", stickiness: {}", "missing-key"),
        ("", ", stickiness: { enabled: true }", "missing-key"),
        ("", ", stickiness: { duration: 0s }", "out-of-range"),
        ("", ", stickiness: { duration: 200h }", "out-of-range"),
        ("", ", stickiness: 1h", "wrong-type"),
        (sticky, ", stickiness: 1h", "wrong-type"),
        (sticky, ", stickiness: {}", "missing-key"),
    ] {
        expect(&file(groups, forward), &[(code, 5)]);
    }
    for (groups, forward) in [
        (sticky, ", stickiness: { duration: 168h }"),
        ("", ", stickiness: { duration: 1s }"),
        ("stickiness: { enabled: false, duration: 1h }", ""),
        ("", ", stickiness: { enabled: false, duration: 1h }"),
    ] {
        good(&file(groups, forward));
    }
}

/// A file with a number of each kind; what is left out of the text is at its default.
const NUMBERS: &str = "\
startup_wait: 30s
threads: 2
shutdown: { pre_stop_wait: 1s, drain_limit: 5s }
access_log: { destination: stdout }
user_pools:
  main: { user_pool_id: eu-west-1_Ab1, app_clients: [web], clock_skew: 1s, max_stale: 2h, max_token_size: 2KiB }
target_groups:
  orders:
    targets: [{ address: '10.0.0.1:80', weight: 1 }]
    slow_start: 30s
    timeouts: { connect: 1s, response: 1s }
    health_check: { interval: 5s, timeout: 2s, healthy_threshold: 3, unhealthy_threshold: 3 }
    stickiness: { type: lb_cookie, duration: 24h }
listeners:
  public:
    address: 127.0.0.1:8080
    max_connections: 10
    max_connections_per_client: 5
    max_request_body: 1MiB
    head_timeout: 1s
    idle_timeout: 2s
    client_keep_alive: 3s
    rules:
      - name: a
        priority: 1
        conditions: { path_pattern: [/a] }
        jwt_validation: { user_pools: [main] }
        forward: { target_groups: [{ name: orders, weight: 2 }] }
    default_action: { fixed_response: { status_code: 404 } }
";

#[test]
fn numbers_beyond_their_range_are_refused_wherever_they_stand() {
    good(NUMBERS);
    let keys = [
        ("startup_wait: ", "30s"),
        ("threads: ", "2"),
        ("pre_stop_wait: ", "1s"),
        ("drain_limit: ", "5s"),
        ("clock_skew: ", "1s"),
        ("max_stale: ", "2h"),
        ("max_token_size: ", "2KiB"),
        ("'10.0.0.1:80', weight: ", "1"),
        ("slow_start: ", "30s"),
        ("connect: ", "1s"),
        ("response: ", "1s"),
        ("interval: ", "5s"),
        (" timeout: ", "2s"),
        (" healthy_threshold: ", "3"),
        ("unhealthy_threshold: ", "3"),
        ("duration: ", "24h"),
        ("max_connections: ", "10"),
        ("max_connections_per_client: ", "5"),
        ("max_request_body: ", "1MiB"),
        ("head_timeout: ", "1s"),
        ("idle_timeout: ", "2s"),
        ("client_keep_alive: ", "3s"),
        ("priority: ", "1"),
        ("name: orders, weight: ", "2"),
        ("status_code: ", "404"),
        ("address: 127.0.0.1:", "8080"),
    ];
    // One below what fits into 64 bits and one above, and both once more in seconds and bytes.
    let numbers = [
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        "1e400",
        ".inf",
        ".nan",
        "100000000000h",
        "18446744073709551615ms",
        "18446744073709551616s",
        "5124095576030432h",
        "17592186044416GiB",
        "18446744073709551615KiB",
    ];
    for (key, value) in keys {
        let said = format!("{key}{value}");
        assert_eq!(NUMBERS.matches(&said).count(), 1, "{said}");
        let line = 1 + NUMBERS[..NUMBERS.find(&said).unwrap()].matches('\n').count();
        for number in numbers {
            let report = bad(&NUMBERS.replace(&said, &format!("{key}{number}")));
            let lines: Vec<_> = report.findings.iter().map(|finding| finding.span.line).collect();
            assert_eq!(lines, [line], "{key}{number}: {report}");
        }
    }
}
