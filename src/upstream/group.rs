//! One target group: its targets, and how one is chosen.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::balance::Rotation;
use super::groups::Shared;
use super::peer::{Authorities, ClientCertificate, PeerPlan};
use super::state::{Duty, HealthState, ProbeOutcome, Reason, Thresholds};
use super::target::{Chosen, Live, NoTarget, Target, TargetKey, Tried};
use crate::config::diagnostics::Span;
use crate::config::model::{self, BalancingAlgorithm, Name, Protocol, TargetHost};

/// Why targets cannot be connected to as the file demands.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The certificate of a target could not be checked against this name.
    #[error(
        "target group `{group}`: no certificate can be checked for the name `{name}`; set `tls.server_name`"
    )]
    ServerName {
        /// The group.
        group: Name,
        /// The name.
        name: String,
    },
    /// The certificate that we show to targets cannot be used.
    #[error("target group `{group}`: `{}`: {error}", path.display())]
    ClientCertificate {
        /// The group.
        group: Name,
        /// The file of the chain.
        path: PathBuf,
        /// What is wrong with it or its key.
        error: io::Error,
    },
    /// The file of trusted authorities cannot be used.
    #[error("target group `{group}`: `{}`: {error}", path.display())]
    Authorities {
        /// The group.
        group: Name,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A target as the admin listener shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetStatus {
    /// As the file has it, `HOST:PORT`.
    pub target: String,
    /// Where it is; absent until its name is resolved.
    pub address: Option<SocketAddr>,
    /// Its share.
    pub weight: u16,
    /// Its state.
    pub state: HealthState,
    /// Why, unless it is simply healthy.
    pub reason: Option<Reason>,
    /// The status that the last check did not like.
    pub code: Option<u16>,
    /// Requests that it is serving now.
    pub in_flight: u32,
    /// Requests that it broke off or never took.
    pub failures: u64,
}

/// One target group.
#[derive(Debug)]
pub struct TargetGroup {
    settings: model::TargetGroup,
    duty: Duty,
    /// One for each target of the file; `None` where there is a [`Fault`].
    plans: Box<[Option<PeerPlan>]>,
    members: Arc<Members>,
}

/// Shared by successive configurations that say the same about the group.
#[derive(Debug)]
struct Members {
    /// Locked while `routing` is replaced, so that an older view never replaces a newer one.
    registered: Mutex<Vec<Arc<Target>>>,
    routing: ArcSwap<Routing>,
    turn: AtomicUsize,
}

/// Who receives requests at present.
#[derive(Debug)]
struct Routing {
    rotation: Rotation<Arc<Target>>,
    fail_open: bool,
}

impl Routing {
    fn new(registered: &[Arc<Target>], duty: Duty) -> Self {
        let is_healthy = |target: &&Arc<Target>| {
            duty == Duty::Unchecked || target.live.health.lock().state() == HealthState::Healthy
        };
        let rotation = Rotation::new(registered.iter().filter(is_healthy).cloned());
        if !rotation.is_empty() {
            return Self { rotation, fail_open: false };
        }
        // No healthy target: ALB sends to all that are registered (alb.md 9.7).
        Self { rotation: Rotation::new(registered.iter().cloned()), fail_open: true }
    }
}

impl TargetGroup {
    pub(crate) fn compile(
        settings: &model::TargetGroup,
        duty: Duty,
        known: Option<&Self>,
        shared: &Shared,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let plans = plan(settings, faults);
        if let Some(known) = known.filter(|known| known.is_same(settings, duty, &plans)) {
            let members = Arc::clone(&known.members);
            return Self { settings: settings.clone(), duty, plans, members };
        }
        let known = known.map(|known| &*known.members);
        let registered = known.map(|known| known.registered.lock().clone()).unwrap_or_default();
        let turn = known.map_or(0, |known| known.turn.load(Ordering::Relaxed));
        let members = Members {
            routing: ArcSwap::from_pointee(Routing::new(&[], duty)),
            registered: Mutex::new(registered),
            turn: AtomicUsize::new(turn),
        };
        let group = Self { settings: settings.clone(), duty, plans, members: Arc::new(members) };
        group.register(shared);
        group
    }

    /// Whether another configuration means the same group, wherever in the file it stands.
    fn is_same(
        &self,
        settings: &model::TargetGroup,
        duty: Duty,
        plans: &[Option<PeerPlan>],
    ) -> bool {
        let anywhere = |group: &model::TargetGroup| model::TargetGroup {
            span: Span::default(),
            ..group.clone()
        };
        let is_same_plan = |pair: (&Option<PeerPlan>, &Option<PeerPlan>)| match pair {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            _ => false,
        };
        self.duty == duty
            && anywhere(&self.settings) == anywhere(settings)
            && self.plans.len() == plans.len()
            && self.plans.iter().zip(plans).all(is_same_plan)
    }

    /// Its name in the file.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.settings.name
    }

    /// What the file says about it.
    #[must_use]
    pub const fn settings(&self) -> &model::TargetGroup {
        &self.settings
    }

    /// Its targets now, when they are to be probed.
    pub(crate) fn checked_targets(&self) -> Vec<Arc<Target>> {
        match self.duty {
            Duty::Checked => self.members.registered.lock().clone(),
            Duty::Unchecked | Duty::Unused => Vec::new(),
        }
    }

    /// A healthy target that was not tried; if there is none, a healthy one; if no target is
    /// healthy, any, by the same order of preference.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] when the group is empty, or all its targets have weight 0.
    pub fn choose(&self, tried: &Tried) -> Result<Chosen, NoTarget> {
        self.choose_again(None, tried)
    }

    /// The target that served a client before, if it may receive requests and was not tried; else
    /// as [`Self::choose`].
    ///
    /// # Errors
    ///
    /// As [`Self::choose`].
    pub fn choose_again(
        &self,
        before: Option<TargetKey>,
        tried: &Tried,
    ) -> Result<Chosen, NoTarget> {
        let routing = self.members.routing.load();
        let avoid = |target: &Arc<Target>| tried.contains(target);
        let before = before.and_then(|key| routing.rotation.find(key));
        let target = before.filter(|target| !avoid(target)).or_else(|| {
            let turn = self.members.turn.fetch_add(1, Ordering::Relaxed);
            match self.settings.algorithm {
                BalancingAlgorithm::RoundRobin => routing.rotation.in_turn(turn, avoid),
                BalancingAlgorithm::LeastOutstandingRequests => {
                    routing.rotation.least_outstanding(turn, avoid)
                }
            }
        });
        let target = target.ok_or(NoTarget)?;
        Ok(Chosen::new(Arc::clone(target), routing.fail_open))
    }

    /// Its targets as the admin listener shows them, and the names that have no address yet.
    #[must_use]
    pub fn describe(&self) -> Vec<TargetStatus> {
        let registered = self.members.registered.lock().clone();
        let mut described = Vec::new();
        for configured in &self.settings.targets {
            let label = label(&configured.host, configured.port);
            let before = described.len();
            let same = registered.iter().filter(|target| {
                target.host == configured.host && target.address.port() == configured.port
            });
            described.extend(same.map(|target| status(&label, target)));
            if described.len() == before {
                described.push(TargetStatus {
                    target: label,
                    address: None,
                    weight: configured.weight,
                    state: HealthState::Initial,
                    reason: Some(Reason::RegistrationInProgress),
                    code: None,
                    in_flight: 0,
                    failures: 0,
                });
            }
        }
        described
    }

    /// Registers the targets at their present addresses. One that was registered before at the same
    /// address keeps all that is known about it.
    pub(crate) fn register(&self, shared: &Shared) {
        let mut registered = self.members.registered.lock();
        let known: HashMap<(&TargetHost, SocketAddr), &Arc<Live>> = registered
            .iter()
            .map(|target| ((&target.host, target.address), &target.live))
            .collect();
        let mut targets = Vec::new();
        for (configured, plan) in self.settings.targets.iter().zip(&self.plans) {
            let Some(plan) = plan else { continue };
            for address in addresses(&configured.host, shared) {
                let address = SocketAddr::new(address, configured.port);
                let live = known.get(&(&configured.host, address)).copied();
                targets.push(Arc::new(Target {
                    host: configured.host.clone(),
                    address,
                    weight: configured.weight,
                    key: TargetKey::of(&configured.host, address),
                    live: live.map_or_else(|| Live::new(self.duty), Arc::clone),
                    peer: plan.at(address),
                }));
            }
        }
        drop(known);
        self.members.routing.store(Arc::new(Routing::new(&targets, self.duty)));
        *registered = targets;
    }

    /// Takes charge of its targets' health.
    pub(crate) fn adopt(&self, shared: &Shared) {
        for target in &*self.members.registered.lock() {
            target.live.health.lock().assign(self.duty);
        }
        self.reroute();
        shared.note_change();
    }

    /// Takes in the outcome of a probe of one of its targets.
    pub(crate) fn record(&self, target: &Target, outcome: ProbeOutcome, shared: &Shared) {
        let thresholds = Thresholds {
            healthy: self.settings.health_check.healthy_threshold,
            unhealthy: self.settings.health_check.unhealthy_threshold,
        };
        let (transition, health) = {
            let mut health = target.live.health.lock();
            (health.record(outcome, thresholds), *health)
        };
        let Some(transition) = transition else { return };
        tracing::info!(
            target_group = %self.name(),
            target = %label(&target.host, target.address.port()),
            address = %target.address,
            from = %transition.from,
            to = %transition.to,
            reason = health.reason().map(Reason::as_str),
            status = health.code(),
            "target health changed"
        );
        let was_open = self.members.routing.load().fail_open;
        let is_open = self.reroute();
        if is_open && !was_open {
            tracing::warn!(
                target_group = %self.name(),
                "no target is healthy: requests go to all of them"
            );
        }
        shared.note_change();
    }

    /// Works out anew who receives requests; true when the group fails open.
    fn reroute(&self) -> bool {
        let registered = self.members.registered.lock();
        let routing = Routing::new(&registered, self.duty);
        let fail_open = routing.fail_open;
        self.members.routing.store(Arc::new(routing));
        fail_open
    }
}

