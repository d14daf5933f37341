//! Who of several targets gets how much, when some fail, are full, are new, or die.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::process::portcullis;
use crate::support::{Connection, Gateway, Issuer, Target, eventually, wire};

/// A gateway that forwards everything to the group `orders` with these targets.
pub(crate) fn before(targets: &[SocketAddr], more: &str) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\ntarget_groups:\n  orders: {{ targets: [{}], {more} }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - name: all\n        public: true\n        conditions: {{ path_pattern: ['/*'] }}\n        \
         forward: orders\n    default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        targets.join(", ")
    )
}

pub(crate) const UNCHECKED: &str = "health_check: { enabled: false }";

/// A target that answers with this status at the moment, and its name.
fn named(name: &'static str) -> (Target, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let now = Arc::clone(&status);
    let target = Target::answering(move |_| {
        let status = now.load(Ordering::SeqCst);
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{name}", name.len()).into_bytes()
    });
    (target, status)
}

/// Has threads stop when the test is over, and when it fails.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What `/targets` says of the group `orders`.
pub(crate) fn orders(gateway: &Gateway) -> Value {
    let told = gateway.ask_admin("/targets").json();
    let groups = told["target_groups"].as_array().expect("a list");
    let orders = groups.iter().find(|group| group["target_group"] == "orders");
    orders.expect("the group").clone()
}

fn spread(gateway: &Gateway, requests: usize) -> BTreeMap<String, usize> {
    let mut spread = BTreeMap::new();
    let mut connection = Connection::open(gateway.address());
    for _ in 0..requests {
        connection.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        *spread.entry(connection.read().text()).or_default() += 1;
    }
    spread
}

#[test]
fn the_sample_file_is_good() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/samples/target-groups.yaml");
    let checked = portcullis(&["check", "--portable", "--strict", sample]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn lots_fall_by_weight_and_not_in_turn() {
    let (one, two) = (named("one").0, named("two").0);
    let text = before(
        &[one.address(), two.address()],
        &format!("algorithm: weighted_random, {UNCHECKED}"),
    );
    let weighed = format!("{{ address: '{}', weight: 3 }}", two.address());
    let gateway = Gateway::start(&text.replace(&format!("'{}'", two.address()), &weighed));
    let spread = spread(&gateway, 800);
    // 200 of 800 are expected, 12 is one standard deviation. In turn it would be 200 exactly, which
    // by lot comes once in thirty times.
    assert!((120..=280).contains(&spread["one"]), "{spread:?}");
}

#[test]
fn a_target_that_answers_500_again_and_again_is_left_out_for_its_time() {
    let (one, two) = (named("one"), named("two"));
    let more = format!(
        "{UNCHECKED}, outlier_ejection: {{ consecutive_failures: 3, base_ejection_time: 4s }}"
    );
    let mut gateway = Gateway::start(&before(&[one.0.address(), two.0.address()], &more));
    one.1.store(500, Ordering::SeqCst);
    assert_eq!(spread(&gateway, 6)["one"], 3);
    assert_eq!(spread(&gateway, 10).get("one"), None);
    gateway.wait_log(&["target ejected", "orders"]);
    assert_eq!(gateway.metric_sum("portcullis_targets_ejected", &["orders"]), 1.0);
    assert_eq!(gateway.metric_sum("portcullis_target_ejections_total", &["orders"]), 1.0);
    assert!(orders(&gateway)["targets"][0]["ejected_for_seconds"].as_f64() <= Some(4.0));
    one.1.store(200, Ordering::SeqCst);
    eventually("it is back", || spread(&gateway, 2).contains_key("one").then_some(()));
    assert_eq!(orders(&gateway)["targets"][0]["ejected_for_seconds"], Value::Null);
}

#[test]
fn connections_that_fail_count_for_ejection_and_cost_no_client_anything() {
    let (one, _) = named("one");
    let nobody = SocketAddr::from(([127, 0, 0, 1], Issuer::free_port()));
    let more = format!(
        "{UNCHECKED}, outlier_ejection: {{ consecutive_failures: 4, base_ejection_time: 1h }}"
    );
    let gateway = Gateway::start(&before(&[one.address(), nobody], &more));
    assert_eq!(spread(&gateway, 40), BTreeMap::from([("one".to_owned(), 40)]));
    // Each of the four was a second try, and then there were no more.
    assert_eq!(gateway.metric("portcullis_upstream_retries_total"), Some(4.0));
}

/// A target that holds every request until it is told to answer.
fn holding() -> (Target, Arc<AtomicBool>) {
    let answers = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&answers);
    let target = Target::answering(move |_| {
        eventually("the test lets go", || flag.load(Ordering::SeqCst).then_some(()));
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nheld".to_vec()
    });
    (target, answers)
}

