//! The JSON 1.1 protocol of `AWSCognitoIdentityProviderService`: the operation is named in
//! `X-Amz-Target`, errors are a name and a message.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Service, allow_any_origin};
use crate::clock::wall;
use crate::user_pool::errors::ApiError;
use crate::user_pool::operations::InitiateAuth;
use crate::user_pool::random::SystemRandomness;

const SERVICE_PREFIX: &str = "AWSCognitoIdentityProviderService.";

/// `POST /`
pub(super) async fn call(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix(SERVICE_PREFIX));
    let result = match operation {
        Some("InitiateAuth") => initiate_auth(&service, &body),
        Some("GetUser") => get_user(&service, &body),
        Some("RevokeToken") => revoke_token(&service, &body),
        _ => Err(ApiError::UnknownOperation(
            target.unwrap_or("(no X-Amz-Target)").chars().take(128).collect(),
        )),
    };
    answer(result)
}

fn initiate_auth(service: &Service, body: &[u8]) -> Result<Value, ApiError> {
    let request: InitiateAuth = parse(body)?;
    let result = service.pool.initiate_auth(&request, wall(), &mut SystemRandomness)?;
    Ok(json!({ "AuthenticationResult": result, "ChallengeParameters": {} }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetUser {
    access_token: Option<String>,
}

fn get_user(service: &Service, body: &[u8]) -> Result<Value, ApiError> {
    let request: GetUser = parse(body)?;
    let token = request.access_token.ok_or(ApiError::MissingMember("accessToken"))?;
    let user = service.pool.get_user(&token, wall())?;
    serde_json::to_value(user).map_err(|_| ApiError::Internal)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RevokeToken {
    token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

fn revoke_token(service: &Service, body: &[u8]) -> Result<Value, ApiError> {
    let request: RevokeToken = parse(body)?;
    let token = request.token.ok_or(ApiError::MissingMember("token"))?;
    let client = request.client_id.ok_or(ApiError::MissingMember("clientId"))?;
    service.pool.revoke_token(&token, &client, request.client_secret.as_deref())?;
    Ok(json!({}))
}

/// The message keeps to where the fault is: the text around it may be a password.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|e| {
        ApiError::Serialization(format!(
            "the body is not what the operation wants, at line {} column {}",
            e.line(),
            e.column()
        ))
    })
}

fn answer(result: Result<Value, ApiError>) -> Response {
    let mut headers = HeaderMap::new();
    allow_any_origin(&mut headers);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    match result {
        Ok(value) => (StatusCode::OK, headers, value.to_string()).into_response(),
        Err(error) => {
            let status =
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let message = error.to_string();
            headers.insert("x-amzn-errortype", HeaderValue::from_static(error.name()));
            if let Ok(message) = HeaderValue::from_str(&message) {
                headers.insert("x-amzn-errormessage", message);
            }
            let body = json!({ "__type": error.name(), "message": message }).to_string();
            (status, headers, body).into_response()
        }
    }
}
