//! What may stand in a condition, by ALB's rules for characters.
//!
//! ALB also wants a dot in every host pattern and letters after the last one; `localhost` and
//! addresses are useful here, so that is not asked. Its length quotas are not limits here.

use ipnet::IpNet;

/// Why a value cannot be used, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Refusal {
    /// What is wrong.
    pub(in crate::config) message: String,
    /// What to do.
    pub(in crate::config) help: Option<String>,
}

/// Longest pattern, a bound on the work of matching.
const LONGEST: usize = 1024;

fn refuse<T>(message: impl Into<String>, help: Option<&str>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), help: help.map(str::to_owned) })
}

fn check_length(what: &str, text: &str) -> Result<(), Refusal> {
    match text.len() {
        0 => refuse(format!("a {what} may not be empty"), None),
        1..=LONGEST => Ok(()),
        _ => refuse(format!("a {what} may not be longer than {LONGEST} bytes"), None),
    }
}

/// A pattern of `host_header`, in lower case.
pub(super) fn host(text: &str) -> Result<String, Refusal> {
    check_length("host pattern", text)?;
    if text.contains("://") || text.contains('/') {
        let help = "write only the host name; paths go into `path_pattern`";
        return refuse("a host pattern is neither a URL nor a path", Some(help));
    }
    if text.contains(':') {
        let help = "drop the port: it takes no part in matching";
        return refuse("a host pattern has no port", Some(help));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-.*?".contains(c);
    if let Some(stranger) = text.chars().find(|&c| !allowed(c)) {
        let help = "letters, digits, `-`, `.`, and `*` and `?` as wildcards; write international \
                    names in their `xn--` form";
        let message = format!("{} may not stand in a host pattern", shown(stranger));
        return refuse(message, Some(help));
    }
    if text.starts_with('.') || text.ends_with('.') || text.contains("..") {
        let help = "for every subdomain write \"*.example.com\"";
        return refuse(
            "this host pattern matches no host: a dot begins, ends or repeats",
            Some(help),
        );
    }
    Ok(text.to_ascii_lowercase())
}

/// A pattern of `path_pattern`. `merge_slashes` is the listener's.
pub(super) fn path(text: &str, merge_slashes: bool) -> Result<String, Refusal> {
    check_length("path pattern", text)?;
    if text.contains("://") {
        return refuse("a path pattern is not a URL", Some("hosts go into `host_header`"));
    }
    if !text.starts_with(['/', '*', '?']) {
        let help = format!("write `/{text}`");
        return refuse("this pattern matches no path: every path begins with `/`", Some(&help));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c);
    if let Some(stranger) = text.chars().find(|&c| !allowed(c)) {
        let help = match stranger {
            '%' => "paths are decoded before they are matched; use `?` or `*` for such a character",
            '{' | '}' => "path variables belong to API routes; use `*`",
            '#' | ';' => "use `?` for one such character",
            _ => "letters, digits, `_-.$/~\"'@:+&`, and `*` and `?` as wildcards",
        };
        let message = format!("{} may not stand in a path pattern", shown(stranger));
        return refuse(message, Some(help));
    }
    if merge_slashes && text.contains("//") {
        let help = "runs of `/` are made one before matching";
        return refuse("this pattern matches no path: `//` never arrives", Some(help));
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") {
        let help = "dot segments are resolved before matching";
        return refuse("this pattern matches no path: `.` and `..` never arrive", Some(help));
    }
    Ok(text.to_owned())
}

/// A value of `http_request_method`.
pub(super) fn method(text: &str) -> Result<String, Refusal> {
    const LONGEST_METHOD: usize = 40;
    if text.is_empty() || text.len() > LONGEST_METHOD {
        return refuse(format!("a method has 1 to {LONGEST_METHOD} characters"), None);
    }
    if text.contains(['*', '?']) {
        let help = "leave `http_request_method` out to match every method";
        return refuse("methods have no wildcards", Some(help));
    }
    if text.bytes().any(|b| b.is_ascii_lowercase()) {
        let help = format!("write `{}`", text.to_ascii_uppercase());
        return refuse("methods are written in capitals", Some(&help));
    }
    let allowed = |c: char| c.is_ascii_uppercase() || c == '-' || c == '_';
    match text.chars().find(|&c| !allowed(c)) {
        Some(stranger) => refuse(format!("{} may not stand in a method", shown(stranger)), None),
        None => Ok(text.to_owned()),
    }
}

/// The name in a condition on a header, in lower case.
pub(super) fn header_name(text: &str) -> Result<String, Refusal> {
    const LONGEST_NAME: usize = 40;
    if text.is_empty() || text.len() > LONGEST_NAME {
        return refuse(format!("a header's name has 1 to {LONGEST_NAME} characters"), None);
    }
    if text.contains(['*', '?']) {
        return refuse("names of headers have no wildcards", Some("wildcards go into `values`"));
    }
    if ::http::HeaderName::try_from(text).is_err() {
        return refuse("this is not a header's name", None);
    }
    let name = text.to_ascii_lowercase();
    match name.as_str() {
        "host" => refuse("`Host` is no header to rules", Some("use `host_header`")),
        "connection" | "transfer-encoding" | "content-length" | "upgrade" | "keep-alive" => {
            refuse("this header is about the connection, not the request", None)
        }
        _ => Ok(name),
    }
}

/// A value in a condition on a header. Its case does not matter.
pub(super) fn header_value(text: &str) -> Result<String, Refusal> {
    check_length("header value", text)?;
    visible(text)
}

/// A name or value in a condition on the query.
pub(super) fn query(text: &str) -> Result<String, Refusal> {
    check_length("query pattern", text)?;
    if text.starts_with('?') && text.len() > 1 && text.contains('=') {
        let help = "write `{ key: ..., value: ... }`";
        return refuse("a query pattern is one name or one value", Some(help));
    }
    visible(text)
}

/// ALB compares printable ASCII only (alb.md 3).
fn visible(text: &str) -> Result<String, Refusal> {
    match text.chars().find(|c| !matches!(c, ' '..='~')) {
        Some(stranger) => {
            let message = format!("{} may not stand in a pattern", shown(stranger));
            refuse(message, Some("printable ASCII, and `*` and `?` as wildcards"))
        }
        None => Ok(text.to_owned()),
    }
}

/// A network of clients.
pub(super) fn network(text: &str) -> Result<IpNet, Refusal> {
    if text == "255.255.255.255/32" {
        return refuse("no client has the broadcast address", None);
    }
    super::forwarding::network(text)
}

fn shown(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        c if c.is_control() => "a control character".to_owned(),
        c => format!("`{c}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_patterns_are_lowered_and_their_characters_judged() {
        assert_eq!(host("*.Example.COM").unwrap(), "*.example.com");
        assert_eq!(host("localhost").unwrap(), "localhost");
        for bad in
            ["", "a:80", "https://a.b", "a/b", "a b", "a_b.c", "é.com", ".a.com", "a..b", "a."]
        {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn path_patterns_keep_their_case_and_must_be_able_to_match() {
        assert_eq!(path("/Img/*", true).unwrap(), "/Img/*");
        assert_eq!(path("*.png", true).unwrap(), "*.png");
        assert!(path("/a//b", false).is_ok());
        for bad in
            ["", "orders/*", "/a//b", "/a/../b", "/a/.", "/a%20b", "/a b", "/a;b", "/é", "/{id}"]
        {
            assert!(path(bad, true).is_err(), "{bad}");
        }
        assert!(path("/a..b/.well-known/*", true).is_ok());
    }

    #[test]
    fn methods_are_capitals_without_wildcards() {
        assert_eq!(method("PURGE").unwrap(), "PURGE");
        assert_eq!(method("get").unwrap_err().help.as_deref(), Some("write `GET`"));
        for bad in ["", "GET ", "G*", "GET1", &"A".repeat(41)] {
            assert!(method(bad).is_err(), "{bad}");
        }
    }
}
