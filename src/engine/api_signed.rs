//! Routes that ask for a signature of AWS, and resource policies of REST APIs (api-gateway.md 2.8
//! and 2.9).

use std::borrow::Cow;
use std::sync::Arc;

use ::http::header::{REFERER, USER_AGENT};
use ::http::{HeaderName, HeaderValue};

use super::api_route::{AtRoute, Refused};
use super::{Body, Moment, Reason, Request, Step, View, api_route};
use crate::answer::Refusal;
use crate::api::{Denial, Facts, HeaderEdit};
use crate::aws::sigv4;
use crate::aws::{Credential, Verdict};
use crate::config::iam_policy::{self, INVOKE, Policy};
use crate::http::{Scheme, Target};

/// Headers of a signature, which are of no use to targets.
const OF_SIGNATURES: [&str; 4] =
    ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

/// What policies say, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Denied,
    Nothing,
    Allowed,
}

impl View<'_> {
    /// Who signed a request, where that one may do what it asks.
    pub(super) fn signed(
        &self,
        at: &AtRoute<'_>,
        request: &Request<'_>,
        (target, facts): (&Target<'_>, &Facts<'_>),
        moment: Moment,
    ) -> Result<Arc<Credential>, Box<Refused>> {
        let Ok(raw) = std::str::from_utf8(request.received.target) else {
            let (reason, step) = api_route::refuse(at.api, Refusal::Internal, at.asker);
            return Err(Box::new(Refused::needing(reason, step)));
        };
        let raw = raw.split_once('?').map_or(raw, |(path, _)| path);
        let host = match request.received.authority {
            Some(authority) => std::str::from_utf8(authority).ok(),
            None => request.headers.get(::http::header::HOST).and_then(|h| h.to_str().ok()),
        };
        let body = match request.body {
            Body::Read(bytes) => Some(bytes),
            Body::Unread if has_no_body(request) => Some(&[][..]),
            Body::Unread => None,
            Body::Refused(refusal) => {
                let (reason, step) = api_route::refuse(at.api, refusal, at.asker);
                return Err(Box::new(Refused::needing(reason, step)));
            }
        };
        let received = sigv4::Received {
            method: request.received.method,
            path: raw,
            query: target.query,
            host: host.unwrap_or_default(),
            headers: request.headers,
        };
        let credentials = &self.snapshot.credentials;
        match sigv4::verify(received, credentials, at.api.region(), moment.wall, body) {
            Verdict::Signed(credential) => {
                self.permit(at, request, facts, &credential)?;
                Ok(credential)
            }
            Verdict::NeedsBody => {
                Err(Box::new(Refused::needing(Reason::Signature("signed"), Step::ReadBody)))
            }
            Verdict::Refused(why) => {
                let answer = at.api.refuse_signature(&why, at.asker);
                let step = Step::Answer { answer, close: false };
                Err(Box::new(Refused::needing(Reason::Signature(why.as_str()), step)))
            }
        }
    }

    /// Whether the policies let this one in: in its own account one of them is enough, from another
    /// both must.
    fn permit(
        &self,
        at: &AtRoute<'_>,
        request: &Request<'_>,
        facts: &Facts<'_>,
        credential: &Credential,
    ) -> Result<(), Box<Refused>> {
        let principal = Some((&*credential.arn, &*credential.account));
        let own = said(&credential.policies, at, request, facts, principal);
        let resource = said(at.api.policy.as_slice(), at, request, facts, principal);
        let is_own_account = at.api.account() == Some(&*credential.account);
        let is_allowed = match (own, resource) {
            (Said::Allowed, Said::Allowed) => true,
            (Said::Allowed, Said::Nothing) | (Said::Nothing, Said::Allowed) => is_own_account,
            _ => false,
        };
        if is_allowed {
            return Ok(());
        }
        let denial = Denial {
            caller: &credential.arn,
            resource: facts.arn(),
            how: match (own, resource) {
                (_, Said::Denied) => " with an explicit deny in a resource-based policy",
                (Said::Denied, _) => " with an explicit deny",
                _ => "",
            },
        };
        Err(denied(at, &denial))
    }

    /// What the API's policy says of a request before anybody asks who is calling: a denial counts
    /// at once, and silence is one where the route asks nobody.
    pub(super) fn resource_policy(
        &self,
        at: &AtRoute<'_>,
        request: &Request<'_>,
        facts: &Facts<'_>,
        needs_word: bool,
    ) -> Result<(), Box<Refused>> {
        if at.api.policy.is_none() {
            return Ok(());
        }
        let how = match said(at.api.policy.as_slice(), at, request, facts, None) {
            Said::Allowed => return Ok(()),
            Said::Nothing if !needs_word => return Ok(()),
            Said::Nothing => "",
            Said::Denied => " with an explicit deny in a resource-based policy",
        };
        Err(denied(at, &Denial { caller: "anonymous", resource: facts.arn(), how }))
    }
}

fn denied(at: &AtRoute<'_>, denial: &Denial<'_>) -> Box<Refused> {
    let answer = at.api.refuse_policy(denial, at.asker);
    let step = Step::Answer { answer, close: false };
    Box::new(Refused::needing(Reason::Signature("policy_denied"), step))
}

/// What policies say of a request, and of its path without `;parameters`, as targets may read it:
/// the worse of both.
fn said(
    policies: &[Policy],
    at: &AtRoute<'_>,
    request: &Request<'_>,
    facts: &Facts<'_>,
    principal: Option<(&str, &str)>,
) -> Said {
    let text = |name: HeaderName| request.headers.get(name)?.to_str().ok();
    let about = iam_policy::Facts {
        source_ip: request.client,
        now: facts.now,
        is_tls: request.received.scheme == Scheme::Https,
        referer: text(REFERER),
        user_agent: text(USER_AGENT),
        principal,
    };
    let of = |facts: &Facts<'_>| {
        let arn = facts.arn();
        let verdicts = policies.iter().map(|policy| policy.evaluate(INVOKE, &arn, &about));
        verdicts.fold(Said::Nothing, |sum, verdict| match (sum, verdict) {
            (Said::Denied, _) | (_, iam_policy::Verdict::ExplicitDeny) => Said::Denied,
            (_, iam_policy::Verdict::Allow) => Said::Allowed,
            (sum, iam_policy::Verdict::Silent) => sum,
        })
    };
    let whole = of(facts);
    at.plain.map_or(whole, |relative| whole.min(of(&Facts { relative, ..*facts })))
}

/// What targets do not get of a signature.
pub(super) fn unsigned() -> impl Iterator<Item = HeaderEdit> {
    OF_SIGNATURES.into_iter().map(|name| HeaderEdit::Remove(HeaderName::from_static(name)))
}

/// A query without what a presigned URL adds.
pub(super) fn unsigned_query(query: Option<&str>) -> Option<Cow<'_, str>> {
    let query = query?;
    let is_of_signature = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        percent_encoding::percent_decode_str(name).decode_utf8_lossy().starts_with("X-Amz-")
    };
    if !query.split('&').any(|pair| is_of_signature(&pair)) {
        return Some(Cow::Borrowed(query));
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_of_signature(pair)).collect();
    (!kept.is_empty()).then(|| Cow::Owned(kept.join("&")))
}

fn has_no_body(request: &Request<'_>) -> bool {
    let length = request.headers.get(::http::header::CONTENT_LENGTH).map(HeaderValue::as_bytes);
    let is_chunked = request.headers.contains_key(::http::header::TRANSFER_ENCODING);
    length == Some(b"0") || length.is_none() && !is_chunked && !request.is_http2
}
