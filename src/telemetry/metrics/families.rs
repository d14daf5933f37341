//! Cells by rule, listener and user pool, carried over reloads and forgotten with their last user.
//!
//! Cells are found by their names as a tuple. (The `prometheus` crate finds them by a hash of the
//! names run together, so that listener `a` with rule `bc` would share with `ab` and `c`.)

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::callouts::{self, AuthorizerMetrics};
use super::cells::{Counter, DURATION_BUCKETS, Histogram};
use super::logouts::{self, LogoutMetrics};
use super::routes::{self, RouteMetrics};
use super::stickiness::{self, StickinessMetrics};
use super::text::{Labels, Text};
use super::throttling::{self, ThrottleMetrics};
use super::traffic::{self, Traffic};
use super::usage_plans::{self, PlanMetrics};

/// Values of the label `status_class`; `none` is a request that ended without an answer.
pub const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Values of the label `result` of sign-ins; the last two are of sessions that are renewed.
pub const SIGN_IN_RESULTS: [&str; 8] = [
    "begun",
    "success",
    "failure",
    "error",
    "claims_too_large",
    "signed_out",
    "refresh_success",
    "refresh_failure",
];

/// Values of the label `action`: what rules do.
pub const RULE_ACTIONS: [&str; 5] =
    ["forward", "redirect", "fixed_response", "authenticate", "sign_out"];

/// The handles of one rule of one listener.
#[derive(Debug, Clone)]
pub struct RuleMetrics {
    rule: Arc<RuleCells>,
    groups: Box<[Arc<GroupCells>]>,
}

impl RuleMetrics {
    /// Counts a request that has ended.
    ///
    /// `group` is the index among the rule's target groups, `None` when the gateway answered by
    /// itself; `status` is 0 when nothing was answered.
    pub fn request(
        &self,
        group: Option<usize>,
        status: u16,
        total: Duration,
        first_byte: Option<Duration>,
    ) {
        match group.and_then(|index| self.groups.get(index)) {
            Some(group) => group.count(status),
            None => self.rule.answered.count(status),
        }
        self.rule.duration.observe(total);
        if let Some(first_byte) = first_byte {
            self.rule.first_byte.observe(first_byte);
        }
    }

    /// Counts what the rule did with a request, one of [`RULE_ACTIONS`].
    pub fn action(&self, action: &str) {
        let index = RULE_ACTIONS.iter().position(|known| *known == action);
        if let Some(counter) = index.and_then(|index| self.rule.actions.get(index)) {
            counter.inc();
        }
    }

    /// Tells how long user pools took to answer, for somebody who signs in or whose session is
    /// renewed.
    pub fn sign_in_took(&self, duration: Duration) {
        self.rule.sign_in_duration.observe(duration);
    }

    /// Counts what came of signing in, one of [`SIGN_IN_RESULTS`].
    pub fn sign_in(&self, result: &str) {
        let index = SIGN_IN_RESULTS.iter().position(|known| *known == result);
        if let Some(counter) = index.and_then(|index| self.rule.sign_ins.get(index)) {
            counter.inc();
        }
    }

    /// How this rule's requests have ended so far; the first outcome of authorization is `allowed`.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        let mut sum = Outcomes::default();
        let groups = self.groups.iter().map(|group| &**group);
        for cells in std::iter::once(&self.rule.answered).chain(groups) {
            sum.requests += cells.requests.iter().map(Counter::get).sum::<u64>();
            sum.errors += cells.requests.last().map_or(0, Counter::get);
        }
        sum.denials = self.rule.decisions.iter().skip(1).map(Counter::get).sum();
        sum
    }

    /// Outcomes of authorization with how often each was seen.
    pub fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.rule.reasons.iter().copied().zip(self.rule.decisions.iter().map(Counter::get))
    }

    /// How many of its requests took how long, see [`Histogram::counts`].
    #[must_use]
    pub fn durations(&self) -> [u64; DURATION_BUCKETS.len() + 1] {
        self.rule.duration.counts()
    }

    /// Counts an authorization outcome, by its index in the rule's list of reasons.
    pub fn decision(&self, reason: usize) {
        if let Some(counter) = self.rule.decisions.get(reason) {
            counter.inc();
        }
    }
}

/// How requests have ended so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// All of them.
    pub requests: u64,
    /// Those that were answered 5xx, by us or by a target.
    pub errors: u64,
    /// Those that authorization turned away.
    pub denials: u64,
}

#[derive(Debug)]
struct RuleCells {
    labels: Box<str>,
    /// Requests that the gateway answered by itself.
    answered: GroupCells,
    /// Requests that were forwarded; few enough to be searched.
    groups: Mutex<Vec<(Box<str>, Weak<GroupCells>)>>,
    duration: Histogram,
    first_byte: Histogram,
    reasons: &'static [&'static str],
    decisions: Box<[Counter]>,
    sign_ins: [Counter; SIGN_IN_RESULTS.len()],
    sign_in_duration: Histogram,
    actions: [Counter; RULE_ACTIONS.len()],
}

