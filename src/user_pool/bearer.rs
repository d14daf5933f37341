//! Access tokens that come back to the pool: `GetUser` and `/oauth2/userInfo` take nobody's word
//! for one, their own least of all.

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value, json};

use super::UserPool;
use super::claims;
use super::directory::User;
use super::errors::ApiError;
use crate::clock::UnixMillis;

impl UserPool {
    /// What `/oauth2/userInfo` says of the user: what the scopes of the token show, with every
    /// value as text, as Cognito has it.
    ///
    /// # Errors
    ///
    /// [`ApiError`] unless `access_token` is ours, alive, not revoked, and has `openid`.
    pub fn user_info(
        &self,
        access_token: &str,
        now: UnixMillis,
    ) -> Result<Map<String, Value>, ApiError> {
        let (user, scope) = self.bearer(access_token, "openid", now)?;
        let mut info = Map::new();
        info.insert("sub".to_owned(), json!(user.sub));
        let may_have = |name: &str| claims::is_readable(&scope, name);
        for address in ["email", "phone_number"] {
            if let Some(is_verified) =
                claims::is_verified(user, address).filter(|_| may_have(address))
            {
                info.insert(format!("{address}_verified"), json!(is_verified.to_string()));
            }
        }
        for (name, value) in &user.attributes {
            let is_known = info.contains_key(name) || name == "username";
            if !is_known && !claims::is_the_pools(name) && may_have(name) {
                info.insert(name.clone(), json!(value));
            }
        }
        info.insert("username".to_owned(), json!(user.username));
        Ok(info)
    }

    /// Whose living access token this is, and its scopes, of which `scope` must be one.
    pub(super) fn bearer(
        &self,
        access_token: &str,
        scope: &str,
        now: UnixMillis,
    ) -> Result<(&User, String), ApiError> {
        let claims = self.verify_access_token(access_token)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let expires = claims.get("exp").and_then(Value::as_u64).unwrap_or(0);
        if expires <= now.seconds() {
            return Err(ApiError::AccessTokenExpired);
        }
        let origin_jti = text("origin_jti").ok_or(ApiError::AccessTokenInvalid)?;
        if self.sessions.lock().is_revoked(origin_jti) {
            return Err(ApiError::AccessTokenRevoked);
        }
        let scopes = text("scope").unwrap_or_default();
        if !scopes.split(' ').any(|has| has == scope) {
            return Err(ApiError::AccessTokenScopes);
        }
        let username = text("username").ok_or(ApiError::AccessTokenInvalid)?;
        let (_, user) = self.directory.find_user(username).ok_or(ApiError::AccessTokenInvalid)?;
        Ok((user, scopes.to_owned()))
    }

    /// The claims of an access token that this pool signed with a key it still publishes. Its age
    /// is the caller's to judge.
    fn verify_access_token(&self, token: &str) -> Result<Map<String, Value>, ApiError> {
        let refused = |_| ApiError::AccessTokenInvalid;
        let kid = decode_header(token).map_err(refused)?.kid;
        let keys = self.keys();
        let key = keys
            .access_keys()
            .find(|key| Some(key.kid()) == kid.as_deref())
            .ok_or(ApiError::AccessTokenInvalid)?;
        let member = |name: &str| key.jwk().get(name).and_then(Value::as_str).unwrap_or_default();
        let key = DecodingKey::from_rsa_components(member("n"), member("e")).map_err(refused)?;
        let mut rules = Validation::new(jsonwebtoken::Algorithm::RS256);
        rules.validate_aud = false;
        rules.validate_exp = false;
        rules.set_issuer(&[&*self.issuer]);
        rules.set_required_spec_claims(&["iss"]);
        let claims = decode::<Map<String, Value>>(token, &key, &rules).map_err(refused)?.claims;
        let token_use = claims.get("token_use").and_then(Value::as_str);
        if token_use == Some("access") { Ok(claims) } else { Err(ApiError::AccessTokenInvalid) }
    }
}
