//! Puts an API's CORS headers on each of its answers, ours or a target's, in place of all others.

use ::http::header::{ORIGIN, VARY};
use ::http::{HeaderMap, HeaderName, HeaderValue};
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use super::context::Context;
use crate::api::{Cors, cors};

/// The `cors` of the API that a request came to.
fn of(context: &Context) -> Option<&Cors> {
    context.api()?.cors.as_ref()
}

/// Says what the API's `cors` says of this request, and that it depends on the origin: also where
/// nothing is said, or a cache would keep that for pages that may call.
pub(super) fn dress(
    response: &mut ResponseHeader,
    request: &RequestHeader,
    context: &Context,
) -> Result<()> {
    let Some(cors) = of(context) else { return Ok(()) };
    let others: Vec<HeaderName> =
        response.headers.keys().filter(|name| cors::is_cors(name)).cloned().collect();
    for name in &others {
        response.remove_header(name);
    }
    for (name, value) in cors.headers(request.method.as_str(), &request.headers) {
        response.insert_header(name, value)?;
    }
    if !cors::varies_by_origin(&response.headers) {
        response.append_header(VARY, HeaderValue::from_static(ORIGIN.as_str()))?;
    }
    Ok(())
}

/// Takes out of a target's trailers what is said in its head, or is not to be said.
pub(super) fn undress(trailers: &mut HeaderMap, context: &Context) {
    if of(context).is_none() {
        return;
    }
    let names: Vec<HeaderName> =
        trailers.keys().filter(|name| cors::is_cors(name)).cloned().collect();
    for name in &names {
        trailers.remove(name);
    }
}
