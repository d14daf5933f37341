//! Who is asking, as one fact: the address that logs, rules and denials call the client's.
//!
//! Nothing that a client says about itself is believed. Only a proxy that the operator trusts may
//! say for whom it asks, and then only the end of `X-Forwarded-For` that trusted proxies wrote.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::Scheme;
use super::forwarded::{FORWARDED_FOR, MAX_ADDRESSES};
use super::names::only;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Proxies whose word about their clients is taken. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies(Option<Arc<[IpNet]>>);

impl TrustedProxies {
    /// All addresses in these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self((!networks.is_empty()).then(|| networks.into()))
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The networks.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether this address is in one of them. An IPv4 address on an IPv6 socket counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks().iter().any(|network| network.contains(&address))
    }
}

/// The client of one request, as far as somebody whom we believe has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Its port, where that is known.
    pub port: Option<u16>,
    /// How it reached the trusted proxy, if that said so.
    pub scheme: Option<Scheme>,
    /// The port at which it reached the trusted proxy, if that said so.
    pub reached_port: Option<u16>,
}

impl Client {
    /// The client of a request on a connection from `source`.
    ///
    /// If that is a trusted proxy, `X-Forwarded-For` is read from its end: the first address that
    /// is not a trusted proxy's is the client's, or the left-most if all are. If what is read
    /// is no address, or there are more than 30, nothing of it is believed.
    #[must_use]
    pub fn of(source: SocketAddr, trusted: &TrustedProxies, headers: &HeaderMap) -> Self {
        let direct = Self {
            address: source.ip().to_canonical(),
            port: Some(source.port()),
            scheme: None,
            reached_port: None,
        };
        if trusted.is_empty() || !trusted.contains(direct.address) {
            return direct;
        }
        let (address, port) =
            last_untrusted(trusted, headers).unwrap_or((direct.address, direct.port));
        Self {
            address,
            port,
            scheme: only(headers, &FORWARDED_PROTO).and_then(read_scheme),
            reached_port: only(headers, &FORWARDED_PORT).and_then(read_port),
        }
    }
}

