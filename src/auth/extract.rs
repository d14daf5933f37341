//! The token of a request: exactly one header, exactly one spelling, never a guess.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

use super::reason::Reason;
use crate::config::model::IdentitySource;

/// Where the token is looked for.
#[derive(Debug, Clone)]
pub(super) enum TokenPlace {
    /// `Authorization: Bearer TOKEN` (RFC 6750 section 2.1).
    Authorization,
    /// The bare token in another header.
    Header(HeaderName),
    /// The token with `Bearer` in front, or without, as API Gateway takes it.
    BearerOrBare(HeaderName),
    /// Not among the headers: whoever knows the query looks there.
    Elsewhere,
}

impl TokenPlace {
    /// A name that is no header name cannot occur in a validated file; it would find nothing.
    pub(super) fn compile(source: &IdentitySource) -> Self {
        match source {
            IdentitySource::Authorization => Self::Authorization,
            IdentitySource::Header(name) => {
                HeaderName::try_from(name.as_str()).map_or(Self::Authorization, Self::Header)
            }
            IdentitySource::Query(_) => Self::Elsewhere,
            IdentitySource::BearerOrBare(name) => {
                HeaderName::try_from(name.as_str()).map_or(Self::Authorization, Self::BearerOrBare)
            }
        }
    }

    /// The bytes of the token.
    pub(super) fn token<'a>(&self, headers: &'a HeaderMap) -> Result<&'a [u8], Reason> {
        match self {
            Self::Authorization => bearer(only(headers, &AUTHORIZATION)?),
            Self::Header(name) => match only(headers, name)? {
                [] => Err(Reason::TokenMalformed),
                token => Ok(token),
            },
            Self::BearerOrBare(name) => bearer_or_bare(only(headers, name)?),
            Self::Elsewhere => Err(Reason::TokenMissing),
        }
    }
}

/// The value of a header that stands exactly once. Which of two is meant cannot be told.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a [u8], Reason> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Reason::TokenMissing)?;
    if values.next().is_some() { Err(Reason::TokenRepeated) } else { Ok(value.as_bytes()) }
}

/// `Bearer`, in any case, one space, the token. Whether the rest is a token shows when it is read:
/// neither space nor comma is a base64url character.
fn bearer(value: &[u8]) -> Result<&[u8], Reason> {
    const SCHEME: usize = "bearer".len();
    let (scheme, rest) = value.split_at_checked(SCHEME).ok_or_else(|| short(value))?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Reason::SchemeNotBearer);
    }
    match rest {
        [b' ', token @ ..] if !token.is_empty() => Ok(token),
        [] | [b' ' | b'\t' | b',' | b'=', ..] => Err(Reason::TokenMalformed),
        _ => Err(Reason::SchemeNotBearer),
    }
}

/// Another scheme is no token either, which shows when it is read. An empty value is none.
fn bearer_or_bare(value: &[u8]) -> Result<&[u8], Reason> {
    let token = match value.split_at_checked("bearer ".len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
        _ => value,
    };
    if token.is_empty() { Err(Reason::TokenMissing) } else { Ok(token) }
}

/// Too short to be ours: empty, or another scheme.
const fn short(value: &[u8]) -> Reason {
    if value.is_empty() { Reason::TokenMalformed } else { Reason::SchemeNotBearer }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn token(values: &[&str]) -> Result<String, Reason> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let token = TokenPlace::Authorization.token(&headers)?;
        Ok(String::from_utf8(token.to_vec()).unwrap())
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c"] {
            assert_eq!(token(&[value]).as_deref(), Ok("a.b.c"));
        }
    }

    #[test]
    fn another_scheme_is_told_from_a_bad_token() {
        for value in ["Basic YTpi", "Token a", "Bearerx a", "x", "a.b.c", "Digest a=b"] {
            assert_eq!(token(&[value]), Err(Reason::SchemeNotBearer), "{value}");
        }
        for value in ["", "Bearer", "Bearer ", "Bearer\ta", "Bearer,a"] {
            assert_eq!(token(&[value]), Err(Reason::TokenMalformed), "{value}");
        }
    }

    #[test]
    fn two_headers_are_refused_even_if_equal() {
        assert_eq!(token(&["Bearer a", "Bearer a"]), Err(Reason::TokenRepeated));
        assert_eq!(token(&[]), Err(Reason::TokenMissing));
    }

    #[test]
    fn a_second_space_or_a_list_stays_in_the_token_where_decoding_refuses_it() {
        assert_eq!(token(&["Bearer  a"]).as_deref(), Ok(" a"));
        assert_eq!(token(&["Bearer a, Bearer b"]).as_deref(), Ok("a, Bearer b"));
    }

    #[test]
    fn an_api_takes_a_token_with_bearer_in_front_and_without() {
        let place = TokenPlace::compile(&IdentitySource::BearerOrBare("authorization".into()));
        let token = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            place.token(&headers).map(|token| String::from_utf8(token.to_vec()).unwrap())
        };
        for value in ["a.b.c", "Bearer a.b.c", "bearer a.b.c"] {
            assert_eq!(token(value).as_deref(), Ok("a.b.c"), "{value}");
        }
        assert_eq!(token("Bearer  a.b.c").as_deref(), Ok(" a.b.c"));
        assert_eq!(token("Bearer ").as_deref(), Err(&Reason::TokenMissing));
        assert_eq!(token("").as_deref(), Err(&Reason::TokenMissing));
    }

    #[test]
    fn another_header_holds_the_bare_token() {
        let place = TokenPlace::compile(&IdentitySource::Header("x-token".into()));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert_eq!(place.token(&headers), Err(Reason::TokenMissing));
        headers.insert("x-token", HeaderValue::from_static("b"));
        assert_eq!(place.token(&headers), Ok(&b"b"[..]));
    }
}
