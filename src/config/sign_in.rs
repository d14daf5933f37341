//! Signing in (alb.md 7): where a user pool has its endpoints, and what rules ask of browsers.

use std::sync::Arc;
use std::time::Duration;

use super::model::{PoolIndex, Secret};
use super::signing_key::SigningKey;

/// Name of the session's cookies, unless the file says otherwise.
pub const DEFAULT_COOKIE: &str = "AWSELBAuthSessionCookie";

/// What `signer` of `x-amzn-oidc-data` says, unless the file says otherwise.
pub const DEFAULT_SIGNER: &str = "arn:aws:elasticloadbalancing:us-east-1:000000000000:\
                                  loadbalancer/app/portcullis/0000000000000000";

/// How a user pool signs people in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Where browsers are sent.
    pub authorization_endpoint: Arc<str>,
    /// Where codes and refresh tokens are redeemed.
    pub token_endpoint: Arc<str>,
    /// Where claims are; absent: they are those of the ID token.
    pub user_info_endpoint: Option<Arc<str>>,
    /// Where refresh tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<Arc<str>>,
    /// Where browsers sign out.
    pub logout: Option<Logout>,
    /// Who we are.
    pub client_id: Arc<str>,
    /// What proves it; absent: a public client.
    pub client_secret: Option<Secret>,
    /// How it is proved.
    pub client_authentication: ClientAuthentication,
    /// Whether codes are bound to who asked for them (RFC 7636). Default true.
    pub pkce: bool,
    /// Whether ID tokens are (OpenID Connect Core 3.1.2.1). Default true.
    pub nonce: bool,
    /// Whether the issuer may end sessions by itself (Back-Channel Logout). Default false.
    pub back_channel_logout: bool,
}

/// How the client proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientAuthentication {
    /// `client_secret_basic`, the default.
    #[default]
    Basic,
    /// `client_secret_post`.
    Post,
}

/// Where browsers sign out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logout {
    /// Cognito: `client_id` and `logout_uri`.
    Cognito(Arc<str>),
    /// OpenID Connect RP-Initiated Logout: `client_id` and `post_logout_redirect_uri`.
    Oidc(Arc<str>),
}

/// `authenticate_cognito:` and `authenticate_oidc:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// Where one signs in; it has a [`Provider`].
    pub pool: PoolIndex,
    /// Scopes that are asked for. Default `openid`.
    pub scope: String,
    /// What the cookies are called.
    pub session_cookie_name: Arc<str>,
    /// How long a session lasts from signing in. Default 7 days.
    pub session_timeout: Duration,
    /// What happens without a session.
    pub on_unauthenticated_request: OnUnauthenticatedRequest,
    /// Whether scripts are sent to sign in like pages. Default false.
    pub redirects_scripts: bool,
    /// Added to the authorization request.
    pub extra_params: Vec<(String, String)>,
    /// Whether the session's cookies reach the target. Default false.
    pub forward_session_cookies: bool,
}

/// `on_unauthenticated_request:`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnUnauthenticatedRequest {
    /// To the user pool, the default.
    #[default]
    Authenticate,
    /// On, without an identity.
    Allow,
    /// 401.
    Deny,
}

/// `oidc_data:`
#[derive(Debug, Clone, PartialEq)]
pub struct OidcData {
    /// What `signer` says: the shape of a load balancer's ARN.
    pub signer: Arc<str>,
    /// How often a new key takes over, when there are no given ones. Default 24 h.
    pub rotation: Duration,
    /// Given keys, the first of which signs; empty for keys of the process's own.
    pub signing_keys: Vec<SigningKey>,
}

impl Default for OidcData {
    fn default() -> Self {
        Self {
            signer: DEFAULT_SIGNER.into(),
            rotation: Duration::from_secs(24 * 3600),
            signing_keys: Vec::new(),
        }
    }
}

/// `sign_out:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOut {
    /// Whose session ends.
    pub pool: PoolIndex,
    /// What the cookies are called.
    pub session_cookie_name: Arc<str>,
    /// Where one may land, the default first; never empty.
    pub redirect_to: Vec<String>,
}
