//! Clients that are slow with everything, or send too much of it: they are ended in time, hold
//! little, and nobody else notices.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::grpc::connect;
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Start, Target, eventually, wire};
use crate::targets::resident;

/// A gateway that forwards everything to one target, with more lines for its listener.
pub fn open_to(target: SocketAddr, listener: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         target_groups:\n  all: {{ targets: ['{target}'], health_check: {{ enabled: false }} }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n{listener}    rules:\n      \
         - name: all\n        public: true\n        conditions: {{ path_pattern: ['/*'] }}\n        \
         forward: all\n    default_action: {{ fixed_response: {{ status_code: 404 }} }}\n"
    )
}

/// The same over TLS, for `a.test`.
pub fn https_to(target: SocketAddr, listener: &str) -> (Start, Authority) {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let tls = "    tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n";
    let start = Start::with(&open_to(target, &format!("{listener}{tls}")))
        .file("a.pem", pair.certificate)
        .file("a.key", pair.private_key);
    (start, authority)
}

/// A client as it should be: asks again and again, on one connection, until it is told to stop.
struct GoodClient {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl GoodClient {
    fn start(gateway: &Gateway) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut connection = Connection::open(gateway.address());
        let (told, count) = (Arc::clone(&stop), Arc::clone(&served));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                connection.send("GET /good HTTP/1.1\r\nHost: x\r\n\r\n");
                let answer = connection.read();
                assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, served, thread }
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    /// Waits until one more request is served from now.
    fn wait_served(&self) {
        // The one that is under way may have begun before.
        let so_far = self.served();
        eventually("a good client is served", || (self.served() > so_far + 1).then_some(()));
    }

    /// Fails if any of its requests was not served.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every good request is served");
        self.served.load(Ordering::Relaxed)
    }
}

fn event(gateway: &Gateway, event: &str) -> f64 {
    let series = format!("portcullis_connection_events_total{{event=\"{event}\"}}");
    gateway.metric(&series).expect("a counter")
}

/// Waits until only the good client and the one that asks are left.
fn wait_connections(gateway: &Gateway, most: f64) {
    eventually("the connections are gone", || {
        (gateway.metric("portcullis_connections").expect("a gauge") <= most).then_some(())
    });
}

#[test]
fn hundreds_of_dripped_heads_are_answered_408_at_the_deadline_and_others_are_served() {
    const CLIENTS: usize = 300;
    let target = Target::start();
    let gateway = Gateway::start(&open_to(target.address(), "    head_timeout: 1s\n"));
    let good = GoodClient::start(&gateway);
    good.wait_served();
    let before = resident(gateway.pid());
    let mut slow: Vec<Connection> = (0..CLIENTS)
        .map(|_| {
            let mut connection = Connection::open(gateway.address());
            connection.send("GET /slow HTTP/1.1\r\nHost: x\r\nX-Slow: ");
            connection
        })
        .collect();
    let mut most = 0;
    // A byte now and then must not put the deadline off.
    eventually("all heads are given up", || {
        good.wait_served();
        most = most.max(resident(gateway.pid()));
        for connection in &mut slow {
            let _ = connection.try_send("a");
        }
        (event(&gateway, "head_timeout") >= CLIENTS as f64).then_some(())
    });
    for connection in &mut slow {
        assert_eq!(connection.read().status, 408);
        assert!(connection.is_closed());
    }
    wait_connections(&gateway, 1.0);
    good.wait_served();
    let served = good.end();
    let received = target.taken();
    assert!(received.iter().all(|request| request.target() == "/good"), "a half head got through");
    assert!(received.len() >= served);
    let grown = most.saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more");
}

