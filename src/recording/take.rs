//! From a request that has ended to what is kept of it.

use std::borrow::Cow;

use ::http::HeaderMap;

use super::caller::caller;
use super::recorder::Order;
use super::shape::{Met, Shape, UNKNOWN};
use crate::engine::Decision;
use crate::snapshot::{LookedAt, Snapshot};
use crate::telemetry::json::{push_time, redacted};
use crate::telemetry::record::{Record, holds_token, redacted_query};

/// Headers whose values are kept although no rule looks at them: what they say decides at a
/// listener, at an API, or about sign-in, and is nobody's secret.
const PLAIN: [&str; 18] = [
    "accept",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "origin",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "te",
    "upgrade",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];
/// A header is taken for a secret when one of these is part of its name.
const SECRET: [&str; 14] = [
    "assertion",
    "auth",
    "cookie",
    "credential",
    "csrf",
    "jwt",
    "key",
    "oidc",
    "passw",
    "secret",
    "session",
    "signature",
    "token",
    "xsrf",
];
/// A value of more bytes is not kept.
const LONGEST_VALUE: usize = 256;
/// A request with a longer target, or with more headers, is not kept: cut, it would be another.
const LONGEST_TARGET: usize = 4096;
const MOST_HEADERS: usize = 128;

/// A request that has ended.
pub struct Seen<'a> {
    /// What is known of it.
    pub record: &'a Record<'a>,
    /// The configuration that it met.
    pub snapshot: &'a Snapshot,
    /// What was decided, where it came to that.
    pub decision: Option<&'a Decision>,
    /// As they were received.
    pub headers: &'a HeaderMap,
    /// `path?query` as it was received.
    pub target: &'a [u8],
    /// `Host` or `:authority` as it was received.
    pub host: Option<&'a [u8]>,
}

/// What is kept of a request; nothing where it is too large for that. `order` is that of the
/// recording under way.
#[must_use]
pub fn take(seen: &Seen<'_>, order: Option<&Order>) -> Option<Shape> {
    if seen.target.len() > LONGEST_TARGET || seen.headers.len() > MOST_HEADERS {
        return None;
    }
    let record = seen.record;
    let looked_at = &seen.snapshot.looked_at;
    let mut wanted = vec![&looked_at.claims];
    wanted.extend(order.map(|order| &order.claims));
    let decision = seen.decision;
    Some(Shape {
        ts: time(record),
        request_id: record.request_id.to_string(),
        listener: record.listener.to_owned(),
        method: clean(record.method),
        target: target(seen.target, looked_at, order),
        host: seen.host.map(clean),
        http2: record.protocol == "HTTP/2",
        source_ip: record.peer.ip(),
        headers: headers(seen.headers, looked_at, order),
        caller: caller(decision, seen.headers, &wanted),
        api_key: (!record.api_key.is_empty()).then(|| record.api_key.to_owned()),
        signed_by: decision
            .and_then(|decision| decision.signer.as_ref())
            .map(|signer| signer.access_key_id.to_string()),
        met: Met {
            rule: record.rule.to_owned(),
            api: record.api.to_owned(),
            route: record.route.to_owned(),
            target_group: record.target_group.to_owned(),
            reason: record.reason.to_owned(),
            status: record.status,
        },
    })
}

fn time(record: &Record<'_>) -> String {
    let mut text = Vec::new();
    push_time(&mut text, record.start);
    String::from_utf8_lossy(&text).trim_matches('"').to_owned()
}

/// Without tokens, and with [`UNKNOWN`] in their place: a client's text may not name our own mark.
fn clean(text: &[u8]) -> String {
    match redacted(&String::from_utf8_lossy(text)) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text.replace("[redacted]", UNKNOWN),
    }
}

pub(super) fn target(target: &[u8], looked_at: &LookedAt, order: Option<&Order>) -> String {
    let at = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at(at);
    let segments = path.split(|byte| *byte == b'/').map(|segment| match holds_token(segment) {
        true => UNKNOWN.into(),
        false => String::from_utf8_lossy(segment),
    });
    let mut text = segments.collect::<Vec<_>>().join("/");
    let Some(query) = query.strip_prefix(b"?") else { return text };
    text.push('?');
    let pairs =
        query.split(|byte| *byte == b'&').filter_map(|pair| parameter(pair, looked_at, order));
    text.push_str(&pairs.collect::<Vec<_>>().join("&"));
    text
}

/// A parameter as it is kept. One that holds a token is left out: its stand-in would be a second.
fn parameter(pair: &[u8], looked_at: &LookedAt, order: Option<&Order>) -> Option<String> {
    let clean = redacted_query(pair);
    let is_secret = *clean != *pair;
    let text = String::from_utf8_lossy(if is_secret { &clean } else { pair });
    let Some((name, value)) = text.split_once('=') else { return Some(text.into_owned()) };
    if is_secret {
        return (!holds_token(pair)).then(|| format!("{name}={UNKNOWN}"));
    }
    let plain = percent_encoding::percent_decode_str(name).decode_utf8_lossy().to_lowercase();
    let is_kept = looked_at.any_parameter
        || looked_at.parameters.contains(&plain)
        || order.is_some_and(|order| order.parameters.contains(&plain));
    Some(format!("{name}={}", if is_kept { value } else { UNKNOWN }))
}

pub(super) fn headers(
    headers: &HeaderMap,
    looked_at: &LookedAt,
    order: Option<&Order>,
) -> Vec<(String, Option<String>)> {
    let is_kept = |name: &str| {
        let is_wanted = is_plain_header(name)
            || looked_at.headers.contains(name)
            || order.is_some_and(|order| order.headers.contains(name));
        is_wanted && !is_secret_header(name)
    };
    headers
        .iter()
        .filter(|(name, _)| *name != ::http::header::HOST)
        .map(|(name, value)| {
            let text = if is_kept(name.as_str()) { value.to_str().ok() } else { None };
            let text = text.filter(|text| text.len() <= LONGEST_VALUE && !text.contains("eyJ"));
            (name.as_str().to_owned(), text.map(str::to_owned))
        })
        .collect()
}

/// Whether a header's value is kept although no rule looks at it.
#[must_use]
pub fn is_plain_header(name: &str) -> bool {
    PLAIN.contains(&name)
}

/// Whether a header's value is never kept, whoever asks for it.
#[must_use]
pub fn is_secret_header(name: &str) -> bool {
    SECRET.iter().any(|part| name.contains(part))
}
