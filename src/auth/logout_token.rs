//! Logout tokens: an issuer says that a session, or a person, has signed out (`OpenID` Connect
//! Back-Channel Logout 1.0, section 2.6).
//!
//! Whether a token was used before is not known here: that takes a memory.

use std::sync::Arc;
use std::time::Duration;

use super::authorize::read;
use super::claims::{Claims, Payload};
use super::id_token::{Moment, Unproved, issuer, key};
use super::json;
use super::policy::{Accepted, MAX_ISSUED_AHEAD};
use super::pool::Pool;
use super::reason::Reason;
use super::token::{HeaderBuffer, TokenType};
use super::verify::{check_signature, date_of};
use crate::clock::UnixMillis;
use crate::config::deny_list::{Claim, Entry, LONGEST};

/// How old a logout token may be. Its issuer sends it at once.
pub const LONGEST_LIFE: Duration = Duration::from_secs(600);
/// The member of `events` that makes it one.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A logout token that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    /// Its number at its issuer.
    pub jti: Box<str>,
    /// Whom it signs out: one session where it names one, else all that its subject began until
    /// it was issued. Without an end.
    pub entry: Entry,
}

/// Proves a logout token for the client `client_id` of `pool`.
///
/// # Errors
///
/// Why it is not good, or that its key is wanting.
pub fn verify_logout_token(
    pool: &Arc<Pool>,
    client_id: &str,
    token: &str,
    moment: Moment,
) -> Result<LogoutToken, Unproved> {
    if token.len() > pool.max_token_size {
        return Err(Reason::TokenTooLarge.into());
    }
    let mut buffer = HeaderBuffer::new();
    let (parts, header, payload) = read(token.as_bytes(), &mut buffer)?;
    let issuer = issuer(pool, &payload.issuer()?).ok_or(Reason::IssuerUnknown)?;
    if !header.algorithm.is_some_and(|algorithm| pool.algorithms.contain(algorithm)) {
        return Err(Reason::AlgorithmNotAllowed.into());
    }
    // `logout+jwt` is recommended, and older issuers say nothing.
    if !matches!(header.token_type, TokenType::Plain | TokenType::Logout) {
        return Err(Reason::TypeWrong.into());
    }
    let accepted = Accepted { issuer: Arc::clone(issuer), pool: Arc::clone(pool) };
    let key = key(&accepted, &header, moment)?;
    check_signature(&parts, &header, &key)?;
    let issuer = Box::from(&**issuer.name());
    Ok(judge(payload, issuer, client_id, pool.clock_skew, moment.wall)?)
}

/// The claims, each of which must be as the standard says.
fn judge(
    payload: Payload,
    issuer: Box<str>,
    client_id: &str,
    skew: Duration,
    now: UnixMillis,
) -> Result<LogoutToken, Reason> {
    let known = payload.known;
    let issued = date_of(&payload, known.iat)?.ok_or(Reason::ClaimMissing)?;
    if issued > now.plus(MAX_ISSUED_AHEAD) {
        return Err(Reason::IssuedInFuture);
    }
    let expires = date_of(&payload, known.exp)?;
    let is_over = |end: UnixMillis| now >= end.plus(skew);
    if expires.is_some_and(is_over) || is_over(issued.plus(LONGEST_LIFE)) {
        return Err(Reason::TokenExpired);
    }
    if date_of(&payload, known.nbf)?.is_some_and(|begin| begin > now.plus(skew)) {
        return Err(Reason::TokenNotYetValid);
    }
    let claims = payload.into_claims();
    if !is_for(&claims, client_id)? {
        return Err(Reason::AudienceWrong);
    }
    // An ID token has one, and must never pass for a logout token.
    if claims.raw("nonce").is_some() {
        return Err(Reason::ClaimValueWrong);
    }
    if !says_logout(claims.raw("events").ok_or(Reason::ClaimMissing)?) {
        return Err(Reason::ClaimValueWrong);
    }
    let jti = text(&claims, "jti")?.ok_or(Reason::ClaimMissing)?;
    let entry = match (text(&claims, "sid")?, text(&claims, "sub")?) {
        (Some(session), _) => entry(Claim::Sid, session, issuer, None),
        (None, Some(subject)) => entry(Claim::Sub, subject, issuer, Some(issued.seconds())),
        (None, None) => return Err(Reason::ClaimMissing),
    };
    Ok(LogoutToken { jti, entry })
}

fn entry(claim: Claim, value: Box<str>, issuer: Box<str>, issued_before: Option<u64>) -> Entry {
    Entry { claim, value, issuer: Some(issuer), issued_before, until: None }
}

