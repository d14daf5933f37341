//! What an assertion says, and its compact form (RFC 7515 3.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::keys::NamedKey;
use crate::auth::Identity;
use crate::clock::UnixMillis;

/// Claims of a token that are longer than this stay out: targets commonly take 8 KiB of headers.
const MOST_CLAIMS: usize = 4 * 1024;

/// The payload.
///
/// `iss`, `aud` (the target group's name), `iat` and `exp` are ours. `caller` is `token`, or
/// `anonymous` where the rule asked nobody; only the former has `user_pool`, `sub`, `client_id`
/// when there is one, and `claims`: those of the caller's token, untouched, apart so that none can
/// be taken for one of ours. When they are too long there is `claims_omitted: true` instead.
pub(super) fn claims(
    issuer: &str,
    identity: Option<&Identity>,
    group: &str,
    now: UnixMillis,
    expires: UnixMillis,
) -> String {
    let mut payload = Map::new();
    payload.insert("iss".into(), issuer.into());
    payload.insert("aud".into(), group.into());
    payload.insert("iat".into(), now.seconds().into());
    payload.insert("exp".into(), expires.seconds().into());
    let Some(identity) = identity else {
        payload.insert("caller".into(), "anonymous".into());
        return Value::Object(payload).to_string();
    };
    let token = &identity.token;
    payload.insert("caller".into(), "token".into());
    payload.insert("user_pool".into(), (**identity.pool.name()).into());
    payload.insert("sub".into(), token.subject().into());
    if let Some(client) = token.client() {
        payload.insert("client_id".into(), client.into());
    }
    let ours = Value::Object(payload).to_string();
    let ours = ours.strip_suffix('}').unwrap_or(&ours);
    match theirs(identity) {
        Some(claims) => format!("{ours},\"claims\":{claims}}}"),
        None => format!("{ours},\"claims_omitted\":true}}"),
    }
}

/// The claims of the caller's token as an object, each value as it was written.
fn theirs(identity: &Identity) -> Option<String> {
    let claims = identity.token.claims();
    let mut text = String::from("{");
    for name in claims.names() {
        let value: &RawValue = serde_json::from_str(claims.raw(name)?).ok()?;
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&json!(name).to_string());
        text.push(':');
        text.push_str(value.get());
        if text.len() > MOST_CLAIMS {
            return None;
        }
    }
    text.push('}');
    Some(text)
}

/// Signs a payload. `None` when the system has no randomness.
pub(super) fn sign(key: &NamedKey, payload: &str) -> Option<String> {
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": key.kid() }).to_string();
    let mut text = URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut text);
    let signature = key.sign(text.as_bytes())?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Some(text)
}
