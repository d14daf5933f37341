//! The closed list of refusals that are not about who is calling.

use crate::http::Malformed;

/// Why a request is answered by us although no rule said so. Refusals of credentials are
/// [`super::Challenge`]s; their reasons belong to `auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The head is refused before it means anything.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The head did not come in time, or the body stalled.
    #[error("the request did not come in time")]
    RequestTimeout,
    /// The body is longer than the listener allows.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// The body's framing is broken.
    #[error("the request body is malformed")]
    BodyMalformed,
    /// The host is not one that this TLS connection is for (RFC 9110 15.5.20).
    #[error("the host is not one of this connection")]
    MisdirectedHost,
    /// The listener demands a client certificate by now, and had not when this connection was made.
    #[error("the client was not verified on this connection")]
    UnverifiedClient,
    /// It is over a limit of its API or route.
    #[error("there were too many requests")]
    Throttled,
    /// The route asks for an API key, and there is none.
    #[error("there is no API key")]
    ApiKeyMissing,
    /// There is more than one, or no such key.
    #[error("the API key is not known")]
    ApiKeyUnknown,
    /// The file has switched the API key off.
    #[error("the API key is switched off")]
    ApiKeyDisabled,
    /// No usage plan opens the API for this API key.
    #[error("no usage plan opens the API for the API key")]
    ApiKeyUnattached,
    /// The quota of the API key's usage plan is used up.
    #[error("the quota of the API key is used up")]
    QuotaExceeded,
    /// The target group's protocol version cannot carry the request (alb.md 9.1).
    #[error("the target group cannot speak the client's protocol")]
    ProtocolMismatch,
    /// The redirect's location is over 8 KiB.
    #[error("the redirect's location is too long")]
    RedirectTooLong,
    /// A transform of the rule made what may not be sent.
    #[error("the rule's transform failed")]
    TransformFailed,
    /// The target group has no target, or all groups have weight 0.
    #[error("there is no target")]
    NoTarget,
    /// The targets, or their group, have as many requests as the file allows.
    #[error("the targets are busy")]
    TargetBusy,
    /// The target left the file, and the time to end what it was doing is over.
    #[error("the target was deregistered")]
    TargetDeregistered,
    /// The target refused or reset the connection, or its TLS failed.
    #[error("the target cannot be reached")]
    TargetUnreachable,
    /// The target closed or reset in the middle of an exchange.
    #[error("the target broke off")]
    TargetBrokeOff,
    /// The target's answer is not HTTP, or its head is too large.
    #[error("the target's answer is malformed")]
    TargetMalformed,
    /// The connection to the target was not made in time.
    #[error("the target did not accept in time")]
    TargetConnectTimeout,
    /// The target did not answer in time.
    #[error("the target did not answer in time")]
    TargetTimeout,
    /// The identity that opened a stream has ended, by its time or the deny list.
    #[error("the caller's identity has ended")]
    IdentityEnded,
    /// There is no descriptor, port or memory for what the request needs.
    #[error("the gateway is overloaded")]
    Overloaded,
    /// A fault of ours.
    #[error("the gateway failed")]
    Internal,
}

impl Refusal {
    /// Every refusal but the malformed, for whoever prepares a counter for each; the malformed are
    /// [`Malformed::ALL`].
    pub const ALL_BUT_MALFORMED: [Self; 25] = [
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::BodyMalformed,
        Self::MisdirectedHost,
        Self::UnverifiedClient,
        Self::Throttled,
        Self::ApiKeyMissing,
        Self::ApiKeyUnknown,
        Self::ApiKeyDisabled,
        Self::ApiKeyUnattached,
        Self::QuotaExceeded,
        Self::ProtocolMismatch,
        Self::RedirectTooLong,
        Self::TransformFailed,
        Self::NoTarget,
        Self::TargetBusy,
        Self::TargetDeregistered,
        Self::TargetUnreachable,
        Self::TargetBrokeOff,
        Self::TargetMalformed,
        Self::TargetConnectTimeout,
        Self::TargetTimeout,
        Self::IdentityEnded,
        Self::Overloaded,
        Self::Internal,
    ];

    /// The label in logs, metrics and decision records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed(reason) => reason.as_str(),
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyMalformed => "body_malformed",
            Self::MisdirectedHost => "misdirected_host",
            Self::UnverifiedClient => "unverified_client",
            Self::Throttled => "throttled",
            Self::ApiKeyMissing => "api_key_missing",
            Self::ApiKeyUnknown => "api_key_unknown",
            Self::ApiKeyDisabled => "api_key_disabled",
            Self::ApiKeyUnattached => "api_key_unattached",
            Self::QuotaExceeded => "quota_exceeded",
            Self::ProtocolMismatch => "protocol_mismatch",
            Self::RedirectTooLong => "redirect_too_long",
            Self::TransformFailed => "transform_failed",
            Self::NoTarget => "no_target",
            Self::TargetBusy => "target_busy",
            Self::TargetDeregistered => "target_deregistered",
            Self::TargetUnreachable => "target_unreachable",
            Self::TargetBrokeOff => "target_broke_off",
            Self::TargetMalformed => "target_malformed",
            Self::TargetConnectTimeout => "target_connect_timeout",
            Self::TargetTimeout => "target_timeout",
            Self::IdentityEnded => "identity_ended",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    /// The status that ALB gives (alb.md 14.1).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(reason) => reason.status(),
            Self::RequestTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::BodyMalformed => 400,
            Self::MisdirectedHost | Self::UnverifiedClient => 421,
            Self::ApiKeyMissing
            | Self::ApiKeyUnknown
            | Self::ApiKeyDisabled
            | Self::ApiKeyUnattached => 403,
            Self::Throttled | Self::QuotaExceeded => 429,
            Self::ProtocolMismatch => 464,
            Self::RedirectTooLong => 507,
            Self::NoTarget | Self::TargetBusy | Self::Overloaded => 503,
            Self::TargetUnreachable
            | Self::TargetBrokeOff
            | Self::TargetMalformed
            | Self::TargetDeregistered => 502,
            Self::IdentityEnded => 401,
            Self::TargetConnectTimeout | Self::TargetTimeout => 504,
            Self::TransformFailed | Self::Internal => 500,
        }
    }

    /// Whether the client connection is of no further use: the request's end is not known, its
    /// reading is in doubt, or every other request on it would be refused too.
    #[must_use]
    pub const fn closes_connection(self) -> bool {
        matches!(
            self,
            Self::Malformed(_)
                | Self::RequestTimeout
                | Self::BodyTooLarge
                | Self::BodyMalformed
                | Self::UnverifiedClient
                | Self::IdentityEnded
        )
    }

    /// `Allow`, which a 405 has to have (RFC 9110 15.5.6).
    pub(super) const fn allow(self) -> Option<&'static str> {
        match self {
            Self::Malformed(Malformed::MethodNotAllowed) => {
                Some("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")
            }
            _ => None,
        }
    }
}
