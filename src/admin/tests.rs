//! The listener over real sockets.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::Value;

use super::page::Facts;
use super::*;
use crate::clock;
use crate::config::deny_list::{Entry, EntryError};

/// A small gateway: everything is constant but what the tests ask to change.
#[derive(Debug, Default)]
struct Gateway {
    is_unready: bool,
    is_broken: bool,
    renderings: AtomicUsize,
    reloads: AtomicUsize,
    /// Bytes of the metrics text.
    size: usize,
    /// Held while metrics must not be rendered.
    gate: parking_lot::Mutex<()>,
}

fn facts(gateway: &Gateway) -> page::Facts {
    page::Facts {
        version: "1.2.3",
        now: crate::clock::UnixMillis(1_795_395_735_000),
        up_for: Duration::from_secs(60),
        generation: 7,
        readiness: gateway.readiness(),
        held_back: gateway.is_broken.then(|| "denials rose".to_owned()),
        is_last_reload_good: true,
        in_flight: 1,
        connections: 2,
        samples: Vec::new(),
        decisions: vec![("allowed", 3), ("token_expired", 1)],
        issuers: Vec::new(),
        groups: Vec::new(),
        certificates: Vec::new(),
        rules: (0..5000).map(rule).collect(),
        routes: (0..2).map(route).collect(),
        denials: Vec::new(),
        suppressed: 0,
        history: Vec::new(),
    }
}

/// Every other one is never hit.
fn rule(number: u64) -> page::Rule {
    page::Rule {
        listener: "public".into(),
        name: format!("rule-{number}"),
        conditions: format!("path /{number}/*"),
        callers: "everybody".to_owned(),
        action: "forward to <orders>".to_owned(),
        requests: number % 2,
        errors: 0,
        denials: 0,
    }
}

/// Every other one is never hit.
fn route(number: u64) -> page::Rule {
    page::Rule {
        listener: "API shop".into(),
        name: format!("GET /parts/{number}/{{id}}"),
        callers: "who has an API key".to_owned(),
        ..rule(number)
    }
}

#[async_trait]
impl View for Gateway {
    fn is_live(&self) -> bool {
        true
    }

    fn readiness(&self) -> Readiness {
        let reasons =
            if self.is_unready { vec!["user pool customers has no keys".into()] } else { vec![] };
        Readiness { ready: !self.is_unready, reasons, notes: vec!["partners is stale".into()] }
    }

    fn metrics_text(&self) -> String {
        self.renderings.fetch_add(1, Ordering::SeqCst);
        let _open = self.gate.lock();
        "portcullis_up 1\n".to_owned() + &"#".repeat(self.size)
    }

    fn keys_json(&self) -> String {
        r#"{"user_pools":{}}"#.into()
    }

    fn config_json(&self) -> String {
        r#"{"admin":{}}"#.into()
    }

    fn targets_json(&self) -> String {
        "{}".to_owned()
    }

    fn denials_json(&self) -> String {
        r#"{"denials":[]}"#.into()
    }

    fn requests_json(&self, id: Option<&str>) -> String {
        format!("{{\"requests\":[],\"asked\":\"{}\"}}", id.unwrap_or_default())
    }

    fn recording_json(&self) -> String {
        r#"{"state":"none"}"#.to_owned()
    }

    fn recording_lines(&self) -> Option<String> {
        self.is_broken.then(|| "{}\n".to_owned())
    }

    fn record(&self, order: RecordingOrder) -> Result<(), RecordingError> {
        match order.seconds {
            Some(0) => Err(RecordingError::Order("too short".to_owned())),
            Some(_) => Err(RecordingError::UnderWay("one at a time".to_owned())),
            None => Ok(()),
        }
    }

    fn stop_recording(&self) {}

    fn deny_list_json(&self) -> String {
        r#"{"entries":[]}"#.into()
    }

