//! Why a request was answered as it was: the one closed list of log, metric and decision record.

use crate::answer::Refusal;
use crate::api::Unjudged;
use crate::auth;
use crate::aws::sigv4;
use crate::http::Malformed;
use crate::sign_in::{Failure, Outcome};

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
    /// The API's route answers by itself.
    Mock,
    /// The request has not what the API's route requires.
    ParametersMissing,
    /// The body is not as the API's route has it.
    BodyInvalid,
    /// No route of the API takes the request.
    NoRoute,
    /// A browser asked whether a page may call the API, and no route takes that.
    Preflight,
    /// The gateway's own path for the keys of its identity assertions.
    IdentityKeys,
    /// Somebody signs in or out, or must.
    SignIn(Outcome),
    /// The credential did not do.
    Auth(auth::Reason),
    /// The signature did not do, or whoever signed may not; the label.
    Signature(&'static str),
    /// A service is to be asked who may come.
    AuthorizerAsked,
    /// A service that is asked who may come lets nobody through, or not this caller.
    Authorizer(Unjudged),
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
            Self::Mock => "mock",
            Self::ParametersMissing => "parameters_missing",
            Self::BodyInvalid => "body_invalid",
            Self::NoRoute => "no_route",
            Self::Preflight => "preflight",
            Self::IdentityKeys => "identity_keys",
            Self::SignIn(outcome) => outcome.as_str(),
            Self::Auth(reason) => reason.as_str(),
            Self::Signature(label) => label,
            Self::AuthorizerAsked => "authorizer_asked",
            Self::Authorizer(why) => why.as_str(),
            Self::Refused(refusal) => refusal.as_str(),
            Self::ClientClosed => "client_closed",
        }
    }

    /// Every label, for whoever reads one that was typed.
    #[must_use]
    pub fn labels() -> Vec<&'static str> {
        let own = [
            Self::Authorized,
            Self::Public,
            Self::Redirect,
            Self::FixedResponse,
            Self::Mock,
            Self::ParametersMissing,
            Self::BodyInvalid,
            Self::NoRoute,
            Self::Preflight,
            Self::IdentityKeys,
            Self::AuthorizerAsked,
        ];
        let own = own.into_iter().chain([Self::ClientClosed]).map(Self::as_str);
        let sign_in = Outcome::ALL_BUT_FAILED.into_iter().map(Outcome::as_str);
        let failed = Failure::ALL.into_iter().map(Failure::as_str);
        let auth = auth::Reason::ALL.iter().map(|reason| reason.as_str());
        let unjudged = Unjudged::ALL.into_iter().map(Unjudged::as_str);
        let refused = Refusal::ALL_BUT_MALFORMED.iter().map(|refusal| refusal.as_str());
        let malformed = Malformed::ALL.iter().map(|malformed| malformed.as_str());
        let signatures = sigv4::Refused::LABELS.into_iter().chain(["policy_denied"]);
        own.chain(sign_in)
            .chain(signatures)
            .chain(failed)
            .chain(auth)
            .chain(unjudged)
            .chain(refused)
            .chain(malformed)
            .collect()
    }

    /// The routing action that was taken, or the pre-routing one that answered; empty when none did.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Authorized | Self::Public => "forward",
            Self::Redirect => "redirect",
            Self::FixedResponse | Self::Mock => "fixed_response",
            Self::SignIn(Outcome::SignedOut | Outcome::ForeignSignOut) => "sign_out",
            Self::SignIn(
                Outcome::LoggedOut
                | Outcome::LogoutRefused
                | Outcome::LogoutUnavailable
                | Outcome::LogoutFailed,
            )
            | Self::ParametersMissing
            | Self::BodyInvalid
            | Self::NoRoute
            | Self::Preflight
            | Self::IdentityKeys
            | Self::Auth(_)
            | Self::Signature(_)
            | Self::AuthorizerAsked
            | Self::Authorizer(_)
            | Self::Refused(_)
            | Self::ClientClosed => "",
            Self::SignIn(_) => "authenticate",
        }
    }
}
