//! Answers of AWS as its API references show them, and what becomes of them.
// They are built from literals, which are values.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::super::{Document, Imported, Kind};
use crate::config::model::Config;
use crate::config::parse_portable;

const ISSUER: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123";

/// Imports, and holds the file against the rules of any other.
fn import(documents: &[(&str, Value)]) -> (Imported, Config) {
    let documents: Vec<Document> = documents
        .iter()
        .map(|(name, value)| Document { name: (*name).to_owned(), text: value.to_string() })
        .collect();
    let imported = super::import(&documents).expect("something to import");
    let judged = parse_portable(&imported.routes, "routes.yaml");
    let judged =
        judged.unwrap_or_else(|errors| panic!("{}\n{}", imported.routes, errors.render(false)));
    (imported, judged.config)
}

fn texts(imported: &Imported, kind: Kind) -> Vec<String> {
    imported.notes.iter().filter(|note| note.kind == kind).map(ToString::to_string).collect()
}

fn http_api() -> Value {
    json!({ "Items": [{
        "ApiId": "a1b2c3", "Name": "Shop API", "ProtocolType": "HTTP",
        "ApiEndpoint": "https://a1b2c3.execute-api.eu-west-1.amazonaws.com",
        "RouteSelectionExpression": "$request.method $request.path",
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "CreatedDate": "2026-01-01T00:00:00+00:00", "DisableExecuteApiEndpoint": false,
        "CorsConfiguration": { "AllowOrigins": ["https://app.example.com"],
            "AllowMethods": ["GET", "POST"], "AllowHeaders": ["authorization"], "MaxAge": 600,
            "AllowCredentials": true },
        "Tags": {} }] })
}

