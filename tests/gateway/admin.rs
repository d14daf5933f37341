//! What the admin listener answers, and to whom.

use serde_json::json;

use crate::authorization::protected;
use crate::support::issuer::{Mode, now};
use crate::support::process::PATIENCE;
use crate::support::wire::{self, Response};
use crate::support::{Connection, Gateway, Issuer, Start, Target, eventually};

const TOKEN: &str = "an-admin-token-of-this-test";

fn with_token(issuer: &Issuer, target: &Target) -> String {
    protected(issuer, target).replace(
        "admin: { address: 127.0.0.1:0 }",
        "admin: { address: 127.0.0.1:0, token: \"${env:ADMIN_TOKEN}\" }",
    )
}

fn start_with_token(issuer: &Issuer, target: &Target) -> Gateway {
    Start::with(&with_token(issuer, target)).env("ADMIN_TOKEN", TOKEN).run()
}

fn reload(gateway: &Gateway, authorization: Option<&str>) -> Response {
    let header = authorization.map(|value| ("Authorization", value));
    wire::request(gateway.admin(), "POST", "/reload", header.as_slice())
}

#[test]
fn readyz_waits_for_first_key_sets_no_longer_than_startup_wait_and_livez_does_not() {
    let (issuer, target) = (Issuer::start(), Target::start());
    issuer.set(Mode::Hang);
    let yaml = format!("startup_wait: 3s\n{}", protected(&issuer, &target));
    let gateway = Start::with(&yaml).unready().run();
    let answer = gateway.ask_admin("/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("key set"), "{}", answer.text());
    assert_eq!(gateway.ask_admin("/livez").status, 200);
    assert_eq!(gateway.ask_admin("/healthz").status, 200);
    eventually("ready after startup_wait", || {
        (gateway.ask_admin("/readyz").status == 200).then_some(())
    });
    let verbose = gateway.ask_admin("/readyz?verbose").text();
    assert!(verbose.contains("customers"), "{verbose}");
}

#[test]
fn readyz_is_red_and_livez_green_while_it_drains() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = format!("shutdown: {{ pre_stop_wait: 60s }}\n{}", protected(&issuer, &target));
    let gateway = Gateway::start(&yaml);
    gateway.signal("TERM");
    let answer = eventually("/readyz is red", || {
        Some(gateway.ask_admin("/readyz")).filter(|answer| answer.status == 503)
    });
    assert!(answer.text().contains("stopping"), "{}", answer.text());
    assert_eq!(gateway.ask_admin("/livez").status, 200);
    assert_eq!(gateway.ask_admin("/metrics").status, 200);
}

#[test]
fn changes_need_the_token_and_without_one_in_the_file_nobody_may_make_them() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    assert_eq!(reload(&gateway, None).status, 403);
    assert_eq!(reload(&gateway, Some("Bearer ")).status, 403);

    let gateway = start_with_token(&issuer, &target);
    let twice = format!("{TOKEN}, {TOKEN}");
    for wrong in [None, Some("Bearer wrong"), Some("Bearer "), Some(TOKEN), Some(&twice)] {
        let answer = reload(&gateway, wrong);
        assert_eq!(answer.status, 401, "{wrong:?}");
        assert!(answer.header("www-authenticate").is_some());
    }
    assert_eq!(gateway.metric("portcullis_config_generation"), Some(1.0));
    let answer = reload(&gateway, Some(&format!("Bearer {TOKEN}")));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["generation"], 2);
    assert_eq!(answer.json()["changed"], false);
}

#[test]
fn a_reload_of_a_broken_file_answers_with_every_finding_and_changes_nothing() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start_with_token(&issuer, &target);
    let bearer = format!("Bearer {TOKEN}");
    let good = with_token(&issuer, &target);
    let broken = good.replace("status_code: 404", "status_code: 410").replace(
        "forward: orders\n      - name: open",
        "forward: order\n        scpoes: [x]\n      - name: open",
    );
    assert_ne!(broken, good);
    gateway.write(&broken);
    let answer = reload(&gateway, Some(&bearer));
    assert_eq!(answer.status, 422);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let detail = answer.json()["detail"].as_str().expect("a text").to_owned();
    for text in ["`order`", "scpoes", "routes.yaml:", "not changed"] {
        assert!(detail.contains(text), "{text}: {detail}");
    }
    assert_eq!(wire::get(gateway.address(), "/none").status, 404);
    assert_eq!(gateway.metric("portcullis_config_generation"), Some(1.0));
    assert_eq!(gateway.metric("portcullis_config_last_reload_success"), Some(0.0));

    gateway.write(&good.replace("status_code: 404", "status_code: 410"));
    let answer = reload(&gateway, Some(&bearer));
    assert_eq!((answer.status, &answer.json()["generation"]), (200, &json!(2)));
    assert_eq!(wire::get(gateway.address(), "/none").status, 410, "in force once it is answered");
}

