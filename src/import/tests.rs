//! Answers of AWS as its API reference shows them, and what becomes of them.
// They are built from literals, which are values.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::{Document, ImportError, Imported, Kind, elbv2, report};
use crate::config::parse_portable;

const ACCOUNT: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012";

fn group_arn(name: &str) -> String {
    format!("{ACCOUNT}:targetgroup/{name}/73e2d6bc24d8a067")
}

fn listener_arn(id: &str) -> String {
    format!("{ACCOUNT}:listener/app/edge/50dc6c495c0c9188/{id}")
}

fn rule(id: &str, priority: &str, conditions: Value, actions: Value) -> Value {
    json!({
        "RuleArn": format!("{ACCOUNT}:listener-rule/app/edge/50dc6c495c0c9188/{id}/9683b2d02a6cabee"),
        "Priority": priority, "IsDefault": priority == "default", "Conditions": conditions,
        "Actions": actions, "Transforms": [],
    })
}

fn group(name: &str, more: Value) -> Value {
    let mut group = json!({
        "TargetGroupArn": group_arn(name), "TargetGroupName": name, "Protocol": "HTTP", "Port": 80,
        "VpcId": "vpc-1", "HealthCheckProtocol": "HTTP", "HealthCheckPort": "traffic-port",
        "HealthCheckEnabled": true, "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 5, "HealthyThresholdCount": 5, "UnhealthyThresholdCount": 2,
        "HealthCheckPath": "/", "Matcher": { "HttpCode": "200" }, "LoadBalancerArns": ["x"],
        "TargetType": "ip", "ProtocolVersion": "HTTP1", "IpAddressType": "ipv4",
    });
    for (key, value) in more.as_object().expect("an object") {
        group[key] = value.clone();
    }
    group
}

fn health(targets: &[(&str, u16)]) -> Value {
    let descriptions: Vec<Value> = targets
        .iter()
        .map(|(id, port)| json!({ "Target": { "Id": id, "Port": port }, "TargetHealth": { "State": "healthy" } }))
        .collect();
    json!({ "TargetHealthDescriptions": descriptions })
}

fn forward(name: &str) -> Value {
    json!({ "Type": "forward", "TargetGroupArn": group_arn(name), "ForwardConfig": {
        "TargetGroups": [{ "TargetGroupArn": group_arn(name), "Weight": 1 }],
        "TargetGroupStickinessConfig": { "Enabled": false } } })
}

fn path(pattern: &str) -> Value {
    json!([{ "Field": "path-pattern", "Values": [pattern], "PathPatternConfig": { "Values": [pattern] } }])
}

fn http_listener(default: Value) -> Value {
    json!({ "ListenerArn": listener_arn("a"), "LoadBalancerArn": "x", "Port": 80,
        "Protocol": "HTTP", "DefaultActions": [default] })
}

fn document(name: &str, value: &Value) -> Document {
    Document { name: name.to_owned(), text: value.to_string() }
}

/// Imports rules of one HTTP listener before the group `orders`.
fn import_rules(rules: &[Value]) -> Imported {
    let default =
        json!({ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "404" } });
    import(&[
        ("listeners", json!({ "Listeners": [http_listener(default)] })),
        ("rules", json!({ "Rules": rules })),
        ("groups", json!({ "TargetGroups": [group("orders", json!({}))] })),
        ("health-orders", health(&[("10.0.0.1", 8080)])),
    ])
}

/// Imports, and holds the file against the rules of any other.
fn import(documents: &[(&str, Value)]) -> Imported {
    let documents: Vec<Document> =
        documents.iter().map(|(name, value)| document(name, value)).collect();
    let imported = elbv2::import(&documents).expect("something to import");
    let judged = parse_portable(&imported.routes, "routes.yaml");
    assert!(judged.is_ok(), "{}\n{}", imported.routes, judged.expect_err("errors").render(false));
    imported
}

fn texts(imported: &Imported, kind: Kind) -> Vec<String> {
    imported.notes.iter().filter(|note| note.kind == kind).map(ToString::to_string).collect()
}

