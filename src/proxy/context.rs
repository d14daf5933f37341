//! What the hooks of one request hand on to each other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::HeaderValue;
use pingora_core::protocols::http::ServerSession;
use pingora_error::{Error, ErrorType, Result};

use super::held_body::HeldBody;
use super::lasting::Lasting;
use crate::answer::Refusal;
use crate::api::Api;
use crate::clock::{self, UnixMillis};
use crate::config::model::ProtocolVersion;
use crate::connection::OpenStream;
use crate::engine::{Decision, Plan, Reason};
use crate::http::Client;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otel::Trace;
use crate::telemetry::trace::RequestId;
use crate::upstream::{Chosen, Tried};

/// One request on its way.
#[derive(Default)]
pub struct Context {
    /// Counted as in flight while this lives.
    pub(super) in_flight: Option<InFlight>,
    /// Filled by the first hook.
    pub(super) begun: Option<Begun>,
    /// What the engine decided about it.
    pub(super) decision: Option<Decision>,
    /// The target that serves it, counted as busy while this lives.
    pub(super) chosen: Option<Chosen>,
    /// Targets that were tried before.
    pub(super) tried: Tried,
    /// The target that was tried last.
    pub(super) target: Option<SocketAddr>,
    /// How many times a target was chosen.
    pub(super) attempts: u32,
    /// Set where the request ends with its caller's identity.
    pub(super) lasting: Option<Lasting>,
    /// The body, where it was read before it was decided.
    pub(super) held_body: Option<HeldBody>,
    /// Body bytes received so far.
    pub(super) body: u64,
    /// Longest body, from the listener.
    pub(super) max_body: u64,
    /// Why the target that was tried last did not serve it.
    pub(super) cause: Option<Refusal>,
    /// Why it ended otherwise than the decision said.
    pub(super) failure: Option<Reason>,
    /// `X-Amzn-Trace-Id` as the target got it.
    pub(super) trace: Option<HeaderValue>,
    /// Set where the request is traced for a collector.
    pub(super) spans: Option<Box<Trace>>,
    /// Milestones since the beginning.
    pub(super) authorized: Option<Duration>,
    pub(super) waited: Option<Duration>,
    pub(super) connected: Option<Duration>,
    pub(super) first_byte: Option<Duration>,
    /// What the target answered, whatever the client was sent.
    pub(super) target_status: Option<u16>,
}

/// A request between its head and the end of its answer.
pub(super) struct InFlight {
    metrics: Arc<Metrics>,
    _stream: Option<OpenStream>,
}

impl InFlight {
    pub(super) fn begin(metrics: &Arc<Metrics>, session: &ServerSession) -> Self {
        metrics.requests_in_flight.inc();
        Self { metrics: Arc::clone(metrics), _stream: OpenStream::of(session) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.metrics.requests_in_flight.dec();
    }
}

/// What is known from the first moment.
pub(super) struct Begun {
    /// The configuration that this request sees, whatever is reloaded meanwhile.
    pub(super) snapshot: Arc<Snapshot>,
    /// Position of the listener in it.
    pub(super) listener: usize,
    /// When, by the wall clock.
    pub(super) wall: UnixMillis,
    /// When, by the monotonic clock.
    pub(super) mono: Instant,
    /// Our name for it.
    pub(super) id: RequestId,
    /// Who is asking.
    pub(super) client: Client,
}

impl Context {
    /// Time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        let begun = self.begun.as_ref().map(|begun| begun.mono);
        begun.map_or(Duration::ZERO, |begun| clock::monotonic().saturating_duration_since(begun))
    }

    /// The API that the request came to.
    pub(super) fn api(&self) -> Option<&Api> {
        let place = self.decision.as_ref()?.api?;
        self.begun.as_ref()?.snapshot.apis.get(place.api)
    }

    /// Whither the request is to be forwarded.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.decision.as_ref().and_then(Decision::plan)
    }

    /// Whether the targets of the plan speak HTTP/1.1.
    pub(super) fn is_for_http1(&self) -> bool {
        let snapshot = self.begun.as_ref().map(|begun| &begun.snapshot);
        let group = snapshot
            .zip(self.plan())
            .and_then(|(snapshot, plan)| snapshot.config.target_groups.get(plan.group.0));
        group.is_some_and(|group| group.protocol_version == ProtocolVersion::Http1)
    }

    pub(super) fn connected(&mut self) {
        self.connected = Some(self.elapsed());
        if let Some(chosen) = &mut self.chosen {
            chosen.connected();
        }
    }

    /// Notes what the answer says about the target.
    pub(super) fn note_verdict(&mut self, status: Option<u16>) {
        if let (Some(chosen), Some(status)) = (&mut self.chosen, status) {
            chosen.answered(status, clock::monotonic());
        }
    }

    /// Ends the request when its target left the file and had its time.
    ///
    /// # Errors
    ///
    /// 502, or the answer is cut.
    pub(super) fn check_target(&mut self) -> Result<()> {
        if self.chosen.as_ref().is_some_and(Chosen::is_over) {
            return Err(self.refuse(Refusal::TargetDeregistered));
        }
        Ok(())
    }

    /// Counts bytes of the request body.
    ///
    /// # Errors
    ///
    /// 413 beyond the listener's limit.
    pub(super) fn count_body(&mut self, bytes: usize) -> Result<()> {
        self.body = self.body.saturating_add(bytes as u64);
        if self.body <= self.max_body {
            return self.check_target();
        }
        Err(self.refuse(Refusal::BodyTooLarge))
    }

    /// Notes a refusal, and makes the error by which Pingora ends the request.
    pub(super) fn refuse(&mut self, refusal: Refusal) -> Box<Error> {
        self.failure = Some(Reason::Refused(refusal));
        Error::explain(ErrorType::HTTPStatus(refusal.status()), refusal.as_str())
    }

    /// A request in a line of Pingora's log: its id, and nothing that a client has chosen.
    pub(super) fn summary(&self) -> String {
        self.begun
            .as_ref()
            .map_or_else(String::new, |begun| format!("request {}", begun.id.as_str()))
    }
}
