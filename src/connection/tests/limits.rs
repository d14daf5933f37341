use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::support::{Gateway, PATIENCE, page, settings, timing};
use crate::connection::descriptors::parse_limit;
use crate::connection::{BindError, ListenerSettings, Shares, bind};

#[tokio::test]
async fn a_slow_head_is_answered_408_at_the_deadline() {
    let settings = ListenerSettings { head_timeout: Duration::from_millis(80), ..settings() };
    let gateway = Gateway::start(settings).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nX: ").await;
    assert_eq!(client.answer().await, (408, false, page(408)));
    assert!(client.is_closed().await);
    assert_eq!(gateway.stats.head_timeouts.load(Relaxed), 1);
}

#[tokio::test]
async fn the_head_deadline_is_for_heads_alone() {
    let settings = ListenerSettings { head_timeout: Duration::from_millis(50), ..settings() };
    let gateway = Gateway::start(settings).await;
    let mut served = gateway.connect().await;
    served.send("GET /held HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gateway.target.arrived.notified().await;
    let mut silent = gateway.connect().await;
    // Another client's deadline passes: so did that of these two, had they one.
    let mut slow = gateway.connect().await;
    slow.send("GET").await;
    assert_eq!(slow.answer().await.0, 408);
    gateway.target.release.notify_one();
    assert_eq!(served.answer().await.0, 200);
    silent.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(silent.answer().await.0, 200);
}

#[tokio::test]
async fn an_empty_line_behind_a_body_does_not_start_the_head_deadline() {
    let settings = ListenerSettings { head_timeout: Duration::from_millis(50), ..settings() };
    let gateway = Gateway::start(settings).await;
    let mut client = gateway.connect().await;
    client.send("POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nok\r\n").await;
    assert_eq!(client.answer().await.0, 200);
    let mut slow = gateway.connect().await;
    slow.send("GET").await;
    assert_eq!(slow.answer().await.0, 408);
    client.send("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(client.answer().await, (200, true, "/2 GET ".into()));
}

#[tokio::test]
async fn a_silent_client_is_closed_at_the_idle_timeout() {
    let settings = ListenerSettings { idle_timeout: Duration::from_millis(400), ..settings() };
    let gateway = Gateway::start(settings).await;
    let mut silent = gateway.connect().await;
    let mut used = gateway.connect().await;
    used.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(used.answer().await, (200, true, "/1 GET ".into()));
    assert!(silent.is_closed().await);
    assert!(used.is_closed().await);
    assert!(gateway.drain.wait(PATIENCE).await);
}

#[tokio::test]
async fn a_body_that_stops_is_cut_off_at_the_idle_timeout() {
    let settings = ListenerSettings { idle_timeout: Duration::from_millis(400), ..settings() };
    let gateway = Gateway::start(settings).await;
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc").await;
    assert!(!client.rest().await.contains("200"));
    assert_eq!(gateway.stats.slow_bodies.load(Relaxed), 1);
}

#[tokio::test]
async fn a_body_that_drips_is_cut_off_at_the_least_rate() {
    let timing = super::super::watch::Timing {
        body_grace: Duration::from_millis(100),
        body_rate: 1_000_000,
        ..timing()
    };
    let gateway = Gateway::start_with(settings(), timing, None).await;
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n").await;
    while gateway.stats.slow_bodies.load(Relaxed) == 0 {
        client.send("a").await;
        tokio::task::yield_now().await;
    }
    assert!(!client.rest().await.contains("200"));
}

#[tokio::test]
async fn a_head_over_the_limit_is_answered_431_and_read_no_further() {
    let gateway = Gateway::start(settings()).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nX: ").await;
    client.send("v".repeat(1_000_000)).await;
    assert_eq!(client.answer().await, (431, false, page(431)));
    assert_eq!(gateway.stats.too_large.load(Relaxed), 1);

    let mut client = gateway.connect().await;
    let frame = "GET / HTTP/1.1\r\nHost: a.test\r\nX: \r\n\r\n".len();
    let value = "v".repeat(64 * 1024 + 1 - frame);
    client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {value}\r\n\r\n")).await;
    assert_eq!(client.answer().await.0, 431);

    let mut client = gateway.connect().await;
    client.send(format!("GET /{} HTTP/1.1\r\n", "a".repeat(17_000))).await;
    assert_eq!(client.answer().await.0, 414);
    assert!(gateway.seen.lock().is_empty());
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let settings = ListenerSettings { max_connections: 1, ..settings() };
    let gateway = Gateway::start(settings).await;
    let mut first = gateway.connect().await;
    first.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(first.answer().await.0, 200);
    let mut second = gateway.connect().await;
    assert_eq!(second.answer().await.0, 503);
    assert_eq!(gateway.stats.refused_at_limit.load(Relaxed), 1);
    drop(first);
    assert!(gateway.drain.wait(PATIENCE).await);
    let mut third = gateway.connect().await;
    third.send("GET /3 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(third.answer().await.0, 200);
}

#[tokio::test]
async fn without_descriptors_accepting_pauses_and_goes_on() {
    let gateway = Gateway::start_with(settings(), timing(), Some(1)).await;
    let mut first = gateway.connect().await;
    first.send("GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(first.answer().await.0, 200);
    let mut waiting = gateway.connect().await;
    waiting.send("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(gateway.drain.open_connections(), 1);
    assert_eq!(gateway.seen.lock().len(), 1);
    drop(first);
    assert_eq!(waiting.answer().await, (200, true, "/2 GET ".into()));
    assert!(gateway.stats.accept_pauses.load(Relaxed) >= 1);
}

#[test]
fn the_shares_leave_descriptors_for_targets_and_for_ourselves() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                  Max open files            256                  4096                 files     \n";
    assert_eq!(parse_limit(limits), Some(256));
    let unlimited = "Max open files            unlimited            unlimited            files";
    assert_eq!(parse_limit(unlimited), Some(usize::MAX));
    assert_eq!(Shares::of(256, 2048), Shares { clients: 72, kept: 48 });
    assert_eq!(Shares::of(65_536, 2048), Shares { clients: 31_712, kept: 2048 });
    assert_eq!(Shares::of(10, 2048), Shares { clients: 16, kept: 0 });
    for limit in [128, 1024, 20_000, 1_048_576] {
        let shares = Shares::of(limit, 2048);
        assert!(2 * shares.clients + shares.kept + 64 <= limit, "{limit}: {shares:?}");
    }
    assert!(Shares::of(usize::MAX, 2048).clients > 1_000_000);
}

#[test]
fn a_taken_port_and_a_foreign_address_are_told_apart() {
    let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    assert_ne!(first.address().port(), 0);
    let taken = bind(first.address()).unwrap_err();
    assert!(matches!(taken, BindError::InUse(address) if address == first.address()));
    let text = taken.to_string();
    assert!(text.contains(&first.address().to_string()) && text.contains("in use"), "{text}");
    let foreign = bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
    assert!(matches!(foreign, BindError::NoSuchAddress(_)), "{foreign}");
}
