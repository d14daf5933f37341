//! The text that is signed, put together from a request as it arrived.

use std::fmt::Write as _;

use ::http::HeaderMap;
use aws_lc_rs::digest::{SHA256, digest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

use super::authorization::{Form, Presented, parameters};
use super::{Received, Refused, hex};

/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, but for slashes.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// What the signature is of.
pub(super) fn string_to_sign(
    request: &Received<'_>,
    presented: &Presented,
    body_hash: &str,
) -> Result<String, Refused> {
    let canonical = canonical_request(request, presented, body_hash)?;
    let scope = &presented.scope;
    Ok(format!(
        "AWS4-HMAC-SHA256\n{}\n{}/{}/{}/aws4_request\n{}",
        presented.stamp,
        scope.date,
        scope.region,
        scope.service,
        hex(digest(&SHA256, canonical.as_bytes()).as_ref())
    ))
}

fn canonical_request(
    request: &Received<'_>,
    presented: &Presented,
    body_hash: &str,
) -> Result<String, Refused> {
    let mut text = format!("{}\n{}\n", request.method, canonical_path(request.path));
    let _ = writeln!(text, "{}", canonical_query(request.query, presented.form));
    for name in &presented.signed_headers {
        let _ = write!(text, "{name}:");
        write_values(&mut text, name, request)?;
        text.push('\n');
    }
    let _ = write!(text, "\n{}\n{body_hash}", presented.signed_headers.join(";"));
    Ok(text)
}

/// Dot segments and runs of slashes are resolved; what is escaped is escaped once more.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let mut resolved = format!("/{}", segments.join("/"));
    if path.ends_with('/') && !segments.is_empty() {
        resolved.push('/');
    }
    utf8_percent_encode(&resolved, RESERVED_IN_PATH).to_string()
}

/// All parameters but the signature itself, in order, in one spelling.
fn canonical_query(query: Option<&str>, form: Form) -> String {
    let is_presigned = matches!(form, Form::Query { .. });
    let mut pairs: Vec<(String, String)> = parameters(query)
        .filter(|(name, _)| !is_presigned || **name != *b"X-Amz-Signature")
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn encode(text: &[u8]) -> String {
    percent_encode(text, RESERVED).to_string()
}

/// All values of a header, trimmed, with single spaces, joined by commas.
fn write_values(text: &mut String, name: &str, request: &Received<'_>) -> Result<(), Refused> {
    if name == "host" {
        text.push_str(request.host);
        return Ok(());
    }
    let values = values(request.headers, name)?;
    text.push_str(&values.join(","));
    Ok(())
}

fn values(headers: &HeaderMap, name: &str) -> Result<Vec<String>, Refused> {
    let mut values = Vec::new();
    for value in headers.get_all(name) {
        let value = std::str::from_utf8(value.as_bytes()).map_err(|_| Refused::Wrong)?;
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        values.push(words.join(" "));
    }
    // Signed, and not there: it was removed on the way.
    if values.is_empty() { Err(Refused::Wrong) } else { Ok(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_and_escaped_once_more() {
        for (path, canonical) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a//b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a%20b", "/a%2520b"),
            ("/a+b:c", "/a%2Bb%3Ac"),
            ("/-._~", "/-._~"),
        ] {
            assert_eq!(canonical_path(path), canonical, "{path}");
        }
    }

    #[test]
    fn parameters_are_ordered_and_spelled_in_one_way() {
        for (query, canonical) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&A=0", "A=0&a=1&a=2"),
            ("a", "a="),
            ("a=%20b", "a=%20b"),
            ("a=b%2fc", "a=b%2Fc"),
            ("a=b=c", "a=b%3Dc"),
            ("a-=1&a=2", "a=2&a-=1"),
            ("a=%ff", "a=%FF"),
            ("a=%fe", "a=%FE"),
            ("a=%EF%BF%BD", "a=%EF%BF%BD"),
        ] {
            assert_eq!(canonical_query(Some(query), Form::Header), canonical, "{query}");
        }
    }
}
