//! What the access log in ALB's format tells of a request beyond our own record.

use ::http::header::{CONTENT_TYPE, LOCATION};
use ::http::{HeaderMap, HeaderValue, Version};
use pingora_proxy::Session;

use super::context::{Begun, Context};
use crate::answer::Caller;
use crate::connection::ConnectionFacts;
use crate::engine::Reason;
use crate::sign_in::Outcome;
use crate::telemetry::record::Exchange;

/// Reads it off the session when all is over. `None` for a session without a connection of ours.
pub(super) fn describe<'a>(
    session: &'a Session,
    context: &'a Context,
    begun: &Begun,
    reason: Reason,
) -> Option<Exchange<'a>> {
    let facts = ConnectionFacts::of(session)?;
    let header = session.req_header();
    let path = header.raw_path();
    let query = path.iter().position(|&byte| byte == b'?');
    let answer = session.response_written();
    let redirect_url = answer
        .filter(|_| reason == Reason::Redirect)
        .and_then(|answer| answer.headers.get(LOCATION))
        .map_or(&b""[..], HeaderValue::as_bytes);
    Some(Exchange {
        kind: kind(session, facts),
        local: facts.local,
        priority: priority(context, begun, reason),
        path: query.and_then(|at| path.get(..at)).unwrap_or(path),
        server_name: facts.tls.as_ref().and_then(|tls| tls.server_name.as_deref()).unwrap_or(""),
        target_status: context.target_status,
        heads: (
            // `METHOD TARGET HTTP/1.1`, and `HTTP/1.1 200 OK`, which is the shortest.
            (header.method.as_str().len() + path.len() + 12) as u64 + size(&header.headers),
            answer.map_or(0, |answer| 17 + size(&answer.headers)),
        ),
        redirect_url,
        actions: [before(context, begun, reason), rewrite(context), routing(context, reason)],
        cipher: facts.tls.as_ref().map_or("", |tls| tls.openssl_cipher),
    })
}

fn kind(session: &Session, facts: &ConnectionFacts) -> &'static str {
    let header = session.req_header();
    let is_tls = facts.tls.is_some();
    if session.was_upgraded() {
        return if is_tls { "wss" } else { "ws" };
    }
    let caller = Caller::of(header.method.as_str(), header.headers.get(CONTENT_TYPE));
    match header.version {
        Version::HTTP_2 if caller.is_grpc => "grpcs",
        Version::HTTP_2 => "h2",
        _ if is_tls => "https",
        _ => "http",
    }
}

fn priority(context: &Context, begun: &Begun, reason: Reason) -> Option<u32> {
    if matches!(reason, Reason::SignIn(Outcome::SignedIn | Outcome::Failed(_))) {
        // The callback is no rule's.
        return None;
    }
    let rule = context.decision.as_ref()?.rule?;
    let listener = begun.snapshot.config.listeners.get(begun.listener)?;
    Some(listener.rules.get(rule).map_or(0, |rule| rule.priority))
}

/// The action in front of the routing action, if there was one and it was come to.
fn before(context: &Context, begun: &Begun, reason: Reason) -> &'static str {
    match reason {
        Reason::Auth(_) => return "jwt-validation",
        // It is what answered.
        Reason::SignIn(_) => return "",
        _ => {}
    }
    let decision = context.decision.as_ref();
    let has_session = decision.is_some_and(|decision| decision.session.is_some());
    let rule = || {
        let rule = context.decision.as_ref()?.rule?;
        begun.snapshot.listeners.get(begun.listener)?.rules.get(rule)
    };
    match rule() {
        Some(rule) if has_session || rule.validation.is_none() && rule.sign_in.is_some() => {
            "authenticate"
        }
        Some(rule) if rule.validation.is_some() => "jwt-validation",
        _ => "",
    }
}

/// A transform that was tried.
fn rewrite(context: &Context) -> &'static str {
    let decision = context.decision.as_ref();
    if decision.is_some_and(|decision| decision.transformed.is_some()) { "rewrite" } else { "" }
}

/// The routing action: a request that a target was asked for was forwarded, whatever came of it.
fn routing(context: &Context, reason: Reason) -> &'static str {
    match reason.action() {
        "" if context.plan().is_some() => "forward",
        "fixed_response" => "fixed-response",
        "sign_out" => "redirect",
        action => action,
    }
}

fn size(headers: &HeaderMap) -> u64 {
    let line = |name: &str, value: &HeaderValue| (name.len() + value.len() + 4) as u64;
    headers.iter().map(|(name, value)| line(name.as_str(), value)).sum::<u64>() + 2
}
