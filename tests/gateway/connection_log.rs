//! The connection log, a line for each attempt to connect, as readers of ALB's take it apart.

use std::fs;
use std::net::TcpStream;

use regex::Regex;

use crate::slow_clients::open_to;
use crate::support::clients::{ClientAuthority, TlsClient};
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Start, Target, eventually, wire};

/// Fields by their place in AWS's table, the first is 1.
#[derive(Debug, Clone)]
pub struct Line(Vec<String>);

impl Line {
    pub fn field(&self, number: usize) -> &str {
        &self.0[number - 1]
    }
}

/// Waits for so many lines in `connections.log`.
pub fn wait(gateway: &Gateway, count: usize) -> Vec<Line> {
    let shape = Regex::new(r#""([^"]*)"|([^ "]+)"#).expect("a regular expression");
    let field = |found: regex::Captures<'_>| {
        found.get(1).or(found.get(2)).expect("one of them").as_str().to_owned()
    };
    eventually("the lines are there", || {
        let log = fs::read_to_string(gateway.folder().join("connections.log")).ok()?;
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let lines: Vec<Line> = whole
            .lines()
            .map(|line| Line(shape.captures_iter(line).map(field).collect()))
            .collect();
        assert!(lines.iter().all(|line| line.0.len() == 15), "{lines:?}");
        assert!(lines.len() <= count, "more than {count}: {lines:?}");
        (lines.len() == count).then_some(lines)
    })
}

const LOGS: &str = "connection_log: { destination: connections.log }\n\
    access_log: { alb: { destination: alb.log, load_balancer: app/edge/50dc6c495c0c9188 } }\n";
const TLS: &str = "    tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n";

fn secure(target: &Target, edge: &Authority, more: &str) -> Start {
    let pair = edge.issue(&["a.test"]);
    Start::with(&(open_to(target.address(), TLS) + more))
        .file("a.pem", &pair.certificate)
        .file("a.key", &pair.private_key)
}

#[test]
fn a_connection_has_one_line_and_its_id_is_in_every_line_of_both_access_logs() {
    let (edge, target) = (Authority::new(), Target::start());
    let gateway = secure(&target, &edge, LOGS).run();
    let mut connection = TlsClient::new(&edge, None).open(gateway.address());
    assert_eq!(connection.get("/1", ""), Some(200));
    assert_eq!(connection.get("/2", ""), Some(200));
    let client = connection.0.sock.local_addr().expect("an address");
    let line = wait(&gateway, 1).remove(0);
    let is_time = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$").expect("a regex");
    assert!(is_time.is_match(line.field(1)));
    assert_eq!((line.field(2), line.field(3)), ("127.0.0.1", &*client.port().to_string()));
    assert_eq!(line.field(4), gateway.address().port().to_string());
    assert_eq!((line.field(5), line.field(6)), ("TLSv1.3", "TLS_AES_128_GCM_SHA256"));
    assert!(Regex::new(r"^\d+\.\d{3}$").expect("a regex").is_match(line.field(7)));
    assert_eq!((line.field(8), line.field(9), line.field(10)), ("-", "-", "-"));
    assert_eq!(line.field(11), "Success");
    assert!(Regex::new("^TID_[0-9a-f]{32}$").expect("a regex").is_match(line.field(12)));
    assert!(!line.field(13).is_empty() && line.field(13) != "-");
    assert_eq!((line.field(14), line.field(15)), ("app/edge/50dc6c495c0c9188", "127.0.0.1"));

    for told in gateway.wait_access_log(|lines| lines.len() == 2) {
        assert_eq!(told["conn_trace_id"], line.field(12));
    }
    let alb = eventually("both lines", || {
        let log = fs::read_to_string(gateway.folder().join("alb.log")).ok()?;
        (log.matches('\n').count() == 2).then_some(log)
    });
    assert_eq!(alb.matches(&format!(" {} ", line.field(12))).count(), 2, "{alb}");
}

