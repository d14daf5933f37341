//! What is scarce runs out: descriptors, the room for metrics, the admin listener's connections.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::authorization::protected;
use crate::slow_clients::open_to;
use crate::support::issuer::Key;
use crate::support::{Connection, Gateway, Issuer, Start, Target, eventually, wire};

#[test]
fn without_descriptors_accepting_pauses_quietly_admin_answers_and_all_are_served_in_the_end() {
    const CLIENTS: usize = 150;
    let target = Target::start();
    let mut gateway = Start::with(&open_to(target.address(), "")).descriptors(128).run();
    let mut clients: Vec<Connection> =
        (0..CLIENTS).map(|_| Connection::open(gateway.address())).collect();
    for client in &mut clients {
        client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    // The first are served, and hold what they have.
    assert_eq!(clients[0].read().status, 200);
    gateway.wait_log(&["accepting pauses"]);

    let (began, used) = (Instant::now(), gateway.processor_time());
    eventually("a second and a half have passed", || {
        assert_eq!(gateway.ask_admin("/livez").status, 200);
        (began.elapsed() > Duration::from_millis(1500)).then_some(())
    });
    let used = gateway.processor_time().saturating_sub(used);
    assert!(used < began.elapsed() / 2, "busy while it can do nothing: {used:?}");
    assert!(gateway.metric("process_open_fds").expect("a gauge") <= 128.0);
    let told = gateway.log().iter().filter(|line| line.contains("accepting pauses")).count();
    let seconds = began.elapsed().as_secs() as usize;
    assert!(told <= seconds + 3, "told {told} times in {seconds} s");
    let errors: Vec<&String> =
        gateway.log().iter().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
    assert!(errors.is_empty(), "{errors:?}");

    // One that is served goes, one that waits comes.
    let mut clients = clients.into_iter();
    drop(clients.next());
    for mut client in clients {
        let answer = client.read();
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
    assert_eq!(wire::get(gateway.address(), "/x").status, 200);
}

#[test]
fn kept_connections_of_many_groups_leave_descriptors_for_new_ones() {
    const GROUPS: usize = 8;
    const AT_ONCE: usize = 20;
    let target = Target::start();
    let address = target.address();
    let mut yaml = String::from("admin: { address: 127.0.0.1:0 }\ntarget_groups:\n");
    for n in 0..GROUPS {
        yaml.push_str(&format!(
            "  g{n}: {{ targets: ['{address}'], health_check: {{ enabled: false }} }}\n"
        ));
    }
    yaml.push_str("listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n");
    for n in 0..GROUPS {
        yaml.push_str(&format!(
            "      - {{ name: r{n}, public: true, conditions: {{ path_pattern: ['/{n}/*'] }}, \
             forward: g{n} }}\n"
        ));
    }
    yaml.push_str("    default_action: { fixed_response: { status_code: 404 } }\n");
    let gateway = Start::with(&yaml).descriptors(128).run();
    let mut clients: Vec<Connection> =
        (0..AT_ONCE).map(|_| Connection::open(gateway.address())).collect();
    for group in 0..GROUPS {
        for client in &mut clients {
            client.send(format!("GET /{group}/x HTTP/1.1\r\nHost: x\r\n\r\n"));
        }
        for client in &mut clients {
            let answer = client.read();
            assert_eq!(answer.status, 200, "group {group}: {}", answer.text());
        }
        assert_eq!(gateway.ask_admin("/livez").status, 200);
    }
    assert!(target.connections() > AT_ONCE, "each group has connections of its own");
}

/// Names and labels of all series, without values.
fn series(gateway: &Gateway) -> BTreeSet<String> {
    let text = gateway.ask_admin("/metrics").text();
    let names = text.lines().filter(|line| !line.starts_with('#'));
    names.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[test]
fn ten_thousand_odd_requests_add_no_series() {
    const BATCH: usize = 50;
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let payload = issuer.claims().to_string();
    // One signature for all: none of the names is known, so nobody looks at it.
    let signed = Key::number(0).sign(&issuer.claims());
    let signature = signed.rsplit_once('.').expect("three parts").1;
    let encode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    let payload = encode(&payload);
    let odd = |n: usize| {
        // A method that nobody knows ends the connection: the last of each batch.
        let method = match n % BATCH {
            last if last == BATCH - 1 => format!("ODD-{n}"),
            other => ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"][other % 5].to_owned(),
        };
        let kid = encode(&json!({ "alg": "RS256", "kid": format!("odd-{n}") }).to_string());
        let folder = ["orders", "open", "elsewhere"][n % 3];
        format!(
            "{method} /{folder}/odd-{n}?odd={n} HTTP/1.1\r\nHost: odd-{n}.example\r\n\
             Authorization: Bearer {kid}.{payload}.{signature}\r\nUser-Agent: odd/{n}\r\n\
             X-Forwarded-For: 10.{}.{}.1\r\nX-Odd-{n}: odd\r\n\r\n",
            n / 250,
            n % 250,
        )
    };
    let mut before = BTreeSet::new();
    for batch in 0..10_000 / BATCH {
        // A series is shown once it has counted something: two of each kind first.
        if batch == 2 {
            before = series(&gateway);
            assert!(before.len() > 50, "{before:?}");
        }
        let mut connection = Connection::open(gateway.address());
        let requests: String = (0..BATCH).map(|n| odd(batch * BATCH + n)).collect();
        connection.send(requests);
        for n in 0..BATCH {
            let answer = connection.read();
            assert!([200, 401, 404, 501].contains(&answer.status), "{n}: {answer:?}");
        }
    }
    let after = series(&gateway);
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(gateway.metric_sum("portcullis_requests_total", &[]) >= 6_000.0);
    assert!(!gateway.ask_admin("/metrics").text().contains("odd"));
}

#[test]
fn slow_scrapers_do_not_keep_a_quick_one_or_requests_waiting_and_leave_nothing_behind() {
    const SCRAPERS: usize = 100;
    let target = Target::start();
    let gateway = Gateway::start(&open_to(target.address(), ""));
    assert_eq!(wire::get(gateway.address(), "/x").status, 200);
    let before = gateway.open_descriptors();
    let mut scrapers: Vec<Connection> = (0..SCRAPERS)
        .map(|n| {
            let mut connection = Connection::open(gateway.admin());
            let whole = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.admin());
            // Half of them never end their head; the others never read their answer.
            let _ = connection.try_send(if n % 2 == 0 { &whole[..20] } else { &whole });
            connection
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(gateway.ask_admin("/metrics").status, 200);
        assert_eq!(wire::get(gateway.address(), "/x").status, 200);
        assert!(gateway.open_descriptors() <= before + 64 + 8, "more than the admin's limit");
    }
    // Without their help: its own deadline ends the halves.
    for connection in scrapers.iter_mut().step_by(2) {
        let rest = connection.read_to_end();
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    }
    drop(scrapers);
    eventually("the descriptors are free again", || {
        (gateway.open_descriptors() <= before + 2).then_some(())
    });
}
