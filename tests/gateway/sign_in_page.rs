//! The development user pool's sign-in page, from the form to a token that the gateway accepts.

use std::net::SocketAddr;

use crate::commands::{Running, sample};
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

#[test]
fn who_signs_in_on_the_demo_s_page_passes_the_demo_s_gateway() {
    let (_folder, file) = sample();
    let mut demo = Running::start(&["demo", &file.display().to_string()]);
    let told = Running::read_until(demo.0.stderr.take().expect("a pipe"), "\"ready\"");
    let address = |name: &str| -> SocketAddr {
        let line = told.lines().find(|line| line.trim().starts_with(name)).expect(name);
        let text = between(line, "http://", " ").trim_end_matches('/');
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    };
    let (gateway, pool) = (address("gateway"), address("user pool"));

    let callback = "http%3A%2F%2Flocalhost%3A8080%2Foauth2%2Fidpresponse";
    let query = format!(
        "client_id=demo_gateway&redirect_uri={callback}&response_type=code\
         &scope=openid+email&state=here&nonce=once"
    );
    let sent = wire::get(pool, &format!("/oauth2/authorize?{query}"));
    let login = format!("/login?{query}");
    assert_eq!((sent.status, sent.header("location")), (302, Some(login.as_str())));
    let page = wire::get(pool, &login);
    assert_eq!(page.status, 200);
    let cookie = between(page.header("set-cookie").expect("a cookie"), "", ";").to_owned();
    let text = page.text();
    let token = between(&text, "name=\"_csrf\" value=\"", "\"");
    let body = format!("_csrf={token}&username=bob&password=hunter-two-hunter-two");
    let sent = post(pool, &login, &[("Cookie", &cookie)], &body);
    assert_eq!(sent.status, 302, "{}", sent.text());
    let back = sent.header("location").expect("a location");
    assert!(back.starts_with("http://localhost:8080/oauth2/idpresponse?code="), "{back}");
    assert!(back.ends_with("&state=here"), "{back}");

    let code = between(back, "code=", "&");
    let body = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={callback}\
         &client_id=demo_gateway&client_secret=not-a-secret-in-a-demo"
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