#[test]
fn suites_of_tls_1_2_have_openssls_names() {
    let (edge, target) = (Authority::new(), Target::start());
    let gateway = secure(&target, &edge, LOGS).run();
    let client = TlsClient::speaking(&edge, None, &[&rustls::version::TLS12]);
    assert_eq!(client.get(gateway.address(), "/"), Some(200));
    let line = wait(&gateway, 1).remove(0);
    assert_eq!((line.field(5), line.field(6)), ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"));
}

#[test]
fn failed_handshakes_and_plain_connections_have_their_lines_too() {
    let (edge, target) = (Authority::new(), Target::start());
    let plain = "  plain:\n    address: 127.0.0.1:0\n    \
                 default_action: { fixed_response: { status_code: 200 } }\n";
    let gateway = secure(&target, &edge, &(plain.to_owned() + LOGS)).run();
    let mut junk = Connection::open(gateway.listener("public"));
    junk.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    junk.read_to_end();
    let failed = wait(&gateway, 1).remove(0);
    assert_eq!(failed.field(11), "Failed:UnmappedConnectionError");
    assert_eq!((failed.field(5), failed.field(6), failed.field(7)), ("-", "-", "-"));
    assert_eq!(failed.field(13), "-");
    drop(TcpStream::connect(gateway.listener("public")).expect("a connection"));
    assert_eq!(wait(&gateway, 2)[1].field(11), "Failed:UnmappedConnectionError");
    assert_eq!(wire::get(gateway.listener("plain"), "/").status, 200);
    let plain = wait(&gateway, 3).remove(2);
    assert_eq!((plain.field(5), plain.field(11)), ("-", "-"));
    assert_eq!(plain.field(4), gateway.listener("plain").port().to_string());
    let line = gateway.wait_access_log(|lines| lines.len() == 1).remove(0);
    assert_eq!(line["conn_trace_id"], plain.field(12));
    assert_ne!(failed.field(12), plain.field(12));
}

#[test]
fn the_client_is_the_one_that_the_proxy_header_names() {
    let target = Target::start();
    let text = open_to(target.address(), "    proxy_protocol: v1\n") + LOGS;
    let gateway = Gateway::start(&text);
    let mut client = Connection::open(gateway.address());
    client.send(
        "PROXY TCP4 203.0.113.9 192.0.2.1 4444 443\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    );
    assert_eq!(client.read().status, 200);
    let line = wait(&gateway, 1).remove(0);
    assert_eq!((line.field(2), line.field(3)), ("203.0.113.9", "4444"));
}

#[test]
fn what_stands_in_a_certificate_cannot_forge_a_line() {
    let (edge, target) = (Authority::new(), Target::start());
    let text = TLS.replace("key }] }", "key }], mutual_authentication: { mode: passthrough } }");
    let pair = edge.issue(&["a.test"]);
    let gateway = Start::with(&(open_to(target.address(), &text) + LOGS))
        .file("a.pem", &pair.certificate)
        .file("a.key", &pair.private_key)
        .run();
    let evil = ClientAuthority::root("x").client("a\" Success\r\n2026-11-23T00:00:00Z 1.2.3.4", 1);
    assert_eq!(TlsClient::new(&edge, Some(&evil)).get(gateway.address(), "/"), Some(200));
    let line = wait(&gateway, 1).remove(0);
    assert_eq!(line.field(10), "C101");
    assert!(line.field(8).contains("CN=a\\\\x22 Success\\0D\\0A2026"), "{}", line.field(8));
}

#[test]
fn the_file_is_opened_anew_and_another_one_named_by_a_reload() {
    let (edge, target) = (Authority::new(), Target::start());
    let mut gateway = secure(&target, &edge, LOGS).run();
    let client = TlsClient::new(&edge, None);
    assert_eq!(client.get(gateway.address(), "/"), Some(200));
    wait(&gateway, 1);
    let file = gateway.folder().join("connections.log");
    fs::rename(&file, gateway.folder().join("connections.log.1")).expect("moved");
    gateway.signal("HUP");
    gateway.wait_log(&["reloaded"]);
    eventually("it is there again", || file.exists().then_some(()));
    assert_eq!(client.get(gateway.address(), "/"), Some(200));
    wait(&gateway, 1);
    let text = fs::read_to_string(gateway.file()).expect("routes.yaml");
    gateway.write(&text.replace("connections.log", "other.log"));
    gateway.wait_log(&["reloaded"]);
    assert_eq!(client.get(gateway.address(), "/"), Some(200));
    eventually("the line is there", || {
        let log = fs::read_to_string(gateway.folder().join("other.log")).ok()?;
        log.ends_with('\n').then_some(())
    });
    wait(&gateway, 1);
}