    async fn deny(&self, entry: Entry, _: bool) -> Result<usize, DenyError> {
        match &*entry.value {
            "full" => Err(DenyError::Full(EntryError::Full)),
            _ => Ok(1),
        }
    }

    async fn reload(&self) -> Result<ReloadReport, String> {
        tokio::task::yield_now().await;
        self.reloads.fetch_add(1, Ordering::SeqCst);
        if self.is_broken {
            return Err("error: unknown target group\n".into());
        }
        Ok(ReloadReport { generation: 2, changed: true, warnings: vec![] })
    }

    fn facts(&self) -> Facts {
        facts(self)
    }

    fn history_json(&self) -> String {
        r#"{"history":[]}"#.into()
    }

    async fn roll_back(&self, _: Option<u64>) -> Result<ReloadReport, String> {
        self.reload().await
    }

    async fn refresh_keys(&self, pool: Option<&str>) -> Result<Vec<RefreshedPool>, RefreshError> {
        match pool {
            None => Ok(vec![RefreshedPool { user_pool: "customers".into(), error: None }]),
            Some("partners") => {
                let error = Some("timeout".into());
                Ok(vec![RefreshedPool { user_pool: "partners".into(), error }])
            }
            Some(_) => Err(RefreshError::UnknownPool { known: vec!["customers".into()] }),
        }
    }
}

/// A listener on a runtime of its own, ended when dropped.
struct Running {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<io::Result<()>>>,
}

impl Running {
    fn start(gateway: Gateway, bind: &str, token: Option<&str>) -> Self {
        Self::start_within(gateway, bind, token, Deadlines::default())
    }

    fn start_within(
        gateway: Gateway,
        bind: &str,
        token: Option<&str>,
        deadlines: Deadlines,
    ) -> Self {
        let gateway = Arc::new(gateway);
        let view: Arc<dyn View> = Arc::clone(&gateway) as Arc<dyn View>;
        let options = Options {
            token: token.map(|token| Secret::new(token.into())),
            hosts: vec!["gw.internal".into()],
        };
        let listener = std::net::TcpListener::bind(bind).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener)?;
                let ended = async {
                    let _ = ended.await;
                };
                serve_within(listener, &options, view, deadlines, ended).await
            })
        });
        Self { address, gateway, end: Some(end), thread: Some(thread) }
    }

    fn plain() -> Self {
        Self::start(Gateway::default(), "127.0.0.1:0", None)
    }

    fn connect(&self) -> TcpStream {
        let address = SocketAddr::from(([127, 0, 0, 1], self.address.port()));
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends a head with `Host: localhost` and more lines; the status, the head and the body.
    fn ask(&self, line: &str, more: &str) -> Answer {
        self.send(&format!("{line} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n"))
    }

    fn send(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(&mut stream)
    }

    fn stop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// Until the other end closes: every answer is the last on its connection.
    fn read(stream: &mut TcpStream) -> Self {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn is_problem(&self) -> bool {
        self.head.contains("content-type: application/problem+json")
            && self.json()["status"] == self.status
    }
}

#[test]
fn every_page_answers_on_loopback() {
    let admin = Running::plain();
    for (path, text) in [
        ("/", "Ready, but look"),
        ("/page/denials", "<h1>Denials"),
        ("/page/rules", "rule-17"),
        ("/page/configuration", "Configuration 7"),
        ("/page/style.css", ":root"),
        ("/livez", "live"),
        ("/healthz", "live"),
        ("/readyz", "ready\n"),
        ("/metrics", "portcullis_up 1"),
        ("/keys", "user_pools"),
        ("/config", "admin"),
        ("/denials", "denials"),
    ] {
        let answer = admin.ask(&format!("GET {path}"), "");
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains(text), "{path}: {}", answer.body);
        assert!(answer.head.contains("cache-control: no-store"), "{path}");
        assert!(answer.head.contains("connection: close"), "{path}");
        let head_only = admin.ask(&format!("HEAD {path}"), "");
        assert_eq!((head_only.status, head_only.body.as_str()), (200, ""), "{path}");
    }
    let metrics = admin.ask("GET /metrics", "");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"));
    assert!(admin.ask("GET /", "").head.contains("content-type: text/html"));
    assert!(admin.ask("GET /keys", "").head.contains("content-type: application/json"));
}

