//! Targets that speak HTTP/2 and gRPC, behind a client that does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::support::process::PATIENCE;
use crate::support::tls::Authority;
use crate::support::{Gateway, Start, Target, eventually};

/// A target that speaks HTTP/2 without TLS: it echoes each request body, and ends with trailers.
pub struct Http2Target {
    pub address: SocketAddr,
    received: Receiver<http::request::Parts>,
}

impl Http2Target {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (tell, received) = channel();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let tell = tell.clone();
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        let (parts, body) = request.into_parts();
                        let ends = parts.headers.get("x-ends").cloned();
                        if parts
                            .headers
                            .get("user-agent")
                            .is_none_or(|v| v != "ELB-HealthChecker/2.0")
                        {
                            let _ = tell.send(parts);
                        }
                        tokio::spawn(echo(body, respond, ends));
                    }
                });
            }
        });
        Self { address, received }
    }

    fn next(&self) -> http::request::Parts {
        self.received.recv_timeout(PATIENCE).expect("a request")
    }
}

/// Sends back each piece of the body as it comes, then trailers with this status, by default 0.
async fn echo(
    mut body: h2::RecvStream,
    mut respond: h2::server::SendResponse<Bytes>,
    ends: Option<HeaderValue>,
) {
    let response = Response::builder().header("content-type", "application/grpc");
    let response = response.body(()).expect("a response");
    let Ok(mut stream) = respond.send_response(response, false) else { return };
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        if stream.send_data(data, false).is_err() {
            return;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", ends.unwrap_or(HeaderValue::from_static("0")));
    trailers.insert("grpc-message", HeaderValue::from_static("well done"));
    let _ = stream.send_trailers(trailers);
}

/// A gateway with TLS before one group, entry given.
fn start(group: &str) -> (Gateway, Authority) {
    let authority = Authority::new();
    let pair = authority.issue(&["a.test"]);
    let file = format!(
        "admin: {{ address: 127.0.0.1:0 }}\ntarget_groups:\n  orders: {{ {group} }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    \
         tls: {{ certificates: [{{ certificate: a.pem, private_key: a.key }}] }}\n    rules:\n      \
         - name: all\n        public: true\n        conditions: {{ path_pattern: ['/*'] }}\n        \
         forward: orders\n    default_action: {{ fixed_response: {{ status_code: 404 }} }}\n"
    );
    let start = Start::with(&file).file("a.pem", pair.certificate).file("a.key", pair.private_key);
    (start.run(), authority)
}

async fn tls(
    gateway: SocketAddr,
    authority: &Authority,
    alpn: &str,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let tcp = TcpStream::connect(gateway).await.expect("a connection");
    let name = ServerName::try_from("a.test").expect("a name");
    let connector = TlsConnector::from(Arc::clone(&authority.client(&[alpn])));
    connector.connect(name, tcp).await.expect("a handshake")
}

/// An HTTP/2 client of `a.test`.
pub async fn connect(gateway: SocketAddr, authority: &Authority) -> h2::client::SendRequest<Bytes> {
    let stream = tls(gateway, authority, "h2").await;
    let (requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    requests.ready().await.expect("ready")
}

fn request(method: Method, grpc: bool) -> Request<()> {
    let request = Request::builder().method(method).uri("https://a.test/shop.Orders/Get");
    let request = if grpc {
        request.header("content-type", "application/grpc").header("te", "trailers")
    } else {
        request
    };
    request.body(()).expect("a request")
}

/// The status of a request without a body, and what stands in `grpc-status`.
async fn status(
    requests: &mut h2::client::SendRequest<Bytes>,
    method: Method,
    grpc: bool,
) -> (u16, Option<String>) {
    let (answer, _) = requests.send_request(request(method, grpc), true).expect("sent");
    let answer = answer.await.expect("an answer");
    let code = answer.headers().get("grpc-status").map(|v| v.to_str().expect("text").to_owned());
    (answer.status().as_u16(), code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_grpc_call_streams_both_ways_and_its_trailers_pass() {
    for version in ["grpc", "http2"] {
        let target = Http2Target::start().await;
        let (gateway, authority) = start(&format!(
            "targets: ['{}'], protocol_version: {version}, health_check: {{ enabled: false }}",
            target.address
        ));
        let mut requests = connect(gateway.address(), &authority).await;
        let (answer, mut send) =
            requests.send_request(request(Method::POST, true), false).expect("sent");
        send.send_data(Bytes::from_static(b"one"), false).expect("sent");
        let mut answer = answer.await.expect("an answer").into_body();
        assert_eq!(answer.data().await.expect("data").expect("well"), "one", "{version}");
        // The first piece is back before the second is sent.
        send.send_data(Bytes::from_static(b"two"), true).expect("sent");
        assert_eq!(answer.data().await.expect("data").expect("well"), "two", "{version}");
        assert!(answer.data().await.is_none());
        let trailers = answer.trailers().await.expect("well").expect("trailers");
        assert_eq!(trailers["grpc-status"], "0", "{version}");
        assert_eq!(trailers["grpc-message"], "well done", "{version}");
        let received = target.next();
        assert_eq!(received.headers["te"], "trailers", "{version}");
        assert_eq!(received.method, Method::POST);
        assert_eq!(received.uri.path(), "/shop.Orders/Get");
        assert_eq!(received.uri.authority().map(http::uri::Authority::as_str), Some("a.test"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_head_over_64_kib_of_an_http2_target_is_502_and_such_trailers_are_left_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let large = HeaderValue::from_str(&"x".repeat(70_000)).expect("a value");
                    let mut response = Response::new(());
                    if request.method() == Method::GET {
                        response.headers_mut().insert("x-large", large);
                        let _ = respond.send_response(response, true);
                    } else if let Ok(mut stream) = respond.send_response(response, false) {
                        let trailers = HeaderMap::from_iter([(
                            http::HeaderName::from_static("x-large"),
                            large,
                        )]);
                        let _ = stream.send_data(Bytes::from_static(b"ok"), false);
                        let _ = stream.send_trailers(trailers);
                    }
                }
            });
        }
    });
    let (gateway, authority) = start(&format!(
        "targets: ['{address}'], protocol_version: http2, health_check: {{ enabled: false }}"
    ));
    let mut requests = connect(gateway.address(), &authority).await;
    assert_eq!(status(&mut requests, Method::GET, false).await.0, 502);
    let (answer, _) = requests.send_request(request(Method::POST, false), true).expect("sent");
    let mut body = answer.await.expect("an answer").into_body();
    while let Some(Ok(_)) = body.data().await {}
    assert!(body.trailers().await.expect("an end").is_none_or(|trailers| trailers.is_empty()));
    assert_eq!(status(&mut requests, Method::GET, false).await.0, 502, "the connection lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_whose_protocol_the_group_does_not_speak_gets_464() {
    let http1 = Target::start();
    let (gateway, authority) =
        start(&format!("targets: ['{}'], health_check: {{ enabled: false }}", http1.address()));
    let mut requests = connect(gateway.address(), &authority).await;
    assert_eq!(status(&mut requests, Method::GET, false).await, (200, None));
    // gRPC callers read the code: 12 is UNIMPLEMENTED.
    assert_eq!(status(&mut requests, Method::POST, true).await, (200, Some("12".to_owned())));
    assert_eq!(http1.taken().len(), 1);

    let http2 = Http2Target::start().await;
    let (gateway, authority) = start(&format!(
        "targets: ['{}'], protocol_version: grpc, health_check: {{ enabled: false }}",
        http2.address
    ));
    let mut requests = connect(gateway.address(), &authority).await;
    assert_eq!(status(&mut requests, Method::GET, false).await.0, 464);
    let mut stream = tls(gateway.address(), &authority, "http/1.1").await;
    let text = b"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, text).await.expect("sent");
    let mut start = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 464");
    assert!(http2.received.try_iter().next().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn health_checks_speak_http2_to_targets_that_do() {
    let target = Http2Target::start().await;
    let (gateway, _authority) = start(&format!(
        "targets: ['{}'], protocol_version: http2, health_check: {{ interval: 500ms, timeout: 500ms }}",
        target.address
    ));
    tokio::task::block_in_place(|| {
        eventually("the target is healthy", || {
            (gateway.metric_sum("portcullis_target", &["\"healthy\""]) == 1.0).then_some(())
        });
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_target_whose_calls_end_as_unavailable_is_left_out_whatever_its_http_status() {
    let targets = [Http2Target::start().await, Http2Target::start().await];
    let (gateway, authority) = start(&format!(
        "targets: ['{}', '{}'], protocol_version: grpc, health_check: {{ enabled: false }}, \
         outlier_ejection: {{ consecutive_failures: 3 }}",
        targets[0].address, targets[1].address
    ));
    let mut requests = connect(gateway.address(), &authority).await;
    let ejections = || {
        tokio::task::block_in_place(|| {
            gateway.metric_sum("portcullis_target_ejections_total", &["orders"])
        })
    };
    for (ends, calls, ejected) in [("5", 12, 0.0), ("0", 2, 0.0), ("14", 6, 1.0)] {
        for _ in 0..calls {
            let mut call = request(Method::POST, true);
            call.headers_mut().insert("x-ends", HeaderValue::from_static(ends));
            let (answer, _) = requests.send_request(call, true).expect("sent");
            let mut body = answer.await.expect("an answer").into_body();
            while let Some(Ok(_)) = body.data().await {}
            let trailers = body.trailers().await.expect("well").expect("trailers");
            assert_eq!(trailers["grpc-status"], ends);
        }
        assert_eq!(ejections(), ejected, "after calls that end with {ends}");
    }
}
