//! Clients that are kept while targets fail, files change and replicas come and go.

use std::net::TcpListener;

use super::*;
use crate::support::process::PATIENCE;

/// `session_keys` of these files, in front of a file.
fn keyed(keys: &[&str], yaml: &str) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("'${{file:{key}}}'")).collect();
    format!("session_keys: [{}]\n{yaml}", keys.join(", "))
}

fn start(yaml: &str) -> Gateway {
    Start::with(yaml).file("one", KEY).file("two", OTHER_KEY).run()
}

/// A target that answers one request, and then listens no more.
fn mortal() -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nmortal";
        stream.write_all(answer).expect("an answer");
    });
    (address, served)
}

#[test]
fn a_client_whose_target_refuses_is_served_by_another_one_and_stays_there() {
    let others = [named(), named()];
    let (address, served) = mortal();
    let mut addresses = vec![address];
    addresses.extend(others.iter().map(Target::address));
    let gateway = start(&file(&[addressed("web", &addresses, STICKY)], "web"));
    let mut browser = Browser::default();
    eventually("the mortal target answers", || {
        browser = Browser::default();
        (browser.target(&gateway) == "mortal").then_some(())
    });
    served.join().expect("served");
    let home = browser.target(&gateway);
    assert_ne!(home, "mortal");
    for _ in 0..6 {
        assert_eq!(browser.target(&gateway), home);
    }
    wait_misses(&gateway, "target_unavailable", 1);
}

#[test]
fn a_client_whose_target_is_unhealthy_moves_and_does_not_move_back() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let sick = Arc::new(AtomicBool::new(false));
    let is_sick = Arc::clone(&sick);
    let first = Target::answering(move |received| {
        let is_probe = received.target() == "/health";
        let status = if is_probe && is_sick.load(Ordering::Relaxed) { 503 } else { 200 };
        format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\nfirst").into_bytes()
    });
    let second =
        Target::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond".to_vec());
    let yaml = web(&[&first, &second], STICKY).replace(
        "health_check: { enabled: false }",
        "health_check: { path: /health, interval: 100ms, timeout: 100ms, healthy_threshold: 2 }",
    );
    let gateway = Gateway::start(&yaml);
    let healthy = |count: f64| {
        eventually("health is noticed", || {
            (gateway.metric_sum("portcullis_targets{", &["\"healthy\""]) == count).then_some(())
        });
    };
    healthy(2.0);
    let mut browser = Browser::default();
    eventually("the first target answers", || {
        browser = Browser::default();
        (browser.target(&gateway) == "first").then_some(())
    });
    sick.store(true, Ordering::Relaxed);
    healthy(1.0);
    assert_eq!(browser.target(&gateway), "second");
    sick.store(false, Ordering::Relaxed);
    healthy(2.0);
    for _ in 0..4 {
        assert_eq!(browser.target(&gateway), "second");
    }
}

#[test]
fn replicas_that_share_keys_know_each_others_clients_whatever_the_order_of_the_file() {
    let targets = [named(), named(), named()];
    let [a, b, c] = targets.each_ref();
    let one = start(&keyed(&["one"], &web(&[a, b, c], STICKY)));
    let moved = [group("new", &[a], ""), group("web", &[c, b, a], STICKY)];
    let other = start(&keyed(&["one"], &file(&moved, "web")));
    let stranger = start(&keyed(&["two"], &web(&[a, b, c], STICKY)));
    for _ in 0..6 {
        let mut browser = Browser::default();
        let home = browser.target(&one);
        for _ in 0..2 {
            assert_eq!(browser.target(&other), home);
            assert_eq!(browser.target(&one), home);
        }
        browser.target(&stranger);
    }
    wait_misses(&stranger, "invalid_cookie", 6);
    assert_eq!(misses(&other, ""), 0.0);
}

