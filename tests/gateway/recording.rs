//! Requests that are kept without their secrets, and what another file would make of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::process::portcullis;
use crate::support::wire::{self, Response};
use crate::support::{Gateway, Issuer, Start, Target, eventually};

const TOKEN: &str = "an-admin-token-of-some-length";
const KEY: &str = "gold-key-0123456789abcdef";
/// What must be in no recording.
const SECRETS: [&str; 8] = [
    "eyJ",
    KEY,
    "alice",
    "aaaaaaaa-bbbb",
    "s3cret-cookie",
    "s3cret-tenant",
    "s3cret-query",
    "1234",
];

fn file(issuer: &Issuer, target: &Target) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0, token: \"${{env:ADMIN_TOKEN}}\" }}\n\
         user_pools:\n{pool}\
         target_groups:\n  all: {{ targets: [{address}] }}\n  other: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n    \
         - {{ name: beta, conditions: {{ path_pattern: ['/orders/*'], http_header: [{{ name: x-track, values: [beta] }}] }}, \
         jwt_validation: {{ user_pools: [customers] }}, forward: other }}\n    \
         - {{ name: german, conditions: {{ path_pattern: ['/open/*'], query_string: [{{ key: lang, value: de }}] }}, public: true, forward: other }}\n    \
         - {{ name: orders, conditions: {{ path_pattern: ['/orders/*'] }}, \
         jwt_validation: {{ user_pools: [customers], scopes: [orders/read] }}, forward: all }}\n    \
         - {{ name: open, conditions: {{ path_pattern: ['/open/*'] }}, public: true, forward: all }}\n    \
         - {{ name: pay, conditions: {{ path_pattern: ['/pay/*'] }}, api: pay }}\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n\
         apis:\n  pay:\n    type: rest\n    base_path: /pay\n    api_key_required: true\n    authorizer: none\n    routes:\n      \
         GET /a: {{ integration: {{ target_group: all }} }}\n      \
         GET /b: {{ api_key_required: false, integration: {{ target_group: all }} }}\n\
         api_keys:\n  gold: {{ value: '${{file:gold.key}}' }}\n\
         usage_plans:\n  base: {{ api_keys: [gold], apis: [pay] }}\n",
        pool = issuer.pool("customers"),
        address = target.address(),
    )
}

fn start(yaml: &str) -> Gateway {
    let start = Start::with(yaml).file("gold.key", KEY).env("ADMIN_TOKEN", TOKEN).run();
    fs::write(start.folder().join("admin-token"), TOKEN).expect("written");
    start
}

fn post(gateway: &Gateway, path: &str) -> Response {
    let bearer = format!("Bearer {TOKEN}");
    wire::request(gateway.admin(), "POST", path, &[("Authorization", &bearer)])
}

fn ask(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> u16 {
    wire::request(gateway.address(), "GET", path, headers).status
}

/// One of each kind; returns how many.
fn traffic(gateway: &Gateway, issuer: &Issuer) -> usize {
    let bearer = |changes: Value| format!("Bearer {}", issuer.token_with(&changes));
    let good = bearer(json!({}));
    let poor = bearer(json!({ "scope": "profile" }));
    let old = bearer(json!({ "exp": 1234 }));
    let forged = format!("{}x", &good[..good.len() - 1]);
    type Asked<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);
    let asked: [Asked; 13] = [
        ("/orders/1", &[("Authorization", &good), ("X-Tenant", "s3cret-tenant")], 200),
        ("/orders/2", &[("Authorization", &good), ("Cookie", "a=s3cret-cookie")], 200),
        ("/orders/3", &[("Authorization", &poor), ("Accept", "text/html")], 403),
        ("/orders/4", &[("Authorization", &old)], 401),
        ("/orders/5", &[("Authorization", &forged)], 401),
        ("/orders/6", &[], 401),
        ("/orders/7", &[("Authorization", &poor), ("X-Track", "beta")], 200),
        ("/open/8?lang=de&name=s3cret-query", &[("Authorization", &good)], 200),
        ("/open/9?access_token=s3cret-query&lang=en", &[], 200),
        ("/nothing", &[], 404),
        ("/pay/a", &[("X-Api-Key", KEY)], 200),
        ("/pay/a", &[], 403),
        ("/pay/b", &[], 200),
    ];
    for (path, headers, status) in asked {
        assert_eq!(ask(gateway, path, headers), status, "{path}");
    }
    asked.len()
}

