//! One health check: a request over a connection of its own, with the TLS settings of traffic.
//!
//! HTTP groups get a GET (alb.md 9.6). gRPC groups get a call without a message, and what the
//! matcher judges is `grpc-status`.

use std::net::SocketAddr;
use std::sync::OnceLock;

use ::http::{HeaderMap, Uri};
use bytes::Bytes;
use pingora_core::connectors::TransportConnector;
use pingora_core::connectors::http::v2::{H2HandshakeSettings, handshake};
use pingora_core::protocols::http::v1::client::HttpSession as Http1Session;
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;

use super::failure::Cause;
use super::peer::{Phase, classify};
use super::state::ProbeOutcome;
use super::target::Target;
use crate::config::model::{Protocol, ProtocolVersion, TargetGroup};

const USER_AGENT: &str = "ELB-HealthChecker/2.0";

/// Bodies are read no further than this.
const MOST_BODY: usize = 64 * 1024;

/// Interim answers (1xx) that are passed over.
const MOST_INTERIM: usize = 8;

/// A gRPC message of no bytes: not compressed, length 0.
const EMPTY_MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

/// An answer of a gRPC target that says nothing about the call.
const NO_GRPC_STATUS: ErrorType = ErrorType::Custom("NoGrpcStatus");

/// Why there is no status: what that means, and the error itself.
type Failure = (ProbeOutcome, Box<Error>);

/// Makes connections for health checks. They are neither taken from a pool nor given back to one.
#[derive(Default)]
pub(super) struct Probe {
    // Reads the system's trusted authorities, so it is made when first needed.
    connector: OnceLock<TransportConnector>,
}

impl Probe {
    /// Checks one target.
    pub(super) async fn outcome(&self, group: &TargetGroup, target: &Target) -> ProbeOutcome {
        let check = &group.health_check;
        match tokio::time::timeout(check.timeout, self.ask(group, target)).await {
            Err(_) => ProbeOutcome::TimedOut,
            Ok(Err((outcome, error))) => {
                tracing::debug!(
                    target_group = %group.name, address = %target.address(), %error,
                    "health check failed"
                );
                outcome
            }
            Ok(Ok(code)) if check.matcher.iter().any(|range| range.contains(&code)) => {
                ProbeOutcome::Passed(code)
            }
            Ok(Ok(code)) => ProbeOutcome::Mismatch(code),
        }
    }

    /// The status that the target answers with.
    async fn ask(&self, group: &TargetGroup, target: &Target) -> std::result::Result<u16, Failure> {
        let address = target.checked_at(group.health_check.port);
        let peer = target.peer.at_port(address.port());
        let connector = self.connector.get_or_init(|| TransportConnector::new(None));
        let stream = connector.new_stream(peer.peer()).await.map_err(while_connecting)?;
        let answer = async {
            let request = request(group, address)?;
            match group.protocol_version {
                ProtocolVersion::Http1 => ask_http1(stream, peer.peer(), request).await,
                ProtocolVersion::Http2 => ask_http2(stream, request).await,
                ProtocolVersion::Grpc => ask_grpc(stream, request).await,
            }
        };
        answer.await.map_err(while_asking)
    }
}

fn while_connecting(error: Box<Error>) -> Failure {
    let outcome = match classify(&error, Phase::Connecting) {
        Some(Cause::Exhausted) => ProbeOutcome::Internal,
        Some(Cause::ConnectTimeout) => ProbeOutcome::TimedOut,
        Some(Cause::TlsFailed) => ProbeOutcome::Failed,
        _ => ProbeOutcome::Reset,
    };
    (outcome, error)
}

fn while_asking(error: Box<Error>) -> Failure {
    let outcome = match &error.etype {
        kind if *kind == NO_GRPC_STATUS => ProbeOutcome::NoGrpcStatus,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => ProbeOutcome::TimedOut,
        ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed => {
            ProbeOutcome::Reset
        }
        _ => ProbeOutcome::Failed,
    };
    (outcome, error)
}

fn request(group: &TargetGroup, address: SocketAddr) -> Result<Box<RequestHeader>> {
    let is_grpc = group.protocol_version == ProtocolVersion::Grpc;
    let method = if is_grpc { "POST" } else { "GET" };
    let path = group.health_check.path.as_str();
    let mut request = RequestHeader::build(method, path.as_bytes(), Some(4))?;
    request.insert_header("User-Agent", USER_AGENT)?;
    let host = host(&group.protocol, address);
    if group.protocol_version == ProtocolVersion::Http1 {
        request.insert_header("Host", host)?;
        request.insert_header("Connection", "close")?;
        return Ok(Box::new(request));
    }
    // Said in full, or Pingora would say `https` without TLS too.
    let scheme = if group.protocol == Protocol::Http { "http" } else { "https" };
    let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build();
    request.set_uri(uri.or_err(ErrorType::InvalidHTTPHeader, "the path of a health check")?);
    if is_grpc {
        request.insert_header("Content-Type", "application/grpc")?;
        request.insert_header("TE", "trailers")?;
    }
    Ok(Box::new(request))
}

