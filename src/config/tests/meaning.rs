//! What a good file means.

use std::time::Duration;

use super::{GOOD, good};
use crate::config::model::*;
use crate::config::needs_restart;

#[test]
fn defaults_are_those_of_the_design() {
    let config = good(GOOD).config;
    assert_eq!(config.admin.address.to_string(), "127.0.0.1:9901");
    assert_eq!(config.threads, None);
    assert_eq!(config.startup_wait, Duration::from_secs(30));
    assert_eq!(config.shutdown.drain_limit, Duration::from_secs(25));
    assert_eq!(config.access_log.destination, LogDestination::Stdout);
    let owned = ["x-auth-client-id", "x-auth-groups", "x-auth-scope", "x-auth-subject"];
    assert_eq!(config.owned_headers, owned);
    let pool = &config.user_pools[0];
    assert_eq!(pool.algorithms, [Algorithm::RS256]);
    assert_eq!(pool.clock_skew, Duration::ZERO);
    assert_eq!(
        (pool.refresh, pool.max_stale),
        (Duration::from_secs(3600), Duration::from_secs(86_400))
    );
    assert_eq!(pool.max_token_size, 16 * 1024);
    let group = &config.target_groups[0];
    assert_eq!(group.health_check.interval, Duration::from_secs(30));
    assert_eq!(group.health_check.matcher, [200..=200]);
    assert_eq!(group.timeouts.idle, Duration::from_secs(50));
    let listener = &config.listeners[0];
    assert!(listener.http2 && listener.path.merge_slashes);
    assert_eq!(listener.max_request_body, 1 << 30);
    let rule = &listener.rules[0];
    let jwt = rule.authentication.as_ref().unwrap();
    assert_eq!(jwt.token_use, TokenUse::Access);
    assert!(jwt.forward_authorization);
    assert_eq!(rule.claim_headers.len(), 4);
    let Action::FixedResponse(response) = &listener.default_rule.action else { panic!() };
    assert_eq!(response.status_code, 404);
}

#[test]
fn a_pool_id_gives_both_issuer_forms() {
    let pool = |keys: &str| {
        let text = format!(
            "user_pools: {{ a: {{ app_clients: [x], user_pool_id: eu-west-1_A1{keys} }} }}"
        );
        good(&text).config.user_pools.remove(0)
    };
    let issuers = |keys: &str| -> Vec<(String, String)> {
        let one = |issuer: &Issuer| {
            let KeySource::Url(url) = &issuer.keys else { panic!() };
            (issuer.issuer.to_string(), url.to_string())
        };
        pool(keys).issuers.iter().map(one).collect()
    };
    let form = |host: &str| {
        let issuer = format!("https://{host}.eu-west-1.amazonaws.com/eu-west-1_A1");
        (issuer.clone(), format!("{issuer}/.well-known/jwks.json"))
    };
    assert_eq!(issuers(""), [form("cognito-idp"), form("issuer-cognito-idp")]);
    assert_eq!(issuers(", issuer_type: original"), [form("cognito-idp")]);
    assert_eq!(issuers(", issuer_type: updated"), [form("issuer-cognito-idp")]);
    let replaced = [(
        "http://127.0.0.1:1/x".to_owned(),
        "http://127.0.0.1:1/x/.well-known/jwks.json".to_owned(),
    )];
    assert_eq!(issuers(", issuer: 'http://127.0.0.1:1/x'"), replaced);
    let both = issuers(", jwks_uri: 'https://keys.example/k'");
    assert!(both.len() == 2 && both.iter().all(|(_, url)| url == "https://keys.example/k"));
    assert_eq!(pool("").profile, Profile::Cognito);
}

#[test]
fn an_issuer_with_a_trailing_slash_keeps_it_but_not_in_the_url() {
    let text =
        "user_pools: { a: { issuer: 'https://t.auth0.com/', audiences: [x], profile: rfc9068 } }";
    let pool = good(text).config.user_pools.remove(0);
    assert_eq!(&*pool.issuers[0].issuer, "https://t.auth0.com/");
    assert_eq!(
        pool.issuers[0].keys,
        KeySource::Url("https://t.auth0.com/.well-known/jwks.json".into())
    );
    assert_eq!((pool.profile, pool.app_clients), (Profile::Rfc9068, AppClients::Any));
}

#[test]
fn rules_are_in_file_order_or_by_priority() {
    let text = |first: &str, second: &str| {
        format!(
            "listeners: {{ a: {{ address: 127.0.0.1:80, rules: [\
             {{ name: first{first}, conditions: {{ path_pattern: [/a] }}, fixed_response: {{ status_code: 200 }} }},\
             {{ conditions: {{ path_pattern: [/b] }}{second}, fixed_response: {{ status_code: 200 }} }}] }} }}"
        )
    };
    let order = |text: &str| -> Vec<(String, u32)> {
        let listener = good(text).config.listeners.remove(0);
        listener.rules.iter().map(|rule| (rule.name.to_string(), rule.priority)).collect()
    };
    assert_eq!(order(&text("", "")), [("first".to_owned(), 1), ("rule-2".to_owned(), 2)]);
    let by_priority = order(&text(", priority: 9", ", priority: 4"));
    assert_eq!(by_priority, [("rule-2".to_owned(), 4), ("first".to_owned(), 9)]);
}

