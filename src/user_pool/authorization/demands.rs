//! What the parameters of a request ask for, once it is known where mistakes are told.

use std::sync::Arc;

use url::Url;

use crate::config::model::{DevelopmentClient, DevelopmentGrant};
use crate::user_pool::codes::Challenge;
use crate::user_pool::directory::has_grant;
use crate::user_pool::errors::OAuthError;
use crate::user_pool::oauth::granted_scope;
use crate::user_pool::parameters::Parameters;

/// `prompt`; `consent` is met, since nothing is asked for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Only if it must be.
    AsNeeded,
    Never,
    Always,
}

pub(super) fn require_code_flow(
    client: &DevelopmentClient,
    parameters: &Parameters,
) -> Result<(), OAuthError> {
    if parameters.has_repeated() {
        return Err(OAuthError::InvalidRequest("a parameter stands twice"));
    }
    match parameters.get("response_type") {
        Some("code") if has_grant(client, DevelopmentGrant::AuthorizationCode) => {}
        // The implicit flow is no grant that a client here could have.
        Some("code" | "token") => return Err(OAuthError::UnauthorizedClient),
        _ => return Err(OAuthError::InvalidRequest("response_type must be code")),
    }
    match parameters.get("identity_provider") {
        None | Some("COGNITO") => Ok(()),
        Some(_) => Err(OAuthError::InvalidRequest("the only identity_provider is COGNITO")),
    }
}

/// OIDC's own scopes ask for claims of an ID token, which there is with `openid` only.
pub(super) fn requested_scope(
    client: &DevelopmentClient,
    parameters: &Parameters,
) -> Result<String, OAuthError> {
    let asked = parameters.get("scope");
    let scope = granted_scope(client, asked)?;
    let has = |wanted: &str| scope.split(' ').any(|scope| scope == wanted);
    let lacks_openid = !has("openid") && ["email", "phone", "profile"].into_iter().any(has);
    if asked.is_some() && lacks_openid { Err(OAuthError::InvalidScope) } else { Ok(scope) }
}

pub(super) fn challenge(parameters: &Parameters) -> Result<Option<Challenge>, OAuthError> {
    match (parameters.get("code_challenge"), parameters.get("code_challenge_method")) {
        (None, None) => Ok(None),
        (Some(text), Some("S256")) => Challenge::parse(text)
            .map(Some)
            .ok_or(OAuthError::InvalidRequest("code_challenge is no SHA-256 in base64url")),
        (_, Some(method)) if method != "S256" => {
            Err(OAuthError::InvalidRequest("code_challenge_method must be S256"))
        }
        _ => Err(OAuthError::InvalidRequest(
            "code_challenge and code_challenge_method belong together",
        )),
    }
}

pub(super) fn prompt(parameters: &Parameters) -> Result<Prompt, OAuthError> {
    let mut prompt = Prompt::AsNeeded;
    let words = parameters.get("prompt").unwrap_or_default();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        prompt = match (word, prompt) {
            ("none", Prompt::AsNeeded) if words.trim() == "none" => Prompt::Never,
            ("login" | "select_account", _) => Prompt::Always,
            ("consent", other) => other,
            _ => {
                let hint = "prompt is none, or of login, select_account and consent";
                return Err(OAuthError::InvalidRequest(hint));
            }
        };
    }
    Ok(prompt)
}

pub(super) fn max_age(parameters: &Parameters) -> Result<Option<u64>, OAuthError> {
    let parse = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|_| digits)
            .ok_or(OAuthError::InvalidRequest("max_age is a number of seconds"))
    };
    parameters.get("max_age").map(parse).transpose()
}

/// Which API the access token is for: an absolute URL without a fragment, as Cognito takes it.
pub(super) fn resource(parameters: &Parameters) -> Result<Option<Arc<str>>, OAuthError> {
    let Some(text) = parameters.get("resource") else { return Ok(None) };
    let is_right = |url: Url| match url.scheme() {
        "http" => matches!(url.host_str(), Some("localhost")),
        _ => url.has_authority(),
    };
    if Url::parse(text).is_ok_and(is_right) && !text.contains('#') {
        Ok(Some(text.into()))
    } else {
        Err(OAuthError::InvalidRequest("resource must be an absolute URL without a fragment"))
    }
}