/// How each target of the file is connected to. One that cannot be is none, and a fault.
fn plan(settings: &model::TargetGroup, faults: &mut Vec<Fault>) -> Box<[Option<PeerPlan>]> {
    let tls = match &settings.protocol {
        Protocol::Https(tls) => Some(tls),
        Protocol::Http => None,
    };
    let authorities = tls.and_then(|tls| tls.authorities.as_deref()).map(|path| {
        Authorities::read(path).unwrap_or_else(|error| {
            let group = Arc::clone(&settings.name);
            faults.push(Fault::Authorities { group, path: path.to_owned(), error });
            Authorities::nobody()
        })
    });
    let certificate = tls.and_then(|tls| tls.client_certificate.as_ref()).and_then(|files| {
        let fault = |error| {
            let (group, path) = (Arc::clone(&settings.name), files.certificate.clone());
            faults.push(Fault::ClientCertificate { group, path, error });
        };
        ClientCertificate::read(files).map_err(fault).ok()
    });
    let plans = settings.targets.iter().map(|target| {
        let plan = PeerPlan::new(settings, target, authorities.as_ref(), certificate.as_ref());
        plan.map_err(|fault| faults.push(fault)).ok()
    });
    plans.collect()
}

fn addresses(host: &TargetHost, shared: &Shared) -> Vec<IpAddr> {
    match host {
        TargetHost::Address(address) => vec![*address],
        TargetHost::Name(name) => shared.names.lock().get(name).cloned().unwrap_or_default(),
    }
}

fn label(host: &TargetHost, port: u16) -> String {
    match host {
        TargetHost::Address(address) => SocketAddr::new(*address, port).to_string(),
        TargetHost::Name(name) => format!("{name}:{port}"),
    }
}

fn status(label: &str, target: &Target) -> TargetStatus {
    let health = *target.live.health.lock();
    TargetStatus {
        target: label.to_owned(),
        address: Some(target.address),
        weight: target.weight,
        state: health.state(),
        reason: health.reason(),
        code: health.code(),
        in_flight: target.in_flight(),
        failures: target.failures(),
    }
}
