//! Addresses: where we listen, where targets and key sets are.

use std::net::{IpAddr, SocketAddr};

use super::pattern::Refusal;
use crate::config::model::TargetHost;

fn refuse<T>(message: impl Into<String>, help: Option<String>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), help })
}

/// An address that is listened on: an IP address and a port.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Refusal> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let message = "an address to listen on is an IP address and a port";
    let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
    let help = match (text.rsplit_once(':'), port) {
        (Some(("" | "*", _)), Some(port)) => format!("write `0.0.0.0:{port}` or \"[::]:{port}\""),
        (Some(("localhost", _)), Some(port)) => format!("write `127.0.0.1:{port}`"),
        (None, Some(port)) => format!("write `0.0.0.0:{port}` or `127.0.0.1:{port}`"),
        _ if text.parse::<IpAddr>().is_ok() => {
            "the port is missing, as in `127.0.0.1:8080`".to_owned()
        }
        _ => "as in `127.0.0.1:8080`, `0.0.0.0:443` or \"[::]:443\"".to_owned(),
    };
    refuse(message, Some(help))
}

/// A target: a host and a port.
pub(super) fn target(text: &str) -> Result<(TargetHost, u16), Refusal> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let help = format!(
            "write `{}` and say `protocol: {scheme}` in the group",
            rest.trim_end_matches('/')
        );
        return refuse("a target is a host and a port, not a URL", Some(help));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return port_of(address.port()).map(|port| (TargetHost::Address(address.ip()), port));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return refuse("a target needs a port", Some(format!("as in `{text}:8080`")));
    };
    if host.contains(':') {
        return refuse(
            "an IPv6 address stands in brackets",
            Some("as in \"[::1]:8080\"".to_owned()),
        );
    }
    let Some(port) = port.parse().ok().filter(|_| port.bytes().all(|b| b.is_ascii_digit())) else {
        return refuse("the port is not a number from 1 to 65535", None);
    };
    let port = port_of(port)?;
    if !is_host_name(host) {
        return refuse("this is not a host name", None);
    }
    Ok((TargetHost::Name(host.to_ascii_lowercase().into()), port))
}

fn port_of(port: u16) -> Result<u16, Refusal> {
    if port == 0 { refuse("a target's port is 1 to 65535", None) } else { Ok(port) }
}

/// A name that DNS can look up; underscores are common inside clusters. Four dotted numbers that
/// are no address are a slip, not a name.
pub(super) fn is_host_name(text: &str) -> bool {
    const LONGEST: usize = 253;
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let numeric = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !numeric && name.len() <= LONGEST && name.split('.').all(label)
}

/// A URL that keys may be fetched from: https, or http on loopback.
pub(super) fn key_url(text: &str) -> Result<(), Refusal> {
    let Ok(url) = url::Url::parse(text) else {
        return refuse(
            "this is not a URL",
            Some("as in `https://issuer.example/.well-known/jwks.json`".to_owned()),
        );
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a URL may not hold a user name or password", None);
    }
    if url.fragment().is_some() {
        return refuse("a URL of a key set has no `#` part", None);
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => refuse(
            "keys fetched over plain http can be replaced on the way",
            Some("use https; http is only for loopback".to_owned()),
        ),
        other => {
            refuse(format!("keys cannot be fetched over `{other}`"), Some("use https".to_owned()))
        }
    }
}

/// A URL of an identity provider that secrets are sent to: https, or http on loopback.
pub(super) fn endpoint(text: &str) -> Result<url::Url, Refusal> {
    let url = absolute(text)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => refuse("secrets go there: it must be https", Some("http is only for loopback".into())),
    }
}

/// Where an OpenTelemetry collector takes traces, made of its base URL. Plain http is common for one
/// beside the gateway; no credential goes there.
pub(super) fn collector(text: &str) -> Result<String, Refusal> {
    let url = absolute(text)?;
    if !matches!(url.scheme(), "https" | "http") {
        return refuse("a collector is spoken to over http or https", None);
    }
    if url.query().is_some() {
        return refuse("the base URL of a collector has no query", None);
    }
    let base = url.as_str().trim_end_matches('/');
    if base.ends_with("/v1/traces") {
        let help = "only the base is wanted, as in `http://127.0.0.1:4318`".to_owned();
        return refuse("`/v1/traces` is added to the base URL", Some(help));
    }
    Ok(format!("{base}/v1/traces"))
}

/// A URL that browsers are sent to after signing out.
pub(super) fn landing(text: &str) -> Result<url::Url, Refusal> {
    let url = absolute(text)?;
    match url.scheme() {
        "https" | "http" => Ok(url),
        other => refuse(format!("browsers are not sent to `{other}`"), None),
    }
}

/// An absolute URL, written as it is sent: no user, no fragment, nothing to be escaped.
fn absolute(text: &str) -> Result<url::Url, Refusal> {
    let Some(url) = url::Url::parse(text).ok().filter(url::Url::has_host) else {
        return refuse("this is not an absolute URL", Some("as in `https://a.example/x`".into()));
    };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return refuse("a URL may not hold a user name, a password or a `#` part here", None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
        return refuse(
            "spaces, quotes and other than ASCII must be percent-encoded in a URL",
            None,
        );
    }
    Ok(url)
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether two listening addresses cannot be bound side by side.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let family = a.is_ipv4() == b.is_ipv4();
    let ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && family && ip
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_address_is_an_address_and_a_port() {
        assert!(listen("127.0.0.1:8080").is_ok());
        assert!(listen("[::]:443").is_ok());
        let help = |text| listen(text).unwrap_err().help.unwrap();
        assert!(help(":8080").contains("0.0.0.0:8080"));
        assert!(help("*:8080").contains("0.0.0.0:8080"));
        assert!(help("localhost:8080").contains("127.0.0.1:8080"));
        assert!(help("8080").contains("0.0.0.0:8080"));
        assert!(help("127.0.0.1").contains("port is missing"));
        assert!(listen("127.0.0.1:65536").is_err());
    }

    #[test]
    fn targets_are_addresses_or_names_with_a_port() {
        assert_eq!(
            target("10.0.1.10:8080").unwrap(),
            (TargetHost::Address([10, 0, 1, 10].into()), 8080)
        );
        assert_eq!(
            target("Orders.internal:80").unwrap().0,
            TargetHost::Name("orders.internal".into())
        );
        assert!(matches!(target("[::1]:80").unwrap().0, TargetHost::Address(IpAddr::V6(_))));
        for bad in [
            "a",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "::1:80",
            "http://a:80",
            "300.1.1.1:80",
            "a b:80",
            "-a:80",
            ":80",
        ] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_come_over_https_or_from_loopback() {
        for good in
            ["https://a.b/x", "http://127.0.0.1:9902/x", "http://[::1]/x", "http://localhost/x"]
        {
            assert!(key_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.b/x",
            "http://169.254.169.254/",
            "file:///etc/passwd",
            "ftp://a/",
            "x",
            "https://u:p@a/",
            "https://a/#x",
        ] {
            assert!(key_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wildcard_address_takes_every_address_of_its_family() {
        let collide = |a: &str, b: &str| collide(a.parse().unwrap(), b.parse().unwrap());
        assert!(collide("0.0.0.0:80", "127.0.0.1:80"));
        assert!(!collide("127.0.0.2:80", "127.0.0.1:80"));
        assert!(!collide("0.0.0.0:80", "[::]:80"));
        assert!(!collide("127.0.0.1:0", "127.0.0.1:0"));
    }
}
