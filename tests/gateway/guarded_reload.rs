//! A changed file that does worse than the one before is taken back.

use crate::authorization::protected;
use crate::support::process::portcullis;
use crate::support::wire::{self, Response};
use crate::support::{Gateway, Issuer, Start, Target, eventually};

const TOKEN: &str = "an-admin-token-of-some-length";

fn watched(issuer: &Issuer, target: &Target) -> String {
    format!(
        "reload: {{ guard: {{ window: 10m, min_requests: 40 }} }}\n{}",
        protected(issuer, target)
            .replace("127.0.0.1:0 }\n", "127.0.0.1:0, token: \"${env:ADMIN_TOKEN}\" }\n")
    )
}

fn start(yaml: &str) -> Gateway {
    Start::with(yaml).env("ADMIN_TOKEN", TOKEN).run()
}

fn post(gateway: &Gateway, path: &str) -> Response {
    let bearer = format!("Bearer {TOKEN}");
    wire::request(gateway.admin(), "POST", path, &[("Authorization", &bearer)])
}

fn ask(gateway: &Gateway, issuer: &Issuer, times: usize) -> u16 {
    let bearer = format!("Bearer {}", issuer.token());
    let mut last = 0;
    for _ in 0..times {
        let headers = [("Authorization", bearer.as_str())];
        last = wire::request(gateway.address(), "GET", "/orders/1", &headers).status;
    }
    last
}

/// The first 60 requests have been seen by the one who watches.
fn seen(gateway: &Gateway, issuer: &Issuer) {
    assert_eq!(ask(gateway, issuer, 60), 200);
    eventually("60 requests are counted", || {
        let name = "portcullis_requests_total";
        (gateway.metric_sum(name, &["rule=\"orders\""]) >= 60.0).then_some(())
    });
}

#[test]
fn a_file_that_denies_everybody_is_taken_back_and_served_again_only_on_demand() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = watched(&issuer, &target);
    let mut gateway = start(&yaml);
    seen(&gateway, &issuer);
    let bad = yaml.replace("scopes: [orders/read]", "scopes: [orders/misspelt]");
    gateway.write(&bad);
    gateway.wait_log(&["\"reloaded\""]);
    assert_eq!(ask(&gateway, &issuer, 60), 403);
    let line = gateway.wait_log(&["rolled back"]);
    assert!(line.contains("denials rose from 0 of 60 requests to"), "{line}");
    assert_eq!(ask(&gateway, &issuer, 1), 200);

    let rollbacks = "portcullis_config_rollbacks_total{reason=\"denials\"}";
    assert_eq!(gateway.metric(rollbacks), Some(1.0));
    assert_eq!(gateway.metric("portcullis_config_held_back"), Some(1.0));
    assert!(gateway.ask_admin("/readyz?verbose").text().contains("rolled back: denials rose"));
    for path in ["/", "/page/configuration"] {
        let page = gateway.ask_admin(path).text();
        assert!(page.contains("rolled back: denials rose from 0 of 60 requests"), "{page}");
    }
    let history = gateway.ask_admin("/history").json();
    let told = |place: usize, key: &str| history["history"][place][key].clone();
    assert_eq!(told(0, "cause"), "rollback");
    assert_eq!(
        (told(1, "cause"), told(1, "outcome")),
        ("file_change".into(), "rolled_back".into())
    );
    assert_eq!((told(2, "cause"), told(2, "outcome")), ("start".into(), "replaced".into()));
    assert_eq!(std::fs::read_to_string(gateway.file()).expect("the file"), bad);

    // Whoever insists gets it, and keeps it.
    assert_eq!(post(&gateway, "/reload").status, 200);
    assert_eq!(gateway.metric("portcullis_config_held_back"), Some(0.0));
    assert_eq!(ask(&gateway, &issuer, 60), 403);
    assert_eq!(gateway.metric(rollbacks), Some(1.0));
}

#[test]
fn a_file_whose_tests_fail_is_refused_with_the_test_named() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = watched(&issuer, &target);
    let mut gateway = start(&yaml);
    let tests = "tests:\n  - name: orders need a token\n    request: GET /orders/1\n    expect: { status: 401 }\n";
    let open = yaml.replace(
        "jwt_validation: { user_pools: [customers], scopes: [orders/read] }",
        "public: true",
    );
    assert_ne!(open, yaml);
    gateway.write(&format!("{open}{tests}"));
    let line = gateway.wait_log(&["reload refused"]);
    assert!(line.contains("orders need a token"), "{line}");
    assert_eq!(wire::get(gateway.address(), "/orders/1").status, 401);
    gateway.write(&format!("{yaml}{tests}"));
    gateway.wait_log(&["\"reloaded\""]);
}

#[test]
fn somebody_with_the_token_rolls_back_to_any_text_of_the_history() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = watched(&issuer, &target);
    let mut gateway = start(&yaml);
    for status in [410, 418] {
        gateway.write(&yaml.replace("status_code: 404", &format!("status_code: {status}")));
        gateway.wait_log(&["\"reloaded\""]);
    }
    let none = || wire::get(gateway.address(), "/none").status;
    assert_eq!(wire::request(gateway.admin(), "POST", "/rollback", &[]).status, 401);
    assert_eq!(post(&gateway, "/rollback?id=99").status, 422);
    assert_eq!(post(&gateway, "/rollback?di=1").status, 400);
    assert_eq!(none(), 418);
    assert_eq!(post(&gateway, "/rollback").status, 200);
    assert_eq!(none(), 410);
    assert_eq!(post(&gateway, "/rollback?id=1").status, 200);
    assert_eq!(none(), 404);
    assert_eq!(post(&gateway, "/rollback?id=1").status, 422, "it is served already");
    assert_eq!(gateway.metric("portcullis_config_held_back"), Some(1.0));
}

