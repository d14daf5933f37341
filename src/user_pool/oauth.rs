//! The token endpoint: `authorization_code`, `client_credentials` and `refresh_token` (RFC 6749,
//! sections 4.1.3, 4.4 and 6), and revocation (RFC 7009), with Cognito's answers.

use std::fmt;

use serde::Serialize;

use super::claims::{self, SignIn, Stamp};
use super::codes::Redeemed;
use super::directory::{ClientIndex, User, has_grant};
use super::errors::OAuthError;
use super::operations::is_jwt;
use super::random::{Randomness, uuid};
use super::secrets::is_same;
use super::sessions::Session;
use super::{REFRESH_TOKEN_VALIDITY, UserPool};
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

/// What a client shows to have its tokens.
#[derive(Clone, Copy)]
pub struct CodeExchange<'a> {
    /// `code`.
    pub code: &'a str,
    /// `redirect_uri`, the one that the code was asked for with.
    pub redirect_uri: &'a str,
    /// `code_verifier`, if the code was asked for with a challenge.
    pub code_verifier: Option<&'a str>,
}

impl fmt::Debug for CodeExchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeExchange").finish_non_exhaustive()
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
    /// With a code, and with a refresh that replaces the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
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
        let stamp = self.stamp(client, now, &jti);
        let access_token = self.keys().access().sign(&claims::machine(&scope, stamp))?;
        Ok(self.tokens(access_token, None))
    }

    /// A person's tokens for the code that the sign-in page gave.
    ///
    /// # Errors
    ///
    /// `invalid_client`, `unauthorized_client`, `invalid_grant`. Whichever it is, the code is
    /// spent; and when it was spent before, the tokens that it gave are revoked.
    pub fn code_grant(
        &self,
        caller: ClientCredentials<'_>,
        exchange: CodeExchange<'_>,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<OAuthTokens, OAuthError> {
        let (index, client) = self.authenticate_client(caller)?;
        require_grant(client, DevelopmentGrant::AuthorizationCode)?;
        // Its own statement: the lock on codes is let go before the one on sessions is taken.
        let redeemed = self.codes.lock().redeem(exchange.code, index, now);
        let grant = match redeemed {
            Redeemed::Now(grant) => grant,
            Redeemed::Before(origin_jti) => {
                self.sessions.lock().revoke(&origin_jti);
                return Err(OAuthError::InvalidGrant);
            }
            Redeemed::Never => return Err(OAuthError::InvalidGrant),
        };
        if *grant.redirect_uri != *exchange.redirect_uri {
            return Err(OAuthError::InvalidRedirect);
        }
        let is_proved = match (grant.challenge, exchange.code_verifier) {
            (Some(challenge), Some(verifier)) => challenge.is_met_by(verifier),
            (None, None) => true,
            // A verifier without a challenge: somebody took the challenge out of the request on
            // its way (RFC 9700, section 4.8.2).
            (Some(_), None) | (None, Some(_)) => false,
        };
        let user = self.directory.user(grant.user).filter(|_| is_proved);
        let user = user.ok_or(OAuthError::InvalidGrant)?;
        let nonce = grant.nonce.as_deref();
        let mut tokens = self.mint_oauth(user, client, &grant.sign_in, nonce, now, random)?;
        let expires = now.plus(REFRESH_TOKEN_VALIDITY);
        let (user, sign_in) = (grant.user, grant.sign_in);
        let session = Session { user, client: index, sign_in, expires, superseded: None };
        tokens.refresh_token = Some(self.sessions.lock().open(session, random)?);
        Ok(tokens)
    }

    /// New tokens for a living session. The refresh token stays as it is, unless the client's
    /// are rotated: then a new one takes its place, for what is left of its life.
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
        let mut next = None;
        if let Some(grace) = client.refresh_token_rotation {
            let rotated = self.sessions.lock().rotate(refresh_token, grace, now, random)?;
            next = Some(rotated.ok_or(refused)?);
        }
        // The nonce belongs to the request that asked for it, which is over.
        let mut tokens = self.mint_oauth(user, client, &session.sign_in, None, now, random)?;
        tokens.refresh_token = next;
        Ok(tokens)
    }

    /// An access token, and an ID token unless the sign-in is one without `openid`.
    fn mint_oauth(
        &self,
        user: &User,
        client: &DevelopmentClient,
        sign_in: &SignIn,
        nonce: Option<&str>,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<OAuthTokens, OAuthError> {
        let (keys, jti) = (self.keys(), uuid(random)?);
        let stamp = self.stamp(client, now, &jti);
        let access = keys.access().sign(&claims::access(user, sign_in, stamp))?;
        if sign_in.is_oauth && !sign_in.scope.split(' ').any(|scope| scope == "openid") {
            return Ok(self.tokens(access, None));
        }
        let jti = uuid(random)?;
        let mut claims = claims::id(user, sign_in, Stamp { jti: &jti, ..stamp });
        claims::bind(&mut claims, &access, nonce);
        let id = keys.id().sign(&claims)?;
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
        OAuthTokens {
            id_token,
            access_token,
            refresh_token: None,
            expires_in,
            token_type: "Bearer",
        }
    }
}

fn require_grant(client: &DevelopmentClient, grant: DevelopmentGrant) -> Result<(), OAuthError> {
    if has_grant(client, grant) { Ok(()) } else { Err(OAuthError::UnauthorizedClient) }
}

/// The scopes asked for, once each, in the order asked; all of the client's when none were.
pub(super) fn granted_scope(
    client: &DevelopmentClient,
    asked: Option<&str>,
) -> Result<String, OAuthError> {
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
