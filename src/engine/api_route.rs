//! A request at an API: the route that takes it, who may come, and what the target is asked.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use super::api_usage::API_KEY;
use super::{Body, Decision, Moment, Plan, Reason, Request, Sent, Step, View, api_signed};
use crate::answer::{Answer, Refusal};
use crate::api::{
    Api, Asker, Backend, Edits, Facts, HeaderEdit, Judged, JudgedBody, MAX_BODY, MAX_HEAD, Place,
    Route, cors, missing, mocked,
};
use crate::auth::{self, Identity, Outcome};
use crate::aws::Credential;
use crate::config::model::{ApiIndex, AuthorizerKind};
use crate::http::{Authority, Malformed, Received, Target};
use crate::stickiness::Client;

/// A request at its route.
pub(super) struct AtRoute<'a> {
    pub(super) api: &'a Api,
    pub(super) route: &'a Route,
    relative: &'a str,
    /// The same without `;parameters`, where there are any.
    pub(super) plain: Option<&'a str>,
    pub(super) asker: Asker<'a>,
}

/// Why a caller is not let through, and what becomes of the request.
pub(super) struct Refused {
    reason: Reason,
    error_reason: &'static str,
    identity: Option<Identity>,
    step: Step,
}

/// Who is let through a route, as far as anybody has asked.
#[derive(Default)]
struct Admitted {
    identity: Option<Identity>,
    /// What a service has said of the caller.
    said: Option<Arc<Judged>>,
    /// Who signed.
    signer: Option<Arc<Credential>>,
}

impl Refused {
    /// Nobody's identity is known.
    pub(super) const fn needing(reason: Reason, step: Step) -> Self {
        Self { reason, error_reason: "", identity: None, step }
    }
}