#[test]
fn unready_says_why_and_verbose_says_more() {
    let admin =
        Running::start(Gateway { is_unready: true, ..Gateway::default() }, "127.0.0.1:0", None);
    let answer = admin.ask("GET /readyz", "");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, "not ready\nuser pool customers has no keys\n");
    let verbose = admin.ask("GET /readyz?verbose", "");
    assert!(verbose.body.ends_with("partners is stale\n"), "{}", verbose.body);
    assert_eq!(admin.ask("GET /livez", "").status, 200);
}

#[test]
fn changes_without_a_configured_token_are_forbidden_and_say_what_remains() {
    let admin = Running::plain();
    for path in ["/reload", "/keys/refresh"] {
        let answer = admin.ask(&format!("POST {path}"), "Authorization: Bearer guess\r\n");
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.is_problem() && answer.body.contains("SIGHUP"), "{}", answer.body);
    }
    assert_eq!(admin.gateway.reloads.load(Ordering::SeqCst), 0);
}

#[test]
fn only_the_right_token_reloads() {
    let admin = Running::start(Gateway::default(), "127.0.0.1:0", Some("right"));
    for wrong in [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Bearer righ\r\n",
        "Authorization: Bearer right2\r\n",
        "Authorization: Basic right\r\n",
        "Authorization: right\r\n",
        "Authorization: Bearer right\r\nAuthorization: Bearer right\r\n",
        "Cookie: token=right\r\n",
    ] {
        let answer = admin.ask("POST /reload", wrong);
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(answer.is_problem() && answer.head.contains("www-authenticate: bearer"));
        assert!(!answer.body.contains("right"));
    }
    assert_eq!(admin.ask("POST /reload?token=right", "").status, 401);
    assert_eq!(admin.gateway.reloads.load(Ordering::SeqCst), 0);
    let answer = admin.ask("POST /reload", "authorization: bearer right\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["generation"], 2);
    assert_eq!(admin.gateway.reloads.load(Ordering::SeqCst), 1);
}

#[test]
fn a_refused_reload_tells_the_findings() {
    let gateway = Gateway { is_broken: true, ..Gateway::default() };
    let admin = Running::start(gateway, "127.0.0.1:0", Some("right"));
    let answer = admin.ask("POST /reload", "Authorization: Bearer right\r\n");
    assert_eq!(answer.status, 422);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail, "error: unknown target group\nthe running configuration was not changed");
}

