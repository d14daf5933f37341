//! Names of targets, resolved in the background. No request ever waits for a name server.
//!
//! All addresses of a name are targets. A name that cannot be resolved keeps the addresses that it
//! had: they are thrown out by health checks if need be, not by a name server's bad day.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::groups::TargetGroups;
use super::{NOTICE, ended};
use crate::clock;
use crate::config::model::Name;

/// From one look-up of a name to the next.
const INTERVAL: Duration = Duration::from_secs(30);

/// The same while the name has no address at all.
const RETRY: Duration = Duration::from_secs(2);

/// A look-up that takes longer has failed. If it answers after all, that is taken in.
const LIMIT: Duration = Duration::from_secs(5);

/// Look-ups at the same time, less those that are past [`LIMIT`].
const AT_ONCE: usize = 32;

/// Addresses of one name; more are left out.
const MOST_ADDRESSES: usize = 64;

/// What the system's resolver says. It blocks a thread for as long as it pleases, so it is asked
/// about a name only when it has answered about it before.
pub(super) async fn look_up(name: Name) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((&*name, 0)).await?;
    Ok(found.map(|address| address.ip()).collect())
}

/// Resolves names with `look_up` until `shutdown` says true.
pub(super) async fn keep_resolved<L, F>(
    current: &(impl Fn() -> Arc<TargetGroups> + Sync),
    look_up: L,
    mut shutdown: watch::Receiver<bool>,
) where
    L: Fn(Name) -> F,
    F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
{
    let mut resolver = Resolver::new(current());
    loop {
        let now = clock::monotonic();
        resolver.give_up_waiting(now);
        resolver.start_due(now, &look_up);
        tokio::select! {
            () = ended(&mut shutdown) => return,
            Some(done) = resolver.running.join_next() => {
                if let Ok((name, found)) = done {
                    resolver.finish(&name, found);
                }
            }
            () = tokio::time::sleep(NOTICE) => {}
        }
        let groups = current();
        if !Arc::ptr_eq(&groups, &resolver.groups) {
            resolver.adopt(groups);
        }
    }
}

/// Looks up the names that have no addresses, all at once.
pub(super) async fn resolve_new<L, F>(groups: &TargetGroups, look_up: L)
where
    L: Fn(Name) -> F,
    F: Future<Output = io::Result<Vec<IpAddr>>>,
{
    let new: BTreeSet<Name> = {
        let known = groups.shared.names.lock();
        groups.names().filter(|name| !known.contains_key(*name)).map(Arc::clone).collect()
    };
    let look_ups = new.into_iter().map(|name| {
        let answer = tokio::time::timeout(LIMIT, look_up(Arc::clone(&name)));
        async move {
            // One that fails is told, and tried again, by the background task.
            let Ok(Ok(addresses)) = answer.await else { return };
            if !addresses.is_empty() {
                groups.shared.names.lock().insert(Arc::clone(&name), in_order(addresses));
                groups.readdress(&name);
            }
        }
    });
    futures_util::stream::iter(look_ups).for_each_concurrent(AT_ONCE, |look_up| look_up).await;
}

/// One name.
#[derive(Debug)]
struct Entry {
    due: Instant,
    look_up: LookUp,
    is_failing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookUp {
    None,
    Since(Instant),
    /// Past its limit, and still not answered.
    Overdue,
}

struct Resolver {
    groups: Arc<TargetGroups>,
    names: BTreeMap<Name, Entry>,
    running: JoinSet<(Name, io::Result<Vec<IpAddr>>)>,
}

impl Resolver {
    fn new(groups: Arc<TargetGroups>) -> Self {
        let mut resolver =
            Self { groups: Arc::clone(&groups), names: BTreeMap::new(), running: JoinSet::new() };
        resolver.adopt(groups);
        resolver
    }

    /// Takes over the names of groups that are now in force.
    fn adopt(&mut self, groups: Arc<TargetGroups>) {
        let now = clock::monotonic();
        let mut before = std::mem::take(&mut self.names);
        for name in groups.names() {
            if self.names.contains_key(name) {
                continue;
            }
            let new = || Entry { due: now, look_up: LookUp::None, is_failing: false };
            let entry = before.remove(name).unwrap_or_else(new);
            self.names.insert(Arc::clone(name), entry);
        }
        groups.shared.names.lock().retain(|name, _| self.names.contains_key(name));
        // An answer may have come between their compilation and now.
        for name in self.names.keys() {
            groups.readdress(name);
        }
        self.groups = groups;
    }

    fn start_due<L, F>(&mut self, now: Instant, look_up: &L)
    where
        L: Fn(Name) -> F,
        F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        let is_waited_for = |entry: &&Entry| matches!(entry.look_up, LookUp::Since(_));
        let mut waited_for = self.names.values().filter(is_waited_for).count();
        for (name, entry) in &mut self.names {
            if waited_for >= AT_ONCE {
                return;
            }
            if entry.due > now || entry.look_up != LookUp::None {
                continue;
            }
            waited_for += 1;
            entry.look_up = LookUp::Since(now);
            let (name, answer) = (Arc::clone(name), look_up(Arc::clone(name)));
            self.running.spawn(async move { (name, answer.await) });
        }
    }

    fn give_up_waiting(&mut self, now: Instant) {
        for (name, entry) in &mut self.names {
            if matches!(entry.look_up, LookUp::Since(start) if now >= start + LIMIT) {
                entry.look_up = LookUp::Overdue;
                note_failure(name, entry, &format_args!("no answer in {LIMIT:?}"));
            }
        }
    }

    fn finish(&mut self, name: &Name, found: io::Result<Vec<IpAddr>>) {
        let Some(entry) = self.names.get_mut(name) else { return };
        entry.look_up = LookUp::None;
        let found = found.map(in_order).and_then(|addresses| match addresses.is_empty() {
            true => Err(io::Error::other("no addresses")),
            false => Ok(addresses),
        });
        match found {
            Ok(addresses) => {
                let known = &self.groups.shared.names;
                let before = known.lock().insert(Arc::clone(name), addresses.clone());
                let is_new = before.as_ref() != Some(&addresses);
                note_success(name, entry, is_new.then_some(&addresses));
                if is_new {
                    self.groups.readdress(name);
                }
            }
            Err(error) => note_failure(name, entry, &error),
        }
        let has_any = self.groups.shared.names.lock().contains_key(name);
        entry.due = clock::monotonic() + if has_any { INTERVAL } else { RETRY };
    }
}

/// Name servers turn the order round; here that must not look like a change.
fn in_order(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

fn note_success(name: &str, entry: &mut Entry, changed: Option<&Vec<IpAddr>>) {
    if entry.is_failing || changed.is_some() {
        tracing::info!(%name, ?changed, "a target's name is resolved");
    }
    entry.is_failing = false;
}

/// Said once, until it is well again.
fn note_failure(name: &str, entry: &mut Entry, why: &dyn std::fmt::Display) {
    if !entry.is_failing {
        tracing::warn!(%name, %why, "a target's name cannot be resolved; its last addresses stay");
    }
    entry.is_failing = true;
}
