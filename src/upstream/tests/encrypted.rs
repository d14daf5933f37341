//! Checks over TLS and HTTP/2: their settings are those of traffic.

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A target whose certificate is for `targets.test`, and that certificate.
async fn start(alpn: &[&[u8]], grpc_status: Option<u16>) -> (SocketAddr, String) {
    let key = KeyPair::generate().unwrap();
    let names = vec!["targets.test".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    server.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    serve_http2(stream, grpc_status).await;
                    return;
                }
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                let _ = stream.write_all(answer).await;
                let _ = stream.read(&mut [0]).await;
            });
        }
    });
    (address, certificate.pem())
}

/// Answers 200 and, for gRPC, with a status in the trailers.
async fn serve_http2<S>(stream: S, grpc_status: Option<u16>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let is_call = request.method() == ::http::Method::POST
            && request.headers().get("te").is_some_and(|te| te == "trailers");
        let response = ::http::Response::new(());
        let Some(code) = grpc_status else {
            respond.send_response(response, true).unwrap();
            continue;
        };
        assert!(is_call);
        let mut body = respond.send_response(response, false).unwrap();
        let mut trailers = ::http::HeaderMap::new();
        trailers.insert("grpc-status", code.into());
        body.send_trailers(trailers).unwrap();
    }
}

fn secured(address: SocketAddr, version: &str, tls: TargetTls) -> Config {
    let group = format!(
        "{{ protocol: https, protocol_version: {version}, targets: {} }}",
        targets(&[address])
    );
    let mut config = config(&group);
    config.target_groups[0].protocol = Protocol::Https(tls);
    config
}

fn verified(name: &str) -> TargetTls {
    TargetTls {
        verify: true,
        server_name: Some(name.to_owned()),
        authorities: None,
        client_certificate: None,
    }
}

#[tokio::test]
async fn a_certificate_is_verified_unless_the_file_says_insecure() {
    let (address, pem) = start(&[], None).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorities.pem");
    std::fs::write(&path, pem).unwrap();
    let trusted = |name| TargetTls { authorities: Some(path.clone()), ..verified(name) };
    let insecure =
        TargetTls { verify: false, server_name: None, authorities: None, client_certificate: None };
    for (tls, state) in [
        (verified("targets.test"), Unhealthy),
        (trusted("other.test"), Unhealthy),
        (TargetTls { server_name: None, ..trusted("") }, Unhealthy),
        (trusted("targets.test"), Healthy),
        (insecure, Healthy),
    ] {
        World::new(&secured(address, "http1", tls)).until(&[state]).await;
    }
}

#[tokio::test]
async fn http2_is_negotiated_and_demanded() {
    let insecure = || TargetTls {
        verify: false,
        server_name: None,
        authorities: None,
        client_certificate: None,
    };
    let (speaks_it, _) = start(&[b"h2"], None).await;
    World::new(&secured(speaks_it, "http2", insecure())).until(&[Healthy]).await;
    let (does_not, _) = start(&[], None).await;
    World::new(&secured(does_not, "http2", insecure())).until(&[Unhealthy]).await;
}

#[tokio::test]
async fn http2_without_tls_is_by_prior_knowledge() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_http2(stream, None));
        }
    });
    let mut config = config(&format!("{{ targets: {} }}", targets(&[address])));
    config.target_groups[0].protocol_version = crate::config::model::ProtocolVersion::Http2;
    World::new(&config).until(&[Healthy]).await;
}

#[tokio::test]
async fn grpc_targets_are_judged_by_grpc_status() {
    let insecure = || TargetTls {
        verify: false,
        server_name: None,
        authorities: None,
        client_certificate: None,
    };
    let (unimplemented, _) = start(&[b"h2"], Some(12)).await;
    World::new(&secured(unimplemented, "grpc", insecure())).until(&[Healthy]).await;
    let (unavailable, _) = start(&[b"h2"], Some(14)).await;
    let world = World::new(&secured(unavailable, "grpc", insecure()));
    world.until(&[Unhealthy]).await;
    assert_eq!(world.status()[0].code, Some(14));
    let mut config = secured(unavailable, "grpc", insecure());
    config.target_groups[0].health_check.matcher = vec![0..=20];
    World::new(&config).until(&[Healthy]).await;
}
