//! Who belongs to a target group now, who is about to leave it, and who receives requests.
//!
//! Shared by successive configurations that say the same about the group. Requests read one pointer
//! ([`Routing`]); whatever changes a target's part builds a new one.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::anomaly;
use super::balance::{Rotation, mix};
use super::limits::{Place, Tally};
use super::peer::PeerPlan;
use super::standing::{Standing, WHOLE};
use super::state::{Duty, HealthState, Transition};
use super::target::{Live, NoTarget, Target, TargetKey};
use crate::config::model::{self, TargetHost, TargetLimits};

/// More targets than these do not stay on show while they leave, unless they serve requests: a name
/// whose answers change all the time may not fill the memory.
const MOST_LEAVING: usize = 1_000;

/// A target that left the file, or its name's answer, and still ends what it is doing.
#[derive(Debug, Clone)]
pub(crate) struct Leaving {
    pub(crate) target: Arc<Target>,
    pub(crate) until: Instant,
}

/// The targets of one group.
#[derive(Debug)]
pub(crate) struct Members {
    settings: model::TargetGroup,
    duty: Duty,
    /// Locked while `routing` is replaced, so that an older view never replaces a newer one.
    pub(crate) registered: Mutex<Vec<Arc<Target>>>,
    /// Locked after `registered`.
    leaving: Mutex<Vec<Leaving>>,
    pub(crate) routing: ArcSwap<Routing>,
    pub(crate) turn: AtomicUsize,
    /// Replicas that were started together must not draw the same lots.
    seed: u64,
    /// When the last window for anomalies ended.
    window: Mutex<Option<Instant>>,
    tally: Arc<Tally>,
}

/// Who receives requests at present.
#[derive(Debug)]
pub(crate) struct Routing {
    pub(crate) rotation: Rotation<Arc<Target>>,
    pub(crate) fail_open: bool,
}

impl Members {
    /// The same targets as `known`, under other settings.
    pub(crate) fn new(settings: &model::TargetGroup, duty: Duty, known: Option<&Self>) -> Self {
        let routing = Routing { rotation: Rotation::new([]), fail_open: true };
        Self {
            settings: settings.clone(),
            duty,
            registered: Mutex::new(known.map(Self::targets).unwrap_or_default()),
            leaving: Mutex::new(known.map(Self::leaving).unwrap_or_default()),
            routing: ArcSwap::from_pointee(routing),
            turn: AtomicUsize::new(known.map_or(0, |known| known.turn.load(Ordering::Relaxed))),
            seed: known.map_or_else(|| RandomState::new().hash_one(0), |known| known.seed),
            window: Mutex::new(known.and_then(|known| *known.window.lock())),
            tally: known.map_or_else(Arc::default, |known| Arc::clone(&known.tally)),
        }
    }

    /// All that are registered.
    pub(crate) fn targets(&self) -> Vec<Arc<Target>> {
        self.registered.lock().clone()
    }

    /// All that are leaving.
    pub(crate) fn leaving(&self) -> Vec<Leaving> {
        self.leaving.lock().clone()
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) const fn limits(&self) -> &TargetLimits {
        &self.settings.limits
    }

    /// A number by lot for one choice.
    pub(crate) const fn random(&self, turn: usize) -> u64 {
        mix(self.seed.wrapping_add(turn as u64))
    }

    /// A place for a request, where somebody wants to know about each.
    pub(crate) fn place(self: &Arc<Self>) -> Result<Option<Place>, NoTarget> {
        let limits = &self.settings.limits;
        if limits.requests.is_none() && limits.pending.is_none() && self.settings.outliers.is_none()
        {
            return Ok(None);
        }
        Place::take(self).map(Some)
    }