#[test]
fn a_plain_load_balancer_comes_out_as_a_person_would_write_it() {
    let imported = import_rules(&[
        rule(
            "a",
            "20",
            path("/old/*"),
            json!([{ "Type": "redirect", "RedirectConfig": {
            "Protocol": "HTTPS", "Port": "443", "Host": "#{host}", "Path": "/#{path}",
            "Query": "#{query}", "StatusCode": "HTTP_301" } }]),
        ),
        rule("a", "10", path("/orders/*"), json!([forward("orders")])),
        rule("b", "1", path("/of-another-listener"), json!([forward("orders")])),
    ]);
    assert_eq!(
        imported.routes,
        "# Made by `portcullis import elbv2`. See its report for what could not be carried over.\n\
         \n\
         target_groups:\n  orders:\n    targets: [\"10.0.0.1:8080\"]\n\
         \n\
         listeners:\n  http:\n    address: \"0.0.0.0:80\"\n    rules:\n      \
         - name: orders\n        priority: 10\n        conditions:\n          \
         path_pattern: [\"/orders/*\"]\n        public: true\n        forward: orders\n      \
         - name: old\n        priority: 20\n        conditions:\n          \
         path_pattern: [\"/old/*\"]\n        \
         redirect: { protocol: HTTPS, port: \"443\", status_code: 301 }\n    \
         default_action:\n      fixed_response: { status_code: 404 }\n"
    );
    assert_eq!(imported.notes, []);
    assert!(report(&imported.notes).contains("Everything was carried over"));
}

#[test]
fn every_condition_is_carried_over() {
    let conditions = json!([
        { "Field": "host-header", "HostHeaderConfig": { "Values": ["*.example.com"] } },
        { "Field": "path-pattern", "PathPatternConfig": { "RegexValues": ["^/v[0-9]+/"] } },
        { "Field": "http-header", "HttpHeaderConfig": { "HttpHeaderName": "X-Env", "Values": ["prod*", "true"] } },
        { "Field": "http-request-method", "HttpRequestMethodConfig": { "Values": ["GET"] } },
        { "Field": "query-string", "QueryStringConfig": { "Values": [{ "Key": "v", "Value": "1" }, { "Value": "*x*" }] } },
        { "Field": "source-ip", "SourceIpConfig": { "Values": ["192.0.2.0/24"] } },
    ]);
    let imported = import_rules(&[rule("a", "1", conditions, json!([forward("orders")]))]);
    for line in [
        "host_header: [\"*.example.com\"]",
        "path_pattern: { regex_values: [\"^/v[0-9]+/\"] }",
        "http_header: [{ name: X-Env, values: [\"prod*\", \"true\"] }]",
        "http_request_method: [GET]",
        "query_string: [{ any_of: [{ key: \"v\", value: \"1\" }, { value: \"*x*\" }] }]",
        "source_ip: [\"192.0.2.0/24\"]",
    ] {
        let line = line.replace("key: \"v\"", "key: v");
        assert!(imported.routes.contains(&line), "{line}\n{}", imported.routes);
    }
    assert_eq!(imported.notes, []);
}

#[test]
fn a_condition_that_is_not_known_takes_its_rule_with_it() {
    let conditions = json!([{ "Field": "moon-phase", "Values": ["full"] }]);
    let imported = import_rules(&[
        rule("a", "1", conditions, json!([forward("orders")])),
        rule("a", "2", path("/x"), json!([forward("orders")])),
    ]);
    assert!(!imported.routes.contains("priority: 1\n"), "{}", imported.routes);
    assert_eq!(
        texts(&imported, Kind::Dropped),
        ["rule 1 of listener http: the whole rule: its condition on `moon-phase` is not known"]
    );
}

#[test]
fn what_signs_in_today_is_never_open_afterwards() {
    for sign_in in ["authenticate-cognito", "authenticate-oidc"] {
        let imported = import_rules(&[rule(
            "a",
            "1",
            path("/account/*"),
            json!([
                { "Type": sign_in, "Order": 1, "AuthenticateCognitoConfig": { "UserPoolArn": "x" } },
                { "Type": "forward", "Order": 2, "TargetGroupArn": group_arn("orders") },
            ]),
        )]);
        let account = imported.routes.split("- name: account").nth(1).expect("the rule");
        assert!(account.contains("fixed_response: { status_code: 503 }"), "{account}");
        assert!(!account.contains("forward:") && !account.contains("public:"), "{account}");
        assert!(texts(&imported, Kind::Dropped)[0].contains(sign_in));
    }
}

