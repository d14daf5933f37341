//! How many connections each client has, where a listener bounds that.
//!
//! A client is an IPv4 address, or the first 64 bits of an IPv6 address: whoever has one of those
//! mostly has all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Clients with an open connection; what is kept is bounded by the connections themselves.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<HashMap<u128, usize>>);

/// A connection that is counted for its client as long as this lives.
#[derive(Debug)]
pub(super) struct Seat {
    clients: Arc<Clients>,
    client: u128,
}

impl Clients {
    /// A seat, unless the client has so many already.
    pub(super) fn seat(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Seat> {
        let client = client(address);
        let mut counts = self.0.lock();
        let count = counts.entry(client).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { clients: Arc::clone(self), client })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

fn client(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_seats_and_leaves_nothing_behind() {
        let clients = Arc::new(Clients::default());
        let seat = |address: &str| clients.seat(address.parse().unwrap(), 2);
        let taken = [seat("192.0.2.1"), seat("::ffff:192.0.2.1")];
        assert!(taken.iter().all(Option::is_some));
        assert!(seat("192.0.2.1").is_none());
        assert!(seat("192.0.2.2").is_some());
        let [first, _second] = taken;
        drop(first);
        assert!(seat("192.0.2.1").is_some());
        let wide = [seat("2001:db8::1"), seat("2001:db8::ffff:1")];
        assert!(seat("2001:db8::2").is_none() && seat("2001:db8:0:1::1").is_some());
        drop((wide, _second));
        assert!(clients.0.lock().is_empty());
    }
}
