//! `response_headers:` of a listener (alb.md 2.4): what every answer bears, ours or a target's.

/// What a listener says on every answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseHeaders {
    /// Who answers.
    pub server: ServerHeader,
    /// Headers with their values, in the order of [`AddedHeader::ALL`]; each replaces a target's.
    pub added: Vec<(AddedHeader, String)>,
}

/// `server:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHeader {
    /// What our own answers say in `Server`; nothing when absent. Default `portcullis`.
    pub value: Option<String>,
    /// Whether targets' `Server` is removed. Default false.
    pub remove_from_targets: bool,
}

impl ServerHeader {
    /// ALB says `awselb/2.0`; we do not pretend to be it unless we are told to.
    pub const DEFAULT: &'static str = "portcullis";
}

impl Default for ServerHeader {
    fn default() -> Self {
        Self { value: Some(Self::DEFAULT.to_owned()), remove_from_targets: false }
    }
}

/// A header that a listener may add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddedHeader {
    /// Browsers come back by HTTPS only.
    StrictTransportSecurity,
    /// CORS: who may read answers.
    AllowOrigin,
    /// CORS: by which methods.
    AllowMethods,
    /// CORS: with which headers.
    AllowHeaders,
    /// CORS: whether cookies may go along.
    AllowCredentials,
    /// CORS: which headers scripts may see.
    ExposeHeaders,
    /// CORS: how long all that may be remembered.
    MaxAge,
    /// What a page may load and do.
    ContentSecurityPolicy,
    /// Whether types are guessed.
    ContentTypeOptions,
    /// Who may frame a page.
    FrameOptions,
}

impl AddedHeader {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::StrictTransportSecurity,
        Self::AllowOrigin,
        Self::AllowMethods,
        Self::AllowHeaders,
        Self::AllowCredentials,
        Self::ExposeHeaders,
        Self::MaxAge,
        Self::ContentSecurityPolicy,
        Self::ContentTypeOptions,
        Self::FrameOptions,
    ];

    /// Its key in the file: AWS's `routing.http.response.KEY.header_value`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::StrictTransportSecurity => "strict_transport_security",
            Self::AllowOrigin => "access_control_allow_origin",
            Self::AllowMethods => "access_control_allow_methods",
            Self::AllowHeaders => "access_control_allow_headers",
            Self::AllowCredentials => "access_control_allow_credentials",
            Self::ExposeHeaders => "access_control_expose_headers",
            Self::MaxAge => "access_control_max_age",
            Self::ContentSecurityPolicy => "content_security_policy",
            Self::ContentTypeOptions => "x_content_type_options",
            Self::FrameOptions => "x_frame_options",
        }
    }

    /// Its name on the wire, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StrictTransportSecurity => "strict-transport-security",
            Self::AllowOrigin => "access-control-allow-origin",
            Self::AllowMethods => "access-control-allow-methods",
            Self::AllowHeaders => "access-control-allow-headers",
            Self::AllowCredentials => "access-control-allow-credentials",
            Self::ExposeHeaders => "access-control-expose-headers",
            Self::MaxAge => "access-control-max-age",
            Self::ContentSecurityPolicy => "content-security-policy",
            Self::ContentTypeOptions => "x-content-type-options",
            Self::FrameOptions => "x-frame-options",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_header_in_snake_case() {
        for header in AddedHeader::ALL {
            assert_eq!(header.key().replace('_', "-"), header.name());
        }
    }
}
