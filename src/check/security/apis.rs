//! Routes of APIs: who is not asked, and where tokens stand.

use super::{Findings, Place};
use crate::config::model::{Api, Config, IdentitySource, Route};
use crate::config::risk::Risk;

/// So many routes are named; more are counted.
const MOST_NAMED: usize = 3;

pub(super) fn judge(config: &Config, findings: &mut Findings) {
    for api in &config.apis {
        let place = Place::named(&api.name, api.span);
        // A mock tells everybody the same, and a resource policy is a guard too.
        let is_open = |route: &Route| {
            route.authorizer.is_none()
                && route.integration.backend.group().is_some()
                && api.policy.is_none()
        };
        let open = keys(api, is_open);
        if let Some(open) = open {
            findings.tell(
                Risk::OpenApiRoute,
                &place,
                format!("routes of the API `{}` ask nobody who is calling: {open}", api.name),
                "give them an `authorizer`, or see that their targets need no identity and accept it",
            );
        }
        let in_query = keys(api, |route| {
            let validation = route.authorizer.as_ref().and_then(|auth| auth.validation.as_ref());
            let source = validation.map(|validation| &validation.identity_source);
            matches!(source, Some(IdentitySource::Query(_)))
        });
        if let Some(in_query) = in_query {
            findings.tell(
                Risk::TokenInQuery,
                &place,
                format!("tokens stand in the query, which logs, histories and `Referer` keep: {in_query}"),
                "take them from a header",
            );
        }
    }
}

fn keys(api: &Api, is_wanted: impl Fn(&Route) -> bool) -> Option<String> {
    let mut routes = api.routes.iter().filter(|route| is_wanted(route)).peekable();
    routes.peek()?;
    let named: Vec<_> =
        routes.by_ref().take(MOST_NAMED).map(|route| format!("`{}`", route.key)).collect();
    let more = match routes.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(named.join(", ") + &more)
}
