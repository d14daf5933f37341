//! What a leaf certificate says: its names, its time, and how good it is.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::AlgorithmIdentifier;

use crate::clock::UnixMillis;

/// The part of a leaf certificate that a choice needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) names: Vec<String>,
    pub(super) not_before: UnixMillis,
    pub(super) not_after: UnixMillis,
    is_rsa: bool,
    hash_bits: u16,
    key_bits: usize,
}

impl Leaf {
    pub(super) fn parse(der: &CertificateDer<'_>) -> Result<Self, &'static str> {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| "not an X.509 certificate")?;
        let public_key = certificate.public_key().parsed().map_err(|_| "unknown kind of key")?;
        let validity = certificate.validity();
        let millis = |seconds: i64| {
            UnixMillis(u64::try_from(seconds).unwrap_or_default().saturating_mul(1000))
        };
        Ok(Self {
            names: names(&certificate),
            not_before: millis(validity.not_before.timestamp()),
            not_after: millis(validity.not_after.timestamp()),
            is_rsa: matches!(public_key, PublicKey::RSA(_)),
            hash_bits: hash_bits(&certificate.signature_algorithm),
            key_bits: public_key.key_size(),
        })
    }

    /// Smaller is better, by alb.md 2.2: ECDSA before RSA, valid before expired, stronger hash,
    /// longer key, longer validity.
    pub(super) fn rank(&self, now: UnixMillis) -> impl Ord + use<> {
        use std::cmp::Reverse;
        (
            self.is_rsa,
            self.not_after < now,
            Reverse(self.hash_bits),
            Reverse(self.key_bits),
            Reverse(self.not_after.0.saturating_sub(self.not_before.0)),
        )
    }
}

/// DNS names, lower case. The common name counts only where there is no alternative name at all.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
        let dns = alternatives.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(plain(name)),
            _ => None,
        });
        return dns.collect();
    }
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    common.map(plain).collect()
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Bits of the hash in a signature algorithm; 0 for MD5 and what is unknown, and for Ed25519, which
/// has no competitor of its own kind.
fn hash_bits(algorithm: &AlgorithmIdentifier<'_>) -> u16 {
    match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => 160,
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => 224,
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => 256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => 384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => 512,
        // RSASSA-PSS names its hash beside it.
        "1.2.840.113549.1.1.10" => match SignatureAlgorithm::try_from(algorithm) {
            Ok(SignatureAlgorithm::RSASSA_PSS(params)) => {
                match params.hash_algorithm_oid().to_id_string().as_str() {
                    "2.16.840.1.101.3.4.2.1" => 256,
                    "2.16.840.1.101.3.4.2.2" => 384,
                    "2.16.840.1.101.3.4.2.3" => 512,
                    _ => 160,
                }
            }
            _ => 0,
        },
        _ => 0,
    }
}
