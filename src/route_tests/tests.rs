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
