//! Decides what happens to a request. No I/O, no clock: facts and the time in, a decision out.
//!
//! The running gateway and every command that explains, tests or compares a file ask this one
//! function, so they cannot disagree.

mod api_consult;
mod api_limits;
mod api_route;
mod api_signed;
mod api_usage;
mod reason;
mod sign_in;
mod witness;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::header::{CONTENT_TYPE, HOST};
use ::http::{HeaderMap, HeaderValue};

pub use self::reason::Reason;
pub use self::sign_in::{InSession, Renewal, Renewed, conclude, conclude_logout};
pub use self::witness::Witness;
use crate::answer::{self, Answer, Caller, Challenge, Refusal};
use crate::api::{self, Consultation, Consulted, HeaderEdit, ResponseEdits};
use crate::assertion::{self, oidc_data};
use crate::auth::key_source::KeyWait;
use crate::auth::{self, CompiledValidation, Identity, Outcome, Patience};
use crate::aws::Credential;
use crate::clock::UnixMillis;
use crate::config::model::{Forward, GroupIndex, Name, ProtocolVersion};
use crate::http::forwarded::{FORWARDED_FOR, check_addresses};
use crate::http::{Authority, Received, Target, limits, tidy};
use crate::routing::{Particulars, Selection, choose_group, redirect};
use crate::sign_in::Callback;
use crate::sign_in::exchange::Ask;
use crate::sign_in::logout::LogoutRealm;
use crate::snapshot::{Action, Listener, Rule, Snapshot};
use crate::stickiness::{Client, Sticky};
use crate::tls::Presented;
use crate::transform::{self, Transformed};

/// A request, as far as deciding needs to know it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Position of the listener in the file.
    pub listener: usize,
    /// Its id, as the access log has it.
    pub id: &'a str,
    /// Method, target and authority as they were received.
    pub received: Received<'a>,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The client's address, as far as somebody who is believed has told.
    pub client: IpAddr,
    /// `Content-Length`, when there is one.
    pub content_length: Option<u64>,
    /// Whether it came over HTTP/2.
    pub is_http2: bool,
    /// The certificates of its connection; absent without TLS, or where there is no connection.
    pub presented: Option<Presented<'a>>,
    /// Whether it came by a connection whose client no trust store has vouched for.
    pub is_unverified: bool,
    /// Whether it is a real one, which limits count: nobody who only asks what would become of a
    /// request is told that there were too many.
    pub is_counted: bool,
    /// What came of renewing its session, after [`Step::Renew`].
    pub renewed: Option<&'a Renewed>,
    /// What came of asking its authorizer, after [`Step::Consult`].
    pub consulted: Option<&'a Consulted>,
    /// Its body, after [`Step::ReadBody`].
    pub body: Body<'a>,
}

/// A request's body, as far as deciding needs to know it.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// Nobody has asked for it.
    Unread,
    /// All of it.
    Read(&'a [u8]),
    /// It was asked for, and it was too long, too slow, or there was no room for it.
    Refused(Refusal),
}

/// What deciding needs beside the request.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Expiry is judged by the wall clock.
    pub wall: UnixMillis,
    /// Key sets are waited for by the monotonic clock.
    pub mono: Instant,
    /// Chooses among weighted target groups.
    pub random: u32,
    /// Whether this request may still wait for a key set.
    pub patience: Patience,
}