#[test]
fn signing_in_goes_on_at_the_same_pool() {
    let cognito = json!({ "Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": {
        "UserPoolArn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Ab1",
        "UserPoolClientId": "web", "UserPoolDomain": "shop", "SessionCookieName": "my-cookie",
        "Scope": "openid email", "SessionTimeout": 3600, "OnUnauthenticatedRequest": "deny",
        "AuthenticationRequestExtraParams": { "lang": "de" },
    } });
    let oidc = json!({ "Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {
        "Issuer": "https://i.example", "AuthorizationEndpoint": "https://i.example/a",
        "TokenEndpoint": "https://i.example/t", "UserInfoEndpoint": "https://i.example/u",
        "ClientId": "shop", "SessionCookieName": "AWSELBAuthSessionCookie", "Scope": "openid",
        "SessionTimeout": 604_800, "OnUnauthenticatedRequest": "authenticate",
    } });
    let imported = import(&[
        (
            "listeners",
            json!({ "Listeners": [{
            "ListenerArn": listener_arn("a"), "LoadBalancerArn": "x", "Port": 443,
            "Protocol": "HTTPS", "Certificates": [{ "CertificateArn": "arn:c" }],
            "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
            "DefaultActions": [{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "404" } }],
        }] }),
        ),
        (
            "rules",
            json!({ "Rules": [
            rule("a", "1", path("/account/*"), json!([forward("orders"), cognito])),
            rule("a", "2", path("/partner/*"), json!([oidc, forward("orders")])),
        ] }),
        ),
        ("groups", json!({ "TargetGroups": [group("orders", json!({}))] })),
        ("health-orders", health(&[("10.0.0.1", 8080)])),
    ]);
    for line in [
        "domain: shop.auth.eu-west-1.amazoncognito.com",
        "client_secret: ${env:EU_WEST_1_AB1_CLIENT_SECRET}",
        "scope: \"openid email\"",
        "session_cookie_name: my-cookie",
        "session_timeout: 3600s",
        "on_unauthenticated_request: deny",
        "authentication_request_extra_params: { lang: de }",
        "authorization_endpoint: \"https://i.example/a\"",
    ] {
        assert!(imported.routes.contains(line), "{line} in:\n{}", imported.routes);
    }
    assert!(!imported.routes.contains("503") && texts(&imported, Kind::Dropped).is_empty());
    let config = parse_portable(&imported.routes, "routes.yaml").expect("a good file").config;
    assert!(
        config
            .listeners
            .iter()
            .flat_map(|l| &l.rules)
            .all(crate::config::model::Rule::is_protected)
    );
}

#[test]
fn transforms_are_carried_over() {
    let mut shop = rule("a", "1", path("/dp/*"), json!([forward("orders")]));
    shop["Transforms"] = json!([
        { "Type": "host-header-rewrite", "HostHeaderRewriteConfig": { "Rewrites": [
            { "Regex": "^a\\.(.*)$", "Replace": "b.$1" }] } },
        { "Type": "url-rewrite", "UrlRewriteConfig": { "Rewrites": [
            { "Regex": "^/dp/(.*)$", "Replace": "/p?id=$1" }] } },
    ]);
    let imported = import_rules(&[shop]);
    assert!(texts(&imported, Kind::Dropped).is_empty());
    let config = parse_portable(&imported.routes, "routes.yaml").expect("a good file").config;
    let transforms = &config.listeners[0].rules[0].transforms;
    let shown =
        |rewrite: &Option<crate::config::model::Rewrite>| rewrite.as_ref().unwrap().to_string();
    assert_eq!(shown(&transforms.host), r"^a\.(.*)$ -> b.$1");
    assert_eq!(shown(&transforms.url), "^/dp/(.*)$ -> /p?id=$1");
}

#[test]
fn an_action_that_is_not_known_is_answered_503() {
    let actions = json!([{ "Type": "teleport", "TeleportConfig": {} }]);
    let imported = import_rules(&[rule("a", "1", path("/x"), actions)]);
    assert!(imported.routes.contains("fixed_response: { status_code: 503 }"));
    assert!(texts(&imported, Kind::Dropped)[0].contains("`teleport`"));
}

