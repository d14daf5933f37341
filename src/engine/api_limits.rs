//! Limits of an API and of its route, before and after it is known who is calling.

#[cfg(test)]
mod tests;

use ::http::HeaderValue;
use ::http::header::RETRY_AFTER;

use super::api_route::AtRoute;
use super::{Body, Moment, Reason, Request, Step, View};
use crate::answer::Refusal;
use crate::api::limits;
use crate::auth::{Identity, Patience};
use crate::limit::Throttled;

impl View<'_> {
    /// What a request is told that its address, or all together, send too often.
    pub(super) fn throttle_before(
        &self,
        at: &AtRoute<'_>,
        request: &Request<'_>,
        moment: Moment,
    ) -> Option<(Reason, Step)> {
        let places = (at.route.limits.as_deref(), at.api.limits.as_deref());
        let is_free = places.0.is_none() && places.1.is_none();
        if is_free || !request.is_counted || was_counted(request, moment) {
            return None;
        }
        let counted = limits::by_address(places, request.client, moment.mono).and_then(|()| {
            // With an API key, the key's own limits come first.
            if at.route.is_api_key_required { Ok(()) } else { limits::shared(places, moment.mono) }
        });
        counted.err().map(|throttled| self::throttled(at, throttled))
    }

    /// What a request is told that its caller sends too often.
    pub(super) fn throttle_after(
        &self,
        at: &AtRoute<'_>,
        request: &Request<'_>,
        moment: Moment,
        caller: Option<&Identity>,
    ) -> Option<(Reason, Step)> {
        let places = (at.route.limits.as_deref(), at.api.limits.as_deref());
        let caller = caller.filter(|_| request.is_counted)?;
        let counted = limits::after_authorizer(places, caller, moment.mono);
        counted.err().map(|throttled| self::throttled(at, throttled))
    }
}

/// Whether it was asked about before: one that has waited was counted before it waited.
const fn was_counted(request: &Request<'_>, moment: Moment) -> bool {
    matches!(moment.patience, Patience::HasWaited) || !matches!(request.body, Body::Unread)
}

pub(super) fn throttled(at: &AtRoute<'_>, throttled: Throttled) -> (Reason, Step) {
    let mut answer = at.api.refuse(Refusal::Throttled, at.asker);
    if at.api.is_strict {
        // Rounded up: who comes a moment too early is refused again.
        let wait = throttled.retry_after;
        let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
        answer = answer.with(RETRY_AFTER, HeaderValue::from(seconds));
    }
    (Reason::Refused(Refusal::Throttled), Step::Answer { answer, close: false })
}
