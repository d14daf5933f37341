//! What becomes of one request, and why: every rule that was looked at with the first of its
//! conditions that failed, what of a token was compared with what, and what a target would get.
//!
//! The engine decides and this tells: it looks over the engine's shoulder ([`Witness`]) at the very
//! run that the gateway would make. Nothing here opens a socket. What a connection alone decides
//! (framing, certificates, a target's health) is not seen.

pub mod identity;
mod json;
pub mod paint;
pub mod question;
mod rules;
mod session;
mod signer;
mod text;
mod token;

#[cfg(test)]
mod tests;

pub use self::identity::{Identity, IdentityError};
pub use self::json::to_json;
pub use self::question::{Asked, Question, QuestionError};
pub use self::rules::{Missed, RuleStep, Verdict};
pub use self::signer::{Signer, SignerError};
pub use self::text::render;
pub use self::token::{Check, State};

use std::borrow::Cow;
use std::net::IpAddr;

use ::http::header::{COOKIE, HOST};
use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::answer::Answer;
use crate::api::{Api, HeaderEdit, Place, Route};
use crate::auth::{CompiledValidation, Patience};
use crate::clock::{self, UnixMillis};
use crate::config::model::{GroupIndex, IdentitySource, JwtValidation, Name};
use crate::engine::{self, Decision, Moment, Reason, Step, Witness};
use crate::http::{Authority, Malformed, Target};
use crate::routing::{Facts, Particulars, Selection};
use crate::sign_in::SignIn;
use crate::snapshot::{Action, Listener, Rule, Snapshot};
use crate::telemetry::denials::Failed;

const OIDC_IDENTITY: HeaderName = HeaderName::from_static("x-amzn-oidc-identity");

/// One request explained.
#[derive(Debug)]
pub struct Explanation {
    /// The listener's name.
    pub listener: Name,
    /// The method, as it was asked for.
    pub method: String,
    /// The request target, as it was asked for.
    pub target: String,
    /// The client's address, as far as somebody who is believed has told.
    pub client: IpAddr,
    /// What is matched and sent; absent when the request never came to that.
    pub canonical: Option<Canonical>,
    /// The rules in the order in which they were looked at; empty when none was.
    pub rules: Vec<RuleStep>,
    /// How many rules stand behind the last of them, and were not looked at.
    pub unseen: usize,
    /// The name of the rule that takes the request.
    pub rule: Option<Name>,
    /// Its position on the listener; that of the default rule is the last.
    pub position: Option<usize>,
    /// Why, from the closed list of logs and metrics.
    pub reason: Reason,
    /// ALB's `error_reason`; empty when there is none.
    pub error_reason: &'static str,
    /// The API that the rule hands the request to.
    pub api: Option<ApiStep>,
    /// What of the token was compared with what; empty where nobody is asked who calls.
    pub checks: Vec<Check>,
    /// What becomes of it.
    pub outcome: Outcome,
    /// What had to be assumed.
    pub notes: Vec<String>,
}

/// What an API makes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiStep {
    /// Its name.
    pub name: Name,
    /// `http` or `rest`.
    pub kind: &'static str,
    /// The path that routes are matched with; absent where it is not the API's.
    pub path: Option<String>,
    /// The key of the route that takes it.
    pub route: Option<Name>,
    /// Its position and the route's in the file.
    pub place: Place,
    /// The route's authorizer; absent where everybody may come.
    pub authorizer: Option<Name>,
}

/// The one spelling that everything is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// Host without a port.
    pub host: String,
    /// Host, and the port if it is not the scheme's own.
    pub authority: String,
    /// The path.
    pub path: String,
    /// The path without its `;parameters`, when it has some.
    pub without_parameters: Option<String>,
    /// The query, without `?`.
    pub query: Option<String>,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It goes to a target group.
    Forward(Forwarding),
    /// The gateway answers it.
    Answer(Answer),
    /// The running gateway would ask this elsewhere, and then decide.
    Asks(Cow<'static, str>),
}

/// What a target would get.
#[derive(Debug)]
pub struct Forwarding {
    /// The groups that may get it, with their weights; those of weight 0 are left out.
    pub groups: Vec<(Name, u16)>,
    /// `path?query`.
    pub target: String,
    /// `Host`.
    pub host: String,
    /// Whether the rule's transforms rewrote either.
    pub is_rewritten: bool,
    /// Headers of the client's that are removed, since only the gateway may set them.
    pub removed: Vec<HeaderName>,
    /// All headers, but those that tell how the request came (`x-forwarded-*` and their kin), and
    /// without cookies on a listener where browsers sign in.
    pub headers: HeaderMap,
    /// Headers that are set from the verified identity.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// The header that held the token, where the rule keeps it from the target.
    pub withheld: Option<HeaderName>,
    /// Whether the headers that tell of a session are added (`x-amzn-oidc-*`).
    pub in_session: bool,
    /// Whether a signed `x-portcullis-identity` is added.
    pub is_vouched_for: bool,
}

