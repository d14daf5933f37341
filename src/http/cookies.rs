//! The cookies of a request (RFC 6265 4.2), found among whatever else a client sends as such.

use ::http::HeaderMap;
use ::http::header::COOKIE;
use memchr::memchr;

/// All cookies, in order: name and value.
pub fn all(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let fields = headers.get_all(COOKIE).into_iter();
    fields.flat_map(|field| field.as_bytes().split(|&byte| byte == b';')).filter_map(split)
}

/// The values of all cookies of this name, in order.
pub fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
    all(headers).filter_map(move |(found, value)| (found == name.as_bytes()).then_some(value))
}

/// Name and value of `NAME=VALUE`, as browsers read it.
#[must_use]
pub fn split(cookie: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = cookie.split_at_checked(memchr(b'=', cookie)?)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

/// What is left of a `Cookie` field without some cookies; `None` when all are to stay.
#[must_use]
pub fn without(field: &[u8], is_unwanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let is_unwanted = |cookie: &&[u8]| split(cookie).is_some_and(|(name, _)| is_unwanted(name));
    let cookies = || field.split(|&byte| byte == b';');
    if !cookies().any(|cookie| is_unwanted(&cookie)) {
        return None;
    }
    let kept: Vec<&[u8]> =
        cookies().filter(|cookie| !is_unwanted(cookie)).map(<[u8]>::trim_ascii).collect();
    Some(kept.join(&b"; "[..]))
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|text| (COOKIE, HeaderValue::from_str(text).unwrap())).collect()
    }

    #[test]
    fn cookies_are_found_in_several_fields_and_by_their_whole_name() {
        let headers =
            headers(&["AWSALB=1;AWSALBCORS=2; xAWSALB=3", "  AWSALB = 4 ", "AWSALB;awsalb=5"]);
        let found: Vec<_> = values(&headers, "AWSALB").collect();
        assert_eq!(found, [b"1", b"4"]);
    }

    #[test]
    fn unwanted_cookies_are_taken_out_and_the_others_stay() {
        let is_ours = |name: &[u8]| name.starts_with(b"S-");
        assert_eq!(without(b"a=1; S-x; b=2", is_ours), None);
        assert_eq!(without(b"S-0=1;a=1;  S-1 =2; b", is_ours).unwrap(), b"a=1; b");
        assert_eq!(without(b"S-0=1", is_ours).unwrap(), b"");
    }
}