impl View<'_> {
    pub(super) fn api(
        &self,
        index: ApiIndex,
        request: &Request<'_>,
        moment: Moment,
        target: &Target<'_>,
        authority: &Authority<'_>,
    ) -> Decision {
        let mut place = Place { api: index.0, route: None };
        let Some(api) = self.snapshot.apis.get(index.0) else {
            let (reason, step) = self.refuse(Refusal::Internal);
            return self.decided(place, None, (reason, step));
        };
        let asker = Asker { caller: self.caller, id: request.id };
        if is_too_large(request) {
            let refusal = Refusal::Malformed(Malformed::HeadersTooLarge);
            return self.decided(place, None, refuse(api, refusal, asker));
        }
        let method = request.received.method;
        let found = select(api, method, &target.path);
        if let Some(path) = &target.without_parameters
            && select(api, method, path).map(|(route, _)| route) != found.map(|(route, _)| route)
        {
            let refusal = Refusal::Malformed(Malformed::ParametersChangeRule);
            return self.decided(place, None, refuse(api, refusal, asker));
        }
        let at = found.and_then(|(position, relative)| {
            place.route = Some(position);
            let plain = target.without_parameters.as_deref();
            let plain = plain.and_then(|path| api.relative(path));
            Some(AtRoute { api, route: api.routes.get(position)?, relative, plain, asker })
        });
        let Some(at) = at else {
            if api.relative(&target.path).is_some()
                && api.cors.is_some()
                && cors::is_preflight(method, request.headers)
            {
                let step = Step::Answer { answer: Answer::no_content(), close: false };
                return self.decided(place, None, (Reason::Preflight, step));
            }
            let answer = match api.relative(&target.path) {
                Some(_) => api.refuse_route(request.headers, asker),
                None => api.refuse_path(asker),
            };
            let step = Step::Answer { answer, close: false };
            return self.decided(place, None, (Reason::NoRoute, step));
        };
        if let Some(refused) = self.throttle_before(&at, request, moment) {
            return self.decided(place, None, refused);
        }
        let facts = at.facts(request, (target, authority), moment);
        let admitted = match self.admit(&at, request, (target, &facts), moment) {
            Ok(admitted) => admitted,
            Err(refused) => {
                let Refused { reason, error_reason, identity, step } = *refused;
                let decision = self.decided(place, identity, (reason, step));
                return Decision { error_reason, ..decision };
            }
        };
        let Admitted { identity, said, signer } = admitted;
        // Before limits are asked by caller, or they would count it twice.
        if matches!(request.body, Body::Unread) && is_body_judged(&at, request) {
            let is_known = identity.is_some() || said.is_some() || signer.is_some();
            let reason = if is_known { Reason::Authorized } else { Reason::Public };
            return self.decided(place, identity, (reason, Step::ReadBody));
        }
        if let Some(refused) = self.throttle_after(&at, request, moment, identity.as_ref()) {
            return self.decided(place, identity, refused);
        }
        let (api_key, passed) = self.pass(&at, place, request, moment);
        let query = match &signer {
            Some(_) => api_signed::unsigned_query(target.query),
            None => target.query.map(Cow::Borrowed),
        };
        let facts = Facts {
            token: identity.as_ref().map(|identity| &*identity.token),
            said: said.as_deref(),
            signer: signer.as_deref(),
            api_key: api_key.map(|name| &**name),
            query: query.as_deref(),
            ..facts
        };
        let refused = passed.err().map(|refused| *refused);
        let refused = refused.or_else(|| require(&at, &facts)).or_else(|| judge_body(&at, request));
        let step = refused.unwrap_or_else(|| self.integrate(&at, request, target, moment, &facts));
        let api_key = api_key.cloned();
        Decision { signer, api_key, ..self.decided(place, identity, step) }
    }

    fn decided(
        &self,
        place: Place,
        identity: Option<Identity>,
        (reason, step): (Reason, Step),
    ) -> Decision {
        let decision = Decision::new(Some(self.index), reason, step);
        Decision { identity, api: Some(place), ..decision }
    }

    /// Who is calling; nobody on a route that does not ask.
    fn admit(
        &self,
        at: &AtRoute<'_>,
        request: &Request<'_>,
        (target, facts): (&Target<'_>, &Facts<'_>),
        moment: Moment,
    ) -> Result<Admitted, Box<Refused>> {
        if let Some(AuthorizerKind::AwsIam) = at.route.kind {
            let signer = self.signed(at, request, (target, facts), moment)?;
            return Ok(Admitted { signer: Some(signer), ..Admitted::default() });
        }
        let needs_word = at.route.request_authorizer.is_none();
        self.resource_policy(at, request, facts, needs_word && at.route.kind.is_none())?;
        if let Some(authorizer) = &at.route.request_authorizer {
            let said = Self::consult(at, authorizer, request, facts)?;
            return Ok(Admitted { said: Some(said), ..Admitted::default() });
        }
        let Some(validation) = &at.route.validation else {
            // The file was checked: who has an authorizer has something to judge by.
            return match at.route.kind {
                None => Ok(Admitted::default()),
                Some(_) => {
                    let (reason, step) = refuse(at.api, Refusal::Internal, at.asker);
                    Err(Box::new(Refused::needing(reason, step)))
                }
            };
        };
        let token = match at.route.token(request.headers, facts.query) {
            Ok(token) => token,
            Err(reason) => {
                return Err(self.refused(at, (reason, reason.error_reason()), None, None));
            }
        };
        let outcome = self.snapshot.authorizers.authorize_token(
            validation,
            &token,
            moment.wall,
            moment.mono,
            moment.patience,
        );
        match outcome {
            Outcome::Allowed(identity) => {
                if at.route.allows_audience(identity.token.audiences()) {
                    self.resource_policy(at, request, facts, true)?;
                    return Ok(Admitted { identity: Some(identity), ..Admitted::default() });
                }
                let reason = auth::Reason::AudienceWrong;
                Err(self.refused(at, (reason, reason.error_reason()), Some(identity), None))
            }
            Outcome::NeedsKey(wait) => {
                let reason = Reason::Auth(auth::Reason::KeyUnknown);
                let step = Step::Wait(wait);
                Err(Box::new(Refused { reason, error_reason: "", identity: None, step }))
            }
            Outcome::Refused(refusal) => {
                let why = (refusal.reason, refusal.error_reason());
                let algorithm = auth::said_algorithm(&token);
                Err(self.refused(at, why, refusal.identity, algorithm.as_deref()))
            }
        }
    }

    fn refused(
        &self,
        at: &AtRoute<'_>,
        (reason, error_reason): (auth::Reason, &'static str),
        identity: Option<Identity>,
        algorithm: Option<&str>,
    ) -> Box<Refused> {
        let answer = at.api.refuse_token(at.route, reason, algorithm, at.asker);
        let step = Step::Answer { answer, close: false };
        Box::new(Refused { reason: Reason::Auth(reason), error_reason, identity, step })
    }

    fn integrate(
        &self,
        at: &AtRoute<'_>,
        request: &Request<'_>,
        target: &Target<'_>,
        moment: Moment,
        facts: &Facts<'_>,
    ) -> (Reason, Step) {
        if request.content_length.is_some_and(|length| length > MAX_BODY) {
            return refuse(at.api, Refusal::BodyTooLarge, at.asker);
        }
        let integration = &at.route.integration;
        let (forward, position) = match &integration.backend {
            Backend::Group { forward, position } => (forward, *position),
            Backend::Mock(answer) => {
                return self.mock(facts, answer);
            }
        };
        let client = Client {
            headers: request.headers,
            authority: facts.authority,
            seal: &self.snapshot.seal,
            now: moment.wall,
        };
        let is_known = facts.token.is_some() || facts.said.is_some() || facts.signer.is_some();
        let plan = match self.forward(request, forward, client, moment.random, is_known) {
            (reason, Step::Forward(plan)) => (reason, plan),
            (Reason::Refused(refusal), _) => return refuse(at.api, refusal, at.asker),
            other => return other,
        };
        let (reason, plan) = plan;
        let path = integration.path(at.relative);
        let edits = match at.route.map(facts, &path, self.listener.path) {
            Ok(edits) => edits,
            Err(malformed) => return refuse(at.api, Refusal::Malformed(malformed), at.asker),
        };
        let Edits { mut headers, responses, target: mapped } = edits.unwrap_or_default();
        if facts.signer.is_some() {
            headers.splice(..0, api_signed::unsigned());
        }
        if at.keeps_api_key() {
            headers.insert(0, HeaderEdit::Remove(API_KEY));
        }
        let target = mapped.or_else(|| sent_target(at, &path, target, facts.query));
        let sent = Sent { target, headers, responses, timeout: integration.timeout };
        let integration = Some(Box::new(sent));
        (reason, Step::Forward(Plan { position, integration, ..plan }))
    }

    /// What a route says that asks no target.
    fn mock(&self, facts: &Facts<'_>, answer: &Answer) -> (Reason, Step) {
        let edits = facts.route.map(facts, facts.relative, self.listener.path);
        // It has no mappings of a request, which alone could fail.
        let edits = edits.ok().flatten().unwrap_or_default();
        let answer = mocked(answer, &edits.responses).for_caller(self.caller);
        (Reason::Mock, Step::Answer { answer, close: false })
    }
}

