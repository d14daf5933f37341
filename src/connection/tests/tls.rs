use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::{Client, Gateway, settings, timing};
use crate::clock::UnixMillis;
use crate::config::diagnostics::Span;
use crate::config::model::{CertificateFiles, ListenerTls, SecurityPolicy};
use crate::connection::ListenerSettings;
use crate::tls;

fn write_certificate(directory: &Path, file: &str, names: &[&str]) -> CertificateFiles {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let files = CertificateFiles {
        certificate: directory.join(format!("{file}.pem")),
        private_key: directory.join(format!("{file}.key")),
        span: Span::default(),
    };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.private_key, key.serialize_pem()).unwrap();
    files
}

fn compiled(files: Vec<CertificateFiles>) -> tls::Compiled {
    tls::compile(&listener_tls(files), true, UnixMillis(0), None).unwrap()
}

fn listener_tls(certificates: Vec<CertificateFiles>) -> ListenerTls {
    ListenerTls {
        certificates,
        security_policy: SecurityPolicy::DEFAULT,
        mutual_authentication: None,
    }
}

fn https(tls: &tls::Compiled) -> ListenerSettings {
    ListenerSettings { tls: Some(tls.clone()), ..settings() }
}

/// Trusts whatever stands in `files` now.
fn connector(files: &[&CertificateFiles], alpn: &[&str]) -> TlsConnector {
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    for files in files {
        roots.add(CertificateDer::from_pem_file(&files.certificate).unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn connect(
    gateway: &Gateway,
    connector: &TlsConnector,
    name: &str,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let tcp = TcpStream::connect(gateway.address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    Ok(Client::new(connector.connect(name, tcp).await?))
}

fn served(client: &Client<TlsStream<TcpStream>>) -> CertificateDer<'static> {
    client.stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn http1_over_tls_tells_the_hooks_what_was_settled() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let gateway = Gateway::start(https(&compiled(vec![files.clone()]))).await;
    let connector = connector(&[&files], &["http/1.1"]);
    let mut client = connect(&gateway, &connector, "a.test").await.unwrap();
    for _ in 0..2 {
        client.send("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc").await;
        assert_eq!(client.answer().await, (200, true, "/x POST abc".into()));
    }
    let seen = gateway.seen.lock()[1].clone();
    assert_eq!(seen.server_name.as_deref(), Some("a.test"));
    assert_eq!(seen.tls, Some("TLSv1.3"));
}

#[tokio::test]
async fn alpn_chooses_http2_and_its_hooks_know_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let gateway = Gateway::start(https(&compiled(vec![files.clone()]))).await;
    let connector = connector(&[&files], &["h2", "http/1.1"]);
    let client = connect(&gateway, &connector, "a.test").await.unwrap();
    let (mut requests, connection) = h2::client::handshake(client.stream).await.unwrap();
    tokio::spawn(connection);
    for path in ["/1", "/2"] {
        assert_eq!(h2_get(&mut requests, path).await, (200, format!("{path} GET ")));
    }
    let seen = gateway.seen.lock().clone();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].server_name.as_deref(), Some("a.test"));
}

