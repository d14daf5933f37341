//! What runs beside requests: key sets, health, names, the file, certificates, the admin listener.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::signal::unix::{SignalKind, signal};

use super::history::Cause;
use super::reload::Reloader;
use super::start::{Gateway, Task};
use super::supervisor;
use super::traces::Traces;
use super::traffic::{self, Traffic};
use super::view::AdminView;
use crate::admin;
use crate::config::watch::{Change, Watch};
use crate::connection::{BoundListener, ConnectionStats, Drain};
use crate::upstream;

/// How often the file and the certificates are looked at.
/// A change counts once the file has held still for two looks.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// How often counters are read while a changed file is on trial, and while none is.
const TRIAL_INTERVAL: Duration = Duration::from_millis(250);
const QUIET_INTERVAL: Duration = Duration::from_secs(1);
/// How often keys of identity assertions are looked at.
const KEY_INTERVAL: Duration = Duration::from_secs(5);
/// How often what quotas have counted is written, if it changed.
const USAGE_INTERVAL: Duration = Duration::from_secs(5);
/// Between the panic of a background task and its new beginning.
const RESPITE: Duration = Duration::from_secs(1);

/// All background tasks, on a thread of their own.
pub(super) struct Background {
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    stats: Arc<ConnectionStats>,
    drain: Drain,
    traces: Arc<Traces>,
    once: Mutex<Option<(BoundListener, Vec<Task>)>>,
}

impl Background {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        reloader: Arc<Reloader>,
        admin: BoundListener,
        stats: Arc<ConnectionStats>,
        (drain, traces): (Drain, Arc<Traces>),
        tasks: Vec<Task>,
    ) -> Self {
        Self { gateway, reloader, stats, drain, traces, once: Mutex::new(Some((admin, tasks))) }
    }
}

#[async_trait]
impl BackgroundService for Background {
    async fn start(&self, shutdown: ShutdownWatch) {
        let Some((admin, tasks)) = self.once.lock().take() else { return };
        for task in tasks {
            tokio::spawn(task);
        }
        let gateway = &self.gateway;
        let (keys, told) = (Arc::clone(&gateway.keys), shutdown.clone());
        tokio::spawn(begin_anew(RESPITE, move || Arc::clone(&keys).run(told.clone())));
        let (snapshots, told) = (Arc::clone(&gateway.snapshot), shutdown.clone());
        let (logs, drain) = (Arc::clone(&gateway.health_check_log), self.drain.clone());
        tokio::spawn(begin_anew(RESPITE, move || {
            let (snapshots, logs) = (Arc::clone(&snapshots), Arc::clone(&logs));
            let drain = drain.clone();
            upstream::keep(
                move || Arc::clone(&snapshots.load().groups),
                move |check| logs.load().log(check),
                move |target| drain.interrupt(target),
                told.clone(),
            )
        }));
        let traces = Arc::clone(&self.traces);
        tokio::spawn(begin_anew(RESPITE, move || Arc::clone(&traces).run()));
        tokio::spawn(rotate_identity_keys(Arc::clone(gateway)));
        tokio::spawn(keep_usage(Arc::clone(gateway)));
        tokio::spawn(become_ready(Arc::clone(gateway)));
        tokio::spawn(supervisor::feed_watchdog());
        tokio::spawn(watch_file(Arc::clone(&self.reloader)));
        tokio::spawn(watch_trials(Arc::clone(&self.reloader)));
        tokio::spawn(hear_hangups(Arc::clone(gateway), Arc::clone(&self.reloader)));
        let traffic = Arc::new(Traffic::default());
        tokio::spawn(watch_traffic(Arc::clone(gateway), Arc::clone(&traffic)));
        self.serve_admin(admin, traffic, shutdown).await;
    }
}

impl Background {
    async fn serve_admin(
        &self,
        bound: BoundListener,
        traffic: Arc<Traffic>,
        mut shutdown: ShutdownWatch,
    ) {
        let view = AdminView::new(
            Arc::clone(&self.gateway),
            Arc::clone(&self.reloader),
            Arc::clone(&self.stats),
            traffic,
        );
        let token = self.gateway.snapshot.load().config.admin.token.clone();
        let options = admin::Options { token, hosts: Vec::new() };
        let ended = async move {
            while !*shutdown.borrow_and_update() && shutdown.changed().await.is_ok() {}
        };
        let served = match bound.into_tokio() {
            Ok(listener) => admin::serve(listener, &options, Arc::new(view), ended).await,
            Err(why) => Err(why),
        };
        if let Err(why) = served {
            tracing::error!(%why, "the admin listener has ended");
        }
    }
}

