//! What a service has answered: who may come, and what targets may be told of it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Unjudged;
use crate::config::iam_policy::{Facts, Kind, Policy, Verdict};
use crate::config::model::{EventFormat, RequestAuthorizer};

/// A good answer.
pub struct Judged {
    says: Says,
    principal_id: Option<String>,
    context: Map<String, Value>,
    weight: usize,
}

enum Says {
    Simply(bool),
    Policy(Policy),
}

/// As it comes. A member that stands twice is an error; ones that nobody knows are left alone, as
/// Lambda functions answer with what they like.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    is_authorized: Option<bool>,
    principal_id: Option<String>,
    policy_document: Option<Box<RawValue>>,
    context: Option<Map<String, Value>>,
    error_message: Option<String>,
}

impl Judged {
    /// A service says `Unauthorized` by status 401, or as Lambda reports that error.
    pub(super) fn read(
        settings: &RequestAuthorizer,
        status: u16,
        body: &[u8],
    ) -> Result<Self, Unjudged> {
        match status {
            200 => {}
            401 => return Err(Unjudged::Unauthorized),
            _ => return Err(Unjudged::Failed),
        }
        let raw: Raw = serde_json::from_slice(body).map_err(|_| Unjudged::Malformed)?;
        match raw.error_message.as_deref() {
            None => {}
            Some("Unauthorized") => return Err(Unjudged::Unauthorized),
            Some(_) => return Err(Unjudged::Failed),
        }
        let is_rest = matches!(settings.event, EventFormat::RestRequest | EventFormat::RestToken);
        let says = if settings.has_simple_responses {
            Says::Simply(raw.is_authorized.ok_or(Unjudged::Malformed)?)
        } else {
            let document = raw.policy_document.ok_or(Unjudged::Malformed)?;
            let policy = Policy::parse(document.get(), Kind::Caller);
            Says::Policy(policy.map_err(|_| Unjudged::Malformed)?)
        };
        if is_rest && raw.principal_id.is_none() {
            return Err(Unjudged::Malformed);
        }
        let context = raw.context.unwrap_or_default();
        let is_flat = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
        // `claims` would pass for those of a verified token.
        if context.contains_key("claims") || (is_rest && !context.values().all(is_flat)) {
            return Err(Unjudged::Malformed);
        }
        let policy = match &says {
            Says::Simply(_) => 0,
            Says::Policy(policy) => policy.weight(),
        };
        // A text is read into no more than a few times its length.
        let weight = size_of::<Self>() + policy + 4 * body.len();
        Ok(Self { says, principal_id: raw.principal_id, context, weight })
    }

    pub(super) fn verdict(&self, action: &str, arn: &str, facts: &Facts<'_>) -> Verdict {
        match &self.says {
            Says::Simply(true) => Verdict::Allow,
            Says::Simply(false) => Verdict::Silent,
            Says::Policy(policy) => policy.evaluate(action, arn, facts),
        }
    }

    /// `$context.authorizer.KEY`: numbers as they were written, lists and objects as JSON. Nothing
    /// where there is none, or `null`.
    pub(in crate::api) fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        match (self.context.get(key), key) {
            (_, "principalId") => self.principal_id.as_deref().map(Cow::Borrowed),
            (None | Some(Value::Null), _) => None,
            (Some(Value::String(text)), _) => Some(text.as_str().into()),
            (Some(other), _) => Some(other.to_string().into()),
        }
    }

    pub(super) const fn weight(&self) -> usize {
        self.weight
    }
}

impl std::fmt::Debug for Judged {
    /// What a service says of a caller is not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Judged")
    }
}
