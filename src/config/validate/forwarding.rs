//! What a listener believes of its clients' way, and what it tells targets about it.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::pattern::Refusal;
use super::{Judge, header};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, List};
use crate::config::model::{ProxyProtocol, RequestHeaders, Rule, TlsHeaders};
use crate::config::raw;
use crate::http::TrustedProxies;
use crate::http::forwarded::ForwardedFor;

/// Every request looks through them.
const MOST_NETWORKS: usize = 100;
/// ALB's names.
const TLS_VERSION: &str = "x-amzn-tls-version";
const TLS_CIPHER_SUITE: &str = "x-amzn-tls-cipher-suite";

impl Judge<'_> {
    pub(super) fn trusted_proxies(&mut self, raw: &Field<List<String>>) -> TrustedProxies {
        let Some(list) = raw.given() else { return TrustedProxies::default() };
        if list.value.is_empty {
            let message = "an empty list trusts nobody";
            self.report(
                Diagnostic::error("empty-list", list.key, message)
                    .help("leave `trusted_proxies` out; then nobody is trusted"),
            );
        }
        if let Some(item) = list.value.items.get(MOST_NETWORKS) {
            let message = format!("more than {MOST_NETWORKS} networks");
            self.report(Diagnostic::error("out-of-range", item.span, message));
        }
        let mut networks = Vec::new();
        for item in &list.value.items {
            let network = self.accept("invalid-network", item.span, network(&item.value));
            if network.is_some_and(|network| network.prefix_len() == 0) {
                let message = "this trusts everybody: any client can say who it is";
                self.report(
                    Diagnostic::warning("trusts-everybody", item.span, message)
                        .help("name the networks of your proxies"),
                );
            }
            networks.extend(network);
        }
        TrustedProxies::new(networks)
    }

    pub(super) fn proxy_protocol(
        &mut self,
        raw: &raw::Listener,
        address: Option<(Span, SocketAddr)>,
    ) -> Option<ProxyProtocol> {
        let given = raw.proxy_protocol.given()?;
        let is_exposed = address.is_some_and(|(_, address)| !address.ip().is_loopback());
        if is_exposed && raw.trusted_proxies.is_absent() {
            let message = "whoever connects may say which address it has";
            self.report(
                Diagnostic::warning("proxy-protocol-from-anybody", given.key, message)
                    .help("name the proxies that send it under `trusted_proxies`"),
            );
        }
        Some(match given.value {
            raw::ProxyProtocol::V1 => ProxyProtocol::V1,
            raw::ProxyProtocol::V2 => ProxyProtocol::V2,
            raw::ProxyProtocol::Any => ProxyProtocol::Any,
        })
    }

    /// Names that are given here are ours.
    pub(super) fn request_headers(
        &mut self,
        raw: &raw::Listener,
        has_tls: bool,
        owned: &mut Vec<String>,
    ) -> RequestHeaders {
        let tls = raw.tls_headers.given().and_then(|given| {
            let tls = self.tls_headers(&given.value);
            if tls.is_some() && !has_tls {
                let message = "`tls_headers` is for listeners with `tls`";
                self.report(Diagnostic::error("contradiction", given.key, message));
            }
            tls
        });
        if let Some(tls) = &tls {
            owned.extend([&tls.version, &tls.cipher_suite].map(ToString::to_string));
        }
        RequestHeaders {
            forwarded_for: self.forwarded_for(&raw.x_forwarded_for),
            preserve_host: raw.preserve_host_header.value().copied().unwrap_or(false),
            drop_invalid: raw.drop_invalid_header_fields.value().copied().unwrap_or(false),
            tls,
        }
    }

    /// A header carries one thing.
    pub(super) fn check_tls_names<'r>(
        &mut self,
        key: Span,
        names: &TlsHeaders,
        rules: impl IntoIterator<Item = &'r Rule>,
    ) {
        let is_taken =
            |name: &str| names.version.as_ref() == name || names.cipher_suite.as_ref() == name;
        let mut claims = rules.into_iter().flat_map(|rule| rule.claim_headers.iter());
        if let Some(claim) = claims.find(|claim| is_taken(&claim.header)) {
            let message = format!("`{}` carries a claim on this listener", claim.header);
            self.report(Diagnostic::error("duplicate-value", key, message));
        }
    }

    fn forwarded_for(&mut self, raw: &Field<raw::ForwardedFor>) -> ForwardedFor {
        let Some(given) = raw.given() else { return ForwardedFor::default() };
        let (mode, client_port) = match &given.value {
            raw::ForwardedFor::Mode(mode) => (*mode, None),
            raw::ForwardedFor::Object(object) => (
                object.mode.value().copied().unwrap_or(raw::ForwardedForMode::Append),
                object.client_port.given(),
            ),
        };
        let with_port = client_port.is_some_and(|given| given.value);
        match mode {
            raw::ForwardedForMode::Append => ForwardedFor::Append { client_port: with_port },
            raw::ForwardedForMode::Preserve | raw::ForwardedForMode::Remove => {
                if let Some(given) = client_port.filter(|_| with_port) {
                    let message = "`client_port` is for `mode: append`; nothing is written here";
                    self.report(Diagnostic::error("contradiction", given.key, message));
                }
                match mode {
                    raw::ForwardedForMode::Remove => ForwardedFor::Remove,
                    _ => ForwardedFor::Preserve,
                }
            }
        }
    }

    fn tls_headers(&mut self, raw: &raw::TlsHeaders) -> Option<TlsHeaders> {
        let names = match raw {
            raw::TlsHeaders::Plain(false) => return None,
            raw::TlsHeaders::Plain(true) => {
                return Some(TlsHeaders {
                    version: TLS_VERSION.into(),
                    cipher_suite: TLS_CIPHER_SUITE.into(),
                });
            }
            raw::TlsHeaders::Object(names) => names,
        };
        let version = self.own_name(&names.version, TLS_VERSION)?;
        let cipher_suite = self.own_name(&names.cipher_suite, TLS_CIPHER_SUITE)?;
        if let Some(second) = names.cipher_suite.given().or(names.version.given())
            && crate::http::ownership::is_same_header(&version, &cipher_suite)
        {
            let message = "two things cannot be told under one name";
            self.report(Diagnostic::error("duplicate-value", second.span, message));
        }
        Some(TlsHeaders { version: version.into(), cipher_suite: cipher_suite.into() })
    }

    /// A header that we write, under the name that the file gives it.
    fn own_name(&mut self, raw: &Field<String>, default: &str) -> Option<String> {
        match raw {
            Field::Absent => Some(default.to_owned()),
            Field::Wrong(_) => None,
            Field::Given(name) if name.value.eq_ignore_ascii_case(default) => {
                Some(default.to_owned())
            }
            Field::Given(name) => {
                self.accept("invalid-header-name", name.span, header::owned(&name.value))
            }
        }
    }
}

/// A CIDR block, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, Refusal> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let Ok(network) = text.parse::<IpNet>() else {
        let help = "as in `10.0.0.0/8`, `192.0.2.7` or `\"2001:db8::/32\"`".to_owned();
        return Err(Refusal {
            message: "this is neither a CIDR block nor an IP address".to_owned(),
            help: Some(help),
        });
    };
    if network.trunc() != network {
        return Err(Refusal {
            message: format!("`{network}` has bits set behind its prefix"),
            help: Some(format!("write `{}`", network.trunc())),
        });
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_block_or_one_address() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), shown);
        }
        assert_eq!(network("10.0.0.1/8").unwrap_err().help.unwrap(), "write `10.0.0.0/8`");
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "a.test", "10.0.0.0/8/8", " 10.0.0.0/8"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }
}
