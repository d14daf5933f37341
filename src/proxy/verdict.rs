//! What an answer says about the target that gave it, in one status.
//!
//! A gRPC target says 200 and means what stands in `grpc-status`, which comes with the trailers or,
//! in an answer without a message, with the head.

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, HeaderValue, StatusCode};

/// The status that counts; `None` where it is not said yet, or is interim.
pub(super) fn of_head(status: StatusCode, headers: &HeaderMap) -> Option<u16> {
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_grpc = kind.is_some_and(|kind| kind.starts_with(b"application/grpc"));
    if status == StatusCode::OK && is_grpc { of_trailers(headers) } else { Some(status.as_u16()) }
}

/// The same from the trailers.
pub(super) fn of_trailers(trailers: &HeaderMap) -> Option<u16> {
    let code = trailers.get("grpc-status")?.to_str().ok()?.parse::<u8>().ok()?;
    // Of the codes that stand for a 5xx, without `unimplemented`: any caller can have that one.
    Some(match code {
        // Unknown, internal, data loss.
        2 | 13 | 15 => 500,
        // Unavailable.
        14 => 503,
        // Deadline exceeded.
        4 => 504,
        _ => 200,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, fields: &[(&'static str, &'static str)]) -> Option<u16> {
        let headers: HeaderMap = fields
            .iter()
            .map(|(name, value)| {
                (::http::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect();
        of_head(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn a_status_speaks_for_itself_unless_it_is_grpc_s_200() {
        const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");
        assert_eq!(head(200, &[]), Some(200));
        assert_eq!(head(503, &[("content-type", "text/html")]), Some(503));
        assert_eq!(head(101, &[]), Some(101));
        assert_eq!(head(103, &[]), None);
        // What is only about gRPC is not taken from others.
        assert_eq!(head(200, &[("grpc-status", "14")]), Some(200));
        assert_eq!(head(200, &[GRPC]), None);
        assert_eq!(head(502, &[GRPC]), Some(502));
        for (code, status) in [
            ("0", Some(200)),
            ("5", Some(200)),
            ("12", Some(200)),
            ("2", Some(500)),
            ("13", Some(500)),
            ("14", Some(503)),
            ("4", Some(504)),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(head(200, &[GRPC, ("grpc-status", code)]), status, "{code}");
        }
    }
}
