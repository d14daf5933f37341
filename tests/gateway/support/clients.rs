//! Clients that have certificates, good and bad, and what they get to hear.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, RevocationReason,
    RevokedCertParams, SerialNumber,
};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use super::process::PATIENCE;
use super::tls::{Authority, provider};

/// An authority for clients.
pub struct ClientAuthority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub pem: String,
    /// What its clients send behind their own certificate.
    above: Vec<CertificateDer<'static>>,
}

/// A client's certificate with what it is sent with, and its key.
#[derive(Clone)]
pub struct ClientPair {
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf, PEM.
    pub pem: String,
    key: Arc<Vec<u8>>,
}

impl ClientAuthority {
    /// A root.
    pub fn root(name: &str) -> Self {
        let parameters = authority(name);
        let key = KeyPair::generate().expect("a key");
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(parameters, key), pem, above: Vec::new() }
    }

    /// One below this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let parameters = authority(name);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        let mut above = vec![certificate.der().clone()];
        above.extend(self.above.iter().cloned());
        Self { issuer: Issuer::new(parameters, key), pem: certificate.pem(), above }
    }

    /// A client's certificate of this serial number, good for years.
    pub fn client(&self, name: &str, serial: u8) -> ClientPair {
        self.issue(name, serial, |_| {})
    }

    /// The same, otherwise than usual.
    pub fn issue(
        &self,
        name: &str,
        serial: u8,
        change: impl Fn(&mut CertificateParams),
    ) -> ClientPair {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.distinguished_name.push(DnType::OrganizationName, "Example, Inc");
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        parameters.serial_number = Some(SerialNumber::from_slice(&[0xc1, serial]));
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2050, 1, 1);
        change(&mut parameters);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        let mut chain = vec![certificate.der().clone()];
        chain.extend(self.above.iter().cloned());
        ClientPair { chain, pem: certificate.pem(), key: Arc::new(key.serialize_der()) }
    }

    /// A list that revokes these of its certificates, made in that year. PEM.
    pub fn revoking(&self, serials: &[u8], year: i32) -> String {
        let revoked = |serial: &u8| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[0xc1, *serial]),
            revocation_time: rcgen::date_time_ymd(2021, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(year, 1, 1),
            next_update: rcgen::date_time_ymd(year + 1, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

impl ClientPair {
    /// This certificate with the key of another, which no honest client would have.
    pub fn with_key_of(self, other: &Self) -> Self {
        Self { key: Arc::clone(&other.key), ..self }
    }

    fn certified(&self) -> CertifiedKey {
        let key = PrivateKeyDer::try_from(self.key.as_slice().to_vec()).expect("DER");
        let key = provider().key_provider.load_private_key(key).expect("a key");
        CertifiedKey::new(self.chain.clone(), key)
    }
}

/// Shows what it has, whatever it is asked for, and notes the authorities that it is told of.
#[derive(Debug)]
struct Shows {
    certified: Option<Arc<CertifiedKey>>,
    told: Arc<std::sync::atomic::AtomicUsize>,
}

impl ResolvesClientCert for Shows {
    fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.told.store(hints.len(), std::sync::atomic::Ordering::Relaxed);
        self.certified.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A client that trusts the gateway's authority.
#[derive(Clone)]
pub struct TlsClient {
    pub config: Arc<ClientConfig>,
    told: Arc<std::sync::atomic::AtomicUsize>,
}

impl TlsClient {
    pub fn new(gateway: &Authority, pair: Option<&ClientPair>) -> Self {
        Self::speaking(gateway, pair, rustls::ALL_VERSIONS)
    }

    /// One that knows these versions only.
    pub fn speaking(
        gateway: &Authority,
        pair: Option<&ClientPair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(gateway.pem.as_bytes()).expect("PEM");
        roots.add(der).expect("an authority");
        let told = Arc::default();
        let shows = Shows {
            certified: pair.map(|pair| Arc::new(pair.certified())),
            told: Arc::clone(&told),
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(shows));
        Self { config: Arc::new(config), told }
    }

    /// How many authorities it was told of last.
    pub fn told(&self) -> usize {
        self.told.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Connects, as `a.test`; the handshake is done with the first request.
    pub fn open(&self, gateway: SocketAddr) -> TlsConnection {
        let tcp = TcpStream::connect(gateway).expect("a connection");
        tcp.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let name = ServerName::try_from("a.test").expect("a name");
        let session = ClientConnection::new(Arc::clone(&self.config), name).expect("TLS");
        TlsConnection(StreamOwned::new(session, tcp))
    }

    /// The status of a request on a connection of its own; `None` when there was no connection.
    pub fn get(&self, gateway: SocketAddr, path: &str) -> Option<u16> {
        self.open(gateway).get(path, "")
    }
}

pub struct TlsConnection(pub StreamOwned<ClientConnection, TcpStream>);

impl TlsConnection {
    /// The status of a request with more header lines; `None` when the connection has failed. The
    /// answer is read to its end.
    pub fn get(&mut self, path: &str, more: &str) -> Option<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{more}\r\n");
        self.0.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).ok()?;
            answer.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        self.0.read_exact(&mut vec![0; length]).ok()?;
        head.get(9..12)?.parse().ok()
    }
}
