use proptest::prelude::*;

use super::token::Stage;
use super::*;
use crate::auth::Patience;
use crate::clock::UnixMillis;
use crate::config;
use crate::telemetry::metrics::Metrics;

fn snapshot(file: &str) -> Snapshot {
    let loaded = config::parse_portable(file, "routes.yaml")
        .unwrap_or_else(|report| panic!("{}\n{file}", report.render(false)));
    Snapshot::compile(loaded.config, None, &Metrics::new("test", ""))
}

fn moment() -> Moment {
    Moment {
        wall: UnixMillis(1_795_395_735_000),
        mono: crate::clock::monotonic(),
        random: 7,
        patience: Patience::HasWaited,
    }
}

fn question(method: &str, url: &str, headers: &[&str]) -> Question {
    Question {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.iter().map(|each| question::read_header(each).unwrap()).collect(),
        source: std::net::Ipv4Addr::new(10, 0, 0, 1).into(),
        listener: None,
        is_http2: false,
    }
}

/// Conditions of one rule in YAML; now and then none at all.
fn any_conditions() -> impl Strategy<Value = String> {
    let list = |key: &'static str, value: &'static str| {
        prop::collection::vec(value, 1..3).prop_map(move |values| {
            let mut values = values;
            values.sort();
            values.dedup();
            let values: Vec<_> = values.iter().map(|value| format!("\"{value}\"")).collect();
            format!("{key}: [{}]", values.join(", "))
        })
    };
    let maybe = |strategy: BoxedStrategy<String>| prop::option::weighted(0.4, strategy);
    let header = prop_oneof![
        "[ab*?]{1,2}".prop_map(|v| format!("http_header: [{{ name: x-a, values: [\"{v}\"] }}]")),
        "\\^?[ab]\\$?"
            .prop_map(|v| format!("http_header: [{{ name: x-a, regex_values: [\"{v}\"] }}]")),
    ];
    let query = ("[ab]", "[12*]")
        .prop_map(|(key, value)| format!("query_string: [{{ key: {key}, value: \"{value}\" }}]"));
    let path = prop_oneof![
        3 => list("path_pattern", "/([ab*?]{1,2}(/[ab*?]?)?)?"),
        1 => "\\^/[ab]".prop_map(|v| format!("path_pattern: {{ regex_values: [\"{v}\"] }}")),
    ];
    (
        maybe(list("host_header", "[ab]\\.(a|b|\\*)").boxed()),
        maybe(path.boxed()),
        maybe(list("http_request_method", "GET|POST|PURGE").boxed()),
        maybe(header.boxed()),
        maybe(query.boxed()),
        maybe(list("source_ip", "10\\.0\\.0\\.(0/31|0/32|1/32)").boxed()),
    )
        .prop_map(|(a, b, c, d, e, f)| {
            let all: Vec<_> = [a, b, c, d, e, f].into_iter().flatten().collect();
            let all = if all.is_empty() { vec!["path_pattern: [\"*\"]".to_owned()] } else { all };
            format!("{{ {} }}", all.join(", "))
        })
}

