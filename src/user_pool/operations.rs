//! The operations of `AWSCognitoIdentityProviderService` that this pool has: `InitiateAuth` by
//! password and by refresh token, `GetUser` and `RevokeToken`.
//!
//! Request and result are the API's own JSON shapes; carrying them over HTTP is [`super::http`]'s.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::claims::{self, SignIn, Stamp};
use super::directory::{ClientIndex, User, UserIndex, has_grant};
use super::errors::{ApiError, PoolError};
use super::random::{Randomness, uuid};
use super::secrets::{is_same, secret_hash};
use super::sessions::Session;
use super::{REFRESH_TOKEN_VALIDITY, SIGN_IN_SCOPE, UserPool, shortened};
use crate::clock::UnixMillis;
use crate::config::model::{DevelopmentClient, DevelopmentGrant};

/// What `InitiateAuth` is asked. Members that Cognito knows and this pool has no use for are
/// ignored, as clients send them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InitiateAuth {
    /// `USER_PASSWORD_AUTH`, `REFRESH_TOKEN_AUTH` or `REFRESH_TOKEN`.
    pub auth_flow: Option<String>,
    /// The app client.
    pub client_id: Option<String>,
    /// `USERNAME`, `PASSWORD`, `REFRESH_TOKEN`, `SECRET_HASH`.
    #[serde(default)]
    pub auth_parameters: BTreeMap<String, String>,
}

/// Parameters hold passwords, so only the rest is shown.
impl fmt::Debug for InitiateAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitiateAuth")
            .field("auth_flow", &self.auth_flow)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// `AuthenticationResult`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AuthenticationResult {
    /// The access token.
    pub access_token: String,
    /// Its life in seconds.
    pub expires_in: u64,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Opaque; absent after a refresh, which keeps the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The ID token.
    pub id_token: String,
}

impl fmt::Debug for AuthenticationResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticationResult").finish_non_exhaustive()
    }
}

/// What `GetUser` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserDescription {
    /// User name.
    pub username: String,
    /// `sub` first, then the rest.
    pub user_attributes: Vec<UserAttribute>,
}

