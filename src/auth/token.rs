//! A compact JWS (RFC 7515) taken apart: three parts, one valid spelling, a strict header.
//!
//! Nothing is believed here and no key is looked at. What is refused beyond the RFCs is refused so
//! that one token has one spelling, and so that a header can change nothing about how it is judged.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json::{self, JsonError};
use super::reason::Reason;
use crate::config::model::Algorithm;

/// Longest header part, in characters.
pub(super) const MAX_HEADER: usize = 4096;
/// Longest `kid` in bytes.
const MAX_KEY_ID: usize = 256;
/// Longest signature in characters: RSA with 8192 bits.
const MAX_SIGNATURE: usize = 1366;

/// The parts of a token, still encoded.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    /// What the signature covers: `header.payload` as received.
    pub(super) signed: &'a [u8],
    header: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
}

/// Splits at the first and the last dot; no part may be empty.
///
/// A dot between the two is no base64url character: decoding the payload refuses it.
pub(super) fn split(token: &[u8]) -> Result<Parts<'_>, Reason> {
    // As text, because its search looks at a word at a time.
    let text = std::str::from_utf8(token).map_err(|_| Reason::TokenMalformed)?;
    let (signed, signature) = text.rsplit_once('.').ok_or(Reason::TokenMalformed)?;
    let (header, payload) = signed.split_once('.').ok_or(Reason::TokenMalformed)?;
    let complete = !header.is_empty() && !payload.is_empty() && !signature.is_empty();
    if !complete || header.len() > MAX_HEADER {
        return Err(Reason::TokenMalformed);
    }
    Ok(Parts {
        signed: signed.as_bytes(),
        header: header.as_bytes(),
        payload: payload.as_bytes(),
        signature: signature.as_bytes(),
    })
}

/// Room for a decoded part: on the stack for the usual length, so that reading one neither
/// allocates nor clears more than it needs.
pub(super) struct Buffer<const N: usize> {
    usual: [u8; N],
    longer: Vec<u8>,
}

/// Room for a header: `alg`, `kid` and `typ` take about 100 bytes.
pub(super) type HeaderBuffer = Buffer<192>;
/// Room for a signature: RSA with 2048 bits, rounded up as the decoder wants it.
pub(super) type SignatureBuffer = Buffer<258>;

impl<const N: usize> Buffer<N> {
    pub(super) const fn new() -> Self {
        Self { usual: [0; N], longer: Vec::new() }
    }

    /// Decodes without padding; a bad character and unused bits that are not zero are refused.
    fn decode(&mut self, part: &[u8]) -> Result<&[u8], Reason> {
        if part.len() <= N / 3 * 4 {
            let length = URL_SAFE_NO_PAD
                .decode_slice(part, &mut self.usual)
                .map_err(|_| Reason::TokenMalformed)?;
            self.usual.get(..length).ok_or(Reason::TokenMalformed)
        } else {
            self.longer = URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::TokenMalformed)?;
            Ok(&self.longer)
        }
    }
}

impl<'a> Parts<'a> {
    /// Reads the header into `buffer`.
    pub(super) fn header<'b>(&self, buffer: &'b mut HeaderBuffer) -> Result<Header<'b>, Reason> {
        Header::parse(buffer.decode(self.header)?)
    }

    /// The signature's bytes, in `buffer`.
    pub(super) fn signature<'b>(
        &self,
        buffer: &'b mut SignatureBuffer,
    ) -> Result<&'b [u8], Reason> {
        if self.signature.len() > MAX_SIGNATURE {
            return Err(Reason::TokenMalformed);
        }
        buffer.decode(self.signature)
    }

    /// The payload's text.
    pub(super) fn payload(&self) -> Result<String, Reason> {
        let bytes = URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| Reason::TokenMalformed)?;
        String::from_utf8(bytes).map_err(|_| Reason::TokenMalformed)
    }
}

/// `typ`, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenType {
    /// Absent, or `JWT`.
    Plain,
    /// `at+jwt` of RFC 9068.
    AccessToken,
    /// `logout+jwt` of Back-Channel Logout 1.0: never somebody's token.
    Logout,
    /// Something else.
    Other,
}

