//! `cors:` of an API as it is meant.

/// Which pages of other origins may call an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// In file order; never empty. [`AllowedOrigin::Any`] stands alone.
    pub allow_origins: Vec<AllowedOrigin>,
    /// In capitals, or `*`.
    pub allow_methods: Vec<String>,
    /// In lower case, or `*`.
    pub allow_headers: Vec<String>,
    /// In lower case, or `*`.
    pub expose_headers: Vec<String>,
    /// Seconds that a preflight's answer may be kept.
    pub max_age: Option<u32>,
    /// Whether cookies may be sent. Never with [`AllowedOrigin::Any`].
    pub allow_credentials: bool,
}

/// One of the origins that may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// `*`
    Any,
    /// `https://*`: every host and port; holds `https://`.
    Scheme(&'static str),
    /// An origin, byte for byte as browsers send it.
    Exact(String),
}

impl AllowedOrigin {
    /// As in the file.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Any => "*".to_owned(),
            Self::Scheme(scheme) => format!("{scheme}*"),
            Self::Exact(origin) => origin.clone(),
        }
    }
}
