//! How often an API or a route may be asked: by whom, and in which order that is looked at.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use crate::auth::Identity;
use crate::config::model::{Throttle, ThrottleKey};
use crate::limit::{Limit, Throttled};
use crate::telemetry::metrics::ThrottleMetrics;

/// The limits of an API, or of a route.
#[derive(Debug)]
pub struct Limits {
    by_address: Vec<Arc<Limit>>,
    shared: Vec<Arc<Limit>>,
    by_caller: Vec<Arc<Limit>>,
}

impl Limits {
    /// Limits of this place; those that are as they were before keep their state. `None` where
    /// there are none.
    pub(super) fn compile(
        settings: &[Throttle],
        previous: Option<&Self>,
        metrics: impl FnOnce() -> Arc<ThrottleMetrics>,
    ) -> Option<Box<Self>> {
        if settings.is_empty() {
            return None;
        }
        let metrics = metrics();
        let mut limits = Self { by_address: Vec::new(), shared: Vec::new(), by_caller: Vec::new() };
        for throttle in settings {
            let known = previous.and_then(|previous| previous.find(throttle));
            let limit = known
                .unwrap_or_else(|| Arc::new(Limit::new(throttle.clone(), Arc::clone(&metrics))));
            match throttle.per {
                None => limits.shared.push(limit),
                Some(ThrottleKey::Address) => limits.by_address.push(limit),
                Some(ThrottleKey::ClientId | ThrottleKey::Claim(_)) => limits.by_caller.push(limit),
            }
        }
        Some(Box::new(limits))
    }

    fn find(&self, settings: &Throttle) -> Option<Arc<Limit>> {
        let mut all = self.by_address.iter().chain(&self.shared).chain(&self.by_caller);
        all.find(|limit| limit.settings == *settings).cloned()
    }
}

/// Counts a request of whom nothing is known but the address. These limits are asked before those
/// that all share, so that one client that is over its own takes nothing of the others'.
///
/// # Errors
///
/// It is over one of the limits.
pub fn by_address(
    (route, api): (Option<&Limits>, Option<&Limits>),
    address: IpAddr,
    now: Instant,
) -> Result<(), Throttled> {
    let places = route.into_iter().chain(api);
    for limit in places.flat_map(|limits| &limits.by_address) {
        limit.take(subscriber(address), now)?;
    }
    Ok(())
}

/// Counts a request by the limits that all share.
///
/// # Errors
///
/// It is over one of them.
pub fn shared(
    (route, api): (Option<&Limits>, Option<&Limits>),
    now: Instant,
) -> Result<(), Throttled> {
    let places = route.into_iter().chain(api);
    for limit in places.flat_map(|limits| &limits.shared) {
        limit.take((), now)?;
    }
    Ok(())
}

/// Counts a request of a caller who is known now.
///
/// # Errors
///
/// It is over one of the limits.
pub fn after_authorizer(
    (route, api): (Option<&Limits>, Option<&Limits>),
    caller: &Identity,
    now: Instant,
) -> Result<(), Throttled> {
    let places = route.into_iter().chain(api);
    for limit in places.flat_map(|limits| &limits.by_caller) {
        if let Some(key) = limit.per() {
            limit.take(Caller { caller, key }, now)?;
        }
    }
    Ok(())
}

/// Whom an address stands for: an IPv6 subscriber has at least a /64, and can come from any of it.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What a caller is counted by. Those without it share one bucket of their issuer: nobody gets rid
/// of a limit by a token that lacks the claim.
struct Caller<'a> {
    caller: &'a Identity,
    key: &'a ThrottleKey,
}

impl Hash for Caller<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let token = &self.caller.token;
        token.issuer().name().hash(state);
        match self.key {
            ThrottleKey::Address => {}
            ThrottleKey::ClientId => token.client().hash(state),
            ThrottleKey::Claim(path) => token.claims().find(path).hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_client_and_a_mapped_address_is_itself() {
        let of = |text: &str| subscriber(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:3::1"), "2001:db8:1:3::");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }
}
