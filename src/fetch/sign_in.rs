//! Carries out what signing in asks of a user pool: codes and refresh tokens are redeemed.
//!
//! What answers are worth is for `sign_in` and `auth` to say. Here are the order of the questions,
//! and the two things that a process must remember: which sign-ins were redeemed, and which refresh
//! tokens are being redeemed or just were, so that forty requests of one page cost one.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::provider::ProviderClient;
use super::{ClientError, KeyKeeper};
use crate::auth::id_token::{Expected, Moment, Unproved, verify_id_token, verify_own_access_token};
use crate::auth::{Patience, VerifiedToken};
use crate::clock;
use crate::config::model::Profile;
use crate::engine::{Renewal, Renewed};
use crate::sign_in::exchange::{self, Ask, Tokens};
use crate::sign_in::session::Proved;
use crate::sign_in::{Callback, Failure, OpenSession, Session, SignIn};

/// As long as a sign-in may last: then its `state` is refused anyway.
const REDEEMED: Duration = Duration::from_secs(15 * 60);
/// Sign-ins that are remembered; beyond, the user pool alone refuses a code's second use.
const MOST_REDEEMED: u64 = 100_000;
/// How long the cookie before is good after its session was renewed: requests with it are on their
/// way, and get the same new one.
const GRACE: Duration = Duration::from_secs(60);
/// After so long another request may try what has failed.
const RETRY: Duration = Duration::from_secs(3);
/// Sessions that are being renewed, or were within [`GRACE`].
const MOST_RENEWALS: u64 = 10_000;

type RenewalKey = [u8; 32];

/// The desk where sign-ins are dealt with; one for the process.
pub struct SignInDesk {
    client: ProviderClient,
    keys: Arc<KeyKeeper>,
    redeemed: Cache<Box<str>, ()>,
    renewals: Cache<RenewalKey, watch::Receiver<Option<Arc<Renewed>>>>,
}

/// Proved tokens with all that they were proved with.
struct Grant {
    tokens: Tokens,
    id_token: Option<VerifiedToken>,
    access_token: Option<VerifiedToken>,
    user_info: Option<Box<RawValue>>,
}

impl Grant {
    fn proved(&self) -> Proved<'_> {
        Proved {
            tokens: &self.tokens,
            id_token: self.id_token.as_ref(),
            access_token: self.access_token.as_ref(),
            user_info: self.user_info.as_deref(),
        }
    }
}

impl SignInDesk {
    /// A desk that nobody has come to.
    ///
    /// # Errors
    /// When the TLS library cannot be set up at all.
    pub fn new(keys: Arc<KeyKeeper>) -> Result<Arc<Self>, ClientError> {
        Ok(Arc::new(Self {
            client: ProviderClient::new()?,
            keys,
            redeemed: Cache::builder().max_capacity(MOST_REDEEMED).time_to_live(REDEEMED).build(),
            renewals: Cache::builder().max_capacity(MOST_RENEWALS).time_to_live(GRACE).build(),
        }))
    }

    /// Redeems the code of a browser that came back.
    ///
    /// # Errors
    /// Why there is no session.
    pub async fn redeem(&self, sign_in: &SignIn, callback: &Callback) -> Result<Session, Failure> {
        let entry = self.redeemed.entry(callback.id.clone()).or_insert(());
        if !entry.is_fresh() {
            return Err(Failure::StateInvalid);
        }
        let provider = &sign_in.realm.provider;
        let reply = self.client.ask(&exchange::redeem_code(provider, callback)).await;
        let tokens = exchange::read_tokens(&reply)?;
        let nonce = provider.nonce.then_some(&*callback.nonce);
        let grant = self.prove(sign_in, tokens, nonce, None).await?;
        let timeout = sign_in.settings.session_timeout;
        Session::begin(provider, grant.proved(), timeout, clock::wall())
    }

