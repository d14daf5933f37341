//! Where a `redirect` action sends the client: the `Location`, from the rule's texts and the request.

use std::borrow::Cow;

use crate::config::model::Redirect;
use crate::http::{Authority, Scheme, Target};

/// Longest `Location`, 8 KiB; a longer one is answered with 507 (alb.md 5.3).
pub const MAX_LOCATION: usize = 8 * 1024;

/// The parts of a request that a redirect may repeat.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// How the client reached us.
    pub scheme: Scheme,
    /// The host, with brackets if it is an IPv6 literal.
    pub host: &'a str,
    /// The port that the client used.
    pub port: u16,
    /// The path, with its leading `/`.
    pub path: &'a str,
    /// The query, without `?`; empty if there is none.
    pub query: &'a str,
}

impl<'a> Parts<'a> {
    /// The port is what `Host` says, since that is where the client got through to us: a listener's
    /// own port may be hidden behind a port mapping.
    #[must_use]
    pub fn of(target: &'a Target<'_>, authority: &'a Authority<'_>, scheme: Scheme) -> Self {
        Self {
            scheme,
            host: authority.host(),
            port: authority.port().unwrap_or(scheme.default_port()),
            path: &target.path,
            query: target.query.unwrap_or_default(),
        }
    }
}

/// The `Location` would be over [`MAX_LOCATION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the redirect's location is over 8 KiB")]
pub struct TooLong;

/// Writes `protocol://host:port/path?query`. The port is always written, as ALB does; an empty
/// query loses its `?`.
///
/// Only what a header or URL could not carry is percent-encoded: controls, spaces and non-ASCII,
/// and in the query also quotes and angle brackets.
///
/// # Errors
///
/// [`TooLong`], if it comes out longer than 8 KiB.
pub fn location(redirect: &Redirect, request: Parts<'_>) -> Result<String, TooLong> {
    let protocol = expand(&redirect.protocol, request).to_ascii_lowercase();
    let mut location = format!("{protocol}://");
    push_encoded(&mut location, &expand(&redirect.host, request), is_carried);
    location.push(':');
    push_encoded(&mut location, &expand(&redirect.port, request), is_carried);
    let path = expand(&redirect.path, request);
    if !path.starts_with('/') {
        location.push('/');
    }
    push_encoded(&mut location, &path, is_carried);
    let query = expand(&redirect.query, request);
    if !query.is_empty() {
        location.push('?');
        push_encoded(&mut location, &query, is_query_byte);
    }
    if location.len() > MAX_LOCATION { Err(TooLong) } else { Ok(location) }
}

