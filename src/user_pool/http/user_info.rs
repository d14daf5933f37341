//! `/oauth2/userInfo`: who an access token speaks for, with the errors of RFC 6750.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Service, allow_any_origin};
use crate::clock::wall;

/// `GET` and `POST /oauth2/userInfo`; the token is in the header either way.
pub(super) async fn show(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let mut response = match bearer(&headers) {
        None => {
            let why = "one Authorization header with a bearer token is wanted";
            refuse(StatusCode::BAD_REQUEST, "invalid_request", why)
        }
        Some(token) => match service.pool.user_info(token, wall()) {
            Ok(info) => Json(info).into_response(),
            Err(error) => refuse(StatusCode::UNAUTHORIZED, "invalid_token", &error.to_string()),
        },
    };
    let headers = response.headers_mut();
    allow_any_origin(headers);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("www-authenticate"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_one = values.next().is_none() && !token.is_empty();
    (is_one && scheme.eq_ignore_ascii_case("bearer")).then_some(token)
}

/// `why` is one of our own sentences, without quotes.
fn refuse(status: StatusCode, error: &str, why: &str) -> Response {
    let body = Json(json!({ "error": error, "error_description": why }));
    let challenge = format!("Bearer error=\"{error}\", error_description=\"{why}\"");
    let mut response = (status, body).into_response();
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
