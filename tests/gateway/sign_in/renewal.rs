//! Sessions that go on: access tokens that end, refresh tokens, timeouts.

use serde_json::json;

use super::{Scene, file, set_cookies, start};
use crate::support::provider::{Browser, Mood};
use crate::support::{eventually, wire};

/// Access tokens that have ended when they arrive.
fn at_once(scene: &Scene) {
    scene.provider.book.lock().expires_in = 1;
}

fn refreshes(scene: &Scene) -> usize {
    scene.provider.book.lock().grants.iter().filter(|grant| *grant == "refresh_token").count()
}

#[test]
fn a_session_whose_access_token_has_ended_is_renewed_on_its_way() {
    let scene = Scene::new("");
    at_once(&scene);
    let mut browser = scene.signed_in();
    let before = browser.cookie_header();
    scene.provider.book.lock().expires_in = 3600;
    scene.provider.book.lock().more_info = json!({ "email": "new@example.com" });
    let answer = browser.visit("/app/");
    assert_eq!(answer.status, 200);
    assert_eq!(refreshes(&scene), 1);
    assert_eq!(set_cookies(&answer).len(), 1);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_ne!(browser.cookie_header(), before);
    assert_eq!(scene.target.next().values("x-amzn-oidc-identity").len(), 1);
    assert_eq!(browser.visit("/app/").status, 200);
    assert_eq!(refreshes(&scene), 1, "the new one is good");
    let series =
        "portcullis_sign_in_total{listener=\"public\",rule=\"app\",result=\"refresh_success\"}";
    assert_eq!(scene.gateway.metric(series), Some(1.0));
}

#[test]
fn forty_requests_with_one_ended_session_cost_one_refresh_and_none_is_turned_away() {
    let scene = Scene::new("");
    scene.provider.book.lock().rotates = true;
    at_once(&scene);
    let browser = scene.signed_in();
    scene.provider.book.lock().expires_in = 3600;
    let threads: Vec<_> = (0..40)
        .map(|_| {
            let mut browser = browser.clone();
            std::thread::spawn(move || {
                browser.ask("GET", "/app/", &[("Sec-Fetch-Mode", "cors")]).status
            })
        })
        .collect();
    let statuses: Vec<u16> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(statuses, [200; 40]);
    assert_eq!(refreshes(&scene), 1);
    // The cookie before is good a little longer: its request may have been on the way.
    assert_eq!(browser.clone().visit("/app/").status, 200);
    assert_eq!(refreshes(&scene), 1);
}

#[test]
fn a_refresh_that_is_refused_sends_pages_to_sign_in_and_tells_scripts() {
    let scene = Scene::new("");
    at_once(&scene);
    let mut browser = scene.signed_in();
    scene.provider.book.lock().tokens = Mood::Say(400, br#"{"error":"invalid_grant"}"#.to_vec());
    let answer = browser.visit("/app/");
    assert_eq!(answer.status, 302);
    assert!(answer.header("location").unwrap().starts_with(&scene.provider.domain()));
    assert!(
        browser.cookie_header().contains("AWSELBAuthSessionCookie-0="),
        "nothing is taken away"
    );
    let script = browser.ask("GET", "/app/", &[("Sec-Fetch-Mode", "cors")]);
    assert_eq!(script.status, 401);
    assert_eq!(refreshes(&scene), 1, "what has failed just now is not tried again at once");
    // A session that another replica has renewed meanwhile is none of this one's business.
    scene.provider.book.lock().tokens = Mood::Well;
    let yaml = file(&scene.issuer, &scene.provider, &scene.target, "");
    let other = start(&yaml);
    let mut moved = Browser::new(other.address());
    moved.cookies = browser.cookies.clone();
    scene.provider.book.lock().expires_in = 3600;
    assert_eq!(moved.visit("/app/").status, 200);
    browser.cookies = moved.cookies;
    assert_eq!(browser.visit("/app/").status, 200);
}

#[test]
fn a_refresh_for_another_person_is_none() {
    let scene = Scene::new("");
    at_once(&scene);
    let mut browser = scene.signed_in();
    scene.provider.book.lock().id_claims = json!({ "sub": "somebody else" });
    scene.provider.book.lock().access_claims = json!({ "sub": "somebody else" });
    scene.provider.book.lock().more_info = json!({ "sub": "somebody else" });
    assert_eq!(browser.visit("/app/").status, 302);
}

#[test]
fn without_a_refresh_token_a_session_lasts_until_its_timeout() {
    let scene = Scene::new("");
    at_once(&scene);
    scene.provider.book.lock().answer = json!({ "refresh_token": null });
    let mut browser = scene.signed_in();
    assert_eq!(browser.visit("/app/").status, 200);
    assert_eq!(refreshes(&scene), 0);
}

#[test]
fn a_session_that_has_timed_out_signs_in_anew_though_the_browser_keeps_its_cookie() {
    for settings in
        ["", ", on_unauthenticated_request: deny", ", on_unauthenticated_request: allow"]
    {
        let scene = Scene::new(&format!(", session_timeout: 2s{settings}"));
        let mut browser = scene.browser();
        // `deny` and `allow` send nobody away: another rule of the same session does.
        let first = if settings.is_empty() { "/app/" } else { "/both/" };
        assert_eq!(scene.sign_in(&mut browser, first).status, 302);
        let over = eventually("the session is over", || {
            let answer = browser.clone().visit("/app/");
            (answer.status != 200).then_some(answer)
        });
        assert_eq!(over.status, 302, "{settings}");
    }
}

#[test]
fn a_slow_user_pool_holds_up_nobody_else() {
    let scene = Scene::new("");
    let mut browser = scene.signed_in();
    scene.provider.book.lock().tokens = Mood::Hang;
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let mut lost = scene.browser();
            let sent = lost.visit("/app/");
            let query = scene.provider.sign_in(sent.header("location").unwrap());
            std::thread::spawn(move || lost.visit(&format!("/oauth2/idpresponse?{query}")).status)
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(browser.visit("/app/").status, 200);
        assert_eq!(wire::get(scene.gateway.address(), "/open/").status, 200);
    }
    let statuses: Vec<u16> = waiting.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(statuses, [500; 8]);
}
