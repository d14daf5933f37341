//! What a target is told about the way a request came: `X-Forwarded-For`, `-Proto`, `-Port`.
//!
//! As on ALB (alb.md 10.3) the peer is appended to what the client claims about addresses before
//! it, and protocol and port are ours, or a trusted proxy's ([`super::client`]). `Forwarded`, `X-Forwarded-Host`, `X-Real-IP` and their
//! kin are not written at all, and [`super::ownership`] removes them: ALB passes them on as the
//! client wrote them, and targets believe them.

use std::net::{IpAddr, SocketAddr};

use ::http::{HeaderName, HeaderValue};
use bytes::{BufMut, BytesMut};

use super::{Malformed, Scheme};

/// `X-Forwarded-For`.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// More addresses than this in a request are refused with 463.
pub const MAX_ADDRESSES: usize = 30;

/// What becomes of `X-Forwarded-For` on its way to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedFor {
    /// Our client is appended.
    Append {
        /// With its port.
        client_port: bool,
    },
    /// It goes on as it came.
    Preserve,
    /// It does not go on.
    Remove,
}

impl Default for ForwardedFor {
    fn default() -> Self {
        Self::Append { client_port: false }
    }
}

/// Counts the addresses of `X-Forwarded-For`, whatever they are.
///
/// # Errors
///
/// [`Malformed::TooManyAddresses`] for more than 30.
pub fn check_addresses<'a>(
    received: impl IntoIterator<Item = &'a HeaderValue>,
) -> Result<(), Malformed> {
    let mut addresses = 0;
    for field in received {
        let field = field.as_bytes().trim_ascii();
        if !field.is_empty() {
            addresses += 1 + memchr::memchr_iter(b',', field).count();
        }
    }
    if addresses > MAX_ADDRESSES { Err(Malformed::TooManyAddresses) } else { Ok(()) }
}

/// `X-Forwarded-For` with the other end of the connection appended to what came in; several fields
/// become one.
pub fn forwarded_for<'a>(
    received: impl IntoIterator<Item = &'a HeaderValue>,
    source: SocketAddr,
    with_port: bool,
) -> HeaderValue {
    let mut value = BytesMut::new();
    for field in received {
        let field = field.as_bytes().trim_ascii();
        if field.is_empty() {
            continue;
        }
        value.reserve(field.len() + MAX_ADDRESS_TEXT);
        value.put_slice(field);
        value.put_slice(b", ");
    }
    let address = source.ip().to_canonical();
    if with_port {
        put_address_and_port(&mut value, SocketAddr::new(address, source.port()));
    } else {
        put_address(&mut value, address);
    }
    // Parts of valid values joined by ", " are valid; the peer alone is the answer if not.
    HeaderValue::from_maybe_shared(value.freeze())
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// `192.0.2.1:80` or `[2001:db8::1]:80`.
fn put_address_and_port(value: &mut BytesMut, address: SocketAddr) {
    use std::fmt::Write as _;
    value.reserve(MAX_ADDRESS_TEXT + "[]:65535".len());
    let _ = write!(value, "{address}");
}

/// `, ` and an IPv6 address at its longest.
const MAX_ADDRESS_TEXT: usize = 2 + 39;

fn put_address(value: &mut BytesMut, address: IpAddr) {
    use std::fmt::Write as _;
    value.reserve(MAX_ADDRESS_TEXT);
    match address {
        // Every request comes by here; the formatting machinery costs ten times as much.
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    value.put_u8(b'.');
                }
                put_octet(value, octet);
            }
        }
        // Writing into a growing buffer cannot fail.
        IpAddr::V6(address) => drop(write!(value, "{address}")),
    }
}

fn put_octet(value: &mut BytesMut, octet: u8) {
    if octet >= 100 {
        value.put_u8(b'0' + octet / 100);
    }
    if octet >= 10 {
        value.put_u8(b'0' + octet / 10 % 10);
    }
    value.put_u8(b'0' + octet % 10);
}

/// `X-Forwarded-Proto`: `http` or `https`, whatever came in.
#[must_use]
pub const fn forwarded_proto(scheme: Scheme) -> HeaderValue {
    match scheme {
        Scheme::Http => HeaderValue::from_static("http"),
        Scheme::Https => HeaderValue::from_static("https"),
    }
}

/// `X-Forwarded-Port`: the listener's port. Made once for a listener and cloned.
#[must_use]
pub fn forwarded_port(port: u16) -> HeaderValue {
    HeaderValue::from(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(received: &[&'static str]) -> Vec<HeaderValue> {
        received.iter().map(|text| HeaderValue::from_static(text)).collect()
    }

    fn appended(received: &[&'static str], peer: &str) -> HeaderValue {
        forwarded_for(&values(received), SocketAddr::new(peer.parse().unwrap(), 80), false)
    }

    #[test]
    fn the_peer_is_appended_to_what_the_client_claims() {
        assert_eq!(appended(&[], "192.0.2.7"), "192.0.2.7");
        assert_eq!(appended(&["1.1.1.1"], "192.0.2.7"), "1.1.1.1, 192.0.2.7");
        assert_eq!(
            appended(&["1.1.1.1, 2.2.2.2", "3.3.3.3"], "::1"),
            "1.1.1.1, 2.2.2.2, 3.3.3.3, ::1"
        );
        assert_eq!(appended(&["", " "], "192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn an_ipv4_peer_on_an_ipv6_socket_is_written_as_ipv4() {
        assert_eq!(appended(&[], "::ffff:192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn with_its_port_an_ipv6_address_stands_in_brackets() {
        for (source, text) in [
            ("192.0.2.7:5000", "192.0.2.7:5000"),
            ("[2001:db8::1]:5000", "[2001:db8::1]:5000"),
            ("[::ffff:192.0.2.7]:5000", "192.0.2.7:5000"),
        ] {
            assert_eq!(forwarded_for(&[], source.parse().unwrap(), true), text);
        }
        let after = forwarded_for(&values(&["1.1.1.1"]), "[::1]:1".parse().unwrap(), true);
        assert_eq!(after, "1.1.1.1, [::1]:1");
    }

    #[test]
    fn thirty_one_addresses_are_refused_in_one_field_or_in_many() {
        let thirty: &'static str = Box::leak(vec!["9.9.9.9"; 30].join(",").into_boxed_str());
        assert!(check_addresses(&values(&[thirty])).is_ok());
        assert!(check_addresses(&values(&["", thirty])).is_ok());
        let over = Err(Malformed::TooManyAddresses);
        assert_eq!(check_addresses(&values(&[thirty, "9.9.9.9"])), over);
        assert_eq!(check_addresses(&values(&["9.9.9.9"; 31])), over);
        assert_eq!(check_addresses(&values(&[&",".repeat(30).leak()[..]])), over);
        assert_eq!(Malformed::TooManyAddresses.status(), 463);
    }

    #[test]
    fn protocol_and_port_are_what_the_listener_knows() {
        assert_eq!(forwarded_proto(Scheme::Https), "https");
        assert_eq!(forwarded_proto(Scheme::Http), "http");
        assert_eq!(forwarded_port(8443), "8443");
    }
}
