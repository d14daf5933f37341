//! A changed file is put in force whole or not at all, and nobody notices the change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::authorization::protected;
use crate::support::{Connection, Gateway, Issuer, Target, eventually, wire};

fn answering(gateway: &Gateway, status: u16) {
    eventually("the default action changes", || {
        (wire::get(gateway.address(), "/none").status == status).then_some(())
    });
}

fn with_default(yaml: &str, status: u16) -> String {
    yaml.replace("status_code: 404", &format!("status_code: {status}"))
}

#[test]
fn a_file_replaced_by_rename_or_rewritten_in_place_is_put_in_force() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let gateway = Gateway::start(&yaml);
    gateway.write(&with_default(&yaml, 410));
    answering(&gateway, 410);
    std::fs::write(gateway.file(), with_default(&yaml, 403)).expect("written");
    answering(&gateway, 403);
    assert_eq!(issuer.fetches(), 1, "a reload fetches no key set that it has");
    assert_eq!(gateway.metric("portcullis_jwks_keys{user_pool=\"customers\"}"), Some(1.0));
}

#[test]
fn a_symlink_that_is_swapped_as_for_a_config_map_is_followed() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let gateway = Gateway::start(&yaml);
    let folder = gateway.folder();
    for (name, status) in [("one", 410), ("two", 403)] {
        std::fs::create_dir(folder.join(name)).expect("a folder");
        let file = folder.join(name).join("routes.yaml");
        std::fs::write(file, with_default(&yaml, status)).expect("written");
    }
    let swap = |to: &str| {
        std::os::unix::fs::symlink(to, folder.join("..new")).expect("a link");
        std::fs::rename(folder.join("..new"), folder.join("..data")).expect("renamed");
    };
    swap("one");
    std::os::unix::fs::symlink("..data/routes.yaml", folder.join("link")).expect("a link");
    std::fs::rename(folder.join("link"), gateway.file()).expect("renamed");
    answering(&gateway, 410);
    swap("two");
    answering(&gateway, 403);
}

#[test]
fn a_deleted_or_broken_file_leaves_the_rules_before_in_force() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let mut gateway = Gateway::start(&yaml);
    std::fs::write(gateway.file(), &yaml[..yaml.len() / 2]).expect("written");
    gateway.wait_log(&["reload refused"]);
    assert_eq!(gateway.metric("portcullis_config_last_reload_success"), Some(0.0));
    assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
    std::fs::remove_file(gateway.file()).expect("removed");
    gateway.wait_log(&["cannot be read"]);
    assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
    gateway.write(&with_default(&yaml, 410));
    answering(&gateway, 410);
    assert_eq!(gateway.metric("portcullis_config_last_reload_success"), Some(1.0));
}

#[test]
fn what_needs_a_restart_is_refused_by_name_and_changes_nothing() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let mut gateway = Gateway::start(&yaml);
    gateway.write(&with_default(&format!("threads: 7\n{yaml}"), 410));
    let line = gateway.wait_log(&["reload refused"]);
    assert!(line.contains("threads") && line.contains("restart"), "{line}");
    assert_eq!(wire::get(gateway.address(), "/none").status, 404);
}

#[test]
fn no_request_fails_while_good_and_broken_files_follow_each_other() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let mut gateway = Gateway::start(&yaml);
    let (address, token) = (gateway.address(), issuer.token());
    let request =
        format!("GET /orders/1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n");
    let (done, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (done, served, request) = (Arc::clone(&done), Arc::clone(&served), request.clone());
            std::thread::spawn(move || {
                let mut connection = Connection::open(address);
                while !done.load(Ordering::Relaxed) {
                    connection.send(&request);
                    let answer = connection.read();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    served.fetch_add(1, Ordering::Relaxed);
                    if answer.header("connection") == Some("close") {
                        connection = Connection::open(address);
                    }
                }
            })
        })
        .collect();
    let memory =
        |gateway: &Gateway| gateway.metric("process_resident_memory_bytes").expect("a metric");
    let mut memory_before = 0.0;
    for round in 0..100 {
        let before = served.load(Ordering::Relaxed);
        if round % 3 == 2 {
            gateway.write(&format!("{yaml}nonsense: {round}\n"));
            gateway.signal("HUP");
            gateway.wait_log(&["reload refused"]);
        } else {
            gateway.write(&with_default(&yaml, 400 + round));
            gateway.signal("HUP");
            gateway.wait_log(&["\"reloaded\""]);
        }
        eventually("requests go on", || (served.load(Ordering::Relaxed) > before).then_some(()));
        if round == 30 {
            memory_before = memory(&gateway);
        }
    }
    let growth = memory(&gateway) - memory_before;
    assert!(growth < 16.0 * 1024.0 * 1024.0, "70 reloads took {growth} bytes");
    answering(&gateway, 499);
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no request of this client failed");
    }
    assert_eq!(issuer.fetches(), 1, "a reload fetches no key set that it has");
    let reloads = gateway.said().matches("\"message\":\"reloaded\"").count();
    assert_eq!(reloads, 67, "each file is put in force once");
    assert_eq!(gateway.metric("portcullis_config_generation"), Some(68.0));
    let refused = gateway.metric("portcullis_config_reloads_total{result=\"refused\"}");
    assert_eq!(refused, Some(33.0));
}

