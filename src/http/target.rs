//! A request's target and authority: which form, which spelling, and whether they agree.

use std::borrow::Cow;

use super::authority::{Authority, Scheme};
use super::limits;
use super::path::{self, PathPolicy};
use super::{Malformed, scan};

/// The parts of a request head that say what is wanted, exactly as they were received.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The method.
    pub method: &'a str,
    /// The request target of HTTP/1, or `:path` of HTTP/2: the raw bytes, before any library
    /// repaired them.
    pub target: &'a [u8],
    /// `:authority` of HTTP/2.
    pub authority: Option<&'a [u8]>,
    /// How the client reached us, or a proxy that we trust.
    pub scheme: Scheme,
}

/// What is wanted, in its canonical spelling. Borrowed from the head when that was clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// What is matched, authorized, logged and sent. Begins with `/`, or is `*`.
    pub path: Cow<'a, str>,
    /// Everything after the first `?`, byte for byte; absent without `?`.
    pub query: Option<&'a str>,
    /// The path with its `;parameters` cut, when it has some: it must select the same rule.
    pub without_parameters: Option<String>,
    /// `path?query` as it stood in the head, when it needs no change.
    unchanged: Option<&'a str>,
}

impl Target<'_> {
    /// `path?query`, as it is sent to a target.
    #[must_use]
    pub fn path_and_query(&self) -> Cow<'_, str> {
        match (self.unchanged, self.query) {
            (Some(whole), _) => Cow::Borrowed(whole),
            (None, Some(query)) => Cow::Owned(format!("{}?{query}", self.path)),
            (None, None) => Cow::Borrowed(&self.path),
        }
    }

    /// Whether the head already had this spelling, in origin form.
    #[must_use]
    pub const fn is_unchanged(&self) -> bool {
        self.unchanged.is_some()
    }
}

/// Makes target and authority canonical, or says why they cannot be.
///
/// `hosts` are the values of all `Host` fields. HTTP/1 needs exactly one, HTTP/2 may do with
/// `:authority`; where there are two they must mean the same.
///
/// # Errors
///
/// The reason of the refusal; nothing of the request may be used then.
pub fn tidy<'a>(
    received: Received<'a>,
    hosts: impl IntoIterator<Item = &'a [u8]>,
    policy: PathPolicy,
) -> Result<(Target<'a>, Authority<'a>), Malformed> {
    check_method(received.method)?;
    limits::check_request_line(received.method, received.target)?;
    let authority = one_authority(received.authority, hosts, received.scheme)?;
    let raw = std::str::from_utf8(received.target).map_err(|_| Malformed::TargetByte)?;
    let target = if raw.starts_with('/') {
        tidy_origin_form(raw, policy)?
    } else if raw == "*" && received.method == "OPTIONS" {
        Target {
            path: Cow::Borrowed(raw),
            query: None,
            without_parameters: None,
            unchanged: Some(raw),
        }
    } else {
        tidy_absolute_form(raw, &authority, received.scheme, policy)?
    };
    Ok((target, authority))
}

/// Rules can name methods of capitals, `-` and `_` only (alb.md 4.4), and a target may read `get`
/// as GET: what rules cannot name does not pass.
fn check_method(method: &str) -> Result<(), Malformed> {
    match method {
        "GET" | "POST" | "PUT" | "DELETE" | "HEAD" | "OPTIONS" | "PATCH" => Ok(()),
        "TRACE" | "CONNECT" => Err(Malformed::MethodNotAllowed),
        _ if method.is_empty() || !method.bytes().all(is_token_byte) => Err(Malformed::BadMethod),
        _ if method.len() > 40 || !method.bytes().all(is_method_byte) => {
            Err(Malformed::UnknownMethod)
        }
        _ => Ok(()),
    }
}

fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_')
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn one_authority<'a>(
    pseudo: Option<&'a [u8]>,
    hosts: impl IntoIterator<Item = &'a [u8]>,
    scheme: Scheme,
) -> Result<Authority<'a>, Malformed> {
    let mut hosts = hosts.into_iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Malformed::SeveralHosts);
    }
    match (pseudo, host) {
        (None, None) => Err(Malformed::NoHost),
        (Some(only), None) | (None, Some(only)) => Authority::parse(only, scheme),
        (Some(pseudo), Some(host)) => {
            let authority = Authority::parse(pseudo, scheme)?;
            if authority.as_str() != Authority::parse(host, scheme)?.as_str() {
                return Err(Malformed::HostMismatch);
            }
            Ok(authority)
        }
    }
}

fn tidy_origin_form(raw: &str, policy: PathPolicy) -> Result<Target<'_>, Malformed> {
    let survey = path::survey(raw.as_bytes(), policy)?;
    let (path, query) = split_query(raw, survey.end)?;
    let tidied = path::tidy(path, &survey, policy)?;
    let unchanged = matches!(tidied.path, Cow::Borrowed(_)).then_some(raw);
    Ok(Target {
        path: tidied.path,
        query,
        without_parameters: tidied.without_parameters,
        unchanged,
    })
}

/// Makes a path and query canonical that the gateway itself has made of a request's.
///
/// # Errors
///
/// As of [`tidy`].
pub fn tidy_again(raw: &str, policy: PathPolicy) -> Result<Target<'_>, Malformed> {
    if !raw.starts_with('/') {
        return Err(Malformed::TargetForm);
    }
    tidy_origin_form(raw, policy)
}

fn split_query(raw: &str, end: usize) -> Result<(&str, Option<&str>), Malformed> {
    // The survey stops at an ASCII byte or at the end, so this is always a boundary.
    let (path, rest) = raw.split_at_checked(end).ok_or(Malformed::TargetByte)?;
    let query = rest.strip_prefix('?');
    if let Some(query) = query {
        check_query(query.as_bytes())?;
    }
    Ok((path, query))
}

/// The query is kept byte for byte, so it may hold only what every URI library takes.
fn check_query(query: &[u8]) -> Result<(), Malformed> {
    let start = scan::plain_start(query, |byte, _| !is_query_byte(byte));
    let rest = query.get(start..).unwrap_or_default();
    match rest.iter().find(|&&byte| !is_query_byte(byte)) {
        None => Ok(()),
        Some(b'#') => Err(Malformed::Fragment),
        Some(_) => Err(Malformed::TargetByte),
    }
}

#[inline]
const fn is_query_byte(byte: u8) -> bool {
    (byte > b' ')
        & (byte < 0x7f)
        & (byte != b'"')
        & (byte != b'#')
        & (byte != b'<')
        & (byte != b'>')
}

/// `http://host/path` from a client that takes us for a proxy. We never are one: it must name what
/// `Host` names, and only its path and query are used.
fn tidy_absolute_form<'a>(
    raw: &'a str,
    authority: &Authority<'_>,
    scheme: Scheme,
    policy: PathPolicy,
) -> Result<Target<'a>, Malformed> {
    let (named_scheme, rest) = raw.split_once("://").ok_or(Malformed::TargetForm)?;
    if !named_scheme.eq_ignore_ascii_case("http") && !named_scheme.eq_ignore_ascii_case("https") {
        return Err(Malformed::TargetForm);
    }
    if !named_scheme.eq_ignore_ascii_case(scheme.as_str()) {
        return Err(Malformed::SchemeMismatch);
    }
    let authority_end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (named, path) = rest.split_at(authority_end);
    if Authority::parse(named.as_bytes(), scheme)?.as_str() != authority.as_str() {
        return Err(Malformed::HostMismatch);
    }
    if path.starts_with('/') {
        return tidy_origin_form(path, policy).map(|target| Target { unchanged: None, ..target });
    }
    if !path.is_empty() && !path.starts_with('?') {
        return Err(if path.starts_with('#') { Malformed::Fragment } else { Malformed::Backslash });
    }
    let (_, query) = split_query(path, 0)?;
    Ok(Target { path: Cow::Borrowed("/"), query, without_parameters: None, unchanged: None })
}

#[cfg(test)]
mod tests;
