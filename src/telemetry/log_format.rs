//! Formats of access-log lines in API Gateway's words: text with `$context.*` variables.
//!
//! Taken apart once, when the file is read. What a value holds never ends a line, a string or an
//! element: it is escaped as the format demands, which is JSON, XML or text.

#[cfg(test)]
mod tests;

use super::json::{push_escaped, push_string};

/// Longest format (API Gateway's quota).
const LONGEST: usize = 3 * 1024;
/// What stands for what is not known.
const ABSENT: &[u8] = b"-";

/// A format, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat {
    /// As the file has it.
    pub text: String,
    style: Style,
    segments: Vec<Segment>,
}

/// How values are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The format is JSON: values that do not stand in a string become one, but for numbers.
    Json,
    /// The format is an XML element.
    Xml,
    /// Anything else: `"`, `\` and whatever is not visible ASCII or a space is escaped.
    Text,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable {
        variable: Variable,
        /// Whether it stands in a string of a JSON format.
        is_in_string: bool,
    },
}

/// A value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Number(u64),
    /// Bytes that a client may have chosen.
    Text(std::borrow::Cow<'a, [u8]>),
}

/// Why a text is no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// AWS takes no longer one.
    #[error("a format has at most 3072 bytes")]
    TooLong,
    /// A line of the log is one line.
    #[error("a format is a single line without control characters")]
    NotALine,
    /// Lines could not be told apart, nor found.
    #[error("a format must contain `$context.requestId` or `$context.extendedRequestId`")]
    NoRequestId,
}