/// One attribute; the value is always a string.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserAttribute {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl UserPool {
    /// `InitiateAuth`.
    ///
    /// # Errors
    ///
    /// [`ApiError`], as Cognito with `PreventUserExistenceErrors` enabled.
    pub fn initiate_auth(
        &self,
        request: &InitiateAuth,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<AuthenticationResult, ApiError> {
        let flow = request.auth_flow.as_deref().ok_or(ApiError::MissingMember("authFlow"))?;
        let client_id = request.client_id.as_deref().ok_or(ApiError::MissingMember("clientId"))?;
        let (index, client) = self.api_client(client_id)?;
        match flow {
            "USER_PASSWORD_AUTH" => {
                require_flow(client, DevelopmentGrant::UserPassword, "USER_PASSWORD_AUTH")?;
                self.sign_in(&request.auth_parameters, index, client, now, random)
            }
            "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => {
                require_flow(client, DevelopmentGrant::RefreshToken, "REFRESH_TOKEN_AUTH")?;
                // As in Cognito: this operation could not hand out the new refresh token.
                if client.refresh_token_rotation.is_some() {
                    return Err(ApiError::FlowNotEnabled("REFRESH_TOKEN_AUTH"));
                }
                self.refresh(&request.auth_parameters, index, client, now, random)
            }
            _ => Err(ApiError::UnknownFlow(shortened(flow))),
        }
    }

    /// `GetUser`.
    ///
    /// # Errors
    ///
    /// [`ApiError`] unless `access_token` is ours, alive, not revoked, and from a sign-in that
    /// grants self-service.
    pub fn get_user(
        &self,
        access_token: &str,
        now: UnixMillis,
    ) -> Result<UserDescription, ApiError> {
        self.bearer(access_token, SIGN_IN_SCOPE, now).map(|(user, _)| describe(user))
    }

    /// `RevokeToken`: ends the session of a refresh token. A token that is unknown or already
    /// revoked is no error, as in Cognito.
    ///
    /// # Errors
    ///
    /// [`ApiError`] for a wrong client, or for a token of another kind.
    pub fn revoke_token(
        &self,
        token: &str,
        client_id: &str,
        client_secret: Option<&str>,
    ) -> Result<(), ApiError> {
        let (index, client) = self.api_client(client_id)?;
        if let Some(secret) = &client.client_secret
            && !client_secret.is_some_and(|given| is_same(given, secret.expose()))
        {
            return Err(ApiError::ClientSecretWrong);
        }
        if is_jwt(token) {
            return Err(ApiError::UnsupportedTokenType);
        }
        self.end_session(token, index);
        Ok(())
    }

    /// Ends the session of `refresh_token` if it is `client`'s.
    pub(super) fn end_session(&self, refresh_token: &str, client: ClientIndex) {
        let mut sessions = self.sessions.lock();
        let found = sessions.find(refresh_token).filter(|session| session.client == client);
        if let Some(origin_jti) = found.map(|session| session.sign_in.origin_jti.clone()) {
            sessions.revoke(&origin_jti);
        }
    }

    /// The living session of `refresh_token`, if it is `client`'s.
    pub(super) fn session(
        &self,
        refresh_token: &str,
        client: ClientIndex,
        now: UnixMillis,
    ) -> Result<Session, ApiError> {
        let sessions = self.sessions.lock();
        let session = sessions
            .find(refresh_token)
            .filter(|session| session.client == client)
            .ok_or(ApiError::RefreshTokenInvalid)?;
        if sessions.is_revoked(&session.sign_in.origin_jti) {
            return Err(ApiError::RefreshTokenRevoked);
        }
        if session.expires <= now {
            return Err(ApiError::RefreshTokenExpired);
        }
        if session.is_superseded(now) {
            return Err(ApiError::RefreshTokenReused);
        }
        Ok(session.clone())
    }

    /// Access and ID token of one sign-in, each with its own key and `jti`.
    pub(super) fn mint_pair(
        &self,
        user: &User,
        client: &DevelopmentClient,
        sign_in: &SignIn,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<(String, String), PoolError> {
        let (keys, jti) = (self.keys(), uuid(random)?);
        let stamp = self.stamp(client, now, &jti);
        let access = keys.access().sign(&claims::access(user, sign_in, stamp))?;
        let jti = uuid(random)?;
        let id = keys.id().sign(&claims::id(user, sign_in, Stamp { jti: &jti, ..stamp }))?;
        Ok((access, id))
    }

    /// What a token that is made now says about itself.
    pub(super) fn stamp<'a>(
        &'a self,
        client: &'a DevelopmentClient,
        now: UnixMillis,
        jti: &'a str,
    ) -> Stamp<'a> {
        Stamp {
            issuer: &self.issuer,
            client_id: &client.client_id,
            issued_at: now.seconds(),
            expires_at: now.plus(self.token_validity).seconds(),
            jti,
        }
    }

    fn api_client(&self, client_id: &str) -> Result<(ClientIndex, &DevelopmentClient), ApiError> {
        let found = self.directory.find_client(client_id);
        found.ok_or_else(|| ApiError::UnknownClient(shortened(client_id)))
    }

    fn sign_in(
        &self,
        parameters: &BTreeMap<String, String>,
        index: ClientIndex,
        client: &DevelopmentClient,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<AuthenticationResult, ApiError> {
        let username = parameter(parameters, "USERNAME")?;
        let password = parameter(parameters, "PASSWORD")?;
        require_secret_hash(client, parameters, &[username])?;
        let (user_index, user) = self.check_password(username, password, now)?;
        let sign_in = SignIn::begin(SIGN_IN_SCOPE, false, now.seconds(), random)?;
        let (access_token, id_token) = self.mint_pair(user, client, &sign_in, now, random)?;
        let expires = now.plus(REFRESH_TOKEN_VALIDITY);
        let session =
            Session { user: user_index, client: index, sign_in, expires, superseded: None };
        let refresh_token = Some(self.sessions.lock().open(session, random)?);
        Ok(self.result(access_token, id_token, refresh_token))
    }

    pub(super) fn check_password(
        &self,
        username: &str,
        password: &str,
        now: UnixMillis,
    ) -> Result<(UserIndex, &User), ApiError> {
        let Some((index, user)) = self.directory.find_user(username) else {
            // The same work as for a user who exists.
            let _ = is_same(password, username);
            return Err(ApiError::WrongPassword);
        };
        let mut attempts = self.attempts.lock();
        if attempts.is_locked(index, now) {
            return Err(ApiError::AttemptsExceeded);
        }
        if !is_same(password, user.password.expose()) {
            attempts.failed(index, now);
            return Err(ApiError::WrongPassword);
        }
        attempts.succeeded(index);
        Ok((index, user))
    }

    fn refresh(
        &self,
        parameters: &BTreeMap<String, String>,
        index: ClientIndex,
        client: &DevelopmentClient,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<AuthenticationResult, ApiError> {
        let session = self.session(parameter(parameters, "REFRESH_TOKEN")?, index, now)?;
        let user = self.directory.user(session.user).ok_or(ApiError::RefreshTokenInvalid)?;
        // Real clients hash the user name or the `sub`; which one Cognito insists on is not known.
        require_secret_hash(client, parameters, &[&user.username, &user.sub])?;
        let (access_token, id_token) =
            self.mint_pair(user, client, &session.sign_in, now, random)?;
        Ok(self.result(access_token, id_token, None))
    }

    fn result(
        &self,
        access_token: String,
        id_token: String,
        refresh_token: Option<String>,
    ) -> AuthenticationResult {
        let expires_in = self.token_validity.as_secs();
        AuthenticationResult {
            access_token,
            expires_in,
            token_type: "Bearer",
            refresh_token,
            id_token,
        }
    }
}

/// Whether this is an access or ID token: three parts. Our refresh tokens have two.
pub(super) fn is_jwt(token: &str) -> bool {
    token.bytes().filter(|&b| b == b'.').count() == 2
}

fn parameter<'a>(
    parameters: &'a BTreeMap<String, String>,
    name: &'static str,
) -> Result<&'a str, ApiError> {
    parameters.get(name).map(String::as_str).ok_or(ApiError::MissingParameter(name))
}