async fn h2_get(requests: &mut h2::client::SendRequest<Bytes>, path: &str) -> (u16, String) {
    let request = http::Request::get(format!("https://a.test{path}")).body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    let answer = answer.await.unwrap();
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        text.extend_from_slice(&data.unwrap());
    }
    (status, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn the_name_asked_for_chooses_the_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let first = write_certificate(directory.path(), "first", &["first.test"]);
    let second = write_certificate(directory.path(), "second", &["second.test", "*.wild.test"]);
    let gateway = Gateway::start(https(&compiled(vec![first.clone(), second.clone()]))).await;
    let connector = connector(&[&first, &second], &[]);
    for name in ["first.test", "second.test", "SECOND.test", "one.wild.test"] {
        assert!(connect(&gateway, &connector, name).await.is_ok(), "{name}");
    }
    // A wildcard covers exactly one label; all else gets the first, which the client then refuses.
    for name in ["wild.test", "two.one.wild.test", "third.test"] {
        assert!(connect(&gateway, &connector, name).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_only() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let old = compiled(vec![files.clone()]);
    let gateway = Gateway::start(https(&old)).await;
    let tls_connector = connector(&[&files], &["http/1.1"]);
    let mut before = connect(&gateway, &tls_connector, "a.test").await.unwrap();
    before.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(before.answer().await.0, 200);

    write_certificate(directory.path(), "a", &["a.test"]);
    let new =
        tls::compile(&listener_tls(vec![files.clone()]), true, UnixMillis(0), Some(&old)).unwrap();
    gateway.handle.update_tls(&new);

    before.send("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(before.answer().await.0, 200);
    let tls_connector = connector(&[&files], &["http/1.1"]);
    let after = connect(&gateway, &tls_connector, "a.test").await.unwrap();
    assert_ne!(served(&before), served(&after));
}

#[tokio::test]
async fn a_session_is_resumed_even_after_a_reload_that_changes_no_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let old = compiled(vec![files.clone()]);
    let gateway = Gateway::start(https(&old)).await;
    let connector = connector(&[&files], &["http/1.1"]);
    let kind =
        |client: &Client<TlsStream<TcpStream>>| client.stream.get_ref().1.handshake_kind().unwrap();
    let mut client = connect(&gateway, &connector, "a.test").await.unwrap();
    client.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    client.answer().await;
    assert_eq!(kind(&client), HandshakeKind::Full);

    let tls = listener_tls(vec![files]);
    let new = tls::compile(&tls, true, UnixMillis(1), Some(&old)).unwrap();
    gateway.handle.update(https(&new));
    let client = connect(&gateway, &connector, "a.test").await.unwrap();
    assert_eq!(kind(&client), HandshakeKind::Resumed);
}

#[tokio::test]
async fn half_a_handshake_is_closed_at_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let timing = super::super::watch::Timing { handshake: Duration::from_millis(50), ..timing() };
    let gateway = Gateway::start_with(https(&compiled(vec![files])), timing, None).await;
    let mut client = gateway.connect().await;
    client.send([0x16, 0x03, 0x01]).await;
    assert!(client.is_closed().await);
    assert_eq!(gateway.stats.handshake_failures.load(Relaxed), 1);
    assert!(gateway.drain.wait(super::support::PATIENCE).await);
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_a_failed_handshake() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let gateway = Gateway::start(https(&compiled(vec![files]))).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(!client.rest().await.contains("HTTP"));
    assert_eq!(gateway.stats.handshake_failures.load(Relaxed), 1);
}

#[tokio::test]
async fn an_http2_client_that_says_nothing_is_closed_at_the_head_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let settings = ListenerSettings {
        head_timeout: Duration::from_millis(50),
        ..https(&compiled(vec![files.clone()]))
    };
    let gateway = Gateway::start(settings).await;
    let connector = connector(&[&files], &["h2"]);
    let mut client = connect(&gateway, &connector, "a.test").await.unwrap();
    client.rest().await;
    assert_eq!(gateway.stats.head_timeouts.load(Relaxed), 1);
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let settings = ListenerSettings {
        idle_timeout: Duration::from_millis(400),
        ..https(&compiled(vec![files.clone()]))
    };
    let gateway = Gateway::start(settings).await;
    let connector = connector(&[&files], &["h2"]);
    let client = connect(&gateway, &connector, "a.test").await.unwrap();
    let (mut requests, connection) = h2::client::handshake(client.stream).await.unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(h2_get(&mut requests, "/1").await.0, 200);
    let _ = tokio::time::timeout(super::support::PATIENCE, connection).await.expect("closed");
    assert!(gateway.drain.wait(super::support::PATIENCE).await);
}

#[tokio::test]
async fn an_http2_client_that_does_not_answer_goaway_is_cut_off_unless_a_stream_is_under_way() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let settings = ListenerSettings {
        client_keep_alive: Duration::from_millis(50),
        ..https(&compiled(vec![files.clone()]))
    };
    let timing = super::super::watch::Timing {
        linger: Duration::from_millis(100),
        ..super::support::timing()
    };
    let gateway = Gateway::start_with(settings, timing, None).await;
    let connector = connector(&[&files], &["h2"]);

    // A preface and SETTINGS, and from then on silence.
    let mut mute = connect(&gateway, &connector, "a.test").await.unwrap();
    mute.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    mute.rest().await;

    let client = connect(&gateway, &connector, "a.test").await.unwrap();
    let (mut requests, connection) = h2::client::handshake(client.stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut held = requests.clone();
    let held = tokio::spawn(async move { h2_get(&mut held, "/held").await });
    gateway.target.arrived.notified().await;
    while futures_util::future::poll_fn(|cx| requests.poll_ready(cx)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // Far longer than the silence that ended the other one.
    let mut other = connect(&gateway, &connector, "a.test").await.unwrap();
    other.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    other.rest().await;
    gateway.target.release.notify_one();
    assert_eq!(held.await.unwrap(), (200, "/held GET ".into()));
    connection.await.unwrap().unwrap();
    assert!(gateway.drain.wait(super::support::PATIENCE).await);
}

#[tokio::test]
async fn draining_lets_http2_streams_end_and_takes_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let files = write_certificate(directory.path(), "a", &["a.test"]);
    let gateway = Gateway::start(https(&compiled(vec![files.clone()]))).await;
    let connector = connector(&[&files], &["h2"]);
    let client = connect(&gateway, &connector, "a.test").await.unwrap();
    let (mut requests, connection) = h2::client::handshake(client.stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut held = requests.clone();
    let held = tokio::spawn(async move { h2_get(&mut held, "/held").await });
    gateway.target.arrived.notified().await;
    gateway.drain.begin();
    gateway.drain.stop_accepting();
    // GOAWAY arrives while the stream is under way.
    while futures_util::future::poll_fn(|cx| requests.poll_ready(cx)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gateway.target.release.notify_one();
    assert_eq!(held.await.unwrap(), (200, "/held GET ".into()));
    connection.await.unwrap().unwrap();
    assert!(gateway.drain.wait(super::support::PATIENCE).await);
}
