//! What goes to a target: the request less what is ours, plus what we vouch for.

use std::sync::Arc;

use ::http::header::{CONNECTION, CONTENT_TYPE, COOKIE, EXPECT, HOST, TE, UPGRADE};
use ::http::{HeaderName, HeaderValue, Version};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::context::{Begun, Context};
use super::spans::{TRACE_PARENT, TRACE_STATE};
use super::spelling::spell_as_alb;
use super::{Gateway, integration};
use crate::answer::Refusal;
use crate::assertion::{self, oidc_data};
use crate::clock::UnixMillis;
use crate::connection::ConnectionFacts;
use crate::engine::Decision;
use crate::http::forwarded::{self, ForwardedFor, forwarded_for, forwarded_port, forwarded_proto};
use crate::http::names::only;
use crate::http::trace::{
    amzn_trace_id, is_sound_request_id, is_sound_traceparent, new_traceparent,
};
use crate::http::{Client, cookies};
use crate::sign_in::OpenSession;
use crate::snapshot::{Listener, Rule, Snapshot};
use crate::upstream::NoTarget;

const FORWARDED_FOR: &str = "X-Forwarded-For";
const FORWARDED_PROTO: &str = "X-Forwarded-Proto";
const FORWARDED_PORT: &str = "X-Forwarded-Port";
const FLOW_COOKIES: [&[u8]; 2] = [b"AWSALBAuthNonce", b"AWSALBAuthReturns"];
const TRACE_ID: &str = "X-Amzn-Trace-Id";
const LOWER_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Gateway {
    /// Chooses a target that was not tried before.
    pub(super) fn choose_target(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        // The one before is not busy with this request any more, and its body begins anew.
        context.chosen = None;
        context.body = 0;
        let (Some(begun), Some(plan)) = (&context.begun, context.plan()) else {
            return Error::e_explain(ErrorType::InternalError, "no plan for this request");
        };
        let before = plan.sticky.as_ref().and_then(|sticky| sticky.target());
        let chosen = begun.snapshot.groups.choose_again(plan.group, before, &context.tried);
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(NoTarget::Absent) => return Err(context.refuse(Refusal::NoTarget)),
            Err(NoTarget::Busy) => return Err(context.refuse(Refusal::TargetBusy)),
        };
        let is_upgrade = session.is_upgrade_req();
        let idle = ConnectionFacts::of(session).map(ConnectionFacts::idle_timeout);
        let mut peer = match idle {
            Some(idle) if is_upgrade => chosen.peer_for_upgrade(idle),
            _ if session.is_body_empty() => chosen.peer_without_body(),
            _ => chosen.peer(),
        };
        if let Some(sent) = plan.integration.as_ref().filter(|_| !is_upgrade) {
            let silence = peer.options.read_timeout;
            peer.options.read_timeout = Some(silence.map_or(sent.timeout, |s| s.min(sent.timeout)));
        }
        context.attempts += 1;
        if context.attempts > 1 {
            self.metrics.upstream_retries.inc();
        }
        if let Some(facts) = ConnectionFacts::of(session) {
            facts.is_served_by(chosen.target().id());
        }
        context.target = Some(chosen.address());
        let now = context.elapsed();
        if let Some(trace) = &mut context.spans {
            trace.tries(chosen.address(), now, &self.ids);
        }
        context.tried.note(&chosen);
        context.chosen = Some(chosen);
        Ok(peer)
    }

    /// Makes of the client's request head the one that the target gets. Hop-by-hop headers, and
    /// what `Connection` nominates, are gone already.
    pub(super) fn prepare_request(
        &self,
        session: &Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        let Some(begun) = &context.begun else {
            return Error::e_explain(ErrorType::InternalError, "a request that never began");
        };
        let Some(facts) = ConnectionFacts::of(session) else {
            return Error::e_explain(ErrorType::InternalError, "a session without a connection");
        };
        let snapshot = &begun.snapshot;
        let listener = snapshot.listeners.get(begun.listener);
        let decision = context.decision.as_ref();
        let rule = listener.zip(decision).and_then(|(l, d)| l.rules.get(d.rule?));
        let (Some(listener), Some(decision), Some(rule)) = (listener, decision, rule) else {
            return Error::e_explain(ErrorType::InternalError, "a request without a rule");
        };

        for name in snapshot.owned.found_in(&request.headers) {
            request.remove_header(&name);
        }
        let integration = decision.plan().and_then(|plan| plan.integration.as_ref());
        let integrated = integration.and_then(|sent| sent.target.as_ref());
        let transformed = decision.transformed.as_ref().map(|made| &made.0);
        let new_target = integrated.or_else(|| transformed.and_then(|made| made.target.as_ref()));
        if let Some(target) = new_target.or(decision.target.as_ref()) {
            request.set_raw_path(target.as_bytes())?;
        }
        if let Some(host) = transformed.and_then(|made| made.authority.as_ref()) {
            request.insert_header(HOST, host.as_ref())?;
        } else if !listener.preserves_host
            && let Some(authority) = &decision.authority
            && only(&request.headers, &HOST).is_none_or(|host| host != authority.as_ref())
        {
            request.insert_header(HOST, authority.as_ref())?;
        }
        if let Some(identity) = &decision.identity {
            if let Some(validation) = &rule.validation
                && !rule.forwards_authorization
            {
                request.remove_header(validation.token_header());
            }
            for (name, value) in &identity.headers.headers {
                request.append_header(name, value.clone())?;
            }
        }
        if let (Some(api), Some(sent)) = (context.api(), integration) {
            let scheme = begun.client.scheme.unwrap_or(listener.scheme);
            integration::prepare_request(request, api, sent, (begun.client.address, scheme))?;
        }
        tell_of_client(request, listener, facts)?;
        keep_session_cookies(request, listener, rule)?;
        if let Some(session) = &decision.session
            && !tell_of_session(request, snapshot, &session.open, begun.wall)?
        {
            // A target that relies on it must not be asked without.
            return Err(context.refuse(Refusal::Internal));
        }
        match vouch(snapshot, decision, begun.wall) {
            Voucher::Unasked => {}
            Voucher::Signed(value) => request.insert_header(assertion::HEADER, value)?,
            // A target that relies on it must not be asked without.
            Voucher::Unsigned => return Err(context.refuse(Refusal::Internal)),
        }
        tell_the_way(request, session, facts, listener, begun.client)?;
        let trace = amzn_trace_id(
            only(&request.headers, &LOWER_TRACE_ID),
            decision.header_bytes,
            begun.wall.seconds(),
            self.ids.trace_bytes(),
        );
        request.insert_header(TRACE_ID, trace.clone())?;
        self.repair_tracing(request, begun)?;
        self.tell_span(request, snapshot, context.spans.as_deref())?;
        join_cookies(request)?;
        restore_te(session, request)?;
        request.remove_header(&EXPECT);
        if session.req_header().version == Version::HTTP_2 && context.is_for_http1() {
            spell_as_alb(request)?;
        }
        if facts.must_part_with_target() && request.version != Version::HTTP_2 {
            // A change of protocols would have no end at which to part.
            request.remove_header(&UPGRADE);
            request.insert_header(CONNECTION, HeaderValue::from_static("close"))?;
        }
        context.trace = Some(trace);
        Ok(())
    }

    /// Identifiers of other systems pass when they are sound: a target may write them to a log, or
    /// compute with them. One that is not is replaced; one that is absent is not invented.
    fn repair_tracing(&self, request: &mut RequestHeader, begun: &Begun) -> Result<()> {
        if request.headers.contains_key(&TRACE_PARENT)
            && !only(&request.headers, &TRACE_PARENT)
                .is_some_and(|value| is_sound_traceparent(value.as_bytes()))
        {
            request.remove_header(&TRACE_STATE);
            request.insert_header(TRACE_PARENT, new_traceparent(self.ids.trace_bytes()))?;
        }
        if request.headers.contains_key(&REQUEST_ID)
            && !only(&request.headers, &REQUEST_ID)
                .is_some_and(|value| is_sound_request_id(value.as_bytes()))
        {
            request.insert_header(REQUEST_ID, begun.id.as_str())?;
        }
        Ok(())
    }
}

