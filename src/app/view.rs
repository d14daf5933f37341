//! What the admin listener shows of the running gateway.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::history::Cause;
use super::reload::Reloader;
use super::start::Gateway;
use super::traffic::Traffic;
use super::{facts, recording, targets};
use crate::admin::page::Facts;
use crate::admin::{
    self, DenyError, Readiness, RecordingError, RecordingOrder, RefreshError, RefreshedPool,
    ReloadReport, View,
};
use crate::auth::PoolStatus;
use crate::auth::key_source::FetchFailure;
use crate::clock::{self, UnixMillis};
use crate::config::deny_list::Entry;
use crate::connection::ConnectionStats;
use crate::telemetry::metrics::{Metrics, PoolMetrics};

/// The gateway, seen from the admin listener.
pub(super) struct AdminView {
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    stats: Arc<ConnectionStats>,
    traffic: Arc<Traffic>,
    began: (Instant, UnixMillis),
}

impl AdminView {
    /// Also has the metrics sampled that nobody counts up.
    pub(super) fn new(
        gateway: Arc<Gateway>,
        reloader: Arc<Reloader>,
        stats: Arc<ConnectionStats>,
        traffic: Arc<Traffic>,
    ) -> Self {
        let sampled = Arc::clone(&gateway);
        let shown = Arc::clone(&stats);
        let pools = Mutex::new(Vec::new());
        gateway.metrics.on_scrape(Box::new(move |metrics| {
            sample(&sampled, &stats, metrics);
            // Held until the next scrape: series of a pool that is gone go with it.
            *pools.lock() = sample_pools(&sampled, metrics);
        }));
        let began = (clock::monotonic(), clock::wall());
        Self { gateway, reloader, stats: shown, traffic, began }
    }
}

fn sample(gateway: &Gateway, stats: &ConnectionStats, metrics: &Metrics) {
    let snapshot = gateway.snapshot.load();
    let cache = snapshot.authorizers.cache();
    // What an idle gateway has put in, or has seen expire, it would count only at the next request.
    cache.settle();
    metrics.token_cache_entries.set(i64::try_from(cache.entries()).unwrap_or(i64::MAX));
    metrics.token_cache_bytes.set(i64::try_from(cache.bytes()).unwrap_or(i64::MAX));
    let (hits, misses) = snapshot.authorizers.cache_hits_and_misses();
    metrics.set_token_cache_lookups(hits, misses);
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    metrics.connections.set(i64::try_from(read(&stats.active)).unwrap_or(i64::MAX));
    metrics.memory_limit.set(i64::try_from(read(&stats.memory_limit)).unwrap_or(i64::MAX));
    metrics.memory_used.set(i64::try_from(read(&stats.memory_used)).unwrap_or(i64::MAX));
    metrics.set_connection_events(&[
        ("accepted", read(&stats.accepted)),
        ("refused_at_limit", read(&stats.refused_at_limit)),
        ("refused_at_client_limit", read(&stats.refused_at_client_limit)),
        ("accept_pause", read(&stats.accept_pauses)),
        ("proxy_header", read(&stats.proxy_headers)),
        ("handshake_failure", read(&stats.handshake_failures)),
        ("head_timeout", read(&stats.head_timeouts)),
        ("malformed", read(&stats.malformed)),
        ("desync_non_compliant", read(&stats.desync_non_compliant)),
        ("too_large", read(&stats.too_large)),
        ("bad_version", read(&stats.bad_version)),
        ("slow_body", read(&stats.slow_bodies)),
        ("malformed_body", read(&stats.malformed_bodies)),
        ("cut_off", read(&stats.cut_off)),
        ("identity_ended", read(&stats.identity_ended)),
    ]);
    for (group, state, targets) in snapshot.groups.count_by_state() {
        metrics.set_targets(&group, state, targets);
    }
    metrics.set_target_groups(targets::counts(&snapshot.groups, clock::monotonic()));
}

/// Results of fetches for the metric: `ok`, then each kind of failure.
static FETCH_RESULTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    std::iter::once("ok").chain(FetchFailure::ALL.iter().map(|kind| kind.as_str())).collect()
});

/// Keys and age of every user pool's sets; of several issuers the oldest set counts.
fn sample_pools(gateway: &Gateway, metrics: &Metrics) -> Vec<Arc<PoolMetrics>> {
    let sample = |pool: PoolStatus| {
        let cells = metrics.pool(&pool.pool, &FETCH_RESULTS);
        let mut ok = 0;
        for (place, kind) in FetchFailure::ALL.iter().enumerate() {
            let failures =
                pool.issuers.iter().map(|(_, status)| status.failures[kind.index()]).sum::<u64>();
            cells.set_fetched(1 + place, failures);
        }
        for (_, status) in &pool.issuers {
            let failed: u64 = status.failures.iter().sum();
            ok += status.attempts.saturating_sub(failed + u64::from(status.in_flight));
        }
        cells.set_fetched(0, ok);
        let keys = pool.issuers.iter().map(|(_, status)| status.keys.len()).sum::<usize>();
        let age = pool.issuers.iter().filter_map(|(_, status)| status.age).max();
        let age = age.filter(|_| pool.is_ready);
        cells.set_keys(u64::try_from(keys).unwrap_or(u64::MAX), age);
        cells
    };
    gateway.keys.status(clock::monotonic()).into_iter().map(sample).collect()
}

#[async_trait]
impl View for AdminView {
    fn is_live(&self) -> bool {
        true
    }

