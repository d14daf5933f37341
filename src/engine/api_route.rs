//! A request at an API: the route that takes it, who may come, and what the target is asked.

#[cfg(test)]
mod tests;

use super::api_usage::API_KEY;
use super::{Decision, Moment, Plan, Reason, Request, Sent, Step, View};
use crate::answer::{Answer, Refusal};
use crate::api::{Api, Asker, Edits, Facts, HeaderEdit, MAX_BODY, MAX_HEAD, Place, Route, cors};
use crate::auth::{self, Identity, Outcome};
use crate::config::model::{ApiIndex, Name};
use crate::http::{Authority, Malformed, Received, Target};
use crate::stickiness::Client;

/// A request at its route.
pub(super) struct AtRoute<'a> {
    pub(super) api: &'a Api,
    pub(super) route: &'a Route,
    relative: &'a str,
    pub(super) asker: Asker<'a>,
}

/// Why a caller is not let through, and what becomes of the request.
struct Refused {
    reason: Reason,
    error_reason: &'static str,
    identity: Option<Identity>,
    step: Step,
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
            Some(AtRoute { api, route: api.routes.get(position)?, relative, asker })
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
        let identity = match self.admit(&at, request, target.query, moment) {
            Ok(identity) => identity,
            Err(refused) => {
                let Refused { reason, error_reason, identity, step } = *refused;
                let decision = self.decided(place, identity, (reason, step));
                return Decision { error_reason, ..decision };
            }
        };
        if let Some(refused) = self.throttle_after(&at, request, moment, identity.as_ref()) {
            return self.decided(place, identity, refused);
        }
        let (api_key, passed) = self.pass(&at, place, request, moment);
        let step = match passed {
            Ok(()) => {
                let caller = (identity.as_ref(), api_key);
                self.integrate(&at, request, (target, authority), moment, caller)
            }
            Err(refused) => *refused,
        };
        Decision { api_key: api_key.cloned(), ..self.decided(place, identity, step) }
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
        query: Option<&str>,
        moment: Moment,
    ) -> Result<Option<Identity>, Box<Refused>> {
        let Some(validation) = &at.route.validation else { return Ok(None) };
        let token = match at.route.token(request.headers, query) {
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
                    return Ok(Some(identity));
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
        (target, authority): (&Target<'_>, &Authority<'_>),
        moment: Moment,
        (identity, api_key): (Option<&Identity>, Option<&Name>),
    ) -> (Reason, Step) {
        if request.content_length.is_some_and(|length| length > MAX_BODY) {
            return refuse(at.api, Refusal::BodyTooLarge, at.asker);
        }
        let integration = &at.route.integration;
        let client = Client {
            headers: request.headers,
            authority: authority.as_str(),
            seal: &self.snapshot.seal,
            now: moment.wall,
        };
        let plan = match self.forward(
            request,
            &integration.forward,
            client,
            moment.random,
            identity.is_some(),
        ) {
            (reason, Step::Forward(plan)) => (reason, plan),
            (Reason::Refused(refusal), _) => return refuse(at.api, refusal, at.asker),
            other => return other,
        };
        let (reason, plan) = plan;
        let facts = Facts {
            api: at.api,
            route: at.route,
            headers: request.headers,
            method: request.received.method,
            path: &target.path,
            relative: at.relative,
            query: target.query,
            authority: authority.as_str(),
            client: request.client,
            is_http2: request.is_http2,
            id: request.id,
            now: moment.wall,
            token: identity.map(|identity| &*identity.token),
            api_key: api_key.map(|name| &**name),
        };
        let path = integration.path(at.relative);
        let edits = match at.route.map(&facts, &path, self.listener.path) {
            Ok(edits) => edits,
            Err(malformed) => return refuse(at.api, Refusal::Malformed(malformed), at.asker),
        };
        let Edits { mut headers, responses, target: mapped } = edits.unwrap_or_default();
        if at.keeps_api_key() {
            headers.insert(0, HeaderEdit::Remove(API_KEY));
        }
        let target = mapped.or_else(|| sent_target(at, &path, target));
        let sent = Sent { target, headers, responses, timeout: integration.timeout };
        let integration = Some(Box::new(sent));
        let position = at.route.integration.position;
        (reason, Step::Forward(Plan { position, integration, ..plan }))
    }
}

fn refuse(api: &Api, refusal: Refusal, asker: Asker<'_>) -> (Reason, Step) {
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

/// What the target gets, where that is not what was received. The query goes as it came.
fn sent_target(at: &AtRoute<'_>, path: &str, target: &Target<'_>) -> Option<Box<str>> {
    if at.route.integration.keeps_path() && at.relative == target.path {
        return None;
    }
    let mut sent = path.to_owned();
    if let Some(query) = target.query {
        sent.push('?');
        sent.push_str(query);
    }
    Some(sent.into())
}
