//! Decides about sessions: who has one, who is sent to sign in, and who comes back.

use std::sync::Arc;

use ::http::HeaderValue;
use ::http::header::SET_COOKIE;

use super::{Decision, Moment, Reason, Request, Step, View};
use crate::answer::{self, Answer, Caller};
use crate::auth::Identity;
use crate::config::model::OnUnauthenticatedRequest;
use crate::http::{Authority, Scheme, Target};
use crate::sign_in::begin::{self, Visit};
use crate::sign_in::callback::{self, Refused, Return};
use crate::sign_in::exchange::{self, Ask};
use crate::sign_in::logout::{self, LOGOUT_PATH};
use crate::sign_in::navigation::is_navigation;
use crate::sign_in::returns;
use crate::sign_in::session::{self, Found, OpenSession, Session};
use crate::sign_in::sign_out::{self, SignOutAction};
use crate::sign_in::{CALLBACK_PATH, Callback, Failure, Outcome, Reach, SignIn};
use crate::snapshot::{Listener, Snapshot};

/// What came of renewing a session.
pub type Renewed = Result<Arc<OpenSession>, Failure>;

/// A request within a session.
#[derive(Debug)]
pub struct InSession {
    /// The session.
    pub open: Arc<OpenSession>,
    /// Its new cookies, where it was renewed for this request.
    pub cookies: Vec<HeaderValue>,
}

/// A session that must be renewed before its request goes on.
#[derive(Clone)]
pub struct Renewal {
    /// The rule's action.
    pub sign_in: Arc<SignIn>,
    /// The session as it was.
    pub open: Arc<OpenSession>,
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewal").field("open", &self.open.session).finish_non_exhaustive()
    }
}

impl Decision {
    /// What signing in made of a request.
    fn signing_in(rule: Option<usize>, outcome: Outcome, answer: Answer, caller: Caller) -> Self {
        let answer = answer.for_caller(caller);
        let step = Step::Answer { answer, close: false };
        let error_reason = match outcome {
            Outcome::Failed(failure) => failure.error_reason(),
            _ => "",
        };
        Self { error_reason, ..Self::new(rule, Reason::SignIn(outcome), step) }
    }

    fn not_signed_in(
        rule: Option<usize>,
        failure: Failure,
        retry: Option<&str>,
        caller: Caller,
    ) -> Self {
        let answer = answer::sign_in_failed(failure.status(), retry, caller);
        Self::signing_in(rule, Outcome::Failed(failure), answer, caller)
    }
}

impl Listener {
    /// How browsers reach it: one that stands beyond loopback without TLS has something in front
    /// that does TLS, since the file says so.
    pub(crate) fn browser_scheme(&self, received: Scheme) -> Scheme {
        if self.is_loopback { received } else { Scheme::Https }
    }
}

/// A browser that comes back from the user pool. `None` where nobody is ever sent there.
pub(super) fn callback(
    snapshot: &Snapshot,
    listener: &Listener,
    request: &Request<'_>,
    (target, authority): (&Target<'_>, &Authority<'_>),
    moment: Moment,
    caller: Caller,
) -> Option<Decision> {
    if target.path != CALLBACK_PATH || !listener.rules.iter().any(|rule| rule.sign_in.is_some()) {
        return None;
    }
    let back = Return {
        seal: &snapshot.seal,
        headers: request.headers,
        method: request.received.method,
        query: target.query.unwrap_or_default(),
        scheme: listener.browser_scheme(request.received.scheme),
        authority: authority.as_str(),
        now: moment.wall,
    };
    let find = |name: &str| {
        let index = listener.rules.iter().position(|rule| *rule.name == *name)?;
        Some((index, listener.rules.get(index)?.sign_in.as_deref()?))
    };
    Some(match callback::receive(find, back) {
        Ok(callback) => {
            let rule = Some(callback.rule);
            let reason = Reason::SignIn(Outcome::SignedIn);
            Decision::new(rule, reason, Step::Redeem(Box::new(callback)))
        }
        Err(Refused { failure, rule, retry }) => {
            Decision::not_signed_in(rule, failure, retry.as_deref(), caller)
        }
    })
}

