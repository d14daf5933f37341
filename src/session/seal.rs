//! Sealing and opening. What does not open is as good as absent: there is one way to be wrong.
//!
//! A sealed value is standard base64, with padding, of
//!
//! ```text
//! version (1) | name of the key (4) | nonce (12) | ciphertext | tag (16)
//! ```
//!
//! Every bit counts: version and name choose cipher and key, all else is authenticated, and base64
//! is read in its one canonical spelling. What the value is for is authenticated with it
//! ([`Purpose`]), so that one kind of cookie is never good as another.

use std::slice;
use std::sync::Arc;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::{ID, Key};

/// Longest value that is sealed.
pub const MAX_PLAIN: usize = MAX_SEALED / 4 * 3 - OVERHEAD;
/// Longest text that is opened: ALB's 16 K of cookies.
pub const MAX_SEALED: usize = 16 * 1024;

const VERSION: u8 = 1;
const HEAD: usize = 1 + ID;
const TAG: usize = 16;
const OVERHEAD: usize = HEAD + NONCE_LEN + TAG;

/// Characters of a sealed value of so many bytes.
#[must_use]
pub const fn sealed_length(plain: usize) -> usize {
    (OVERHEAD + plain).div_ceil(3) * 4
}

/// What a sealed value is for: which kind of cookie, and of whom. A value that was sealed for
/// another purpose does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose(Box<[u8]>);

impl Purpose {
    /// `kind` is a cookie's name or the like, `whose` a rule, group or client; may be empty.
    #[must_use]
    pub fn new(kind: &str, whose: &str) -> Self {
        let mut bytes = Vec::with_capacity(kind.len() + whose.len() + 8);
        // With its length, so that no other pair makes the same bytes.
        bytes.extend((kind.len() as u64).to_be_bytes());
        bytes.extend(kind.as_bytes());
        bytes.extend(whose.as_bytes());
        Self(bytes.into_boxed_slice())
    }
}

/// Seals under one key, opens under several.
#[derive(Debug, Clone, Default)]
pub struct Seal {
    /// The file's `session_keys`; the first one seals.
    shared: Arc<[Key]>,
    /// This machine's or process's own, for when the file has none.
    own: Option<Arc<Key>>,
}

impl Seal {
    /// With the keys that replicas share. Without any, `own` is used.
    #[must_use]
    pub fn new(shared: Vec<Key>, own: Option<Arc<Key>>) -> Self {
        Self { shared: shared.into(), own }
    }

    /// The same with another key for when none are shared.
    #[must_use]
    pub fn with_own(self, own: Key) -> Self {
        Self { own: Some(Arc::new(own)), ..self }
    }

    /// The key for when no keys are shared.
    #[must_use]
    pub const fn own(&self) -> Option<&Arc<Key>> {
        self.own.as_ref()
    }

    /// The keys in force, the sealing one first.
    fn keys(&self) -> &[Key] {
        if self.shared.is_empty() {
            return self.own.as_deref().map(slice::from_ref).unwrap_or_default();
        }
        &self.shared
    }

    /// Encrypts and authenticates; the same value looks different each time. `None` when the value
    /// is longer than [`MAX_PLAIN`] or there is no key.
    #[must_use]
    pub fn seal(&self, purpose: &Purpose, plain: &[u8]) -> Option<String> {
        let key = self.keys().first().filter(|_| plain.len() <= MAX_PLAIN)?;
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let mut sealed = Vec::with_capacity(OVERHEAD + plain.len());
        sealed.push(VERSION);
        sealed.extend(key.id);
        sealed.extend(nonce);
        sealed.extend(plain);
        let hidden = sealed.get_mut(HEAD + NONCE_LEN..)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.cipher.seal_in_place_separate_tag(nonce, Aad::from(&*purpose.0), hidden);
        sealed.extend(tag.ok()?.as_ref());
        Some(STANDARD.encode(sealed))
    }

