//! Issuers that end sessions by themselves: OpenID Connect Back-Channel Logout 1.0.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{SESSION_KEY, Scene, file};
use crate::support::issuer::{CLIENT, Key, Mode, now};
use crate::support::process::Start;
use crate::support::provider::SECRET;
use crate::support::wire::{Connection, Response};
use crate::support::{Browser, Gateway, Issuer, Provider, Target};

const PATH: &str = "/oauth2/backchannel-logout";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const SUBJECT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const FORM: &str = "application/x-www-form-urlencoded";

/// The usual file, but with any OpenID Connect issuer, and some keys at the top.
fn oidc(
    issuer: &Issuer,
    provider: &Provider,
    target: &Target,
    settings: &str,
    top: &str,
) -> String {
    let domain = provider.domain();
    let pool = format!(
        "  customers:\n    issuer: {}\n    jwks_uri: {}\n    audiences: [{CLIENT}]\n    \
         authorization_endpoint: {domain}/oauth2/authorize\n    \
         token_endpoint: {domain}/oauth2/token\n    client_id: {CLIENT}\n    \
         client_secret: '${{env:CLIENT_SECRET}}'\n    {settings}\n",
        issuer.issuer(),
        issuer.jwks_uri(),
    );
    let cognito = format!("{}{}", issuer.pool("customers"), provider.pool());
    let text = file(issuer, provider, target, "");
    let changed =
        text.replace(&cognito, &pool).replace("authenticate_cognito", "authenticate_oidc");
    assert!(changed.contains(settings));
    format!("{top}{changed}")
}

fn start(yaml: &str) -> Start {
    Start::with(yaml).env("CLIENT_SECRET", SECRET).env("SESSION_KEY", SESSION_KEY)
}

fn scene() -> Scene {
    let issuer = Issuer::start();
    let provider = Provider::start(&issuer);
    let target = Target::start();
    let gateway = start(&oidc(&issuer, &provider, &target, "back_channel_logout: true", "")).run();
    Scene { issuer, provider, target, gateway }
}

/// A browser whose session has this `sid` at the issuer.
fn signed_in(scene: &Scene, sid: &str) -> Browser {
    scene.provider.book.lock().id_claims = json!({ "sid": sid, "auth_time": now() - 60 });
    let browser = scene.signed_in();
    assert_eq!(browser.clone().visit("/app/").status, 200);
    browser
}

/// The claims of a good logout token with some replaced, or removed where they are null.
fn claims(scene: &Scene, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": scene.issuer.issuer(), "aud": CLIENT, "iat": now(), "exp": now() + 120,
        "jti": "logout-1", "sub": SUBJECT, "sid": "s-1", "events": { EVENT: {} },
    });
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn token(scene: &Scene, changes: &Value) -> String {
    Key::number(0).sign(&claims(scene, changes))
}

fn send(gateway: &Gateway, content_type: &str, body: &str) -> Response {
    let mut connection = Connection::open(gateway.address());
    connection.send(format!(
        "POST {PATH} HTTP/1.1\r\nHost: {}\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        gateway.address(),
        body.len()
    ));
    connection.read()
}

fn post(scene: &Scene, token: &str) -> Response {
    send(&scene.gateway, FORM, &format!("logout_token={token}"))
}

fn counted(scene: &Scene, outcome: &str) -> Option<f64> {
    scene.gateway.metric(&format!(
        "portcullis_back_channel_logout_total{{user_pool=\"customers\",outcome=\"{outcome}\"}}"
    ))
}

#[test]
fn a_session_that_is_named_ends_and_another_of_the_same_person_goes_on() {
    let scene = scene();
    let (mut first, mut second) = (signed_in(&scene, "s-1"), signed_in(&scene, "s-2"));
    let told = post(&scene, &token(&scene, &json!({})));
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.header("cache-control"), Some("no-store"));
    assert_eq!(first.visit("/app/").status, 302);
    assert_eq!(first.ask("GET", "/app/", &[("Sec-Fetch-Mode", "cors")]).status, 401);
    assert_eq!(second.visit("/app/").status, 200);
    // So do bearer tokens of that session.
    let status = |sid: &str| {
        let own = json!({ "aud": CLIENT, "sid": sid });
        let bearer = format!("Bearer {}", scene.issuer.token_with(&own));
        scene.browser().ask("GET", "/both/", &[("Authorization", &bearer)]).status
    };
    assert_eq!((status("s-1"), status("s-2")), (401, 200));
    // Whoever signs in anew is in again.
    scene.provider.book.lock().id_claims = json!({ "sid": "s-3" });
    assert_eq!(scene.sign_in(&mut first, "/app/").status, 302);
    assert_eq!(first.visit("/app/").status, 200);
    assert_eq!((counted(&scene, "signed_out"), counted(&scene, "refused")), (Some(1.0), Some(0.0)));
    let reason = |line: &Value| line["reason"] == "back_channel_logout" && line["status"] == 200;
    scene.gateway.wait_access_log(|lines| lines.iter().any(reason));
}