impl RuleCells {
    fn group(&self, name: &str) -> Arc<GroupCells> {
        let mut groups = self.groups.lock();
        let held = groups.iter().find(|(group, _)| **group == *name);
        held.and_then(|(_, cells)| cells.upgrade()).unwrap_or_else(|| {
            groups.retain(|(group, cells)| **group != *name && cells.strong_count() > 0);
            let cells = Arc::new(GroupCells::default());
            groups.push((name.into(), Arc::downgrade(&cells)));
            cells
        })
    }
}

#[derive(Debug, Default)]
struct GroupCells {
    requests: [Counter; STATUS_CLASSES.len()],
}

impl GroupCells {
    fn count(&self, status: u16) {
        let class = usize::from(status / 100);
        if let Some(counter) = self.requests.get(class).or_else(|| self.requests.first()) {
            counter.inc();
        }
    }
}

/// The handles of one listener.
#[derive(Debug)]
pub struct ListenerMetrics {
    labels: Box<str>,
    causes: &'static [&'static str],
    refused: Box<[Counter]>,
    /// Forwarded and dropped.
    invalid_names: [Counter; 2],
    traffic: Traffic,
}

impl ListenerMetrics {
    /// A request had header fields with names that ALB calls invalid.
    pub fn invalid_names(&self, are_dropped: bool) {
        let [forwarded, dropped] = &self.invalid_names;
        if are_dropped { dropped.inc() } else { forwarded.inc() }
    }

    /// A request has ended; so many bytes more went over its connection since the one before.
    pub fn request(&self, is_ipv6: bool, (received, sent): (u64, u64)) {
        self.traffic.count(is_ipv6, received, sent);
    }

    /// A request was refused for what it was or because no target served it, by the index of the
    /// cause.
    pub fn refused(&self, cause: usize) {
        if let Some(counter) = self.refused.get(cause) {
            counter.inc();
        }
    }
}

/// The handles of one user pool.
#[derive(Debug)]
pub struct PoolMetrics {
    labels: Box<str>,
    results: &'static [&'static str],
    fetches: Box<[Counter]>,
    keys: AtomicU64,
    /// Milliseconds; `u64::MAX` while there was never a key set.
    age: AtomicU64,
}

impl PoolMetrics {
    /// Tells, before a scrape, how many fetches ended with a result so far.
    pub fn set_fetched(&self, result: usize, total: u64) {
        if let Some(counter) = self.fetches.get(result) {
            counter.add(total.saturating_sub(counter.get()));
        }
    }

    /// Tells, before a scrape, how many keys there are and how old the oldest key set of the pool
    /// is; `None` while one is missing.
    pub fn set_keys(&self, keys: u64, age: Option<Duration>) {
        let millis = age.map_or(u64::MAX, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        self.keys.store(keys, Ordering::Relaxed);
        self.age.store(millis, Ordering::Relaxed);
    }
}

/// Cells that somebody holds, by name.
#[derive(Debug)]
struct Held<K, T>(Mutex<BTreeMap<K, Weak<T>>>);

impl<K, T> Default for Held<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord, T> Held<K, T> {
    fn get_or_make(&self, key: K, make: impl FnOnce() -> T) -> Arc<T> {
        let mut held = self.0.lock();
        let slot = held.entry(key).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let cells = Arc::new(make());
            *slot = Arc::downgrade(&cells);
            cells
        })
    }

    fn living(&self) -> Vec<Arc<T>> {
        let mut living = Vec::new();
        self.0.lock().retain(|_, cells| {
            let cells = cells.upgrade();
            let is_held = cells.is_some();
            living.extend(cells);
            is_held
        });
        living
    }
}

/// All cells that are found by name.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// By listener and rule.
    rules: Held<(Box<str>, Box<str>), RuleCells>,
    listeners: Held<Box<str>, ListenerMetrics>,
    pools: Held<Box<str>, PoolMetrics>,
    logouts: Held<Box<str>, LogoutMetrics>,
    /// By target group.
    stickiness: Held<Box<str>, StickinessMetrics>,
    /// By API and route.
    routes: Held<(Box<str>, Box<str>), RouteMetrics>,
    /// By API and authorizer.
    callouts: Held<(Box<str>, Box<str>), AuthorizerMetrics>,
    /// By API and route.
    throttling: Held<(Box<str>, Box<str>), ThrottleMetrics>,
    usage_plans: Held<Box<str>, PlanMetrics>,
}