    fn readiness(&self) -> Readiness {
        let mut readiness = Readiness { ready: self.gateway.is_ready(), ..Readiness::default() };
        if self.gateway.is_stopping.load(Ordering::Acquire) {
            readiness.reasons.push("the process is stopping".to_owned());
        } else if !readiness.ready {
            readiness.reasons.push("waiting for first key sets, at most startup_wait".to_owned());
        }
        if let Some(why) = self.reloader.held_back() {
            readiness
                .notes
                .push(format!("the file on disk is not served, it was rolled back: {why}"));
        }
        for pool in self.gateway.keys.status(clock::monotonic()) {
            if !pool.is_ready {
                readiness.notes.push(format!("user pool {}: no key set yet", pool.pool));
            }
        }
        readiness
    }

    fn facts(&self) -> Facts {
        let history = serde_json::from_value(self.reloader.history_json()).unwrap_or_default();
        Facts {
            readiness: self.readiness(),
            held_back: self.reloader.held_back(),
            samples: self.traffic.samples(&self.gateway.snapshot.load()),
            history,
            ..facts::gather(&self.gateway, &self.stats, self.began)
        }
    }

    fn metrics_text(&self) -> String {
        self.gateway.metrics.text()
    }

    fn keys_json(&self) -> String {
        let pools: Vec<Value> = self
            .gateway
            .keys
            .status(clock::monotonic())
            .into_iter()
            .map(|pool| {
                let sources: Vec<Value> = pool
                    .issuers
                    .iter()
                    .map(|(issuer, status)| {
                        let keys: Vec<&str> =
                            status.keys.iter().map(|(kid, _)| kid.as_str()).collect();
                        json!({
                            "issuer": **issuer,
                            "kids": keys,
                            "skipped_keys": status.skipped_keys,
                            "age_seconds": status.age.map(|age| age.as_secs()),
                            "next_fetch_seconds":
                                status.next_attempt_in.map(|wait| wait.as_secs()),
                            "fetching": status.in_flight,
                            "attempts": status.attempts,
                            "last_error": status.last_failure.map(FetchFailure::as_str),
                        })
                    })
                    .collect();
                json!({
                    "user_pool": *pool.pool,
                    "ready": pool.is_ready,
                    "max_stale_seconds": pool.max_stale.as_secs(),
                    "issuers": sources,
                })
            })
            .collect();
        json!({ "user_pools": pools }).to_string()
    }

    fn config_json(&self) -> String {
        let snapshot = self.gateway.snapshot.load();
        json!({
            "generation": snapshot.generation,
            "rolled_back": self.reloader.held_back(),
            "config": admin::config::redacted(&snapshot.config),
        })
        .to_string()
    }

    fn targets_json(&self) -> String {
        targets::json(&self.gateway.snapshot.load().groups, clock::monotonic())
    }

    fn denials_json(&self) -> String {
        self.gateway.denials.json()
    }

    fn requests_json(&self, id: Option<&str>) -> String {
        format!("{}\n", json!({ "requests": self.gateway.recorder.recent(id) }))
    }

    fn recording_json(&self) -> String {
        format!("{}\n", self.gateway.recorder.state(clock::monotonic()))
    }

    fn recording_lines(&self) -> Option<String> {
        self.gateway.recorder.lines(clock::monotonic())
    }

    fn record(&self, order: RecordingOrder) -> Result<(), RecordingError> {
        recording::begin(&self.gateway, &order)
    }

    fn stop_recording(&self) {
        self.gateway.recorder.stop();
    }

    fn deny_list_json(&self) -> String {
        let snapshot = self.gateway.snapshot.load();
        let entries = snapshot.authorizers.deny_list().posted().entries();
        format!("{}\n", serde_json::json!({ "entries": entries }))
    }

    async fn deny(&self, entry: Entry, is_removal: bool) -> Result<usize, DenyError> {
        let snapshot = self.gateway.snapshot.load_full();
        let posted = Arc::clone(snapshot.authorizers.deny_list().posted());
        let left = posted.post(entry, is_removal, clock::wall())?.len();
        let gateway = Arc::clone(&self.gateway);
        let kept =
            tokio::task::spawn_blocking(move || gateway.deny_store.keep(|| posted.entries()));
        match kept.await {
            Ok(Ok(())) => Ok(left),
            Ok(Err(why)) => Err(DenyError::NotKept(why.to_string())),
            Err(why) => Err(DenyError::NotKept(why.to_string())),
        }
    }

    async fn reload(&self) -> Result<ReloadReport, String> {
        let reloader = Arc::clone(&self.reloader);
        match tokio::task::spawn_blocking(move || reloader.reload(Cause::Admin)).await {
            Ok(result) => result.map_err(|why| why.to_string()),
            Err(why) => Err(why.to_string()),
        }
    }

    fn history_json(&self) -> String {
        let history = self.reloader.history_json();
        let held_back = self.reloader.held_back();
        format!("{}\n", json!({ "history": history, "rolled_back": held_back }))
    }

    async fn roll_back(&self, id: Option<u64>) -> Result<ReloadReport, String> {
        let reloader = Arc::clone(&self.reloader);
        match tokio::task::spawn_blocking(move || reloader.roll_back(id)).await {
            Ok(result) => result.map_err(|why| why.to_string()),
            Err(why) => Err(why.to_string()),
        }
    }

    async fn refresh_keys(&self, pool: Option<&str>) -> Result<Vec<RefreshedPool>, RefreshError> {
        let known = self.gateway.keys.status(clock::monotonic());
        if let Some(name) = pool
            && !known.iter().any(|known| *known.pool == *name)
        {
            let known = known.iter().map(|known| known.pool.to_string()).collect();
            return Err(RefreshError::UnknownPool { known });
        }
        let refreshed = self.gateway.keys.refresh(pool).await;
        let told = refreshed.into_iter().map(|(pool, failure)| RefreshedPool {
            user_pool: pool.to_string(),
            error: failure.map(|failure| failure.as_str().to_owned()),
        });
        Ok(told.collect())
    }
}
