//! The pool's keys: one pair signs access tokens, another ID tokens, as in Cognito; what they
//! signed before a rotation stays verifiable while the old ones are published.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::errors::PoolError;

/// How many keys of each use are published at most; a rotation drops the oldest beyond it.
pub const MAX_KEYS_PER_USE: usize = 4;

/// 2048 bits, as Cognito's own keys.
const MODULUS_BYTES: usize = 256;

/// An RSA-2048 key pair with everything a token needs prepared.
pub struct SigningKey {
    pair: KeyPair,
    kid: String,
    /// The encoded JOSE header and its dot: the same for every token.
    header: String,
    jwk: Value,
}

impl SigningKey {
    /// Makes a new key pair; takes some 100 ms of CPU.
    ///
    /// # Errors
    ///
    /// [`PoolError::Crypto`] when the library cannot.
    pub fn generate() -> Result<Self, PoolError> {
        KeyPair::generate(KeySize::Rsa2048).map_err(|_| PoolError::Crypto).and_then(Self::new)
    }

    /// Reads a key pair that [`SigningKey::to_pkcs8`] wrote.
    ///
    /// # Errors
    ///
    /// [`PoolError::Crypto`] for anything but an RSA key of 2048 bits.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, PoolError> {
        KeyPair::from_pkcs8(der).map_err(|_| PoolError::Crypto).and_then(Self::new)
    }

    fn new(pair: KeyPair) -> Result<Self, PoolError> {
        if pair.public_modulus_len() != MODULUS_BYTES {
            return Err(PoolError::Crypto);
        }
        // Derived from the key, so that it need not be stored; 32 bytes in padded base64, which
        // ends in `=` as Cognito's do and keeps verifiers honest about treating it as opaque.
        let kid = STANDARD.encode(digest(&SHA256, pair.public_key().as_ref()));
        let header = json!({ "kid": kid, "alg": "RS256" }).to_string();
        let header = format!("{}.", URL_SAFE_NO_PAD.encode(header));
        let public = pair.public_key();
        let encode = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        let jwk = json!({
            "alg": "RS256",
            "e": encode(public.exponent().big_endian_without_leading_zero()),
            "kid": kid,
            "kty": "RSA",
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "use": "sig",
        });
        Ok(Self { pair, kid, header, jwk })
    }

    /// The key's id, the same in the token's header and in the key set.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The private key in PKCS#8, for [`super::store`] only.
    ///
    /// # Errors
    ///
    /// [`PoolError::Crypto`] when the library cannot.
    pub fn to_pkcs8(&self) -> Result<Pkcs8V1Der<'static>, PoolError> {
        self.pair.as_der().map_err(|_| PoolError::Crypto)
    }

    /// Signs `claims` as a compact JWS (RFC 7515) with only `kid` and `alg` in its header.
    ///
    /// # Errors
    ///
    /// [`PoolError::Crypto`] when the library cannot.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, PoolError> {
        let payload = serde_json::to_vec(claims).map_err(|_| PoolError::Crypto)?;
        let mut token =
            String::with_capacity(self.header.len() + (payload.len() + MODULUS_BYTES) * 4 / 3 + 8);
        token.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(&payload, &mut token);
        let mut signature = [0; MODULUS_BYTES];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| PoolError::Crypto)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    pub(super) const fn jwk(&self) -> &Value {
        &self.jwk
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The keys of each use, newest first; never without one.
#[derive(Debug, Clone)]
pub struct KeyRing {
    access: Keys,
    id: Keys,
}

/// The newest key, which signs, and those before it.
#[derive(Debug, Clone)]
struct Keys {
    newest: Arc<SigningKey>,
    older: Vec<Arc<SigningKey>>,
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    fn followed_by(&self, fresh: &Self) -> Self {
        let older = fresh.older.iter().chain(self.all()).take(MAX_KEYS_PER_USE - 1);
        Self { newest: Arc::clone(&fresh.newest), older: older.map(Arc::clone).collect() }
    }
}

impl KeyRing {
    /// A ring of one access key and one ID key.
    #[must_use]
    pub fn new(access: SigningKey, id: SigningKey) -> Self {
        let one = |key| Keys { newest: Arc::new(key), older: Vec::new() };
        Self { access: one(access), id: one(id) }
    }

    /// Makes both keys anew; takes some 200 ms of CPU, so not on a thread that serves.
    ///
    /// # Errors
    ///
    /// [`PoolError::Crypto`] when the library cannot.
    pub fn generate() -> Result<Self, PoolError> {
        Ok(Self::new(SigningKey::generate()?, SigningKey::generate()?))
    }

    /// Keys as they were stored, newest first; `None` when a use has none.
    pub(super) fn from_lists(access: Vec<SigningKey>, id: Vec<SigningKey>) -> Option<Self> {
        let list = |keys: Vec<SigningKey>| {
            let mut keys = keys.into_iter().take(MAX_KEYS_PER_USE).map(Arc::new);
            Some(Keys { newest: keys.next()?, older: keys.collect() })
        };
        Some(Self { access: list(access)?, id: list(id)? })
    }

    /// This ring after a rotation to `fresh`, whose keys then sign. Older ones stay published, the
    /// oldest beyond [`MAX_KEYS_PER_USE`] fall out, and with `forget_old` all do: tokens they
    /// signed die when the key set is next fetched.
    #[must_use]
    pub fn rotated_to(&self, fresh: &Self, forget_old: bool) -> Self {
        if forget_old {
            return fresh.clone();
        }
        Self { access: self.access.followed_by(&fresh.access), id: self.id.followed_by(&fresh.id) }
    }

    /// The key that signs access tokens.
    #[must_use]
    pub fn access(&self) -> &SigningKey {
        &self.access.newest
    }

    /// The key that signs ID tokens.
    #[must_use]
    pub fn id(&self) -> &SigningKey {
        &self.id.newest
    }

    /// Every access key, newest first.
    pub fn access_keys(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.access.all()
    }

    /// Every ID key, newest first.
    pub fn id_keys(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.id.all()
    }

    /// The key set (RFC 7517), newest keys first.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys: Vec<&Value> =
            self.id_keys().chain(self.access_keys()).map(|key| key.jwk()).collect();
        json!({ "keys": keys })
    }
}
