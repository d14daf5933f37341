//! All target groups of one configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::group::{Fault, TargetGroup};
use super::resolve;
use super::state::{Duty, HealthState};
use super::target::{Chosen, NoTarget, TargetKey, Tried};
use crate::clock;
use crate::config::model::{ApiIndex, Config, GroupIndex, Name, TargetHost};

/// What all configurations of this process share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The last good addresses of every name that the resolver knows.
    pub(crate) names: Mutex<BTreeMap<Name, Vec<IpAddr>>>,
    /// Counts changes of health and of addresses.
    changes: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn note_change(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

/// All target groups of one configuration.
#[derive(Debug, Default)]
pub struct TargetGroups {
    groups: Box<[Arc<TargetGroup>]>,
    /// Groups that the file has no more, while their last requests may go on.
    retired: Box<[Arc<TargetGroup>]>,
    faults: Vec<Fault>,
    pub(crate) shared: Arc<Shared>,
}

impl TargetGroups {
    /// Compiles the groups of `config`. A target that `previous` has in a group of the same name and
    /// at the same address keeps its health and its count of requests in flight; a group whose
    /// settings did not change keeps its turn too; a name keeps its addresses. Targets that are not
    /// in the file any more are deregistered.
    ///
    /// Reads the files of trusted authorities. A target that cannot be connected to as the file
    /// demands is not connected to at all, and is told by [`Self::faults`].
    #[must_use]
    pub fn compile(config: &Config, previous: Option<&Self>) -> Self {
        Self::compile_at(config, previous, clock::monotonic())
    }

    pub(crate) fn compile_at(config: &Config, previous: Option<&Self>, now: Instant) -> Self {
        let shared = previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.shared));
        let known: BTreeMap<&str, &TargetGroup> = previous
            .into_iter()
            .flat_map(Self::all)
            .map(|group| (&**group.name(), &**group))
            .collect();
        let used = used_groups(config);
        let mut faults = Vec::new();
        let groups = config.target_groups.iter().zip(used).map(|(settings, is_used)| {
            let duty = match (is_used, settings.health_check.enabled) {
                (false, _) => Duty::Unused,
                (true, false) => Duty::Unchecked,
                (true, true) => Duty::Checked,
            };
            let known = known.get(&*settings.name).copied();
            Arc::new(TargetGroup::compile(settings, duty, known, &shared, now, &mut faults))
        });
        let groups: Box<[Arc<TargetGroup>]> = groups.collect();
        let is_kept = |name: &str| groups.iter().any(|group| **group.name() == *name);
        let retired = known.iter().filter(|(name, _)| !is_kept(name)).map(|(_, group)| *group);
        let retired = retired
            .map(|group| Arc::new(group.retire(&shared, now)))
            .filter(|group| !group.members().leaving().is_empty())
            .collect();
        Self { groups, retired, faults, shared }
    }

    /// Why some targets will refuse every request: what the file demands of connections to them
    /// cannot be had. `check` finds the same in the file; this is for a file that changed since.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// A target of a group for a request that `tried` others before; the one that served the client
    /// `before`, if it can.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] when the group has none: ALB's 503.
    pub fn choose_again(
        &self,
        group: GroupIndex,
        before: Option<TargetKey>,
        tried: &Tried,
    ) -> Result<Chosen, NoTarget> {
        self.groups.get(group.0).ok_or(NoTarget::Absent)?.choose_again(before, tried)
    }

    /// A target of a group for a request that `tried` others before.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] when the group has none: ALB's 503.
    pub fn choose(&self, group: GroupIndex, tried: &Tried) -> Result<Chosen, NoTarget> {
        self.groups.get(group.0).ok_or(NoTarget::Absent)?.choose(tried)
    }

    /// Looks up the names that have no addresses yet, each for a few seconds at most. Awaited before
    /// these groups take requests, it keeps a new name from answering 503 at first.
    pub async fn resolve_new(&self) {
        resolve::resolve_new(self, resolve::look_up).await;
    }

    /// The groups, in file order.
    #[must_use]
    pub fn groups(&self) -> &[Arc<TargetGroup>] {
        &self.groups
    }

    /// The groups, and those that the file has no more.
    pub fn all(&self) -> impl Iterator<Item = &Arc<TargetGroup>> {
        self.groups.iter().chain(&self.retired)
    }

    /// How many targets of each group are in each state.
    #[must_use]
    pub fn count_by_state(&self) -> Vec<(String, &'static str, u64)> {
        let now = clock::monotonic();
        let mut counts = Vec::new();
        for (place, group) in self.all().enumerate() {
            let is_retired = place >= self.groups.len();
            let states: Vec<HealthState> =
                group.describe(now).into_iter().map(|target| target.state).collect();
            for state in HealthState::ALL {
                // Of a group that the file has no more, zeros would look like an outage.
                if is_retired && state != HealthState::Draining {
                    continue;
                }
                let count = states.iter().filter(|other| **other == state).count();
                counts.push((group.name().to_string(), state.as_str(), count as u64));
            }
        }
        counts
    }

    /// Changes whenever a target's health or address did.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Names that have to be resolved.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        let targets = self.groups.iter().flat_map(|group| &group.settings().targets);
        targets.filter_map(|target| match &target.host {
            TargetHost::Name(name) => Some(name),
            TargetHost::Address(_) => None,
        })
    }

    /// Puts the present addresses of `name` in force.
    pub(super) fn readdress(&self, name: &str) {
        for group in &self.groups {
            let has_it = |host: &TargetHost| matches!(host, TargetHost::Name(n) if **n == *name);
            if group.settings().targets.iter().any(|target| has_it(&target.host)) {
                group.register(&self.shared, clock::monotonic());
            }
        }
        self.shared.note_change();
    }

    /// Called once these groups are in force: until then, the health of targets that they share
    /// with the groups before is not theirs to change.
    pub(crate) fn adopt(&self) {
        let now = clock::monotonic();
        for group in &self.groups {
            group.adopt(&self.shared, now);
        }
    }

    /// What time changes. Gives the targets whose last requests are to be cut.
    pub(crate) fn tune(&self, now: Instant) -> Vec<u64> {
        let mut over = Vec::new();
        let mut is_changed = false;
        for group in self.all() {
            is_changed |= group.members().tune(now, &mut over);
        }
        if is_changed {
            self.shared.note_change();
        }
        over
    }
}

/// Which groups some rule forwards to: only those are checked (alb.md 9.6).
fn used_groups(config: &Config) -> Vec<bool> {
    let mut used = vec![false; config.target_groups.len()];
    let listeners = config.listeners.iter();
    let rules = listeners.flat_map(|l| l.rules.iter().chain(std::iter::once(&l.default_rule)));
    for rule in rules {
        for group in rule.action.groups(|ApiIndex(api)| config.apis.get(api)) {
            if let Some(used) = used.get_mut(group.0) {
                *used = true;
            }
        }
    }
    used
}
