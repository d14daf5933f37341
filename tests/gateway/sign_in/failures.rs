//! What goes wrong on the way back: ALB's statuses and reasons (alb.md 7.11).

use serde_json::{Value, json};

use super::{Scene, location};
use crate::support::provider::Mood;
use crate::support::wire::Response;
use crate::support::{Browser, wire};

/// A callback's answer, and the `error_reason` of its line in the log.
fn call_back(scene: &Scene, browser: &mut Browser, query: &str) -> (Response, String) {
    let reasons = |lines: &[Value]| -> Vec<String> {
        let callbacks = lines.iter().filter(|line| line["path"] == "/oauth2/idpresponse");
        callbacks.map(|line| line["error_reason"].as_str().unwrap_or("-").to_owned()).collect()
    };
    let before = reasons(&scene.gateway.access_log()).len();
    let answer = browser.visit(&format!("/oauth2/idpresponse?{query}"));
    let lines = scene.gateway.wait_access_log(|lines| reasons(lines).len() > before);
    (answer, reasons(&lines).pop().expect("a line"))
}

/// The same, as status and reason.
fn told(scene: &Scene, browser: &mut Browser, query: &str) -> (u16, String) {
    let (answer, reason) = call_back(scene, browser, query);
    (answer.status, reason)
}