#[test]
fn no_secret_is_in_any_page_or_log() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let mut gateway = start_with_token(&issuer, &target);
    let token = issuer.token();
    let bearer = format!("Bearer {token}x");
    for path in ["/orders/1", "/orders/2?access_token=secret-in-query"] {
        wire::request(gateway.address(), "GET", path, &[("Authorization", &bearer)]);
    }
    eventually("both denials are shown", || {
        let denials = gateway.ask_admin("/denials").json();
        (denials["denials"].as_array().expect("a list").len() == 2).then_some(())
    });
    reload(&gateway, Some("Bearer an-attempt"));
    reload(&gateway, Some(&format!("Bearer {TOKEN}")));
    gateway.wait_log(&["\"reloaded\""]);
    let denials = gateway.ask_admin("/denials").json();
    let id = denials["denials"][0]["request_id"].as_str().expect("an id");
    let denial = format!("/page/denials/{id}");
    let pages = ["/", "/page/denials", &denial, "/page/rules", "/page/configuration"];
    let texts = ["/readyz?verbose", "/metrics", "/keys", "/config", "/targets", "/denials"];
    for path in pages.into_iter().chain(texts) {
        let answer = gateway.ask_admin(path);
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text();
        for secret in [TOKEN, &token[..20], "secret-in-query", "an-attempt"] {
            assert!(!text.contains(secret), "{secret} in {path}: {text}");
        }
    }
    let config = gateway.ask_admin("/config").json();
    assert_eq!(config["config"]["admin"]["token"], "***");
    assert_eq!(config["generation"], 2);
    assert!(!gateway.said().contains(TOKEN) && !gateway.said().contains("an-attempt"));
}

#[test]
fn a_denial_tells_what_was_wanted_and_what_was_there() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let expired = issuer.token_with(&json!({ "exp": now() - 3600, "iat": now() - 7200 }));
    let other = issuer.token_with(&json!({ "client_id": "stranger" }));
    let cases = [
        ("/orders/1", expired, "token_expired", "time", "exp 60 min ago"),
        ("/orders/2", other, "client_not_allowed", "client", "stranger"),
        ("/orders/<b>", "none.of.it".to_owned(), "token_malformed", "format", ""),
    ];
    for (path, token, reason, compared, found) in cases {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        assert_eq!(wire::request(gateway.address(), "GET", &path, &headers).status, 401, "{path}");
        let denial = eventually("the denial is shown", || {
            let denials = gateway.ask_admin("/denials").json();
            let newest = denials["denials"][0].clone();
            (newest["path"] == path.as_str()).then_some(newest)
        });
        assert_eq!((&denial["reason"], &denial["compared"]), (&json!(reason), &json!(compared)));
        let told = denial["found"].as_str().expect("text");
        assert!(told.contains(found), "{denial}");
        let id = denial["request_id"].as_str().expect("an id");
        let page = gateway.ask_admin(&format!("/page/denials/{id}")).text();
        assert!(page.contains(reason) && page.contains(found), "{page}");
        assert!(!page.contains("<b>"), "{page}");
    }
}

#[test]
fn keys_tells_of_every_pool_its_key_ids_and_age() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let keys = gateway.ask_admin("/keys").json();
    let pool = &keys["user_pools"][0];
    assert_eq!((&pool["user_pool"], &pool["ready"]), (&json!("customers"), &json!(true)));
    assert_eq!(pool["issuers"][0]["kids"], json!(["key-0+/="]));
    assert!(pool["issuers"][0]["age_seconds"].is_u64());
}

#[test]
fn a_page_led_here_under_a_name_of_its_own_is_refused() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start_with_token(&issuer, &target);
    let ask = |method: &str, path: &str, host: &str| {
        let mut connection = Connection::open(gateway.admin());
        connection.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Length: 0\r\n\r\n"
        ));
        connection.read().status
    };
    let port = gateway.admin().port();
    for foreign in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", ""] {
        for path in ["/metrics", "/config", "/livez"] {
            assert_eq!(ask("GET", path, foreign), 421, "{foreign} {path}");
        }
        assert_eq!(ask("POST", "/reload", foreign), 421, "{foreign}");
    }
    assert_eq!(ask("GET", "/livez", &format!("localhost:{port}")), 200);
    assert_eq!(gateway.metric("portcullis_config_generation"), Some(1.0));
}

