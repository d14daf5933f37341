//! A JWK set (RFC 7517) read from untrusted bytes into keys that are ready to verify.
//!
//! The types are `jsonwebtoken::jwk`'s; the signature is checked by aws-lc-rs itself with a key
//! parsed once. `jsonwebtoken::decode` builds the public key anew for each token, reads the header
//! three times and the claims twice, and its verifier plug would still get the key as bytes: a
//! third of the cost of a token never seen is saved by not going through it. What remains to be
//! written is small, because the JOSE rules we hold are stricter than the crate's anyway.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{self as lc, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk, KeyAlgorithm,
    KeyOperations, OctetKeyPairParameters, PublicKeyUse, RSAKeyParameters,
};
use std::sync::Arc;

use super::json::{self, JsonError};
use crate::config::model::Algorithm;

/// Longest key set in bytes (ALB's limit).
pub const MAX_BYTES: usize = 150_000;
/// Most keys in a set.
pub const MAX_KEYS: usize = 32;
/// Longest `kid` that is kept.
const MAX_KEY_ID: usize = 256;

/// Why a whole set was refused; the keys in use stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// More than [`MAX_BYTES`].
    #[error("the key set is longer than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not a JSON object with an array `keys`.
    #[error("the answer is not a JWK set")]
    Malformed,
    /// More than [`MAX_KEYS`].
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// Empty, or nothing in it can verify a signature.
    #[error("the key set has no usable key")]
    NoUsableKey,
}

/// RFC 7638 thumbprint with SHA-256.
pub type Thumbprint = [u8; 32];

/// One public key under its name.
#[derive(Debug)]
pub struct Key {
    kid: Box<str>,
    thumbprint: Thumbprint,
    /// The key made ready for each algorithm that it may be used with.
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Key {
    /// `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What the key itself is, whatever it is called.
    #[must_use]
    pub const fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// Whether the key may be used with `algorithm`.
    #[must_use]
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(known, _)| *known == algorithm)
    }

    /// Whether `signature` is this key's for `message`.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.verifiers
            .iter()
            .find(|(known, _)| *known == algorithm)
            .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }

    /// Whether this is the same key under the same name.
    fn is_same(&self, other: &Self) -> bool {
        self.kid == other.kid && self.thumbprint == other.thumbprint
    }
}

/// The usable keys of one JWK set; at least one.
#[derive(Debug)]
pub struct KeySet {
    keys: Box<[Arc<Key>]>,
    skipped: usize,
}

impl KeySet {
    /// Reads a set. A key that cannot be used is left out; a set without any other is refused.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| KeySetError::Malformed)?;
        let raw = raw_keys(text)?;
        let mut keys: Vec<Arc<Key>> = Vec::with_capacity(raw.len());
        for key in raw.iter().filter_map(|raw| read_key(raw)) {
            // Which of two keys of one name is meant cannot be told: the first stays.
            if !keys.iter().any(|known| known.kid == key.kid && shares_algorithm(known, &key)) {
                keys.push(Arc::new(key));
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        let skipped = raw.len() - keys.len();
        Ok(Self { keys: keys.into_boxed_slice(), skipped })
    }

    /// The key called `kid` that may be used with `algorithm`.
    #[must_use]
    pub fn find(&self, kid: &str, algorithm: Algorithm) -> Option<&Arc<Key>> {
        self.keys.iter().find(|key| &*key.kid == kid && key.allows(algorithm))
    }

    /// Whether any key is called `kid`.
    #[must_use]
    pub fn names(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| &*key.kid == kid)
    }

    /// Whether the set still holds this very key under its name.
    #[must_use]
    pub fn holds(&self, key: &Arc<Key>) -> bool {
        self.keys.iter().any(|known| Arc::ptr_eq(known, key) || known.is_same(key))
    }

    /// The usable keys.
    #[must_use]
    pub fn keys(&self) -> &[Arc<Key>] {
        &self.keys
    }

    /// How many keys of the document cannot be used.
    #[must_use]
    pub const fn skipped(&self) -> usize {
        self.skipped
    }
}

fn shares_algorithm(one: &Key, other: &Key) -> bool {
    one.verifiers.iter().any(|(algorithm, _)| other.allows(*algorithm))
}

/// The members of `keys`, unread.
fn raw_keys(text: &str) -> Result<Vec<&str>, KeySetError> {
    let mut array = None;
    json::members(text, |name, value| {
        if json::string(name).as_deref() == Some("keys") && array.replace(value).is_some() {
            return Err(JsonError::Duplicate);
        }
        Ok(())
    })
    .map_err(|_| KeySetError::Malformed)?;
    let mut keys = Vec::new();
    let mut count = 0;
    json::elements(array.ok_or(KeySetError::Malformed)?, |key| {
        count += 1;
        if count <= MAX_KEYS {
            keys.push(key);
        }
        Ok(())
    })
    .map_err(|_| KeySetError::Malformed)?;
    if count > MAX_KEYS { Err(KeySetError::TooManyKeys) } else { Ok(keys) }
}

