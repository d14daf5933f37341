//! One target group: its targets, and how one is chosen.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::groups::Shared;
use super::members::Members;
use super::peer::{Authorities, ClientCertificate, PeerPlan};
use super::state::{Duty, ProbeOutcome, Reason, Thresholds};
use super::target::{Chosen, NoTarget, Target, TargetKey, Tried};
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

/// One target group.
#[derive(Debug)]
pub struct TargetGroup {
    settings: model::TargetGroup,
    duty: Duty,
    /// One for each target of the file; `None` where there is a [`Fault`].
    plans: Box<[Option<PeerPlan>]>,
    members: Arc<Members>,
}

impl TargetGroup {
    pub(crate) fn compile(
        settings: &model::TargetGroup,
        duty: Duty,
        known: Option<&Self>,
        shared: &Shared,
        now: Instant,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let plans = plan(settings, faults);
        if let Some(known) = known.filter(|known| known.is_same(settings, duty, &plans)) {
            let members = Arc::clone(&known.members);
            return Self { settings: settings.clone(), duty, plans, members };
        }
        let members = Members::new(settings, duty, known.map(|known| &*known.members));
        let group = Self { settings: settings.clone(), duty, plans, members: Arc::new(members) };
        group.register(shared, now);
        group
    }

    /// The same group without targets: those that it had are leaving it.
    pub(crate) fn retire(&self, shared: &Shared, now: Instant) -> Self {
        let settings = model::TargetGroup { targets: Vec::new(), ..self.settings.clone() };
        Self::compile(&settings, Duty::Unused, Some(self), shared, now, &mut Vec::new())
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
            Duty::Checked => self.members.targets(),
            Duty::Unchecked | Duty::Unused => Vec::new(),
        }
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// A healthy target that was not tried; if there is none, a healthy one; if too few targets are
    /// healthy, any, by the same order of preference.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] when the group is empty, all its targets have weight 0, or all are busy.
    pub fn choose(&self, tried: &Tried) -> Result<Chosen, NoTarget> {
        self.choose_again(None, tried)
    }

    /// The target that served a client before, if it may receive requests, has room and was not
    /// tried; else as [`Self::choose`].
    ///
    /// # Errors
    ///
    /// As [`Self::choose`].
    pub fn choose_again(
        &self,
        before: Option<TargetKey>,
        tried: &Tried,
    ) -> Result<Chosen, NoTarget> {
        let members = &self.members;
        let chosen = members.place().and_then(|place| {
            let routing = members.routing.load();
            let limit = self.settings.limits.requests_per_target;
            // A request that waited under an older file may still know a target that is over.
            let avoid = |target: &Arc<Target>| {
                tried.contains(target) || target.is_full(limit) || target.is_over()
            };
            let rotation = &routing.rotation;
            let before = before.and_then(|key| rotation.find(key));
            let target = before.filter(|target| !avoid(target)).or_else(|| {
                let turn = members.turn.fetch_add(1, Ordering::Relaxed);
                match self.settings.algorithm {
                    BalancingAlgorithm::RoundRobin => rotation.in_turn(turn, avoid),
                    BalancingAlgorithm::LeastOutstandingRequests => {
                        rotation.least_outstanding(turn, avoid)
                    }
                    BalancingAlgorithm::WeightedRandom => {
                        rotation.at_random(members.random(turn), avoid)
                    }
                }
            });
            let mut target = target.ok_or(NoTarget::Absent)?;
            if !target.take(limit) {
                // Busy, or just taken by another request.
                let mut others = rotation.candidates().iter();
                target = others.find(|other| other.take(limit)).ok_or(NoTarget::Busy)?;
            }
            Ok(Chosen::new(Arc::clone(target), routing.fail_open, place))
        });
        let tally = members.tally();
        match &chosen {
            Ok(chosen) if chosen.is_fail_open() => {
                tally.unhealthy_routing.fetch_add(1, Ordering::Relaxed);
            }
            Err(NoTarget::Busy) => {
                tally.busy.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) | Err(NoTarget::Absent) => {}
        }
        chosen
    }

    /// Registers the targets at their present addresses. One that was registered before at the same
    /// address keeps all that is known about it.
    pub(crate) fn register(&self, shared: &Shared, now: Instant) {
        let mut wanted = Vec::new();
        let mut plans = Vec::new();
        for (configured, plan) in self.settings.targets.iter().zip(&self.plans) {
            let Some(plan) = plan else { continue };
            for address in addresses(&configured.host, shared) {
                let address = SocketAddr::new(address, configured.port);
                wanted.push((configured.host.clone(), address));
                plans.push((configured.weight, plan));
            }
        }
        self.members.register(now, &wanted, &plans);
    }

    /// Takes charge of its targets' health.
    pub(crate) fn adopt(&self, shared: &Shared, now: Instant) {
        self.members.adopt(now);
        shared.note_change();
    }

    /// Takes in the outcome of a probe of one of its targets.
    pub(crate) fn record(
        &self,
        target: &Target,
        outcome: ProbeOutcome,
        shared: &Shared,
        now: Instant,
    ) {
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
            target = %target.host.label(target.address.port()),
            address = %target.address,
            from = %transition.from,
            to = %transition.to,
            reason = health.reason().map(Reason::as_str),
            status = health.code(),
            "target health changed"
        );
        let was_open = self.members.routing.load().fail_open;
        let is_open = self.members.note_transition(target, transition, now);
        if is_open && !was_open {
            tracing::warn!(
                target_group = %self.name(),
                "too few targets are healthy: requests go to all of them"
            );
        }
        shared.note_change();
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
