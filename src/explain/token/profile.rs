//! Which claims a profile demands, and of what type.

use serde_json::{Map, Value};

use super::shown::is_texts;
use crate::config::model::{Profile, UserPool};

/// Whether its tokens have Cognito's claims.
pub(super) fn is_cognito(pool: &UserPool) -> bool {
    pool.profile == Profile::Cognito
}

/// The first claim that a profile demands and that is absent or of another type.
pub(super) fn first_unfit(
    claims: &Map<String, Value>,
    profile: Profile,
) -> Option<(&'static str, &'static str)> {
    type Fits = fn(&Value) -> bool;
    let text: (&str, Fits) = ("text", Value::is_string);
    let subject: (&str, Fits) = ("text, not empty", |v| v.as_str().is_some_and(|s| !s.is_empty()));
    let number: (&str, Fits) = ("a number", Value::is_number);
    let texts: (&str, Fits) = ("a list of texts", is_texts);
    let audience: (&str, Fits) = ("text, or a list of texts", |v| v.is_string() || is_texts(v));
    let token_use: (&str, Fits) = ("access or id", |v| matches!(v.as_str(), Some("access" | "id")));
    let is_id = claims.get("token_use").and_then(Value::as_str) == Some("id");
    let (cognito, rfc9068) = (profile == Profile::Cognito, profile == Profile::Rfc9068);
    let access = cognito && !is_id;
    let rules = [
        ("exp", true, number),
        ("nbf", false, number),
        ("iat", cognito || rfc9068, number),
        ("sub", true, subject),
        ("jti", rfc9068, text),
        ("username", false, text),
        ("aud", cognito && is_id, if cognito && is_id { text } else { audience }),
        ("scope", false, text),
        ("token_use", cognito, if cognito { token_use } else { ("anything", |_| true) }),
        (
            "client_id",
            access || rfc9068,
            if cognito && is_id { ("anything", |_| true) } else { text },
        ),
        ("cognito:groups", false, if cognito { texts } else { ("anything", |_| true) }),
    ];
    rules.into_iter().find_map(|(name, is_needed, (wanted, fits))| {
        let is_fit = claims.get(name).map_or(!is_needed, fits);
        (!is_fit).then_some((name, wanted))
    })
}
