//! API keys and usage plans: which key a request has, and how much of its plan is used.
//!
//! Pure: time is an argument. A key is looked up by its digest, of which the values are not known
//! to anybody outside (`config::api_key`); what is counted is found again after a reload by the
//! names of plan and key.

pub mod quota;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use self::quota::{Count, Used, UsedUp};
use super::Place;
use crate::clock::UnixMillis;
use crate::config::api_key::KeyDigest;
use crate::config::model::{self, Name, Pace, Quota};
use crate::limit::{Bucket, Gauge, Throttled};
use crate::telemetry::metrics::{Metrics, PlanMetrics};

/// Longest value that is looked up at all.
const LONGEST: usize = 128;

/// All keys and plans, ready for requests.
#[derive(Debug)]
pub struct Usage {
    keys: Vec<Key>,
    by_digest: HashMap<KeyDigest, usize>,
    plans: Vec<Plan>,
}

#[derive(Debug)]
struct Key {
    name: Name,
    is_enabled: bool,
    /// By API.
    seats: Vec<(usize, Arc<Seat>)>,
}

/// What all keys of a plan share.
#[derive(Debug)]
struct Plan {
    name: Name,
    limit: Option<Arc<Gauge>>,
    /// By API and route, and its position in [`Seat::routes`].
    routes: HashMap<(usize, usize), (Arc<Gauge>, usize)>,
    /// What `routes` is found again by: names of API and route, in the order of positions.
    route_names: Vec<(Name, Name)>,
    quota: Option<Quota>,
    metrics: Arc<PlanMetrics>,
    /// By the key's name.
    seats: HashMap<Name, Arc<Seat>>,
}

/// One key in one plan.
#[derive(Debug)]
struct Seat {
    plan: usize,
    used: Arc<Used>,
    bucket: Arc<Bucket>,
    routes: Box<[Arc<Bucket>]>,
}

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// There is no such key.
    Unknown,
    /// It is switched off.
    Disabled,
    /// No plan opens this API for it.
    Unattached,
}

/// Why a key may not be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// It is used too often.
    Throttled(Throttled),
    /// Its quota is used up; this is for how many seconds.
    Quota(u64),
}

/// A good key at a route that it opens.
pub struct Pass<'a> {
    /// The key's name.
    pub name: &'a Name,
    plan: &'a Plan,
    seat: &'a Seat,
    place: Place,
}

/// What is kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The plan's name.
    pub plan: Box<str>,
    /// The key's name.
    pub key: Box<str>,
    /// The day on which the period began, counted from 1970.
    pub since: u32,
    /// Requests since then.
    pub used: u64,
}

impl Usage {
    /// Makes keys and plans ready; what the plans before have counted goes on.
    #[must_use]
    pub fn compile(
        usage: &model::Usage,
        apis: &[model::Api],
        previous: Option<&Self>,
        metrics: &Metrics,
    ) -> Self {
        let key = |key: &model::ApiKey| Key {
            name: key.name.clone(),
            is_enabled: key.is_enabled,
            seats: Vec::new(),
        };
        let mut keys: Vec<Key> = usage.keys.iter().map(key).collect();
        let by_digest = usage.keys.iter().enumerate().map(|(at, key)| (key.digest, at)).collect();
        let mut plans = Vec::with_capacity(usage.plans.len());
        for (position, plan) in usage.plans.iter().enumerate() {
            let before = previous.into_iter().flat_map(|old| &old.plans);
            let before = before.into_iter().find(|old| old.name == plan.name);
            let mut compiled = Plan::compile(plan, apis, before, metrics);
            for index in &plan.keys {
                let Some(key) = keys.get_mut(*index) else { continue };
                let seat = Arc::new(compiled.seat(position, &key.name, before));
                key.seats.extend(plan.apis.iter().map(|api| (api.api.0, Arc::clone(&seat))));
                compiled.seats.insert(key.name.clone(), seat);
            }
            plans.push(compiled);
        }
        Self { keys, by_digest, plans }
    }

    /// The key with this value, at a route.
    ///
    /// # Errors
    ///
    /// It opens nothing there; with the key's name where it is known.
    pub fn find(&self, value: &[u8], place: Place) -> Result<Pass<'_>, (KeyFault, Option<&Name>)> {
        let known = (1..=LONGEST)
            .contains(&value.len())
            .then(|| KeyDigest::of(value))
            .flatten()
            .and_then(|digest| self.keys.get(*self.by_digest.get(&digest)?));
        let key = known.ok_or((KeyFault::Unknown, None))?;
        if !key.is_enabled {
            return Err((KeyFault::Disabled, Some(&key.name)));
        }
        let seat = key.seats.iter().find(|(api, _)| *api == place.api).map(|(_, seat)| &**seat);
        let pass = seat.and_then(|seat| {
            Some(Pass { name: &key.name, plan: self.plans.get(seat.plan)?, seat, place })
        });
        pass.ok_or((KeyFault::Unattached, Some(&key.name)))
    }

    /// What was counted, to be kept.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.plans.iter().flat_map(|plan| {
            plan.seats.iter().filter_map(|(key, seat)| {
                let Count { since, used } = seat.used.count()?;
                let since = u32::try_from(since).ok()?;
                Some(Entry { plan: (*plan.name).into(), key: (**key).into(), since, used })
            })
        })
    }

    /// Whether anything is counted that should be kept.
    #[must_use]
    pub fn has_quotas(&self) -> bool {
        self.plans.iter().any(|plan| plan.quota.is_some())
    }

    /// Takes up what was kept; what is of no plan or key any more is dropped.
    pub fn restore(&self, entries: &[Entry]) {
        let plans: HashMap<&str, &Plan> =
            self.plans.iter().map(|plan| (&*plan.name, plan)).collect();
        for entry in entries {
            let plan = plans.get(&*entry.plan);
            if let Some(seat) = plan.and_then(|plan| plan.seats.get(&*entry.key)) {
                seat.used.restore(Count { since: entry.since.into(), used: entry.used });
            }
        }
    }
}

