//! The cookies themselves: found among a client's, and written for it in ALB's words.

use std::time::{Duration, UNIX_EPOCH};

use ::http::header::SET_COOKIE;
use ::http::{HeaderMap, HeaderValue};
use memchr::memchr;

use super::memory::{BYTES, Memory};
use crate::clock::UnixMillis;
use crate::http::cookies::{split, values};
use crate::session::{Purpose, Seal, sealed_length};

/// Cookies live for so long, whatever the duration inside is (alb.md 9.5).
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// The last second that a date of HTTP can name, should a clock be that wrong.
const LAST_SECOND: u64 = 253_402_300_799;

/// Characters of a sealed memory: those of ALB's own cookies. What has another length is not ours.
pub(super) const SEALED: usize = sealed_length(BYTES);

/// So many cookies of one name are tried. Another site of the same domain may put in front what
/// does not open; who sends hundreds buys no work with them.
const TRIES: usize = 4;

/// Names that begin so are ours.
pub(super) const RESERVED: &[u8] = b"AWSALB";

/// Which of our cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keeps a client on a target.
    Target,
    /// Keeps a client in a target group.
    Group,
    /// Keeps a client on a target while the target's own cookie lasts.
    Application,
}

impl Kind {
    /// Its names, the one that wins first.
    pub(super) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Target => &["AWSALBCORS", "AWSALB"],
            Self::Group => &["AWSALBTGCORS", "AWSALBTG"],
            Self::Application => &["AWSALBAPP-0"],
        }
    }

    /// What its memory is sealed for.
    pub(super) fn purpose(self) -> Purpose {
        Purpose::new(self.names().last().copied().unwrap_or_default(), "")
    }
}

/// Where a cookie goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// As browsers have it by default.
    Default,
    /// To requests from other sites too.
    CrossSite,
}

/// What the client's cookies of a kind remember. One that is not ours, or was tampered with, is as
/// good as absent.
pub(super) fn open(
    headers: &HeaderMap,
    kind: Kind,
    seal: &Seal,
    purpose: &Purpose,
) -> Option<Memory> {
    kind.names().iter().find_map(|name| {
        values(headers, name)
            .filter(|value| value.len() == SEALED)
            .take(TRIES)
            .find_map(|value| Memory::from_bytes(&seal.open(purpose, value)?))
    })
}

/// `NAME=VALUE; Expires=...; Path=/`, as ALB writes it.
pub(super) fn set(name: &str, value: &str, now: UnixMillis, reach: Reach) -> Option<HeaderValue> {
    let end = UNIX_EPOCH + Duration::from_secs(now.plus(LIFETIME).seconds().min(LAST_SECOND));
    let reach = match reach {
        Reach::Default => "",
        Reach::CrossSite => "; SameSite=None; Secure",
    };
    let end = httpdate::fmt_http_date(end);
    HeaderValue::try_from(format!("{name}={value}; Expires={end}; Path=/{reach}")).ok()
}

/// Whether an answer sets a cookie of this name, by whatever value.
pub(super) fn is_set(headers: &HeaderMap, name: &str) -> bool {
    headers.get_all(SET_COOKIE).into_iter().any(|value| set_name(value) == name.as_bytes())
}

/// Whether a `Set-Cookie` sets a cookie whose name is ours.
pub(super) fn is_reserved(value: &HeaderValue) -> bool {
    set_name(value).starts_with(RESERVED)
}

fn set_name(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    let pair = memchr(b';', bytes).and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    split(pair).map_or(b"", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use ::http::header::COOKIE;

    use super::*;
    use crate::session::keys::Key;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|text| (COOKIE, HeaderValue::from_str(text).unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_written_as_alb_writes_it() {
        let now = UnixMillis(1_552_359_198_000);
        let cookie = |reach| set("AWSALB", "x", now, reach).unwrap();
        assert_eq!(
            cookie(Reach::Default),
            "AWSALB=x; Expires=Tue, 19 Mar 2019 02:53:18 GMT; Path=/"
        );
        assert_eq!(
            cookie(Reach::CrossSite),
            "AWSALB=x; Expires=Tue, 19 Mar 2019 02:53:18 GMT; Path=/; SameSite=None; Secure"
        );
        let never = set("AWSALB", "x", UnixMillis(u64::MAX), Reach::Default).unwrap();
        assert_eq!(never, "AWSALB=x; Expires=Fri, 31 Dec 9999 23:59:59 GMT; Path=/");
    }

    #[test]
    fn names_of_set_cookies_are_read_as_browsers_read_them() {
        let set =
            |text: &str| HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_str(text).unwrap())]);
        for text in ["sid=1; Path=/", " sid =; Max-Age=0", "sid=", "sid=a=b"] {
            assert!(is_set(&set(text), "sid"), "{text}");
        }
        for text in ["sid", "xsid=1", "SID=1", "a; sid=1", "=sid", "sid; =1"] {
            assert!(!is_set(&set(text), "sid"), "{text}");
        }
        for (text, ours) in [("AWSALBTG=x", true), (" AWSALBAPP-3 =x", true), ("a=AWSALB", false)] {
            assert_eq!(is_reserved(&HeaderValue::from_str(text).unwrap()), ours, "{text}");
        }
    }

    #[test]
    fn the_first_sound_one_of_a_few_counts_and_hundreds_are_not_tried() {
        let seal = Seal::new(vec![Key::derive(&[1; 32]).unwrap()], None);
        let kind = Kind::Target;
        let mut memory = Memory::default();
        memory.note(1, 2, UnixMillis(u64::from(u32::MAX)));
        let sound = seal.seal(&kind.purpose(), &memory.to_bytes()).unwrap();
        assert_eq!(sound.len(), SEALED);
        let forged = "A".repeat(SEALED);
        let open = |cookies: &[String]| {
            let text = cookies.iter().map(|value| format!("AWSALB={value}")).collect::<Vec<_>>();
            open(&headers(&[&text.join("; ")]), kind, &seal, &kind.purpose())
        };
        assert_eq!(open(std::slice::from_ref(&sound)), Some(memory));
        assert_eq!(open(&[forged.clone(), "short".into(), sound.clone()]), Some(memory));
        let mut flood = vec![forged; 200];
        flood.push(sound);
        assert_eq!(open(&flood), None);
    }
}
