//! A request at an API: the route that takes it, who may come, and what the target is asked.

use super::{Decision, Moment, Plan, Reason, Request, Sent, Step, View};
use crate::answer::{self, Answer, Refusal};
use crate::api::{self, Api, MAX_BODY, Place, Route, cors};
use crate::auth::{self, Identity, Outcome};
use crate::config::model::ApiIndex;
use crate::http::{Authority, Malformed, Target};
use crate::stickiness::Client;

/// A request at its route.
struct AtRoute<'a> {
    route: &'a Route,
    relative: &'a str,
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
            return self.decided(place, None, self.refuse_by_api(Refusal::Internal));
        };
        let method = request.received.method;
        let found = select(api, method, &target.path);
        if let Some(path) = &target.without_parameters
            && select(api, method, path).map(|(route, _)| route) != found.map(|(route, _)| route)
        {
            let refusal = Refusal::Malformed(Malformed::ParametersChangeRule);
            return self.decided(place, None, self.refuse_by_api(refusal));
        }
        let at = found.and_then(|(position, relative)| {
            place.route = Some(position);
            Some(AtRoute { route: api.routes.get(position)?, relative })
        });
        let Some(at) = at else {
            if api.relative(&target.path).is_some()
                && api.cors.is_some()
                && cors::is_preflight(method, request.headers)
            {
                let step = Step::Answer { answer: Answer::no_content(), close: false };
                return self.decided(place, None, (Reason::Preflight, step));
            }
            let answer = answer::api_not_found(self.caller);
            let step = Step::Answer { answer, close: false };
            return self.decided(place, None, (Reason::NoRoute, step));
        };
        if let Some(refused) = self.throttle_before((api, at.route), request, moment) {
            return self.decided(place, None, refused);
        }
        let identity = match self.admit(&at, request, moment) {
            Ok(identity) => identity,
            Err(refused) => {
                let (error_reason, identity, reason, step) = *refused;
                let decision = self.decided(place, identity, (reason, step));
                return Decision { error_reason, ..decision };
            }
        };
        if let Some(refused) =
            self.throttle_after((api, at.route), request, moment, identity.as_ref())
        {
            return self.decided(place, identity, refused);
        }
        let client = Client {
            headers: request.headers,
            authority: authority.as_str(),
            seal: &self.snapshot.seal,
            now: moment.wall,
        };
        let step = self.integrate(&at, request, target, client, moment.random, identity.is_some());
        self.decided(place, identity, step)
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
    #[allow(clippy::type_complexity)]
    fn admit(
        &self,
        at: &AtRoute<'_>,
        request: &Request<'_>,
        moment: Moment,
    ) -> Result<Option<Identity>, Box<(&'static str, Option<Identity>, Reason, Step)>> {
        let Some(validation) = &at.route.validation else { return Ok(None) };
        let outcome = self.snapshot.authorizers.authorize(
            validation,
            request.headers,
            moment.wall,
            moment.mono,
            moment.patience,
        );
        match outcome {
            Outcome::Allowed(identity) => Ok(Some(identity)),
            Outcome::NeedsKey(wait) => {
                let reason = Reason::Auth(auth::Reason::KeyUnknown);
                Err(Box::new(("", None, reason, Step::Wait(wait))))
            }
            Outcome::Refused(refusal) => {
                let challenge = api::challenge(refusal.reason, &at.route.scopes);
                let answer = answer::api_challenge(challenge, self.caller);
                let step = Step::Answer { answer, close: false };
                let error_reason = refusal.error_reason();
                let reason = Reason::Auth(refusal.reason);
                Err(Box::new((error_reason, refusal.identity, reason, step)))
            }
        }
    }

    fn integrate(
        &self,
        at: &AtRoute<'_>,
        request: &Request<'_>,
        target: &Target<'_>,
        client: Client<'_>,
        random: u32,
        is_authorized: bool,
    ) -> (Reason, Step) {
        if request.content_length.is_some_and(|length| length > MAX_BODY) {
            return self.refuse_by_api(Refusal::BodyTooLarge);
        }
        let integration = &at.route.integration;
        match self.forward(request, &integration.forward, client, random, is_authorized) {
            (reason, Step::Forward(plan)) => {
                let sent = Sent { target: sent_target(at, target), timeout: integration.timeout };
                let position = integration.position;
                let integration = Some(Box::new(sent));
                (reason, Step::Forward(Plan { position, integration, ..plan }))
            }
            (Reason::Refused(refusal), _) => self.refuse_by_api(refusal),
            other => other,
        }
    }

    fn refuse_by_api(&self, refusal: Refusal) -> (Reason, Step) {
        let answer: Answer = answer::api_refuse(refusal, self.caller);
        (Reason::Refused(refusal), Step::Answer { answer, close: refusal.closes_connection() })
    }
}

/// The route that takes a request for a canonical path, and the path that it was matched with.
fn select<'a>(api: &Api, method: &str, path: &'a str) -> Option<(usize, &'a str)> {
    let relative = api.relative(path)?;
    Some((api.select(method, relative)?, relative))
}

/// What the target gets, where that is not what was received. The query goes as it came.
fn sent_target(at: &AtRoute<'_>, target: &Target<'_>) -> Option<Box<str>> {
    let integration = &at.route.integration;
    if integration.keeps_path() && at.relative == target.path {
        return None;
    }
    let mut path = integration.path(at.relative);
    if let Some(query) = target.query {
        path.push('?');
        path.push_str(query);
    }
    Some(path.into())
}
