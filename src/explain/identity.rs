//! Who is calling, on paper: claims, with what every token of the pool has filled in.

use serde_json::{Map, Value, json};

use super::signer::{Signer, SignerError};
use crate::clock::UnixMillis;
use crate::config::model::{AppClients, Config, JwtValidation, Profile, TokenUse, UserPool};

/// How long a token lives that does not say.
const LIFETIME: i64 = 3600;

/// A caller who exists on paper.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    /// The pool that vouches; the first that the rule accepts when it is not said.
    pub user_pool: Option<String>,
    /// The claims; `null` leaves out one that would be filled in.
    pub claims: Map<String, Value>,
    /// Seconds until the token expires; negative for one that has.
    pub expires_in: Option<i64>,
    /// Signed by somebody whom the pool does not know.
    pub is_forged: bool,
    /// A browser that has signed in, also where the rule takes tokens too.
    pub in_session: bool,
}

/// Why there is no token for a caller.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file has no pool of that name.
    #[error("there is no user pool `{0}`")]
    UnknownPool(String),
    /// The file has no pool at all.
    #[error("the file has no user pool, so nobody can vouch for a caller")]
    NoPool,
    /// No session can be made for a caller.
    #[error("nobody can be signed in like that: {0}")]
    NoSession(&'static str),
    /// See [`SignerError`].
    #[error(transparent)]
    Signer(#[from] SignerError),
}

impl Identity {
    /// A caller with these claims.
    #[must_use]
    pub fn of(claims: Map<String, Value>) -> Self {
        Self { claims, ..Self::default() }
    }

    /// A token that says so. `wanted` is the demand of the rule that takes the request: what is not
    /// said is filled in so that it suits.
    ///
    /// # Errors
    ///
    /// See [`IdentityError`].
    pub fn token(
        &self,
        config: &Config,
        signer: &Signer,
        wanted: Option<&JwtValidation>,
        now: UnixMillis,
    ) -> Result<String, IdentityError> {
        let pool = self.pool(config, wanted)?;
        let token_use = wanted.map_or(TokenUse::Access, |wanted| wanted.token_use);
        let claims = self.filled_in(pool, token_use, now);
        let token = signer.sign(pool, &claims)?;
        Ok(if self.is_forged { forged(&token) } else { token })
    }

    fn pool<'c>(
        &self,
        config: &'c Config,
        wanted: Option<&JwtValidation>,
    ) -> Result<&'c UserPool, IdentityError> {
        let named = |name: &str| config.user_pools.iter().find(|pool| *pool.name == *name);
        if let Some(name) = &self.user_pool {
            return named(name).ok_or_else(|| IdentityError::UnknownPool(name.clone()));
        }
        // An issuer that was said is one of a pool's, or of nobody's: then any pool may sign.
        let issuer = self.claims.get("iss").and_then(Value::as_str);
        let by_issuer = issuer.and_then(|issuer| {
            let is_its = |pool: &&UserPool| pool.issuers.iter().any(|own| *own.issuer == *issuer);
            config.user_pools.iter().find(is_its)
        });
        let by_rule = || config.user_pools.get(wanted?.pools.first()?.0);
        by_issuer.or_else(by_rule).or(config.user_pools.first()).ok_or(IdentityError::NoPool)
    }

    /// The claims, with what every token of the pool has.
    pub(super) fn filled_in(
        &self,
        pool: &UserPool,
        wanted: TokenUse,
        now: UnixMillis,
    ) -> Map<String, Value> {
        let seconds = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
        let expires = seconds.saturating_add(self.expires_in.unwrap_or(LIFETIME));
        let issued = seconds.min(expires.saturating_sub(1));
        let client = match &pool.app_clients {
            AppClients::Only(clients) => clients.first().map(String::as_str),
            AppClients::Any => None,
        };
        let client = client.unwrap_or("client");
        let audience = pool.audiences.first().map_or(client, String::as_str);
        let mut filled = json!({
            "iss": pool.issuers.first().map(|issuer| &*issuer.issuer),
            "sub": "somebody",
            "iat": issued,
            "exp": expires,
            "jti": "throw-away",
        });
        let said = self.claims.get("token_use").and_then(Value::as_str);
        let is_id = said.map_or(wanted == TokenUse::Id, |said| said == "id");
        let by_profile = match pool.profile {
            Profile::Cognito if is_id => json!({ "token_use": "id", "aud": client }),
            Profile::Cognito if pool.require_resource_audience => {
                json!({ "token_use": "access", "client_id": client, "aud": audience })
            }
            Profile::Cognito => json!({ "token_use": "access", "client_id": client }),
            Profile::Oidc => json!({ "aud": audience }),
            Profile::Rfc9068 => json!({ "aud": audience, "client_id": client }),
        };
        let mut claims = Map::new();
        if let (Some(filled), Value::Object(by_profile)) = (filled.as_object_mut(), by_profile) {
            claims.append(filled);
            claims.extend(by_profile);
        }
        claims.extend(self.claims.clone());
        claims.retain(|_, value| !value.is_null());
        claims
    }
}

/// The same token with a signature that nobody made.
fn forged(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    // The last character may hold bits that must be zero, so it stays where it is.
    let end = signature.len().saturating_sub(1);
    let (body, last) = signature.split_at_checked(end).unwrap_or((signature, ""));
    let body: String = body.chars().rev().collect();
    format!("{message}.{body}{last}")
}
