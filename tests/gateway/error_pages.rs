//! Pages of the file in place of ALB's: by status, of a file that may change, and never for gRPC.

use std::net::SocketAddr;

use http::Request;

use crate::grpc;
use crate::support::tls::Authority;
use crate::support::{Connection, Gateway, Issuer, Start, Target, eventually, wire};

const PAGES: &str = "error_pages:
  4xx: { content_type: application/json, body: '{\"status\":#{status_code},\"request\":\"#{request_id}\"}' }
  401: { body: '<h1>Who are you?</h1>' }
  502: { file: 502.html, content_type: text/html; charset=utf-8 }
";

/// `/orders/*` wants a token, `/open/*` does not, `/gone/*` has no target, `/moved` redirects.
fn file(issuer: &Issuer, target: &Target, keys: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\nuser_pools:\n{pool}target_groups:\n  \
         web: {{ targets: ['{target}'], health_check: {{ enabled: false }} }}\n  \
         dead: {{ targets: ['{dead}'], health_check: {{ enabled: false }} }}\n{PAGES}\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    head_timeout: 300ms\n{keys}    rules:\n      \
         - conditions: {{ path_pattern: [/orders/*] }}\n        \
         jwt_validation: {{ user_pools: [customers] }}\n        forward: web\n      \
         - public: true\n        conditions: {{ path_pattern: [/open/*] }}\n        forward: web\n      \
         - public: true\n        conditions: {{ path_pattern: [/gone/*] }}\n        forward: dead\n      \
         - conditions: {{ path_pattern: [/moved] }}\n        \
         redirect: {{ path: /new, status_code: 301 }}\n      \
         - conditions: {{ path_pattern: [/said] }}\n        \
         fixed_response: {{ status_code: 410, message_body: said }}\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        pool = issuer.pool("customers"),
        target = target.address(),
        dead = SocketAddr::from(([127, 0, 0, 99], 1)),
    )
}

fn start(issuer: &Issuer, target: &Target, keys: &str) -> Gateway {
    Start::with(&file(issuer, target, keys)).file("502.html", "<p>Back soon — é</p>").run()
}

fn shown(answer: &wire::Response) -> (u16, &str, String) {
    (answer.status, answer.header("content-type").unwrap_or_default(), answer.text())
}

#[test]
fn our_own_answers_show_the_page_for_their_status_and_targets_theirs() {
    let issuer = Issuer::start();
    let target = Target::answering(|_| {
        b"HTTP/1.1 404 Nope\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\ntheirs".to_vec()
    });
    let gateway = start(&issuer, &target, "");
    let get = |path: &str| wire::get(gateway.address(), path);

    let answer = get("/orders/1");
    assert_eq!(shown(&answer), (401, "text/html", "<h1>Who are you?</h1>".to_owned()));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let html = "text/html; charset=utf-8";
    assert_eq!(shown(&get("/gone/1")), (502, html, "<p>Back soon — é</p>".to_owned()));
    assert_eq!(shown(&get("/open/1")), (404, "text/plain", "theirs".to_owned()));
    assert_eq!(shown(&get("/said")), (410, "text/plain", "said".to_owned()));
    assert_eq!(get("/moved").text().len(), 134, "ALB's page of a redirect");

    // Of a rule that says a status only, and of a request that no rule sees.
    for (path, status) in [("/nothing", 404), ("/a%2Fb", 400)] {
        let answer = get(path);
        let json: serde_json::Value = answer.json();
        assert_eq!((answer.status, &json["status"]), (status, &status.into()), "{path}");
        let id = json["request"].as_str().expect("a name");
        assert_eq!(id.len(), 16);
        let lines =
            gateway.wait_access_log(|lines| lines.iter().any(|line| line["request_id"] == id));
        let line = lines.iter().find(|line| line["request_id"] == id).expect("a line");
        assert_eq!(line["status"], status);
    }
}

#[test]
fn head_gets_the_length_of_the_page_and_no_byte_of_it() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target, "");
    for (path, length) in [("/orders/1", "21"), ("/gone/1", "23"), ("/nothing", "43")] {
        let mut connection = Connection::open(gateway.address());
        connection
            .send(format!("HEAD {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"));
        let answer = connection.read_head();
        assert_eq!(answer.header("content-length"), Some(length), "{path}");
        assert!(connection.is_closed(), "{path}: bytes behind the head");
    }
}

#[test]
fn a_request_that_no_rule_ever_sees_gets_its_page_too() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = start(&issuer, &target, "");
    for (bytes, status) in [
        ("GET / HTTP/1.1\nHost: a.test\n\n", 400),
        ("GET / HTTP/1.1\r\nHo", 408),
        ("GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    ] {
        let mut connection = Connection::open(gateway.address());
        connection.send(bytes);
        let answer = connection.read();
        assert_eq!(answer.status, status);
        let json = answer.json();
        assert_eq!(json["status"], status);
        let name = json["request"].as_str().expect("the connection's name");
        assert!(name.starts_with("TID_"), "{name}");
        assert!(connection.is_closed());
    }
    // No page for 505: ALB's.
    let mut connection = Connection::open(gateway.address());
    connection.send("GET / HTTP/3.0\r\nHost: a.test\r\n\r\n");
    assert!(connection.read().text().contains("<h1>505 "));
}

#[test]
fn a_page_on_disk_is_read_again_when_it_changes_and_kept_when_it_cannot_be() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let mut gateway = start(&issuer, &target, "");
    let show = |gateway: &Gateway| wire::get(gateway.address(), "/gone/1").text();
    let put = |gateway: &Gateway, text: &str| {
        let new = gateway.folder().join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, gateway.folder().join("502.html")).expect("renamed");
    };
    put(&gateway, "second");
    eventually("the second page", || (show(&gateway) == "second").then_some(()));
    put(&gateway, "#{no_such_word}");
    gateway.wait_log(&["reload refused", "no_such_word"]);
    assert_eq!(show(&gateway), "second");
    put(&gateway, "third");
    eventually("the third page", || (show(&gateway) == "third").then_some(()));
}

#[test]
fn a_listener_has_pages_of_its_own_and_its_headers_stand_on_them() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let keys = "    error_pages: { 404: { body: own } }\n    response_headers: { x_frame_options: DENY }\n";
    let gateway = start(&issuer, &target, keys);
    let answer = wire::get(gateway.address(), "/nothing");
    assert_eq!(shown(&answer), (404, "text/html", "own".to_owned()));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(wire::get(gateway.address(), "/orders/1").text(), "<h1>Who are you?</h1>");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn grpc_callers_never_get_a_page() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let keys = "    tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n";
    let gateway = Start::with(&file(&issuer, &target, keys))
        .file("502.html", "page")
        .file("a.pem", pair.certificate)
        .file("a.key", pair.private_key)
        .run();
    let mut requests = grpc::connect(gateway.address(), &authority).await;
    for (path, status, code) in
        [("/orders/1", 200, Some("16")), ("/gone/1", 200, Some("12")), ("/nothing", 404, None)]
    {
        let request = Request::post(format!("https://a.test{path}"))
            .header("content-type", "application/grpc")
            .body(())
            .expect("a request");
        let (answer, _) = requests.send_request(request, true).expect("sent");
        let mut answer: http::Response<h2::RecvStream> = answer.await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        let said = answer.headers().get("grpc-status").map(|value| value.to_str().expect("text"));
        assert_eq!(said, code, "{path}");
        assert!(answer.body_mut().data().await.is_none(), "{path}: a page");
    }
    let request = Request::get("https://a.test/orders/1").body(()).expect("a request");
    let (answer, _) = requests.send_request(request, true).expect("sent");
    let mut body = answer.await.expect("an answer").into_body();
    assert_eq!(body.data().await.expect("data").expect("well"), "<h1>Who are you?</h1>");
}