fn jwt() -> Value {
    json!({ "AuthorizerId": "auth01", "AuthorizerType": "JWT", "Name": "customers",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": { "Issuer": ISSUER, "Audience": ["web", "app"] } })
}

fn integration(id: &str, uri: &str, more: Value) -> Value {
    let mut value = json!({ "IntegrationId": id, "IntegrationType": "HTTP_PROXY",
        "IntegrationMethod": "ANY", "IntegrationUri": uri, "ConnectionType": "INTERNET",
        "PayloadFormatVersion": "1.0", "TimeoutInMillis": 30000 });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

fn route(key: &str, target: &str, more: Value) -> Value {
    let mut value = json!({ "RouteId": "r", "RouteKey": key, "ApiKeyRequired": false,
        "AuthorizationType": "NONE", "Target": format!("integrations/{target}") });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

fn guarded(scopes: &[&str]) -> Value {
    json!({ "AuthorizationType": "JWT", "AuthorizerId": "auth01", "AuthorizationScopes": scopes })
}

fn import_http(
    routes: &[Value],
    integrations: &[Value],
    more: &[(&str, Value)],
) -> (Imported, Config) {
    let mut documents = vec![
        ("apis", http_api()),
        ("routes-a1b2c3", json!({ "Items": routes })),
        ("integrations-a1b2c3", json!({ "Items": integrations })),
        ("authorizers-a1b2c3", json!({ "Items": [jwt()] })),
    ];
    documents.extend(more.iter().cloned());
    import(&documents)
}

#[test]
fn an_http_api_comes_out_as_a_person_would_write_it() {
    let stages = json!({ "Items": [{ "StageName": "$default", "AutoDeploy": true,
        "DefaultRouteSettings": { "DetailedMetricsEnabled": false, "ThrottlingBurstLimit": 200,
            "ThrottlingRateLimit": 100.0 },
        "RouteSettings": { "POST /orders": { "ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 2.5 } },
        "StageVariables": { "host": "orders.internal" } }] });
    let (imported, config) = import_http(
        &[
            route("GET /orders/{id}", "i1", guarded(&["orders/read"])),
            route("POST /orders", "i2", guarded(&[])),
            route("GET /health", "i3", json!({})),
        ],
        &[
            integration(
                "i1",
                "https://${stageVariables.host}/v1/orders/{id}",
                json!({
                "TimeoutInMillis": 5000,
                "RequestParameters": { "overwrite:header.x-user": "$context.authorizer.claims.sub" },
                "ResponseParameters": { "500": { "overwrite:statuscode": "502" } } }),
            ),
            integration("i2", "https://orders.internal/orders", json!({})),
            integration("i3", "http://health.internal:8080/health", json!({})),
        ],
        &[("stages-a1b2c3", stages)],
    );
    let expected = r#"# Made by `portcullis import apigateway`. See its report for what could not be carried over.

user_pools:
  eu-west-1-abcdef123:
    user_pool_id: "eu-west-1_AbCdEf123"
    app_clients: [app, web]

target_groups:
  health-internal:
    targets: ["health.internal:8080"]
    health_check: { enabled: false }
  orders-internal:
    targets: ["orders.internal:443"]
    protocol: https
    tls:
      server_name: orders.internal
    health_check: { enabled: false }

listeners:
  https:
    address: "0.0.0.0:443"
    tls: { certificates: [{ certificate: certificates/edge.pem, private_key: certificates/edge.key }] }
    default_action:
      api: shop-api

apis:
  shop-api:
    type: http
    stage_variables:
      host: orders.internal
    compatibility: aws
    authorizers:
      customers: { jwt: { user_pool: eu-west-1-abcdef123 } }
    cors:
      allow_origins: ["https://app.example.com"]
      allow_methods: [GET, POST]
      allow_headers: [authorization]
      max_age: 600s
      allow_credentials: true
    throttle: { rate: 100, burst: 200 }
    routes:
      "GET /orders/{id}":
        authorizer: customers
        scopes: ["orders/read"]
        integration:
          target_group: orders-internal
          path: "/v1/orders/{id}"
          timeout: 5000ms
          request_parameters:
            "overwrite:header.x-user": "$context.authorizer.claims.sub"
          response_parameters:
            "500":
              "overwrite:statuscode": "502"
      "POST /orders":
        authorizer: customers
        throttle: { rate: 2.5, burst: 5 }
        integration:
          target_group: orders-internal
      "GET /health":
        authorizer: none
        integration:
          target_group: health-internal
"#;
    let plain = |text: &str| text.replace('"', "");
    assert_eq!(plain(&imported.routes), plain(expected), "{}", imported.routes);
    assert_eq!(texts(&imported, Kind::Dropped), [""; 0]);
    let protected = config.apis[0].routes.iter().filter(|route| route.authorizer.is_some());
    assert_eq!(protected.count(), 2);
}

#[test]
fn what_guards_in_another_way_is_closed_and_keeps_its_place() {
    let odd = json!({ "AuthorizerId": "odd", "AuthorizerType": "ORACLE", "Name": "odd" });
    let (imported, config) = import_http(
        &[
            route("ANY /{proxy+}", "open", json!({})),
            route("GET /a", "open", json!({ "AuthorizationType": "ORACLE" })),
            route(
                "GET /b",
                "open",
                json!({ "AuthorizationType": "CUSTOM", "AuthorizerId": "odd" }),
            ),
            route("GET /c", "open", json!({ "ApiKeyRequired": true })),
            route("GET /d", "lambda", json!({})),
            route("GET /e", "absent", json!({})),
            route("GET /f", "vars", json!({})),
            route("GET /g", "open", json!({ "AuthorizationType": "JWT", "AuthorizerId": "gone" })),
        ],
        &[
            integration("open", "https://all.example.com/{proxy}", json!({})),
            integration("lambda", "arn:aws:lambda:f", json!({ "IntegrationType": "AWS_PROXY" })),
            integration("vars", "https://all.example.com/${stageVariables.gone}", json!({})),
        ],
        &[("more-a1b2c3", json!({ "Items": [odd] }))],
    );
    let api = &config.apis[0];
    let group = |key: &str| {
        let route = api.routes.iter().find(|route| *route.key == *key).expect(key);
        route
            .integration
            .backend
            .group()
            .map(|group| config.target_groups[group.0].name.to_string())
    };
    assert_eq!(group("ANY /{proxy+}").as_deref(), Some("all-example-com"));
    for key in ["GET /a", "GET /b", "GET /c", "GET /d", "GET /e", "GET /f", "GET /g"] {
        assert_eq!(group(key), None, "{key}");
    }
    assert_eq!(texts(&imported, Kind::Dropped).len(), 8, "{:?}", imported.notes);
}

#[test]
fn signatures_and_functions_are_asked_for_and_nobody_comes_through_before_they_are_known() {
    let uri = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/\
               arn:aws:lambda:eu-west-1:123456789012:function:judge/invocations";
    let function = json!({ "AuthorizerId": "fn", "AuthorizerType": "REQUEST", "Name": "mine",
        "AuthorizerUri": uri,
        "IdentitySource": ["$request.header.x", "$context.routeKey"],
        "AuthorizerPayloadFormatVersion": "2.0", "AuthorizerResultTtlInSeconds": 60,
        "EnableSimpleResponses": true });
    let (imported, config) = import_http(
        &[
            route(
                "GET /a",
                "i",
                json!({ "AuthorizationType": "AWS_IAM", "AuthorizationScopes": ["x"] }),
            ),
            route("GET /b", "i", json!({ "AuthorizationType": "CUSTOM", "AuthorizerId": "fn" })),
        ],
        &[integration("i", "https://x.example.com/a", json!({}))],
        &[("more-a1b2c3", json!({ "Items": [function] }))],
    );
    for line in [
        "region: eu-west-1",
        "account_id: \"123456789012\"",
        "authorizer: aws_iam",
        "mine: { request: { uri: \"https://judge.authorizer.invalid/\", identity_source: \
         [\"$request.header.x\", \"$context.routeKey\"], result_ttl: 60s, \
         payload_format_version: \"2.0\", enable_simple_responses: true } }",
    ] {
        assert!(imported.routes.contains(line), "{line}\n{}", imported.routes);
    }
    assert!(config.apis[0].routes.iter().all(|route| route.authorizer.is_some()));
    let to_do = texts(&imported, Kind::ToDo).join("\n");
    for text in ["the function `judge` cannot be asked from here", "`aws_credentials`"] {
        assert!(to_do.contains(text), "{text}: {to_do}");
    }
    assert_eq!(texts(&imported, Kind::Dropped), [""; 0]);
}

#[test]
fn private_integrations_ask_for_addresses() {
    let listener =
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/inner/50dc/0467";
    let (imported, config) = import_http(
        &[route("GET /a", "i", json!({}))],
        &[integration(
            "i",
            listener,
            json!({ "ConnectionType": "VPC_LINK", "ConnectionId": "v",
            "TlsConfig": { "ServerNameToVerify": "inner.example.com" } }),
        )],
        &[],
    );
    assert_eq!(&*config.target_groups[0].name, "inner");
    assert!(texts(&imported, Kind::ToDo).iter().any(|note| note.contains(listener)));
    assert!(imported.routes.contains("server_name: inner.example.com"), "{}", imported.routes);
}

#[test]
fn custom_domains_and_stages_choose_the_api() {
    let stage = json!({ "Items": [{ "StageName": "dev" }, { "StageName": "old" }] });
    let mapping = json!({ "Items": [{ "ApiMappingId": "m", "ApiId": "a1b2c3", "Stage": "dev",
        "ApiMappingKey": "shop/v1" }] });
    let routes = [route("GET /a", "i", json!({}))];
    let integrations = [integration("i", "https://x.example.com/a", json!({}))];
    let (without, _) = import_http(&routes, &integrations, &[("stages", stage.clone())]);
    assert!(without.routes.contains("stage_in_path: true"), "{}", without.routes);
    assert!(texts(&without, Kind::Dropped)[0].contains("the stage old"));
    let (with, config) = import_http(
        &routes,
        &integrations,
        &[("stages", stage), ("mappings-api.example.com", mapping)],
    );
    assert!(!with.routes.contains("stage_in_path"), "{}", with.routes);
    for line in ["host_header: [api.example.com]", "base_path: /shop/v1", "\"/shop/v1/*\""] {
        assert!(with.routes.contains(line), "{line}\n{}", with.routes);
    }
    assert_eq!(config.listeners[0].rules.len(), 1);
}

fn method(name: &str, uri: &str, more: Value) -> Value {
    let mut value = json!({ "httpMethod": name, "authorizationType": "NONE",
        "apiKeyRequired": false, "requestParameters": { "method.request.path.id": true },
        "methodIntegration": { "type": "HTTP_PROXY", "httpMethod": name, "uri": uri,
            "requestParameters": {
                "integration.request.path.number": "method.request.path.id",
                "integration.request.header.X-Stage": "context.stage",
                "integration.request.header.X-Fixed": "'yes'" },
            "passthroughBehavior": "WHEN_NO_MATCH", "timeoutInMillis": 29000,
            "cacheNamespace": "x", "cacheKeyParameters": [] } });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

fn import_rest(api: Value, methods: Value) -> (Imported, Config) {
    import_rest_with(api, methods, &[])
}

fn import_rest_with(api: Value, methods: Value, more: &[(&str, Value)]) -> (Imported, Config) {
    let mut listed = json!({ "id": "r1", "name": "pay", "createdDate": "2026-01-01",
        "apiKeySource": "HEADER", "endpointConfiguration": { "types": ["REGIONAL"] },
        "disableExecuteApiEndpoint": false });
    listed.as_object_mut().unwrap().extend(api.as_object().unwrap().clone());
    let mut documents = vec![
        ("apis", json!({ "items": [listed] })),
        (
            "resources-r1",
            json!({ "items": [
            { "id": "0", "path": "/" },
            { "id": "1", "parentId": "0", "pathPart": "{id}", "path": "/payments/{id}",
              "resourceMethods": methods }] }),
        ),
        (
            "authorizers-r1",
            json!({ "items": [{ "id": "au", "name": "pool",
            "type": "COGNITO_USER_POOLS", "authType": "cognito_user_pools",
            "providerARNs": ["arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbCdEf123"],
            "identitySource": "method.request.header.Authorization" }] }),
        ),
        (
            "stages-r1",
            json!({ "item": [{ "stageName": "prod", "deploymentId": "d",
            "methodSettings": { "*/*": { "throttlingBurstLimit": 20, "throttlingRateLimit": 10.0 } } }] }),
        ),
        (
            "responses-r1",
            json!({ "items": [
            { "responseType": "UNAUTHORIZED", "statusCode": "401", "defaultResponse": false,
              "responseParameters": { "gatewayresponse.header.X-A": "'b'" },
              "responseTemplates": { "application/json": "{\"m\":$context.error.messageString}" } },
            { "responseType": "THROTTLED", "statusCode": "429", "defaultResponse": true }] }),
        ),
    ];
    documents.extend(more.iter().cloned());
    import(&documents)
}

#[test]
fn a_rest_api_is_carried_over() {
    let (imported, config) = import_rest(
        json!({}),
        json!({
            "GET": method("GET", "https://pay.internal/p/{number}", json!({
                "authorizationType": "COGNITO_USER_POOLS", "authorizerId": "au",
                "authorizationScopes": ["pay/read"] })),
            "DELETE": method("DELETE", "https://pay.internal/p/{number}", json!({
                "authorizationType": "AWS_IAM" })),
        }),
    );
    for line in [
        "type: rest",
        "stage: prod",
        "stage_in_path: true",
        "pool: { cognito: { user_pools: [eu-west-1-abcdef123] } }",
        "throttle: { rate: 10, burst: 20 }",
        "path: \"/p/{id}\"",
        "\"overwrite:header.X-Stage\": \"$context.stage\"",
        "\"overwrite:header.X-Fixed\": \"yes\"",
        "status_code: 401",
        "app_clients: any",
    ] {
        let routes = imported.routes.replace('"', "");
        assert!(routes.contains(&line.replace('"', "")), "{line}\n{}", imported.routes);
    }
    let api = &config.apis[0];
    assert_eq!(api.routes.len(), 2);
    assert!(api.routes.iter().any(|r| *r.key == *"GET /payments/{id}" && r.authorizer.is_some()));
    let dropped = texts(&imported, Kind::Dropped);
    assert_eq!(dropped, [""; 0]);
    assert!(imported.routes.contains("authorizer: aws_iam"), "{}", imported.routes);
    assert!(imported.routes.contains("region: eu-west-1"), "{}", imported.routes);
}

/// Plans and keys as `get-usage-plans`, `get-api-keys` and `get-usage-plan-keys` print them.
fn usage() -> Vec<(&'static str, Value)> {
    let stage = |api: &str, stage: &str| {
        json!({ "apiId": api, "stage": stage, "throttle": {
            "/payments/{id}/GET": { "burstLimit": 4, "rateLimit": 2.0 },
            "/gone/GET": { "burstLimit": 4, "rateLimit": 2.0 } } })
    };
    vec![
        (
            "usage-plans",
            json!({ "items": [
            { "id": "plan01", "name": "Gold plan", "description": "d",
              "apiStages": [stage("r1", "prod"), stage("r1", "test"), stage("r9", "prod")],
              "throttle": { "burstLimit": 40, "rateLimit": 20.0 },
              "quota": { "limit": 1000, "offset": 10, "period": "MONTH" } },
            { "id": "plan02", "name": "Empty", "apiStages": [stage("r1", "prod")] },
            { "id": "plan03", "name": "Elsewhere", "apiStages": [] }] }),
        ),
        (
            "api-keys",
            json!({ "items": [
            { "id": "k1", "name": "Acme Ltd.", "enabled": true, "createdDate": "2026-01-01",
              "value": "a-secret-that-stays-where-it-is", "stageKeys": [] },
            { "id": "k2", "name": "Globex", "enabled": false, "stageKeys": [] },
            { "id": "k3", "name": "Unused", "enabled": true, "stageKeys": [] }] }),
        ),
        (
            "usage-plan-keys-plan01",
            json!({ "items": [
            { "id": "k1", "type": "API_KEY", "name": "Acme Ltd.", "value": "a-secret-that-stays-where-it-is" },
            { "id": "k2", "type": "API_KEY", "name": "Globex" }] }),
        ),
    ]
}

#[test]
fn api_keys_and_usage_plans_are_carried_over_without_the_keys_values() {
    let token = json!({ "id": "tk", "name": "own", "type": "TOKEN", "authType": "custom",
        "authorizerUri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:Judge_It:live/invocations",
        "identitySource": "method.request.header.Auth", "identityValidationExpression": "^Bearer ",
        "authorizerResultTtlInSeconds": 30 });
    let methods = json!({
        "GET": method("GET", "https://pay.internal/p/{number}", json!({ "apiKeyRequired": true })),
        "POST": method("POST", "https://pay.internal/p/{number}", json!({
            "apiKeyRequired": true, "authorizationType": "CUSTOM", "authorizerId": "tk" })),
        "OPTIONS": { "httpMethod": "OPTIONS", "authorizationType": "NONE", "apiKeyRequired": false,
            "methodIntegration": { "type": "MOCK", "timeoutInMillis": 29000,
                "requestTemplates": { "application/json": "{\"statusCode\": 200}" },
                "integrationResponses": {
                    "200": { "statusCode": "200", "responseParameters": {
                        "method.response.header.Access-Control-Allow-Origin": "'*'",
                        "method.response.header.X-Path": "context.path" },
                        "responseTemplates": { "application/json": "" } },
                    "500": { "statusCode": "500", "selectionPattern": "5..", "responseTemplates": {} } } } },
    });
    let mut more = usage();
    more.push(("more-r1", json!({ "items": [token] })));
    let (imported, config) = import_rest_with(json!({}), methods, &more);
    let plain = |text: &str| text.replace('"', "");
    for line in [
        "api_keys:\n  acme-ltd: { value: ${env:API_KEY_ACME_LTD} }\n  \
         globex: { value: ${env:API_KEY_GLOBEX}, enabled: false }\n",
        "usage_plans:\n  gold-plan:\n    api_keys: [acme-ltd, globex]\n    apis:\n      \
         - api: pay\n        throttle:\n          GET /payments/{id}: { rate: 2, burst: 4 }\n    \
         throttle: { rate: 20, burst: 40 }\n    quota: { limit: 1000, offset: 10, period: month }\n",
        "api_key_required: true",
        "own: { token: { uri: https://judge-it.authorizer.invalid/, identity_source: \
         method.request.header.Auth, identity_validation_expression: ^Bearer , result_ttl: 30s } }",
        "mock: { status_code: 200, headers: { Access-Control-Allow-Origin: * } }",
    ] {
        assert!(plain(&imported.routes).contains(line), "{line}\n{}", imported.routes);
    }
    assert!(!imported.routes.contains("a-secret"), "{}", imported.routes);
    assert_eq!(config.usage.plans.len(), 1);
    assert_eq!(config.apis[0].routes.iter().filter(|route| route.is_api_key_required).count(), 2);
    let dropped = texts(&imported, Kind::Dropped).join("\n");
    for text in [
        "stage test of the API r1",
        "stage prod of the API r9",
        "`GET /gone`",
        "Elsewhere",
        "X-Path",
    ] {
        assert!(dropped.to_lowercase().contains(&text.to_lowercase()), "{text}: {dropped}");
    }
    let to_do = texts(&imported, Kind::ToDo).join("\n");
    for text in ["usage plan empty", "`API_KEY_ACME_LTD`", "`Judge_It`"] {
        assert!(to_do.contains(text), "{text}: {to_do}");
    }
}

#[test]
fn keys_that_no_plan_opens_leave_their_routes_closed() {
    let methods = json!({
        "GET": method("GET", "https://pay.internal/p/{number}", json!({ "apiKeyRequired": true })),
    });
    let (imported, config) = import_rest(json!({}), methods);
    assert!(config.apis[0].routes[0].is_api_key_required, "{}", imported.routes);
    let to_do = texts(&imported, Kind::ToDo).join("\n");
    assert!(to_do.contains("until `api_keys` and `usage_plans` say"), "{to_do}");
}

#[test]
fn a_resource_policy_closes_all_routes() {
    let (imported, config) = import_rest(
        json!({ "policy": "{\"Version\":\"2012-10-17\"}" }),
        json!({ "GET": method("GET", "https://pay.internal/p/{number}", json!({})) }),
    );
    assert_eq!(config.apis[0].routes[0].integration.backend.group(), None);
    assert!(texts(&imported, Kind::Dropped)[0].contains("resource policy"));
}

#[test]
fn two_authorizers_of_one_issuer_are_told_to_trust_each_others_audiences() {
    let mut other = jwt();
    other["AuthorizerId"] = json!("auth02");
    other["Name"] = json!("staff");
    other["JwtConfiguration"]["Audience"] = json!(["back-office"]);
    let (imported, _) = import_http(
        &[route("GET /a", "i", guarded(&[]))],
        &[integration("i", "https://x.example.com/a", json!({}))],
        &[("more-a1b2c3", json!({ "Items": [other] }))],
    );
    let changed = texts(&imported, Kind::Changed);
    assert!(changed.iter().any(|note| note.contains("audiences of both")), "{changed:?}");
}

#[test]
fn whatever_is_new_is_named_and_hostile_texts_write_no_yaml() {
    let (imported, _) = import_http(
        &[route("GET /a", "i", json!({ "Sparkle": true }))],
        &[integration(
            "i",
            "https://x.example.com/a",
            json!({ "Moon": 1,
            "RequestParameters": { "overwrite:header.x": "a\"\n  evil: true",
                "overwrite:header.y": "\" } evil: # '" } }),
        )],
        &[("junk", json!({ "what": "is this" }))],
    );
    let dropped = texts(&imported, Kind::Dropped).join("\n");
    for word in ["`Sparkle`", "`Moon`", "file junk", "control characters"] {
        assert!(dropped.contains(word), "{word}: {dropped}");
    }
    assert!(!imported.routes.contains("header.x"), "{}", imported.routes);
}

#[test]
fn without_an_api_it_says_what_to_give() {
    let nothing = super::import(&[]).unwrap_err();
    assert!(nothing.to_string().contains("get-apis"), "{nothing}");
}

#[test]
fn an_openapi_export_of_an_http_api_is_what_its_answers_would_have_been() {
    let operation = |security: Value, integration: Value| {
        json!({ "responses": { "default": { "description": "x" } }, "security": security,
            "x-amazon-apigateway-integration": integration })
    };
    let proxy = |uri: &str| {
        json!({ "payloadFormatVersion": "1.0", "type": "http_proxy", "httpMethod": "ANY",
            "uri": uri, "connectionType": "INTERNET", "timeoutInMillis": 5000 })
    };
    let function =
        json!({ "payloadFormatVersion": "2.0", "type": "aws_proxy", "uri": "arn:aws:lambda:x" });
    let site = json!({ "$ref": "#/components/x-amazon-apigateway-integrations/site" });
    let definition = json!({
        "openapi": "3.0.1", "info": { "title": "Shop", "version": "1" },
        "paths": {
            "/orders/{id}": { "get": operation(json!([{ "customers": ["orders/read"] }]),
                proxy("https://orders.internal/v1/{id}")) },
            "/open": { "get": operation(json!([]), proxy("https://orders.internal/open")) },
            "/signed": { "post": operation(json!([{ "sigv4": [] }]),
                proxy("https://orders.internal/signed")) },
            "/odd": { "post": operation(json!([{ "nobody": [] }]),
                proxy("https://orders.internal/odd")) },
            "/lambda": { "put": operation(json!([]), function) },
            "/$default": { "x-amazon-apigateway-any-method": operation(json!([]), site) },
        },
        "components": {
            "securitySchemes": {
                "customers": { "type": "oauth2", "x-amazon-apigateway-authorizer": { "type": "jwt",
                    "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": { "audience": ["web"], "issuer": ISSUER } } },
                "sigv4": { "type": "apiKey", "name": "Authorization", "in": "header",
                    "x-amazon-apigateway-authtype": "awsSigv4" } },
            "x-amazon-apigateway-integrations": { "site": proxy("https://www.example.com") } },
        "x-amazon-apigateway-cors": { "allowOrigins": ["https://app.example.com"],
            "allowMethods": ["GET"], "maxAge": 60 },
        "x-amazon-apigateway-importexport-version": "1.0",
    });
    let (imported, config) = import(&[("shop", definition)]);
    for line in [
        "type: http",
        "allow_origins: [\"https://app.example.com\"]",
        "\"GET /orders/{id}\":\n        authorizer: customers\n        scopes: [orders/read]",
        "path: \"/v1/{id}\"\n          timeout: 5000ms",
        "\"GET /open\":\n        authorizer: none",
        "\"POST /signed\":\n        authorizer: aws_iam",
        "\"$default\":\n        authorizer: none",
    ] {
        assert!(imported.routes.contains(line), "{line}\n{}", imported.routes);
    }
    let api = &config.apis[0];
    let closed = |key: &str| {
        let route = api.routes.iter().find(|route| *route.key == *key).expect(key);
        route.integration.backend.group().is_none()
    };
    assert!(closed("POST /odd") && closed("PUT /lambda") && !closed("$default"));
    let dropped = texts(&imported, Kind::Dropped);
    assert_eq!(dropped.len(), 2, "{dropped:?}");
}

#[test]
fn an_openapi_export_of_a_rest_api_is_too() {
    let proxy = json!({ "type": "http_proxy", "httpMethod": "GET",
        "uri": "http://pay.internal/p/{id}", "passthroughBehavior": "when_no_match",
        "responses": { "default": { "statusCode": "200" } },
        "requestParameters": { "integration.request.path.id": "method.request.path.id" } });
    let mock = json!({ "type": "mock",
        "requestTemplates": { "application/json": "{\"statusCode\": 200}" },
        "responses": { "default": { "statusCode": "204",
            "responseParameters": { "method.response.header.X-A": "'b'" } } } });
    let pool = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbCdEf123";
    let definition = json!({
        "swagger": "2.0", "info": { "title": "Pay", "version": "1" }, "basePath": "/prod",
        "securityDefinitions": {
            "pool": { "type": "apiKey", "name": "Authorization", "in": "header",
                "x-amazon-apigateway-authtype": "cognito_user_pools",
                "x-amazon-apigateway-authorizer": {
                    "type": "cognito_user_pools", "providerARNs": [pool] } },
            "api_key": { "type": "apiKey", "name": "x-api-key", "in": "header" } },
        "paths": { "/p/{id}": {
            "get": { "responses": {}, "security": [{ "pool": ["pay/read"] }, { "api_key": [] }],
                "x-amazon-apigateway-integration": proxy },
            "delete": { "responses": {}, "x-amazon-apigateway-auth": { "type": "AWS_IAM" },
                "x-amazon-apigateway-integration": proxy },
            "options": { "responses": {}, "x-amazon-apigateway-integration": mock } } },
        "x-amazon-apigateway-gateway-responses": { "UNAUTHORIZED": { "statusCode": 401,
            "responseTemplates": { "application/json": "{\"m\":1}" } } },
    });
    let (imported, config) = import(&[("pay", definition)]);
    for line in [
        "type: rest",
        "\"GET /p/{id}\":\n        authorizer: pool\n        scopes: [pay/read]\n        \
         api_key_required: true",
        "\"DELETE /p/{id}\":\n        authorizer: aws_iam",
        "mock: { status_code: 204, headers: { X-A: b } }",
        "UNAUTHORIZED:\n        status_code: 401",
        "region: eu-west-1",
    ] {
        assert!(imported.routes.contains(line), "{line}\n{}", imported.routes);
    }
    assert_eq!(config.apis[0].routes.len(), 3);
    assert_eq!(texts(&imported, Kind::Dropped), [""; 0]);
}
