//! Who gets how much: slow start, mitigation, ejection, limits, too few healthy targets. Time is
//! the test's own.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::clock::monotonic;
use crate::upstream::state::ProbeOutcome;
use crate::upstream::target::Chosen;

const SECOND: Duration = Duration::from_secs(1);
const PASSED: ProbeOutcome = ProbeOutcome::Passed(200);

fn compile(group: &str, now: Instant) -> TargetGroups {
    TargetGroups::compile_at(&config(group), None, now)
}

/// A probe's word about the target at this port.
fn probed(groups: &TargetGroups, port: u16, outcome: ProbeOutcome, now: Instant) {
    let group = groups.groups().first().unwrap();
    let targets = group.members().targets();
    let target = targets.iter().find(|target| target.address.port() == port).unwrap();
    let times = if outcome == PASSED { 3 } else { 2 };
    for _ in 0..times {
        group.record(target, outcome, &groups.shared, now);
    }
}

fn choose(groups: &TargetGroups) -> Result<Chosen, NoTarget> {
    groups.choose(GROUP, &Tried::default())
}

/// Requests by port, of so many.
fn shares(groups: &TargetGroups, requests: usize) -> BTreeMap<u16, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        *shares.entry(choose(groups).unwrap().address().port()).or_default() += 1;
    }
    shares
}

fn share_of(groups: &TargetGroups, port: u16, requests: usize) -> usize {
    shares(groups, requests).get(&port).copied().unwrap_or(0)
}

/// Ends requests at each target: one answered with this status by each port.
fn answer(groups: &TargetGroups, statuses: &BTreeMap<u16, u16>, requests: usize, now: Instant) {
    for _ in 0..requests {
        let mut chosen = choose(groups).unwrap();
        let port = chosen.address().port();
        chosen.answered(statuses.get(&port).copied().unwrap_or(200), now);
    }
}

const SLOW: &str = "{ targets: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3], slow_start: 100s }";

#[test]
fn a_target_that_becomes_healthy_takes_up_its_share_in_a_line() {
    let start = monotonic();
    let groups = compile(SLOW, start);
    // Registered together: no slow start at first, whoever is healthy first.
    for port in [1, 2, 3] {
        probed(&groups, port, PASSED, start);
    }
    assert_eq!(shares(&groups, 300), BTreeMap::from([(1, 100), (2, 100), (3, 100)]));
    probed(&groups, 3, ProbeOutcome::Failed, start);
    assert_eq!(share_of(&groups, 3, 300), 0);

    // Out of health and back: slow start now.
    probed(&groups, 3, PASSED, start);
    for (seconds, hundredths) in [(0, 1), (10, 10), (50, 50), (90, 90), (100, 100), (200, 100)] {
        groups.tune(start + seconds * SECOND);
        let cycle = 200 + hundredths;
        assert_eq!(share_of(&groups, 3, cycle), hundredths, "after {seconds} s");
    }
}

#[test]
fn a_target_that_joins_starts_slowly_and_healthy_ones_do_not_when_it_is_switched_on() {
    let start = monotonic();
    let two = "{ targets: [127.0.0.1:1, 127.0.0.1:2] }";
    let old = compile(two, start);
    for port in [1, 2] {
        probed(&old, port, PASSED, start);
    }
    let groups = TargetGroups::compile_at(&config(SLOW), Some(&old), start);
    assert_eq!(shares(&groups, 20), BTreeMap::from([(1, 10), (2, 10)]));
    probed(&groups, 3, PASSED, start);
    groups.tune(start + 25 * SECOND);
    assert_eq!(shares(&groups, 225), BTreeMap::from([(1, 100), (2, 100), (3, 25)]));
    let standing = describe(&groups)[2].standing.unwrap();
    // At the clock's own time, which is not the test's.
    assert!(standing.share <= 25, "{standing:?}");
}

