//! OpenAPI files: what they become, and what is said about what they cannot.

use std::fmt::Write as _;
use std::path::Path;

use crate::clock::UnixMillis;
use crate::config::model::{Api, AuthorizerKind, Backend, RequestParameter};
use crate::config::{Ground, Loaded, Report, System, parse};

const URI: &str = "https://b.internal/x";

/// A file with one API that is an OpenAPI file.
fn routes(kind: &str, keys: &str) -> String {
    format!(
        "user_pools:\n  main: {{ user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }}\n\
         target_groups: {{ all: {{ targets: [127.0.0.1:1] }} }}\n\
         listeners: {{ public: {{ address: 127.0.0.1:0, default_action: {{ api: shop }} }} }}\n\
         apis:\n  shop:\n    type: {kind}\n    openapi:\n      file: shop.yaml\n      \
         integrations: {{ '*': {{ target_group: all }} }}\n{keys}"
    )
}

fn load(kind: &str, keys: &str, document: &[u8]) -> Result<Loaded, Box<Report>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), document).unwrap();
    let ground = Ground {
        folder: folder.path(),
        surroundings: None,
        parts: Some(&System),
        now: UnixMillis(0),
    };
    parse(routes(kind, keys).as_bytes(), "routes.yaml", ground)
}

fn api(kind: &str, document: &str) -> (Api, Vec<&'static str>) {
    let mut loaded =
        load(kind, "", document.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    let warnings = loaded.warnings.iter().map(|finding| finding.code);
    let warnings = warnings.filter(|code| !code.starts_with("unused")).collect();
    (loaded.config.apis.remove(0), warnings)
}

/// What is wrong with a file, with the place in it.
#[track_caller]
fn refused(kind: &str, document: &str) -> Vec<(&'static str, usize, usize)> {
    let report = load(kind, "", document.as_bytes()).expect_err(document);
    let text = report.to_string();
    assert!(text.contains("shop.yaml:"), "{text}");
    super::places(&report.findings)
}

fn operation(keys: &str) -> String {
    format!(
        "openapi: 3.0.1\npaths:\n  /a:\n    get:\n{keys}      x-amazon-apigateway-integration: \
         {{ type: http_proxy, uri: {URI} }}\n"
    )
}

fn keys(api: &Api) -> Vec<&str> {
    api.routes.iter().map(|route| &*route.key).collect()
}

#[test]
fn an_http_api_that_was_created_quickly_is_one_default_route() {
    let (api, told) = api("http", include_str!("openapi/quick-create.json"));
    assert_eq!((keys(&api), told), (vec!["$default"], vec![]));
    assert!(api.routes[0].authorizer.is_none());
    assert!(api.openapi.is_some_and(|file| file.path.ends_with("shop.yaml")));
}

#[test]
fn integrations_may_be_named_once_and_private_ones_keep_the_path() {
    let (api, told) = api("http", include_str!("openapi/vpc-link.yaml"));
    assert_eq!(keys(&api), ["GET /orders", "GET /orders/{id}", "DELETE /orders/{id}"]);
    assert!(told.is_empty(), "{told:?}");
    assert!(api.routes.iter().all(|route| route.integration.path.is_none()));
    assert!(api.routes[2].authorizer.is_none());
    let authorizer = api.routes[0].authorizer.as_ref().unwrap();
    assert_eq!(authorizer.kind, AuthorizerKind::Jwt);
    assert_eq!(&*authorizer.name, "jwt");
    assert!(authorizer.validation.as_ref().unwrap().scopes.is_some());
    assert_eq!(api.routes[0].integration.response_mappings.len(), 1);
}

#[test]
fn a_stage_export_of_a_rest_api_with_cors_by_mocks_is_carried_over() {
    let (api, told) = api("rest", include_str!("openapi/stage-export.json"));
    assert_eq!(keys(&api), ["OPTIONS /{proxy+}", "ANY /{proxy+}"]);
    assert_eq!(told, ["left-out"]);
    let Backend::Mock(mock) = &api.routes[0].integration.backend else { panic!("no mock") };
    assert_eq!((mock.status_code, mock.headers.len(), mock.body.as_str()), (200, 2, ""));
    assert_eq!(mock.headers[1], ("access-control-allow-origin".into(), "*".into()));
    assert_eq!(api.routes[1].integration.path.as_ref().map(Vec::len), Some(2));
    let kind = &api.routes[1].authorizer.as_ref().unwrap().kind;
    assert!(matches!(kind, AuthorizerKind::Cognito { .. }));
    assert_eq!(api.gateway_responses.len(), 1);
}

#[test]
fn the_samples_say_what_they_look_like() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples/openapi.yaml");
    let options = crate::config::LoadOptions { portable: true };
    let loaded = crate::config::load(&file, options).unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let [shop, pay] = loaded.config.apis.as_slice() else { panic!("two APIs") };
    assert_eq!(keys(shop), ["GET /health", "GET /orders/{id}", "ANY /files/{proxy+}"]);
    assert!(shop.cors.is_some());
    assert_eq!(shop.routes[1].integration.timeout, std::time::Duration::from_secs(5));
    assert_eq!(keys(pay), ["GET /payments/{id}", "OPTIONS /payments/{id}"]);
    let required: Vec<&str> = pay.routes[0].required.iter().map(RequestParameter::name).collect();
    assert_eq!(required, ["X-Tenant"]);
}

