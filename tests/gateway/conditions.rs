//! Conditions of rules beside host, path and method, in the running gateway.

use std::io::Write as _;
use std::net::TcpStream;

use crate::support::process::portcullis;
use crate::support::{Connection, Gateway, wire};

/// A gateway of which each rule answers with its own status; 404 when none takes the request.
fn start(rules: &[&str]) -> Gateway {
    let rules: String = rules
        .iter()
        .zip(211..)
        .map(|(conditions, status)| {
            format!(
                "      - name: rule-{status}\n        conditions: {conditions}\n        \
                 fixed_response: {{ status_code: {status} }}\n"
            )
        })
        .collect();
    Gateway::start(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\nlisteners:\n  public:\n    address: 127.0.0.1:0\n    \
         trusted_proxies: [127.0.0.2/32]\n    rules:\n{rules}"
    ))
}

fn status(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> u16 {
    wire::request(gateway.address(), "GET", path, headers).status
}

#[test]
fn a_header_is_matched_in_any_case_and_in_any_of_its_lines() {
    let gateway = start(&[
        "{ http_header: [{ name: x-env, values: ['PROD*'] }] }",
        "{ http_header: [{ name: User-Agent, regex_values: ['^curl/[0-9]'] }] }",
    ]);
    assert_eq!(status(&gateway, "/", &[("X-Env", "production")]), 211);
    assert_eq!(status(&gateway, "/", &[("x-env", "test"), ("X-ENV", "Prod")]), 211);
    assert_eq!(status(&gateway, "/", &[("x-env", "preprod")]), 404);
    assert_eq!(status(&gateway, "/", &[("User-Agent", "curl/8.1")]), 212);
    assert_eq!(status(&gateway, "/", &[("User-Agent", "Curl/8.1")]), 404);
}

#[test]
fn a_query_parameter_is_matched_in_any_case() {
    let gateway = start(&[
        "{ query_string: [{ key: version, value: v1 }] }",
        "{ query_string: [{ value: '*example*' }] }",
        r"{ query_string: [{ key: star, value: '\*' }] }",
    ]);
    assert_eq!(status(&gateway, "/?Version=V1", &[]), 211);
    assert_eq!(status(&gateway, "/?a=1&version=v%31", &[]), 211);
    assert_eq!(status(&gateway, "/version=v1", &[]), 404);
    assert_eq!(status(&gateway, "/?any=an-example", &[]), 212);
    assert_eq!(status(&gateway, "/?star=*", &[]), 213);
    assert_eq!(status(&gateway, "/?star=x", &[]), 404);
}

#[test]
fn a_source_address_is_the_peer_s_whatever_the_client_says_of_itself() {
    let gateway = start(&["{ source_ip: [192.0.2.0/24] }", "{ source_ip: [127.0.0.1] }"]);
    let forwarded = [("X-Forwarded-For", "192.0.2.5")];
    assert_eq!(status(&gateway, "/", &forwarded), 212);
    assert_eq!(status(&gateway, "/", &[("Forwarded", "for=192.0.2.5")]), 212);
}

#[test]
fn behind_a_trusted_proxy_it_is_the_client_s() {
    let gateway = start(&["{ source_ip: [192.0.2.0/24] }"]);
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let proxy: std::net::SocketAddr = "127.0.0.2:0".parse().expect("an address");
    socket.bind(&proxy.into()).expect("another loopback address");
    socket.connect(&gateway.address().into()).expect("a connection");
    let mut stream = TcpStream::from(socket);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.5\r\n\r\n")
        .expect("it is sent");
    let answer = Connection::of(stream).read();
    assert_eq!(answer.status, 211);
}

#[test]
fn regular_expressions_of_paths_and_hosts() {
    let gateway = start(&[
        "{ path_pattern: { regex_values: ['^/api/(.*)$'] } }",
        "{ host_header: { regex_values: ['^shop-[0-9]+[.]EXAMPLE[.]com$'] } }",
    ]);
    assert_eq!(status(&gateway, "/api/x", &[]), 211);
    assert_eq!(status(&gateway, "//%61pi/./x", &[]), 211, "the canonical path is matched");
    assert_eq!(status(&gateway, "/API/x", &[]), 404);
    let mut connection = Connection::open(gateway.address());
    connection.send("GET / HTTP/1.1\r\nHost: Shop-17.example.com\r\n\r\n");
    assert_eq!(connection.read().status, 212);
}

#[test]
fn parameters_of_a_path_may_not_choose_another_rule_by_a_regular_expression_either() {
    let gateway = start(&["{ path_pattern: { regex_values: ['^/admin$'] } }"]);
    assert_eq!(status(&gateway, "/admin", &[]), 211);
    assert_eq!(status(&gateway, "/admin;x=1", &[]), 400);
    assert_eq!(status(&gateway, "/other;x=1", &[]), 404);
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let gateway = start(&[
        "{ path_pattern: [/a*], http_request_method: [GET], source_ip: [127.0.0.0/8], \
           http_header: [{ name: x-a, values: ['1'] }, { name: x-b, values: ['2'] }], \
           query_string: [{ key: q, value: '1' }, { any_of: [{ key: r, value: '2' }, { key: s, value: '3' }] }] }",
    ]);
    let headers = [("x-a", "1"), ("x-b", "2")];
    assert_eq!(status(&gateway, "/a?q=1&s=3", &headers), 211);
    for (path, headers) in [
        ("/b?q=1&s=3", &headers[..]),
        ("/a?q=1&s=3", &headers[..1]),
        ("/a?q=1", &headers[..]),
        ("/a?s=3", &headers[..]),
        ("/a?q=1&r=3", &headers[..]),
    ] {
        assert_eq!(status(&gateway, path, headers), 404, "{path} {headers:?}");
    }
}

#[test]
fn aws_s_quotas_are_told_to_who_asks_and_are_no_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("routes.yaml");
    let paths: Vec<_> = (0..6).map(|number| format!("/a{number}/*/*")).collect();
    let text = format!(
        "listeners:\n  l:\n    address: 127.0.0.1:0\n    rules:\n      - name: many\n        \
         conditions: {{ path_pattern: [{}] }}\n        fixed_response: {{ status_code: 200 }}\n",
        paths.join(", ")
    );
    std::fs::write(&file, text).expect("it is written");
    let name = file.to_str().expect("UTF-8");
    let check = |more: &[&str]| {
        let output = portcullis(&[&["check", "--strict", name], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(check(&[]).0, Some(0));
    let (code, said) = check(&["--aws-quotas"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("6 condition values in a rule: AWS allows 5"), "{said}");
    assert!(said.contains("12 wildcards in a rule: AWS allows 6"), "{said}");
}
