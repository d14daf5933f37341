//! What a target is told about the way a request came: `X-Forwarded-For`, `-Proto`, `-Port`.
//!
//! As on ALB (alb.md 10.3) the peer is appended to what the client claims about addresses before
//! it, and protocol and port are ours alone. `Forwarded`, `X-Forwarded-Host`, `X-Real-IP` and their
//! kin are not written at all, and [`super::ownership`] removes them: ALB passes them on as the
//! client wrote them, and targets believe them.

use std::net::IpAddr;

use ::http::HeaderValue;
use bytes::{BufMut, BytesMut};

use super::{Malformed, Scheme};

/// More addresses than this in a request are refused with 463.
pub const MAX_ADDRESSES: usize = 30;

/// `X-Forwarded-For` with the peer appended to what came in; several fields become one.
///
/// # Errors
///
/// [`Malformed::TooManyAddresses`] for more than 30 in the request.
pub fn forwarded_for<'a>(
    received: impl IntoIterator<Item = &'a HeaderValue>,
    peer: IpAddr,
) -> Result<HeaderValue, Malformed> {
    let mut value = BytesMut::new();
    let mut addresses = 0;
    for field in received {
        let field = field.as_bytes().trim_ascii();
        if field.is_empty() {
            continue;
        }
        addresses += field.split(|&byte| byte == b',').count();
        if addresses > MAX_ADDRESSES {
            return Err(Malformed::TooManyAddresses);
        }
        value.reserve(field.len() + MAX_ADDRESS_TEXT);
        value.put_slice(field);
        value.put_slice(b", ");
    }
    put_address(&mut value, peer.to_canonical());
    // Parts of valid values joined by ", " are valid; the peer alone is the answer if not.
    Ok(HeaderValue::from_maybe_shared(value.freeze())
        .unwrap_or_else(|_| HeaderValue::from_static("unknown")))
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

    fn appended(received: &[&'static str], peer: &str) -> Result<HeaderValue, Malformed> {
        let received: Vec<_> = received.iter().map(|text| HeaderValue::from_static(text)).collect();
        forwarded_for(&received, peer.parse().unwrap())
    }

    #[test]
    fn the_peer_is_appended_to_what_the_client_claims() {
        assert_eq!(appended(&[], "192.0.2.7").unwrap(), "192.0.2.7");
        assert_eq!(appended(&["1.1.1.1"], "192.0.2.7").unwrap(), "1.1.1.1, 192.0.2.7");
        assert_eq!(
            appended(&["1.1.1.1, 2.2.2.2", "3.3.3.3"], "::1").unwrap(),
            "1.1.1.1, 2.2.2.2, 3.3.3.3, ::1"
        );
        assert_eq!(appended(&["", " "], "192.0.2.7").unwrap(), "192.0.2.7");
    }

    #[test]
    fn an_ipv4_peer_on_an_ipv6_socket_is_written_as_ipv4() {
        assert_eq!(appended(&[], "::ffff:192.0.2.7").unwrap(), "192.0.2.7");
    }

    #[test]
    fn thirty_one_addresses_are_refused_in_one_field_or_in_many() {
        let thirty: &'static str = Box::leak(vec!["9.9.9.9"; 30].join(",").into_boxed_str());
        assert!(appended(&[thirty], "::1").is_ok());
        assert_eq!(appended(&[thirty, "9.9.9.9"], "::1"), Err(Malformed::TooManyAddresses));
        assert_eq!(appended(&["9.9.9.9"; 31], "::1"), Err(Malformed::TooManyAddresses));
        assert_eq!(Malformed::TooManyAddresses.status(), 463);
    }

    #[test]
    fn protocol_and_port_are_what_the_listener_knows() {
        assert_eq!(forwarded_proto(Scheme::Https), "https");
        assert_eq!(forwarded_proto(Scheme::Http), "http");
        assert_eq!(forwarded_port(8443), "8443");
    }
}
