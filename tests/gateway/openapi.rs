//! APIs that come as OpenAPI files, from the file to the socket: authorizers, integrations, mocks,
//! required parameters, and a changed file.

use std::fs;

use crate::support::issuer::CLIENT;
use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

fn file(issuer: &Issuer, target: &Target, kind: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         user_pools:\n{pool}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners: {{ public: {{ address: 127.0.0.1:0, default_action: {{ api: shop }} }} }}\n\
         apis:\n  shop:\n    type: {kind}\n    openapi:\n      file: shop.yaml\n      \
         integrations: {{ 'https://b.internal/*': {{ target_group: all }} }}\n    routes:\n      \
         GET /own: {{ authorizer: none, integration: {{ target_group: all }} }}\n",
        pool = issuer.pool("customers"),
        address = target.address(),
    )
}

/// An OpenAPI 3.0 file whose tokens are this issuer's.
fn document(issuer: &Issuer) -> String {
    format!(
        "openapi: 3.0.1\npaths:\n  \
         /orders/{{id}}:\n    get:\n      security: [{{ jwt: [orders/read] }}]\n      \
         x-amazon-apigateway-integration:\n        type: http_proxy\n        \
         uri: https://b.internal/v1/{{id}}\n        \
         requestParameters: {{ 'overwrite:header.x-user': $context.authorizer.claims.sub }}\n  \
         /open:\n    get:\n      \
         x-amazon-apigateway-integration: {{ type: http_proxy, uri: 'https://b.internal' }}\n\
         components:\n  securitySchemes:\n    jwt:\n      type: oauth2\n      \
         x-amazon-apigateway-authorizer:\n        type: jwt\n        \
         jwtConfiguration: {{ issuer: '{}', audience: [{CLIENT}] }}\n",
        issuer.issuer(),
    )
}

fn start(routes: &str, document: &str) -> Gateway {
    Start::with(routes).file("shop.yaml", document).run()
}

#[test]
fn the_operations_of_a_file_are_routes_with_their_authorizers_and_targets() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&file(&issuer, &target, "http"), &document(&issuer));
    let address = gateway.address();
    assert_eq!(wire::get(address, "/orders/7").status, 401);
    let ask = |scope: &str| {
        let token = issuer.token_with(&serde_json::json!({ "scope": scope }));
        wire::request(address, "GET", "/orders/7?a=b", &[("Authorization", &token)])
    };
    assert_eq!(ask("orders/write").status, 403);
    assert!(target.taken().is_empty());
    assert_eq!(ask("x orders/read").status, 200);
    let asked = target.next();
    assert_eq!(asked.target(), "/v1/7?a=b");
    assert!(asked.values("x-user").len() == 1, "{asked:?}");
    assert_eq!(wire::get(address, "/open").status, 200);
    assert_eq!(target.next().target(), "/");
    assert_eq!(wire::get(address, "/own").status, 200);
    assert_eq!(wire::get(address, "/unknown").status, 404);
}

#[test]
fn a_changed_file_is_put_in_force_and_a_wrong_one_changes_nothing() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let mut gateway = start(&file(&issuer, &target, "http"), &document(&issuer));
    let address = gateway.address();
    let path = gateway.folder().join("shop.yaml");
    assert_eq!(wire::get(address, "/new").status, 404);
    fs::write(&path, document(&issuer).replace("  /open:", "  /new:")).expect("written");
    eventually("the new file is in force", || {
        (wire::get(address, "/new").status == 200).then_some(())
    });
    assert_eq!(wire::get(address, "/open").status, 404);
    // Open where it was closed, but wrong as a whole.
    let wrong = document(&issuer).replace("[{ jwt: [orders/read] }]", "[{ jwt: [] }, { jwt: [] }]");
    fs::write(&path, wrong).expect("written");
    gateway.wait_log(&["reload refused", "second-requirement"]);
    assert_eq!(wire::get(address, "/new").status, 200);
    assert_eq!(wire::get(address, "/orders/7").status, 401);
}