#[test]
fn two_requirements_and_swagger_for_an_http_api_are_errors() {
    let two = operation("      security:\n        - a: []\n        - b: []\n");
    assert_eq!(refused("http", &two), [("second-requirement", 7, 11)]);
    assert_eq!(refused("rest", &two), [("second-requirement", 7, 11)]);
    let both = operation("      security: [{ a: [], b: [] }]\n");
    assert_eq!(refused("http", &both), [("not-carried-over", 5, 27)]);
    let none = operation("      security: [{}]\n");
    assert_eq!(refused("http", &none), [("not-carried-over", 5, 18)]);
    let swagger = operation("").replace("openapi: 3.0.1", "swagger: \"2.0\"");
    assert_eq!(refused("http", &swagger), [("unknown-version", 1, 10)]);
    assert!(load("rest", "", swagger.as_bytes()).is_ok());
    for version in ["openapi: 3.1.0", "swagger: '1.2'", "title: x"] {
        let text = operation("").replace("openapi: 3.0.1", version);
        assert_eq!(refused("rest", &text)[0].0, "unknown-version", "{version}");
    }
}

fn with_scheme(scheme: &str) -> String {
    operation("      security: [{ s: [] }]\n")
        + &format!("components:\n  securitySchemes:\n    s: {scheme}\n")
}

#[test]
fn an_issuer_is_the_discovery_url_without_its_end_and_must_be_a_pool_of_the_file() {
    let base = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI";
    let scheme = |url: &str, audience: &str| {
        with_scheme(&format!(
            "{{ type: openIdConnect, openIdConnectUrl: '{url}', x-amazon-apigateway-authorizer: \
             {{ type: jwt, jwtConfiguration: {{ audience: {audience} }} }} }}"
        ))
    };
    let good = format!("{base}/.well-known/openid-configuration");
    let (api, told) = api("http", &scheme(&good, "[web]"));
    assert_eq!((api.routes[0].authorizer.is_some(), told), (true, vec![]));
    let code = |document: &str| refused("http", document)[0].0;
    assert_eq!(code(&scheme(base, "[web]")), "invalid-value");
    let other = "https://idp.example/.well-known/openid-configuration";
    let report = load("http", "", scheme(other, "[web]").as_bytes()).unwrap_err().to_string();
    assert!(report.contains("the issuer `https://idp.example`"), "{report}");
    // A pool that lets in more than the file is no pool of the file.
    assert_eq!(code(&scheme(&good, "[other]")), "wider-audience");
    assert_eq!(self::api("http", &scheme(&good, "[web, other]")).1, ["narrower-audience"]);
}

