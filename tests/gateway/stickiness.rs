//! Clients that come back to their target and to their target group, by what their cookies say.

mod attacks;
mod changes;
mod groups;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::grpc::connect;
use crate::support::issuer::now;
use crate::support::process::portcullis;
use crate::support::tls::Authority;
use crate::support::wire::Response;
use crate::support::{Connection, Gateway, Start, Target, eventually, wire};

const DAY: u64 = 86_400;
/// A secret of 32 bytes, and another one.
const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";

/// A file whose target groups are given, one a line, and the rule's `forward`.
fn file(groups: &[String], forward: &str) -> String {
    let groups: String = groups.iter().map(|group| format!("  {group}\n")).collect();
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\ntarget_groups:\n{groups}\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - name: all\n        public: true\n        conditions: {{ path_pattern: ['/*'] }}\n        \
         forward: {forward}\n    default_action: {{ fixed_response: {{ status_code: 404 }} }}\n"
    )
}

/// A group `NAME: {...}` of these targets without health checks.
fn group(name: &str, targets: &[&Target], more: &str) -> String {
    let addresses: Vec<SocketAddr> = targets.iter().map(|target| target.address()).collect();
    addressed(name, &addresses, more)
}

fn addressed(name: &str, targets: &[SocketAddr], more: &str) -> String {
    let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let targets = targets.join(", ");
    format!("{name}: {{ targets: [{targets}], health_check: {{ enabled: false }}{more} }}")
}

/// One group `web`, which everything is forwarded to.
fn web(targets: &[&Target], more: &str) -> String {
    file(&[group("web", targets, more)], "web")
}

const STICKY: &str = ", stickiness: { duration: 24h }";
const APPLICATION: &str = ", stickiness: { type: app_cookie, cookie_name: sid, duration: 24h }";

