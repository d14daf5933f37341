//! Prepared connections to targets, in Pingora's terms, and Pingora's errors in ours.
//!
//! A peer is built once per target address and cloned for each request: two allocations for TLS, one
//! without. Two of Pingora's habits are countered here. An empty SNI or `verify_cert = false` turns
//! verification off without a word, so a peer that should verify is refused at compile time if it
//! could not. And the key of the connection pool leaves out the trusted authorities and the protocol
//! version, so both go into `group_key`, with the group's name.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use pingora_core::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora_core::protocols::tls::CaType;
use pingora_core::protocols::{ALPN, TcpKeepalive};
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy, PeerOptions};
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use pingora_error::{Error, ErrorSource, ErrorType, RetryType};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::failure::Cause;
use super::group::Fault;
use super::target::Chosen;
use crate::config::model::{
    CertificateFiles, Protocol, ProtocolVersion, Target as TargetModel, TargetGroup as GroupModel,
    TargetHost, TargetTimeouts, TargetTls,
};

/// Streams at a time on one HTTP/2 connection to a target.
const H2_STREAMS: usize = 100;

/// HTTP/2 connections are asked for a sign of life this often. Pingora waits 5 s for it. Without,
/// a connection whose target vanished would stay in use: a timed-out stream does not end it.
const H2_PING_INTERVAL: Duration = Duration::from_secs(5);

/// The kernel asks a silent connection for a sign of life after this time.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_COUNT: usize = 3;

/// How much longer than the client's side of a tunnel the target's side waits, so that it is the
/// listener's idle timeout that ends both.
const TUNNEL_SLACK: Duration = Duration::from_secs(5);

/// More than this is not a list of authorities.
const LARGEST_FILE: u64 = 1024 * 1024;

/// A peer with everything in place: clone and use.
#[derive(Clone)]
pub(crate) struct PreparedPeer(HttpPeer);

impl PreparedPeer {
    /// Whether both were prepared by the same settings of the same group.
    pub(crate) const fn is_same(&self, other: &Self) -> bool {
        self.0.group_key == other.0.group_key
    }

    /// The same peer at another port, for health checks.
    pub(crate) fn at_port(&self, port: u16) -> Self {
        let mut peer = self.0.clone();
        if let PeerAddress::Inet(address) = &mut peer._address {
            address.set_port(port);
        }
        Self(peer)
    }

    pub(super) const fn peer(&self) -> &HttpPeer {
        &self.0
    }
}

impl Chosen {
    /// A peer for Pingora, ready to use. Timeouts may be changed for one request: they are not part
    /// of the connection pool's key. Nothing else may.
    #[must_use]
    pub fn peer(&self) -> Box<HttpPeer> {
        Box::new(self.target().peer.0.clone())
    }

    /// The same for a request that asks for another protocol. What comes after a 101 is no answer
    /// that is overdue: only silence on both sides for `idle`, the listener's limit, ends it. Pingora
    /// has one limit for the answer and for all that follows, so the answer may take as long.
    #[must_use]
    pub fn peer_for_upgrade(&self, idle: Duration) -> Box<HttpPeer> {
        let mut peer = self.peer();
        let idle = idle.saturating_add(TUNNEL_SLACK);
        peer.options.read_timeout = peer.options.read_timeout.map(|response| response.max(idle));
        peer
    }

    /// The same for a request that sends nothing after its head: no body, no upgrade. That a target
    /// vanished is noticed here as fast as a new connection would fail, and not after
    /// [`TargetTimeouts::send`].
    ///
    /// The kernel does not tell a target that vanished from one that is too busy to read a body, so
    /// connections that may carry one have to be patient, and HTTP/1 has two pools for a target.
    #[must_use]
    pub fn peer_without_body(&self) -> Box<HttpPeer> {
        let mut peer = self.peer();
        let options = &mut peer.options;
        if let (ALPN::H1, Some(keepalive), Some(connect)) =
            (&options.alpn, &mut options.tcp_keepalive, options.connection_timeout)
        {
            keepalive.user_timeout = connect;
            peer.group_key = !peer.group_key;
        }
        peer
    }
}

/// Trusted authorities of one target group.
#[derive(Clone)]
pub(crate) struct Authorities {
    list: Arc<CaType>,
    digest: [u8; 32],
}

