//! `aws_credentials:`

use std::collections::HashMap;

use super::Judge;
use super::pattern::Refusal;
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned, Table};
use crate::config::iam_policy::{Kind, Policy};
use crate::config::model::AwsCredential;
use crate::config::raw;

/// Most credentials of a file.
const MOST: usize = 1000;
/// Most policies of one (IAM's quota of a user is ten managed ones).
const MOST_POLICIES: usize = 10;

impl Judge<'_> {
    /// The credentials that are right; those that are not are told.
    pub(super) fn aws_credentials(
        &mut self,
        raw: &Field<Table<raw::AwsCredential>>,
    ) -> Vec<AwsCredential> {
        let Some(table) = raw.given() else { return Vec::new() };
        if let Some((name, _)) = table.value.entries.get(MOST) {
            let message = format!("more than {MOST} credentials");
            self.report(Diagnostic::error("out-of-range", name.span, message));
            return Vec::new();
        }
        let mut seen: HashMap<&str, Span> = HashMap::new();
        let mut credentials = Vec::new();
        for (name, entry) in &table.value.entries {
            self.check_name("credential", name);
            let Some(entry) = entry else { continue };
            if let Some(id) = entry.access_key_id.given()
                && let Some(first) = seen.insert(&id.value, id.span)
            {
                let message = "two credentials have this access key id";
                self.report(
                    Diagnostic::error("duplicate-access-key", id.span, message)
                        .related(first, "the other one"),
                );
            }
            credentials.extend(self.aws_credential(name, entry));
        }
        credentials
    }

    fn aws_credential(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::AwsCredential,
    ) -> Option<AwsCredential> {
        let id = self.demand(&raw.access_key_id, name.span, "access_key_id");
        let id =
            id.and_then(|id| self.accept("invalid-access-key", id.span, access_key_id(&id.value)));
        let secret = self.demand(&raw.secret_access_key, name.span, "secret_access_key");
        let secret = secret.and_then(|secret| self.secret(secret));
        let session_token = match raw.session_token.given() {
            Some(token) => Some(self.secret(token)?),
            None => None,
        };
        let arn = self.demand(&raw.arn, name.span, "arn");
        let arn = arn.and_then(|arn| self.accept("invalid-arn", arn.span, arn_of(&arn.value)));
        let user_id = match raw.user_id.given() {
            Some(id) => Some(self.plain("user_id", id)?.to_owned()),
            None => None,
        };
        let mut policies = Vec::new();
        if let Some(list) = raw.policies.given() {
            if let Some(item) = list.value.items.get(MOST_POLICIES) {
                let message = format!("more than {MOST_POLICIES} policies");
                self.report(Diagnostic::error("out-of-range", item.span, message));
            }
            for item in &list.value.items {
                policies.extend(self.policy(item.span, &item.value.0, Kind::Caller));
            }
        }
        Some(AwsCredential {
            name: name.value.as_str().into(),
            access_key_id: id?,
            secret_access_key: secret?,
            session_token,
            arn: arn?,
            user_id,
            policies,
        })
    }

    /// An IAM policy document that is written in the file.
    pub(super) fn policy(
        &mut self,
        place: Span,
        document: &serde_json::Value,
        kind: Kind<'_>,
    ) -> Option<Policy> {
        let policy = Policy::parse(&document.to_string(), kind).map_err(|why| Refusal {
            // Its lines are not the file's.
            message: why.to_string().split(" at ").next().unwrap_or_default().to_owned(),
            help: Some("`Statement: [{ Effect, Action: execute-api:Invoke, Resource }]`".into()),
        });
        self.accept("invalid-policy", place, policy)
    }
}

/// As AWS makes them, and nothing that could be taken for another part of a signature's scope.
fn access_key_id(text: &str) -> Result<String, Refusal> {
    let is_good = (16..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_good {
        return Ok(text.to_owned());
    }
    Err(Refusal {
        message: "this is no access key id".to_owned(),
        help: Some("16 to 128 letters, digits and `_`".to_owned()),
    })
}

fn arn_of(text: &str) -> Result<String, Refusal> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let is_good = match parts.as_slice() {
        ["arn", partition, "iam" | "sts", "", account, resource] => {
            !partition.is_empty()
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && !resource.is_empty()
                && text.len() <= 2048
                && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
        }
        _ => false,
    };
    if is_good {
        return Ok(text.to_owned());
    }
    Err(Refusal {
        message: "this is not the ARN of a user or of an assumed role".to_owned(),
        help: Some("such as `arn:aws:iam::123456789012:user/batch`".to_owned()),
    })
}
