//! Keeps every key set fresh: fetches at the start, ahead of time, and when a request wants a key.
//!
//! The loop outlives reloads. It holds no opinion of its own: [`KeySource`] says when an attempt is
//! due and whether it may be made, and judges the answer.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::client::HttpClient;
use super::store::KeyStore;
use crate::auth::jwks::MAX_BYTES;
use crate::auth::key_source::{
    Attempt, Change, Due, FetchFailure, Fetched, KeySource, KeyWait, MAX_WAIT,
};
use crate::auth::pool::Pool;
use crate::auth::{Authorizers, PoolStatus};
use crate::clock;
use crate::config::model;

/// The longest sleep of the loop, should nobody wake it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Fetches key sets as their sources want it.
#[derive(Debug)]
pub struct KeyKeeper {
    client: HttpClient,
    store: Option<KeyStore>,
    authorizers: ArcSwapOption<Authorizers>,
    /// Something may be due sooner than the loop believes.
    kick: Notify,
    /// An attempt has ended.
    ended: Notify,
}

impl KeyKeeper {
    /// A keeper that has nothing to keep yet.
    #[must_use]
    pub fn new(client: HttpClient, store: Option<KeyStore>) -> Arc<Self> {
        Arc::new(Self {
            client,
            store,
            authorizers: ArcSwapOption::empty(),
            kick: Notify::new(),
            ended: Notify::new(),
        })
    }

    /// Keeps the sources of `authorizers` from now on, instead of those before. Sources that have
    /// no keys yet get those kept on disk, so call this before requests see `authorizers`.
    pub fn adopt(&self, authorizers: Arc<Authorizers>) {
        for source in authorizers.sources() {
            if source.current().is_none() {
                self.restore(source);
            }
        }
        self.authorizers.store(Some(authorizers));
        self.kick.notify_one();
        self.ended.notify_waiters();
    }

