//! Browsers that sign in: the whole way round, and what reaches the target (alb.md 7).

mod attacks;
mod back_channel_logout;
mod failures;
mod renewal;
mod sign_out;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::Value;

use crate::support::process::Start;
use crate::support::provider::{SECRET, pairs};
use crate::support::target::Received;
use crate::support::wire::Response;
use crate::support::{Browser, Gateway, Issuer, Provider, Target};

/// A user pool with its provider, a target, and a gateway with some rules.
pub struct Scene {
    pub issuer: Issuer,
    pub provider: Provider,
    pub target: Target,
    pub gateway: Gateway,
}

pub const KEYS: &str = "session_keys: ['${env:SESSION_KEY}']\n";
pub const SESSION_KEY: &str = "0123456789abcdef0123456789abcdef";

/// A file with these settings of `authenticate_cognito` for `/app/*`.
pub fn file(issuer: &Issuer, provider: &Provider, target: &Target, settings: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n{KEYS}user_pools:\n{pool}{sign_in}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - name: app\n        conditions: {{ path_pattern: [/app/*] }}\n        \
         authenticate_cognito: {{ user_pool: customers{settings} }}\n        forward: all\n      \
         - name: both\n        conditions: {{ path_pattern: [/both/*] }}\n        \
         jwt_validation: {{ user_pools: [customers] }}\n        \
         authenticate_cognito: {{ user_pool: customers }}\n        forward: all\n      \
         - name: bye\n        conditions: {{ path_pattern: [/bye] }}\n        \
         sign_out: {{ user_pool: customers, redirect_to: ['https://www.example.com/a', 'https://www.example.com/b'] }}\n      \
         - name: open\n        conditions: {{ path_pattern: [/open/*] }}\n        public: true\n        forward: all\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        pool = issuer.pool("customers"),
        sign_in = provider.pool(),
        address = target.address(),
    )
}

pub fn start(yaml: &str) -> Gateway {
    Start::with(yaml).env("CLIENT_SECRET", SECRET).env("SESSION_KEY", SESSION_KEY).run()
}

impl Scene {
    pub fn new(settings: &str) -> Self {
        let issuer = Issuer::start();
        let provider = Provider::start(&issuer);
        let target = Target::start();
        let gateway = start(&file(&issuer, &provider, &target, settings));
        Self { issuer, provider, target, gateway }
    }

    pub fn browser(&self) -> Browser {
        Browser::new(self.gateway.address())
    }

    /// A browser that has signed in, and landed on `/app/`.
    pub fn signed_in(&self) -> Browser {
        let mut browser = self.browser();
        let landed = self.sign_in(&mut browser, "/app/");
        assert_eq!(landed.status, 302, "{landed:?}");
        browser
    }

    /// From a page to the callback's answer.
    pub fn sign_in(&self, browser: &mut Browser, page: &str) -> Response {
        let sent = browser.visit(page);
        assert_eq!(sent.status, 302, "{sent:?}");
        let query = self.provider.sign_in(sent.header("location").expect("a location"));
        browser.visit(&format!("/oauth2/idpresponse?{query}"))
    }

    /// What the target gets of a page.
    pub fn got(&self, browser: &mut Browser, page: &str) -> Received {
        let answer = browser.visit(page);
        assert_eq!(answer.status, 200, "{answer:?}");
        self.target.next()
    }
}

pub fn set_cookies(answer: &Response) -> Vec<&str> {
    let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    cookies.map(|(_, value)| value.as_str()).collect()
}

pub fn location(answer: &Response) -> (String, std::collections::HashMap<String, String>) {
    let location = answer.header("location").expect("a location");
    let (base, query) = location.split_once('?').expect("a query");
    (base.to_owned(), pairs(query))
}

#[test]
fn a_page_without_a_session_is_sent_to_the_user_pool() {
    let scene =
        Scene::new(", authentication_request_extra_params: { prompt: login, 'a b': 'c&d' }");
    let answer = scene.browser().visit("/app/x?y=1");
    assert_eq!(answer.status, 302);
    let (base, query) = location(&answer);
    assert_eq!(base, format!("{}/oauth2/authorize", scene.provider.domain()));
    let back = format!("http://{}/oauth2/idpresponse", scene.gateway.address());
    assert_eq!(query["client_id"], crate::support::issuer::CLIENT);
    assert_eq!(query["redirect_uri"], back);
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["scope"], "openid");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["prompt"], "login");
    assert_eq!(query["a b"], "c&d");
    for name in ["state", "nonce", "code_challenge"] {
        assert!(query[name].len() >= 22, "{name}: {}", query[name]);
    }
    // What is sealed tells nothing, in whatever form.
    assert!(
        !query["state"].contains("/app") && !answer.header("location").unwrap().contains("/app")
    );
    let cookies = set_cookies(&answer);
    assert_eq!(cookies.len(), 1);
    assert!(cookies[0].starts_with("AWSALBAuthNonce="), "{cookies:?}");
    assert!(cookies[0].contains("HttpOnly") && cookies[0].contains("SameSite=Lax"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
}

#[test]
fn a_browser_comes_back_to_where_it_wanted_to_go_and_has_a_session() {
    let scene = Scene::new("");
    let mut browser = scene.browser();
    let landed = scene.sign_in(&mut browser, "/app/deep/link?q=a%20b&r=%2F");
    assert_eq!(landed.status, 302);
    let wanted = format!("http://{}/app/deep/link?q=a%20b&r=%2F", scene.gateway.address());
    assert_eq!(landed.header("location"), Some(wanted.as_str()));
    assert_eq!(landed.header("cache-control"), Some("no-store"));
    let cookies = set_cookies(&landed);
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies[0].starts_with("AWSELBAuthSessionCookie-0="), "{cookies:?}");
    assert!(cookies[1].starts_with("AWSALBAuthReturns="), "{cookies:?}");
    assert!(cookies[0].contains("; Expires=") && cookies[0].contains("; Path=/; HttpOnly"));
    let got = scene.got(&mut browser, "/app/deep/link?q=a%20b&r=%2F");
    assert_eq!(got.target(), "/app/deep/link?q=a%20b&r=%2F");
    assert_eq!(scene.provider.book.lock().grants, ["authorization_code"]);
}

#[test]
fn the_target_is_told_who_signed_in_as_alb_tells_it_and_by_claim_headers() {
    let scene = Scene::new("");
    let mut browser = scene.signed_in();
    let got = scene.got(&mut browser, "/app/");
    assert_eq!(got.values("x-amzn-oidc-identity"), ["aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"]);
    let access = got.values("x-amzn-oidc-accesstoken")[0].to_owned();
    assert_eq!(access.split('.').count(), 3);
    assert_eq!(got.values("x-auth-subject"), ["aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"]);
    assert_eq!(got.values("x-auth-groups"), ["staff"]);
    assert_eq!(got.values("x-auth-client-id"), [crate::support::issuer::CLIENT]);
    assert_eq!(got.values("x-auth-scope"), ["openid email"]);
    let data = got.values("x-amzn-oidc-data")[0].to_owned();
    let parts: Vec<&str> = data.split('.').collect();
    let read = |part: &str| -> Value {
        assert!(part.len().is_multiple_of(4), "padded: {part}");
        serde_json::from_slice(&URL_SAFE.decode(part).expect("base64url")).expect("JSON")
    };
    let (header, payload) = (read(parts[0]), read(parts[1]));
    assert!(parts[2].ends_with("==") && parts.len() == 3);
    assert_eq!(header["alg"], "ES256");
    assert_eq!(header["client"], crate::support::issuer::CLIENT);
    assert_eq!(header["iss"], scene.issuer.issuer());
    assert_eq!(payload["email"], "alice@example.com");
    assert_eq!(payload["email_verified"], "true");
    assert_eq!((&payload["exp"], &payload["iss"]), (&header["exp"], &header["iss"]));
    assert!(payload.get("cognito:groups").is_none(), "only what the user info says: {payload}");
    // The key is there, and another is not.
    let kid = header["kid"].as_str().expect("a name");
    let path = format!("/.well-known/portcullis/oidc-data-keys/{kid}");
    let key = crate::support::wire::get(scene.gateway.address(), &path);
    assert_eq!(key.status, 200);
    assert!(key.text().starts_with("-----BEGIN PUBLIC KEY-----\n"), "{}", key.text());
    let other = path.replace(kid, "00000000-0000-4000-8000-000000000000");
    assert_eq!(crate::support::wire::get(scene.gateway.address(), &other).status, 404);
}

#[test]
fn cookies_of_sessions_do_not_reach_targets_unless_asked() {
    let scene = Scene::new("");
    let mut browser = scene.signed_in();
    browser.cookies.insert(0, ("mine".to_owned(), "1".to_owned()));
    browser.cookies.push(("other".to_owned(), "2".to_owned()));
    assert_eq!(scene.got(&mut browser, "/app/").values("cookie"), ["mine=1; other=2"]);
    assert_eq!(scene.got(&mut browser, "/open/").values("cookie"), ["mine=1; other=2"]);
    let asked = Scene::new(", forward_session_cookies: true");
    let mut browser = asked.signed_in();
    let got = asked.got(&mut browser, "/app/");
    assert!(got.values("cookie")[0].contains("AWSELBAuthSessionCookie-0="));
}

#[test]
fn without_a_session_deny_is_401_and_allow_goes_on_without_an_identity() {
    let denying = Scene::new(", on_unauthenticated_request: deny");
    let answer = denying.browser().visit("/app/");
    assert_eq!((answer.status, answer.header("location")), (401, None));
    assert!(answer.text().contains("401 Authorization Required"));
    let allowing = Scene::new(", on_unauthenticated_request: allow");
    let mut browser = allowing.browser();
    let forged = [
        ("x-amzn-oidc-identity", "root"),
        ("X-Amzn-Oidc-Data", "a.b.c"),
        ("x-auth-subject", "root"),
    ];
    let answer = browser.ask("GET", "/app/", &forged);
    assert_eq!(answer.status, 200);
    let got = allowing.target.next();
    for name in
        ["x-amzn-oidc-identity", "x-amzn-oidc-data", "x-amzn-oidc-accesstoken", "x-auth-subject"]
    {
        assert!(got.values(name).is_empty(), "{name}");
    }
}

#[test]
fn scripts_calls_and_sockets_get_401_and_no_redirect_unless_the_file_says_so() {
    let scene = Scene::new("");
    let scripts: [&[(&str, &str)]; 4] = [
        &[("Sec-Fetch-Mode", "cors"), ("Accept", "*/*")],
        &[("X-Requested-With", "XMLHttpRequest")],
        &[("Accept", "application/json")],
        &[("Upgrade", "websocket"), ("Connection", "upgrade"), ("Sec-Fetch-Mode", "websocket")],
    ];
    for headers in scripts {
        let answer = scene.browser().ask("GET", "/app/", headers);
        assert_eq!((answer.status, answer.header("location")), (401, None), "{headers:?}");
    }
    let told = Scene::new(", on_unauthenticated_script: authenticate");
    assert_eq!(told.browser().ask("GET", "/app/", scripts[0]).status, 302);
}

#[test]
fn two_tabs_that_sign_in_at_once_both_arrive() {
    let scene = Scene::new("");
    let mut browser = scene.browser();
    let (first, second) = (browser.visit("/app/1"), browser.visit("/app/2"));
    let query = |answer: &Response| scene.provider.sign_in(answer.header("location").unwrap());
    let (first, second) = (query(&first), query(&second));
    for (query, page) in [(second, "/app/2"), (first, "/app/1")] {
        let landed = browser.visit(&format!("/oauth2/idpresponse?{query}"));
        assert_eq!(landed.status, 302, "{landed:?}");
        assert!(landed.header("location").unwrap().ends_with(page));
    }
}

#[test]
fn a_bearer_token_and_a_session_do_not_mix_on_one_rule() {
    let scene = Scene::new("");
    let mut browser = scene.signed_in();
    assert_eq!(browser.visit("/both/").status, 200);
    // Whoever sends a token is judged by it alone, and never sent to sign in.
    let bad =
        browser.ask("GET", "/both/", &[("Authorization", "Bearer x"), ("Accept", "text/html")]);
    assert_eq!((bad.status, bad.header("location")), (401, None));
    let token = format!("Bearer {}", scene.issuer.token());
    let good = scene.browser().ask("GET", "/both/", &[("Authorization", &token)]);
    assert_eq!(good.status, 200);
    assert_eq!(scene.browser().visit("/both/").status, 302);
}

#[test]
fn replicas_with_the_same_keys_serve_the_same_browser() {
    let scene = Scene::new("");
    let browser = scene.signed_in();
    let yaml = file(&scene.issuer, &scene.provider, &scene.target, "");
    let other = start(&yaml);
    let mut moved = Browser::new(other.address());
    moved.cookies = browser.cookies.clone();
    assert_eq!(moved.visit("/app/").status, 200);
    let stranger =
        Start::with(&yaml).env("CLIENT_SECRET", SECRET).env("SESSION_KEY", &"x".repeat(32)).run();
    let mut moved = Browser::new(stranger.address());
    moved.cookies = browser.cookies.clone();
    assert_eq!(moved.visit("/app/").status, 302);
}

#[test]
fn a_session_of_several_shards_survives_any_order_and_no_missing_shard() {
    let scene = Scene::new(", session_cookie_name: my-cookie");
    scene.provider.book.lock().more_info = serde_json::json!({ "bio": "x".repeat(6000) });
    let mut browser = scene.signed_in();
    let shards = |browser: &Browser| {
        browser.cookies.iter().filter(|(name, _)| name.starts_with("my-cookie-")).count()
    };
    assert!((2..=4).contains(&shards(&browser)), "{}", shards(&browser));
    browser.cookies.reverse();
    assert_eq!(browser.visit("/app/").status, 200);
    for missing in 0..shards(&browser) {
        let mut robbed = browser.clone();
        robbed.cookies.retain(|(name, _)| *name != format!("my-cookie-{missing}"));
        assert_eq!(robbed.visit("/app/").status, 302, "shard {missing}");
    }
    // A smaller session ends the shards that it does not need.
    scene.provider.book.lock().more_info = Value::Null;
    let mut again = browser.clone();
    let state = again.cookies.iter().position(|(name, _)| name == "my-cookie-0").expect("a shard");
    again.cookies[state].1 = "spoilt".to_owned();
    assert_eq!(scene.sign_in(&mut again, "/app/").status, 302);
    assert_eq!(shards(&again), 1);
    assert_eq!(again.visit("/app/").status, 200);
}
