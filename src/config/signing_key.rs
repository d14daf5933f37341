//! A private key of ours for ES256 (RFC 7518 3.4).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// A key pair on P-256. Its text is never shown.
#[derive(Clone)]
pub struct SigningKey(Arc<EcdsaKeyPair>);

impl SigningKey {
    /// From PEM, PKCS #8 or SEC 1; `None` for anything but one key on P-256.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(der) => {
                EcdsaKeyPair::from_pkcs8(algorithm, der.secret_pkcs8_der()).ok()?
            }
            PrivateKeyDer::Sec1(der) => {
                EcdsaKeyPair::from_private_key_der(algorithm, der.secret_sec1_der()).ok()?
            }
            _ => return None,
        };
        Some(Self(Arc::new(pair)))
    }

    /// A new one; `None` when the system has no randomness.
    #[must_use]
    pub fn generate() -> Option<Self> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok().map(|pair| Self(pair.into()))
    }

    /// The coordinates of the public key.
    #[must_use]
    pub fn coordinates(&self) -> ([u8; 32], [u8; 32]) {
        // An uncompressed point: 4, x, y (SEC 1 2.3.3).
        let point = self.0.public_key().as_ref();
        let half = |from: usize| {
            point.get(from..from + 32).and_then(|half| half.try_into().ok()).unwrap_or([0; 32])
        };
        (half(1), half(33))
    }

    /// The signature over a message, 64 bytes; `None` when the system has no randomness.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        let signature = self.0.sign(&SystemRandom::new(), message).ok()?;
        signature.as_ref().try_into().ok()
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.coordinates() == other.coordinates()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
