//! What clients of a listener send and get, by IP version, as CloudWatch tells it.

use super::cells::Counter;
use super::text::Text;

const IP_VERSIONS: [&str; 2] = ["4", "6"];

/// The counters of one listener.
#[derive(Debug, Default)]
pub(super) struct Traffic([Version; IP_VERSIONS.len()]);

#[derive(Debug, Default)]
struct Version {
    requests: Counter,
    received: Counter,
    sent: Counter,
}

impl Traffic {
    pub(super) fn count(&self, is_ipv6: bool, received: u64, sent: u64) {
        let [v4, v6] = &self.0;
        let version = if is_ipv6 { v6 } else { v4 };
        version.requests.inc();
        version.received.add(received);
        version.sent.add(sent);
    }
}

/// Writes those of all listeners, each under its labels.
pub(super) fn write(text: &mut Text, listeners: &[(&str, &Traffic)]) {
    type Of = fn(&Version) -> &Counter;
    let families: [(&str, &str, Of); 3] = [
        (
            "portcullis_listener_requests_total",
            "Requests by IP version of the client.",
            |version| &version.requests,
        ),
        (
            "portcullis_listener_received_bytes_total",
            "Bytes from clients, heads and bodies, by IP version.",
            |version| &version.received,
        ),
        (
            "portcullis_listener_sent_bytes_total",
            "Bytes to clients, heads and bodies, by IP version.",
            |version| &version.sent,
        ),
    ];
    for (name, help, of) in families {
        text.family(name, "counter", help);
        for (labels, traffic) in listeners {
            for (label, version) in IP_VERSIONS.iter().zip(&traffic.0) {
                let count = of(version).get();
                if count > 0 {
                    text.sample(name, labels, Some(("ip_version", label)), count);
                }
            }
        }
    }
}
