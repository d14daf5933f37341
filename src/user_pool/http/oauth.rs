//! `/oauth2/token` and `/oauth2/revoke`: forms in, JSON out, with `client_secret_basic` or
//! `client_secret_post` (RFC 6749, section 2.3.1).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{Service, allow_any_origin};
use crate::clock::wall;
use crate::user_pool::errors::OAuthError;
use crate::user_pool::oauth::{ClientCredentials, CodeExchange, OAuthTokens};
use crate::user_pool::parameters::Parameters;
use crate::user_pool::random::SystemRandomness;

/// `POST /oauth2/token`
pub(super) async fn token(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match grant(&service, &headers, &body) {
        Ok(tokens) => answer(StatusCode::OK, Json(tokens)),
        Err(error) => refuse(error, StatusCode::BAD_REQUEST),
    }
}

/// `POST /oauth2/revoke`
pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let result = parse_form(&headers, &body).and_then(|form| {
        let caller = Caller::find(&headers, &form)?;
        let token = form.get("token").ok_or(OAuthError::InvalidRequest("token is missing"))?;
        service.pool.revoke_grant(caller.credentials(), token)
    });
    match result {
        Ok(()) => answer(StatusCode::OK, ()),
        // Here Cognito says 401, unlike at the token endpoint.
        Err(OAuthError::InvalidClient) => {
            refuse(OAuthError::InvalidClient, StatusCode::UNAUTHORIZED)
        }
        Err(error) => refuse(error, StatusCode::BAD_REQUEST),
    }
}

fn grant(service: &Service, headers: &HeaderMap, body: &[u8]) -> Result<OAuthTokens, OAuthError> {
    let form = parse_form(headers, body)?;
    let kind = form.get("grant_type").ok_or(OAuthError::InvalidRequest("grant_type is missing"))?;
    let caller = Caller::find(headers, &form)?;
    let random = &mut SystemRandomness;
    match kind {
        "authorization_code" => {
            let demand = |name, missing| form.get(name).ok_or(OAuthError::InvalidRequest(missing));
            let exchange = CodeExchange {
                code: demand("code", "code is missing")?,
                redirect_uri: demand("redirect_uri", "redirect_uri is missing")?,
                code_verifier: form.get("code_verifier"),
            };
            service.pool.code_grant(caller.credentials(), exchange, wall(), random)
        }
        "client_credentials" => {
            let scope = form.get("scope");
            service.pool.client_credentials(caller.credentials(), scope, wall(), random)
        }
        "refresh_token" => {
            let token = form.get("refresh_token");
            let token = token.ok_or(OAuthError::InvalidRequest("refresh_token is missing"))?;
            service.pool.refresh_grant(caller.credentials(), token, wall(), random)
        }
        _ => Err(OAuthError::UnsupportedGrantType),
    }
}

/// A parameter may stand once (RFC 6749, section 3.2).
fn parse_form(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, OAuthError> {
    if !is_form(headers) {
        return Err(OAuthError::InvalidRequest("the body must be a URL-encoded form"));
    }
    let form =
        Parameters::parse(body).map_err(|_| OAuthError::InvalidRequest("too many parameters"))?;
    if form.has_repeated() {
        return Err(OAuthError::InvalidRequest("a parameter stands twice"));
    }
    Ok(form)
}

/// Whether the body says that it is what a browser's form sends.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Who calls, from the `Authorization` header or from the form, never from both.
struct Caller {
    id: String,
    secret: Option<String>,
}

impl Caller {
    fn find(headers: &HeaderMap, form: &Parameters) -> Result<Self, OAuthError> {
        let id = form.get("client_id");
        let secret = form.get("client_secret");
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        match (authorizations.next(), authorizations.next()) {
            (None, _) => {
                let id = id.ok_or(OAuthError::InvalidRequest("client_id is missing"))?;
                Ok(Self { id: id.to_owned(), secret: secret.map(str::to_owned) })
            }
            (Some(value), None) => {
                let caller = Self::from_basic(value).ok_or(OAuthError::InvalidClient)?;
                if secret.is_some() || id.is_some_and(|id| id != caller.id) {
                    return Err(OAuthError::InvalidRequest("two ways of client authentication"));
                }
                Ok(caller)
            }
            (Some(_), Some(_)) => Err(OAuthError::InvalidRequest("two Authorization headers")),
        }
    }

    fn from_basic(value: &HeaderValue) -> Option<Self> {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = pair.split_once(':')?;
        // Id and secret are URL-encoded by those who follow the RFC and bare from those who do
        // not; `+` is in Cognito's alphabet and means itself in both.
        let decode = |text| percent_decode_str(text).decode_utf8().map(String::from).ok();
        Some(Self { id: decode(id)?, secret: Some(decode(secret)?) })
    }

    fn credentials(&self) -> ClientCredentials<'_> {
        ClientCredentials { id: &self.id, secret: self.secret.as_deref() }
    }
}

fn refuse(error: OAuthError, status: StatusCode) -> Response {
    let status =
        if error == OAuthError::ServerError { StatusCode::INTERNAL_SERVER_ERROR } else { status };
    let body = json!({ "error": error.code(), "error_description": error.to_string() });
    answer(status, Json(body))
}

fn answer(status: StatusCode, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    allow_any_origin(headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
