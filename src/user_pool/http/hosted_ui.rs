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

type Answer = Result<Response, Refusal>;

/// `GET /oauth2/authorize`: to the client if the browser is signed in, or else to `/login`.
pub(super) async fn authorize(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    service.settle(service.authorize(&query.unwrap_or_default(), &headers))
}

/// `GET /login`: the form.
pub(super) async fn login(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    service.settle(service.show_form(&query.unwrap_or_default(), &headers))
}

/// `POST /login`: back to the client with a code, or the form again.
pub(super) async fn sign_in(
    State(service): State<Arc<Service>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    service.settle(service.take_form(&uri, &headers, &body))
}

/// `GET /logout`: signs out, then to `logout_uri`, or to the form for whoever comes next.
pub(super) async fn logout(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    service.settle(service.log_out(&query.unwrap_or_default(), &headers))
}

/// What a form shows.
struct Form<'a> {
    query: &'a str,
    client: &'a str,
    username: &'a str,
    mistake: Option<&'a str>,
}

impl Service {
    fn authorize(&self, query: &str, headers: &HeaderMap) -> Answer {
        let (request, _) = self.request(query)?;
        let cookie = Cookie::Session.find(self.address(), headers);
        let step = self.pool.authorize(&request, cookie, wall(), &mut SystemRandomness)?;
        Ok(match step {
            Step::Return(location) => redirect(&location),
            Step::LogIn => redirect(&format!("/login?{query}")),
        })
    }

    fn show_form(&self, query: &str, headers: &HeaderMap) -> Answer {
        let (request, client) = self.request(query)?;
        if let Some(location) = request.instead_of_a_page() {
            return Err(Refusal::Sent(location));
        }
        let username = request.login_hint().unwrap_or_default();
        self.form(&Form { query, client: &client, username, mistake: None }, headers)
    }

    fn take_form(&self, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
        let query = uri.query().unwrap_or_default();
        let (request, client) = self.request(query)?;
        if !is_form(headers) {
            return Err(PageError::Form.into());
        }
        let form = Parameters::parse(body).map_err(|_| PageError::Form)?;
        if !is_from_our_page(uri, headers) || !self.is_our_form(&form, headers) {
            return Err(PageError::Forgery.into());
        }
        let username = form.get("username").unwrap_or_default().trim();
        let password = form.get("password").unwrap_or_default();
        match self.log_in(&request, (username, password), headers) {
            Ok(response) => Ok(response),
            Err(ApiError::Internal) => Err(PageError::Internal.into()),
            Err(error) => {
                let mistake = error.to_string();
                let mistake = Some(mistake.as_str());
                self.form(&Form { query, client: &client, username, mistake }, headers)
            }
        }
    }

    fn log_out(&self, query: &str, headers: &HeaderMap) -> Answer {
        let parameters = parameters(query)?;
        let cookie = Cookie::Session.find(self.address(), headers);
        let location = if parameters.get("logout_uri").is_some() {
            self.pool.log_out(&parameters, cookie)?
        } else {
            self.pool.authorization(&parameters)?;
            self.pool.forget_browser(cookie);
            format!("/login?{query}")
        };
        let mut response = redirect(&location);
        self.set_cookie(&mut response, Cookie::Session, None);
        Ok(response)
    }

    /// The request that a query makes, and the client's id.
    fn request(&self, query: &str) -> Result<(Authorization, String), Refusal> {
        let parameters = parameters(query)?;
        let request = self.pool.authorization(&parameters)?;
        Ok((request, parameters.get("client_id").unwrap_or_default().to_owned()))
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
            None => new_token().ok_or(PageError::Internal)?,
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

    fn settle(&self, answer: Answer) -> Response {
        match answer {
            Ok(response) => response,
            Err(Refusal::Shown(error)) => page::error(self.pool.pool_id(), &error),
            Err(Refusal::Sent(location)) => redirect(&location),
        }
    }

    fn set_cookie(&self, response: &mut Response, cookie: Cookie, value: Option<&str>) {
        if let Some(line) = cookie.set(self.address(), value) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }
}

fn parameters(query: &str) -> Result<Parameters, PageError> {
    if query.len() > LONGEST_QUERY {
        return Err(PageError::TooLong);
    }
    Parameters::parse(query.as_bytes()).map_err(|_| PageError::TooLong)
}

/// A page of another origin can neither read our form nor send it: browsers say with every form
/// where it comes from. Clients that are no browsers say nothing.
fn is_from_our_page(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(http::uri::Authority::as_str).or(host);
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