impl Outcome {
    /// The status that the client gets from the gateway itself.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(answer) => Some(answer.status),
            Self::Forward(_) | Self::Asks(_) => None,
        }
    }
}

/// Explains what the gateway would do about a request at a moment.
#[must_use]
pub fn explain(snapshot: &Snapshot, asked: &Asked, moment: Moment) -> Explanation {
    let request = asked.request(snapshot);
    let listener = snapshot.listeners.get(request.listener);
    let mut seen = Seen { method: &asked.method, listener, ..Seen::default() };
    let decision = engine::decide_before(snapshot, &request, moment, &mut seen);
    let Seen { canonical, walked, other, .. } = seen;
    let mut notes = asked.notes.clone();
    if let (Some(other), Some(listener)) = (other, listener) {
        notes.push(rules::tell_other(other, listener, canonical.as_ref()));
    }
    let unseen = if walked.is_empty() {
        0
    } else {
        listener.map_or(0, |listener| listener.rules.len().saturating_sub(walked.len()))
    };
    let rule = listener.zip(decision.rule).and_then(|(listener, rule)| listener.rules.get(rule));
    // Where browsers may sign in too, a token is looked at only if there is one.
    let is_asked = |rule: &&Rule| {
        let header = rule.validation.as_ref().map(CompiledValidation::token_header);
        rule.sign_in.is_none() || header.is_some_and(|name| asked.headers.contains_key(name))
    };
    let compiled = match decision.api.and_then(|place| route_at(snapshot, place)) {
        Some((_, route)) => route.validation.as_ref(),
        None => rule.filter(is_asked).and_then(|rule| rule.validation.as_ref()),
    };
    let wanted = demand_of(snapshot, request.listener, &decision);
    let checks = compiled.zip(wanted).map_or_else(Vec::new, |(compiled, wanted)| {
        let headers = asked.headers_with_token(wanted);
        token::Seen { snapshot, wanted, compiled, headers: &headers, moment }
            .checks(decision.reason)
    });
    let api = decision.api.and_then(|place| api_step(snapshot, place, canonical.as_ref()));
    Explanation {
        listener: listener.map(|listener| listener.name.clone()).unwrap_or_else(|| "".into()),
        method: asked.method.clone(),
        target: asked.target.clone(),
        client: request.client,
        rules: rules::describe(walked, snapshot, asked, canonical.as_ref()),
        unseen,
        rule: rule.map(|rule| rule.name.clone()),
        position: decision.rule,
        reason: decision.reason,
        error_reason: decision.error_reason,
        api,
        checks,
        outcome: outcome(snapshot, asked, rule, canonical.as_ref(), decision),
        canonical,
        notes,
    }
}

/// Which comparison a credential failed that the gateway has just refused, for whoever asks later.
/// Whom the deny list names is not told.
#[must_use]
pub fn failed(
    snapshot: &Snapshot,
    (listener, decision): (usize, &Decision),
    headers: &HeaderMap,
    wall: UnixMillis,
) -> Option<Failed> {
    let compiled = match decision.api.and_then(|place| route_at(snapshot, place)) {
        Some((_, route)) => route.validation.as_ref(),
        None => snapshot.listeners.get(listener)?.rules.get(decision.rule?)?.validation.as_ref(),
    }?;
    let wanted = demand_of(snapshot, listener, decision)?;
    if let (Reason::Auth(_), IdentitySource::Query(_)) = (decision.reason, &wanted.identity_source)
    {
        return None;
    }
    let moment =
        Moment { wall, mono: clock::monotonic(), random: 0, patience: Patience::HasWaited };
    let seen = token::Seen { snapshot, wanted, compiled, headers, moment };
    let check = seen.checks(decision.reason).into_iter().find(|c| c.state == State::Failed)?;
    let found = if check.what == token::Stage::DenyList { "" } else { &check.found };
    Some(Failed::new(check.what.as_str(), &check.wanted, found))
}