/// What was decided.
#[derive(Debug)]
pub struct Decision {
    /// Position of the rule on its listener; absent when the request never came to rules.
    pub rule: Option<usize>,
    /// Why, from a closed list.
    pub reason: Reason,
    /// ALB's `error_reason`; empty when there is none.
    pub error_reason: &'static str,
    /// Who is calling, where that is proved.
    pub identity: Option<Identity>,
    /// Who signed it, where a route asks for a signature.
    pub signer: Option<Arc<Credential>>,
    /// The session that proves it, where one does.
    pub session: Option<Box<InSession>>,
    /// What a transform of the rule made of host and target, and ALB's word for how that went.
    pub transformed: Option<Box<(Transformed, &'static str)>>,
    /// To be asked of a user pool, whatever comes of it: a refresh token is revoked.
    pub errand: Option<Box<Ask>>,
    /// Bytes of all header lines.
    pub header_bytes: usize,
    /// The canonical `path?query`, where the request did not have that spelling.
    pub target: Option<Box<str>>,
    /// The canonical authority, where the request did not have that spelling.
    pub authority: Option<Box<str>>,
    /// The API key that it came with, where that is known.
    pub api_key: Option<Name>,
    /// The API and its route, where a rule led to one.
    pub api: Option<api::Place>,
    /// What is to be done.
    pub step: Step,
}

/// What is to be done about a request.
#[derive(Debug)]
pub enum Step {
    /// Send it to a target.
    Forward(Plan),
    /// Say this.
    Answer {
        /// What.
        answer: Answer,
        /// Whether the client connection is of no further use.
        close: bool,
    },
    /// Wait until this attempt to fetch a key set has ended, at most
    /// [`MAX_WAIT`](auth::key_source::MAX_WAIT), and ask again with [`Patience::HasWaited`].
    Wait(KeyWait),
    /// Read the body, and ask again with it in [`Request::body`].
    ReadBody,
    /// Redeem the code of a browser that signs in, and ask [`conclude`].
    Redeem(Box<Callback>),
    /// Renew the session, and ask again with what came of it in [`Request::renewed`].
    Renew(Box<Renewal>),
    /// Ask the authorizer, and ask again with what came of it in [`Request::consulted`] and
    /// [`Patience::HasWaited`].
    Consult(Box<Consultation>),
    /// Read the logout token, have it dealt with by one of these, and ask [`conclude_logout`].
    Logout(Arc<[Arc<LogoutRealm>]>),
}

/// How a request is forwarded.
#[derive(Debug)]
pub struct Plan {
    /// Which target group.
    pub group: GroupIndex,
    /// Its position among the rule's target groups.
    pub position: usize,
    /// How its client is kept where it was; absent where nothing is sticky.
    pub sticky: Option<Box<Sticky>>,
    /// What an API's integration changes.
    pub integration: Option<Box<Sent>>,
}

/// What an API's integration sends in the place of what was received.
#[derive(Debug)]
pub struct Sent {
    /// `path?query`, when it is not the canonical one.
    pub target: Option<Box<str>>,
    /// Changes of headers, in order.
    pub headers: Vec<HeaderEdit>,
    /// Changes of the answer, by its status.
    pub responses: Vec<ResponseEdits>,
    /// Longest silence of the target.
    pub timeout: Duration,
}

impl Decision {
    /// Where it is forwarded to, if it is.
    #[must_use]
    pub const fn plan(&self) -> Option<&Plan> {
        match &self.step {
            Step::Forward(plan) => Some(plan),
            Step::Answer { .. }
            | Step::Wait(_)
            | Step::ReadBody
            | Step::Redeem(_)
            | Step::Renew(_)
            | Step::Consult(_)
            | Step::Logout(_) => None,
        }
    }

    const fn new(rule: Option<usize>, reason: Reason, step: Step) -> Self {
        Self {
            rule,
            reason,
            error_reason: "",
            identity: None,
            signer: None,
            session: None,
            transformed: None,
            errand: None,
            header_bytes: 0,
            target: None,
            authority: None,
            api: None,
            api_key: None,
            step,
        }
    }