#[test]
fn a_target_without_a_warm_peer_takes_all_there_is() {
    let start = monotonic();
    let groups = compile(SLOW, start);
    for port in [1, 2, 3] {
        probed(&groups, port, PASSED, start);
        probed(&groups, port, ProbeOutcome::Failed, start);
    }
    probed(&groups, 1, PASSED, start);
    probed(&groups, 2, PASSED, start);
    // The first one back had nobody beside it, the second one had.
    assert_eq!(shares(&groups, 101), BTreeMap::from([(1, 100), (2, 1)]));
}

const MITIGATED: &str = "{ targets: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3], \
    algorithm: weighted_random, anomaly_mitigation: true, health_check: { enabled: false } }";

#[test]
fn an_anomalous_target_loses_its_share_every_five_seconds_and_gets_it_back() {
    let start = monotonic();
    let groups = compile(MITIGATED, start);
    groups.tune(start);
    let (bad, good) = (BTreeMap::from([(3, 500)]), BTreeMap::new());
    let mut now = start;
    let mut seen = Vec::new();
    for statuses in [[&bad; 6], [&good; 6]].concat() {
        // Enough that the least share still sees some.
        answer(&groups, statuses, 2000, now);
        groups.tune(now + 4 * SECOND);
        now += 5 * SECOND;
        groups.tune(now);
        let standing = describe(&groups)[2].standing.unwrap();
        seen.push((standing.share, standing.is_anomalous, standing.is_mitigated));
    }
    let shares: Vec<u32> = seen.iter().map(|(share, ..)| *share).collect();
    assert_eq!(shares, [50, 25, 12, 6, 4, 4, 8, 16, 32, 64, 100, 100]);
    assert!(seen[..6].iter().all(|(_, is_anomalous, is_mitigated)| *is_anomalous && *is_mitigated));
    assert!(seen[6..].iter().all(|(_, is_anomalous, _)| !is_anomalous));
    assert_eq!(seen.last(), Some(&(100, false, false)));
    let spread = super::shares::shares(&groups, 9_000);
    assert!(spread.values().all(|share| (2_600..3_400).contains(share)), "{spread:?}");
}

#[test]
fn requests_are_held_back_from_the_anomalous_target_and_only_from_it() {
    let start = monotonic();
    let groups = compile(MITIGATED, start);
    groups.tune(start);
    for window in 1..=5 {
        answer(&groups, &BTreeMap::from([(2, 503)]), 1000, start);
        groups.tune(start + window * 5 * SECOND);
    }
    let spread = shares(&groups, 20_400);
    assert!(spread[&2] < 800, "{spread:?}");
    assert!(spread[&1].abs_diff(spread[&3]) < 1_000, "{spread:?}");
}

#[test]
fn without_mitigation_an_anomaly_is_shown_and_changes_nothing() {
    let start = monotonic();
    let group = "{ targets: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3], \
        health_check: { enabled: false } }";
    let groups = compile(group, start);
    groups.tune(start);
    answer(&groups, &BTreeMap::from([(2, 500)]), 300, start);
    groups.tune(start + 5 * SECOND);
    let standings: Vec<_> = describe(&groups).iter().filter_map(|target| target.standing).collect();
    let anomalous: Vec<bool> = standings.iter().map(|standing| standing.is_anomalous).collect();
    assert_eq!(anomalous, [false, true, false]);
    assert!(standings.iter().all(|standing| !standing.is_mitigated && standing.share == 100));
    assert_eq!(shares(&groups, 30), BTreeMap::from([(1, 10), (2, 10), (3, 10)]));
}

const EJECTING: &str = "{ targets: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3], \
    health_check: { enabled: false }, outlier_ejection: { consecutive_failures: 3, \
    base_ejection_time: 10s, max_ejected_percentage: 50 } }";

/// Requests until the target at this port has had so many, each of them failing there.
fn fail_at(groups: &TargetGroups, port: u16, times: usize, now: Instant) {
    let mut failed = 0;
    while failed < times {
        let mut chosen = choose(groups).unwrap();
        if chosen.address().port() == port {
            chosen.failed(now);
            failed += 1;
        } else {
            chosen.answered(200, now);
        }
    }
}