    /// Runs until `shutdown` says true or is dropped.
    pub async fn run(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let mut attempts = JoinSet::new();
        while !*shutdown.borrow_and_update() {
            let pause = self.start_due(&mut attempts);
            tokio::select! {
                () = self.kick.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some(_) = attempts.join_next(), if !attempts.is_empty() => {
                    // Also after a panic, which has ended the attempt without a word.
                    self.ended.notify_waiters();
                }
                changed = shutdown.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Starts what is due; says how long nothing else is.
    fn start_due(self: &Arc<Self>, attempts: &mut JoinSet<()>) -> Duration {
        let Some(authorizers) = self.authorizers.load_full() else { return LONGEST_SLEEP };
        let now = clock::monotonic();
        let mut pause = LONGEST_SLEEP;
        for source in authorizers.sources() {
            if let Some(attempt) = source.begin(now) {
                attempts.spawn(Arc::clone(self).carry_out(attempt));
            } else if let Due::At(at) = source.due(now) {
                pause = pause.min(at.saturating_duration_since(now));
            }
        }
        pause
    }

    /// One attempt from the request to the last word on it.
    async fn carry_out(self: Arc<Self>, attempt: Attempt) {
        let source = Arc::clone(attempt.source());
        let outcome = match source.place() {
            model::KeySource::Url(url) => self.client.key_set(url).await,
            model::KeySource::File(path) => read_file(path).await,
        };
        let is_good = outcome.is_ok();
        let change = attempt.finish(outcome, clock::wall(), clock::monotonic(), random());
        self.ended.notify_waiters();
        tell(&source, &change);
        if is_good {
            self.save(&source).await;
        }
    }

    async fn save(&self, source: &Arc<KeySource>) {
        let (Some(store), model::KeySource::Url(url)) = (self.store.clone(), source.place()) else {
            return;
        };
        let Some(current) = source.current().clone() else { return };
        let url = Arc::clone(url);
        let saving = tokio::task::spawn_blocking(move || {
            store.save(&url, current.body(), current.fetched_at())
        });
        if let Ok(Err(error)) = saving.await {
            tracing::warn!(%error, "key set is not kept for a restart");
        }
    }

    fn restore(&self, source: &KeySource) {
        let (Some(store), model::KeySource::Url(url)) = (&self.store, source.place()) else {
            return;
        };
        match store.load(url) {
            Ok(None) => {}
            Ok(Some((body, fetched_at))) => {
                let restored = source.restore(&body, fetched_at, clock::wall(), clock::monotonic());
                match restored {
                    Ok(()) => tracing::info!(%url, "key set of an earlier run in use"),
                    Err(error) => tracing::warn!(%url, %error, "kept key set is not used"),
                }
            }
            Err(error) => tracing::warn!(%url, %error, "kept key set is not used"),
        }
    }

    /// Waits until the attempt that `wait` stands for has ended, 5 s at most. Then ask
    /// [`Authorizers::authorize`] again, with `Patience::HasWaited`.
    pub async fn wait(&self, wait: KeyWait) {
        self.kick.notify_one();
        let _ = tokio::time::timeout(MAX_WAIT, self.until(|| wait.is_over())).await;
    }

    /// Waits until every pool has its first keys, `startup_wait` at most; says whether they have.
    pub async fn await_initial(&self, startup_wait: Duration) -> bool {
        let all_in = self.until(|| self.all_first_sets_in());
        tokio::time::timeout(startup_wait, all_in).await.is_ok()
    }

    async fn until(&self, is_true: impl Fn() -> bool) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Listening must begin before looking, or an end in between is missed.
            ended.as_mut().enable();
            if is_true() {
                return;
            }
            ended.await;
        }
    }

    /// Whether every pool has keys from one of its issuers.
    #[must_use]
    pub fn all_first_sets_in(&self) -> bool {
        self.authorizers.load().as_ref().is_some_and(|authorizers| authorizers.all_first_sets_in())
    }

    /// Fetches the key sets of one pool, or of all, within the budget of fetches, and waits for the
    /// outcome, [`MAX_WAIT`] at most. Which pools these are, and why their keys are not fresh.
    pub async fn refresh(&self, pool: Option<&str>) -> Vec<(model::Name, Option<FetchFailure>)> {
        let Some(authorizers) = self.authorizers.load_full() else { return Vec::new() };
        let pools = authorizers.pools().iter();
        let pools: Vec<_> =
            pools.filter(|known| pool.is_none_or(|name| *name == **known.name())).collect();
        let sources = || pools.iter().flat_map(|pool| pool.issuers()).map(|issuer| issuer.source());
        let now = clock::monotonic();
        for source in sources() {
            source.request(now);
        }
        self.kick.notify_one();
        // What the budget does not allow was fetched just now, and is not due either.
        let is_over = || sources().all(|s| matches!(s.due(clock::monotonic()), Due::At(_)));
        let _ = tokio::time::timeout(MAX_WAIT, self.until(is_over)).await;
        pools.iter().map(|pool| (Arc::clone(pool.name()), staleness(pool))).collect()
    }

    /// Every pool with the state of its key sources.
    #[must_use]
    pub fn status(&self, mono: Instant) -> Vec<PoolStatus> {
        self.authorizers.load().as_ref().map_or_else(Vec::new, |a| a.status(mono))
    }
}

/// Why none of a pool's issuers has fresh keys. One of them is enough, as at the start.
fn staleness(pool: &Pool) -> Option<FetchFailure> {
    let mut last = None;
    for issuer in pool.issuers() {
        let hangs = issuer.source().due(clock::monotonic()) == Due::InFlight;
        let failure = issuer.source().last_failure();
        last = Some(failure.or(hangs.then_some(FetchFailure::Timeout))?);
    }
    last
}

/// Reads a key set from a regular file, no further than a key set may be long.
async fn read_file(path: &Path) -> Result<Fetched, FetchFailure> {
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        let mut body = Vec::new();
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut body).await?;
        Ok::<_, std::io::Error>(body)
    };
    // Opening a pipe would wait for a writer.
    let is_file = tokio::fs::metadata(path).await.is_ok_and(|metadata| metadata.is_file());
    let body = if is_file { read.await.ok() } else { None };
    body.map(|body| Fetched { body, max_age: None }).ok_or(FetchFailure::File)
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness there is merely no jitter.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// One line for each change of state; names of keys, never keys.
fn tell(source: &KeySource, change: &Change) {
    let place = match source.place() {
        model::KeySource::Url(url) => url.to_string(),
        model::KeySource::File(path) => path.display().to_string(),
    };
    match change {
        Change::First { keys } => tracing::info!(%place, keys, "first key set is in"),
        Change::Replaced { added, removed } => {
            tracing::info!(%place, ?added, ?removed, "key set has changed");
        }
        Change::Recovered => tracing::info!(%place, "key set can be fetched again"),
        Change::Failing(failure) => {
            tracing::warn!(%place, failure = failure.as_str(), "key set cannot be fetched");
        }
        Change::Unchanged => tracing::debug!(%place, "key set is unchanged"),
        Change::StillFailing(failure) => {
            tracing::debug!(%place, failure = failure.as_str(), "key set still cannot be fetched");
        }
    }
}
