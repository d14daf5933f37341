//! Listeners of the file that are targets of its own groups.
//!
//! Their requests go from one listener to the next by the loopback interface or the listener's own
//! address, without a name to look up. A way that leads back to where it began would be walked
//! until nothing is left of the machine, so it is refused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Judge, address, listener};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Spanned, Table};
use crate::config::model::{Api, ApiIndex, GroupIndex, Listener, Target, TargetGroup, TargetHost};
use crate::config::raw;
use crate::config::suggest;

/// What a group has to know of a listener that is to be its target.
struct Front {
    /// `None` when the listener's own address is wrong.
    address: Option<SocketAddr>,
    has_tls: bool,
}

/// The listeners by name, before they are judged themselves.
pub(super) struct Fronts<'a>(HashMap<&'a str, Front>);

impl<'a> Fronts<'a> {
    pub(super) fn of(raw: &'a Field<Table<raw::Listener>>) -> Self {
        let entries = raw.value().map(|table| &table.entries).into_iter().flatten();
        let fronts = entries.map(|(name, listener)| {
            let address = listener.as_ref().and_then(|listener| listener.address.value());
            let front = Front {
                address: address.and_then(|text| address::listen(text).ok()),
                has_tls: listener.as_ref().is_some_and(|listener| !listener.tls.is_absent()),
            };
            (name.value.as_str(), front)
        });
        Self(fronts.collect())
    }
}

impl Judge<'_> {
    pub(super) fn listener_as_target(
        &mut self,
        name: &Spanned<String>,
        weight: u16,
        group: &raw::TargetGroup,
        fronts: &Fronts<'_>,
    ) -> Option<Target> {
        let Some(front) = fronts.0.get(name.value.as_str()) else {
            let shown = crate::config::decode::quoted(&name.value);
            let message = format!("unknown listener {shown}");
            let mut finding = Diagnostic::error("unknown-listener", name.span, message);
            finding.help = suggest::did_you_mean(&name.value, fronts.0.keys().copied());
            self.report(finding);
            return None;
        };
        let is_https = matches!(group.protocol.value(), Some(raw::Protocol::Https));
        if front.has_tls != is_https {
            let (message, help) = if front.has_tls {
                ("this listener speaks HTTPS, and this group plain HTTP", "add `protocol: https`")
            } else {
                ("this listener speaks plain HTTP, and this group HTTPS", "use `protocol: http`")
            };
            self.report(Diagnostic::error("contradiction", name.span, message).help(help));
        }
        let is_http1 =
            matches!(group.protocol_version.value(), None | Some(raw::ProtocolVersion::Http1));
        if !front.has_tls && !is_http1 {
            let message = "a listener without `tls` speaks HTTP/1.1 only";
            self.report(
                Diagnostic::error("contradiction", name.span, message)
                    .help("leave `protocol_version` out"),
            );
        }
        let address = front.address?;
        if address.port() == 0 {
            let message = "the port of this listener is not known before it runs";
            self.report(
                Diagnostic::error("invalid-target", name.span, message)
                    .help("give the listener a port other than 0"),
            );
            return None;
        }
        Some(Target {
            host: TargetHost::Address(within_reach(address.ip())),
            port: address.port(),
            weight,
            listener: Some(name.value.as_str().into()),
        })
    }

    /// Refuses listeners whose requests may come back to them.
    pub(super) fn loops(
        &mut self,
        groups: &[Option<TargetGroup>],
        apis: &[Option<Api>],
        listeners: &[listener::Judged],
    ) {
        let listeners: Vec<&Listener> =
            listeners.iter().filter_map(|listener| listener.model.as_ref()).collect();
        let ways: Vec<Vec<usize>> =
            listeners.iter().map(|listener| ways(listener, (groups, apis), &listeners)).collect();
        let mut is_told = vec![false; listeners.len()];
        for start in 0..listeners.len() {
            let Some(round) = way_back(start, &ways) else { continue };
            // Said once for each loop.
            if round.iter().any(|place| is_told.get(*place).copied().unwrap_or(false)) {
                continue;
            }
            for place in &round {
                if let Some(told) = is_told.get_mut(*place) {
                    *told = true;
                }
            }
            let names: Vec<&str> = round
                .iter()
                .chain(std::iter::once(&start))
                .filter_map(|place| listeners.get(*place))
                .map(|listener| &*listener.name)
                .collect();
            let Some(listener) = listeners.get(start) else { continue };
            let message = format!("requests could go in a circle: {}", names.join(" -> "));
            self.report(
                Diagnostic::error("listener-loop", listener.span, message).help(
                    "a listener that is a target may not forward to where requests come from",
                ),
            );
        }
    }
}

/// An address at which this machine reaches a listener of its own.
const fn within_reach(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    }
}

/// Which listeners get requests of this one.
fn ways(
    listener: &Listener,
    (groups, apis): (&[Option<TargetGroup>], &[Option<Api>]),
    listeners: &[&Listener],
) -> Vec<usize> {
    let rules = listener.rules.iter().chain(std::iter::once(&listener.default_rule));
    let forwarded =
        rules.flat_map(|rule| rule.action.groups(|ApiIndex(api)| apis.get(api)?.as_ref()));
    let targets = forwarded
        .filter_map(|GroupIndex(index)| groups.get(index)?.as_ref())
        .flat_map(|group| &group.targets);
    let is_target = |target: &Target, listener: &Listener| match (&target.listener, &target.host) {
        (Some(name), _) => *name == listener.name,
        // The same by its address.
        (None, TargetHost::Address(ip)) => {
            let own = listener.address;
            let is_own =
                within_reach(own.ip()) == *ip || (own.ip().is_unspecified() && ip.is_loopback());
            own.port() != 0 && own.port() == target.port && is_own
        }
        (None, TargetHost::Name(_)) => false,
    };
    let mut found: Vec<usize> = targets
        .flat_map(|target| {
            let places = listeners.iter().enumerate();
            places.filter(move |(_, one)| is_target(target, one)).map(|(place, _)| place)
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The shortest way from a listener back to itself, which it begins with.
fn way_back(start: usize, ways: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut seen = vec![false; ways.len()];
    let mut rounds = vec![vec![start]];
    while !rounds.is_empty() {
        let mut longer = Vec::new();
        for round in rounds {
            let next = round.last().and_then(|last| ways.get(*last)).map_or(&[][..], Vec::as_slice);
            for place in next {
                if *place == start {
                    return Some(round);
                }
                if let Some(seen) = seen.get_mut(*place)
                    && !std::mem::replace(seen, true)
                {
                    longer.push(round.iter().copied().chain(std::iter::once(*place)).collect());
                }
            }
        }
        rounds = longer;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_back_is_found_and_a_tree_has_none() {
        assert_eq!(way_back(0, &[vec![0]]), Some(vec![0]));
        assert_eq!(way_back(0, &[vec![1, 2], vec![3], vec![0], vec![0]]), Some(vec![0, 2]));
        assert_eq!(way_back(0, &[vec![1, 2], vec![2], vec![]]), None);
        // A loop elsewhere is not this one's.
        assert_eq!(way_back(0, &[vec![1], vec![1]]), None);
    }
}