/// A target that answers its own name, which is also its address.
fn named() -> Target {
    Target::speaking(|received, stream| {
        let name = stream.local_addr().expect("an address").to_string();
        let set = match received.target() {
            "/login" => "Set-Cookie: sid=1; HttpOnly\r\n",
            _ => "",
        };
        let length = name.len();
        let answer = format!("HTTP/1.1 200 OK\r\n{set}Content-Length: {length}\r\n\r\n{name}");
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

/// A browser: it keeps the cookies that it is given.
#[derive(Debug, Clone, Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn get(&mut self, gateway: &Gateway, path: &str) -> Response {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = pairs.join("; ");
        let headers = [("Cookie", cookie.as_str())];
        let headers = if cookie.is_empty() { &[] } else { &headers[..] };
        let answer = wire::request(gateway.address(), "GET", path, headers);
        for set in set_cookies(&answer) {
            let (name, value) = set.split(';').next().expect("a pair").split_once('=').expect("=");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Which target answers.
    fn target(&mut self, gateway: &Gateway) -> String {
        let answer = self.get(gateway, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text()
    }

    fn value(&self, name: &str) -> &str {
        self.cookies.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// With this cookie alone.
    fn with(name: &str, value: &str) -> Self {
        Self { cookies: BTreeMap::from([(name.to_owned(), value.to_owned())]) }
    }
}

fn set_cookies(answer: &Response) -> Vec<&str> {
    let all = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    all.map(|(_, value)| value.as_str()).collect()
}

/// Names of the cookies that an answer sets.
fn set_names(answer: &Response) -> Vec<&str> {
    set_cookies(answer).iter().filter_map(|set| set.split('=').next()).collect()
}

/// Waits until so many requests went to another target than before, for this reason (empty: for
/// any). A request is counted a moment after its answer.
fn wait_misses(gateway: &Gateway, reason: &str, count: usize) {
    let mut seen = 0.0;
    eventually(&format!("{count} times {reason}"), || {
        seen = misses(gateway, reason);
        (seen >= count as f64).then_some(())
    });
    assert_eq!(seen, count as f64, "{reason}");
}

fn misses(gateway: &Gateway, reason: &str) -> f64 {
    let reason = format!("reason=\"{reason}");
    gateway.metric_sum("portcullis_non_sticky_requests_total{", &[&reason])
}

#[test]
fn the_first_answer_sets_two_equal_cookies_and_later_requests_reach_the_same_target() {
    let targets = [named(), named(), named()];
    let gateway = Gateway::start(&web(&targets.each_ref(), STICKY));
    let mut browser = Browser::default();
    let first = browser.get(&gateway, "/");
    let set = set_cookies(&first);
    let [plain, cors] = set[..] else { panic!("{first:?}") };
    let parts: Vec<&str> = plain.split("; ").collect();
    let [pair, expires, "Path=/"] = parts[..] else { panic!("{plain}") };
    let value = pair.strip_prefix("AWSALB=").expect("AWSALB");
    assert_eq!(value.len(), 128);
    assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b)), "{value}");
    assert_eq!(cors, format!("AWSALBCORS={value}; {expires}; Path=/; SameSite=None; Secure"));
    let expires = expires.strip_prefix("Expires=").expect("Expires");
    let expires = httpdate::parse_http_date(expires).expect("a date");
    let in_a_week = UNIX_EPOCH + Duration::from_secs(now() + 7 * DAY);
    let off = |one: SystemTime, other: SystemTime| one.duration_since(other).unwrap_or_default();
    assert!(off(expires, in_a_week) + off(in_a_week, expires) < Duration::from_secs(60));

    let home = first.text();
    for _ in 0..10 {
        let before = browser.value("AWSALB").to_owned();
        assert_eq!(browser.target(&gateway), home);
        assert_ne!(browser.value("AWSALB"), before, "renewed with every answer");
    }
    for name in ["AWSALB", "AWSALBCORS"] {
        let mut half = Browser::with(name, browser.value(name));
        assert_eq!(half.target(&gateway), home, "{name} alone is enough");
    }
    // Only the first request had to be shared out.
    wait_misses(&gateway, "", 1);
}

#[test]
fn when_the_two_disagree_the_cors_cookie_decides() {
    let targets = [named(), named()];
    let gateway = Gateway::start(&web(&targets.each_ref(), STICKY));
    let (mut one, mut other) = (Browser::default(), Browser::default());
    let homes = (one.target(&gateway), other.target(&gateway));
    assert_ne!(homes.0, homes.1);
    let mut torn = one.clone();
    torn.cookies.insert("AWSALBCORS".to_owned(), other.value("AWSALBCORS").to_owned());
    assert_eq!(torn.target(&gateway), homes.1);
}

#[test]
fn clients_are_shared_out_evenly_and_each_stays_where_it_is() {
    let targets = [named(), named(), named()];
    let gateway = Gateway::start(&web(&targets.each_ref(), STICKY));
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    let mut browsers: Vec<(Browser, String)> = (0..30)
        .map(|_| {
            let mut browser = Browser::default();
            let home = browser.target(&gateway);
            (browser, home)
        })
        .collect();
    for (browser, home) in &mut browsers {
        *shares.entry(home.clone()).or_default() += 1;
        for _ in 0..3 {
            assert_eq!(browser.target(&gateway), *home);
        }
    }
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [10, 10, 10]);
}

#[test]
fn a_cookie_says_nothing_of_its_target_to_who_reads_it() {
    use base64::Engine;
    let targets = [named(), named()];
    let gateway = Gateway::start(&web(&targets.each_ref(), STICKY));
    let mut browser = Browser::default();
    browser.target(&gateway);
    let read = |browser: &Browser| {
        let value = browser.value("AWSALB");
        base64::engine::general_purpose::STANDARD.decode(value).expect("base64")
    };
    let one = read(&browser);
    browser.target(&gateway);
    let other = read(&browser);
    // Version and key are the same; of the rest, which says the same twice, nothing is.
    let (head, one) = one.split_at(5);
    assert_eq!(head, &other[..5]);
    assert!(one.windows(8).all(|window| !other.windows(8).any(|w| w == window)));
}

#[test]
fn every_answer_of_a_target_sets_the_cookies_and_no_answer_of_ours_does() {
    let target = Target::answering(|received| {
        match received.target() {
        "/switch" => b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec(),
        "/none" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        "/hints" => b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        "/cut" => Vec::new(),
        _ => b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec(),
    }
    });
    let yaml = web(&[&target], STICKY).replace(
        "    rules:\n",
        "    rules:\n      - { name: ours, conditions: { path_pattern: [/ours] }, \
         fixed_response: { status_code: 200 } }\n",
    );
    let gateway = Gateway::start(&yaml);
    for (path, status) in [("/none", 404), ("/oops", 500)] {
        let answer = wire::get(gateway.address(), path);
        assert_eq!((answer.status, set_cookies(&answer).len()), (status, 2), "{path}");
    }
    for (path, status) in [("/ours", 200), ("/cut", 502), ("/%zz", 400)] {
        let answer = wire::get(gateway.address(), path);
        assert_eq!((answer.status, set_cookies(&answer).len()), (status, 0), "{path}");
    }
    let mut connection = Connection::open(gateway.address());
    connection.send(
        "GET /switch HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    let answer = connection.read();
    assert_eq!((answer.status, set_names(&answer)), (101, vec!["AWSALB", "AWSALBCORS"]));
    let mut connection = Connection::open(gateway.address());
    connection.send("GET /hints HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let text = String::from_utf8(connection.read_to_end()).expect("text");
    assert_eq!(text.matches("AWSALB=").count(), 1, "only the final answer: {text}");
    assert!(text.find("AWSALB=") > text.find("HTTP/1.1 200"), "{text}");
}

#[test]
fn the_targets_own_cookies_pass_and_those_under_our_names_do_not() {
    let target = Target::answering(|_| {
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/a\r\nSet-Cookie: AWSALB=evil; Path=/\r\n\
          Set-Cookie: AWSALBTG=evil\r\nset-cookie: AWSALBAPP-0 = evil\r\nSet-Cookie: b=AWSALB\r\n\
          Content-Length: 0\r\n\r\n"
            .to_vec()
    });
    let gateway = Gateway::start(&web(&[&target], STICKY));
    let mut browser = Browser::default();
    let answer = browser.get(&gateway, "/");
    assert_eq!(set_names(&answer), ["a", "b", "AWSALB", "AWSALBCORS"]);
    assert!(!format!("{answer:?}").contains("evil"));
    assert!(target.next().values("cookie").is_empty());
    browser.get(&gateway, "/");
    let received = target.next();
    let [cookie] = received.values("cookie")[..] else { panic!("{received:?}") };
    for name in ["AWSALB=", "AWSALBCORS=", "a=1", "b=AWSALB"] {
        assert!(cookie.contains(name), "the target gets all of them, as behind ALB: {cookie}");
    }

    let plain = Gateway::start(&web(&[&target], ""));
    let answer = wire::get(plain.address(), "/");
    assert!(set_cookies(&answer).contains(&"AWSALB=evil; Path=/"), "not ours where nothing sticks");
}

#[test]
fn an_answer_without_the_application_cookie_removes_all_four_companions() {
    let targets = [named(), named(), named()];
    let gateway = Gateway::start(&web(&targets.each_ref(), APPLICATION));
    let mut browser = Browser::default();
    let answer = browser.get(&gateway, "/");
    let set = set_cookies(&answer);
    assert_eq!(set.len(), 4);
    for (number, cookie) in set.iter().enumerate() {
        let parts: Vec<&str> = cookie.split("; ").collect();
        let [pair, expires, "Path=/"] = parts[..] else { panic!("{cookie}") };
        assert_eq!(pair, format!("AWSALBAPP-{number}=_remove_"));
        assert!(expires.starts_with("Expires=") && expires.ends_with(" GMT"), "{cookie}");
    }
    let homes: BTreeSet<String> = (0..3).map(|_| browser.target(&gateway)).collect();
    assert_eq!(homes.len(), 3, "nobody is kept by the word that nobody is");
}

#[test]
fn an_application_cookie_keeps_its_client_while_both_cookies_come_back() {
    let targets = [named(), named(), named()];
    let gateway = Gateway::start(&web(&targets.each_ref(), APPLICATION));
    let mut browser = Browser::default();
    let login = browser.get(&gateway, "/login");
    assert_eq!(set_names(&login), ["sid", "AWSALBAPP-0"]);
    for _ in 0..6 {
        assert_eq!(browser.target(&gateway), login.text(), "renewed without being set again");
    }
    for missing in ["sid", "AWSALBAPP-0"] {
        let homes: BTreeSet<String> = (0..3)
            .map(|_| {
                let mut half = browser.clone();
                half.cookies.remove(missing);
                half.target(&gateway)
            })
            .collect();
        assert_eq!(homes.len(), 3, "{missing}");
    }
    wait_misses(&gateway, "no_application_cookie", 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_a_client_that_splits_its_cookies_is_kept_too() {
    let targets = [named(), named(), named()];
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let yaml = web(&targets.each_ref(), STICKY).replace(
        "    rules:\n",
        "    tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n    rules:\n",
    );
    let gateway =
        Start::with(&yaml).file("a.pem", pair.certificate).file("a.key", pair.private_key).run();
    let mut requests = connect(gateway.address(), &authority).await;
    let mut ask = async |cookies: &[String]| {
        let mut request = http::Request::builder().uri("https://a.test/");
        for cookie in cookies {
            request = request.header("cookie", cookie);
        }
        let request = request.body(()).expect("a request");
        requests = requests.clone().ready().await.expect("ready");
        let (answer, _) = requests.send_request(request, true).expect("sent");
        let answer = answer.await.expect("an answer");
        let set = answer.headers().get_all("set-cookie").into_iter();
        let set: Vec<String> = set
            .map(|v| v.to_str().expect("text").split(';').next().expect("a pair").to_owned())
            .collect();
        let mut body = answer.into_body();
        let data = body.data().await.expect("a body").expect("bytes");
        (String::from_utf8(data.to_vec()).expect("text"), set)
    };
    let (home, set) = ask(&[]).await;
    assert_eq!(set.len(), 2, "{set:?}");
    let mut cookies = vec!["a=1".to_owned()];
    cookies.extend(set);
    cookies.push("b=2".to_owned());
    for _ in 0..5 {
        assert_eq!(ask(&cookies).await.0, home);
    }
}

#[test]
fn the_sample_is_a_good_file() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/samples/stickiness.yaml");
    let checked = portcullis(&["check", "--portable", "--strict", sample]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}");
}
