//! The embedded development user pool: a Cognito-shaped issuer on loopback, so that nobody needs
//! an AWS account to try the gateway or to test against it.
//!
//! It signs real RS256 tokens with exactly Cognito's claims, publishes the keys, signs users in by
//! password or on its own page, refreshes and revokes, and gives machines tokens by client
//! credentials. The core decides and takes time and randomness as arguments; [`http`] puts it on a
//! socket.
//!
//! It is not for production, and made hard to use there: passwords stand in `routes.yaml`, it
//! refuses any address but loopback, and it has endpoints that mint whatever is asked for.

mod attempts;
mod authorization;
mod bearer;
mod browsers;
mod claims;
mod codes;
mod development;
mod directory;
mod errors;
pub mod http;
mod key_files;
mod keys;
mod listener;
mod oauth;
mod operations;
mod parameters;
mod random;
mod samples;
mod secrets;
mod sessions;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::config::model::DevelopmentUserPool;

pub use self::authorization::{Authorization, Refusal, SignedIn, Step};
pub use self::development::{MAX_TOKENS_AT_ONCE, OrderError, TokenOrder, TokenUse};
pub use self::errors::{ApiError, OAuthError, PageError, PoolError};
pub use self::key_files::{load_or_generate, store};
pub use self::keys::{KeyRing, MAX_KEYS_PER_USE, SigningKey};
pub use self::listener::{bind, is_loopback_host};
pub use self::oauth::{ClientCredentials, CodeExchange, OAuthTokens};
pub use self::operations::{AuthenticationResult, InitiateAuth, UserDescription};
pub use self::parameters::{Parameters, TooMany};
pub use self::random::{NoRandomness, Randomness, SystemRandomness};
pub use self::samples::sample_lines;
pub use self::secrets::secret_hash;

use self::attempts::Attempts;
use self::browsers::Browsers;
use self::codes::Codes;
use self::directory::Directory;
use self::sessions::Sessions;

/// How long a refresh token lives: Cognito's default of 30 days.
pub const REFRESH_TOKEN_VALIDITY: Duration = Duration::from_secs(30 * 24 * 3600);

/// The scope of every access token that `InitiateAuth` gives, as in Cognito.
pub const SIGN_IN_SCOPE: &str = "aws.cognito.signin.user.admin";

/// A user pool that can sign: who is in it, its keys, and the sessions it gave out.
///
/// Shared behind an `Arc`; every method takes `&self`.
#[derive(Debug)]
pub struct UserPool {
    issuer: Arc<str>,
    pool_id: Arc<str>,
    address: SocketAddr,
    token_validity: Duration,
    directory: Directory,
    keys: ArcSwap<KeyRing>,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    codes: Mutex<Codes>,
    browsers: Mutex<Browsers>,
}

impl UserPool {
    /// Builds the pool that `configuration` describes, signing with `keys`.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotLoopback`] for any other address, [`PoolError::PoolId`] for an id that
    /// Cognito would not have given.
    pub fn new(configuration: &DevelopmentUserPool, keys: KeyRing) -> Result<Self, PoolError> {
        listener::require_loopback(configuration.address)?;
        require_pool_id(&configuration.user_pool_id)?;
        Ok(Self {
            issuer: issuer_of(configuration).into(),
            pool_id: configuration.user_pool_id.as_str().into(),
            address: configuration.address,
            token_validity: configuration.token_validity,
            directory: Directory::new(configuration),
            keys: ArcSwap::from_pointee(keys),
            sessions: Mutex::new(Sessions::default()),
            attempts: Mutex::new(Attempts::default()),
            codes: Mutex::new(Codes::default()),
            browsers: Mutex::new(Browsers::default()),
        })
    }

    /// The `iss` of every token: `http://ADDRESS/POOL_ID`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The pool's id, the first segment of its well-known paths.
    #[must_use]
    pub fn pool_id(&self) -> &str {
        &self.pool_id
    }

    /// The keys in force: the newest of each use signs, all are published.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.load_full()
    }

    /// Puts `ring` in force at once; see [`KeyRing::rotated_to`].
    pub fn replace_keys(&self, ring: KeyRing) {
        self.keys.store(Arc::new(ring));
    }
}

/// The issuer that a pool of this configuration has.
#[must_use]
pub fn issuer_of(configuration: &DevelopmentUserPool) -> String {
    format!("http://{}/{}", configuration.address, configuration.user_pool_id)
}

/// Cognito's pattern `[\w-]+_[0-9a-zA-Z]+`, at most 55 characters. The id becomes a path segment
/// and a file name here, so this is what keeps both harmless.
fn require_pool_id(id: &str) -> Result<(), PoolError> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let is_right = id.len() <= 55
        && id.rsplit_once('_').is_some_and(|(front, back)| {
            !front.is_empty()
                && front.bytes().all(is_word)
                && !back.is_empty()
                && back.bytes().all(|b| b.is_ascii_alphanumeric())
        });
    if is_right { Ok(()) } else { Err(PoolError::PoolId(id.to_owned())) }
}

/// What a caller sent, cut so that an answer cannot be made arbitrarily long.
fn shortened(text: &str) -> String {
    text.chars().take(128).collect()
}
