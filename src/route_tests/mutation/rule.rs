//! What may be weakened of a rule.

use super::demand::Weakening;
use crate::config::model::{
    Action, Conditions, Config, Forward, GroupIndex, Listener, OnUnauthenticatedRequest, Rule,
    Transforms, WeightedGroup,
};
use crate::routing::RuleTable;

/// One change of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Unprotect,
    /// Whoever has no session goes on without.
    AllowVisitors,
    Weaken(Weakening),
    DropHosts,
    DropPaths,
    DropMethods,
    DropSources,
    DropHeader(usize),
    DropQuery(usize),
    DropTransforms,
    Remove,
    /// Behind the rule at this position.
    MoveBehind(usize),
    /// To another target group.
    ForwardTo(GroupIndex),
}

/// The changes that would mean something to a rule.
pub(super) fn changes(
    rule: &Rule,
    position: usize,
    table: &RuleTable,
    config: &Config,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut on = |change, holds: bool| {
        if holds {
            changes.push(change);
        }
    };
    on(Change::Unprotect, rule.authenticates());
    on(Change::AllowVisitors, rule.sign_in.is_some() && rule.is_protected());
    if let Some(wanted) = &rule.authentication {
        for weakening in Weakening::of(wanted, config) {
            on(Change::Weaken(weakening), true);
        }
    }
    let conditions = &rule.conditions;
    on(Change::DropHosts, !conditions.host_header.is_empty() || !conditions.host_regex.is_empty());
    on(Change::DropPaths, !conditions.path_pattern.is_empty() || !conditions.path_regex.is_empty());
    on(Change::DropMethods, !conditions.http_request_method.is_empty());
    on(Change::DropSources, !conditions.source_ip.is_empty());
    for header in 0..conditions.http_header.len() {
        on(Change::DropHeader(header), true);
    }
    for query in 0..conditions.query_string.len() {
        on(Change::DropQuery(query), true);
    }
    on(Change::DropTransforms, rule.transforms != Transforms::default());
    on(Change::Remove, position < table.len());
    let next = (position + 1..table.len()).find(|&other| table.overlap(position, other));
    if let Some(next) = next {
        on(Change::MoveBehind(next), true);
    }
    if let Action::Forward(forward) = &rule.action {
        let own = |group: &usize| forward.groups.iter().any(|own| own.group.0 == *group);
        let other = (0..config.target_groups.len()).find(|group| !own(group));
        if let Some(other) = other {
            on(Change::ForwardTo(GroupIndex(other)), true);
        }
    }
    changes
}

/// Changes a rule of a file.
pub(super) fn apply(change: Change, config: &mut Config, listener: usize, position: usize) {
    let pools = config.user_pools.len();
    let Some(listener) = config.listeners.get_mut(listener) else { return };
    match change {
        Change::Remove => {
            if position < listener.rules.len() {
                listener.rules.remove(position);
            }
        }
        Change::MoveBehind(other) => {
            if let Some(part) = listener.rules.get_mut(position..=other) {
                part.rotate_left(1);
            }
        }
        _ => {
            let rule = listener.rules.get_mut(position).unwrap_or(&mut listener.default_rule);
            apply_to_rule(change, rule, pools);
        }
    }
}

fn apply_to_rule(change: Change, rule: &mut Rule, pools: usize) {
    let conditions: &mut Conditions = &mut rule.conditions;
    match change {
        Change::Unprotect => {
            rule.authentication = None;
            rule.sign_in = None;
            rule.public = true;
        }
        Change::AllowVisitors => {
            if let Some(sign_in) = &mut rule.sign_in {
                sign_in.on_unauthenticated_request = OnUnauthenticatedRequest::Allow;
            }
        }
        Change::DropHosts => {
            conditions.host_header.clear();
            conditions.host_regex.clear();
        }
        Change::DropPaths => {
            conditions.path_pattern.clear();
            conditions.path_regex.clear();
        }
        Change::DropMethods => conditions.http_request_method.clear(),
        Change::DropSources => conditions.source_ip.clear(),
        Change::DropHeader(header) => drop(conditions.http_header.remove(header)),
        Change::DropQuery(query) => drop(conditions.query_string.remove(query)),
        Change::DropTransforms => rule.transforms = Transforms::default(),
        Change::ForwardTo(group) => {
            let groups = vec![WeightedGroup { group, weight: 1 }];
            rule.action = Action::Forward(Forward { groups, stickiness: None });
        }
        Change::Weaken(weakening) => {
            if let Some(wanted) = &mut rule.authentication {
                weakening.apply(wanted, pools);
            }
        }
        Change::Remove | Change::MoveBehind(_) => {}
    }
}

/// What goes on after "no test would notice if".
pub(super) fn tell(change: Change, rule: &Rule, listener: &Listener, config: &Config) -> String {
    let name = |position: usize| listener.rules.get(position).map_or("default", |rule| &rule.name);
    let header = |position: usize| {
        rule.conditions.http_header.get(position).map(|header| header.name.as_str())
    };
    let what = match change {
        Change::Unprotect => "asked nobody who is calling".to_owned(),
        Change::AllowVisitors => "let visitors in who have no session".to_owned(),
        Change::Weaken(weakening) => weakening.tell().to_owned(),
        Change::DropHosts => "took any host".to_owned(),
        Change::DropPaths => "took any path".to_owned(),
        Change::DropMethods => "took any method".to_owned(),
        Change::DropSources => "took clients from anywhere".to_owned(),
        Change::DropHeader(position) => {
            format!("did not look at header {}", header(position).unwrap_or_default())
        }
        Change::DropQuery(_) => "did not look at the query".to_owned(),
        Change::DropTransforms => "rewrote nothing".to_owned(),
        Change::Remove => "were not there".to_owned(),
        Change::MoveBehind(other) => format!("stood behind `{}`", name(other)),
        Change::ForwardTo(group) => {
            let group = config.target_groups.get(group.0).map(|group| &*group.name);
            format!("forwarded to `{}`", group.unwrap_or_default())
        }
    };
    format!("rule `{}` of listener `{}` {what}", rule.name, listener.name)
}
