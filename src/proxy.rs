//! The only code that talks to Pingora's HTTP proxy: a file a phase. It decides nothing.
//!
//! It turns a session into facts, asks the [`engine`](crate::engine), and carries out what the
//! engine says: an answer of our own, a wait for a key set, or a forwarding plan.

mod context;
mod cors;
mod exchange;
mod fail_point;
mod failure;
mod formatted;
mod forward;
mod held_body;
mod integration;
mod lasting;
mod logout;
mod record;
mod recorded;
mod request;
mod respond;
mod spans;
mod spelling;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

pub use self::context::Context;
use self::fail_point::Place;
pub use self::held_body::BodyRoom;
use self::lasting::Way;
use crate::fetch::{CalloutDesk, KeyKeeper, LogoutDesk, SignInDesk};
use crate::recording::Recorder;
use crate::snapshot::Snapshot;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::denials::Denials;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otel::{Queue, Sampler};
use crate::telemetry::trace::Ids;

/// Serves every request of every listener.
pub struct Gateway {
    /// What requests see; a request keeps the one it began with.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Who fetches a key set that a request turns out to need.
    pub keys: Arc<KeyKeeper>,
    /// Who redeems codes and renews sessions.
    pub sign_in: Arc<SignInDesk>,
    /// Who asks services of the operator's who may come.
    pub callouts: Arc<CalloutDesk>,
    /// Who takes the word of issuers that somebody signed out there.
    pub logouts: LogoutDesk,
    /// Where lines go.
    pub access_log: Arc<ArcSwap<AccessLog>>,
    /// The last refusals.
    pub denials: Arc<Denials>,
    /// Requests that are kept to be decided again.
    pub recorder: Arc<Recorder>,
    /// All counters.
    pub metrics: Arc<Metrics>,
    /// Where bodies are held that must be known before it is decided.
    pub body_room: BodyRoom,
    /// Chooses requests that are traced.
    pub sampler: Sampler,
    /// Where their spans go.
    pub spans: Arc<Queue>,
    /// Names for requests and traces.
    pub ids: Ids,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::default()
    }

    /// Nothing: the default would build a compression module for each request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        fail_point::pass(Place::Request, session);
        self.receive(session, context).await
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        context: &mut Context,
    ) -> Result<()> {
        if let (Some(held), Some(body)) = (&context.held_body, &mut *body) {
            body.clone_from(&held.bytes);
        }
        context.count_body(body.as_ref().map_or(0, Bytes::len))?;
        self.check_identity(session, context, Way::ToTarget)
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        self.choose_target(session, context)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        // Pingora asks for this when the connection to the target is there.
        context.connected();
        self.prepare_request(session, request, context)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        fail_point::pass(Place::Answer, session);
        self.prepare_response(session, response, context)
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        context.check_target()?;
        self.check_identity(session, context, Way::ToClient)?;
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        context: &mut Context,
    ) -> Result<Option<Bytes>> {
        context.note_verdict(verdict::of_trailers(trailers));
        if respond::judge_size(trailers).is_err() {
            // Of an error here Pingora makes a log line only. A gRPC client misses its status.
            trailers.clear();
        }
        if let Some(begun) = &context.begun {
            begun.snapshot.owned.remove_from(trailers);
        }
        respond::undress(trailers, context);
        cors::undress(trailers, context);
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        error: Box<Error>,
    ) -> Box<Error> {
        failure::after_connect(session, context, error)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        failure::while_proxying(session, context, error, reused)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        self.answer_failure(session, error, context).await
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, context: &mut Context) {
        self.record(session, context);
    }

    /// Our own record says it all, and never a header or a query.
    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        true
    }

    /// The record counts attempts; a line for each would be a flood while a target is down.
    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Context,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    /// What Pingora logs beside our record names the request without its query.
    fn request_summary(&self, _session: &Session, context: &Context) -> String {
        context.summary()
    }
}
