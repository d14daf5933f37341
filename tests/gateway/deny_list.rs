//! Callers that are refused though their tokens and sessions look good.

use std::fs;

use serde_json::json;

use crate::authorization::protected;
use crate::sign_in::{SESSION_KEY, Scene};
use crate::support::issuer::now;
use crate::support::process::{Start, portcullis};
use crate::support::provider::SECRET;
use crate::support::wire::{Connection, Response};
use crate::support::{Gateway, Issuer, Provider, Target, eventually, wire};

const TOKEN: &str = "an admin token of some length";
const SUBJECT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

/// The file of [`protected`] with an admin token, and some keys at the top.
fn file(issuer: &Issuer, target: &Target, more: &str) -> String {
    let admin = "admin: { address: 127.0.0.1:0, token: '${env:ADMIN_TOKEN}' }\n";
    let text = protected(issuer, target);
    let rest = text.replacen("admin: { address: 127.0.0.1:0 }\n", "", 1);
    assert_ne!(text, rest);
    format!("{admin}{more}{rest}")
}

fn post(gateway: &Gateway, path: &str, token: &str, body: &str) -> Response {
    let mut connection = Connection::open(gateway.admin());
    connection.send(format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        gateway.admin(),
        body.len()
    ));
    connection.read()
}

fn status(gateway: &Gateway, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    wire::request(gateway.address(), "GET", "/orders/1", &[("Authorization", &bearer)]).status
}

fn by_subject() -> String {
    json!({ "claim": "sub", "value": SUBJECT }).to_string()
}

#[test]
fn a_posted_entry_counts_from_the_next_request_on_and_can_be_taken_back() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Start::with(&file(&issuer, &target, "")).env("ADMIN_TOKEN", TOKEN).run();
    let (token, other) = (issuer.token(), issuer.token_with(&json!({ "sub": "somebody else" })));
    assert_eq!((status(&gateway, &token), status(&gateway, &other)), (200, 200));
    let told = post(&gateway, "/deny", TOKEN, &by_subject());
    assert_eq!((told.status, told.json()["entries"].as_u64()), (200, Some(1)), "{told:?}");
    assert_eq!((status(&gateway, &token), status(&gateway, &other)), (401, 200));
    let log = gateway.wait_access_log(|lines| lines.iter().any(|line| line["reason"] == "denied"));
    assert!(log.iter().any(|line| line["reason"] == "denied" && line["status"] == 401));
    assert_eq!(gateway.ask_admin("/deny").json()["entries"][0]["value"], SUBJECT);
    assert_eq!(post(&gateway, "/deny?remove=true", TOKEN, &by_subject()).status, 200);
    assert_eq!(status(&gateway, &token), 200);
}

#[test]
fn nobody_without_the_token_adds_or_takes_and_nonsense_is_named() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Start::with(&file(&issuer, &target, "")).env("ADMIN_TOKEN", TOKEN).run();
    for token in ["", "wrong", &TOKEN[1..]] {
        assert_eq!(post(&gateway, "/deny", token, &by_subject()).status, 401, "{token}");
    }
    for bad in [
        "",
        "{}",
        "[]",
        "{\"claim\":\"email\",\"value\":\"a\"}",
        "{\"claim\":\"sub\",\"value\":\"\"}",
    ] {
        let told = post(&gateway, "/deny", TOKEN, bad);
        assert_eq!(told.status, 422, "{bad}: {}", told.text());
    }
    assert_eq!(post(&gateway, "/deny", TOKEN, &"x".repeat(70_000)).status, 413);
    assert_eq!(post(&gateway, "/deny?remvoe=true", TOKEN, &by_subject()).status, 400);
    assert_eq!(status(&gateway, &issuer.token()), 200);
}

#[test]
fn every_claim_of_the_list_counts_and_only_of_the_issuer_that_is_named() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Start::with(&file(&issuer, &target, "")).env("ADMIN_TOKEN", TOKEN).run();
    let token = issuer.token_with(&json!({ "sid": "s-1" }));
    for (claim, value) in [
        ("sub", SUBJECT),
        ("jti", "11111111-2222"),
        ("origin_jti", "33333333-4444"),
        ("client_id", crate::support::issuer::CLIENT),
        ("sid", "s-1"),
    ] {
        let foreign = json!({ "claim": claim, "value": value, "issuer": "https://other.example" });
        assert_eq!(post(&gateway, "/deny", TOKEN, &foreign.to_string()).status, 200);
        assert_eq!(status(&gateway, &token), 200, "{claim} of another issuer");
        let own = json!({ "claim": claim, "value": value, "issuer": issuer.issuer() }).to_string();
        assert_eq!(post(&gateway, "/deny", TOKEN, &own).status, 200);
        assert_eq!(status(&gateway, &token), 401, "{claim}");
        assert_eq!(post(&gateway, "/deny?remove=true", TOKEN, &own).status, 200);
    }
    let over = json!({ "claim": "sub", "value": SUBJECT, "until": now() - 1 }).to_string();
    assert_eq!(post(&gateway, "/deny", TOKEN, &over).status, 200);
    assert_eq!(status(&gateway, &token), 200, "the entry itself is over");
}