#[test]
fn a_required_parameter_is_asked_for_only_where_a_validator_looks() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let operation = |path: &str, keys: &str| {
        format!(
            "  {path}:\n    get:\n{keys}      parameters:\n        \
             - {{ name: X-Tenant, in: header, required: true, type: string }}\n        \
             - {{ name: page, in: query, required: true, type: string }}\n        \
             - {{ name: other, in: query, type: string }}\n      \
             x-amazon-apigateway-integration: {{ type: http_proxy, uri: 'https://b.internal/x' }}\n"
        )
    };
    let document = format!(
        "swagger: '2.0'\n\
         x-amazon-apigateway-request-validators: {{ p: {{ validateRequestParameters: true }} }}\n\
         x-amazon-apigateway-gateway-responses:\n  BAD_REQUEST_PARAMETERS:\n    \
         responseTemplates: {{ text/plain: '$context.error.messageString $context.error.validationErrorString' }}\n\
         paths:\n{}{}",
        operation("/free", ""),
        operation("/held", "      x-amazon-apigateway-request-validator: p\n"),
    );
    let routes = file(&issuer, &target, "rest");
    let gateway = start(&routes, &document);
    let address = gateway.address();
    assert_eq!(wire::get(address, "/free").status, 200);
    assert_eq!(target.next().target(), "/x");
    let said = "Missing required request parameters: [X-Tenant, page]";
    let answer = wire::get(address, "/held");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text(), format!("\"{said}\" [{said}]"));
    assert_eq!(answer.header("x-amzn-errortype"), Some("BadRequestException"));
    let tenant = [("x-tenant", "a")];
    let blank = [("x-tenant", " ")];
    for (path, headers, missing) in [
        ("/held?page=1", &blank[..], "X-Tenant"),
        ("/held?page=1", &[], "X-Tenant"),
        ("/held?page=%20", &tenant, "page"),
        ("/held?page", &tenant, "page"),
        ("/held?PAGE=1", &tenant, "page"),
    ] {
        let answer = wire::request(address, "GET", path, headers);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains(&format!("parameters: [{missing}]")), "{}", answer.text());
    }
    assert!(target.taken().is_empty());
    assert_eq!(wire::request(address, "GET", "/held?%70age=1", &tenant).status, 200);
    let plain = document.replace("BAD_REQUEST_PARAMETERS", "QUOTA_EXCEEDED");
    let gateway = start(&routes, &plain);
    let answer = wire::get(gateway.address(), "/held");
    assert_eq!(answer.text(), format!(r#"{{"message":"{said}"}}"#));
    let lines = gateway.wait_access_log(|lines| !lines.is_empty());
    assert_eq!(lines[0]["reason"], "parameters_missing");
}

#[test]
fn a_body_that_is_not_as_its_model_has_it_never_comes_to_a_target() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let document = "openapi: 3.0.1\n\
         x-amazon-apigateway-request-validators: { b: { validateRequestBody: true } }\n\
         x-amazon-apigateway-request-validator: b\n\
         x-amazon-apigateway-gateway-responses:\n  UNSUPPORTED_MEDIA_TYPE: { statusCode: 422 }\n\
         paths:\n  /orders:\n    post:\n      \
         requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/Order' } } } }\n      \
         x-amazon-apigateway-integration: { type: http_proxy, uri: 'https://b.internal/in' }\n\
         components:\n  schemas:\n    \
         Order: { type: object, required: [item], properties: { item: { type: string }, of: { $ref: '#/components/schemas/Of' } } }\n    \
         Of: { type: integer, maximum: 9 }\n";
    let gateway = start(&file(&issuer, &target, "rest"), document);
    let post = |kind: &str, body: &str| {
        let mut connection = wire::Connection::open(gateway.address());
        connection.send(format!(
            "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        connection.read()
    };
    for body in
        ["{}", "", "[]", r#"{"item":1}"#, r#"{"item":"a","of":10}"#, r#"{"item":1,"item":"a"}"#]
    {
        let answer = post("application/json", body);
        let told = (answer.status, answer.text());
        assert_eq!(told, (400, r#"{"message":"Invalid request body"}"#.to_owned()), "{body}");
        assert_eq!(answer.header("x-amzn-errortype"), Some("BadRequestException"));
    }
    // What no model is for would pass unseen.
    for kind in ["text/plain", "application/json, text/plain", "application/jsonx"] {
        assert_eq!(post(kind, "{}").status, 422, "{kind}");
    }
    assert!(target.taken().is_empty());
    for length in [1, 70_000] {
        let body = format!(r#"{{"item":"{}","of":9}}"#, "a".repeat(length));
        assert_eq!(post("Application/JSON; charset=utf-8", &body).status, 200);
        let received = target.next();
        assert_eq!(received.target(), "/in");
        assert_eq!(received.body.len(), body.len());
    }
}
