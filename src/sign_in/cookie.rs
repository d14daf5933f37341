//! The attributes of our cookies.

use std::time::{Duration, UNIX_EPOCH};

use ::http::header::{HOST, ORIGIN};
use ::http::{HeaderMap, HeaderValue};

use crate::clock::UnixMillis;
use crate::http::Scheme;
use crate::session::shards::{MAX_SHARDS, shard_name, split};

/// The last second that a date of HTTP can name, should a clock be that wrong.
const LAST_SECOND: u64 = 253_402_300_799;
/// A date that is over.
const GONE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// Where a browser may send our cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Only over TLS.
    pub is_secure: bool,
    /// Also with requests that pages of other sites make.
    pub is_cross_site: bool,
}

impl Reach {
    /// As ALB has it: beyond the site only for those who are called from another one (CORS).
    #[must_use]
    pub fn of(headers: &HeaderMap, scheme: Scheme) -> Self {
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let is_foreign = origin.is_some_and(|origin| {
            origin.split_once("://").is_some_and(|(_, from)| Some(from) != host)
        });
        let is_secure = scheme == Scheme::Https;
        Self { is_secure, is_cross_site: is_foreign && is_secure }
    }

    fn attributes(self) -> &'static str {
        match (self.is_secure, self.is_cross_site) {
            (true, false) => "Path=/; Secure; HttpOnly; SameSite=Lax",
            (true, true) => "Path=/; Secure; HttpOnly; SameSite=None",
            // Loopback without TLS: a browser may refuse `Secure` there.
            (false, _) => "Path=/; HttpOnly; SameSite=Lax",
        }
    }

    /// One cookie.
    pub(super) fn set(
        self,
        name: &str,
        value: &str,
        now: UnixMillis,
        life: Duration,
    ) -> Option<HeaderValue> {
        let end = now.plus(life).seconds().min(LAST_SECOND);
        let end = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(end));
        let attributes = self.attributes();
        let mut value =
            HeaderValue::try_from(format!("{name}={value}; Expires={end}; {attributes}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Ends a cookie, with the attributes that it was set with.
    pub(super) fn end(self, name: &str) -> Option<HeaderValue> {
        let attributes = self.attributes();
        HeaderValue::try_from(format!("{name}=; Expires={GONE}; {attributes}")).ok()
    }

    /// The shards of a value, and the end of those `present` that it does not need.
    pub(super) fn set_shards(
        self,
        name: &str,
        value: &str,
        present: u8,
        now: UnixMillis,
        life: Duration,
    ) -> Option<Vec<HeaderValue>> {
        let shards = split(value)?;
        let mut cookies = shards
            .iter()
            .enumerate()
            .map(|(index, shard)| self.set(&shard_name(name, index), shard, now, life))
            .collect::<Option<Vec<_>>>()?;
        let kept = (1_u8 << shards.len()) - 1;
        cookies.extend(self.end_shards(name, present & !kept));
        Some(cookies)
    }

    /// Ends the shards that a bit is set for.
    pub(super) fn end_shards(self, name: &str, present: u8) -> Vec<HeaderValue> {
        let is_present = |index: &usize| present & (1 << index) != 0;
        (0..MAX_SHARDS)
            .filter(is_present)
            .filter_map(|index| self.end(&shard_name(name, index)))
            .collect()
    }
}
