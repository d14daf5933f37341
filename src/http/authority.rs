//! The host and port that a request names, in one spelling.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::{Malformed, scan};

/// How the client reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that an authority without one means: 80 or 443.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host, lower case and without a trailing dot, with the port where that is not the scheme's.
///
/// An IPv6 literal keeps its brackets and is written as RFC 5952 says. Punycode stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority<'a> {
    canonical: Cow<'a, str>,
    host_end: usize,
    port: Option<u16>,
}

/// Longest name that DNS can carry; also room for every address literal.
const MAX_HOST: usize = 253;

impl<'a> Authority<'a> {
    /// Reads `host` or `host:port`.
    ///
    /// # Errors
    ///
    /// [`Malformed::NoHost`] for nothing, [`Malformed::BadHost`] for anything else: user
    /// information, a path, a list, spaces, escapes, an empty label, a port that is empty, zero,
    /// padded or too high.
    pub fn parse(raw: &'a [u8], scheme: Scheme) -> Result<Self, Malformed> {
        if raw.is_empty() {
            return Err(Malformed::NoHost);
        }
        let text = std::str::from_utf8(raw).map_err(|_| Malformed::BadHost)?;
        if text.starts_with('[') {
            return Self::parse_literal(text, scheme);
        }
        let (name_end, is_lower) = survey_name(raw)?;
        let (name, port) = text.split_at_checked(name_end).ok_or(Malformed::BadHost)?;
        let port = match port.strip_prefix(':') {
            Some(port) => parse_port(port)?,
            None => scheme.default_port(),
        };
        let port = (port != scheme.default_port()).then_some(port);
        let host = name.strip_suffix('.').unwrap_or(name);
        if host.is_empty() || host.len() > MAX_HOST {
            return Err(Malformed::BadHost);
        }
        let canonical = match port {
            Some(_) if is_lower && host.len() == name.len() => Cow::Borrowed(text),
            None if is_lower => Cow::Borrowed(host),
            _ => Cow::Owned(write(&host.to_ascii_lowercase(), port)),
        };
        Ok(Self { canonical, host_end: host.len(), port })
    }

    fn parse_literal(raw: &'a str, scheme: Scheme) -> Result<Self, Malformed> {
        let (inside, after) = raw
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .ok_or(Malformed::BadHost)?;
        let address: Ipv6Addr = inside.parse().map_err(|_| Malformed::BadHost)?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if after.is_empty() => None,
            None => return Err(Malformed::BadHost),
        };
        let host = format!("[{address}]");
        let port = port.filter(|&port| port != scheme.default_port());
        let host_end = host.len();
        Ok(Self { canonical: Cow::Owned(write(&host, port)), host_end, port })
    }

    /// The host alone; what `host_header` conditions are matched against.
    #[must_use]
    pub fn host(&self) -> &str {
        self.canonical.get(..self.host_end).unwrap_or(&self.canonical)
    }

    /// The port, if it is not the scheme's own.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// `host` or `host:port`: the `Host` that a target is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// The same, no longer tied to the request head.
    #[must_use]
    pub fn into_owned(self) -> Authority<'static> {
        Authority {
            canonical: Cow::Owned(self.canonical.into_owned()),
            host_end: self.host_end,
            port: self.port,
        }
    }
}

fn write(host: &str, port: Option<u16>) -> String {
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn parse_port(text: &str) -> Result<u16, Malformed> {
    let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain {
        return Err(Malformed::BadHost);
    }
    text.parse().map_err(|_| Malformed::BadHost)
}

/// Where the name ends, and whether it is in lower case already. Labels are letters, digits, `-` and
/// `_`, never empty, but one dot may stand at the end.
fn survey_name(raw: &[u8]) -> Result<(usize, bool), Malformed> {
    if raw.starts_with(b".") {
        return Err(Malformed::BadHost);
    }
    let start = scan::plain_start(raw, |byte, next| {
        !is_lower_name_byte(byte) & ((byte != b'.') | (next == b'.'))
    });
    let mut is_lower = true;
    let mut after_dot = start > 0 && raw.get(start - 1) == Some(&b'.');
    for (position, &byte) in raw.iter().enumerate().skip(start) {
        match byte {
            _ if is_lower_name_byte(byte) => after_dot = false,
            b'A'..=b'Z' => {
                is_lower = false;
                after_dot = false;
            }
            b'.' if !after_dot => after_dot = true,
            b':' => return Ok((position, is_lower)),
            _ => return Err(Malformed::BadHost),
        }
    }
    Ok((raw.len(), is_lower))
}

#[inline]
const fn is_lower_name_byte(byte: u8) -> bool {
    ((byte >= b'a') & (byte <= b'z'))
        | ((byte >= b'0') & (byte <= b'9'))
        | (byte == b'-')
        | (byte == b'_')
}

#[cfg(test)]
mod tests;