#[test]
fn claim_headers_of_a_rule_add_to_the_files() {
    let text = GOOD.replace(
        "[main] }",
        "[main], claim_headers: { X-Auth-Subject: username, x-roles: { claim: /realm/roles, as: json, max_size: 1KiB } } }",
    );
    let config = good(&text).config;
    assert!(config.owned_headers.contains(&"x-roles".to_owned()));
    let headers = &config.listeners[0].rules[0].claim_headers;
    assert_eq!(headers.len(), 5);
    assert_eq!(headers[0].claim, ClaimPath::Name("username".to_owned()));
    let roles = ClaimHeader {
        header: "x-roles".to_owned(),
        claim: ClaimPath::Pointer(vec!["realm".to_owned(), "roles".to_owned()]),
        form: ArrayForm::Json,
        max_size: 1024,
    };
    assert_eq!(headers[4], roles);
    assert_eq!(config.claim_headers.len(), 4);
    let none = good(&format!("claim_headers: {{}}\n{GOOD}")).config;
    assert!(none.owned_headers.is_empty() && none.listeners[0].rules[0].claim_headers.is_empty());
}

#[test]
fn short_and_long_forms_mean_the_same() {
    let long = GOOD
        .replace("[10.0.0.1:80]", "[{ address: 10.0.0.1:80, weight: 1 }]")
        .replace("forward: orders", "forward: { target_groups: [{ name: orders }] }");
    let (short, long) = (good(GOOD).config, good(&long).config);
    assert_eq!(short.target_groups[0].targets, long.target_groups[0].targets);
    assert_eq!(short.listeners[0].rules[0].action, long.listeners[0].rules[0].action);
    let demand = |scopes: &str| {
        let config =
            good(&GOOD.replace("[main] }", &format!("[main], scopes: {scopes} }}"))).config;
        config.listeners[0].rules[0].authentication.clone().unwrap().scopes.unwrap()
    };
    let words = || vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(demand("[a, b]"), Demand::AnyOf(words()));
    assert_eq!(demand("{ any_of: [a, b] }"), Demand::AnyOf(words()));
    assert_eq!(demand("{ all_of: [a, b] }"), Demand::AllOf(words()));
}

#[test]
fn text_that_looks_like_a_number_stays_as_typed() {
    let pool = good(
        "user_pools: { a: { user_pool_id: eu-west-1_A, app_clients: [0123456789, 1e5, 0x1F] } }",
    )
    .config
    .user_pools
    .remove(0);
    let expected = ["0123456789", "1e5", "0x1F"].map(str::to_owned).to_vec();
    assert_eq!(pool.app_clients, AppClients::Only(expected));
}

#[test]
fn dollar_braces_outside_of_secrets_are_text() {
    let text = "listeners: { a: { address: 127.0.0.1:1, default_action: { fixed_response: \
                { status_code: 200, message_body: '${env:HOME} costs 5$' } } } }";
    let Action::FixedResponse(response) = good(text).config.listeners.remove(0).default_rule.action
    else {
        panic!()
    };
    assert_eq!(response.message_body, "${env:HOME} costs 5$");
}

#[test]
fn aliases_of_values_are_followed() {
    let text = "target_groups: { a: { targets: &t [10.0.0.1:80] }, b: { targets: *t } }\n";
    let groups = good(text).config.target_groups;
    assert_eq!(groups[0].targets, groups[1].targets);
}

#[test]
fn what_a_reload_cannot_change_is_named() {
    let messages = |from: &str, to: &str| -> Vec<String> {
        let findings = needs_restart(&good(from).config, &good(to).config);
        findings.into_iter().map(|finding| finding.message).collect()
    };
    assert_eq!(messages(GOOD, GOOD), Vec::<String>::new());
    let rules = GOOD.replace("/orders/*", "/other/*").replace("10.0.0.1", "10.0.0.2");
    assert_eq!(messages(GOOD, &rules), Vec::<String>::new());
    let moved = GOOD.replace("8080", "8081");
    assert_eq!(
        messages(GOOD, &moved),
        ["listener `public` moves from 127.0.0.1:8080 to 127.0.0.1:8081"]
    );
    let renamed = GOOD.replace("  public:", "  edge:");
    assert_eq!(messages(GOOD, &renamed), ["listener `edge` is new", "listener `public` is gone"]);
    let rest =
        format!("threads: 2\nstate_directory: /tmp\nadmin: {{ address: 127.0.0.1:1 }}\n{GOOD}");
    let expected = [
        "`admin.address` changes from 127.0.0.1:9901 to 127.0.0.1:1",
        "`threads` changes",
        "`state_directory` changes",
    ];
    assert_eq!(messages(GOOD, &rest), expected);
}

#[test]
fn stickiness_is_off_unless_said_and_by_our_own_cookie_for_a_day_unless_said_otherwise() {
    let stickiness = |keys: &str| {
        let text = format!("target_groups: {{ a: {{ targets: []{keys} }} }}");
        good(&text).config.target_groups.remove(0).stickiness
    };
    let day = Duration::from_secs(86_400);
    let ours = Stickiness { cookie: StickyCookie::LoadBalancer, duration: day };
    assert_eq!(stickiness(""), None);
    assert_eq!(stickiness(", stickiness: { enabled: false }"), None);
    assert_eq!(stickiness(", stickiness: {}"), Some(ours.clone()));
    assert_eq!(stickiness(", stickiness: { enabled: true, type: lb_cookie }"), Some(ours));
    let theirs = StickyCookie::Application("JSESSIONID".into());
    let expected = Stickiness { cookie: theirs, duration: Duration::from_secs(60) };
    let keys = ", stickiness: { type: app_cookie, cookie_name: JSESSIONID, duration: 1m }";
    assert_eq!(stickiness(keys), Some(expected));
}
