//! `max_connections_per_client`: one client cannot take all connections of a listener.

use std::net::{IpAddr, SocketAddr, TcpStream};

use crate::support::wire::{self, Connection};
use crate::support::{Gateway, Target, eventually};

fn start(target: &Target, listener: &str) -> Gateway {
    Gateway::start(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         target_groups:\n  all: {{ targets: [{}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    max_connections_per_client: 2\n{listener}    \
         default_action: {{ forward: all, public: true }}\n",
        target.address(),
    ))
}

/// A connection from an address of the loopback network.
fn from(address: &str, gateway: &Gateway) -> Connection {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    let address: IpAddr = address.parse().expect("an address");
    socket.bind(&SocketAddr::new(address, 0).into()).expect("bound");
    socket.connect(&gateway.address().into()).expect("connected");
    Connection::of(TcpStream::from(socket))
}

fn status(connection: &mut Connection) -> u16 {
    connection.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    connection.read().status
}

const REFUSED: &str = "portcullis_connection_events_total{event=\"refused_at_client_limit\"}";

#[test]
fn one_client_has_no_more_connections_than_it_may_and_others_are_served() {
    let target = Target::start();
    let gateway = start(&target, "");
    let mut first = from("127.0.0.2", &gateway);
    let mut second = from("127.0.0.2", &gateway);
    assert_eq!((status(&mut first), status(&mut second)), (200, 200));
    let mut third = from("127.0.0.2", &gateway);
    assert_eq!(third.read().status, 503);
    assert!(third.is_closed());
    assert_eq!(gateway.metric(REFUSED), Some(1.0));
    // Another client, and who is in already.
    assert_eq!(status(&mut from("127.0.0.3", &gateway)), 200);
    assert_eq!(status(&mut first), 200);
    // A seat is free again when its connection has ended.
    drop(second);
    eventually("a seat is free", || {
        let mut next = from("127.0.0.2", &gateway);
        next.try_send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        (next.try_read(false)?.status == 200).then_some(())
    });
}

#[test]
fn a_trusted_proxy_is_not_counted_and_behind_one_that_says_so_its_clients_are() {
    let target = Target::start();
    let gateway = start(&target, "    trusted_proxies: [127.0.0.2]\n");
    let mut all: Vec<_> = (0..5).map(|_| from("127.0.0.2", &gateway)).collect();
    assert!(all.iter_mut().all(|connection| status(connection) == 200));

    let gateway = start(&target, "    trusted_proxies: [127.0.0.2]\n    proxy_protocol: v1\n");
    let ask = |client: &str| {
        let mut connection = from("127.0.0.2", &gateway);
        connection.send(format!("PROXY TCP4 {client} 127.0.0.1 1000 80\r\n"));
        let sent = connection.try_send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        let answer = if sent { connection.try_read(false) } else { None };
        (answer.map(|answer| answer.status), connection)
    };
    let kept = [ask("192.0.2.1"), ask("192.0.2.1")];
    assert!(kept.iter().all(|(status, _)| *status == Some(200)));
    assert_ne!(ask("192.0.2.1").0, Some(200));
    assert_eq!(ask("192.0.2.2").0, Some(200));
}

#[test]
fn without_a_limit_nobody_is_counted() {
    let target = Target::start();
    let gateway = Gateway::start(&format!(
        "target_groups:\n  all: {{ targets: [{}] }}\nlisteners:\n  public:\n    \
         address: 127.0.0.1:0\n    default_action: {{ forward: all, public: true }}\n",
        target.address(),
    ));
    let mut all: Vec<_> = (0..20).map(|_| from("127.0.0.2", &gateway)).collect();
    assert!(all.iter_mut().all(|connection| status(connection) == 200));
    assert_eq!(wire::get(gateway.address(), "/").status, 200);
}
