//! Refusals for gRPC callers: HTTP 200 without a body, the status in `grpc-status`.
//!
//! ALB itself was seen to send its HTTP status beside `grpc-status`; the gRPC protocol asks for 200,
//! and all its clients read that.

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;

use super::{Answer, SERVER_NAME};

/// Whether a `content-type` is gRPC's: `application/grpc`, or that with `+proto` and the like.
/// `application/grpc-web` is another protocol.
pub(super) fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let Some((start, rest)) = content_type.split_at_checked(GRPC.len()) else { return false };
    start.eq_ignore_ascii_case(GRPC) && matches!(rest, [] | [b'+' | b';' | b' ', ..])
}

/// A refusal as headers alone ("trailers-only").
pub(super) fn answer(status: u16, message: &'static str) -> Answer {
    let headers = vec![
        (::http::header::SERVER, SERVER_NAME),
        (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
        (HeaderName::from_static("grpc-status"), HeaderValue::from(grpc_status(status))),
        (HeaderName::from_static("grpc-message"), HeaderValue::from_static(message)),
    ];
    Answer { status: 200, headers, body: Bytes::new(), is_replaceable: false }
}

/// The gRPC code that stands for an HTTP status: gRPC's own table for the answers of proxies, and
/// where that has nothing, `INTERNAL` for our faults, `RESOURCE_EXHAUSTED` for what is too large and
/// `DEADLINE_EXCEEDED` for a caller that was too slow.
const fn grpc_status(status: u16) -> u16 {
    match status {
        401 | 561 => 16,
        403 => 7,
        404 | 405 | 464 | 501 => 12,
        408 => 4,
        413 | 414 | 431 => 8,
        421 | 429 | 502 | 503 | 504 => 14,
        400 | 463 | 500 => 13,
        _ => 2,
    }
}