    /// Renews a session: once, however many ask, and also when those who asked have left. Says
    /// whether this one was the first to ask.
    pub async fn renew(self: &Arc<Self>, renewal: &Renewal) -> (Arc<Renewed>, bool) {
        let failed = || Arc::new(Err(Failure::Unhandled));
        let mut is_first = false;
        let Some(refresh_token) = renewal.open.session.refresh_token() else {
            return (failed(), is_first);
        };
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, refresh_token.as_bytes()).as_ref());
        let mut outcome = self.renewals.get_with(key, || {
            is_first = true;
            let (sender, receiver) = watch::channel(None);
            let (desk, renewal) = (Arc::clone(self), renewal.clone());
            tokio::spawn(async move {
                let renewed = desk.renew_now(&renewal).await;
                let has_failed = renewed.is_err();
                let _ = sender.send(Some(Arc::new(renewed)));
                if has_failed {
                    tokio::time::sleep(RETRY).await;
                    desk.renewals.invalidate(&key);
                }
            });
            receiver
        });
        let renewed = match outcome.wait_for(Option::is_some).await {
            Ok(renewed) => renewed.as_ref().map_or_else(failed, Arc::clone),
            // The task is gone without a word: it panicked.
            Err(_) => {
                self.renewals.invalidate(&key);
                failed()
            }
        };
        (renewed, is_first)
    }

    async fn renew_now(&self, renewal: &Renewal) -> Renewed {
        let (sign_in, before) = (&renewal.sign_in, &renewal.open.session);
        let provider = &sign_in.realm.provider;
        let refresh_token = before.refresh_token().ok_or(Failure::Unhandled)?;
        let reply = self.client.ask(&exchange::redeem_refresh_token(provider, refresh_token)).await;
        let tokens = exchange::read_tokens(&reply)?;
        let subject = renewal.open.token.subject();
        let grant = self.prove(sign_in, tokens, None, Some(subject)).await?;
        let session = before.renew(provider, grant.proved(), clock::wall())?;
        let open = OpenSession::new(session, &sign_in.realm.pool).ok_or(Failure::Unhandled)?;
        Ok(Arc::new(open))
    }

    /// Proves tokens, and asks for claims. `subject` is whose they must be; without, the ID token
    /// says it.
    async fn prove(
        &self,
        sign_in: &SignIn,
        tokens: Tokens,
        nonce: Option<&str>,
        subject: Option<&str>,
    ) -> Result<Grant, Failure> {
        let realm = &sign_in.realm;
        let client_id = &*realm.provider.client_id;
        let expected = Expected { client_id, nonce, access_token: &tokens.access_token };
        let id_token = match &tokens.id_token {
            Some(token) => {
                let prove = |moment| verify_id_token(&realm.pool, token, expected, moment);
                Some(self.with_keys(prove).await?)
            }
            None if subject.is_some() => None,
            None => return Err(Failure::IdTokenInvalid),
        };
        let is_cognito = realm.pool.profile() == Profile::Cognito;
        let access_token = if is_cognito {
            let token = &tokens.access_token;
            let prove = |moment| verify_own_access_token(&realm.pool, token, client_id, moment);
            Some(self.with_keys(prove).await?)
        } else {
            None
        };
        let own = id_token.as_ref().map(VerifiedToken::subject);
        let subject = subject.or(own).ok_or(Failure::IdTokenInvalid)?;
        let all = [id_token.as_ref(), access_token.as_ref()];
        if all.into_iter().flatten().any(|token| token.subject() != subject) {
            return Err(Failure::IdTokenInvalid);
        }
        let user_info = match exchange::user_info(&realm.provider, &tokens) {
            Some(ask) => Some(exchange::read_user_info(self.client.ask(&ask).await, subject)?),
            None => None,
        };
        Ok(Grant { id_token, access_token, user_info, tokens })
    }

    /// Proves a token, and waits once for a key that is not known yet.
    async fn with_keys(
        &self,
        prove: impl Fn(Moment) -> Result<VerifiedToken, Unproved>,
    ) -> Result<VerifiedToken, Failure> {
        let moment = |patience| Moment { wall: clock::wall(), mono: clock::monotonic(), patience };
        let mut proved = prove(moment(Patience::MayWait));
        if let Err(Unproved::NeedsKey(wait)) = proved {
            self.keys.wait(wait).await;
            proved = prove(moment(Patience::HasWaited));
        }
        proved.map_err(|unproved| {
            if let Unproved::Refused(reason) = unproved {
                tracing::warn!(reason = reason.as_str(), "a user pool's token is not good");
            }
            Failure::IdTokenInvalid
        })
    }

    /// Asks in the background, and does not mind the answer: a refresh token is revoked.
    pub fn run_errand(self: &Arc<Self>, ask: Box<Ask>) {
        let desk = Arc::clone(self);
        tokio::spawn(async move {
            let reply = desk.client.ask(&ask).await;
            if !matches!(reply, exchange::Reply::Answered { status: 200, .. }) {
                tracing::warn!(url = %ask.url, "a refresh token could not be revoked");
            }
        });
    }
}
