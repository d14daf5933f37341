//! The parts that need a clock of one's own.

use std::time::Duration;

use ::http::header::{COOKIE, LOCATION, SET_COOKIE};
use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::begin::{Visit, redirect};
use super::callback::{Callback, Refused, Return, receive};
use super::{Failure, Reach, SignIn};
use crate::clock::UnixMillis;
use crate::config;
use crate::http::Scheme;
use crate::session::Seal;
use crate::session::keys::Key;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

const FILE: &str = "
user_pools:
  main: { user_pool_id: eu-west-1_Ab1, domain: auth.example.com, client_id: web }
target_groups: { g: { targets: [10.0.0.1:80] } }
listeners:
  l:
    address: 127.0.0.1:0
    rules:
      - name: app
        conditions: { path_pattern: [/app/*] }
        authenticate_cognito: { user_pool: main, session_cookie_name: NAME }
        forward: g
";
const NOW: UnixMillis = UnixMillis(1_795_395_735_000);
const HOST: &str = "app.example.com";

fn snapshot(cookie_name: &str) -> Snapshot {
    let text = FILE.replace("NAME", cookie_name);
    let loaded = config::parse_portable(&text, "routes.yaml")
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
    Snapshot::compile(loaded.config, None, &Metrics::new("test", ""))
}

fn seal() -> Seal {
    Seal::new(vec![Key::derive(&[1; 32]).unwrap()], None)
}

/// What a browser is sent away with: the callback's query but for the code, and its cookies.
fn away(sign_in: &SignIn, target: &str) -> (String, HeaderMap) {
    let visit = Visit {
        seal: &seal(),
        headers: &HeaderMap::new(),
        scheme: Scheme::Https,
        authority: HOST,
        target,
        now: NOW,
    };
    let answer = redirect(sign_in, "app", visit).unwrap();
    let location = answer.header(&LOCATION).unwrap().to_str().unwrap().to_owned();
    let state = location.split_once("&state=").unwrap().1.split('&').next().unwrap();
    let cookie = answer.header(&SET_COOKIE).unwrap().to_str().unwrap().to_owned();
    let cookie = HeaderValue::from_str(cookie.split(';').next().unwrap()).unwrap();
    (format!("state={state}&code=abc"), HeaderMap::from_iter([(COOKIE, cookie)]))
}

fn back(
    sign_in: &SignIn,
    (query, headers): &(String, HeaderMap),
    now: UnixMillis,
) -> Result<Callback, Refused> {
    let find = |name: &str| (name == "app").then_some((0, sign_in));
    let (scheme, authority) = (Scheme::Https, HOST);
    let seal = seal();
    receive(find, Return { seal: &seal, headers, method: "GET", query, scheme, authority, now })
}

#[test]
fn a_sign_in_lasts_fifteen_minutes() {
    let snapshot = snapshot("s");
    let sign_in = snapshot.listeners[0].rules[0].sign_in.as_ref().unwrap();
    let away = away(sign_in, "/app/x?y=1");
    let after = |minutes: u64| NOW.plus(Duration::from_secs(60 * minutes));
    let callback = back(sign_in, &away, after(14)).unwrap();
    assert_eq!(callback.retry(), "https://app.example.com/app/x?y=1");
    for late in [after(15), after(16), after(60)] {
        let refused = back(sign_in, &away, late).unwrap_err();
        assert_eq!(refused.failure, Failure::StateInvalid);
        assert_eq!(refused.retry.as_deref(), Some("https://app.example.com/app/x?y=1"));
    }
    // A replica's clock may be a little behind, not much.
    let before = |seconds: u64| UnixMillis(NOW.0 - 1000 * seconds);
    assert!(back(sign_in, &away, before(60)).is_ok());
    assert!(back(sign_in, &away, before(61)).is_err());
}

#[test]
fn a_page_with_a_long_query_comes_back_without_it_and_a_longer_one_to_the_root() {
    let snapshot = snapshot("s");
    let sign_in = snapshot.listeners[0].rules[0].sign_in.as_ref().unwrap();
    let landing = |target: &str| {
        let callback = back(sign_in, &away(sign_in, target), NOW).unwrap();
        callback.retry().strip_prefix("https://app.example.com").unwrap().to_owned()
    };
    assert_eq!(landing(&format!("/app/x?y={}", "z".repeat(2000))).len(), 2009);
    assert_eq!(landing(&format!("/app/x?y={}", "z".repeat(3000))), "/app/x");
    assert_eq!(landing(&format!("/app/{}", "z".repeat(3000))), "/");
}

#[test]
fn a_host_bound_session_has_a_host_bound_nonce() {
    let snapshot = snapshot("__Host-session");
    let sign_in = snapshot.listeners[0].rules[0].sign_in.as_ref().unwrap();
    let (query, headers) = away(sign_in, "/app/");
    let nonce = headers[COOKIE].to_str().unwrap().to_owned();
    assert!(nonce.starts_with("__Host-AWSALBAuthNonce="), "{nonce}");
    let tossed = HeaderValue::from_str(nonce.strip_prefix("__Host-").unwrap()).unwrap();
    let tossed = HeaderMap::from_iter([(COOKIE, tossed)]);
    let refused = back(sign_in, &(query, tossed), NOW).unwrap_err();
    assert_eq!(refused.failure, Failure::NonceMissing);
}

#[test]
fn cookies_are_for_tls_alone_and_go_beyond_the_site_only_where_a_script_came_from_there() {
    let headers = |origin: Option<&'static str>| -> HeaderMap {
        let host = Some(("host", HOST));
        let fields = host.into_iter().chain(origin.map(|origin| ("origin", origin)));
        fields.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    };
    let cookie = |origin, scheme| {
        let reach = Reach::of(&headers(origin), scheme);
        let cookie = reach.set("s-0", "x", NOW, Duration::from_secs(7 * 24 * 3600)).unwrap();
        cookie.to_str().unwrap().to_owned()
    };
    let common = "s-0=x; Expires=Mon, 30 Nov 2026 01:02:15 GMT; Path=/";
    let own = format!("{common}; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(cookie(None, Scheme::Https), own);
    assert_eq!(cookie(Some("https://app.example.com"), Scheme::Https), own);
    let foreign = format!("{common}; Secure; HttpOnly; SameSite=None");
    assert_eq!(cookie(Some("https://other.example.com"), Scheme::Https), foreign);
    let plain = format!("{common}; HttpOnly; SameSite=Lax");
    assert_eq!(cookie(Some("https://other.example.com"), Scheme::Http), plain);
}