    /// Puts these targets in force, with their weights and the ways to connect to them. What is not
    /// among them any more gets no new requests, and until its time is over to end the others. One
    /// that comes back in that time has lost nothing.
    pub(crate) fn register(
        &self,
        now: Instant,
        wanted: &[(TargetHost, SocketAddr)],
        plans: &[(u16, &PeerPlan)],
    ) {
        let mut registered = self.registered.lock();
        let mut leaving = self.leaving.lock();
        let before: Vec<(Arc<Target>, Option<Instant>)> = leaving
            .drain(..)
            .map(|leaving| (leaving.target, Some(leaving.until)))
            .chain(registered.drain(..).map(|target| (target, None)))
            .collect();
        let known: HashMap<_, _> =
            before.iter().map(|(target, _)| ((&target.host, target.address), target)).collect();
        let newcomer = self.newcomer(&before, now);
        for ((host, address), (weight, plan)) in wanted.iter().zip(plans) {
            let live = known.get(&(host, *address)).map(|target| Arc::clone(&target.live));
            registered.push(Arc::new(Target {
                host: host.clone(),
                address: *address,
                weight: *weight,
                key: TargetKey::of(host, *address),
                live: live.unwrap_or_else(|| Live::new(self.duty, newcomer)),
                peer: plan.at(*address),
            }));
        }
        let stays: HashSet<u64> = registered.iter().map(|target| target.live.id).collect();
        for (target, until) in before.iter().filter(|(target, _)| !stays.contains(&target.live.id))
        {
            let until = until.unwrap_or_else(|| now + self.settings.deregistration_delay);
            leaving.push(Leaving { target: Arc::clone(target), until });
        }
        forget_surplus(&mut leaving);
        drop(leaving);
        self.route(&registered, now);
    }

    /// How a target stands that was not there before, beside those that were registered.
    fn newcomer(&self, before: &[(Arc<Target>, Option<Instant>)], now: Instant) -> Standing {
        let mut registered = before.iter().filter(|(_, until)| until.is_none());
        let is_serving = registered.clone().any(|(target, _)| is_healthy(target, self.duty));
        let mut standing = Standing::new(!is_serving);
        if self.duty == Duty::Unchecked {
            let has_warm_peer = !self.settings.slow_start.is_zero()
                && registered.any(|(target, _)| self.is_warm(target, now));
            standing.begin_serving(now, has_warm_peer);
        }
        standing
    }

    /// Takes charge of its targets' health.
    pub(crate) fn adopt(&self, now: Instant) {
        let registered = self.registered.lock();
        for target in &*registered {
            target.live.health.lock().assign(self.duty);
        }
        self.route(&registered, now);
    }

    /// A target's health has changed. True when the group fails open.
    pub(crate) fn note_transition(
        &self,
        target: &Target,
        transition: Transition,
        now: Instant,
    ) -> bool {
        let registered = self.registered.lock();
        if transition.to == HealthState::Healthy {
            let has_warm_peer = !self.settings.slow_start.is_zero()
                && registered
                    .iter()
                    .any(|peer| peer.live.id != target.live.id && self.is_warm(peer, now));
            target.live.standing.lock().begin_serving(now, has_warm_peer);
        } else {
            target.live.standing.lock().stop_serving();
        }
        self.route(&registered, now)
    }

    /// A request failed at a target of a group with outlier ejection.
    pub(crate) fn note_failure(&self, target: &Target, now: Instant) {
        let Some(settings) = &self.settings.outliers else { return };
        let failing = target.live.failing.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failing < settings.consecutive_failures {
            return;
        }
        let registered = self.registered.lock();
        if target.live.standing.lock().is_ejected(now) {
            return;
        }
        target.live.failing.store(0, Ordering::Relaxed);
        let out =
            registered.iter().filter(|peer| peer.live.standing.lock().is_ejected(now)).count();
        let most = registered.len() * usize::from(settings.max_ejected_percentage) / 100;
        if out >= most {
            return;
        }
        let time = target.live.standing.lock().eject(now, settings);
        self.tally.ejections.fetch_add(1, Ordering::Relaxed);
        self.route(&registered, now);
        tracing::warn!(
            target_group = %self.settings.name,
            address = %target.address,
            failures = failing,
            ?time,
            "target ejected: it failed too often in a row"
        );
    }

