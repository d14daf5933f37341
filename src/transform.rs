//! Transforms: what a target gets in place of the host, the path and the query that a client sent
//! (alb.md 6).
//!
//! Rules, authorization and logs have seen the request as it came; only what is sent changes. The
//! result is judged like anything that comes from outside: a rewrite cannot make a head that the
//! gateway would not have let in.

use crate::config::model::Transforms;
use crate::http::limits::MAX_LINE;
use crate::http::target::tidy_again;
use crate::http::{Authority, PathPolicy, Scheme};

/// What a transform made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transformed {
    /// The new host, with the port that there was; absent when it is the old one.
    pub authority: Option<Box<str>>,
    /// The new path and query; absent when they are the old ones.
    pub target: Option<Box<str>>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The result is longer than a request may be.
    #[error("the transform's result is too long")]
    TooLong,
    /// It is no host name.
    #[error("the transform makes no host")]
    InvalidHost,
    /// It is no path that may be sent.
    #[error("the transform makes no path")]
    InvalidPath,
}

impl Failure {
    /// ALB's `request_transform_status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "TransformBufferTooSmall",
            Self::InvalidHost => "TransformInvalidHost",
            Self::InvalidPath => "TransformInvalidPath",
        }
    }
}

/// ALB's `request_transform_status` where all went well.
pub const SUCCESS: &str = "TransformSuccess";

/// Rewrites host and target by the rule. `None` when no expression finds anything.
///
/// # Errors
///
/// When a result may not be sent.
pub fn apply(
    transforms: &Transforms,
    authority: &Authority<'_>,
    target: &str,
    policy: PathPolicy,
) -> Result<Option<Transformed>, Failure> {
    let host = transforms.host.as_ref().and_then(|host| host.apply(authority.host(), MAX_LINE));
    let url = transforms.url.as_ref().and_then(|url| url.apply(target, MAX_LINE));
    if host.is_none() && url.is_none() {
        return Ok(None);
    }
    let authority = match host {
        None => None,
        Some(host) => Some(with_port(&host.map_err(|_| Failure::TooLong)?, authority.port())?),
    };
    let target = match url {
        None => None,
        Some(url) => {
            let url = url.map_err(|_| Failure::TooLong)?;
            let tidied = tidy_again(&url, policy).map_err(|_| Failure::InvalidPath)?;
            Some(tidied.path_and_query().into())
        }
    };
    Ok(Some(Transformed { authority, target }))
}

/// A host name with the port that the client named: a transform changes no port.
fn with_port(host: &str, port: Option<u16>) -> Result<Box<str>, Failure> {
    // Any scheme will do: the port, if there is one, is none of its own.
    let parsed = Authority::parse(host.as_bytes(), Scheme::Https);
    let parsed = parsed.map_err(|_| Failure::InvalidHost)?;
    // `a:443` would lose its port without a word.
    if parsed.host().len() != host.len() {
        return Err(Failure::InvalidHost);
    }
    Ok(match port {
        Some(port) => format!("{}:{port}", parsed.host()).into(),
        None => parsed.host().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Rewrite;

    fn transforms(host: Option<(&str, &str)>, url: Option<(&str, &str)>) -> Transforms {
        let rewrite = |(regex, replace)| Rewrite::new(regex, replace, true).unwrap();
        Transforms { host: host.map(rewrite), url: url.map(rewrite) }
    }

    /// Host and target.
    type Made = (Option<String>, Option<String>);

    fn judge(
        host: Option<(&str, &str)>,
        url: Option<(&str, &str)>,
        (authority, target): (&str, &str),
    ) -> Result<Option<Made>, Failure> {
        let authority = Authority::parse(authority.as_bytes(), Scheme::Https).unwrap();
        let made = apply(&transforms(host, url), &authority, target, PathPolicy::default())?;
        Ok(made.map(|made| (made.authority.map(String::from), made.target.map(String::from))))
    }

    #[test]
    fn host_and_target_are_rewritten_each_for_itself() {
        let host = Some(("^mywebsite-(.+)\\.com$", "internal-$1.example"));
        let url = Some(("^/api/(.*)$", "/$1"));
        let both = judge(host, url, ("mywebsite-shop.com:8443", "/api/a?b=c"));
        let made = (Some("internal-shop.example:8443".to_owned()), Some("/a?b=c".to_owned()));
        assert_eq!(both, Ok(Some(made)));
        let one = judge(host, url, ("other.com", "/api/a"));
        assert_eq!(one, Ok(Some((None, Some("/a".to_owned())))));
        assert_eq!(judge(host, url, ("other.com", "/x")), Ok(None));
    }

    #[test]
    fn what_a_client_could_not_send_cannot_be_made_either() {
        let url = |replace| judge(None, Some(("^/.*$", replace)), ("a.example", "/x"));
        assert_eq!(url("/a/../b"), Ok(Some((None, Some("/b".to_owned())))));
        for bad in [
            "",
            "x",
            "?a",
            "*",
            "http://evil.example/",
            "/../a",
            "/%2e%2e/a",
            "/a b",
            "/a\u{7f}",
            "/é",
            "/%2f",
            "/%",
            "/a#b",
            "/\\evil",
        ] {
            assert_eq!(url(bad), Err(Failure::InvalidPath), "{bad}");
        }
        let host = |replace| judge(Some((".*", replace)), None, ("a.example", "/x"));
        for bad in ["", "a b", "a:80", "a:443", "u@a", "a/b", "a..b", "a,b", "é", "a."] {
            assert_eq!(host(bad), Err(Failure::InvalidHost), "{bad}");
        }
        assert_eq!(host("B.example"), Ok(Some((Some("b.example".to_owned()), None))));
    }

    #[test]
    fn a_result_is_no_longer_than_a_request() {
        let url = Some(("^/(.*)$", "/$1$1$1$1"));
        let long = format!("/{}", "x".repeat(MAX_LINE / 2));
        assert_eq!(judge(None, url, ("a.example", &long)), Err(Failure::TooLong));
    }
}
