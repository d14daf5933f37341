//! The end of a session: its cookies go, and the browser signs out at the user pool too.

use ::http::header::{HeaderName, LOCATION, ORIGIN, SET_COOKIE};
use ::http::{HeaderMap, HeaderValue};
use url::form_urlencoded::{self, Serializer};

use super::begin::private;
use super::{Reach, Realm, returns};
use crate::answer::Answer;
use crate::auth::Authorizers;
use crate::config::model::{Logout, SignOut, UserPool};
use crate::http::Scheme;
use crate::session::shards::join;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether another site wants the sign-out, by a picture or a form: nobody's own wish. A link that
/// somebody follows is.
#[must_use]
pub fn is_foreign(headers: &HeaderMap, method: &str, authority: &str) -> bool {
    let value = |name| headers.get(name).map(HeaderValue::as_bytes);
    match value(SEC_FETCH_SITE) {
        Some(b"cross-site") => value(SEC_FETCH_MODE) != Some(b"navigate") || method != "GET",
        Some(_) => false,
        // An older browser names at least the origin of a form.
        None => value(ORIGIN).is_some_and(|origin| {
            let host = origin.windows(3).position(|part| part == b"://");
            host.and_then(|at| origin.get(at + 3..)) != Some(authority.as_bytes())
        }),
    }
}

/// A `sign_out` action, ready for requests.
pub struct SignOutAction {
    /// The rule's own words.
    pub settings: SignOut,
    /// Where the session is.
    pub realm: Realm,
}

impl SignOutAction {
    /// Compiles a rule's action. `None` as of [`Realm::compile`].
    #[must_use]
    pub fn compile(
        settings: &SignOut,
        pools: &[UserPool],
        authorizers: &Authorizers,
    ) -> Option<Self> {
        let realm =
            Realm::compile(settings.pool, &settings.session_cookie_name, pools, authorizers)?;
        Some(Self { settings: settings.clone(), realm })
    }
}

/// Ends the cookies, and sends the browser to the user pool, or where there is no sign-out, on.
#[must_use]
pub fn answer(
    sign_out: &SignOutAction,
    headers: &HeaderMap,
    scheme: Scheme,
    query: &str,
) -> Answer {
    let (realm, landing) = (&sign_out.realm, landing(&sign_out.settings, query));
    let provider = &realm.provider;
    let location = match &provider.logout {
        Some(Logout::Cognito(endpoint)) => {
            with_query(endpoint, &[("client_id", &*provider.client_id), ("logout_uri", landing)])
        }
        Some(Logout::Oidc(endpoint)) => with_query(
            endpoint,
            &[("client_id", &*provider.client_id), ("post_logout_redirect_uri", landing)],
        ),
        None => landing.to_owned(),
    };
    let Ok(location) = HeaderValue::try_from(location) else { return Answer::page(500) };
    let reach = Reach { is_secure: scheme == Scheme::Https, is_cross_site: false };
    let name = &realm.cookie_name;
    let ended = reach.end_shards(name, join(headers, name).present);
    let answer = private(Answer::page(302)).with(LOCATION, location);
    let ended = ended.into_iter().chain(returns::forgotten(realm, headers, reach));
    ended.fold(answer, |answer, cookie| answer.with(SET_COOKIE, cookie))
}

/// The address that the request asks for, if the file allows it; else the first one.
fn landing<'a>(sign_out: &'a SignOut, query: &str) -> &'a str {
    let mut asked =
        form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "redirect_to");
    let asked = asked.next().map(|(_, value)| value);
    let allowed = sign_out.redirect_to.iter();
    let chosen = allowed.clone().find(|address| asked.as_deref() == Some(address.as_str()));
    chosen.or_else(|| sign_out.redirect_to.first()).map_or("/", String::as_str)
}

fn with_query(endpoint: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(pairs);
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{joint}{}", query.finish())
}