    /// The value that was sealed for this purpose under one of our keys, in constant time for what
    /// is secret. `None` for whatever else a client may send.
    #[must_use]
    pub fn open(&self, purpose: &Purpose, sealed: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let sealed = sealed.as_ref();
        if sealed.len() > MAX_SEALED {
            return None;
        }
        let mut sealed = STANDARD.decode(sealed).ok()?;
        let (head, rest) = sealed.split_at_mut_checked(HEAD)?;
        let (version, id) = head.split_first()?;
        let key = self.keys().iter().find(|key| key.id == *id && *version == VERSION)?;
        let (nonce, hidden) = rest.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key.cipher.open_in_place(nonce, Aad::from(&*purpose.0), hidden).ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal(secrets: &[u8]) -> Seal {
        Seal::new(secrets.iter().map(|byte| Key::derive(&[*byte; 32]).unwrap()).collect(), None)
    }

    fn purpose() -> Purpose {
        Purpose::new("AWSALB", "web")
    }

    #[test]
    fn equal_values_look_different() {
        let seal = seal(&[1]);
        assert_ne!(seal.seal(&purpose(), b"x"), seal.seal(&purpose(), b"x"));
    }

    #[test]
    fn another_purpose_does_not_open() {
        let seal = seal(&[1]);
        let sealed = seal.seal(&Purpose::new("AWSALB", "web"), b"x").unwrap();
        for (kind, whose) in [("AWSALBTG", "web"), ("AWSALB", "api"), ("AWSALBw", "eb"), ("", "")] {
            assert_eq!(seal.open(&Purpose::new(kind, whose), &sealed), None, "{kind} {whose}");
        }
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let old = seal(&[1]).seal(&purpose(), b"x").unwrap();
        let changed = seal(&[2, 1]);
        assert_eq!(changed.open(&purpose(), &old).as_deref(), Some(&b"x"[..]));
        let new = changed.seal(&purpose(), b"x").unwrap();
        assert_eq!(seal(&[1]).open(&purpose(), &new), None);
        assert_eq!(seal(&[2]).open(&purpose(), &new).as_deref(), Some(&b"x"[..]));
        assert_eq!(seal(&[2]).open(&purpose(), &old), None, "a key that is gone opens nothing");
    }

    #[test]
    fn ones_own_key_is_used_only_while_none_is_shared() {
        let own = Some(Arc::new(Key::derive(&[9; 32]).unwrap()));
        let alone = Seal::new(Vec::new(), own.clone());
        let sealed = alone.seal(&purpose(), b"x").unwrap();
        assert!(alone.open(&purpose(), &sealed).is_some());
        let shared = Seal::new(vec![Key::derive(&[1; 32]).unwrap()], own);
        assert_eq!(shared.open(&purpose(), &sealed), None);
        let sealed = shared.seal(&purpose(), b"x").unwrap();
        assert_eq!(alone.open(&purpose(), &sealed), None);
    }

    #[test]
    fn without_a_key_nothing_is_sealed_or_opened() {
        let sealed = seal(&[1]).seal(&purpose(), b"x").unwrap();
        assert_eq!(Seal::default().seal(&purpose(), b"x"), None);
        assert_eq!(Seal::default().open(&purpose(), sealed), None);
    }

    #[test]
    fn sizes_are_bounded() {
        let seal = seal(&[1]);
        let sealed = seal.seal(&purpose(), &[7; MAX_PLAIN]).unwrap();
        assert!(sealed.len() <= MAX_SEALED && sealed.len() == sealed_length(MAX_PLAIN));
        assert_eq!(seal.open(&purpose(), &sealed).unwrap().len(), MAX_PLAIN);
        assert_eq!(seal.seal(&purpose(), &[7; MAX_PLAIN + 1]), None);
        assert_eq!(seal.open(&purpose(), "A".repeat(MAX_SEALED + 4)), None);
    }

    #[test]
    fn only_the_canonical_spelling_opens() {
        let seal = seal(&[1]);
        // 34 bytes: two characters of padding, so the last one before it has four spare bits.
        let sealed = seal.seal(&purpose(), b"x").unwrap();
        let bare = sealed.trim_end_matches('=');
        assert_eq!(sealed.len() - bare.len(), 2);
        let spare = (bare.get(..bare.len() - 1).unwrap(), bare.as_bytes()[bare.len() - 1]);
        let spellings = [
            bare.to_owned(),
            format!("{sealed}="),
            format!(" {sealed}"),
            sealed.replace('=', "%3D"),
            format!("{}{}==", spare.0, char::from(spare.1 + 1)),
            String::new(),
        ];
        for spelling in spellings {
            assert_eq!(seal.open(&purpose(), &spelling), None, "{spelling}");
        }
    }

    proptest! {
        #[test]
        fn opening_undoes_sealing(
            plain in prop::collection::vec(any::<u8>(), 0..600),
            kind in "[A-Za-z]{0,12}",
            whose in ".{0,12}",
        ) {
            let seal = seal(&[1, 2]);
            let purpose = Purpose::new(&kind, &whose);
            let sealed = seal.seal(&purpose, &plain).unwrap();
            prop_assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)));
            prop_assert_eq!(seal.open(&purpose, &sealed), Some(plain));
        }

        #[test]
        fn no_bit_can_be_changed(
            plain in prop::collection::vec(any::<u8>(), 0..80),
            place: prop::sample::Index,
            bit in 0..8_u8,
        ) {
            let seal = seal(&[1, 2, 3]);
            let sealed = seal.seal(&purpose(), &plain).unwrap();
            let mut text = sealed.clone().into_bytes();
            let at = place.index(text.len());
            text[at] ^= 1 << bit;
            prop_assert_eq!(seal.open(&purpose(), text), None);
            let mut bytes = STANDARD.decode(sealed).unwrap();
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(seal.open(&purpose(), STANDARD.encode(bytes)), None);
        }

        #[test]
        fn whatever_is_sent_opens_to_nothing(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let seal = seal(&[1]);
            prop_assert_eq!(seal.open(&purpose(), &bytes), None);
            prop_assert_eq!(seal.open(&purpose(), STANDARD.encode(&bytes)), None);
        }

        #[test]
        fn a_cut_or_lengthened_value_does_not_open(cut in 0..40_usize, more in 1..40_usize) {
            let seal = seal(&[1]);
            let sealed = STANDARD.decode(seal.seal(&purpose(), b"value").unwrap()).unwrap();
            let short = sealed.get(..sealed.len().saturating_sub(cut + 1)).unwrap();
            prop_assert_eq!(seal.open(&purpose(), STANDARD.encode(short)), None);
            let long = [sealed.as_slice(), &vec![0; more]].concat();
            prop_assert_eq!(seal.open(&purpose(), STANDARD.encode(long)), None);
        }
    }
}
