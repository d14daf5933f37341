//! Whether a request is traced, and what its target hears of that.

use ::http::header::HeaderMap;
use ::http::{HeaderName, HeaderValue};
use pingora_error::Result;
use pingora_http::RequestHeader;

use super::Gateway;
use crate::clock::UnixMillis;
use crate::http::names::only;
use crate::http::trace::new_traceparent;
use crate::snapshot::Snapshot;
use crate::telemetry::otel::{Parent, Trace};

pub(super) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

impl Gateway {
    /// The trace of a request that has just come, if it is to have one.
    pub(super) fn sample(
        &self,
        snapshot: &Snapshot,
        headers: &HeaderMap,
        now: UnixMillis,
    ) -> Option<Box<Trace>> {
        let settings = snapshot.config.tracing.as_ref()?;
        let parent = only(headers, &TRACE_PARENT).and_then(|value| Parent::read(value.as_bytes()));
        self.sampler.sample(parent, (settings.sample, settings.max_per_second), &self.ids, now)
    }

    /// Tells a target of our span. Where nothing is traced, a client's own word is left as it is,
    /// and without one the target hears that it was decided not to.
    pub(super) fn tell_span(
        &self,
        request: &mut RequestHeader,
        snapshot: &Snapshot,
        trace: Option<&Trace>,
    ) -> Result<()> {
        if snapshot.config.tracing.is_none() {
            return Ok(());
        }
        let has_parent = request.headers.contains_key(&TRACE_PARENT);
        if !has_parent {
            // It belongs to a `traceparent`.
            request.remove_header(&TRACE_STATE);
        }
        match trace.map(Trace::traceparent) {
            Some(ours) => {
                let ours = HeaderValue::from_bytes(&ours).unwrap_or(HeaderValue::from_static(""));
                request.insert_header(TRACE_PARENT, ours)
            }
            None if has_parent => Ok(()),
            None => request.insert_header(TRACE_PARENT, new_traceparent(self.ids.trace_bytes())),
        }
    }
}