#[test]
fn commands_do_what_the_admin_listener_does() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = watched(&issuer, &target);
    let gateway = start(&yaml);
    let address = gateway.admin().to_string();
    let token = gateway.folder().join("admin-token");
    std::fs::write(&token, format!("{TOKEN}\n")).expect("a file");
    let token = token.display().to_string();
    let run = |words: &[&str]| {
        let output = portcullis(&[words, &["--address", &address]].concat());
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8(said).expect("text");
        assert!(!said.contains(TOKEN), "{said}");
        (output.status.code(), said)
    };
    let may = ["--admin-token", &token];

    let (code, said) = run(&["reload"]);
    assert!(code == Some(1) && said.contains("answered 401"), "{said}");
    let (code, said) = run(&[&["reload"], &may[..]].concat());
    assert_eq!(
        (code, &*said),
        (Some(0), "configuration 2 is served, which means what was served before\n")
    );
    let (code, said) = run(&[&["reload", "--json"], &may[..]].concat());
    let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &told["changed"]), (Some(0), &serde_json::json!(false)), "{said}");
    gateway.write(&yaml.replace("status_code: 404", "status_code: 410"));
    eventually("the change is served", || {
        (wire::get(gateway.address(), "/none").status == 410).then_some(())
    });
    gateway.write(&yaml.replace("status_code: 404", "status_code: 4040"));
    let (code, said) = run(&[&["reload"], &may[..]].concat());
    assert!(
        code == Some(1) && said.contains("answered 422") && said.contains("status_code: 4040"),
        "{said}"
    );

    let (code, said) = run(&[&["rollback"], &may[..]].concat());
    assert_eq!((code, &*said), (Some(0), "configuration 5 is served\n"));
    assert_eq!(wire::get(gateway.address(), "/none").status, 404);
    let (code, said) = run(&[&["rollback", "17"], &may[..]].concat());
    assert!(code == Some(1) && said.contains("answered 422"), "{said}");
    let (code, said) = run(&["history"]);
    assert_eq!(code, Some(0));
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains("rollback") && lines[0].ends_with("serving"), "{said}");
    assert!(lines[1].contains("file_change") && lines[1].contains("rolled_back: "), "{said}");
    assert!(lines[2].contains("start") && lines[2].ends_with("replaced"), "{said}");
    assert!(said.contains("The file on disk is not served"), "{said}");
    let (_, said) = run(&["history", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(told, gateway.ask_admin("/history").json());

    assert_eq!(wire::get(gateway.address(), "/orders/1").status, 401);
    let id = eventually("the denial is kept", || {
        gateway.ask_admin("/denials").json()["denials"][0]["request_id"].as_str().map(str::to_owned)
    });
    let (code, said) = run(&["explain", "--id", &id]);
    for line in
        ["/orders/1 was answered 401", "reason  token_missing", "header wanted  one", "what to do"]
    {
        assert!(code == Some(0) && said.contains(line), "{line}\n{said}");
    }
    let (_, said) = run(&["explain", "--id", &id, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&told["request_id"], &told["reason"]), (&id.into(), &"token_missing".into()));
    let (code, said) = run(&["explain", "--id", "0123456789abcdef"]);
    assert!(
        code == Some(1) && said.contains("is among the last that the gateway has kept"),
        "{said}"
    );
    assert_eq!(run(&["explain", "--id", "x", "GET", "/"]).0, Some(2));
    drop(gateway);
    let (code, said) = run(&["history"]);
    assert!(code == Some(1) && said.contains("does not answer"), "{said}");
}

#[test]
fn the_history_outlives_a_restart_and_can_be_rolled_back_to() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let state = tempfile::tempdir().expect("a folder");
    let yaml =
        format!("state_directory: {}\n{}", state.path().display(), watched(&issuer, &target));
    let gone = yaml.replace("status_code: 404", "status_code: 410");
    let mut gateway = start(&yaml);
    gateway.write(&gone);
    gateway.wait_log(&["\"reloaded\""]);
    assert_eq!(post(&gateway, "/rollback").status, 200);
    drop(gateway);

    // Whoever starts with a text that was rolled back gets it, and is told.
    let folder = state.path().join("history");
    std::fs::write(folder.join("foreign"), "x").expect("a file");
    let mut gateway = start(&gone);
    let said = gateway.log().join("\n");
    for text in ["this very file was rolled back before", "somebody asked for it", "left alone"] {
        assert!(said.contains(text), "{text}\n{said}");
    }
    let none = |gateway: &Gateway| wire::get(gateway.address(), "/none").status;
    assert_eq!(none(&gateway), 410);
    let history = gateway.ask_admin("/history").json();
    let told: Vec<_> = history["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| (entry["id"].as_u64(), entry["outcome"].as_str()))
        .collect();
    let all = [(4, "serving"), (3, "replaced"), (2, "rolled_back"), (1, "replaced")];
    assert_eq!(told, all.map(|(id, outcome)| (Some(id), Some(outcome))));
    assert_eq!(post(&gateway, "/rollback?id=1").status, 200);
    assert_eq!(none(&gateway), 404);
    drop(gateway);

    // The same text goes on under its number.
    let gateway = start(&yaml);
    let history = gateway.ask_admin("/history").json();
    assert_eq!(
        (&history["history"][0]["id"], &history["history"][0]["outcome"]),
        (&5.into(), &"serving".into())
    );
}
