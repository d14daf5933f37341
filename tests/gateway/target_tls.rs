//! TLS toward targets: verified against the group's own authorities, or not at all if it says so.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::tls::{Authority, Pair};
use crate::support::{Gateway, Start, eventually, wire};

/// A target that speaks TLS and counts the requests that reach it, health checks apart.
struct TlsTarget {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl TlsTarget {
    fn start(pair: &Pair) -> Self {
        Self::with(pair.server(&["http/1.1"]))
    }

    fn with(config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (config, count) = (Arc::clone(&config), Arc::clone(&count));
                std::thread::spawn(move || {
                    let session = ServerConnection::new(config).expect("a session");
                    let mut stream = BufReader::new(StreamOwned::new(session, tcp));
                    let mut head = String::new();
                    while stream.read_line(&mut head).is_ok_and(|read| read > 0) {
                        if !head.ends_with("\r\n\r\n") {
                            continue;
                        }
                        if !head.contains("ELB-HealthChecker") {
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                        head.clear();
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                        if stream.get_mut().write_all(answer).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// A gateway before groups `a` and `b`, each one path, with the `tls:` given for each.
fn before(target: &TlsTarget, a: &str, b: &str) -> String {
    let group = |name: &str, tls: &str| {
        format!(
            "  {name}:\n    targets: ['{}']\n    protocol: https\n{tls}    \
             health_check: {{ interval: 1s, timeout: 1s }}\n",
            target.address
        )
    };
    let rule = |name: &str| {
        format!(
            "      - name: {name}\n        public: true\n        \
             conditions: {{ path_pattern: [/{name}] }}\n        forward: {name}\n"
        )
    };
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\ntarget_groups:\n{}{}\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n{}{}    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        group("a", a),
        group("b", b),
        rule("a"),
        rule("b"),
    )
}

fn start(file: &str, authorities: &[(&str, &Authority)]) -> Gateway {
    let start = Start::with(file);
    authorities.iter().fold(start, |start, (name, made)| start.file(name, &made.pem)).run()
}

const RIGHT: &str = "    tls: { authorities: right.pem }\n";
const WRONG: &str = "    tls: { authorities: wrong.pem }\n";

#[test]
fn a_certificate_of_the_groups_own_authority_is_trusted_and_checks_pass_by_it_too() {
    let right = Authority::new();
    let target = TlsTarget::start(&right.issue(&["127.0.0.1"]));
    let gateway = start(&before(&target, RIGHT, RIGHT), &[("right.pem", &right)]);
    assert_eq!(wire::get(gateway.address(), "/a").text(), "ok");
    eventually("both groups are healthy", || {
        (gateway.metric_sum("portcullis_target", &["\"healthy\""]) == 2.0).then_some(())
    });
}

#[test]
fn a_certificate_of_another_authority_is_502_and_no_request_is_sent() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let target = TlsTarget::start(&right.issue(&["127.0.0.1"]));
    let file = before(&target, WRONG, "");
    let gateway = start(&file, &[("wrong.pem", &wrong)]);
    assert_eq!(wire::get(gateway.address(), "/a").status, 502);
    assert_eq!(wire::get(gateway.address(), "/b").status, 502, "the system's authorities");
    assert_eq!(target.requests(), 0);
}

#[test]
fn a_certificate_for_another_name_is_502_unless_the_file_asks_for_that_name() {
    let right = Authority::new();
    let target = TlsTarget::start(&right.issue(&["orders.test"]));
    let named = "    tls: { authorities: right.pem, server_name: orders.test }\n";
    let gateway = start(&before(&target, RIGHT, named), &[("right.pem", &right)]);
    assert_eq!(wire::get(gateway.address(), "/b").text(), "ok");
    assert_eq!(wire::get(gateway.address(), "/a").status, 502);
    assert_eq!(target.requests(), 1);
}

#[test]
fn a_connection_that_was_not_verified_serves_no_group_that_verifies() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let target = TlsTarget::start(&right.issue(&["127.0.0.1"]));
    let file = before(&target, "    tls: insecure\n", WRONG);
    let gateway = start(&file, &[("wrong.pem", &wrong)]);
    for _ in 0..3 {
        assert_eq!(wire::get(gateway.address(), "/a").text(), "ok");
        assert_eq!(wire::get(gateway.address(), "/b").status, 502);
    }
    assert_eq!(target.requests(), 3);
}

#[test]
fn authorities_replaced_on_disk_are_in_force_after_a_reload() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let target = TlsTarget::start(&right.issue(&["127.0.0.1"]));
    let mut gateway = start(&before(&target, RIGHT, RIGHT), &[("right.pem", &right)]);
    assert_eq!(wire::get(gateway.address(), "/a").text(), "ok");
    std::fs::write(gateway.folder().join("right.pem"), &wrong.pem).expect("written");
    gateway.signal("HUP");
    gateway.wait_log(&["reloaded"]);
    assert_eq!(wire::get(gateway.address(), "/a").status, 502);
}

const SHOWN: &str = "    tls:\n      authorities: right.pem\n      \
    client_certificate: { certificate: edge.pem, private_key: edge.key }\n";

/// A gateway whose group `a` shows a certificate and whose group `b` does not.
fn showing(target: &TlsTarget, right: &Authority, pair: &Pair) -> Gateway {
    Start::with(&before(target, SHOWN, RIGHT))
        .file("right.pem", &right.pem)
        .file("edge.pem", &pair.certificate)
        .file("edge.key", &pair.private_key)
        .run()
}

#[test]
fn a_target_that_asks_for_a_certificate_gets_the_groups_own_and_no_other_group_borrows_it() {
    let (right, clients) = (Authority::new(), Authority::new());
    let served = right.issue(&["127.0.0.1"]).server_for(&clients, &["http/1.1"]);
    let target = TlsTarget::with(served);
    let gateway = showing(&target, &right, &clients.issue(&["edge.test"]));
    for _ in 0..3 {
        assert_eq!(wire::get(gateway.address(), "/a").text(), "ok");
        assert_eq!(wire::get(gateway.address(), "/b").status, 502);
    }
    assert_eq!(target.requests(), 3);
    eventually("checks of `a` pass, those of `b` do not", || {
        let counts = ["\"healthy\"", "\"unhealthy\""]
            .map(|state| gateway.metric_sum("portcullis_target", &[state]));
        (counts == [1.0, 1.0]).then_some(())
    });
}

#[test]
fn a_certificate_replaced_on_disk_is_shown_by_itself_and_a_bad_one_is_not() {
    let (right, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let served = right.issue(&["127.0.0.1"]).server_for(&new, &["http/1.1"]);
    let target = TlsTarget::with(served);
    let mut gateway = showing(&target, &right, &old.issue(&["edge.test"]));
    assert_eq!(wire::get(gateway.address(), "/a").status, 502);
    let pair = new.issue(&["edge.test"]);
    let write = |name: &str, text: &str| {
        std::fs::write(gateway.folder().join(name), text).expect("it is written");
    };
    write("edge.key", &pair.private_key);
    write("edge.pem", &pair.certificate);
    eventually("the new one is shown", || {
        (wire::get(gateway.address(), "/a").status == 200).then_some(())
    });
    std::fs::write(gateway.folder().join("edge.pem"), "nonsense").expect("it is written");
    gateway.wait_log(&["reload refused", "edge.pem"]);
    assert_eq!(wire::get(gateway.address(), "/a").text(), "ok");
}