macro_rules! variables {
    (known { $($(#[$doc:meta])* $variant:ident $name:literal,)* } never { $($never:literal,)* }) => {
        /// What a line can tell of a request.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Variable {
            $($(#[$doc])* $variant,)*
            /// `authorizer.claims.NAME`: a claim of the verified token.
            Claim(String),
            /// API Gateway has it, and here there is nothing to tell.
            Never,
            /// A name that is none.
            Unknown(String),
        }

        impl Variable {
            /// The names that can have a value, but claims.
            pub const KNOWN: &'static [&'static str] = &[$($name,)*];
            /// Names of API Gateway's that are always `-` here.
            pub const NEVER: &'static [&'static str] = &[$($never,)*];

            fn of(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    $($never => Self::Never,)*
                    _ => match name.strip_prefix("authorizer.claims.") {
                        Some(claim) if !claim.is_empty() => Self::Claim(claim.to_owned()),
                        _ if name.starts_with("requestOverride.")
                            || name.starts_with("responseOverride.") => Self::Never,
                        _ => Self::Unknown(name.to_owned()),
                    },
                }
            }
        }
    };
}

variables! {
    known {
        /// The API's name in the file.
        ApiId "apiId",
        /// Why the authorizer refused.
        AuthorizerError "authorizer.error",
        /// How long authorization took.
        AuthorizerLatency "authorizer.latency",
        /// The verified `sub`, of a REST API.
        PrincipalId "authorizer.principalId",
        /// The API's base path.
        BasePath "customDomain.basePathMatched",
        /// Bytes of both bodies.
        DataProcessed "dataProcessed",
        /// The host that was asked.
        DomainName "domainName",
        /// Its first label.
        DomainPrefix "domainPrefix",
        /// Our id of the request.
        ExtendedRequestId "extendedRequestId",
        /// The method.
        HttpMethod "httpMethod",
        /// The name of the API key.
        ApiKeyId "identity.apiKeyId",
        /// The client's address.
        SourceIp "identity.sourceIp",
        /// The client's `User-Agent`.
        UserAgent "identity.userAgent",
        /// How long the target took to answer.
        IntegrationLatency "integration.latency",
        /// The target's status.
        IntegrationStatus "integration.status",
        /// As `integration.latency`.
        IntegrationLatencyOld "integrationLatency",
        /// As `integration.status`.
        IntegrationStatusOld "integrationStatus",
        /// The path that was asked.
        Path "path",
        /// `HTTP/1.1` or `HTTP/2.0`.
        Protocol "protocol",
        /// The request's id in the shape of the API's kind.
        RequestId "requestId",
        /// `10/Jul/2026:19:19:05 +0000`.
        RequestTime "requestTime",
        /// Milliseconds since 1970.
        RequestTimeEpoch "requestTimeEpoch",
        /// The path of the route's key.
        ResourcePath "resourcePath",
        /// How long all of it took.
        ResponseLatency "responseLatency",
        /// Bytes of the answer's body.
        ResponseLength "responseLength",
        /// The route's key.
        RouteKey "routeKey",
        /// The stage.
        Stage "stage",
        /// The status sent.
        Status "status",
        /// The trace.
        XrayTraceId "xrayTraceId",
    }
    never {
        "accountId", "awsEndpointRequestId", "awsEndpointRequestId2",
        "authenticate.error", "authenticate.latency", "authenticate.status",
        "authorize.error", "authorize.latency", "authorize.status",
        "authorizer.integrationLatency", "authorizer.integrationStatus",
        "authorizer.requestId", "authorizer.status",
        "error.message", "error.messageString", "error.responseType",
        "error.validationErrorString",
        "identity.accountId", "identity.apiKey", "identity.caller",
        "identity.clientCert.clientCertPem", "identity.clientCert.issuerDN",
        "identity.clientCert.serialNumber", "identity.clientCert.subjectDN",
        "identity.clientCert.validity.notAfter", "identity.clientCert.validity.notBefore",
        "identity.cognitoAuthenticationProvider", "identity.cognitoAuthenticationType",
        "identity.cognitoIdentityId", "identity.cognitoIdentityPoolId",
        "identity.principalOrgId", "identity.user", "identity.userArn",
        "integration.error", "integration.integrationStatus", "integration.requestId",
        "integrationErrorMessage", "resourceId", "webaclArn", "wafResponseCode",
        "waf.error", "waf.latency", "waf.status",
    }
}

/// The stock format of this name, as API Gateway's console offers it.
#[must_use]
pub fn stock(name: &str, is_rest: bool) -> Option<&'static str> {
    Some(match (name, is_rest) {
        ("clf", false) => {
            "$context.identity.sourceIp - - [$context.requestTime] \"$context.httpMethod $context.routeKey $context.protocol\" $context.status $context.responseLength $context.requestId"
        }
        ("clf", true) => {
            "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] \"$context.httpMethod $context.resourcePath $context.protocol\" $context.status $context.responseLength $context.requestId $context.extendedRequestId"
        }
        ("json", false) => {
            "{ \"requestId\":\"$context.requestId\", \"ip\": \"$context.identity.sourceIp\", \"requestTime\":\"$context.requestTime\", \"httpMethod\":\"$context.httpMethod\",\"routeKey\":\"$context.routeKey\", \"status\":\"$context.status\",\"protocol\":\"$context.protocol\", \"responseLength\":\"$context.responseLength\" }"
        }
        ("json", true) => {
            "{ \"requestId\":\"$context.requestId\", \"ip\": \"$context.identity.sourceIp\", \"caller\":\"$context.identity.caller\", \"user\":\"$context.identity.user\",\"requestTime\":\"$context.requestTime\", \"httpMethod\":\"$context.httpMethod\",\"resourcePath\":\"$context.resourcePath\", \"status\":\"$context.status\",\"protocol\":\"$context.protocol\", \"responseLength\":\"$context.responseLength\", \"extendedRequestId\":\"$context.extendedRequestId\" }"
        }
        ("csv", false) => {
            "$context.identity.sourceIp,$context.requestTime,$context.httpMethod,$context.routeKey,$context.protocol,$context.status,$context.responseLength,$context.requestId"
        }
        ("csv", true) => {
            "$context.identity.sourceIp,$context.identity.caller,$context.identity.user,$context.requestTime,$context.httpMethod,$context.resourcePath,$context.protocol,$context.status,$context.responseLength,$context.requestId,$context.extendedRequestId"
        }
        ("xml", false) => {
            "<request id=\"$context.requestId\"> <ip>$context.identity.sourceIp</ip> <requestTime>$context.requestTime</requestTime> <httpMethod>$context.httpMethod</httpMethod> <routeKey>$context.routeKey</routeKey> <status>$context.status</status> <protocol>$context.protocol</protocol> <responseLength>$context.responseLength</responseLength> </request>"
        }
        ("xml", true) => {
            "<request id=\"$context.requestId\"> <ip>$context.identity.sourceIp</ip> <caller>$context.identity.caller</caller> <user>$context.identity.user</user> <requestTime>$context.requestTime</requestTime> <httpMethod>$context.httpMethod</httpMethod> <resourcePath>$context.resourcePath</resourcePath> <status>$context.status</status> <protocol>$context.protocol</protocol> <responseLength>$context.responseLength</responseLength> <extendedRequestId>$context.extendedRequestId</extendedRequestId> </request>"
        }
        _ => return None,
    })
}