#[test]
fn a_target_that_fails_in_a_row_is_left_out_for_a_while() {
    let start = monotonic();
    let groups = compile(EJECTING, start);
    fail_at(&groups, 2, 2, start);
    assert_eq!(share_of(&groups, 2, 30), 10, "two are not three");
    fail_at(&groups, 2, 1, start);
    assert_eq!(shares(&groups, 30), BTreeMap::from([(1, 15), (3, 15)]));
    let status = groups.groups()[0].status();
    assert_eq!((status.ejections, status.is_fail_open), (1, false));
    assert!(describe(&groups)[1].standing.unwrap().ejected_for.is_some());

    groups.tune(start + 9 * SECOND);
    assert_eq!(share_of(&groups, 2, 30), 0);
    groups.tune(start + 10 * SECOND);
    assert_eq!(share_of(&groups, 2, 30), 10);
}

#[test]
fn a_request_that_began_under_an_older_file_gets_its_target_ejected_all_the_same() {
    let start = monotonic();
    let old = compile(EJECTING, start);
    let other = EJECTING.replace("10s", "20s");
    let groups = TargetGroups::compile_at(&config(&other), Some(&old), start);
    fail_at(&old, 2, 3, start);
    groups.tune(start);
    assert_eq!(share_of(&groups, 2, 30), 0);
    groups.tune(start + 10 * SECOND);
    assert_eq!(share_of(&groups, 2, 30), 10);
}

#[test]
fn a_good_answer_between_failures_begins_the_count_anew() {
    let start = monotonic();
    let groups = compile(EJECTING, start);
    for _ in 0..5 {
        fail_at(&groups, 2, 2, start);
        answer(&groups, &BTreeMap::new(), 3, start);
    }
    assert_eq!(groups.groups()[0].status().ejections, 0);
    // A 4xx is the client's doing, a 5xx the target's.
    answer(&groups, &BTreeMap::from([(1, 404), (2, 404), (3, 404)]), 30, start);
    assert_eq!(groups.groups()[0].status().ejections, 0);
    answer(&groups, &BTreeMap::from([(2, 503)]), 9, start);
    assert_eq!(groups.groups()[0].status().ejections, 1);
}

#[test]
fn no_more_targets_are_left_out_than_the_file_allows() {
    let start = monotonic();
    let groups = compile(EJECTING, start);
    let all = BTreeMap::from([(1, 500), (2, 500), (3, 500)]);
    answer(&groups, &all, 90, start);
    // One of three is the most that half of them allows.
    assert_eq!(groups.groups()[0].status().ejections, 1);
    assert_eq!(shares(&groups, 30).len(), 2);
}

#[test]
fn busy_targets_are_passed_over_and_when_all_are_the_next_request_is_one_too_many() {
    for algorithm in ["round_robin", "least_outstanding_requests", "weighted_random"] {
        let group = format!(
            "{{ targets: [127.0.0.1:1, 127.0.0.1:2], algorithm: {algorithm}, \
             limits: {{ requests_per_target: 2 }} }}"
        );
        let groups = compile(&group, monotonic());
        let mut held: Vec<Chosen> = (0..4).map(|_| choose(&groups).unwrap()).collect();
        let at_one = held.iter().filter(|chosen| chosen.address().port() == 1).count();
        assert_eq!(at_one, 2, "{algorithm}");
        assert_eq!(choose(&groups).map(drop), Err(NoTarget::Busy));
        assert_eq!(groups.groups()[0].status().busy, 1);
        let freed = held.remove(0).address();
        assert_eq!(choose(&groups).unwrap().address(), freed);
    }
}