/// What a browser is told after its code was redeemed, or was not.
#[must_use]
pub fn conclude(
    snapshot: &Snapshot,
    request: &Request<'_>,
    callback: &Callback,
    redeemed: Result<Session, Failure>,
    moment: Moment,
) -> Decision {
    let caller = Caller { is_head: false, is_grpc: false };
    let rule = Some(callback.rule);
    let listener = snapshot.listeners.get(request.listener);
    let sign_in = listener.and_then(|l| l.rules.get(callback.rule)?.sign_in.as_deref());
    let answer = match (redeemed, sign_in) {
        (Ok(session), Some(sign_in)) => {
            let open = OpenSession::new(session, &sign_in.realm.pool);
            let deny_list = snapshot.authorizers.deny_list();
            match open {
                Some(open) if !deny_list.denies(&open.token, moment.wall) => {
                    callback.conclude(sign_in, &open.session, &snapshot.seal, moment.wall)
                }
                Some(_) => Err(Failure::Denied),
                None => Err(Failure::Unhandled),
            }
        }
        (Ok(_), None) => Err(Failure::Unhandled),
        (Err(failure), _) => Err(failure),
    };
    match answer {
        Ok(answer) => Decision::signing_in(rule, Outcome::SignedIn, answer, caller),
        Err(failure) => Decision::not_signed_in(rule, failure, Some(callback.retry()), caller),
    }
}

/// An issuer that ends a session. `None` where none may.
pub(super) fn logout(
    listener: &Listener,
    request: &Request<'_>,
    target: &Target<'_>,
    caller: Caller,
) -> Option<Decision> {
    if target.path != LOGOUT_PATH || listener.logouts.is_empty() {
        return None;
    }
    if request.received.method != "POST" {
        let outcome = Outcome::LogoutRefused;
        return Some(Decision::signing_in(None, outcome, logout::answer(outcome), caller));
    }
    let reason = Reason::SignIn(Outcome::LoggedOut);
    Some(Decision::new(None, reason, Step::Logout(Arc::clone(&listener.logouts))))
}

/// What an issuer is told.
#[must_use]
pub fn conclude_logout(outcome: Outcome) -> Decision {
    let caller = Caller { is_head: false, is_grpc: false };
    Decision::signing_in(None, outcome, logout::answer(outcome), caller)
}