/// Has somebody ask who exists on paper: makes a token for the rule that takes the request, and puts
/// it where that rule looks for it.
///
/// # Errors
///
/// See [`IdentityError`].
pub fn ask_as(
    identity: &Identity,
    snapshot: &Snapshot,
    signer: &Signer,
    asked: &mut Asked,
    moment: Moment,
) -> Result<(), IdentityError> {
    if let Some(sign_in) = signs_in(identity, snapshot, asked, moment) {
        let cookies = session::cookies(identity, sign_in, snapshot, signer, moment)?;
        session::show(&cookies, &mut asked.headers);
        return Ok(());
    }
    let wanted = demanded(snapshot, asked, moment);
    let token = identity.token(&snapshot.config, signer, wanted, moment.wall)?;
    asked.present(&token, wanted);
    Ok(())
}

/// Where this caller shows a session and no token.
#[must_use]
pub fn signs_in<'s>(
    identity: &Identity,
    snapshot: &'s Snapshot,
    asked: &Asked,
    moment: Moment,
) -> Option<&'s SignIn> {
    let rule = engine::decide(snapshot, &asked.request(snapshot), moment).rule?;
    let rule = snapshot.listeners.get(asked.listener)?.rules.get(rule)?;
    let takes_tokens = rule.validation.is_some();
    rule.sign_in.as_deref().filter(|_| identity.in_session || !takes_tokens)
}

/// Has somebody ask who holds a token.
pub fn ask_with(token: &str, snapshot: &Snapshot, asked: &mut Asked, moment: Moment) {
    asked.present(token, demanded(snapshot, asked, moment));
}

/// What the rule that takes a request demands of its caller, as the file has it.
#[must_use]
pub fn demanded<'s>(
    snapshot: &'s Snapshot,
    asked: &Asked,
    moment: Moment,
) -> Option<&'s JwtValidation> {
    let decision = engine::decide(snapshot, &asked.request(snapshot), moment);
    demand_of(snapshot, asked.listener, &decision)
}

fn demand_of<'s>(
    snapshot: &'s Snapshot,
    listener: usize,
    decision: &Decision,
) -> Option<&'s JwtValidation> {
    if let Some(place) = decision.api {
        let route = snapshot.config.apis.get(place.api)?.routes.get(place.route?)?;
        return route.authorizer.as_ref()?.validation.as_ref();
    }
    let listener = snapshot.config.listeners.get(listener)?;
    let rule = listener.rules.get(decision.rule?).unwrap_or(&listener.default_rule);
    rule.authentication.as_ref()
}

fn route_at(snapshot: &Snapshot, place: Place) -> Option<(&Api, &Route)> {
    let api = snapshot.apis.get(place.api)?;
    Some((api, api.routes.get(place.route?)?))
}

fn api_step(snapshot: &Snapshot, place: Place, canonical: Option<&Canonical>) -> Option<ApiStep> {
    let api = snapshot.apis.get(place.api)?;
    let config = snapshot.config.apis.get(place.api)?;
    let route = place.route.and_then(|route| config.routes.get(route));
    Some(ApiStep {
        name: api.name.clone(),
        kind: api.flavour.as_str(),
        path: canonical.and_then(|canonical| api.relative(&canonical.path)).map(str::to_owned),
        route: route.map(|route| route.key.clone()),
        place,
        authorizer: route.and_then(|route| route.authorizer.as_ref()).map(|a| a.name.clone()),
    })
}

/// What was seen of a decision.
#[derive(Default)]
struct Seen<'a> {
    method: &'a str,
    listener: Option<&'a Listener>,
    canonical: Option<Canonical>,
    walked: Vec<rules::Walked>,
    /// What the path comes to without its parameters, where that is another rule.
    other: Option<rules::Walked>,
}

impl Witness for Seen<'_> {
    fn tidied(&mut self, target: &Target<'_>, authority: &Authority<'_>) {
        self.canonical = Some(Canonical {
            host: authority.host().to_owned(),
            authority: authority.as_str().to_owned(),
            path: target.path.clone().into_owned(),
            without_parameters: target.without_parameters.clone(),
            query: target.query.map(str::to_owned),
        });
    }

    fn routed(&mut self, particulars: Particulars<'_>, selection: Result<Selection, Malformed>) {
        let (Some(listener), Some(canonical)) = (self.listener, &self.canonical) else { return };
        let facts = |path| Facts { host: &canonical.host, path, method: self.method, particulars };
        self.walked = rules::walk(&listener.table, &facts(&canonical.path));
        if selection.is_err()
            && let Some(path) = &canonical.without_parameters
        {
            // Two readings of one path: what the second one comes to is why it is refused.
            self.other = rules::walk(&listener.table, &facts(path)).pop();
        }
    }
}

