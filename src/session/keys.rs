//! Session keys: made of a secret, and named so that the right one is found again.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

/// A secret has at least so many bytes: as many as the key that is made of it.
pub const MIN_SECRET: usize = 32;

/// Bytes of a key's name.
pub(super) const ID: usize = 4;

/// Why a secret makes no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has fewer than [`MIN_SECRET`] bytes.
    #[error("a session key needs at least {MIN_SECRET} bytes")]
    TooShort,
    /// The cryptographic library failed.
    #[error("the cryptographic library made no key")]
    Failed,
}

impl From<Unspecified> for KeyError {
    fn from(_: Unspecified) -> Self {
        Self::Failed
    }
}

/// One session key.
///
/// AES-256-GCM-SIV, because replicas share a key and draw nonces at random, one for each answer:
/// plain GCM would want a new key after 2^32 of them, and this one stays sound if two ever meet.
pub struct Key {
    /// Its name in what it sealed. Tells nothing about the key.
    pub(super) id: [u8; ID],
    pub(super) cipher: LessSafeKey,
}

impl Key {
    /// The key that a secret stands for: the same secret makes the same key anywhere.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] below [`MIN_SECRET`] bytes.
    pub fn derive(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET {
            return Err(KeyError::TooShort);
        }
        let root = Salt::new(HKDF_SHA256, b"portcullis session keys 1").extract(secret);
        let cipher = UnboundKey::from(root.expand(&[b"seal"], &AES_256_GCM_SIV)?);
        let mut id = [0; ID];
        root.expand(&[b"name"], Bytes(ID))?.fill(&mut id)?;
        Ok(Self { id, cipher: LessSafeKey::new(cipher) })
    }

    /// A key that nobody else has.
    ///
    /// # Errors
    ///
    /// [`KeyError::Failed`] when there is no randomness.
    pub fn random() -> Result<Self, KeyError> {
        Self::derive(&random_secret()?)
    }
}

/// So many random bytes as [`Key::derive`] wants.
///
/// # Errors
///
/// [`KeyError::Failed`] when there is no randomness.
pub fn random_secret() -> Result<[u8; MIN_SECRET], KeyError> {
    let mut secret = [0; MIN_SECRET];
    aws_lc_rs::rand::fill(&mut secret)?;
    Ok(secret)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// So many bytes of key material.
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_one_key_and_another_secret_another() {
        let id = |secret: &[u8]| Key::derive(secret).unwrap().id;
        assert_eq!(id(&[7; 32]), id(&[7; 32]));
        assert_ne!(id(&[7; 32]), id(&[7; 33]));
        assert_ne!(Key::random().unwrap().id, Key::random().unwrap().id);
    }

    #[test]
    fn a_short_secret_makes_no_key() {
        assert_eq!(Key::derive(&[7; 31]).unwrap_err(), KeyError::TooShort);
        assert!(Key::derive(&[7; 32]).is_ok());
    }

    #[test]
    fn a_key_is_not_shown() {
        let shown = format!("{:?}", Key::derive(&[7; 32]).unwrap());
        assert!(!shown.contains("cipher"), "{shown}");
    }
}
