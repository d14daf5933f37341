//! What is asked of a client in its handshake: a chain that the trust store vouches for, or just
//! one whose key it has.
//!
//! A verifier serves all connections of a listener and can return no more than an error. What it
//! saw of the one at hand, for the connection log, it leaves in [`WITNESS`].

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, InvalidMessage,
    PeerIncompatible, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::client_certificate::ClientCertificate;

/// Most certificates of a chain, the leaf included (alb.md 10.8).
const MAX_DEPTH: usize = 4;
/// Most bytes of a chain: what a header of it can still carry.
const MAX_BYTES: usize = 16 * 1024;

/// Why a handshake failed, in ALB's words (alb.md 11.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum HandshakeFailure {
    ClientCertMaxChainDepthExceeded,
    ClientCertMaxSizeExceeded,
    ClientCertCrlHit,
    ClientCertCrlProcessingError,
    ClientCertUntrusted,
    ClientCertNotYetValid,
    ClientCertExpired,
    ClientCertTypeUnsupported,
    ClientCertInvalid,
    ClientCertPurposeInvalid,
    UnmappedConnectionError,
}

impl HandshakeFailure {
    /// Why the library gave up.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::InvalidCertRevocationList(_) => Self::ClientCertCrlProcessingError,
            Error::InvalidMessage(InvalidMessage::CertificatePayloadTooLarge) => {
                Self::ClientCertMaxSizeExceeded
            }
            Error::PeerIncompatible(
                PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
            ) => Self::ClientCertTypeUnsupported,
            _ => Self::UnmappedConnectionError,
        }
    }

    #[allow(deprecated)] // Older variants can still come.
    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Self::ClientCertExpired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::ClientCertNotYetValid
            }
            CertificateError::Revoked => Self::ClientCertCrlHit,
            CertificateError::UnknownIssuer => Self::ClientCertUntrusted,
            CertificateError::UnknownRevocationStatus
            | CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => {
                Self::ClientCertCrlProcessingError
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::ClientCertPurposeInvalid
            }
            CertificateError::UnsupportedSignatureAlgorithm
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::ClientCertTypeUnsupported
            }
            _ => Self::ClientCertInvalid,
        }
    }

    /// ALB's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCertMaxChainDepthExceeded => "ClientCertMaxChainDepthExceeded",
            Self::ClientCertMaxSizeExceeded => "ClientCertMaxSizeExceeded",
            Self::ClientCertCrlHit => "ClientCertCrlHit",
            Self::ClientCertCrlProcessingError => "ClientCertCrlProcessingError",
            Self::ClientCertUntrusted => "ClientCertUntrusted",
            Self::ClientCertNotYetValid => "ClientCertNotYetValid",
            Self::ClientCertExpired => "ClientCertExpired",
            Self::ClientCertTypeUnsupported => "ClientCertTypeUnsupported",
            Self::ClientCertInvalid => "ClientCertInvalid",
            Self::ClientCertPurposeInvalid => "ClientCertPurposeInvalid",
            Self::UnmappedConnectionError => "UnmappedConnectionError",
        }
    }
}

/// What was seen of a client in a handshake that failed.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    /// The leaf that was shown, if it could be read.
    pub certificate: Option<ClientCertificate>,
    /// Why it was refused, where the library's error would not say.
    pub failure: Option<HandshakeFailure>,
}

tokio::task_local! {
    static WITNESS: RefCell<Witness>;
}

/// Carries out a handshake, and tells what was seen of the client.
pub async fn witnessed<F: Future>(handshake: F) -> (F::Output, Witness) {
    WITNESS
        .scope(RefCell::default(), async {
            let output = handshake.await;
            (output, WITNESS.with(RefCell::take))
        })
        .await
}

/// Notes what is shown, and refuses what is too long for anybody to look at, or cannot be read:
/// targets could not be told of it.
fn look(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
    let bytes = leaf.len() + others.iter().map(|other| other.len()).sum::<usize>();
    let failure = if bytes > MAX_BYTES {
        Some(HandshakeFailure::ClientCertMaxSizeExceeded)
    } else if others.len() >= MAX_DEPTH {
        Some(HandshakeFailure::ClientCertMaxChainDepthExceeded)
    } else {
        None
    };
    let certificate = ClientCertificate::read(leaf);
    let is_readable = certificate.is_some();
    // Nobody listens in tests of the verifier alone.
    let _ = WITNESS.try_with(|witness| *witness.borrow_mut() = Witness { certificate, failure });
    match failure {
        Some(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        None if !is_readable => Err(CertificateError::BadEncoding.into()),
        None => Ok(()),
    }
}

/// `mode: verify`.
#[derive(Debug)]
pub(super) struct Verify {
    pub(super) inner: Arc<dyn ClientCertVerifier>,
    pub(super) ignore_expiry: bool,
}

impl Verify {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.inner.verify_client_cert(leaf, others, now);
        let Some(end) = end_of(leaf).filter(|end| self.ignore_expiry && *end < now) else {
            return verdict;
        };
        // Judged as it was while it was good: its authorities must have been good then too.
        verdict.or_else(|_| self.inner.verify_client_cert(leaf, others, end))
    }
}

/// The last second of a certificate.
fn end_of(leaf: &CertificateDer<'_>) -> Option<UnixTime> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
}

impl ClientCertVerifier for Verify {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        look(leaf, others)?;
        self.judge(leaf, others, now).inspect_err(|error| {
            // Signed by somebody of the right name with another key. The same error of the
            // handshake's own signature means something else.
            if *error == Error::InvalidCertificate(CertificateError::BadSignature) {
                let _ = WITNESS.try_with(|witness| {
                    witness.borrow_mut().failure = Some(HandshakeFailure::ClientCertUntrusted);
                });
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// `mode: passthrough`: the client has the key of its leaf, and that is all that is known.
#[derive(Debug)]
pub(super) struct Passthrough {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Passthrough {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        look(leaf, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
