//! The two cookies of the sign-in pages.
//!
//! Browsers keep cookies by host and not by port, so on loopback every server sees every other's.
//! The names hold the pool's port: two pools of one machine do not sign each other's users out.

use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderValue, header};

use super::super::browsers;

/// A cookie of this pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// The browser that signed in.
    Session,
    /// The form that it was shown.
    Form,
}

impl Cookie {
    fn name(self, pool: SocketAddr) -> String {
        let port = pool.port();
        match self {
            Self::Session => format!("cognito-{port}"),
            Self::Form => format!("XSRF-TOKEN-{port}"),
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Session => "/",
            Self::Form => "/login",
        }
    }

    /// The value that the browser brought. Two of one name come from somebody else's page, and
    /// count as none.
    pub(super) fn find(self, pool: SocketAddr, headers: &HeaderMap) -> Option<&str> {
        let name = self.name(pool);
        let lines = headers.get_all(header::COOKIE).iter();
        let mut values = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(its, _)| *its == name)
            .map(|(_, value)| value);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// `Set-Cookie` with `value`, or what removes it. No script reads it; without `Secure`, since
    /// loopback speaks plain HTTP.
    pub(super) fn set(self, pool: SocketAddr, value: Option<&str>) -> Option<HeaderValue> {
        let seconds = value.map_or(0, |_| browsers::VALIDITY.as_secs());
        let text = format!(
            "{}={}; Path={}; Max-Age={seconds}; HttpOnly; SameSite=Lax",
            self.name(pool),
            value.unwrap_or_default(),
            self.path(),
        );
        HeaderValue::try_from(text).ok()
    }
}
