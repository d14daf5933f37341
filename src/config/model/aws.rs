//! `aws_credentials:` as it is meant.

use super::{Name, Secret};
use crate::config::iam_policy::Policy;

/// `aws_credentials: NAME:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCredential {
    /// The file's name for it.
    pub name: Name,
    /// Stands in every request that is signed with it; unique in the file.
    pub access_key_id: String,
    /// What signatures are made with.
    pub secret_access_key: Secret,
    /// What temporary credentials show beside a signature.
    pub session_token: Option<Secret>,
    /// Whose they are: `arn:aws:iam::123456789012:user/batch`.
    pub arn: String,
    /// AWS's id of the user or role.
    pub user_id: Option<String>,
    /// What they may do.
    pub policies: Vec<Policy>,
}

impl AwsCredential {
    /// The account of the ARN: `arn:PARTITION:SERVICE::ACCOUNT:...`.
    #[must_use]
    pub fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }
}