#[test]
fn without_a_session_all_of_a_person_end_that_began_until_then() {
    let scene = scene();
    let (mut first, mut second) = (signed_in(&scene, "s-1"), signed_in(&scene, "s-2"));
    let all = json!({ "sid": null, "iat": now() - 30 });
    assert_eq!(post(&scene, &token(&scene, &all)).status, 200);
    assert_eq!((first.visit("/app/").status, second.visit("/app/").status), (302, 302));
    scene.provider.book.lock().id_claims = json!({ "sid": "s-3", "auth_time": now() - 29 });
    assert_eq!(scene.sign_in(&mut first, "/app/").status, 302);
    assert_eq!(first.visit("/app/").status, 200);
}

#[test]
fn a_renewed_session_is_still_found_though_the_new_token_does_not_name_it() {
    let scene = scene();
    scene.provider.book.lock().expires_in = 1;
    scene.provider.book.lock().id_claims = json!({ "sid": "s-1" });
    let mut browser = scene.signed_in();
    scene.provider.book.lock().id_claims = json!({});
    scene.provider.book.lock().expires_in = 3600;
    assert_eq!(browser.visit("/app/").status, 200);
    assert_eq!(scene.provider.book.lock().grants, ["authorization_code", "refresh_token"]);
    assert_eq!(post(&scene, &token(&scene, &json!({}))).status, 200);
    assert_eq!(browser.visit("/app/").status, 302);
}

