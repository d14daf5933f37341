//! Why a request was answered as it was: the one closed list of log, metric and decision record.

use crate::answer::Refusal;
use crate::auth;
use crate::sign_in::Outcome;

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Forwarded with a verified identity.
    Authorized,
    /// Forwarded by a rule that does not ask who is calling.
    Public,
    /// The rule redirects.
    Redirect,
    /// The rule answers by itself.
    FixedResponse,
    /// The gateway's own path for the keys of its identity assertions.
    IdentityKeys,
    /// Somebody signs in or out, or must.
    SignIn(Outcome),
    /// The credential did not do.
    Auth(auth::Reason),
    /// Something else was wrong.
    Refused(Refusal),
    /// The client went away before it was answered; ALB logs 460.
    ClientClosed,
}

impl Reason {
    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::Public => "public",
            Self::Redirect => "redirect",
            Self::FixedResponse => "fixed_response",
            Self::IdentityKeys => "identity_keys",
            Self::SignIn(outcome) => outcome.as_str(),
            Self::Auth(reason) => reason.as_str(),
            Self::Refused(refusal) => refusal.as_str(),
            Self::ClientClosed => "client_closed",
        }
    }

    /// The routing action that was taken, or the pre-routing one that answered; empty when none did.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Authorized | Self::Public => "forward",
            Self::Redirect => "redirect",
            Self::FixedResponse => "fixed_response",
            Self::SignIn(Outcome::SignedOut | Outcome::ForeignSignOut) => "sign_out",
            Self::SignIn(_) => "authenticate",
            Self::IdentityKeys | Self::Auth(_) | Self::Refused(_) | Self::ClientClosed => "",
        }
    }
}