#[test]
fn other_methods_are_refused_with_what_is_allowed() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start_with_token(&issuer, &target);
    let bearer = format!("Bearer {TOKEN}");
    for (method, path, allowed) in [
        ("GET", "/reload", "POST"),
        ("HEAD", "/reload", "POST"),
        ("PUT", "/reload", "POST"),
        ("GET", "/keys/refresh", "POST"),
        ("POST", "/metrics", "GET"),
        ("DELETE", "/config", "GET"),
        ("OPTIONS", "/keys", "GET"),
        ("TRACE", "/livez", "GET"),
    ] {
        let answer = wire::request(gateway.admin(), method, path, &[("Authorization", &bearer)]);
        assert_eq!(answer.status, 405, "{method} {path}");
        let allow = answer.header("allow").expect("what is allowed");
        assert!(allow.contains(allowed), "{method} {path}: {allow}");
    }
    assert_eq!(gateway.ask_admin("/nothing").status, 404);
    assert_eq!(gateway.metric("portcullis_config_generation"), Some(1.0));
}

#[test]
fn beyond_loopback_what_tells_about_users_needs_the_token_and_health_does_not() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml =
        with_token(&issuer, &target).replace("{ address: 127.0.0.1:0,", "{ address: 0.0.0.0:0,");
    let gateway = Start::with(&yaml).env("ADMIN_TOKEN", TOKEN).run();
    let bearer = format!("Bearer {TOKEN}");
    for path in ["/keys", "/config", "/targets", "/denials"] {
        assert_eq!(gateway.ask_admin(path).status, 401, "{path}");
        let answer = wire::request(gateway.admin(), "GET", path, &[("Authorization", &bearer)]);
        assert_eq!(answer.status, 200, "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(gateway.ask_admin(path).status, 200, "{path}");
    }
}

#[test]
fn clients_that_never_finish_their_request_do_not_keep_others_out() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let mut slow: Vec<Connection> = (0..100)
        .map(|_| {
            let mut connection = Connection::open(gateway.admin());
            connection.try_send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
            connection
        })
        .collect();
    assert_eq!(gateway.ask_admin("/livez").status, 200);
    let begun = std::time::Instant::now();
    assert!(slow.pop().expect("one").is_closed());
    assert!(begun.elapsed() < PATIENCE, "its head took too long");
}

#[test]
fn what_is_asked_of_admin_is_nothing_special_on_a_listener_and_opens_nothing() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let ours = [
        "livez",
        "healthz",
        "readyz",
        "metrics",
        "keys",
        "config",
        "denials",
        "oauth2/idpresponse",
    ];
    for path in ours {
        assert_eq!(wire::get(gateway.address(), &format!("/{path}")).status, 404, "{path}");
        // Judged as what it becomes, which is the protected rule's.
        for way in ["..", "%2e%2e", "./%2e./x/.."] {
            let there =
                format!("/{path}/{}{way}/orders/1", "../".repeat(path.matches('/').count()));
            assert_eq!(wire::get(gateway.address(), &there).status, 401, "{there}");
        }
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_secret_that_is_empty_or_absent_is_refused_at_a_reload_and_the_one_before_counts() {
    const LATER: &str = "a-later-admin-token-of-this-test";
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = with_token(&issuer, &target).replace("${env:ADMIN_TOKEN}", "${file:admin.token}");
    let gateway = Start::with(&yaml).file("admin.token", TOKEN).run();
    let file = gateway.folder().join("admin.token");
    let with = |token: &str| reload(&gateway, Some(&format!("Bearer {token}"))).status;
    assert_eq!(with(TOKEN), 200);
    for bad in [Some(""), Some("  \n"), None] {
        match bad {
            Some(text) => std::fs::write(&file, text).expect("written"),
            None => std::fs::remove_file(&file).expect("removed"),
        }
        let answer = reload(&gateway, Some(&format!("Bearer {TOKEN}")));
        assert_eq!(answer.status, 422, "{bad:?}: {}", answer.text());
        assert!(answer.text().contains("admin.token"), "{bad:?}: {}", answer.text());
    }
    // A token of the admin listener is taken up by a restart only, which is told.
    std::fs::write(&file, LATER).expect("written");
    let answer = reload(&gateway, Some(&format!("Bearer {TOKEN}")));
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("admin.token") && answer.text().contains("restart"));
    assert_eq!(with(LATER), 401);
    std::fs::write(&file, TOKEN).expect("written");
    assert_eq!(with(TOKEN), 200);
}