fn is(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

/// A browser that was sent away, and the callback's query of its user pool.
fn away(scene: &Scene) -> (Browser, String) {
    let mut browser = scene.browser();
    let sent = browser.visit("/app/page");
    let query = scene.provider.sign_in(sent.header("location").expect("a location"));
    (browser, query)
}

fn grants(scene: &Scene) -> usize {
    scene.provider.book.lock().grants.len()
}

#[test]
fn a_callback_that_is_not_its_browsers_is_401_and_leaves_the_code_unspent() {
    let scene = Scene::new("");
    let (mut browser, query) = away(&scene);
    let bare = told(&scene, &mut scene.browser(), &query);
    assert_eq!(bare, is(401, "AuthMissingAWSALBAuthNonce"));
    let (mut other, _) = away(&scene);
    assert_eq!(told(&scene, &mut other, &query), is(401, "AuthInvalidAWSALBAuthNonce"));
    assert_eq!(grants(&scene), 0);
    assert_eq!(told(&scene, &mut browser, &query), is(302, "-"), "the right one can still use it");
}

#[test]
fn state_and_code_are_demanded_and_good_once() {
    let scene = Scene::new("");
    let (mut browser, query) = away(&scene);
    let state = query.split_once("&state=").expect("a state").1.to_owned();
    let middle = state.len() / 2;
    let mut tampered = state.clone();
    tampered.replace_range(middle..=middle, if &state[middle..=middle] == "A" { "B" } else { "A" });
    for (query, reason) in [
        ("code=x".to_owned(), "AuthMissingStateParam"),
        ("code=x&state=".to_owned(), "AuthMissingStateParam"),
        ("code=x&state=y".to_owned(), "AuthInvalidStateParam"),
        (format!("code=x&state={tampered}"), "AuthInvalidStateParam"),
        (format!("code=x&state={state}&state={state}"), "AuthInvalidStateParam"),
        (format!("state={state}"), "AuthMissingCodeParam"),
        (format!("state={state}&code="), "AuthMissingCodeParam"),
        (format!("state={state}&code=a&code=b"), "AuthMissingCodeParam"),
        (format!("state={state}&error=access_denied"), "AuthMissingCodeParam"),
        (format!("state={state}&code=x&iss=https%3A%2F%2Fevil.example"), "AuthInvalidStateParam"),
    ] {
        assert_eq!(told(&scene, &mut browser, &query), is(401, reason), "{query}");
    }
    let posted = browser.ask("POST", &format!("/oauth2/idpresponse?{query}"), &[]);
    assert_eq!(posted.status, 401);
    assert_eq!(grants(&scene), 0);
    assert_eq!(told(&scene, &mut browser, &query), is(302, "-"));
    assert_eq!(told(&scene, &mut browser, &query), is(401, "AuthInvalidStateParam"));
    assert_eq!(grants(&scene), 1, "the second time nobody is asked");
}

#[test]
fn a_callback_for_another_host_is_401() {
    let scene = Scene::new("");
    let (browser, query) = away(&scene);
    let mut connection = wire::Connection::open(scene.gateway.address());
    connection.send(format!(
        "GET /oauth2/idpresponse?{query} HTTP/1.1\r\nHost: other.example\r\nCookie: {}\r\n\r\n",
        browser.cookie_header()
    ));
    assert_eq!(connection.read().status, 401);
}

#[test]
fn a_page_tells_how_to_try_again_and_cannot_be_made_to_say_anything_else() {
    let scene = Scene::new("");
    let mut browser = scene.browser();
    let sent = browser.visit("/app/x?q=%22%3E%3Cscript%3E&a='b'&c=d");
    let (_, query) = location(&sent);
    let state = crate::support::provider::url_encode(&query["state"]);
    let answer = browser.visit(&format!(
        "/oauth2/idpresponse?state={state}&error=%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    ));
    assert_eq!(answer.status, 401);
    let text = answer.text();
    assert!(!text.contains("<script>") && !text.contains("alert"), "{text}");
    assert!(text.contains("&#39;b&#39;&amp;c=d\">Try again</a>"), "{text}");
    assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_user_pool_that_fails_is_told_as_alb_tells_it() {
    let scene = Scene::new("");
    let say = |status: u16, body: &str| Mood::Say(status, body.as_bytes().to_vec());
    let tokens = |mood: Mood| {
        scene.provider.book.lock().tokens = mood;
        let (mut browser, query) = away(&scene);
        let answer = told(&scene, &mut browser, &query);
        assert!(!browser.cookie_header().contains("AWSELBAuthSessionCookie"), "no session");
        answer
    };
    let client = say(401, r#"{"error":"invalid_client"}"#);
    assert_eq!(tokens(client), is(561, "AuthTokenEpRequestFailed"));
    let grant = say(400, r#"{"error":"invalid_grant"}"#);
    assert_eq!(tokens(grant), is(401, "AuthInvalidGrantError"));
    assert_eq!(tokens(say(500, "oh")), is(561, "AuthTokenEpRequestFailed"));
    assert_eq!(tokens(say(302, "")), is(561, "AuthTokenEpRequestFailed"));
    assert_eq!(tokens(say(200, "<html>")), is(401, "AuthInvalidTokenResponse"));
    assert_eq!(tokens(say(200, "{}")), is(401, "AuthInvalidTokenResponse"));
    assert_eq!(tokens(Mood::Endless), is(401, "AuthInvalidTokenResponse"));
    assert_eq!(tokens(Mood::Hang), is(500, "AuthTokenEpRequestTimeout"));
    assert_eq!(
        tokens(say(200, r#"{"access_token":"x","token_type":"Bearer"}"#)),
        is(401, "AuthInvalidIdToken")
    );
    scene.provider.book.lock().tokens = Mood::Well;
    let infos = |mood: Mood| {
        scene.provider.book.lock().user_info = mood;
        let (mut browser, query) = away(&scene);
        told(&scene, &mut browser, &query)
    };
    assert_eq!(infos(say(500, "")), is(561, "AuthUserinfoEpRequestFailed"));
    assert_eq!(infos(say(200, "[]")), is(401, "AuthInvalidUserinfoResponse"));
    let foreign = say(200, r#"{"sub":"somebody else"}"#);
    assert_eq!(infos(foreign), is(401, "AuthInvalidUserinfoResponse"));
    assert_eq!(infos(Mood::Hang), is(500, "AuthUserinfoEpRequestTimeout"));
    scene.provider.book.lock().user_info = Mood::Well;
    scene.provider.book.lock().more_info = json!({ "bio": "x".repeat(12 * 1024) });
    assert_eq!(infos(Mood::Well), is(500, "AuthUserinfoResponseSizeExceeded"));
}

#[test]
fn an_id_token_that_is_not_for_this_sign_in_makes_no_session() {
    let scene = Scene::new("");
    let attempt = |claims: serde_json::Value| {
        scene.provider.book.lock().id_claims = claims;
        let (mut browser, query) = away(&scene);
        told(&scene, &mut browser, &query)
    };
    assert_eq!(attempt(json!({})).0, 302);
    for claims in [
        json!({ "nonce": "another" }),
        json!({ "nonce": null }),
        json!({ "aud": "another" }),
        json!({ "iss": "https://evil.example" }),
        json!({ "exp": 1 }),
        json!({ "token_use": "access", "client_id": crate::support::issuer::CLIENT }),
        json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "azp": "another" }),
        json!({ "sub": "somebody else" }),
    ] {
        assert_eq!(attempt(claims.clone()), is(401, "AuthInvalidIdToken"), "{claims}");
    }
    for token in ["eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "x", ""] {
        scene.provider.book.lock().answer = json!({ "id_token": token });
        assert_eq!(attempt(json!({})).0, 401, "{token}");
    }
}

#[test]
fn a_browser_that_loses_its_session_gets_a_page_after_three_rounds() {
    let scene = Scene::new("");
    let mut browser = scene.browser();
    for round in 0..3 {
        let landed = scene.sign_in(&mut browser, "/app/page?a=1");
        assert_eq!(landed.status, 302, "round {round}: {landed:?}");
        let cookies = browser.cookies.len();
        browser.cookies.retain(|(name, _)| !name.starts_with("AWSELBAuthSessionCookie"));
        assert!(browser.cookies.len() < cookies, "it had a session");
    }
    let told = browser.visit("/app/page?a=1");
    assert_eq!(told.status, 401, "{told:?}");
    assert!(told.text().contains("/app/page?a=1\">Try again</a>"), "{}", told.text());
    let lines = scene
        .gateway
        .wait_access_log(|lines| lines.iter().any(|line| line["reason"] == "sign_in_loop"));
    assert_eq!(lines.iter().filter(|line| line["reason"] == "sign_in_loop").count(), 1);
    let again = scene.sign_in(&mut browser, "/app/page");
    assert_eq!(again.status, 302, "the next try counts anew: {again:?}");
    let got = scene.got(&mut browser, "/app/page");
    assert!(got.values("cookie").is_empty(), "{got:?}");
}

#[test]
fn who_signs_out_and_in_again_and_again_is_not_in_a_loop() {
    let scene = Scene::new("");
    let mut browser = scene.browser();
    for round in 0..5 {
        let landed = scene.sign_in(&mut browser, "/app/");
        assert_eq!(landed.status, 302, "round {round}: {landed:?}");
        assert_eq!(browser.visit("/bye").status, 302);
    }
}
