//! `target_groups:`: where requests go, and how their health is known.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::pattern::Refusal;
use super::{Judge, address, seconds};
use crate::config::certificate;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Spanned, Table};
use crate::config::model::{
    BalancingAlgorithm, HealthCheck, Protocol, ProtocolVersion, Target, TargetGroup,
    TargetTimeouts, TargetTls,
};
use crate::config::raw;

/// Shortest and longest of all time limits toward targets.
const LIMITS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 3600);

impl Judge<'_> {
    pub(super) fn target_groups(
        &mut self,
        raw: &Field<Table<raw::TargetGroup>>,
    ) -> Vec<Option<TargetGroup>> {
        let entries = raw.value().map(|table| &table.entries).into_iter().flatten();
        entries
            .map(|(name, group)| group.as_ref().and_then(|group| self.target_group(name, group)))
            .collect()
    }

    fn target_group(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::TargetGroup,
    ) -> Option<TargetGroup> {
        let mut targets: Vec<Target> = Vec::new();
        let mut seen = HashSet::new();
        if let Some(list) = self.demand(&raw.targets, name.span, "targets") {
            for item in &list.value.items {
                let Some(target) = self.target(item) else { continue };
                if !seen.insert((target.host.clone(), target.port)) {
                    let message = "this target is listed twice";
                    self.report(
                        Diagnostic::error("duplicate-value", item.span, message)
                            .help("give one of them a `weight` instead"),
                    );
                }
                targets.push(target);
            }
        }
        let timeouts = raw.timeouts.value();
        let absent = raw::TargetTimeouts::default();
        let timeouts = timeouts.unwrap_or(&absent);
        let algorithm = match raw.algorithm.value() {
            None | Some(raw::BalancingAlgorithm::RoundRobin) => BalancingAlgorithm::RoundRobin,
            Some(raw::BalancingAlgorithm::LeastOutstandingRequests) => {
                BalancingAlgorithm::LeastOutstandingRequests
            }
        };
        Some(TargetGroup {
            name: name.value.as_str().into(),
            targets,
            protocol: self.protocol(raw),
            protocol_version: match raw.protocol_version.value() {
                None | Some(raw::ProtocolVersion::Http1) => ProtocolVersion::Http1,
                Some(raw::ProtocolVersion::Http2) => ProtocolVersion::Http2,
                Some(raw::ProtocolVersion::Grpc) => ProtocolVersion::Grpc,
            },
            algorithm,
            stickiness: self.stickiness(&raw.stickiness, algorithm),
            health_check: self.health_check(raw.health_check.value()),
            timeouts: TargetTimeouts {
                connect: self.duration(&timeouts.connect, seconds(10), LIMITS),
                response: self.duration(&timeouts.response, seconds(60), LIMITS),
                send: self.duration(&timeouts.send, seconds(60), LIMITS),
                idle: self.duration(&timeouts.idle, seconds(50), seconds(0)..=*LIMITS.end()),
            },
            identity_assertion: raw.identity_assertion.value().copied().unwrap_or(false),
            span: name.span,
        })
    }

    fn target(&mut self, item: &Spanned<raw::Target>) -> Option<Target> {
        const MOST_WEIGHT: u64 = 999;
        let (text, span, weight) = match &item.value {
            raw::Target::Address(text) => (text, item.span, 1),
            raw::Target::Object(object) => {
                let weight = self.number(&object.weight, 1, 0..=MOST_WEIGHT);
                let address = self.demand(&object.address, item.span, "address")?;
                (&address.value, address.span, weight)
            }
        };
        let (host, port) = self.accept("invalid-target", span, address::target(text))?;
        Some(Target { host, port, weight })
    }

    fn protocol(&mut self, raw: &raw::TargetGroup) -> Protocol {
        let https = matches!(raw.protocol.value(), Some(raw::Protocol::Https));
        if !https {
            if let (Some(key), false) = (raw.tls.key(), matches!(raw.protocol, Field::Wrong(_))) {
                let message = "`tls` is given, but this group speaks plain HTTP";
                self.report(
                    Diagnostic::error("contradiction", key, message).help("add `protocol: https`"),
                );
            }
            return Protocol::Http;
        }
        let mut tls = TargetTls {
            verify: true,
            server_name: None,
            authorities: None,
            client_certificate: None,
        };
        if let Some(given) = raw.tls.given() {
            match &given.value {
                raw::TargetTls::Insecure => {
                    let message = "certificates of these targets are not verified";
                    self.report(
                        Diagnostic::warning("insecure-target-tls", given.span, message)
                            .help("name their authority: `tls: { authorities: PATH }`"),
                    );
                    tls.verify = false;
                }
                raw::TargetTls::Verified(object) => {
                    tls.server_name =
                        object.server_name.given().and_then(|name| self.server_name(name));
                    tls.authorities = object.authorities.given().and_then(|file| {
                        let path = self.path("authorities", file)?;
                        let checked = certificate::check_authorities(&path, self.ground);
                        self.accept("invalid-certificate", file.span, checked)?;
                        Some(path)
                    });
                    tls.client_certificate = object
                        .client_certificate
                        .given()
                        .and_then(|certificate| self.certificate(certificate));
                }
            }
        }
        Protocol::Https(tls)
    }

    fn server_name(&mut self, name: &Spanned<String>) -> Option<String> {
        if address::is_host_name(&name.value) {
            return Some(name.value.to_ascii_lowercase());
        }
        let message = "this is not a host name";
        self.report(Diagnostic::error("invalid-server-name", name.span, message));
        None
    }

    fn health_check(&mut self, raw: Option<&raw::HealthCheck>) -> HealthCheck {
        const MOST_CHECKS: u64 = 100;
        const MOST_WAIT: Duration = Duration::from_secs(3600);
        let absent = raw::HealthCheck::default();
        let raw = raw.unwrap_or(&absent);
        let shortest = Duration::from_millis(100);
        let interval = self.duration(&raw.interval, seconds(30), shortest..=MOST_WAIT);
        let timeout = self.duration(&raw.timeout, seconds(5).min(interval), shortest..=MOST_WAIT);
        if let Some(given) = raw.timeout.given().filter(|_| timeout > interval) {
            let message = "a check may not take longer than the interval between checks";
            self.report(Diagnostic::error("out-of-range", given.span, message));
        }
        let path = match raw.path.given() {
            None => "/".to_owned(),
            Some(path) => {
                let visible = path.value.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
                if !path.value.starts_with('/') || !visible {
                    let message = "a path begins with `/` and has no spaces";
                    self.report(Diagnostic::error("invalid-path", path.span, message));
                }
                path.value.clone()
            }
        };
        let port = raw.port.given().map(|_| self.number(&raw.port, 1_u16, 1..=65_535));
        let matcher = match raw.matcher.given() {
            None => vec![200..=200],
            Some(text) => self
                .accept("invalid-matcher", text.span, status_ranges(&text.value))
                .unwrap_or_else(|| vec![200..=200]),
        };
        HealthCheck {
            enabled: raw.enabled.value().copied().unwrap_or(true),
            path,
            port,
            interval,
            timeout,
            healthy_threshold: self.number(&raw.healthy_threshold, 5, 1..=MOST_CHECKS),
            unhealthy_threshold: self.number(&raw.unhealthy_threshold, 2, 1..=MOST_CHECKS),
            matcher,
        }
    }
}

/// `200`, `200-299` and lists of them.
fn status_ranges(text: &str) -> Result<Vec<RangeInclusive<u16>>, Refusal> {
    let status = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|status| digits && (100..=599).contains(status))
    };
    let one = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (status(from.trim())?, status(to.trim())?);
        (from <= to).then_some(from..=to)
    };
    text.split(',').map(|part| one(part.trim())).collect::<Option<_>>().ok_or_else(|| Refusal {
        message: "this is not a list of statuses".to_owned(),
        help: Some("as in `200`, `200-299` or `200,204,300-399`".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_numbers_ranges_and_lists() {
        assert_eq!(status_ranges("200").unwrap(), vec![200..=200]);
        assert_eq!(status_ranges("200-299, 404").unwrap(), vec![200..=299, 404..=404]);
        for bad in ["", "2xx", "299-200", "200-", "99", "600", "0200", "+200", "200,,201"] {
            assert!(status_ranges(bad).is_err(), "{bad}");
        }
    }
}
