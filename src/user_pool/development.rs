//! Tokens to order: whatever a test, a demonstration or a benchmark wants, signed like any other.
//!
//! Real Cognito has nothing like it, and it needs no password. It exists because the gateway must
//! be tried with tokens that are expired, that lack a scope or that carry odd claims, and because
//! a password sign-in never grants the scopes of an API.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::claims::{self, Claims, SignIn, Stamp};
use super::errors::PoolError;
use super::random::{NoRandomness, Randomness, uuid};
use super::{SIGN_IN_SCOPE, UserPool};
use crate::clock::UnixMillis;
use crate::config::model::DevelopmentClient;

/// How many tokens one order may be for. Signing takes somewhat under a millisecond each.
pub const MAX_TOKENS_AT_ONCE: u32 = 20_000;

/// How far from now a token may end, either way: Cognito's longest life.
const MAX_LIFE_SECONDS: i64 = 86_400;

/// How many claims an order may set.
const MAX_CLAIMS: usize = 32;

/// Which token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenUse {
    /// An access token.
    #[default]
    Access,
    /// An ID token; only a person has one.
    Id,
}

/// What kind of token is wanted. With a `username`, or with nothing, a person's; with a
/// `client_id` alone, a machine's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenOrder {
    /// Whose token; the pool's first user when there is no `client_id` either.
    pub username: Option<String>,
    /// Through which client; the first that takes passwords when absent.
    pub client_id: Option<String>,
    /// Scopes as a list, of any name.
    pub scopes: Option<Vec<String>>,
    /// Scopes as one space-separated string, instead of `scopes`. Without either: all of the
    /// client's, as OAuth gives when none are asked for.
    pub scope: Option<String>,
    /// `access`, the default, or `id`.
    pub token_use: TokenUse,
    /// Seconds from now to the end, negative for a token that has expired; at most a day.
    pub expires_in: Option<i64>,
    /// Claims to set, or with `null` to leave out; any but `iss`.
    pub claims: Map<String, Value>,
}

