//! One request's spans: ours as a server, and one as a client for each target that was tried.
//!
//! Names and attributes are those of OpenTelemetry's semantic conventions for HTTP. A query, a
//! header other than `User-Agent`, and a user's name are never among them.

use std::net::SocketAddr;
use std::time::Duration;

use super::queue::Queue;
use super::sampler::Parent;
use crate::clock::UnixMillis;
use crate::telemetry::json::{push_address, push_number, push_string};
use crate::telemetry::record::Record;
use crate::telemetry::trace::Ids;

const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// Bytes of a client's text that are told.
const LONGEST: usize = 512;
/// The methods that the conventions know; what else a client sends is one more.
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// A request that is traced.
#[derive(Debug)]
pub struct Trace {
    id: [u8; 32],
    span: [u8; 16],
    parent: Option<[u8; 16]>,
    attempts: Vec<Attempt>,
}

/// A target that was tried. Times are since the request began.
#[derive(Debug)]
struct Attempt {
    span: [u8; 16],
    target: SocketAddr,
    began: Duration,
    ended: Option<Duration>,
    error: &'static str,
}

impl Trace {
    /// A span of the parent's trace, or the first one of a new trace.
    pub(super) fn new(parent: Option<Parent>, ids: &Ids) -> Self {
        let id = parent.map_or_else(
            || {
                let mut digits = [0; 32];
                let (front, back) = digits.split_at_mut(16);
                front.copy_from_slice(ids.request_id().as_bytes());
                back.copy_from_slice(ids.request_id().as_bytes());
                digits
            },
            |parent| parent.trace,
        );
        Self {
            id,
            span: *ids.request_id().as_bytes(),
            parent: parent.map(|parent| parent.span),
            attempts: Vec::new(),
        }
    }

    /// The trace, 32 digits.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// A target was chosen. One that was tried before is over.
    pub fn tries(&mut self, target: SocketAddr, now: Duration, ids: &Ids) {
        self.failed("", now);
        let span = *ids.request_id().as_bytes();
        self.attempts.push(Attempt { span, target, began: now, ended: None, error: "" });
    }

    /// The target that is being tried has failed, for one of our own reasons.
    pub fn failed(&mut self, error: &'static str, now: Duration) {
        if let Some(attempt) = self.attempts.last_mut()
            && attempt.ended.is_none()
        {
            attempt.ended = Some(now);
            attempt.error = error;
        }
    }

    /// `traceparent` for the target: the span of this try is its parent.
    #[must_use]
    pub fn traceparent(&self) -> [u8; 55] {
        let span = self.attempts.last().map_or(&self.span, |attempt| &attempt.span);
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
        text[3..35].copy_from_slice(&self.id);
        text[36..52].copy_from_slice(span);
        text
    }

    /// Writes the spans of a request that has ended. `target_status` is what the last target said.
    pub fn end(&self, record: &Record<'_>, target_status: Option<u16>, queue: &Queue) {
        for (tries, attempt) in self.attempts.iter().enumerate() {
            let is_last = tries + 1 == self.attempts.len();
            let status = target_status.filter(|_| is_last);
            queue.push(self.client_span(record, attempt, (tries as u64, status)));
        }
        queue.push(self.server_span(record));
    }

    fn server_span(&self, record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(1536);
        let route = if record.route.is_empty() {
            record.rule
        } else {
            record.route.split_once(' ').map_or(record.route, |(_, path)| path)
        };
        let method = known_method(record.method);
        let name = [method.unwrap_or(b"HTTP"), route.as_bytes()];
        let name = name.join(&b' ');
        self.begin(&mut out, (&self.span, self.parent.as_ref()), name.trim_ascii_end(), SERVER);
        span_times(&mut out, record.start, Duration::ZERO, record.timings.total);
        out.extend_from_slice(b",\"attributes\":[");
        push_method(&mut out, record.method);
        let mut text = |key: &str, value: &[u8]| more_text(&mut out, key, value);
        text("url.path", record.path);
        text("url.scheme", if record.tls.is_some() { b"https" } else { b"http" });
        text("http.route", route.as_bytes());
        let (host, port) = host_and_port(record.host);
        text("server.address", host);
        text("network.protocol.version", record.protocol.trim_start_matches("HTTP/").as_bytes());
        text("user_agent.original", record.user_agent);
        text("portcullis.request_id", record.request_id.as_bytes());
        text("portcullis.listener", record.listener.as_bytes());
        text("portcullis.rule", record.rule.as_bytes());
        text("portcullis.api", record.api.as_bytes());
        text("portcullis.target_group", record.target_group.as_bytes());
        text("portcullis.reason", record.reason.as_bytes());
        // Of who signed a request for an API the subject is a name, and not told.
        if let Some(identity) = record.identity.filter(|identity| !identity.user_pool.is_empty()) {
            text("user.hash", identity.subject.as_bytes());
            text("portcullis.user_pool", identity.user_pool.as_bytes());
        }
        let is_error = record.status >= 500 || matches!(record.status, 0 | 460);
        if is_error {
            text("error.type", record.reason.as_bytes());
        }
        more_address(&mut out, "client.address", record.client);
        more_address(&mut out, "network.peer.address", record.peer.ip());
        more_number(&mut out, "network.peer.port", u64::from(record.peer.port()));
        if let Some(port) = port {
            more_number(&mut out, "server.port", port);
        }
        if record.status != 0 {
            more_number(&mut out, "http.response.status_code", u64::from(record.status));
        }
        finish(&mut out, is_error);
        out
    }

