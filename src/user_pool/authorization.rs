//! What a browser may be sent back with: the requests of `/oauth2/authorize`, `/login` and
//! `/logout`, judged as Cognito judges them.
//!
//! A request whose client or redirect URI is not right is answered by a page, since its sender may
//! be anybody; every other mistake goes back to the client's callback.

mod demands;

use std::sync::Arc;

use self::demands::{
    Prompt, challenge, max_age, prompt, requested_scope, require_code_flow, resource,
};
use super::browsers::Presence;
use super::claims::SignIn;
use super::codes::{Challenge, Grant};
use super::directory::{ClientIndex, UserIndex};
use super::errors::{ApiError, OAuthError, PageError};
use super::parameters::Parameters;
use super::random::Randomness;
use super::{UserPool, shortened};
use crate::clock::UnixMillis;
use crate::config::model::DevelopmentClient;

/// Why there is no sign-in.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Shown to whoever looks.
    Shown(PageError),
    /// Sent to the client: the URL with the error in it.
    Sent(String),
}

impl From<PageError> for Refusal {
    fn from(error: PageError) -> Self {
        Self::Shown(error)
    }
}

/// A request for a code that may be granted once the user is known.
#[derive(Debug)]
pub struct Authorization {
    client: ClientIndex,
    callback: Callback,
    scope: String,
    nonce: Option<String>,
    challenge: Option<Challenge>,
    prompt: Prompt,
    /// Seconds since the password was typed, at most.
    max_age: Option<u64>,
    login_hint: Option<String>,
    resource: Option<Arc<str>>,
}

impl Authorization {
    /// The user name that the client expects.
    #[must_use]
    pub fn login_hint(&self) -> Option<&str> {
        self.login_hint.as_deref()
    }

    /// Where a browser goes that may be shown nothing, by `prompt=none`.
    #[must_use]
    pub fn instead_of_a_page(&self) -> Option<String> {
        (self.prompt == Prompt::Never).then(|| self.callback.with_error(OAuthError::LoginRequired))
    }
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Back to the client: the URL.
    Return(String),
    /// To the sign-in page.
    LogIn,
}

/// A browser that has just signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Where it goes next.
    pub location: String,
    /// What it is known by from now on.
    pub cookie: String,
}

/// A registered callback, and the state that it gets back.
#[derive(Debug)]
struct Callback {
    redirect_uri: Arc<str>,
    state: Option<String>,
}

impl Callback {
    fn with_code(&self, code: &str) -> String {
        self.with(&[("code", code)])
    }

    fn with_error(&self, error: OAuthError) -> String {
        self.with(&[("error", error.code()), ("error_description", &error.to_string())])
    }

    fn with(&self, pairs: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        // As registered, byte for byte: no parser may repair it on its way.
        let before = if self.redirect_uri.contains('?') { '&' } else { '?' };
        format!("{}{before}{}", self.redirect_uri, query.finish())
    }
}

