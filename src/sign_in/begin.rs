//! The way to the user pool: the redirect, its `state`, and the cookie that binds it to a browser.
//!
//! `state` is sealed and holds all that the callback must know: nothing is kept here. The nonce
//! cookie is one for all tabs of a browser, so that two that sign in at once do not undo each other.

use std::time::Duration;

use ::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE};
use ::http::{HeaderMap, HeaderValue};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use super::{CALLBACK_PATH, Reach, SignIn};
use crate::answer::Answer;
use crate::clock::UnixMillis;
use crate::http::{Scheme, cookies};
use crate::session::{Purpose, Seal};

/// From the redirect to the callback (alb.md 7.4).
pub(super) const LONGEST_SIGN_IN: Duration = Duration::from_secs(15 * 60);
/// Characters of a nonce, letters and digits.
const NONCE: usize = 24;
/// A longer way back would make a URL that user pools refuse.
const LONGEST_RETURN: usize = 2048;

/// What the callback must know. Sealed, it is the parameter `state`.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    /// The rule that sent the browser.
    #[serde(rename = "r")]
    pub(super) rule: Box<str>,
    /// The host, and port, that it was on.
    #[serde(rename = "h")]
    pub(super) authority: Box<str>,
    /// The path and query that it wanted.
    #[serde(rename = "u")]
    pub(super) target: Box<str>,
    /// When, in seconds since 1970.
    #[serde(rename = "t")]
    pub(super) begun: u64,
    /// The hash of the browser's nonce.
    #[serde(rename = "n")]
    pub(super) nonce: Box<str>,
    /// Known to nobody else until the code is redeemed: PKCE's verifier, and what the ID token's
    /// nonce is made of.
    #[serde(rename = "v")]
    pub(super) verifier: Box<str>,
}

/// A request that is to be sent to sign in.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// What seals.
    pub seal: &'a Seal,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// How the browser reached us.
    pub scheme: Scheme,
    /// The canonical authority.
    pub authority: &'a str,
    /// The canonical path and query.
    pub target: &'a str,
    /// When.
    pub now: UnixMillis,
}

pub(super) fn state_purpose() -> Purpose {
    Purpose::new("sign-in state", "")
}

/// The nonce cookie's name: ALB's, or one that only this very host can set.
pub(super) fn nonce_cookie(sign_in: &SignIn) -> &'static str {
    if sign_in.realm.cookie_name.starts_with("__Host-") {
        "__Host-AWSALBAuthNonce"
    } else {
        "AWSALBAuthNonce"
    }
}

/// What of a nonce stands in `state`.
pub(super) fn nonce_hash(nonce: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, nonce))
}

/// The ID token's nonce.
pub(super) fn id_nonce(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("nonce {verifier}").as_bytes()))
}

/// Where the browser comes back to.
pub(super) fn redirect_uri(scheme: Scheme, authority: &str) -> String {
    format!("{}://{authority}{CALLBACK_PATH}", scheme.as_str())
}

/// Sends a browser to the user pool, by the rule of this name. `None` without randomness or key.
#[must_use]
pub fn redirect(sign_in: &SignIn, rule: &str, visit: Visit<'_>) -> Option<Answer> {
    let nonce = match known_nonce(sign_in, visit.headers) {
        Some(nonce) => nonce,
        None => new_nonce()?,
    };
    let mut verifier = [0; 32];
    aws_lc_rs::rand::fill(&mut verifier).ok()?;
    let verifier = URL_SAFE_NO_PAD.encode(verifier);
    let target = match visit.target {
        target if target.len() <= LONGEST_RETURN => target,
        // At least the page; a form can be filled in again.
        target => target.split('?').next().filter(|p| p.len() <= LONGEST_RETURN).unwrap_or("/"),
    };
    let state = State {
        rule: rule.into(),
        authority: visit.authority.into(),
        target: target.into(),
        begun: visit.now.seconds(),
        nonce: nonce_hash(nonce.as_bytes()).into(),
        verifier: verifier.as_str().into(),
    };
    let state = visit.seal.seal(&state_purpose(), &serde_json::to_vec(&state).ok()?)?;
    let location = location(sign_in, visit, &state, &verifier);
    let reach = Reach { is_secure: visit.scheme == Scheme::Https, is_cross_site: false };
    let cookie = reach.set(nonce_cookie(sign_in), &nonce, visit.now, LONGEST_SIGN_IN)?;
    Some(
        private(Answer::page(302))
            .with(LOCATION, HeaderValue::try_from(location).ok()?)
            .with(SET_COOKIE, cookie),
    )
}

/// Not to be kept by any cache, nor told to the next site.
pub(super) fn private(answer: Answer) -> Answer {
    answer
        .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
}

/// ALB's parameters in ALB's order, then ours, then the file's.
fn location(sign_in: &SignIn, visit: Visit<'_>, state: &str, verifier: &str) -> String {
    let (provider, settings) = (&sign_in.realm.provider, &sign_in.settings);
    let mut query = Serializer::new(String::new());
    query
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &redirect_uri(visit.scheme, visit.authority))
        .append_pair("response_type", "code")
        .append_pair("scope", &settings.scope)
        .append_pair("state", state);
    if provider.pkce {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        query
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
    }
    if provider.nonce {
        query.append_pair("nonce", &id_nonce(verifier));
    }
    for (name, value) in &settings.extra_params {
        query.append_pair(name, value);
    }
    // A space as `%20`: ALB leaves it bare, and `+` is not understood everywhere.
    let query = query.finish().replace('+', "%20");
    let endpoint = &provider.authorization_endpoint;
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{joint}{query}")
}

/// The nonce that a browser has already.
pub(super) fn known_nonce(sign_in: &SignIn, headers: &HeaderMap) -> Option<String> {
    let nonce = cookies::values(headers, nonce_cookie(sign_in)).next()?;
    let is_ours = nonce.len() == NONCE && nonce.iter().all(u8::is_ascii_alphanumeric);
    is_ours.then(|| String::from_utf8_lossy(nonce).into_owned())
}

/// 142 random bits.
fn new_nonce() -> Option<String> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut nonce = String::with_capacity(NONCE);
    while nonce.len() < NONCE {
        let mut bytes = [0; 2 * NONCE];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        // Bytes beyond the last whole alphabet would make some letters likelier.
        let letters = bytes.iter().filter(|&&byte| byte < 248);
        let letters = letters.filter_map(|byte| LETTERS.get(usize::from(byte % 62)));
        nonce.extend(letters.take(NONCE - nonce.len()).map(|&letter| char::from(letter)));
    }
    Some(nonce)
}
