//! The last denials, for whoever asks "why was I turned away?".
//!
//! A ring of fixed size with short, redacted texts. Under a flood it samples: at most
//! [`PER_SECOND`] are kept, the rest is only counted, and a request waits for nobody longer than a
//! millisecond.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::json::{needs_escape, push_address, push_number, push_string, push_time, redacted};
use super::record::Record;
use super::sample::PerSecond;
use super::trace::RequestId;
use crate::clock::UnixMillis;

/// Denials kept.
pub const KEPT: usize = 200;
/// Denials noted in one second.
pub const PER_SECOND: u64 = 100;
/// For somebody who reads, or notes another one: either takes microseconds, unless the machine takes
/// its thread away just then.
const LONGEST_WAIT: Duration = Duration::from_millis(1);
/// Bytes of a client's text that are kept.
const LONGEST: usize = 256;

/// The ring.
#[derive(Debug)]
pub struct Denials {
    ring: Mutex<VecDeque<Arc<Denial>>>,
    rate: PerSecond,
    suppressed: AtomicU64,
}

/// A request that was turned away.
#[derive(Debug, Clone)]
pub struct Denial {
    /// When its head began to arrive.
    pub time: UnixMillis,
    /// Our name for it, which its answer has as well.
    pub request_id: RequestId,
    /// The listener's name.
    pub listener: Box<str>,
    /// The rule's name.
    pub rule: Box<str>,
    /// The API and the key of its route; empty where there was none.
    pub api: Box<str>,
    /// See `api`.
    pub route: Box<str>,
    /// What the client sent, as JSON text escapes it and with tokens redacted.
    pub method: Box<str>,
    /// See `method`.
    pub host: Box<str>,
    /// See `method`.
    pub path: Box<str>,
    /// Who asked.
    pub client: IpAddr,
    /// The status of the answer.
    pub status: u16,
    /// An entry of the closed list.
    pub reason: &'static str,
    /// ALB's `error_reason`; empty where there is none.
    pub detail: &'static str,
    /// The comparison that failed, where one did.
    pub failed: Option<Failed>,
}

/// What of a credential was compared with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What was compared: `scopes`.
    pub what: &'static str,
    /// What the file wants.
    pub wanted: Box<str>,
    /// What the credential has; nobody vouches for it.
    pub found: Box<str>,
}

impl Failed {
    /// Texts are cut and redacted.
    #[must_use]
    pub fn new(what: &'static str, wanted: &str, found: &str) -> Self {
        Self { what, wanted: head(wanted.as_bytes()), found: head(found.as_bytes()) }
    }
}

impl Default for Denials {
    fn default() -> Self {
        Self::new()
    }
}

impl Denials {
    /// An empty ring.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ring: Mutex::new(VecDeque::new()),
            rate: PerSecond::at_most(PER_SECOND),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Notes a request that was turned away. `failed` tells which comparison failed; it is asked
    /// only of those that are kept.
    pub fn note(&self, record: &Record<'_>, failed: impl FnOnce() -> Option<Failed>) {
        let suppressed = || {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        };
        if !self.rate.admits(record.end()) {
            return suppressed();
        }
        let denial = Denial {
            time: record.start,
            request_id: record.request_id,
            listener: record.listener.into(),
            rule: record.rule.into(),
            api: record.api.into(),
            route: record.route.into(),
            method: head(record.method),
            host: head(record.host),
            path: head(record.path),
            client: record.client,
            status: record.status,
            reason: record.reason,
            detail: record.error_reason,
            failed: failed(),
        };
        let Some(mut ring) = self.ring.try_lock_for(LONGEST_WAIT) else { return suppressed() };
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(Arc::new(denial));
    }

    /// All that are kept, the newest first. Holds the ring as shortly as can be.
    #[must_use]
    pub fn newest(&self) -> Vec<Arc<Denial>> {
        self.ring.lock().iter().rev().cloned().collect()
    }

