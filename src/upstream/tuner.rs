//! Brings to groups what only time changes, from one loop, which outlives reloads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::ended;
use super::groups::TargetGroups;
use crate::clock;

/// From one look to the next. A slow start of 30 s rises in steps of under two hundredths.
const INTERVAL: Duration = Duration::from_millis(500);

/// Tunes groups, and has the last requests of targets `cut` whose time is over, until `shutdown` says true.
pub(super) async fn keep_tuned(
    current: &(impl Fn() -> Arc<TargetGroups> + Sync),
    cut: &(impl Fn(u64) + Sync),
    mut shutdown: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = ended(&mut shutdown) => return,
            () = tokio::time::sleep(INTERVAL) => {
                current().tune(clock::monotonic()).into_iter().for_each(cut);
            }
        }
    }
}
