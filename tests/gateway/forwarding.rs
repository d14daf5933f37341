//! What a target receives of a request and a client of an answer: nothing that speaks in our name,
//! nothing that is meant for one hop only, and what we say ourselves in full.

use crate::support::{Connection, Gateway, Issuer, Target, wire};

/// `/orders/*` is protected, `/open/*` is not, the rest is answered by the gateway.
fn file(issuer: &Issuer, target: &Target, port: u16) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         user_pools:\n{pool}\
         target_groups:\n  web: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:{port}\n    rules:\n      \
         - conditions: {{ path_pattern: [/orders/*] }}\n        \
         jwt_validation: {{ user_pools: [customers] }}\n        forward: web\n      \
         - conditions: {{ path_pattern: [/moved/*] }}\n        \
         redirect: {{ path: '/new/#{{path}}', query: 'from=#{{host}}&#{{query}}', \
         status_code: 302 }}\n      \
         - conditions: {{ path_pattern: [/secure/*] }}\n        \
         redirect: {{ protocol: HTTPS, port: 443, status_code: 301 }}\n      \
         - conditions: {{ path_pattern: [/fixed/*] }}\n        \
         fixed_response: {{ status_code: 503, content_type: text/css, message_body: 'a {{}}' }}\n      \
         - public: true\n        conditions: {{ path_pattern: [/open/*] }}\n        forward: web\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        pool = issuer.pool("customers"),
        address = target.address(),
    )
}

fn start(issuer: &Issuer, target: &Target) -> Gateway {
    Gateway::start(&file(issuer, target, 0))
}

/// Sends one head as it stands and reads the answer.
fn exchange(gateway: &Gateway, head: impl AsRef<[u8]>) -> wire::Response {
    let mut connection = Connection::open(gateway.address());
    connection.send(head.as_ref());
    connection.try_read(false).unwrap_or_else(|| {
        panic!("no answer to {:?}", String::from_utf8_lossy(head.as_ref()));
    })
}

fn open_with_host(gateway: &Gateway, host: &str) -> u16 {
    let head = format!("GET /open/1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    exchange(gateway, head).status
}

#[test]
fn what_a_client_says_about_its_way_to_us_is_replaced() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let port = Issuer::free_port();
    let gateway = Gateway::start(&file(&issuer, &target, port));
    let fields = [
        ("X-Forwarded-For", "203.0.113.9"),
        ("x-forwarded-for", "198.51.100.1"),
        ("X_Forwarded_For", "10.0.0.1"),
        ("X-Forwarded-Proto", "forged"),
        ("X-Forwarded-Port", "forged"),
        ("X-Forwarded-Host", "forged"),
        ("X-Forwarded-Prefix", "forged"),
        ("X-Forwarded-Uri", "forged"),
        ("X-Forwarded-Client-Cert", "forged"),
        ("X-Amzn-Mtls-Clientcert-Subject", "forged"),
        ("Forwarded", "for=forged"),
        ("X-Real-IP", "forged"),
        ("Proxy", "forged"),
    ];
    assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &fields).status, 200);
    let received = target.next();
    assert_eq!(received.values("x-forwarded-for"), ["203.0.113.9, 198.51.100.1, 127.0.0.1"]);
    assert_eq!(received.values("x-forwarded-proto"), ["http"]);
    assert_eq!(received.values("x-forwarded-port"), [port.to_string()]);
    assert!(!format!("{received:?}").contains("forged"), "{received:?}");
    assert!(received.values("x_forwarded_for").is_empty());
}

#[test]
fn thirty_addresses_in_x_forwarded_for_pass_and_thirty_one_are_463() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    for (count, status) in [(30, 200), (31, 463)] {
        let addresses = vec!["192.0.2.1"; count].join(", ");
        let fields = [("X-Forwarded-For", addresses.as_str())];
        let answer = wire::request(gateway.address(), "GET", "/open/1", &fields);
        assert_eq!(answer.status, status, "{count}");
    }
    assert_eq!(target.next().target(), "/open/1");
    assert!(target.taken().is_empty());
    let lines = gateway.wait_access_log(|lines| lines.len() == 2);
    assert_eq!(lines[1]["reason"], "too_many_addresses");
}

#[test]
fn no_header_says_which_path_or_method_is_judged() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    for name in ["X-Original-URL", "X-Rewrite-URL", "X-Envoy-Original-Path", "X-Forwarded-Uri"] {
        let open = [(name, "/open/1")];
        assert_eq!(
            wire::request(gateway.address(), "GET", "/orders/1", &open).status,
            401,
            "{name}"
        );
        let orders = [(name, "/orders/1")];
        assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &orders).status, 200);
        assert_eq!(target.next().target(), "/open/1", "{name}");
    }
    let probe = [("User-Agent", "ELB-HealthChecker/2.0")];
    assert_eq!(wire::request(gateway.address(), "GET", "/orders/1", &probe).status, 401);
}

#[test]
fn where_methods_are_judged_no_target_is_asked_for_another_one() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = file(&issuer, &target, 0)
        .replace("path_pattern: [/open/*]", "path_pattern: [/open/*], http_request_method: [GET]");
    let gateway = Gateway::start(&yaml);
    for name in
        ["X-HTTP-Method-Override", "X-Http-Method", "X-Method-Override", "x_http_method_override"]
    {
        let fields = [(name, "DELETE")];
        let answer = wire::request(gateway.address(), "GET", "/open/1?_method=DELETE", &fields);
        assert_eq!(answer.status, 200, "{name}");
        let received = target.next();
        assert_eq!(received.request_line, "GET /open/1?_method=DELETE HTTP/1.1");
        assert!(received.values(name).is_empty(), "{name}");
        let get = [(name, "GET")];
        assert_eq!(wire::request(gateway.address(), "DELETE", "/open/1", &get).status, 404);
    }
    assert!(target.taken().is_empty());
}

#[test]
fn owned_headers_are_removed_whatever_their_number_value_method_or_protocol() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    for fields in [
        "x-auth-subject: forged\r\nx-auth-subject: forged\r\n",
        "x-auth-subject:\r\nx-auth-subject: a, forged\r\n",
        "x-auth-subject-: forged\r\n",
        "X-Auth-Groups: forged\r\nx-amzn-oidc-anything-new: forged\r\n",
        "x-auth-subject: forged\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    ] {
        for method in ["GET", "OPTIONS", "POST", "DELETE"] {
            let head = format!("{method} /open/1 HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
            let answer = exchange(&gateway, &head);
            assert_eq!(answer.status, 200, "{head:?}");
            let received = target.next();
            let owned = |name: &str| name.contains("auth") || name.contains("oidc");
            assert!(received.headers.iter().all(|(name, _)| !owned(name)), "{received:?}");
        }
    }
    for path in ["/orders/1", "/fixed/1", "/none", "/moved/1"] {
        let answer =
            wire::request(gateway.address(), "OPTIONS", path, &[("x-auth-scope", "forged")]);
        assert!(!format!("{answer:?}").contains("forged"), "{answer:?}");
    }
}

#[test]
fn an_owned_header_does_not_come_in_by_a_trailer() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    let mut connection = Connection::open(gateway.address());
    connection.send(
        "POST /open/1 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\
         Trailer: x-auth-subject\r\n\r\n2\r\nab\r\n0\r\nx-auth-subject: forged\r\n\r\n",
    );
    let answer = connection.try_read(false);
    let arrived = target.taken();
    assert!(!format!("{arrived:?}").contains("forged"), "{arrived:?}, answered {answer:?}");
    assert!(answer.is_some_and(|answer| [200, 400].contains(&answer.status)));
}

#[test]
fn odd_bytes_in_a_header_are_400() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    for field in [
        &b"x-auth-subject : a"[..],
        b" x-auth-subject: a",
        b"\tx-auth-subject: a",
        b"x-auth-subject\t: a",
        b"x-auth\0-subject: a",
        b"x-auth\xc3\xa9: a",
        b"x-auth(subject): a",
        b": a",
        b"no colon",
        b"X: a\rX-Auth-Subject: b",
        b"X: a\nX-Auth-Subject: b",
        b"X: a\0b",
        b"X: a\r\n folded",
        b"X: a\x1b[31m",
    ] {
        let head = [b"GET /open/1 HTTP/1.1\r\nHost: a.test\r\n", field, b"\r\n\r\n"].concat();
        let answer = exchange(&gateway, &head);
        assert_eq!(answer.status, 400, "{:?}", String::from_utf8_lossy(field));
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_request_target_is_a_path_or_this_host_s_url_and_nothing_makes_us_a_forward_proxy() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    let long = format!("/open/{}", "a".repeat(64 * 1024));
    for (line, statuses) in [
        ("GET http://other.test/open/1", &[400][..]),
        ("GET http://user@a.test/open/1", &[400]),
        ("GET http://user:word@a.test/open/1", &[400]),
        ("GET http://a.test:81/open/1", &[400]),
        ("GET http://a.test@other.test/open/1", &[400]),
        ("GET https://a.test/open/1", &[400]),
        ("GET ftp://a.test/open/1", &[400]),
        ("GET http://169.254.169.254/open/1", &[400]),
        ("GET //a.test/open/1", &[404]),
        ("GET *", &[400]),
        ("GET open/1", &[400]),
        ("GET ?a=b", &[400]),
        ("GET ", &[400]),
        ("GET /open/a b", &[400]),
        ("GET /open/\t1", &[400]),
        ("GET /open/\u{1}", &[400]),
        ("GET /open/\u{e9}", &[400]),
        (&format!("GET {long}"), &[414]),
        ("CONNECT a.test:443", &[405]),
        ("CONNECT /open/1", &[405]),
        ("TRACE /open/1", &[405]),
        ("get /open/1", &[400, 501]),
        ("G@T /open/1", &[400]),
    ] {
        let answer = exchange(&gateway, format!("{line} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let start = line.get(..40).unwrap_or(line);
        assert!(statuses.contains(&answer.status), "{start:?}: {}", answer.status_line);
        // (The HTTP engine refuses CONNECT by itself.)
        if line.starts_with("TRACE") {
            let allow = answer.header("allow").expect("RFC 9110 15.5.6");
            assert!(allow.contains("GET") && !allow.contains("TRACE"), "{allow}");
        }
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_host_is_one_name_or_address_and_is_handed_on_in_one_spelling() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    for bad in [
        "",
        " ",
        "a.test, b.test",
        "user@a.test",
        "a.test/open",
        "a.test?x",
        "a test",
        "a.test:port",
        "a.test:65536",
        "a.test:-1",
        "[::1",
        "::1",
        "a..test",
        "a.test\u{e9}",
    ] {
        assert_eq!(open_with_host(&gateway, bad), 400, "{bad:?}");
    }
    assert!(target.taken().is_empty());
    for (host, sent) in [
        ("a.test", "a.test"),
        ("A.Test", "a.test"),
        ("a.test.", "a.test"),
        ("a.test:80", "a.test"),
        ("a.test:8080", "a.test:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("192.0.2.1", "192.0.2.1"),
        ("xn--bcher-kva.test", "xn--bcher-kva.test"),
    ] {
        assert_eq!(open_with_host(&gateway, host), 200, "{host}");
        assert_eq!(target.next().values("host"), [sent], "{host}");
    }
}

#[test]
fn what_is_meant_for_one_hop_ends_there_both_ways() {
    let issuer = Issuer::start();
    let target = Target::answering(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\n\
          X-Hop: forged\r\nProxy-Authenticate: Basic\r\nServer: backend/1\r\nX-Own: kept\r\n\
Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n\
          Content-Length: 2\r\n\r\nok"
            .to_vec()
    });
    let gateway = start(&issuer, &target);
    let fields = [
        ("Connection", "x-mine"),
        ("X-Mine", "forged"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic forged"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers, deflate"),
        ("Trailer", "x"),
        ("Cookie", "a=b"),
        ("Cookie", "c=d"),
    ];
    let answer = wire::request(gateway.address(), "GET", "/open/1", &fields);
    let received = target.next();
    for name in ["x-mine", "keep-alive", "proxy-authorization", "proxy-connection", "te", "upgrade"]
    {
        assert!(received.values(name).is_empty(), "{name}: {received:?}");
    }
    assert_eq!(received.values("cookie"), ["a=b; c=d"]);
    for name in ["x-hop", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{name}: {answer:?}");
    }
    assert_eq!(
        (answer.header("server"), answer.header("x-own")),
        (Some("backend/1"), Some("kept"))
    );
    assert!(answer.header("date").is_some(), "added where a target leaves it out (RFC 9110 6.6.1)");
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
}

#[test]
fn a_target_cannot_have_the_length_of_its_answer_removed() {
    let issuer = Issuer::start();
    let target = Target::answering(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: content-length, transfer-encoding, x-hop\r\n\
          X-Hop: a\r\nContent-Length: 2\r\n\r\nok"
            .to_vec()
    });
    let gateway = start(&issuer, &target);
    let mut connection = Connection::open(gateway.address());
    for _ in 0..2 {
        connection.send("GET /open/1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answer = connection.read();
        assert_eq!((answer.header("content-length"), answer.header("x-hop")), (Some("2"), None));
        assert_eq!(answer.text(), "ok");
    }
}

#[test]
fn our_own_answers_say_who_speaks_when_and_how_long() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    for (path, status) in
        [("/none", 404), ("/orders/1", 401), ("/fixed/1", 503), ("/moved/1", 302), ("/%zz", 400)]
    {
        let answer = wire::get(gateway.address(), path);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("server"), Some("portcullis"), "{path}");
        let date = answer.header("date").expect("RFC 9110 6.6.1");
        assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
        let length: usize = answer.header("content-length").expect("a length").parse().unwrap();
        assert_eq!(length, answer.body.len(), "{path}");
        assert!(answer.header("content-type").is_some() || length == 0, "{path}");

        let head = wire::request(gateway.address(), "HEAD", path, &[]);
        assert_eq!((head.status, head.body.len()), (status, 0), "HEAD {path}");
        assert_eq!(head.header("content-length"), answer.header("content-length"), "HEAD {path}");
    }
}

#[test]
fn a_fixed_response_is_what_the_file_says() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    for method in ["GET", "POST", "OPTIONS", "PURGE"] {
        let answer = wire::request(gateway.address(), method, "/fixed/1", &[]);
        if answer.status == 501 {
            continue;
        }
        assert_eq!((answer.status, answer.text().as_str()), (503, "a {}"), "{method}");
        assert_eq!(answer.header("content-type"), Some("text/css"));
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_redirect_repeats_the_parts_it_is_told_to_and_the_port_the_client_used() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target);
    for (host, path, location) in [
        ("a.test", "/moved/1?b=1", "http://a.test:80/new/moved/1?from=a.test&b=1"),
        ("A.test:8080", "/moved/1", "http://a.test:8080/new/moved/1?from=a.test&"),
        ("[::1]:81", "/moved//x/../1", "http://[::1]:81/new/moved/1?from=[::1]&"),
        ("a.test", "/moved/#{host}", ""),
        ("a.test", "/moved/%23%7Bhost%7D", "http://a.test:80/new/moved/%23%7Bhost%7D?from=a.test&"),
        ("a.test:8080", "/secure/1?b=%0d%0a", "https://a.test:443/secure/1?b=%0d%0a"),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = exchange(&gateway, head);
        if location.is_empty() {
            assert_eq!(answer.status, 400, "{path}");
            continue;
        }
        assert!([301, 302].contains(&answer.status), "{path}: {}", answer.status_line);
        assert_eq!(answer.header("location"), Some(location), "{host} {path}");
    }
}

#[test]
fn head_and_options_reach_a_target_as_they_are() {
    let issuer = Issuer::start();
    let target = Target::answering(|received| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        if received.request_line.starts_with("HEAD ") {
            return head.to_vec();
        }
        [&head[..], b"ok"].concat()
    });
    let gateway = start(&issuer, &target);
    let answer = wire::request(gateway.address(), "HEAD", "/open/1", &[]);
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("2")));
    assert_eq!(target.next().request_line, "HEAD /open/1 HTTP/1.1");
    let preflight = [("Origin", "https://x.test"), ("Access-Control-Request-Method", "GET")];
    assert_eq!(wire::request(gateway.address(), "OPTIONS", "/open/1", &preflight).status, 200);
    assert_eq!(target.next().request_line, "OPTIONS /open/1 HTTP/1.1");
    assert_eq!(wire::request(gateway.address(), "OPTIONS", "/orders/1", &preflight).status, 401);
    assert_eq!(wire::request(gateway.address(), "HEAD", "/orders/1", &[]).status, 401);
    assert!(target.taken().is_empty());
}
