//! What comes of signing in: the closed list of log, metric and answer (alb.md 7.11).

/// Why nobody was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// The callback has no `state`.
    #[error("the callback has no state")]
    StateMissing,
    /// It is none of ours, too old, of another host, or was used before.
    #[error("the callback's state is not good")]
    StateInvalid,
    /// The browser has no nonce cookie: it is not the one that began.
    #[error("the browser has no nonce cookie")]
    NonceMissing,
    /// It has another one.
    #[error("the browser has another nonce cookie")]
    NonceInvalid,
    /// There is no `code`: the user pool refused.
    #[error("the user pool gave no code")]
    CodeMissing,
    /// The callback says that it comes from another issuer (RFC 9207).
    #[error("the callback is of another issuer")]
    IssuerWrong,
    /// There is no `Host` to come back to.
    #[error("there is no host to come back to")]
    HostMissing,
    /// The code or the refresh token is spent, unknown or revoked.
    #[error("the user pool does not know the grant")]
    GrantRefused,
    /// The token endpoint's answer is not one.
    #[error("the token endpoint's answer is malformed")]
    TokenResponseInvalid,
    /// There is no ID token, or it is not good.
    #[error("the ID token is not good")]
    IdTokenInvalid,
    /// The claims are not a JSON object with the same `sub`.
    #[error("the user info is not good")]
    UserInfoInvalid,
    /// The token endpoint refused.
    #[error("the token endpoint refused")]
    TokenEndpointFailed,
    /// The user info endpoint refused.
    #[error("the user info endpoint refused")]
    UserInfoFailed,
    /// The token endpoint did not answer within 5 s.
    #[error("the token endpoint did not answer in time")]
    TokenEndpointTimeout,
    /// The user info endpoint did not answer within 5 s.
    #[error("the user info endpoint did not answer in time")]
    UserInfoTimeout,
    /// Claims and tokens do not fit into cookies.
    #[error("claims and tokens are too large")]
    TooLarge,
    /// The browser comes back signed in again and again, without its session.
    #[error("the browser does not keep its session")]
    Loop,
    /// Who signed in is on the deny list.
    #[error("the caller is on the deny list")]
    Denied,
    /// A fault of ours, or keys that cannot be fetched.
    #[error("signing in failed")]
    Unhandled,
}

impl Failure {
    /// Every failure.
    pub const ALL: [Self; 19] = [
        Self::StateMissing,
        Self::StateInvalid,
        Self::NonceMissing,
        Self::NonceInvalid,
        Self::CodeMissing,
        Self::IssuerWrong,
        Self::HostMissing,
        Self::GrantRefused,
        Self::TokenResponseInvalid,
        Self::IdTokenInvalid,
        Self::UserInfoInvalid,
        Self::TokenEndpointFailed,
        Self::UserInfoFailed,
        Self::TokenEndpointTimeout,
        Self::UserInfoTimeout,
        Self::TooLarge,
        Self::Loop,
        Self::Denied,
        Self::Unhandled,
    ];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StateMissing => "state_missing",
            Self::StateInvalid => "state_invalid",
            Self::NonceMissing => "nonce_missing",
            Self::NonceInvalid => "nonce_invalid",
            Self::CodeMissing => "code_missing",
            Self::IssuerWrong => "callback_issuer_wrong",
            Self::HostMissing => "sign_in_host_missing",
            Self::GrantRefused => "grant_refused",
            Self::TokenResponseInvalid => "token_response_invalid",
            Self::IdTokenInvalid => "id_token_invalid",
            Self::UserInfoInvalid => "user_info_invalid",
            Self::TokenEndpointFailed => "token_endpoint_failed",
            Self::UserInfoFailed => "user_info_failed",
            Self::TokenEndpointTimeout => "token_endpoint_timeout",
            Self::UserInfoTimeout => "user_info_timeout",
            Self::TooLarge => "session_too_large",
            Self::Loop => "sign_in_loop",
            Self::Denied => "sign_in_denied",
            Self::Unhandled => "sign_in_failed",
        }
    }

    /// ALB's `error_reason`.
    #[must_use]
    pub const fn error_reason(self) -> &'static str {
        match self {
            Self::StateMissing => "AuthMissingStateParam",
            Self::StateInvalid | Self::IssuerWrong => "AuthInvalidStateParam",
            Self::NonceMissing => "AuthMissingAWSALBAuthNonce",
            Self::NonceInvalid => "AuthInvalidAWSALBAuthNonce",
            Self::CodeMissing => "AuthMissingCodeParam",
            Self::HostMissing => "AuthMissingHostHeader",
            Self::GrantRefused => "AuthInvalidGrantError",
            Self::TokenResponseInvalid => "AuthInvalidTokenResponse",
            Self::IdTokenInvalid => "AuthInvalidIdToken",
            Self::UserInfoInvalid => "AuthInvalidUserinfoResponse",
            Self::TokenEndpointFailed => "AuthTokenEpRequestFailed",
            Self::UserInfoFailed => "AuthUserinfoEpRequestFailed",
            Self::TokenEndpointTimeout => "AuthTokenEpRequestTimeout",
            Self::UserInfoTimeout => "AuthUserinfoEpRequestTimeout",
            Self::TooLarge => "AuthUserinfoResponseSizeExceeded",
            // ALB has no such list, and goes on for ever.
            Self::Denied | Self::Loop => "",
            Self::Unhandled => "AuthUnhandledException",
        }
    }

    /// The status that ALB gives.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TokenEndpointFailed | Self::UserInfoFailed => 561,
            Self::TokenEndpointTimeout
            | Self::UserInfoTimeout
            | Self::TooLarge
            | Self::Unhandled => 500,
            _ => 401,
        }
    }

    /// Which of ALB's metrics counts it.
    const fn result(self) -> &'static str {
        match self {
            Self::TooLarge => "claims_too_large",
            Self::TokenEndpointFailed
            | Self::UserInfoFailed
            | Self::TokenEndpointTimeout
            | Self::UserInfoTimeout
            | Self::HostMissing
            | Self::Unhandled => "error",
            _ => "failure",
        }
    }
}

