//! What people see: the sign-in page, and the page of a request that cannot be answered otherwise.
//!
//! No script, nothing from elsewhere, and every text that came with a request escaped. The policy
//! in the headers forbids what is not there, so that a hole in the escaping would be a dull one.

use std::fmt::{self, Display, Write as _};
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::user_pool::errors::PageError;

const STYLE: &str = include_str!("page/style.css");

/// Without `form-action`: browsers apply it to where an answer to the form sends them too, and to
/// where the client sends them after that, which nobody here can know.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'"
    );
    // Base64 and plain words are a header value; without one nothing at all is allowed.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The sign-in form.
pub(super) struct LoginPage<'a> {
    /// Which pool asks.
    pub(super) pool_id: &'a str,
    /// For which client.
    pub(super) client: &'a str,
    /// Where the form goes: the page's own query again.
    pub(super) query: &'a str,
    /// What the form must bring along.
    pub(super) csrf: &'a str,
    /// The user name, as far as it is known.
    pub(super) username: &'a str,
    /// Why it is shown again.
    pub(super) mistake: Option<&'a str>,
}

impl LoginPage<'_> {
    pub(super) fn render(&self) -> String {
        let knows_user = !self.username.is_empty();
        let focus = |here| if here { " autofocus" } else { "" };
        let mistake = self.mistake.map_or_else(String::new, |text| {
            format!("<p class=\"bad\" id=\"mistake\" role=\"alert\">{}</p>\n", Escaped(text))
        });
        let described = " aria-invalid=\"true\" aria-describedby=\"mistake\"";
        format!(
            include_str!("page/login.html"),
            title = if mistake.is_empty() { "Sign in" } else { "Error: sign in" },
            style = STYLE,
            client = Escaped(self.client),
            mistake = mistake,
            action = Escaped(&format!("/login?{}", self.query)),
            csrf = Escaped(self.csrf),
            username = Escaped(self.username),
            focus_username = focus(!knows_user),
            focus_password = focus(knows_user),
            invalid = if mistake.is_empty() { "" } else { described },
            pool = Escaped(self.pool_id),
        )
    }
}

/// The page that says why nothing goes on.
pub(super) fn error(pool_id: &str, error: &PageError) -> Response {
    let text = format!(
        include_str!("page/error.html"),
        style = STYLE,
        code = error.code(),
        message = Escaped(&error.to_string()),
        pool = Escaped(pool_id),
    );
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    answer(status, text)
}

/// A page with the headers that keep it from being framed, kept or added to.
pub(super) fn answer(status: StatusCode, page: String) -> Response {
    let mut response = (status, Html(page)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Not `no-referrer`: browsers then send `Origin: null` with the form.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Text, or the value of a quoted attribute.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_came_with_the_request_becomes_markup() {
        let hostile = "\"'><script>alert(1)</script>{style}&amp;";
        let page = LoginPage {
            pool_id: hostile,
            client: hostile,
            query: hostile,
            csrf: hostile,
            username: hostile,
            mistake: Some(hostile),
        };
        let tags = |text: &str| text.matches('<').count();
        let plain = LoginPage {
            pool_id: "x",
            client: "x",
            query: "x",
            csrf: "x",
            username: "x",
            mistake: Some("x"),
        };
        let text = page.render();
        assert_eq!(tags(&text), tags(&plain.render()), "{text}");
        assert!(!text.contains("<script") && !text.contains("\"'>"), "{text}");
        assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;{style}&amp;amp;"), "{text}");
    }

    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        let policy = POLICY.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
