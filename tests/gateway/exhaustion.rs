//! What is scarce runs out: descriptors, the room for metrics, the admin listener's connections.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::authorization::protected;
use crate::grpc::connect;
use crate::slow_clients::{Pouring, https_to, open_to};
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
fn short_of_memory_unused_connections_end_newcomers_wait_and_all_are_served_afterwards() {
    const KEPT: usize = 20;
    const LIMIT: f64 = (64 << 20) as f64;
    let pouring = Pouring::start();
    let file = format!("memory_limit: 64MiB\n{}", open_to(pouring.target.address(), ""));
    let mut gateway = Gateway::start(&file);
    let mut kept: Vec<Connection> = (0..KEPT)
        .map(|_| {
            let mut connection = Connection::open(gateway.address());
            connection.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(connection.read().status, 200);
            connection
        })
        .collect();
    let used = |gateway: &Gateway| gateway.metric("portcullis_memory_used_bytes").expect("used");
    assert_eq!(gateway.metric("portcullis_memory_limit_bytes"), Some(LIMIT));
    assert!(used(&gateway) < LIMIT * 0.8, "an idle gateway has {} bytes", used(&gateway));

    // Answers that nobody reads are held here, until there is no room for more.
    let mut greedy = Vec::new();
    eventually("the memory is full", || {
        if used(&gateway) < LIMIT * 0.9 {
            let mut connection = Connection::open(gateway.address());
            connection.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
            greedy.push(connection);
        }
        (used(&gateway) >= LIMIT * 0.9).then_some(())
    });
    for connection in &mut kept {
        assert!(connection.is_closed(), "an unused connection is kept");
    }
    let mut newcomer = Connection::open(gateway.address());
    newcomer.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    gateway.wait_log(&["accepting pauses", "memory is short"]);
    assert_eq!(gateway.ask_admin("/livez").status, 200);

    drop(greedy);
    assert_eq!(newcomer.read().status, 200);
    // The allocator gives back what it has left when it is next asked for something.
    eventually("memory suffices again", || {
        assert_eq!(wire::get(gateway.address(), "/x").status, 200);
        gateway.log().iter().any(|line| line.contains("memory suffices again")).then_some(())
    });
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

#[test]
fn with_hardly_any_descriptors_what_cannot_be_served_is_told_so_and_the_rest_is_served() {
    const CLIENTS: usize = 14;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = parking_lot::Mutex::new(held);
    let target = Target::speaking(move |received, stream| {
        use std::io::Write;
        if received.target() == "/held" {
            // Until the other end is gone.
            let _: Result<(), _> = held.lock().recv();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    // Fewer than its own files, sixteen clients and a target's connection for each.
    let base = Gateway::start(&open_to(target.address(), "")).open_descriptors();
    let start = Start::with(&open_to(target.address(), "")).descriptors(base + CLIENTS + 6);
    let gateway = start.run();
    let mut clients: Vec<Connection> =
        (0..CLIENTS).map(|_| Connection::open(gateway.address())).collect();
    // Accepted all, so that it is their targets for whom nothing is left.
    eventually("all are accepted", || {
        (gateway.metric("portcullis_connections") == Some(CLIENTS as f64)).then_some(())
    });
    for client in &mut clients {
        client.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    eventually("some are refused", || {
        assert_eq!(gateway.ask_admin("/livez").status, 200);
        let refused = gateway.metric_sum("portcullis_requests_refused_total", &["overloaded"]);
        (refused >= 1.0).then_some(())
    });
    drop(release);
    let answers: Vec<u16> = clients.iter_mut().map(|client| client.read().status).collect();
    assert!(answers.iter().all(|status| [200, 503].contains(status)), "{answers:?}");
    assert!(answers.contains(&200) && answers.contains(&503), "{answers:?}");
    drop(clients);
    eventually("all is well again", || {
        (wire::get(gateway.address(), "/x").status == 200).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_one_http2_client_that_take_all_descriptors_are_refused_and_others_recover() {
    const STREAMS: usize = 110;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = parking_lot::Mutex::new(held);
    let target = Target::speaking(move |received, stream| {
        use std::io::Write;
        if received.target() == "/held" {
            let _: Result<(), _> = held.lock().recv();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let (start, authority) = https_to(target.address(), "");
    let gateway = start.descriptors(100).run();
    let mut client = connect(gateway.address(), &authority).await;
    let mut answers = Vec::new();
    for _ in 0..STREAMS {
        let request = http::Request::get("https://a.test/held").body(()).expect("a request");
        client = client.ready().await.expect("room for a stream");
        answers.push(client.send_request(request, true).expect("sent").0);
    }
    eventually("some are refused", || {
        assert_eq!(gateway.ask_admin("/livez").status, 200);
        let refused = gateway.metric_sum("portcullis_requests_refused_total", &["overloaded"]);
        (refused >= 1.0).then_some(())
    });
    drop(release);
    let mut statuses = Vec::new();
    for answer in answers {
        statuses.push(answer.await.expect("an answer").status().as_u16());
    }
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&200), "{statuses:?}");
    let mut other = connect(gateway.address(), &authority).await;
    let request = http::Request::get("https://a.test/x").body(()).expect("a request");
    let (answer, _) = other.send_request(request, true).expect("sent");
    assert_eq!(answer.await.expect("an answer").status(), 200);
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

#[test]
fn crafted_tokens_and_paths_cost_no_more_than_their_length() {
    const TIMES: u32 = 20;
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target).replace(
        "    rules:\n",
        "    rules:\n      - name: stars\n        \
         conditions: { path_pattern: ['/*a*a*a*a*a*a*a*a*b', '/*?a?a*?a?a*?a?a*?b', '/*aaaab*aaaab'] }\n        \
         fixed_response: { status_code: 418 }\n      \
         - name: names\n        \
         conditions: { query_string: [{ key: last, value: '1' }] }\n        \
         fixed_response: { status_code: 418 }\n",
    );
    let gateway = Gateway::start(&yaml);
    let good = issuer.token();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts") };
    let encode = |text: String| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    let many = |n: usize, member: &dyn Fn(usize) -> String| -> String {
        (0..n).map(member).collect::<Vec<_>>().join(",")
    };
    let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
    let tokens = [
        ("dots", ".".repeat(15_000)),
        ("a long header", format!("{}.{payload}.{signature}", "A".repeat(14_000))),
        ("a deep header", format!("{}.{payload}.{signature}", encode(deep(1_400)))),
        ("a deep payload", format!("{header}.{}.{signature}", encode(deep(5_000)))),
        (
            "many members",
            format!(
                "{header}.{}.{signature}",
                encode(format!("{{{}}}", many(900, &|n| format!("\"m{n}\":{n}"))))
            ),
        ),
        (
            "one member again and again",
            format!(
                "{header}.{}.{signature}",
                encode(format!("{{{}}}", many(1_500, &|_| "\"a\":1".to_owned())))
            ),
        ),
        ("a long number", format!("{header}.{}.{signature}", encode("9".repeat(10_000)))),
        ("a long signature", format!("{header}.{payload}.{}", "A".repeat(14_000))),
    ];
    let path = |path: String| ("a long path", path, String::new());
    let mut requests = vec![
        path(format!("/{}", "a".repeat(15_000))),
        path("/ab".repeat(5_000)),
        path(format!("/open/{}", "%41".repeat(5_000))),
        path(format!("/open/x{}", "/./x/..".repeat(2_000))),
        path(format!("/open/x?{}", "a=b&".repeat(3_700))),
        path(format!("/open/x?{}", (0..2_500).map(|n| format!("{n:x}=&")).collect::<String>())),
    ];
    // Each name is another one, and every one is looked at.
    let cookies: Vec<String> = (0..5_000).map(|n| format!("{n:x}=1")).collect();
    let cookies = format!("Cookie: {}\r\n", cookies.join("; "));
    let fields: String = (0..95).map(|n| format!("X-{n:x}: 1\r\n")).collect();
    for (what, header) in [("many cookies", cookies), ("many fields", fields)] {
        requests.push((what, "/open/1".to_owned(), header));
    }
    requests.extend(tokens.map(|(what, token)| {
        (what, "/orders/1".to_owned(), format!("Authorization: Bearer {token}\r\n"))
    }));
    for (what, path, header) in requests {
        let before = gateway.processor_time();
        let mut connection = Connection::open(gateway.address());
        for _ in 0..TIMES {
            connection.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n"));
            let answer = connection.read();
            assert!([200, 400, 401, 404, 418].contains(&answer.status), "{what}: {answer:?}");
            if answer.header("connection") == Some("close") {
                connection = Connection::open(gateway.address());
            }
        }
        // What costs the square of its length takes more even in an optimized build.
        let each = gateway.processor_time().saturating_sub(before) / TIMES;
        assert!(each < Duration::from_millis(50), "{what}: {each:?}");
    }
}

#[test]
fn a_token_over_the_limit_is_refused_however_well_it_is_signed() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target)
        .replace("    app_clients:", "    max_token_size: 2KiB\n    app_clients:");
    let gateway = Gateway::start(&yaml);
    for (length, status) in [(100, 200), (2_000, 401)] {
        let token = issuer.token_with(&json!({ "padding": "p".repeat(length) }));
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        let answer = wire::request(gateway.address(), "GET", "/orders/1", &headers);
        assert_eq!(answer.status, status, "{} bytes", token.len());
    }
    eventually("the reason is counted", || {
        let reason = ["token_too_large"];
        let refused = gateway.metric_sum("portcullis_authorizations_total", &reason);
        (refused == 1.0).then_some(())
    });
}