#[test]
fn what_nobody_could_judge_is_never_let_in() {
    for scheme in [
        "{ type: oauth2 }",
        "{ type: apiKey, name: x-api-key, in: header }",
        "{ type: apiKey, name: a, in: header, x-amazon-apigateway-authorizer: { type: request } }",
    ] {
        assert_eq!(refused("http", &with_scheme(scheme))[0].0, "not-carried-over", "{scheme}");
        // An authorizer of that name that is written by hand replaces it.
        let own = "    authorizers: { s: { jwt: { user_pool: main } } }\n";
        let loaded = load("http", own, with_scheme(scheme).as_bytes()).unwrap();
        assert!(loaded.config.apis[0].routes[0].authorizer.is_some());
    }
    let unknown = operation("      security: [{ nobody: [] }]\n");
    assert_eq!(refused("http", &unknown)[0].0, "unknown-scheme");
    // The whole file's security holds for an HTTP API, and is told to be ignored for a REST API.
    let general = operation("") + "security: [{ nobody: [] }]\n";
    assert_eq!(refused("http", &general)[0].0, "unknown-scheme");
    assert_eq!(api("rest", &general).1, ["ignored-security"]);
}

#[test]
fn signatures_api_keys_and_policies_are_carried_over() {
    let iam = "x-amazon-apigateway-authtype: awsSigv4";
    let scheme = format!("{{ type: apiKey, name: Authorization, in: header, {iam} }}");
    let said = operation("      x-amazon-apigateway-auth: { type: AWS_IAM }\n");
    for document in [with_scheme(&scheme), said] {
        for kind in ["http", "rest"] {
            let (api, told) = self::api(kind, &document);
            let authorizer = api.routes[0].authorizer.as_ref().expect("an authorizer");
            assert_eq!((&authorizer.kind, told), (&AuthorizerKind::AwsIam, vec![]), "{document}");
        }
    }
    let key = with_scheme("{ type: apiKey, name: x-api-key, in: header }");
    let (api, _) = self::api("rest", &key);
    assert!(api.routes[0].is_api_key_required && api.routes[0].authorizer.is_none());
    let policy = "x-amazon-apigateway-policy: { Version: '2012-10-17', Statement: [{ Effect: Deny, \
                  Principal: '*', Action: 'execute-api:Invoke', Resource: 'execute-api:/*' }] }\n";
    assert!(self::api("rest", &(operation("") + policy)).0.policy.is_some());
    let strange = policy.replace("Deny", "Maybe");
    assert_eq!(refused("rest", &(operation("") + &strange))[0].0, "invalid-policy");
}

#[test]
fn a_route_by_hand_replaces_the_files_and_mends_what_cannot_be_carried_over() {
    let document = operation("").replace("http_proxy", "aws");
    assert_eq!(refused("http", &document)[0].0, "not-carried-over");
    let own = "    routes:\n      GET /a: { authorizer: none, integration: { target_group: all } }\n      \
               GET /b: { authorizer: none, integration: { target_group: all } }\n";
    let loaded = load("http", own, document.as_bytes()).unwrap();
    assert_eq!(keys(&loaded.config.apis[0]), ["GET /a", "GET /b"]);
    // The API's own authorizer is for operations that say nothing.
    let own = "    authorizers: { m: { jwt: { user_pool: main } } }\n    authorizer: m\n";
    let loaded = load("http", own, operation("").as_bytes()).unwrap();
    assert!(loaded.config.apis[0].routes[0].authorizer.is_some());
    let said = operation("      security: []\n");
    let loaded = load("http", own, said.as_bytes()).unwrap();
    assert!(loaded.config.apis[0].routes[0].authorizer.is_none());
}

