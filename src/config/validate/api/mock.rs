//! `mock:` of an integration: an answer that no target is asked for.

use super::super::pattern::Refusal;
use super::super::{Judge, error_page, header};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Spanned};
use crate::config::model::Mock;
use crate::config::raw;

/// Longest body (as of a fixed response).
const LONGEST_BODY: usize = 64 * 1024;
/// Most headers, and longest value.
const MOST_HEADERS: usize = 32;
const LONGEST_VALUE: usize = 1024;
/// What says how the answer is sent, or has a key of its own.
const OURS: [&str; 10] = [
    "connection",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Judge<'_> {
    pub(super) fn mock(&mut self, given: &Spanned<Box<raw::Mock>>) -> Option<Mock> {
        let raw = &given.value;
        let status_code = match raw.status_code.given() {
            None => Some(200),
            Some(code) => self.accept("invalid-status", code.span, status(code.value)),
        };
        let content_type = match raw.content_type.given() {
            None => Some("application/json".to_owned()),
            Some(text) => {
                let checked = error_page::content_type(&text.value);
                self.accept("invalid-content-type", text.span, checked)
            }
        };
        let entries = raw.headers.value().map(|table| table.entries.as_slice()).unwrap_or_default();
        if let Some((name, _)) = entries.get(MOST_HEADERS) {
            let message = format!("more than {MOST_HEADERS} headers");
            self.report(Diagnostic::error("out-of-range", name.span, message));
        }
        let mut headers = Vec::new();
        for (name, value) in entries {
            let Some(value) = value else { continue };
            let checked = self::header(&name.value, value);
            headers.extend(self.accept("invalid-header", name.span, checked));
        }
        let body = raw.body.value().cloned().unwrap_or_default();
        self.judge_body(&raw.body, status_code);
        Some(Mock { status_code: status_code?, content_type: content_type?, headers, body })
    }

    fn judge_body(&mut self, body: &Field<String>, status: Option<u16>) {
        let Some(body) = body.given() else { return };
        if body.value.len() > LONGEST_BODY {
            let message = format!("the body is longer than {} KiB", LONGEST_BODY / 1024);
            self.report(Diagnostic::error("out-of-range", body.span, message));
        }
        if let Some(status) = status.filter(|s| matches!(s, 204 | 205) && !body.value.is_empty()) {
            let message = format!("an answer with the status {status} has no body");
            self.report(Diagnostic::error("contradiction", body.key, message));
        }
    }
}

fn status(code: u64) -> Result<u16, Refusal> {
    let fits = |code: &u16| (200..=599).contains(code) && *code != 304;
    u16::try_from(code).ok().filter(fits).ok_or_else(|| Refusal {
        message: format!("`{code}` cannot be the status of this answer"),
        help: Some("200 to 599, but 304".to_owned()),
    })
}

fn header(name: &str, value: &str) -> Result<(String, String), Refusal> {
    let refuse = |message: String, help: &str| Err(Refusal { message, help: Some(help.into()) });
    let name = header::token(name)?;
    if OURS.contains(&name.as_str()) {
        let help = "the type of the body is `content_type`";
        return refuse(format!("`{name}` is the gateway's own"), help);
    }
    let is_plain = value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !is_plain || value.len() > LONGEST_VALUE || value.trim() != value {
        let message = format!("this is no value for the header `{name}`");
        return refuse(message, "visible ASCII, at most 1024 characters");
    }
    Ok((name, value.to_owned()))
}
