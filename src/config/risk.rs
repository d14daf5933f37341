//! What a security review can find in a file, and what its owner says about it.
//!
//! The review itself is in `check::security`. The codes are here because `accepted_risks` names
//! them: a code that does not exist is a mistake in the file.

use super::diagnostics::Span;

/// How much harm may come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Good to know; often meant.
    Low,
    /// Another fault beside it, or somebody inside, is enough to do harm.
    Medium,
    /// Whoever reaches the gateway, or stands in the way, can use it.
    High,
}

impl Level {
    /// As it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

macro_rules! risks {
    ($($(#[$doc:meta])* $variant:ident $code:literal $level:ident,)*) => {
        /// A kind of finding of the security review.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Risk { $($(#[$doc])* $variant,)* }

        impl Risk {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its stable name.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// How much harm may come of it.
            #[must_use]
            pub const fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }
        }
    };
}

risks! {
    /// A rule forwards without authentication and does not say that this is meant.
    OpenForward "open-forward" High,
    /// The same, and only the order keeps it apart from a protected rule.
    OpenBesideProtected "open-beside-protected" High,
    /// An API's open route serves what a protected one names.
    OpenRouteBesideProtected "open-route-beside-protected" High,
    /// Targets' certificates are not verified.
    InsecureTargetTls "insecure-target-tls" High,
    /// Any client can say who it is.
    TrustsEverybody "trusts-everybody" High,
    /// Whoever connects may say which address it has.
    ProxyProtocolFromAnybody "proxy-protocol-from-anybody" High,
    /// Pages of every origin may call with credentials.
    AnyOriginWithCredentials "any-origin-with-credentials" High,
    /// Others may write the file.
    WritableFile "writable-file" High,
    /// The admin listener is reachable, and nothing is asked of who comes.
    AdminWithoutToken "admin-without-token" High,
    /// The admin listener is reachable, in clear.
    AdminBeyondLoopback "admin-beyond-loopback" Medium,
    /// The admin token can be guessed.
    ShortToken "short-token" Medium,
    /// Tokens of every app client are accepted.
    AnyAppClient "any-app-client" Medium,
    /// A served listener depends on keys that anybody on this machine may answer for.
    KeySetOverHttp "key-set-over-http" Medium,
    /// Whole networks may say who their clients are.
    WideTrustedProxies "wide-trusted-proxies" Medium,
    /// Targets are shown the client's own `X-Forwarded-For`.
    ForwardedForPreserved "forwarded-for-preserved" Medium,
    /// Tokens and cookies cross the network in clear.
    TokensInClear "tokens-in-clear" Medium,
    /// The address in a browser is not bound to a host that the file names.
    SignInAtAnyHost "sign-in-at-any-host" Medium,
    /// Callers without an identity are let on.
    UnauthenticatedLetOn "unauthenticated-let-on" Medium,
    /// Streams go on when their identity has ended.
    OutlivesIdentity "outlives-identity" Medium,
    /// Targets cannot tell this gateway from somebody else.
    NoProofOfOrigin "no-proof-of-origin" Medium,
    /// Targets get session cookies.
    SessionCookieForwarded "session-cookie-forwarded" Medium,
    /// A stolen code can be redeemed.
    NoPkce "no-pkce" Medium,
    /// An ID token of another sign-in can be put in.
    NoNonce "no-nonce" Medium,
    /// Tokens stand in addresses.
    TokenInQuery "token-in-query" Medium,
    /// `%2F` goes on in paths.
    EncodedSlashKept "encoded-slash-kept" Medium,
    /// `;parameters` go on in paths.
    PathParametersKept "path-parameters-kept" Medium,
    /// Requests that others may read differently go on.
    DesyncMonitored "desync-monitored" Medium,
    /// Clients' certificates are told to targets unjudged.
    UnverifiedClientCertificate "unverified-client-certificate" Medium,
    /// Clients' certificates are taken when they have ended.
    ExpiredClientCertificates "expired-client-certificates" Medium,
    /// An accepted risk that is not there.
    StaleAcceptance "stale-acceptance" Medium,
    /// A rule forwards for everybody, and says so.
    PublicForward "public-forward" Low,
    /// Routes of an API ask nobody.
    OpenApiRoute "open-api-route" Low,
    /// Both kinds of token are taken.
    AnyTokenUse "any-token-use" Low,
    /// A redirect leads to whatever host the client names.
    RedirectToAnyHost "redirect-to-any-host" Low,
    /// A redirect does not lead to HTTPS.
    RedirectInClear "redirect-in-clear" Low,
    /// Runs of slashes go on in paths.
    SlashesKept "slashes-kept" Low,
    /// TLS 1.3 is not spoken.
    NoTls13 "no-tls-1-3" Low,
    /// Requests cross the network to targets in clear.
    PlainHttpTargets "plain-http-targets" Low,
    /// Headers tell targets more of a person than an identifier.
    PersonalDataInHeaders "personal-data-in-headers" Low,
    /// A session lasts longer than a day.
    LongSession "long-session" Low,
    /// Sibling domains can set the session cookie.
    CookieWithoutHostPrefix "cookie-without-host-prefix" Low,
    /// Keys are used for longer than a day without being fetched.
    LongStaleKeys "long-stale-keys" Low,
    /// Query strings are written to the log.
    QueryLogged "query-logged" Low,
}

impl Risk {
    /// The risk of this name.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|risk| risk.code() == code)
    }
}

/// One entry of `accepted_risks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedRisk {
    /// Which kind of finding.
    pub risk: Risk,
    /// Where: the name of a part, or `LISTENER/RULE`; everywhere when absent.
    pub place: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// Where the entry stands in the file.
    pub span: Span,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_risk_is_found_by_its_own_name() {
        let codes: HashSet<_> = Risk::ALL.iter().map(|risk| risk.code()).collect();
        assert_eq!(codes.len(), Risk::ALL.len());
        assert!(Risk::ALL.iter().all(|risk| Risk::named(risk.code()) == Some(*risk)));
        assert_eq!(Risk::named("no-such-risk"), None);
    }

    #[test]
    fn every_risk_is_documented_with_its_level() {
        let docs = include_str!("../../docs/operations.md");
        for risk in Risk::ALL {
            let row = format!("| `{}` | {} |", risk.code(), risk.level().as_str());
            assert!(docs.contains(&row), "docs/operations.md has no row {row}");
        }
    }
}