/// Puts the request's parts in the place of `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and
/// `#{query}`. What was put in is not looked at again, so a request cannot smuggle in a keyword.
fn expand<'t>(text: &'t str, request: Parts<'_>) -> Cow<'t, str> {
    if !text.contains("#{") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + request.path.len() + request.query.len());
    let mut rest = text;
    while let Some((before, from_keyword)) = rest.split_once("#{") {
        out.push_str(before);
        let known = from_keyword
            .split_once('}')
            .and_then(|(keyword, after)| push_part(&mut out, keyword, request).then_some(after));
        rest = known.unwrap_or_else(|| {
            out.push_str("#{");
            from_keyword
        });
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn push_part(out: &mut String, keyword: &str, request: Parts<'_>) -> bool {
    match keyword {
        "protocol" => out.push_str(request.scheme.as_str()),
        "host" => out.push_str(request.host),
        "port" => out.push_str(&request.port.to_string()),
        // Without its `/`, so that `/new/#{path}` reads as it is meant.
        "path" => out.push_str(request.path.strip_prefix('/').unwrap_or(request.path)),
        "query" => out.push_str(request.query),
        _ => return false,
    }
    true
}

fn push_encoded(out: &mut String, text: &str, is_plain: fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

const fn is_carried(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

const fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(protocol: &str, host: &str, port: &str, path: &str, query: &str) -> Redirect {
        Redirect {
            protocol: protocol.to_owned(),
            host: host.to_owned(),
            port: port.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            status_code: 301,
        }
    }

    const REQUEST: Parts<'static> =
        Parts { scheme: Scheme::Http, host: "a.example", port: 80, path: "/x/y", query: "b=1" };

    fn to_https() -> Redirect {
        redirect("HTTPS", "#{host}", "443", "/#{path}", "#{query}")
    }

    /// alb.md, conformance 27 and 28.
    #[test]
    fn alb_s_own_examples_hold() {
        let at_root = Parts { path: "/a", ..REQUEST };
        assert_eq!(location(&to_https(), at_root).unwrap(), "https://a.example:443/a?b=1");
        let moved = redirect("#{protocol}", "#{host}", "#{port}", "/new/#{path}", "#{query}");
        assert_eq!(location(&moved, REQUEST).unwrap(), "http://a.example:80/new/x/y?b=1");
    }

    #[test]
    fn an_empty_query_leaves_no_question_mark() {
        let request = Parts { query: "", ..REQUEST };
        assert_eq!(location(&to_https(), request).unwrap(), "https://a.example:443/x/y");
    }

    #[test]
    fn every_keyword_is_filled_in_where_it_stands() {
        let all = redirect(
            "#{protocol}",
            "www.#{host}",
            "#{port}",
            "/#{host}/#{port}/#{path}",
            "p=#{protocol}&h=#{host}&o=#{port}&a=#{path}&q=#{query}",
        );
        assert_eq!(
            location(&all, REQUEST).unwrap(),
            "http://www.a.example:80/a.example/80/x/y?p=http&h=a.example&o=80&a=x/y&q=b=1"
        );
    }

    #[test]
    fn unknown_and_open_keywords_stay_and_requests_cannot_bring_their_own() {
        let odd = redirect("HTTP", "h", "1", "/#{x}/#{path", "#{query}");
        let request = Parts { query: "#{host}", ..REQUEST };
        assert_eq!(location(&odd, request).unwrap(), "http://h:1/#{x}/#{path?#{host}");
    }

    #[test]
    fn no_location_can_split_a_header() {
        let odd = redirect("HTTPS", "h\r\n", "1", "/é \t", "#{query}&\"<>\n");
        let location = location(&odd, REQUEST).unwrap();
        assert_eq!(location, "https://h%0D%0A:1/%C3%A9%20%09?b=1&%22%3C%3E%0A");
    }

    #[test]
    fn the_path_of_a_request_cannot_change_the_host() {
        let request = Parts { path: "//evil.example/x", ..REQUEST };
        let location = location(&to_https(), request).unwrap();
        assert!(location.starts_with("https://a.example:443/"), "{location}");
    }

    #[test]
    fn a_location_over_eight_kib_is_too_long() {
        let fixed = "https://a.example:443/?".len();
        for (length, fits) in [(MAX_LOCATION - fixed, true), (MAX_LOCATION - fixed + 1, false)] {
            let query = "q".repeat(length);
            let request = Parts { path: "/", query: &query, ..REQUEST };
            assert_eq!(location(&to_https(), request).is_ok(), fits);
        }
    }

    #[test]
    fn the_port_is_the_one_that_the_client_used() {
        let authority = Authority::parse(b"[::1]:8080", Scheme::Http).unwrap();
        let received = crate::http::Received {
            method: "GET",
            target: b"/a",
            authority: None,
            scheme: Scheme::Http,
        };
        let policy = crate::http::PathPolicy::default();
        let (target, _) = crate::http::tidy(received, [&b"[::1]:8080"[..]], policy).unwrap();
        let keep = redirect("#{protocol}", "#{host}", "#{port}", "/b", "#{query}");
        let parts = Parts::of(&target, &authority, Scheme::Http);
        assert_eq!(location(&keep, parts).unwrap(), "http://[::1]:8080/b");
    }
}