/// Refuses a request that has not what its route requires.
fn require(at: &AtRoute<'_>, facts: &Facts<'_>) -> Option<(Reason, Step)> {
    let required = &at.route.required;
    if required.is_empty() {
        return None;
    }
    let missing = missing(required, facts);
    if missing.is_empty() {
        return None;
    }
    let answer = at.api.refuse_parameters(&missing, at.asker);
    Some((Reason::ParametersMissing, Step::Answer { answer, close: false }))
}

/// Whether a model is for the body of a request.
fn is_body_judged(at: &AtRoute<'_>, request: &Request<'_>) -> bool {
    let models = at.route.body_models.as_ref();
    models.is_some_and(|models| matches!(models.find(request.headers), JudgedBody::By(_)))
}

/// Refuses a body that is not as its route has it.
fn judge_body(at: &AtRoute<'_>, request: &Request<'_>) -> Option<(Reason, Step)> {
    let answer = match at.route.body_models.as_ref()?.find(request.headers) {
        JudgedBody::Passes => return None,
        JudgedBody::Unknown => at.api.refuse_body_type(at.asker),
        JudgedBody::By(model) => match request.body {
            Body::Read(bytes) => at.api.refuse_body(model.judge(bytes).err()?, at.asker),
            Body::Refused(refusal) => return Some(refuse(at.api, refusal, at.asker)),
            Body::Unread => return Some(refuse(at.api, Refusal::Internal, at.asker)),
        },
    };
    Some((Reason::BodyInvalid, Step::Answer { answer, close: false }))
}

impl<'a> AtRoute<'a> {
    /// A request here, before anybody knows who is calling.
    fn facts(
        &self,
        request: &Request<'a>,
        (target, authority): (&'a Target<'_>, &'a Authority<'_>),
        moment: Moment,
    ) -> Facts<'a> {
        Facts {
            api: self.api,
            route: self.route,
            headers: request.headers,
            method: request.received.method,
            path: &target.path,
            relative: self.relative,
            query: target.query,
            authority: authority.as_str(),
            client: request.client,
            is_http2: request.is_http2,
            id: request.id,
            now: moment.wall,
            token: None,
            said: None,
            signer: None,
            api_key: None,
        }
    }
}

pub(super) fn refuse(api: &Api, refusal: Refusal, asker: Asker<'_>) -> (Reason, Step) {
    let answer = api.refuse(refusal, asker);
    (Reason::Refused(refusal), Step::Answer { answer, close: refusal.closes_connection() })
}

/// Whether request line and headers are more than API Gateway takes.
fn is_too_large(request: &Request<'_>) -> bool {
    let Received { method, target, .. } = request.received;
    let line = method.len() + target.len() + " HTTP/1.1".len() + 1;
    let headers = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    line + headers.sum::<usize>() > MAX_HEAD
}

/// The route that takes a request for a canonical path, and the path that it was matched with.
fn select<'a>(api: &Api, method: &str, path: &'a str) -> Option<(usize, &'a str)> {
    let relative = api.relative(path)?;
    Some((api.select(method, relative)?, relative))
}

/// What the target gets, where that is not what was received.
fn sent_target(
    at: &AtRoute<'_>,
    path: &str,
    target: &Target<'_>,
    query: Option<&str>,
) -> Option<Box<str>> {
    let keeps_path = at.route.integration.keeps_path() && at.relative == target.path;
    if keeps_path && query == target.query {
        return None;
    }
    let mut sent = path.to_owned();
    if let Some(query) = query {
        sent.push('?');
        sent.push_str(query);
    }
    Some(sent.into())
}