#[test]
fn one_request_too_many_is_503_at_once_and_the_next_one_after_that_is_served() {
    let (target, answers) = holding();
    let more = format!("{UNCHECKED}, limits: {{ requests_per_target: 1 }}");
    let gateway = Gateway::start(&before(&[target.address()], &more));
    let mut first = Connection::open(gateway.address());
    first.send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
    target.next();
    let began = Instant::now();
    assert_eq!(wire::get(gateway.address(), "/second").status, 503);
    assert!(began.elapsed() < Duration::from_secs(10), "it was kept waiting");
    answers.store(true, Ordering::SeqCst);
    assert_eq!(first.read().text(), "held");
    assert_eq!(wire::get(gateway.address(), "/third").status, 200);
    let lines = gateway.wait_access_log(|lines| lines.len() == 3);
    let reasons: BTreeMap<&str, &str> = lines
        .iter()
        .map(|line| (line["path"].as_str().expect("text"), line["reason"].as_str().expect("text")))
        .collect();
    assert_eq!(
        reasons,
        BTreeMap::from([("/first", "public"), ("/second", "target_busy"), ("/third", "public")])
    );
    assert_eq!(gateway.metric_sum("portcullis_target_busy_total", &["orders"]), 1.0);
    assert_eq!(gateway.metric_sum("portcullis_requests_refused_total", &["target_busy"]), 1.0);
}

#[test]
fn a_full_target_is_passed_over_for_one_with_room() {
    let (full, answers) = holding();
    let (roomy, _) = named("roomy");
    let more = format!("{UNCHECKED}, limits: {{ requests_per_target: 1 }}");
    let gateway = Gateway::start(&before(&[full.address(), roomy.address()], &more));
    let mut first = Connection::open(gateway.address());
    first.send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
    full.next();
    assert_eq!(spread(&gateway, 10), BTreeMap::from([("roomy".to_owned(), 10)]));
    answers.store(true, Ordering::SeqCst);
    assert_eq!(first.read().text(), "held");
}

#[test]
fn connections_that_hang_fill_the_waiting_room_and_then_others_are_refused_at_once() {
    // Nobody accepts: once the kernel's queue is full, connections hang.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(stream);
        if queued.len() > 5_000 {
            return crate::support::skipped("the kernel's queue is too long to be filled");
        }
    }
    let more = format!("{UNCHECKED}, limits: {{ pending: 1 }}, timeouts: {{ connect: 20s }}");
    let gateway = Gateway::start(&before(&[address], &more));
    let mut first = Connection::open(gateway.address());
    first.send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
    eventually("it waits", || (orders(&gateway)["targets"][0]["in_flight"] == 1).then_some(()));
    let began = Instant::now();
    assert_eq!(wire::get(gateway.address(), "/second").status, 503);
    assert!(began.elapsed() < Duration::from_secs(10), "it was kept waiting");
}

#[test]
fn an_anomalous_target_is_held_back_from_and_told() {
    let targets = [named("one"), named("two"), named("three")];
    let addresses: Vec<SocketAddr> = targets.iter().map(|target| target.0.address()).collect();
    let more = format!("algorithm: weighted_random, anomaly_mitigation: true, {UNCHECKED}");
    let gateway = Gateway::start(&before(&addresses, &more));
    targets[1].1.store(500, Ordering::SeqCst);
    eventually("it is mitigated", || {
        spread(&gateway, 60);
        (gateway.metric_sum("portcullis_targets_mitigated", &["orders"]) == 1.0).then_some(())
    });
    assert_eq!(gateway.metric_sum("portcullis_targets_anomalous", &["orders"]), 1.0);
    let told = orders(&gateway);
    let anomalies: Vec<&str> =
        (0..3).map(|index| told["targets"][index]["anomaly"].as_str().expect("text")).collect();
    assert_eq!(anomalies, ["normal", "anomalous", "normal"]);
    assert!(told["targets"][1]["share_percent"].as_u64() <= Some(50));
    assert_eq!(told["targets"][1]["state"], "unavailable", "its health is another matter");
    let spread = spread(&gateway, 600);
    // At most a fifth by its share; a third before. One standard deviation is 10.
    assert!(spread["two"] < 180, "{spread:?}");
}