#[test]
fn a_cut_off_ends_what_was_issued_until_then_also_when_it_was_refreshed_since() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Start::with(&file(&issuer, &target, "")).env("ADMIN_TOKEN", TOKEN).run();
    let cut = now() - 100;
    let entry = json!({ "claim": "sub", "value": SUBJECT, "issued_before": cut }).to_string();
    assert_eq!(post(&gateway, "/deny", TOKEN, &entry).status, 200);
    let refreshed = issuer.token_with(&json!({ "auth_time": cut, "iat": now() }));
    let signed_in_since = issuer.token_with(&json!({ "auth_time": cut + 1, "iat": now() }));
    let without = issuer.token_with(&json!({ "auth_time": null, "iat": cut - 1 }));
    assert_eq!(status(&gateway, &refreshed), 401);
    assert_eq!(status(&gateway, &signed_in_since), 200);
    assert_eq!(status(&gateway, &without), 401);
}

#[test]
fn what_was_posted_outlives_a_restart_where_there_is_a_state_directory() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let folder = tempfile::TempDir::new().expect("a folder");
    let state = format!("state_directory: {}\n", folder.path().display());
    let start = || Start::with(&file(&issuer, &target, &state)).env("ADMIN_TOKEN", TOKEN);
    let gateway = start().run();
    assert_eq!(post(&gateway, "/deny", TOKEN, &by_subject()).status, 200);
    drop(gateway);
    let gateway = start().run();
    assert_eq!(status(&gateway, &issuer.token()), 401);
    drop(gateway);
    // An entry that cannot be read would let somebody in: then there is no start.
    fs::write(folder.path().join("deny-list.jsonl"), "{\"claim\":\"sub\"}\n").expect("written");
    let Err(refused) = start().try_run() else { panic!("it starts") };
    assert!(refused.said.contains("deny-list.jsonl:1:"), "{}", refused.said);
}

#[test]
fn a_file_of_entries_is_read_again_when_it_changes_and_a_bad_one_changes_nothing() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = file(&issuer, &target, "deny_list: deny.jsonl\n");
    let mut gateway =
        Start::with(&yaml).file("deny.jsonl", "# nobody\n").env("ADMIN_TOKEN", TOKEN).run();
    let token = issuer.token();
    assert_eq!(status(&gateway, &token), 200);
    let list = gateway.folder().join("deny.jsonl");
    fs::write(&list, format!("{}\n", by_subject())).expect("written");
    eventually("it is denied", || (status(&gateway, &token) == 401).then_some(()));
    fs::write(&list, format!("{}\nsub: a\n", by_subject())).expect("written");
    gateway.wait_log(&["reload refused", "deny.jsonl:2:"]);
    assert_eq!(status(&gateway, &token), 401);
    let checked = portcullis(&["check", gateway.file().to_str().expect("UTF-8")]);
    assert_eq!(checked.status.code(), Some(1));
    fs::write(&list, "").expect("written");
    eventually("it passes again", || (status(&gateway, &token) == 200).then_some(()));
}

#[test]
fn a_denied_session_ends_and_whoever_may_not_come_in_is_told_at_the_callback() {
    let issuer = Issuer::start();
    let provider = Provider::start(&issuer);
    let target = Target::start();
    let yaml = crate::sign_in::file(&issuer, &provider, &target, "").replacen(
        "admin: { address: 127.0.0.1:0 }",
        "admin: { address: 127.0.0.1:0, token: '${env:ADMIN_TOKEN}' }",
        1,
    );
    let gateway = Start::with(&yaml)
        .env("CLIENT_SECRET", SECRET)
        .env("SESSION_KEY", SESSION_KEY)
        .env("ADMIN_TOKEN", TOKEN)
        .run();
    let scene = Scene { issuer, provider, target, gateway };
    let mut browser = scene.signed_in();
    assert_eq!(browser.visit("/app/").status, 200);
    // Everything that began until now is over; what begins later is good.
    let cut = json!({ "claim": "sub", "value": SUBJECT, "issued_before": now() + 50 }).to_string();
    assert_eq!(post(&scene.gateway, "/deny", TOKEN, &cut).status, 200);
    assert_eq!(browser.visit("/app/").status, 302);
    let script = browser.ask("GET", "/app/", &[("Sec-Fetch-Mode", "cors")]);
    assert_eq!(script.status, 401);
    scene.provider.book.lock().id_claims = json!({ "auth_time": now() + 51 });
    assert_eq!(scene.sign_in(&mut browser, "/app/").status, 302);
    assert_eq!(browser.visit("/app/").status, 200);
    // And who may not come in at all does not go round in circles.
    assert_eq!(post(&scene.gateway, "/deny", TOKEN, &by_subject()).status, 200);
    let refused = scene.sign_in(&mut browser, "/app/");
    assert_eq!((refused.status, refused.header("location")), (401, None));
}
