//! Target groups: which targets there are, how they are, and which one takes a request.
//!
//! [`TargetGroups`] is compiled from the validated model and takes over what is known about each
//! target. [`TargetGroups::choose`] is on the request path: no lock, no allocation. [`keep`] is the
//! background task that resolves names and checks health. What a failed attempt means, and whether
//! another one is allowed, is said by [`failure`].
//!
//! Not here: weights between groups, which routing decides, the cookies by which clients are kept on
//! a target, and proxying itself.
//! Pingora's types appear in `peer` and `probe`.

mod balance;
pub mod failure;
mod group;
mod groups;
mod peer;
mod probe;
mod prober;
mod resolve;
mod schedule;
mod state;
mod target;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use failure::{Attempt, Cause, may_retry};
pub use group::{Fault, TargetGroup, TargetStatus};
pub use groups::TargetGroups;
pub use peer::{Phase, classify};
pub use state::{HealthState, Reason};
pub use target::{Chosen, NoTarget, Target, TargetKey, Tried};

/// How soon a reloaded file is noticed in the background.
const NOTICE: Duration = Duration::from_millis(250);

/// Resolves names and checks health until `shutdown` says true. `current` gives the groups in
/// force, which a reload may change at any time.
pub async fn keep(
    current: impl Fn() -> Arc<TargetGroups> + Send + Sync,
    shutdown: watch::Receiver<bool>,
) {
    tokio::join!(
        resolve::keep_resolved(&current, resolve::look_up, shutdown.clone()),
        prober::keep_checked(&current, shutdown),
    );
}

/// Returns once `shutdown` says true, or nobody is left who could.
async fn ended(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone.
    let _ = shutdown.wait_for(|ended| *ended).await;
}
