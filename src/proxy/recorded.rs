//! What of a request is kept, so that it can be decided again.

use ::http::HeaderValue;
use ::http::header::HOST;
use pingora_proxy::Session;

use super::Gateway;
use super::context::{Begun, Context};
use crate::recording::{Seen, Want, take};
use crate::telemetry::record::Record;

impl Gateway {
    /// Keeps a request that has ended.
    pub(super) fn keep(
        &self,
        want: &Want,
        record: &Record<'_>,
        session: &Session,
        (context, begun): (&Context, &Begun),
    ) {
        let header = session.req_header();
        let authority = || header.uri.authority().map(|authority| authority.as_str().as_bytes());
        let seen = Seen {
            record,
            snapshot: &begun.snapshot,
            decision: context.decision.as_ref(),
            headers: &header.headers,
            target: header.raw_path(),
            host: header.headers.get(HOST).map(HeaderValue::as_bytes).or_else(authority),
        };
        self.recorder.keep(want, take(&seen, want.order.as_deref()));
    }
}
