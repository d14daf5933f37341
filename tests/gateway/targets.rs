//! Targets that fail in every way, and which of several takes a request.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::support::target::Received;
use crate::support::wire::Response;
use crate::support::{Connection, Gateway, Issuer, Target, eventually, wire};

/// No health checks: what is tested here is what requests themselves find out.
const UNCHECKED: &str = "health_check: { enabled: false }";

/// A gateway that forwards everything to the group `orders`, whose entry is given.
fn before(group: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\ntarget_groups:\n  orders: {{ {group} }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - name: all\n        public: true\n        conditions: {{ path_pattern: ['/*'] }}\n        \
         forward: orders\n    default_action: {{ fixed_response: {{ status_code: 404 }} }}\n"
    )
}

fn unchecked(targets: &[SocketAddr], more: &str) -> String {
    let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
    before(&format!("targets: [{}], {UNCHECKED}{more}", targets.join(", ")))
}

/// A target that says its name, and takes no request before it has been told.
fn named(name: &'static str) -> Target {
    Target::answering(move |_| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()).into_bytes()
    })
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], Issuer::free_port()))
}

fn post(gateway: &Gateway, path: &str, body: &str) -> Response {
    let mut connection = Connection::open(gateway.address());
    connection.send(format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    connection.read()
}

/// An answer whose head is a little over 64 KiB, in so many fields.
fn large(fields: usize) -> String {
    let field = format!("X: {}\r\n", "x".repeat(64 * 1024 / fields));
    format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", field.repeat(fields))
}

#[test]
fn bad_answers_of_a_target_are_502_and_never_reach_the_client() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2_000_000));
    let answers: Vec<(&str, Vec<u8>)> = vec![
        ("closes", Vec::new()),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
        ("junk", b"\x16\x03\x01 hello there\r\n\r\n".to_vec()),
        ("no status", b"HTTP/1.1 OK\r\n\r\n".to_vec()),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk".to_vec(),
        ),
        (
            "two lengths that agree",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        ),
        ("a list of lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nokk".to_vec()),
        ("a length with a sign", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok".to_vec()),
        (
            "an unknown coding",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_vec(),
        ),
        (
            "chunks in HTTP/1.0",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_vec(),
        ),
        (
            "an unasked switch of protocols",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello there"
                .to_vec(),
        ),
        ("a bare CR in a value", b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok".to_vec()),
        ("a NUL in a value", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok".to_vec()),
        ("no length", b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok".to_vec()),
        ("a name with a space", b"HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("a huge head", huge.into_bytes()),
        ("a value over 64 KiB", large(1).into_bytes()),
        ("many values that are 64 KiB together", large(80).into_bytes()),
    ];
    for (what, answer) in answers {
        let target = Target::speaking(move |_, stream| {
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(Shutdown::Both);
            false
        });
        let gateway = Gateway::start(&unchecked(&[target.address()], ""));
        let answer = wire::get(gateway.address(), "/x");
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        assert!(!answer.text().contains("hello there"), "{what}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_cut_for_the_client_too_and_its_connection_not_used_again() {
    let answers: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly",
    ];
    for answer in answers {
        let target = Target::speaking(move |_, stream| {
            let _ = stream.write_all(answer);
            let _ = stream.shutdown(Shutdown::Both);
            false
        });
        let gateway = Gateway::start(&unchecked(&[target.address()], ""));
        let mut connection = Connection::open(gateway.address());
        connection.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        let received = String::from_utf8(connection.read_to_end()).expect("text");
        let told = String::from_utf8_lossy(answer);
        assert!(received.starts_with("HTTP/1.1 200"), "{told}: {received}");
        assert!(!received.ends_with("0\r\n\r\n"), "ended as if whole: {told}: {received}");
        assert_eq!(target.connections(), 1);
    }
}

#[test]
fn a_204_has_no_body_whatever_its_head_says() {
    for framing in [
        "Content-Length: 4\r\n\r\nevil",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
    ] {
        let target = Target::answering(move |_| {
            format!("HTTP/1.1 204 No Content\r\n{framing}").into_bytes()
        });
        let gateway = Gateway::start(&unchecked(&[target.address()], ""));
        let mut connection = Connection::open(gateway.address());
        for _ in 0..2 {
            connection.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
            let answer = connection.read();
            assert_eq!(answer.status, 204);
            assert_eq!(answer.header("content-length"), None);
            assert_eq!(answer.header("transfer-encoding"), None);
        }
        connection.finish_sending();
        assert!(!String::from_utf8_lossy(&connection.read_to_end()).contains("evil"));
        assert_eq!(target.connections(), 2, "a connection with bytes left over was used again");
    }
}

#[test]
fn what_follows_a_whole_answer_is_given_to_nobody() {
    let target = Target::answering(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
            .to_vec()
    });
    let gateway = Gateway::start(&unchecked(&[target.address()], ""));
    let mut connection = Connection::open(gateway.address());
    for _ in 0..3 {
        connection.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(connection.read().text(), "ok");
    }
    assert_eq!(target.connections(), 3);
}

#[test]
fn a_target_that_hangs_is_504_after_its_limit_and_a_begun_request_is_not_repeated() {
    let target = Target::speaking(|_, stream| {
        let _ = stream.read(&mut [0]);
        false
    });
    let limits = ", timeouts: { response: 300ms }";
    let gateway = Gateway::start(&unchecked(&[target.address()], limits));
    assert_eq!(wire::get(gateway.address(), "/x").status, 504);
    assert_eq!(post(&gateway, "/x", "pay").status, 504);
    assert_eq!(target.taken().len(), 2);
}

#[test]
fn a_connect_that_fails_goes_to_another_target_whatever_the_method() {
    let target = named("up");
    let gateway = Gateway::start(&unchecked(&[nobody(), target.address()], ""));
    for _ in 0..6 {
        assert_eq!(post(&gateway, "/x", "pay").text(), "up");
    }
    assert_eq!(target.taken().len(), 6);
    let tried = gateway.wait_access_log(|lines| lines.len() == 6);
    assert!(tried.iter().all(|line| line.to_string().contains(&target.address().to_string())));
}

#[test]
fn with_all_targets_down_the_answer_is_502_and_with_none_503() {
    let gateway = Gateway::start(&unchecked(&[nobody(), nobody()], ""));
    assert_eq!(wire::get(gateway.address(), "/x").status, 502);
    let gateway = Gateway::start(&before("targets: []"));
    assert_eq!(wire::get(gateway.address(), "/x").status, 503);
}

#[test]
fn a_post_is_never_sent_twice() {
    // Serves one request a connection and closes at the second without a word, as a target does
    // that gave the connection up at that moment.
    let seen = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&seen);
    let target = Target::speaking(move |received, stream| {
        if received.target() == "/first" {
            return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok();
        }
        if received.request_line.starts_with("GET") && flag.swap(true, Ordering::SeqCst) {
            return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok();
        }
        false
    });
    let gateway = Gateway::start(&unchecked(&[target.address()], ", algorithm: round_robin"));
    assert_eq!(wire::get(gateway.address(), "/first").status, 200);
    assert_eq!(post(&gateway, "/pay", "once").status, 502);
    let paid = target.taken();
    assert_eq!(paid.iter().filter(|r| r.target() == "/pay").count(), 1);
    // A GET on a kept connection that breaks is repeated once, on another connection.
    assert_eq!(wire::get(gateway.address(), "/first").status, 200);
    assert_eq!(wire::get(gateway.address(), "/get").status, 200);
    assert_eq!(target.taken().iter().filter(|r| r.target() == "/get").count(), 2);
}

#[test]
fn requests_go_round_and_weights_are_kept() {
    let (one, two) = (named("one"), named("two"));
    let file = before(&format!(
        "targets: [{}, {{ address: '{}', weight: 3 }}], {UNCHECKED}",
        one.address(),
        two.address()
    ));
    let gateway = Gateway::start(&file);
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    let mut connection = Connection::open(gateway.address());
    for _ in 0..40 {
        connection.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        *shares.entry(connection.read().text()).or_default() += 1;
    }
    assert_eq!(shares, BTreeMap::from([("one".to_owned(), 10), ("two".to_owned(), 30)]));
}

#[test]
fn weighted_groups_share_by_weight_and_0_gets_none() {
    let (one, two, none) = (named("one"), named("two"), named("none"));
    let file = before(&format!("targets: [{}], {UNCHECKED}", one.address()))
        .replace(
            "listeners:",
            &format!(
                "  two: {{ targets: [{}], {UNCHECKED} }}\n  none: {{ targets: [{}], {UNCHECKED} }}\n\
                 listeners:",
                two.address(),
                none.address()
            ),
        )
        .replace(
            "forward: orders",
            "forward: { target_groups: [{ name: orders, weight: 1 }, { name: two, weight: 3 }, \
             { name: none, weight: 0 }] }",
        );
    let gateway = Gateway::start(&file);
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    let mut connection = Connection::open(gateway.address());
    for _ in 0..800 {
        connection.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        *shares.entry(connection.read().text()).or_default() += 1;
    }
    // Chosen at random: 200 of 800 are expected, 12 is one standard deviation.
    let one = shares["one"];
    assert!((120..=280).contains(&one), "{shares:?}");
    assert_eq!(shares.get("none"), None);
}

#[test]
fn least_outstanding_requests_leaves_a_busy_target_alone() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let slow = Target::speaking(move |received, stream| {
        if received.target() == "/slow" {
            let _ = held.lock().recv();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").is_ok()
    });
    let fast = named("fast");
    let algorithm = ", algorithm: least_outstanding_requests";
    let gateway = Gateway::start(&unchecked(&[slow.address(), fast.address()], algorithm));
    std::thread::scope(|scope| {
        // Two at most until the slow target has one.
        eventually("the slow target is busy", || {
            let address = gateway.address();
            scope.spawn(move || wire::get(address, "/slow"));
            eventually("it has come", || {
                let (slow, fast) = (slow.taken().len(), fast.taken().len());
                (slow + fast > 0).then_some(slow > 0)
            })
            .then_some(())
        });
        for _ in 0..20 {
            assert_eq!(wire::get(gateway.address(), "/x").text(), "fast");
        }
        release.send(()).expect("it waits");
    });
}

/// A target whose health check answers a status that a test sets.
fn checked() -> (Target, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let says = Arc::clone(&status);
    let target = Target::answering(move |received: &Received| {
        let status = match received.target() {
            "/healthz" => says.load(Ordering::SeqCst),
            _ => 200,
        };
        format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok").into_bytes()
    });
    (target, status)
}

fn in_state(gateway: &Gateway, state: &str) -> f64 {
    gateway.metric_sum("portcullis_target", &["orders", &format!("\"{state}\"")])
}

#[test]
fn an_unhealthy_target_gets_nothing_until_it_is_healthy_again_and_all_get_some_when_none_is() {
    let (one, two) = (checked(), checked());
    let file = before(&format!(
        "targets: [{}, {}], health_check: {{ path: /healthz, interval: 200ms, timeout: 200ms, \
         healthy_threshold: 2, unhealthy_threshold: 2, matcher: '200-299' }}",
        one.0.address(),
        two.0.address(),
    ));
    let gateway = Gateway::start(&file);
    eventually("both are healthy", || (in_state(&gateway, "healthy") == 2.0).then_some(()));
    one.1.store(404, Ordering::SeqCst);
    eventually("one is not", || (in_state(&gateway, "unhealthy") == 1.0).then_some(()));
    one.0.taken();
    for _ in 0..10 {
        assert_eq!(wire::get(gateway.address(), "/x").status, 200);
    }
    assert!(one.0.taken().is_empty());
    assert_eq!(two.0.taken().len(), 10);
    two.1.store(500, Ordering::SeqCst);
    eventually("none is", || (in_state(&gateway, "unhealthy") == 2.0).then_some(()));
    for _ in 0..10 {
        assert_eq!(wire::get(gateway.address(), "/x").status, 200);
    }
    assert_eq!((one.0.taken().len(), two.0.taken().len()), (5, 5));
    one.1.store(204, Ordering::SeqCst);
    eventually("one is again", || (in_state(&gateway, "healthy") == 1.0).then_some(()));
    assert_eq!(wire::get(gateway.address(), "/x").status, 200);
    assert_eq!(one.0.taken().len(), 1);
}

#[test]
fn health_outlives_a_reload_that_changes_weights() {
    let (one, two) = (checked(), checked());
    let file = |weight: u16| {
        before(&format!(
            "targets: [{}, {{ address: '{}', weight: {weight} }}], health_check: {{ path: /healthz, \
             interval: 100s, timeout: 1s, unhealthy_threshold: 1 }}",
            one.0.address(),
            two.0.address(),
        ))
    };
    one.1.store(500, Ordering::SeqCst);
    let mut gateway = Gateway::start(&file(1));
    eventually("checked", || {
        (in_state(&gateway, "healthy") + in_state(&gateway, "unhealthy") == 2.0).then_some(())
    });
    gateway.write(&file(5));
    gateway.signal("HUP");
    gateway.wait_log(&["reloaded"]);
    assert_eq!((in_state(&gateway, "healthy"), in_state(&gateway, "unhealthy")), (1.0, 1.0));
    for _ in 0..6 {
        assert_eq!(wire::get(gateway.address(), "/x").status, 200);
    }
    assert!(one.0.taken().is_empty());
}

#[test]
fn names_are_resolved_and_one_that_cannot_be_is_nobody_elses_fault() {
    let target = named("up");
    let port = target.address().port();
    let with = |name: &str| before(&format!("targets: ['{name}:{port}'], {UNCHECKED}"));
    let mut gateway = Gateway::start(&with("localhost"));
    assert_eq!(wire::get(gateway.address(), "/x").text(), "up");
    // A reload renames the group's only target; the first request after it already has an address.
    let two = with("localhost").replace("orders", "renamed");
    gateway.write(&two);
    gateway.signal("HUP");
    gateway.wait_log(&["reloaded"]);
    assert_eq!(wire::get(gateway.address(), "/x").text(), "up");
    gateway.write(&with("no-such-name.invalid"));
    gateway.signal("HUP");
    gateway.wait_log(&["reloaded"]);
    gateway.wait_log(&["cannot be resolved"]);
    assert_eq!(wire::get(gateway.address(), "/x").status, 503);
    assert_eq!(gateway.ask_admin("/livez").status, 200);
}

#[test]
fn a_hundred_megabytes_pass_in_either_direction_without_being_held() {
    const SIZE: usize = 100 * 1024 * 1024;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || swallow_and_pour(stream, SIZE));
        }
    });
    let gateway = Gateway::start(&unchecked(&[address], ""));
    assert_eq!(wire::get(gateway.address(), "/small").status, 200);
    let before = resident(gateway.pid());
    let mut stream = TcpStream::connect(gateway.address()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let head = format!("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let block = vec![7; 64 * 1024];
    let mut most = 0;
    for n in 0..SIZE / block.len() {
        stream.write_all(&block).expect("sent");
        if n % 200 == 0 {
            most = most.max(resident(gateway.pid()));
        }
    }
    let mut received = 0;
    let mut block = vec![0; 256 * 1024];
    while received < SIZE {
        let count = stream.read(&mut block).expect("received");
        assert!(count > 0, "ended after {received}");
        received += count;
        most = most.max(resident(gateway.pid()));
    }
    let grown = most.saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB more at most");
}

/// Takes a request with its body, then answers with as large a body.
fn swallow_and_pour(mut stream: TcpStream, size: usize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    if !head.starts_with(b"POST") {
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    }
    let taken = std::io::copy(&mut (&stream).take(size as u64), &mut std::io::sink());
    assert_eq!(taken.ok(), Some(size as u64));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let block = vec![7; 64 * 1024];
    for _ in 0..size / block.len() {
        if stream.write_all(&block).is_err() {
            return;
        }
    }
}

/// Resident memory of a process in KiB.
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).expect("a size")
}

