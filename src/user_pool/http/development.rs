//! What Cognito has not: tokens to order and key rotation on demand. For tests, demonstrations
//! and benchmarks; no password is asked.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::{MAX_KEYS_PER_USE, Service, refusal};
use crate::clock::wall;
use crate::user_pool::development::{MAX_TOKENS_AT_ONCE, OrderError, TokenOrder};
use crate::user_pool::errors::PoolError;
use crate::user_pool::keys::KeyRing;
use crate::user_pool::random::SystemRandomness;
use crate::user_pool::{UserPool, key_files};

/// How many tokens are signed before they are sent.
const BATCH: u32 = 64;

/// Threads that sign at once at most.
const MAX_SIGNERS: u32 = 8;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rotation {
    forget_old: bool,
}

/// `POST /dev/rotate-keys`: new keys sign from now on; with `forget_old` the old ones are no longer
/// published, and tokens they signed stop being accepted once key sets are fetched again.
pub(super) async fn rotate_keys(
    State(service): State<Arc<Service>>,
    Query(query): Query<Rotation>,
    body: Bytes,
) -> Response {
    let rotation = match parse_or(query, &body) {
        Ok(rotation) => rotation,
        Err(error) => return refuse(&error),
    };
    // Held by the work and not by the request, which its client may give up.
    let turn = Arc::clone(&service.rotating).lock_owned().await;
    let pool = Arc::clone(&service.pool);
    let directory = service.state_directory.clone();
    let rotated = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let ring = pool.keys().rotated_to(&KeyRing::generate()?, rotation.forget_old);
        // Stored before it is used: what cannot be kept must not sign.
        if let Some(directory) = directory {
            key_files::store(&directory, pool.pool_id(), &ring)?;
        }
        pool.replace_keys(ring);
        Ok::<_, PoolError>(pool.keys())
    });
    match rotated.await {
        Ok(Ok(ring)) => Json(json!({
            "access_kid": ring.access().kid(),
            "id_kid": ring.id().kid(),
            "published_keys": ring.access_keys().count() + ring.id_keys().count(),
            "most_published_keys": 2 * MAX_KEYS_PER_USE,
        }))
        .into_response(),
        Ok(Err(error)) => {
            tracing::error!(%error, "the development user pool could not rotate its keys");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_error", &error.to_string())
        }
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "rotation failed"),
    }
}

/// `POST /dev/token`: one token as ordered, in the query or as a JSON body, as text with a newline.
pub(super) async fn token(
    State(service): State<Arc<Service>>,
    Query(query): Query<TokenOrder>,
    body: Bytes,
) -> Response {
    let order = match parse_or(query, &body) {
        Ok(order) => order,
        Err(error) => return refuse(&error),
    };
    match service.pool.mint(&order, wall(), &mut SystemRandomness) {
        Ok(token) => text(Body::from(token + "\n")),
        Err(error) => refuse(&error),
    }
}

#[derive(Deserialize)]
pub(super) struct Count {
    count: u32,
}

/// `POST /dev/tokens?count=N`: as many tokens, each with its own `jti` and `sub`, one a line. What
/// they are otherwise is ordered in a JSON body as for `/dev/token`.
pub(super) async fn tokens(
    State(service): State<Arc<Service>>,
    Query(Count { count }): Query<Count>,
    body: Bytes,
) -> Response {
    let order = match parse_or(TokenOrder::default(), &body) {
        Ok(order) => order,
        Err(error) => return refuse(&error),
    };
    if !(1..=MAX_TOKENS_AT_ONCE).contains(&count) {
        return refuse(&OrderError::Count);
    }
    let Ok(permit) = Arc::clone(&service.minting).try_acquire_owned() else {
        let hint = "another order for many tokens is being filled";
        return refusal(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", hint);
    };
    // The first one shows whether the order can be filled, while the status can still say so.
    let first = match service.pool.mint_distinct(&order, wall(), &mut SystemRandomness) {
        Ok(token) => token + "\n",
        Err(error) => return refuse(&error),
    };
    let (lines, received) = mpsc::channel(4);
    let signers = signers();
    for signer in 0..signers {
        let rest = count - 1;
        let share = rest / signers + u32::from(signer < rest % signers);
        let (pool, order, lines) = (Arc::clone(&service.pool), order.clone(), lines.clone());
        tokio::task::spawn_blocking(move || sign_share(&pool, &order, share, &lines));
    }
    drop(lines);
    let first = futures_util::stream::iter([Ok(Bytes::from(first))]);
    let rest = futures_util::stream::unfold((received, permit), |(mut received, permit)| async {
        received.recv().await.map(|line| (line, (received, permit)))
    });
    text(Body::from_stream(futures_util::StreamExt::chain(first, rest)))
}

fn signers() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores).unwrap_or(MAX_SIGNERS).clamp(1, MAX_SIGNERS)
}

/// Signs until the share is done or nobody listens any more.
fn sign_share(
    pool: &UserPool,
    order: &TokenOrder,
    share: u32,
    lines: &mpsc::Sender<io::Result<Bytes>>,
) {
    let mut left = share;
    while left > 0 {
        let batch = left.min(BATCH);
        let signed = sign_batch(pool, order, batch).map_err(io::Error::other);
        let is_over = signed.is_err();
        if lines.blocking_send(signed).is_err() || is_over {
            return;
        }
        left -= batch;
    }
}

fn sign_batch(pool: &UserPool, order: &TokenOrder, count: u32) -> Result<Bytes, OrderError> {
    let mut text = String::new();
    for _ in 0..count {
        text.push_str(&pool.mint_distinct(order, wall(), &mut SystemRandomness)?);
        text.push('\n');
    }
    Ok(text.into())
}

/// The JSON body, whatever content type `curl -d` gave it, or else what the query said.
fn parse_or<T: serde::de::DeserializeOwned>(otherwise: T, body: &[u8]) -> Result<T, OrderError> {
    if body.is_empty() {
        return Ok(otherwise);
    }
    serde_json::from_slice(body).map_err(|e| OrderError::Json(e.to_string()))
}

fn refuse(error: &OrderError) -> Response {
    let status = match error {
        OrderError::Pool(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    refusal(status, "invalid_request", &error.to_string())
}

fn text(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
