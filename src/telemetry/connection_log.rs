//! One line for each attempt of a client to connect, in the format of an Application Load
//! Balancer's connection log (alb.md 11.5): 15 fields, separated by blanks, absent ones `-`.
//!
//! The way of the lines is that of the access log: bounded, and nobody waits for it. What is silent
//! on AWS's page is decided as in the access log: IPv6 addresses stand without brackets, since the
//! port is a field of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;

use super::json::{push_address, push_moment, push_number, push_seconds};
pub use super::stream::Destination;
use super::stream::Stream;
use super::trace::ConnectionId;
use crate::clock::UnixMillis;

/// A subject is cut at so many bytes.
const LONGEST: usize = 2048;

/// The connection log; clones share the writer.
#[derive(Debug, Clone)]
pub struct ConnectionLog {
    stream: Stream,
    load_balancer: Arc<str>,
}

/// What is known of an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// When the connection was there, or had failed.
    pub time: UnixMillis,
    /// The client's end.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Our name for the connection.
    pub id: ConnectionId,
    /// What came of the handshake; `None` on a plain HTTP listener.
    pub handshake: Option<Handshake<'a>>,
    /// The certificate that the client showed.
    pub certificate: Option<Certificate<'a>>,
}

/// What came of a TLS handshake.
#[derive(Debug, Clone, Copy)]
pub enum Handshake<'a> {
    /// It is done.
    Done {
        /// `TLSv1.3`.
        version: &'a str,
        /// OpenSSL's name of the suite.
        cipher: &'a str,
        /// The group of the key exchange.
        key_exchange: &'a str,
        /// How long it took.
        took: Duration,
    },
    /// It failed, for this reason of a closed list.
    Failed(&'static str),
}

/// A client's certificate in printable ASCII.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    /// RFC 2253.
    pub subject: &'a str,
    /// `NotBefore=...;NotAfter=...`.
    pub validity: &'a str,
    /// Hexadecimal digits.
    pub serial_number: &'a str,
}

impl ConnectionLog {
    /// Opens the destination and starts its writer thread. `load_balancer` is the name to go by.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or no thread can be had.
    pub fn start(
        destination: Destination,
        load_balancer: Arc<str>,
        dropped: &IntCounter,
    ) -> io::Result<Self> {
        Ok(Self { stream: Stream::start(destination, dropped)?, load_balancer })
    }

    /// The log for a new file: with the writer of this one, unless the destination changed.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); this log is unchanged then.
    pub fn carry_over(
        &self,
        destination: Destination,
        load_balancer: Arc<str>,
        dropped: &IntCounter,
    ) -> io::Result<Self> {
        let stream = self.stream.carry_over(destination, dropped)?;
        Ok(Self { stream, load_balancer })
    }

    /// Whether a line goes anywhere: when not, do not even make an [`Attempt`].
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.stream.is_on()
    }

    /// Logs an attempt.
    pub fn log(&self, attempt: &Attempt<'_>) {
        self.stream.write(|out| attempt.write(&self.load_balancer, out));
    }

    /// Opens the file anew, after `logrotate` moved the old one away.
    pub fn reopen(&self) {
        self.stream.reopen();
    }

    /// As [`AccessLog::flush_and_stop`](super::access_log::AccessLog::flush_and_stop).
    pub fn flush_and_stop(&self, limit: Duration) -> bool {
        self.stream.flush_and_stop(limit)
    }
}

