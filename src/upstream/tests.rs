//! Groups with real targets behind them: health, reload, failing open, names.

mod again;
mod encrypted;
mod names;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::state::{HealthState, Reason};
use super::{NoTarget, TargetGroups, TargetStatus, Tried};
use crate::config::model::{Config, GroupIndex, Name, Protocol, TargetTls};

const PATIENCE: Duration = Duration::from_secs(20);
const GROUP: GroupIndex = GroupIndex(0);

/// A file whose first group has these fields. Checks follow each other quickly.
fn config(group: &str) -> Config {
    let text = format!(
        "target_groups:\n  targets: {group}\n  unused: {{ targets: [127.0.0.1:1] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:8000\n    \
         rules: [{{ name: all, public: true, conditions: {{ path_pattern: [/*] }}, forward: targets }}]\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n"
    );
    let loaded = crate::config::parse_portable(&text, "routes.yaml");
    let mut config = loaded.map_err(|report| report.render(false)).unwrap().config;
    for group in &mut config.target_groups {
        group.health_check.interval = Duration::from_millis(20);
        group.health_check.timeout = Duration::from_secs(5);
        group.health_check.healthy_threshold = 3;
    }
    config
}

/// The targets of the first group, as written in the file.
fn targets(addresses: &[SocketAddr]) -> String {
    let quoted: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// Groups in force, kept by the background task as in the gateway.
struct World {
    current: Arc<ArcSwap<TargetGroups>>,
    shutdown: watch::Sender<bool>,
    kept: tokio::task::JoinHandle<()>,
}

impl World {
    fn new(config: &Config) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let current = Arc::new(ArcSwap::from_pointee(TargetGroups::compile(config, None)));
        let (shutdown, stop) = watch::channel(false);
        let groups = Arc::clone(&current);
        let kept = tokio::spawn(super::keep(move || groups.load_full(), stop));
        Self { current, shutdown, kept }
    }

    fn reload(&self, config: &Config) {
        let old = self.current.load_full();
        self.current.store(Arc::new(TargetGroups::compile(config, Some(&old))));
    }

    fn status(&self) -> Vec<TargetStatus> {
        describe(&self.current.load())
    }

    fn states(&self) -> Vec<HealthState> {
        self.status().into_iter().map(|target| target.state).collect()
    }

    /// Waits for the states of the first group's targets.
    async fn until(&self, states: &[HealthState]) {
        let mut changes = self.current.load().changes();
        let reached = async {
            while self.states() != states {
                changes.changed().await.unwrap();
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await;
        assert!(in_time.is_ok(), "wanted {states:?}, have {:?}", self.status());
    }

    /// Where some requests go.
    fn shares(&self, requests: usize) -> BTreeMap<SocketAddr, usize> {
        let groups = self.current.load();
        let mut shares = BTreeMap::new();
        for _ in 0..requests {
            let chosen = groups.choose(GROUP, &Tried::default()).unwrap();
            *shares.entry(chosen.address()).or_default() += 1;
        }
        shares
    }
}

fn describe(groups: &TargetGroups) -> Vec<TargetStatus> {
    groups.groups().first().unwrap().describe()
}

/// A target that answers every request as it is told at the moment.
struct Backend {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    /// Request heads, one for each connection.
    heads: mpsc::UnboundedReceiver<String>,
}

impl Backend {
    async fn start() -> Self {
        Self::answering(|status| {
            format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok").into_bytes()
        })
        .await
    }

    async fn answering(answer: impl Fn(u16) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(200));
        let (told, heads) = mpsc::unbounded_channel();
        let now = Arc::clone(&status);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer(now.load(Ordering::SeqCst));
                let told = told.clone();
                tokio::spawn(async move {
                    let _ = told.send(head(&mut stream).await);
                    let _ = stream.write_all(&answer).await;
                    // Until the checker closes, which it must.
                    let _ = stream.read(&mut [0]).await;
                });
            }
        });
        Self { address, status, heads }
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

use HealthState::{Healthy, Initial, Unhealthy, Unused};

#[tokio::test]
async fn a_target_falls_out_at_its_threshold_and_comes_back() {
    let backends = [Backend::start().await, Backend::start().await];
    let addresses: Vec<SocketAddr> = backends.iter().map(|backend| backend.address).collect();
    let world = World::new(&config(&format!("{{ targets: {} }}", targets(&addresses))));
    world.until(&[Healthy, Healthy]).await;
    assert_eq!(world.shares(10).into_values().collect::<Vec<_>>(), [5, 5]);

    backends[0].answer(503);
    world.until(&[Unhealthy, Healthy]).await;
    let down = &world.status()[0];
    assert_eq!((down.reason, down.code), (Some(Reason::ResponseCodeMismatch), Some(503)));
    assert_eq!(world.shares(10), BTreeMap::from([(addresses[1], 10)]));

    backends[0].answer(200);
    world.until(&[Healthy, Healthy]).await;
    assert_eq!(world.status()[0].reason, None);
}

