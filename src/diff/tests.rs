use super::*;
use crate::auth::Patience;
use crate::clock::UnixMillis;
use crate::config;
use crate::telemetry::metrics::Metrics;

const FILE: &str = r#"
user_pools:
  customers: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
  web: { targets: ["127.0.0.1:2"] }
listeners:
  public:
    address: 127.0.0.1:8080
    rules:
      - name: orders
        conditions: { path_pattern: [/orders/*], http_request_method: [GET] }
        jwt_validation: { user_pools: [customers], scopes: [read] }
        forward: orders
      - name: beta
        conditions: { path_pattern: [/*], http_header: [{ name: x-env, values: [beta*] }] }
        public: true
        forward: web
      - name: site
        conditions: { host_header: ["*.example.com"] }
        public: true
        forward: web
    default_action: { fixed_response: { status_code: 404 } }
"#;

fn snapshot(file: &str) -> Snapshot {
    let loaded = config::parse_portable(file, "routes.yaml")
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
    Snapshot::compile(loaded.config, None, &Metrics::new("test", ""))
}

fn between(old: &str, new: &str) -> Difference {
    let moment = Moment {
        wall: UnixMillis(1_795_395_735_000),
        mono: crate::clock::monotonic(),
        random: 7,
        patience: Patience::HasWaited,
    };
    compare(&snapshot(old), &snapshot(new), moment)
}

/// The file with this in the place of that.
fn with(this: &str, that: &str) -> String {
    assert_eq!(FILE.matches(this).count(), 1, "{this}");
    FILE.replace(this, that)
}

fn told(new: &str) -> String {
    render(&between(FILE, new), false)
}

fn rule(name: &str) -> &str {
    let start = FILE.find(&format!("      - name: {name}\n")).expect("a rule");
    let rest = &FILE[start + 1..];
    let end = rest.find("\n      - name").or_else(|| rest.find("\n    default")).expect("an end");
    &FILE[start..=start + 1 + end]
}

#[test]
fn spelling_is_no_change() {
    for new in [
        FILE.to_owned(),
        with(
            "{ targets: [\"127.0.0.1:1\"] }",
            "\n    # ours\n    targets: [{ address: 127.0.0.1:1 }]",
        ),
        with(
            "    address: 127.0.0.1:8080\n",
            "    idle_timeout: 1m\n    address: 127.0.0.1:8080\n",
        ),
        with("scopes: [read]", "scopes: { any_of: [read] }"),
        with("    rules:\n", "    http2: true\n    rules:\n"),
    ] {
        let difference = between(FILE, &new);
        assert!(difference.is_empty(), "{}", render(&difference, false));
    }
}

#[test]
fn whatever_opens_a_rule_is_told_first() {
    let in_front = format!("{}{}", rule("site"), rule("orders"));
    let moved = FILE.replace(rule("site"), "").replace(rule("orders"), &in_front);
    let cases = [
        with("jwt_validation: { user_pools: [customers], scopes: [read] }", "public: true"),
        with(", http_request_method: [GET]", ", http_request_method: [POST]"),
        with("/orders/*]", "/order/*]"),
        FILE.replace(rule("orders"), ""),
        moved,
    ];
    for new in cases {
        let difference = between(FILE, &new);
        assert!(difference.opens(), "{}", render(&difference, false));
        assert!(render(&difference, false).starts_with("open to everybody now:"));
        let back = between(&new, FILE);
        assert!(back.shifts.iter().any(|shift| shift.kind == ShiftKind::Closed));
        assert_eq!(back.opens(), new.contains("[POST]") || new.contains("/order/*"));
    }
}

#[test]
fn what_opens_nothing_is_told_too() {
    for (new, line) in [
        (
            with("scopes: [read]", "scopes: [read, list]"),
            "jwt_validation.scopes: any of read -> any of read, list  weaker",
        ),
        (with("app_clients: [web]", "app_clients: [web, app]"), "app_clients: +app  weaker"),
        (
            with("[\"127.0.0.1:1\"]", "[\"127.0.0.1:3\"]"),
            "targets: -{ address: 127.0.0.1:1, weight: 1 } +{ address: 127.0.0.1:3, weight: 1 }",
        ),
        (with("127.0.0.1:8080", "127.0.0.1:9090"), "address: 127.0.0.1:8080 -> 127.0.0.1:9090"),
        (with("status_code: 404", "status_code: 410"), "is   rule `default`: answer 410"),
        (with("values: [beta*]", "values: [gamma]"), "rule `beta`"),
        (format!("{FILE}startup_wait: 1s\n"), "startup_wait: 30s -> 1s"),
        (format!("{FILE}claim_headers: {{ x-who: sub }}\n"), "claim_headers.x-who"),
    ] {
        let difference = between(FILE, &new);
        let text = render(&difference, false);
        assert!(text.contains(line), "{line}\n{text}");
        assert!(!difference.opens(), "{text}");
    }
}

#[test]
fn rules_that_come_go_and_move_are_told_with_what_they_do() {
    let new = FILE
        .replace(rule("beta"), "")
        .replace("    default_action", "      - { name: pay, conditions: { path_pattern: [/pay] }, jwt_validation: { user_pools: [customers] }, forward: orders }\n    default_action");
    let text = told(&new);
    assert!(text.contains("- rule `beta`  forward to web"), "{text}");
    assert!(text.contains("+ rule `pay`  asks who is calling, then: forward to orders"), "{text}");
    let last = FILE
        .replace(rule("orders"), "")
        .replace("    default_action", &format!("{}    default_action", rule("orders")));
    assert!(told(&last).contains("> rule `orders` is tried after `site` now"), "{}", told(&last));
}

#[test]
fn a_new_way_to_a_target_is_told_though_nothing_was_protected() {
    let new = with(
        "    default_action: { fixed_response: { status_code: 404 } }",
        "    default_action: { forward: web, public: true }",
    );
    let difference = between(FILE, &new);
    assert!(difference.shifts.iter().all(|shift| shift.kind == ShiftKind::Exposed));
    assert!(!difference.shifts.is_empty() && !difference.opens());
}

#[test]
fn a_listener_is_followed_to_its_new_name_and_a_new_one_is_shown_with_its_rules() {
    let renamed = with("  public:\n", "  edge:\n")
        .replace("jwt_validation: { user_pools: [customers], scopes: [read] }", "public: true");
    assert!(between(FILE, &renamed).opens());
    let more = format!(
        "{FILE}  second:\n    address: 127.0.0.1:8081\n    default_action: {{ forward: web, public: true }}\n"
    );
    let text = told(&more);
    assert!(text.contains("+ listener `second`\n      + rule `default`  forward to web"), "{text}");
}

/// A large file is tried by the examples of each rule instead of all combinations.
#[test]
fn a_large_file_is_compared_too() {
    let mut many = String::from(&FILE[..FILE.find("    default_action").expect("there")]);
    for number in 0..300 {
        many.push_str(&format!(
            "      - {{ name: r{number}, conditions: {{ host_header: [h{number}.example], path_pattern: [/p{number}/*] }}, jwt_validation: {{ user_pools: [customers] }}, forward: web }}\n"
        ));
    }
    many.push_str("    default_action: { fixed_response: { status_code: 404 } }\n");
    assert!(between(&many, &many).is_empty());
    let opened = many.replace(
        "path_pattern: [/p77/*] }, jwt_validation: { user_pools: [customers] }",
        "path_pattern: [/p77/*] }, public: true",
    );
    assert!(between(&many, &opened).opens());
}

const API: &str = r#"
user_pools:
  customers: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
  web: { targets: ["127.0.0.1:2"] }
listeners:
  public:
    address: 127.0.0.1:8080
    rules:
      - { name: shop, conditions: { host_header: [api.example.com], path_pattern: [/shop/*] }, api: shop }
    default_action: { fixed_response: { status_code: 404 } }
apis:
  shop:
    type: rest
    base_path: /shop
    stage: prod
    authorizers:
      members: { cognito: { user_pools: [customers] } }
    request_validators: { all: { validate_request_parameters: true, validate_request_body: true } }
    models: { order: { schema: { type: object } } }
    routes:
      GET /orders/{id}:
        authorizer: members
        scopes: [read]
        api_key_required: true
        integration: { target_group: orders }
      POST /orders:
        authorizer: members
        request_validator: all
        required_parameters: [method.request.header.x-tenant]
        request_models: { application/json: order }
        integration: { target_group: orders }
      GET /health: { authorizer: none, integration: { target_group: web } }
"#;

/// The API with this in the place of that.
fn api_with(this: &str, that: &str) -> String {
    assert_eq!(API.matches(this).count(), 1, "{this}");
    API.replace(this, that)
}

const ORDER: &str = "        authorizer: members
        scopes: [read]
        api_key_required: true
        integration: { target_group: orders }
";

#[test]
fn a_route_that_is_opened_is_told_first_and_by_its_key() {
    let cases = [
        // Nobody is asked any more.
        (
            api_with(
                ORDER,
                "        authorizer: none\n        integration: { target_group: orders }\n",
            ),
            "GET /orders/{id}",
            "GET http://api.example.com/shop/orders/x",
        ),
        // A body is demanded still, which anybody can send.
        (
            API.replace(
                "authorizer: members\n        request_validator",
                "authorizer: none\n        request_validator",
            ),
            "POST /orders",
            "POST http://api.example.com/shop/orders",
        ),
        // Whoever comes with the parameter gets in.
        (
            api_with(
                ORDER,
                "        authorizer: none\n        request_validator: all\n        required_parameters: [method.request.querystring.who]\n        integration: { target_group: orders }\n",
            ),
            "GET /orders/{id}",
            "GET http://api.example.com/shop/orders/x?who=x",
        ),
    ];
    for (new, key, example) in cases {
        let difference = between(API, &new);
        let text = render(&difference, false);
        assert!(difference.opens(), "{text}");
        let first = &difference.shifts[0];
        assert_eq!((first.kind, first.example.as_str()), (ShiftKind::Opened, example), "{text}");
        assert!(
            text.contains(&format!("is   route `{key}` of API `shop`: forward to orders")),
            "{text}"
        );
        assert!(text.contains("was  route `") && text.contains("asks who is calling"), "{text}");
        let back = between(&new, API);
        assert!(back.shifts.iter().any(|shift| shift.kind == ShiftKind::Closed));
        assert!(!back.opens());
    }
    // A less specific route takes what a protected one took.
    let gone = api_with(ORDER, "").replace("      GET /orders/{id}:\n", "").replace(
        "      GET /health:",
        "      ANY /{proxy+}: { authorizer: none, integration: { target_group: web } }\n      GET /health:",
    );
    let difference = between(API, &gone);
    let text = render(&difference, false);
    assert!(difference.opens(), "{text}");
    assert!(text.contains("is   route `ANY /{proxy+}` of API `shop`: forward to web"), "{text}");
    assert!(text.contains("- route `GET /orders/{id}`  asks who is calling (scope read) and for an API key, then: forward to orders"), "{text}");
    assert!(text.contains("+ route `ANY /{proxy+}`  forward to web"), "{text}");
}

#[test]
fn a_route_that_demands_less_is_told_though_it_still_asks() {
    for (new, setting) in [
        (
            api_with("scopes: [read]", "scopes: [read, list]"),
            "scopes: any of read -> any of read, list  weaker",
        ),
        (
            api_with("        api_key_required: true\n", ""),
            "api_key_required: true -> false  weaker",
        ),
        (
            api_with(
                "        authorizer: members\n        scopes: [read]\n",
                "        authorizer: none\n",
            ),
            "-> none  weaker",
        ),
        (
            api_with("        required_parameters: [method.request.header.x-tenant]\n", ""),
            "required_parameters: -method.request.header.x-tenant  weaker",
        ),
        (
            api_with("        request_models: { application/json: order }\n", ""),
            "request_models.application/json: ",
        ),
    ] {
        let difference = between(API, &new);
        let text = render(&difference, false);
        assert!(!difference.opens(), "{text}");
        assert_eq!(difference.shifts[0].kind, ShiftKind::Loosened, "{text}");
        assert!(text.contains("~ API `shop`\n      ~ route `"), "{text}");
        assert!(text.contains(setting), "{setting}\n{text}");
        let back = between(&new, API);
        assert!(back.shifts.iter().all(|shift| shift.kind != ShiftKind::Loosened));
    }
}

#[test]
fn what_else_becomes_of_a_route_is_told_with_it() {
    let new = api_with(
        "GET /health: { authorizer: none, integration: { target_group: web } }",
        "GET /health: { authorizer: none, integration: { target_group: orders } }",
    );
    let difference = between(API, &new);
    let text = render(&difference, false);
    assert!(text.contains("GET http://api.example.com/shop/health on listener `public`"), "{text}");
    assert!(text.contains("is   route `GET /health` of API `shop`: forward to orders"), "{text}");
    assert!(text.contains("integration.target_group: web -> orders"), "{text}");
    let json = to_json(&difference);
    assert_eq!(json["requests"][0]["new"]["route"], "GET /health");
    assert_eq!(json["parts"][0]["kind"], "API");
    assert_eq!(json["parts"][0]["routes"][0]["name"], "GET /health");
    let open = API.replace(
        "GET /health:",
        "GET /status: { authorizer: none, integration: { target_group: web } }\n      GET /health:",
    );
    let difference = between(API, &open);
    assert_eq!(difference.shifts[0].kind, ShiftKind::Exposed);
    assert!(between(API, API).is_empty());
}

#[test]
fn a_policy_that_says_something_else_is_told_and_another_spelling_is_not() {
    let file = |policy: &str| {
        format!(
            "target_groups: {{ orders: {{ targets: [\"127.0.0.1:1\"] }} }}\n\
             listeners: {{ public: {{ address: 127.0.0.1:8080, default_action: {{ api: pay }} }} }}\n\
             apis:\n  pay:\n    type: rest\n    authorizer: none\n    policy: {policy}\n    routes:\n      \
             GET /a: {{ integration: {{ target_group: orders }} }}\n"
        )
    };
    let statement = |effect: &str, network: &str| {
        format!(
            "{{ Statement: [{{ Effect: {effect}, Principal: \"*\", Action: \"execute-api:Invoke\", \
             Resource: \"execute-api:/*\", Condition: {{ IpAddress: {{ \"aws:SourceIp\": {network} }} }} }}] }}"
        )
    };
    let old = file(&statement("Allow", "192.0.2.0/24"));
    assert!(between(&old, &old.replace("Effect: Allow", "Effect: 'Allow'")).is_empty());
    let wider = file(&statement("Allow", "0.0.0.0/0"));
    let text = render(&between(&old, &wider), false);
    assert!(text.contains("policy_digest"), "{text}");
}
