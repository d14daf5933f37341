//! Routes whose callers a service of the operator's judges: what it has said already decides, else
//! it is to be asked.

use std::sync::Arc;

use super::api_route::{AtRoute, Refused};
use super::{Reason, Request, Step, View};
use crate::api::{Facts, Judged, Known, RequestAuthorizer, Unjudged};
use crate::http::Scheme;

impl View<'_> {
    /// What the service has said of a caller who may come in.
    pub(super) fn consult(
        at: &AtRoute<'_>,
        authorizer: &Arc<RequestAuthorizer>,
        request: &Request<'_>,
        facts: &Facts<'_>,
    ) -> Result<Arc<Judged>, Box<Refused>> {
        let refuse = |why| refused(at, why);
        let judged = match request.consulted {
            Some(consulted) => consulted.clone().map_err(refuse)?,
            None => match authorizer.look(facts).map_err(refuse)? {
                Known::Judged(judged) => judged,
                Known::Ask(question) => {
                    let step = Step::Consult(question);
                    return Err(Box::new(Refused::needing(Reason::AuthorizerAsked, step)));
                }
            },
        };
        let is_tls = request.received.scheme == Scheme::Https;
        authorizer.judge(&judged, facts, is_tls).map_err(refuse)?;
        // Targets that cut `;parameters` off serve the path that a policy may deny without them.
        if let Some(relative) = at.plain {
            let plain = Facts { relative, ..*facts };
            authorizer.judge(&judged, &plain, is_tls).map_err(refuse)?;
        }
        Ok(judged)
    }
}

fn refused(at: &AtRoute<'_>, why: Unjudged) -> Box<Refused> {
    let answer = at.api.refuse_unjudged(why, at.asker);
    let step = Step::Answer { answer, close: false };
    Box::new(Refused::needing(Reason::Authorizer(why), step))
}
