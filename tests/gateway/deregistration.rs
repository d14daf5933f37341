//! Targets that leave the file: nobody is lost who is with them, and nobody stays for ever.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::balancing::{Stop, UNCHECKED, before, orders};
use crate::support::http2::{Client, DATA, END_STREAM, RST_STREAM, head, headers};
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Start, Target, eventually, wire};

fn delayed(delay: &str) -> String {
    format!("{UNCHECKED}, deregistration_delay: {delay}")
}

/// The states of the group's targets, as the admin listener tells them.
fn states(gateway: &Gateway) -> Vec<String> {
    let targets = orders(gateway)["targets"].as_array().expect("a list").clone();
    targets.iter().map(|target| target["state"].as_str().expect("text").to_owned()).collect()
}

fn reload(gateway: &Gateway, text: &str, wanted: &[&str]) {
    gateway.write(text);
    gateway.signal("HUP");
    eventually("the new file is in force", || (states(gateway) == wanted).then_some(()));
}

/// A target that takes each request and says no word until it is told to.
fn silent() -> (Target, Arc<AtomicBool>) {
    let speaks = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&speaks);
    let target = Target::speaking(move |_, stream| {
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a limit");
        while !flag.load(Ordering::SeqCst) {
            // Until the other side is gone.
            match stream.read(&mut [0; 16]) {
                Ok(0) => return false,
                Err(why) if why.kind() == std::io::ErrorKind::ConnectionReset => return false,
                Ok(_) | Err(_) => {}
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").is_ok()
    });
    (target, speaks)
}

#[test]
fn a_target_that_leaves_under_load_costs_no_request() {
    const CLIENTS: usize = 4;
    let (stays, leaves) = (Target::start(), Target::start());
    let both = before(&[stays.address(), leaves.address()], &delayed("60s"));
    let gateway = Gateway::start(&both);
    let address = gateway.address();
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = Connection::open(address);
                while !stop.load(Ordering::SeqCst) {
                    connection.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
                    assert_eq!(connection.read().status, 200);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let go_on = |more: usize| {
            let then = done.load(Ordering::SeqCst);
            eventually("requests go on", || {
                (done.load(Ordering::SeqCst) > then + more).then_some(())
            });
        };
        for _ in 0..3 {
            go_on(100);
            let one = before(&[stays.address()], &delayed("60s"));
            reload(&gateway, &one, &["unavailable", "draining"]);
            go_on(20);
            leaves.taken();
            go_on(100);
            assert!(leaves.taken().is_empty(), "a new request for a target that left");
            reload(&gateway, &both, &["unavailable", "unavailable"]);
        }
    });
    assert_eq!(gateway.metric("portcullis_upstream_retries_total"), Some(0.0));
}

#[test]
fn a_request_in_flight_goes_on_while_its_target_drains() {
    let (leaves, speaks) = silent();
    let stays = Target::start();
    let gateway = Gateway::start(&before(&[leaves.address(), stays.address()], &delayed("60s")));
    let mut early = Connection::open(gateway.address());
    early.send("GET /early HTTP/1.1\r\nHost: x\r\n\r\n");
    leaves.next();
    reload(&gateway, &before(&[stays.address()], &delayed("60s")), &["unavailable", "draining"]);
    let told = orders(&gateway);
    assert_eq!(told["targets"][1]["in_flight"], 1);
    assert_eq!(told["targets"][1]["reason"], "Target.DeregistrationInProgress");
    let draining = gateway.metric_sum("portcullis_targets{", &["orders", "\"draining\""]);
    assert_eq!(draining, 1.0);
    for _ in 0..6 {
        assert_eq!(wire::get(gateway.address(), "/x").text(), "ok");
    }
    speaks.store(true, Ordering::SeqCst);
    assert_eq!(early.read().text(), "late");
}