#[test]
fn keys_are_changed_by_a_reload_without_losing_a_client_until_the_old_one_goes() {
    let targets = [named(), named(), named()];
    let plain = web(&targets.each_ref(), STICKY);
    let gateway = start(&keyed(&["one"], &plain));
    let mut browser = Browser::default();
    let home = browser.target(&gateway);
    let old = browser.clone();
    let generation = |wanted: f64| {
        eventually("the file is put in force", || {
            (gateway.metric("portcullis_config_generation") == Some(wanted)).then_some(())
        });
    };
    gateway.write(&keyed(&["two", "one"], &plain));
    generation(2.0);
    assert_eq!(browser.target(&gateway), home);
    gateway.write(&keyed(&["two"], &plain));
    generation(3.0);
    assert_eq!(browser.target(&gateway), home, "sealed anew under the new key");
    assert_eq!(misses(&gateway, "invalid_cookie"), 0.0);
    old.clone().target(&gateway);
    wait_misses(&gateway, "invalid_cookie", 1);
}

#[test]
fn a_reload_that_adds_moves_and_drops_targets_moves_only_the_clients_of_those_dropped() {
    let targets = [named(), named(), named(), named()];
    let [a, b, c, d] = targets.each_ref();
    let gateway = start(&web(&[a, b, c], STICKY));
    let mut browsers: Vec<(Browser, String)> = (0..6)
        .map(|_| {
            let mut browser = Browser::default();
            let home = browser.target(&gateway);
            (browser, home)
        })
        .collect();
    gateway.write(&web(&[d, c, a], STICKY));
    eventually("the file is put in force", || {
        (gateway.metric("portcullis_config_generation") == Some(2.0)).then_some(())
    });
    let gone = b.address().to_string();
    for (browser, home) in &mut browsers {
        let now = browser.target(&gateway);
        assert_eq!(now == *home, *home != gone, "{home} {now}");
        assert_eq!(browser.target(&gateway), now);
    }
}

#[test]
fn without_shared_keys_a_state_directory_keeps_clients_over_a_restart_and_memory_does_not() {
    let targets = [named(), named(), named()];
    let state = tempfile::tempdir().expect("a folder");
    let plain = web(&targets.each_ref(), STICKY);
    let kept = format!("state_directory: {}\n{plain}", state.path().display());
    for (yaml, forgotten) in [(&kept, 0), (&plain, 6)] {
        let gateway = start(yaml);
        let mut browsers = vec![Browser::default(); 6];
        let home = |browser: &mut Browser, gateway: &Gateway| browser.target(gateway);
        let homes: Vec<_> = browsers.iter_mut().map(|b| home(b, &gateway)).collect();
        drop(gateway);
        let gateway = start(yaml);
        // A new client shifts the turns, so that nobody is at home by chance.
        Browser::default().target(&gateway);
        let again: Vec<_> = browsers.iter_mut().map(|b| home(b, &gateway)).collect();
        wait_misses(&gateway, "invalid_cookie", forgotten);
        assert_eq!(again == homes, forgotten == 0);
    }
}

#[test]
fn a_client_is_forgotten_when_the_duration_is_over_though_its_cookie_lives_on() {
    let targets = [named(), named(), named()];
    let gateway = start(&web(&targets.each_ref(), ", stickiness: { duration: 1s }"));
    let mut browser = Browser::default();
    browser.target(&gateway);
    eventually("the duration is over", || {
        // Always with the first cookie: with the last one it would go on for ever.
        browser.clone().target(&gateway);
        (misses(&gateway, "expired") > 0.0).then_some(())
    });
}

#[test]
fn a_session_key_that_is_damaged_ends_the_start_and_is_not_overwritten() {
    let target = named();
    let state = tempfile::tempdir().expect("a folder");
    let file = state.path().join("session-key");
    std::fs::write(&file, "half a k").expect("written");
    let yaml = format!("state_directory: {}\n{}", state.path().display(), web(&[&target], STICKY));
    let refused = Start::with(&yaml).try_run().err().expect("it does not start");
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.said.contains("session-key: not a session key"), "{}", refused.said);
    assert!(!refused.said.contains("half a k"));
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "half a k");
}
