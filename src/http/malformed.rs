//! The closed list of reasons for which a request is refused before it means anything.

/// Why a request head is refused. Every reason has a stable label and a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Neither `/path`, nor an absolute URL, nor `*` with OPTIONS (RFC 9112 3.2).
    #[error("the request target is neither a path nor an absolute URL")]
    TargetForm,
    /// The request line is over 16 KiB.
    #[error("the request line is over 16 KiB")]
    TargetTooLong,
    /// Unescaped: a control, a space, a byte above 0x7E, `<` or `>`; a back-tick in the path; `"` in
    /// the query.
    #[error("the request target has a raw byte that must be escaped")]
    TargetByte,
    /// A raw `\` in the path.
    #[error("the path has a backslash")]
    Backslash,
    /// A `#` in the target.
    #[error("the request target has a fragment")]
    Fragment,
    /// A `%` without two hexadecimal digits.
    #[error("the path has a broken escape")]
    BadEscape,
    /// `%00` to `%1F` and `%7F`.
    #[error("the path has an escaped control character")]
    EscapedControl,
    /// `%2F` on a listener that does not keep it.
    #[error("the path has an escaped slash")]
    EscapedSlash,
    /// `%5C`.
    #[error("the path has an escaped backslash")]
    EscapedBackslash,
    /// `%252E` and the like: unescaped twice it is a dot, a slash or a backslash.
    #[error("the path hides a dot, slash or backslash behind two escapes")]
    DoubleEscape,
    /// The path, unescaped, is not UTF-8 (overlong forms among them).
    #[error("the path is not UTF-8 once unescaped")]
    NotUtf8,
    /// `..` with nothing left to leave.
    #[error("the path climbs above the root")]
    AboveRoot,
    /// `..;x`: a dot segment for whoever cuts parameters.
    #[error("a path segment is a dot segment once its parameters are cut")]
    DotSegmentParameters,
    /// With its `;parameters` cut, the path selects another rule.
    #[error("the path selects another rule once its parameters are cut")]
    ParametersChangeRule,
    /// No `Host`, no `:authority`.
    #[error("the request names no host")]
    NoHost,
    /// More than one `Host`.
    #[error("the request names several hosts")]
    SeveralHosts,
    /// Not `host` or `host:port`.
    #[error("the host is not a host name or address with an optional port")]
    BadHost,
    /// The target's authority, or `:authority`, is not what `Host` says.
    #[error("the request names two different hosts")]
    HostMismatch,
    /// An absolute target with another scheme than the connection's.
    #[error("the target's scheme is not the connection's")]
    SchemeMismatch,
    /// Not an RFC 9110 token.
    #[error("the method is not a token")]
    BadMethod,
    /// A token, but not upper case, or over 40 bytes: rules can never name it.
    #[error("the method is unknown")]
    UnknownMethod,
    /// TRACE or CONNECT.
    #[error("the method is not allowed")]
    MethodNotAllowed,
    /// One header line is over 16 KiB.
    #[error("a header is over 16 KiB")]
    HeaderTooLarge,
    /// All headers together are over 64 KiB.
    #[error("the headers are over 64 KiB")]
    HeadersTooLarge,
    /// More than 100 header fields.
    #[error("there are more than 100 header fields")]
    TooManyHeaders,
    /// More than 30 addresses in `X-Forwarded-For`.
    #[error("X-Forwarded-For has more than 30 addresses")]
    TooManyAddresses,
}

impl Malformed {
    /// Every reason, for whoever prepares a counter for each.
    pub const ALL: [Self; 26] = [
        Self::TargetForm,
        Self::TargetTooLong,
        Self::TargetByte,
        Self::Backslash,
        Self::Fragment,
        Self::BadEscape,
        Self::EscapedControl,
        Self::EscapedSlash,
        Self::EscapedBackslash,
        Self::DoubleEscape,
        Self::NotUtf8,
        Self::AboveRoot,
        Self::DotSegmentParameters,
        Self::ParametersChangeRule,
        Self::NoHost,
        Self::SeveralHosts,
        Self::BadHost,
        Self::HostMismatch,
        Self::SchemeMismatch,
        Self::BadMethod,
        Self::UnknownMethod,
        Self::MethodNotAllowed,
        Self::HeaderTooLarge,
        Self::HeadersTooLarge,
        Self::TooManyHeaders,
        Self::TooManyAddresses,
    ];

    /// The label in logs, metrics and decision records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TargetForm => "target_form",
            Self::TargetTooLong => "target_too_long",
            Self::TargetByte => "target_byte",
            Self::Backslash => "backslash",
            Self::Fragment => "fragment",
            Self::BadEscape => "bad_escape",
            Self::EscapedControl => "escaped_control",
            Self::EscapedSlash => "escaped_slash",
            Self::EscapedBackslash => "escaped_backslash",
            Self::DoubleEscape => "double_escape",
            Self::NotUtf8 => "path_not_utf8",
            Self::AboveRoot => "path_above_root",
            Self::DotSegmentParameters => "dot_segment_parameters",
            Self::ParametersChangeRule => "parameters_change_rule",
            Self::NoHost => "no_host",
            Self::SeveralHosts => "several_hosts",
            Self::BadHost => "bad_host",
            Self::HostMismatch => "host_mismatch",
            Self::SchemeMismatch => "scheme_mismatch",
            Self::BadMethod => "bad_method",
            Self::UnknownMethod => "unknown_method",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::HeaderTooLarge => "header_too_large",
            Self::HeadersTooLarge => "headers_too_large",
            Self::TooManyHeaders => "too_many_headers",
            Self::TooManyAddresses => "too_many_addresses",
        }
    }

    /// The status that answers it. Size limits are 414 and 431 (RFC 6585), where ALB's documents
    /// name 414 and either 400 or 413; the address limit is ALB's own 463.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::MethodNotAllowed => 405,
            Self::UnknownMethod => 501,
            Self::HeaderTooLarge | Self::HeadersTooLarge | Self::TooManyHeaders => 431,
            Self::TooManyAddresses => 463,
            _ => 400,
        }
    }
}
