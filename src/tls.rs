//! TLS of HTTPS listeners: certificates, what is spoken, and what is asked of clients; read, judged,
//! and made into what a handshake needs.
//!
//! All mistakes are found here, before a listener starts or changes. Which connection uses which
//! configuration is decided in `connection`; TLS toward targets in `upstream`.

mod certificate;
mod client;
mod client_certificate;
mod distinguished_name;
mod policy;
mod resolver;
mod trust;
mod watch;

#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};

use self::certificate::Leaf;
pub use self::client::{HandshakeFailure, Witness, witnessed};
pub use self::client_certificate::{ClientCertificate, ClientIdentity};
use self::resolver::Certificates;
use self::trust::Trust;
pub use self::watch::CertificateWatch;
use crate::clock::UnixMillis;
use crate::config;
use crate::config::diagnostics::Span;
use crate::config::model::{CertificateFiles, ListenerTls, MutualMode};

/// Largest certificate or key file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Why a listener's certificates cannot be used. The paths are those of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
        /// Where the configuration names it.
        span: Span,
    },
    /// The file has no PEM section of the kind that was looked for, or a broken one.
    #[error("{} has no {wanted} in PEM form", path.display())]
    NotFound {
        /// Which file.
        path: PathBuf,
        /// `certificate` or `private key`.
        wanted: &'static str,
        /// Where the configuration names it.
        span: Span,
    },
    /// The certificate or the key is of no use.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// Where the configuration names it.
        span: Span,
    },
    /// The two files do not belong together.
    #[error(
        "the private key {} does not belong to the first certificate in {}",
        private_key.display(), certificate.display()
    )]
    Mismatch {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        private_key: PathBuf,
        /// Where the configuration names them.
        span: Span,
    },
    /// A listener without a certificate.
    #[error("the listener has no certificate")]
    NoCertificates,
    /// The cryptographic library failed.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

impl TlsError {
    /// Where the configuration names the file at fault.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Unreadable { span, .. }
            | Self::NotFound { span, .. }
            | Self::Unusable { span, .. }
            | Self::Mismatch { span, .. } => *span,
            Self::NoCertificates | Self::Library(_) => Span::default(),
        }
    }
}

/// What is worth knowing about a certificate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The file of the chain.
    pub path: PathBuf,
    /// The names it is good for, lower case; `*.` in front covers one label.
    pub names: Vec<String>,
    /// When it becomes valid.
    pub not_before: UnixMillis,
    /// When it expires.
    pub not_after: UnixMillis,
}

/// A listener's TLS, ready for handshakes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// For `connection`.
    pub config: Arc<ServerConfig>,
    /// In the order of the file.
    pub certificates: Arc<[CertificateFacts]>,
    /// What is asked of clients; `None`: nothing.
    mutual: Option<Arc<MutualMode>>,
    by_name: Arc<Certificates>,
    fingerprint: [u8; 32],
    /// When expired certificates were ranked behind valid ones.
    ranked: UnixMillis,
}

/// Reads and compiles a listener's TLS: certificates by name, versions and suites by its policy,
/// HTTP/2 by ALPN if wanted, and either session tickets or a demand for clients' certificates.
/// Where nothing has changed the `previous` one is returned, and with it its ticket keys, so that
/// clients can still resume.
///
/// `now` only ranks expired certificates behind valid ones; they are still served.
///
/// # Errors
/// [`TlsError`] for the first file that is wrong.
pub fn compile(
    tls: &ListenerTls,
    http2: bool,
    now: UnixMillis,
    previous: Option<&Compiled>,
) -> Result<Compiled, TlsError> {
    let files = read(tls)?;
    let mutual = tls.mutual_authentication.as_ref();
    let trust = mutual.map(|mutual| Trust::read(&mutual.mode)).transpose()?;
    let fingerprint = fingerprint(tls, &files, trust.as_ref(), http2);
    if let Some(previous) = previous.filter(|old| old.fingerprint == fingerprint && old.holds(now))
    {
        return Ok(previous.clone());
    }
    let provider = Arc::new(policy::provider(tls.security_policy));
    let mut facts = Vec::with_capacity(files.len());
    let mut leaves = Vec::with_capacity(files.len());
    for file in &files {
        let (leaf, key) = file.load(&provider)?;
        facts.push(CertificateFacts {
            path: file.named.certificate.clone(),
            names: leaf.names.clone(),
            not_before: leaf.not_before,
            not_after: leaf.not_after,
        });
        leaves.push((leaf, Arc::new(key)));
    }
    let by_name = Certificates::new(leaves, now).map(Arc::new).ok_or(TlsError::NoCertificates)?;
    let verifier = match &trust {
        Some(trust) => trust.verifier(&provider)?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&policy::versions(tls.security_policy))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::<Certificates>::clone(&by_name));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    // alb.md 2.3: the server's order of ciphers wins.
    config.ignore_client_order = true;
    if trust.is_some() {
        // A resumed session would not be judged again, whatever was revoked since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = Ticketer::new()?;
    }
    Ok(Compiled {
        config: Arc::new(config),
        certificates: facts.into(),
        mutual: trust.map(|trust| Arc::new(trust.mode.clone())),
        by_name,
        fingerprint,
        ranked: now,
    })
}