#[test]
fn when_the_delay_is_over_what_is_not_answered_is_502_and_a_begun_answer_is_cut() {
    let (mute, _) = silent();
    let drip = Target::speaking(|_, stream| {
        let begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut alive = stream.write_all(begun).is_ok();
        while alive {
            alive = stream.write_all(b"4\r\ndrip\r\n").is_ok();
            std::thread::park_timeout(Duration::from_millis(20));
        }
        false
    });
    let stays = Target::start();
    let before_text = |targets: &[std::net::SocketAddr]| before(targets, &delayed("1s"));
    let gateway = Gateway::start(&before_text(&[mute.address(), drip.address(), stays.address()]));
    let mut waiting = Connection::open(gateway.address());
    waiting.send("GET /waiting HTTP/1.1\r\nHost: x\r\n\r\n");
    mute.next();
    let mut reading = Connection::open(gateway.address());
    reading.send("GET /reading HTTP/1.1\r\nHost: x\r\n\r\n");
    drip.next();
    // The third in turn is the one that stays; the fourth uploads to the silent one.
    assert_eq!(wire::get(gateway.address(), "/x").text(), "ok");
    let mut uploading = Connection::open(gateway.address());
    uploading.send("POST /uploading HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nfirst");
    eventually("the upload has begun", || {
        (orders(&gateway)["targets"][0]["in_flight"] == 2).then_some(())
    });

    gateway.write(&before_text(&[stays.address()]));
    gateway.signal("HUP");
    // Silent for up to a minute if nobody cut it.
    assert_eq!(waiting.read().status, 502);
    assert_eq!(uploading.read().status, 502);
    let read = reading.read_to_end();
    assert!(read.starts_with(b"HTTP/1.1 200"));
    assert!(!read.ends_with(b"0\r\n\r\n"), "ended as if it were whole");
    eventually("they are gone", || (states(&gateway) == ["unavailable"]).then_some(()));
    let lines = gateway.wait_access_log(|lines| lines.len() == 4);
    let cut = lines.iter().filter(|line| line["reason"] == "target_deregistered").count();
    assert_eq!(cut, 3, "{lines:?}");
    assert_eq!(wire::get(gateway.address(), "/x").text(), "ok");
}

#[test]
fn with_a_delay_of_0_requests_are_cut_at_once_and_a_tunnel_too() {
    let tunnel = Target::speaking(|_, stream| {
        let switched = stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        // Until the other side ends it.
        switched.is_ok() && matches!(stream.read(&mut [0; 16]), Ok(1..))
    });
    let stays = Target::start();
    let gateway = Gateway::start(&before(&[tunnel.address(), stays.address()], &delayed("0s")));
    let mut client = Connection::open(gateway.address());
    client.send(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    assert_eq!(client.try_read(true).expect("an answer").status, 101);
    gateway.write(&before(&[stays.address()], &delayed("0s")));
    gateway.signal("HUP");
    let last = client.read_to_end();
    assert!(last.is_empty(), "{:?}", String::from_utf8_lossy(&last));
}

#[test]
fn an_http2_stream_is_cut_with_the_next_byte_of_its_target() {
    let drip = Target::speaking(|_, stream| {
        let begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndrip\r\n";
        let mut alive = stream.write_all(begun).is_ok();
        while alive {
            std::thread::park_timeout(Duration::from_millis(20));
            alive = stream.write_all(b"4\r\ndrip\r\n").is_ok();
        }
        false
    });
    let stays = Target::start();
    let authority = Authority::new();
    let text = |targets: &[std::net::SocketAddr]| {
        before(targets, &delayed("0s")).replace(
            "    rules:",
            "    tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n    rules:",
        )
    };
    let pair = authority.issue(&["a.test"]);
    let gateway = Start::with(&text(&[drip.address(), stays.address()]))
        .file("a.pem", pair.certificate)
        .file("a.key", pair.private_key)
        .run();
    let mut client = Client::connect(gateway.address(), &authority, "a.test");
    client.send(&headers(1, END_STREAM, &head("GET", "a.test", "/x", &[])));
    assert_eq!(client.status(1), Some(200));
    gateway.write(&text(&[stays.address()]));
    gateway.signal("HUP");
    loop {
        let frame = client.next().expect("the connection lives on");
        if frame.kind == RST_STREAM {
            break;
        }
        assert!(frame.kind != DATA || frame.flags & END_STREAM == 0, "ended as if it were whole");
    }
    client.send(&headers(3, END_STREAM, &head("GET", "a.test", "/x", &[])));
    assert_eq!(client.status(3), Some(200));
}