/// A key that says of itself that it may verify signatures, and can.
fn read_key(raw: &str) -> Option<Key> {
    let jwk: Jwk = serde_json::from_str(raw).ok()?;
    let common = &jwk.common;
    let kid = common.key_id.as_deref().filter(|k| !k.is_empty() && k.len() <= MAX_KEY_ID)?;
    let for_signatures =
        common.public_key_use.as_ref().is_none_or(|u| *u == PublicKeyUse::Signature);
    let may_verify =
        common.key_operations.as_ref().is_none_or(|ops| ops.contains(&KeyOperations::Verify));
    if !for_signatures || !may_verify {
        return None;
    }
    let (mut verifiers, thumbprint) = match &jwk.algorithm {
        AlgorithmParameters::RSA(parameters) => rsa(parameters)?,
        AlgorithmParameters::EllipticCurve(parameters) => elliptic(parameters)?,
        AlgorithmParameters::OctetKeyPair(parameters) => edwards(parameters)?,
        _ => return None,
    };
    if let Some(only) = common.key_algorithm {
        verifiers.retain(|(algorithm, _)| jwk_name(*algorithm) == only);
    }
    if verifiers.is_empty() {
        return None;
    }
    Some(Key { kid: kid.into(), thumbprint, verifiers })
}

type Verifiers = Vec<(Algorithm, ParsedPublicKey)>;

/// RFC 7518 section 6.3.1; at least 2048 bits (3.3), an odd modulus, an odd exponent above 2.
fn rsa(parameters: &RSAKeyParameters) -> Option<(Verifiers, Thumbprint)> {
    let (n, e) = (unsigned(&parameters.n)?, unsigned(&parameters.e)?);
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    let is_sound = (2048..=8192).contains(&bits)
        && n.last()? % 2 == 1
        && e.last()? % 2 == 1
        && e.len() <= 4
        && e != [1];
    if !is_sound {
        return None;
    }
    let components = RsaPublicKeyComponents { n: &n[..], e: &e[..] };
    let algorithms: [(Algorithm, &'static lc::RsaParameters); 6] = [
        (Algorithm::RS256, &lc::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::RS384, &lc::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::RS512, &lc::RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::PS256, &lc::RSA_PSS_2048_8192_SHA256),
        (Algorithm::PS384, &lc::RSA_PSS_2048_8192_SHA384),
        (Algorithm::PS512, &lc::RSA_PSS_2048_8192_SHA512),
    ];
    let verifiers = algorithms
        .into_iter()
        .map(|(name, parameters)| Some((name, components.to_parsed_public_key(parameters).ok()?)))
        .collect::<Option<Verifiers>>()?;
    let (n, e) = (URL_SAFE_NO_PAD.encode(&n), URL_SAFE_NO_PAD.encode(&e));
    Some((verifiers, sha256(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#))))
}

/// RFC 7518 section 6.2.1, P-256 and P-384; a point off the curve is refused by the parser.
fn elliptic(parameters: &EllipticCurveKeyParameters) -> Option<(Verifiers, Thumbprint)> {
    let (size, name, algorithm, verification): (_, _, _, &'static lc::EcdsaVerificationAlgorithm) =
        match parameters.curve {
            EllipticCurve::P256 => (32, "P-256", Algorithm::ES256, &lc::ECDSA_P256_SHA256_FIXED),
            EllipticCurve::P384 => (48, "P-384", Algorithm::ES384, &lc::ECDSA_P384_SHA384_FIXED),
            _ => return None,
        };
    let (x, y) = (decode(&parameters.x)?, decode(&parameters.y)?);
    if x.len() != size || y.len() != size {
        return None;
    }
    let point: Vec<u8> = [&[4], &x[..], &y[..]].concat();
    let key = ParsedPublicKey::new(verification, point).ok()?;
    let (x, y) = (URL_SAFE_NO_PAD.encode(&x), URL_SAFE_NO_PAD.encode(&y));
    let canonical = format!(r#"{{"crv":"{name}","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Some((vec![(algorithm, key)], sha256(&canonical)))
}

/// RFC 8037 section 2, Ed25519 only.
fn edwards(parameters: &OctetKeyPairParameters) -> Option<(Verifiers, Thumbprint)> {
    let x = decode(&parameters.x)?;
    if parameters.curve != EllipticCurve::Ed25519 || x.len() != 32 {
        return None;
    }
    let key = ParsedPublicKey::new(&lc::ED25519, &x).ok()?;
    let canonical =
        format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(&x));
    Some((vec![(Algorithm::EdDSA, key)], sha256(&canonical)))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A `Base64urlUInt`. Some issuers write leading zeros: the number is the same without.
fn unsigned(text: &str) -> Option<Vec<u8>> {
    let bytes = decode(text)?;
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    bytes.get(zeros..).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec)
}

fn sha256(text: &str) -> Thumbprint {
    let mut thumbprint = [0; 32];
    thumbprint.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    thumbprint
}

const fn jwk_name(algorithm: Algorithm) -> KeyAlgorithm {
    match algorithm {
        Algorithm::RS256 => KeyAlgorithm::RS256,
        Algorithm::RS384 => KeyAlgorithm::RS384,
        Algorithm::RS512 => KeyAlgorithm::RS512,
        Algorithm::PS256 => KeyAlgorithm::PS256,
        Algorithm::PS384 => KeyAlgorithm::PS384,
        Algorithm::PS512 => KeyAlgorithm::PS512,
        Algorithm::ES256 => KeyAlgorithm::ES256,
        Algorithm::ES384 => KeyAlgorithm::ES384,
        Algorithm::EdDSA => KeyAlgorithm::EdDSA,
    }
}
