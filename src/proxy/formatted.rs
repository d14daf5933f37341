//! What a line in a format of the file's own tells of a request at an API beyond our own record.

use super::context::{Begun, Context};
use crate::api::{authorizer_error, claim};
use crate::engine::Reason;
use crate::snapshot::Snapshot;
use crate::telemetry::log_format::LogFormat;
use crate::telemetry::record::ApiFacts;

/// The format of the request's line: its API's, else the file's.
pub(super) fn format<'s>(context: &Context, snapshot: &'s Snapshot) -> Option<&'s LogFormat> {
    let place = context.decision.as_ref().and_then(|decision| decision.api);
    let api = place.and_then(|place| snapshot.config.apis.get(place.api));
    let own = api.and_then(|api| api.log_format.as_ref());
    own.or(snapshot.config.access_log.format.as_ref())
}

/// `None` for a request that came to no API.
pub(super) fn facts<'a>(
    context: &Context,
    begun: &'a Begun,
    reason: Reason,
    format: &LogFormat,
) -> Option<Box<ApiFacts<'a>>> {
    let decision = context.decision.as_ref()?;
    let place = decision.api?;
    let api = begun.snapshot.apis.get(place.api)?;
    let base_path = begun.snapshot.config.apis.get(place.api).map(|api| api.base_path.as_str());
    let route = place.route.and_then(|route| api.routes.get(route));
    let is_rest = api.flavour == crate::config::model::Flavour::Rest;
    let claims = decision.identity.as_ref().map(|identity| {
        let names = format.claims().chain(std::iter::once("sub"));
        let told = names
            .filter_map(|name| Some((name.to_owned(), claim(&identity.token, name, api.flavour)?)));
        told.collect()
    });
    let authorizer_error = match (reason, route) {
        (Reason::Auth(reason), Some(route)) => authorizer_error(route, reason),
        _ => String::new(),
    };
    Some(Box::new(ApiFacts {
        is_rest,
        request_id: api.request_id(begun.id.as_str()),
        stage: begun.snapshot.apis.get(place.api)?.stage(),
        base_path: base_path.unwrap_or_default().trim_start_matches('/'),
        authorizer_error,
        claims: claims.unwrap_or_default(),
        target_status: context.target_status,
    }))
}
