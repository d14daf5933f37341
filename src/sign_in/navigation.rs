//! Whether a request is a page that somebody wants to see, or a script's.
//!
//! Who shows pages can be sent to sign in. A script that follows such a redirect gets an HTML page of
//! another site where it wanted data, or nothing at all; it is told 401.

use ::http::HeaderMap;
use ::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, UPGRADE};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Whether a request is a browser's way to a page.
#[must_use]
pub fn is_navigation(headers: &HeaderMap) -> bool {
    let value = |name: &HeaderName| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    if headers.contains_key(UPGRADE) || value(&CONTENT_TYPE).starts_with(b"application/grpc") {
        return false;
    }
    match value(&SEC_FETCH_MODE) {
        // Not a browser's of today.
        b"" => {
            !value(&X_REQUESTED_WITH).eq_ignore_ascii_case(b"xmlhttprequest")
                && accepts_pages(headers)
        }
        mode => mode == b"navigate",
    }
}

/// `Accept` is absent, or takes HTML by name or by `*/*`.
fn accepts_pages(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(ACCEPT).into_iter().peekable();
    fields.peek().is_none()
        || fields
            .flat_map(|field| field.as_bytes().split(|&byte| byte == b','))
            .map(|range| range.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii())
            .any(|range| {
                [&b"text/html"[..], b"application/xhtml+xml", b"text/*", b"*/*"]
                    .iter()
                    .any(|page| range.eq_ignore_ascii_case(page))
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| (name.parse().unwrap(), value.parse().unwrap());
        fields
            .iter()
            .map(field)
            .collect::<Vec<(HeaderName, ::http::HeaderValue)>>()
            .into_iter()
            .collect()
    }

    #[test]
    fn pages_are_navigated_to() {
        for page in [
            &[("sec-fetch-mode", "navigate"), ("accept", "application/json")][..],
            &[("accept", "text/html,application/xhtml+xml;q=0.9")],
            &[("accept", "*/*")],
            &[("accept", "image/png"), ("accept", "TEXT/HTML;q=0.1")],
            &[],
        ] {
            assert!(is_navigation(&headers(page)), "{page:?}");
        }
    }

    #[test]
    fn scripts_calls_and_sockets_are_not() {
        for script in [
            &[("sec-fetch-mode", "cors"), ("accept", "text/html")][..],
            &[("sec-fetch-mode", "no-cors")],
            &[("sec-fetch-mode", "Navigate")],
            &[("x-requested-with", "XMLHttpRequest"), ("accept", "*/*")],
            &[("accept", "application/json")],
            &[("content-type", "application/grpc+proto")],
            &[("upgrade", "websocket"), ("sec-fetch-mode", "navigate")],
        ] {
            assert!(!is_navigation(&headers(script)), "{script:?}");
        }
    }
}