/// Whether `aud` names the client, alone or among others.
fn is_for(claims: &Claims, client_id: &str) -> Result<bool, Reason> {
    let raw = claims.raw("aud").ok_or(Reason::ClaimMissing)?;
    if let Some(one) = json::string(raw) {
        return Ok(one == client_id);
    }
    let mut is_named = false;
    let mut is_text = raw.starts_with('[');
    if is_text {
        json::elements(raw, |value| {
            match json::string(value) {
                Some(name) => is_named |= name == client_id,
                None => is_text = false,
            }
            Ok(())
        })
        .map_err(|_| Reason::ClaimFormatInvalid)?;
    }
    if is_text { Ok(is_named) } else { Err(Reason::ClaimFormatInvalid) }
}

/// Whether `events` is an object whose member for this event is one.
pub(super) fn says_logout(events: &str) -> bool {
    let mut is_said = false;
    events.starts_with('{')
        && !json::has_duplicate(events)
        && json::members(events, |name, value| {
            is_said |=
                json::string(name).is_some_and(|name| name == EVENT) && value.starts_with('{');
            Ok(())
        })
        .is_ok()
        && is_said
}

/// A claim that is a text of some length, if it is there.
fn text(claims: &Claims, name: &str) -> Result<Option<Box<str>>, Reason> {
    let Some(raw) = claims.raw(name) else { return Ok(None) };
    let text = json::string(raw).filter(|text| (1..=LONGEST).contains(&text.len()));
    text.map(|text| Some(text.into())).ok_or(Reason::ClaimFormatInvalid)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn judged(changes: &Value) -> Result<LogoutToken, Reason> {
        let now = NOW.seconds();
        let mut claims = json!({
            "iss": "https://a.example", "aud": "us", "iat": now, "exp": now + 120, "jti": "1",
            "sub": "alice", "sid": "s-1", "events": { EVENT: {} },
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let payload = Payload::parse(claims.to_string()).unwrap();
        judge(payload, "https://a.example".into(), "us", Duration::ZERO, NOW)
    }

    #[test]
    fn a_session_is_named_before_a_person_and_a_person_only_until_now() {
        let one = judged(&json!({})).unwrap();
        assert_eq!((one.entry.claim, &*one.entry.value), (Claim::Sid, "s-1"));
        assert_eq!(one.entry.issued_before, None);
        let all = judged(&json!({ "sid": null })).unwrap();
        assert_eq!((all.entry.claim, &*all.entry.value), (Claim::Sub, "alice"));
        assert_eq!(all.entry.issued_before, Some(NOW.seconds()));
        assert_eq!(all.entry.issuer.as_deref(), Some("https://a.example"));
        assert!(judged(&json!({ "sub": null, "exp": null, "aud": ["other", "us"] })).is_ok());
    }

    #[test]
    fn each_claim_that_is_not_as_it_must_be_is_told() {
        let now = NOW.seconds();
        for (changes, reason) in [
            (json!({ "iat": null }), Reason::ClaimMissing),
            (json!({ "iat": "1" }), Reason::ClaimFormatInvalid),
            (json!({ "iat": now - 600 }), Reason::TokenExpired),
            (json!({ "iat": now + 61 }), Reason::IssuedInFuture),
            (json!({ "exp": now }), Reason::TokenExpired),
            (json!({ "nbf": now + 1 }), Reason::TokenNotYetValid),
            (json!({ "aud": null }), Reason::ClaimMissing),
            (json!({ "aud": "them" }), Reason::AudienceWrong),
            (json!({ "aud": [] }), Reason::AudienceWrong),
            (json!({ "aud": ["us", 1] }), Reason::ClaimFormatInvalid),
            (json!({ "aud": { "us": 1 } }), Reason::ClaimFormatInvalid),
            (json!({ "nonce": "n" }), Reason::ClaimValueWrong),
            (json!({ "events": null }), Reason::ClaimMissing),
            (json!({ "events": {} }), Reason::ClaimValueWrong),
            (json!({ "events": EVENT }), Reason::ClaimValueWrong),
            (json!({ "events": [EVENT] }), Reason::ClaimValueWrong),
            (json!({ "events": { EVENT: true } }), Reason::ClaimValueWrong),
            (json!({ "jti": null }), Reason::ClaimMissing),
            (json!({ "jti": 7 }), Reason::ClaimFormatInvalid),
            (json!({ "jti": "" }), Reason::ClaimFormatInvalid),
            (json!({ "sub": null, "sid": null }), Reason::ClaimMissing),
            (json!({ "sid": "" }), Reason::ClaimFormatInvalid),
            (json!({ "sid": 1 }), Reason::ClaimFormatInvalid),
            (json!({ "sub": ["alice"] }), Reason::ClaimFormatInvalid),
            (json!({ "sid": "s".repeat(LONGEST + 1) }), Reason::ClaimFormatInvalid),
        ] {
            assert_eq!(judged(&changes), Err(reason), "{changes}");
        }
        assert!(judged(&json!({ "iat": now - 599, "exp": null })).is_ok());
        assert!(judged(&json!({ "iat": now + 60 })).is_ok());
    }
}