/// What signing in, or its absence, made of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The browser is sent to the user pool.
    Begun,
    /// It came back, and has a session.
    SignedIn,
    /// Its session is over.
    SignedOut,
    /// There is no session, and the rule refuses.
    SessionMissing,
    /// There is no session, and a script cannot sign in.
    ScriptRefused,
    /// A sign-out that another site asked for.
    ForeignSignOut,
    /// An issuer ended a session, or all of a person.
    LoggedOut,
    /// Somebody wanted that who could not show a good logout token.
    LogoutRefused,
    /// The keys to judge one cannot be had now.
    LogoutUnavailable,
    /// The deny list took no more, or could not be kept.
    LogoutFailed,
    /// Signing in failed.
    Failed(Failure),
}

impl Outcome {
    /// Every outcome but the failures, which are [`Failure::ALL`].
    pub const ALL_BUT_FAILED: [Self; 10] = [
        Self::Begun,
        Self::SignedIn,
        Self::SignedOut,
        Self::SessionMissing,
        Self::ScriptRefused,
        Self::ForeignSignOut,
        Self::LoggedOut,
        Self::LogoutRefused,
        Self::LogoutUnavailable,
        Self::LogoutFailed,
    ];

    /// The label of log and decision record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "sign_in_begun",
            Self::SignedIn => "signed_in",
            Self::SignedOut => "signed_out",
            Self::SessionMissing => "session_missing",
            Self::ScriptRefused => "session_missing_script",
            Self::ForeignSignOut => "sign_out_foreign",
            Self::LoggedOut => "back_channel_logout",
            Self::LogoutRefused => "back_channel_logout_refused",
            Self::LogoutUnavailable => "back_channel_logout_unavailable",
            Self::LogoutFailed => "back_channel_logout_failed",
            Self::Failed(failure) => failure.as_str(),
        }
    }

    /// Which of [`SIGN_IN_RESULTS`](crate::telemetry::metrics::SIGN_IN_RESULTS) it is, if any.
    #[must_use]
    pub const fn result(self) -> Option<&'static str> {
        match self {
            Self::Begun => Some("begun"),
            Self::SignedIn => Some("success"),
            Self::SignedOut => Some("signed_out"),
            Self::Failed(failure) => Some(failure.result()),
            Self::SessionMissing
            | Self::ScriptRefused
            | Self::ForeignSignOut
            | Self::LoggedOut
            | Self::LogoutRefused
            | Self::LogoutUnavailable
            | Self::LogoutFailed => None,
        }
    }

    /// Whether somebody was kept out.
    #[must_use]
    pub const fn is_denial(self) -> bool {
        !matches!(self, Self::Begun | Self::SignedIn | Self::SignedOut | Self::LoggedOut)
    }
}