fn outcome(
    snapshot: &Snapshot,
    asked: &Asked,
    rule: Option<&Rule>,
    canonical: Option<&Canonical>,
    decision: Decision,
) -> Outcome {
    let plan = match decision.step {
        Step::Answer { answer, .. } => return Outcome::Answer(answer),
        Step::Wait(_) => return Outcome::Asks("fetch the key set of the user pool".into()),
        Step::Redeem(_) => return Outcome::Asks("redeem the code at the user pool".into()),
        Step::Renew(_) => return Outcome::Asks("renew the session at the user pool".into()),
        Step::Consult(question) => {
            let settings = &question.authorizer.settings;
            let what = format!("ask the authorizer `{}` at {}", settings.name, settings.uri);
            return Outcome::Asks(what.into());
        }
        Step::ReadBody => return Outcome::Asks("read the body".into()),
        Step::Logout(_) => return Outcome::Asks("judge the logout token in the body".into()),
        Step::Forward(plan) => plan,
    };
    let name = |index: GroupIndex| {
        snapshot.config.target_groups.get(index.0).map(|group| group.name.clone())
    };
    let groups = match rule.map(|rule| &rule.action) {
        Some(Action::Forward(forward)) => forward
            .groups
            .iter()
            .filter(|weighted| weighted.weight > 0)
            .filter_map(|weighted| Some((name(weighted.group)?, weighted.weight)))
            .collect(),
        _ => name(plan.group).map(|name| (name, 1)).into_iter().collect(),
    };
    let group = snapshot.config.target_groups.get(plan.group.0);
    let withheld = rule
        .and_then(|rule| rule.validation.as_ref())
        .filter(|validation| !validation.forward_authorization())
        .map(|validation| validation.token_header().clone());
    let preserves_host =
        snapshot.listeners.get(asked.listener).is_some_and(|listener| listener.preserves_host);
    let authority = canonical.map(|canonical| canonical.authority.clone()).unwrap_or_default();
    let made = decision.transformed.as_ref().map(|transformed| &transformed.0);
    let host = match made.and_then(|made| made.authority.as_deref()) {
        Some(rewritten) => rewritten.to_owned(),
        None if preserves_host => asked.host().unwrap_or(authority),
        None => authority,
    };
    let integration = plan.integration.as_deref();
    let target = integration
        .and_then(|sent| sent.target.as_deref())
        .or_else(|| made.and_then(|made| made.target.as_deref()))
        .or(decision.target.as_deref());
    let target = target.unwrap_or(&asked.target).to_owned();
    let removed = snapshot.owned.found_in(&asked.headers);
    let identity = decision.identity.as_ref();
    let mut set = identity.map(|identity| identity.headers.headers.to_vec()).unwrap_or_default();
    let mut headers = asked.headers.clone();
    for name in removed.iter().chain(&withheld) {
        headers.remove(name);
    }
    if let Ok(host) = HeaderValue::try_from(&host) {
        headers.insert(HOST, host);
    }
    headers.extend(set.iter().cloned());
    for edit in integration.map(|sent| sent.headers.as_slice()).unwrap_or_default() {
        match edit {
            HeaderEdit::Remove(name) => drop(headers.remove(name)),
            HeaderEdit::Set(name, value) => {
                headers.insert(name, value.clone());
                set.push((name.clone(), value.clone()));
            }
            HeaderEdit::Add(name, value) => {
                headers.append(name, value.clone());
                set.push((name.clone(), value.clone()));
            }
        }
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(&host).to_owned();
    set.retain(|(name, _)| *name != HOST);
    if let Some(session) = &decision.session {
        headers.insert(OIDC_IDENTITY, session.open.subject.clone());
    }
    // Whose cookies go on is told by the rule; those of sessions mostly do not.
    let keeps_cookies = snapshot
        .listeners
        .get(asked.listener)
        .is_some_and(|listener| !listener.session_cookies.is_empty());
    if keeps_cookies {
        headers.remove(COOKIE);
    }
    Outcome::Forward(Forwarding {
        groups,
        target,
        host,
        is_rewritten: made.is_some(),
        removed,
        headers,
        set,
        withheld,
        in_session: decision.session.is_some(),
        is_vouched_for: group.is_some_and(|group| group.identity_assertion),
    })
}
