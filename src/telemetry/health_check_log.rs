//! One line a health check, as JSON, in the fields of ALB's health-check log.
//!
//! Off unless the file asks for it. Checks are never in the access log.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use prometheus::IntCounter;

use super::json::{push_escaped, push_number, push_time};
pub use super::stream::Destination;
use super::stream::Stream;
use crate::clock::UnixMillis;

/// A health check that has ended.
#[derive(Debug, Clone, Copy)]
pub struct HealthCheck<'a> {
    /// `http`, `https`, `h2` or `grpc`.
    pub kind: &'static str,
    /// When it began.
    pub time: UnixMillis,
    /// How long it took.
    pub latency: Duration,
    /// What was asked.
    pub target: SocketAddr,
    /// The group's name in the file.
    pub target_group: &'a str,
    /// The status that came, of HTTP or gRPC.
    pub status_code: Option<u16>,
    /// ALB's code for why it failed; none when it passed.
    pub reason: Option<&'static str>,
}

impl HealthCheck<'_> {
    /// Appends the check as one line of JSON with its line feed. What is unknown is left out.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":");
        push_time(out, self.time);
        out.extend_from_slice(b",\"msg\":\"health_check\",\"type\":\"");
        out.extend_from_slice(self.kind.as_bytes());
        // In seconds, as ALB has it.
        let millis = u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX);
        let text = format!(
            "\",\"latency\":{}.{:03},\"target_addr\":\"{}\",\"target_group_id\":\"",
            millis / 1000,
            millis % 1000,
            self.target
        );
        out.extend_from_slice(text.as_bytes());
        push_escaped(out, self.target_group.as_bytes());
        let status = if self.reason.is_none() { "PASS" } else { "FAIL" };
        out.extend_from_slice(b"\",\"status\":\"");
        out.extend_from_slice(status.as_bytes());
        out.push(b'"');
        if let Some(code) = self.status_code {
            out.extend_from_slice(b",\"status_code\":");
            push_number(out, u64::from(code));
        }
        if let Some(reason) = self.reason {
            out.extend_from_slice(b",\"reason_code\":\"");
            out.extend_from_slice(reason.as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(b"}\n");
    }
}

/// The log; clones share the writer.
#[derive(Debug, Clone)]
pub struct HealthCheckLog(Stream);

impl HealthCheckLog {
    /// Opens the destination and starts its writer thread.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or no thread can be had.
    pub fn start(destination: Destination, dropped: &IntCounter) -> io::Result<Self> {
        Stream::start(destination, dropped).map(Self)
    }

    /// The log for a new snapshot: this one, or a new one when the destination changed.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); this log is unchanged then.
    pub fn carry_over(&self, destination: Destination, dropped: &IntCounter) -> io::Result<Self> {
        self.0.carry_over(destination, dropped).map(Self)
    }

    /// Logs a check.
    pub fn log(&self, check: &HealthCheck<'_>) {
        self.0.write(|out| check.write_json(out));
    }

    /// Opens the file anew, after `logrotate` moved the old one away.
    pub fn reopen(&self) {
        self.0.reopen();
    }

    /// Writes what was logged until now and ends the writer.
    pub fn flush_and_stop(&self, limit: Duration) -> bool {
        self.0.flush_and_stop(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSED: HealthCheck<'static> = HealthCheck {
        kind: "https",
        time: UnixMillis(0),
        latency: Duration::from_millis(1_042),
        target: SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), 8443),
        target_group: "orders",
        status_code: Some(204),
        reason: None,
    };

    fn line(check: &HealthCheck<'_>) -> String {
        let mut out = Vec::new();
        check.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_has_the_fields_of_alb_s_log() {
        assert_eq!(
            line(&PASSED),
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"msg\":\"health_check\",\"type\":\"https\",\
             \"latency\":1.042,\"target_addr\":\"[::1]:8443\",\"target_group_id\":\"orders\",\
             \"status\":\"PASS\",\"status_code\":204}\n"
        );
        let failed = HealthCheck { reason: Some("TimedOut"), status_code: None, ..PASSED };
        let line: serde_json::Value = serde_json::from_str(&line(&failed)).unwrap();
        assert_eq!((&line["status"], &line["reason_code"]), (&"FAIL".into(), &"TimedOut".into()));
        assert!(line.get("status_code").is_none());
    }
}