impl Families {
    pub(super) fn rule(
        &self,
        listener: &str,
        rule: &str,
        target_groups: &[&str],
        reasons: &'static [&'static str],
    ) -> RuleMetrics {
        let cells = self.rules.get_or_make((listener.into(), rule.into()), || RuleCells {
            labels: labels(&[("listener", listener), ("rule", rule)]),
            answered: GroupCells::default(),
            groups: Mutex::default(),
            duration: Histogram::default(),
            first_byte: Histogram::default(),
            reasons,
            decisions: counters(reasons),
            sign_ins: Default::default(),
            sign_in_duration: Histogram::default(),
            actions: Default::default(),
        });
        let groups = target_groups.iter().map(|group| cells.group(group)).collect();
        RuleMetrics { rule: cells, groups }
    }

    pub(super) fn listener(
        &self,
        listener: &str,
        causes: &'static [&'static str],
    ) -> Arc<ListenerMetrics> {
        self.listeners.get_or_make(listener.into(), || ListenerMetrics {
            labels: labels(&[("listener", listener)]),
            causes,
            refused: counters(causes),
            invalid_names: Default::default(),
            traffic: Traffic::default(),
        })
    }

    pub(super) fn pool(&self, pool: &str, results: &'static [&'static str]) -> Arc<PoolMetrics> {
        self.pools.get_or_make(pool.into(), || PoolMetrics {
            labels: labels(&[("user_pool", pool)]),
            results,
            fetches: counters(results),
            keys: AtomicU64::new(0),
            age: AtomicU64::new(u64::MAX),
        })
    }

    pub(super) fn logouts(&self, pool: &str) -> Arc<LogoutMetrics> {
        self.logouts.get_or_make(pool.into(), || LogoutMetrics::new(pool))
    }

    pub(super) fn stickiness(
        &self,
        target_group: &str,
        reasons: &'static [&'static str],
    ) -> Arc<StickinessMetrics> {
        self.stickiness
            .get_or_make(target_group.into(), || StickinessMetrics::new(target_group, reasons))
    }

    pub(super) fn authorizer(&self, api: &str, authorizer: &str) -> Arc<AuthorizerMetrics> {
        let key = (api.into(), authorizer.into());
        self.callouts.get_or_make(key, || AuthorizerMetrics::new(api, authorizer))
    }

    pub(super) fn route(&self, api: &str, route: &str) -> Arc<RouteMetrics> {
        self.routes.get_or_make((api.into(), route.into()), || RouteMetrics::new(api, route))
    }

    pub(super) fn throttle(&self, api: &str, route: &str) -> Arc<ThrottleMetrics> {
        let key = (api.into(), route.into());
        self.throttling.get_or_make(key, || ThrottleMetrics::new(api, route))
    }

    pub(super) fn usage_plan(&self, plan: &str) -> Arc<PlanMetrics> {
        self.usage_plans.get_or_make(plan.into(), || PlanMetrics::new(plan))
    }

    pub(super) fn write(&self, text: &mut Text) {
        self.write_rules(text);
        self.write_listeners(text);
        self.write_pools(text);
        logouts::write(text, &self.logouts.living());
        stickiness::write(text, &self.stickiness.living());
        routes::write(text, &self.routes.living());
        callouts::write(text, &self.callouts.living());
        throttling::write(text, &self.throttling.living());
        usage_plans::write(text, &self.usage_plans.living());
    }

    /// Series of rules appear with their first request: thousands of rules may never see one.
    fn write_rules(&self, text: &mut Text) {
        let name = "portcullis_requests_total";
        text.family(
            name,
            "counter",
            "Requests by rule, target group (empty: answered by the gateway) and class of status.",
        );
        let rules = self.rules.living();
        for rule in &rules {
            write_requests(text, name, &rule.labels, "", &rule.answered);
            for (group, cells) in rule.groups.lock().iter() {
                if let Some(cells) = cells.upgrade() {
                    write_requests(text, name, &rule.labels, group, &cells);
                }
            }
        }
        let name = "portcullis_authorizations_total";
        text.family(name, "counter", "Authorization outcomes by rule and reason.");
        for rule in &rules {
            write_used(text, name, &rule.labels, "reason", rule.reasons, &rule.decisions);
        }
        let name = "portcullis_sign_in_total";
        text.family(
            name,
            "counter",
            "Browsers that sign in, and sessions renewed, by rule and result.",
        );
        for rule in &rules {
            write_used(text, name, &rule.labels, "result", &SIGN_IN_RESULTS, &rule.sign_ins);
        }
        let name = "portcullis_sign_in_duration_seconds";
        text.family(
            name,
            "histogram",
            "Waits for user pools, of sign-ins and of renewed sessions.",
        );
        for rule in &rules {
            write_histogram(text, name, &rule.labels, &rule.sign_in_duration);
        }
        let name = "portcullis_rule_actions_total";
        text.family(name, "counter", "What rules did with requests, by rule and action.");
        for rule in &rules {
            write_used(text, name, &rule.labels, "action", &RULE_ACTIONS, &rule.actions);
        }
        let name = "portcullis_request_duration_seconds";
        text.family(name, "histogram", "From the request's head to the end of its answer.");
        for rule in &rules {
            write_histogram(text, name, &rule.labels, &rule.duration);
        }
        let name = "portcullis_time_to_first_byte_seconds";
        text.family(name, "histogram", "From the request's head to the head of its answer.");
        for rule in &rules {
            write_histogram(text, name, &rule.labels, &rule.first_byte);
        }
    }

    fn write_listeners(&self, text: &mut Text) {
        let listeners = self.listeners.living();
        let name = "portcullis_requests_refused_total";
        text.family(
            name,
            "counter",
            "Requests refused for what they were, or that no target served, by cause.",
        );
        for listener in &listeners {
            write_used(text, name, &listener.labels, "cause", listener.causes, &listener.refused);
        }
        let traffic = listeners.iter().map(|listener| (&*listener.labels, &listener.traffic));
        traffic::write(text, &traffic.collect::<Vec<_>>());
        let name = "portcullis_invalid_header_requests_total";
        text.family(
            name,
            "counter",
            "Requests with header names of other characters than letters, digits and hyphens.",
        );
        for listener in &listeners {
            let actions = ["forwarded", "dropped"];
            write_used(text, name, &listener.labels, "action", &actions, &listener.invalid_names);
        }
    }

    fn write_pools(&self, text: &mut Text) {
        let pools = self.pools.living();
        let name = "portcullis_jwks_fetches_total";
        text.family(name, "counter", "Fetches of key sets by user pool and result.");
        for pool in &pools {
            for (result, counter) in pool.results.iter().zip(&pool.fetches) {
                text.sample(name, &pool.labels, Some(("result", result)), counter.get());
            }
        }
        let name = "portcullis_jwks_keys";
        text.family(name, "gauge", "Keys held of a user pool.");
        for pool in &pools {
            text.sample(name, &pool.labels, None, pool.keys.load(Ordering::Relaxed));
        }
        let name = "portcullis_jwks_age_seconds";
        text.family(
            name,
            "gauge",
            "Time since a user pool's keys were last fetched; +Inf while they never were.",
        );
        for pool in &pools {
            match pool.age.load(Ordering::Relaxed) {
                u64::MAX => text.sample(name, &pool.labels, None, "+Inf"),
                millis => {
                    let age = Duration::from_millis(millis).as_secs_f64();
                    text.sample(name, &pool.labels, None, age);
                }
            }
        }
    }
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> Box<str> {
    let mut labels = Labels::default();
    for (name, value) in pairs {
        labels.push(name, value);
    }
    labels.into_boxed_str()
}