#[test]
fn tokens_are_verified_as_the_load_balancer_did() {
    let verify = |issuer: &str, claims: Value| {
        let mut listener = http_listener(forward("orders"));
        listener["Protocol"] = json!("HTTPS");
        listener["Port"] = json!(443);
        listener["Certificates"] =
            json!([{ "CertificateArn": "arn:aws:acm:us-east-1:1:certificate/ab-cd" }]);
        listener["SslPolicy"] = json!("ELBSecurityPolicy-TLS13-1-2-2021-06");
        let actions = json!([
            { "Type": "jwt-validation", "Order": 1, "JwtValidationConfig": {
                "JwksEndpoint": format!("{issuer}/.well-known/jwks.json"), "Issuer": issuer,
                "AdditionalClaims": claims } },
            { "Type": "forward", "Order": 2, "TargetGroupArn": group_arn("orders") },
        ]);
        import(&[
            ("listeners", json!({ "Listeners": [listener] })),
            ("rules", json!({ "Rules": [rule("a", "1", path("/x"), actions)] })),
            ("groups", json!({ "TargetGroups": [group("orders", json!({}))] })),
            ("health-orders", health(&[("10.0.0.1", 8080)])),
        ])
    };
    let cognito = verify(
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123",
        json!([{ "Name": "scope", "Format": "space-separated-values", "Values": ["orders/read"] }]),
    );
    for line in [
        "user_pool_id: \"eu-west-1_AbCdEf123\"",
        "app_clients: any",
        "user_pools: [eu-west-1-abcdef123]",
        "token_use: any",
        "additional_claims: [{ name: scope, format: space_separated_values, values: [orders/read] }]",
        "certificate: certificates/ab-cd.pem",
        "security_policy: ELBSecurityPolicy-TLS13-1-2-2021-06",
    ] {
        let line = line.replace('"', "");
        assert!(cognito.routes.replace('"', "").contains(&line), "{line}\n{}", cognito.routes);
    }
    let rule = cognito.routes.split("- name: x").nth(1).expect("the rule");
    assert!(!rule.split("default_action").next().expect("it").contains("public"), "{rule}");
    assert_eq!(texts(&cognito, Kind::Advice).len(), 1);

    let other = verify("https://id.example.com", json!([]));
    assert!(other.routes.contains("audiences: [CHANGE-ME]"), "{}", other.routes);
    assert!(texts(&other, Kind::ToDo).iter().any(|note| note.contains("audiences")));
}

#[test]
fn target_groups_keep_what_is_unusual_about_them() {
    let fixed = json!({ "Type": "forward", "ForwardConfig": { "TargetGroups": [
        { "TargetGroupArn": group_arn("blue"), "Weight": 90 },
        { "TargetGroupArn": group_arn("blue-grpc"), "Weight": 10 }],
        "TargetGroupStickinessConfig": { "Enabled": true, "DurationSeconds": 600 } } });
    let attributes = |pairs: &[(&str, &str)]| {
        let pairs: Vec<Value> =
            pairs.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        json!({ "Attributes": pairs })
    };
    let imported = import(&[
        ("listeners", json!({ "Listeners": [http_listener(fixed)] })),
        (
            "groups",
            json!({ "TargetGroups": [
            group("blue", json!({ "Protocol": "HTTPS", "HealthCheckProtocol": "HTTP",
                "HealthCheckPath": "/health", "HealthCheckPort": "9000", "HealthCheckIntervalSeconds": 10,
                "Matcher": { "HttpCode": "200-299" } })),
            group("blue-grpc", json!({ "ProtocolVersion": "GRPC", "TargetType": "instance",
                "HealthCheckPath": "/AWS.ALB/healthcheck", "Matcher": { "GrpcCode": "0" } })),
            group("idle", json!({})),
        ] }),
        ),
        ("health-blue", health(&[("10.0.0.1", 8443), ("2001:db8::1", 8443)])),
        ("health-blue-grpc", health(&[("i-0123456789abcdef0", 50051)])),
        (
            "attributes-blue",
            attributes(&[
                ("deregistration_delay.timeout_seconds", "30"),
                ("slow_start.duration_seconds", "60"),
                ("load_balancing.algorithm.type", "round_robin"),
                ("stickiness.enabled", "true"),
                ("stickiness.type", "lb_cookie"),
                ("stickiness.app_cookie.cookie_name", "JSESSIONID"),
                ("stickiness.app_cookie.duration_seconds", "86400"),
                ("stickiness.lb_cookie.duration_seconds", "86400"),
                ("load_balancing.cross_zone.enabled", "true"),
                ("new.attribute", "7"),
                ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "2"),
            ]),
        ),
        (
            "attributes-edge",
            attributes(&[
                ("idle_timeout.timeout_seconds", "120"),
                ("routing.http2.enabled", "false"),
                ("routing.http.xff_client_port.enabled", "true"),
                ("access_logs.s3.enabled", "true"),
                ("routing.http.desync_mitigation_mode", "strictest"),
            ]),
        ),
        (
            "balancers",
            json!({ "LoadBalancers": [{ "LoadBalancerName": "edge", "Type": "application" }] }),
        ),
    ]);
    for line in [
        "targets: [\"10.0.0.1:8443\", \"[2001:db8::1]:8443\"]",
        "protocol: https",
        "slow_start: 60s",
        "deregistration_delay: 30s",
        "stickiness: { type: lb_cookie, duration: 86400s }",
        "target_group_health: { minimum_healthy_targets: { count: 2 } }",
        "health_check: { path: /health, port: 9000, interval: 10s, matcher: \"200-299\" }",
        "protocol_version: grpc",
        "health_check: { matcher: \"0\" }",
        "# i-0123456789abcdef0, port 50051",
        "weight: 90",
        "stickiness: { duration: 600s }",
        "idle_timeout: 120s",
        "http2: false",
        "desync_mitigation_mode: strictest",
        "x_forwarded_for: { mode: append, client_port: true }",
    ] {
        assert!(imported.routes.contains(line), "{line}\n{}", imported.routes);
    }
    let dropped = texts(&imported, Kind::Dropped);
    for part in ["`new.attribute` = `7`", "target group idle: no rule", "access_logs.s3.enabled"] {
        assert!(dropped.iter().any(|note| note.contains(part)), "{part}: {dropped:?}");
    }
    assert_eq!(dropped.len(), 3, "{dropped:?}");
    assert!(texts(&imported, Kind::ToDo).iter().any(|note| note.contains("i-0123456789abcdef0")));
    assert!(texts(&imported, Kind::Changed)[0].contains("health checks"));
}