    fn refused(rule: Option<usize>, refusal: Refusal, caller: Caller) -> Self {
        let step = Step::Answer {
            answer: answer::refuse(refusal, caller),
            close: refusal.closes_connection(),
        };
        Self::new(rule, Reason::Refused(refusal), step)
    }
}

/// Decides.
#[must_use]
pub fn decide(snapshot: &Snapshot, request: &Request<'_>, moment: Moment) -> Decision {
    decide_before(snapshot, request, moment, &mut ())
}

/// Decides, and tells a witness how.
#[must_use]
pub fn decide_before(
    snapshot: &Snapshot,
    request: &Request<'_>,
    moment: Moment,
    witness: &mut impl Witness,
) -> Decision {
    let caller = Caller::of(request.received.method, request.headers.get(CONTENT_TYPE));
    let Some(listener) = snapshot.listeners.get(request.listener) else {
        return Decision::refused(None, Refusal::Internal, caller);
    };
    let hosts = request.headers.get_all(HOST).into_iter().map(HeaderValue::as_bytes);
    let (target, authority) = match tidy(request.received, hosts, listener.path) {
        Ok(canonical) => canonical,
        Err(malformed) => return Decision::refused(None, malformed.into(), caller),
    };
    witness.tidied(&target, &authority);
    if request.presented.is_some_and(|presented| !presented.is_for(authority.host())) {
        return Decision::refused(None, Refusal::MisdirectedHost, caller);
    }
    // Its connection was made before the file in force.
    if listener.verifies_clients && request.is_unverified {
        return Decision::refused(None, Refusal::UnverifiedClient, caller);
    }
    if let Some(decision) = own_path(snapshot, &target, caller, request.received.method) {
        return decision;
    }
    let place = (&target, &authority);
    if let Some(decision) = sign_in::callback(snapshot, listener, request, place, moment, caller) {
        return decision;
    }
    if let Some(decision) = sign_in::logout(listener, request, &target, caller) {
        return decision;
    }
    let particulars = Particulars {
        headers: Some(request.headers),
        query: target.query.unwrap_or_default(),
        client: Some(request.client),
    };
    let method = request.received.method;
    let selection = listener.table.route(authority.host(), &target, method, particulars);
    witness.routed(particulars, selection);
    let index = match selection {
        Ok(Selection::Rule(index)) => index,
        Ok(Selection::Default) => listener.rules.len().saturating_sub(1),
        Err(malformed) => return Decision::refused(None, malformed.into(), caller),
    };
    let Some(rule) = listener.rules.get(index) else {
        return Decision::refused(None, Refusal::Internal, caller);
    };
    let header_bytes = match limits::check_headers(request.headers) {
        Ok(bytes) => bytes,
        Err(malformed) => return Decision::refused(None, malformed.into(), caller),
    };
    let forwarded_for = request.headers.get_all(FORWARDED_FOR);
    if let Err(malformed) = check_addresses(forwarded_for) {
        return Decision::refused(Some(index), malformed.into(), caller);
    }
    let view = View { snapshot, listener, rule, index, caller };
    let mut decision = view.judge(request, moment, &target, &authority);
    decision.header_bytes = header_bytes;
    decision.target = changed(&target);
    decision.authority = changed_authority(request, &authority);
    decision
}

/// Our own paths, whatever the rules say: public keys of what we sign for targets, when we do.
fn own_path(
    snapshot: &Snapshot,
    target: &Target<'_>,
    caller: Caller,
    method: &str,
) -> Option<Decision> {
    if !matches!(method, "GET" | "HEAD") {
        return None;
    }
    if let Some(kid) = target.path.strip_prefix(oidc_data::KEYS_PATH) {
        let signer = snapshot.oidc_signer.as_ref()?;
        let key = signer.public_key(kid);
        let answer = key.map_or_else(|| Answer::page(404), Answer::public_key).for_caller(caller);
        let step = Step::Answer { answer, close: false };
        return Some(Decision::new(None, Reason::IdentityKeys, step));
    }
    let asserter = snapshot.asserter.as_ref()?;
    if target.path != assertion::KEYS_PATH {
        return None;
    }
    let answer = Answer::key_set(asserter.key_set(), asserter.max_age()).for_caller(caller);
    Some(Decision::new(None, Reason::IdentityKeys, Step::Answer { answer, close: false }))
}

/// A caller, and the session that proves who it is, where one does.
type Proved = (Option<Identity>, Option<Box<InSession>>);

/// A request at the rule that takes it.
struct View<'a> {
    snapshot: &'a Snapshot,
    listener: &'a Listener,
    rule: &'a Rule,
    index: usize,
    caller: Caller,
}

