//! Proof of origin: who calls, signed by this gateway, in the header `x-portcullis-identity`.
//!
//! A target that verifies it against our published keys knows that a request came through here and
//! for it, not from a neighbour in its network that writes the same claim headers. It is a JWT
//! (RFC 7519), signed with ES256, for one target group (`aud`), good for two minutes at most, made
//! once for an identity and a group and used again while half of its life is left. Requests
//! without an identity have one too: that nobody was asked for is also something to prove.
//!
//! Beside it stands what ALB says of people who signed in: [`oidc_data`].
//!
//! What is in it: [`token`]. Which keys sign and are published: [`keys`].

mod keys;
pub mod oidc_data;
mod token;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use moka::sync::Cache;
use parking_lot::Mutex;

use self::keys::{Published, Ring};
use crate::auth::Identity;
use crate::clock::UnixMillis;
use crate::config::model::{IdentityAssertion, Name};

/// The header that carries it.
pub const HEADER: HeaderName = HeaderName::from_static("x-portcullis-identity");

/// Where listeners publish the keys, as a JWK set.
pub const KEYS_PATH: &str = "/.well-known/portcullis/jwks.json";

/// Bytes of assertions that are kept for their next use.
const ROOM: u64 = 8 * 1024 * 1024;

/// Makes assertions, and holds the keys for them.
pub struct Asserter {
    settings: IdentityAssertion,
    ring: Mutex<Ring>,
    published: ArcSwap<Published>,
    made: Cache<(u64, Name), Made>,
}

/// An assertion, and until when it is handed out.
#[derive(Clone)]
struct Made {
    value: HeaderValue,
    until: UnixMillis,
}

impl Asserter {
    /// For the settings of a file: the one before when they are the same, so that a reload changes
    /// no key. `None` when the system has no randomness.
    #[must_use]
    pub fn compile(
        settings: &IdentityAssertion,
        previous: Option<&Arc<Self>>,
    ) -> Option<Arc<Self>> {
        if let Some(previous) = previous.filter(|previous| previous.settings == *settings) {
            return Some(Arc::clone(previous));
        }
        let is_same_kind = |previous: &&Arc<Self>| {
            previous.settings.signing_keys.is_empty() && settings.signing_keys.is_empty()
        };
        let ring = match previous.filter(is_same_kind) {
            Some(previous) => previous.ring.lock().clone(),
            None => Ring::new(&settings.signing_keys)?,
        };
        Some(Arc::new(Self {
            settings: settings.clone(),
            published: ArcSwap::from_pointee(ring.published()),
            ring: Mutex::new(ring),
            made: Cache::builder()
                .weigher(|_, made: &Made| u32::try_from(made.value.len() + 128).unwrap_or(u32::MAX))
                .max_capacity(ROOM)
                .time_to_live(settings.lifetime)
                .build(),
        }))
    }

    /// The assertion for a request to a group. `None` when it cannot be signed: then nothing may
    /// be forwarded.
    #[must_use]
    pub fn assert(
        &self,
        identity: Option<&Identity>,
        group: &Name,
        now: UnixMillis,
    ) -> Option<HeaderValue> {
        // No token has the number 0, so it stands for requests without one.
        let key = (identity.map_or(0, |identity| identity.token.number()), Arc::clone(group));
        if let Some(made) = self.made.get(&key)
            && now < made.until
        {
            return Some(made.value);
        }
        let expires = now.plus(self.settings.lifetime);
        let expires = identity.map_or(expires, |identity| expires.min(identity.token.expires()));
        let claims = token::claims(&self.settings.issuer, identity, group, now, expires);
        let published = self.published.load();
        let mut value = HeaderValue::try_from(token::sign(&published.signing, &claims)?).ok()?;
        value.set_sensitive(true);
        let until = now.plus(Duration::from_millis(expires.0.saturating_sub(now.0) / 2));
        self.made.insert(key, Made { value: value.clone(), until });
        Some(value)
    }

    /// The public keys as a JWK set (RFC 7517).
    #[must_use]
    pub fn key_set(&self) -> Bytes {
        self.published.load().document.clone()
    }

    /// How long readers may keep the key set: until well before a key that is not in it signs.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        keys::lead(self.settings.rotation) / 2
    }

    /// Lets a new key take over when it is time. Call it every few seconds.
    pub fn rotate(&self, mono: Instant) {
        let mut ring = self.ring.lock();
        if ring.rotate(self.settings.rotation, mono) {
            self.published.store(Arc::new(ring.published()));
        }
    }
}

#[cfg(test)]
mod tests;
