//! The user pool on a socket: the well-known documents, the JSON API, the sign-in pages, the token
//! endpoint, and what only a development pool has. Reads the clock and the system's randomness for the core.
//!
//! Every answer carries request ids, every body is bounded, and nothing is answered for a `Host`
//! other than loopback: a page that rebinds its name to 127.0.0.1 gets no token.

mod api;
mod cookies;
mod development;
mod hosted_ui;
mod oauth;
mod page;
#[cfg(test)]
mod tests;
mod user_info;
mod well_known;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::errors::PoolError;
use super::listener::{Bounded, is_loopback_host};
use super::random::{SystemRandomness, uuid};
use super::{MAX_KEYS_PER_USE, UserPool};

/// The largest request body.
pub const MAX_BODY: usize = 64 * 1024;

/// How long a request may take from its head to the head of its answer.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long requests in flight may take to end once the pool is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// What every answer says about itself, so that nobody takes it for the real thing.
const DEVELOPMENT: HeaderName = HeaderName::from_static("x-portcullis-development-user-pool");

/// A pool and what it takes to serve it.
#[derive(Debug)]
pub struct Service {
    pool: Arc<UserPool>,
    state_directory: Option<PathBuf>,
    /// Rotations read, make and store keys: one at a time.
    rotating: Arc<tokio::sync::Mutex<()>>,
    /// Orders for many tokens keep every core busy: one at a time.
    minting: Arc<Semaphore>,
}

impl Service {
    /// Serves `pool`; rotated keys are stored in `state_directory` if there is one.
    #[must_use]
    pub fn new(pool: Arc<UserPool>, state_directory: Option<PathBuf>) -> Self {
        Self {
            pool,
            state_directory,
            rotating: Arc::default(),
            minting: Arc::new(Semaphore::new(1)),
        }
    }

    /// The pool itself.
    #[must_use]
    pub const fn pool(&self) -> &Arc<UserPool> {
        &self.pool
    }

    fn address(&self) -> SocketAddr {
        self.pool.address
    }
}

/// Every path of the pool.
pub fn router(service: Arc<Service>) -> Router {
    let well_known = Router::new()
        .route("/{pool}/.well-known/jwks.json", get(well_known::jwks))
        .route("/{pool}/.well-known/openid-configuration", get(well_known::discovery));
    let user_info = get(user_info::show).post(user_info::show).options(preflight);
    let public = Router::new()
        .merge(well_known)
        .route("/oauth2/authorize", get(hosted_ui::authorize))
        .route("/login", get(hosted_ui::login).post(hosted_ui::sign_in))
        .route("/oauth2/userInfo", user_info)
        .route("/logout", get(hosted_ui::logout))
        .route("/", post(api::call).options(preflight))
        .route("/oauth2/token", post(oauth::token).options(preflight))
        .route("/oauth2/revoke", post(oauth::revoke).options(preflight))
        .route("/healthz", get(async || "ok"));
    let development = Router::new()
        .route("/dev/rotate-keys", post(development::rotate_keys))
        .route("/dev/token", post(development::token))
        .route("/dev/tokens", post(development::tokens))
        .layer(middleware::from_fn(refuse_pages));
    public
        .merge(development)
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(guard))
        .with_state(service)
}

/// Serves until `stop` resolves, then lets requests in flight end for two seconds.
///
/// # Errors
///
/// [`PoolError::NotLoopback`] when `listener` is not on loopback, [`PoolError::Serve`] when the
/// server fails.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), PoolError> {
    super::listener::require_loopback(listener.local_addr().map_err(PoolError::Serve)?)?;
    let (told, mut was_told) = tokio::sync::watch::channel(false);
    let stop = async move {
        stop.await;
        let _ = told.send(true);
    };
    let server = axum::serve(Bounded::new(listener), router(service)).with_graceful_shutdown(stop);
    let limit = async {
        // An error means that the server dropped the sender, and then it ends by itself.
        if was_told.wait_for(|told| *told).await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(DRAIN_TIME).await;
    };
    tokio::select! {
        result = server => result.map_err(PoolError::Serve),
        () = limit => Ok(()),
    }
}

/// Judges `Host`, bounds the time, and adds what every answer has.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = if is_addressed_to_us(&request) {
        tokio::time::timeout(REQUEST_TIME, next.run(request)).await.unwrap_or_else(|_| {
            refusal(StatusCode::REQUEST_TIMEOUT, "timeout", "the request took too long")
        })
    } else {
        let hint = "the development user pool answers only to 127.0.0.1, [::1] and localhost";
        refusal(StatusCode::MISDIRECTED_REQUEST, "misdirected_request", hint)
    };
    let headers = response.headers_mut();
    headers.insert(DEVELOPMENT, HeaderValue::from_static("not for production"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(id) = request_id() {
        headers.insert("x-amzn-requestid", id.clone());
        headers.insert("x-amz-cognito-request-id", id);
    }
    response
}

fn is_addressed_to_us(request: &Request) -> bool {
    if let Some(authority) = request.uri().authority() {
        return is_loopback_host(authority.as_str());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => is_loopback_host(host),
        _ => false,
    }
}

fn request_id() -> Option<HeaderValue> {
    HeaderValue::try_from(uuid(&mut SystemRandomness).ok()?).ok()
}

/// The development endpoints are for command lines: what a browser sends on behalf of some page
/// carries `Origin` and is refused, since minting and rotating need no password.
async fn refuse_pages(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return refusal(StatusCode::FORBIDDEN, "forbidden", "not for web pages");
    }
    next.run(request).await
}

/// Answers a CORS preflight for the API, the token endpoint and `userInfo`.
async fn preflight() -> Response {
    const ALLOWED: &str = "content-type,x-amz-target,x-amz-user-agent,cache-control,\
        authorization,x-amz-date,x-amz-security-token,amz-sdk-invocation-id,amz-sdk-request";
    let mut headers = HeaderMap::new();
    allow_any_origin(&mut headers);
    headers
        .insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,POST,OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn not_found(State(service): State<Arc<Service>>) -> Response {
    let hint = format!("the issuer is {}", service.pool.issuer());
    refusal(StatusCode::NOT_FOUND, "not_found", &hint)
}

fn allow_any_origin(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// A JSON answer for everything that Cognito has no form for.
fn refusal(status: StatusCode, error: &str, message: &str) -> Response {
    (status, Json(json!({ "error": error, "message": message }))).into_response()
}
