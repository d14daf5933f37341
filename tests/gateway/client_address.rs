//! Who the client is when proxies stand in front: what is believed, of whom, and what targets and
//! the log are told.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::authorization::protected;
use crate::support::process::PATIENCE;
use crate::support::{Connection, Gateway, Issuer, Target, wire};

/// A listener with these keys whose every path goes to the target.
pub fn open(target: &Target, keys: &str) -> String {
    on("127.0.0.1:0", target, keys)
}

fn on(address: &str, target: &Target, keys: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         target_groups:\n  web: {{ targets: ['{target}'], health_check: {{ enabled: false }} }}\n\
         listeners:\n  public:\n    address: '{address}'\n{keys}    rules:\n      \
         - public: true\n        conditions: {{ path_pattern: ['/open/*'] }}\n        \
         forward: web\n      \
         - conditions: {{ path_pattern: ['/secure/*'] }}\n        \
         redirect: {{ host: '#{{host}}', path: '/x', port: '#{{port}}', \
         protocol: '#{{protocol}}', status_code: 302 }}\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        target = target.address(),
    )
}

/// Sends these fields to `/open/1` and gives what the target heard.
fn forwarded(
    gateway: &Gateway,
    target: &Target,
    fields: &[(&str, &str)],
) -> crate::support::target::Received {
    let answer = wire::request(gateway.address(), "GET", "/open/1", fields);
    assert_eq!(answer.status, 200, "{answer:?}");
    target.next()
}

#[test]
fn append_preserve_and_remove_do_what_they_say() {
    let target = Target::start();
    let none: [&str; 0] = [];
    for (keys, appended, alone) in [
        ("", vec!["203.0.113.9, 198.51.100.1, 127.0.0.1"], vec!["127.0.0.1"]),
        (
            "    x_forwarded_for: append\n",
            vec!["203.0.113.9, 198.51.100.1, 127.0.0.1"],
            vec!["127.0.0.1"],
        ),
        ("    x_forwarded_for: preserve\n", vec!["203.0.113.9", "198.51.100.1"], none.to_vec()),
        ("    x_forwarded_for: { mode: remove }\n", none.to_vec(), none.to_vec()),
    ] {
        let gateway = Gateway::start(&open(&target, keys));
        let fields = [
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Forwarded-For", "198.51.100.1"),
            ("X_Forwarded_For", "10.0.0.1"),
        ];
        let received = forwarded(&gateway, &target, &fields);
        assert_eq!(received.values("x-forwarded-for"), appended, "{keys}");
        assert!(received.values("x_forwarded_for").is_empty(), "{keys}");
        let received = forwarded(&gateway, &target, &[]);
        assert_eq!(received.values("x-forwarded-for"), alone, "{keys}");
        // ALB counts in every mode.
        let many = vec!["192.0.2.1"; 31].join(",");
        let fields = [("X-Forwarded-For", many.as_str())];
        assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &fields).status, 463);
    }
    assert!(target.taken().is_empty());
}

#[test]
fn more_than_thirty_addresses_are_refused_before_anything_else_is_done_with_a_request() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, ""));
    let many = vec!["192.0.2.1"; 31].join(",");
    for path in ["/open/1", "/secure/1", "/none"] {
        let fields = [("X-Forwarded-For", many.as_str())];
        let answer = wire::request(gateway.address(), "GET", path, &fields);
        assert_eq!(answer.status, 463, "{path}");
    }
    let lines = gateway.wait_access_log(|lines| lines.len() == 3);
    for line in &lines {
        assert_eq!(line["reason"], "too_many_addresses");
        assert!(line.get("target").is_none() && line.get("target_group").is_none(), "{line}");
    }
    assert_eq!(target.connections(), 0);
}

#[test]
fn the_client_s_port_is_appended_on_demand_and_brackets_stand_around_ipv6() {
    let target = Target::start();
    let keys = "    x_forwarded_for: { client_port: true }\n";
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let gateway = Gateway::start(&on(address, &target, keys));
        let mut stream = TcpStream::connect(gateway.address()).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let own = stream.local_addr().expect("an address");
        let head = "GET /open/1 HTTP/1.0\r\nHost: a.test\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        stream.read_to_end(&mut Vec::new()).expect("an answer");
        let wanted = format!("1.1.1.1, {own}");
        assert_eq!(target.next().values("x-forwarded-for"), [wanted]);
    }
}

