//! The end of a session.

use super::{Scene, location, set_cookies};
use crate::support::eventually;

#[test]
fn it_ends_the_cookies_revokes_the_refresh_token_and_signs_out_at_the_pool() {
    let scene = Scene::new("");
    let mut browser = scene.signed_in();
    let answer = browser.visit("/bye");
    assert_eq!(answer.status, 302);
    let (base, query) = location(&answer);
    assert_eq!(base, format!("{}/logout", scene.provider.domain()));
    assert_eq!(query["client_id"], crate::support::issuer::CLIENT);
    assert_eq!(query["logout_uri"], "https://www.example.com/a");
    let cookies = set_cookies(&answer);
    assert_eq!(cookies.len(), 2);
    assert!(cookies[0].contains("AWSELBAuthSessionCookie-0=; Expires=Thu, 01 Jan 1970"));
    assert!(cookies[1].contains("AWSALBAuthReturns=; Expires=Thu, 01 Jan 1970"));
    assert!(!browser.cookie_header().contains("SessionCookie"));
    assert_eq!(browser.visit("/app/").status, 302);
    eventually("the refresh token is revoked", || {
        let book = scene.provider.book.lock();
        (!book.revoked.is_empty()).then(|| assert!(book.revoked[0].starts_with("refresh-")))
    });
}

#[test]
fn one_lands_only_where_the_file_allows() {
    let scene = Scene::new("");
    let landing = |asked: &str| {
        let answer = scene.signed_in().visit(&format!("/bye?redirect_to={asked}"));
        location(&answer).1["logout_uri"].clone()
    };
    assert_eq!(landing("https%3A%2F%2Fwww.example.com%2Fb"), "https://www.example.com/b");
    for foreign in ["https%3A%2F%2Fevil.example%2F", "%2F%2Fevil.example", "javascript%3Ax", ""] {
        assert_eq!(landing(foreign), "https://www.example.com/a", "{foreign}");
    }
}

#[test]
fn another_sites_picture_or_form_signs_nobody_out() {
    let scene = Scene::new("");
    let mut browser = scene.signed_in();
    for headers in [
        &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")][..],
        &[("Origin", "https://evil.example")],
    ] {
        assert_eq!(browser.ask("GET", "/bye", headers).status, 403, "{headers:?}");
    }
    let form = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")];
    assert_eq!(browser.ask("POST", "/bye", &form).status, 403);
    assert_eq!(browser.visit("/app/").status, 200, "still signed in");
    assert_eq!(scene.browser().visit("/bye").status, 302, "nobody's session ends without harm");
}
