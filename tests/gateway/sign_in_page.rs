//! The development user pool's sign-in page, from the form to a token that the gateway accepts.

use std::net::SocketAddr;
use std::path::Path;

use crate::commands::{Running, sample};
use crate::support::Browser;
use crate::support::wire::{self, Connection, Response};

fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut text = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut connection = Connection::open(address);
    connection.send(format!("{text}\r\n{body}"));
    connection.read()
}

/// What stands between two texts.
fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).map_or(rest, |(found, _)| found)
}

/// A running demo: the process, the gateway's address and the pool's.
fn demo(file: &Path) -> (Running, SocketAddr, SocketAddr) {
    let mut demo = Running::start(&["demo", &file.display().to_string()]);
    let told = Running::read_until(demo.0.stderr.take().expect("a pipe"), "\"ready\"");
    let address = |name: &str| -> SocketAddr {
        let line = told.lines().find(|line| line.trim().starts_with(name)).expect(name);
        let text = between(line, "http://", " ").trim_end_matches('/');
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    };
    let (gateway, pool) = (address("gateway"), address("user pool"));
    assert!(told.contains(&format!("http://{gateway}/app")), "it says where to sign in: {told}");
    (demo, gateway, pool)
}

/// What stands behind the host.
fn path_of(url: &str) -> &str {
    let (_, rest) = url.split_once("://").expect(url);
    rest.find('/').and_then(|at| rest.get(at..)).expect(url)
}

/// Fills in the page that the browser was sent to; the address that it is sent back to.
fn fill_in(pool: SocketAddr, authorize: &str, user: &str, password: &str) -> String {
    let sent = wire::get(pool, path_of(authorize));
    let login = sent.header("location").expect("a sign-in page").to_owned();
    assert_eq!(sent.status, 302);
    let page = wire::get(pool, &login);
    assert_eq!(page.status, 200);
    let cookie = between(page.header("set-cookie").expect("a cookie"), "", ";").to_owned();
    let text = page.text();
    let token = between(&text, "name=\"_csrf\" value=\"", "\"");
    let body = format!("_csrf={token}&username={user}&password={password}");
    let sent = post(pool, &login, &[("Cookie", &cookie)], &body);
    assert_eq!(sent.status, 302, "{}", sent.text());
    sent.header("location").expect("a location").to_owned()
}

#[test]
fn who_signs_in_at_the_demo_sees_who_they_are_and_can_sign_out() {
    let (_folder, file) = sample();
    let (demo, gateway, pool) = demo(&file);
    let mut browser = Browser::new(gateway);
    let sent = browser.visit("/app?x=1");
    assert_eq!(sent.status, 302);
    let authorize = sent.header("location").expect("a location").to_owned();
    let back = fill_in(pool, &authorize, "alice", "correct-horse-battery");
    assert!(back.starts_with(&format!("http://{gateway}/oauth2/idpresponse?code=")), "{back}");
    let landed = browser.visit(path_of(&back));
    assert_eq!(landed.header("location"), Some(format!("http://{gateway}/app?x=1").as_str()));
    let page = browser.visit("/app?x=1");
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(text.contains("<h1>Hello, alice@example.com</h1>"), "{text}");
    assert!(text.contains("x-auth-groups</th><td>admins,staff</td>"), "{text}");
    assert!(text.contains("x-auth-client-id</th><td>demo_gateway</td>"), "{text}");

    let out = browser.visit("/sign-out");
    let logout = out.header("location").expect("a location");
    assert!(logout.starts_with(&format!("http://{pool}/logout?")), "{logout}");
    let landing = wire::get(pool, path_of(logout));
    assert_eq!(landing.header("location"), Some(format!("http://{gateway}/").as_str()));
    assert_eq!(browser.visit("/").status, 200);
    assert_eq!(browser.visit("/app").status, 302);
    assert_eq!(demo.end("-TERM"), Some(0));
}

#[test]
fn a_code_of_the_demos_page_is_good_once_and_its_token_passes_the_gateway() {
    let (_folder, file) = sample();
    let (demo, gateway, pool) = demo(&file);
    let callback = "http%3A%2F%2Flocalhost%3A8080%2Foauth2%2Fidpresponse";
    let query = format!(
        "client_id=demo_gateway&redirect_uri={callback}&response_type=code\
         &scope=openid+email&state=here&nonce=once"
    );
    let authorize = format!("http://{pool}/oauth2/authorize?{query}");
    let back = fill_in(pool, &authorize, "bob", "hunter-two-hunter-two");
    assert!(back.starts_with("http://localhost:8080/oauth2/idpresponse?code="), "{back}");
    assert!(back.ends_with("&state=here"), "{back}");
    let code = between(&back, "code=", "&");
    let body = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={callback}&client_id=demo_gateway"
    );
    let tokens = post(pool, "/oauth2/token", &[], &body);
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    let tokens = tokens.json();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().expect("a token"));
    let passed = wire::request(gateway, "GET", "/account", &[("Authorization", &bearer)]);
    assert_eq!(passed.status, 200, "{}", passed.text());
    let info = wire::request(pool, "GET", "/oauth2/userInfo", &[("Authorization", &bearer)]);
    assert_eq!(info.json()["email"], "bob@example.com");
    assert_eq!(post(pool, "/oauth2/token", &[], &body).status, 400, "the code is spent");
    assert_eq!(demo.end("-TERM"), Some(0));
}
