//! Who asked, as far as it may be kept.

use std::collections::BTreeSet;

use ::http::HeaderMap;
use ::http::header::{AUTHORIZATION, COOKIE};
use serde_json::{Map, Value};

use super::shape::Caller;
use crate::auth::{self, VerifiedToken};
use crate::engine::{Decision, Reason};
use crate::sign_in::Outcome;

/// Claims that verification and demands look at in any file.
const DECIDING: [&str; 7] =
    ["iss", "aud", "client_id", "token_use", "scope", "scp", "cognito:groups"];
/// Groups of issuers that are not Cognito's.
const GROUPS: &str = "groups";
/// A claim's value of more bytes is not kept.
const LONGEST_CLAIM: usize = 2048;

/// Who asked; `wanted` are more claims whose values are kept.
pub(super) fn caller(
    decision: Option<&Decision>,
    headers: &HeaderMap,
    wanted: &[&BTreeSet<String>],
) -> Caller {
    let Some(decision) = decision else { return unasked(headers) };
    if let Some(identity) = &decision.identity {
        let claims = claims(&identity.token, wanted);
        return match decision.session {
            Some(_) => Caller::Session { claims },
            None => Caller::Token { claims },
        };
    }
    match decision.reason {
        Reason::Auth(auth::Reason::TokenMissing | auth::Reason::SchemeNotBearer)
        | Reason::SignIn(Outcome::Begun | Outcome::SessionMissing | Outcome::ScriptRefused) => {
            Caller::None
        }
        Reason::Auth(why) => Caller::Refused { why: why.as_str().to_owned() },
        Reason::Signature(why) => Caller::Refused { why: why.to_owned() },
        _ => unasked(headers),
    }
}

fn unasked(headers: &HeaderMap) -> Caller {
    let has_one = headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE);
    if has_one { Caller::Unjudged } else { Caller::None }
}

fn claims(token: &VerifiedToken, wanted: &[&BTreeSet<String>]) -> Map<String, Value> {
    let is_wanted = |name: &str| {
        DECIDING.contains(&name) || name == GROUPS || wanted.iter().any(|set| set.contains(name))
    };
    let value = |name: &str| {
        let raw = token.claims().raw(name).filter(|raw| raw.len() <= LONGEST_CLAIM)?;
        serde_json::from_str(raw).ok()
    };
    let kept = |name: &str| {
        let value = if is_wanted(name) { value(name) } else { None };
        (name.to_owned(), value.unwrap_or(Value::Null))
    };
    token.claims().names().map(kept).collect()
}
