//! The first hook: from a session to facts, and from a decision to what is done about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::Version;
use ::http::header::{CONTENT_LENGTH, EXPECT};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::Gateway;
use super::context::{Begun, Context, InFlight};
use super::lasting::Lasting;
use crate::api::{Consulted, MAX_BODY};
use crate::auth::Patience;
use crate::clock;
use crate::connection::{ConnectionFacts, HttpVersion};
use crate::engine::{self, Body, Decision, Moment, Renewed, Request, Step};
use crate::http::names::invalid_names;
use crate::http::{Client, Received, Scheme};
use crate::sign_in::Failure;
use crate::snapshot::{Listener, Rule, Snapshot};

impl Gateway {
    /// Decides about a request. True when it has been answered.
    pub(super) async fn receive(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<bool> {
        limit_stream_writes(session);
        let snapshot = self.snapshot.load_full();
        let Some(facts) = ConnectionFacts::of(session) else {
            return Error::e_explain(ErrorType::InternalError, "a session without a connection");
        };
        facts.request_began();
        context.in_flight = Some(InFlight::begin(&self.metrics, session));
        let listener = facts.listener;
        let mono = clock::monotonic();
        let Some(rules) = snapshot.listeners.get(listener) else {
            return Error::e_explain(
                ErrorType::InternalError,
                "a listener without a configuration",
            );
        };
        context.max_body = rules.max_request_body;
        judge_names(session, rules);
        let Some(facts) = ConnectionFacts::of(session) else {
            return Error::e_explain(ErrorType::InternalError, "a session without a connection");
        };
        let headers = &session.req_header().headers;
        let client = Client::of(facts.source, &rules.trusted_proxies, headers);
        let wall = clock::wall();
        context.spans = self.sample(&snapshot, headers, wall);
        let begun = context.begun.insert(Begun {
            snapshot,
            listener,
            wall,
            mono,
            id: self.ids.request_id(),
            client,
        });
        let moment =
            Moment { wall: begun.wall, mono, random: begun.random(), patience: Patience::MayWait };
        let snapshot = Arc::clone(&begun.snapshot);
        let id = begun.id;
        let mut consulted = None;
        let about = (id.as_str(), Body::Unread);
        let header = session.req_header();
        let mut decided =
            self.decide(&snapshot, header, (facts, client), about, &mut consulted, moment).await;
        context.waited = decided.waited;
        if let Step::ReadBody = decided.decision.step {
            decided = self.decide_with_body(session, context, consulted, moment).await?;
            context.waited = context.waited.max(decided.waited);
        }
        let mut decision = decided.decision;
        if let Step::Logout(realms) = &decision.step {
            let realms = Arc::clone(realms);
            decision = self.log_out(session, &snapshot, &realms).await;
        }
        if let Some(errand) = decision.errand.take() {
            self.sign_in.run_errand(errand);
        }
        if decision.api.is_some() {
            context.max_body = context.max_body.min(MAX_BODY);
        }
        context.authorized = decision.rule.is_some().then(|| context.elapsed());
        let decision = context.decision.insert(decision);
        match &decision.step {
            Step::Forward(_) => {
                let rules = snapshot.listeners.get(listener);
                let rule = decision.rule.zip(rules).and_then(|(rule, l)| l.rules.get(rule));
                if let (Some(begun), Some(identity)) = (&context.begun, &decision.identity)
                    && rule.is_some_and(|rule| rule.ends_with_identity)
                {
                    context.lasting = Some(Lasting::new(identity, begun));
                }
                // As ALB does: the client need not wait for the target's word (RFC 9110 10.1.1).
                if context.held_body.is_none() && waits_to_be_told(session) {
                    session.as_downstream_mut().write_continue_response().await?;
                }
                Ok(false)
            }
            Step::Answer { answer, close } => {
                let (mut answer, close) = (answer.clone(), *close);
                if let Some(api) = decision.api.and_then(|place| snapshot.apis.get(place.api)) {
                    answer.headers.extend(api.identify(id.as_str()));
                }
                super::respond::send(session, context, answer, close).await?;
                Ok(true)
            }
            Step::Wait(_)
            | Step::ReadBody
            | Step::Redeem(_)
            | Step::Renew(_)
            | Step::Consult(_)
            | Step::Logout(_) => {
                Error::e_explain(ErrorType::InternalError, "a request that waits a second time")
            }
        }
    }

    /// Reads the body and asks again.
    async fn decide_with_body(
        &self,
        session: &mut Session,
        context: &mut Context,
        mut consulted: Option<Consulted>,
        moment: Moment,
    ) -> Result<Decided> {
        let declared = content_length(session.req_header());
        let longest = context.max_body.min(MAX_BODY);
        let read = self.body_room.hold(session, (declared, longest)).await?;
        let begun = context.begun.as_ref().zip(ConnectionFacts::of(session));
        let Some((begun, facts)) = begun else {
            return Error::e_explain(ErrorType::InternalError, "a session without a connection");
        };
        let body = match &read {
            Ok(held) => Body::Read(&held.bytes),
            Err(refusal) => Body::Refused(*refusal),
        };
        let moment = Moment { wall: clock::wall(), mono: clock::monotonic(), ..moment };
        let known = (facts, begun.client);
        let about = (begun.id.as_str(), body);
        let header = session.req_header();
        let decided =
            self.decide(&begun.snapshot, header, known, about, &mut consulted, moment).await;
        context.held_body = read.ok();
        Ok(decided)
    }

    /// Asks the engine, fetches what it needs, and asks again: each need at most once.
    async fn decide(
        &self,
        snapshot: &Snapshot,
        header: &RequestHeader,
        (facts, client): (&ConnectionFacts, Client),
        about: (&str, Body<'_>),
        consulted: &mut Option<Consulted>,
        mut moment: Moment,
    ) -> Decided {
        let begun = moment.mono;
        let rules: &[Rule] =
            snapshot.listeners.get(facts.listener).map_or(&[], |listener| &listener.rules);
        let mut renewed: Option<Arc<Renewed>> = None;
        let mut waited = None;
        loop {
            let mut request = facts_of(header, (facts, client), about, renewed.as_deref());
            request.consulted = consulted.as_ref();
            let decision = engine::decide(snapshot, &request, moment);
            let Decision { step, .. } = decision;
            match step {
                Step::Wait(wait) if moment.patience == Patience::MayWait => {
                    self.keys.wait(wait).await;
                    moment.patience = Patience::HasWaited;
                }
                Step::Consult(question) if consulted.is_none() => {
                    *consulted = Some(self.callouts.consult(question).await);
                    moment.patience = Patience::HasWaited;
                }
                Step::Renew(renewal) if renewed.is_none() => {
                    let (outcome, is_first) = self.sign_in.renew(&renewal).await;
                    if let Some(rule) = decision.rule.and_then(|rule| rules.get(rule))
                        && is_first
                    {
                        rule.metrics.sign_in_took(since(moment.mono));
                        let is_renewed = outcome.is_ok();
                        rule.metrics.sign_in(if is_renewed {
                            "refresh_success"
                        } else {
                            "refresh_failure"
                        });
                    }
                    renewed = Some(outcome);
                }
                Step::Redeem(callback) => {
                    let sign_in = rules.get(callback.rule).and_then(|r| r.sign_in.as_deref());
                    let redeemed = match sign_in {
                        Some(sign_in) => self.sign_in.redeem(sign_in, &callback).await,
                        None => Err(Failure::Unhandled),
                    };
                    moment.wall = clock::wall();
                    let decision =
                        engine::conclude(snapshot, &request, &callback, redeemed, moment);
                    return Decided { decision, waited: Some(since(begun)) };
                }
                step => return Decided { decision: Decision { step, ..decision }, waited },
            }
            waited = Some(since(begun));
            moment = Moment { wall: clock::wall(), mono: clock::monotonic(), ..moment };
        }
    }
}

/// A decision, and how long what it needed was waited for.
struct Decided {
    decision: Decision,
    waited: Option<Duration>,
}

fn since(begun: Instant) -> Duration {
    clock::monotonic().saturating_duration_since(begun)
}

/// Whether the client holds its body back until it hears `100 Continue`. Other expectations are
/// ignored, as is this one in HTTP/1.0 or without a body: an answer nobody waits for would be taken
/// for the final one.
pub(super) fn waits_to_be_told(session: &mut Session) -> bool {
    let header = session.req_header();
    let is_asked = header.version == Version::HTTP_11
        && header
            .headers
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    is_asked && !session.is_body_empty()
}

impl Begun {
    /// Any number: it chooses among weighted target groups.
    pub(super) fn random(&self) -> u32 {
        self.id.as_bytes().iter().fold(0x811c_9dc5, |hash: u32, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        })
    }
}

/// Counts, and where the file says so removes, fields with names that ALB calls invalid. Before
/// anything is decided: what a target does not get must decide nothing.
fn judge_names(session: &mut Session, listener: &Listener) {
    let invalid = invalid_names(&session.req_header().headers);
    if invalid.is_empty() {
        return;
    }
    listener.metrics.invalid_names(listener.drops_invalid);
    if listener.drops_invalid {
        for name in &invalid {
            session.req_header_mut().remove_header(name);
        }
    }
}

/// The watch sees a connection that takes nothing, but not one stream of many that does.
fn limit_stream_writes(session: &mut Session) {
    let limit = ConnectionFacts::of(session)
        .filter(|facts| facts.http == HttpVersion::Http2)
        .map(ConnectionFacts::idle_timeout);
    session.set_write_timeout(limit);
}

fn facts_of<'a>(
    header: &'a RequestHeader,
    (facts, client): (&'a ConnectionFacts, Client),
    (id, body): (&'a str, Body<'a>),
    renewed: Option<&'a Renewed>,
) -> Request<'a> {
    let authority = (header.version == Version::HTTP_2)
        .then(|| header.uri.authority().map(|authority| authority.as_str().as_bytes()))
        .flatten();
    let own = if facts.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let scheme = client.scheme.unwrap_or(own);
    Request {
        listener: facts.listener,
        id,
        received: Received {
            method: header.method.as_str(),
            target: header.raw_path(),
            authority,
            scheme,
        },
        headers: &header.headers,
        client: client.address,
        content_length: content_length(header),
        is_http2: header.version == Version::HTTP_2,
        presented: facts.presented(),
        is_unverified: facts.is_unverified(),
        is_counted: true,
        renewed,
        consulted: None,
        body,
    }
}

fn content_length(header: &RequestHeader) -> Option<u64> {
    header.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}