impl Plan {
    fn compile(
        plan: &model::UsagePlan,
        apis: &[model::Api],
        before: Option<&Self>,
        metrics: &Metrics,
    ) -> Self {
        let mut compiled = Self {
            name: plan.name.clone(),
            limit: plan
                .throttle
                .map(|pace| gauge(pace, before.and_then(|before| before.limit.as_ref()))),
            routes: HashMap::new(),
            route_names: Vec::new(),
            quota: plan.quota,
            metrics: metrics.usage_plan(&plan.name),
            seats: HashMap::with_capacity(plan.keys.len()),
        };
        for limited in &plan.apis {
            let Some(api) = apis.get(limited.api.0) else { continue };
            for (route, pace) in &limited.throttle {
                let Some(key) = api.routes.get(*route).map(|route| &route.key) else { continue };
                let names = (api.name.clone(), key.clone());
                let known = before.and_then(|before| before.route(&names));
                let gauge = gauge(*pace, known.map(|(gauge, _)| gauge));
                let position = compiled.route_names.len();
                compiled.routes.insert((limited.api.0, *route), (gauge, position));
                compiled.route_names.push(names);
            }
        }
        compiled
    }

    /// The limit of a route, found by names: positions may have changed.
    fn route(&self, names: &(Name, Name)) -> Option<&(Arc<Gauge>, usize)> {
        let position = self.route_names.iter().position(|known| known == names)?;
        self.routes.values().find(|(_, at)| *at == position)
    }

    /// A key's place in this plan. Its buckets are those that it had where the limit is the same.
    fn seat(&self, plan: usize, key: &Name, before: Option<&Self>) -> Seat {
        let old = before.and_then(|before| Some((before, before.seats.get(key)?)));
        let is_kept = |now: &Arc<Gauge>, then: &Arc<Gauge>| Arc::ptr_eq(now, then);
        let bucket = old.filter(|(before, _)| {
            self.limit.as_ref().zip(before.limit.as_ref()).is_some_and(|(a, b)| is_kept(a, b))
        });
        let mut routes = vec![Arc::default(); self.route_names.len()];
        for (gauge, position) in self.routes.values() {
            let kept = old.zip(self.route_names.get(*position)).and_then(|((old, seat), names)| {
                let (_, then) = old.route(names).filter(|(then, _)| is_kept(gauge, then))?;
                seat.routes.get(*then)
            });
            if let (Some(place), Some(bucket)) = (routes.get_mut(*position), kept) {
                *place = Arc::clone(bucket);
            }
        }
        Seat {
            plan,
            used: old.map_or_else(Arc::default, |(_, seat)| Arc::clone(&seat.used)),
            bucket: bucket.map_or_else(Arc::default, |(_, seat)| Arc::clone(&seat.bucket)),
            routes: routes.into(),
        }
    }
}

/// The limit before, where it is the same.
fn gauge(pace: Pace, before: Option<&Arc<Gauge>>) -> Arc<Gauge> {
    let same = before.filter(|before| before.settings == pace);
    same.map_or_else(|| Arc::new(Gauge::new(pace)), Arc::clone)
}

impl Pass<'_> {
    /// Counts a request by the plan's throttles: the key's at this route, then the key's. A key whose
    /// quota is used up takes nothing of them.
    ///
    /// # Errors
    ///
    /// It may not be used now.
    pub fn enter(&self, wall: UnixMillis, mono: Instant) -> Result<(), Exhausted> {
        if let Some(quota) = self.plan.quota {
            self.seat.used.check(quota, wall).map_err(|UsedUp| self.used_up(quota, wall))?;
        }
        let throttled = |why| {
            self.plan.metrics.throttled();
            Exhausted::Throttled(why)
        };
        let route =
            self.place.route.and_then(|route| self.plan.routes.get(&(self.place.api, route)));
        if let Some((gauge, position)) = route
            && let Some(bucket) = self.seat.routes.get(*position)
        {
            gauge.take(bucket, mono).map_err(throttled)?;
        }
        if let Some(gauge) = &self.plan.limit {
            gauge.take(&self.seat.bucket, mono).map_err(throttled)?;
        }
        Ok(())
    }

    /// Counts a request by the quota, once nothing else refuses it.
    ///
    /// # Errors
    ///
    /// Another one was the last.
    pub fn charge(&self, wall: UnixMillis) -> Result<(), Exhausted> {
        let Some(quota) = self.plan.quota else { return Ok(()) };
        self.seat.used.take(quota, wall).map_err(|UsedUp| self.used_up(quota, wall))
    }

    fn used_up(&self, quota: Quota, wall: UnixMillis) -> Exhausted {
        self.plan.metrics.over_quota();
        Exhausted::Quota(quota::until_next(quota.period, wall))
    }
}
