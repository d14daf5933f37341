//! Reads a signature: from the header `Authorization`, or from the query of a presigned URL.

use std::borrow::Cow;
use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::{AUTHORIZATION, DATE};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Refused;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Longest `Authorization` that is read.
const LONGEST: usize = 8 * 1024;
/// Most headers that may be signed.
const MOST_HEADERS: usize = 128;

/// A signature, and what it says of itself.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) form: Form,
    pub(super) access_key_id: String,
    pub(super) scope: Scope,
    /// In lower case, in order, each once.
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: [u8; 32],
    /// As it was spelled: `20261123T120000Z`.
    pub(super) stamp: String,
    /// Seconds since 1970.
    pub(super) time: u64,
    pub(super) session_token: Option<String>,
}

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Header,
    Query { expires: Duration },
}

/// What a signature is for.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
}

/// `Authorization` headers that are signatures, or mean to be.
pub(super) fn in_header(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(AUTHORIZATION).into_iter().map(::http::HeaderValue::as_bytes);
    values.filter(|value| value.starts_with(b"AWS4-"))
}

/// Whether the query is a presigned URL's.
pub(super) fn in_query(query: Option<&str>) -> bool {
    parameters(query).any(|(name, _)| name.starts_with(b"X-Amz-"))
}

/// Names and values, decoded: bytes, so that no two of them read alike.
pub(super) fn parameters(
    query: Option<&str>,
) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    let decode = |text| Cow::from(percent_encoding::percent_decode_str(text));
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

impl Presented {
    pub(super) fn of(headers: &HeaderMap, query: Option<&str>) -> Result<Self, Refused> {
        let mut values = headers.get_all(AUTHORIZATION).into_iter();
        match (values.next(), values.next(), in_query(query)) {
            (None, None, false) => Err(Refused::Missing),
            (Some(value), None, false) => Self::of_header(value.as_bytes(), headers),
            (None, None, true) => Self::of_query(query),
            _ => Err(Refused::Twice),
        }
    }

    fn of_header(value: &[u8], headers: &HeaderMap) -> Result<Self, Refused> {
        if value.len() > LONGEST {
            return Err(Refused::Malformed("The Authorization header is too long.".to_owned()));
        }
        let digest = STANDARD.encode(digest(&SHA256, value));
        let malformed = |what: &str| {
            Refused::Malformed(format!(
                "{what} in Authorization header (hashed with SHA-256 and encoded with Base64): \
                 '{digest}'."
            ))
        };
        let text = std::str::from_utf8(value).map_err(|_| malformed("Invalid text"))?;
        let parameters = match text.split_once(' ') {
            Some((ALGORITHM, parameters)) => parameters,
            Some((algorithm, _)) if algorithm.starts_with("AWS4-") => {
                return Err(Refused::ScopeWrong);
            }
            _ => return Err(malformed("Invalid key=value pair (missing equal-sign)")),
        };
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for pair in parameters.split(',') {
            let (name, value) = pair
                .trim()
                .split_once('=')
                .ok_or_else(|| malformed("Invalid key=value pair (missing equal-sign)"))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(malformed("Unknown parameter")),
            };
            if place.replace(value).is_some() {
                return Err(Refused::Twice);
            }
        }
        let missing = |name: &str| {
            Refused::Malformed(format!("Authorization header requires '{name}' parameter."))
        };
        let credential = credential.ok_or_else(|| missing("Credential"))?;
        let signature = signature.ok_or_else(|| missing("Signature"))?;
        let signed = signed.ok_or_else(|| missing("SignedHeaders"))?;
        let (stamp, time) = time_of(headers)?;
        let session_token = only(headers, "x-amz-security-token")?.map(str::to_owned);
        Self::build(Form::Header, credential, signed, signature, (stamp, time), session_token)
    }

    fn of_query(query: Option<&str>) -> Result<Self, Refused> {
        let one = |wanted: &str| -> Result<Option<String>, Refused> {
            let mut values = parameters(query).filter(|(name, _)| **name == *wanted.as_bytes());
            let Some((_, value)) = values.next() else { return Ok(None) };
            if values.next().is_some() {
                return Err(Refused::Twice);
            }
            let text = String::from_utf8(value.into_owned());
            text.map(Some).map_err(|_| Refused::Malformed(format!("Invalid {wanted}.")))
        };
        let need = |name: &str| {
            one(name)?.ok_or_else(|| {
                Refused::Malformed(format!("AWS query-string parameters must include '{name}'."))
            })
        };
        if need("X-Amz-Algorithm")? != ALGORITHM {
            return Err(Refused::ScopeWrong);
        }
        let expires = need("X-Amz-Expires")?;
        let is_number = expires.bytes().all(|byte| byte.is_ascii_digit());
        let expires = expires.parse().ok().filter(|seconds| is_number && *seconds >= 1);
        let expires = expires.filter(|seconds| *seconds <= super::LONGEST_PRESIGNED.as_secs());
        let expires = expires.ok_or_else(|| {
            Refused::Malformed("X-Amz-Expires must be a number of 1 to 604800.".to_owned())
        })?;
        let stamp = need("X-Amz-Date")?;
        let time = seconds_of(&stamp).ok_or_else(bad_date)?;
        let (credential, signed) = (need("X-Amz-Credential")?, need("X-Amz-SignedHeaders")?);
        let signature = need("X-Amz-Signature")?;
        let token = one("X-Amz-Security-Token")?;
        let form = Form::Query { expires: Duration::from_secs(expires) };
        Self::build(form, &credential, &signed, &signature, (stamp, time), token)
    }

    fn build(
        form: Form,
        credential: &str,
        signed: &str,
        signature: &str,
        (stamp, time): (String, u64),
        session_token: Option<String>,
    ) -> Result<Self, Refused> {
        let bad = |what: &str| Refused::Malformed(format!("{what} is not spelled as it must be."));
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = parts.as_slice() else {
            return Err(bad("Credential"));
        };
        // The key that was derived is that day's.
        if !stamp.starts_with(date) || date.len() != 8 {
            return Err(Refused::ScopeWrong);
        }
        let signed_headers: Vec<String> = signed.split(';').map(str::to_owned).collect();
        let is_ordered = signed_headers.windows(2).all(|pair| match pair {
            [one, other] => one < other,
            _ => true,
        });
        let is_name = |name: &String| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase())
        };
        if !is_ordered || signed_headers.len() > MOST_HEADERS || !signed_headers.iter().all(is_name)
        {
            return Err(bad("SignedHeaders"));
        }
        Ok(Self {
            form,
            access_key_id: (*access_key_id).to_owned(),
            scope: Scope {
                date: (*date).to_owned(),
                region: (*region).to_owned(),
                service: (*service).to_owned(),
            },
            signed_headers,
            signature: bytes_of(signature).ok_or_else(|| bad("Signature"))?,
            stamp,
            time,
            session_token,
        })
    }
}