    /// What time changes: shares in slow start, the end of ejections and of deregistration delays,
    /// windows for anomalies. True when a target is gone. Those whose last requests are to be cut are
    /// added to `over`.
    pub(crate) fn tune(&self, now: Instant, over: &mut Vec<u64>) -> bool {
        let registered = self.registered.lock();
        let mut gone = Vec::new();
        self.leaving.lock().retain(|leaving| {
            let is_over = leaving.until <= now;
            if is_over {
                gone.push(Arc::clone(&leaving.target));
            }
            !is_over
        });
        for target in &gone {
            target.live.is_over.store(true, Ordering::Relaxed);
            if target.in_flight() > 0 {
                over.push(target.live.id);
            }
            tracing::info!(
                target_group = %self.settings.name,
                address = %target.address,
                in_flight = target.in_flight(),
                "target deregistered"
            );
        }
        let mut is_moving = self.look_for_anomalies(&registered, now);
        for target in &*registered {
            is_moving |= target.live.standing.lock().is_moving(now, self.settings.slow_start);
        }
        if is_moving {
            self.route(&registered, now);
        }
        !gone.is_empty()
    }

    /// Ends a window, if it is time. True when a share has changed.
    fn look_for_anomalies(&self, registered: &[Arc<Target>], now: Instant) -> bool {
        let mut window = self.window.lock();
        let begun = window.get_or_insert(now);
        if now.saturating_duration_since(*begun) < anomaly::WINDOW {
            return false;
        }
        *begun = now;
        let (healthy, others): (Vec<_>, Vec<_>) =
            registered.iter().partition(|target| is_healthy(target, self.duty));
        let samples: Vec<_> = healthy
            .iter()
            .map(|target| {
                let mut standing = target.live.standing.lock();
                (standing.window(target.live.sample()), standing.is_anomalous())
            })
            .collect();
        let verdicts = anomaly::judge(&samples);
        let mut is_changed = false;
        let unjudged = others.into_iter().map(|target| (target, false));
        for (target, is_anomalous) in healthy.into_iter().zip(verdicts).chain(unjudged) {
            let mut standing = target.live.standing.lock();
            let before = *standing;
            standing.judge(is_anomalous, self.settings.anomaly_mitigation);
            is_changed |= before.share() != standing.share();
            if before.is_anomalous() != is_anomalous {
                tracing::info!(
                    target_group = %self.settings.name,
                    address = %target.address,
                    mitigated = standing.is_mitigated(),
                    "target is {}",
                    if is_anomalous { "anomalous: it fails more than its peers" } else { "normal again" }
                );
            }
        }
        is_changed
    }

    fn is_warm(&self, target: &Target, now: Instant) -> bool {
        is_healthy(target, self.duty)
            && !target.live.standing.lock().is_warming_up(now, self.settings.slow_start)
    }

    /// Works out anew who receives requests; true when the group fails open.
    fn route(&self, registered: &[Arc<Target>], now: Instant) -> bool {
        let routing = self.routing_of(registered, now);
        let fail_open = routing.fail_open;
        self.routing.store(Arc::new(routing));
        fail_open
    }

    fn routing_of(&self, registered: &[Arc<Target>], now: Instant) -> Routing {
        let settings = &self.settings;
        let has_shares = !settings.slow_start.is_zero() || settings.anomaly_mitigation;
        let serving: Vec<(Arc<Target>, u32)> = registered
            .iter()
            .filter(|target| is_healthy(target, self.duty))
            .filter_map(|target| {
                let standing = target.live.standing.lock();
                let weight = u32::from(target.weight);
                let share = standing.warm_up_share(now, settings.slow_start).min(standing.share());
                let weight = if has_shares { weight * share.min(WHOLE) } else { weight };
                (!standing.is_ejected(now)).then(|| (Arc::clone(target), weight))
            })
            .collect();
        let is_short = settings.minimum_healthy.is_missed(serving.len(), registered.len());
        let rotation = Rotation::with_shares(serving);
        if !is_short && !rotation.is_empty() {
            return Routing { rotation, fail_open: false };
        }
        // Too few: ALB sends to all that are registered (alb.md 9.7).
        Routing { rotation: Rotation::new(registered.iter().cloned()), fail_open: true }
    }
}

/// The oldest go first.
fn forget_surplus(leaving: &mut Vec<Leaving>) {
    let mut surplus = leaving.len().saturating_sub(MOST_LEAVING);
    leaving.retain(|leaving| {
        let is_dropped = surplus > 0 && leaving.target.in_flight() == 0;
        surplus -= usize::from(is_dropped);
        !is_dropped
    });
}

/// Whether probes speak for it, or nobody asks them.
fn is_healthy(target: &Target, duty: Duty) -> bool {
    duty == Duty::Unchecked || target.live.health.lock().state() == HealthState::Healthy
}