#[test]
fn keys_are_refreshed_by_pool_or_all() {
    let admin = Running::start(Gateway::default(), "127.0.0.1:0", Some("right"));
    let send = |query: &str| {
        let request = format!(
            "POST /keys/refresh{query} HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer right\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        admin.send(&request)
    };
    assert_eq!(send("").json()["user_pools"][0]["user_pool"], "customers");
    let stale = send("?user_pool=partners");
    assert_eq!((stale.status, &stale.json()["user_pools"][0]["error"]), (502, &"timeout".into()));
    let unknown = send("?user_pool=nobody");
    let detail = "there is no user pool of this name; the file has customers";
    assert_eq!((unknown.status, &unknown.json()["detail"]), (404, &detail.into()));
}

#[test]
fn wrong_methods_and_unknown_paths_are_told_so() {
    let admin = Running::start(Gateway::default(), "127.0.0.1:0", Some("right"));
    for path in ["/reload", "/keys/refresh"] {
        let answer = admin.ask(&format!("GET {path}"), "");
        assert_eq!(answer.status, 405, "{path}");
        assert!(answer.head.contains("allow: post") && answer.is_problem(), "{}", answer.head);
    }
    let answer = admin.ask("POST /config", "");
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: get,head"), "{}", answer.head);
    for path in ["/nothing", "/config/", "//config", "/livez/../config", "/%63onfig2"] {
        let answer = admin.ask(&format!("GET {path}"), "");
        assert_eq!((answer.status, answer.is_problem()), (404, true), "{path}");
    }
}

#[test]
fn a_foreign_host_is_refused_before_anything_else() {
    let admin = Running::start(Gateway::default(), "127.0.0.1:0", Some("right"));
    let foreign = |head: &str| {
        let right = "Authorization: Bearer right\r\n";
        admin.send(&format!("{head}{right}\r\n")).status
    };
    assert_eq!(foreign("POST /reload HTTP/1.1\r\nHost: evil.example:9901\r\n"), 421);
    assert_eq!(foreign("GET /config HTTP/1.1\r\nHost: evil.example\r\n"), 421);
    assert_eq!(foreign("GET http://evil.example/config HTTP/1.1\r\nHost: localhost\r\n"), 421);
    assert_eq!(foreign("GET /config HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"), 400);
    assert_eq!(foreign("GET /config HTTP/1.1\r\n"), 400);
    assert_eq!(admin.gateway.reloads.load(Ordering::SeqCst), 0);
    let host = format!("GET /config HTTP/1.1\r\nHost: {}\r\n", admin.address);
    assert_eq!(foreign(&host), 200);
    assert_eq!(foreign("GET /config HTTP/1.1\r\nHost: GW.internal\r\n"), 200);
    assert_eq!(foreign("GET /livez HTTP/1.0\r\n"), 200);
}

#[test]
fn beyond_loopback_pages_that_tell_need_the_token() {
    let without = Running::start(Gateway::default(), "0.0.0.0:0", None);
    let with = Running::start(Gateway::default(), "0.0.0.0:0", Some("right"));
    for path in ["/config", "/keys", "/targets", "/denials"] {
        let line = format!("GET {path}");
        assert_eq!(without.ask(&line, "").status, 403, "{path}");
        assert_eq!(with.ask(&line, "").status, 401, "{path}");
        assert_eq!(with.ask(&line, "Authorization: Bearer right\r\n").status, 200, "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics", "/page/style.css"] {
        assert_eq!(without.ask(&format!("GET {path}"), "").status, 200, "{path}");
    }
}

#[test]
fn a_browser_gives_the_token_as_a_password_to_pages_and_to_nothing_that_changes() {
    let without = Running::start(Gateway::default(), "0.0.0.0:0", None);
    let with = Running::start(Gateway::default(), "0.0.0.0:0", Some("right"));
    // `:right`, `anybody:right`, `:wrong`, `right:`
    let right =
        ["OnJpZ2h0", "YW55Ym9keTpyaWdodA=="].map(|pair| format!("Authorization: Basic {pair}\r\n"));
    let wrong =
        ["Ondyb25n", "cmlnaHQ6", "%%%", ""].map(|pair| format!("Authorization: Basic {pair}\r\n"));
    for path in ["/", "/page/denials", "/page/denials/0123", "/page/rules", "/page/configuration"] {
        let line = format!("GET {path}");
        assert_eq!(without.ask(&line, &right[0]).status, 403, "{path}");
        let asked = with.ask(&line, "");
        assert_eq!(asked.status, 401, "{path}");
        assert!(asked.head.contains("www-authenticate: basic realm="), "{}", asked.head);
        for given in &wrong {
            assert_eq!(with.ask(&line, given).status, 401, "{path} {given}");
        }
        let twice = format!("{}{}", right[0], right[0]);
        assert_eq!(with.ask(&line, &twice).status, 401, "{path}");
        for given in right.iter().map(String::as_str).chain(["Authorization: Bearer right\r\n"]) {
            assert!([200, 404].contains(&with.ask(&line, given).status), "{path} {given}");
        }
    }
    for line in ["POST /reload", "POST /rollback", "POST /keys/refresh", "GET /config"] {
        let refused = with.ask(line, &right[0]);
        assert_eq!(refused.status, 401, "{line}");
        assert!(refused.head.contains("www-authenticate: bearer"), "{}", refused.head);
    }
    assert_eq!(with.gateway.reloads.load(Ordering::SeqCst), 0);
}

#[test]
fn a_page_loads_nothing_but_its_style_and_shows_text_as_text() {
    let admin = Running::plain();
    let page = admin.ask("GET /page/rules?find=RULE-49", "");
    assert!(
        page.head.contains("content-security-policy: default-src 'none'; style-src 'self'"),
        "{}",
        page.head
    );
    assert!(page.body.contains("forward to &#60;orders&#62;") && !page.body.contains("<orders>"));
    let sought = admin.ask("GET /page/denials?find=%22%3E%3Cscript%3E", "");
    assert!(!sought.body.contains("<script>"), "{}", sought.body);
    assert_eq!(admin.ask("GET /page/denials/0123456789abcdef", "").status, 404);
    assert_eq!(admin.ask("GET /page/%2e%2e/config", "").status, 404);
}

#[test]
fn thousands_of_rules_come_in_pages_and_dead_ones_alone() {
    let admin = Running::plain();
    let rows = |path: &str| {
        let page = admin.ask(&format!("GET {path}"), "");
        assert_eq!(page.status, 200, "{path}");
        (page.body.matches("data-label=\"rule\"").count(), page.body)
    };
    let (count, first) = rows("/page/rules");
    assert!(count == 80 && first.contains("1 of 63 (5002 rules and routes)"), "{count}");
    let (count, last) = rows("/page/rules?page=99999");
    assert!(count == 42 && last.contains("rule-4999") && !last.contains("rel=\"next\""));
    let (count, dead) = rows("/page/rules?dead&find=rule-1");
    assert!(count == 80 && !dead.contains(">rule-1<") && dead.contains(">rule-10<"));
    assert!(dead.contains("/page/rules?find=rule-1&#38;dead=&#38;page=2"), "{dead}");
    assert_eq!(rows("/page/rules?find=nothing-like-it").0, 0);
}

#[test]
fn routes_of_apis_stand_behind_the_rules_with_their_hits() {
    let admin = Running::plain();
    let page = |path: &str| admin.ask(&format!("GET {path}"), "").body;
    let all = page("/page/rules?find=api+shop");
    assert!(all.contains("GET /parts/0/{id}") && all.contains("GET /parts/1/{id}"), "{all}");
    assert!(all.contains("2 routes, 1 of them never hit"), "{all}");
    let dead = page("/page/rules?find=api+shop&dead");
    assert!(dead.contains("GET /parts/0/{id}") && !dead.contains("GET /parts/1/{id}"), "{dead}");
    assert!(page("/").contains(
        "2 routes of APIs, <a href=\"/page/rules?dead&#38;find=API\">1 of them never hit</a>"
    ));
}

#[test]
fn the_first_page_says_what_is_wrong() {
    let gateway = Gateway { is_unready: true, is_broken: true, ..Gateway::default() };
    let admin = Running::start(gateway, "127.0.0.1:0", None);
    let page = admin.ask("GET /?refresh", "").body;
    for text in [
        "Not ready",
        "user pool customers has no keys",
        "The file on disk is not served. It was rolled back: denials rose.",
        "2500 of them never hit",
        "http-equiv=\"refresh\" content=\"5\"",
    ] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    assert!(!admin.ask("GET /", "").body.contains("http-equiv=\"refresh\""));
}

#[test]
fn a_head_without_end_and_a_large_body_are_not_read() {
    let admin = Running::start(Gateway::default(), "127.0.0.1:0", Some("right"));
    let mut stream = admin.connect();
    let line = format!("x: {}\r\n", "y".repeat(1000));
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n");
    let mut sent = 0;
    while sent < 16 * 1024 * 1024 && stream.write_all(line.as_bytes()).is_ok() {
        sent += line.len();
    }
    assert!(sent < 16 * 1024 * 1024, "kept on reading");

    let answer =
        admin.ask("POST /reload", "Authorization: Bearer right\r\nContent-Length: 100000\r\n");
    assert_eq!(answer.status, 413);
    assert_eq!(admin.gateway.reloads.load(Ordering::SeqCst), 0);
}

#[test]
fn silent_connections_give_way_to_new_ones() {
    let admin = Running::plain();
    let silent: Vec<TcpStream> = (0..MOST_CONNECTIONS * 3).map(|_| admin.connect()).collect();
    let began = clock::monotonic();
    assert_eq!(admin.ask("GET /livez", "").status, 200);
    assert!(began.elapsed() < LONGEST_HEAD);
    // The first ones were cut, the last ones are still waited for.
    let mut byte = [0];
    assert!(matches!((&silent[0]).read(&mut byte), Ok(0) | Err(_)));
    silent.last().unwrap().set_nonblocking(true).unwrap();
    let error = silent.last().unwrap().read(&mut byte).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let head = Duration::from_millis(200);
    let deadlines = Deadlines { head, ..Deadlines::default() };
    let admin = Running::start_within(Gateway::default(), "127.0.0.1:0", None, deadlines);
    let mut stream = admin.connect();
    let began = clock::monotonic();
    stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(began.elapsed() >= head && began.elapsed() < LONGEST_HEAD);
}

#[test]
fn an_answer_that_is_not_read_is_given_up() {
    let connection = Duration::from_millis(300);
    let deadlines = Deadlines { connection, ..Deadlines::default() };
    let gateway = Gateway { size: 64 << 20, ..Gateway::default() };
    let admin = Running::start_within(gateway, "127.0.0.1:0", None, deadlines);
    let mut stream = admin.connect();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let gives_up = clock::monotonic() + connection * 2;
    while clock::monotonic() < gives_up {
        assert_eq!(admin.ask("GET /livez", "").status, 200);
    }
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read);
    assert!(read.len() < 64 << 20, "{}", read.len());
}

#[test]
fn many_slow_scrapers_share_a_rendering_and_hold_up_nobody() {
    let gateway = Gateway { size: 8 << 20, ..Gateway::default() };
    let admin = Running::start(gateway, "127.0.0.1:0", None);
    let gate = admin.gateway.gate.lock();
    let scrapers: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = admin.connect();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            stream
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(admin.ask("GET /livez", "").status, 200);
    }
    drop(gate);
    for mut scraper in scrapers {
        assert!(Answer::read(&mut scraper).body.len() > 8 << 20);
    }
    // The one that was held up, the one for all who came meanwhile, and a few for stragglers.
    let renderings = admin.gateway.renderings.load(Ordering::SeqCst);
    assert!(renderings < 10, "{renderings}");
}

#[test]
fn the_end_does_not_wait_for_silent_connections() {
    let mut admin = Running::plain();
    let _silent = admin.connect();
    assert_eq!(admin.ask("GET /livez", "").status, 200);
    let began = clock::monotonic();
    admin.stop();
    assert!(began.elapsed() < LONGEST_END * 3);
    assert!(TcpStream::connect(admin.address).is_err());
}

#[test]
fn the_listener_answers_when_no_descriptor_is_left() {
    let itself = std::env::current_exe().unwrap();
    let child = "admin::tests::child_without_descriptors";
    let output = Command::new("prlimit")
        .arg("--nofile=64")
        .arg(itself)
        .args(["--exact", child, "--ignored", "--test-threads=1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_without_descriptors() {
    let admin = Running::plain();
    assert_eq!(admin.ask("GET /livez", "").status, 200);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        // One for our end of the connection, none for the listener's.
        held.pop();
        let mut stream = admin.connect();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert_eq!(Answer::read(&mut stream).status, 200);
    }
}
