//! A browser that has signed in, on paper.
//!
//! Its tokens go the way of real ones: the ID token is verified with the throw-away key, a session
//! begins with it, and what the browser shows are the sealed cookies that it would have got.

use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::COOKIE;
use serde_json::Value;

use super::identity::{Identity, IdentityError};
use super::signer::Signer;
use crate::auth::id_token::{self, Expected};
use crate::clock::UnixMillis;
use crate::config::model::TokenUse;
use crate::engine::Moment;
use crate::sign_in::exchange::Tokens;
use crate::sign_in::session::{Proved, Session};
use crate::sign_in::{Reach, SignIn};
use crate::snapshot::Snapshot;

/// The value of `Cookie` that proves the session.
pub(super) fn cookies(
    identity: &Identity,
    sign_in: &SignIn,
    snapshot: &Snapshot,
    signer: &Signer,
    moment: Moment,
) -> Result<String, IdentityError> {
    let realm = &sign_in.realm;
    let pool = snapshot.config.user_pools.get(sign_in.settings.pool.0);
    let pool = pool.ok_or(IdentityError::NoPool)?;
    // How long the tokens live is no matter: `expires_in` is the session's.
    let lasting = Identity { expires_in: None, ..identity.clone() };
    let mut claims = lasting.filled_in(pool, TokenUse::Id, moment.wall);
    claims.insert("aud".to_owned(), Value::from(&*realm.provider.client_id));
    let id_token = signer.sign(pool, &claims)?;
    let access = lasting.filled_in(pool, TokenUse::Access, moment.wall);
    let access_token = signer.sign(pool, &access)?;
    let expected =
        Expected { client_id: &realm.provider.client_id, nonce: None, access_token: &access_token };
    let at = id_token::Moment { wall: moment.wall, mono: moment.mono, patience: moment.patience };
    let verified = id_token::verify_id_token(&realm.pool, &id_token, expected, at)
        .map_err(|_| IdentityError::NoSession("the claims make no ID token of the pool"))?;
    let tokens = Tokens {
        access_token: access_token.into(),
        id_token: None,
        refresh_token: None,
        expires_in: None,
    };
    let proved =
        Proved { tokens: &tokens, id_token: Some(&verified), access_token: None, user_info: None };
    let (timeout, begun) = life(identity, sign_in, moment.wall);
    let session = Session::begin(&realm.provider, proved, timeout, begun)
        .map_err(|_| IdentityError::NoSession("the claims do not fit into cookies"))?;
    let reach = Reach { is_secure: true, is_cross_site: false };
    let set = session.cookies(sign_in, &snapshot.seal, &HeaderMap::new(), reach, begun);
    let pairs: Vec<String> = set
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned))
        .map(|pair| if identity.is_forged { forged(&pair) } else { pair })
        .collect();
    if pairs.is_empty() {
        return Err(IdentityError::NoSession("there is no key to seal it with"));
    }
    Ok(pairs.join("; "))
}

/// How long the session lasts, and when it began: some time ago, where it is over.
fn life(identity: &Identity, sign_in: &SignIn, now: UnixMillis) -> (Duration, UnixMillis) {
    match identity.expires_in {
        None => (sign_in.settings.session_timeout, now),
        Some(seconds) if seconds > 0 => (Duration::from_secs(seconds.unsigned_abs()), now),
        Some(seconds) => {
            let ago = seconds.unsigned_abs().saturating_add(1).saturating_mul(1000);
            (Duration::from_secs(1), UnixMillis(now.0.saturating_sub(ago)))
        }
    }
}

/// The same cookie with a seal that nobody made.
fn forged(pair: &str) -> String {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let swapped = value.chars().enumerate().map(|(position, character)| match position {
        20 if character == 'A' => 'B',
        20 => 'A',
        _ => character,
    });
    format!("{name}={}", swapped.collect::<String>())
}

/// Puts the cookies beside those that are there.
pub(super) fn show(cookies: &str, headers: &mut HeaderMap) {
    let present = headers.get(COOKIE).and_then(|value| value.to_str().ok());
    let all = present.map_or_else(|| cookies.to_owned(), |own| format!("{own}; {cookies}"));
    if let Ok(mut value) = ::http::HeaderValue::try_from(all) {
        value.set_sensitive(true);
        headers.insert(COOKIE, value);
    }
}