/// `None` when the header says nothing, or nothing that can be read.
fn last_untrusted(trusted: &TrustedProxies, headers: &HeaderMap) -> Option<(IpAddr, Option<u16>)> {
    let mut seen = 0;
    let mut client = None;
    for field in headers.get_all(&FORWARDED_FOR).iter().rev() {
        let field = field.as_bytes().trim_ascii();
        if field.is_empty() {
            continue;
        }
        for element in field.rsplit(|&byte| byte == b',') {
            seen += 1;
            if seen > MAX_ADDRESSES {
                return None;
            }
            let (address, port) = read_address(element)?;
            client = Some((address, port));
            if !trusted.contains(address) {
                return client;
            }
        }
    }
    client
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn read_address(element: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    let text = std::str::from_utf8(element.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(bare) = bare {
        let address = std::net::Ipv6Addr::from_str(bare).ok()?;
        return Some((IpAddr::V6(address).to_canonical(), None));
    }
    if let Ok(address) = IpAddr::from_str(text) {
        return Some((address.to_canonical(), None));
    }
    let with_port = SocketAddr::from_str(text).ok()?;
    Some((with_port.ip().to_canonical(), Some(with_port.port())))
}

fn read_scheme(value: &HeaderValue) -> Option<Scheme> {
    match value.as_bytes() {
        value if value.eq_ignore_ascii_case(b"https") => Some(Scheme::Https),
        value if value.eq_ignore_ascii_case(b"http") => Some(Scheme::Http),
        _ => None,
    }
}

fn read_port(value: &HeaderValue) -> Option<u16> {
    let text = value.to_str().ok()?;
    let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn trusted(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    /// The client of a connection from 10.0.0.1:7, with 10/8 and fd00::/8 trusted.
    fn behind(forwarded_for: &'static str) -> (String, Option<u16>) {
        let headers = headers(&[("x-forwarded-for", forwarded_for)]);
        let trusted = trusted(&["10.0.0.0/8", "fd00::/8"]);
        let client = Client::of("10.0.0.1:7".parse().unwrap(), &trusted, &headers);
        (client.address.to_string(), client.port)
    }

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
        for (value, address, port) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1, 10.1.1.1,10.2.2.2", "192.0.2.1", None),
            ("192.0.2.1:5000, fd00::1", "192.0.2.1", Some(5000)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:80", "2001:db8::1", Some(80)),
            ("::ffff:192.0.2.1", "192.0.2.1", None),
            ("::ffff:10.3.3.3", "10.3.3.3", None),
            ("10.9.9.9, 10.8.8.8", "10.9.9.9", None),
            // What stands before the client's own address is the client's to write.
            ("<script>, 192.0.2.1", "192.0.2.1", None),
        ] {
            assert_eq!(behind(value), (address.to_owned(), port), "{value}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_believed() {
        for value in [
            "",
            "unknown",
            "192.0.2.1, unknown",
            "192.0.2.1,",
            "192.0.2.1, , 10.1.1.1",
            "192.0.2.256",
            "192.0.2.1:99999",
            "192.0.2.1:",
            "[192.0.2.1]",
            "[2001:db8::1",
            "192.0.2.1 10.1.1.1",
            "a.test",
        ] {
            assert_eq!(behind(value), ("10.0.0.1".to_owned(), Some(7)), "{value}");
        }
    }

    #[test]
    fn no_more_than_thirty_addresses_are_read() {
        let of = |count: usize| {
            let value = format!("192.0.2.1{}", ", 10.1.1.1".repeat(count - 1));
            behind(Box::leak(value.into_boxed_str())).0
        };
        assert_eq!(of(30), "192.0.2.1");
        assert_eq!(of(31), "10.0.0.1");
    }

    #[test]
    fn many_fields_are_one_list() {
        let fields = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1, 10.0.0.9")];
        let source = "10.0.0.1:7".parse().unwrap();
        let client = Client::of(source, &trusted(&["10.0.0.0/8"]), &headers(&fields));
        assert_eq!(client.address.to_string(), "192.0.2.1");
    }

    #[test]
    fn of_whom_we_do_not_trust_nothing_is_believed() {
        let fields = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
        ];
        for (source, networks) in [
            ("203.0.113.9:7", &["10.0.0.0/8"][..]),
            ("10.0.0.1:7", &[]),
            ("[::1]:7", &["0.0.0.0/0"]),
        ] {
            let source: SocketAddr = source.parse().unwrap();
            let client = Client::of(source, &trusted(networks), &headers(&fields));
            assert_eq!((client.address, client.port), (source.ip(), Some(7)));
            assert_eq!((client.scheme, client.reached_port), (None, None));
        }
        let mapped = "[::ffff:10.0.0.1]:7".parse().unwrap();
        let client = Client::of(mapped, &trusted(&["10.0.0.0/8"]), &headers(&fields));
        assert_eq!(client.address.to_string(), "192.0.2.1");
        assert_eq!((client.scheme, client.reached_port), (Some(Scheme::Https), Some(443)));
    }

    #[test]
    fn a_protocol_or_port_that_is_said_twice_or_oddly_is_not_believed() {
        let told = |fields: &[(&'static str, &'static str)]| {
            let source = "10.0.0.1:7".parse().unwrap();
            let client = Client::of(source, &trusted(&["10.0.0.0/8"]), &headers(fields));
            (client.scheme, client.reached_port)
        };
        assert_eq!(told(&[("x-forwarded-proto", "HTTPS")]), (Some(Scheme::Https), None));
        for odd in ["https, http", "wss", "", "https "] {
            assert_eq!(told(&[("x-forwarded-proto", odd)]).0, None, "{odd}");
        }
        let twice = [("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")];
        assert_eq!(told(&twice).0, None);
        for odd in ["0", "065", "+1", "65536", "443,80", "", "x"] {
            assert_eq!(told(&[("x-forwarded-port", odd)]).1, None, "{odd}");
        }
    }
}
