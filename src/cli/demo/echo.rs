//! A target for demonstrations and load tests: it answers with what it received, so that everybody
//! can see which headers the gateway removed, set and passed on.
//!
//! HTTP/1.1, HTTP/2 without TLS, and WebSocket on one port. Every path answers with the request as
//! JSON, but for `/plain` (`ok`, as cheaply as it goes), `/healthz`, `/slow?ms=N`, `/bytes?n=N`,
//! `/status/NNN` and `/drip?n=N&ms=M` (server-sent events). A browser of somebody who signed in gets
//! a page instead of JSON. It protects nothing: it prints bearer
//! tokens back if it is sent any.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// The longest `/slow`.
const MAX_DELAY_MS: u64 = 60_000;

/// The largest `/bytes`.
const MAX_BYTES: u64 = 100_000_000;

/// The most events of `/drip`.
const MAX_EVENTS: u32 = 1_000;

/// The largest WebSocket message that is echoed.
const MAX_MESSAGE: usize = 1 << 20;

/// Which target answered.
const NAME: HeaderName = HeaderName::from_static("x-echo-target");

/// Serves on `listener` until the future is dropped. `name` tells several targets apart.
pub(crate) async fn serve(listener: TcpListener, name: String) -> std::io::Result<()> {
    let listener = listener.tap_io(|stream| {
        // Answers are small and waited for; a failure to say so costs only time.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router(name)).await
}

fn router(name: String) -> Router {
    Router::new()
        .route("/plain", any(async || "ok"))
        .route("/healthz", get(async || "ok"))
        .route("/slow", any(slow))
        .route("/bytes", get(bytes))
        .route("/status/{code}", any(status))
        .route("/drip", get(drip))
        .fallback(echo)
        .with_state(name.into())
}

/// What was received.
#[derive(Serialize)]
struct Received<'a> {
    name: &'a str,
    method: &'a str,
    target: String,
    version: &'static str,
    /// Sorted by name; what came twice stands twice.
    headers: Vec<(&'a str, String)>,
    body_bytes: u64,
}

async fn echo(State(name): State<Arc<str>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
        return upgrade.on_upgrade(echo_messages);
    }
    let Ok(body_bytes) = count(body).await else { return StatusCode::BAD_REQUEST.into_response() };
    if super::page::is_wanted(&parts.headers) {
        return super::page::show(&parts.headers, &sorted(&parts.headers));
    }
    let received = Received {
        name: &name,
        method: parts.method.as_str(),
        target: target(&parts.uri),
        version: version(parts.version),
        headers: sorted(&parts.headers),
        body_bytes,
    };
    let mut response = Json(received).into_response();
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(NAME, name);
    }
    response
}

/// Reads a body to its end without keeping it.
async fn count(body: Body) -> Result<u64, axum::Error> {
    let mut total = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        total += chunk?.len() as u64;
    }
    Ok(total)
}

fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| uri.to_string(), ToString::to_string)
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "other",
    }
}

fn sorted(headers: &HeaderMap) -> Vec<(&str, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut list: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    // Stable: values of one name keep the order in which they came.
    list.sort_by_key(|(name, _)| *name);
    list
}

async fn echo_messages(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let answer = match message {
            Message::Text(_) | Message::Binary(_) => message,
            // Pings are answered and closes confirmed below us.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}

#[derive(Deserialize)]
struct Delay {
    #[serde(default)]
    ms: u64,
}

async fn slow(Query(delay): Query<Delay>, state: State<Arc<str>>, request: Request) -> Response {
    tokio::time::sleep(Duration::from_millis(delay.ms.min(MAX_DELAY_MS))).await;
    echo(state, request).await
}

#[derive(Deserialize)]
struct Size {
    n: u64,
}

async fn bytes(Query(Size { n }): Query<Size>) -> Response {
    static CHUNK: [u8; 16 * 1024] = [b'.'; 16 * 1024];
    if n > MAX_BYTES {
        return (StatusCode::BAD_REQUEST, "n is at most 100000000").into_response();
    }
    let chunks = stream::unfold(n, async |left| {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK.len());
        let chunk = CHUNK.get(..length).filter(|chunk| !chunk.is_empty())?;
        Some((Ok::<_, Infallible>(Bytes::from_static(chunk)), left - length as u64))
    });
    let headers =
        [(header::CONTENT_LENGTH, n.to_string()), (header::CONTENT_TYPE, "text/plain".to_owned())];
    (headers, Body::from_stream(chunks)).into_response()
}

async fn status(Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        // 1xx are not final, and 101 would promise another protocol.
        Ok(status) if code >= 200 => (status, format!("{code}\n")).into_response(),
        _ => (StatusCode::BAD_REQUEST, "a status between 200 and 999\n").into_response(),
    }
}

#[derive(Deserialize)]
struct Drip {
    #[serde(default = "ten")]
    n: u32,
    #[serde(default = "hundred")]
    ms: u64,
}

const fn ten() -> u32 {
    10
}

const fn hundred() -> u64 {
    100
}

async fn drip(Query(Drip { n, ms }): Query<Drip>) -> Response {
    let pause = Duration::from_millis(ms.min(MAX_DELAY_MS));
    let events = stream::iter(0..n.min(MAX_EVENTS)).then(move |number| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(Bytes::from(format!("data: {number}\n\n")))
    });
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(events)).into_response()
}