/// What the client's certificate says, under the names of the file that this request sees: those
/// were taken out of what the client sent.
fn tell_of_client(
    request: &mut RequestHeader,
    listener: &Listener,
    facts: &ConnectionFacts,
) -> Result<()> {
    let Some(client) = facts.tls.as_ref().and_then(|tls| tls.client.as_ref()) else {
        return Ok(());
    };
    for (header, value) in &client.headers {
        if let Some((_, name)) = listener.client_headers.iter().find(|(known, _)| known == header) {
            request.insert_header(name.clone(), value.clone())?;
        }
    }
    Ok(())
}

/// Takes the cookies of sessions, and of signing in, out of what the target gets.
fn keep_session_cookies(
    request: &mut RequestHeader,
    listener: &Listener,
    rule: &Rule,
) -> Result<()> {
    let names = &listener.session_cookies;
    let is_wanted = rule.sign_in.as_ref().is_some_and(|s| s.settings.forward_session_cookies);
    if names.is_empty() || is_wanted || !request.headers.contains_key(&COOKIE) {
        return Ok(());
    }
    let is_ours = |name: &[u8]| {
        let is_shard = |own: &Arc<str>| {
            let rest = name.strip_prefix(own.as_bytes());
            matches!(rest, Some([b'-', digits @ ..]) if digits.iter().all(u8::is_ascii_digit))
        };
        FLOW_COOKIES.iter().any(|flow| name.ends_with(flow)) || names.iter().any(is_shard)
    };
    let fields: Vec<HeaderValue> = request.headers.get_all(&COOKIE).into_iter().cloned().collect();
    if !fields.iter().any(|field| cookies::without(field.as_bytes(), is_ours).is_some()) {
        return Ok(());
    }
    request.remove_header(&COOKIE);
    for field in fields {
        let kept = match cookies::without(field.as_bytes(), is_ours) {
            None => field,
            Some(kept) if kept.is_empty() => continue,
            Some(kept) => HeaderValue::from_bytes(&kept).map_err(|error| {
                Error::because(ErrorType::InternalError, "cookies of a client", error)
            })?,
        };
        request.append_header(COOKIE, kept)?;
    }
    Ok(())
}

