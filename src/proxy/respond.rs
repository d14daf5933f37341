//! What goes back to the client: our own answers, and a target's with what is not its own removed.

use std::time::Duration;

use ::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, PROXY_AUTHENTICATE, SERVER,
    SET_COOKIE, TRANSFER_ENCODING,
};
use ::http::{HeaderMap, HeaderName, HeaderValue, Version};
use pingora_core::protocols::http::ServerSession;
use pingora_error::ErrorType::InvalidHTTPHeader;
use pingora_error::{Error, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::context::Context;
use super::{Gateway, cors, integration, verdict};
use crate::answer::{Answer, Caller, Style};
use crate::clock;
use crate::connection::ConnectionFacts;
use crate::http::limits::MAX_HEADERS;
use crate::stickiness::is_reserved;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// How long the rest of a body may take that nobody will read, so that the client sees the answer
/// before the connection is reset.
const BODY_DRAIN: Duration = Duration::from_secs(1);

/// Sends an answer of our own, in the listener's style.
pub(super) async fn send(
    session: &mut Session,
    context: &Context,
    answer: Answer,
    close: bool,
) -> Result<()> {
    let answer = match (style(context), &context.begun) {
        (Some(style), Some(begun)) => {
            let header = session.req_header();
            let caller = Caller::of(header.method.as_str(), header.headers.get(CONTENT_TYPE));
            style.dress(answer, caller, begun.id.as_str())
        }
        _ => answer,
    };
    let closing = close
        || ConnectionFacts::of(session).is_some_and(ConnectionFacts::is_closing)
        || !session.is_body_done();
    if closing {
        session.set_keepalive(None);
        session.set_total_drain_timeout(Some(BODY_DRAIN));
    }
    let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len() + 2))?;
    if !answer.reason_phrase().is_empty() {
        header.set_reason_phrase(Some(answer.reason_phrase()))?;
    }
    for (name, value) in &answer.headers {
        header.append_header(name, value.clone())?;
    }
    cors::dress(&mut header, session.req_header(), context)?;
    let is_empty = answer.body.is_empty();
    if let (ServerSession::H2(stream), true) = (session.as_downstream_mut(), is_empty) {
        // The head ends the stream: with an empty frame behind it, gRPC callers would take the
        // trailers that it is for a head without trailers. Pingora's own way leaves it open.
        return stream.write_response_header(Box::new(header), true);
    }
    session.write_response_header(Box::new(header), is_empty).await?;
    if !is_empty {
        session.write_response_body(Some(answer.body.clone()), true).await?;
    }
    Ok(())
}

impl Gateway {
    /// Takes out of a target's answer what only we may say.
    ///
    /// # Errors
    ///
    /// The head is larger than a request's may be. Pingora takes 1 MiB, and a client may not.
    pub(super) fn prepare_response(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        let is_final = !response.status.is_informational() || response.status == 101;
        if is_final {
            context.target_status = Some(response.status.as_u16());
        }
        context.check_target()?;
        judge_size(&response.headers)?;
        context.note_verdict(verdict::of_head(response.status, &response.headers));
        judge_framing(response)?;
        if context.first_byte.is_none() && !response.status.is_informational() {
            context.first_byte = Some(context.elapsed());
        }
        if let Some(begun) = &context.begun {
            let owned: Vec<HeaderName> = begun.snapshot.owned.found_in(&response.headers);
            for name in &owned {
                response.remove_header(name);
            }
        }
        if is_final && let (Some(begun), Some(api)) = (&context.begun, context.api()) {
            let sent = context.plan().and_then(|plan| plan.integration.as_deref());
            integration::prepare_response(response, api, sent, begun.id.as_str())?;
        }
        if is_final {
            stick(response, context)?;
            renew(response, context)?;
            dress(response, context)?;
            cors::dress(response, session.req_header(), context)?;
        }
        if response.status == 101 {
            let parts =
                ConnectionFacts::of(session).is_some_and(ConnectionFacts::must_part_with_target);
            if !session.is_upgrade_req() || parts {
                let why = "the target switched protocols without being asked";
                return Err(Error::explain(InvalidHTTPHeader, why).into_up());
            }
            if let (Some(lasting), Some(facts)) = (&context.lasting, ConnectionFacts::of(session)) {
                lasting.becomes_tunnel(facts);
            }
            return Ok(());
        }
        remove_hop_by_hop(response);
        let is_closing = ConnectionFacts::of(session).is_some_and(ConnectionFacts::is_closing);
        if is_closing && !session.was_upgraded() {
            session.set_keepalive(None);
        }
        // HTTP/1.0 knows no chunks: there the end of the connection ends the body (RFC 9112 6.1).
        if session.req_header().version == Version::HTTP_10
            && response.remove_header(&TRANSFER_ENCODING).is_some()
        {
            session.set_keepalive(None);
        }
        Ok(())
    }
}

