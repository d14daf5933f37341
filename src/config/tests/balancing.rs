//! What a target group may say about shares, health and limits, and what it may not.

use std::net::SocketAddr;
use std::time::Duration;

use super::{bad, good, places};
use crate::config::model::*;

/// A file whose group says this, and is used.
fn file(group: &str) -> String {
    format!(
        "target_groups:\n  a: {{ targets: [10.0.0.1:80], {group} }}\nlisteners:\n  l:\n    \
         address: 127.0.0.1:80\n    default_action: {{ public: true, forward: a }}\n"
    )
}

fn group(text: &str) -> TargetGroup {
    good(&file(text)).config.target_groups.remove(0)
}

fn codes(text: &str) -> Vec<&'static str> {
    let report = bad(text);
    let mut codes: Vec<_> = places(&report.findings).into_iter().map(|(code, ..)| code).collect();
    codes.dedup();
    codes
}

#[test]
fn defaults_are_alb_s_and_what_alb_has_not_is_off() {
    let group = group("protocol: http");
    assert_eq!(group.algorithm, BalancingAlgorithm::RoundRobin);
    assert_eq!(group.slow_start, Duration::ZERO);
    assert_eq!(group.deregistration_delay, Duration::from_secs(300));
    assert_eq!(group.minimum_healthy, MinimumHealthy { count: 1, percentage: 0 });
    assert!(!group.anomaly_mitigation);
    assert_eq!((group.outliers, group.limits), (None, TargetLimits::default()));
    let check = &group.health_check;
    assert_eq!((check.healthy_threshold, check.unhealthy_threshold), (5, 2));
    assert_eq!((check.interval, check.timeout), (Duration::from_secs(30), Duration::from_secs(5)));
    let log = good("access_log: { destination: 'off' }").config.health_check_log;
    assert_eq!(log, LogDestination::Off);
}

#[test]
fn checks_of_grpc_have_their_own_path_and_statuses() {
    let grpc = |more: &str| group(&format!("protocol_version: grpc{more}")).health_check;
    let check = grpc("");
    assert_eq!((check.path.as_str(), check.matcher), ("/AWS.ALB/healthcheck", vec![12..=12]));
    assert_eq!(grpc(", health_check: { matcher: 0-5 }").matcher, [0..=5]);
    assert_eq!(group("health_check: { matcher: 200-499 }").health_check.matcher, [200..=499]);
}

#[test]
fn everything_can_be_said() {
    let group = group(
        "algorithm: weighted_random, anomaly_mitigation: true, deregistration_delay: 0s, \
         target_group_health: { minimum_healthy_targets: { count: 3, percentage: 60 } }, \
         outlier_ejection: { max_ejected_percentage: 10, base_ejection_time: 10m }, \
         limits: { requests_per_target: 7, requests: 8, pending: 9 }",
    );
    assert!(group.anomaly_mitigation && group.deregistration_delay.is_zero());
    assert_eq!(group.minimum_healthy, MinimumHealthy { count: 3, percentage: 60 });
    let outliers = group.outliers.unwrap();
    assert_eq!((outliers.consecutive_failures, outliers.max_ejected_percentage), (5, 10));
    // The longest is never below the first.
    assert_eq!(outliers.max_ejection_time, Duration::from_secs(600));
    assert_eq!(
        group.limits,
        TargetLimits { requests_per_target: Some(7), requests: Some(8), pending: Some(9) }
    );
    assert_eq!(self::group("slow_start: 15m").slow_start, Duration::from_secs(900));
    // Off is never in anybody's way.
    self::group("algorithm: least_outstanding_requests, slow_start: 0s, anomaly_mitigation: false");
    assert!(self::group("outlier_ejection: {}").outliers.is_some());
}

#[test]
fn more_healthy_targets_than_there_are_is_a_warning() {
    let warned = |targets: &str| {
        let text = file("target_group_health: { minimum_healthy_targets: { count: 2 } }")
            .replace("10.0.0.1:80", targets);
        let warnings = good(&text).warnings;
        places(&warnings).iter().any(|(code, ..)| *code == "never-healthy")
    };
    assert!(warned("10.0.0.1:80"));
    assert!(!warned("10.0.0.1:80, 10.0.0.2:80"));
    // A name may have any number of addresses.
    assert!(!warned("orders.internal:80"));
}

