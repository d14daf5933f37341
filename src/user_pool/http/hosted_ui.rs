//! Cognito's sign-in pages: `/oauth2/authorize`, `/login` and `/logout`, as a browser meets them.
//! What a request may lead to is decided by [`crate::user_pool::authorization`].

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Service;
use super::cookies::Cookie;
use super::oauth::is_form;
use super::page::{self, LoginPage};
use crate::clock::wall;
use crate::user_pool::authorization::{Authorization, Refusal, Step};
use crate::user_pool::errors::{ApiError, PageError};
use crate::user_pool::parameters::Parameters;
use crate::user_pool::random::{Randomness as _, SystemRandomness};
use crate::user_pool::secrets::is_same;
use crate::user_pool::shortened;

/// The longest query: far above an honest one, and far below what a client's server takes for a
/// URL that comes back with the `state` in it.
const LONGEST_QUERY: usize = 8 * 1024;

/// Either way it is an answer; `?` parts the bad from the good.
type Answer = Result<Response, Response>;

/// `GET /oauth2/authorize`: to the client if the browser is signed in, or else to `/login`.
pub(super) async fn authorize(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    either((|| {
        let (query, request, _) = service.request(query.as_deref())?;
        let cookie = Cookie::Session.find(service.address(), &headers);
        let step = service.pool.authorize(&request, cookie, wall(), &mut SystemRandomness);
        match step.map_err(|e| service.page(&e))? {
            Step::Return(location) => Ok(redirect(&location)),
            Step::LogIn => Ok(redirect(&format!("/login?{query}"))),
        }
    })())
}

/// `GET /login`: the form.
pub(super) async fn login(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    either((|| {
        let (query, request, client) = service.request(query.as_deref())?;
        let username = request.login_hint().unwrap_or_default().to_owned();
        service.form(&Form { query, client: &client, username: &username, mistake: None }, &headers)
    })())
}

/// `POST /login`: back to the client with a code, or the form again.
pub(super) async fn sign_in(
    State(service): State<Arc<Service>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    either((|| {
        let (query, request, client) = service.request(uri.query())?;
        if !is_form(&headers) {
            return Err(service.page(&PageError::Form));
        }
        let form = Parameters::parse(&body).map_err(|_| service.page(&PageError::Form))?;
        if !is_from_our_page(&uri, &headers) || !service.is_our_form(&form, &headers) {
            return Err(service.page(&PageError::Forgery));
        }
        let username = form.get("username").unwrap_or_default().trim();
        let password = form.get("password").unwrap_or_default();
        match service.log_in(&request, (username, password), &headers) {
            Ok(response) => Ok(response),
            Err(ApiError::Internal) => Err(service.page(&PageError::Internal)),
            Err(error) => {
                let mistake = error.to_string();
                let mistake = Some(mistake.as_str());
                let form = Form { query, client: &client, username, mistake };
                service.form(&form, &headers)
            }
        }
    })())
}

/// `GET /logout`: signs out, then to `logout_uri`, or to the form for whoever comes next.
pub(super) async fn logout(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    either((|| {
        let query = query.unwrap_or_default();
        let parameters = service.parameters(&query)?;
        let cookie = Cookie::Session.find(service.address(), &headers);
        let location = if parameters.get("logout_uri").is_some() {
            service.pool.log_out(&parameters, cookie).map_err(|e| service.page(&e))?
        } else {
            service.pool.authorization(&parameters).map_err(|e| service.refuse(e))?;
            service.pool.forget_browser(cookie);
            format!("/login?{query}")
        };
        let mut response = redirect(&location);
        service.set_cookie(&mut response, Cookie::Session, None);
        Ok(response)
    })())
}

/// What a form shows.
struct Form<'a> {
    query: &'a str,
    client: &'a str,
    username: &'a str,
    mistake: Option<&'a str>,
}

impl Service {
    /// The request that a query makes, the query itself, and the client's id.
    fn request<'q>(
        &self,
        query: Option<&'q str>,
    ) -> Result<(&'q str, Authorization, String), Response> {
        let query = query.unwrap_or_default();
        let parameters = self.parameters(query)?;
        let request = self.pool.authorization(&parameters).map_err(|e| self.refuse(e))?;
        let client = parameters.get("client_id").unwrap_or_default().to_owned();
        Ok((query, request, client))
    }

    fn parameters(&self, query: &str) -> Result<Parameters, Response> {
        let parameters = if query.len() > LONGEST_QUERY {
            None
        } else {
            Parameters::parse(query.as_bytes()).ok()
        };
        parameters.ok_or_else(|| self.page(&PageError::TooLong))
    }

    fn log_in(
        &self,
        request: &Authorization,
        credentials: (&str, &str),
        headers: &HeaderMap,
    ) -> Result<Response, ApiError> {
        let old = Cookie::Session.find(self.address(), headers);
        let signed_in =
            self.pool.log_in(request, credentials, old, wall(), &mut SystemRandomness)?;
        let mut response = redirect(&signed_in.location);
        self.set_cookie(&mut response, Cookie::Session, Some(&signed_in.cookie));
        self.set_cookie(&mut response, Cookie::Form, None);
        Ok(response)
    }

    /// The sign-in page. Its token stays the same while the browser keeps it, so that a second tab
    /// does not spoil the first.
    fn form(&self, form: &Form<'_>, headers: &HeaderMap) -> Answer {
        let known = Cookie::Form.find(self.address(), headers).filter(|token| is_token(token));
        let csrf = match known {
            Some(token) => token.to_owned(),
            None => new_token().ok_or_else(|| self.page(&PageError::Internal))?,
        };
        let page = LoginPage {
            pool_id: self.pool.pool_id(),
            client: form.client,
            query: form.query,
            csrf: &csrf,
            username: &shortened(form.username),
            mistake: form.mistake,
        };
        let mut response = page::answer(StatusCode::OK, page.render());
        self.set_cookie(&mut response, Cookie::Form, Some(&csrf));
        Ok(response)
    }

    /// Whether the form repeats the cookie that its page was given with.
    fn is_our_form(&self, form: &Parameters, headers: &HeaderMap) -> bool {
        let cookie = Cookie::Form.find(self.address(), headers).filter(|token| is_token(token));
        let repeated = cookie.zip(form.get("_csrf"));
        repeated.is_some_and(|(cookie, given)| is_same(given, cookie))
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        match refusal {
            Refusal::Shown(error) => self.page(&error),
            Refusal::Sent(location) => redirect(&location),
        }
    }

    fn page(&self, error: &PageError) -> Response {
        page::error(self.pool.pool_id(), error)
    }

    fn set_cookie(&self, response: &mut Response, cookie: Cookie, value: Option<&str>) {
        if let Some(line) = cookie.set(self.address(), value) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }
}

/// A page of another origin can neither read our form nor send it: browsers say with every form
/// where it comes from. Clients that are no browsers say nothing.
fn is_from_our_page(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(|authority| authority.as_str()).or(host);
    let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
    origin.is_some() && origin == host
}

/// 256 random bits in base64url.
fn new_token() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandomness.fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// What came from [`new_token`], as far as it can be told.
fn is_token(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok()
}

/// `302`, which Cognito answers to a form too.
fn redirect(location: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::FOUND, headers).into_response()
}

fn either(answer: Answer) -> Response {
    answer.unwrap_or_else(|refusal| refusal)
}
