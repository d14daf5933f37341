//! A signal ends the process without breaking what was begun.

use parking_lot::Mutex;
use std::io::Write as _;
use std::sync::mpsc::channel;

use crate::authorization::protected;
use crate::support::{Connection, Gateway, Issuer, Target, eventually, wire};

#[test]
fn an_idle_process_ends_with_code_0_on_sigterm_and_on_sigint() {
    let (issuer, target) = (Issuer::start(), Target::start());
    for signal in ["TERM", "INT"] {
        let yaml = format!("shutdown: {{ pre_stop_wait: 0s }}\n{}", protected(&issuer, &target));
        let mut gateway = Gateway::start(&yaml);
        let mut idle = Connection::open(gateway.address());
        idle.send("GET /open/1 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(idle.read().status, 200);
        gateway.signal(signal);
        assert!(idle.is_closed());
        assert_eq!(gateway.wait_exit().code(), Some(0), "SIG{signal}");
    }
}

#[test]
fn a_download_in_flight_completes_while_new_requests_are_served_until_the_wait_is_over() {
    let issuer = Issuer::start();
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let target = Target::speaking(move |received, stream| {
        let slow = received.target() == "/open/slow";
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no";
        if stream.write_all(head).is_err() {
            return false;
        }
        !(slow && wait.lock().recv().is_err()) && stream.write_all(b"k").is_ok()
    });
    let yaml = format!("shutdown: {{ pre_stop_wait: 3s }}\n{}", protected(&issuer, &target));
    let mut gateway = Gateway::start(&yaml);
    let mut download = Connection::open(gateway.address());
    download.send("GET /open/slow HTTP/1.1\r\nHost: h\r\n\r\n");
    target.next();
    gateway.signal("TERM");
    eventually("/readyz is red", || (gateway.ask_admin("/readyz").status == 503).then_some(()));
    assert_eq!(wire::get(gateway.address(), "/open/2").status, 200);
    gateway.wait_log(&["stopping"]);
    eventually("no new connection is taken", || {
        std::net::TcpStream::connect(gateway.address()).is_err().then_some(())
    });
    go.send(()).expect("the target waits");
    assert_eq!(download.read().text(), "ok");
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = format!("shutdown: {{ pre_stop_wait: 60s }}\n{}", protected(&issuer, &target));
    let mut gateway = Gateway::start(&yaml);
    gateway.signal("TERM");
    gateway.wait_log(&["stopping"]);
    gateway.signal("TERM");
    gateway.wait_log(&["second signal"]);
    gateway.wait_exit();
}