#[test]
fn a_target_that_joins_takes_up_its_share_slowly() {
    let (one, two) = (named("one").0, named("two").0);
    let check = "slow_start: 900s, health_check: { interval: 200ms, timeout: 200ms, \
        unhealthy_threshold: 5 }";
    let gateway = Gateway::start(&before(&[one.address()], check));
    let healthy = |gateway: &Gateway, count: usize| {
        let targets = orders(gateway)["targets"].as_array().expect("a list").clone();
        targets.iter().filter(|target| target["state"] == "healthy").count() == count
    };
    eventually("the first one is healthy", || healthy(&gateway, 1).then_some(()));
    assert_eq!(orders(&gateway)["targets"][0]["share_percent"], 100);
    gateway.write(&before(&[one.address(), two.address()], check));
    gateway.signal("HUP");
    eventually("the second one is healthy", || healthy(&gateway, 2).then_some(()));
    assert!(orders(&gateway)["targets"][1]["share_percent"].as_u64() <= Some(3));
    let spread = spread(&gateway, 100);
    assert!(spread["one"] >= 96, "{spread:?}");
}

#[test]
fn an_empty_group_answers_503_for_its_share_and_the_other_keeps_its_own() {
    let (one, _) = named("one");
    let text = before(&[one.address()], UNCHECKED)
        .replace("listeners:", "  none: { targets: [] }\nlisteners:")
        .replace(
            "forward: orders",
            "forward: { target_groups: [{ name: orders, weight: 3 }, { name: none, weight: 1 }] }",
        );
    let gateway = Gateway::start(&text);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for _ in 0..400 {
        *statuses.entry(wire::get(gateway.address(), "/x").status).or_default() += 1;
    }
    // 100 of 400 are expected; one standard deviation is 9.
    assert!((50..=150).contains(&statuses[&503]), "{statuses:?}");
    assert_eq!(statuses[&200] + statuses[&503], 400, "{statuses:?}");
}

#[test]
fn below_the_percentage_that_the_file_asks_for_all_targets_get_requests() {
    let targets = [named("one"), named("two"), named("three")];
    let addresses: Vec<SocketAddr> = targets.iter().map(|target| target.0.address()).collect();
    let more = "target_group_health: { minimum_healthy_targets: { percentage: 60 } }, \
        health_check: { interval: 200ms, timeout: 200ms, unhealthy_threshold: 3 }";
    let mut gateway = Gateway::start(&before(&addresses, more));
    let states = |gateway: &Gateway, state: &str| {
        let targets = orders(gateway)["targets"].as_array().expect("a list").clone();
        targets.iter().filter(|target| target["state"] == state).count()
    };
    eventually("all are healthy", || (states(&gateway, "healthy") == 3).then_some(()));
    targets[0].1.store(404, Ordering::SeqCst);
    eventually("one is not", || (states(&gateway, "unhealthy") == 1).then_some(()));
    assert_eq!(spread(&gateway, 10).len(), 2);
    assert_eq!(orders(&gateway)["unhealthy_routing_requests"], 0);
    targets[1].1.store(404, Ordering::SeqCst);
    eventually("two are not", || (states(&gateway, "unhealthy") == 2).then_some(()));
    gateway.wait_log(&["too few targets are healthy"]);
    assert_eq!(spread(&gateway, 9).len(), 3);
    let counted = gateway.metric_sum("portcullis_unhealthy_routing_requests_total", &["orders"]);
    assert_eq!(counted, 9.0);
}

#[test]
fn a_listener_of_the_file_may_be_a_target() {
    let (one, _) = named("one");
    let port = Issuer::free_port();
    let text = before(&[one.address()], UNCHECKED)
        .replace(
            "listeners:",
            &format!(
                "  inner: {{ targets: [{{ listener: inner }}], {UNCHECKED} }}\nlisteners:\n  inner:\n    \
                 address: 0.0.0.0:{port}\n    plaintext: accepted\n    default_action: {{ public: true, forward: orders }}"
            ),
        )
        .replace("        forward: orders", "        forward: inner");
    let gateway = Gateway::start(&text);
    let answer = wire::get(gateway.listener("public"), "/x");
    assert_eq!((answer.status, answer.text().as_str()), (200, "one"));
    // Both listeners took it: the second one adds the first one's address.
    let received = one.next();
    assert_eq!(received.values("x-forwarded-for"), ["127.0.0.1, 127.0.0.1"]);
}
