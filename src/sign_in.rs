//! Signing in at the listener, as `authenticate_cognito` and `authenticate_oidc` have it (alb.md 7).
//!
//! A browser without a session is sent to the user pool ([`begin`]), comes back to the callback path
//! ([`callback`]), its code is redeemed for tokens and claims ([`exchange`]), and it goes on to where
//! it wanted to go with a session in sealed cookies ([`session`]). All that is kept meanwhile is in
//! the browser's hands, under seal: any replica can serve the next step.
//!
//! Nothing here does I/O. What must be fetched is described ([`exchange::Ask`]), and what came of it
//! is an argument. Whether tokens are good is for `auth` to say.

pub mod begin;
mod cache;
pub mod callback;
mod cookie;
pub mod exchange;
pub mod logout;
pub mod navigation;
pub mod outcome;
pub(crate) mod returns;
pub mod session;
pub mod sign_out;

use std::sync::Arc;

pub use self::cache::SessionCache;
pub use self::callback::Callback;
pub use self::cookie::Reach;
pub use self::outcome::{Failure, Outcome};
pub use self::session::{Found, OpenSession, Session};
use crate::auth::Authorizers;
use crate::auth::headers::ClaimHeaderSet;
use crate::auth::pool::Pool;
use crate::config::model::{Authenticate, ClaimHeader, PoolIndex, Provider, UserPool};
use crate::session::Purpose;

/// Where browsers come back to: ALB's path.
pub const CALLBACK_PATH: &str = "/oauth2/idpresponse";

/// Where sessions are made and ended: a user pool, and a name for their cookies.
pub struct Realm {
    /// How one signs in there.
    pub provider: Arc<Provider>,
    /// Who judges its tokens.
    pub pool: Arc<Pool>,
    /// What the cookies are called.
    pub cookie_name: Arc<str>,
    /// What they are sealed for.
    purpose: Purpose,
}

impl Realm {
    /// `None` when the pool does not sign people in, which the file was checked for.
    #[must_use]
    pub fn compile(
        pool: PoolIndex,
        cookie_name: &Arc<str>,
        pools: &[UserPool],
        authorizers: &Authorizers,
    ) -> Option<Self> {
        Some(Self {
            provider: Arc::clone(pools.get(pool.0)?.sign_in.as_ref()?),
            pool: Arc::clone(authorizers.pools().get(pool.0)?),
            purpose: session::purpose(cookie_name),
            cookie_name: Arc::clone(cookie_name),
        })
    }
}

/// A rule's `authenticate_*`, ready for requests.
pub struct SignIn {
    /// The rule's own words.
    pub settings: Authenticate,
    /// Where its sessions are.
    pub realm: Realm,
    /// Claims that become headers.
    pub headers: Arc<ClaimHeaderSet>,
}

impl SignIn {
    /// Compiles a rule's action. `None` as of [`Realm::compile`].
    #[must_use]
    pub fn compile(
        settings: &Authenticate,
        pools: &[UserPool],
        authorizers: &Authorizers,
        claim_headers: &[ClaimHeader],
    ) -> Option<Self> {
        Some(Self {
            realm: Realm::compile(
                settings.pool,
                &settings.session_cookie_name,
                pools,
                authorizers,
            )?,
            headers: authorizers.header_set(claim_headers),
            settings: settings.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
