//! ALB's pages, byte for byte (alb.md 14.2).

use std::sync::LazyLock;

use ::http::HeaderValue;
use bytes::Bytes;

pub(super) const CONTENT_TYPE_HTML: HeaderValue = HeaderValue::from_static("text/html");

/// Statuses that we answer with, and their reasons: ALB's where it was seen, else nginx's, from
/// which ALB's are taken.
const REASONS: [(u16, &str); 33] = [
    (200, "OK"),
    (204, "No Content"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (400, "Bad Request"),
    (401, "Authorization Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Not Allowed"),
    (406, "Not Acceptable"),
    (408, "Request Time-out"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Large"),
    (415, "Unsupported Media Type"),
    (421, "Misdirected Request"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (460, "Client Closed Request"),
    (463, "Too Many Forwarded Addresses"),
    (464, "Incompatible Protocol Version"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Temporarily Unavailable"),
    (504, "Gateway Time-out"),
    (505, "HTTP Version Not Supported"),
    (507, "Insufficient Storage"),
    (508, "Loop Detected"),
    (561, "Authentication Error"),
    (562, "JWKS Request Failed"),
];

/// The pages of [`REASONS`], at the same places.
static PAGES: LazyLock<Vec<Bytes>> =
    LazyLock::new(|| REASONS.iter().map(|(status, reason)| write_page(*status, reason)).collect());

/// The reason phrase for a status line and for the title of a page. For a status that is not among
/// ours, the registered one, or nothing.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    match place_of(status).and_then(|place| REASONS.get(place)) {
        Some((_, reason)) => reason,
        None => ::http::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default(),
    }
}

/// The page for a status.
#[must_use]
pub fn error_page(status: u16) -> Bytes {
    match place_of(status).and_then(|place| PAGES.get(place)) {
        Some(page) => page.clone(),
        None => write_page(status, reason_phrase(status)),
    }
}

/// The page for a status with a link to try again, which is escaped.
pub(super) fn retry_page(status: u16, retry: &str) -> Bytes {
    let mut link = String::with_capacity(retry.len());
    for character in retry.chars() {
        match character {
            '&' => link.push_str("&amp;"),
            '<' => link.push_str("&lt;"),
            '>' => link.push_str("&gt;"),
            '"' => link.push_str("&quot;"),
            '\'' => link.push_str("&#39;"),
            other => link.push(other),
        }
    }
    let title = format!("{status} {}", reason_phrase(status));
    Bytes::from(format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
         <center><h1>{title}</h1></center>\r\n\
         <center><p>You could not be signed in. <a href=\"{link}\">Try again</a></p></center>\r\n\
         </body>\r\n</html>\r\n"
    ))
}

fn place_of(status: u16) -> Option<usize> {
    REASONS.binary_search_by_key(&status, |(status, _)| *status).ok()
}

fn write_page(status: u16, reason: &str) -> Bytes {
    let title = format!("{status} {reason}");
    let title = title.trim_end();
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
         <center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    Bytes::from(page)
}