impl Authorities {
    /// Reads a file of PEM certificates.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut pem = Vec::new();
        File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut pem)?;
        if pem.len() as u64 > LARGEST_FILE {
            return Err(invalid("the file is larger than 1 MiB"));
        }
        Self::parse(&pem)
    }

    fn parse(pem: &[u8]) -> io::Result<Self> {
        let mut list = Vec::new();
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| invalid(&error.to_string()))?;
            roots.add(certificate.clone()).map_err(|error| invalid(&error.to_string()))?;
            // Pingora panics on what its own parser cannot read.
            x509_parser::parse_x509_certificate(&certificate)
                .map_err(|error| invalid(&error.to_string()))?;
            list.push(WrappedX509::new(certificate.to_vec(), parse_x509));
        }
        if list.is_empty() {
            return Err(invalid("the file holds no certificate"));
        }
        Ok(Self { list: list.into(), digest: sha256(pem) })
    }

    /// Trusts nobody: Pingora refuses to connect with an empty list.
    pub(crate) fn nobody() -> Self {
        Self { list: Arc::new([]), digest: sha256(b"") }
    }
}

/// What we show to targets that ask for a certificate, and a digest of it.
#[derive(Clone)]
pub(crate) struct ClientCertificate {
    pair: Arc<CertKey>,
    digest: [u8; 32],
}

impl ClientCertificate {
    pub(crate) fn read(files: &CertificateFiles) -> io::Result<Self> {
        let pem = |path: &Path| {
            let mut pem = Vec::new();
            File::open(path)?.take(LARGEST_FILE).read_to_end(&mut pem)?;
            Ok::<_, io::Error>(pem)
        };
        let (chain, key) = (pem(&files.certificate)?, pem(&files.private_key)?);
        let digest = sha256(&[sha256(&chain), sha256(&key)].concat());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .map_err(|error| invalid(&error.to_string()))?;
        if chain.is_empty() {
            return Err(invalid("the file holds no certificate"));
        }
        for certificate in &chain {
            // Pingora panics on what its own parser cannot read.
            x509_parser::parse_x509_certificate(certificate)
                .map_err(|error| invalid(&error.to_string()))?;
        }
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| invalid("its key is not a private key in PEM form"))?;
        // And it connects without a word of what is wrong with a pair that does not belong together.
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
            .map_err(|error| invalid(&error.to_string()))?;
        let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
        let pair = Arc::new(CertKey::new(chain, key.secret_der().to_vec()));
        Ok(Self { pair, digest })
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap_or([0; 32])
}

/// How the addresses of one configured target are connected to.
#[derive(Clone)]
pub(crate) struct PeerPlan {
    /// With the address of nobody in particular.
    template: HttpPeer,
}

impl fmt::Debug for PeerPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerPlan({})", self.template)
    }
}

impl PeerPlan {
    pub(crate) fn new(
        group: &GroupModel,
        target: &TargetModel,
        authorities: Option<&Authorities>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Self, Fault> {
        let nowhere = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), target.port);
        let mut peer = match &group.protocol {
            Protocol::Http => HttpPeer::new(nowhere, false, String::new()),
            Protocol::Https(tls) => {
                let name = server_name(group, tls, &target.host)?;
                let mut peer = HttpPeer::new(nowhere, true, name);
                peer.options.verify_cert = tls.verify;
                peer.options.verify_hostname = tls.verify;
                peer.options.ca = authorities.map(|authorities| Arc::clone(&authorities.list));
                peer.client_cert_key = certificate.map(|certificate| Arc::clone(&certificate.pair));
                peer
            }
        };
        let options = &mut peer.options;
        set_timeouts(options, &group.timeouts, group.protocol != Protocol::Http);
        match group.protocol_version {
            ProtocolVersion::Http1 => options.set_http_version(1, 1),
            ProtocolVersion::Http2 | ProtocolVersion::Grpc => {
                // At least 2 without TLS means prior knowledge: there is no upgrade dance.
                options.set_http_version(2, 2);
                options.max_h2_streams = H2_STREAMS;
                options.h2_ping_interval = Some(H2_PING_INTERVAL);
            }
        }
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::standard();
        peer.group_key = group_key(group, authorities, certificate);
        Ok(Self { template: peer })
    }

    /// The peer at one address.
    pub(crate) fn at(&self, address: SocketAddr) -> PreparedPeer {
        let mut peer = self.template.clone();
        peer._address = PeerAddress::Inet(address);
        PreparedPeer(peer)
    }

    /// Whether two plans make the same connections.
    pub(crate) const fn is_same(&self, other: &Self) -> bool {
        self.template.group_key == other.template.group_key
    }
}

/// The name that the certificate must have and that is sent as SNI. Never empty: Pingora would not
/// verify then. Never one that Pingora would verify as another.
fn server_name(group: &GroupModel, tls: &TargetTls, host: &TargetHost) -> Result<String, Fault> {
    let name = match (&tls.server_name, host) {
        (Some(name), _) => name.clone(),
        (None, TargetHost::Name(name)) => name.to_string(),
        (None, TargetHost::Address(address)) => address.to_string(),
    };
    // Pingora turns underscores of the first label into hyphens and verifies that name instead.
    let is_altered = tls.verify && name.contains('_');
    if is_altered || ServerName::try_from(name.as_str()).is_err() {
        return Err(Fault::ServerName { group: Arc::clone(&group.name), name });
    }
    Ok(name)
}

