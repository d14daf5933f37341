//! What is done when a target, or the client, breaks off: another try, or an answer in ALB's words.

use ::http::StatusCode;
use pingora_error::ErrorType::{InvalidHTTPHeader, ReadTimedout};
use pingora_error::{Error, ErrorSource};
use pingora_proxy::{FailToProxy, Session};

use super::Gateway;
use super::context::Context;
use super::respond;
use crate::answer::{self, Caller, Refusal};
use crate::api::Asker;
use crate::clock;
use crate::connection::{BodyRefusal, ConnectionFacts};
use crate::engine::Reason;
use crate::upstream::{Attempt, Cause, Chosen, Phase, classify, may_retry};

/// No connection came about, so nothing was sent.
pub(super) fn after_connect(
    session: &mut Session,
    context: &mut Context,
    error: Box<Error>,
) -> Box<Error> {
    judge(session, context, error, Phase::Connecting, false)
}

/// A connection broke in the middle; `reused` when it had served a request before.
pub(super) fn while_proxying(
    session: &mut Session,
    context: &mut Context,
    error: Box<Error>,
    reused: bool,
) -> Box<Error> {
    judge(session, context, error, Phase::Exchanging, reused)
}

/// Notes why the target failed, and whether another try is safe.
fn judge(
    session: &mut Session,
    context: &mut Context,
    mut error: Box<Error>,
    phase: Phase,
    reused: bool,
) -> Box<Error> {
    let cause = classify(&error, phase);
    context.cause = cause.map(refusal_of);
    let now = context.elapsed();
    if let (Some(trace), Some(refusal)) = (&mut context.spans, context.cause) {
        trace.failed(refusal.as_str(), now);
    }
    let may_retry = cause.is_some_and(|cause| {
        let attempt = Attempt {
            idempotent: session.req_header().method.is_idempotent(),
            reused,
            response_started: has_answered(session),
            body_replayable: !session.as_ref().retry_buffer_truncated(),
            retries: u8::try_from(context.attempts.saturating_sub(1)).unwrap_or(u8::MAX),
        };
        may_retry(cause, attempt)
    });
    // That we have no socket left is not the target's failure.
    if let Some(chosen) = &mut context.chosen
        && cause.is_some_and(|cause| cause != Cause::Exhausted)
    {
        chosen.failed(clock::monotonic());
    }
    error.set_retry(may_retry);
    error
}

/// ALB's table of target failures (alb.md 14.1), in the words of `answer`.
const fn refusal_of(cause: Cause) -> Refusal {
    match cause {
        Cause::NoTarget => Refusal::NoTarget,
        Cause::ConnectRefused | Cause::ConnectUnreachable | Cause::TlsFailed => {
            Refusal::TargetUnreachable
        }
        Cause::ConnectTimeout => Refusal::TargetConnectTimeout,
        Cause::Exhausted => Refusal::Overloaded,
        Cause::Closed | Cause::Refused | Cause::SendFailed | Cause::Broken => {
            Refusal::TargetBrokeOff
        }
        Cause::Vanished | Cause::SendTimeout | Cause::ResponseTimeout => Refusal::TargetTimeout,
        Cause::Malformed => Refusal::TargetMalformed,
    }
}

impl Gateway {
    /// Answers in place of a target that did not.
    pub(super) async fn answer_failure(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        if context.failure.is_none() && context.chosen.as_ref().is_some_and(Chosen::is_over) {
            context.failure = Some(Reason::Refused(Refusal::TargetDeregistered));
        }
        let reason = context.failure.unwrap_or_else(|| reason_of(session, error, context.cause));
        context.failure = Some(reason);
        let Reason::Refused(refusal) = reason else {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        };
        let status = refusal.status();
        if has_answered(session) {
            // Part of an answer is gone already: only cutting it off is honest.
            return FailToProxy { error_code: status, can_reuse_downstream: false };
        }
        let header = session.req_header();
        let content_type = header.headers.get(::http::header::CONTENT_TYPE);
        let caller = Caller::of(header.method.as_str(), content_type);
        let answer = match (&context.begun, context.api()) {
            (Some(begun), Some(api)) => {
                let id = begun.id.as_str();
                let mut answer = api.refuse(refusal, Asker { caller, id });
                answer.headers.extend(api.identify(id));
                answer
            }
            _ => answer::refuse(refusal, caller),
        };
        let sent = respond::send(session, context, answer, true).await;
        if sent.is_err() {
            context.failure = Some(Reason::ClientClosed);
        }
        FailToProxy { error_code: status, can_reuse_downstream: false }
    }
}

/// Whether an answer has begun; `100 Continue` is none, and 101 is: what follows it is not HTTP.
fn has_answered(session: &Session) -> bool {
    session.response_written().is_some_and(|response| {
        !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS
    })
}

/// What an error means to the client.
fn reason_of(session: &Session, error: &Error, cause: Option<Refusal>) -> Reason {
    match error.esource() {
        ErrorSource::Upstream => Reason::Refused(cause.unwrap_or(Refusal::TargetBrokeOff)),
        ErrorSource::Downstream => {
            let broken = ConnectionFacts::of(session).and_then(ConnectionFacts::body_refusal);
            match (broken, error.etype()) {
                (Some(BodyRefusal::TooSlow), _) | (None, ReadTimedout) => {
                    Reason::Refused(Refusal::RequestTimeout)
                }
                (Some(BodyRefusal::Malformed(_)), _) | (None, InvalidHTTPHeader) => {
                    Reason::Refused(Refusal::BodyMalformed)
                }
                _ => Reason::ClientClosed,
            }
        }
        ErrorSource::Internal | ErrorSource::Unset => Reason::Refused(Refusal::Internal),
    }
}
