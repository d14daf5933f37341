//! Issuers that end sessions by themselves (`OpenID` Connect Back-Channel Logout 1.0).
//!
//! The issuer posts a logout token; what it names goes to the deny list, where sessions and tokens
//! are looked for anyway. Reading the request and saying the answer is here, proving the token is
//! for `auth`.

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use ::http::header::RETRY_AFTER;
use url::form_urlencoded;

use super::{Outcome, SignIn};
use crate::answer::Answer;
use crate::auth::pool::Pool;
use crate::config::model::{Config, PoolIndex};
use crate::telemetry::metrics::{LogoutMetrics, Metrics};

/// Where issuers say so, beside the callback path.
pub const LOGOUT_PATH: &str = "/oauth2/backchannel-logout";
/// Longest body that is read.
pub const LONGEST_BODY: usize = 32 * 1024;
/// At the least: access tokens, which the list names too, may outlive a short session.
const SHORTEST_DENIAL: Duration = Duration::from_secs(24 * 3600);

/// A user pool whose issuer may end sessions.
#[derive(Debug)]
pub struct LogoutRealm {
    /// Who judges its tokens.
    pub pool: Arc<Pool>,
    /// Who we are to it.
    pub client_id: Arc<str>,
    /// How long somebody who was signed out must be remembered: until the longest session is over.
    pub lasts: Duration,
    /// Its counters.
    pub metrics: Arc<LogoutMetrics>,
}

impl LogoutRealm {
    /// The pools that opted in, each once, of rules that sign in.
    pub fn compile<'s>(
        rules: impl Iterator<Item = &'s SignIn>,
        config: &Config,
        metrics: &Metrics,
    ) -> Arc<[Arc<Self>]> {
        let mut realms: Vec<Self> = Vec::new();
        for rule in rules.filter(|rule| rule.realm.provider.back_channel_logout) {
            let pool = &rule.realm.pool;
            if realms.iter().any(|realm| Arc::ptr_eq(&realm.pool, pool)) {
                continue;
            }
            realms.push(Self {
                pool: Arc::clone(pool),
                client_id: Arc::clone(&rule.realm.provider.client_id),
                lasts: longest_session(config, rule.settings.pool).max(SHORTEST_DENIAL),
                metrics: metrics.logouts(pool.name()),
            });
        }
        realms.into_iter().map(Arc::new).collect()
    }
}

/// Of all listeners: the deny list is one for all.
fn longest_session(config: &Config, pool: PoolIndex) -> Duration {
    let rules = config.listeners.iter().flat_map(|l| l.rules.iter().chain([&l.default_rule]));
    let of_pool = rules.filter_map(|rule| rule.sign_in.as_ref()).filter(|s| s.pool == pool);
    of_pool.map(|sign_in| sign_in.session_timeout).max().unwrap_or_default()
}

/// The logout token of a request's body; exactly one.
#[must_use]
pub fn token_of(content_type: Option<&[u8]>, body: &[u8]) -> Option<String> {
    let media_type = content_type?.split(|byte| *byte == b';').next()?.trim_ascii();
    if !media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        return None;
    }
    let mut tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
    let token = tokens.next()?.1.into_owned();
    tokens.next().is_none().then_some(token)
}

/// What the issuer is told: nothing that it does not know (section 2.8).
#[must_use]
pub fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::LoggedOut => Answer::json(200, "{}"),
        Outcome::LogoutUnavailable => Answer::json(503, r#"{"error":"temporarily_unavailable"}"#)
            .with(RETRY_AFTER, HeaderValue::from_static("10")),
        Outcome::LogoutFailed => Answer::json(500, r#"{"error":"server_error"}"#),
        _ => Answer::json(400, r#"{"error":"invalid_request"}"#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_logout_token() {
        let form: Option<&[u8]> = Some(b"Application/X-WWW-Form-URLencoded; charset=utf-8");
        assert_eq!(token_of(form, b"a=b&logout_token=x.y.z").as_deref(), Some("x.y.z"));
        assert_eq!(token_of(form, b"logout%5ftoken=x%2Ey").as_deref(), Some("x.y"));
        for bad in ["", "logout_token", "token=x", "logout_token=x&logout_token=x"] {
            let found = token_of(form, bad.as_bytes());
            assert!(found.is_none_or(|token| token.is_empty()), "{bad}");
        }
        for content_type in [None, Some(&b"application/json"[..]), Some(b"text/plain")] {
            assert_eq!(token_of(content_type, b"logout_token=x"), None);
        }
    }
}
