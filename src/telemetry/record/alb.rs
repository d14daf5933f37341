//! A record as one line in the access-log format of an Application Load Balancer, so that what
//! reads those logs today goes on reading.
//!
//! Fields and order are alb.md 11.2, after the AWS page `load-balancer-access-logs`. What we
//! decide where that page is silent: texts of clients are escaped as `\xHH`, IPv6 addresses stand
//! in brackets, bytes are counted as HTTP/1.1 would write them, without chunk framing.

use std::net::SocketAddr;
use std::time::Duration;

use super::Record;
use super::query::redacted;
use crate::clock::UnixMillis;
use crate::telemetry::json::{
    HEX, push_address, push_moment, push_number, push_seconds, token_length,
};

/// `User-Agent` is cut here, as ALB does; a request line can be twice as long.
const LONGEST_USER_AGENT: usize = 8 * 1024;
const LONGEST: usize = 16 * 1024;
const REDACTED: &[u8] = b"[redacted]";

/// What this format tells beyond the rest of a [`Record`].
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// `http`, `https`, `h2`, `grpcs`, `ws` or `wss`.
    pub kind: &'static str,
    /// The address of ours that the client reached.
    pub local: SocketAddr,
    /// The rule's priority, 0 for the default rule; `None` where no rule was chosen.
    pub priority: Option<u32>,
    /// The path as the client sent it; the query is the record's.
    pub path: &'a [u8],
    /// The name that the client asked for in its TLS handshake; empty when none.
    pub server_name: &'a str,
    /// What the target answered.
    pub target_status: Option<u16>,
    /// Bytes of the request's and the answer's heads.
    pub heads: (u64, u64),
    /// `Location` of a redirect action; empty otherwise.
    pub redirect_url: &'a [u8],
    /// What ran before the routing action, a rewrite, and that action, as ALB calls them; empty for
    /// none.
    pub actions: [&'static str; 3],
    /// The cipher suite as OpenSSL spells it; empty on a plain connection.
    pub cipher: &'a str,
}

impl Record<'_> {
    /// Appends the line. `load_balancer` is the name to go by, `app/NAME/ID`.
    pub fn write_alb(&self, exchange: &Exchange<'_>, load_balancer: &str, out: &mut Vec<u8>) {
        out.reserve(1024);
        let mut line = Line { out };
        line.out.extend_from_slice(exchange.kind.as_bytes());
        line.moment(self.start, self.timings.total);
        line.word(load_balancer.as_bytes());
        // The port is 0 where a trusted proxy did not tell it.
        line.socket(Some(SocketAddr::new(self.client, self.client_port.unwrap_or_default())));
        line.socket(self.target);
        self.write_times(&mut line);
        line.status(Some(self.status));
        line.status(exchange.target_status);
        line.number(self.bytes_in + exchange.heads.0);
        line.number(self.bytes_out + exchange.heads.1);
        self.write_request_line(exchange, &mut line);
        line.quoted(&[self.user_agent], LONGEST_USER_AGENT);
        line.word(exchange.cipher.as_bytes());
        line.word(self.tls.map_or("", |tls| tls.version).as_bytes());
        match self.target_group {
            "" => line.word(b""),
            group => line.words(&[b"targetgroup/", group.as_bytes()]),
        }
        line.quoted(&[self.trace_id], LONGEST);
        line.quoted(&[exchange.server_name.as_bytes()], LONGEST);
        // The certificate's name: certificates of files have none that would say more than SNI.
        line.quoted(&[], LONGEST);
        match exchange.priority {
            Some(priority) => line.number(u64::from(priority)),
            None => line.word(b""),
        }
        line.moment(self.start, Duration::ZERO);
        let actions: Vec<&str> = exchange.actions.into_iter().filter(|a| !a.is_empty()).collect();
        line.quoted(&[actions.join(",").as_bytes()], LONGEST);
        line.quoted(&[exchange.redirect_url], LONGEST);
        line.quoted(&[self.error_reason.as_bytes()], LONGEST);
        line.quoted_socket(self.target);
        line.quoted_status(exchange.target_status);
        self.write_later_fields(exchange, line);
    }

    /// Fields 28 to 34, which AWS appended over the years.
    fn write_later_fields(&self, exchange: &Exchange<'_>, mut line: Line<'_>) {
        line.quoted(&[self.classification.as_bytes()], LONGEST);
        line.quoted(&[self.classification_reason.as_bytes()], LONGEST);
        line.word(self.conn_trace_id.as_bytes());
        line.quoted(&[self.transformed_host.as_bytes()], LONGEST);
        line.quoted(&[&self.shown_transformed_uri()], LONGEST);
        line.quoted(&[self.transform_status.as_bytes()], LONGEST);
        line.out.push(b' ');
        push_address(line.out, exchange.local.ip());
        line.out.push(b'\n');
    }

    fn write_times(&self, line: &mut Line<'_>) {
        let timings = &self.timings;
        let since = |from: Option<Duration>, to: Option<Duration>| Some(to?.saturating_sub(from?));
        line.seconds(timings.connect);
        line.seconds(since(timings.connect, timings.first_byte));
        // What the target began is passed on as it comes.
        line.seconds(timings.first_byte.map(|_| Duration::ZERO));
    }

    fn write_request_line(&self, exchange: &Exchange<'_>, line: &mut Line<'_>) {
        let scheme: &[u8] = if self.tls.is_some() { b"https" } else { b"http" };
        let port = exchange.local.port().to_string();
        let (colon, port): (&[u8], &[u8]) =
            if has_port(self.host) { (b"", b"") } else { (b":", port.as_bytes()) };
        let version: &[u8] = match self.protocol {
            "HTTP/2" => b"HTTP/2.0",
            other => other.as_bytes(),
        };
        let query = self.query.map(redacted).unwrap_or_default();
        let mark: &[u8] = if self.query.is_some() { b"?" } else { b"" };
        let url = [scheme, b"://", self.host, colon, port, exchange.path, mark, &query].concat();
        line.quoted(&[self.method, b" ", &url, b" ", version], LONGEST);
    }
}

