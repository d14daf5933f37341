//! The decision record: everything worth knowing about one request, and its line in the log.
//!
//! A record borrows from whoever served the request and is written at once. Field names follow
//! OpenTelemetry's spirit and are documented in the operations guide. Never in it: tokens, cookies,
//! header values other than `User-Agent`, and the subject in clear.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::json::{push_address, push_escaped, push_millis, push_number, push_string, push_time};
use super::trace::RequestId;
use crate::clock::UnixMillis;

mod alb;
mod formatted;
mod query;

pub use self::alb::Exchange;
pub use self::formatted::ApiFacts;
pub use self::query::{holds_token, redacted as redacted_query};

/// What happened to one request. Start from [`Record::new`] and fill in what is known.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// When the head began to arrive.
    pub start: UnixMillis,
    /// Our name for the request.
    pub request_id: RequestId,
    /// The trace it belongs to, the client's or ours; empty when there is none.
    pub trace_id: &'a [u8],
    /// The trace whose spans it has at a collector, 32 digits; empty when it is not traced.
    pub otel_trace_id: &'a [u8],
    /// The listener's name.
    pub listener: &'a str,
    /// The rule's name; empty when the request never reached routing.
    pub rule: &'a str,
    /// As the client sent it.
    pub method: &'a [u8],
    /// The canonical authority.
    pub host: &'a [u8],
    /// The canonical path; for a request refused by tidy the path as it came.
    pub path: &'a [u8],
    /// Without `?`; only when the file asks for it. Secrets in it are redacted.
    pub query: Option<&'a [u8]>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// The other end of the TCP connection.
    pub peer: SocketAddr,
    /// Our name for that connection, which the connection log has too; empty when there is none.
    pub conn_trace_id: &'a str,
    /// Who is asking: the peer, or whom a trusted proxy names.
    pub client: IpAddr,
    /// Its port, where that is known.
    pub client_port: Option<u16>,
    /// Status sent; ALB's 460, or 400 inside a body, when the client left before there was one.
    pub status: u16,
    /// Why it was answered as it was: an entry of a closed list.
    pub reason: &'static str,
    /// ALB's `error_reason`; empty when there is none.
    pub error_reason: &'static str,
    /// The desync analyser's class of an HTTP/1 head; empty when it is compliant.
    pub classification: &'static str,
    /// Why it has that class.
    pub classification_reason: &'static str,
    /// What a transform made of the host; empty when there is none or nothing changed.
    pub transformed_host: &'a str,
    /// What it made of the path; with the query only when the file asks for queries.
    pub transformed_uri: &'a str,
    /// ALB's `request_transform_status`; empty without a transform.
    pub transform_status: &'static str,
    /// The routing action: `forward`, `redirect`, `fixed_response`; empty when none was taken.
    pub action: &'static str,
    /// Who was let in, or was refused after proving who they are.
    pub identity: Option<Identity<'a>>,
    /// The API that the rule handed it to, and the key of the route that took it; empty where there
    /// was none.
    pub api: &'a str,
    /// See `api`.
    pub route: &'a str,
    /// The name of the API key that it came with; empty where there was none, or none is known.
    pub api_key: &'a str,
    /// The target group's name; empty when the gateway answered by itself.
    pub target_group: &'a str,
    /// The target that answered or was tried last.
    pub target: Option<SocketAddr>,
    /// How many targets or connections were tried.
    pub attempts: u32,
    /// Where the time went.
    pub timings: Timings,
    /// Bytes of the request's body that were read.
    pub bytes_in: u64,
    /// Bytes of the answer's body that were sent.
    pub bytes_out: u64,
    /// `User-Agent`; empty when absent.
    pub user_agent: &'a [u8],
    /// TLS toward the client; none on a plain connection.
    pub tls: Option<Tls<'a>>,
    /// What the format of ALB's log needs besides; `None` when nothing writes that log.
    pub exchange: Option<Exchange<'a>>,
    /// What a format of the file's own needs besides; `None` where none is written, or no API was
    /// asked.
    pub api_facts: Option<Box<ApiFacts<'a>>>,
}

