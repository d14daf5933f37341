//! What the pages of the admin listener show, put together from the running gateway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::start::Gateway;
use crate::admin::page::{Certificate, Facts, Group, Issuer, Rule, Target};
use crate::auth::PoolStatus;
use crate::auth::key_source::FetchFailure;
use crate::clock::{self, UnixMillis};
use crate::config::model::{
    Action, Authenticate, Conditions, Config, Demand, JwtValidation, Listener, Rule as Written,
};
use crate::connection::ConnectionStats;
use crate::snapshot::Snapshot;
use crate::upstream::{Reason, TargetGroup};

/// All but what only the reloader knows.
pub(super) fn gather(
    gateway: &Gateway,
    stats: &ConnectionStats,
    (began, began_wall): (Instant, UnixMillis),
) -> Facts {
    let snapshot = gateway.snapshot.load();
    let now = clock::monotonic();
    let up_for = now.duration_since(began);
    Facts {
        version: env!("CARGO_PKG_VERSION"),
        now: clock::wall().max(began_wall),
        up_for,
        generation: snapshot.generation,
        readiness: Default::default(),
        held_back: None,
        is_last_reload_good: gateway.metrics.is_last_reload_good(),
        in_flight: gateway.metrics.requests_in_flight.get(),
        connections: i64::try_from(stats.active.load(Ordering::Relaxed)).unwrap_or(i64::MAX),
        samples: Vec::new(),
        decisions: decisions(&snapshot),
        issuers: gateway.keys.status(now).iter().flat_map(issuers).collect(),
        groups: snapshot.groups.all().map(|one| group(one, now)).collect(),
        certificates: certificates(gateway),
        rules: rules(&snapshot),
        routes: super::route_facts::routes(&snapshot),
        denials: gateway.denials.newest(),
        suppressed: gateway.denials.suppressed(),
        history: Vec::new(),
    }
}

