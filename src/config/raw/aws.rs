//! `aws_credentials:` as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretText;
use crate::config::field::{Field, List};
use crate::config::literal::Literal;

/// Credentials that requests to routes with `authorizer: aws_iam` are signed with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["access_key_id", "secret_access_key", "arn"]))]
pub(in crate::config) struct AwsCredential {
    /// Stands in every request that is signed with it.
    #[schemars(example = &"AKIAIOSFODNN7EXAMPLE")]
    pub(in crate::config) access_key_id: Field<String>,
    /// The secret, as `${env:NAME}` or `${file:PATH}`.
    pub(in crate::config) secret_access_key: Field<SecretText>,
    /// Of temporary credentials: what `X-Amz-Security-Token` must be, as `${env:NAME}` or
    /// `${file:PATH}`.
    pub(in crate::config) session_token: Field<SecretText>,
    /// Whose they are.
    #[schemars(example = &"arn:aws:iam::123456789012:user/batch")]
    pub(in crate::config) arn: Field<String>,
    /// What targets may be told as `$context.identity.user`. Default: the access key id.
    pub(in crate::config) user_id: Field<String>,
    /// What they may do: IAM policy documents. What none of them allows is denied.
    pub(in crate::config) policies: Field<List<Literal>>,
}
