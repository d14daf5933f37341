//! The desk where issuers say that somebody has signed out: proves what they say, remembers which
//! tokens were used, and has the deny list kept.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;

use super::{DenyStore, DenyStoreError, KeyKeeper};
use crate::auth::deny::PostedDenials;
use crate::auth::id_token::{Moment, Unproved};
use crate::auth::logout_token::{LONGEST_LIFE, LogoutToken, verify_logout_token};
use crate::auth::{Patience, Reason};
use crate::clock;
use crate::config::deny_list::{Entry, EntryError};
use crate::sign_in::Outcome;
use crate::sign_in::logout::LogoutRealm;

/// Used tokens that are remembered. A token that is used again beyond says nothing new.
const MOST_USED: u64 = 100_000;
/// Longer than any token is good: with a clock skew, and one from a minute ahead.
const REMEMBERED: std::time::Duration = LONGEST_LIFE.saturating_add(LONGEST_LIFE);

type UsedKey = [u8; 32];

/// Why somebody is not signed out though the token was good.
#[derive(Debug, thiserror::Error)]
enum NotDenied {
    #[error(transparent)]
    Full(#[from] EntryError),
    #[error("in force, but not kept: {0}")]
    NotKept(#[from] DenyStoreError),
    #[error("{0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// The desk; one for the process.
pub struct LogoutDesk {
    keys: Arc<KeyKeeper>,
    store: Arc<DenyStore>,
    used: Cache<UsedKey, ()>,
}

impl LogoutDesk {
    /// A desk that nobody has come to.
    #[must_use]
    pub fn new(keys: Arc<KeyKeeper>, store: Arc<DenyStore>) -> Self {
        let used = Cache::builder().max_capacity(MOST_USED).time_to_live(REMEMBERED).build();
        Self { keys, store, used }
    }

    /// Signs out whom a token names; `None` where the request had none.
    pub async fn log_out(
        &self,
        realms: &[Arc<LogoutRealm>],
        posted: &Arc<PostedDenials>,
        token: Option<&str>,
    ) -> Outcome {
        // What names no pool counts for the first: most listeners have one.
        let Some(mut realm) = realms.first() else { return Outcome::LogoutRefused };
        let mut proved = Err(Reason::TokenMissing);
        for (candidate, token) in realms.iter().zip(std::iter::repeat(token)) {
            let Some(token) = token else { break };
            let found = self.prove(candidate, token).await;
            let is_of_another = matches!(found, Err(Reason::IssuerUnknown));
            proved = found;
            if !is_of_another {
                realm = candidate;
                break;
            }
        }
        let outcome = match proved {
            Ok(token) => self.accept(realm, posted, token).await,
            Err(reason) => refuse(realm, reason),
        };
        realm.metrics.count(outcome.as_str());
        outcome
    }

    /// Waits once for a key that is not known yet.
    async fn prove(&self, realm: &LogoutRealm, token: &str) -> Result<LogoutToken, Reason> {
        let prove = |patience| {
            let moment = Moment { wall: clock::wall(), mono: clock::monotonic(), patience };
            verify_logout_token(&realm.pool, &realm.client_id, token, moment)
        };
        let mut proved = prove(Patience::MayWait);
        if let Err(Unproved::NeedsKey(wait)) = proved {
            self.keys.wait(wait).await;
            proved = prove(Patience::HasWaited);
        }
        proved.map_err(|unproved| match unproved {
            Unproved::Refused(reason) => reason,
            Unproved::NeedsKey(_) => Reason::KeyUnknown,
        })
    }

    async fn accept(
        &self,
        realm: &LogoutRealm,
        posted: &Arc<PostedDenials>,
        token: LogoutToken,
    ) -> Outcome {
        let user_pool = &**realm.pool.name();
        let key = used_key(&token);
        if !self.used.entry(key).or_insert(()).is_fresh() {
            tracing::warn!(user_pool, "a logout token was used before");
            return Outcome::LogoutRefused;
        }
        let claim = token.entry.claim.name();
        // A second more, since seconds are rounded down.
        let until = clock::wall().plus(realm.lasts).seconds().saturating_add(1);
        let entry = Entry { until: Some(until), ..token.entry };
        match self.deny(Arc::clone(posted), entry).await {
            Ok(()) => {
                tracing::info!(user_pool, claim, "signed out by the issuer");
                Outcome::LoggedOut
            }
            Err(why) => {
                // The issuer may try again.
                self.used.invalidate(&key);
                tracing::error!(user_pool, claim, %why, "a sign-out by the issuer has failed");
                Outcome::LogoutFailed
            }
        }
    }

    /// To the end, also when the issuer has hung up.
    async fn deny(&self, posted: Arc<PostedDenials>, entry: Entry) -> Result<(), NotDenied> {
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || {
            posted.post(entry, false, clock::wall())?;
            store.keep(|| posted.entries())?;
            Ok(())
        })
        .await?
    }
}

fn refuse(realm: &LogoutRealm, reason: Reason) -> Outcome {
    let (user_pool, why) = (&**realm.pool.name(), reason.as_str());
    tracing::warn!(user_pool, reason = why, "a logout token is not good");
    match reason {
        Reason::JwksUnavailable
        | Reason::JwksStale
        | Reason::KeyUnknownCooldown
        | Reason::KeyUnknownBusy => Outcome::LogoutUnavailable,
        _ => Outcome::LogoutRefused,
    }
}

/// Stands for a token's number at its issuer.
fn used_key(token: &LogoutToken) -> UsedKey {
    let mut context = Context::new(&SHA256);
    context.update(token.entry.issuer.as_deref().unwrap_or_default().as_bytes());
    context.update(&[0]);
    context.update(token.jti.as_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}