#[tokio::test]
async fn the_turns_of_an_unhealthy_target_are_shared_by_all_others_alike() {
    let mut backends = Vec::new();
    for _ in 0..4 {
        backends.push(Backend::start().await);
    }
    backends[1].answer(500);
    let addresses: Vec<SocketAddr> = backends.iter().map(|backend| backend.address).collect();
    let world = World::new(&config(&format!("{{ targets: {} }}", targets(&addresses))));
    world.until(&[Healthy, Unhealthy, Healthy, Healthy]).await;
    let shares = world.shares(30);
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [10, 10, 10]);
}

#[tokio::test]
async fn a_group_without_a_healthy_target_sends_to_all_of_them() {
    let backends = [Backend::start().await, Backend::start().await];
    let addresses: Vec<SocketAddr> = backends.iter().map(|backend| backend.address).collect();
    let world = World::new(&config(&format!("{{ targets: {} }}", targets(&addresses))));
    // Before any check has ended, nobody is healthy.
    assert_eq!(world.shares(10).len(), 2);
    world.until(&[Healthy, Healthy]).await;
    for backend in &backends {
        backend.answer(500);
    }
    world.until(&[Unhealthy, Unhealthy]).await;
    assert_eq!(world.shares(10).into_values().collect::<Vec<_>>(), [5, 5]);
    let chosen = world.current.load().choose(GROUP, &Tried::default()).unwrap();
    assert!(chosen.is_fail_open());
}

#[tokio::test]
async fn checks_are_asked_as_alb_asks_them() {
    let mut backend = Backend::start().await;
    let group = format!(
        "{{ targets: {}, health_check: {{ path: /healthz?deep=1 }} }}",
        targets(&[backend.address])
    );
    let _world = World::new(&config(&group));
    let first = backend.heads.recv().await.unwrap();
    let lines: Vec<&str> = first.trim_end().split("\r\n").collect();
    assert_eq!(lines[0], "GET /healthz?deep=1 HTTP/1.1");
    let host = format!("Host: {}", backend.address);
    for line in [&*host, "User-Agent: ELB-HealthChecker/2.0", "Connection: close"] {
        assert!(lines.contains(&line), "{line} in {first}");
    }
    assert_eq!(lines.len(), 4);
    // Each connection tells one head, so this is another connection.
    assert_eq!(backend.heads.recv().await.unwrap(), first);
}

