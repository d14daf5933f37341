//! Asks again what was kept: by this or by another file.

use std::collections::HashMap;

use ::http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::shape::{Caller, Shape, UNKNOWN};
use super::take::is_secret_header;
use crate::auth;
use crate::config::api_key::KeyDigest;
use crate::config::model::{Config, TokenUse};
use crate::engine::Moment;
use crate::explain::{self, Asked, Identity, IdentityError, Question, Signer, SignerError};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A file, and throw-away keys for whoever asks it.
pub struct Player {
    /// The file, with keys of ours in the places of all others.
    pub snapshot: Snapshot,
    signer: Signer,
    /// When it is asked.
    pub moment: Moment,
    tokens: HashMap<Key, String>,
}

/// What a token depends on: who, the pool, and the kind that is filled in.
type Key = (String, Option<usize>, Option<TokenUse>);

/// Why a request cannot be asked again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unplayable {
    /// Its signature covers what was not kept.
    #[error("it was signed with an AWS access key")]
    Signed,
    /// Its target or its headers are none that can be asked about.
    #[error("{0}")]
    Question(String),
    /// No credential can be made for its caller.
    #[error("{0}")]
    Identity(String),
}

impl Player {
    /// A file to be asked. Its secrets are not needed, and replaced.
    ///
    /// # Errors
    ///
    /// See [`SignerError`].
    pub fn new(mut config: Config, moment: Moment) -> Result<Self, SignerError> {
        for (position, key) in config.usage.keys.iter_mut().enumerate() {
            let value = stand_in(Some(position));
            key.digest = KeyDigest::of(value.as_bytes()).unwrap_or(key.digest);
        }
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), "");
        let snapshot = Snapshot::compile(config, None, &metrics);
        let signer = Signer::for_pools(&snapshot.config)?;
        signer.publish(&snapshot.authorizers, moment.wall, moment.mono)?;
        Ok(Self { snapshot, signer, moment, tokens: HashMap::new() })
    }

    /// The request, to be asked of the listener of this name.
    ///
    /// # Errors
    ///
    /// See [`Unplayable`].
    pub fn ask(&mut self, shape: &Shape, listener: &str) -> Result<Asked, Unplayable> {
        if shape.signed_by.is_some() {
            return Err(Unplayable::Signed);
        }
        let mut question = question(shape, listener);
        if let Some(name) = &shape.api_key {
            let keys = &self.snapshot.config.usage.keys;
            let value = stand_in(keys.iter().position(|key| *key.name == **name));
            let value = HeaderValue::try_from(value);
            question.headers.extend(value.ok().map(|value| (API_KEY, value)));
        }
        let asked = question.ask(&self.snapshot);
        let mut asked = asked.map_err(|why| Unplayable::Question(why.to_string()))?;
        let caller = match &shape.caller {
            Caller::None => return Ok(asked),
            Caller::Token { claims } => Identity::of(known(claims)),
            Caller::Session { claims } => {
                Identity { in_session: true, ..Identity::of(known(claims)) }
            }
            Caller::Refused { why } if *why == auth::Reason::TokenExpired.as_str() => {
                Identity { expires_in: Some(-3600), ..Identity::default() }
            }
            Caller::Refused { .. } | Caller::Unjudged => {
                Identity { is_forged: true, ..Identity::default() }
            }
        };
        match self.present(&caller, &mut asked) {
            // Where nobody can vouch for a caller, nobody is asked.
            Ok(()) | Err(IdentityError::NoPool) => Ok(asked),
            Err(why) => Err(Unplayable::Identity(why.to_string())),
        }
    }

    fn present(&mut self, caller: &Identity, asked: &mut Asked) -> Result<(), IdentityError> {
        let (snapshot, moment) = (&self.snapshot, self.moment);
        if explain::signs_in(caller, snapshot, asked, moment).is_some() {
            return explain::ask_as(caller, snapshot, &self.signer, asked, moment);
        }
        let wanted = explain::demanded(snapshot, asked, moment);
        let pool = wanted.and_then(|wanted| wanted.pools.first()).map(|pool| pool.0);
        let who = format!("{:?} {}", caller.expires_in, caller.is_forged);
        let who = format!("{who} {}", Value::Object(caller.claims.clone()));
        let key = (who, pool, wanted.map(|wanted| wanted.token_use));
        if !self.tokens.contains_key(&key) {
            let token = caller.token(&snapshot.config, &self.signer, wanted, moment.wall)?;
            self.tokens.insert(key.clone(), token);
        }
        if let Some(token) = self.tokens.get(&key) {
            asked.present(token, wanted);
        }
        Ok(())
    }
}

fn question(shape: &Shape, listener: &str) -> Question {
    let mut headers: Vec<(HeaderName, HeaderValue)> = shape
        .headers
        .iter()
        .filter(|(name, _)| !is_secret_header(name))
        .filter_map(|(name, value)| {
            let value = value.as_deref().unwrap_or(UNKNOWN);
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        })
        .collect();
    let mut url = shape.target.clone();
    match shape.host.as_deref().map(|host| (host, HeaderValue::try_from(host))) {
        // Over HTTP/2 the host stands in a place of its own.
        Some((host, _)) if shape.http2 && url.starts_with('/') => {
            url = format!("https://{host}{url}");
        }
        Some((_, Ok(host))) => headers.push((::http::header::HOST, host)),
        Some((_, Err(_))) | None => {}
    }
    Question {
        method: shape.method.clone(),
        url,
        headers,
        source: shape.source_ip,
        listener: Some(listener.to_owned()),
        is_http2: shape.http2,
    }
}

/// Claims whose values are known.
fn known(claims: &Map<String, Value>) -> Map<String, Value> {
    claims
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// The value of the API key at this position while it is only asked about, or of one that the file
/// does not have.
fn stand_in(position: Option<usize>) -> String {
    position.map_or_else(|| "stand-in-of-no-key".to_owned(), |key| format!("stand-in-{key:020}"))
}