/// A header whose every member is understood or harmless.
#[derive(Debug)]
pub(super) struct Header<'a> {
    /// `alg`; `None` for a name that no pool can allow.
    pub(super) algorithm: Option<Algorithm>,
    /// `kid`, a name to look up and nothing else.
    pub(super) key_id: Cow<'a, str>,
    /// `typ`.
    pub(super) token_type: TokenType,
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let text = std::str::from_utf8(bytes).map_err(|_| Reason::TokenMalformed)?;
        let (mut algorithm, mut key_id, mut token_type) = (None, None, TokenType::Plain);
        let mut unsupported = false;
        let mut others = Vec::new();
        json::members(text, |name, value| {
            let name = json::string(name).ok_or(JsonError::Syntax)?;
            match &*name {
                "alg" if algorithm.is_none() => {
                    algorithm = Some(json::string(value).ok_or(JsonError::Syntax)?);
                    return Ok(());
                }
                "kid" if key_id.is_none() => {
                    key_id = Some(json::string(value).ok_or(JsonError::Syntax)?);
                    return Ok(());
                }
                "alg" | "kid" => return Err(JsonError::Duplicate),
                "typ" => token_type = json::string(value).map_or(TokenType::Other, token_type_of),
                "crit" | "b64" | "zip" | "cty" | "enc" => unsupported = true,
                _ => {}
            }
            others.push(name);
            if json::has_duplicate(value) { Err(JsonError::Duplicate) } else { Ok(()) }
        })
        .map_err(|_| Reason::TokenMalformed)?;
        if json::repeats(&mut others) {
            return Err(Reason::TokenMalformed);
        }
        if unsupported {
            return Err(Reason::HeaderNotSupported);
        }
        let algorithm = algorithm.ok_or(Reason::AlgorithmNotAllowed)?;
        let key_id = key_id
            .filter(|kid| !kid.is_empty() && kid.len() <= MAX_KEY_ID)
            .ok_or(Reason::KeyIdMissing)?;
        Ok(Self { algorithm: algorithm_of(&algorithm), key_id, token_type })
    }
}

/// Media types compare without case (RFC 7515 section 4.1.9).
#[allow(clippy::needless_pass_by_value)]
fn token_type_of(typ: Cow<'_, str>) -> TokenType {
    if typ.eq_ignore_ascii_case("jwt") {
        TokenType::Plain
    } else if typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt") {
        TokenType::AccessToken
    } else if typ.eq_ignore_ascii_case("logout+jwt")
        || typ.eq_ignore_ascii_case("application/logout+jwt")
    {
        TokenType::Logout
    } else {
        TokenType::Other
    }
}

/// What a token says to be signed with, where that can be told to its sender as a word. Nothing
/// about it is proved.
#[must_use]
pub fn said_algorithm(token: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Said {
        alg: String,
    }
    let mut buffer = HeaderBuffer::new();
    let parts = split(token).ok()?;
    let said: Said = serde_json::from_slice(buffer.decode(parts.header).ok()?).ok()?;
    let is_word = said.alg.len() <= 16 && said.alg.bytes().all(|b| b.is_ascii_alphanumeric());
    is_word.then_some(said.alg)
}

