//! How large a request head may be (alb.md 10.2, and a hundred fields).

use ::http::HeaderMap;
use ::http::header::COOKIE;

use super::Malformed;

/// Longest request line, its line end not counted, and longest header line.
pub const MAX_LINE: usize = 16 * 1024;
/// All header lines together.
pub const MAX_HEADERS: usize = 64 * 1024;
/// Most header fields.
pub const MAX_FIELDS: usize = 100;

/// `GET /x HTTP/1.1`
pub(super) fn check_request_line(method: &str, target: &[u8]) -> Result<(), Malformed> {
    const REST: usize = " ".len() + " HTTP/1.1".len();
    if method.len() + target.len() + REST > MAX_LINE {
        return Err(Malformed::TargetTooLong);
    }
    Ok(())
}

/// Judges size and number of header fields. A line counts as `name: value` with its line end.
/// `Cookie` may be as long as all headers together: session cookies in shards exceed one line's
/// limit, and ALB lets it pass too.
///
/// # Errors
///
/// Which limit is exceeded. All three are answered with 431.
pub fn check_headers(headers: &HeaderMap) -> Result<usize, Malformed> {
    if headers.len() > MAX_FIELDS {
        return Err(Malformed::TooManyHeaders);
    }
    let mut total = 0;
    for (name, value) in headers {
        let line = name.as_str().len() + value.len() + ": \r\n".len();
        if line > MAX_LINE && name != COOKIE {
            return Err(Malformed::HeaderTooLarge);
        }
        total += line;
    }
    if total > MAX_HEADERS {
        return Err(Malformed::HeadersTooLarge);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{HeaderName, HeaderValue};

    fn headers(fields: &[(&str, usize)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, length) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(&"v".repeat(*length)).unwrap());
        }
        headers
    }

    #[test]
    fn the_hundred_and_first_field_is_refused() {
        assert_eq!(check_headers(&headers(&[("a", 1); 100])), Ok(600));
        assert_eq!(check_headers(&headers(&[("a", 1); 101])), Err(Malformed::TooManyHeaders));
    }

    #[test]
    fn a_line_over_sixteen_kib_is_refused_unless_it_is_the_cookie() {
        assert!(check_headers(&headers(&[("x-a", MAX_LINE - 7)])).is_ok());
        let over = MAX_LINE - 6;
        assert_eq!(check_headers(&headers(&[("x-a", over)])), Err(Malformed::HeaderTooLarge));
        assert!(check_headers(&headers(&[("cookie", over)])).is_ok());
    }

    #[test]
    fn all_headers_together_stay_under_64_kib() {
        let sizes = [("a", 16_000), ("b", 16_000), ("c", 16_000), ("d", 16_000)];
        assert!(check_headers(&headers(&sizes)).is_ok());
        let cookies = [("cookie", MAX_HEADERS - 9)];
        assert_eq!(check_headers(&headers(&cookies)), Err(Malformed::HeadersTooLarge));
    }

    #[test]
    fn a_request_line_over_sixteen_kib_is_refused() {
        let longest = vec![b'a'; MAX_LINE - "GET  HTTP/1.1".len()];
        assert_eq!(check_request_line("GET", &longest), Ok(()));
        assert_eq!(check_request_line("POST", &longest), Err(Malformed::TargetTooLong));
    }
}
