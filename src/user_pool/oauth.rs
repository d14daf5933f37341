//! The token endpoint: `client_credentials` and `refresh_token` (RFC 6749, sections 4.4 and 6),
//! and revocation (RFC 7009), with Cognito's answers.

use std::fmt;

use serde::Serialize;

use super::UserPool;
use super::claims::{self, Stamp};
use super::directory::{ClientIndex, has_grant};
use super::errors::OAuthError;
use super::operations::is_jwt;
use super::random::{Randomness, uuid};
use super::secrets::is_same;
use crate::clock::UnixMillis;
use crate::config::model::{DevelopmentClient, DevelopmentGrant};

/// Who the caller says it is.
#[derive(Clone, Copy)]
pub struct ClientCredentials<'a> {
    /// `client_id`.
    pub id: &'a str,
    /// `client_secret`; a public client has none.
    pub secret: Option<&'a str>,
}

impl fmt::Debug for ClientCredentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A successful answer of the token endpoint.
#[derive(Serialize)]
pub struct OAuthTokens {
    /// Only for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// The access token.
    pub access_token: String,
    /// Its life in seconds.
    pub expires_in: u64,
    /// `Bearer`.
    pub token_type: &'static str,
}

impl fmt::Debug for OAuthTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthTokens").finish_non_exhaustive()
    }
}

impl UserPool {
    /// A machine's access token. `scope` is the request's parameter: space-separated, all of the
    /// client's scopes when absent or empty.
    ///
    /// # Errors
    ///
    /// `invalid_client`, `unauthorized_client`, `invalid_scope`.
    pub fn client_credentials(
        &self,
        caller: ClientCredentials<'_>,
        scope: Option<&str>,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<OAuthTokens, OAuthError> {
        let (_, client) = self.authenticate_client(caller)?;
        if client.client_secret.is_none() {
            return Err(OAuthError::InvalidClient);
        }
        require_grant(client, DevelopmentGrant::ClientCredentials)?;
        let scope = granted_scope(client, scope)?;
        let jti = uuid(random)?;
        let stamp = Stamp {
            issuer: &self.issuer,
            client_id: &client.client_id,
            issued_at: now.seconds(),
            expires_at: now.plus(self.token_validity).seconds(),
            jti: &jti,
        };
        let access_token = self.keys().access().sign(&claims::machine(&scope, stamp))?;
        Ok(self.tokens(access_token, None))
    }

    /// New tokens for a living session. The refresh token stays as it is.
    ///
    /// # Errors
    ///
    /// `invalid_client`, `unauthorized_client`, `invalid_grant`.
    pub fn refresh_grant(
        &self,
        caller: ClientCredentials<'_>,
        refresh_token: &str,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<OAuthTokens, OAuthError> {
        let (index, client) = self.authenticate_client(caller)?;
        require_grant(client, DevelopmentGrant::RefreshToken)?;
        let refused = OAuthError::InvalidGrant;
        let session = self.session(refresh_token, index, now).map_err(|_| refused)?;
        let user = self.directory.user(session.user).ok_or(refused)?;
        let (access, id) = self.mint_pair(user, client, &session.sign_in, now, random)?;
        Ok(self.tokens(access, Some(id)))
    }

    /// Ends a session. An unknown token is no error (RFC 7009, section 2.2).
    ///
    /// # Errors
    ///
    /// `invalid_client`, `unsupported_token_type`.
    pub fn revoke_grant(
        &self,
        caller: ClientCredentials<'_>,
        token: &str,
    ) -> Result<(), OAuthError> {
        let (index, _) = self.authenticate_client(caller)?;
        if is_jwt(token) {
            return Err(OAuthError::UnsupportedTokenType);
        }
        self.end_session(token, index);
        Ok(())
    }

    fn authenticate_client(
        &self,
        caller: ClientCredentials<'_>,
    ) -> Result<(ClientIndex, &DevelopmentClient), OAuthError> {
        let found = self.directory.find_client(caller.id).ok_or(OAuthError::InvalidClient)?;
        let is_proved = match (&found.1.client_secret, caller.secret) {
            (Some(secret), Some(given)) => is_same(given, secret.expose()),
            (None, None) => true,
            // A public client has nothing to prove, so whoever shows a secret is confused.
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_proved { Ok(found) } else { Err(OAuthError::InvalidClient) }
    }

    fn tokens(&self, access_token: String, id_token: Option<String>) -> OAuthTokens {
        let expires_in = self.token_validity.as_secs();
        OAuthTokens { id_token, access_token, expires_in, token_type: "Bearer" }
    }
}

fn require_grant(client: &DevelopmentClient, grant: DevelopmentGrant) -> Result<(), OAuthError> {
    if has_grant(client, grant) { Ok(()) } else { Err(OAuthError::UnauthorizedClient) }
}

/// The scopes asked for, once each, in the order asked; all of the client's when none were.
fn granted_scope(client: &DevelopmentClient, asked: Option<&str>) -> Result<String, OAuthError> {
    let mut granted: Vec<&str> = Vec::new();
    for scope in asked.unwrap_or_default().split(' ').filter(|scope| !scope.is_empty()) {
        if !client.scopes.iter().any(|has| has == scope) {
            return Err(OAuthError::InvalidScope);
        }
        if !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    if granted.is_empty() {
        granted = client.scopes.iter().map(String::as_str).collect();
    }
    if granted.is_empty() { Err(OAuthError::InvalidScope) } else { Ok(granted.join(" ")) }
}
