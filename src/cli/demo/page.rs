//! The demo's page behind sign-in: who you are, and what reached the target.
//!
//! It reads what any target reads: the claim headers, and the payload of `x-amzn-oidc-data`, which
//! it does not verify since nobody but the gateway can reach it.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value};

const TEMPLATE: &str = include_str!("page.html");

/// Whether this is a browser that shows pages, of somebody who signed in.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).map_or(&b""[..], |value| value.as_bytes());
    accept.windows(9).any(|part| part == b"text/html") && headers.contains_key("x-amzn-oidc-data")
}

/// The page.
pub(super) fn show(headers: &HeaderMap, listed: &[(&str, String)]) -> Response {
    let claims = claims(headers);
    let name = ["name", "email", "username", "sub"]
        .iter()
        .find_map(|claim| claims.get(*claim)?.as_str())
        .unwrap_or("somebody");
    let row = |name: &str, value: &str| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escaped(name), escaped(value))
    };
    let own: String = claims
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => row(name, text),
            other => row(name, &other.to_string()),
        })
        .collect();
    let received: String = listed.iter().map(|(name, value)| row(name, value)).collect();
    let page = TEMPLATE
        .replace("{claims}", &own)
        .replace("{headers}", &received)
        .replace("{name}", &escaped(name));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let fields = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (fields, Html(page)).into_response()
}

fn claims(headers: &HeaderMap) -> Map<String, Value> {
    let read = || {
        let data = headers.get("x-amzn-oidc-data")?.to_str().ok()?;
        let payload = URL_SAFE.decode(data.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok()
    };
    read().unwrap_or_default()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // What the template would take for a place of its own.
            '{' => out.push_str("&#123;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(payload: &str) -> HeaderMap {
        let data = format!("e30=.{}.c2ln", URL_SAFE.encode(payload));
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-oidc-data", HeaderValue::from_str(&data).unwrap());
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html,*/*"));
        headers
    }

    #[tokio::test]
    async fn it_greets_by_name_and_escapes_whatever_it_shows() {
        let headers = headers(r#"{"sub":"1","email":"<b>a&b\"</b>{headers}"}"#);
        assert!(is_wanted(&headers));
        let listed = [("x-a", "<script>".to_owned())];
        let body = axum::body::to_bytes(show(&headers, &listed).into_body(), 1 << 20).await;
        let page = String::from_utf8(body.unwrap().to_vec()).unwrap();
        assert!(page.contains("&lt;b&gt;a&amp;b&quot;&lt;/b&gt;&#123;headers}"), "{page}");
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
    }

    #[test]
    fn scripts_and_callers_with_a_token_get_json() {
        let mut own = headers("{}");
        own.remove("x-amzn-oidc-data");
        assert!(!is_wanted(&own));
        let mut script = headers("{}");
        script.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        assert!(!is_wanted(&script));
    }
}