#[test]
fn whatever_is_new_in_an_answer_of_aws_is_named() {
    let mut new = rule("a", "1", path("/x"), json!([forward("orders")]));
    new["Sparkle"] = json!(true);
    new["Conditions"][0]["PathPatternConfig"]["CaseInsensitive"] = json!(true);
    new["Actions"][0]["Retry"] = json!({ "Times": 3 });
    let imported = import_rules(&[new]);
    let dropped = texts(&imported, Kind::Dropped);
    for key in ["`Sparkle`", "`CaseInsensitive`", "`Retry`"] {
        assert!(dropped.iter().any(|note| note.contains(key)), "{key}: {dropped:?}");
    }
}

#[test]
fn texts_of_the_source_cannot_write_yaml_of_their_own() {
    let hostile = "x\"]\n    public: true # \u{85}*&!";
    let imported = import_rules(&[rule(
        "a",
        "1",
        json!([{ "Field": "http-header", "HttpHeaderConfig": { "HttpHeaderName": "X-A", "Values": ["x\"]} # *&!%@`"] } }]),
        json!([{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "200", "MessageBody": hostile } }]),
    )]);
    assert!(!imported.routes.contains("\n    public"), "{}", imported.routes);
}

#[test]
fn what_is_no_answer_of_aws_is_told() {
    let nothing = elbv2::import(&[]).expect_err("nothing");
    assert!(matches!(nothing, ImportError::Incomplete(_)));
    let garbage = [Document { name: "x".to_owned(), text: "{".to_owned() }];
    assert!(elbv2::import(&garbage).expect_err("garbage").to_string().starts_with("x: not JSON"));
}

#[test]
fn a_group_that_follows_its_targets_cookie_keeps_doing_so() {
    let attributes = json!({ "Attributes": [
        { "Key": "deregistration_delay.timeout_seconds", "Value": "300" },
        { "Key": "stickiness.enabled", "Value": "true" },
        { "Key": "stickiness.type", "Value": "app_cookie" },
        { "Key": "stickiness.app_cookie.cookie_name", "Value": "JSESSIONID" },
        { "Key": "stickiness.app_cookie.duration_seconds", "Value": "3600" },
    ] });
    let imported = import(&[
        ("listeners", json!({ "Listeners": [http_listener(forward("orders"))] })),
        ("groups", json!({ "TargetGroups": [group("orders", json!({}))] })),
        ("any-name", attributes),
    ]);
    let line = "stickiness: { type: app_cookie, cookie_name: JSESSIONID, duration: 3600s }";
    assert!(imported.routes.contains(line), "{}", imported.routes);
    assert!(texts(&imported, Kind::ToDo).iter().any(|note| note.contains("its targets")));
}
