//! The way back from the user pool: what the browser brings is judged before anything is redeemed.

use std::borrow::Cow;
use std::time::Duration;

use ::http::header::{LOCATION, SET_COOKIE};
use ::http::{HeaderMap, HeaderValue};
use url::form_urlencoded;

use super::begin::{
    LONGEST_SIGN_IN, State, id_nonce, nonce_cookie, nonce_hash, private, redirect_uri,
    state_purpose,
};
use super::session::LIFETIME;
use super::{Failure, Reach, Session, SignIn, returns};
use crate::answer::Answer;
use crate::clock::UnixMillis;
use crate::http::{Scheme, cookies};
use crate::session::Seal;
use crate::session::shards::join;

/// Longest code that is redeemed.
const LONGEST_CODE: usize = 8 * 1024;
/// How far another replica's clock may be ahead.
const SKEW: Duration = Duration::from_secs(60);

/// A request for the callback path.
#[derive(Debug, Clone, Copy)]
pub struct Return<'a> {
    /// What seals.
    pub seal: &'a Seal,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its method.
    pub method: &'a str,
    /// Its query.
    pub query: &'a str,
    /// How the browser reached us.
    pub scheme: Scheme,
    /// The canonical authority.
    pub authority: &'a str,
    /// When.
    pub now: UnixMillis,
}

/// A code that may be redeemed.
#[derive(Clone)]
pub struct Callback {
    /// Position of the rule that sent the browser.
    pub rule: usize,
    /// What the user pool gave.
    pub code: Box<str>,
    /// What proves that we asked for it.
    pub verifier: Box<str>,
    /// What the ID token must say.
    pub nonce: Box<str>,
    /// What the authorization request said.
    pub redirect_uri: Box<str>,
    /// Where the browser wanted to go.
    return_to: Box<str>,
    /// Names the sign-in among those that were redeemed.
    pub id: Box<str>,
    reach: Reach,
    /// Counts this return.
    returned: Option<HeaderValue>,
    /// Shards of an earlier session.
    present: u8,
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// A callback that leads nowhere, and where one may try again.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub failure: Failure,
    /// The rule that sent the browser, where that is known.
    pub rule: Option<usize>,
    /// Where it wanted to go.
    pub retry: Option<Box<str>>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, rule: None, retry: None }
    }
}

/// Judges a callback: `state`, then the browser's nonce, then `code` (alb.md 7.4). `find` gives the
/// rule of a name.
///
/// # Errors
///
/// Why the code is not redeemed.
pub fn receive<'s>(
    find: impl Fn(&str) -> Option<(usize, &'s SignIn)>,
    back: Return<'_>,
) -> Result<Callback, Refused> {
    let state = parameter(back.query, "state").ok_or(Failure::StateInvalid)?;
    let state = state.ok_or(Failure::StateMissing)?;
    let state = open(back.seal, &state).ok_or(Failure::StateInvalid)?;
    let (rule, sign_in) = find(&state.rule).ok_or(Failure::StateInvalid)?;
    if *state.authority != *back.authority {
        return Err(Failure::StateInvalid.into());
    }
    let return_to = format!("{}://{}{}", back.scheme.as_str(), state.authority, state.target);
    let refuse = |failure| {
        let retry = Some(return_to.as_str().into());
        Err(Refused { failure, rule: Some(rule), retry })
    };
    let begun = UnixMillis(state.begun.saturating_mul(1000));
    if back.now >= begun.plus(LONGEST_SIGN_IN) || begun > back.now.plus(SKEW) {
        return refuse(Failure::StateInvalid);
    }
    let Some(nonce) = cookies::values(back.headers, nonce_cookie(sign_in)).next() else {
        return refuse(Failure::NonceMissing);
    };
    // Both are hashes of what an attacker cannot choose: comparing them tells nothing.
    if nonce_hash(nonce) != *state.nonce {
        return refuse(Failure::NonceInvalid);
    }
    match parameter(back.query, "iss") {
        Some(None) => {}
        Some(Some(issuer))
            if sign_in.realm.pool.issuers().iter().any(|own| **own.name() == *issuer) => {}
        Some(Some(_)) | None => return refuse(Failure::IssuerWrong),
    }
    let code = parameter(back.query, "code").flatten().filter(|code| {
        (1..=LONGEST_CODE).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let Some(code) = code.filter(|_| back.method == "GET") else {
        return refuse(Failure::CodeMissing);
    };
    let reach = Reach { is_secure: back.scheme == Scheme::Https, is_cross_site: false };
    Ok(Callback {
        rule,
        code: code.into(),
        nonce: id_nonce(&state.verifier).into(),
        redirect_uri: redirect_uri(back.scheme, back.authority).into(),
        return_to: return_to.into(),
        id: nonce_hash(state.verifier.as_bytes()).into(),
        verifier: state.verifier,
        returned: returns::counted(&sign_in.realm, back.headers, reach, back.now),
        reach,
        present: join(back.headers, &sign_in.realm.cookie_name).present,
    })
}

fn open(seal: &Seal, state: &str) -> Option<State> {
    serde_json::from_slice(&seal.open(&state_purpose(), state)?).ok()
}

/// A parameter of the query: `Some(None)` when it is absent or empty, `None` when it stands twice.
fn parameter<'q>(query: &'q str, name: &str) -> Option<Option<Cow<'q, str>>> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(found, _)| found == name);
    let value = values.next().map(|(_, value)| value).filter(|value| !value.is_empty());
    values.next().is_none().then_some(value)
}

impl Callback {
    /// Where the browser goes after a failure, to try again.
    #[must_use]
    pub fn retry(&self) -> &str {
        &self.return_to
    }

    /// Sends the browser to where it wanted to go, with its new session.
    ///
    /// # Errors
    ///
    /// When the session does not fit into cookies.
    pub fn conclude(
        &self,
        sign_in: &SignIn,
        session: &Session,
        seal: &Seal,
        now: UnixMillis,
    ) -> Result<Answer, Failure> {
        let location =
            HeaderValue::try_from(&*self.return_to).map_err(|_| Failure::StateInvalid)?;
        let name = &sign_in.realm.cookie_name;
        let sealed = session.seal(seal, &sign_in.realm.purpose).ok_or(Failure::TooLarge)?;
        let cookies = self.reach.set_shards(name, &sealed, self.present, now, LIFETIME);
        let mut answer = private(Answer::page(302)).with(LOCATION, location);
        let cookies = cookies.ok_or(Failure::TooLarge)?;
        for cookie in cookies.into_iter().chain(self.returned.clone()) {
            answer = answer.with(SET_COOKIE, cookie);
        }
        Ok(answer)
    }
}
