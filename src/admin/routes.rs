//! The endpoints.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinError;

use super::connection::Peer;
use super::guard::Guard;
use super::page;
use super::problem::Problem;
use super::scrape::Scrapes;
use super::view::{DenyError, RecordingError, RecordingOrder, RefreshError, ReloadReport, View};
use crate::config::deny_list::Entry;
use crate::telemetry::metrics;

/// A body is never used; up to this many bytes it is read for the sake of the connection.
const LARGEST_BODY: usize = 64 * 1024;

#[derive(Clone)]
struct Admin {
    view: Arc<dyn View>,
    guard: Arc<Guard>,
    scrapes: Arc<Scrapes>,
}

pub(super) fn router(view: Arc<dyn View>, guard: Guard) -> Router {
    let admin = Admin { view, guard: Arc::new(guard), scrapes: Arc::default() };
    let disclosure = from_fn_with_state(admin.clone(), disclosure);
    let change = from_fn_with_state(admin.clone(), change);
    let change_with_body = from_fn_with_state(admin.clone(), change_with_body);
    Router::new()
        .merge(pages(&admin))
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .route("/keys", get(keys).route_layer(disclosure.clone()))
        .route("/config", get(config).route_layer(disclosure.clone()))
        .route("/targets", get(targets).route_layer(disclosure.clone()))
        .route("/denials", get(denials).route_layer(disclosure.clone()))
        .route("/requests", get(requests).route_layer(disclosure.clone()))
        .route(
            "/recording",
            get(recording)
                .route_layer(disclosure.clone())
                .merge(post(record).route_layer(change.clone())),
        )
        .route("/recording/requests", get(recorded).route_layer(disclosure.clone()))
        .route("/recording/stop", post(stop_recording).route_layer(change.clone()))
        .route("/history", get(history).route_layer(disclosure.clone()))
        .route(
            "/deny",
            get(deny_list).route_layer(disclosure).merge(post(deny).route_layer(change_with_body)),
        )
        .route("/rollback", post(roll_back).route_layer(change.clone()))
        .route("/reload", post(reload).route_layer(change.clone()))
        .route("/keys/refresh", post(refresh_keys).route_layer(change))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
        .layer(from_fn_with_state(admin.clone(), every_request))
        .with_state(admin)
}

fn pages(admin: &Admin) -> Router<Admin> {
    Router::new()
        .route("/", get(overview))
        .route("/page/denials", get(denials_page))
        .route("/page/denials/{id}", get(denial_page))
        .route("/page/rules", get(rules_page))
        .route("/page/configuration", get(configuration_page))
        .route_layer(from_fn_with_state(admin.clone(), page_disclosure))
        .route("/page/style.css", get(async || page::style()))
}