impl View<'_> {
    fn judge(
        &self,
        request: &Request<'_>,
        moment: Moment,
        target: &Target<'_>,
        authority: &Authority<'_>,
    ) -> Decision {
        if let Action::Api(index) = self.rule.action {
            return self.api(index, request, moment, target, authority);
        }
        let (identity, session) = match self.authenticate(request, moment, (target, authority)) {
            Ok(proved) => proved,
            Err(decision) => return *decision,
        };
        let (mut errand, mut transformed) = (None, None);
        let (reason, step) = match &self.rule.action {
            Action::Forward(forward) => {
                let client = Client {
                    headers: request.headers,
                    authority: authority.as_str(),
                    seal: &self.snapshot.seal,
                    now: moment.wall,
                };
                match self.transform(target, authority) {
                    Ok(made) => {
                        transformed = made;
                        let is_authorized = identity.is_some();
                        self.forward(request, forward, client, moment.random, is_authorized)
                    }
                    Err(failure) => {
                        transformed = Some(Box::new((Transformed::default(), failure.as_str())));
                        self.refuse(Refusal::TransformFailed)
                    }
                }
            }
            Action::Redirect(redirect) => {
                let parts = redirect::Parts::of(target, authority, request.received.scheme);
                match redirect::location(redirect, parts) {
                    Ok(location) => {
                        let answer = Answer::redirect(redirect.status_code, &location);
                        (Reason::Redirect, self.say(answer))
                    }
                    Err(redirect::TooLong) => self.refuse(Refusal::RedirectTooLong),
                }
            }
            Action::Fixed(answer) => (Reason::FixedResponse, self.say(answer.clone())),
            Action::SignOut(action) => {
                let (reason, step, revoke) = self.sign_out(action, request, (target, authority));
                errand = revoke;
                (reason, step)
            }
            Action::Api(_) => self.refuse(Refusal::Internal),
        };
        let step = sign_in::with_cookies(step, session.as_deref());
        let decision = Decision::new(Some(self.index), reason, step);
        Decision { identity, session, transformed, errand, ..decision }
    }

    /// What the rule's transforms make of host and target, if it has any and they find anything.
    fn transform(
        &self,
        target: &Target<'_>,
        authority: &Authority<'_>,
    ) -> Result<Option<Box<(Transformed, &'static str)>>, transform::Failure> {
        let Some(transforms) = &self.rule.transforms else { return Ok(None) };
        let wanted = target.path_and_query();
        let made = transform::apply(transforms, authority, &wanted, self.listener.path)?;
        Ok(made.map(|made| Box::new((made, transform::SUCCESS))))
    }

    /// Who is calling, by a token or by a session; nobody on a rule that does not ask. Where both
    /// may be, the header that would hold the token decides which it is.
    fn authenticate(
        &self,
        request: &Request<'_>,
        moment: Moment,
        place: (&Target<'_>, &Authority<'_>),
    ) -> Result<Proved, Box<Decision>> {
        if let Some(sign_in) = &self.rule.sign_in {
            let token_header = self.rule.validation.as_ref().map(CompiledValidation::token_header);
            if !token_header.is_some_and(|header| request.headers.contains_key(header)) {
                let session = self.session(sign_in, request, moment, place)?;
                let identity = session.as_ref().map(|session| Self::identity_of(sign_in, session));
                return Ok((identity, session.map(Box::new)));
            }
        }
        Ok((self.authorize(request, moment)?, None))
    }

    /// Who is calling; nobody on a rule that does not ask.
    fn authorize(
        &self,
        request: &Request<'_>,
        moment: Moment,
    ) -> Result<Option<Identity>, Box<Decision>> {
        let Some(validation) = &self.rule.validation else { return Ok(None) };
        let outcome = self.snapshot.authorizers.authorize(
            validation,
            request.headers,
            moment.wall,
            moment.mono,
            moment.patience,
        );
        let (reason, error_reason, identity, step) = match outcome {
            Outcome::Allowed(identity) => return Ok(Some(identity)),
            Outcome::NeedsKey(wait) => {
                (Reason::Auth(auth::Reason::KeyUnknown), "", None, Step::Wait(wait))
            }
            Outcome::Refused(refusal) => {
                let answer = answer::challenge(self.challenge(&refusal), self.caller);
                let step = Step::Answer { answer, close: false };
                let error_reason = refusal.error_reason();
                (Reason::Auth(refusal.reason), error_reason, refusal.identity, step)
            }
        };
        let decision = Decision::new(Some(self.index), reason, step);
        Err(Box::new(Decision { error_reason, identity, ..decision }))
    }

    fn challenge(&self, refusal: &auth::Refusal) -> Challenge<'_> {
        match &refusal.challenge {
            auth::Challenge::NoToken => Challenge::NoToken,
            auth::Challenge::InvalidToken { expired: true } => Challenge::ExpiredToken,
            auth::Challenge::InvalidToken { expired: false } => Challenge::InvalidToken,
            auth::Challenge::InsufficientScope { scope: Some(_) } => {
                Challenge::InsufficientScope(&self.rule.wanted_scopes)
            }
            auth::Challenge::InsufficientScope { scope: None } => Challenge::InsufficientScope(&[]),
            auth::Challenge::Unavailable { retry_after } => Challenge::KeysUnavailable {
                retry_after: u32::try_from(retry_after.as_secs().max(1)).unwrap_or(u32::MAX),
            },
        }
    }

    fn forward(
        &self,
        request: &Request<'_>,
        forward: &Forward,
        client: Client<'_>,
        random: u32,
        is_authorized: bool,
    ) -> (Reason, Step) {
        if request.content_length.is_some_and(|length| length > self.listener.max_request_body) {
            return self.refuse(Refusal::BodyTooLarge);
        }
        let stickiness = &self.snapshot.stickiness;
        let kept = stickiness.group(forward, client);
        let before = kept.and_then(|kept| kept.group);
        let Some(group) = before.or_else(|| choose_group(&forward.groups, random)) else {
            return self.refuse(Refusal::NoTarget);
        };
        if !self.is_spoken_by(group, request) {
            return self.refuse(Refusal::ProtocolMismatch);
        }
        let sticky = stickiness.keep(kept, group, client);
        let position = forward.groups.iter().position(|weighted| weighted.group == group);
        let reason = if is_authorized { Reason::Authorized } else { Reason::Public };
        let position = position.unwrap_or(0);
        (reason, Step::Forward(Plan { group, position, sticky, integration: None }))
    }

    /// Whether the targets of a group can take what this client speaks (alb.md 9.1).
    fn is_spoken_by(&self, group: GroupIndex, request: &Request<'_>) -> bool {
        let group = self.snapshot.config.target_groups.get(group.0);
        let version = group.map(|group| group.protocol_version).unwrap_or_default();
        match version {
            ProtocolVersion::Http1 => !(request.is_http2 && self.caller.is_grpc),
            ProtocolVersion::Http2 => request.is_http2,
            ProtocolVersion::Grpc => request.is_http2 && request.received.method == "POST",
        }
    }

    fn say(&self, answer: Answer) -> Step {
        Step::Answer { answer: answer.for_caller(self.caller), close: false }
    }

    fn refuse(&self, refusal: Refusal) -> (Reason, Step) {
        let answer = answer::refuse(refusal, self.caller);
        (Reason::Refused(refusal), Step::Answer { answer, close: refusal.closes_connection() })
    }
}

fn changed(target: &Target<'_>) -> Option<Box<str>> {
    (!target.is_unchanged()).then(|| target.path_and_query().into())
}

fn changed_authority(request: &Request<'_>, authority: &Authority<'_>) -> Option<Box<str>> {
    let canonical = Cow::Borrowed(authority.as_str());
    let received = match request.received.authority {
        Some(authority) => Some(authority),
        None => request.headers.get(HOST).map(HeaderValue::as_bytes),
    };
    (received != Some(canonical.as_bytes())).then(|| canonical.into())
}