pub(super) fn counters(names: &[&str]) -> Box<[Counter]> {
    names.iter().map(|_| Counter::default()).collect()
}

fn write_requests(text: &mut Text, name: &str, labels: &str, group: &str, cells: &GroupCells) {
    if cells.requests.iter().any(|counter| counter.get() > 0) {
        let labels = format!("{labels},{}", self::labels(&[("target_group", group)]));
        write_used(text, name, &labels, "status_class", &STATUS_CLASSES, &cells.requests);
    }
}

pub(super) fn write_used(
    text: &mut Text,
    name: &str,
    labels: &str,
    label: &str,
    values: &[&str],
    counters: &[Counter],
) {
    for (value, counter) in values.iter().zip(counters).filter(|(_, counter)| counter.get() > 0) {
        text.sample(name, labels, Some((label, value)), counter.get());
    }
}

/// Nothing while nothing was observed. The count is the sum of the buckets, so that a scrape in
/// the middle of an observation is still true to itself.
pub(super) fn write_histogram(text: &mut Text, name: &str, labels: &str, histogram: &Histogram) {
    let counts = histogram.counts();
    if counts.iter().all(|count| *count == 0) {
        return;
    }
    let bucket = format!("{name}_bucket");
    let mut total = 0;
    for (bound, count) in DURATION_BUCKETS.iter().zip(counts) {
        total += count;
        let bound = Duration::from_micros(*bound).as_secs_f64();
        text.sample(&bucket, labels, Some(("le", &bound as &dyn Display)), total);
    }
    total += counts[DURATION_BUCKETS.len()];
    text.sample(&bucket, labels, Some(("le", &"+Inf")), total);
    text.sample(&format!("{name}_sum"), labels, None, histogram.sum().as_secs_f64());
    text.sample(&format!("{name}_count"), labels, None, total);
}
