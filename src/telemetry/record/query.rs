//! A query string that may be logged.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Parameters whose values are secrets wherever OAuth, AWS or common sense uses them.
const SECRET: [&str; 20] = [
    "access_token",
    "api_key",
    "apikey",
    "assertion",
    "auth",
    "authorization",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "id_token",
    "jwt",
    "key",
    "password",
    "refresh_token",
    "secret",
    "sig",
    "signature",
    "state",
    "token",
];

/// The query with the values of secret parameters, and of any that hold a token, left out.
#[must_use]
pub fn redacted(query: &[u8]) -> Cow<'_, [u8]> {
    let is_secret_pair = |pair: &[u8]| is_secret(split(pair));
    if !query.split(|byte| *byte == b'&').any(is_secret_pair) {
        return Cow::Borrowed(query);
    }
    let mut clean = Vec::with_capacity(query.len());
    for pair in query.split(|byte| *byte == b'&') {
        if !clean.is_empty() {
            clean.push(b'&');
        }
        let (name, value) = split(pair);
        if is_secret((name, value)) {
            clean.extend_from_slice(if holds_token(name) { b"[redacted]" } else { name });
            clean.extend_from_slice(b"=[redacted]");
        } else {
            clean.extend_from_slice(pair);
        }
    }
    Cow::Owned(clean)
}

fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    let at = pair.iter().position(|byte| *byte == b'=');
    at.map_or((pair, &[]), |at| (&pair[..at], &pair[at + 1..]))
}

fn is_secret((name, value): (&[u8], &[u8])) -> bool {
    let decoded: Cow<'_, [u8]> = percent_decode(name).into();
    let plain = decoded.strip_prefix(b"x-amz-").or(decoded.strip_prefix(b"X-Amz-"));
    let name_of_it = plain.unwrap_or(&decoded);
    SECRET.iter().any(|secret| name_of_it.eq_ignore_ascii_case(secret.as_bytes()))
        || name_of_it.eq_ignore_ascii_case(b"security-token")
        || holds_token(name)
        || holds_token(value)
}

/// Whether a token stands in it, decoded as often as somebody may have encoded it.
#[must_use]
pub fn holds_token(text: &[u8]) -> bool {
    let mut text: Cow<'_, [u8]> = Cow::Borrowed(text);
    for _ in 0..3 {
        if text.windows(3).any(|window| window == b"eyJ") {
            return true;
        }
        if !text.contains(&b'%') {
            return false;
        }
        text = Cow::Owned(percent_decode(&text).collect());
    }
    // Encoded deeper than any sender means it: not worth showing.
    text.contains(&b'%')
}

#[cfg(test)]
mod tests {
    use super::redacted;

    fn clean(query: &str) -> String {
        String::from_utf8(redacted(query.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn secrets_go_and_the_rest_stays_as_it_was() {
        assert_eq!(clean("a=1&b=%20x&&c"), "a=1&b=%20x&&c");
        assert_eq!(clean("a=1&Code=abc&b=2"), "a=1&Code=[redacted]&b=2");
        assert_eq!(clean("%63ode=abc"), "%63ode=[redacted]");
        assert_eq!(clean("X-Amz-Signature=00ff&x=1"), "X-Amz-Signature=[redacted]&x=1");
        assert_eq!(clean("x=eyJhbGci.e30.c2ln"), "x=[redacted]");
        assert_eq!(clean("x=%65yJhbGci"), "x=[redacted]");
        assert_eq!(clean("x=%2565yJhbGci"), "x=[redacted]");
        assert_eq!(clean("eyJhbGci"), "[redacted]=[redacted]");
        assert_eq!(clean("%65yJhbGci=1"), "[redacted]=[redacted]");
        // The escape takes the token's first letter with it, and leaves the token to be read.
        assert_eq!(clean("%aeyJhbGci=1"), "[redacted]=[redacted]");
    }
}
