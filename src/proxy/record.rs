//! The last hook: one record of what happened, for log, counters, the ring of denials and
//! recordings.

use ::http::header::{HOST, USER_AGENT};
use ::http::{HeaderValue, StatusCode, Version};
use pingora_proxy::Session;

use super::Gateway;
use super::context::{Begun, Context};
use super::{exchange, formatted};
use crate::answer::Refusal;
use crate::api::Route;
use crate::connection::{BodyRefusal, ConnectionFacts};
use crate::engine::{Decision, Reason};
use crate::explain;
use crate::snapshot::{CAUSES, Rule, Snapshot};
use crate::telemetry::record::{Identity, Record, Timings, Tls};

impl Gateway {
    /// Counts and writes down a request that has ended, however it ended.
    pub(super) fn record(&self, session: &mut Session, context: &mut Context) {
        let served = context.chosen.take().map(|chosen| chosen.target().key());
        if let Some(facts) = ConnectionFacts::of(session) {
            facts.is_served_by(0);
        }
        let Some(begun) = &context.begun else { return };
        let snapshot = &begun.snapshot;
        let Some(listener) = snapshot.listeners.get(begun.listener) else { return };
        let decision = context.decision.as_ref();
        let rule = decision.and_then(|decision| listener.rules.get(decision.rule?));
        let reason = context
            .failure
            .or_else(|| decision.map(|decision| decision.reason))
            .unwrap_or(Reason::ClientClosed);
        let status = match status_sent(session) {
            0 if reason == Reason::ClientClosed => status_of_a_loss(session),
            sent => sent,
        };
        let total = context.elapsed();

        if let Some(facts) = ConnectionFacts::of(session) {
            let is_ipv6 = facts.peer.ip().to_canonical().is_ipv6();
            listener.metrics.request(is_ipv6, facts.take_traffic());
        }
        if let Some(rule) = rule {
            // Of a target that did not answer the answer is ours.
            let is_targets = context.failure.is_none() && context.target_status.is_some();
            let group = context.plan().filter(|_| is_targets).map(|plan| plan.position);
            rule.metrics.request(group, status, total, context.first_byte);
            rule.metrics.action(reason.action());
            count_decision(rule, decision);
            if let Reason::SignIn(outcome) = reason
                && let Some(result) = outcome.result()
            {
                rule.metrics.sign_in(result);
                // Only a code that was redeemed made anybody wait.
                if let Some(waited) = context.waited {
                    rule.metrics.sign_in_took(waited);
                }
            }
        }
        if let (Some(plan), Some(target)) = (context.plan(), served)
            && let Some(sticky) = &plan.sticky
        {
            snapshot.stickiness.count(sticky, plan.group, target);
        }
        if let Reason::Refused(refusal) = reason
            && let Some(cause) = CAUSES.iter().position(|cause| *cause == refusal.as_str())
        {
            listener.metrics.refused(cause);
        }

        let is_denial = match reason {
            Reason::Auth(_) | Reason::Authorizer(_) | Reason::Signature(_) => true,
            Reason::SignIn(outcome) => outcome.is_denial(),
            _ => false,
        };
        if let Some(route) = decision.and_then(|decision| route_of(snapshot, decision)) {
            route.metrics.request(status, is_denial);
        }
        let access_log = self.access_log.load();
        let want = self.recorder.wants(begun.wall.plus(total), begun.mono + total);
        if !access_log.is_on() && !is_denial && context.spans.is_none() && want.is_none() {
            return;
        }
        let mut record = self.describe(session, context, begun, reason, status);
        if access_log.has_alb() {
            record.exchange = exchange::describe(session, context, begun, reason);
        }
        if access_log.is_on() {
            let format = formatted::format(context, snapshot);
            if let Some(format) = format {
                record.api_facts = formatted::facts(context, begun, reason, format);
            }
            access_log.log(&record, format);
        }
        if let Some(trace) = &context.spans {
            trace.end(&record, context.target_status, &self.spans);
        }
        if let Some(want) = want {
            self.keep(&want, &record, session, (context, begun));
        }
        if is_denial {
            let failed = || {
                let at = (begun.listener, decision?);
                explain::failed(snapshot, at, &session.req_header().headers, begun.wall)
            };
            self.denials.note(&record, failed);
        }
    }

