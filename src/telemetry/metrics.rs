//! Counters, gauges and histograms, and the text that Prometheus scrapes.
//!
//! Label values come from the configuration or from closed lists, never from a client, so the
//! number of series does not grow with traffic. Handles of a rule, listener or user pool are made
//! when a snapshot is compiled and held by it ([`RuleMetrics`] and its siblings). Two snapshots
//! that have the same rule share its cells, so that a reload resets nothing; when the last snapshot
//! that has it is gone, so are its series. What other modules know better (ages, cache sizes,
//! healthy targets) is sampled when somebody scrapes: [`Metrics::on_scrape`].

mod callouts;
mod cells;
mod families;
mod groups;
mod logouts;
mod process;
mod routes;
mod stickiness;
mod text;
mod throttling;
mod traffic;
mod usage_plans;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use crate::clock::{self, UnixMillis};

pub use callouts::AuthorizerMetrics;
pub use cells::{Counter, DURATION_BUCKETS, Histogram};
pub use families::{
    ListenerMetrics, Outcomes, PoolMetrics, RULE_ACTIONS, RuleMetrics, SIGN_IN_RESULTS,
    STATUS_CLASSES,
};
pub use groups::GroupCounts;
pub use logouts::LogoutMetrics;
pub use routes::RouteMetrics;
pub use stickiness::StickinessMetrics;
pub use throttling::ThrottleMetrics;
pub use usage_plans::PlanMetrics;

use families::Families;
use text::Text;

/// The `Content-Type` of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why a configuration was taken back: more errors, more denials, or because somebody asked.
pub const ROLLBACK_REASONS: [&str; 3] = ["errors", "denials", "asked"];

/// Seconds since the epoch by listener and file.
type CertificateEnds = BTreeMap<(Box<str>, Box<str>), u64>;

type Sampler = Box<dyn Fn(&Metrics) + Send + Sync>;