fn state(gateway: &Gateway) -> Value {
    gateway.ask_admin("/recording").json()
}

/// The recording of the traffic, made by the command.
fn recording(gateway: &Gateway, issuer: &Issuer, options: &[&str]) -> std::path::PathBuf {
    let output = gateway.folder().join("today.jsonl");
    let admin = gateway.admin().to_string();
    let token = gateway.folder().join("admin-token").display().to_string();
    let path = output.display().to_string();
    let arguments = ["record", "--address", &admin, "--admin-token", &token, "--output", &path];
    let arguments = [&arguments[..], &["--requests", "13", "--seconds", "600"], options].concat();
    std::thread::scope(|scope| {
        let recorder = scope.spawn(|| portcullis(&arguments));
        eventually("the recording begins", || {
            (state(gateway)["state"] == "under_way").then_some(())
        });
        assert_eq!(traffic(gateway, issuer), 13);
        let done = recorder.join().expect("no panic");
        assert_eq!(done.status.code(), Some(0), "{}", said(&done));
        assert!(said(&done).contains("13 requests recorded"), "{}", said(&done));
    });
    output
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn replay(recording: &Path, old: &Path, new: &str, options: &[&str]) -> Output {
    let changed = old.with_file_name("new.yaml");
    fs::write(&changed, new).expect("written");
    let [recording, old, new] = [recording, old, &changed].map(|path| path.display().to_string());
    portcullis(&[&["diff", "--replay", &recording, &old, &new], options].concat())
}

#[test]
fn a_recording_holds_no_secret_and_the_same_file_decides_all_of_it_as_the_gateway_did() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = file(&issuer, &target);
    let gateway = start(&yaml);
    let recording = recording(&gateway, &issuer, &[]);
    let text = fs::read_to_string(&recording).expect("text");
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let mode = fs::metadata(&recording).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its owner only");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines.len(), &lines[0]["requests"]), (14, &json!(13)));
    assert_eq!(lines[0]["headers"], json!(["x-track"]));
    assert_eq!(lines[1]["credential"], "token");
    assert_eq!(lines[1]["claims"]["scope"], "orders/read profile");
    assert_eq!(lines[1]["claims"]["username"], Value::Null);
    let tenant = json!(["x-tenant", null]);
    assert!(lines[1]["headers"].as_array().expect("a list").contains(&tenant), "{}", lines[1]);
    assert_eq!(lines[4]["why"], "token_expired");
    assert_eq!(lines[8]["target"], "/open/8?lang=de&name=-");
    assert_eq!(lines[8]["credential"], "unjudged");
    assert_eq!(lines[9]["target"], "/open/9?access_token=-&lang=en");
    assert_eq!(lines[11]["api_key"], "gold");
    assert_eq!(lines[11]["met"]["route"], "GET /a");

    let same = replay(&recording, &gateway.file(), &yaml, &[]);
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));
    let told = said(&same);
    assert!(told.contains("13 decided again, 0 change"), "{told}");
    assert!(!told.contains("note:"), "{told}");
}

