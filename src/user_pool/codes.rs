//! Authorization codes: what each one stands for until it is redeemed, once, within five minutes.
//!
//! A code that was tried is remembered as spent until it would have ended: whoever tries it again
//! stole it, or was stolen from, so what came of it must end (RFC 6749, section 4.1.2).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::SignIn;
use super::directory::{ClientIndex, UserIndex};
use super::random::{NoRandomness, Randomness};
use super::secrets::{Digest, digest_of};
use crate::clock::UnixMillis;

/// How long a code may be redeemed.
pub(super) const VALIDITY: Duration = Duration::from_secs(5 * 60);

/// How many codes are remembered; the oldest are forgotten first.
pub(super) const CAPACITY: usize = 10_000;

/// What a code stands for.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) client: ClientIndex,
    pub(super) user: UserIndex,
    pub(super) redirect_uri: Arc<str>,
    pub(super) sign_in: SignIn,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<Challenge>,
}

/// A PKCE challenge by `S256` (RFC 7636): the digest of a verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Challenge(Digest);

impl Challenge {
    /// Reads `code_challenge`: 32 bytes in base64url, in its one spelling.
    pub(super) fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Whether `verifier` is the one. The digest is public, so comparing may take what time it
    /// takes.
    pub(super) fn is_met_by(self, verifier: &str) -> bool {
        let is_verifier = (43..=128).contains(&verifier.len())
            && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        is_verifier && digest_of(verifier) == self.0
    }
}

/// What became of trying a code.
#[derive(Debug)]
pub(super) enum Redeemed {
    /// It was good, and is spent now.
    Now(Box<Grant>),
    /// It was spent before; this sign-in must end.
    Before(Arc<str>),
    /// Unknown, another client's, or too old.
    Never,
}

#[derive(Debug)]
struct Entry {
    client: ClientIndex,
    origin_jti: Arc<str>,
    expires: UnixMillis,
    /// `None` once it is spent.
    grant: Option<Box<Grant>>,
}

/// Codes by their digest.
#[derive(Debug, Default)]
pub(super) struct Codes {
    by_code: HashMap<Digest, Entry>,
    by_age: VecDeque<(Digest, UnixMillis)>,
}

impl Codes {
    /// A new code for `grant`: 256 random bits.
    pub(super) fn issue(
        &mut self,
        grant: Grant,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<String, NoRandomness> {
        let mut bytes = [0; 32];
        random.fill(&mut bytes)?;
        let code = URL_SAFE_NO_PAD.encode(bytes);
        while let Some(&(oldest, expires)) = self.by_age.front()
            && (expires <= now || self.by_age.len() >= CAPACITY)
        {
            self.by_age.pop_front();
            self.by_code.remove(&oldest);
        }
        let (digest, expires) = (digest_of(&code), now.plus(VALIDITY));
        let (client, origin_jti) = (grant.client, Arc::clone(&grant.sign_in.origin_jti));
        let entry = Entry { client, origin_jti, expires, grant: Some(Box::new(grant)) };
        self.by_code.insert(digest, entry);
        self.by_age.push_back((digest, expires));
        Ok(code)
    }

    /// Spends `code`, whatever else is wrong with the request of its client: nobody gets a second
    /// guess at a verifier. Another client's trying it changes nothing.
    pub(super) fn redeem(&mut self, code: &str, client: ClientIndex, now: UnixMillis) -> Redeemed {
        let Some(entry) = self.by_code.get_mut(&digest_of(code)) else { return Redeemed::Never };
        if entry.client != client || entry.expires <= now {
            return Redeemed::Never;
        }
        match entry.grant.take() {
            Some(grant) => Redeemed::Now(grant),
            None => Redeemed::Before(Arc::clone(&entry.origin_jti)),
        }
    }
}
