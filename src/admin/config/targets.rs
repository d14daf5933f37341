//! Target groups as JSON.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::{path, seconds};
use crate::config::model::{
    BalancingAlgorithm, HealthCheck, Protocol, ProtocolVersion, Stickiness, StickyCookie, Target,
    TargetGroup, TargetHost, TargetTimeouts, TargetTls,
};

pub(super) fn target_group(group: &TargetGroup) -> Value {
    let TargetGroup {
        name: _,
        targets,
        protocol,
        protocol_version,
        algorithm,
        stickiness,
        health_check,
        timeouts,
        identity_assertion,
        span: _,
    } = group;
    json!({
        "targets": targets.iter().map(target).collect::<Vec<_>>(),
        "protocol": match protocol {
            Protocol::Http => "HTTP",
            Protocol::Https(_) => "HTTPS",
        },
        "tls": match protocol {
            Protocol::Http => Value::Null,
            Protocol::Https(tls) => target_tls(tls),
        },
        "protocol_version": match protocol_version {
            ProtocolVersion::Http1 => "HTTP1",
            ProtocolVersion::Http2 => "HTTP2",
            ProtocolVersion::Grpc => "GRPC",
        },
        "algorithm": match algorithm {
            BalancingAlgorithm::RoundRobin => "round_robin",
            BalancingAlgorithm::LeastOutstandingRequests => "least_outstanding_requests",
        },
        "stickiness": stickiness.as_ref().map(self::stickiness),
        "health_check": self::health_check(health_check),
        "timeouts": self::timeouts(timeouts),
        "identity_assertion": identity_assertion,
    })
}

fn target(target: &Target) -> Value {
    let Target { host, port, weight } = target;
    let address = match host {
        TargetHost::Address(address) => std::net::SocketAddr::new(*address, *port).to_string(),
        TargetHost::Name(name) => format!("{name}:{port}"),
    };
    json!({ "address": address, "weight": weight })
}

fn target_tls(tls: &TargetTls) -> Value {
    let TargetTls { verify, server_name, authorities, client_certificate } = tls;
    json!({
        "verify": verify,
        "server_name": server_name,
        "authorities": authorities.as_deref().map(path),
        "client_certificate": client_certificate.as_ref().map(|files| path(&files.certificate)),
    })
}

fn stickiness(stickiness: &Stickiness) -> Value {
    let Stickiness { cookie, duration } = stickiness;
    let (kind, name) = match cookie {
        StickyCookie::LoadBalancer => ("lb_cookie", None),
        StickyCookie::Application(name) => ("app_cookie", Some(name)),
    };
    json!({ "type": kind, "cookie_name": name, "duration": seconds(*duration) })
}

fn health_check(check: &HealthCheck) -> Value {
    let HealthCheck {
        enabled,
        path,
        port,
        interval,
        timeout,
        healthy_threshold,
        unhealthy_threshold,
        matcher,
    } = check;
    let range = |range: &RangeInclusive<u16>| format!("{}-{}", range.start(), range.end());
    json!({
        "enabled": enabled,
        "path": path,
        "port": port,
        "interval": seconds(*interval),
        "timeout": seconds(*timeout),
        "healthy_threshold": healthy_threshold,
        "unhealthy_threshold": unhealthy_threshold,
        "matcher": matcher.iter().map(range).collect::<Vec<_>>().join(","),
    })
}

fn timeouts(timeouts: &TargetTimeouts) -> Value {
    let TargetTimeouts { connect, response, send, idle } = timeouts;
    json!({
        "connect": seconds(*connect),
        "response": seconds(*response),
        "send": seconds(*send),
        "idle": seconds(*idle),
    })
}
