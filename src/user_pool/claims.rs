//! What stands in a token: the claims of Cognito's documented samples, with their JSON types and
//! in their order, and nothing else. Signing is the [`super::keys`]' business.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::directory::User;
use super::random::{NoRandomness, Randomness, uuid};
use super::secrets::digest_of;

/// The claims of one token, in order.
pub(super) type Claims = Map<String, Value>;

/// What all tokens of one sign-in have in common, through every refresh.
#[derive(Debug, Clone)]
pub(super) struct SignIn {
    /// Ties the tokens to their refresh token.
    pub(super) origin_jti: Arc<str>,
    /// The sign-in as an event.
    pub(super) event_id: Arc<str>,
    /// Seconds since the epoch when the user proved who they are; a refresh does not change it.
    pub(super) auth_time: u64,
    /// `scope` of access tokens, space-separated.
    pub(super) scope: Arc<str>,
    /// Whether it came through OAuth: then access tokens carry `version`.
    pub(super) is_oauth: bool,
    /// The `aud` of access tokens, if the application bound them to one API (RFC 8707).
    pub(super) resource: Option<Arc<str>>,
}

impl SignIn {
    /// A sign-in that happens now.
    pub(super) fn begin(
        scope: &str,
        is_oauth: bool,
        auth_time: u64,
        random: &mut dyn Randomness,
    ) -> Result<Self, NoRandomness> {
        Ok(Self {
            origin_jti: uuid(random)?.into(),
            event_id: uuid(random)?.into(),
            auth_time,
            scope: scope.into(),
            is_oauth,
            resource: None,
        })
    }
}

/// What changes from token to token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp<'a> {
    /// `iss`.
    pub(super) issuer: &'a str,
    /// `client_id`, or `aud` in an ID token.
    pub(super) client_id: &'a str,
    /// Seconds since the epoch.
    pub(super) issued_at: u64,
    /// Seconds since the epoch.
    pub(super) expires_at: u64,
    /// `jti`.
    pub(super) jti: &'a str,
}

/// A person's access token.
pub(super) fn access(user: &User, sign_in: &SignIn, stamp: Stamp<'_>) -> Claims {
    let mut claims = Claims::new();
    let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    put("sub", json!(user.sub));
    if !user.groups.is_empty() {
        put("cognito:groups", json!(user.groups));
    }
    put("iss", json!(stamp.issuer));
    if sign_in.is_oauth {
        put("version", json!(2));
    }
    if let Some(resource) = &sign_in.resource {
        put("aud", json!(&**resource));
    }
    put("client_id", json!(stamp.client_id));
    put("origin_jti", json!(&*sign_in.origin_jti));
    put("event_id", json!(&*sign_in.event_id));
    put("token_use", json!("access"));
    put("scope", json!(&*sign_in.scope));
    put("auth_time", json!(sign_in.auth_time));
    put("exp", json!(stamp.expires_at));
    put("iat", json!(stamp.issued_at));
    put("jti", json!(stamp.jti));
    put("username", json!(user.username));
    claims
}

/// A person's ID token.
pub(super) fn id(user: &User, sign_in: &SignIn, stamp: Stamp<'_>) -> Claims {
    let mut claims = Claims::new();
    let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    put("sub", json!(user.sub));
    if !user.groups.is_empty() {
        put("cognito:groups", json!(user.groups));
    }
    let may_have = |name: &&str| !sign_in.is_oauth || is_readable(&sign_in.scope, name);
    let email = user.attributes.get("email").filter(|_| may_have(&"email"));
    if let Some(is_verified) = email.and_then(|_| is_verified(user, "email")) {
        put("email_verified", json!(is_verified));
    }
    if let Some(role) = &user.preferred_role {
        put("cognito:preferred_role", json!(role));
    }
    put("iss", json!(stamp.issuer));
    put("cognito:username", json!(user.username));
    let phone_number = Some("phone_number").filter(may_have);
    if let Some(is_verified) = phone_number.and_then(|name| is_verified(user, name)) {
        put("phone_number_verified", json!(is_verified));
    }
    for (name, value) in &user.attributes {
        if !is_placed_elsewhere(name) && may_have(&name.as_str()) {
            put(name, json!(value));
        }
    }
    put("origin_jti", json!(&*sign_in.origin_jti));
    if !user.roles.is_empty() {
        put("cognito:roles", json!(user.roles));
    }
    put("aud", json!(stamp.client_id));
    put("event_id", json!(&*sign_in.event_id));
    put("token_use", json!("id"));
    put("auth_time", json!(sign_in.auth_time));
    put("exp", json!(stamp.expires_at));
    put("iat", json!(stamp.issued_at));
    put("jti", json!(stamp.jti));
    if let Some(email) = email {
        put("email", json!(email));
    }
    claims
}

/// Ties an ID token to the access token that comes with it, and to the request that asked for it.
pub(super) fn bind(claims: &mut Claims, access_token: &str, nonce: Option<&str>) {
    let digest = digest_of(access_token);
    let (half, _) = digest.split_at(16);
    claims.insert("at_hash".to_owned(), json!(URL_SAFE_NO_PAD.encode(half)));
    if let Some(nonce) = nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
}

/// Whether a sign-in with these scopes shows the attribute. `openid` alone shows all, and so does
/// `profile`, which Cognito reads as "all that the client may read".
pub(super) fn is_readable(scope: &str, attribute: &str) -> bool {
    let has = |wanted: &str| scope.split(' ').any(|scope| scope == wanted);
    match attribute {
        _ if has("profile") || !(has("email") || has("phone")) => true,
        "email" | "email_verified" => has("email"),
        "phone_number" | "phone_number_verified" => has("phone"),
        _ => false,
    }
}

/// A machine's access token: no user name, no groups, no session.
pub(super) fn machine(scope: &str, stamp: Stamp<'_>) -> Claims {
    let mut claims = Claims::new();
    let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    put("sub", json!(stamp.client_id));
    put("token_use", json!("access"));
    put("scope", json!(scope));
    put("auth_time", json!(stamp.issued_at));
    put("iss", json!(stamp.issuer));
    put("exp", json!(stamp.expires_at));
    put("iat", json!(stamp.issued_at));
    put("version", json!(2));
    put("jti", json!(stamp.jti));
    put("client_id", json!(stamp.client_id));
    claims
}

/// Whether an address of the user counts as proved: as the file says, or else yes, since whoever
/// writes the file is the administrator. `None` without the address.
pub(super) fn is_verified(user: &User, attribute: &str) -> Option<bool> {
    user.attributes.get(attribute)?;
    let said = user.attributes.get(&format!("{attribute}_verified"));
    Some(said.is_none_or(|text| text == "true"))
}

/// Attributes with a place of their own, and names that belong to the pool.
fn is_placed_elsewhere(name: &str) -> bool {
    matches!(name, "email" | "email_verified" | "phone_number_verified") || is_the_pools(name)
}

/// Names that belong to the pool: an attribute named `sub` or `exp` in the file must not overwrite
/// what the pool says.
pub(super) fn is_the_pools(name: &str) -> bool {
    const OWN: [&str; 13] = [
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "origin_jti",
        "event_id",
        "token_use",
        "auth_time",
        "nonce",
        "at_hash",
    ];
    OWN.contains(&name) || name.starts_with("cognito:")
}
