//! What the pool remembers of the sign-ins it granted: refresh tokens by their digest, and which
//! sessions were revoked. In memory, bounded; the oldest are forgotten first.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::SignIn;
use super::directory::{ClientIndex, UserIndex};
use super::random::{NoRandomness, Randomness};
use super::secrets::{Digest, digest_of};
use crate::clock::UnixMillis;

/// How many refresh tokens live at once, and how many revoked sessions are remembered.
pub(super) const CAPACITY: usize = 20_000;

/// What a refresh token stands for.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Who signed in.
    pub(super) user: UserIndex,
    /// Through which client.
    pub(super) client: ClientIndex,
    /// What every token of the session repeats.
    pub(super) sign_in: SignIn,
    /// When the refresh token dies.
    pub(super) expires: UnixMillis,
    /// Until when it works beside the one that took its place.
    pub(super) superseded: Option<UnixMillis>,
}

impl Session {
    /// Whether another refresh token has taken this one's place for good.
    pub(super) fn is_superseded(&self, now: UnixMillis) -> bool {
        self.superseded.is_some_and(|until| until <= now)
    }
}

/// Sessions by refresh token.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_token: HashMap<Digest, Session>,
    by_age: VecDeque<Digest>,
    revoked: HashSet<Arc<str>>,
    revoked_by_age: VecDeque<Arc<str>>,
}

impl Sessions {
    /// Remembers `session` and gives the token that stands for it: opaque, 384 random bits.
    pub(super) fn open(
        &mut self,
        session: Session,
        random: &mut dyn Randomness,
    ) -> Result<String, NoRandomness> {
        let mut bytes = [0; 48];
        random.fill(&mut bytes)?;
        let token = format!("refresh.{}", URL_SAFE_NO_PAD.encode(bytes));
        if self.by_age.len() >= CAPACITY
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.by_token.remove(&oldest);
        }
        let digest = digest_of(&token);
        self.by_token.insert(digest, session);
        self.by_age.push_back(digest);
        Ok(token)
    }

    /// Another token for the session of `token`, which works for `grace` from its first such use
    /// on. `None` when that is over: of two who come at once, with no grace one is too late.
    pub(super) fn rotate(
        &mut self,
        token: &str,
        grace: Duration,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<Option<String>, NoRandomness> {
        let found = self.by_token.get_mut(&digest_of(token));
        let Some(session) = found.filter(|session| !session.is_superseded(now)) else {
            return Ok(None);
        };
        let next = Session { superseded: None, ..session.clone() };
        session.superseded.get_or_insert(now.plus(grace));
        self.open(next, random).map(Some)
    }

    /// The session of a refresh token, dead or alive.
    pub(super) fn find(&self, token: &str) -> Option<&Session> {
        self.by_token.get(&digest_of(token))
    }

    /// Ends a session: its refresh token, and at this pool also its access tokens.
    pub(super) fn revoke(&mut self, origin_jti: &Arc<str>) {
        if !self.revoked.insert(Arc::clone(origin_jti)) {
            return;
        }
        self.revoked_by_age.push_back(Arc::clone(origin_jti));
        if self.revoked_by_age.len() > CAPACITY
            && let Some(oldest) = self.revoked_by_age.pop_front()
        {
            self.revoked.remove(&oldest);
            // What is no longer remembered as revoked must not come back to life.
            self.by_token.retain(|_, session| session.sign_in.origin_jti != oldest);
        }
    }

    /// Whether the session of this `origin_jti` was ended.
    pub(super) fn is_revoked(&self, origin_jti: &str) -> bool {
        self.revoked.contains(origin_jti)
    }
}