#[test]
fn a_body_is_passed_on_as_it_comes_and_so_is_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let gateway = Gateway::start(&unchecked(&[address], ""));
    let mut client = Connection::open(gateway.address());
    client.send("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    let (mut target, _) = listener.accept().expect("a connection");
    target.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let mut seen = Vec::new();
    let mut read_until = |target: &mut TcpStream, wanted: &[u8]| {
        let mut block = [0; 4096];
        while !seen.windows(wanted.len()).any(|window| window == wanted) {
            let count = target.read(&mut block).expect("bytes");
            assert!(count > 0, "closed before {wanted:?}");
            seen.extend_from_slice(&block[..count]);
        }
    };
    read_until(&mut target, b"first");
    target
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        .expect("sent");
    let head = client.read_exact(b"HTTP/1.1 200 OK".len()).expect("a head before the body's end");
    assert_eq!(head, b"HTTP/1.1 200 OK");
    client.send("6\r\nsecond\r\n0\r\n\r\n");
    read_until(&mut target, b"second");
    target.write_all(b"0\r\n\r\n").expect("sent");
}

#[test]
fn a_flood_of_interim_answers_ends_with_the_answer_and_is_not_collected() {
    let target = Target::speaking(|received, stream| {
        if received.target() == "/flood" {
            let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".repeat(200);
            for _ in 0..500 {
                if stream.write_all(&interim).is_err() {
                    return false;
                }
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok()
    });
    let gateway = Gateway::start(&unchecked(&[target.address()], ""));
    assert_eq!(wire::get(gateway.address(), "/x").status, 200);
    let before = resident(gateway.pid());
    let mut connection = Connection::open(gateway.address());
    connection.send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
    // Whether they are passed on or not, or are too many: the end is one final answer.
    let last = loop {
        let answer = connection.read();
        if answer.status >= 200 {
            break answer;
        }
    };
    assert!([200, 502].contains(&last.status), "{last:?}");
    let grown = resident(gateway.pid()).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
}

#[test]
fn an_answer_before_the_end_of_an_upload_reaches_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let gateway = Gateway::start(&unchecked(&[address], ""));
    let mut client = Connection::open(gateway.address());
    client.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nfirst");
    let (mut target, _) = listener.accept().expect("a connection");
    target.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let mut seen = Vec::new();
    let mut block = [0; 4096];
    while !seen.ends_with(b"first") {
        let count = target.read(&mut block).expect("bytes");
        assert!(count > 0, "closed");
        seen.extend_from_slice(&block[..count]);
    }
    let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";
    target.write_all(answer).expect("sent");
    let answer = client.read();
    assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
    drop(target);
    // The rest of the upload must not be taken for a request.
    let mut left = 1_000_000 - b"first".len();
    while left > 0 && client.try_send(vec![b'x'; left.min(4096)]) {
        left -= left.min(4096);
    }
    client.try_send("x");
    assert_eq!(String::from_utf8_lossy(&client.read_to_end()), "");
}

#[test]
fn a_header_that_would_split_an_answer_never_reaches_a_client() {
    for value in ["a\rSet-Cookie: evil=1", "a\0b", "a\r\n\0evil: 1", "a\x0bb"] {
        let target = Target::answering(move |_| {
            format!("HTTP/1.1 200 OK\r\nX: {value}\r\nContent-Length: 0\r\n\r\n").into_bytes()
        });
        let gateway = Gateway::start(&unchecked(&[target.address()], ""));
        let answer = wire::get(gateway.address(), "/x");
        assert_eq!(answer.status, 502, "{value:?}: {answer:?}");
        assert!(answer.headers.iter().all(|(name, _)| name != "set-cookie" && name != "evil"));
    }
}
