//! A browser signs in on the pool's pages, and its application redeems the code.

mod attacks;

use std::collections::BTreeMap;

use reqwest::redirect::Policy;
use url::Url;

use super::*;
use crate::user_pool::secrets::digest_of;
use crate::user_pool::tests::{APP, CALLBACK, WEB};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Of the verifier, from RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What an application asks for.
fn request(client: &str) -> Vec<(&'static str, String)> {
    [
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("state", "the state & more"),
        ("nonce", "the nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

fn query(pairs: &[(&'static str, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The request with one parameter set, or left out.
fn with(name: &'static str, value: Option<&str>) -> String {
    let mut pairs = request(WEB);
    pairs.retain(|(its, _)| *its != name);
    pairs.extend(value.map(|value| (name, value.to_owned())));
    query(&pairs)
}

/// Keeps cookies, follows nothing.
struct Browser<'p> {
    pool: &'p Running,
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl<'p> Browser<'p> {
    fn new(pool: &'p Running) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { pool, client, cookies: BTreeMap::new() }
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = match cookies.as_slice() {
            [] => request,
            cookies => request.header("cookie", cookies.join("; ")),
        };
        let response = request.send().await.unwrap();
        for line in response.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            assert!(line.contains("; HttpOnly; SameSite=Lax"), "{line}");
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    async fn get(&mut self, path: &str) -> Response {
        let request = self.client.get(self.pool.url(path));
        self.send(request).await
    }

    /// The form's token, from the page at `/login?query`.
    async fn form(&mut self, query: &str) -> String {
        let response = self.get(&format!("/login?{query}")).await;
        assert_eq!(response.status(), 200, "{}", location(&response));
        let page = response.text().await.unwrap();
        let (_, rest) = page.split_once("name=\"_csrf\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    async fn post(&mut self, query: &str, fields: &[(&str, &str)]) -> Response {
        let body: String =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self
            .client
            .post(self.pool.url(&format!("/login?{query}")))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", self.pool.url(""))
            .body(body);
        self.send(request).await
    }

    async fn sign_in(&mut self, query: &str, username: &str, password: &str) -> Response {
        let token = self.form(query).await;
        let fields = [("_csrf", &*token), ("username", username), ("password", password)];
        self.post(query, &fields).await
    }

    /// Alice's code for the request of `query`.
    async fn code(&mut self, query: &str) -> String {
        let response = self.sign_in(query, "alice", "Passw0rd!x").await;
        assert_eq!(response.status(), 302);
        parameter(&location(&response), "code").expect("a code")
    }
}

fn location(response: &Response) -> String {
    header(response, "location").to_owned()
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    let mut found = url.query_pairs().filter(|(its, _)| its == name);
    let value = found.next()?.1.into_owned();
    assert!(found.next().is_none(), "{name} stands twice in {url}");
    Some(value)
}

/// The form that redeems `code` for [`APP`], with PKCE.
fn exchange(code: &str) -> String {
    let callback = url::form_urlencoded::byte_serialize(CALLBACK.as_bytes()).collect::<String>();
    format!(
        "grant_type=authorization_code&client_id={APP}&code={code}&redirect_uri={callback}\
         &code_verifier={VERIFIER}"
    )
}

#[tokio::test]
async fn a_person_signs_in_on_the_page_and_the_code_becomes_tokens() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    let query = query(&request(WEB));
    let response = browser.get(&format!("/oauth2/authorize?{query}")).await;
    assert_eq!(response.status(), 302);
    // The same query, byte for byte.
    assert_eq!(location(&response), format!("/login?{query}"));

    let response = browser.sign_in(&query, "alice", "Passw0rd!x").await;
    assert_eq!(response.status(), 302);
    assert_eq!(header(&response, "cache-control"), "no-store");
    let back = location(&response);
    assert!(back.starts_with(&format!("{CALLBACK}?code=")), "{back}");
    assert_eq!(parameter(&back, "state").as_deref(), Some("the state & more"));
    let code = parameter(&back, "code").unwrap();

    let body = exchange(&code).replace(&format!("client_id={APP}&"), "");
    let request = pool
        .post("/oauth2/token")
        .basic_auth(WEB, Some(SECRET))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let (status, tokens) = judged(request).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let text = |name: &str| tokens[name].as_str().unwrap();

    let jwks = pool.jwks().await;
    let access = verified(&jwks, text("access_token"));
    assert_eq!(access["client_id"], WEB);
    assert_eq!(access["scope"], "openid email");
    assert_eq!(access["username"], "alice");
    assert_eq!(access["version"], 2);
    let id = verified(&jwks, text("id_token"));
    assert_eq!(id["aud"], WEB);
    assert_eq!(id["nonce"], "the nonce");
    assert_eq!(id["cognito:username"], "alice");
    assert_eq!(id["email"], "alice@example.com");
    assert_eq!(id["email_verified"], true);
    assert!(!id.contains_key("custom:team"), "not asked for: {id:?}");
    for same in ["sub", "iss", "origin_jti", "event_id", "auth_time"] {
        assert_eq!(access[same], id[same], "{same}");
    }
    let half = &digest_of(text("access_token"))[..16];
    let half = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, half);
    assert_eq!(id["at_hash"], half);

    let refresh = format!(
        "grant_type=refresh_token&client_id={WEB}&client_secret={SECRET}&refresh_token={}",
        text("refresh_token"),
    );
    let (status, again) = pool.form("/oauth2/token", &refresh).await;
    assert_eq!(status, 200, "{again}");
    assert!(again.get("refresh_token").is_none());
    let refreshed = verified(&jwks, again["id_token"].as_str().unwrap());
    assert_eq!(refreshed["origin_jti"], id["origin_jti"]);
    assert_eq!(refreshed["auth_time"], id["auth_time"]);
    assert!(!refreshed.contains_key("nonce") && refreshed["at_hash"] != id["at_hash"]);
}

#[tokio::test]
async fn a_signed_in_browser_gets_a_code_at_once_until_it_signs_out() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    browser.code(&query(&request(APP))).await;
    // Of another client too: it is the pool that the browser is signed in at.
    let authorize = format!("/oauth2/authorize?{}", query(&request(WEB)));
    let silent = browser.get(&authorize).await;
    assert!(location(&silent).starts_with(&format!("{CALLBACK}?code=")), "{}", location(&silent));

    let bye = "logout_uri=https%3A%2F%2Fapp.example%2Fbye";
    let out = browser.get(&format!("/logout?client_id={APP}&{bye}")).await;
    assert_eq!((out.status().as_u16(), &*location(&out)), (302, "https://app.example/bye"));
    let asked = browser.get(&authorize).await;
    assert!(location(&asked).starts_with("/login?"), "{}", location(&asked));
}

#[tokio::test]
async fn a_browser_that_may_be_shown_nothing_is_sent_back() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    let silent = with("prompt", Some("none"));
    for path in ["/oauth2/authorize", "/login"] {
        let response = browser.get(&format!("{path}?{silent}")).await;
        let back = location(&response);
        assert!(back.starts_with(CALLBACK), "{path}: {back}");
        assert_eq!(parameter(&back, "error").as_deref(), Some("login_required"));
        assert_eq!(parameter(&back, "state").as_deref(), Some("the state & more"));
    }
}

#[tokio::test]
async fn discovery_names_every_endpoint_there_is() {
    let pool = start().await;
    let url = pool.url("/eu-west-1_DevPool01/.well-known/openid-configuration");
    let document: Value = pool.client.get(url).send().await.unwrap().json().await.unwrap();
    for (name, path) in [
        ("authorization_endpoint", "/oauth2/authorize"),
        ("token_endpoint", "/oauth2/token"),
        ("userinfo_endpoint", "/oauth2/userInfo"),
        ("revocation_endpoint", "/oauth2/revoke"),
        ("end_session_endpoint", "/logout"),
    ] {
        assert_eq!(document[name], pool.url(path), "{name}");
        let response = pool.client.get(pool.url(path)).send().await.unwrap();
        assert_ne!(response.status(), 404, "{path}");
    }
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again_with_the_name_kept() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    let query = query(&request(WEB));
    for (username, password) in [("alice", "wrong"), ("nobody", "Passw0rd!x"), ("alice", "")] {
        let response = browser.sign_in(&query, username, password).await;
        assert_eq!(response.status(), 200);
        let page = response.text().await.unwrap();
        assert!(page.contains("Incorrect username or password."), "{page}");
        assert!(page.contains("role=\"alert\"") && page.contains(&format!("value=\"{username}\"")));
        assert!(!page.contains("Passw0rd"), "{page}");
    }
    assert!(!browser.cookies.keys().any(|name| name.starts_with("cognito")));
}
