//! Why the pool says no, in the words of Cognito's API, of its token endpoint, and of whoever
//! starts it.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::random::NoRandomness;

/// Why the pool cannot be built, started or sign.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The address can be reached from other machines.
    #[error(
        "the development user pool listens on loopback only, and {0} is not: \
         use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The id does not look like a user pool id.
    #[error("`{0}` is no user pool id: expected something like eu-west-1_DevPool01")]
    PoolId(String),
    /// The port is taken or may not be used.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key file cannot be read or written.
    #[error("cannot {what} the signing key {}: {source}", path.display())]
    KeyFile {
        /// `read` or `write`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key file holds something else.
    #[error("{} is not an RSA key of 2048 bits in PKCS#8; delete it to have a new one made", .0.display())]
    KeyContent(PathBuf),
    /// A key could not be made or used.
    #[error("the crypto library refused to make or use a key")]
    Crypto,
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The server ended with an error.
    #[error("the development user pool stopped: {0}")]
    Serve(std::io::Error),
}

/// What the `AWSCognitoIdentityProviderService` API answers instead of a result. The texts are
/// those that Cognito's clients and search engines know.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// An operation that Cognito has and this pool has not, or that nobody has.
    #[error("the development user pool has no operation {0}")]
    UnknownOperation(String),
    /// The body is not the JSON that the operation wants.
    #[error("{0}")]
    Serialization(String),
    /// A member is missing.
    #[error(
        "1 validation error detected: Value null at '{0}' failed to satisfy constraint: \
         Member must not be null"
    )]
    MissingMember(&'static str),
    /// A parameter of the flow is missing.
    #[error("Missing required parameter {0}")]
    MissingParameter(&'static str),
    /// A flow that does not exist here.
    #[error("the development user pool has no auth flow {0}")]
    UnknownFlow(String),
    /// The client may not use the flow.
    #[error("{0} flow not enabled for this client")]
    FlowNotEnabled(&'static str),
    /// No such client.
    #[error("User pool client {0} does not exist.")]
    UnknownClient(String),
    /// Wrong password, or no such user: the same answer for both.
    #[error("Incorrect username or password.")]
    WrongPassword,
    /// Too many wrong passwords; wait.
    #[error("Password attempts exceeded")]
    AttemptsExceeded,
    /// A confidential client did not prove itself.
    #[error("Client {0} is configured with secret but SECRET_HASH was not received")]
    SecretHashMissing(String),
    /// It proved something else.
    #[error("Unable to verify secret hash for client {0}")]
    SecretHashWrong(String),
    /// `RevokeToken` with a wrong client secret.
    #[error("Invalid client secret")]
    ClientSecretWrong,
    /// Not a refresh token of this client.
    #[error("Invalid Refresh Token")]
    RefreshTokenInvalid,
    /// Too old.
    #[error("Refresh Token has expired")]
    RefreshTokenExpired,
    /// Revoked.
    #[error("Refresh Token has been revoked")]
    RefreshTokenRevoked,
    /// Another one has taken its place.
    #[error("Refresh Token has been used already")]
    RefreshTokenReused,
    /// An access or ID token where a refresh token was asked for.
    #[error("Unsupported token type")]
    UnsupportedTokenType,
    /// Not an access token of this pool.
    #[error("Invalid Access Token")]
    AccessTokenInvalid,
    /// Too old.
    #[error("Access Token has expired")]
    AccessTokenExpired,
    /// Its session was revoked.
    #[error("Access Token has been revoked")]
    AccessTokenRevoked,
    /// It lacks [`super::SIGN_IN_SCOPE`].
    #[error("Access Token does not have required scopes")]
    AccessTokenScopes,
    /// Keys or randomness failed us.
    #[error("internal error")]
    Internal,
}

impl ApiError {
    /// The name that goes into `__type` and `x-amzn-ErrorType`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnknownOperation(_) => "UnknownOperationException",
            Self::Serialization(_) => "SerializationException",
            Self::MissingMember(_)
            | Self::MissingParameter(_)
            | Self::UnknownFlow(_)
            | Self::FlowNotEnabled(_) => "InvalidParameterException",
            Self::UnknownClient(_) => "ResourceNotFoundException",
            Self::UnsupportedTokenType => "UnsupportedTokenTypeException",
            Self::ClientSecretWrong => "UnauthorizedException",
            Self::RefreshTokenReused => "RefreshTokenReuseException",
            Self::Internal => "InternalErrorException",
            _ => "NotAuthorizedException",
        }
    }

    /// 400, or 500 for our own fault.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if matches!(self, Self::Internal) { 500 } else { 400 }
    }
}

