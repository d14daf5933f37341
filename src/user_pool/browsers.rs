//! Browsers that are signed in at the pool itself, by the digest of their cookie: for one hour
//! after the password, as on Cognito's sign-in pages.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::directory::UserIndex;
use super::random::{NoRandomness, Randomness};
use super::secrets::{Digest, digest_of};
use crate::clock::UnixMillis;

/// How long a browser stays signed in, whatever its tokens' lives are.
pub(super) const VALIDITY: Duration = Duration::from_secs(3600);

/// How many browsers are remembered; the oldest are forgotten first.
pub(super) const CAPACITY: usize = 10_000;

/// Who signed in with a browser.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presence {
    pub(super) user: UserIndex,
    pub(super) since: UnixMillis,
}

/// Signed-in browsers.
#[derive(Debug, Default)]
pub(super) struct Browsers {
    by_cookie: HashMap<Digest, Presence>,
    by_age: VecDeque<(Digest, UnixMillis)>,
}

impl Browsers {
    /// A new cookie for `user`; never one that the browser brought, which another may know.
    pub(super) fn sign_in(
        &mut self,
        user: UserIndex,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<String, NoRandomness> {
        let mut bytes = [0; 32];
        random.fill(&mut bytes)?;
        let cookie = URL_SAFE_NO_PAD.encode(bytes);
        while let Some(&(oldest, since)) = self.by_age.front()
            && (since.plus(VALIDITY) <= now || self.by_age.len() >= CAPACITY)
        {
            self.by_age.pop_front();
            self.by_cookie.remove(&oldest);
        }
        let digest = digest_of(&cookie);
        self.by_cookie.insert(digest, Presence { user, since: now });
        self.by_age.push_back((digest, now));
        Ok(cookie)
    }

    /// Who signed in with the browser that holds `cookie`.
    pub(super) fn find(&self, cookie: &str, now: UnixMillis) -> Option<Presence> {
        let found = self.by_cookie.get(&digest_of(cookie))?;
        (now < found.since.plus(VALIDITY)).then_some(*found)
    }

    /// Forgets the browser. Its place in the queue goes with its hour.
    pub(super) fn sign_out(&mut self, cookie: &str) {
        self.by_cookie.remove(&digest_of(cookie));
    }
}