impl Attempt<'_> {
    fn write(&self, load_balancer: &str, out: &mut Vec<u8>) {
        push_moment(out, self.time, Duration::ZERO);
        out.push(b' ');
        push_address(out, self.peer.ip());
        out.push(b' ');
        push_number(out, u64::from(self.peer.port()));
        out.push(b' ');
        push_number(out, u64::from(self.local.port()));
        let (status, key_exchange) = self.write_handshake(out);
        let certificate = self.certificate;
        out.extend_from_slice(b" \"");
        push_printable(out, certificate.map_or("", |certificate| certificate.subject));
        out.push(b'"');
        for text in [
            certificate.map_or("", |certificate| certificate.validity),
            certificate.map_or("", |certificate| certificate.serial_number),
        ] {
            out.push(b' ');
            push_printable(out, text);
        }
        for part in status {
            out.extend_from_slice(part.as_bytes());
        }
        out.push(b' ');
        out.extend_from_slice(self.id.as_str().as_bytes());
        for text in [key_exchange, load_balancer] {
            out.push(b' ');
            push_printable(out, text);
        }
        out.push(b' ');
        push_address(out, self.local.ip());
        out.push(b'\n');
    }

    /// Version, suite and time; returns the parts of the status, with its blank, and the group.
    fn write_handshake(&self, out: &mut Vec<u8>) -> ([&'static str; 2], &str) {
        match self.handshake {
            Some(Handshake::Done { version, cipher, key_exchange, took }) => {
                for text in [version, cipher] {
                    out.push(b' ');
                    push_printable(out, text);
                }
                out.push(b' ');
                push_seconds(out, took);
                ([" Success", ""], key_exchange)
            }
            Some(Handshake::Failed(why)) => {
                out.extend_from_slice(b" - - -");
                ([" Failed:", why], "")
            }
            None => {
                out.extend_from_slice(b" - - -");
                ([" -", ""], "")
            }
        }
    }
}

/// A text in which nothing can end a field or a line; `-` for an empty one.
fn push_printable(out: &mut Vec<u8>, text: &str) {
    if text.is_empty() {
        out.push(b'-');
    }
    let text = text.as_bytes();
    for &byte in text.get(..LONGEST).unwrap_or(text) {
        match byte {
            b'"' => out.extend_from_slice(b"\\x22"),
            b' '..=b'~' => out.push(byte),
            _ => out.push(b'?'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::trace::Ids;

    fn line(handshake: Option<Handshake<'_>>, certificate: Option<Certificate<'_>>) -> String {
        let attempt = Attempt {
            time: UnixMillis(1_795_392_000_123),
            peer: "203.0.113.7:50001".parse().unwrap(),
            local: "10.0.0.1:443".parse().unwrap(),
            id: Ids::keyed([1, 2]).connection_id(),
            handshake,
            certificate,
        };
        let mut out = Vec::new();
        attempt.write("app/edge/50dc6c495c0c9188", &mut out);
        String::from_utf8(out).unwrap().replace(attempt.id.as_str(), "TID_x")
    }

    #[test]
    fn the_fifteen_fields_stand_in_albs_order() {
        let done = Handshake::Done {
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            key_exchange: "x25519",
            took: Duration::from_millis(1_042),
        };
        let certificate = Certificate {
            subject: "CN=orders,O=Example Corp",
            validity: "NotBefore=2026-01-01T00:00:00Z;NotAfter=2027-01-01T00:00:00Z",
            serial_number: "0A1B",
        };
        assert_eq!(
            line(Some(done), Some(certificate)),
            "2026-11-23T00:00:00.123000Z 203.0.113.7 50001 443 TLSv1.3 TLS_AES_128_GCM_SHA256 \
             1.042 \"CN=orders,O=Example Corp\" \
             NotBefore=2026-01-01T00:00:00Z;NotAfter=2027-01-01T00:00:00Z 0A1B Success TID_x \
             x25519 app/edge/50dc6c495c0c9188 10.0.0.1\n"
        );
        assert_eq!(
            line(Some(Handshake::Failed("ClientCertUntrusted")), Some(certificate)),
            "2026-11-23T00:00:00.123000Z 203.0.113.7 50001 443 - - - \
             \"CN=orders,O=Example Corp\" \
             NotBefore=2026-01-01T00:00:00Z;NotAfter=2027-01-01T00:00:00Z 0A1B \
             Failed:ClientCertUntrusted TID_x - app/edge/50dc6c495c0c9188 10.0.0.1\n"
        );
        assert_eq!(
            line(None, None),
            "2026-11-23T00:00:00.123000Z 203.0.113.7 50001 443 - - - \"-\" - - - TID_x - \
             app/edge/50dc6c495c0c9188 10.0.0.1\n"
        );
    }

    #[test]
    fn a_subject_can_neither_end_its_field_nor_the_line() {
        let certificate =
            Certificate { subject: "CN=a\\\" b\n\u{e9}", validity: "", serial_number: "" };
        let line = line(None, Some(certificate));
        assert!(line.contains(" \"CN=a\\\\x22 b???\" - - "), "{line}");
        let long = "x".repeat(LONGEST + 1);
        let certificate = Certificate { subject: &long, validity: "", serial_number: "" };
        assert!(self::line(None, Some(certificate)).len() < LONGEST + 200);
    }
}
