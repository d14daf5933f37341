//! States and plans as Terraform prints them, and what becomes of them.
// They are built from literals, which are values.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::super::{Document, ImportError, Imported, Kind};
use super::import;
use crate::config::parse_portable;

fn read(value: &Value) -> Result<Imported, ImportError> {
    import(&[Document { name: "state".to_owned(), text: value.to_string() }])
}

fn imported(value: &Value) -> Imported {
    let imported = read(value).expect("something to import");
    let judged = parse_portable(&imported.routes, "routes.yaml");
    assert!(judged.is_ok(), "{}\n{}", imported.routes, judged.expect_err("errors").render(false));
    imported
}

fn notes(imported: &Imported, kind: Kind) -> Vec<String> {
    imported.notes.iter().filter(|note| note.kind == kind).map(ToString::to_string).collect()
}

fn resource(kind: &str, name: &str, values: Value) -> Value {
    json!({ "address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name, "values": values })
}

const ELB: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012";

/// A load balancer whose parts stand in two modules, as `terraform-aws-modules/alb` leaves them.
fn state() -> Value {
    let listener = format!("{ELB}:listener/app/edge/1/2");
    let group = format!("{ELB}:targetgroup/orders/3");
    json!({ "format_version": "1.0", "values": { "root_module": {
        "resources": [
            resource("aws_lb_target_group", "orders", json!({
                "arn": group, "name": "orders", "port": 8080, "protocol": "HTTP", "target_type": "ip",
                "deregistration_delay": "60", "slow_start": 0,
                "health_check": [{ "enabled": true, "path": "/healthz", "port": "traffic-port", "protocol": "HTTP",
                    "interval": 30, "timeout": 5, "healthy_threshold": 5, "unhealthy_threshold": 2, "matcher": "200-299" }],
                "stickiness": [{ "enabled": false, "type": "lb_cookie", "cookie_duration": 86400, "cookie_name": "" }] })),
            resource("aws_alb_target_group_attachment", "one", json!({
                "target_group_arn": group, "target_id": "10.0.0.7", "port": null })),
            resource("aws_lb_trust_store_revocation", "x", json!({ "arn": "y" })),
            resource("aws_cognito_user_pool_client", "web", json!({ "client_secret": "s3cr3t-of-web" })),
        ],
        "child_modules": [{ "address": "module.alb", "child_modules": [{ "address": "module.alb.module.inner", "resources": [
            resource("aws_lb", "this", json!({ "arn": "x", "name": "edge", "load_balancer_type": "application",
                "idle_timeout": 120, "enable_http2": true, "drop_invalid_header_fields": true })),
            resource("aws_lb_listener", "https", json!({ "arn": listener, "load_balancer_arn": "x", "port": 443,
                "protocol": "HTTPS", "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
                "certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/abc",
                "default_action": [{ "type": "fixed-response", "order": 1, "target_group_arn": "",
                    "fixed_response": [{ "content_type": "text/plain", "message_body": "no", "status_code": "404" }],
                    "forward": [], "redirect": [], "authenticate_oidc": [] }] })),
            resource("aws_lb_listener_rule", "staff", json!({ "listener_arn": listener, "priority": 20,
                "condition": [{ "path_pattern": [{ "values": ["/staff/*"] }], "host_header": [], "query_string": [] }],
                "action": [
                    { "type": "authenticate-oidc", "order": 1, "authenticate_oidc": [{
                        "authorization_endpoint": "https://idp.example/authorize", "client_id": "web",
                        "client_secret": "s3cr3t-of-oidc", "issuer": "https://idp.example", "scope": "openid email",
                        "on_unauthenticated_request": "authenticate", "session_cookie_name": "AWSELBAuthSessionCookie",
                        "session_timeout": 604800, "token_endpoint": "https://idp.example/token",
                        "user_info_endpoint": "https://idp.example/me" }] },
                    { "type": "forward", "order": 2, "target_group_arn": group }] })),
            resource("aws_lb_listener_rule", "api", json!({ "listener_arn": listener, "priority": 10,
                "condition": [
                    { "host_header": [{ "values": ["api.example.com"] }] },
                    { "query_string": [{ "key": "v", "value": "1" }, { "key": null, "value": "2" }] },
                    { "http_header": [{ "http_header_name": "x-kind", "values": ["a*"] }] }],
                "action": [
                    { "type": "jwt-validation", "order": 1, "jwt_validation": [{
                        "issuer": "https://issuer.example", "jwks_endpoint": "https://issuer.example/keys",
                        "additional_claim": [{ "format": "single-string", "name": "aud", "values": ["shop"] }] }] },
                    { "type": "forward", "order": 2, "forward": [{ "target_group": [{ "arn": group, "weight": 1 }],
                        "stickiness": [{ "enabled": false, "duration": 1 }] }] }] })),
        ] }] }],
    } } })
}

#[test]
fn a_state_becomes_the_file_that_its_load_balancer_would() {
    let imported = imported(&state());
    assert_eq!(
        imported.routes,
        r#"# Made by `portcullis import terraform`. See its report for what could not be carried over.

user_pools:
  idp-example:
    issuer: "https://idp.example"
    authorization_endpoint: "https://idp.example/authorize"
    token_endpoint: "https://idp.example/token"
    user_info_endpoint: "https://idp.example/me"
    client_id: web
    client_secret: ${env:IDP_EXAMPLE_CLIENT_SECRET}
  issuer-example:
    issuer: "https://issuer.example"
    jwks_uri: "https://issuer.example/keys"
    audiences: [shop]

target_groups:
  orders:
    targets: ["10.0.0.7:8080"]
    deregistration_delay: 60s
    health_check: { path: /healthz, matcher: "200-299" }

listeners:
  https:
    address: "0.0.0.0:443"
    tls:
      certificates:
        - certificate: certificates/abc.pem
          private_key: certificates/abc.key
      security_policy: ELBSecurityPolicy-TLS13-1-2-2021-06
    idle_timeout: 120s
    drop_invalid_header_fields: true
    rules:
      # aws_lb_listener_rule.api
      - name: api-example-com
        priority: 10
        conditions:
          host_header: [api.example.com]
          http_header: [{ name: x-kind, values: ["a*"] }]
          query_string: [{ any_of: [{ key: v, value: "1" }, { value: "2" }] }]
        jwt_validation:
          user_pools: [issuer-example]
        forward: orders
      # aws_lb_listener_rule.staff
      - name: staff
        priority: 20
        conditions:
          path_pattern: ["/staff/*"]
        authenticate_oidc:
          user_pool: idp-example
          scope: "openid email"
        forward: orders
    default_action:
      fixed_response: { status_code: 404, message_body: "no" }
"#,
        "{}",
        imported.routes
    );
    let all = format!("{}{:?}", imported.routes, imported.notes);
    assert!(!all.contains("s3cr3t"), "{all}");
    let dropped = notes(&imported, Kind::Dropped);
    assert_eq!(
        dropped,
        [
            "aws_lb_trust_store_revocation.x: `lb_trust_store_revocation` is not known to this importer"
        ]
    );
}

/// What is not known before it is applied is found by what the configuration refers to.
#[test]
fn references_of_a_plan_are_followed_within_their_module_and_instance() {
    let instance = |kind: &str, name: &str, key: &str, values: Value| {
        json!({ "address": format!("module.shop.{kind}.{name}[\"{key}\"]"), "mode": "managed", "type": kind,
            "name": name, "values": values })
    };
    let group = |key: &str| {
        instance(
            "aws_lb_target_group",
            "this",
            key,
            json!({ "name": key, "port": 80, "protocol": "HTTP", "target_type": "ip" }),
        )
    };
    let rule = |key: &str, priority: u64| {
        instance(
            "aws_lb_listener_rule",
            "this",
            key,
            json!({ "priority": priority,
            "condition": [{ "path_pattern": [{ "values": [format!("/{key}/*")] }] }], "action": [{ "type": "forward" }] }),
        )
    };
    let imported = imported(&json!({
        "planned_values": { "root_module": { "child_modules": [{ "address": "module.shop", "resources": [
            group("b"), group("a"), rule("a", 1), rule("b", 2),
            { "address": "module.shop.aws_lb_listener.http", "mode": "managed", "type": "aws_lb_listener", "name": "http",
                "values": { "port": 80, "protocol": "HTTP", "default_action": [{ "type": "forward" }] } },
        ] }] } },
        "configuration": { "root_module": { "module_calls": { "shop": { "module": { "resources": [
            { "address": "aws_lb_listener.http", "expressions": {
                "load_balancer_arn": { "references": ["var.lb"] },
                "default_action": [{ "target_group_arn": { "references": ["aws_lb_target_group.this[\"a\"].arn", "aws_lb_target_group.this[\"a\"]"] } }] } },
            { "address": "aws_lb_listener_rule.this", "expressions": {
                "listener_arn": { "references": ["aws_lb_listener.http.arn", "aws_lb_listener.http"] },
                "action": [{ "target_group_arn": { "references": ["aws_lb_target_group.this", "each.key"] } }] } },
        ] } } } } },
    }));
    let at = |text: &str| {
        imported.routes.find(text).unwrap_or_else(|| panic!("{text} in {}", imported.routes))
    };
    assert!(at("\"/a/*\"") < at("forward: a"), "{}", imported.routes);
    assert!(at("\"/b/*\"") < at("forward: b"), "{}", imported.routes);
    let to_do = notes(&imported, Kind::ToDo);
    assert!(
        to_do
            .iter()
            .any(|note| note.contains("module.shop.aws_lb_listener.http: `load_balancer_arn`")),
        "{to_do:?}"
    );
}

#[test]
fn whoever_signs_in_at_a_pool_that_is_not_known_yet_gets_503_and_never_past_it() {
    let mut state = state();
    let text = state.to_string().replace("\"issuer\":\"https://idp.example\"", "\"issuer\":null");
    state = serde_json::from_str(&text).expect("JSON");
    let imported = imported(&state);
    let (_, rule) = imported.routes.split_once("- name: staff").expect("the rule");
    assert!(rule.contains("fixed_response: { status_code: 503 }"), "{rule}");
    assert!(!rule.contains("public"), "{rule}");
}

#[test]
fn a_rule_that_lacks_a_condition_takes_nobody_further() {
    let text = state()
        .to_string()
        .replace("\"host_header\":[{\"values\":[\"api.example.com\"]}]", "\"host_header\":[]");
    let imported = imported(&serde_json::from_str(&text).expect("JSON"));
    let (_, rule) = imported.routes.split_once("# aws_lb_listener_rule.api").expect("the rule");
    let (rule, _) = rule.split_once("# aws_lb_listener_rule.staff").expect("the next");
    assert!(rule.contains("fixed_response: { status_code: 503 }"), "{rule}");
    assert!(!rule.contains("forward:"), "{rule}");
}

#[test]
fn apis_of_both_kinds_are_found_and_what_is_guarded_stays_closed() {
    let imported = imported(&json!({ "values": { "root_module": { "resources": [
        resource("aws_apigatewayv2_api", "shop", json!({ "id": "h1", "name": "shop", "protocol_type": "HTTP",
            "cors_configuration": [{ "allow_origins": ["https://shop.example"], "max_age": 60 }] })),
        resource("aws_apigatewayv2_integration", "orders", json!({ "id": "i1", "api_id": "h1", "integration_type": "HTTP_PROXY",
            "integration_uri": "https://orders.internal/{proxy}", "integration_method": "ANY" })),
        resource("aws_apigatewayv2_authorizer", "jwt", json!({ "id": "a1", "api_id": "h1", "authorizer_type": "JWT", "name": "jwt",
            "identity_sources": ["$request.header.Authorization"],
            "jwt_configuration": [{ "audience": ["shop"], "issuer": "https://issuer.example" }] })),
        resource("aws_apigatewayv2_route", "orders", json!({ "id": "r1", "api_id": "h1", "route_key": "ANY /orders/{proxy+}",
            "target": "integrations/i1", "authorization_type": "JWT", "authorizer_id": "a1", "authorization_scopes": ["orders/read"] })),
        resource("aws_apigatewayv2_route", "secret", json!({ "id": "r2", "api_id": "h1", "route_key": "GET /secret",
            "target": "integrations/i1", "authorization_type": "CUSTOM", "authorizer_id": "gone" })),
        resource("aws_apigatewayv2_stage", "default", json!({ "id": "$default", "api_id": "h1", "name": "$default" })),
        resource("aws_api_gateway_rest_api", "old", json!({ "id": "v1", "name": "old", "root_resource_id": "root" })),
        resource("aws_api_gateway_resource", "a", json!({ "id": "ra", "rest_api_id": "v1", "parent_id": "root", "path_part": "a" })),
        resource("aws_api_gateway_method", "a", json!({ "rest_api_id": "v1", "resource_id": "ra", "http_method": "GET", "authorization": "NONE" })),
        resource("aws_api_gateway_integration", "a", json!({ "rest_api_id": "v1", "resource_id": "ra", "http_method": "GET",
            "type": "HTTP_PROXY", "uri": "http://old.internal/a", "integration_http_method": "GET" })),
        resource("aws_api_gateway_method", "b", json!({ "rest_api_id": "v1", "resource_id": "ra", "http_method": "POST" })),
        resource("aws_api_gateway_stage", "prod", json!({ "rest_api_id": "v1", "stage_name": "prod" })),
        resource("aws_api_gateway_method", "c", json!({ "rest_api_id": "v1", "resource_id": "ra", "http_method": "PUT",
            "authorization": "AWS_IAM", "api_key_required": true })),
        resource("aws_api_gateway_integration", "c", json!({ "rest_api_id": "v1", "resource_id": "ra", "http_method": "PUT",
            "type": "HTTP_PROXY", "uri": "http://old.internal/a", "integration_http_method": "PUT" })),
        resource("aws_api_gateway_method", "d", json!({ "rest_api_id": "v1", "resource_id": "ra", "http_method": "OPTIONS", "authorization": "NONE" })),
        resource("aws_api_gateway_integration", "d", json!({ "rest_api_id": "v1", "resource_id": "ra", "http_method": "OPTIONS",
            "type": "MOCK", "request_templates": { "application/json": "{\"statusCode\": 204}" } })),
        resource("aws_api_gateway_integration_response", "d", json!({ "rest_api_id": "v1", "resource_id": "ra", "http_method": "OPTIONS",
            "status_code": "204", "selection_pattern": "", "response_parameters": { "method.response.header.Access-Control-Allow-Origin": "'*'" } })),
        resource("aws_api_gateway_api_key", "acme", json!({ "id": "k1", "name": "acme", "enabled": true, "value": "a-secret-that-stays" })),
        resource("aws_api_gateway_usage_plan", "gold", json!({ "id": "p1", "name": "gold",
            "api_stages": [{ "api_id": "v1", "stage": "prod", "throttle": [{ "path": "/a/PUT", "burst_limit": 4, "rate_limit": 2 }] }],
            "quota_settings": [{ "limit": 20, "offset": 2, "period": "WEEK" }],
            "throttle_settings": [{ "burst_limit": 5, "rate_limit": 10 }] })),
        resource("aws_api_gateway_usage_plan_key", "acme", json!({ "id": "k1", "key_id": "k1", "key_type": "API_KEY", "usage_plan_id": "p1" })),
    ] } } }));
    let text = &imported.routes;
    for piece in [
        "ANY /orders/{proxy+}",
        "GET /secret",
        "GET /a",
        "POST /a",
        "orders/read",
        "authorizer: aws_iam\n        api_key_required: true",
        "mock: { status_code: 204, headers: { Access-Control-Allow-Origin: \"*\" } }",
        "acme: { value: \"${env:API_KEY_ACME}\" }",
        "- api: old\n        throttle:\n          \"PUT /a\": { rate: 2, burst: 4 }",
        "quota: { limit: 20, offset: 2, period: week }",
    ] {
        assert!(text.contains(piece), "{piece} in {text}");
    }
    assert!(!text.contains("a-secret"), "{text}");
    let dropped = notes(&imported, Kind::Dropped);
    for closed in ["route GET /secret", "method POST /a"] {
        assert!(dropped.iter().any(|note| note.starts_with(closed)), "{closed} in {dropped:?}");
    }
}

#[test]
fn what_is_no_state_is_an_error_and_nothing_of_it_breaks_out() {
    for wrong in [
        json!({}),
        json!([]),
        json!({ "values": { "root_module": { "resources": "x" } } }),
        json!(null),
    ] {
        assert!(matches!(read(&wrong), Err(ImportError::Incomplete(_))), "{wrong}");
    }
    // Hostile names stay texts.
    let name = "x\n  public: true # ${env:HOME} \u{2028}\"'";
    let mut hostile = resource(
        "aws_lb_listener_rule",
        name,
        json!({ "listener_arn": "l", "priority": "1",
        "condition": [{ "path_pattern": [{ "values": [name] }] }],
        "action": [{ "type": "fixed-response", "fixed_response": [{ "status_code": "200", "content_type": "text/plain", "message_body": name }] }] }),
    );
    hostile["address"] = name.into();
    let state = json!({ "values": { "root_module": { "resources": [
        resource("aws_lb_listener", "l", json!({ "arn": "l", "port": 80, "protocol": "HTTP", "default_action": [{ "type": name }] })), hostile,
    ] } } });
    let made = read(&state).expect("a file");
    assert!(
        !made.routes.lines().any(|line| line.trim_start().starts_with("public")),
        "{}",
        made.routes
    );
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(
        import(&[Document { name: "deep".to_owned(), text: deep }]),
        Err(ImportError::Syntax { .. })
    ));
}
