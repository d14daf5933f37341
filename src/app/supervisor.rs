//! What the service manager is told: ready, reloading, stopping, still alive.
//!
//! systemd's protocol of `sd_notify(3)`; others speak it too. Without `NOTIFY_SOCKET` nothing is
//! said. A manager that cannot be told is no reason to stop serving.

use std::time::Duration;

use sd_notify::NotifyState;

/// What the stop may take beyond the drain: logs are flushed, runtimes end.
const RESPITE: Duration = Duration::from_secs(10);

/// New requests can be sent here: at start, and after a reload whatever came of it.
pub(super) fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; [`ready`] must follow.
pub(super) fn reloading() {
    // From systemd 253 on, `Type=notify-reload` wants to know that this is later than its signal.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(why) => tracing::warn!(%why, "the service manager is not told of the reload"),
    }
}

/// The process drains, for so long at most. The manager's own limit of a stop gives way to it.
pub(super) fn stopping(longest: Duration) {
    let limit = format!("EXTEND_TIMEOUT_USEC={}", longest.saturating_add(RESPITE).as_micros());
    say(&[
        NotifyState::Stopping,
        // The crate's own has 32 bits: an hour and eleven minutes. The file may say two hours.
        NotifyState::Custom(&limit),
        NotifyState::Status("draining connections"),
    ]);
}

/// Says that the process turns, twice as often as the manager wants to hear it (`WatchdogSec=`).
pub(super) async fn feed_watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    // An interval of zero would never let go of the thread.
    let mut ticks = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        say(&[NotifyState::Watchdog]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(why) = sd_notify::notify(states) {
        tracing::warn!(%why, "the service manager cannot be told");
    }
}
