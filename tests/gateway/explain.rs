//! `portcullis explain`: it says what the gateway does.

use std::fs;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::issuer::{Key, Mode};
use crate::support::process::portcullis;
use crate::support::{Gateway, Issuer, Target, wire};

const FILE: &str = r##"
user_pools:
  customers:
    user_pool_id: eu-west-1_AbCdEfGhI
    app_clients: [1example23456789]
  partners:
    issuer: https://login.partner.example
    audiences: [shop-api]
    algorithms: [ES256]
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
  beta: { targets: ["127.0.0.1:2"] }
listeners:
  public:
    address: 127.0.0.1:8080
    rules:
      - name: office
        conditions: { path_pattern: [/internal/*], source_ip: [192.0.2.0/24] }
        public: true
        forward: orders
      - name: testers
        conditions:
          path_pattern: [/orders/*]
          http_header: [{ name: x-env, values: [beta*] }]
          query_string: [{ key: version, value: "2" }]
        public: true
        forward: { target_groups: [{ name: orders, weight: 1 }, { name: beta, weight: 3 }] }
      - name: orders
        conditions: { path_pattern: [/orders/*], http_request_method: [GET] }
        jwt_validation:
          user_pools: [customers, partners]
          scopes: { all_of: [orders/read, orders/list] }
          additional_claims: [{ name: tenant, format: single_string, values: [acme] }]
        forward: orders
      - name: moved
        conditions: { host_header: [old.example] }
        redirect: { host: new.example, status_code: 301 }
    default_action: { fixed_response: { status_code: 404 } }
"##;

fn written(text: &str) -> (TempDir, String) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("routes.yaml");
    fs::write(&file, text).expect("written");
    let file = file.display().to_string();
    (folder, file)
}

fn run(file: &str, arguments: &[&str]) -> Output {
    portcullis(&[&["explain", file], arguments].concat())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn json(file: &str, arguments: &[&str]) -> Value {
    let output = run(file, &[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn each_rule_tells_which_condition_failed_and_on_which_value() {
    let (_folder, file) = written(FILE);
    let output =
        run(&file, &["POST", "http://a.example/orders/7?version=1", "-H", "x-env: Beta-2"]);
    assert_eq!(output.status.code(), Some(0));
    let text = text(&output);
    for line in [
        "office   no  path_pattern wants /internal/*; the path is /orders/7",
        "testers  no  query_string wants version=2; the query is version=1",
        "orders   no  http_request_method wants GET; the method is POST",
        "moved    no  host_header wants old.example; the host is a.example",
        "default  takes it  (line 38)",
        "answer 404",
        "reason  fixed_response",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour off a terminal: {text}");
    for (arguments, line) in [
        (
            ["GET", "/internal/x", "--source-ip", "198.51.100.1"],
            "source_ip wants 192.0.2.0/24; the client is 198.51.100.1",
        ),
        (
            ["GET", "/orders/1", "-H", "x-env: prod"],
            "http_header wants beta*; the header x-env is prod",
        ),
        (
            ["GET", "/orders/1", "-H", "x-other: 1"],
            "http_header wants beta*; there is no header x-env",
        ),
    ] {
        let output = run(&file, &arguments);
        let text = self::text(&output);
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_caller_on_paper_meets_the_real_judgement() {
    let (_folder, file) = written(FILE);
    let good = r#"{"scope":"orders/read orders/list","tenant":"acme","sub":"alice"}"#;
    for (claims, reason, failed) in [
        (good, "authorized", None),
        (r#"{"scope":"orders/read","tenant":"acme"}"#, "scope_missing", Some("scopes")),
        (r#"{"tenant":"evil"}"#, "claim_value_wrong", Some("additional_claims")),
        (r"{}", "claim_missing", Some("additional_claims")),
        (r#"{"sub":null}"#, "claim_missing", Some("claims")),
        (r#"{"client_id":"other"}"#, "client_not_allowed", Some("client")),
        (r#"{"token_use":"id","aud":"1example23456789"}"#, "token_use_wrong", Some("token_use")),
        (r#"{"exp":1}"#, "token_expired", Some("time")),
        (r#"{"iss":"https://evil.example"}"#, "issuer_unknown", Some("issuer")),
        (r#"{"cognito:groups":"admins"}"#, "claim_format_invalid", Some("claims")),
    ] {
        let said = json(&file, &["GET", "/orders/7", "--claims", claims]);
        assert_eq!(said["rule"], "orders", "{claims}");
        assert_eq!(said["reason"], reason, "{claims}");
        let checks = said["jwt_validation"].as_array().expect("a list");
        let is_failed = |check: &&Value| check["state"] == "failed";
        let found =
            checks.iter().find(is_failed).map(|check| check["check"].as_str().expect("text"));
        assert_eq!(found, failed, "{claims}");
    }
    let partner = json(&file, &["GET", "/orders/7", "--user-pool", "partners", "--claims", good]);
    assert_eq!(partner["reason"], "authorized");
    let set = &partner["outcome"]["headers_set"];
    assert_eq!(set["x-auth-subject"], serde_json::json!(["alice"]));
}

#[test]
fn it_says_what_the_running_gateway_does_and_what_its_target_gets() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = crate::authorization::protected(&issuer, &target);
    let (_folder, file) = written(&yaml);
    let gateway = Gateway::start(&yaml);
    let keys = TempDir::new().expect("a folder");
    let jwks = keys.path().join("keys.json");
    let set = serde_json::json!({ "keys": [Key::number(0).jwk()] });
    fs::write(&jwks, set.to_string()).expect("written");
    let token_file = keys.path().join("token");
    for (path, token) in [
        ("/orders/1", issuer.token()),
        ("/orders/../orders//1", issuer.token()),
        ("/orders/1", "not.a.token".to_owned()),
        ("/nowhere", issuer.token()),
        ("/orders%2f1", issuer.token()),
    ] {
        fs::write(&token_file, &token).expect("written");
        let (token_file, jwks) = (token_file.display().to_string(), jwks.display().to_string());
        let arguments = ["GET", path, "--token", &token_file, "--jwks", &jwks];
        let said = json(&file, &[&arguments[..], &["-H", "x-auth-subject: admin"]].concat());
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("x-auth-subject", "admin")];
        let answer = wire::request(gateway.address(), "GET", path, &headers);
        match said["outcome"]["action"].as_str() {
            Some("forward") => {
                let got = target.next();
                for (name, values) in said["outcome"]["headers_set"].as_object().expect("a map") {
                    let values: Vec<_> = values
                        .as_array()
                        .expect("a list")
                        .iter()
                        .filter_map(Value::as_str)
                        .collect();
                    assert_eq!(got.values(name), values, "{path} {name}");
                }
                assert_eq!(said["outcome"]["headers_removed"][0], "x-auth-subject");
                assert_eq!(said["outcome"]["target"].as_str(), Some(got.target()));
            }
            Some("answer") => {
                assert_eq!(said["outcome"]["status"], answer.status, "{path}");
                let challenge = said["outcome"]["headers"]["www-authenticate"][0].as_str();
                assert_eq!(challenge, answer.header("www-authenticate"), "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_asked_ends_with_code_2_and_a_wrong_file_with_code_1() {
    let (_folder, file) = written(FILE);
    for (arguments, hint) in [
        (vec!["GET"], "no URL"),
        (vec![], "METHOD URL"),
        (vec!["GET", "orders/7"], "no URL"),
        (vec!["GET", "/", "-H", "nonsense"], "name: value"),
        (vec!["GET", "/", "--listener", "other"], "`public`"),
        (vec!["GET", "/", "--claims", "{"], "JSON"),
        (vec!["GET", "/", "--claims", "{}", "--user-pool", "other"], "no user pool `other`"),
        (vec!["GET", "/", "--claims", "{}", "--token", "-"], "--token"),
    ] {
        let output = run(&file, &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(hint), "{arguments:?}: {said}");
    }
    let (_bad_folder, bad) = written("listeners:\n  public: { adress: 127.0.0.1:0 }\n");
    let output = run(&bad, &["GET", "/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("routes.yaml:2:"), "{}", text(&output));
    let output = run(&file, &["GET", "/", "--token", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

#[test]
fn a_key_set_is_fetched_if_that_is_asked_for_and_else_nobody_is_asked() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (folder, file) = written(&crate::authorization::protected(&issuer, &target));
    let token = folder.path().join("token");
    fs::write(&token, issuer.token()).expect("written");
    let token = token.display().to_string();
    let offline = json(&file, &["GET", "/orders/1", "--token", &token]);
    assert_eq!((&offline["reason"], issuer.fetches()), (&"jwks_unavailable".into(), 0));
    let online = json(&file, &["GET", "/orders/1", "--token", &token, "--online"]);
    assert_eq!((&online["reason"], issuer.fetches()), (&"authorized".into(), 1));
    issuer.set(Mode::Close);
    let output = run(&file, &["GET", "/orders/1", "--token", &token, "--online"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output).contains("no keys of user pool `customers`"), "{}", text(&output));
    assert!(target.taken().is_empty());
}

#[test]
fn no_token_is_shown() {
    let (_folder, file) = written(FILE);
    let folder = TempDir::new().expect("a folder");
    let token = folder.path().join("token");
    fs::write(&token, Issuer::start().token()).expect("written");
    let token = token.display().to_string();
    for json in [&[][..], &["--json"]] {
        let said = run(&file, &[&["GET", "/orders/7", "--token", token.as_str()], json].concat());
        assert!(!text(&said).contains("eyJ"), "{}", text(&said));
        let bare = ["-H", "authorization: eyJhbGciOiJSUzI1NiJ9.e30.AAAA"];
        let said = run(&file, &[&["GET", "/orders/7"], &bare[..], json].concat());
        assert!(!text(&said).contains("eyJ"), "{}", text(&said));
    }
}