/// Puts a renewed session's cookies on a target's answer, which no cache may keep then.
fn renew(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    let session = context.decision.as_ref().and_then(|decision| decision.session.as_ref());
    let Some(session) = session.filter(|session| !session.cookies.is_empty()) else {
        return Ok(());
    };
    for cookie in &session.cookies {
        response.append_header(SET_COOKIE, cookie.clone())?;
    }
    response.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// How the listener of this request wants answers dressed.
fn style(context: &Context) -> Option<&Style> {
    let begun = context.begun.as_ref()?;
    Some(&begun.snapshot.listeners.get(begun.listener)?.style)
}

/// Puts the listener's headers on a target's answer, in place of what the target says there.
fn dress(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    let Some(style) = style(context) else { return Ok(()) };
    if style.removes_server() {
        response.remove_header(&SERVER);
    }
    for (name, value) in style.added() {
        response.insert_header(name, value)?;
    }
    Ok(())
}

/// Takes out of a target's trailers what the listener says itself: some clients read both alike.
pub(super) fn undress(trailers: &mut HeaderMap, context: &Context) {
    for (name, _) in style(context).map(Style::added).unwrap_or_default() {
        trailers.remove(name);
    }
}

/// Has the client come back to the target that gave this answer. Our cookies are ours alone to set
/// then: a target that is a load balancer itself would undo what they say.
fn stick(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    let (Some(begun), Some(plan), Some(chosen)) = (&context.begun, context.plan(), &context.chosen)
    else {
        return Ok(());
    };
    let Some(sticky) = &plan.sticky else { return Ok(()) };
    let snapshot = &begun.snapshot;
    let cookies = snapshot.stickiness.cookies(
        sticky,
        (plan.group, chosen.target().key()),
        &response.headers,
        &snapshot.seal,
        clock::wall(),
    );
    if response.headers.get_all(SET_COOKIE).into_iter().any(is_reserved) {
        let all = response.headers.get_all(SET_COOKIE).into_iter();
        let others: Vec<HeaderValue> = all.filter(|cookie| !is_reserved(cookie)).cloned().collect();
        response.remove_header(&SET_COOKIE);
        for cookie in others {
            response.append_header(SET_COOKIE, cookie)?;
        }
    }
    for cookie in cookies {
        response.append_header(SET_COOKIE, cookie)?;
    }
    Ok(())
}

/// Takes out what a target says to us as its client and not to ours (RFC 9110 7.6.1): `Connection`,
/// what that names, and its kin. The engine writes a `Connection` of its own.
fn remove_hop_by_hop(response: &mut ResponseHeader) {
    let mut named = Vec::new();
    for value in response.headers.get_all(&CONNECTION) {
        for option in value.as_bytes().split(|&byte| byte == b',') {
            match HeaderName::from_bytes(option.trim_ascii()) {
                // Without these nobody would know where the body ends.
                Ok(CONTENT_LENGTH | TRANSFER_ENCODING) | Err(_) => {}
                Ok(name) => named.push(name),
            }
        }
    }
    for name in named {
        response.remove_header(&name);
    }
    for name in [&CONNECTION, &KEEP_ALIVE, &PROXY_AUTHENTICATE, &PROXY_CONNECTION] {
        response.remove_header(name);
    }
}

/// Refuses an answer whose end the client might find elsewhere than we do. `Content-Length` beside
/// `Transfer-Encoding` is not seen here: the engine has dropped it (RFC 9112 6.3).
///
/// # Errors
///
/// An error by which Pingora lets go of the target.
fn judge_framing(response: &mut ResponseHeader) -> Result<()> {
    let broken = |why: &'static str| Err(Error::explain(InvalidHTTPHeader, why).into_up());
    let mut lengths = response.headers.get_all(&CONTENT_LENGTH).into_iter();
    if let Some(length) = lengths.next() {
        let is_plain = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
        if !is_plain || lengths.next().is_some() {
            return broken("the target's Content-Length is not one plain number");
        }
    }
    let mut codings = response.headers.get_all(&TRANSFER_ENCODING).into_iter();
    if let Some(coding) = codings.next() {
        let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !is_chunked || codings.next().is_some() || response.version == Version::HTTP_10 {
            return broken("the target's Transfer-Encoding is not `chunked` alone");
        }
    }
    // These have no body, whatever their head says (RFC 9110 8.6, RFC 9112 6.1).
    if response.status == 204 || response.status.is_informational() {
        response.remove_header(&CONTENT_LENGTH);
        response.remove_header(&TRANSFER_ENCODING);
    }
    Ok(())
}

/// Refuses a head, or trailers, of a target that are larger than a request's head may be.
///
/// # Errors
///
/// An error by which Pingora lets go of the target.
pub(super) fn judge_size(headers: &HeaderMap) -> Result<()> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    if headers.iter().map(line).sum::<usize>() <= MAX_HEADERS {
        return Ok(());
    }
    Err(Error::explain(InvalidHTTPHeader, "the target's header fields are too large").into_up())
}
