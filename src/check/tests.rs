use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::diagnostics::Span;
use crate::config::model::*;
use crate::http::TrustedProxies;

fn config(rules: Vec<Rule>, default_rule: Rule) -> Config {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let minute = Duration::from_secs(60);
    Config {
        admin: Admin { address, token: None },
        threads: None,
        memory_limit: None,
        state_directory: None,
        session_keys: vec![],
        startup_wait: minute,
        reload: crate::config::model::Reload::default(),
        shutdown: Shutdown { pre_stop_wait: Duration::ZERO, drain_limit: minute },
        access_log: AccessLog {
            format: None,
            destination: LogDestination::Off,
            query: false,
            alb: LogDestination::Off,
            load_balancer: "app/test/0000000000000000".into(),
        },
        connection_log: LogDestination::Off,
        tracing: None,
        identity_assertion: None,
        deny_list: None,
        oidc_data: crate::config::model::OidcData::default(),
        health_check_log: LogDestination::Off,
        claim_headers: Vec::new(),
        owned_headers: Vec::new(),
        user_pools: Vec::new(),
        target_groups: Vec::new(),
        aws_credentials: Vec::new(),
        apis: Vec::new(),
        usage: crate::config::model::Usage::default(),
        listeners: vec![Listener {
            name: Arc::from("public"),
            address,
            tls: None,
            http2: true,
            path: PathPolicy::default(),
            trusted_proxies: TrustedProxies::default(),
            proxy_protocol: None,
            request_headers: RequestHeaders::default(),
            response_headers: ResponseHeaders::default(),
            error_pages: ErrorPages::default(),
            idle_timeout: minute,
            client_keep_alive: minute,
            head_timeout: minute,
            desync_mitigation_mode: DesyncMitigationMode::Defensive,
            max_request_body: 1,
            max_connections: 1,
            max_connections_per_client: None,
            max_http2_requests: 1,
            rules,
            default_rule,
            span: span(1),
        }],
        development_user_pool: None,
    }
}

fn span(line: usize) -> Span {
    Span { line, ..Span::default() }
}

/// A rule on a line of its own.
fn rule(line: usize, name: &str, paths: &[&str]) -> Rule {
    let locate = |value: &&str| Located { value: (*value).to_owned(), span: span(line + 1) };
    let path_pattern = paths.iter().map(locate).collect();
    Rule {
        name: Arc::from(name),
        priority: 1,
        conditions: Conditions { path_pattern, ..Conditions::default() },
        authentication: None,
        sign_in: None,
        transforms: crate::config::model::Transforms::default(),
        ends_with_identity: true,
        public: false,
        action: Action::Forward(Forward {
            groups: vec![WeightedGroup { group: GroupIndex(0), weight: 1 }],
            stickiness: None,
        }),
        claim_headers: Arc::from([]),
        span: span(line),
    }
}

fn protected(rule: Rule) -> Rule {
    let validation = JwtValidation {
        pools: vec![PoolIndex(0)],
        token_use: TokenUse::Access,
        scopes: None,
        groups: None,
        additional_claims: Vec::new(),
        identity_source: IdentitySource::Authorization,
        forward_authorization: true,
    };
    Rule { authentication: Some(validation), ..rule }
}

fn public(rule: Rule) -> Rule {
    Rule { public: true, ..rule }
}

fn not_found() -> Rule {
    let response = FixedResponse {
        status_code: 404,
        content_type: String::new(),
        message_body: String::new(),
    };
    Rule { action: Action::FixedResponse(response), ..rule(900, "default", &[]) }
}

fn codes(findings: &[Diagnostic]) -> Vec<(&'static str, usize)> {
    findings.iter().map(|finding| (finding.code, finding.span.line)).collect()
}

#[test]
fn a_sound_configuration_has_no_findings() {
    let rules =
        vec![protected(rule(10, "orders", &["/orders/*"])), public(rule(20, "web", &["/*"]))];
    assert_eq!(judge(&config(rules, not_found())), []);
}

/// Attacks C13 and G3.
#[test]
fn an_unreachable_rule_is_an_error_that_names_the_rule_in_front() {
    let rules =
        vec![protected(rule(10, "all", &["/*"])), protected(rule(20, "orders", &["/orders/*"]))];
    let findings = judge(&config(rules, not_found()));
    assert_eq!(codes(&findings), [("unreachable-rule", 20)]);
    assert_eq!(findings[0].severity, Severity::Error);
    assert!(findings[0].message.contains("`orders` can never match: rule `all` in front"));
    assert_eq!(findings[0].related, [(span(10), "the rule in front".to_owned())]);
}

#[test]
fn an_open_rule_that_does_not_say_so_is_a_warning() {
    let findings = judge(&config(vec![rule(10, "web", &["/web/*"])], not_found()));
    assert_eq!(codes(&findings), [("open-forward", 10)]);
    assert_eq!(findings[0].severity, Severity::Warning);
}

#[test]
fn an_open_rule_beside_a_protected_one_is_a_louder_warning() {
    let rules = vec![
        rule(10, "early", &["/*/export"]),
        protected(rule(20, "orders", &["/orders/*"])),
        rule(30, "apart", &["/web/*"]),
    ];
    let findings = judge(&config(rules, rule(900, "default", &[])));
    assert_eq!(
        codes(&findings),
        [("open-beside-protected", 10), ("open-forward", 30), ("open-beside-protected", 900)]
    );
    assert!(findings[0].message.contains("protected rule `orders`"));
    assert_eq!(findings[0].related, [(span(20), "the protected rule".to_owned())]);
}

