//! What is counted of target groups by those who choose targets.

use super::text::Text;

/// Of one target group, at the moment of a scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCounts {
    /// Its name.
    pub group: String,
    /// Targets that fail more than their peers (`AnomalousHostCount`).
    pub anomalous: u64,
    /// Targets that get fewer requests for that (`MitigatedHostCount`).
    pub mitigated: u64,
    /// Targets that are left out for failing.
    pub ejected: u64,
    /// Requests sent to all targets because too few were healthy (`UnhealthyRoutingRequestCount`).
    pub unhealthy_routing: u64,
    /// Targets that were left out, so far.
    pub ejections: u64,
    /// Requests that were one too many.
    pub busy: u64,
}

/// A family: name, kind, help, and where its value is.
type Family = (&'static str, &'static str, &'static str, fn(&GroupCounts) -> u64);

const FAMILIES: [Family; 6] = [
    (
        "portcullis_targets_anomalous",
        "gauge",
        "Healthy targets that fail more than their peers.",
        |counts| counts.anomalous,
    ),
    (
        "portcullis_targets_mitigated",
        "gauge",
        "Targets that get fewer requests because they are anomalous, or just were.",
        |counts| counts.mitigated,
    ),
    (
        "portcullis_targets_ejected",
        "gauge",
        "Targets that are left out because they failed too often in a row.",
        |counts| counts.ejected,
    ),
    (
        "portcullis_target_ejections_total",
        "counter",
        "Targets that were left out because they failed too often in a row.",
        |counts| counts.ejections,
    ),
    (
        "portcullis_unhealthy_routing_requests_total",
        "counter",
        "Requests sent to all targets of a group because too few were healthy.",
        |counts| counts.unhealthy_routing,
    ),
    (
        "portcullis_target_busy_total",
        "counter",
        "Requests that found all targets, or the group, at their limits.",
        |counts| counts.busy,
    ),
];

pub(super) fn write(text: &mut Text, groups: &[GroupCounts]) {
    for (name, kind, help, value) in FAMILIES {
        text.family(name, kind, help);
        for counts in groups {
            text.sample_with(name, value(counts), |labels| {
                labels.push("target_group", &counts.group);
            });
        }
    }
}
