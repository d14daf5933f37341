//! A sealed value cut into cookies, since browsers take 4096 bytes each.
//!
//! Every shard but the last has the same length, and the last is shorter, so that it is known from
//! the cookies themselves where the value ends: what an earlier, longer value left behind is not
//! read. One seal holds them together; a shard of another value, or one that is missing, leaves
//! nothing that opens.

use ::http::HeaderMap;

use crate::http::cookies;

/// Most shards of a value.
pub const MAX_SHARDS: usize = 4;
/// Characters of every shard but the last. With a name of 66 characters and all attributes a cookie
/// stays below 4096 bytes.
pub const SHARD: usize = 3946;

/// What a request has under the name of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The value; empty when there is none.
    pub value: Vec<u8>,
    /// A bit for each shard that the client has, also of those that are not part of the value.
    pub present: u8,
}

/// The name of a shard.
#[must_use]
pub fn shard_name(name: &str, index: usize) -> String {
    format!("{name}-{index}")
}

/// Cuts a value. `None` when it does not fit, or when its end could not be told.
#[must_use]
pub fn split(value: &str) -> Option<Vec<&str>> {
    let fits = value.len() < SHARD * MAX_SHARDS && !value.len().is_multiple_of(SHARD);
    if !fits || !value.is_ascii() {
        return None;
    }
    value.as_bytes().chunks(SHARD).map(|shard| std::str::from_utf8(shard).ok()).collect()
}

/// Puts together what a client sent, in whatever order. Of a name that stands twice the first
/// counts.
#[must_use]
pub fn join(headers: &HeaderMap, name: &str) -> Joined {
    let mut shards: [Option<&[u8]>; MAX_SHARDS] = [None; MAX_SHARDS];
    for (found, value) in cookies::all(headers) {
        let index = found.strip_prefix(name.as_bytes()).and_then(|rest| match rest {
            [b'-', digit @ b'0'..=b'9'] => Some(usize::from(digit - b'0')),
            _ => None,
        });
        if let Some(slot) = index.and_then(|index| shards.get_mut(index)) {
            slot.get_or_insert(value);
        }
    }
    let present = shards.iter().enumerate().filter(|(_, shard)| shard.is_some());
    let present = present.fold(0, |bits, (index, _)| bits | 1 << index);
    let mut value = Vec::new();
    for shard in shards {
        // One of the middle is missing: what is there does not open.
        let Some(shard) = shard else { break };
        value.extend_from_slice(shard);
        if shard.len() != SHARD {
            break;
        }
    }
    Joined { value, present }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use ::http::header::COOKIE;

    use super::*;

    fn headers(cookies: &[String]) -> HeaderMap {
        let text = cookies.join("; ");
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&text).unwrap())])
    }

    fn cookies(value: &str) -> Vec<String> {
        let shards = split(value).unwrap();
        shards.iter().enumerate().map(|(n, shard)| format!("s-{n}={shard}")).collect()
    }

    #[test]
    fn what_was_split_is_joined_in_any_order() {
        for length in [1, SHARD - 1, SHARD + 1, 3 * SHARD + 7, 4 * SHARD - 1] {
            let value = "abcdefg".repeat(3000)[..length].to_owned();
            let mut cookies = cookies(&value);
            cookies.reverse();
            assert_eq!(join(&headers(&cookies), "s").value, value.as_bytes(), "{length}");
        }
    }

    #[test]
    fn what_does_not_fit_or_has_no_end_is_not_split() {
        for length in [0, SHARD, 2 * SHARD, 4 * SHARD, 4 * SHARD + 1] {
            assert_eq!(split(&"x".repeat(length)), None, "{length}");
        }
        assert_eq!(split("é"), None);
    }

    #[test]
    fn shards_that_an_earlier_value_left_behind_are_not_read_but_told() {
        let mut all = cookies("short");
        all.push("s-1=stale".to_owned());
        all.push("s-3=stale".to_owned());
        let joined = join(&headers(&all), "s");
        assert_eq!((joined.value.as_slice(), joined.present), (&b"short"[..], 0b1011));
    }

    #[test]
    fn strange_indices_and_names_are_not_ours() {
        let all: Vec<String> = ["s-4=x", "s-00=x", "s-0x=x", "s-=x", "s=x", "as-0=x", "S-0=x"]
            .map(String::from)
            .into();
        assert_eq!(join(&headers(&all), "s"), Joined { value: Vec::new(), present: 0 });
    }

    #[test]
    fn of_two_hundred_shards_four_are_looked_at() {
        let all: Vec<String> =
            (0..200).map(|n| format!("s-{}={}", n % 10, "y".repeat(SHARD))).collect();
        assert_eq!(join(&headers(&all), "s").value.len(), 4 * SHARD);
    }
}