#[test]
fn every_other_token_is_refused_in_the_same_words_and_ends_nothing() {
    let scene = scene();
    let mut browser = signed_in(&scene, "s-1");
    let bad = [
        json!({ "iss": "https://other.example" }),
        json!({ "iss": null }),
        json!({ "aud": "another client" }),
        json!({ "aud": null }),
        json!({ "iat": null }),
        json!({ "iat": now() - 700, "exp": null }),
        json!({ "iat": now() + 3600 }),
        json!({ "exp": now() - 1 }),
        json!({ "jti": null }),
        json!({ "jti": 1 }),
        json!({ "events": null }),
        json!({ "events": {} }),
        json!({ "events": { "http://schemas.openid.net/event/other": {} } }),
        json!({ "events": { EVENT: null } }),
        json!({ "events": [EVENT] }),
        json!({ "sub": null, "sid": null }),
        json!({ "sid": 1 }),
        json!({ "nonce": "n" }),
    ];
    let mut tokens: Vec<String> = bad.iter().map(|bad| token(&scene, bad)).collect();
    let good = claims(&scene, &json!({})).to_string();
    let key = Key::number(0);
    let (parts, text) = (token(&scene, &json!({})), key.header());
    let unsigned = |header: &str, signature: &str| {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{signature}", encode(header), encode(&good))
    };
    tokens.push(unsigned(r#"{"alg":"none"}"#, ""));
    tokens.push(unsigned(&json!({ "alg": "none", "kid": key.kid }).to_string(), "AA"));
    tokens.push(unsigned(&json!({ "alg": "HS256", "kid": key.kid }).to_string(), "AA"));
    // Another key under the name of the right one.
    tokens.push(Key::number(1).named(&key.kid).sign_texts(&text, &good));
    for typ in ["at+jwt", "dpop+jwt"] {
        let header = json!({ "alg": "RS256", "kid": key.kid, "typ": typ }).to_string();
        tokens.push(key.sign_texts(header, &good));
    }
    // One claim twice; and a byte of the payload changed.
    tokens.push(key.sign_texts(&text, good.replacen('{', r#"{"sid":"s-9","#, 1)));
    tokens.push(parts.replacen('.', ".e", 1));
    tokens.extend(["", "a.b.c", "a"].map(str::to_owned));
    for token in &tokens {
        let told = post(&scene, token);
        assert_eq!(told.status, 400, "{token}");
        assert_eq!(told.text(), r#"{"error":"invalid_request"}"#);
        assert_eq!(told.header("cache-control"), Some("no-store"));
    }
    assert_eq!(counted(&scene, "refused"), Some(tokens.len() as f64));
    assert_eq!(browser.visit("/app/").status, 200);
    // None of that spoils the good one.
    let header = json!({ "alg": "RS256", "kid": key.kid, "typ": "logout+jwt" }).to_string();
    assert_eq!(post(&scene, &key.sign_texts(header, &good)).status, 200);
    assert_eq!(browser.visit("/app/").status, 302);
}

#[test]
fn a_body_that_is_no_form_with_one_token_is_refused() {
    let scene = scene();
    let mut browser = signed_in(&scene, "s-1");
    let good = token(&scene, &json!({}));
    for (content_type, body) in [
        ("application/json", format!("{{\"logout_token\":\"{good}\"}}")),
        ("text/plain", format!("logout_token={good}")),
        (FORM, format!("token={good}")),
        (FORM, format!("logout_token={good}&logout_token={good}")),
        (FORM, String::new()),
        (FORM, format!("logout_token={good}&a={}", "x".repeat(64 * 1024))),
    ] {
        assert_eq!(send(&scene.gateway, content_type, &body).status, 400, "{content_type}");
    }
    let query = format!("{PATH}?logout_token={good}");
    assert_eq!(scene.browser().visit(&query).status, 400);
    assert_eq!(browser.visit("/app/").status, 200);
    assert_eq!(post(&scene, &format!("{good}&a=b")).status, 200);
    assert_eq!(browser.visit("/app/").status, 302);
}

#[test]
fn a_token_is_good_once() {
    let scene = scene();
    let once = token(&scene, &json!({}));
    assert_eq!((post(&scene, &once).status, post(&scene, &once).status), (200, 400));
    // Its number is what counts.
    let again = json!({ "sid": "s-2", "exp": null });
    assert_eq!(post(&scene, &token(&scene, &again)).status, 400);
    let other = json!({ "sid": "s-2", "jti": "logout-2" });
    assert_eq!(post(&scene, &token(&scene, &other)).status, 200);
}

#[test]
fn a_restart_brings_nobody_back() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let provider = Provider::start(&issuer);
    let folder = tempfile::TempDir::new().expect("a folder");
    let state = format!("state_directory: {}\n", folder.path().display());
    let yaml = oidc(&issuer, &provider, &target, "back_channel_logout: true", &state);
    let mut scene = Scene { gateway: start(&yaml).run(), issuer, provider, target };
    let (first, second) = (signed_in(&scene, "s-1"), signed_in(&scene, "s-2"));
    assert_eq!(post(&scene, &token(&scene, &json!({}))).status, 200);
    scene.gateway = start(&yaml).run();
    for (browser, status) in [(first, 302), (second, 200)] {
        let mut moved = scene.browser();
        moved.cookies = browser.cookies;
        assert_eq!(moved.visit("/app/").status, status);
    }
    let kept = std::fs::read_to_string(folder.path().join("deny-list.jsonl")).expect("kept");
    let entry: Value = serde_json::from_str(kept.trim()).expect("one entry");
    assert_eq!((&entry["claim"], &entry["value"]), (&json!("sid"), &json!("s-1")));
    let week = now() + 7 * 24 * 3600;
    assert!(entry["until"].as_u64().is_some_and(|end| end + 60 > week && end <= week + 1));
}

#[test]
fn where_the_list_takes_no_more_or_cannot_be_kept_the_issuer_is_told_and_may_try_again() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let provider = Provider::start(&issuer);
    let folder = tempfile::TempDir::new().expect("a folder");
    let state = format!("state_directory: {}\n", folder.path().display());
    let yaml = oidc(&issuer, &provider, &target, "back_channel_logout: true", &state);
    let list: String = (0..100_000)
        .map(|n| format!("{{\"claim\":\"jti\",\"value\":\"{n}\",\"until\":{}}}\n", now() + 900))
        .collect();
    let kept = folder.path().join("deny-list.jsonl");
    std::fs::write(&kept, list).expect("written");
    let mut scene = Scene { gateway: start(&yaml).run(), issuer, provider, target };
    let once = token(&scene, &json!({}));
    assert_eq!((post(&scene, &once).status, post(&scene, &once).status), (500, 500));
    assert_eq!(counted(&scene, "failed"), Some(2.0));
    scene.gateway.wait_log(&["a sign-out by the issuer has failed", "the deny list is full"]);
    std::fs::remove_file(&kept).expect("removed");
    scene.gateway = start(&yaml).run();
    // Nothing can be put in the place of a folder.
    std::fs::create_dir(&kept).expect("made");
    assert_eq!(post(&scene, &once).status, 500);
    std::fs::remove_dir(&kept).expect("removed");
    assert_eq!((post(&scene, &once).status, post(&scene, &once).status), (200, 400));
}

#[test]
fn without_keys_the_issuer_is_told_to_come_again() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let provider = Provider::start(&issuer);
    issuer.set(Mode::Close);
    let top = "";
    let yaml = oidc(&issuer, &provider, &target, "back_channel_logout: true", top);
    let gateway = start(&yaml).unready().run();
    let scene = Scene { issuer, provider, target, gateway };
    let told = post(&scene, &token(&scene, &json!({})));
    assert_eq!((told.status, told.header("retry-after")), (503, Some("10")), "{told:?}");
    assert_eq!(counted(&scene, "unavailable"), Some(1.0));
}

#[test]
fn a_pool_that_did_not_opt_in_leaves_the_path_to_the_rules() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let provider = Provider::start(&issuer);
    let yaml = oidc(&issuer, &provider, &target, "back_channel_logout: false", "");
    let gateway = start(&yaml).run();
    let scene = Scene { issuer, provider, target, gateway };
    let mut browser = signed_in(&scene, "s-1");
    assert_eq!(post(&scene, &token(&scene, &json!({}))).status, 404);
    assert_eq!(browser.visit("/app/").status, 200);
}

#[test]
fn the_body_may_come_in_pieces_in_chunks_and_after_it_was_asked_for_but_not_without_end() {
    let scene = scene();
    let address = scene.gateway.address();
    let open = |fields: &str| {
        let mut connection = Connection::open(address);
        connection.send(format!(
            "POST {PATH} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {FORM}\r\n{fields}\r\n\r\n"
        ));
        connection
    };
    let body = |jti: &str| format!("logout_token={}", token(&scene, &json!({ "jti": jti })));
    let first = body("1");
    let mut connection = open(&format!("Expect: 100-continue\r\nContent-Length: {}", first.len()));
    assert_eq!(connection.read_head().status, 100);
    let (head, tail) = first.split_at(100);
    connection.send(head);
    connection.send(tail);
    assert_eq!(connection.read().status, 200);
    let second = body("2");
    let mut connection = open("Transfer-Encoding: chunked");
    connection.send(format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len()));
    assert_eq!(connection.read().status, 200);
    // The connection is good for more.
    connection.send(format!("GET /open/ HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    assert_eq!(connection.read().status, 200);
    let mut connection = open("Transfer-Encoding: chunked");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    for _ in 0..9 {
        connection.try_send(&chunk);
    }
    assert_eq!(connection.read().status, 400);
    // A body that is cut off ends nothing.
    let third = body("3");
    let mut connection = open(&format!("Content-Length: {}", third.len()));
    connection.send(&third[..third.len() - 1]);
    connection.finish_sending();
    connection.read_to_end();
    assert_eq!(send(&scene.gateway, FORM, &third).status, 200);
}

#[test]
fn a_reload_keeps_who_was_signed_out_and_which_tokens_were_used() {
    let scene = scene();
    let (mut first, mut second) = (signed_in(&scene, "s-1"), signed_in(&scene, "s-2"));
    let once = token(&scene, &json!({}));
    assert_eq!(post(&scene, &once).status, 200);
    let yaml = |settings: &str| oidc(&scene.issuer, &scene.provider, &scene.target, settings, "");
    let reload = |settings: &str, generation: f64| {
        scene.gateway.write(&yaml(settings));
        scene.gateway.signal("HUP");
        crate::support::eventually("the new file is in force", || {
            let now = scene.gateway.metric("portcullis_config_generation")?;
            (now >= generation).then_some(())
        });
    };
    reload("back_channel_logout: true\n    clock_skew: 1s", 2.0);
    assert_eq!(post(&scene, &once).status, 400);
    assert_eq!((first.visit("/app/").status, second.visit("/app/").status), (302, 200));
    assert_eq!(counted(&scene, "signed_out"), Some(1.0));
    reload("back_channel_logout: false", 3.0);
    let other = json!({ "sid": "s-2", "jti": "2" });
    assert_eq!(post(&scene, &token(&scene, &other)).status, 404);
    assert_eq!((first.visit("/app/").status, second.visit("/app/").status), (302, 200));
}

#[test]
fn a_logout_token_lets_nobody_in() {
    let scene = scene();
    let status = |token: &str| {
        let bearer = format!("Bearer {token}");
        scene.browser().ask("GET", "/both/", &[("Authorization", &bearer)]).status
    };
    let logout = claims(&scene, &json!({}));
    assert_eq!(status(&Key::number(0).sign(&logout)), 401);
    let header = json!({ "alg": "RS256", "kid": Key::number(0).kid, "typ": "logout+jwt" });
    let typed = Key::number(0).sign_texts(header.to_string(), logout.to_string());
    assert_eq!(status(&typed), 401);
    // It is that alone: without the event it is a token like any other.
    assert_eq!(status(&token(&scene, &json!({ "events": null }))), 200);
    scene.gateway.wait_access_log(|lines| lines.iter().any(|line| line["reason"] == "type_wrong"));
}