fn bad_date() -> Refused {
    Refused::Malformed(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
            .to_owned(),
    )
}

/// The time of signing, as it is signed and in seconds.
fn time_of(headers: &HeaderMap) -> Result<(String, u64), Refused> {
    if let Some(stamp) = only(headers, "x-amz-date")? {
        let time = seconds_of(stamp).ok_or_else(bad_date)?;
        return Ok((stamp.to_owned(), time));
    }
    let date = only(headers, DATE.as_str())?.ok_or_else(bad_date)?;
    let time = httpdate::parse_http_date(date).map_err(|_| bad_date())?;
    let time = time.duration_since(std::time::UNIX_EPOCH).map_err(|_| bad_date())?.as_secs();
    Ok((stamp_of(time), time))
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refused::Twice);
    }
    let text = value.to_str().map_err(|_| Refused::Malformed(format!("Invalid {name}.")))?;
    Ok(Some(text.trim()))
}

/// Seconds since 1970 of `20261123T120000Z`.
fn seconds_of(stamp: &str) -> Option<u64> {
    let bytes = stamp.as_bytes();
    let has_shape = bytes.len() == 16
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !has_shape {
        return None;
    }
    let number = |range: std::ops::Range<usize>| stamp.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let days = days_before(year, month)? + day - 1;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970 to the first of a month, by the proleptic Gregorian calendar.
fn days_before(year: u64, month: u64) -> Option<u64> {
    // Years that begin in March have the leap day at their end.
    let (shifted, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400;
    (days + (153 * month + 2) / 5).checked_sub(719_468)
}

fn stamp_of(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    // `Mon, 23 Nov 2026 12:00:00 GMT`
    let text = httpdate::fmt_http_date(time);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let names =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = names.iter().position(|name| *name == part(8..11)).unwrap_or_default() + 1;
    format!(
        "{}{month:02}{}T{}{}{}Z",
        part(12..16),
        part(5..7),
        part(17..19),
        part(20..22),
        part(23..25)
    )
}

fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_as_dates_are() {
        for seconds in [0, 951_782_400, 951_868_799, 1_440_938_160, 4_102_444_800] {
            assert_eq!(seconds_of(&stamp_of(seconds)), Some(seconds), "{}", stamp_of(seconds));
        }
        assert_eq!(stamp_of(1_440_938_160), "20150830T123600Z");
        for bad in
            ["", "20150830T123600", "20150830T123600z", "20151330T123600Z", "2015083٠T12360Z"]
        {
            assert_eq!(seconds_of(bad), None, "{bad}");
        }
    }
}