/// A verified identity.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The user pool's name in the file.
    pub user_pool: &'a str,
    /// The app client; empty when the token names none.
    pub client_id: &'a str,
    /// Digits that stand for issuer and subject: they tell users apart without telling who they
    /// are, and are alike on all replicas. Empty when there are none.
    pub subject: &'a str,
}

/// TLS of a client connection.
#[derive(Debug, Clone, Copy)]
pub struct Tls<'a> {
    /// `TLSv1.3`.
    pub version: &'a str,
    /// `TLS13_AES_128_GCM_SHA256`.
    pub cipher: &'a str,
}

/// Durations of the parts of a request; what did not happen is `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// Authorization, waiting for keys included.
    pub authorize: Option<Duration>,
    /// Waiting for a key set.
    pub wait_for_keys: Option<Duration>,
    /// Until a connection to the target was there.
    pub connect: Option<Duration>,
    /// From the start to the head of the answer.
    pub first_byte: Option<Duration>,
    /// From the start to the end of the answer.
    pub total: Duration,
}

impl<'a> Record<'a> {
    /// When it ended, as far as that is known.
    #[must_use]
    pub fn end(&self) -> UnixMillis {
        self.start.plus(self.timings.total)
    }

    /// A record of a request of which nothing else is known yet.
    #[must_use]
    pub fn new(
        start: UnixMillis,
        request_id: RequestId,
        listener: &'a str,
        peer: SocketAddr,
    ) -> Self {
        Self {
            start,
            request_id,
            trace_id: b"",
            otel_trace_id: b"",
            listener,
            rule: "",
            method: b"",
            host: b"",
            path: b"",
            query: None,
            protocol: "",
            peer,
            conn_trace_id: "",
            client: peer.ip().to_canonical(),
            client_port: Some(peer.port()),
            status: 0,
            reason: "",
            error_reason: "",
            classification: "",
            classification_reason: "",
            transformed_host: "",
            transformed_uri: "",
            transform_status: "",
            action: "",
            identity: None,
            api: "",
            route: "",
            api_key: "",
            target_group: "",
            target: None,
            attempts: 0,
            timings: Timings::default(),
            bytes_in: 0,
            bytes_out: 0,
            user_agent: b"",
            tls: None,
            exchange: None,
            api_facts: None,
        }
    }

