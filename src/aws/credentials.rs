//! The credentials that signatures are verified with: those of the file.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::iam_policy::Policy;
use crate::config::model;

/// Credentials by access key id.
#[derive(Debug, Default)]
pub struct Credentials(HashMap<Box<str>, Arc<Credential>>);

/// A key, and whose it is.
pub struct Credential {
    /// Public: it stands in every request.
    pub access_key_id: Box<str>,
    /// `AWS4` and the secret, which is what keys are derived from.
    pub(super) secret: Box<[u8]>,
    /// Goes with each request, where the credentials are temporary.
    pub(super) session_token: Option<Box<str>>,
    /// Whose they are: `arn:aws:iam::123456789012:user/batch`.
    pub arn: Box<str>,
    /// The account of that ARN.
    pub account: Box<str>,
    /// AWS's id of the user or role; the access key's where the file names none.
    pub user_id: Box<str>,
    /// What it may do.
    pub policies: Box<[Policy]>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("arn", &self.arn).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Makes the file's ready.
    #[must_use]
    pub fn compile(credentials: &[model::AwsCredential]) -> Self {
        let compiled = credentials.iter().map(|given| {
            let access_key_id: Box<str> = given.access_key_id.as_str().into();
            let credential = Credential {
                secret: format!("AWS4{}", given.secret_access_key.expose()).into_bytes().into(),
                session_token: given.session_token.as_ref().map(|token| token.expose().into()),
                arn: given.arn.as_str().into(),
                account: given.account().into(),
                user_id: given.user_id.as_deref().unwrap_or(&access_key_id).into(),
                access_key_id: access_key_id.clone(),
                policies: given.policies.clone().into(),
            };
            (access_key_id, Arc::new(credential))
        });
        Self(compiled.collect())
    }

    /// The credential of an access key id.
    #[must_use]
    pub fn find(&self, access_key_id: &str) -> Option<&Arc<Credential>> {
        self.0.get(access_key_id)
    }
}