impl View<'_> {
    /// The session of a request at a rule that wants one; `None` where it may go on without.
    pub(super) fn session(
        &self,
        sign_in: &Arc<SignIn>,
        request: &Request<'_>,
        moment: Moment,
        (target, authority): (&Target<'_>, &Authority<'_>),
    ) -> Result<Option<InSession>, Box<Decision>> {
        let (snapshot, now) = (self.snapshot, moment.wall);
        let must_sign_in = |error_reason| {
            let refused = self.send_to_sign_in(sign_in, request, moment, (target, authority));
            Err(Box::new(Decision { error_reason, ..refused }))
        };
        let found = match request.renewed {
            None => {
                session::find(sign_in, request.headers, &snapshot.seal, &snapshot.sessions, now)
            }
            Some(Err(failure)) => return must_sign_in(failure.error_reason()),
            Some(Ok(open)) => match session::judge(sign_in, Arc::clone(open), now) {
                // An access token of a second or two: renewed once is enough for one request.
                Found::Good(open) | Found::Renewable(open)
                    if !snapshot.authorizers.deny_list().denies(&open.token, now) =>
                {
                    let scheme = self.listener.browser_scheme(request.received.scheme);
                    let reach = Reach::of(request.headers, scheme);
                    let seal = &snapshot.seal;
                    let cookies = open.session.cookies(sign_in, seal, request.headers, reach, now);
                    return Ok(Some(InSession { open, cookies }));
                }
                other => other,
            },
        };
        let is_denied =
            |open: &OpenSession| snapshot.authorizers.deny_list().denies(&open.token, now);
        let error_reason = match found {
            // Whoever may not come in at all is told at the callback.
            Found::Good(open) | Found::Renewable(open) if is_denied(&open) => {
                return must_sign_in("");
            }
            Found::Good(open) => return Ok(Some(InSession { open, cookies: Vec::new() })),
            Found::Renewable(open) => {
                let renewal = Renewal { sign_in: Arc::clone(sign_in), open };
                let reason = Reason::SignIn(Outcome::SessionMissing);
                let step = Step::Renew(Box::new(renewal));
                return Err(Box::new(Decision::new(Some(self.index), reason, step)));
            }
            Found::Over => return must_sign_in(""),
            Found::Unreadable => "AuthInvalidCookie",
            Found::Nothing => "",
        };
        match sign_in.settings.on_unauthenticated_request {
            OnUnauthenticatedRequest::Authenticate => must_sign_in(error_reason),
            OnUnauthenticatedRequest::Allow => Ok(None),
            OnUnauthenticatedRequest::Deny => {
                let refused = self.refuse_visitor(Outcome::SessionMissing);
                Err(Box::new(Decision { error_reason, ..refused }))
            }
        }
    }

    /// A page is sent to the user pool; a script is told.
    fn send_to_sign_in(
        &self,
        sign_in: &SignIn,
        request: &Request<'_>,
        moment: Moment,
        (target, authority): (&Target<'_>, &Authority<'_>),
    ) -> Decision {
        if !sign_in.settings.redirects_scripts && !is_navigation(request.headers) {
            return self.refuse_visitor(Outcome::ScriptRefused);
        }
        let wanted = target.path_and_query();
        let scheme = self.listener.browser_scheme(request.received.scheme);
        if returns::are_too_many(&sign_in.realm, request.headers) {
            let retry = format!("{}://{}{wanted}", scheme.as_str(), authority.as_str());
            return self.end_loop(sign_in, request, &retry);
        }
        let visit = Visit {
            seal: &self.snapshot.seal,
            headers: request.headers,
            scheme,
            authority: authority.as_str(),
            target: wanted.as_ref(),
            now: moment.wall,
        };
        let index = Some(self.index);
        match begin::redirect(sign_in, &self.rule.name, visit) {
            Some(answer) => Decision::signing_in(index, Outcome::Begun, answer, self.caller),
            None => Decision::not_signed_in(index, Failure::Unhandled, None, self.caller),
        }
    }

    /// A page for a browser that would go to the user pool and back for ever. The next try counts
    /// anew.
    fn end_loop(&self, sign_in: &SignIn, request: &Request<'_>, retry: &str) -> Decision {
        let is_secure = self.listener.browser_scheme(request.received.scheme) == Scheme::Https;
        let reach = Reach { is_secure, is_cross_site: false };
        let failure = Failure::Loop;
        let answer = answer::sign_in_failed(failure.status(), Some(retry), self.caller);
        let answer = match returns::forgotten(&sign_in.realm, request.headers, reach) {
            Some(cookie) => answer.with(SET_COOKIE, cookie),
            None => answer,
        };
        Decision::signing_in(Some(self.index), Outcome::Failed(failure), answer, self.caller)
    }

    fn refuse_visitor(&self, outcome: Outcome) -> Decision {
        let answer = answer::sign_in_failed(401, None, self.caller);
        Decision::signing_in(Some(self.index), outcome, answer, self.caller)
    }

    /// Ends a session; the refresh token is to be revoked too.
    pub(super) fn sign_out(
        &self,
        action: &SignOutAction,
        request: &Request<'_>,
        (target, authority): (&Target<'_>, &Authority<'_>),
    ) -> (Reason, Step, Option<Box<Ask>>) {
        let (headers, method) = (request.headers, request.received.method);
        if sign_out::is_foreign(headers, method, authority.as_str()) {
            let step = self.say(Answer::page(403));
            return (Reason::SignIn(Outcome::ForeignSignOut), step, None);
        }
        let snapshot = self.snapshot;
        let open = session::open(&action.realm, headers, &snapshot.seal, &snapshot.sessions);
        let revoke = open.flatten().and_then(|open| {
            let refresh_token = open.session.refresh_token()?;
            exchange::revoke(&action.realm.provider, refresh_token).map(Box::new)
        });
        let scheme = self.listener.browser_scheme(request.received.scheme);
        let query = target.query.unwrap_or_default();
        let answer = sign_out::answer(action, headers, scheme, query);
        (Reason::SignIn(Outcome::SignedOut), self.say(answer), revoke)
    }

    /// The caller of a session.
    pub(super) fn identity_of(sign_in: &SignIn, session: &InSession) -> Identity {
        Identity::of_session(&session.open.token, &sign_in.realm.pool, &sign_in.headers)
    }
}

/// Puts a renewed session's cookies on an answer of ours.
pub(super) fn with_cookies(step: Step, session: Option<&InSession>) -> Step {
    match (step, session) {
        (Step::Answer { answer, close }, Some(session)) => {
            let cookies = session.cookies.iter().cloned();
            let answer = cookies.fold(answer, |answer, cookie| answer.with(SET_COOKIE, cookie));
            Step::Answer { answer, close }
        }
        (step, _) => step,
    }
}
