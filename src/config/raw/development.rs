//! `development_user_pool:` as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, List, Table};
use crate::config::units::DurationText;

/// An embedded user pool for development: it signs real tokens, on loopback only.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["address", "user_pool_id"]))]
pub(in crate::config) struct DevelopmentUserPool {
    /// Loopback address and port. The issuer is `http://ADDRESS/USER_POOL_ID`.
    #[schemars(example = &"127.0.0.1:9902")]
    pub(in crate::config) address: Field<String>,
    /// Its pool id.
    #[schemars(example = &"us-east-1_DevPool01")]
    pub(in crate::config) user_pool_id: Field<String>,
    /// App clients, by client id.
    pub(in crate::config) clients: Field<Table<DevelopmentClient>>,
    /// Groups, by name.
    pub(in crate::config) groups: Field<Table<DevelopmentGroup>>,
    /// Users, by user name.
    pub(in crate::config) users: Field<Table<DevelopmentUser>>,
    /// Resource servers: an identifier and its scopes. A scope is asked for as `IDENTIFIER/NAME`.
    pub(in crate::config) resource_servers: Field<Table<List<String>>>,
    /// Life of access and ID tokens. Default: `1h`.
    pub(in crate::config) token_validity: Field<DurationText>,
}

/// An app client.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["grants"]))]
pub(in crate::config) struct DevelopmentClient {
    /// Makes the client a confidential one. Plain text is fine here: nothing is protected by it.
    #[schemars(with = "String")]
    pub(in crate::config) client_secret: Field<super::SecretText>,
    /// Scopes it may ask for: `IDENTIFIER/NAME`, `openid`, `email`, `phone`, `profile`.
    pub(in crate::config) scopes: Field<List<String>>,
    /// What it may do.
    #[schemars(length(min = 1))]
    pub(in crate::config) grants: Field<List<DevelopmentGrant>>,
    /// Where the sign-in page may send a browser with a code: each exactly as the application asks
    /// for it. `https`, or `http` to this machine, or an application's own scheme.
    #[schemars(example = &["http://localhost:8080/oauth2/idpresponse"])]
    pub(in crate::config) callback_urls: Field<List<String>>,
    /// Where `/logout` may send a browser, in the same form.
    #[schemars(example = &["http://localhost:8080/"])]
    pub(in crate::config) logout_urls: Field<List<String>>,
    /// Each refresh at `/oauth2/token` gives a new refresh token, and ends the old one. Default:
    /// a refresh token stays good for its 30 days.
    pub(in crate::config) refresh_token_rotation: Field<RefreshTokenRotation>,
}

/// How refresh tokens are replaced.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RefreshTokenRotation {
    /// How long the old one still works, for an answer that was lost: up to `60s`. Default: `0s`.
    pub(in crate::config) retry_grace_period: Field<DurationText>,
}

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum DevelopmentGrant {
    /// Sign-in on the pool's own page, and its code at `/oauth2/token`.
    AuthorizationCode,
    /// `client_credentials` at `/oauth2/token`.
    ClientCredentials,
    /// `InitiateAuth` with `USER_PASSWORD_AUTH`.
    UserPassword,
    /// Refresh.
    RefreshToken,
}

/// A group.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct DevelopmentGroup {
    /// Lower wins. Default: after all that have one.
    pub(in crate::config) precedence: Field<u64>,
    /// An IAM role for `cognito:roles`.
    pub(in crate::config) role: Field<String>,
}

/// A user.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["password"]))]
pub(in crate::config) struct DevelopmentUser {
    /// Plain text is fine here: nothing is protected by it.
    #[schemars(with = "String")]
    pub(in crate::config) password: Field<super::SecretText>,
    /// Names of groups.
    pub(in crate::config) groups: Field<List<String>>,
    /// `email`, `custom:team` and the like.
    pub(in crate::config) attributes: Field<Table<String>>,
}