#[test]
fn bodies_that_stop_are_given_up_and_their_targets_connections_let_go() {
    const CLIENTS: usize = 200;
    let target = Target::start();
    let gateway = Gateway::start(&open_to(target.address(), "    idle_timeout: 1s\n"));
    let good = GoodClient::start(&gateway);
    let before = gateway.open_descriptors();
    let mut slow: Vec<Connection> = (0..CLIENTS)
        .map(|n| {
            let mut connection = Connection::open(gateway.address());
            let framing =
                if n % 2 == 0 { "Content-Length: 100" } else { "Transfer-Encoding: chunked" };
            connection.send(format!("POST /slow HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n5\r\nab"));
            connection
        })
        .collect();
    for connection in &mut slow {
        let answer = connection.read();
        assert_eq!(answer.status, 408, "{answer:?}");
        assert!(connection.is_closed());
    }
    assert_eq!(event(&gateway, "slow_body"), CLIENTS as f64);
    good.wait_served();
    eventually("the descriptors are free again", || {
        (gateway.open_descriptors() <= before + 10).then_some(())
    });
    good.end();
    let received = target.taken();
    // The target has seen that the bodies are not whole.
    let whole = |body: &[u8]| body.len() >= 100 || body.ends_with(b"0\r\n\r\n");
    let slow = received.iter().filter(|request| request.target() == "/slow");
    assert!(slow.into_iter().all(|request| !whole(&request.body)));
}

/// A target whose `/large` has no end in sight.
pub struct Pouring {
    pub target: Target,
    poured: Arc<AtomicUsize>,
    stopped: Arc<AtomicUsize>,
}

impl Pouring {
    pub fn start() -> Self {
        let (poured, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, ends) = (Arc::clone(&poured), Arc::clone(&stopped));
        let target = Target::speaking(move |received, stream| {
            if received.target() != "/large" {
                return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_ok();
            }
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
            let block = [7; 64 * 1024];
            let mut is_open = stream.write_all(head).is_ok();
            while is_open {
                is_open = stream.write_all(&block).is_ok();
                count.fetch_add(block.len(), Ordering::Relaxed);
            }
            ends.fetch_add(1, Ordering::Relaxed);
            false
        });
        Self { target, poured, stopped }
    }

