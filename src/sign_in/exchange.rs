//! What is asked of a user pool, and what its answers are worth.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::{Callback, Failure};
use crate::auth::claims::Claims;
use crate::config::model::{ClientAuthentication, Provider};

/// Longest answer of a user pool that is read.
pub const LONGEST_REPLY: usize = 256 * 1024;
/// How long it may take (alb.md 7.4).
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Longest token that is kept.
const LONGEST_TOKEN: usize = 16 * 1024;

/// A request to a user pool.
pub struct Ask {
    /// Where.
    pub url: Arc<str>,
    /// `Authorization`, if there is one.
    pub authorization: Option<String>,
    /// A form to post; without one it is a GET.
    pub form: Option<String>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a user pool said.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answered {
        /// Its status.
        status: u16,
        /// Its body.
        body: Vec<u8>,
    },
    /// None in time, or no connection.
    Silent,
    /// More than [`LONGEST_REPLY`], or not HTTP.
    Unreadable,
}

/// What the token endpoint gave.
pub struct Tokens {
    /// Always there.
    pub access_token: Box<str>,
    /// With the scope `openid`.
    pub id_token: Option<Box<str>>,
    /// Where the client may have one.
    pub refresh_token: Option<Box<str>>,
    /// Life of the access token.
    pub expires_in: Option<Duration>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// Redeems a code (RFC 6749 4.1.3).
#[must_use]
pub fn redeem_code(provider: &Provider, callback: &Callback) -> Ask {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", &callback.code)
        .append_pair("redirect_uri", &callback.redirect_uri);
    if provider.pkce {
        form.append_pair("code_verifier", &callback.verifier);
    }
    post(provider, &provider.token_endpoint, form)
}

/// Redeems a refresh token (RFC 6749 6).
#[must_use]
pub fn redeem_refresh_token(provider: &Provider, refresh_token: &str) -> Ask {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", refresh_token);
    post(provider, &provider.token_endpoint, form)
}

/// Revokes a refresh token (RFC 7009), where the pool can.
#[must_use]
pub fn revoke(provider: &Provider, refresh_token: &str) -> Option<Ask> {
    let mut form = Serializer::new(String::new());
    form.append_pair("token", refresh_token).append_pair("token_type_hint", "refresh_token");
    Some(post(provider, provider.revocation_endpoint.as_ref()?, form))
}

/// Asks for the claims, where the pool has them elsewhere than in the ID token.
#[must_use]
pub fn user_info(provider: &Provider, tokens: &Tokens) -> Option<Ask> {
    Some(Ask {
        url: Arc::clone(provider.user_info_endpoint.as_ref()?),
        authorization: Some(format!("Bearer {}", tokens.access_token)),
        form: None,
    })
}

fn post(provider: &Provider, url: &Arc<str>, mut form: Serializer<'_, String>) -> Ask {
    let secret = provider.client_secret.as_ref();
    let authorization = match (secret, provider.client_authentication) {
        (Some(secret), ClientAuthentication::Basic) => {
            // Both are form-encoded first (RFC 6749 2.3.1).
            let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encode(&provider.client_id), encode(secret.expose()));
            Some(format!("Basic {}", STANDARD.encode(pair)))
        }
        (Some(secret), ClientAuthentication::Post) => {
            form.append_pair("client_id", &provider.client_id);
            form.append_pair("client_secret", secret.expose());
            None
        }
        (None, _) => {
            form.append_pair("client_id", &provider.client_id);
            None
        }
    };
    Ask { url: Arc::clone(url), authorization, form: Some(form.finish()) }
}

/// Reads what the token endpoint said.
///
/// # Errors
///
/// Why there are no tokens.
pub fn read_tokens(reply: &Reply) -> Result<Tokens, Failure> {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    #[derive(Deserialize)]
    struct Given {
        access_token: String,
        token_type: Option<String>,
        id_token: Option<String>,
        refresh_token: Option<String>,
        expires_in: Option<serde_json::Value>,
    }
    let (status, body) = match reply {
        Reply::Answered { status, body } => (*status, body),
        Reply::Silent => return Err(Failure::TokenEndpointTimeout),
        Reply::Unreadable => return Err(Failure::TokenResponseInvalid),
    };
    if status != 200 {
        let refused: Option<Refused> = serde_json::from_slice(body).ok();
        let is_grant = refused.is_some_and(|refused| refused.error == "invalid_grant");
        let is_grant = is_grant && matches!(status, 400 | 401);
        return Err(if is_grant { Failure::GrantRefused } else { Failure::TokenEndpointFailed });
    }
    let given: Given = serde_json::from_slice(body).map_err(|_| Failure::TokenResponseInvalid)?;
    let is_bearer = given.token_type.as_deref().is_none_or(|t| t.eq_ignore_ascii_case("bearer"));
    let is_token = |token: &str| {
        (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic())
    };
    let tokens = [Some(&given.access_token), given.id_token.as_ref(), given.refresh_token.as_ref()];
    if !is_bearer || !tokens.into_iter().flatten().all(|token| is_token(token)) {
        return Err(Failure::TokenResponseInvalid);
    }
    // Some pools write the number as text.
    let expires_in = given.expires_in.and_then(|life| match life {
        serde_json::Value::Number(seconds) => seconds.as_u64(),
        serde_json::Value::String(seconds) => seconds.parse().ok(),
        _ => None,
    });
    Ok(Tokens {
        access_token: given.access_token.into(),
        id_token: given.id_token.map(Into::into),
        refresh_token: given.refresh_token.map(Into::into),
        expires_in: expires_in.map(Duration::from_secs),
    })
}

/// Reads what the user info endpoint said about `subject`.
///
/// # Errors
///
/// Why there are no claims.
pub fn read_user_info(reply: Reply, subject: &str) -> Result<Box<RawValue>, Failure> {
    let body = match reply {
        Reply::Answered { status: 200, body } => body,
        Reply::Answered { .. } => return Err(Failure::UserInfoFailed),
        Reply::Silent => return Err(Failure::UserInfoTimeout),
        Reply::Unreadable => return Err(Failure::UserInfoInvalid),
    };
    let invalid = Failure::UserInfoInvalid;
    let text = String::from_utf8(body).map_err(|_| invalid)?;
    let claims = Claims::parse(text.clone()).ok_or(invalid)?;
    // Claims of another person must not be taken for this one's (OpenID Connect Core 5.3.2).
    if claims.string("sub").as_deref() != Some(subject) {
        return Err(invalid);
    }
    let value: Box<RawValue> = serde_json::from_str(&text).map_err(|_| invalid)?;
    Ok(value)
}