fn require_flow(
    client: &DevelopmentClient,
    grant: DevelopmentGrant,
    name: &'static str,
) -> Result<(), ApiError> {
    if has_grant(client, grant) { Ok(()) } else { Err(ApiError::FlowNotEnabled(name)) }
}

/// A confidential client proves itself by a hash over one of `names`; a public one must not try.
fn require_secret_hash(
    client: &DevelopmentClient,
    parameters: &BTreeMap<String, String>,
    names: &[&str],
) -> Result<(), ApiError> {
    let id = &client.client_id;
    match (&client.client_secret, parameters.get("SECRET_HASH")) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(ApiError::SecretHashMissing(id.clone())),
        (Some(secret), Some(given))
            if names.iter().any(|name| is_same(given, &secret_hash(secret.expose(), name, id))) =>
        {
            Ok(())
        }
        (_, Some(_)) => Err(ApiError::SecretHashWrong(id.clone())),
    }
}

fn describe(user: &User) -> UserDescription {
    let attribute =
        |name: &str, value: &str| UserAttribute { name: name.to_owned(), value: value.to_owned() };
    let mut user_attributes = vec![attribute("sub", &user.sub)];
    for address in ["email", "phone_number"] {
        if let Some(is_verified) = claims::is_verified(user, address) {
            let name = format!("{address}_verified");
            user_attributes.push(attribute(&name, if is_verified { "true" } else { "false" }));
        }
    }
    let rest = user.attributes.iter().filter(|(name, _)| {
        !matches!(name.as_str(), "sub" | "email_verified" | "phone_number_verified")
    });
    user_attributes.extend(rest.map(|(name, value)| attribute(name, value)));
    UserDescription { username: user.username.clone(), user_attributes }
}