/// Every metric of this process.
///
/// The public fields are single series: counters are counted up where the thing happens, gauges
/// are set there or by an [`on_scrape`](Self::on_scrape) callback.
pub struct Metrics {
    /// Token cache lookups that found a verified token.
    pub token_cache_hits: IntCounter,
    /// Token cache lookups that found nothing.
    pub token_cache_misses: IntCounter,
    /// Tokens in the cache.
    pub token_cache_entries: IntGauge,
    /// Bytes held by the cache.
    pub token_cache_bytes: IntGauge,
    /// Requests that were sent to a second target or connection.
    pub upstream_retries: IntCounter,
    /// Requests between their head and the end of their answer.
    pub requests_in_flight: IntGauge,
    /// Client connections open now.
    pub connections: IntGauge,
    /// Memory that the process may have.
    pub memory_limit: IntGauge,
    /// Memory that is held against that.
    pub memory_used: IntGauge,
    connection_events: IntCounterVec,
    /// Access-log and log lines that were dropped rather than waited for.
    pub log_dropped: IntCounter,
    /// Spans that a collector took.
    pub spans_exported: IntCounter,
    /// Spans that were dropped: the queue was full, or no collector took them.
    pub spans_dropped: IntCounter,
    /// Requests that would have been traced, had there not been too many that second.
    pub traces_limited: IntCounter,
    /// Panics, wherever they were caught.
    pub panics: IntCounter,
    rollbacks: [Counter; ROLLBACK_REASONS.len()],
    reloads_succeeded: Counter,
    reloads_refused: Counter,
    config_generation: IntGauge,
    config_last_reload_success: IntGauge,
    config_last_reload_timestamp: Gauge,
    /// 1 while the file on disk is not served because it was rolled back.
    pub config_held_back: IntGauge,
    families: Families,
    targets: Mutex<BTreeMap<(Box<str>, &'static str), u64>>,
    groups: Mutex<Vec<GroupCounts>>,
    certificates: Mutex<CertificateEnds>,
    samplers: Mutex<Vec<Sampler>>,
    registry: Registry,
    started: UnixMillis,
    rendering: Mutex<()>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Sets everything to zero; `version` and `commit` become labels of `portcullis_build_info`.
    #[must_use]
    pub fn new(version: &str, commit: &str) -> Arc<Self> {
        let registry = Registry::new();
        let counter = |name, help| register(&registry, IntCounter::new(name, help));
        let gauge = |name, help| register(&registry, IntGauge::new(name, help));
        let build = Opts::new("portcullis_build_info", "Always 1; the labels tell the build.")
            .const_label("version", version)
            .const_label("commit", commit);
        register(&registry, IntGauge::with_opts(build)).set(1);
        Arc::new(Self {
            token_cache_hits: counter(
                "portcullis_token_cache_hits_total",
                "Lookups that found a verified token.",
            ),
            token_cache_misses: counter(
                "portcullis_token_cache_misses_total",
                "Lookups that found nothing, so that a signature had to be verified.",
            ),
            token_cache_entries: gauge("portcullis_token_cache_entries", "Tokens in the cache."),
            token_cache_bytes: gauge("portcullis_token_cache_bytes", "Bytes held by the cache."),
            upstream_retries: counter(
                "portcullis_upstream_retries_total",
                "Requests that were tried a second time.",
            ),
            requests_in_flight: gauge(
                "portcullis_requests_in_flight",
                "Requests between their head and the end of their answer.",
            ),
            connections: gauge("portcullis_connections", "Client connections open now."),
            memory_limit: gauge(
                "portcullis_memory_limit_bytes",
                "Memory that the process may have; 0 without a limit.",
            ),
            memory_used: gauge(
                "portcullis_memory_used_bytes",
                "Memory held against that limit; 0 without a limit.",
            ),
            connection_events: register(
                &registry,
                IntCounterVec::new(
                    Opts::new(
                        "portcullis_connection_events_total",
                        "What happened to client connections before or beside their requests.",
                    ),
                    &["event"],
                ),
            ),
            spans_exported: counter(
                "portcullis_trace_spans_exported_total",
                "Spans that a collector took.",
            ),
            spans_dropped: counter(
                "portcullis_trace_spans_dropped_total",
                "Spans dropped because the queue was full or no collector took them.",
            ),
            traces_limited: counter(
                "portcullis_traces_limited_total",
                "Requests not traced because of max_traces_per_second.",
            ),
            log_dropped: counter(
                "portcullis_log_dropped_total",
                "Log lines dropped because their destination failed or was too slow.",
            ),
            panics: counter("portcullis_panics_total", "Panics, wherever they were caught."),
            rollbacks: Default::default(),
            reloads_succeeded: Counter::default(),
            reloads_refused: Counter::default(),
            config_generation: gauge(
                "portcullis_config_generation",
                "Number of the configuration in force, counted from 1.",
            ),
            config_last_reload_success: gauge(
                "portcullis_config_last_reload_success",
                "1 when the last attempt to load the configuration succeeded, else 0.",
            ),
            config_last_reload_timestamp: register(
                &registry,
                Gauge::new(
                    "portcullis_config_last_reload_timestamp_seconds",
                    "When the configuration in force was loaded.",
                ),
            ),
            config_held_back: gauge(
                "portcullis_config_held_back",
                "1 while the file on disk is not served because it was rolled back, else 0.",
            ),
            families: Families::default(),
            targets: Mutex::default(),
            groups: Mutex::default(),
            certificates: Mutex::default(),
            samplers: Mutex::default(),
            registry,
            started: clock::wall(),
            rendering: Mutex::new(()),
        })
    }

    /// The handles of a rule, the same cells as before if the rule was there before.
    ///
    /// `target_groups` are the groups the rule may forward to, in the order of the indices that
    /// [`RuleMetrics::request`] is given. `reasons` is the closed list of authorization outcomes,
    /// in the order of the indices that [`RuleMetrics::decision`] is given.
    #[must_use]
    pub fn rule(
        &self,
        listener: &str,
        rule: &str,
        target_groups: &[&str],
        reasons: &'static [&'static str],
    ) -> RuleMetrics {
        self.families.rule(listener, rule, target_groups, reasons)
    }