/// Writes ALB's three headers of somebody who signed in. False when they cannot be signed.
fn tell_of_session(
    request: &mut RequestHeader,
    snapshot: &Snapshot,
    open: &OpenSession,
    now: UnixMillis,
) -> Result<bool> {
    let signed_in = oidc_data::SignedIn {
        user_info: &open.user_info,
        issuer: open.session.issuer(),
        client: open.client(),
    };
    let signer = snapshot.oidc_signer.as_ref();
    let Some(data) = open.data(now, || signer?.mint(signed_in, now)) else { return Ok(false) };
    request.insert_header("x-amzn-oidc-accesstoken", open.access_token.clone())?;
    request.insert_header("x-amzn-oidc-identity", open.subject.clone())?;
    request.insert_header("x-amzn-oidc-data", data)?;
    Ok(true)
}

/// What a target group that wants an assertion gets.
enum Voucher {
    /// The group wants none.
    Unasked,
    Signed(HeaderValue),
    /// There is no key, or no randomness for a signature.
    Unsigned,
}

fn vouch(snapshot: &Snapshot, decision: &Decision, now: UnixMillis) -> Voucher {
    let group = decision.plan().and_then(|plan| snapshot.config.target_groups.get(plan.group.0));
    let Some(group) = group.filter(|group| group.identity_assertion) else {
        return Voucher::Unasked;
    };
    let identity = decision.identity.as_ref();
    let asserter = snapshot.asserter.as_ref();
    let value = asserter.and_then(|asserter| asserter.assert(identity, &group.name, now));
    value.map_or(Voucher::Unsigned, Voucher::Signed)
}

/// Writes how, and from where, the request came.
fn tell_the_way(
    request: &mut RequestHeader,
    session: &Session,
    facts: &ConnectionFacts,
    listener: &Listener,
    client: Client,
) -> Result<()> {
    match listener.forwarded_for {
        ForwardedFor::Append { client_port } => {
            let received = session.req_header().headers.get_all(forwarded::FORWARDED_FOR);
            let value = forwarded_for(received, facts.source, client_port);
            request.insert_header(FORWARDED_FOR, value)?;
        }
        ForwardedFor::Preserve => {}
        ForwardedFor::Remove => {
            request.remove_header(&forwarded::FORWARDED_FOR);
        }
    }
    let proto = client.scheme.map_or_else(|| listener.forwarded_proto.clone(), forwarded_proto);
    request.insert_header(FORWARDED_PROTO, proto)?;
    let port = client.reached_port.map_or_else(|| listener.forwarded_port.clone(), forwarded_port);
    request.insert_header(FORWARDED_PORT, port)?;
    if let (Some([version, cipher_suite]), Some(tls)) = (&listener.tls_headers, &facts.tls) {
        request.insert_header(version, tls.version)?;
        request.insert_header(cipher_suite, tls.openssl_cipher)?;
    }
    Ok(())
}

/// HTTP/2 clients may split their cookies into several fields; HTTP/1 has one (RFC 9113 8.2.3).
fn join_cookies(request: &mut RequestHeader) -> Result<()> {
    let mut values = request.headers.get_all(COOKIE).into_iter();
    if values.next().is_none() || values.next().is_none() {
        return Ok(());
    }
    let joined: Vec<&[u8]> =
        request.headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes).collect();
    let joined = joined.join(&b"; "[..]);
    request.insert_header(COOKIE, joined)
}

/// `te: trailers` is how gRPC servers know that a client can read trailers. It is a hop-by-hop
/// header, so it was taken off; this hop can.
fn restore_te(session: &Session, request: &mut RequestHeader) -> Result<()> {
    let received = session.req_header();
    let is_grpc = || {
        let kind = received.headers.get(CONTENT_TYPE);
        kind.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
    };
    if received.version == Version::HTTP_2 && is_grpc() {
        request.insert_header(TE, HeaderValue::from_static("trailers"))?;
    }
    Ok(())
}
