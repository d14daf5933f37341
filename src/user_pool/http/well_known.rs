//! The documents that verifiers fetch: the key set and the discovery document.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Service, allow_any_origin, refusal};

/// `/{pool}/.well-known/jwks.json`
pub(super) async fn jwks(
    State(service): State<Arc<Service>>,
    Path(pool): Path<String>,
) -> Response {
    document(&service, &pool, |service| service.pool.keys().jwks())
}

/// `/{pool}/.well-known/openid-configuration`; names only what is served.
pub(super) async fn discovery(
    State(service): State<Arc<Service>>,
    Path(pool): Path<String>,
) -> Response {
    document(&service, &pool, |service| {
        let issuer = service.pool.issuer();
        let base = issuer.strip_suffix(service.pool.pool_id()).unwrap_or(issuer);
        json!({
            "authorization_endpoint": format!("{base}oauth2/authorize"),
            "code_challenge_methods_supported": ["S256"],
            "end_session_endpoint": format!("{base}logout"),
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "response_types_supported": ["code"],
            "revocation_endpoint": format!("{base}oauth2/revoke"),
            "scopes_supported": ["openid", "email", "phone", "profile"],
            "subject_types_supported": ["public"],
            "token_endpoint": format!("{base}oauth2/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "userinfo_endpoint": format!("{base}oauth2/userInfo"),
        })
    })
}

fn document(service: &Service, pool: &str, content: impl FnOnce(&Service) -> Value) -> Response {
    let mut response = if pool == service.pool.pool_id() {
        let mut response = Json(content(service)).into_response();
        // Short, because here keys are rotated to see what happens.
        let minute = HeaderValue::from_static("public, max-age=60");
        response.headers_mut().insert(header::CACHE_CONTROL, minute);
        response
    } else {
        let hint = format!("the pool here is {}", service.pool.pool_id());
        refusal(StatusCode::NOT_FOUND, "not_found", &hint)
    };
    allow_any_origin(response.headers_mut());
    response
}
