//! Who may ask what: the `Host` check against DNS rebinding, and the token.

use std::net::{IpAddr, Ipv6Addr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, Version, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Options;
use super::problem::Problem;

/// The rules of access of one listener.
#[derive(Debug)]
pub(super) struct Guard {
    /// A digest, so that comparing does not even tell the length.
    token: Option<[u8; 32]>,
    hosts: Vec<String>,
    is_loopback: bool,
}

impl Guard {
    pub(super) fn new(options: &Options, bound: IpAddr) -> Self {
        let token = options.token.as_ref().map(|token| token.expose().as_bytes());
        Self {
            token: token.filter(|token| !token.is_empty()).map(sha256),
            hosts: options.hosts.clone(),
            is_loopback: bound.to_canonical().is_loopback(),
        }
    }

    /// A page that was led here by a name that its own server points at us sends that name as
    /// `Host`. An address cannot be pointed elsewhere, so any address will do.
    pub(super) fn check_host(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => Some(host.to_str().unwrap_or_default()),
            // Simple probes speak HTTP/1.0 without it; a browser never does.
            (None, _) if version == Version::HTTP_10 => None,
            _ => return Err(Problem::new(StatusCode::BAD_REQUEST, "one Host header, please")),
        };
        let asked = host.into_iter().chain(uri.authority().map(Authority::as_str));
        for host in asked {
            if !self.is_own(host) {
                return Err(Problem::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "this Host is not a name of the admin listener; ask it by its address",
                ));
            }
        }
        Ok(())
    }

    fn is_own(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        if authority.as_str().contains('@') {
            return false;
        }
        let name = authority.host();
        let name = name.strip_suffix('.').unwrap_or(name);
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok()
            || is_bracketed_address(name)
            || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// For what changes something.
    pub(super) fn check_change(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.check_token(
            headers,
            "changes need the admin token, and the file sets none (admin.token); \
             without one, send the process SIGHUP to reload",
        )
    }

    /// For what tells about users, keys or the configuration: open on loopback.
    pub(super) fn check_disclosure(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.is_loopback {
            return Ok(());
        }
        self.check_token(
            headers,
            "beyond loopback this page needs the admin token, and the file sets none (admin.token)",
        )
    }

    /// For pages, which only show: browsers give the token as a password. What changes something
    /// never takes it that way, since a browser would send it along for any site that asks.
    pub(super) fn check_page(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let password =
            headers.get(header::AUTHORIZATION).and_then(|value| password(value.as_bytes()));
        if let (Some(token), Some(password)) = (&self.token, password)
            && headers.get_all(header::AUTHORIZATION).iter().count() == 1
            && verify_slices_are_equal(token, &sha256(&password)).is_ok()
        {
            return Ok(());
        }
        self.check_disclosure(headers)
            .map_err(|problem| Problem { is_for_browser: true, ..problem })
    }

    fn check_token(&self, headers: &HeaderMap, without: &str) -> Result<(), Problem> {
        let Some(token) = &self.token else {
            return Err(Problem::new(StatusCode::FORBIDDEN, without));
        };
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let is_right = match (given.next(), given.next()) {
            (Some(credential), None) => bearer(credential.as_bytes())
                .is_some_and(|given| verify_slices_are_equal(token, &sha256(given)).is_ok()),
            _ => false,
        };
        if is_right {
            return Ok(());
        }
        let detail = "this needs the header Authorization: Bearer with the admin token";
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
    }
}

fn is_bracketed_address(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

fn bearer(credential: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credential.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// The password of `Basic`, whatever the user is called (RFC 7617).
fn password(credential: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = credential.split_at_checked(b"basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(encoded).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

fn sha256(text: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_localhost_and_configured_names_are_own() {
        let options = Options { token: None, hosts: vec!["gw.internal".into()] };
        let guard = Guard::new(&options, IpAddr::from([127, 0, 0, 1]));
        for own in [
            "localhost",
            "LOCALHOST:9901",
            "localhost.",
            "127.0.0.1:9901",
            "10.1.2.3",
            "[::1]:9901",
            "gw.internal:1",
        ] {
            assert!(guard.is_own(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "gw.internal.evil.example",
            "localhost/",
            "[evil]",
        ] {
            assert!(!guard.is_own(foreign), "{foreign}");
        }
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        let options = Options { token: Some(Secret::new(String::new())), hosts: vec![] };
        let guard = Guard::new(&options, IpAddr::from([127, 0, 0, 1]));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Bearer ".parse().unwrap());
        assert_eq!(guard.check_change(&headers).unwrap_err().status, StatusCode::FORBIDDEN);
    }

    use crate::config::model::Secret;
}