#[test]
fn references_that_lead_out_round_or_nowhere_are_refused() {
    let document = |reference: &str, components: &str| {
        format!(
            "openapi: 3.0.1\npaths:\n  /a:\n    get:\n      x-amazon-apigateway-integration: \
             {{ $ref: '{reference}' }}\ncomponents:\n  x:\n{components}"
        )
    };
    let code =
        |reference: &str, components: &str| refused("http", &document(reference, components))[0].0;
    let round = "    a: { $ref: '#/components/x/b' }\n    b: { $ref: '#/components/x/a' }\n";
    assert_eq!(code("#/components/x/a", round), "circular-reference");
    let itself = "    a: { $ref: '#/components/x/a' }\n";
    assert_eq!(code("#/components/x/a", itself), "circular-reference");
    for outside in ["other.yaml#/a", "https://example.com/a.yaml", "file:///etc/passwd", "../x", ""]
    {
        assert_eq!(code(outside, "    a: {}\n"), "external-reference", "{outside}");
    }
    assert_eq!(code("#/components/y", "    a: {}\n"), "dangling-reference");
}

#[test]
fn hostile_files_are_refused_at_once() {
    let mut bomb = String::from("openapi: 3.0.1\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..20 {
        let _ = writeln!(bomb, "a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", "));
    }
    let deep = "a: ".to_owned() + &"[".repeat(100_000);
    for document in [bomb.as_bytes(), deep.as_bytes(), b"\xff\xfe", b"", b"[]", b"openapi: 3.0.1"] {
        assert!(load("http", "", document).is_err());
    }
    let twice = operation("") + "  /a:\n    get: {}\n";
    assert_eq!(refused("http", &twice), [("duplicate-key", 6, 3)]);
    let one = operation("");
    let (_, item) = one.split_once("  /a:\n").unwrap();
    let same = format!("{one}  /{{x}}:\n{item}  /{{y}}:\n{item}");
    assert_eq!(refused("http", &same)[0].0, "duplicate-route");
    for path in ["/ü", "/%2e%2e", "/a//b", "/a/../b", "a", "/a b", "/\u{202e}x"] {
        let document = one.replace("  /a:", &format!("  \"{path}\":"));
        assert_eq!(refused("http", &document)[0].0, "invalid-route-key", "{path}");
    }
}

#[test]
fn ten_thousand_paths_are_read() {
    let mut document = String::from("openapi: 3.0.1\npaths:\n");
    for n in 0..10_000 {
        let _ = writeln!(
            document,
            "  /p{n}: {{ get: {{ x-amazon-apigateway-integration: {{ type: http_proxy, uri: '{URI}' }} }} }}"
        );
    }
    assert_eq!(api("http", &document).0.routes.len(), 10_000);
}

#[test]
fn what_is_sent_elsewhere_on_aws_is_not_sent_here_without_a_word() {
    let code = |integration: &str| {
        let document =
            operation("").replace(&format!("{{ type: http_proxy, uri: {URI} }}"), integration);
        refused("rest", &document)[0].0
    };
    for integration in [
        "{ type: http_proxy, uri: 'https://b/x?a=b' }",
        "{ type: http_proxy, uri: 'https://b/{x}' }",
        "{ type: http_proxy, httpMethod: POST, uri: 'https://b/' }",
        "{ type: http_proxy, uri: 'https://b/', contentHandling: CONVERT_TO_TEXT }",
        "{ type: aws, uri: 'arn:aws:x' }",
        "{ type: mock }",
        "{ type: mock, requestTemplates: { a/b: '#set($x = 1)' }, responses: { default: {} } }",
        "{ type: mock, requestTemplates: { a/b: '{statusCode:200}' }, responses: { default: { \
         responseTemplates: { a/b: '$input.body' } } } }",
    ] {
        assert_eq!(code(integration), "not-carried-over", "{integration}");
    }
    let text = routes("http", "").replace("'*'", "'https://c.internal/*'");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), operation("")).unwrap();
    let ground = Ground {
        folder: folder.path(),
        surroundings: None,
        parts: Some(&System),
        now: UnixMillis(0),
    };
    let report = parse(text.as_bytes(), "routes.yaml", ground).unwrap_err();
    assert_eq!(report.findings[0].code, "unmapped-integration");
    // Without the file there is nothing to be judged.
    let report = super::bad(&text);
    assert_eq!(report.findings[0].code, "unread-file");
}