/// The most frequent first.
fn decisions(snapshot: &Snapshot) -> Vec<(&'static str, u64)> {
    let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
    for rule in snapshot.listeners.iter().flat_map(|listener| &listener.rules) {
        for (reason, count) in rule.metrics.decisions().filter(|(_, count)| *count > 0) {
            *sums.entry(reason).or_default() += count;
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sums
}

fn issuers(pool: &PoolStatus) -> impl Iterator<Item = Issuer> {
    pool.issuers.iter().map(|(issuer, status)| Issuer {
        user_pool: pool.pool.to_string(),
        issuer: issuer.to_string(),
        kids: status.keys.iter().map(|(kid, _)| kid.clone()).collect(),
        age: status.age,
        next_fetch: status.next_attempt_in,
        max_stale: pool.max_stale,
        last_error: status.last_failure.map(FetchFailure::as_str),
    })
}

fn group(group: &TargetGroup, now: Instant) -> Group {
    let targets = group.describe(now).into_iter().map(|target| Target {
        name: target.target,
        address: target.address.map(|address| address.to_string()),
        state: target.state.as_str(),
        why: target.reason.map(Reason::as_str),
        in_flight: target.in_flight,
        failures: target.failures,
    });
    Group {
        name: group.name().to_string(),
        is_fail_open: group.status().is_fail_open,
        targets: targets.collect(),
    }
}

fn certificates(gateway: &Gateway) -> Vec<Certificate> {
    let all = gateway.metrics.certificates().into_iter();
    all.map(|(listener, file, end)| Certificate {
        listener: listener.into(),
        file: file.into(),
        end,
    })
    .collect()
}

fn rules(snapshot: &Snapshot) -> Vec<Rule> {
    let config = &snapshot.config;
    let listeners = snapshot.listeners.iter().zip(&config.listeners);
    listeners
        .flat_map(|(listener, written): (_, &Listener)| {
            let name: Arc<str> = Arc::from(&*listener.name);
            let all = written.rules.iter().chain([&written.default_rule]);
            listener.rules.iter().zip(all).map(move |(rule, written)| {
                let outcomes = rule.metrics.outcomes();
                Rule {
                    listener: Arc::clone(&name),
                    name: rule.name.to_string(),
                    conditions: conditions(&written.conditions),
                    callers: callers(written, config),
                    action: action(&written.action, config),
                    requests: outcomes.requests,
                    errors: outcomes.errors,
                    denials: outcomes.denials,
                }
            })
        })
        .collect()
}

fn conditions(conditions: &Conditions) -> String {
    let Conditions {
        host_header,
        host_regex,
        path_pattern,
        path_regex,
        http_request_method,
        http_header,
        query_string,
        source_ip,
    } = conditions;
    let mut all = Vec::new();
    let mut say = |what: &str, values: Vec<String>| {
        if !values.is_empty() {
            all.push(format!("{what} {}", values.join(", ")));
        }
    };
    say("host", host_header.iter().map(|value| value.value.clone()).collect());
    say("host matches", host_regex.iter().map(|regex| regex.value.as_str().to_owned()).collect());
    say("path", path_pattern.iter().map(|value| value.value.clone()).collect());
    say("path matches", path_regex.iter().map(|regex| regex.value.as_str().to_owned()).collect());
    say("method", http_request_method.iter().map(|value| value.value.clone()).collect());
    for header in http_header {
        let values = header.values.iter().map(|value| value.value.clone());
        let regexes = header.regex_values.iter().map(|regex| regex.value.as_str().to_owned());
        say(&format!("header {}", header.name), values.chain(regexes).collect());
    }
    for parameters in query_string {
        let text = parameters.iter().map(|parameter| match &parameter.key {
            Some(key) => format!("{key}={}", parameter.value),
            None => parameter.value.clone(),
        });
        say("query", text.collect());
    }
    say("client", source_ip.iter().map(|network| network.value.to_string()).collect());
    if all.is_empty() { "anything".to_owned() } else { all.join("; ") }
}

fn callers(rule: &Written, config: &Config) -> String {
    let by_token = rule.authentication.as_ref().map(|demand| holders(demand, config));
    let by_session = rule.sign_in.as_ref().map(|_: &Authenticate| "who has signed in".to_owned());
    let all: Vec<String> = by_token.into_iter().chain(by_session).collect();
    match (&rule.action, all.is_empty()) {
        (Action::Api(_), true) => "as its routes say".to_owned(),
        (_, true) => "everybody".to_owned(),
        _ => all.join("; or "),
    }
}

pub(super) fn holders(demand: &JwtValidation, config: &Config) -> String {
    let pools = demand.pools.iter().filter_map(|pool| config.user_pools.get(pool.0));
    let pools: Vec<&str> = pools.map(|pool| &*pool.name).collect();
    let mut text = format!("tokens of {}", pools.join(", "));
    for (what, demand) in [("scopes", &demand.scopes), ("groups", &demand.groups)] {
        let (how, values) = match demand {
            None => continue,
            Some(Demand::AnyOf(values)) => ("any of ", values),
            Some(Demand::AllOf(values)) => ("all of ", values),
        };
        let how = if values.len() == 1 { "" } else { how };
        text.push_str(&format!("; {what} {how}{}", values.join(", ")));
    }
    for claim in &demand.additional_claims {
        text.push_str(&format!("; claim {}", claim.name));
    }
    text
}

fn action(action: &Action, config: &Config) -> String {
    match action {
        Action::Forward(forward) => {
            let groups = forward.groups.iter().filter_map(|weighted| {
                config.target_groups.get(weighted.group.0).map(|group| &*group.name)
            });
            format!("forward to {}", groups.collect::<Vec<_>>().join(", "))
        }
        Action::Redirect(redirect) => {
            let (protocol, host, path) = (&redirect.protocol, &redirect.host, &redirect.path);
            format!("redirect {} to {protocol}://{host}{path}", redirect.status_code)
        }
        Action::FixedResponse(answer) => format!("answer {}", answer.status_code),
        Action::SignOut(_) => "sign out".to_owned(),
        Action::Api(index) => config.apis.get(index.0).map_or_else(String::new, |api| {
            format!("API {} ({} routes)", api.name, api.routes.len())
        }),
    }
}