#[test]
fn what_a_signal_has_reloaded_or_refused_is_not_read_again_by_the_watcher() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let gateway = Gateway::start(&yaml);
    // Another gateway tells when a watcher has had the time to see a change.
    let mut clock = Gateway::start(&yaml);
    for (text, metric) in [
        (with_default(&yaml, 410), "portcullis_config_reloads_total{result=\"success\"}"),
        (
            yaml.replace("forward:", "forwrad:"),
            "portcullis_config_reloads_total{result=\"refused\"}",
        ),
    ] {
        let before = gateway.metric(metric).expect("a metric");
        gateway.write(&text);
        gateway.signal("HUP");
        eventually("it is read", || (gateway.metric(metric) == Some(before + 1.0)).then_some(()));
        for status in [403, 405] {
            clock.write(&with_default(&yaml, status));
            clock.wait_log(&["\"reloaded\""]);
        }
        assert_eq!(gateway.metric(metric), Some(before + 1.0), "{metric}");
    }
}

#[test]
fn an_unreadable_file_or_a_folder_in_its_place_leaves_the_rules_before_in_force() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let mut gateway = Gateway::start(&yaml);
    std::fs::remove_file(gateway.file()).expect("removed");
    std::fs::create_dir(gateway.file()).expect("a folder");
    gateway.wait_log(&["cannot be read"]);
    gateway.signal("HUP");
    gateway.wait_log(&["reload refused", "routes.yaml"]);
    std::fs::remove_dir(gateway.file()).expect("removed");
    // Root may read what has no permission, a link to itself nobody.
    std::os::unix::fs::symlink("routes.yaml", gateway.file()).expect("a link");
    gateway.signal("HUP");
    gateway.wait_log(&["reload refused", "routes.yaml"]);
    assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
    assert_eq!(gateway.metric("portcullis_config_generation"), Some(1.0));
    gateway.write(&with_default(&yaml, 410));
    answering(&gateway, 410);
}

#[test]
fn health_kept_connections_and_verified_tokens_outlive_a_reload() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let gateway = Gateway::start(&yaml);
    let bearer = format!("Bearer {}", issuer.token());
    let ask = || {
        let headers = [("Authorization", bearer.as_str())];
        assert_eq!(wire::request(gateway.address(), "GET", "/orders/1", &headers).status, 200);
    };
    let healthy = || {
        gateway.metric("portcullis_targets{target_group=\"orders\",state=\"healthy\"}") == Some(1.0)
    };
    eventually("the target is healthy", || healthy().then_some(()));
    // Each worker thread keeps connections of its own.
    let connections = eventually("connections are kept", || {
        let before = target.connections();
        (0..10).for_each(|_| ask());
        (target.connections() == before).then_some(before)
    });
    let misses = gateway.metric("portcullis_token_cache_misses_total");
    for status in [410, 403] {
        gateway.write(&with_default(&yaml, status));
        gateway.signal("HUP");
        answering(&gateway, status);
        assert!(healthy(), "no target begins anew");
        (0..10).for_each(|_| ask());
    }
    assert_eq!(target.connections(), connections, "kept connections serve on");
    assert_eq!(gateway.metric("portcullis_token_cache_misses_total"), misses);
    assert_eq!(issuer.fetches(), 1);
}
