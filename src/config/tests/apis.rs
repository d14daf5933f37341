//! `apis:`: what it means, and every mistake in its place.

use std::time::Duration;

use super::{bad, good};
use crate::config::model::{
    Action, ApiIndex, Demand, IdentitySource, RoutePattern, Segment, TokenUse,
};

const GOOD: &str = "\
user_pools:
  main: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [a] }
target_groups:
  orders: { targets: [127.0.0.1:1] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - { conditions: { path_pattern: [/shop/*] }, api: shop }
apis:
  shop:
    type: http
    base_path: /shop
    authorizers: { main: { jwt: { user_pool: main } } }
    authorizer: main
    routes:
      GET /orders/{id}:
        scopes: [orders/read]
        integration: { target_group: orders, path: '/v1/{id}', timeout: 5s }
      ANY /files/{proxy+}: { authorizer: none, integration: { target_group: orders } }
      $default: { integration: { target_group: orders } }
";

#[test]
fn an_api_means_what_it_says() {
    let config = good(GOOD).config;
    assert_eq!(config.listeners[0].rules[0].action, Action::Api(ApiIndex(0)));
    let api = &config.apis[0];
    assert!(api.is_strict);
    assert_eq!(api.base_path, "/shop");
    let [orders, files, default] = api.routes.as_slice() else { panic!() };
    let id = || Segment::Variable("id".into());
    let expected = RoutePattern::Path {
        method: Some("GET".into()),
        segments: vec![Segment::Literal("orders".into()), id()],
    };
    assert_eq!(orders.pattern, expected);
    let validation = &orders.authorizer.as_ref().unwrap().validation.as_ref().unwrap();
    assert_eq!(validation.scopes, Some(Demand::AnyOf(vec!["orders/read".into()])));
    assert_eq!(validation.token_use, TokenUse::Access);
    assert_eq!(validation.identity_source, IdentitySource::BearerOrBare("authorization".into()));
    assert_eq!(orders.integration.path, Some(vec![Segment::Literal("v1".into()), id()]));
    assert_eq!(orders.integration.timeout, Duration::from_secs(5));
    assert!(files.authorizer.is_none());
    assert_eq!(files.integration.timeout, Duration::from_secs(30));
    assert!(default.authorizer.is_some());
    assert_eq!(default.pattern, RoutePattern::Default);
    let aws = good(&GOOD.replace("type: http", "type: http\n    compatibility: aws")).config;
    assert_eq!(
        aws.apis[0].routes[0].authorizer.as_ref().unwrap().validation.as_ref().unwrap().token_use,
        TokenUse::Any
    );
}

#[test]
fn mistakes_of_apis() {
    let mut missed = Vec::new();
    for (right, wrong, code) in [
        ("api: shop }", "api: shops }", "unknown-api"),
        ("api: shop }", "api: shop, public: true }", "contradiction"),
        ("api: shop }", "api: shop, jwt_validation: { user_pools: [main] } }", "contradiction"),
        ("api: shop }", "api: shop, forward: orders }", "several-actions"),
        ("type: http", "type: soap", "unknown-value"),
        ("type: http", "type: rest", "invalid-route-key"),
        ("type: http", "type: http\n    stage: a.b", "invalid-stage"),
        ("type: http", "type: rest\n    stage: $default", "invalid-stage"),
        ("type: http", "type: http\n    stage_in_path: true", "contradiction"),
        ("type: http", "type: http\n    stage_variables: { a-b: c }", "invalid-stage-variable"),
        ("type: http", "type: http\n    stage_variables: { a: 'b c' }", "invalid-stage-variable"),
        ("type: http", "type: http\n    gateway_responses: {}", "contradiction"),
        ("type: http", "type: rest\n    cors: { allow_origins: ['*'] }", "contradiction"),
        (
            "type: http",
            "type: rest\n    gateway_responses: { UNAUTHORISED: {} }",
            "unknown-response-type",
        ),
        (
            "type: http",
            "type: rest\n    gateway_responses: { THROTTLED: { status_code: 200 } }",
            "invalid-status",
        ),
        (
            "type: http",
            "type: rest\n    gateway_responses: { THROTTLED: { response_parameters: { gatewayresponse.header.a: b } } }",
            "invalid-response-parameter",
        ),
        (
            "type: http",
            "type: rest\n    gateway_responses: { THROTTLED: { response_parameters: { gatewayresponse.header.content-length: \"'1'\" } } }",
            "invalid-response-parameter",
        ),
        (
            "type: http",
            "type: rest\n    gateway_responses: { THROTTLED: { response_templates: { a/b: $context.nothing } } }",
            "invalid-response-template",
        ),
        ("{ jwt: { user_pool: main } }", "{ cognito: { user_pools: [main] } }", "contradiction"),
        (
            "{ jwt: { user_pool: main } }",
            "{ jwt: { user_pool: main }, cognito: { user_pools: [main] } }",
            "contradiction",
        ),
        ("{ jwt: { user_pool: main } }", "{}", "missing-key"),
        (
            "{ jwt: { user_pool: main } }",
            "{ cognito: { user_pools: [main], identity_validation_expression: '(' } }",
            "invalid-regex",
        ),
        ("    type: http\n", "", "missing-key"),
        ("type: http", "type: http\n    extends: dev", "unknown-api"),
        ("base_path: /shop", "base_path: shop", "invalid-base-path"),
        ("base_path: /shop", "base_path: /shop/", "invalid-base-path"),
        ("base_path: /shop", "base_path: /", "invalid-base-path"),
        ("base_path: /shop", "base_path: /a/../b", "invalid-base-path"),
        ("user_pool: main } }", "user_pool: nobody } }", "unknown-user-pool"),
        ("user_pool: main } }", "issuer: https://a.example } }", "not-yet-supported"),
        (
            "user_pool: main } }",
            "user_pool: main, identity_source: $request.header.x-auth-scope } }",
            "invalid-identity-source",
        ),
        (
            "user_pool: main } }",
            "user_pool: main, identity_source: '$request.querystring.a b' } }",
            "invalid-identity-source",
        ),
        ("authorizer: main", "authorizer: mian", "unknown-authorizer"),
        ("    authorizer: main\n", "", "missing-authorizer"),
        ("authorizer: none", "authorizer: nobody", "unknown-authorizer"),
        (
            "authorizers: { main",
            "authorizers: { none: { jwt: { user_pool: main } }, main",
            "invalid-name",
        ),
        ("{ authorizer: none,", "{ authorizer: none, scopes: [a],", "contradiction"),
        ("[orders/read]", "[]", "empty-list"),
        ("[orders/read]", "['a b']", "invalid-value"),
        ("[orders/read]", "['a\"b']", "invalid-value"),
        ("GET /orders/{id}:", "GET /orders/:", "invalid-route-key"),
        ("GET /orders/{id}:", "get /orders/{id}:", "invalid-route-key"),
        ("GET /orders/{id}:", "GET orders/{id}:", "invalid-route-key"),
        ("GET /orders/{id}:", "GET  /orders/{id}:", "invalid-route-key"),
        ("GET /orders/{id}:", "GET /orders/x{id}:", "invalid-route-key"),
        ("GET /orders/{id}:", "GET /orders//{id}:", "invalid-route-key"),
        ("GET /orders/{id}:", "GET /orders/../{id}:", "invalid-route-key"),
        ("GET /orders/{id}:", "GET /orders/%41/{id}:", "invalid-route-key"),
        ("GET /orders/{id}:", "GET /{id}/{id}:", "invalid-route-key"),
        ("GET /orders/{id}:", "GET /{id+}/orders:", "invalid-route-key"),
        ("ANY /files/{proxy+}:", "GET /orders/{number}:", "duplicate-route"),
        ("/v1/{id}", "/v1/{ident}", "invalid-integration-path"),
        ("/v1/{id}", "v1/{id}", "invalid-integration-path"),
        ("/v1/{id}", "/v1//{id}", "invalid-integration-path"),
        ("/v1/{id}", "/v1/x-{id}", "invalid-integration-path"),
        ("/v1/{id}", "/v1/{id}?a=b", "invalid-integration-path"),
        ("timeout: 5s", "timeout: 31s", "out-of-range"),
        ("timeout: 5s", "timeout: 49ms", "out-of-range"),
        ("orders, path", "order, path", "unknown-target-group"),
        (", path: '/v1/{id}'", ", request_parameters: { 'overwrite:path': a }", "invalid-mapping"),
        (
            ", path: '/v1/{id}'",
            ", request_parameters: { 'overwrite:path': /a/../b }",
            "invalid-mapping",
        ),
        (
            ", path: '/v1/{id}'",
            ", request_parameters: { 'overwrite:path': /a%2fb }",
            "invalid-mapping",
        ),
        ("timeout: 5s", "request_parameters: { 'header.x': a }", "invalid-mapping"),
        ("timeout: 5s", "request_parameters: { 'put:header.x': a }", "invalid-mapping"),
        ("timeout: 5s", "request_parameters: { 'overwrite:header.': a }", "invalid-mapping"),
        ("timeout: 5s", "request_parameters: { 'overwrite:body': a }", "invalid-mapping"),
        ("timeout: 5s", "request_parameters: { 'append:path': a }", "invalid-mapping"),
        ("timeout: 5s", "request_parameters: { 'overwrite:path': /a }", "contradiction"),
        ("timeout: 5s", "request_parameters: { 'overwrite:statuscode': 200 }", "invalid-mapping"),
        (
            "timeout: 5s",
            "request_parameters: { 'overwrite:header.Authorization': a }",
            "invalid-mapping",
        ),
        ("timeout: 5s", "request_parameters: { 'append:header.x-amz-a': a }", "invalid-mapping"),
        ("timeout: 5s", "request_parameters: { 'append:header.via': a }", "invalid-mapping"),
        (
            "timeout: 5s",
            "request_parameters: { 'append:header.a': $request.body.a }",
            "invalid-mapping",
        ),
        (
            "timeout: 5s",
            "request_parameters: { 'append:header.a': $request.path.x }",
            "invalid-mapping",
        ),
        (
            "timeout: 5s",
            "request_parameters: { 'append:header.a': $context.nothing }",
            "invalid-mapping",
        ),
        (
            "timeout: 5s",
            "request_parameters: { 'append:header.a': $stageVariables.b }",
            "invalid-mapping",
        ),
        (
            "timeout: 5s",
            "request_parameters: { 'append:header.a': $response.header.b }",
            "invalid-mapping",
        ),
        (
            "timeout: 5s",
            "request_parameters: { 'append:header.a': $context.authorizer.claims.sub }",
            "contradiction",
        ),
        (
            "timeout: 5s",
            "request_parameters: { 'overwrite:header.x-auth-subject': $context.authorizer.claims.a }",
            "contradiction",
        ),
        (
            "{ authorizer: none, integration: { target_group: orders } }",
            "{ authorizer: none, integration: { target_group: orders, request_parameters: { 'overwrite:header.a': $context.authorizer.claims.sub } } }",
            "invalid-mapping",
        ),
        ("timeout: 5s", "response_parameters: { '99': {} }", "invalid-status"),
        (
            "timeout: 5s",
            "response_parameters: { '200': { 'overwrite:statuscode': 204 } }",
            "invalid-mapping",
        ),
        (
            "timeout: 5s",
            "response_parameters: { '200': { 'append:header.a': $request.header.b } }",
            "invalid-mapping",
        ),
        (
            "timeout: 5s",
            "response_parameters: { '200': { 'overwrite:path': /a } }",
            "invalid-mapping",
        ),
        ("{ integration: { target_group: orders } }", "{}", "missing-key"),
    ] {
        let text = GOOD.replacen(right, wrong, 1);
        assert_ne!(text, GOOD, "{right} is not there");
        let codes: Vec<_> = bad(&text).findings.iter().map(|finding| finding.code).collect();
        if !codes.contains(&code) {
            missed.push((wrong, code, codes));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn an_apis_tokens_do_not_travel_in_the_clear_beyond_loopback() {
    let text = GOOD.replace("address: 127.0.0.1:0", "address: 192.0.2.1:80");
    let codes: Vec<_> = bad(&text).findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["plaintext-authentication"]);
}

#[test]
fn a_rest_of_a_path_stands_last_in_an_integration() {
    let text = GOOD.replace(
        "ANY /files/{proxy+}: { authorizer: none, integration: { target_group: orders } }",
        "ANY /files/{proxy+}: { authorizer: none, integration: { target_group: orders, path: '/a/{proxy}' } }",
    );
    good(&text);
    let findings = bad(&text.replace("/a/{proxy}", "/{proxy}/a")).findings;
    assert_eq!(findings[0].code, "invalid-integration-path");
}

#[test]
fn headers_that_carry_what_an_authorizer_proved_are_owned() {
    let filled =
        |value: &str| GOOD.replace("timeout: 5s", &format!("request_parameters: {{ {value} }}"));
    let config = good(&filled("'overwrite:header.X-User': $context.authorizer.claims.sub")).config;
    assert!(config.owned_headers.contains(&"x-user".to_owned()));
    let plain = good(&filled("'append:header.x-user': $request.header.x-other")).config;
    assert!(!plain.owned_headers.contains(&"x-user".to_owned()));
    // Another route may not put into it what a client says; the file's own words are as good.
    let other = |value: &str| {
        filled("'overwrite:header.x-user': $context.authorizer.claims.sub").replace(
            "{ authorizer: none, integration: { target_group: orders } }",
            &format!(
                "{{ authorizer: none, integration: {{ target_group: orders, \
                 request_parameters: {{ 'overwrite:header.x-user': {value} }} }} }}"
            ),
        )
    };
    good(&other("nobody"));
    for value in ["$request.header.a", "$request.path.proxy", "$context.identity.userAgent"] {
        assert_eq!(bad(&other(value)).findings[0].code, "contradiction", "{value}");
    }
}

const SERVICE: &str = "main: { request: { uri: 'https://a.example/x' } }";

fn with_service(keys: &str) -> String {
    GOOD.replace("        scopes: [orders/read]\n", "")
        .replace("main: { jwt: { user_pool: main } }", SERVICE)
        .replace("/x' }", &format!("/x', {keys} }}"))
        .replace(
            "user_pools:\n  main: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [a] }\n",
            "",
        )
}

#[test]
fn every_mistake_of_a_request_authorizer_is_found() {
    let source = "identity_source: [$request.header.a]";
    good(&with_service(source));
    good(&with_service(&format!("{source}, result_ttl: 1h, timeout: 50ms")));
    for (keys, code) in [
        ("identity_source: []", "out-of-range"),
        ("identity_source: [$request.header.a, $request.header.A]", "duplicate-value"),
        ("identity_source: [authorization]", "invalid-identity-source"),
        ("identity_source: [$request.body.a]", "invalid-identity-source"),
        ("identity_source: [$request.path.id]", "invalid-identity-source"),
        ("identity_source: [$context.requestId]", "invalid-identity-source"),
        ("identity_source: [$context.authorizer.a]", "invalid-identity-source"),
        ("identity_source: [$context.nothing]", "invalid-identity-source"),
        ("identity_source: [$stageVariables.none]", "invalid-identity-source"),
        ("identity_source: ['${request.header.a}']", "invalid-identity-source"),
        ("identity_source: [method.request.header.a]", "invalid-identity-source"),
        ("result_ttl: 1s", "contradiction"),
        (&format!("{source}, result_ttl: 3601s"), "out-of-range"),
        ("timeout: 11s", "out-of-range"),
        ("payload_format_version: '3.0'", "invalid-value"),
        ("payload_format_version: '1.0', enable_simple_responses: true", "contradiction"),
        ("identity_validation_expression: a", "unknown-key"),
    ] {
        let codes: Vec<_> =
            bad(&with_service(keys)).findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [code], "{keys}");
    }
    for (from, to, code) in [
        ("https://a.example/x", "http://a.example/x", "invalid-uri"),
        ("https://a.example/x", "https://u:p@a.example/x", "invalid-uri"),
        ("{ request: {", "{ token: { uri: 'https://b.example/' }, request: {", "contradiction"),
        ("request: {", "token: {", "contradiction"),
        ("base_path:", "region: 'EU WEST'\n    base_path:", "invalid-value"),
        ("base_path:", "account_id: '12'\n    base_path:", "invalid-value"),
        (
            "timeout: 5s",
            "request_parameters: { 'overwrite:header.a': $context.authorizer.claims.sub }",
            "invalid-mapping",
        ),
        (
            "timeout: 5s",
            "request_parameters: { 'append:header.a': $context.authorizer.tenant }",
            "contradiction",
        ),
    ] {
        let text = with_service("timeout: 1s").replace(from, to);
        let codes: Vec<_> = bad(&text).findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [code], "{to}");
    }
    // Of a token there are claims, and no context.
    let said = GOOD.replace(
        "timeout: 5s",
        "request_parameters: { 'overwrite:header.a': $context.authorizer.tenant }",
    );
    assert_eq!(bad(&said).findings[0].code, "invalid-mapping");
    let scoped = with_service("timeout: 1s")
        .replace("      GET /orders/{id}:\n", "      GET /orders/{id}:\n        scopes: [a]\n");
    assert_eq!(bad(&scoped).findings[0].code, "contradiction");
}

#[test]
fn headers_that_carry_what_a_service_said_are_owned() {
    let text = with_service("timeout: 1s").replace(
        "timeout: 5s",
        "request_parameters: { 'overwrite:header.X-Tenant': $context.authorizer.tenant }",
    );
    assert!(good(&text).config.owned_headers.contains(&"x-tenant".to_owned()));
}
