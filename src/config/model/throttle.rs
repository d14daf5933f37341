//! `throttle:` of an API or a route as it is meant.

use super::ClaimPath;

/// One limit: a bucket that fills at a rate and holds a burst.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    /// Requests a second, in the long run; more than 0.
    pub rate: f64,
    /// Requests at once, at least 1.
    pub burst: u32,
    /// What each bucket is for; all requests share one when absent.
    pub per: Option<ThrottleKey>,
    /// Buckets that are kept, for a limit with `per`. Default 65,536.
    pub max_keys: usize,
}

/// What each bucket of a limit is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThrottleKey {
    /// A client's address; of IPv6 its /64, which one subscriber has whole.
    Address,
    /// An app client.
    ClientId,
    /// A value of a claim, of one issuer.
    Claim(ClaimPath),
}

impl ThrottleKey {
    /// As in the file.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Address => "address".to_owned(),
            Self::ClientId => "client_id".to_owned(),
            Self::Claim(ClaimPath::Name(name)) => format!("claim {name}"),
            Self::Claim(ClaimPath::Pointer(steps)) => {
                let escaped =
                    |step: &String| format!("/{}", step.replace('~', "~0").replace('/', "~1"));
                format!("claim {}", steps.iter().map(escaped).collect::<String>())
            }
        }
    }

    /// Whether it takes a verified token to know it.
    #[must_use]
    pub const fn needs_identity(&self) -> bool {
        !matches!(self, Self::Address)
    }
}
