//! The keys that sign assertions: one signs, its successor is published ahead, predecessors until
//! nothing that they signed is good any more.

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::json;

use crate::config::signing_key::SigningKey;

/// How long a key is published before it signs, so that targets know it by then.
const LEAD: Duration = Duration::from_secs(10 * 60);
/// How long a key is published after its last signature: the longest life, and slow clocks.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// [`LEAD`], shorter where keys change often.
pub(super) fn lead(rotation: Duration) -> Duration {
    LEAD.min(rotation / 2)
}

/// A key under its name.
#[derive(Clone)]
pub(super) struct NamedKey {
    key: SigningKey,
    kid: Box<str>,
}

impl NamedKey {
    /// The name is the key's thumbprint (RFC 7638), so that gateways that share a key agree on it.
    fn new(key: SigningKey) -> Self {
        let (x, y) = encoded(&key);
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes())).into();
        Self { key, kid }
    }

    fn generate() -> Option<Self> {
        SigningKey::generate().map(Self::new)
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        self.key.sign(message)
    }

    /// The public key (RFC 5280 4.1.2.7, RFC 7468 13).
    pub(super) fn pem(&self) -> Bytes {
        /// A sequence of the algorithm, an elliptic curve key on P-256, and a point not compressed.
        const PREFIX: [u8; 27] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
        ];
        let (x, y) = self.key.coordinates();
        let der = STANDARD.encode([&PREFIX[..], &x, &y].concat());
        // 124 characters: two lines.
        let (first, second) = der.split_at_checked(64).unwrap_or((&der, ""));
        Bytes::from(format!(
            "-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n"
        ))
    }

    fn jwk(&self) -> serde_json::Value {
        let (x, y) = encoded(&self.key);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
            "kid": self.kid, "x": x, "y": y,
        })
    }
}

fn encoded(key: &SigningKey) -> (String, String) {
    let (x, y) = key.coordinates();
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}

/// What requests need of a [`Ring`].
pub(super) struct Published {
    pub(super) signing: NamedKey,
    pub(super) document: Bytes,
    /// Every key that the document has.
    pub(super) keys: Vec<NamedKey>,
}

/// All keys and their times.
#[derive(Clone)]
pub(super) struct Ring {
    signing: NamedKey,
    /// When the signing key took over; unknown until the first look at the time.
    since: Option<Instant>,
    next: Option<(NamedKey, Instant)>,
    retired: Vec<(NamedKey, Option<Instant>)>,
    is_fixed: bool,
}

impl Ring {
    /// Of given keys, the first of which signs, or of a new one. `None` without randomness.
    pub(super) fn new(given: &[SigningKey]) -> Option<Self> {
        let mut keys = given.iter().cloned().map(NamedKey::new);
        let signing = match keys.next() {
            Some(key) => key,
            None => NamedKey::generate()?,
        };
        let retired = keys.map(|key| (key, None)).collect();
        Some(Self { signing, since: None, next: None, retired, is_fixed: !given.is_empty() })
    }

    /// Does what is due; whether that was anything. Given keys stay.
    pub(super) fn rotate(&mut self, rotation: Duration, now: Instant) -> bool {
        if self.is_fixed {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let before = self.retired.len();
        self.retired.retain(|(_, until)| until.is_none_or(|until| now < until));
        let mut has_changed = self.retired.len() != before;
        let lead = lead(rotation);
        if self.next.is_none()
            && now.saturating_duration_since(since) >= rotation.saturating_sub(lead)
            && let Some(key) = NamedKey::generate()
        {
            // After a pause of the process the successor still has its time to become known.
            self.next = Some((key, (since + rotation).max(now + lead)));
            has_changed = true;
        }
        if let Some((key, start)) = self.next.take_if(|(_, start)| now >= *start) {
            let old = std::mem::replace(&mut self.signing, key);
            self.retired.push((old, Some(now + GRACE)));
            self.since = Some(start);
            has_changed = true;
        }
        has_changed
    }

    pub(super) fn published(&self) -> Published {
        let next = self.next.iter().map(|(key, _)| key);
        let retired = self.retired.iter().map(|(key, _)| key);
        let keys: Vec<NamedKey> =
            std::iter::once(&self.signing).chain(next).chain(retired).cloned().collect();
        let document: Vec<_> = keys.iter().map(NamedKey::jwk).collect();
        let document = json!({ "keys": document }).to_string();
        Published { signing: self.signing.clone(), document: document.into(), keys }
    }
}