#[test]
fn a_trusted_proxy_says_for_whom_it_asks_and_how_it_was_asked() {
    let target = Target::start();
    let gateway =
        Gateway::start(&open(&target, "    trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\n"));
    let fields = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-For", "192.0.2.1:5000, 10.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "8443"),
        ("X-Forwarded-Host", "forged.test"),
        ("Forwarded", "for=6.6.6.6"),
        ("X-Real-IP", "6.6.6.6"),
    ];
    let received = forwarded(&gateway, &target, &fields);
    assert_eq!(
        received.values("x-forwarded-for"),
        ["6.6.6.6, 192.0.2.1:5000, 10.1.1.1, 127.0.0.1"]
    );
    assert_eq!(received.values("x-forwarded-proto"), ["https"]);
    assert_eq!(received.values("x-forwarded-port"), ["8443"]);
    for name in ["x-forwarded-host", "forwarded", "x-real-ip"] {
        assert!(received.values(name).is_empty(), "{name}");
    }
    let line = gateway.wait_access_log(|lines| lines.len() == 1).remove(0);
    assert_eq!(
        (line["client_ip"].as_str(), line["peer_ip"].as_str()),
        (Some("192.0.2.1"), Some("127.0.0.1"))
    );
    assert_eq!(line["client_port"], 5000);
    assert_ne!(line["peer_port"], 5000);

    // A redirect goes to where the client is, not to where the proxy came in.
    let head = "GET /secure/1 HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: https\r\n\r\n";
    let mut connection = Connection::open(gateway.address());
    connection.send(head);
    assert_eq!(connection.read().header("location"), Some("https://a.test:443/x"));
}

#[test]
fn what_a_proxy_says_that_cannot_be_read_is_not_believed() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, "    trusted_proxies: [127.0.0.1]\n"));
    for (at, value) in ["unknown", "192.0.2.1, ", "192.0.2.999", "[::1"].iter().enumerate() {
        let fields = [
            ("X-Forwarded-For", *value),
            ("X-Forwarded-Proto", "gopher"),
            ("X-Forwarded-Port", "0"),
        ];
        let received = forwarded(&gateway, &target, &fields);
        assert_eq!(received.values("x-forwarded-proto"), ["http"], "{value}");
        assert_eq!(received.values("x-forwarded-port"), ["0"], "the listener's own: {value}");
        let lines = gateway.wait_access_log(|lines| lines.len() > at);
        assert_eq!(lines[at]["client_ip"], "127.0.0.1", "{value}");
        assert!(lines[at].get("peer_ip").is_none(), "{value}");
    }
}

#[test]
fn of_a_client_that_is_no_trusted_proxy_nothing_is_believed() {
    let target = Target::start();
    for (at, keys) in ["", "    trusted_proxies: [192.0.2.0/24]\n"].into_iter().enumerate() {
        let gateway = Gateway::start(&open(&target, keys));
        let fields = [
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Client-Cert", "forged"),
            ("Proxy", "forged"),
        ];
        let received = forwarded(&gateway, &target, &fields);
        assert_eq!(received.values("x-forwarded-proto"), ["http"], "{at}");
        assert_eq!(received.values("x-forwarded-port"), ["0"], "{at}");
        assert!(!format!("{received:?}").contains("forged"), "{received:?}");
        let line = gateway.wait_access_log(|lines| lines.len() == 1).remove(0);
        assert_eq!(line["client_ip"], "127.0.0.1");
        let mut connection = Connection::open(gateway.address());
        connection
            .send("GET /secure/1 HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: https\r\n\r\n");
        assert_eq!(connection.read().header("location"), Some("http://a.test:80/x"));
    }
}

#[test]
fn a_denial_names_the_client_and_not_the_proxy() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let file = protected(&issuer, &target)
        .replace("    rules:\n", "    trusted_proxies: [127.0.0.1]\n    rules:\n");
    let gateway = Gateway::start(&file);
    let fields = [("X-Forwarded-For", "6.6.6.6, 192.0.2.1")];
    assert_eq!(wire::request(gateway.address(), "GET", "/orders/1", &fields).status, 401);
    gateway.wait_access_log(|lines| lines.len() == 1);
    let denials: serde_json::Value =
        serde_json::from_str(&gateway.ask_admin("/denials").text()).expect("JSON");
    assert_eq!(denials["denials"][0]["client_ip"], "192.0.2.1");
}

#[test]
fn whom_we_trust_changes_with_a_reload_for_connections_that_live() {
    let target = Target::start();
    let gateway = Gateway::start(&open(&target, ""));
    let mut connection = Connection::open(gateway.address());
    let ask = |connection: &mut Connection| {
        connection
            .send("GET /open/1 HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
        assert_eq!(connection.read().status, 200);
    };
    ask(&mut connection);
    gateway.write(&open(&target, "    trusted_proxies: [127.0.0.1]\n"));
    gateway.signal("HUP");
    crate::support::eventually("the reload", || {
        (gateway.metric("portcullis_config_generation") == Some(2.0)).then_some(())
    });
    ask(&mut connection);
    let lines = gateway.wait_access_log(|lines| lines.len() == 2);
    assert_eq!(lines[0]["client_ip"], "127.0.0.1");
    assert_eq!(lines[1]["client_ip"], "192.0.2.1");
}