#[test]
fn what_contradicts_or_is_out_of_range_is_an_error() {
    for (text, code) in [
        ("slow_start: 29s", "out-of-range"),
        ("slow_start: 901s", "out-of-range"),
        ("slow_start: 60s, algorithm: least_outstanding_requests", "contradiction"),
        ("slow_start: 60s, algorithm: weighted_random", "contradiction"),
        ("anomaly_mitigation: true", "contradiction"),
        ("anomaly_mitigation: true, algorithm: least_outstanding_requests", "contradiction"),
        ("algorithm: random", "unknown-value"),
        ("deregistration_delay: 3601s", "out-of-range"),
        ("target_group_health: { minimum_healthy_targets: { count: 0 } }", "out-of-range"),
        ("target_group_health: { minimum_healthy_targets: { percentage: 101 } }", "out-of-range"),
        ("target_group_health: { minimum_healthy_targets: 2 }", "wrong-type"),
        ("outlier_ejection: { consecutive_failures: 0 }", "out-of-range"),
        ("outlier_ejection: { max_ejected_percentage: 0 }", "out-of-range"),
        ("outlier_ejection: { base_ejection_time: 500ms }", "out-of-range"),
        ("outlier_ejection: { base_ejection_time: 60s, max_ejection_time: 30s }", "out-of-range"),
        ("limits: { requests: 0 }", "out-of-range"),
        ("limits: { connections: 5 }", "unknown-key"),
        ("health_check: { matcher: 500 }", "invalid-matcher"),
        ("health_check: { matcher: 0-99 }", "invalid-matcher"),
        ("protocol_version: grpc, health_check: { matcher: 200 }", "invalid-matcher"),
    ] {
        assert_eq!(codes(&file(text)), [code], "{text}");
    }
    assert_eq!(codes("health_check_log: { destination: '' }"), ["invalid-path"]);
    assert_eq!(codes("health_check_log: { query: true }"), ["unknown-key"]);
}

/// Listeners `front` and `back`; a group of each, and what `back` does.
fn chained(targets: &str, more: &str, back: &str) -> String {
    format!(
        "target_groups:\n  to-back: {{ targets: [{targets}]{more} }}\n  to-front: {{ targets: \
         [{{ listener: front }}] }}\nlisteners:\n  front:\n    address: 127.0.0.1:8000\n    \
         default_action: {{ public: true, forward: to-back }}\n  back:\n    \
         address: 0.0.0.0:8001\n    default_action: {back}\n"
    )
}

const ANSWERS: &str = "{ fixed_response: { status_code: 200 } }";

#[test]
fn a_listener_as_target_is_its_address_or_loopback() {
    let text = chained("{ listener: back, weight: 3 }", "", ANSWERS);
    let groups = good(&text).config.target_groups;
    let target = |group: usize| {
        let target = &groups[group].targets[0];
        (target.host.label(target.port).parse::<SocketAddr>().unwrap(), target.weight)
    };
    assert_eq!(target(0), ("127.0.0.1:8001".parse().unwrap(), 3));
    assert_eq!(target(1), ("127.0.0.1:8000".parse().unwrap(), 1));
    assert_eq!(groups[0].targets[0].listener.as_deref(), Some("back"));
    let v6 = text.replace("0.0.0.0:8001", "\"[::]:8001\"");
    let target = &good(&v6).config.target_groups[0].targets[0];
    assert_eq!(target.host.label(target.port), "[::1]:8001");
}

#[test]
fn requests_that_could_come_back_are_refused_however_the_listener_is_named() {
    let back = "{ public: true, forward: to-front }";
    for target in ["{ listener: back }", "127.0.0.1:8001", "127.0.0.7:8001"] {
        assert_eq!(codes(&chained(target, "", back)), ["listener-loop"], "{target}");
    }
    // To itself.
    assert_eq!(codes(&chained("{ listener: front }", "", ANSWERS)), ["listener-loop"]);
    // Another port is another service.
    good(&chained("127.0.0.1:8002", "", back));
    let report = bad(&chained("{ listener: back }", "", back));
    assert!(report.to_string().contains("front -> back -> front"), "{report}");
}

#[test]
fn a_listener_as_target_must_exist_have_a_port_and_speak_what_the_group_speaks() {
    let cases = [
        (chained("{ listener: bakc }", "", ANSWERS), "unknown-listener"),
        (chained("{ listener: back, address: a:80 }", "", ANSWERS), "contradiction"),
        (chained("{ listener: back }", ", protocol: https", ANSWERS), "contradiction"),
        (chained("{ listener: back }", ", protocol_version: http2", ANSWERS), "contradiction"),
        (chained("{ listener: back }", "", ANSWERS).replace(":8001", ":0"), "invalid-target"),
        (chained("{ listener: back }, '127.0.0.1:8001'", "", ANSWERS), "duplicate-value"),
        (chained("{ weight: 1 }", "", ANSWERS), "missing-key"),
    ];
    for (text, code) in cases {
        assert_eq!(codes(&text), [code], "{text}");
    }
}