/// Why an order cannot be filled.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No such user.
    #[error("the pool has no user `{0}`")]
    UnknownUser(String),
    /// No such client.
    #[error("the pool has no client `{0}`")]
    UnknownClient(String),
    /// The configuration names no user or no client.
    #[error("the pool has no {0}; add one to development_user_pool")]
    Nobody(&'static str),
    /// An ID token without a user.
    #[error("only a user has an ID token: give a username")]
    MachineId,
    /// Both spellings of scopes.
    #[error("give either `scope` or `scopes`")]
    TwoScopes,
    /// Not a scope (RFC 6749, section 3.3).
    #[error("a scope is visible ASCII without `\"` and `\\`")]
    ScopeSyntax,
    /// Too far away.
    #[error("expires_in is between -86400 and 86400 seconds")]
    ExpiresIn,
    /// Too many claims, or `iss`.
    #[error("claims may set up to 32 names, and not `iss`")]
    Claims,
    /// Too many or none.
    #[error("count is between 1 and 20000")]
    Count,
    /// Not the JSON of an order.
    #[error("the body is not an order: {0}")]
    Json(String),
    /// Cannot sign.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

impl From<NoRandomness> for OrderError {
    fn from(e: NoRandomness) -> Self {
        Self::Pool(e.into())
    }
}

impl UserPool {
    /// One token as ordered.
    ///
    /// # Errors
    ///
    /// [`OrderError`] says what in the order cannot be.
    pub fn mint(
        &self,
        order: &TokenOrder,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<String, OrderError> {
        let claims = self.ordered_claims(order, now, random)?;
        self.sign_as(order.token_use, &claims)
    }

    /// One of many tokens that differ in who they are: like [`UserPool::mint`], with a `sub` of
    /// its own unless the order sets one.
    ///
    /// # Errors
    ///
    /// [`OrderError`] says what in the order cannot be.
    pub fn mint_distinct(
        &self,
        order: &TokenOrder,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<String, OrderError> {
        let mut claims = self.ordered_claims(order, now, random)?;
        let is_machine =
            !claims.contains_key("username") && !claims.contains_key("cognito:username");
        // A machine's `sub` is its client id, which is how it is told from a person.
        if !is_machine && !order.claims.contains_key("sub") {
            claims.insert("sub".to_owned(), json!(uuid(random)?));
        }
        self.sign_as(order.token_use, &claims)
    }

    fn sign_as(&self, token_use: TokenUse, claims: &Claims) -> Result<String, OrderError> {
        let keys = self.keys();
        let key = match token_use {
            TokenUse::Access => keys.access(),
            TokenUse::Id => keys.id(),
        };
        Ok(key.sign(claims)?)
    }

    fn ordered_claims(
        &self,
        order: &TokenOrder,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<Claims, OrderError> {
        if order.claims.len() > MAX_CLAIMS || order.claims.contains_key("iss") {
            return Err(OrderError::Claims);
        }
        let client = self.ordered_client(order)?;
        let scope = scope_text(order, client)?;
        let (issued_at, expires_at) = self.life(order, now)?;
        let jti = uuid(random)?;
        let client_id = &client.client_id;
        let stamp = Stamp { issuer: &self.issuer, client_id, issued_at, expires_at, jti: &jti };
        let mut claims = if order.username.is_none() && order.client_id.is_some() {
            if order.token_use == TokenUse::Id {
                return Err(OrderError::MachineId);
            }
            claims::machine(&scope, stamp)
        } else {
            let user = match &order.username {
                Some(name) => self.directory.find_user(name).map(|(_, user)| user),
                None => self.directory.first_user(),
            };
            let user = user.ok_or_else(|| match &order.username {
                Some(name) => OrderError::UnknownUser(name.clone()),
                None => OrderError::Nobody("users"),
            })?;
            let is_oauth = &*scope != SIGN_IN_SCOPE;
            let sign_in = SignIn::begin(&scope, is_oauth, issued_at, random)?;
            match order.token_use {
                TokenUse::Access => claims::access(user, &sign_in, stamp),
                TokenUse::Id => claims::id(user, &sign_in, stamp),
            }
        };
        for (name, value) in &order.claims {
            if value.is_null() {
                claims.shift_remove(name);
            } else {
                claims.insert(name.clone(), value.clone());
            }
        }
        Ok(claims)
    }

    fn ordered_client(&self, order: &TokenOrder) -> Result<&DevelopmentClient, OrderError> {
        match &order.client_id {
            Some(id) => self
                .directory
                .find_client(id)
                .map(|(_, client)| client)
                .ok_or_else(|| OrderError::UnknownClient(id.clone())),
            None => self.directory.first_client_for_users().ok_or(OrderError::Nobody("clients")),
        }
    }

    /// `iat` and `exp`. A token that has ended began one life earlier, so that only `exp` is wrong
    /// with it.
    fn life(&self, order: &TokenOrder, now: UnixMillis) -> Result<(u64, u64), OrderError> {
        let validity = self.token_validity.as_secs();
        let Some(expires_in) = order.expires_in else {
            return Ok((now.seconds(), now.seconds().saturating_add(validity)));
        };
        if !(-MAX_LIFE_SECONDS..=MAX_LIFE_SECONDS).contains(&expires_in) {
            return Err(OrderError::ExpiresIn);
        }
        let expires_at = now.seconds().saturating_add_signed(expires_in);
        let issued_at = now.seconds().min(expires_at.saturating_sub(1));
        let issued_at =
            if expires_in <= 0 { expires_at.saturating_sub(validity) } else { issued_at };
        Ok((issued_at, expires_at))
    }
}

fn scope_text(order: &TokenOrder, client: &DevelopmentClient) -> Result<String, OrderError> {
    let scopes: Vec<&str> = match (&order.scopes, &order.scope) {
        (Some(_), Some(_)) => return Err(OrderError::TwoScopes),
        (Some(list), None) => list.iter().map(String::as_str).collect(),
        (None, Some(text)) => text.split(' ').filter(|scope| !scope.is_empty()).collect(),
        (None, None) => client.scopes.iter().map(String::as_str).collect(),
    };
    let is_scope = |scope: &&str| {
        !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    if scopes.iter().all(is_scope) { Ok(scopes.join(" ")) } else { Err(OrderError::ScopeSyntax) }
}