#[test]
fn a_replay_tells_whom_a_new_file_lets_in_and_whom_it_turns_away() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = file(&issuer, &target);
    let gateway = start(&yaml);
    let recording = recording(&gateway, &issuer, &[]);
    let case = |new: &str, changes: &[(&str, u64, &str)], code: i32, closed: i32| {
        let json = replay(&recording, &gateway.file(), new, &["--json"]);
        assert_eq!(json.status.code(), Some(code), "{}", said(&json));
        let told: Value = serde_json::from_slice(&json.stdout).expect("JSON");
        let found: Vec<_> = told["replay"]["changes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|change| {
                let text = |key: &str| change[key].as_str().expect("text").to_owned();
                (text("change"), change["count"].as_u64().expect("a number"), text("example"))
            })
            .collect();
        let host = gateway.address();
        let wanted: Vec<_> = changes
            .iter()
            .map(|(kind, count, path)| ((*kind).to_owned(), *count, format!("GET {host}{path}")))
            .collect();
        assert_eq!(found, wanted, "{told:#}");
        let strict = replay(&recording, &gateway.file(), new, &["--fail-on-opened"]);
        assert_eq!(strict.status.code(), Some(closed), "{}", said(&strict));
        told["replay"].clone()
    };
    let demand = "jwt_validation: { user_pools: [customers], scopes: [orders/read] }";
    // Those whose tokens lack the scope, and only they.
    let other_scope = demand.replace("orders/read", "orders/write");
    case(&yaml.replace(demand, &other_scope), &[("turned_away", 2, "/orders/1")], 1, 0);
    let no_scope = demand.replace(", scopes: [orders/read]", "");
    case(&yaml.replace(demand, &no_scope), &[("let_in", 1, "/orders/3")], 1, 0);
    // Nobody is asked: 403 and 401 of whoever proved nothing.
    let opened = [
        ("opened", 1, "/orders/4"),
        ("opened", 1, "/orders/5"),
        ("opened", 1, "/orders/6"),
        ("let_in", 1, "/orders/3"),
    ];
    case(&yaml.replace(demand, "public: true"), &opened, 1, 1);
    // The key is no longer asked for; another one is.
    let keyless = yaml.replacen("api_key_required: true", "api_key_required: false", 1);
    case(&keyless, &[("opened", 1, "/pay/a")], 1, 1);
    let rest = yaml.replace("GET /b: { api_key_required: false,", "GET /b: {");
    case(&rest, &[("turned_away", 1, "/pay/b")], 1, 0);
    // Conditions on a header and on the query.
    case(
        &yaml.replace("values: [beta]", "values: [gamma]"),
        &[("turned_away", 1, "/orders/7")],
        1,
        0,
    );
    let english = yaml.replace("value: de }", "value: en }");
    let changes = [
        ("elsewhere", 1, "/open/8?lang=de&name=-"),
        ("elsewhere", 1, "/open/9?access_token=-&lang=en"),
    ];
    case(&english, &changes, 1, 0);
    // What nobody looked at may be a good token.
    let closed = yaml.replace(
        "query_string: [{ key: lang, value: de }] }, public: true",
        "query_string: [{ key: lang, value: de }] }, jwt_validation: { user_pools: [customers] }",
    );
    let told = case(&closed, &[("turned_away", 1, "/open/8?lang=de&name=-")], 1, 0);
    assert_eq!(told["changes"][0]["credential_not_judged"], 1);
    // What was not kept is told.
    let claim = demand.replace(
        "scopes:",
        "additional_claims: [{ name: department, format: single_string, values: [it] }], scopes:",
    );
    let changes = [("turned_away", 2, "/orders/1"), ("other", 1, "/orders/3")];
    let told = case(&yaml.replace(demand, &claim), &changes, 1, 0);
    assert!(told["notes"][0].as_str().expect("text").contains("--claim department"), "{told:#}");
    // A file that was not served then.
    let mut reversed = yaml.replace("name: orders,", "name: renamed,");
    fs::write(gateway.folder().join("older.yaml"), &reversed).expect("written");
    let told = replay(&recording, &gateway.folder().join("older.yaml"), &reversed, &[]);
    assert!(
        said(&told).contains("6 met something else when they were recorded"),
        "{}",
        said(&told)
    );
    // Without the listener nothing can be asked.
    reversed =
        yaml.replace("  public:\n    address: 127.0.0.1:0", "  inner:\n    address: 127.0.0.2:0");
    let told = replay(&recording, &gateway.file(), &reversed, &[]);
    assert!(said(&told).contains("13 left out: listener `public`"), "{}", said(&told));
}

#[test]
fn values_that_were_asked_for_are_kept_and_secret_ones_are_not_to_be_had() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = file(&issuer, &target);
    let gateway = start(&yaml);
    let refused = post(&gateway, "/recording?headers=Authorization");
    assert_eq!(refused.status, 422, "{}", refused.text());
    for (path, status) in [
        ("/recording?seconds=0", 422),
        ("/recording?requests=100001", 422),
        ("/recording?secnds=1", 400),
        ("/recording?seconds=x", 400),
    ] {
        assert_eq!(post(&gateway, path).status, status, "{path}");
    }
    assert_eq!(state(&gateway), json!({ "state": "none" }));
    assert_eq!(gateway.ask_admin("/recording/requests").status, 404);
    let options = ["--header", "x-tenant", "--claim", "username", "--parameter", "name"];
    let text = fs::read_to_string(recording(&gateway, &issuer, &options)).expect("text");
    for kept in ["s3cret-tenant", "alice", "name=s3cret-query"] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    for secret in ["eyJ", KEY, "s3cret-cookie", "access_token=s3cret-query"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(state(&gateway)["why"], "requests");
}