    /// Answers that the gateway has let go of.
    fn stopped(&self) -> usize {
        self.stopped.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_streams_that_are_not_read_are_cut_off_too() {
    const STREAMS: usize = 20;
    let pouring = Pouring::start();
    let (start, authority) = https_to(pouring.target.address(), "    idle_timeout: 1s\n");
    let gateway = start.run();
    let mut client = connect(gateway.address(), &authority).await;
    let mut held = Vec::new();
    for _ in 0..STREAMS {
        let request = http::Request::get("https://a.test/large").body(()).expect("a request");
        client = client.ready().await.expect("room for a stream");
        let (answer, _) = client.send_request(request, true).expect("sent");
        held.push(answer.await.expect("an answer"));
    }
    eventually("the target is let go of by all", || (pouring.stopped() == STREAMS).then_some(()));
    for answer in held {
        let mut body = answer.into_body();
        let mut received = 0;
        while let Some(Ok(data)) = body.data().await {
            received += data.len();
        }
        assert!(received < 1_000_000, "{received} bytes came without being asked for");
    }
    let request = http::Request::get("https://a.test/good").body(()).expect("a request");
    let mut client = connect(gateway.address(), &authority).await;
    let (answer, _) = client.send_request(request, true).expect("sent");
    assert_eq!(answer.await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_bodies_that_stop_are_given_up_and_their_targets_connections_let_go() {
    const STREAMS: usize = 20;
    let target = Target::start();
    let (mut start, authority) = https_to(target.address(), "");
    start = start.edit(|yaml| {
        yaml.replace("health_check: {", "timeouts: { response: 1s }, health_check: {")
    });
    let gateway = start.run();
    let before = gateway.open_descriptors();
    let mut client = connect(gateway.address(), &authority).await;
    let mut held = Vec::new();
    for _ in 0..STREAMS {
        let request = http::Request::post("https://a.test/slow").body(()).expect("a request");
        client = client.ready().await.expect("room for a stream");
        let (answer, mut body) = client.send_request(request, false).expect("sent");
        body.send_data("the beginning".into(), false).expect("sent");
        held.push((answer, body));
    }
    for (answer, _body) in held {
        let answer = answer.await.expect("an answer");
        assert!([408, 504].contains(&answer.status().as_u16()), "{}", answer.status());
    }
    eventually("the target's connections are let go of", || {
        (gateway.open_descriptors() <= before + 3).then_some(())
    });
}

#[test]
fn readers_of_a_large_answer_who_stop_hold_little_and_are_cut_off() {
    const CLIENTS: usize = 40;
    let pouring = Pouring::start();
    let gateway = Gateway::start(&open_to(pouring.target.address(), "    idle_timeout: 1s\n"));
    let good = GoodClient::start(&gateway);
    good.wait_served();
    let before = resident(gateway.pid());
    let mut slow: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| {
            let mut stream = TcpStream::connect(gateway.address()).expect("a connection");
            stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
            let mut first = [0; 1024];
            stream.read_exact(&mut first).expect("the beginning");
            stream
        })
        .collect();
    let mut most = 0;
    eventually("the target is let go of by all", || {
        good.wait_served();
        most = most.max(resident(gateway.pid()));
        (pouring.stopped() == CLIENTS).then_some(())
    });
    wait_connections(&gateway, 1.0);
    let grown = most.saturating_sub(before);
    // Pingora reads up to nine blocks of 64 KiB ahead for each.
    assert!(grown < CLIENTS as u64 * 2048, "{grown} KiB more for {CLIENTS} clients");
    // What the kernel holds on the way is not ours; that there is back-pressure at all is.
    let poured = pouring.poured.load(Ordering::Relaxed);
    assert!(poured < CLIENTS * 50_000_000, "{poured} bytes were taken from the target");
    let mut block = vec![0; 256 * 1024];
    for stream in &mut slow {
        let mut received = 1024;
        while let Ok(count @ 1..) = stream.read(&mut block) {
            received += count;
        }
        assert!(received < 99_000_000, "the answer looks whole: {received}");
    }
    good.end();
}

#[test]
fn oversized_heads_are_refused_and_cost_no_memory_while_their_clients_hang_on() {
    const CLIENTS: usize = 50;
    let target = Target::start();
    let gateway = Gateway::start(&open_to(target.address(), ""));
    assert_eq!(wire::get(gateway.address(), "/good").status, 200);
    let _ = target.taken();
    let before = resident(gateway.pid());
    let megabyte = "v".repeat(1024 * 1024);
    let exactly = |length: usize| {
        let frame = "GET / HTTP/1.1\r\nHost: x\r\nCookie: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "v".repeat(length - frame))
    };
    let fields = |count: usize| {
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(count - 1))
    };
    let cookies = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "Cookie: a=b\r\n".repeat(20_000));
    let heads = [
        ("a value of 1 MiB", format!("GET / HTTP/1.1\r\nHost: x\r\nX: {megabyte}\r\n\r\n"), 431),
        ("a name of 1 MiB", format!("GET / HTTP/1.1\r\nHost: x\r\n{megabyte}: x\r\n\r\n"), 431),
        ("a target of 1 MiB", format!("GET /{megabyte} HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
        ("a method of 1 MiB", format!("{megabyte} / HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
        ("one byte over 64 KiB", exactly(64 * 1024 + 1), 431),
        ("101 fields", fields(101), 431),
        ("20,000 cookies", cookies, 431),
    ];
    let mut held = Vec::new();
    for n in 0..CLIENTS {
        let (what, head, status) = &heads[n % heads.len()];
        let mut connection = Connection::open(gateway.address());
        connection.send(head);
        let answer = connection.read();
        assert_eq!(answer.status, *status, "{what}");
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
        held.push(connection);
    }
    let grown = resident(gateway.pid()).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    assert!(target.taken().is_empty(), "one got through");
    for connection in &mut held {
        assert!(connection.is_closed());
    }
    // The largest that may pass does.
    let mut connection = Connection::open(gateway.address());
    connection.send(fields(100));
    assert_eq!(connection.read().status, 200);
    connection.send(exactly(60 * 1024));
    assert_eq!(connection.read().status, 200);
}

#[test]
fn clients_that_cannot_be_served_yet_do_not_keep_a_listener_with_a_limit_closed() {
    const MOST: usize = 20;
    let target = Target::start();
    let listener = format!("    head_timeout: 1s\n    max_connections: {MOST}\n");
    let gateway = Start::with(&open_to(target.address(), &listener)).run();
    let mut slow: Vec<Connection> = (0..MOST)
        .map(|_| {
            let mut connection = Connection::open(gateway.address());
            connection.send("GET / HT");
            connection
        })
        .collect();
    let refused = wire::get(gateway.address(), "/x");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    for connection in &mut slow {
        assert_eq!(connection.read().status, 408);
    }
    drop(slow);
    wait_connections(&gateway, 0.0);
    assert_eq!(wire::get(gateway.address(), "/x").status, 200);
}
