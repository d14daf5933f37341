//! Signing in as JSON. Secrets are stars.

use serde_json::{Map, Value, json};

use super::{Names, seconds, without_password};
use crate::config::model::{
    Authenticate, ClientAuthentication, Logout, OidcData, OnUnauthenticatedRequest, PoolIndex,
    Provider, SignOut,
};

fn pool_name(pool: PoolIndex, names: &Names<'_>) -> Value {
    names.pools.get(pool.0).map_or(Value::Null, |name| json!(&***name))
}

pub(super) fn oidc_data(settings: &OidcData) -> Value {
    let OidcData { signer, rotation, signing_keys } = settings;
    json!({
        "signer": &**signer,
        "rotation": seconds(*rotation),
        "signing_keys": signing_keys.len(),
    })
}

pub(super) fn provider(provider: &Provider) -> Value {
    let Provider {
        authorization_endpoint,
        token_endpoint,
        user_info_endpoint,
        revocation_endpoint,
        logout,
        client_id,
        client_secret,
        client_authentication,
        pkce,
        nonce,
        back_channel_logout,
    } = provider;
    let logout = logout.as_ref().map(|logout| match logout {
        Logout::Cognito(url) | Logout::Oidc(url) => without_password(url),
    });
    json!({
        "authorization_endpoint": without_password(authorization_endpoint),
        "token_endpoint": without_password(token_endpoint),
        "user_info_endpoint": user_info_endpoint.as_deref().map(without_password),
        "revocation_endpoint": revocation_endpoint.as_deref().map(without_password),
        "end_session_endpoint": logout,
        "client_id": &**client_id,
        "client_secret": client_secret.as_ref().map(|_| "***"),
        "client_authentication": match client_authentication {
            ClientAuthentication::Basic => "client_secret_basic",
            ClientAuthentication::Post => "client_secret_post",
        },
        "pkce": pkce,
        "nonce": nonce,
        "back_channel_logout": back_channel_logout,
    })
}

pub(super) fn authenticate(authenticate: &Authenticate, names: &Names<'_>) -> Value {
    let Authenticate {
        pool,
        scope,
        session_cookie_name,
        session_timeout,
        on_unauthenticated_request,
        redirects_scripts,
        extra_params,
        forward_session_cookies,
    } = authenticate;
    let extra: Map<_, _> =
        extra_params.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "user_pool": pool_name(*pool, names),
        "scope": scope,
        "session_cookie_name": &**session_cookie_name,
        "session_timeout": seconds(*session_timeout),
        "on_unauthenticated_request": match on_unauthenticated_request {
            OnUnauthenticatedRequest::Authenticate => "authenticate",
            OnUnauthenticatedRequest::Allow => "allow",
            OnUnauthenticatedRequest::Deny => "deny",
        },
        "on_unauthenticated_script": if *redirects_scripts { "authenticate" } else { "deny" },
        "authentication_request_extra_params": extra,
        "forward_session_cookies": forward_session_cookies,
    })
}

pub(super) fn sign_out(sign_out: &SignOut, names: &Names<'_>) -> Value {
    let SignOut { pool, session_cookie_name, redirect_to } = sign_out;
    json!({
        "user_pool": pool_name(*pool, names),
        "session_cookie_name": &**session_cookie_name,
        "redirect_to": redirect_to,
    })
}