    fn describe<'a>(
        &self,
        session: &'a Session,
        context: &'a Context,
        begun: &'a Begun,
        reason: Reason,
        status: u16,
    ) -> Record<'a> {
        let snapshot: &Snapshot = &begun.snapshot;
        let listener = snapshot.listeners.get(begun.listener);
        let facts = ConnectionFacts::of(session);
        let peer = facts.map_or(([0, 0, 0, 0], 0).into(), |facts| facts.peer);
        let name = listener.map_or("", |listener| &*listener.name);
        let mut record = Record::new(begun.wall, begun.id, name, peer);
        record.conn_trace_id = facts.map_or("", |facts| facts.id.as_str());
        let header = session.req_header();
        let decision = context.decision.as_ref();
        record.client = begun.client.address;
        record.client_port = begun.client.port;
        record.method = header.method.as_str().as_bytes();
        record.protocol = protocol(header.version);
        record.user_agent = header.headers.get(USER_AGENT).map_or(b"", |value| value.as_bytes());
        record.host = host(session, decision);
        let target = decision
            .and_then(|decision| decision.target.as_deref())
            .map_or(header.raw_path(), str::as_bytes);
        let (path, query) = split_query(target);
        record.path = path;
        record.query = query.filter(|_| snapshot.config.access_log.query);
        record.trace_id = context.trace.as_ref().map_or(b"", HeaderValue::as_bytes);
        record.otel_trace_id = context.spans.as_ref().map_or(b"", |trace| &trace.id()[..]);
        record.status = status;
        record.reason = reason.as_str();
        record.error_reason = decision.map_or("", |decision| decision.error_reason);
        record.action = reason.action();
        if let Some(finding) = facts.and_then(ConnectionFacts::desync) {
            record.classification = finding.class.as_str();
            record.classification_reason = finding.reason();
        }
        record.bytes_in = session.body_bytes_read() as u64;
        record.bytes_out = session.body_bytes_sent() as u64;
        record.target = context.target;
        record.attempts = context.attempts;
        record.tls = facts
            .and_then(|facts| facts.tls.as_ref())
            .map(|tls| Tls { version: tls.version, cipher: tls.cipher });
        if let Some((made, status)) = decision.and_then(|d| d.transformed.as_deref()) {
            record.transformed_host = made.authority.as_deref().unwrap_or_default();
            let target = made.target.as_deref().unwrap_or_default();
            let shows_query = snapshot.config.access_log.query;
            let path = target.split_once('?').map_or(target, |(path, _)| path);
            record.transformed_uri = if shows_query { target } else { path };
            record.transform_status = status;
        }
        if let Some(decision) = decision {
            if let Some(rule) = listener.and_then(|l| l.rules.get(decision.rule?)) {
                record.rule = &rule.name;
            }
            if let Some(api) = decision.api.and_then(|place| snapshot.apis.get(place.api)) {
                record.api = &api.name;
                let route = decision.api.and_then(|place| api.routes.get(place.route?));
                record.route = route.map_or("", |route| &route.key);
            }
            record.api_key = decision.api_key.as_deref().unwrap_or_default();
            record.identity = decision.identity.as_ref().map(|identity| Identity {
                user_pool: identity.pool.name(),
                client_id: identity.token.client().unwrap_or_default(),
                subject: identity.token.digest(),
            });
            if let Some(signer) = &decision.signer {
                let (client_id, subject) = (&*signer.access_key_id, &*signer.arn);
                record.identity = Some(Identity { user_pool: "", client_id, subject });
            }
        }
        if let Some(plan) = context.plan()
            && let Some(group) = snapshot.config.target_groups.get(plan.group.0)
        {
            record.target_group = &group.name;
        }
        record.timings = Timings {
            authorize: context.authorized,
            wait_for_keys: context.waited,
            connect: context.connected,
            first_byte: context.first_byte,
            total: context.elapsed(),
        };
        record
    }
}

/// The route of an API that took a request.
fn route_of<'s>(snapshot: &'s Snapshot, decision: &Decision) -> Option<&'s Route> {
    let place = decision.api?;
    snapshot.apis.get(place.api)?.routes.get(place.route?)
}

/// The status of the answer; 0 when none was begun. `100 Continue` is none, and 101 is.
fn status_sent(session: &Session) -> u16 {
    let status = session.response_written().map(|response| response.status);
    let is_final = |status: &StatusCode| {
        !status.is_informational() || *status == StatusCode::SWITCHING_PROTOCOLS
    };
    status.filter(is_final).map_or(0, |status| status.as_u16())
}

/// What ALB logs when the client left before there was an answer: 400 inside its body, else 460.
fn status_of_a_loss(session: &mut Session) -> u16 {
    let refusal = ConnectionFacts::of(session).and_then(ConnectionFacts::body_refusal);
    let is_cut_short = refusal == Some(BodyRefusal::CutShort);
    if is_cut_short || !session.as_downstream_mut().is_body_done() { 400 } else { 460 }
}

fn count_decision(rule: &Rule, decision: Option<&Decision>) {
    let is_of_api = decision.is_some_and(|decision| decision.api.is_some());
    if rule.validation.is_none() && !is_of_api {
        return;
    }
    match decision.map(|decision| decision.reason) {
        Some(Reason::Auth(reason)) => rule.metrics.decision(1 + reason.index()),
        // Nobody was asked who is calling, or it did not matter.
        Some(
            Reason::NoRoute
            | Reason::Preflight
            | Reason::Refused(
                Refusal::Throttled
                | Refusal::ApiKeyMissing
                | Refusal::ApiKeyUnknown
                | Refusal::ApiKeyDisabled
                | Refusal::ApiKeyUnattached
                | Refusal::QuotaExceeded,
            ),
        )
        | None => {}
        Some(_) => rule.metrics.decision(0),
    }
}

fn host<'a>(session: &'a Session, decision: Option<&'a Decision>) -> &'a [u8] {
    if let Some(authority) = decision.and_then(|decision| decision.authority.as_deref()) {
        return authority.as_bytes();
    }
    let header = session.req_header();
    match header.headers.get(HOST) {
        Some(host) => host.as_bytes(),
        None => header.uri.authority().map_or(b"", |authority| authority.as_str().as_bytes()),
    }
}

fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|&byte| byte == b'?') {
        Some(at) => {
            let (path, query) = target.split_at(at);
            (path, query.get(1..))
        }
        None => (target, None),
    }
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
