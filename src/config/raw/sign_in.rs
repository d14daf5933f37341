//! `authenticate_cognito`, `authenticate_oidc` and `sign_out` as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, List, Table};
use crate::config::units::DurationText;

/// Browsers sign in at the user pool, and come back with a session in a sealed cookie.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["user_pool"]))]
pub(in crate::config) struct Authenticate {
    /// The pool where people sign in. `authenticate_cognito`: one with a `domain`.
    /// `authenticate_oidc`: one with `authorization_endpoint` and `token_endpoint`. Both: with a
    /// `client_id`.
    pub(in crate::config) user_pool: Field<String>,
    /// Scopes to ask for, separated by spaces; `openid` among them. Default: `openid`.
    #[schemars(example = &"openid email profile")]
    pub(in crate::config) scope: Field<String>,
    /// What the session's cookies are called; `-0`, `-1` and so on follow. Rules with the same name
    /// share a session. A name that begins with `__Host-` keeps sibling domains from setting it.
    /// Default: `AWSELBAuthSessionCookie`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_.-]+$"))]
    pub(in crate::config) session_cookie_name: Field<String>,
    /// From signing in until one must sign in again: `1s` to `168h`. Default: `168h`.
    pub(in crate::config) session_timeout: Field<DurationText>,
    /// What happens to a request without a session. Default: `authenticate`.
    pub(in crate::config) on_unauthenticated_request: Field<OnUnauthenticatedRequest>,
    /// What a script (`fetch`, `XMLHttpRequest`), a gRPC call or a WebSocket without a session gets
    /// where a page would be sent to sign in. Default: `deny`.
    pub(in crate::config) on_unauthenticated_script: Field<OnUnauthenticatedScript>,
    /// Added to the query of the authorization request, 10 at most.
    pub(in crate::config) authentication_request_extra_params: Field<Table<String>>,
    /// Whether the session's cookies reach the target. Default: `false`.
    pub(in crate::config) forward_session_cookies: Field<bool>,
}

/// How `x-amzn-oidc-data` is signed. Its keys are published under
/// `/.well-known/portcullis/oidc-data-keys/` on each listener where people sign in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct OidcData {
    /// What it says of its signer, in the shape of a load balancer's ARN: give AWS's verifier the
    /// same. Default: `arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/portcullis/0000000000000000`.
    pub(in crate::config) signer: Field<String>,
    /// How often a new signing key takes over: `1m` to `720h`. Default: `24h`.
    pub(in crate::config) rotation: Field<DurationText>,
    /// Private keys (P-256, PEM) to share between gateways, instead of keys of this process's own.
    /// The first signs; all are published.
    #[schemars(length(min = 1))]
    pub(in crate::config) signing_keys: Field<List<super::SecretText>>,
}

/// What happens to a request without a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum OnUnauthenticatedRequest {
    /// The browser is sent to the user pool.
    Authenticate,
    /// It goes on without an identity.
    Allow,
    /// 401.
    Deny,
}

/// What happens to a script without a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum OnUnauthenticatedScript {
    /// 401, which a script can understand.
    Deny,
    /// 302 to the user pool, as ALB does.
    Authenticate,
}

/// Ends a session: its cookies and its refresh token go, and the browser is sent to the user pool
/// to sign out there too.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["user_pool", "redirect_to"]))]
pub(in crate::config) struct SignOut {
    /// The pool that the session is of.
    pub(in crate::config) user_pool: Field<String>,
    /// The name of the session's cookies. Default: `AWSELBAuthSessionCookie`.
    pub(in crate::config) session_cookie_name: Field<String>,
    /// Absolute URLs where one may land afterwards, registered with the pool as sign-out URLs. The
    /// first is the default; a request chooses another with `?redirect_to=`.
    #[schemars(length(min = 1), example = ["https://www.example.com/bye"])]
    pub(in crate::config) redirect_to: Field<List<String>>,
}
