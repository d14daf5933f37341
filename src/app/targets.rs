//! Target groups for `/targets` and for the metrics.

use std::time::Instant;

use serde_json::{Value, json};

use crate::telemetry::metrics::GroupCounts;
use crate::upstream::{Reason, StandingStatus, TargetGroup, TargetGroups, TargetStatus};

/// Every group with its targets, those that are leaving included.
pub(super) fn json(groups: &TargetGroups, now: Instant) -> String {
    let group = |group: &TargetGroup| {
        let status = group.status();
        let targets: Vec<Value> = group.describe(now).iter().map(target).collect();
        json!({
            "target_group": **group.name(),
            "fail_open": status.is_fail_open,
            "unhealthy_routing_requests": status.unhealthy_routing,
            "ejections": status.ejections,
            "busy": status.busy,
            "targets": targets,
        })
    };
    let groups: Vec<Value> = groups.all().map(|one| group(one)).collect();
    json!({ "target_groups": groups }).to_string()
}

fn target(target: &TargetStatus) -> Value {
    let TargetStatus {
        target,
        address,
        weight,
        state,
        reason,
        code,
        in_flight,
        failures,
        standing,
    } = target;
    json!({
        "target": target,
        "address": address.map(|address| address.to_string()),
        "weight": weight,
        "state": state.as_str(),
        "reason": reason.map(Reason::as_str),
        "status_code": code,
        "in_flight": in_flight,
        "failures": failures,
        "share_percent": standing.map(|standing| standing.share),
        "anomaly": standing.map(|s| if s.is_anomalous { "anomalous" } else { "normal" }),
        "mitigation_in_effect": standing.map(|standing| standing.is_mitigated),
        "ejected_for_seconds": standing
            .and_then(|standing| standing.ejected_for)
            .map(|time| time.as_secs_f64().ceil()),
    })
}

/// What Prometheus is told of each group.
pub(super) fn counts(groups: &TargetGroups, now: Instant) -> Vec<GroupCounts> {
    let count = |group: &TargetGroup| {
        let targets = group.describe(now);
        let having = |has: fn(&StandingStatus) -> bool| {
            let standings = targets.iter().filter_map(|target| target.standing.as_ref());
            standings.filter(|standing| has(standing)).count() as u64
        };
        let status = group.status();
        GroupCounts {
            group: group.name().to_string(),
            anomalous: having(|standing| standing.is_anomalous),
            mitigated: having(|standing| standing.is_mitigated),
            ejected: having(|standing| standing.ejected_for.is_some()),
            unhealthy_routing: status.unhealthy_routing,
            ejections: status.ejections,
            busy: status.busy,
        }
    };
    groups.groups().iter().map(|group| count(group)).collect()
}
