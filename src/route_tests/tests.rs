use super::*;
use crate::auth::Patience;
use crate::clock::UnixMillis;
use crate::config;
use crate::config::route_tests::parse;
use crate::explain::Signer;
use crate::telemetry::metrics::Metrics;

const FILE: &str = r#"
user_pools:
  customers: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
  partners: { issuer: "https://login.partner.example", audiences: [shop] }
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
  web: { targets: ["127.0.0.1:2"] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - name: orders
        conditions: { path_pattern: [/orders/*] }
        jwt_validation:
          user_pools: [customers]
          scopes: { all_of: [read, list] }
          identity_source: $request.header.x-token
          forward_authorization: false
        forward: orders
      - name: any-order
        conditions: { path_pattern: [/orders*], http_header: [{ name: x-a, values: ["1"] }] }
        public: true
        forward: web
    default_action: { fixed_response: { status_code: 404 } }
"#;

struct Bench {
    suite: Suite,
    snapshot: Snapshot,
    wallet: Wallet,
    moment: Moment,
    metrics: std::sync::Arc<Metrics>,
}

impl Bench {
    fn new(file: &str, tests: &str) -> Self {
        let loaded = config::parse_portable(file, "routes.yaml")
            .unwrap_or_else(|report| panic!("{}", report.render(false)));
        let metrics = Metrics::new("test", "");
        let snapshot = Snapshot::compile(loaded.config, None, &metrics);
        let suite = parse(tests.as_bytes(), "routes.test.yaml", &snapshot.config)
            .unwrap_or_else(|report| panic!("{}", report.render(false)));
        let moment = Moment {
            wall: UnixMillis(1_795_395_735_000),
            mono: clock::monotonic(),
            random: 7,
            patience: Patience::HasWaited,
        };
        let signer = Signer::for_pools(&snapshot.config).unwrap();
        let wallet = Wallet::new(&suite, signer);
        wallet.introduce(&snapshot, moment).unwrap();
        Self { suite, snapshot, wallet, moment, metrics }
    }

    fn run(&mut self) -> Run {
        run(&self.suite, &self.snapshot, &mut self.wallet, self.moment)
    }

    fn survivors(&mut self) -> Vec<String> {
        let run = self.run();
        let Self { suite, snapshot, wallet, moment, metrics } = self;
        let mutation = mutation::mutate(suite, &run, snapshot, wallet, metrics, *moment).unwrap();
        mutation.survivors.into_iter().map(|mutant| mutant.what).collect()
    }
}

const THOROUGH: &str = r#"
identities:
  alice: { claims: { scope: read list, sub: alice } }
tests:
  - request: GET /orders/1
    headers: { x-a: "1" }
    cases:
      - { expect: { rule: orders, status: 401, reason: token_missing } }
      - as: alice
        expect: { rule: orders, target_group: orders, headers: { x-auth-subject: alice }, headers_absent: [x-token] }
      - { as: { claims: { scope: read } }, expect: { status: 403 } }
      - { as: { claims: { scope: read list, token_use: id } }, expect: { status: 401 } }
      - { as: { user_pool: partners, claims: { scope: read list } }, expect: { reason: pool_not_allowed } }
  - request: GET /orders
    expect: { rule: default, status: 404 }
  - request: GET /orders
    headers: { x-a: "1" }
    expect: { rule: any-order, target_group: web, target_path: /orders }
  - request: GET /other
    headers: { x-a: "1" }
    as: alice
    expect: { status: 404 }
"#;

#[test]
fn a_thorough_suite_passes_and_leaves_no_change_unnoticed() {
    let mut bench = Bench::new(FILE, THOROUGH);
    let run = bench.run();
    assert_eq!(run.failed(), 0, "{}", render_all(&run));
    assert_eq!(run.coverage.percentage(), 100);
    assert_eq!(run.coverage.never_refused().count(), 0);
    assert_eq!(bench.survivors(), Vec::<String>::new());
}

fn render_all(run: &Run) -> String {
    render(run, "routes.test.yaml", Options { verbose: true, coverage: true, color: false })
}

/// Each test of a thorough suite is there for something: without it a change goes unnoticed.
#[test]
fn without_any_one_of_its_tests_some_change_goes_unnoticed() {
    let all = Bench::new(FILE, THOROUGH).suite.tests;
    let mut needless = Vec::new();
    for left_out in 0..all.len() {
        let mut bench = Bench::new(FILE, THOROUGH);
        let gone = bench.suite.tests.remove(left_out);
        bench.wallet.forget(left_out);
        if bench.survivors().is_empty() {
            needless.push(gone.name);
        }
    }
    // Whoever is refused for his scopes is refused without a token too.
    assert_eq!(needless, ["GET /orders/1 (as nobody)"]);
}

#[test]
fn what_is_not_as_expected_is_told_with_both_sides() {
    let tests = r"
tests:
  - request: [GET /orders/1, GET /nowhere]
    expect: { rule: any-order, target_group: web, headers: { x-auth-subject: a } }
  - request: GET https://
    expect: { status: 404 }
";
    let mut bench = Bench::new(FILE, tests);
    let run = bench.run();
    assert_eq!(run.failed(), 2);
    let text = render_all(&run);
    for line in [
        "FAILED  GET /orders/1  routes.test.yaml:3:5",
        "rule: expected any-order, got orders",
        "target_group: expected web, got answered 401 (token_missing)",
        "headers.x-auth-subject: expected a, got absent",
        "rule: expected any-order, got default",
        "got `https://` is no URL",
        "public / any-order  (line 20)",
        "0 passed, 2 failed; 2 of 3 rules reached",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn junit_escapes_what_would_be_markup() {
    let tests =
        "tests:\n  - { name: \"a<b>&\\\"c\\x01\", request: GET /, expect: { status: 200 } }\n";
    let mut bench = Bench::new(FILE, tests);
    let xml = to_junit(&bench.run(), "a&b.yaml");
    assert!(xml.contains("name=\"a&lt;b&gt;&amp;&quot;c\u{fffd}\""), "{xml}");
    assert!(xml.contains("<testsuite name=\"a&amp;b.yaml\" tests=\"1\" failures=\"1\""), "{xml}");
    assert!(xml.contains("status: expected 200, got answered 404 (fixed_response)"), "{xml}");
}

const API: &str = r#"
user_pools:
  customers: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
  partners: { issuer: "https://login.partner.example", audiences: [shop] }
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
  web: { targets: ["127.0.0.1:2"] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - { name: shop, conditions: { path_pattern: [/shop/*] }, api: shop }
    default_action: { fixed_response: { status_code: 404 } }
apis:
  shop:
    type: rest
    base_path: /shop
    stage: prod
    authorizers:
      members: { cognito: { user_pools: [customers] } }
    request_validators: { all: { validate_request_parameters: true } }
    routes:
      GET /orders/{id}:
        authorizer: members
        scopes: [orders/read]
        request_validator: all
        required_parameters: [method.request.header.x-tenant]
        integration: { target_group: orders, path: "/v1/orders/{id}" }
      POST /orders/{id}:
        authorizer: none
        api_key_required: true
        integration: { target_group: orders }
      GET /{proxy+}: { authorizer: none, integration: { target_group: web } }
"#;

const OF_ROUTES: &str = r#"
identities:
  alice: { claims: { scope: orders/read, sub: alice } }
tests:
  - request: GET /shop/orders/1
    headers: { x-tenant: t }
    cases:
      - { expect: { route: "GET /orders/{id}", status: 401 } }
      - as: alice
        expect: { target_group: orders, target_path: /v1/orders/1 }
      - { as: { claims: { scope: orders/write } }, expect: { reason: scope_missing } }
      - { as: { claims: { scope: orders/read, token_use: id } }, expect: { status: 401 } }
      - { as: { user_pool: partners, claims: { scope: orders/read } }, expect: { reason: pool_not_allowed } }
  - { request: GET /shop/orders/1, as: alice, expect: { reason: parameters_missing } }
  - { request: POST /shop/orders/1, expect: { route: "POST /orders/{id}", reason: api_key_missing } }
  - { request: [GET /shop/x, GET /shop/x/y], expect: { route: "GET /{proxy+}", target_group: web } }
  - { request: [POST /shop/x, PUT /shop/orders/1], expect: { reason: no_route } }
  - { request: GET /, expect: { status: 404, reason: fixed_response } }
"#;

#[test]
fn routes_are_reached_refuse_and_are_weakened_as_rules_are() {
    let mut bench = Bench::new(API, OF_ROUTES);
    let run = bench.run();
    assert_eq!(run.failed(), 0, "{}", render_all(&run));
    assert!(render_all(&run).ends_with("; 2 of 2 rules and 3 of 3 routes reached\n"));
    assert_eq!(run.coverage.percentage(), 100);
    assert_eq!(run.coverage.never_refused_routes().count(), 0);
    // Nobody comes with an API key.
    assert_eq!(bench.survivors(), ["route `POST /orders/{id}` of API `shop` forwarded to `web`"]);
}

#[test]
fn routes_that_no_test_looks_at_are_told_with_their_place() {
    let tests = r#"
tests:
  - request: GET /shop/orders/1
    headers: { x-tenant: t }
    as: { claims: { scope: orders/read } }
    expect: { forwarded: true }
"#;
    let mut bench = Bench::new(API, tests);
    let run = bench.run();
    let text = render_all(&run);
    for lines in [
        "routes that no test reached:\n  shop / POST /orders/{id}  (line 29)\n  shop / GET /{proxy+}  (line 33)\n",
        "protected routes that refused nobody in any test:\n  shop / GET /orders/{id}  (line 23)\n",
        "1 passed, 0 failed; 1 of 2 rules and 1 of 3 routes reached",
    ] {
        assert!(text.contains(lines), "{lines}\n{text}");
    }
    assert_eq!(run.coverage.percentage(), 40);
    let xml = to_junit(&run, "routes.test.yaml");
    assert!(xml.contains("<property name=\"routes_reached\" value=\"1\"/>"), "{xml}");
    let survivors = bench.survivors();
    let of = |key: &str| {
        let start = format!("route `{key}` of API `shop` ");
        let told = survivors.iter().filter_map(|told| told.strip_prefix(&start));
        told.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        of("GET /orders/{id}"),
        [
            "asked nobody who is calling",
            "demanded no scopes",
            "accepted access tokens and ID tokens",
            "accepted tokens of every user pool",
            "did not require header x-tenant",
            "took any method",
            "were not there",
            "forwarded to `web`",
            "asked its target for the path as it came",
        ]
    );
    assert_eq!(
        of("POST /orders/{id}"),
        ["asked nobody for an API key", "took any method", "were not there", "forwarded to `web`"]
    );
}

#[test]
fn a_test_that_names_no_route_is_a_mistake() {
    let loaded = config::parse_portable(API, "routes.yaml").unwrap();
    let tests = "tests:\n  - { request: GET /, expect: { route: GET /order } }\n";
    let report = parse(tests.as_bytes(), "routes.test.yaml", &loaded.config).unwrap_err();
    assert!(report.render(false).contains("there is no route `GET /order`"));
}

#[test]
fn no_reason_is_unknown_to_tests() {
    let labels = Reason::labels();
    let mut unique = labels.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), labels.len());
    assert!(labels.contains(&"scope_missing") && labels.contains(&"path_above_root"));
}

const SIGN_IN: &str = r#"
user_pools:
  customers:
    user_pool_id: eu-west-1_AbCdEfGhI
    app_clients: [web]
    domain: auth.example.com
    client_id: web
target_groups:
  web: { targets: ["127.0.0.1:1"] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - name: api
        conditions: { path_pattern: [/api/*] }
        jwt_validation: { user_pools: [customers] }
        authenticate_cognito: { user_pool: customers, on_unauthenticated_request: deny }
        forward: web
      - name: app
        conditions: { host_header: [app.example.com] }
        authenticate_cognito: { user_pool: customers }
        forward: web
    default_action: { fixed_response: { status_code: 404 } }
"#;

const VISITS: &str = r#"
identities:
  alice: { claims: { sub: alice, "cognito:groups": [staff] } }
  browser: { claims: { sub: alice }, session: true }
tests:
  - request: GET https://app.example.com/
    headers: { accept: text/html, cookie: theme=dark }
    cases:
      - { expect: { status: 302, reason: sign_in_begun, location: "https://auth.example.com/oauth2/authorize?*" } }
      - as: alice
        expect:
          target_group: web
          headers: { x-auth-subject: alice, x-auth-groups: staff, x-amzn-oidc-identity: alice }
          headers_absent: [cookie, authorization]
      - { as: { claims: { sub: alice }, expires_in: -1s }, expect: { reason: sign_in_begun } }
      - { as: { claims: { sub: alice }, expires_in: 1m }, expect: { forwarded: true } }
      - { as: { claims: { sub: alice }, signature: forged }, expect: { reason: sign_in_begun } }
  - request: GET https://app.example.com/api/x
    cases:
      - { expect: { status: 401, reason: session_missing } }
      - { as: alice, expect: { target_group: web, headers_absent: [x-amzn-oidc-identity] } }
      - { as: browser, expect: { target_group: web, headers: { x-amzn-oidc-identity: alice } } }
      - { as: { claims: {}, expires_in: -1m }, expect: { reason: token_expired } }
      - { as: { claims: {}, expires_in: -1m, session: true }, expect: { reason: sign_in_begun } }
      - { as: { claims: { token_use: id }, session: true }, expect: { forwarded: true } }
      - { as: { claims: { token_use: id } }, expect: { reason: token_use_wrong } }
  - { request: GET https://other.example.com/, as: alice, expect: { status: 404 } }
  - { request: GET https://other.example.com/api, as: alice, expect: { status: 404 } }
  - { request: GET https://other.example.com/api/x, as: alice, expect: { rule: api, forwarded: true } }
"#;

#[test]
fn a_browser_on_paper_has_a_real_session() {
    let mut bench = Bench::new(SIGN_IN, VISITS);
    let run = bench.run();
    assert_eq!(run.failed(), 0, "{}", render_all(&run));
    assert_eq!(bench.survivors(), Vec::<String>::new());
}