/// Names of RFC 7518 section 3.1 and RFC 8037, exactly.
fn algorithm_of(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Result<(Option<Algorithm>, String, TokenType), Reason> {
        let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
        let mut buffer = HeaderBuffer::new();
        let header = split(token.as_bytes())?.header(&mut buffer)?;
        Ok((header.algorithm, header.key_id.into_owned(), header.token_type))
    }

    #[test]
    fn only_three_parts_that_are_not_empty_are_split() {
        for bad in ["", ".", "..", "a", "a.b", "a..c", ".b.c", "a.b.", "...."] {
            assert!(split(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in ["YQ.YQ.Y Q", "YQ.YQ.YQ=", "YQ.YQ.Y+", "YQ.YQ.YR"] {
            let parts = split(bad.as_bytes()).unwrap();
            assert!(parts.signature(&mut SignatureBuffer::new()).is_err(), "{bad}");
        }
        for bad in ["YQ.YQ.YQ.YQ", "YQ..YQ.YQ", "YQ.YR.YQ", "YQ.YQ\n.YQ"] {
            let parts = split(bad.as_bytes()).unwrap();
            assert!(parts.payload().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_header_needs_a_string_alg_and_a_short_string_kid() {
        assert_eq!(
            parse(r#"{"alg":"RS256","kid":"+/="}"#),
            Ok((Some(Algorithm::RS256), "+/=".into(), TokenType::Plain))
        );
        assert_eq!(parse(r#"{"kid":"k"}"#), Err(Reason::AlgorithmNotAllowed));
        assert_eq!(parse(r#"{"alg":"RS256"}"#), Err(Reason::KeyIdMissing));
        assert_eq!(parse(r#"{"alg":"RS256","kid":""}"#), Err(Reason::KeyIdMissing));
        let long = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(257));
        assert_eq!(parse(&long), Err(Reason::KeyIdMissing));
        for bad in
            [r#"{"alg":1,"kid":"k"}"#, r#"{"alg":null,"kid":"k"}"#, r#"{"alg":"RS256","kid":1}"#]
        {
            assert_eq!(parse(bad), Err(Reason::TokenMalformed), "{bad}");
        }
        for name in ["none", "None", "NONE", "rs256", "HS256", ""] {
            let header = format!(r#"{{"alg":"{name}","kid":"k"}}"#);
            assert_eq!(parse(&header).unwrap().0, None, "{name}");
        }
    }

    #[test]
    fn headers_that_change_the_meaning_of_a_token_are_refused() {
        for extra in [
            r#""crit":[]"#,
            r#""crit":["exp"]"#,
            r#""crit":1"#,
            r#""b64":true"#,
            r#""b64":false"#,
            r#""zip":"DEF""#,
            r#""cty":"JWT""#,
            r#""enc":"A128GCM""#,
        ] {
            let header = format!(r#"{{"alg":"RS256","kid":"k",{extra}}}"#);
            assert_eq!(parse(&header), Err(Reason::HeaderNotSupported), "{extra}");
        }
    }

    #[test]
    fn doubled_names_are_refused_at_any_depth_of_the_header() {
        for bad in [
            r#"{"alg":"none","alg":"RS256","kid":"k"}"#,
            r#"{"alg":"RS256","kid":"k","\u0061lg":"RS256"}"#,
            r#"{"alg":"RS256","kid":"k","jwk":{"n":"1","n":"2"}}"#,
            r#" {"alg":"RS256","kid":"k","kid":"l"} "#,
        ] {
            assert_eq!(parse(bad), Err(Reason::TokenMalformed), "{bad}");
        }
        assert!(parse(r#"{"alg":"RS256","kid":"k","jwk":{"n":"1","alg":"2"}}"#).is_ok());
    }

    #[test]
    fn types_compare_without_case() {
        for (typ, expected) in [
            ("\"JWT\"", TokenType::Plain),
            ("\"jwt\"", TokenType::Plain),
            ("\"at+JWT\"", TokenType::AccessToken),
            ("\"application/at+jwt\"", TokenType::AccessToken),
            ("\"Logout+jwt\"", TokenType::Logout),
            ("\"dpop+jwt\"", TokenType::Other),
            ("1", TokenType::Other),
            ("null", TokenType::Other),
        ] {
            let header = format!(r#"{{"alg":"RS256","kid":"k","typ":{typ}}}"#);
            assert_eq!(parse(&header).unwrap().2, expected, "{typ}");
        }
    }

    #[test]
    fn a_header_that_is_not_one_json_object_is_refused() {
        for bad in ["", "[]", "null", "\"a\"", "{} {}", "\u{feff}{}", "{\"alg\":\"RS256\",}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let deep =
            format!(r#"{{"alg":"RS256","kid":"k","x":{}1{}}}"#, "[".repeat(32), "]".repeat(32));
        assert_eq!(parse(&deep), Err(Reason::TokenMalformed));
        let large = format!(r#"{{"alg":"RS256","kid":"k","x":"{}"}}"#, "x".repeat(3072));
        assert_eq!(parse(&large), Err(Reason::TokenMalformed));
        let mut invalid = URL_SAFE_NO_PAD.encode(b"{\"alg\":\"RS256\",\"kid\":\"\xff\"}");
        invalid.push_str(".e30.AA");
        let parts = split(invalid.as_bytes()).unwrap();
        assert_eq!(parts.header(&mut HeaderBuffer::new()).unwrap_err(), Reason::TokenMalformed);
    }
}