/// Why a browser is shown a page instead of being sent back: where to is just what is not certain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// A parameter that cannot be done without.
    #[error("The request has no {0}, or more than one.")]
    Missing(&'static str),
    /// No such client.
    #[error("There is no client {0} in this user pool.")]
    UnknownClient(String),
    /// Not one of the client's.
    #[error("{given} is not one of the {key} of the client, which are compared byte for byte.")]
    UrlMismatch {
        /// What the request named.
        given: String,
        /// `callback_urls` or `logout_urls`.
        key: &'static str,
    },
    /// Longer, or of more parameters, than anything the endpoint knows.
    #[error("The request is too long.")]
    TooLong,
    /// The form came from elsewhere, or its page is no longer known.
    #[error("This form was not sent by our own page, or it is too old. Go back and try again.")]
    Forgery,
    /// Not a form, or not what the page sends.
    #[error("The form cannot be read.")]
    Form,
    /// Keys or randomness failed us.
    #[error("Something went wrong here.")]
    Internal,
}

impl PageError {
    /// The error code to look up.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::TooLong | Self::Form => "invalid_request",
            Self::UnknownClient(_) => "invalid_client",
            Self::UrlMismatch { .. } => "redirect_mismatch",
            Self::Forgery => "invalid_csrf_token",
            Self::Internal => "server_error",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Forgery => 403,
            Self::Internal => 500,
            _ => 400,
        }
    }
}

/// What OAuth endpoints answer instead of tokens or a code (RFC 6749, sections 4.1.2.1 and 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// A parameter is missing, doubled or malformed.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// Unknown client, wrong or missing secret.
    #[error("the client is unknown or its secret is wrong")]
    InvalidClient,
    /// The code or refresh token is unknown, old, revoked, used or another client's.
    #[error("the code or refresh token is not valid")]
    InvalidGrant,
    /// The code was asked for with another `redirect_uri`.
    #[error("invalid_redirect")]
    InvalidRedirect,
    /// `prompt=none`, and the user would have to do something.
    #[error("the user is not signed in")]
    LoginRequired,
    /// The client may not use this grant.
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    /// Not one of ours.
    #[error("the grant types are authorization_code, client_credentials and refresh_token")]
    UnsupportedGrantType,
    /// A scope that the client has not.
    #[error("the client does not have this scope")]
    InvalidScope,
    /// An access or ID token was sent to be revoked (RFC 7009).
    #[error("only refresh tokens can be revoked")]
    UnsupportedTokenType,
    /// Keys or randomness failed us.
    #[error("the pool cannot sign")]
    ServerError,
}

impl OAuthError {
    /// The `error` member.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            // Cognito's word for a changed redirect_uri too; others say invalid_grant.
            Self::UnauthorizedClient | Self::InvalidRedirect => "unauthorized_client",
            Self::LoginRequired => "login_required",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::ServerError => "server_error",
        }
    }
}

/// Both ways of failing to sign are the same to a caller of the API.
impl From<PoolError> for ApiError {
    fn from(_: PoolError) -> Self {
        Self::Internal
    }
}

impl From<NoRandomness> for ApiError {
    fn from(_: NoRandomness) -> Self {
        Self::Internal
    }
}

impl From<PoolError> for OAuthError {
    fn from(_: PoolError) -> Self {
        Self::ServerError
    }
}

impl From<NoRandomness> for OAuthError {
    fn from(_: NoRandomness) -> Self {
        Self::ServerError
    }
}