impl Compiled {
    /// Who the client has shown to be, where it was asked for a certificate and had one.
    #[must_use]
    pub fn identify(&self, session: &ServerConnection) -> Option<ClientIdentity> {
        ClientIdentity::of(self.mutual.as_deref()?, session.peer_certificates()?)
    }

    /// Whether no certificate has ended since the choice among several was made.
    fn holds(&self, now: UnixMillis) -> bool {
        let has_ended = |end: UnixMillis| self.ranked <= end && end < now;
        self.certificates.len() < 2
            || !self.certificates.iter().any(|certificate| has_ended(certificate.not_after))
    }
}

/// What a connection's handshake settled about certificates.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The certificates to choose from.
    pub compiled: &'a Compiled,
    /// The name that the client asked for (SNI), lower case.
    pub server_name: Option<&'a str>,
}

impl Presented<'_> {
    /// Whether a request for `host`, in canonical spelling, belongs on this connection: a
    /// connection of its own would have been shown the same certificate (RFC 9110 7.4 and 15.5.20).
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.compiled.by_name.is_same(self.server_name, Some(host))
    }
}

/// The bytes of a chain and its key.
struct Files<'a> {
    named: &'a CertificateFiles,
    chain: Vec<u8>,
    key: Vec<u8>,
}

fn read(tls: &ListenerTls) -> Result<Vec<Files<'_>>, TlsError> {
    tls.certificates
        .iter()
        .map(|named| {
            let get = |path: &Path| {
                read_file(path).map_err(|error| TlsError::Unreadable {
                    path: path.to_owned(),
                    error,
                    span: named.span,
                })
            };
            Ok(Files { named, chain: get(&named.certificate)?, key: get(&named.private_key)? })
        })
        .collect()
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = config::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(bytes)
}

fn fingerprint(
    tls: &ListenerTls,
    files: &[Files<'_>],
    trust: Option<&Trust<'_>>,
    http2: bool,
) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut add = |part: &[u8]| {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    };
    add(&[u8::from(http2)]);
    add(tls.security_policy.name.as_bytes());
    files.iter().flat_map(|file| [&file.chain, &file.key]).for_each(|part| add(part));
    if let Some(trust) = trust {
        trust.parts(&mut add);
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(context.finish().as_ref());
    fingerprint
}

impl Files<'_> {
    fn load(&self, provider: &CryptoProvider) -> Result<(Leaf, CertifiedKey), TlsError> {
        let span = self.named.span;
        let unusable = |path: &Path, reason: String| TlsError::Unusable {
            path: path.to_owned(),
            reason,
            span,
        };
        let not_found =
            |path: &Path, wanted| TlsError::NotFound { path: path.to_owned(), wanted, span };
        let (chain_path, key_path) = (&self.named.certificate, &self.named.private_key);
        let chain = CertificateDer::pem_slice_iter(&self.chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| not_found(chain_path, "certificate"))?;
        let first = chain.first().ok_or_else(|| not_found(chain_path, "certificate"))?;
        let leaf = Leaf::parse(first).map_err(|reason| unusable(chain_path, reason.into()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| not_found(key_path, "private key"))?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| unusable(key_path, error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|_| TlsError::Mismatch {
            certificate: chain_path.clone(),
            private_key: key_path.clone(),
            span,
        })?;
        Ok((leaf, certified))
    }
}