#[test]
fn one_records_at_a_time_with_the_token_and_within_bounds() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&file(&issuer, &target));
    let without = wire::request(gateway.admin(), "POST", "/recording", &[]);
    assert_eq!(without.status, 401, "{}", without.text());
    assert_eq!(post(&gateway, "/recording?requests=3").status, 200);
    assert_eq!(post(&gateway, "/recording").status, 409);
    for _ in 0..5 {
        assert_eq!(ask(&gateway, "/open/1", &[]), 200);
    }
    eventually("three are noted", || (state(&gateway)["state"] == "ended").then_some(()));
    assert_eq!(state(&gateway)["requests"], 3);
    // The next one lets that before go.
    assert_eq!(post(&gateway, "/recording").status, 200);
    let long = format!("/open/{}", "x".repeat(5000));
    assert_eq!(ask(&gateway, &long, &[]), 200);
    assert_eq!(ask(&gateway, "/open/2", &[]), 200);
    eventually("both are noted", || {
        let told = state(&gateway);
        (told["requests"] == 1 && told["dropped"] == 1).then_some(())
    });
    assert_eq!(post(&gateway, "/recording/stop").status, 200);
    assert_eq!(ask(&gateway, "/open/3", &[]), 200);
    let told = state(&gateway);
    assert_eq!(told["why"], "stopped");
    assert_eq!((&told["requests"], &told["dropped"]), (&json!(1), &json!(1)));
    let lines = gateway.ask_admin("/recording/requests").text();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    // `--stop` fetches what there is, and nothing is written over.
    let path = gateway.folder().join("again.jsonl").display().to_string();
    let token = gateway.folder().join("admin-token").display().to_string();
    let admin = gateway.admin().to_string();
    let stop =
        ["record", "--stop", "--address", &admin, "--admin-token", &token, "--output", &path];
    assert_eq!(portcullis(&stop).status.code(), Some(0));
    let again = portcullis(&stop);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("nothing is written over"), "{}", said(&again));
    assert_eq!(fs::read_to_string(&path).expect("text"), lines);
}

#[test]
fn a_broken_recording_is_told_with_its_line() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = file(&issuer, &target);
    let gateway = start(&yaml);
    let good = fs::read_to_string(recording(&gateway, &issuer, &[])).expect("text");
    let broken = gateway.folder().join("broken.jsonl");
    for (text, wanted) in [
        (String::new(), "line 1 is not the head"),
        ("{}\n".to_owned(), "line 1 is not the head"),
        (good.lines().skip(1).collect::<Vec<_>>().join("\n"), "line 1 is not the head"),
        (good.replacen("\"listener\"", "\"lissener\"", 1), "line 2 is no recorded request"),
        (format!("{good}{}\n", "x".repeat(300_000)), "line 15 is no recorded request"),
    ] {
        fs::write(&broken, text).expect("written");
        let told = replay(&broken, &gateway.file(), &yaml, &[]);
        assert_eq!(told.status.code(), Some(2), "{}", said(&told));
        assert!(said(&told).contains(wanted), "{}", said(&told));
    }
}