    /// The transformed path and query, without secrets.
    fn shown_transformed_uri(&self) -> Cow<'_, [u8]> {
        match self.transformed_uri.split_once('?') {
            Some((path, query)) => {
                [path.as_bytes(), b"?", &query::redacted(query.as_bytes())].concat().into()
            }
            None => self.transformed_uri.as_bytes().into(),
        }
    }

    /// Appends the record as one line of JSON with its line feed.
    ///
    /// What is unknown is left out, so a field that is there always means something.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.reserve(1024);
        out.extend_from_slice(b"{\"ts\":");
        push_time(out, self.start);
        out.extend_from_slice(b",\"level\":\"info\",\"msg\":\"request\",\"request_id\":\"");
        out.extend_from_slice(self.request_id.as_bytes());
        out.push(b'"');
        text(out, b",\"trace_id\":\"", self.trace_id);
        text(out, b",\"otel_trace_id\":\"", self.otel_trace_id);
        text(out, b",\"listener\":\"", self.listener.as_bytes());
        text(out, b",\"rule\":\"", self.rule.as_bytes());
        self.write_client(out);
        self.write_request(out);
        out.extend_from_slice(b",\"status\":");
        push_number(out, u64::from(self.status));
        constant(out, b",\"action\":\"", self.action);
        constant(out, b",\"reason\":\"", self.reason);
        constant(out, b",\"error_reason\":\"", self.error_reason);
        constant(out, b",\"classification\":\"", self.classification);
        constant(out, b",\"classification_reason\":\"", self.classification_reason);
        text(out, b",\"transformed_host\":\"", self.transformed_host.as_bytes());
        text(out, b",\"transformed_uri\":\"", &self.shown_transformed_uri());
        constant(out, b",\"transform_status\":\"", self.transform_status);
        self.write_identity(out);
        self.write_target(out);
        self.timings.write(out);
        out.extend_from_slice(b",\"bytes_in\":");
        push_number(out, self.bytes_in);
        out.extend_from_slice(b",\"bytes_out\":");
        push_number(out, self.bytes_out);
        text(out, b",\"ua\":\"", self.user_agent);
        if let Some(tls) = &self.tls {
            text(out, b",\"tls\":\"", tls.version.as_bytes());
            text(out, b",\"tls_cipher\":\"", tls.cipher.as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }

    fn write_client(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"client_ip\":\"");
        push_address(out, self.client);
        out.push(b'"');
        let is_peer = self.client == self.peer.ip().to_canonical()
            && self.client_port.is_none_or(|port| port == self.peer.port());
        if !is_peer {
            if let Some(port) = self.client_port {
                out.extend_from_slice(b",\"client_port\":");
                push_number(out, u64::from(port));
            }
            out.extend_from_slice(b",\"peer_ip\":\"");
            push_address(out, self.peer.ip());
            out.push(b'"');
        }
        out.extend_from_slice(b",\"peer_port\":");
        push_number(out, u64::from(self.peer.port()));
        if !self.conn_trace_id.is_empty() {
            out.extend_from_slice(b",\"conn_trace_id\":\"");
            out.extend_from_slice(self.conn_trace_id.as_bytes());
            out.push(b'"');
        }
    }

    fn write_request(&self, out: &mut Vec<u8>) {
        text(out, b",\"method\":\"", self.method);
        text(out, b",\"host\":\"", self.host);
        text(out, b",\"path\":\"", self.path);
        if let Some(query) = self.query {
            out.extend_from_slice(b",\"query\":");
            push_string(out, &query::redacted(query));
        }
        constant(out, b",\"proto\":\"", self.protocol);
    }

    fn write_identity(&self, out: &mut Vec<u8>) {
        let Some(identity) = &self.identity else { return };
        text(out, b",\"user_pool\":\"", identity.user_pool.as_bytes());
        text(out, b",\"client_id\":\"", identity.client_id.as_bytes());
        text(out, b",\"subject\":\"", identity.subject.as_bytes());
    }

    fn write_target(&self, out: &mut Vec<u8>) {
        text(out, b",\"api\":\"", self.api.as_bytes());
        text(out, b",\"route\":\"", self.route.as_bytes());
        text(out, b",\"api_key\":\"", self.api_key.as_bytes());
        text(out, b",\"target_group\":\"", self.target_group.as_bytes());
        if let Some(target) = self.target {
            out.extend_from_slice(b",\"target\":\"");
            if target.is_ipv6() {
                out.push(b'[');
            }
            push_address(out, target.ip());
            if target.is_ipv6() {
                out.push(b']');
            }
            out.push(b':');
            push_number(out, u64::from(target.port()));
            out.extend_from_slice(b"\",\"attempts\":");
            push_number(out, u64::from(self.attempts));
        }
    }
}

impl Timings {
    fn write(&self, out: &mut Vec<u8>) {
        let parts: [(&[u8], Option<Duration>); 5] = [
            (b",\"t_authorize_ms\":", self.authorize),
            (b",\"t_wait_for_keys_ms\":", self.wait_for_keys),
            (b",\"t_connect_ms\":", self.connect),
            (b",\"t_first_byte_ms\":", self.first_byte),
            (b",\"t_total_ms\":", Some(self.total)),
        ];
        for (key, duration) in parts {
            if let Some(duration) = duration {
                out.extend_from_slice(key);
                push_millis(out, duration);
            }
        }
    }
}

/// `,"key":"value"` unless the value is empty; the key comes with its punctuation and ends in the
/// opening quote.
fn text(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    if !value.is_empty() {
        out.extend_from_slice(key);
        push_escaped(out, value);
        out.push(b'"');
    }
}

/// The same for one of our own words, which needs no escape.
fn constant(out: &mut Vec<u8>, key: &[u8], value: &'static str) {
    if !value.is_empty() {
        out.extend_from_slice(key);
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests;