    /// The handles of a listener; `causes` is the closed list for [`ListenerMetrics::refused`].
    #[must_use]
    pub fn listener(
        &self,
        listener: &str,
        causes: &'static [&'static str],
    ) -> Arc<ListenerMetrics> {
        self.families.listener(listener, causes)
    }

    /// The handles of a user pool; `results` is the closed list for [`PoolMetrics::set_fetched`].
    #[must_use]
    pub fn pool(&self, pool: &str, results: &'static [&'static str]) -> Arc<PoolMetrics> {
        self.families.pool(pool, results)
    }

    /// The handles of a user pool whose issuer may end sessions.
    #[must_use]
    pub fn logouts(&self, pool: &str) -> Arc<LogoutMetrics> {
        self.families.logouts(pool)
    }

    /// The handles of a target group that keeps clients on their targets; `reasons` is the closed
    /// list for [`StickinessMetrics::missed`].
    #[must_use]
    pub fn stickiness(
        &self,
        target_group: &str,
        reasons: &'static [&'static str],
    ) -> Arc<StickinessMetrics> {
        self.families.stickiness(target_group, reasons)
    }

    /// The handle of a request authorizer.
    #[must_use]
    pub fn authorizer(&self, api: &str, authorizer: &str) -> Arc<AuthorizerMetrics> {
        self.families.authorizer(api, authorizer)
    }

    /// The handle of a route of an API, the same cells as before if it was there before.
    #[must_use]
    pub fn route(&self, api: &str, route: &str) -> Arc<RouteMetrics> {
        self.families.route(api, route)
    }

    /// The handle of an API's limits, or of a route's; `route` is empty for the API's own.
    #[must_use]
    pub fn throttle(&self, api: &str, route: &str) -> Arc<ThrottleMetrics> {
        self.families.throttle(api, route)
    }

    /// The handle of a usage plan.
    #[must_use]
    pub fn usage_plan(&self, plan: &str) -> Arc<PlanMetrics> {
        self.families.usage_plan(plan)
    }

    /// Tells, before a scrape, how often each thing has happened to connections so far.
    pub fn set_connection_events(&self, events: &[(&'static str, u64)]) {
        for (event, total) in events {
            raise(&self.connection_events.with_label_values(&[event]), *total);
        }
    }

    /// Tells, before a scrape, how many lookups of the token cache found what they sought so far.
    pub fn set_token_cache_lookups(&self, hits: u64, misses: u64) {
        raise(&self.token_cache_hits, hits);
        raise(&self.token_cache_misses, misses);
    }

    /// Tells how many targets of a group are in a state. For `on_scrape` callbacks: what is not
    /// told again at the next scrape is gone from it.
    pub fn set_targets(&self, group: &str, state: &'static str, targets: u64) {
        self.targets.lock().insert((group.into(), state), targets);
    }

    /// Tells what is counted of each target group. What is not told again is gone.
    pub fn set_target_groups(&self, groups: Vec<GroupCounts>) {
        *self.groups.lock() = groups;
    }

    /// Tells all certificates in use: listener, file, end. What is not told again is gone.
    pub fn set_certificates<'a>(
        &self,
        certificates: impl Iterator<Item = (&'a str, &'a Path, UnixMillis)>,
    ) {
        let ends = certificates.map(|(listener, file, end)| {
            ((listener.into(), file.to_string_lossy().into()), end.seconds())
        });
        *self.certificates.lock() = ends.collect();
    }

    /// Certificates in use: listener, file, seconds since the epoch.
    #[must_use]
    pub fn certificates(&self) -> Vec<(Box<str>, Box<str>, u64)> {
        let certificates = self.certificates.lock();
        certificates.iter().map(|((l, file), end)| (l.clone(), file.clone(), *end)).collect()
    }

    /// Whether the last file that was read is in force.
    #[must_use]
    pub fn is_last_reload_good(&self) -> bool {
        self.config_last_reload_success.get() == 1
    }

    /// A configuration is in force, at start or by a reload.
    pub fn reload_succeeded(&self, generation: u64, now: UnixMillis) {
        self.reloads_succeeded.inc();
        self.config_generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.config_last_reload_success.set(1);
        self.config_last_reload_timestamp.set(seconds(now));
    }

    /// A configuration was refused; the one before stays in force.
    pub fn reload_refused(&self) {
        self.reloads_refused.inc();
        self.config_last_reload_success.set(0);
    }

    /// Has `sample` called before every scrape, to set gauges that others know better.
    ///
    /// Register once at start and look the current state up inside: callbacks are never removed.
    pub fn on_scrape(&self, sample: Box<dyn Fn(&Self) + Send + Sync>) {
        self.samplers.lock().push(sample);
    }

    /// The text exposition of everything. Takes milliseconds when there are thousands of rules,
    /// so keep it off threads that serve; scrapes wait for each other, never for a request.
    #[must_use]
    pub fn text(&self) -> String {
        let _one_at_a_time = self.rendering.lock();
        self.targets.lock().clear();
        for sample in self.samplers.lock().iter() {
            sample(self);
        }
        let mut text = Text::default();
        self.families.write(&mut text);
        self.write_targets(&mut text);
        groups::write(&mut text, &self.groups.lock());
        self.write_certificates(&mut text);
        self.write_reloads(&mut text);
        self.write_rollbacks(&mut text);
        process::write(&mut text, self.started);
        let mut text = text.into_string();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics could not be encoded");
        }
        text
    }

    fn write_targets(&self, text: &mut Text) {
        text.family("portcullis_targets", "gauge", "Targets by target group and health state.");
        for ((group, state), targets) in self.targets.lock().iter() {
            text.sample_with("portcullis_targets", *targets, |labels| {
                labels.push("target_group", group).push("state", state);
            });
        }
    }

    fn write_certificates(&self, text: &mut Text) {
        let name = "portcullis_certificate_not_after_timestamp_seconds";
        text.family(name, "gauge", "When a certificate in use expires, by listener and file.");
        for ((listener, file), end) in self.certificates.lock().iter() {
            text.sample_with(name, *end, |labels| {
                labels.push("listener", listener).push("certificate", file);
            });
        }
    }

    /// The configuration before was put back, for one of [`ROLLBACK_REASONS`].
    pub fn rolled_back(&self, reason: &str) {
        let index = ROLLBACK_REASONS.iter().position(|known| *known == reason);
        if let Some(counter) = index.and_then(|index| self.rollbacks.get(index)) {
            counter.inc();
        }
    }

    fn write_rollbacks(&self, text: &mut Text) {
        let name = "portcullis_config_rollbacks_total";
        text.family(name, "counter", "Configurations that were taken back, by reason.");
        for (reason, counter) in ROLLBACK_REASONS.iter().zip(&self.rollbacks) {
            text.sample_with(name, counter.get(), |labels| {
                labels.push("reason", reason);
            });
        }
    }

    fn write_reloads(&self, text: &mut Text) {
        let name = "portcullis_config_reloads_total";
        text.family(name, "counter", "Attempts to load the configuration, by result.");
        for (result, counter) in
            [("success", &self.reloads_succeeded), ("refused", &self.reloads_refused)]
        {
            text.sample_with(name, counter.get(), |labels| {
                labels.push("result", result);
            });
        }
    }
}

/// Counts a counter up to a total that somebody else keeps.
fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// Registers a metric whose name and labels are constants of this file; a test makes them all.
fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<M>,
) -> M {
    let metric = metric.expect("constant metric names are valid");
    registry.register(Box::new(metric.clone())).expect("constant metric names are unique");
    metric
}

#[allow(clippy::cast_precision_loss)]
fn seconds(time: UnixMillis) -> f64 {
    time.0 as f64 / 1000.0
}

#[cfg(test)]
mod tests;