#[test]
fn a_request_of_the_last_ones_is_explained_by_its_id_rule_by_rule() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = file(&issuer, &target);
    let gateway = start(&yaml);
    let bearer = format!("Bearer {}", issuer.token());
    let headers = [("Authorization", bearer.as_str()), ("X-Tenant", "s3cret-tenant")];
    assert_eq!(wire::request(gateway.address(), "GET", "/orders/1", &headers).status, 200);
    let id = eventually("it is kept", || {
        let kept = gateway.ask_admin("/requests").json();
        kept["requests"][0]["request_id"].as_str().map(str::to_owned)
    });
    let kept = gateway.ask_admin("/requests").text();
    for secret in SECRETS {
        assert!(!kept.contains(secret), "{secret}: {kept}");
    }
    let admin = gateway.admin().to_string();
    let file = gateway.file().display().to_string();
    let explain = ["explain", "--address", &admin, "--id", &id];
    let short = said(&portcullis(&explain));
    assert!(short.contains("was answered 200") && short.contains("rule      orders"), "{short}");
    let long = portcullis(&[&explain[..], &[&file]].concat());
    assert_eq!(long.status.code(), Some(0), "{}", said(&long));
    let long = said(&long);
    for wanted in ["beta", "x-track", "orders/read", "the gateway answered 200 by rule `orders`"] {
        assert!(long.contains(wanted), "{wanted}: {long}");
    }
    let json = portcullis(&[&explain[..], &[&file, "--json"]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["rule"], "orders");
    let unknown = portcullis(&["explain", "--address", &admin, "--id", "0123456789abcdef"]);
    assert_eq!(unknown.status.code(), Some(1));
    let odd = portcullis(&["explain", "--address", &admin, "--id", "a&b"]);
    assert!(said(&odd).contains("no id of a request"), "{}", said(&odd));
    let many = portcullis(&["explain", "--id", &id, "GET", "/"]);
    assert_eq!(many.status.code(), Some(2), "{}", said(&many));
}

#[test]
fn a_browser_s_session_is_kept_without_its_cookies_and_stood_in_for() {
    let scene = crate::sign_in::Scene::new("");
    let mut browser = scene.signed_in();
    scene.got(&mut browser, "/app/page");
    let (id, kept) = eventually("it is kept", || {
        let kept = scene.gateway.ask_admin("/requests").json();
        let of_page =
            |shape: &&Value| shape["target"] == "/app/page" && shape["met"]["status"] == 200;
        let shape = kept["requests"].as_array()?.iter().find(of_page)?;
        Some((shape["request_id"].as_str()?.to_owned(), shape.to_string()))
    });
    assert!(kept.contains(r#""credential":"session""#), "{kept}");
    for (name, value) in &browser.cookies {
        assert!(!kept.contains(value.as_str()), "{name}: {kept}");
    }
    let all = scene.gateway.ask_admin("/requests").json();
    let callback = |shape: &Value| shape["target"] == "/oauth2/idpresponse?code=-&state=-";
    assert!(all["requests"].as_array().expect("a list").iter().any(callback), "{all:#}");
    let admin = scene.gateway.admin().to_string();
    let file = scene.gateway.file().display().to_string();
    let told = portcullis(&["explain", "--address", &admin, "--id", &id, &file, "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!((&told["rule"], &told["reason"]), (&json!("app"), &json!("authorized")), "{told:#}");
}

#[test]
fn a_request_over_http2_is_kept_with_its_authority_and_asked_again_over_http2() {
    use crate::support::http2::{END_STREAM, head, headers};

    let (issuer, target) = (Issuer::start(), Target::start());
    let (gateway, authority) = crate::http2::start(&issuer, &target);
    let mut client = crate::http2::connect(&gateway, &authority);
    let bearer = format!("Bearer {}", issuer.token());
    let fields = head("GET", "a.test", "/orders/7?x=y", &[("authorization", &bearer)]);
    client.send(&headers(1, END_STREAM, &fields));
    assert_eq!(client.status(1), Some(200));
    let shape = eventually("it is kept", || {
        let kept = gateway.ask_admin("/requests").json();
        kept["requests"].get(0).cloned()
    });
    let text = |key: &str| shape[key].as_str().expect("text").to_owned();
    assert_eq!((text("target"), text("host")), ("/orders/7?x=-".to_owned(), "a.test".to_owned()));
    assert_eq!((&shape["http2"], &shape["credential"]), (&json!(true), &json!("token")));
    let admin = gateway.admin().to_string();
    let file = gateway.file().display().to_string();
    let id = text("request_id");
    let told = portcullis(&["explain", "--address", &admin, "--id", &id, &file, "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let found = (&told["rule"], &told["reason"], &told["host"]);
    assert_eq!(found, (&json!("orders"), &json!("authorized"), &json!("a.test")), "{told:#}");
}
