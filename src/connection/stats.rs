//! What the listeners have seen: counters for telemetry, and a connection log that cannot flood.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::desync::Finding;
use super::head::Refusal;
use super::proxy_protocol::Fault;

/// Most lines the connection log writes in a second; the rest is counted and told with the next.
const LINES_A_SECOND: u64 = 10;

/// Counters over all listeners since the start. All only grow, but `active`.
#[derive(Debug, Default)]
pub struct ConnectionStats {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Connections open now.
    pub active: AtomicU64,
    /// Connections turned away since their listener had `max_connections`.
    pub refused_at_limit: AtomicU64,
    /// Connections turned away since their client had `max_connections_per_client`.
    pub refused_at_client_limit: AtomicU64,
    /// Times that accepting paused for want of file descriptors.
    pub accept_pauses: AtomicU64,
    /// Connections closed since they did not begin with the PROXY header that they must.
    pub proxy_headers: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub handshake_failures: AtomicU64,
    /// Heads that did not arrive in time (408).
    pub head_timeouts: AtomicU64,
    /// Malformed requests answered 400, 405 or 501, by us or by the HTTP engine.
    pub malformed: AtomicU64,
    /// HTTP/1 heads that the desync analyser calls less than compliant, refused or not.
    pub desync_non_compliant: AtomicU64,
    /// Heads that were too large (414, 431).
    pub too_large: AtomicU64,
    /// Requests of an HTTP version not spoken here (505).
    pub bad_version: AtomicU64,
    /// Request bodies cut off for being too slow.
    pub slow_bodies: AtomicU64,
    /// Request bodies cut off for malformed chunks.
    pub malformed_bodies: AtomicU64,
    /// Connections cut off at the end of a drain.
    pub cut_off: AtomicU64,
    /// WebSockets ended since the identity that opened them had.
    pub identity_ended: AtomicU64,
    /// Bytes that the process may have; 0 where no limit is known.
    pub memory_limit: AtomicU64,
    /// Bytes held against that limit.
    pub memory_used: AtomicU64,
    log: Budget,
}

impl ConnectionStats {
    /// What was answered before any hook saw the request.
    pub(super) fn refused(
        &self,
        now: u64,
        (peer, listener): (SocketAddr, usize),
        refusal: Refusal,
        finding: Option<Finding>,
    ) {
        self.count_malformed(refusal.status());
        if let Some(suppressed) = self.log.take(now) {
            tracing::info!(
                target: "portcullis::connection",
                reason = "malformed", detail = %refusal, status = refusal.status(),
                classification = finding.map(|finding| finding.class.as_str()),
                classification_reason = finding.map(Finding::reason),
                %peer, listener, suppressed, "request head refused"
            );
        }
    }

    /// What the HTTP engine answered by itself.
    pub(super) fn engine_answered(&self, now: u64, peer: SocketAddr, listener: usize, status: u16) {
        self.count_malformed(status);
        if let Some(suppressed) = self.log.take(now) {
            tracing::info!(
                target: "portcullis::connection",
                reason = "malformed", status, %peer, listener, suppressed,
                "request refused by the HTTP engine"
            );
        }
    }

    /// A head that the desync analyser does not call compliant.
    pub(super) fn not_compliant(&self) {
        self.desync_non_compliant.fetch_add(1, Relaxed);
    }

    pub(super) fn handshake_failed(&self, now: u64, peer: SocketAddr, listener: usize, why: &str) {
        self.handshake_failures.fetch_add(1, Relaxed);
        if let Some(suppressed) = self.log.take(now) {
            tracing::info!(
                target: "portcullis::connection",
                reason = "handshake", detail = why, %peer, listener, suppressed,
                "TLS handshake failed"
            );
        }
    }

    pub(super) fn proxy_header_refused(
        &self,
        now: u64,
        peer: SocketAddr,
        listener: usize,
        fault: &Fault,
    ) {
        if matches!(fault, Fault::Silent) {
            // Whoever only looks whether the port is open, as load balancers do.
            return tracing::debug!(%peer, listener, "client left without a PROXY header");
        }
        self.proxy_headers.fetch_add(1, Relaxed);
        if let Some(suppressed) = self.log.take(now) {
            tracing::info!(
                target: "portcullis::connection",
                reason = "proxy_header", detail = %fault, %peer, listener, suppressed,
                "PROXY header refused"
            );
        }
    }

    fn count_malformed(&self, status: u16) {
        let counter = match status {
            408 => &self.head_timeouts,
            414 | 431 => &self.too_large,
            505 => &self.bad_version,
            _ => &self.malformed,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// Ten lines a second.
#[derive(Debug, Default)]
struct Budget {
    second: AtomicU64,
    lines: AtomicU64,
    suppressed: AtomicU64,
}

impl Budget {
    /// Whether a line may be written at `now`, in milliseconds; if so, how many were not.
    fn take(&self, now: u64) -> Option<u64> {
        let second = now / 1000;
        if self.second.swap(second, Relaxed) != second {
            self.lines.store(0, Relaxed);
        }
        if self.lines.fetch_add(1, Relaxed) < LINES_A_SECOND {
            return Some(self.suppressed.swap(0, Relaxed));
        }
        self.suppressed.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_then_only_their_number() {
        let budget = Budget::default();
        let written = |now| (0..25).filter(|_| budget.take(now).is_some()).count();
        assert_eq!(written(1_000), 10);
        assert_eq!(written(1_999), 0);
        assert_eq!(budget.take(2_000), Some(40));
    }
}
