//! Header fields by name: those that come once, and those whose names some targets misread. ALB calls
//! a name of anything but letters, digits and `-` invalid, and can drop it.

use ::http::{HeaderMap, HeaderName, HeaderValue};

/// The value of a header that comes once.
#[must_use]
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The names outside `[-A-Za-z0-9]`. Empty, and without a heap block, when there are none.
#[must_use]
pub fn invalid_names(headers: &HeaderMap) -> Vec<HeaderName> {
    headers.keys().filter(|name| !is_plain(name.as_str().as_bytes())).cloned().collect()
}

/// Every request comes by here, and nearly every name is plain: no branch for each byte.
fn is_plain(name: &[u8]) -> bool {
    name.iter().fold(true, |plain, byte| plain & (byte.is_ascii_alphanumeric() | (*byte == b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_letters_digits_and_hyphens() {
        let mut headers = HeaderMap::new();
        for name in ["host", "x-a", "x_a", "x.a", "a1", "!", "x-a_"] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        let found: Vec<_> =
            invalid_names(&headers).into_iter().map(|name| name.to_string()).collect();
        assert_eq!(found, ["x_a", "x.a", "!", "x-a_"]);
    }
}