fn set_timeouts(options: &mut PeerOptions, timeouts: &TargetTimeouts, tls: bool) {
    // Pingora allows `connection_timeout` for TCP and once more for TLS.
    options.connection_timeout = Some(timeouts.connect);
    options.total_connection_timeout =
        Some(timeouts.connect.saturating_mul(if tls { 2 } else { 1 }));
    options.read_timeout = Some(timeouts.response);
    options.write_timeout = Some(timeouts.send);
    options.idle_timeout = Some(timeouts.idle);
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: KEEPALIVE_IDLE,
        interval: KEEPALIVE_INTERVAL,
        count: KEEPALIVE_COUNT,
        // Also ends a connection whose target takes no bytes for that long.
        user_timeout: timeouts.send.max(timeouts.connect),
    });
}

/// Everything that Pingora's own pool key leaves out and that makes a connection unfit for another
/// group. Every part is length-prefixed, so that no two lists of parts read the same.
fn group_key(
    group: &GroupModel,
    authorities: Option<&Authorities>,
    certificate: Option<&ClientCertificate>,
) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    part(group.name.as_bytes());
    part(match group.protocol_version {
        ProtocolVersion::Http1 => b"http1",
        ProtocolVersion::Http2 => b"http2",
        ProtocolVersion::Grpc => b"grpc",
    });
    match &group.protocol {
        Protocol::Http => part(b"plain"),
        Protocol::Https(tls) => {
            part(if tls.verify { b"verified" } else { b"insecure" });
            part(tls.server_name.as_deref().unwrap_or_default().as_bytes());
            part(authorities.map_or(&[][..], |authorities| &authorities.digest));
            part(certificate.map_or(&[][..], |certificate| &certificate.digest));
        }
    }
    let digest = context.finish();
    digest.as_ref().iter().take(8).fold(0, |key, byte| (key << 8) | u64::from(*byte))
}

/// Where an attempt failed: which of Pingora's hooks has the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `fail_to_connect`: nothing of the request was sent.
    Connecting,
    /// `error_while_proxy`: there was a connection.
    Exchanging,
}

/// What an error of Pingora's says about the target; `None` if it is not the target's doing: the
/// client's, ours, or a status that we made up.
#[must_use]
pub fn classify(error: &Error, phase: Phase) -> Option<Cause> {
    match phase {
        Phase::Connecting => Some(connect_cause(error)),
        Phase::Exchanging if error.esource != ErrorSource::Upstream => None,
        Phase::Exchanging => exchange_cause(error),
    }
}

fn connect_cause(error: &Error) -> Cause {
    match &error.etype {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Cause::ConnectTimeout,
        ErrorType::ConnectNoRoute => Cause::ConnectUnreachable,
        ErrorType::TLSHandshakeFailure
        | ErrorType::TLSWantX509Lookup
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => Cause::TlsFailed,
        // Pingora wraps failures of our own sockets (no descriptor, no port) as internal.
        ErrorType::InternalError | ErrorType::SocketError | ErrorType::BindError => {
            Cause::Exhausted
        }
        // `H2Error` here: a pooled connection would open no stream. Nothing was sent on it.
        _ => Cause::ConnectRefused,
    }
}

fn exchange_cause(error: &Error) -> Option<Cause> {
    Some(match &error.etype {
        ErrorType::HTTPStatus(_) | ErrorType::InternalError => return None,
        ErrorType::ReadTimedout => Cause::ResponseTimeout,
        ErrorType::WriteTimedout => Cause::SendTimeout,
        // The kernel gave the connection up because nothing was acknowledged.
        ErrorType::ReadError | ErrorType::WriteError if is_timeout(error) => Cause::Vanished,
        ErrorType::WriteError => Cause::SendFailed,
        ErrorType::ConnectionClosed => Cause::Closed,
        // Pingora marks true socket errors so, and not failures inside TLS or of the body.
        ErrorType::ReadError if error.retry == RetryType::ReusedOnly => Cause::Closed,
        ErrorType::Custom("PingTimedout") => Cause::Vanished,
        ErrorType::H2Error if error.retry == RetryType::Decided(true) => Cause::Refused,
        ErrorType::InvalidHTTPHeader
        | ErrorType::H1Error
        | ErrorType::InvalidH2
        | ErrorType::H2Downgrade => Cause::Malformed,
        _ => Cause::Broken,
    })
}

fn is_timeout(error: &Error) -> bool {
    let root = error.root_cause().downcast_ref::<io::Error>();
    root.is_some_and(|root| root.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests;
