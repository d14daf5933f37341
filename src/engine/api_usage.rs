//! API keys at a route that asks for one: after the authorizer, before the integration.

use std::time::Duration;

use ::http::header::RETRY_AFTER;
use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::api_limits::throttled;
use super::api_route::AtRoute;
use super::{Moment, Reason, Request, Step, View};
use crate::answer::Refusal;
use crate::api::usage::{Exhausted, KeyFault};
use crate::api::{Place, limits};
use crate::config::model::Name;

/// Where the key stands.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a request is told that its key does not let through.
type Passed = Result<(), Box<(Reason, Step)>>;

impl AtRoute<'_> {
    /// Whether the target does not see the key: it is the gateway's secret. AWS passes it on.
    pub(super) const fn keeps_api_key(&self) -> bool {
        self.route.is_api_key_required && self.api.is_strict
    }
}

impl View<'_> {
    /// The key's name, where it is known, and what a request without a good one is told, or with one
    /// that is used too often. On a route that asks for none, nobody looks for one.
    ///
    /// The order is API Gateway's: the key's limit for the route, the key's, the route's, the API's;
    /// the quota counts what nothing else has refused.
    pub(super) fn pass(
        &self,
        at: &AtRoute<'_>,
        place: Place,
        request: &Request<'_>,
        moment: Moment,
    ) -> (Option<&Name>, Passed) {
        if !at.route.is_api_key_required {
            return (None, Ok(()));
        }
        let refuse = |refusal| Err(Box::new(refused(at, refusal)));
        let value = match presented(request.headers) {
            Ok(value) => value,
            Err(refusal) => return (None, refuse(refusal)),
        };
        let found = match &self.snapshot.usage {
            Some(usage) => usage.find(value, place),
            None => Err((KeyFault::Unknown, None)),
        };
        let pass = match found {
            Ok(pass) => pass,
            Err((fault, name)) => {
                let refusal = match fault {
                    KeyFault::Unknown => Refusal::ApiKeyUnknown,
                    KeyFault::Disabled => Refusal::ApiKeyDisabled,
                    KeyFault::Unattached => Refusal::ApiKeyUnattached,
                };
                return (name, refuse(refusal));
            }
        };
        let name = Some(pass.name);
        if !request.is_counted {
            return (name, Ok(()));
        }
        let places = (at.route.limits.as_deref(), at.api.limits.as_deref());
        let counted = pass.enter(moment.wall, moment.mono).and_then(|()| {
            limits::shared(places, moment.mono).map_err(Exhausted::Throttled)?;
            pass.charge(moment.wall)
        });
        let counted = counted.map_err(|exhausted| {
            Box::new(match exhausted {
                Exhausted::Throttled(why) => throttled(at, why),
                Exhausted::Quota(seconds) => over_quota(at, Duration::from_secs(seconds)),
            })
        });
        (name, counted)
    }
}

/// The value of the one `x-api-key`. Two may be meant for two readers, so they are no key at all.
fn presented(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let mut values = headers.get_all(API_KEY).iter().map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (None | Some(b""), None) => Err(Refusal::ApiKeyMissing),
        (Some(value), None) => Ok(value),
        _ => Err(Refusal::ApiKeyUnknown),
    }
}

fn refused(at: &AtRoute<'_>, refusal: Refusal) -> (Reason, Step) {
    let answer = at.api.refuse(refusal, at.asker);
    (Reason::Refused(refusal), Step::Answer { answer, close: false })
}

fn over_quota(at: &AtRoute<'_>, wait: Duration) -> (Reason, Step) {
    let mut answer = at.api.refuse(Refusal::QuotaExceeded, at.asker);
    if at.api.is_strict {
        answer = answer.with(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    (Reason::Refused(Refusal::QuotaExceeded), Step::Answer { answer, close: false })
}