impl LogFormat {
    /// Takes a format apart.
    ///
    /// # Errors
    ///
    /// Why it is none. A variable that does not exist is told by [`unknown`](Self::unknown): it
    /// prints `-`, as on AWS.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        if text.len() > LONGEST {
            return Err(FormatError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(FormatError::NotALine);
        }
        let mut segments = Vec::new();
        let (mut string, mut sample) = (StringState::default(), String::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("$context.") {
            let name = name(after);
            string.read(before);
            sample.push_str(before);
            sample.push(if string.is_open { 'x' } else { '0' });
            segments.push(Segment::Literal(before.to_owned()));
            segments.push(Segment::Variable {
                variable: Variable::of(name),
                is_in_string: string.is_open,
            });
            rest = after.get(name.len()..).unwrap_or_default();
        }
        sample.push_str(rest);
        segments.push(Segment::Literal(rest.to_owned()));
        let is_id = |segment: &Segment| {
            matches!(
                segment,
                Segment::Variable {
                    variable: Variable::RequestId | Variable::ExtendedRequestId,
                    ..
                }
            )
        };
        if !segments.iter().any(is_id) {
            return Err(FormatError::NoRequestId);
        }
        let style = if serde_json::from_str::<serde::de::IgnoredAny>(&sample).is_ok() {
            Style::Json
        } else if text.trim_start().starts_with('<') {
            Style::Xml
        } else {
            Style::Text
        };
        Ok(Self { text: text.to_owned(), style, segments })
    }

    /// Variables that do not exist.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.variables().filter_map(|variable| match variable {
            Variable::Unknown(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Claims that it tells.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.variables().filter_map(|variable| match variable {
            Variable::Claim(name) => Some(name.as_str()),
            _ => None,
        })
    }

    fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Variable { variable, .. } => Some(variable),
            Segment::Literal(_) => None,
        })
    }

    /// Appends a line with its line feed.
    pub fn write<'v>(&self, value: impl Fn(&Variable) -> Option<Value<'v>>, out: &mut Vec<u8>) {
        out.reserve(self.text.len() * 2);
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Segment::Variable { variable, is_in_string } => {
                    self.push(value(variable), *is_in_string, out);
                }
            }
        }
        out.push(b'\n');
    }

    fn push(&self, value: Option<Value<'_>>, is_in_string: bool, out: &mut Vec<u8>) {
        let text = match value {
            Some(Value::Number(number)) => {
                return super::json::push_number(out, number);
            }
            Some(Value::Text(text)) if !text.is_empty() => text,
            _ => ABSENT.into(),
        };
        match self.style {
            Style::Json if is_in_string => push_escaped(out, &text),
            Style::Json => push_string(out, &text),
            Style::Xml => push_xml(out, &text),
            Style::Text => push_text(out, &text),
        }
    }
}

/// The name of a variable at the beginning of a text. Claims have names of their own choice.
fn name(text: &str) -> &str {
    const CLAIMS: &str = "authorizer.claims.";
    let is_of_claim = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    let is_claim = text.starts_with(CLAIMS);
    let end = text.find(|c| !(is_of_name(c) || is_claim && is_of_claim(c))).unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end_matches(['.', ':', '-'])
}

/// Whether one is in a string of a JSON text.
#[derive(Default)]
struct StringState {
    is_open: bool,
    is_escaped: bool,
}

impl StringState {
    fn read(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                _ if self.is_escaped => self.is_escaped = false,
                '\\' if self.is_open => self.is_escaped = true,
                '"' => self.is_open = !self.is_open,
                _ => {}
            }
        }
    }
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' ' | 0x21..=0x7e => out.push(byte),
            _ => push_hex(out, byte),
        }
    }
}

fn push_xml(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&apos;"),
            b' ' | 0x21..=0x7e => out.push(byte),
            _ => push_hex(out, byte),
        }
    }
}

/// `\xHH`
fn push_hex(out: &mut Vec<u8>, byte: u8) {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0') as u8;
    out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 0xf)]);
}