#[tokio::test]
async fn silence_refusal_and_nonsense_have_their_reasons() {
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Backend::answering(|_| Vec::new()).await.address;
    let nonsense = Backend::answering(|_| b"SSH-2.0-x\r\n\r\n".to_vec()).await.address;
    let cut =
        Backend::answering(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nxx".to_vec()).await;
    let addresses = [refused, silent, nonsense, cut.address];
    let mut config = config(&format!("{{ targets: {} }}", targets(&addresses)));
    config.target_groups[0].health_check.timeout = Duration::from_millis(50);
    let world = World::new(&config);
    world.until(&[Unhealthy; 4]).await;
    let reasons: Vec<_> = world.status().into_iter().filter_map(|target| target.reason).collect();
    let failed = Reason::FailedHealthChecks;
    // The last one never sends the rest, which is silence too.
    assert_eq!(reasons, [failed, Reason::Timeout, failed, Reason::Timeout]);
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_64_kib_and_passes() {
    let endless = Backend::answering(|_| {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n".to_vec();
        answer.resize(answer.len() + 200_000, b'x');
        answer
    })
    .await;
    let world = World::new(&config(&format!("{{ targets: {} }}", targets(&[endless.address]))));
    world.until(&[Healthy]).await;
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let backend = Backend::answering(|_| {
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n".to_vec()
    })
    .await;
    let group =
        format!("{{ targets: {}, health_check: {{ matcher: 204 }} }}", targets(&[backend.address]));
    World::new(&config(&group)).until(&[Healthy]).await;
}

#[tokio::test]
async fn health_turns_and_requests_in_flight_outlive_a_reload() {
    let backends = [Backend::start().await, Backend::start().await, Backend::start().await];
    let addresses: Vec<SocketAddr> = backends.iter().map(|backend| backend.address).collect();
    backends[1].answer(500);
    let before = config(&format!("{{ targets: {} }}", targets(&addresses[..2])));
    let world = World::new(&before);
    world.until(&[Healthy, Unhealthy]).await;
    let old = world.current.load_full();
    let in_flight = old.choose(GROUP, &Tried::default()).unwrap();
    assert_eq!(in_flight.address(), addresses[0]);

    let after = config(&format!(
        "{{ targets: {}, algorithm: least_outstanding_requests }}",
        targets(&addresses)
    ));
    let compiled = TargetGroups::compile(&after, Some(&old));
    let compiled = describe(&compiled);
    let states: Vec<_> = compiled.iter().map(|target| target.state).collect();
    assert_eq!(states, [Healthy, Unhealthy, Initial]);
    assert_eq!(compiled[0].in_flight, 1);

    world.reload(&after);
    world.until(&[Healthy, Unhealthy, Healthy]).await;
    drop(in_flight);
    assert_eq!(world.status()[0].in_flight, 0);
    backends[1].answer(200);
    world.until(&[Healthy, Healthy, Healthy]).await;
}

#[test]
fn a_refused_reload_changes_nothing() {
    let before = config("{ targets: [127.0.0.1:1, 127.0.0.1:2] }");
    let groups = TargetGroups::compile(&before, None);
    let was = describe(&groups);
    let mut other = config("{ targets: [127.0.0.1:1], health_check: { enabled: false } }");
    other.listeners.clear();
    drop(TargetGroups::compile(&other, Some(&groups)));
    assert_eq!(describe(&groups), was);
}

#[test]
fn an_unchanged_group_keeps_its_turn() {
    let config = config("{ targets: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3] }");
    let port =
        |groups: &TargetGroups| groups.choose(GROUP, &Tried::default()).unwrap().address().port();
    let groups = TargetGroups::compile(&config, None);
    let first = port(&groups);
    let groups = TargetGroups::compile(&config, Some(&groups));
    let second = port(&groups);
    let groups = TargetGroups::compile(&config, Some(&groups));
    assert_eq!([first, second, port(&groups)], [1, 2, 3]);
}

#[tokio::test]
async fn only_groups_that_a_rule_uses_are_checked() {
    let backend = Backend::start().await;
    let group = format!("{{ targets: {} }}", targets(&[backend.address]));
    let used = config(&group);
    let mut unused = used.clone();
    for listener in &mut unused.listeners {
        listener.rules.clear();
    }
    let world = World::new(&unused);
    let reason = |world: &World| world.status()[0].reason;
    assert_eq!((world.states(), reason(&world)), (vec![Unused], Some(Reason::NotInUse)));
    world.reload(&used);
    world.until(&[Healthy]).await;
    world.reload(&unused);
    world.until(&[Unused]).await;
}

#[tokio::test]
async fn without_checks_every_target_counts_as_healthy() {
    let group = "{ targets: [127.0.0.1:1, 127.0.0.1:2], health_check: { enabled: false } }";
    let world = World::new(&config(group));
    assert_eq!(world.states(), [HealthState::Unavailable; 2]);
    assert_eq!(world.status()[0].reason, Some(Reason::HealthCheckDisabled));
    let chosen = world.current.load().choose(GROUP, &Tried::default()).unwrap();
    assert!(!chosen.is_fail_open());
}

#[tokio::test]
async fn the_background_task_ends_on_shutdown() {
    let silent = Backend::answering(|_| Vec::new()).await.address;
    let world = World::new(&config(&format!("{{ targets: {} }}", targets(&[silent]))));
    world.shutdown.send(true).unwrap();
    tokio::time::timeout(PATIENCE, world.kept).await.unwrap().unwrap();
}

#[test]
fn weight_0_receives_nothing_even_when_all_fail() {
    let groups = TargetGroups::compile(
        &config("{ targets: [{ address: \"127.0.0.1:1\", weight: 0 }, 127.0.0.1:2] }"),
        None,
    );
    for _ in 0..20 {
        let mut tried = Tried::default();
        let chosen = groups.choose(GROUP, &tried).unwrap();
        tried.note(&chosen);
        assert_eq!(chosen.address().port(), 2);
        assert_eq!(groups.choose(GROUP, &tried).unwrap().address().port(), 2);
    }
    let none = TargetGroups::compile(&config("{ targets: [] }"), None);
    assert_eq!(none.choose(GROUP, &Tried::default()).map(drop), Err(NoTarget));
    assert_eq!(none.choose(GroupIndex(9), &Tried::default()).map(drop), Err(NoTarget));
}

#[test]
fn a_retry_goes_to_another_target() {
    for algorithm in ["round_robin", "least_outstanding_requests"] {
        // The heavy one would be chosen again and again.
        let group = format!(
            "{{ targets: [127.0.0.1:1, {{ address: \"127.0.0.1:2\", weight: 9 }}], algorithm: {algorithm} }}"
        );
        let groups = TargetGroups::compile(&config(&group), None);
        for _ in 0..20 {
            let mut tried = Tried::default();
            let note = |tried: &mut Tried| {
                let chosen = groups.choose(GROUP, tried).unwrap();
                tried.note(&chosen);
                chosen.address()
            };
            assert_ne!(note(&mut tried), note(&mut tried));
            assert!(groups.choose(GROUP, &tried).is_ok());
        }
    }
}

#[test]
fn requests_in_flight_are_counted_while_they_last() {
    let groups = TargetGroups::compile(&config("{ targets: [127.0.0.1:1] }"), None);
    let in_flight = || describe(&groups)[0].in_flight;
    let one = groups.choose(GROUP, &Tried::default()).unwrap();
    let two = groups.choose(GROUP, &Tried::default()).unwrap();
    assert_eq!(in_flight(), 2);
    one.failed();
    drop(one);
    assert_eq!((in_flight(), describe(&groups)[0].failures), (1, 1));
    drop(two);
    assert_eq!(in_flight(), 0);
}