    /// How many were not kept.
    #[must_use]
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    /// `{"suppressed": ..., "denials": [...]}`, the newest first.
    #[must_use]
    pub fn json(&self) -> String {
        let mut out = Vec::with_capacity(64 * 1024);
        out.extend_from_slice(b"{\"suppressed\":");
        push_number(&mut out, self.suppressed());
        out.extend_from_slice(b",\"denials\":[");
        for (i, denial) in self.newest().iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            denial.write(&mut out);
        }
        out.extend_from_slice(b"]}\n");
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl Denial {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"ts\":");
        push_time(out, self.time);
        let failed = self.failed.as_ref();
        let id = String::from_utf8_lossy(self.request_id.as_bytes());
        let texts = [
            ("request_id", &*id),
            ("listener", &self.listener),
            ("rule", &self.rule),
            ("api", &self.api),
            ("route", &self.route),
            ("method", &self.method),
            ("host", &self.host),
            ("path", &self.path),
            ("reason", self.reason),
            ("detail", self.detail),
            ("compared", failed.map_or("", |failed| failed.what)),
            ("wanted", failed.map_or("", |failed| &failed.wanted)),
            ("found", failed.map_or("", |failed| &failed.found)),
        ];
        for (key, text) in texts {
            out.push(b',');
            push_string(out, key.as_bytes());
            out.push(b':');
            push_string(out, text.as_bytes());
        }
        out.extend_from_slice(b",\"client_ip\":\"");
        push_address(out, self.client);
        out.extend_from_slice(b"\",\"status\":");
        push_number(out, u64::from(self.status));
        out.push(b'}');
    }
}

/// The beginning of a client's text, without tokens and control characters.
fn head(text: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(text.get(..LONGEST).unwrap_or(text));
    redacted(&text)
        .chars()
        .map(|c| if needs_escape(c) && c != '"' && c != '\\' { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::telemetry::trace::Ids;

    fn denied(at: UnixMillis, path: &[u8], into: &Denials) {
        let ids = Ids::keyed([1, 2]);
        let mut record =
            Record::new(at, ids.request_id(), "public", "192.0.2.7:51234".parse().unwrap());
        record.path = path;
        record.status = 401;
        record.reason = "token_expired";
        into.note(&record, || None);
    }

    fn parsed(denials: &Denials) -> Value {
        serde_json::from_str(&denials.json()).unwrap()
    }

    #[test]
    fn the_newest_come_first_and_the_oldest_go() {
        let denials = Denials::new();
        for i in 0..KEPT as u64 + 50 {
            denied(UnixMillis(i * 1000), format!("/{i}").as_bytes(), &denials);
        }
        let json = parsed(&denials);
        assert_eq!(json["denials"].as_array().unwrap().len(), KEPT);
        assert_eq!(json["denials"][0]["path"], "/249");
        assert_eq!(json["denials"][KEPT - 1]["path"], "/50");
        assert_eq!(json["denials"][0]["reason"], "token_expired");
        assert_eq!(json["suppressed"], 0);
    }

    #[test]
    fn a_flood_is_sampled_and_counted() {
        let denials = Denials::new();
        for _ in 0..5000 {
            denied(UnixMillis(7_000), b"/flood", &denials);
        }
        denied(UnixMillis(8_000), b"/next-second", &denials);
        let json = parsed(&denials);
        assert_eq!(json["denials"].as_array().unwrap().len() as u64, PER_SECOND + 1);
        assert_eq!(json["suppressed"], 5000 - PER_SECOND);
    }

    #[test]
    fn texts_are_short_and_hold_no_token() {
        let denials = Denials::new();
        let path = [b"/eyJhbGciOiJSUzI1NiJ9.e30.c2ln/".as_slice(), &[b'x'; 5000]].concat();
        denied(UnixMillis(0), &path, &denials);
        let json = denials.json();
        assert!(!json.contains("eyJ") && json.len() < 1000, "{json}");
    }

    #[test]
    fn a_reader_does_not_hold_up_requests() {
        let denials = Denials::new();
        let reader = denials.ring.lock();
        denied(UnixMillis(0), b"/", &denials);
        drop(reader);
        assert_eq!(parsed(&denials)["suppressed"], 1);
    }
}
