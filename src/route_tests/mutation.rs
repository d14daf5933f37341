//! Would the tests notice? Weakens the file in one place at a time and runs them again.
//!
//! A change that no test notices is something that the file says and nobody checks: a rule that may
//! lose its protection, a condition that may go. The changes are made to what the file means, never
//! to its text.

use super::{Run, Suite, Wallet, notices};
use crate::config::diagnostics::Span;
use crate::config::model::{
    Action, Conditions, Config, Demand, Forward, GroupIndex, JwtValidation, Listener,
    OnUnauthenticatedRequest, PoolIndex, Profile, Rule, TokenUse, Transforms, WeightedGroup,
};
use crate::engine::Moment;
use crate::explain::SignerError;
use crate::routing::RuleTable;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

/// What came of all changes.
#[derive(Debug)]
pub struct Mutation {
    /// How many changes were tried.
    pub tried: usize,
    /// Those that no test noticed, in file order.
    pub survivors: Vec<Mutant>,
}

/// A change that can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// `rule ... did not ...`: goes on after "if".
    pub what: String,
    /// The rule.
    pub span: Span,
}

/// One change of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Unprotect,
    /// Whoever has no session goes on without.
    AllowVisitors,
    DropScopes,
    DropGroups,
    AnyScope,
    AnyGroup,
    DropClaims,
    AnyTokenUse,
    AllPools,
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

/// Tries every change that makes sense. All tests pass as it is: `run` says so.
///
/// # Errors
///
/// See [`SignerError`].
pub fn mutate(
    suite: &Suite,
    run: &Run,
    snapshot: &Snapshot,
    wallet: &mut Wallet,
    metrics: &Metrics,
    moment: Moment,
) -> Result<Mutation, SignerError> {
    let mut mutation = Mutation { tried: 0, survivors: Vec::new() };
    for (number, listener) in snapshot.config.listeners.iter().enumerate() {
        let table = RuleTable::compile(&listener.rules);
        let rules = listener.rules.iter().chain(std::iter::once(&listener.default_rule));
        for (position, rule) in rules.enumerate() {
            for change in changes(rule, position, &table, &snapshot.config) {
                let mut config = snapshot.config.clone();
                if let Some(listener) = config.listeners.get_mut(number) {
                    apply(change, listener, position);
                }
                all_pools(change, &mut config, number, position);
                let changed = Snapshot::compile(config, Some(snapshot), metrics);
                wallet.introduce(&changed, moment)?;
                mutation.tried += 1;
                if !notices(suite, run, (number, position), &changed, wallet, moment) {
                    let what = tell(change, rule, listener, &snapshot.config);
                    mutation.survivors.push(Mutant { what, span: rule.span });
                }
            }
        }
    }
    Ok(mutation)
}

/// The changes that would mean something to a rule.
fn changes(rule: &Rule, position: usize, table: &RuleTable, config: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut on = |change, holds: bool| {
        if holds {
            changes.push(change);
        }
    };
    on(Change::Unprotect, rule.authenticates());
    on(Change::AllowVisitors, rule.sign_in.is_some() && rule.is_protected());
    if let Some(wanted) = &rule.authentication {
        on(Change::DropScopes, wanted.scopes.is_some());
        on(Change::AnyScope, is_all_of_several(wanted.scopes.as_ref()));
        on(Change::DropGroups, wanted.groups.is_some());
        on(Change::AnyGroup, is_all_of_several(wanted.groups.as_ref()));
        on(Change::DropClaims, !wanted.additional_claims.is_empty());
        let is_cognito = |pool: &PoolIndex| {
            let pool = config.user_pools.get(pool.0);
            pool.is_some_and(|pool| pool.profile == Profile::Cognito)
        };
        let has_use = wanted.pools.iter().any(is_cognito);
        on(Change::AnyTokenUse, has_use && wanted.token_use != TokenUse::Any);
        on(Change::AllPools, wanted.pools.len() < config.user_pools.len());
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

fn is_all_of_several(demand: Option<&Demand>) -> bool {
    matches!(demand, Some(Demand::AllOf(names)) if names.len() > 1)
}

fn apply(change: Change, listener: &mut Listener, position: usize) {
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
            apply_to_rule(change, rule);
        }
    }
}

fn apply_to_rule(change: Change, rule: &mut Rule) {
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
        _ => {
            if let Some(wanted) = &mut rule.authentication {
                weaken(change, wanted);
            }
        }
    }
}

fn weaken(change: Change, wanted: &mut JwtValidation) {
    let any_of = |demand: &mut Option<Demand>| {
        if let Some(Demand::AllOf(names)) = demand {
            *demand = Some(Demand::AnyOf(std::mem::take(names)));
        }
    };
    match change {
        Change::DropScopes => wanted.scopes = None,
        Change::DropGroups => wanted.groups = None,
        Change::AnyScope => any_of(&mut wanted.scopes),
        Change::AnyGroup => any_of(&mut wanted.groups),
        Change::DropClaims => wanted.additional_claims.clear(),
        Change::AnyTokenUse => wanted.token_use = TokenUse::Any,
        _ => {}
    }
}

/// What needs to know all pools. They stand behind the rule's own, of which tokens are made.
fn all_pools(change: Change, config: &mut Config, listener: usize, position: usize) {
    if change != Change::AllPools {
        return;
    }
    let count = config.user_pools.len();
    let Some(listener) = config.listeners.get_mut(listener) else { return };
    let rule = listener.rules.get_mut(position).unwrap_or(&mut listener.default_rule);
    if let Some(wanted) = &mut rule.authentication {
        for pool in (0..count).map(PoolIndex) {
            if !wanted.pools.contains(&pool) {
                wanted.pools.push(pool);
            }
        }
    }
}

/// What goes on after "no test would notice if".
fn tell(change: Change, rule: &Rule, listener: &Listener, config: &Config) -> String {
    let name = |position: usize| listener.rules.get(position).map_or("default", |rule| &rule.name);
    let header = |position: usize| {
        rule.conditions.http_header.get(position).map(|header| header.name.as_str())
    };
    let what = match change {
        Change::Unprotect => "asked nobody who is calling".to_owned(),
        Change::AllowVisitors => "let visitors in who have no session".to_owned(),
        Change::DropScopes => "demanded no scopes".to_owned(),
        Change::DropGroups => "demanded no groups".to_owned(),
        Change::AnyScope => "demanded any of its scopes instead of all".to_owned(),
        Change::AnyGroup => "demanded any of its groups instead of all".to_owned(),
        Change::DropClaims => "demanded no additional claims".to_owned(),
        Change::AnyTokenUse => "accepted access tokens and ID tokens".to_owned(),
        Change::AllPools => "accepted tokens of every user pool".to_owned(),
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
