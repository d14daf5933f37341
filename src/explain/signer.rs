//! Keys that live as long as one command: they sign tokens for identities that exist on paper only,
//! and take the place of every key set of the file, so that no provider is needed.
//!
//! The tokens are real: the gateway's own verification judges them, and knows no way around it.

use std::fmt;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{
    self as lc, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::auth::Authorizers;
use crate::clock::UnixMillis;
use crate::config::model::{Algorithm, Config, Profile, UserPool};

/// No key could be made, or nothing signed with it.
#[derive(Debug, thiserror::Error)]
#[error("no key to sign with: the system has no randomness, or no memory")]
pub struct SignerError;

/// A key pair for each kind of algorithm that the file's pools begin their lists with.
pub struct Signer {
    pairs: Vec<Pair>,
}

enum Pair {
    Rsa(RsaPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Family {
    const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::ES256 => Self::P256,
            Algorithm::ES384 => Self::P384,
            Algorithm::EdDSA => Self::Ed25519,
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => Self::Rsa,
        }
    }

    /// `kid`, for logs and explanations.
    const fn key_id(self) -> &'static str {
        match self {
            Self::Rsa => "throw-away-rsa",
            Self::P256 => "throw-away-p256",
            Self::P384 => "throw-away-p384",
            Self::Ed25519 => "throw-away-ed25519",
        }
    }
}

impl Signer {
    /// Makes the keys that this file needs.
    ///
    /// # Errors
    ///
    /// [`SignerError`].
    pub fn for_pools(config: &Config) -> Result<Self, SignerError> {
        let mut families: Vec<Family> = Vec::new();
        for pool in &config.user_pools {
            let family = Family::of(algorithm(pool));
            if !families.contains(&family) {
                families.push(family);
            }
        }
        let pairs = families.into_iter().map(Pair::generate).collect::<Result<_, _>>()?;
        Ok(Self { pairs })
    }

    /// Makes the public keys the key set of every source that has none yet.
    ///
    /// # Errors
    ///
    /// [`SignerError`], where the gateway would not take the keys.
    pub fn publish(
        &self,
        to: &Authorizers,
        now: UnixMillis,
        mono: Instant,
    ) -> Result<(), SignerError> {
        let keys: Vec<_> = self.pairs.iter().map(Pair::jwk).collect();
        let document = json!({ "keys": keys }).to_string();
        for source in to.sources() {
            source.restore(document.as_bytes(), now, now, mono).map_err(|_| SignerError)?;
        }
        Ok(())
    }

    /// A token of a pool's with just these claims.
    ///
    /// # Errors
    ///
    /// [`SignerError`].
    pub fn sign(
        &self,
        pool: &UserPool,
        claims: &Map<String, Value>,
    ) -> Result<String, SignerError> {
        let algorithm = algorithm(pool);
        let family = Family::of(algorithm);
        let pair = self.pairs.iter().find(|pair| pair.family() == family).ok_or(SignerError)?;
        let mut header = json!({ "kid": family.key_id(), "alg": name(algorithm) });
        if pool.profile == Profile::Rfc9068 {
            header = json!({ "kid": family.key_id(), "alg": name(algorithm), "typ": "at+jwt" });
        }
        let encode = |value: String| URL_SAFE_NO_PAD.encode(value);
        let payload = serde_json::to_string(claims).map_err(|_| SignerError)?;
        let message = format!("{}.{}", encode(header.to_string()), encode(payload));
        let signature = pair.sign(algorithm, message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(Pair::family)).finish()
    }
}

impl Pair {
    fn generate(family: Family) -> Result<Self, SignerError> {
        let elliptic = |curve: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::generate(curve);
        let pair = match family {
            Family::Rsa => RsaPair::generate(KeySize::Rsa2048).map(Self::Rsa),
            Family::P256 => elliptic(&lc::ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::P256),
            Family::P384 => elliptic(&lc::ECDSA_P384_SHA384_FIXED_SIGNING).map(Self::P384),
            Family::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
        };
        pair.map_err(|_| SignerError)
    }

    const fn family(&self) -> Family {
        match self {
            Self::Rsa(_) => Family::Rsa,
            Self::P256(_) => Family::P256,
            Self::P384(_) => Family::P384,
            Self::Ed25519(_) => Family::Ed25519,
        }
    }

    /// The public half as a JWK (RFC 7517).
    fn jwk(&self) -> Value {
        let kid = self.family().key_id();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let public = pair.public_key();
                let n = encode(public.modulus().big_endian_without_leading_zero());
                let e = encode(public.exponent().big_endian_without_leading_zero());
                json!({ "kty": "RSA", "kid": kid, "n": n, "e": e })
            }
            Self::P256(pair) => elliptic_jwk(pair, "P-256", kid),
            Self::P384(pair) => elliptic_jwk(pair, "P-384", kid),
            Self::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x })
            }
        }
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    Algorithm::RS384 => &lc::RSA_PKCS1_SHA384,
                    Algorithm::RS512 => &lc::RSA_PKCS1_SHA512,
                    Algorithm::PS256 => &lc::RSA_PSS_SHA256,
                    Algorithm::PS384 => &lc::RSA_PSS_SHA384,
                    Algorithm::PS512 => &lc::RSA_PSS_SHA512,
                    _ => &lc::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).map_err(|_| SignerError)?;
                Ok(signature)
            }
            Self::P256(pair) | Self::P384(pair) => {
                let signature = pair.sign(&random, message).map_err(|_| SignerError)?;
                Ok(signature.as_ref().to_vec())
            }
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// The point of a public key is `4`, `x` and `y`.
fn elliptic_jwk(pair: &EcdsaKeyPair, curve: &str, kid: &str) -> Value {
    let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
    let (x, y) = point.split_at(point.len() / 2);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "EC", "crv": curve, "kid": kid, "x": encode(x), "y": encode(y) })
}

/// What a pool's tokens are signed with: the first that it allows.
fn algorithm(pool: &UserPool) -> Algorithm {
    pool.algorithms.first().copied().unwrap_or(Algorithm::RS256)
}

/// The name in RFC 7518.
pub(super) const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
    }
}