#[test]
fn a_group_takes_so_many_requests_and_so_many_that_wait_for_a_connection() {
    let group = "{ targets: [127.0.0.1:1, 127.0.0.1:2], limits: { requests: 3, pending: 2 } }";
    let groups = compile(group, monotonic());
    let mut one = choose(&groups).unwrap();
    let two = choose(&groups).unwrap();
    assert_eq!(choose(&groups).map(drop), Err(NoTarget::Busy), "two are waiting");
    one.connected();
    one.connected();
    let three = choose(&groups).unwrap();
    assert_eq!(choose(&groups).map(drop), Err(NoTarget::Busy), "three are in flight");
    drop((one, three));
    let _three = choose(&groups).unwrap();
    drop(two);
    assert!(choose(&groups).is_ok());
    // A reload forgets nobody.
    let other = config("{ targets: [127.0.0.1:1], limits: { requests: 1 } }");
    let other = TargetGroups::compile(&other, Some(&groups));
    assert_eq!(choose(&other).map(drop), Err(NoTarget::Busy));
}

#[test]
fn below_either_threshold_all_targets_get_requests() {
    let start = monotonic();
    let groups = |health: &str| {
        let group = format!(
            "{{ targets: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3, 127.0.0.1:4], \
             target_group_health: {{ minimum_healthy_targets: {{ {health} }} }} }}"
        );
        compile(&group, start)
    };
    // Healthy targets, and who gets requests then.
    let cases: [(&str, u16, usize); 8] = [
        ("", 1, 1),
        ("", 0, 4),
        ("count: 2", 2, 2),
        ("count: 2", 1, 4),
        ("percentage: 50", 2, 2),
        ("percentage: 50", 1, 4),
        ("count: 3, percentage: 25", 2, 4),
        ("count: 1, percentage: 75", 2, 4),
    ];
    for (health, healthy, receiving) in cases {
        let groups = groups(health);
        for port in 1..=healthy {
            probed(&groups, port, PASSED, start);
        }
        assert_eq!(shares(&groups, 40).len(), receiving, "{health}, {healthy} healthy");
        let status = groups.groups()[0].status();
        let is_open = receiving == 4;
        assert_eq!(status.is_fail_open, is_open);
        assert_eq!(status.unhealthy_routing, if is_open { 40 } else { 0 });
    }
}

#[test]
fn many_threads_at_once_never_exceed_a_limit() {
    let group = "{ targets: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3], \
        limits: { requests_per_target: 4, requests: 10 } }";
    let groups = compile(group, monotonic());
    let in_flight = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let held: Vec<_> = (0..3).filter_map(|_| choose(&groups).ok()).collect();
                    assert!(held.iter().all(|chosen| chosen.target().in_flight() <= 4));
                    let all = in_flight.fetch_add(held.len(), Ordering::SeqCst) + held.len();
                    assert!(all <= 10, "{all}");
                    in_flight.fetch_sub(held.len(), Ordering::SeqCst);
                }
            });
        }
    });
    assert!(describe(&groups).iter().all(|target| target.in_flight == 0));
    assert!(choose(&groups).is_ok());
}

proptest! {
    #[test]
    fn shares_follow_weight_and_slow_start_whatever_the_moment(
        weights in prop::collection::vec(1_u16..6, 2..5),
        seconds in 0_u32..120,
    ) {
        let start = monotonic();
        let list: Vec<String> = weights
            .iter()
            .enumerate()
            .map(|(index, weight)| {
                format!("{{ address: '127.0.0.1:{}', weight: {weight} }}", index + 1)
            })
            .collect();
        let group = format!("{{ targets: [{}], slow_start: 100s }}", list.join(", "));
        let groups = compile(&group, start);
        for port in 1..=u16::try_from(weights.len()).unwrap() {
            probed(&groups, port, PASSED, start);
        }
        // The last one falls out and comes back.
        let last = u16::try_from(weights.len()).unwrap();
        probed(&groups, last, ProbeOutcome::Failed, start);
        probed(&groups, last, PASSED, start);
        groups.tune(start + seconds * SECOND);
        let part = seconds.clamp(1, 100) as usize;
        let (slow, rest) = weights.split_last().unwrap();
        let rest: usize = rest.iter().map(|weight| usize::from(*weight) * 100).sum();
        let slow = usize::from(*slow) * part;
        prop_assert_eq!(share_of(&groups, last, rest + slow), slow);
    }
}
