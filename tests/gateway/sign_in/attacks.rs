//! Cookies that are not the browser's own, and ways that lead elsewhere.

use super::{SESSION_KEY, Scene, file, location};
use crate::support::process::Start;
use crate::support::provider::SECRET;
use crate::support::{Browser, wire};

/// The session's cookie of a browser.
fn session(browser: &Browser) -> &str {
    let (_, value) = browser
        .cookies
        .iter()
        .find(|(name, _)| name.ends_with("SessionCookie-0"))
        .expect("a session");
    value
}

#[test]
fn a_cookie_with_any_change_is_no_session_and_never_an_error() {
    let scene = Scene::new("");
    let browser = scene.signed_in();
    let good = session(&browser).to_owned();
    let status = |value: &str| {
        let cookie = format!("AWSELBAuthSessionCookie-0={value}");
        let headers = [("Cookie", cookie.as_str()), ("Accept", "text/html")];
        wire::request(scene.gateway.address(), "GET", "/app/", &headers).status
    };
    assert_eq!(status(&good), 200);
    for at in (0..good.len()).step_by(97) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(status(&String::from_utf8(bytes).unwrap()), 302, "byte {at}");
    }
    for bad in [
        good.replace('=', "%3D").replace('+', "%2B"),
        format!("{good}="),
        good[..good.len() - 4].to_owned(),
        "x".repeat(3946),
        String::new(),
        "\u{1f}".to_owned(),
    ] {
        let status = status(&bad);
        assert!(status == 302 || bad == good || bad.contains('\u{1f}'), "{status}: {bad}");
    }
}

#[test]
fn a_session_is_good_only_under_its_own_name_pool_and_client() {
    let scene = Scene::new("");
    let browser = scene.signed_in();
    let yaml = file(&scene.issuer, &scene.provider, &scene.target, "");
    let elsewhere = |yaml: String| {
        let gateway =
            Start::with(&yaml).env("CLIENT_SECRET", SECRET).env("SESSION_KEY", SESSION_KEY).run();
        let mut moved = Browser::new(gateway.address());
        moved.cookies = browser.cookies.clone();
        for (name, _) in &mut moved.cookies {
            *name = name.replace("AWSELBAuthSessionCookie", "renamed");
        }
        moved.cookies.extend(browser.cookies.clone());
        moved.visit("/app/").status
    };
    assert_eq!(elsewhere(yaml.clone()), 200);
    let renamed = yaml.replacen(
        "user_pool: customers }",
        "user_pool: customers, session_cookie_name: renamed }",
        1,
    );
    assert_eq!(elsewhere(renamed), 302);
    assert_eq!(
        elsewhere(yaml.replace("    client_id: 1example23456789", "    client_id: another")),
        302
    );
    let other = yaml
        .replace(&format!("issuer: {}", scene.issuer.issuer()), "issuer: https://other.example");
    assert_eq!(elsewhere(other), 302);
}

#[test]
fn shards_of_two_people_do_not_make_one_session() {
    let scene = Scene::new("");
    scene.provider.book.lock().more_info = serde_json::json!({ "bio": "x".repeat(5000) });
    let (first, second) = (scene.signed_in(), scene.signed_in());
    let mut mixed = first.clone();
    for (name, value) in &mut mixed.cookies {
        if name == "AWSELBAuthSessionCookie-1" {
            *value = second.cookies.iter().find(|(other, _)| other == name).unwrap().1.clone();
        }
    }
    assert_eq!(mixed.visit("/app/").status, 302);
    let mut crowd = first.clone();
    crowd
        .cookies
        .extend((4..200).map(|n| (format!("AWSELBAuthSessionCookie-{n}"), "x".to_owned())));
    assert_eq!(crowd.visit("/app/").status, 200);
}

#[test]
fn no_spelling_of_a_page_leads_to_another_host() {
    let scene = Scene::new("");
    let own = format!("http://{}/", scene.gateway.address());
    for page in [
        "/app//evil.example",
        "/app/..//evil.example/app/",
        "/app/%09/evil.example",
        "/app/?next=//evil.example",
        "/app/@evil.example",
        "/app/https:evil.example",
        "/app/%5Cevil.example",
        "/app/.evil.example",
    ] {
        let mut browser = scene.browser();
        let sent = browser.visit(page);
        if sent.status != 302 {
            assert!(matches!(sent.status, 400 | 404), "{page}: {}", sent.status);
            continue;
        }
        let (_, query) = location(&sent);
        assert!(query["redirect_uri"].starts_with(&own), "{page}");
        let answer = scene.provider.sign_in(sent.header("location").unwrap());
        let landed = browser.visit(&format!("/oauth2/idpresponse?{answer}"));
        assert!(landed.header("location").expect(page).starts_with(&own), "{page}: {landed:?}");
    }
}

#[test]
fn nothing_of_a_session_is_in_any_log() {
    let issuer = crate::support::Issuer::start();
    let provider = crate::support::Provider::start(&issuer);
    let target = crate::support::Target::start();
    let yaml = format!("access_log: {{ query: true }}\n{}", file(&issuer, &provider, &target, ""));
    let gateway = super::start(&yaml);
    let scene = Scene { issuer, provider, target, gateway };
    let mut browser = scene.browser();
    let sent = browser.visit("/app/");
    let query = scene.provider.sign_in(sent.header("location").unwrap());
    assert_eq!(browser.visit(&format!("/oauth2/idpresponse?{query}")).status, 302);
    let got = scene.got(&mut browser, "/app/");
    let token = got.values("x-amzn-oidc-accesstoken")[0].to_owned();
    scene.gateway.wait_access_log(|lines| lines.len() >= 3);
    let said = scene.gateway.said();
    let (code, state) = query.split_once("&state=").unwrap();
    let secrets =
        [session(&browser), state, code.trim_start_matches("code="), &token, SECRET, "refresh-"];
    for secret in secrets {
        assert!(!said.contains(secret), "{secret} in:\n{said}");
    }
    let config = scene.gateway.ask_admin("/config").text();
    assert!(!config.contains(SECRET) && config.contains("\"client_secret\":\"***\""), "{config}");
}
