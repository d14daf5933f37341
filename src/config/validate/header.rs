//! Names of headers that this gateway may own, and the claims that fill them.

use super::pattern::Refusal;
use crate::config::model::ClaimPath;

/// Headers with a duty of their own: owning one would break framing, routing, or a response.
const RESERVED: &[&str] = &[
    "accept",
    "accept-encoding",
    "access-control-allow-origin",
    "age",
    "allow",
    "alt-svc",
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-modified",
    "location",
    "max-forwards",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
];

/// Families with a duty of their own.
const RESERVED_PREFIXES: &[&str] = &[
    "content-",
    "x-forwarded-",
    "x-amzn-",
    "x-portcullis-",
    "sec-",
    "proxy-",
    "access-control-",
    "grpc-",
];

fn refuse<T>(message: impl Into<String>, help: Option<&str>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), help: help.map(str::to_owned) })
}

/// A header that this gateway owns, in lower case.
pub(super) fn owned(text: &str) -> Result<String, Refusal> {
    let name = token(text)?;
    if name.contains('_') {
        let help = "use `-`; many servers read `_` and `-` as the same character";
        return refuse("`_` may not stand in an owned header", Some(help));
    }
    let reserved = RESERVED.contains(&name.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if reserved {
        let help = "use a name of your own, such as `x-auth-subject`";
        return refuse(
            format!("`{name}` has a meaning of its own and cannot carry a claim"),
            Some(help),
        );
    }
    Ok(name)
}

/// A valid header name, in lower case.
pub(super) fn token(text: &str) -> Result<String, Refusal> {
    const LONGEST: usize = 128;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(allowed) {
        return refuse("this is not a header name", Some("letters, digits and `-`"));
    }
    Ok(text.to_ascii_lowercase())
}

/// The header of `$request.header.NAME`.
pub(super) fn identity_source(text: &str) -> Result<String, Refusal> {
    const PREFIX: &str = "$request.header.";
    let Some(name) = text.strip_prefix(PREFIX) else {
        let help = "write `$request.header.NAME`";
        return refuse("a token is only looked for in a header", Some(help));
    };
    let name = token(name)?;
    let unfit = RESERVED.contains(&name.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if unfit && name != "authorization" {
        return refuse(format!("`{name}` has a meaning of its own and cannot carry a token"), None);
    }
    Ok(name)
}

/// A claim's name, or a JSON pointer if it begins with `/`.
pub(super) fn claim(text: &str) -> Result<ClaimPath, Refusal> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return refuse("this is not a claim's name", None);
    }
    let Some(pointer) = text.strip_prefix('/') else {
        return Ok(ClaimPath::Name(text.to_owned()));
    };
    let mut parts = Vec::new();
    for part in pointer.split('/') {
        let mut plain = String::with_capacity(part.len());
        let mut chars = part.chars();
        while let Some(c) = chars.next() {
            plain.push(match c {
                '~' => match chars.next() {
                    Some('0') => '~',
                    Some('1') => '/',
                    _ => {
                        let help = "in a JSON pointer `~0` means `~` and `~1` means `/`";
                        return refuse("`~` begins an unknown escape", Some(help));
                    }
                },
                c => c,
            });
        }
        if plain.is_empty() {
            return refuse(
                "a part of this JSON pointer is empty",
                Some("as in `/realm_access/roles`"),
            );
        }
        parts.push(plain);
    }
    Ok(ClaimPath::Pointer(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_with_a_duty_cannot_be_owned() {
        assert_eq!(owned("X-Auth-Subject").unwrap(), "x-auth-subject");
        for bad in [
            "host",
            "Content-Length",
            "content-anything",
            "transfer-encoding",
            "Authorization",
            "cookie",
            "X-Forwarded-For",
            "x-amzn-oidc-data",
            "connection",
            "te",
            "x_auth",
            "",
            "a b",
            "a:b",
            "é",
            ":path",
            "location",
        ] {
            assert!(owned(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_claim_is_a_name_or_a_pointer() {
        assert_eq!(claim("cognito:groups").unwrap(), ClaimPath::Name("cognito:groups".into()));
        assert_eq!(claim("https://a/b").unwrap(), ClaimPath::Name("https://a/b".into()));
        assert_eq!(
            claim("/a/b~1c~0").unwrap(),
            ClaimPath::Pointer(vec!["a".into(), "b/c~".into()])
        );
        for bad in ["", "/", "/a//b", "/a~2", "/a~", "a\nb"] {
            assert!(claim(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_looked_for_in_a_header_of_its_own() {
        assert_eq!(identity_source("$request.header.Authorization").unwrap(), "authorization");
        assert_eq!(identity_source("$request.header.X-Token").unwrap(), "x-token");
        for bad in [
            "Authorization",
            "$request.querystring.token",
            "$request.header.",
            "$request.header.Cookie",
        ] {
            assert!(identity_source(bad).is_err(), "{bad}");
        }
    }
}