fn any_file() -> impl Strategy<Value = String> {
    prop::collection::vec(any_conditions(), 0..12).prop_map(|rules| {
        let mut file = String::from("listeners:\n  public:\n    address: 127.0.0.1:0\n");
        if !rules.is_empty() {
            file.push_str("    rules:\n");
        }
        for conditions in rules {
            file.push_str(&format!(
                "      - conditions: {conditions}\n        fixed_response: {{ status_code: 200 }}\n"
            ));
        }
        file.push_str("    default_action: { fixed_response: { status_code: 404 } }\n");
        file
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The engine finds a rule by its index; what is told is a walk over all of them.
    #[test]
    fn what_is_told_of_the_rules_is_what_the_engine_decides(
        file in any_file(),
        method in "GET|POST|PURGE|HEAD",
        host in "[ab]\\.[abc]",
        path in "/[ab/]{0,4}(;[ab])?(/\\.\\.)?",
        query in "(\\?[ab]=[12])?",
        header in prop::option::of("[ab]{1,2}"),
    ) {
        let snapshot = snapshot(&file);
        let headers: Vec<_> = header.iter().map(|value| format!("x-a: {value}")).collect();
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        let url = format!("http://{host}{path}{query}");
        let asked = question(&method, &url, &headers).ask(&snapshot).unwrap();
        let decided = engine::decide(&snapshot, &asked.request(&snapshot), moment());
        let told = explain(&snapshot, &asked, moment());
        prop_assert_eq!(told.position, decided.rule);
        prop_assert_eq!(told.reason, decided.reason);
        if let Some(rule) = decided.rule {
            let last = told.rules.last().unwrap();
            prop_assert_eq!((last.position, &last.verdict), (rule, &Verdict::Taken));
            let front = &told.rules[..told.rules.len() - 1];
            prop_assert!(front.iter().all(|step| step.verdict != Verdict::Taken));
            prop_assert_eq!(told.rules.len() + told.unseen, snapshot.listeners[0].rules.len());
        }
    }
}

const DEMANDING: &str = r#"
user_pools:
  customers: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - name: orders
        conditions: { path_pattern: [/orders/*] }
        jwt_validation:
          user_pools: [customers]
          scopes: [orders/read]
          groups: [staff]
          additional_claims: [{ name: tenant, format: single_string, values: [acme] }]
        forward: orders
    default_action: { fixed_response: { status_code: 404 } }
"#;

/// A caller who lacks these things, and nothing else.
fn lacking(defects: &[Stage]) -> Identity {
    let lacks = |stage| defects.contains(&stage);
    let client = if lacks(Stage::Client) { "other" } else { "web" };
    let mut claims = serde_json::json!({ "scope": "orders/read", "tenant": "acme",
        "cognito:groups": ["staff"], "client_id": client });
    let mut put = |name: &str, value: serde_json::Value| claims[name] = value;
    if lacks(Stage::Issuer) {
        put("iss", "https://evil.example".into());
    }
    if lacks(Stage::Claims) {
        put("jti", 7.into());
    }
    if lacks(Stage::TokenUse) {
        put("token_use", "id".into());
        put("aud", client.into());
    }
    if lacks(Stage::AdditionalClaims) {
        put("tenant", "evil".into());
    }
    if lacks(Stage::Scopes) {
        put("scope", "orders/write".into());
    }
    if lacks(Stage::Groups) {
        put("cognito:groups", serde_json::json!([]));
    }
    Identity {
        user_pool: None,
        claims: claims.as_object().unwrap().clone(),
        expires_in: lacks(Stage::Time).then_some(-5),
        is_forged: lacks(Stage::Signature),
        in_session: false,
    }
}

/// Whatever else is wrong with a token: what is told as the cause is what the engine found first,
/// and what is told to have held did.
#[test]
fn comparisons_are_told_in_the_order_in_which_the_engine_makes_them() {
    const STAGES: [Stage; 9] = [
        Stage::Issuer,
        Stage::Signature,
        Stage::Claims,
        Stage::Time,
        Stage::Client,
        Stage::TokenUse,
        Stage::AdditionalClaims,
        Stage::Scopes,
        Stage::Groups,
    ];
    let snapshot = snapshot(DEMANDING);
    let signer = Signer::for_pools(&snapshot.config).unwrap();
    let moment = moment();
    signer.publish(&snapshot.authorizers, moment.wall, moment.mono).unwrap();
    for bits in 0..1_u32 << STAGES.len() {
        let defects: Vec<_> =
            STAGES.into_iter().enumerate().filter(|(n, _)| bits & 1 << n != 0).collect();
        let defects: Vec<_> = defects.into_iter().map(|(_, stage)| stage).collect();
        let mut asked = question("GET", "/orders/1", &[]).ask(&snapshot).unwrap();
        ask_as(&lacking(&defects), &snapshot, &signer, &mut asked, moment).unwrap();
        let told = explain(&snapshot, &asked, moment);
        let failed: Vec<_> =
            told.checks.iter().filter(|check| check.state == State::Failed).collect();
        let first: Vec<_> = failed.iter().map(|check| check.what).collect();
        assert_eq!(first, defects.iter().min().copied().into_iter().collect::<Vec<_>>());
        assert_eq!(told.reason == Reason::Authorized, defects.is_empty(), "{defects:?}");
    }
}

#[test]
fn every_kind_of_pool_and_algorithm_gets_a_token_that_it_takes() {
    for algorithm in
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
    {
        for pool in [
            format!(
                "{{ user_pool_id: eu-west-1_AbCdEfGhI, app_clients: any, algorithms: [{algorithm}] }}"
            ),
            format!("{{ issuer: https://a.example, audiences: [api], algorithms: [{algorithm}] }}"),
            format!(
                "{{ issuer: https://a.example, audiences: [api], profile: rfc9068, algorithms: [{algorithm}] }}"
            ),
        ] {
            let file = format!(
                "user_pools:\n  only: {pool}\ntarget_groups:\n  web: {{ targets: [] }}\n\
                 listeners:\n  public:\n    address: 127.0.0.1:0\n    default_action: \
                 {{ forward: web, jwt_validation: {{ user_pools: [only] }} }}\n"
            );
            let snapshot = snapshot(&file);
            let signer = Signer::for_pools(&snapshot.config).unwrap();
            let moment = moment();
            signer.publish(&snapshot.authorizers, moment.wall, moment.mono).unwrap();
            let mut asked = question("GET", "/", &[]).ask(&snapshot).unwrap();
            ask_as(&Identity::default(), &snapshot, &signer, &mut asked, moment).unwrap();
            let told = explain(&snapshot, &asked, moment);
            assert_eq!(told.reason, Reason::Authorized, "{algorithm} {pool} {:?}", told.checks);
        }
    }
}

#[test]
fn a_path_that_reads_two_ways_is_told_with_both() {
    let file = "listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n\
        \x20     - { name: admin, conditions: { path_pattern: [/admin/*] }, fixed_response: { status_code: 403 } }\n\
        \x20   default_action: { fixed_response: { status_code: 404 } }\n";
    let snapshot = snapshot(file);
    let asked = question("GET", "/admin;x/users", &[]).ask(&snapshot).unwrap();
    let told = explain(&snapshot, &asked, moment());
    assert_eq!(told.outcome.status(), Some(400));
    assert!(
        told.notes.iter().any(|note| note.contains("/admin/users") && note.contains("`admin`"))
    );
}

#[test]
fn a_listener_is_found_by_scheme_and_port() {
    let listener = |name: &str, port: u16, tls: &str| {
        format!(
            "  {name}: {{ address: 127.0.0.1:{port}, {tls} default_action: {{ fixed_response: {{ status_code: 404 }} }} }}\n"
        )
    };
    let tls = "tls: { certificates: [{ certificate: a.pem, private_key: a.key }] },";
    let file = format!(
        "listeners:\n{}{}{}",
        listener("plain", 80, ""),
        listener("other", 8080, ""),
        listener("secure", 8443, tls)
    );
    let snapshot = snapshot(&file);
    let find = |url: &str| match question("GET", url, &[]).ask(&snapshot) {
        Ok(asked) => snapshot.listeners[asked.listener()].name.to_string(),
        Err(why) => why.to_string(),
    };
    assert_eq!(find("http://a.example/"), "plain");
    assert_eq!(find("http://a.example:8080/x"), "other");
    assert_eq!(find("https://a.example/"), "secure");
    assert_eq!(
        find("https://a.example:8443?"),
        "`https://a.example:8443?` is no URL: say https://HOST/PATH, http://HOST/PATH or /PATH"
    );
    assert!(find("/").contains("`plain`, `other`, `secure`"), "{}", find("/"));
    assert!(find("http://a.example:1/").contains("`plain`, `other`"));
}

#[test]
fn what_a_transform_makes_of_a_request_is_told() {
    let file = r#"
target_groups:
  web: { targets: ["127.0.0.1:1"] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - name: old
        conditions: { path_pattern: [/old/*] }
        public: true
        transforms:
          url_rewrite: { regex: "^/old/(.*)$", replace: "/new/$1" }
          host_header_rewrite: { regex: "^www\\.(.*)$", replace: "$1" }
        forward: web
    default_action: { fixed_response: { status_code: 404 } }
"#;
    let snapshot = snapshot(file);
    let asked = question("GET", "http://www.a.example/old/x?y", &[]).ask(&snapshot).unwrap();
    let told = explain(&snapshot, &asked, moment());
    let Outcome::Forward(forwarding) = &told.outcome else { panic!("{told:?}") };
    assert_eq!((&*forwarding.target, &*forwarding.host), ("/new/x?y", "a.example"));
    assert_eq!(forwarding.headers.get(HOST).unwrap(), "a.example");
    assert!(forwarding.is_rewritten);
}

#[test]
fn the_client_is_whom_a_trusted_proxy_names_and_http2_may_name_its_host_either_way() {
    let file = r#"
target_groups:
  calls: { targets: ["127.0.0.1:1"], protocol_version: grpc }
listeners:
  public:
    address: 127.0.0.1:0
    trusted_proxies: [10.0.0.0/8]
    rules:
      - name: office
        conditions: { source_ip: [192.0.2.0/24] }
        public: true
        forward: calls
    default_action: { fixed_response: { status_code: 404 } }
"#;
    let snapshot = snapshot(file);
    for (url, headers, is_http2, status) in [
        ("http://a.example/", &["x-forwarded-for: 192.0.2.1"][..], true, None),
        ("/", &["host: a.example", "x-forwarded-for: 192.0.2.1"], true, None),
        ("http://a.example/", &["x-forwarded-for: 192.0.2.1"], false, Some(464)),
        ("http://a.example/", &["x-forwarded-for: 198.51.100.1"], true, Some(404)),
        ("http://a.example/", &[], true, Some(404)),
    ] {
        let question = Question { is_http2, ..question("POST", url, headers) };
        let told = explain(&snapshot, &question.ask(&snapshot).unwrap(), moment());
        assert_eq!(told.outcome.status(), status, "{url} {headers:?} {is_http2}");
        let is_named = headers.iter().any(|header| header.ends_with(&told.client.to_string()));
        assert!(is_named || headers.is_empty(), "{}", told.client);
    }
}

#[test]
fn a_request_for_an_api_is_told_route_authorizer_and_what_the_target_gets() {
    let file = "\
user_pools: { main: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [a] } }
target_groups: { all: { targets: [127.0.0.1:1] } }
listeners: { public: { address: 127.0.0.1:0, default_action: { api: shop } } }
apis:
  shop:
    type: http
    base_path: /shop
    authorizers:
      main: { jwt: { user_pool: main } }
      asked: { jwt: { user_pool: main, identity_source: $request.querystring.t } }
    routes:
      GET /o/{id}:
        authorizer: main
        scopes: [orders/read]
        integration:
          target_group: all
          path: /v1/{id}
          request_parameters: { 'overwrite:header.x-user': $context.authorizer.claims.sub }
      GET /q: { authorizer: asked, integration: { target_group: all } }
";
    let snapshot = snapshot(file);
    let signer = Signer::for_pools(&snapshot.config).unwrap();
    let now = moment();
    signer.publish(&snapshot.authorizers, now.wall, now.mono).unwrap();
    let ask = |url: &str, claims: &str| {
        let mut asked = question("GET", url, &[]).ask(&snapshot).unwrap();
        let identity = Identity::of(serde_json::from_str(claims).unwrap());
        ask_as(&identity, &snapshot, &signer, &mut asked, now).unwrap();
        explain(&snapshot, &asked, now)
    };
    let text = render(&ask("/shop/o/7", r#"{"sub":"s","scope":"orders/read"}"#), false);
    for line in [
        "api shop (http)",
        "GET /o/7 is taken by the route `GET /o/{id}`",
        "authorizer `main`",
        "ok  scopes             orders/read",
        "forward to target group `all`",
        "    GET /v1/7",
        "x-user: s",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let text = render(&ask("/shop/o/7", r#"{"sub":"s","scope":"x"}"#), false);
    assert!(text.contains("no  scopes"), "{text}");
    assert!(text.contains("answer 403"), "{text}");
    let text = render(&ask("/shop/nothing", "{}"), false);
    assert!(text.contains("no route takes GET /nothing"), "{text}");
    let asked = ask("/shop/q", r#"{"sub":"s"}"#);
    assert_eq!(asked.reason, Reason::Authorized);
    assert!(asked.checks.iter().all(|check| check.state != State::Failed), "{:?}", asked.checks);
}