#[test]
fn an_open_default_without_protected_rules_is_only_open() {
    let findings = judge(&config(Vec::new(), rule(900, "default", &[])));
    assert_eq!(codes(&findings), [("open-forward", 900)]);
}

#[test]
fn more_than_64_rules_without_an_anchor_are_a_warning() {
    let rules = |count| {
        (0..count).map(|number| public(rule(10, "r", &[&format!("*.{number}x")]))).collect()
    };
    assert_eq!(judge(&config(rules(64), not_found())), []);
    let findings = judge(&config(rules(65), not_found()));
    assert_eq!(codes(&findings), [("residual-rules", 1)]);
    assert!(findings[0].message.contains("65 rules"));
}

#[test]
fn a_pattern_that_no_canonical_path_matches_is_an_error() {
    for (pattern, help) in [
        ("/a//b", "write `/a/b`"),
        ("/a/../b", "write `/b`"),
        ("/%61dmin", "write `/admin`"),
        ("/caf%c3%a9", "write `/caf%C3%A9`"),
        ("/a/*/./b", "write `/a/*/b`"),
        ("admin", "a path begins"),
        ("/a%2Fb", "a path begins"),
        ("/a#b", "a path begins"),
        ("/é", "a path begins"),
    ] {
        let findings = judge(&config(vec![public(rule(10, "r", &[pattern]))], not_found()));
        assert_eq!(codes(&findings), [("pattern-never-matches", 11)], "{pattern}");
        assert!(findings[0].help.as_ref().unwrap().starts_with(help), "{:?}", findings[0].help);
    }
    for pattern in ["*", "/", "/a*", "*.png", "?a", "/a/?/b", "/caf%C3%A9", "/a%*", "/a%2?", "/.*"]
    {
        let findings = judge(&config(vec![public(rule(10, "r", &[pattern]))], not_found()));
        assert_eq!(findings, [], "{pattern}");
    }
}

#[test]
fn what_a_pattern_can_match_depends_on_the_listener() {
    let mut config = config(vec![public(rule(10, "r", &["/a//b", "/a%2Fb"]))], not_found());
    config.listeners[0].path =
        PathPolicy { keep_encoded_slash: true, merge_slashes: false, keep_parameters: false };
    assert_eq!(judge(&config), []);
}

#[test]
fn a_pattern_that_no_canonical_host_matches_is_an_error() {
    let with_host = |host: &str| {
        let mut rule = public(rule(10, "r", &[]));
        rule.conditions.host_header = vec![Located { value: host.to_owned(), span: span(12) }];
        judge(&config(vec![rule], not_found()))
    };
    for host in ["a.example:8080", "a.example.", "user@a.example", "a..example", "*."] {
        assert_eq!(codes(&with_host(host)), [("pattern-never-matches", 12)], "{host}");
    }
    for host in ["a.example", "A.Example", "*.example", "*", "?.a", "a*", "10.0.0.1", "[::1]"] {
        assert_eq!(with_host(host), [], "{host}");
    }
}

#[test]
fn ten_thousand_rules_are_judged_in_moments() {
    let rules = (0..10_000)
        .map(|number| {
            let rule = rule(number, "r", &[&format!("/s{number}/*")]);
            if number % 2 == 0 { protected(rule) } else { rule }
        })
        .collect();
    let findings = judge(&config(rules, not_found()));
    assert_eq!(findings.len(), 5_000);
    assert!(findings.iter().all(|finding| finding.code == "open-forward"));
}

#[test]
fn an_open_route_that_serves_what_a_protected_one_names_is_told() {
    let told = |kind: &str, compatibility: &str, routes: &str| {
        let file = format!(
            "user_pools: {{ main: {{ user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [a] }} }}\n\
             target_groups: {{ all: {{ targets: [127.0.0.1:1] }} }}\n\
             listeners: {{ public: {{ address: 127.0.0.1:0, default_action: {{ api: shop }} }} }}\n\
             apis:\n  shop:\n    type: {kind}\n    compatibility: {compatibility}\n    \
             authorizers: {{ main: {{ jwt: {{ user_pool: main }} }} }}\n    routes:\n{routes}"
        );
        let loaded = crate::config::parse_portable(&file, "routes.yaml").unwrap();
        let findings = judge(&loaded.config).into_iter();
        let findings = findings.filter(|found| found.code == "open-route-beside-protected");
        findings.map(|found| found.message).collect::<Vec<_>>()
    };
    let route = |key: &str, authorizer: &str| {
        format!(
            "      {key}: {{ authorizer: {authorizer}, integration: {{ target_group: all }} }}\n"
        )
    };
    let open = route("POST /admin", "main") + &route("ANY /{proxy+}", "none");
    for kind in ["http", "rest"] {
        let found = told(kind, "aws", &open);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`ANY /{proxy+}`") && found[0].contains("`POST /admin`"));
        // There such a request is refused.
        assert!(told(kind, "strict", &open).is_empty());
    }
    // That every method has a route, each with its own door, is meant.
    let closed = route("ANY /admin", "main") + &route("ANY /{proxy+}", "none");
    assert!(told("rest", "aws", &closed).is_empty());
    assert_eq!(told("http", "aws", &closed).len(), 1, "GET /admin/ is another path");
    let meant = route("POST /admin", "main") + &route("GET /admin", "none");
    assert!(told("http", "aws", &meant).is_empty());
}