fn has_port(authority: &[u8]) -> bool {
    let digits = authority.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let before = authority.len().checked_sub(digits + 1).and_then(|at| authority.get(at));
    digits > 0 && before == Some(&b':')
}

/// A line that grows by fields. Absent ones are `-`.
struct Line<'o> {
    out: &'o mut Vec<u8>,
}

impl Line<'_> {
    /// A field of our own making: nothing in it needs an escape.
    fn word(&mut self, word: &[u8]) {
        self.words(&[word]);
    }

    fn words(&mut self, parts: &[&[u8]]) {
        self.out.push(b' ');
        if parts.iter().all(|part| part.is_empty()) {
            self.out.push(b'-');
        }
        parts.iter().for_each(|part| self.out.extend_from_slice(part));
    }

    fn number(&mut self, number: u64) {
        self.out.push(b' ');
        push_number(self.out, number);
    }

    fn status(&mut self, status: Option<u16>) {
        match status {
            Some(status) if status > 0 => self.number(u64::from(status)),
            _ => self.word(b""),
        }
    }

    fn seconds(&mut self, duration: Option<Duration>) {
        self.out.push(b' ');
        match duration {
            Some(duration) => push_seconds(self.out, duration),
            None => self.out.extend_from_slice(b"-1"),
        }
    }

    fn moment(&mut self, time: UnixMillis, past: Duration) {
        self.out.push(b' ');
        push_moment(self.out, time, past);
    }

    fn socket(&mut self, address: Option<SocketAddr>) {
        self.out.push(b' ');
        self.push_socket(address);
    }

    fn quoted_socket(&mut self, address: Option<SocketAddr>) {
        self.out.extend_from_slice(b" \"");
        self.push_socket(address);
        self.out.push(b'"');
    }

    fn push_socket(&mut self, address: Option<SocketAddr>) {
        let Some(address) = address else { return self.out.push(b'-') };
        let is_bracketed = address.ip().to_canonical().is_ipv6();
        if is_bracketed {
            self.out.push(b'[');
        }
        push_address(self.out, address.ip());
        if is_bracketed {
            self.out.push(b']');
        }
        self.out.push(b':');
        push_number(self.out, u64::from(address.port()));
    }

    fn quoted_status(&mut self, status: Option<u16>) {
        self.out.extend_from_slice(b" \"");
        match status {
            Some(status) => push_number(self.out, u64::from(status)),
            None => self.out.push(b'-'),
        }
        self.out.push(b'"');
    }

    /// A field that may hold a client's bytes: printable ASCII but `"` and `\` as it is, all else
    /// as `\xHH`, no JSON web token, cut at `longest`.
    fn quoted(&mut self, parts: &[&[u8]], longest: usize) {
        self.out.extend_from_slice(b" \"");
        let text = parts.concat();
        if text.is_empty() {
            self.out.push(b'-');
        }
        let mut rest = text.get(..longest).unwrap_or(&text);
        while let Some((&byte, after)) = rest.split_first() {
            if let Some(token) = rest.strip_prefix(b"eyJ") {
                self.out.extend_from_slice(REDACTED);
                rest = token.get(token_length(token)..).unwrap_or_default();
                continue;
            }
            if matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\' {
                self.out.push(byte);
            } else {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                self.out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 0xf)]);
            }
            rest = after;
        }
        self.out.push(b'"');
    }
}

#[cfg(test)]
mod tests;