/// Carries out what `begin` makes to its end. After a panic it is begun anew: key sets and health
/// checks would otherwise stop for good, and nobody would notice for hours. The panic is logged and
/// counted by the hook.
async fn begin_anew<F>(respite: Duration, begin: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    while tokio::spawn(begin()).await.is_err_and(|why| why.is_panic()) {
        tokio::time::sleep(respite).await;
    }
}

/// Looks at the counters for the admin page.
async fn watch_traffic(gateway: Arc<Gateway>, traffic: Arc<Traffic>) {
    let mut ticks = tokio::time::interval(traffic::INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        traffic.look(&gateway.snapshot.load());
    }
}

/// Lets new keys of identity assertions take over when it is time.
async fn rotate_identity_keys(gateway: Arc<Gateway>) {
    let mut ticks = tokio::time::interval(KEY_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await.into_std();
        let snapshot = gateway.snapshot.load();
        if let Some(asserter) = &snapshot.asserter {
            asserter.rotate(now);
        }
        if let Some(signer) = &snapshot.oidc_signer {
            signer.rotate(now);
        }
    }
}

/// Keeps what quotas have counted, so that an end without warning forgives little.
async fn keep_usage(gateway: Arc<Gateway>) {
    let mut ticks = tokio::time::interval(USAGE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let gateway = Arc::clone(&gateway);
        let kept = tokio::task::spawn_blocking(move || {
            gateway.usage_store.keep(gateway.snapshot.load().usage.as_deref());
        });
        // A panic is logged and counted by the hook; the next turn tries again.
        drop(kept.await);
    }
}

/// Ready once every pool has its first key set, or was waited for long enough, and the names of
/// targets were looked up.
async fn become_ready(gateway: Arc<Gateway>) {
    let snapshot = gateway.snapshot.load_full();
    let wait = snapshot.config.startup_wait;
    let (are_in, ()) =
        tokio::join!(gateway.keys.await_initial(wait), snapshot.groups.resolve_new());
    if !are_in {
        tracing::warn!(
            startup_wait = ?wait,
            "ready without the key set of every pool: tokens of the others are answered 503"
        );
    }
    gateway.has_started.store(true, Ordering::Release);
    tracing::info!("ready");
    // A signal may have come first; what stops is not made to look ready again.
    if gateway.is_ready() {
        supervisor::ready("serving");
    }
}

async fn watch_file(reloader: Arc<Reloader>) {
    let mut watch = Watch::new(reloader.file().to_owned(), reloader.digest());
    let mut ticks = tokio::time::interval(WATCH_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let reloader = Arc::clone(&reloader);
        // Files are read, parsed and compiled on a thread that may block.
        let polled = tokio::task::spawn_blocking(move || {
            reloader.poll_certificates();
            match watch.poll() {
                Change::Changed => reloader.reload_changed(watch.known()),
                Change::Missing(why) => {
                    tracing::error!(%why, "the file cannot be read; its rules still serve");
                }
                Change::Unchanged => {}
            }
            watch
        });
        match polled.await {
            Ok(back) => watch = back,
            Err(why) => {
                tracing::error!(%why, "watching the file has ended; SIGHUP still reloads it");
                return;
            }
        }
    }
}

/// Looks at what a changed file does to requests.
async fn watch_trials(reloader: Arc<Reloader>) {
    let mut pause = TRIAL_INTERVAL;
    loop {
        tokio::time::sleep(pause).await;
        let reloader = Arc::clone(&reloader);
        // A file that is put back is compiled on a thread that may block.
        let watched = tokio::task::spawn_blocking(move || reloader.watch_trial()).await;
        pause = if watched.unwrap_or(false) { TRIAL_INTERVAL } else { QUIET_INTERVAL };
    }
}

/// SIGHUP reloads the file and opens log files anew.
async fn hear_hangups(gateway: Arc<Gateway>, reloader: Arc<Reloader>) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(why) => {
            tracing::error!(%why, "SIGHUP cannot be heard");
            return;
        }
    };
    while hangups.recv().await.is_some() {
        gateway.access_log.load().reopen();
        gateway.health_check_log.load().reopen();
        gateway.connection_log.load().reopen();
        let reloader = Arc::clone(&reloader);
        let _ = tokio::task::spawn_blocking(move || reloader.reload(Cause::Signal)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn a_background_task_that_panics_is_begun_anew_until_it_ends() {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        begin_anew(Duration::ZERO, move || {
            let before = count.fetch_add(1, Ordering::Relaxed);
            async move { assert!(before >= 2, "a defect") }
        })
        .await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }
}
