use std::time::Duration;

use ::http::HeaderMap;

use super::super::{Body, Decision, decide};
use super::*;
use crate::clock::UnixMillis;
use crate::config;
use crate::http::Received;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

const FILE: &str = "
target_groups:
  all: { targets: ['127.0.0.1:1'] }
listeners:
  public:
    address: 127.0.0.1:0
    rules: [{ conditions: { path_pattern: ['*'] }, api: shop }]
apis:
  shop:
    type: http
    throttle: { rate: 2, burst: 1 }
    routes:
      $default: { authorizer: none, integration: { target_group: all } }
";

fn snapshot(previous: Option<&Snapshot>, file: &str) -> Snapshot {
    let loaded = config::parse_portable(file, "routes.yaml")
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
    Snapshot::compile(loaded.config, previous, &Metrics::new("test", ""))
}

/// The decision about `GET /`, so long after the beginning.
struct Asker(std::time::Instant);

impl Asker {
    fn ask(
        &self,
        snapshot: &Snapshot,
        after: u64,
        patience: Patience,
        is_counted: bool,
    ) -> Decision {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a.example"));
        let request = Request {
            id: "0000000000000000",
            listener: 0,
            received: Received {
                method: "GET",
                target: b"/",
                authority: None,
                scheme: crate::http::Scheme::Http,
            },
            headers: &headers,
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            content_length: None,
            is_http2: false,
            presented: None,
            is_unverified: true,
            is_counted,
            renewed: None,
            body: Body::Unread,
            consulted: None,
        };
        let moment = Moment {
            wall: UnixMillis(1_795_395_735_000),
            mono: self.0 + Duration::from_millis(after),
            random: 7,
            patience,
        };
        decide(snapshot, &request, moment)
    }

    fn reason(&self, snapshot: &Snapshot, after: u64) -> Reason {
        self.ask(snapshot, after, Patience::MayWait, true).reason
    }
}

const THROTTLED: Reason = Reason::Refused(Refusal::Throttled);

#[test]
fn a_request_that_has_waited_for_a_key_is_not_counted_again() {
    let (asker, snapshot) = (Asker(crate::clock::monotonic()), snapshot(None, FILE));
    assert_eq!(asker.reason(&snapshot, 0), Reason::Public);
    let again = asker.ask(&snapshot, 1, Patience::HasWaited, true);
    assert_eq!(again.reason, Reason::Public);
    assert_eq!(asker.reason(&snapshot, 2), THROTTLED);
}

#[test]
fn who_only_asks_what_would_happen_takes_nothing_and_is_never_throttled() {
    let (asker, snapshot) = (Asker(crate::clock::monotonic()), snapshot(None, FILE));
    for after in 0..5 {
        let asked = asker.ask(&snapshot, after, Patience::MayWait, false);
        assert_eq!(asked.reason, Reason::Public);
    }
    assert_eq!(asker.reason(&snapshot, 5), Reason::Public);
    assert_eq!(asker.reason(&snapshot, 6), THROTTLED);
}

#[test]
fn the_wait_is_rounded_up_so_that_who_keeps_to_it_is_served() {
    let (asker, snapshot) = (Asker(crate::clock::monotonic()), snapshot(None, FILE));
    assert_eq!(asker.reason(&snapshot, 0), Reason::Public);
    let refused = asker.ask(&snapshot, 1, Patience::MayWait, true);
    let Step::Answer { answer, close: false } = refused.step else { panic!() };
    assert_eq!((answer.status, answer.header(&RETRY_AFTER).unwrap().as_bytes()), (429, &b"1"[..]));
    assert_eq!(asker.reason(&snapshot, 499), THROTTLED);
    assert_eq!(asker.reason(&snapshot, 1001), Reason::Public);
}

#[test]
fn a_reload_with_the_same_limit_gives_nobody_a_new_burst() {
    let asker = Asker(crate::clock::monotonic());
    let first = snapshot(None, FILE);
    assert_eq!(asker.reason(&first, 0), Reason::Public);
    let same = snapshot(Some(&first), &FILE.replace("$default", "GET /"));
    assert_eq!(asker.reason(&same, 1), THROTTLED);
    // And what the old file's requests take is taken of the new one's too.
    assert_eq!(asker.reason(&first, 500), Reason::Public);
    assert_eq!(asker.reason(&same, 501), THROTTLED);
    let other = snapshot(Some(&same), &FILE.replace("burst: 1", "burst: 2"));
    assert_eq!(asker.reason(&other, 502), Reason::Public);
}