/// What holds for every request, whatever it asks for.
async fn every_request(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    peer.has_asked.store(true, Ordering::Relaxed);
    let host = admin.guard.check_host(request.version(), request.uri(), request.headers());
    let mut response = match host {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let strictest = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(strictest);
    response
}

async fn disclosure(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match admin.guard.check_disclosure(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn page_disclosure(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match admin.guard.check_page(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn change(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if let Err(problem) = admin.guard.check_change(request.headers()) {
        return problem.into_response();
    }
    let (head, body) = request.into_parts();
    let is_large = body.size_hint().lower() > LARGEST_BODY as u64;
    if is_large || to_bytes(body, LARGEST_BODY).await.is_err() {
        let detail = "this takes no body";
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
    }
    next.run(Request::from_parts(head, Body::empty())).await
}

/// The same for what takes a body, which is bounded where it is read.
async fn change_with_body(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match admin.guard.check_change(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// `?refresh` with or without a value.
#[derive(Debug, Deserialize)]
struct OverviewQuery {
    refresh: Option<String>,
}

async fn overview(State(admin): State<Admin>, Query(query): Query<OverviewQuery>) -> Response {
    page::overview(&admin.view.facts(), query.refresh.is_some())
}

#[derive(Debug, Deserialize)]
struct FindQuery {
    #[serde(default)]
    find: String,
}

async fn denials_page(State(admin): State<Admin>, Query(query): Query<FindQuery>) -> Response {
    page::denials(&admin.view.facts(), &query.find)
}

async fn denial_page(State(admin): State<Admin>, Path(id): Path<String>) -> Response {
    page::denial(&admin.view.facts(), &id)
}

async fn rules_page(State(admin): State<Admin>, Query(query): Query<page::RulesQuery>) -> Response {
    page::rules(&admin.view.facts(), &query)
}

async fn configuration_page(State(admin): State<Admin>) -> Response {
    page::configuration(&admin.view.facts(), &admin.view.config_json())
}

async fn livez(State(admin): State<Admin>) -> Response {
    if admin.view.is_live() {
        "live\n".into_response()
    } else {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not live").into_response()
    }
}

/// `?verbose` with or without a value.
#[derive(Debug, Deserialize)]
struct ReadyQuery {
    verbose: Option<String>,
}

async fn readyz(State(admin): State<Admin>, Query(query): Query<ReadyQuery>) -> Response {
    let readiness = admin.view.readiness();
    let mut text = String::from(if readiness.ready { "ready\n" } else { "not ready\n" });
    let notes = query.verbose.is_some().then_some(&readiness.notes).into_iter().flatten();
    for line in readiness.reasons.iter().chain(notes) {
        text.push_str(line);
        text.push('\n');
    }
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}

async fn scrape(State(admin): State<Admin>) -> Response {
    match admin.scrapes.render(admin.view).await {
        Some(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        None => {
            let detail = "metrics could not be rendered";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
        }
    }
}

async fn keys(State(admin): State<Admin>) -> Response {
    json_text(StatusCode::OK, admin.view.keys_json())
}

async fn config(State(admin): State<Admin>) -> Response {
    json_text(StatusCode::OK, admin.view.config_json())
}

async fn targets(State(admin): State<Admin>) -> Response {
    json_text(StatusCode::OK, admin.view.targets_json())
}

async fn denials(State(admin): State<Admin>) -> Response {
    json_text(StatusCode::OK, admin.view.denials_json())
}

/// `?id=REQUEST_ID`; all that are kept without.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestsQuery {
    id: Option<String>,
}

async fn requests(State(admin): State<Admin>, Query(query): Query<RequestsQuery>) -> Response {
    json_text(StatusCode::OK, admin.view.requests_json(query.id.as_deref()))
}

async fn recording(State(admin): State<Admin>) -> Response {
    json_text(StatusCode::OK, admin.view.recording_json())
}

async fn recorded(State(admin): State<Admin>) -> Response {
    // A large recording takes a while to put together.
    let lines = tokio::task::spawn_blocking(move || admin.view.recording_lines()).await;
    match lines.ok().flatten() {
        Some(lines) => ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response(),
        None => {
            let detail = "nothing was recorded; POST /recording begins it";
            Problem::new(StatusCode::NOT_FOUND, detail).into_response()
        }
    }
}

async fn record(State(admin): State<Admin>, Query(order): Query<RecordingOrder>) -> Response {
    match admin.view.record(order) {
        Ok(()) => json_text(StatusCode::OK, admin.view.recording_json()),
        Err(why @ RecordingError::Order(_)) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why.to_string()).into_response()
        }
        Err(why @ RecordingError::UnderWay(_)) => {
            Problem::new(StatusCode::CONFLICT, why.to_string()).into_response()
        }
    }
}

async fn stop_recording(State(admin): State<Admin>) -> Response {
    admin.view.stop_recording();
    json_text(StatusCode::OK, admin.view.recording_json())
}

async fn deny_list(State(admin): State<Admin>) -> Response {
    json_text(StatusCode::OK, admin.view.deny_list_json())
}

/// `?remove=true` takes the entry out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyQuery {
    #[serde(default)]
    remove: bool,
}

async fn deny(
    State(admin): State<Admin>,
    Query(query): Query<DenyQuery>,
    request: Request,
) -> Response {
    let Ok(body) = to_bytes(request.into_body(), LARGEST_BODY).await else {
        let detail = "an entry is no longer than 64 KiB";
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
    };
    let text = String::from_utf8_lossy(&body);
    let entry = match Entry::parse(&text) {
        Ok(entry) => entry,
        Err(why) => {
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why.to_string()).into_response();
        }
    };
    match tokio::spawn(async move { admin.view.deny(entry, query.remove).await }).await {
        Ok(Ok(entries)) => {
            json_text(StatusCode::OK, format!("{}\n", json!({ "entries": entries })))
        }
        Ok(Err(why @ DenyError::Full(_))) => {
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, why.to_string()).into_response()
        }
        Ok(Err(why @ DenyError::NotKept(_))) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response()
        }
        Err(_) => {
            let detail = "this ended in a panic; the log tells where";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
        }
    }
}

/// In a task of its own: a reload that has begun is not given up because its asker hung up.
async fn reload(State(admin): State<Admin>) -> Response {
    told(tokio::spawn(async move { admin.view.reload().await }).await)
}

async fn history(State(admin): State<Admin>) -> Response {
    json_text(StatusCode::OK, admin.view.history_json())
}

/// `?id=NUMBER`; the last good text before what is served without. A misspelt key is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackQuery {
    id: Option<u64>,
}

async fn roll_back(State(admin): State<Admin>, Query(query): Query<RollbackQuery>) -> Response {
    told(tokio::spawn(async move { admin.view.roll_back(query.id).await }).await)
}

fn told(result: Result<Result<ReloadReport, String>, JoinError>) -> Response {
    match result {
        Ok(Ok(report)) => {
            let body = json!({
                "generation": report.generation,
                "changed": report.changed,
                "warnings": report.warnings,
            });
            json_text(StatusCode::OK, format!("{body}\n"))
        }
        Ok(Err(why)) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("{}\nthe running configuration was not changed", why.trim_end()),
        )
        .into_response(),
        Err(_) => {
            let detail = "the reload ended in a panic; the log tells where";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
        }
    }
}

/// `?user_pool=NAME`; all pools without. A misspelt key does not mean all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshQuery {
    user_pool: Option<String>,
}

async fn refresh_keys(State(admin): State<Admin>, Query(query): Query<RefreshQuery>) -> Response {
    match admin.view.refresh_keys(query.user_pool.as_deref()).await {
        Ok(pools) => {
            let is_all_fresh = pools.iter().all(|pool| pool.error.is_none());
            let pools: Vec<_> = pools
                .into_iter()
                .map(|pool| json!({ "user_pool": pool.user_pool, "error": pool.error }))
                .collect();
            let status = if is_all_fresh { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
            json_text(status, format!("{}\n", json!({ "user_pools": pools })))
        }
        Err(error @ RefreshError::UnknownPool { .. }) => {
            Problem::new(StatusCode::NOT_FOUND, error.to_string()).into_response()
        }
    }
}

async fn wrong_method(method: Method) -> Problem {
    let detail = if method == Method::GET || method == Method::HEAD {
        "this changes something, so it takes POST only"
    } else {
        "this only shows something, so it takes GET only"
    };
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here; / shows what there is")
}

fn json_text(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
