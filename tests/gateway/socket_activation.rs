//! A listening socket that the service manager holds: no connection is refused over a restart.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::authorization::protected;
use crate::support::process::PATIENCE;
use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

fn at(yaml: &str, address: SocketAddr) -> String {
    yaml.replace("    address: 127.0.0.1:0\n", &format!("    address: {address}\n"))
}

/// One request over a connection of its own.
fn asks(gateway: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&gateway, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /open/1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Requests on connections of their own, from four clients without a pause, while the gateway is started three
/// times on one socket.
fn restarts(launch: impl Fn(&str, &TcpListener) -> Gateway) {
    let (issuer, target) = (Issuer::start(), Target::start());
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let yaml = at(&protected(&issuer, &target), address);
    let mut old = launch(&yaml, &socket);
    assert_eq!(wire::get(address, "/open/1").status, 200);

    let is_over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (is_over, served) = (Arc::clone(&is_over), Arc::clone(&served));
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    match asks(address) {
                        Ok(status) if status == "HTTP/1.1 200 OK" => {
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        other => return Err(format!("{other:?}")),
                    }
                }
                Ok(())
            })
        })
        .collect();
    let wait_served = |more: usize| {
        let before = served.load(Ordering::Relaxed);
        eventually("requests are served", || {
            (served.load(Ordering::Relaxed) >= before + more).then_some(())
        });
    };
    wait_served(20);
    for _ in 0..2 {
        old.signal("TERM");
        assert!(old.wait_exit().success());
        // Nobody serves now: who comes waits.
        old = launch(&yaml, &socket);
        wait_served(20);
    }
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("a client").expect("no connection is refused or cut");
    }
}

#[test]
fn a_restart_on_a_passed_socket_refuses_and_loses_no_connection() {
    restarts(|yaml, socket| Start::with(yaml).socket(socket).run());
}

#[test]
fn a_restart_by_systemd_s_own_launcher_refuses_and_loses_no_connection() {
    restarts(|yaml, socket| {
        // It starts the gateway when the first client comes, who waits meanwhile.
        let address = socket.local_addr().expect("an address");
        let first = std::thread::spawn(move || asks(address));
        let gateway = Start::with(yaml).socket_by_systemd(socket).run();
        assert_eq!(first.join().expect("a client").expect("an answer"), "HTTP/1.1 200 OK");
        gateway
    });
}

#[test]
fn a_passed_socket_that_no_listener_has_is_told_and_others_are_bound_as_ever() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let mut gateway = Start::with(&protected(&issuer, &target)).socket(&socket).run();
    let told = gateway.log().iter().find(|line| line.contains("a passed socket is not used"));
    assert!(told.is_some_and(|line| line.contains(&address.to_string())), "{told:?}");
    assert_ne!(gateway.address(), address);
    assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
}

#[test]
fn sockets_for_another_process_are_not_taken() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Start::with(&protected(&issuer, &target))
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1")
        .run();
    assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
}

#[test]
fn something_else_than_a_socket_keeps_it_from_starting() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let refused = Start::with(&protected(&issuer, &target))
        .after("exec 3</dev/null && export LISTEN_FDS=1 LISTEN_PID=$$")
        .try_run()
        .err()
        .expect("it does not start");
    assert!(refused.said.contains("a socket of the service manager"), "{}", refused.said);
}