/// The target's address, with its port unless that is the protocol's own.
fn host(protocol: &Protocol, address: SocketAddr) -> String {
    let own = match protocol {
        Protocol::Http => 80,
        Protocol::Https(_) => 443,
    };
    match address {
        SocketAddr::V6(v6) if v6.port() == own => format!("[{}]", v6.ip()),
        SocketAddr::V4(v4) if v4.port() == own => v4.ip().to_string(),
        other => other.to_string(),
    }
}

async fn ask_http1(stream: Stream, peer: &HttpPeer, request: Box<RequestHeader>) -> Result<u16> {
    let mut session = Http1Session::new_with_options(stream, peer);
    session.write_request_header(request).await?;
    let mut status = 0;
    for _ in 0..MOST_INTERIM {
        session.read_response().await?;
        status = session.get_status().map_or(0, |status| status.as_u16());
        if status >= 200 || status == 101 {
            break;
        }
    }
    // Read to the end, so that the target does not see its answer cut off.
    let mut read = 0;
    while let Some(bytes) = session.read_body_bytes().await? {
        read += bytes.len();
        if read > MOST_BODY {
            break;
        }
    }
    session.shutdown().await;
    Ok(status)
}

async fn ask_http2(stream: Stream, request: Box<RequestHeader>) -> Result<u16> {
    let mut session = open_http2(stream).await?;
    session.write_request_header(request, true)?;
    session.read_response_header().await?;
    let status = session.response_header().map_or(0, |response| response.status.as_u16());
    drain(&mut session).await?;
    Ok(status)
}

async fn ask_grpc(stream: Stream, request: Box<RequestHeader>) -> Result<u16> {
    let mut session = open_http2(stream).await?;
    session.write_request_header(request, false)?;
    session.write_request_body(Bytes::from_static(EMPTY_MESSAGE), true).await?;
    session.read_response_header().await?;
    // An answer without a message has its status among the headers.
    if let Some(code) = session.response_header().and_then(|head| grpc_status(&head.headers)) {
        return Ok(code);
    }
    drain(&mut session).await?;
    let trailers = session.read_trailers().await?;
    trailers
        .and_then(|trailers| grpc_status(&trailers))
        .ok_or_else(|| Error::explain(NO_GRPC_STATUS, "an answer without grpc-status"))
}

fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// A connection of one stream. It ends with the session.
async fn open_http2(stream: Stream) -> Result<Http2Session> {
    // Without TLS nothing is negotiated, and the target is trusted to speak HTTP/2.
    if stream.get_ssl_digest().is_some() && stream.selected_alpn_proto() != Some(ALPN::H2) {
        return Error::e_explain(ErrorType::H2Error, "the target does not offer HTTP/2");
    }
    let mut settings = H2HandshakeSettings::new();
    settings.max_streams = 1;
    let connection = handshake(stream, settings).await?;
    let session = connection.spawn_stream().await?;
    session.ok_or_else(|| Error::explain(ErrorType::H2Error, "the target takes no stream"))
}

async fn drain(session: &mut Http2Session) -> Result<()> {
    let mut read = 0;
    while let Some(bytes) = session.read_response_body().await? {
        read += bytes.len();
        if read > MOST_BODY {
            session.shutdown();
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::TargetTls;

    #[test]
    fn a_check_names_the_address_and_the_port_unless_it_is_the_protocol_s_own() {
        let tls = TargetTls {
            verify: true,
            server_name: None,
            authorities: None,
            client_certificate: None,
        };
        let https = Protocol::Https(tls);
        for (protocol, address, expected) in [
            (&Protocol::Http, "10.0.0.1:80", "10.0.0.1"),
            (&Protocol::Http, "10.0.0.1:8080", "10.0.0.1:8080"),
            (&https, "10.0.0.1:443", "10.0.0.1"),
            (&https, "10.0.0.1:8443", "10.0.0.1:8443"),
            (&Protocol::Http, "[2001:db8::1]:80", "[2001:db8::1]"),
            (&https, "[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ] {
            assert_eq!(host(protocol, address.parse().unwrap()), expected);
        }
    }
}