impl UserPool {
    /// Judges a request of `/oauth2/authorize` or `/login`.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn authorization(&self, parameters: &Parameters) -> Result<Authorization, Refusal> {
        let (client_index, client) = self.browser_client(parameters)?;
        let redirect_uri = registered(
            parameters.get("redirect_uri").ok_or(PageError::Missing("redirect_uri"))?,
            "callback_urls",
            &client.callback_urls,
        )?;
        let state = parameters.get("state").map(str::to_owned);
        let callback = Callback { redirect_uri: redirect_uri.into(), state };
        let refused = |error| Refusal::Sent(callback.with_error(error));
        require_code_flow(client, parameters).map_err(refused)?;
        let scope = requested_scope(client, parameters).map_err(refused)?;
        let challenge = challenge(parameters).map_err(refused)?;
        let prompt = prompt(parameters).map_err(refused)?;
        let max_age = max_age(parameters).map_err(refused)?;
        let resource = resource(parameters).map_err(refused)?;
        Ok(Authorization {
            client: client_index,
            callback,
            scope,
            nonce: parameters.get("nonce").map(str::to_owned),
            challenge,
            prompt,
            max_age,
            login_hint: parameters.get("login_hint").map(str::to_owned),
            resource,
        })
    }

    /// What a browser with this cookie has to do for `request`.
    ///
    /// # Errors
    ///
    /// [`PageError::Internal`].
    pub fn authorize(
        &self,
        request: &Authorization,
        cookie: Option<&str>,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<Step, PageError> {
        let present = cookie.and_then(|cookie| self.browsers.lock().find(cookie, now));
        let is_fresh = |present: &Presence| {
            let age = now.seconds().saturating_sub(present.since.seconds());
            // Zero asks for a password now, not for one of the same second.
            request.max_age.is_none_or(|most| most > 0 && age <= most)
        };
        match (present.filter(is_fresh), request.prompt) {
            (Some(present), Prompt::AsNeeded | Prompt::Never) => {
                self.grant_code(request, present, now, random).map(Step::Return)
            }
            (None, Prompt::Never) => {
                Ok(Step::Return(request.callback.with_error(OAuthError::LoginRequired)))
            }
            (_, Prompt::Always) | (None, Prompt::AsNeeded) => Ok(Step::LogIn),
        }
    }

    /// Signs a browser in by password, and answers `request`. The cookie that it brought is worth
    /// nothing from here on.
    ///
    /// # Errors
    ///
    /// [`ApiError`], as `InitiateAuth` with the same password.
    pub fn log_in(
        &self,
        request: &Authorization,
        (username, password): (&str, &str),
        old_cookie: Option<&str>,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<SignedIn, ApiError> {
        let (user, _) = self.check_password(username, password, now)?;
        let cookie = {
            let mut browsers = self.browsers.lock();
            if let Some(old) = old_cookie {
                browsers.sign_out(old);
            }
            browsers.sign_in(user, now, random)?
        };
        let present = Presence { user, since: now };
        let location =
            self.grant_code(request, present, now, random).map_err(|_| ApiError::Internal)?;
        Ok(SignedIn { location, cookie })
    }

    /// Judges a request of `/logout` that names a `logout_uri`, and signs the browser out.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; the browser stays signed in then.
    pub fn log_out(
        &self,
        parameters: &Parameters,
        cookie: Option<&str>,
    ) -> Result<String, PageError> {
        let (_, client) = self.browser_client(parameters)?;
        let given = parameters.get("logout_uri").ok_or(PageError::Missing("logout_uri"))?;
        let location = registered(given, "logout_urls", &client.logout_urls)?;
        self.forget_browser(cookie);
        Ok(location.to_owned())
    }

    /// Signs the browser out.
    pub fn forget_browser(&self, cookie: Option<&str>) {
        if let Some(cookie) = cookie {
            self.browsers.lock().sign_out(cookie);
        }
    }

    fn grant_code(
        &self,
        request: &Authorization,
        present: Presence,
        now: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<String, PageError> {
        let grant = self.grant(request, present.user, present.since, random)?;
        let code = self.codes.lock().issue(grant, now, random).map_err(|_| PageError::Internal)?;
        Ok(request.callback.with_code(&code))
    }

    fn grant(
        &self,
        request: &Authorization,
        user: UserIndex,
        since: UnixMillis,
        random: &mut dyn Randomness,
    ) -> Result<Grant, PageError> {
        let mut sign_in = SignIn::begin(&request.scope, true, since.seconds(), random)
            .map_err(|_| PageError::Internal)?;
        sign_in.resource.clone_from(&request.resource);
        Ok(Grant {
            client: request.client,
            user,
            redirect_uri: Arc::clone(&request.callback.redirect_uri),
            sign_in,
            nonce: request.nonce.clone(),
            challenge: request.challenge,
        })
    }

    fn browser_client(
        &self,
        parameters: &Parameters,
    ) -> Result<(ClientIndex, &DevelopmentClient), PageError> {
        let id = parameters.get("client_id").ok_or(PageError::Missing("client_id"))?;
        let found = self.directory.find_client(id);
        found.ok_or_else(|| PageError::UnknownClient(shortened(id)))
    }
}

/// The registered URL that equals `given` byte for byte.
fn registered<'c>(
    given: &str,
    key: &'static str,
    urls: &'c [String],
) -> Result<&'c str, PageError> {
    let found = urls.iter().find(|url| *url == given);
    found.map(String::as_str).ok_or_else(|| PageError::UrlMismatch { given: shortened(given), key })
}