    fn client_span(
        &self,
        record: &Record<'_>,
        attempt: &Attempt,
        (resent, status): (u64, Option<u16>),
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(768);
        let name = known_method(record.method).unwrap_or(b"HTTP");
        self.begin(&mut out, (&attempt.span, Some(&self.span)), name, CLIENT);
        let ended = attempt.ended.unwrap_or(record.timings.total);
        span_times(&mut out, record.start, attempt.began, ended);
        out.extend_from_slice(b",\"attributes\":[");
        push_method(&mut out, record.method);
        more_address(&mut out, "server.address", attempt.target.ip());
        more_number(&mut out, "server.port", u64::from(attempt.target.port()));
        more_text(&mut out, "portcullis.target_group", record.target_group.as_bytes());
        if resent > 0 {
            more_number(&mut out, "http.request.resend_count", resent);
        }
        let mut is_error = !attempt.error.is_empty();
        more_text(&mut out, "error.type", attempt.error.as_bytes());
        if let Some(status) = status {
            more_number(&mut out, "http.response.status_code", u64::from(status));
            if status >= 400 && !is_error {
                is_error = true;
                more_text(&mut out, "error.type", status.to_string().as_bytes());
            }
        }
        finish(&mut out, is_error);
        out
    }

    fn begin(
        &self,
        out: &mut Vec<u8>,
        (span, parent): (&[u8; 16], Option<&[u8; 16]>),
        name: &[u8],
        kind: u64,
    ) {
        out.extend_from_slice(b"{\"traceId\":\"");
        out.extend_from_slice(&self.id);
        out.extend_from_slice(b"\",\"spanId\":\"");
        out.extend_from_slice(span);
        if let Some(parent) = parent {
            out.extend_from_slice(b"\",\"parentSpanId\":\"");
            out.extend_from_slice(parent);
        }
        out.extend_from_slice(b"\",\"name\":");
        push_string(out, name);
        out.extend_from_slice(b",\"kind\":");
        push_number(out, kind);
    }
}

fn finish(out: &mut Vec<u8>, is_error: bool) {
    out.push(b']');
    if is_error {
        out.extend_from_slice(b",\"status\":{\"code\":2}");
    }
    out.push(b'}');
}

fn span_times(out: &mut Vec<u8>, start: UnixMillis, began: Duration, ended: Duration) {
    let start = start.0.saturating_mul(1_000_000);
    let at = |since: Duration| start.saturating_add(u64::try_from(since.as_nanos()).unwrap_or(0));
    out.extend_from_slice(b",\"startTimeUnixNano\":\"");
    push_number(out, at(began));
    out.extend_from_slice(b"\",\"endTimeUnixNano\":\"");
    push_number(out, at(ended.max(began)));
    out.push(b'"');
}

fn known_method(method: &[u8]) -> Option<&'static [u8]> {
    METHODS.into_iter().find(|known| *known == method)
}

/// The first attribute, so there is no comma.
fn push_method(out: &mut Vec<u8>, method: &[u8]) {
    push_text(out, "http.request.method", known_method(method).unwrap_or(b"_OTHER"));
    if known_method(method).is_none() {
        more_text(out, "http.request.method_original", method);
    }
}

/// `{"key":...,"value":{"stringValue":...}}`
pub(super) fn push_text(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    push_key(out, key);
    out.extend_from_slice(b"{\"stringValue\":");
    push_string(out, value.get(..LONGEST).unwrap_or(value));
    out.extend_from_slice(b"}}");
}

/// One more attribute, unless it is unknown.
fn more_text(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    if !value.is_empty() {
        out.push(b',');
        push_text(out, key, value);
    }
}

fn more_number(out: &mut Vec<u8>, key: &str, value: u64) {
    out.push(b',');
    push_key(out, key);
    out.extend_from_slice(b"{\"intValue\":\"");
    push_number(out, value);
    out.extend_from_slice(b"\"}}");
}

fn more_address(out: &mut Vec<u8>, key: &str, address: std::net::IpAddr) {
    out.push(b',');
    push_key(out, key);
    out.extend_from_slice(b"{\"stringValue\":\"");
    push_address(out, address);
    out.extend_from_slice(b"\"}}");
}

fn push_key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b"{\"key\":\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\",\"value\":");
}

/// A port is what follows the last colon, unless that is inside of an IPv6 address.
fn host_and_port(authority: &[u8]) -> (&[u8], Option<u64>) {
    let colon = authority.iter().rposition(|&byte| byte == b':');
    let split = colon.and_then(|at| authority.split_at_checked(at));
    let Some((host, rest)) = split else { return (authority, None) };
    let port = std::str::from_utf8(rest).ok().and_then(|text| text.get(1..)?.parse().ok());
    match port {
        Some(port) => (host, Some(port)),
        None => (authority, None),
    }
}
