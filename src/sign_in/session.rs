//! The session of a browser: tokens and claims in sealed cookies.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::exchange::Tokens;
use super::{Failure, Reach, Realm, SessionCache, SignIn};
use crate::auth::VerifiedToken;
use crate::auth::claims::Claims;
use crate::auth::id_token::session_claims;
use crate::auth::pool::Pool;
use crate::clock::UnixMillis;
use crate::config::model::Provider;
use crate::session::shards::join;
use crate::session::{Purpose, Seal};

/// Cookies live for so long, whatever the session's end is: that is sealed inside (alb.md 7.5).
pub(super) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// ALB's limit on claims and access token together.
const MOST_CLAIMS: usize = 11 * 1024;
/// An access token is renewed so long before its end, lest it end on its way.
const AHEAD: Duration = Duration::from_secs(1);

/// Claims that say something about a token and not about its bearer.
const OF_TOKENS: [&str; 15] = [
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "jti",
    "azp",
    "token_use",
    "event_id",
    "version",
    "typ",
];

/// What a session's cookies are sealed for.
pub(super) fn purpose(cookie_name: &str) -> Purpose {
    Purpose::new("session", cookie_name)
}

/// What is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// The issuer of its tokens.
    #[serde(rename = "i")]
    issuer: Box<str>,
    /// The client that they were given to.
    #[serde(rename = "c")]
    client: Box<str>,
    /// When somebody signed in, in seconds since 1970.
    #[serde(rename = "b")]
    begun: u64,
    /// When they must do so again.
    #[serde(rename = "e")]
    ends: u64,
    /// When the access token ends.
    #[serde(rename = "x")]
    access_ends: u64,
    /// Goes to the target as it is.
    #[serde(rename = "a")]
    access_token: Box<str>,
    /// Gets the next one.
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Box<str>>,
    /// What the user info endpoint said; else the ID token's claims.
    #[serde(rename = "u")]
    user_info: Box<RawValue>,
    /// What the tokens say beside: an object.
    #[serde(rename = "m")]
    more: Box<RawValue>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("begun", &self.begun).finish_non_exhaustive()
    }
}

/// Proved tokens, and what they say.
#[derive(Debug, Clone, Copy)]
pub struct Proved<'a> {
    /// As the token endpoint gave them.
    pub tokens: &'a Tokens,
    /// The ID token; a refresh may come without.
    pub id_token: Option<&'a VerifiedToken>,
    /// The access token, where it can be read.
    pub access_token: Option<&'a VerifiedToken>,
    /// What the user info endpoint said.
    pub user_info: Option<&'a RawValue>,
}

impl Session {
    /// The session of somebody who has signed in.
    ///
    /// # Errors
    ///
    /// [`Failure::TooLarge`], or what is wanting.
    pub fn begin(
        provider: &Provider,
        proved: Proved<'_>,
        timeout: Duration,
        now: UnixMillis,
    ) -> Result<Self, Failure> {
        let id_token = proved.id_token.ok_or(Failure::IdTokenInvalid)?;
        let tokens = proved.tokens;
        let ends = now.plus(timeout);
        let user_info = match proved.user_info {
            Some(user_info) => user_info.to_owned(),
            None => object(members(id_token.claims()))?,
        };
        let session = Self {
            issuer: (**id_token.issuer().name()).into(),
            client: (*provider.client_id).into(),
            begun: now.seconds(),
            ends: ends.seconds(),
            access_ends: access_ends(tokens, proved.access_token, now).unwrap_or(ends).seconds(),
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            more: more(&user_info, proved, &provider.client_id, None)?,
            user_info,
        };
        session.within_limits()
    }

    /// The same session with new tokens. Whose they are was checked.
    ///
    /// # Errors
    ///
    /// As of [`Self::begin`].
    pub fn renew(
        &self,
        provider: &Provider,
        proved: Proved<'_>,
        now: UnixMillis,
    ) -> Result<Self, Failure> {
        let tokens = proved.tokens;
        let user_info = match (proved.user_info, proved.id_token) {
            (Some(user_info), _) => user_info.to_owned(),
            (None, Some(id_token)) => object(members(id_token.claims()))?,
            (None, None) => self.user_info.clone(),
        };
        let is_known = proved.id_token.is_some() || proved.access_token.is_some();
        let more = if is_known {
            more(&user_info, proved, &provider.client_id, self.id_at_issuer().as_deref())?
        } else {
            self.more.clone()
        };
        let ends = UnixMillis(self.ends.saturating_mul(1000));
        let renewed = Self {
            access_ends: access_ends(tokens, proved.access_token, now).unwrap_or(ends).seconds(),
            access_token: tokens.access_token.clone(),
            // Without rotation the one before is good for the next time too.
            refresh_token: tokens.refresh_token.clone().or_else(|| self.refresh_token.clone()),
            user_info,
            more,
            ..self.clone()
        };
        renewed.within_limits()
    }

    fn within_limits(self) -> Result<Self, Failure> {
        let claims = self.user_info.get().len() + self.access_token.len();
        if claims <= MOST_CLAIMS { Ok(self) } else { Err(Failure::TooLarge) }
    }

    /// The refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_deref()
    }

    /// `sid`, as it was written. Tokens of a refresh may come without, and it must still be found by it.
    fn id_at_issuer(&self) -> Option<Box<str>> {
        let of = |text: &RawValue| Some(Claims::parse(text.get().to_owned())?.raw("sid")?.into());
        of(&self.user_info).or_else(|| of(&self.more))
    }

    /// The issuer of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `None` when it does not fit.
    pub(super) fn seal(&self, seal: &Seal, purpose: &Purpose) -> Option<String> {
        let mut plain = serde_json::to_vec(self).ok()?;
        let sealed = seal.seal(purpose, &plain)?;
        if crate::session::shards::split(&sealed).is_some() {
            return Some(sealed);
        }
        // Its end would fall on the end of a shard: three more bytes move it.
        plain.extend(b"   ");
        seal.seal(purpose, &plain)
    }

    /// Its cookies, in the place of those that the request came with. Empty when they do not fit.
    #[must_use]
    pub fn cookies(
        &self,
        sign_in: &SignIn,
        seal: &Seal,
        headers: &HeaderMap,
        reach: Reach,
        now: UnixMillis,
    ) -> Vec<HeaderValue> {
        let name = &sign_in.realm.cookie_name;
        let present = join(headers, name).present;
        let sealed = self.seal(seal, &sign_in.realm.purpose);
        sealed
            .and_then(|sealed| reach.set_shards(name, &sealed, present, now, LIFETIME))
            .unwrap_or_default()
    }
}

/// When the access token ends, by the token endpoint's word or its own.
fn access_ends(
    tokens: &Tokens,
    access_token: Option<&VerifiedToken>,
    now: UnixMillis,
) -> Option<UnixMillis> {
    let said = tokens.expires_in.map(|life| now.plus(life));
    let own = access_token.map(VerifiedToken::expires);
    match (said, own) {
        (Some(said), Some(own)) => Some(said.min(own)),
        (said, own) => said.or(own),
    }
}

/// Claims about the bearer, each value as it was written.
fn members(claims: &Claims) -> impl Iterator<Item = (&str, &str)> {
    let about_the_bearer = |name: &&str| !OF_TOKENS.contains(name);
    claims.names().filter(about_the_bearer).filter_map(|name| Some((name, claims.raw(name)?)))
}

/// What the tokens say and the user info does not: groups, scopes, who the client is.
fn more(
    user_info: &RawValue,
    proved: Proved<'_>,
    client_id: &str,
    id_at_issuer: Option<&str>,
) -> Result<Box<RawValue>, Failure> {
    let known = Claims::parse(user_info.get().to_owned()).ok_or(Failure::UserInfoInvalid)?;
    let client = serde_json::to_string(client_id).map_err(|_| Failure::Unhandled)?;
    let mut found: Vec<(&str, &str)> = Vec::new();
    let of_id = proved.id_token.into_iter().flat_map(|token| members(token.claims()));
    let of_access = proved.access_token.into_iter().flat_map(|token| members(token.claims()));
    let kept = id_at_issuer.map(|id| ("sid", id));
    let own = [("client_id", client.as_str())].into_iter().chain(kept);
    for (name, value) in of_id.chain(of_access).chain(own) {
        if known.raw(name).is_none() && !found.iter().any(|(other, _)| *other == name) {
            found.push((name, value));
        }
    }
    object(found.into_iter())
}

fn object<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Box<RawValue>, Failure> {
    let mut text = String::from("{");
    for (name, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&Value::from(name).to_string());
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    RawValue::from_string(text).map_err(|_| Failure::Unhandled)
}

/// A session whose cookie has opened.
#[derive(Debug)]
pub struct OpenSession {
    /// What was sealed.
    pub session: Session,
    /// Its claims, for rules, headers and records.
    pub token: Arc<VerifiedToken>,
    /// `x-amzn-oidc-accesstoken`.
    pub access_token: HeaderValue,
    /// `x-amzn-oidc-identity`.
    pub subject: HeaderValue,
    /// What `x-amzn-oidc-data` says: members of the user info, as they were written.
    pub user_info: Vec<(Box<str>, Box<RawValue>)>,
    /// `x-amzn-oidc-data` of this second.
    minted: Mutex<Option<(u64, HeaderValue)>>,
}

impl OpenSession {
    /// Makes it ready for requests. `None` for what no session of this pool and client is.
    #[must_use]
    pub fn new(session: Session, pool: &Pool) -> Option<Self> {
        let moment = |seconds: u64| UnixMillis(seconds.saturating_mul(1000));
        let life = (moment(session.begun), moment(session.ends));
        let own = session.user_info.get().trim_end().strip_suffix('}')?;
        let more = session.more.get().trim_start().strip_prefix('{')?;
        let is_one = own.trim_end().ends_with('{') || more.trim_end() == "}";
        let joint = if is_one { "" } else { "," };
        let claims = format!("{own}{joint}{more}");
        let token = session_claims(pool, &session.issuer, claims, life)?;
        let user_info: Map<String, Value> = serde_json::from_str(session.user_info.get()).ok()?;
        let claims = Claims::parse(session.user_info.get().to_owned())?;
        let raw = |name: &String| {
            let value = RawValue::from_string(claims.raw(name)?.to_owned()).ok()?;
            Some((name.as_str().into(), value))
        };
        let mut access_token = HeaderValue::try_from(&*session.access_token).ok()?;
        access_token.set_sensitive(true);
        Some(Self {
            subject: HeaderValue::try_from(token.subject()).ok()?,
            access_token,
            user_info: user_info.keys().filter_map(raw).collect(),
            minted: Mutex::default(),
            token: Arc::new(token),
            session,
        })
    }

    /// `x-amzn-oidc-data`, made once a second: it tells when it ends to the second.
    pub fn data(
        &self,
        now: UnixMillis,
        mint: impl FnOnce() -> Option<HeaderValue>,
    ) -> Option<HeaderValue> {
        let mut minted = self.minted.lock();
        if let Some((second, value)) = &*minted
            && *second == now.seconds()
        {
            return Some(value.clone());
        }
        let value = mint()?;
        *minted = Some((now.seconds(), value.clone()));
        Some(value)
    }

    /// The client that its tokens were given to.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.session.client
    }

    /// Bytes on the heap, about.
    pub(super) fn weight(&self) -> usize {
        let session = &self.session;
        let refresh = session.refresh_token.as_ref().map_or(0, |token| token.len());
        let claims = session.user_info.get().len() + session.more.get().len();
        1024 + 2 * session.access_token.len() + refresh + 5 * claims
    }
}

/// What a request's cookies hold.
#[derive(Debug)]
pub enum Found {
    /// Nothing under the session's name.
    Nothing,
    /// Something that does not open, or is of another pool or client: no session.
    Unreadable,
    /// A session that is over: one must sign in again.
    Over,
    /// A session whose access token has ended, and which can be renewed.
    Renewable(Arc<OpenSession>),
    /// A session.
    Good(Arc<OpenSession>),
}

/// Looks for the session of a request.
#[must_use]
pub fn find(
    sign_in: &SignIn,
    headers: &HeaderMap,
    seal: &Seal,
    cache: &SessionCache,
    now: UnixMillis,
) -> Found {
    match open(&sign_in.realm, headers, seal, cache) {
        None => Found::Nothing,
        Some(None) => Found::Unreadable,
        Some(Some(open)) => judge(sign_in, open, now),
    }
}

/// Opens the session of a request, over or not. `None` without cookies of its name, `Some(None)`
/// when they are no session of this realm.
#[must_use]
pub fn open(
    realm: &Realm,
    headers: &HeaderMap,
    seal: &Seal,
    cache: &SessionCache,
) -> Option<Option<Arc<OpenSession>>> {
    let joined = join(headers, &realm.cookie_name);
    if joined.present == 0 {
        return None;
    }
    let key = cache.name(&realm.cookie_name, &joined.value);
    let known = key.as_ref().and_then(|key| cache.get(key));
    let open = known.or_else(|| {
        let plain = seal.open(&realm.purpose, &joined.value)?;
        let session = serde_json::from_slice(&plain).ok()?;
        let open = Arc::new(OpenSession::new(session, &realm.pool)?);
        if let Some(key) = key {
            cache.insert(key, &open);
        }
        Some(open)
    });
    Some(open.filter(|open| is_of(realm, &open.session)))
}

/// Whether a session is of the realm's pool and client: names of cookies may be shared.
fn is_of(realm: &Realm, session: &Session) -> bool {
    *session.client == *realm.provider.client_id
        && realm.pool.issuers().iter().any(|issuer| **issuer.name() == *session.issuer)
}

/// Whether a session, just opened or just renewed, is good now.
#[must_use]
pub fn judge(sign_in: &SignIn, open: Arc<OpenSession>, now: UnixMillis) -> Found {
    let session = &open.session;
    let moment = |seconds: u64| UnixMillis(seconds.saturating_mul(1000));
    // A timeout that was made shorter counts for those who are in.
    let own_end = moment(session.begun).plus(sign_in.settings.session_timeout);
    if now >= moment(session.ends).min(own_end) {
        return Found::Over;
    }
    let has_ended = now.plus(AHEAD) >= moment(session.access_ends);
    if has_ended && session.refresh_token.is_some() {
        return Found::Renewable(open);
    }
    Found::Good(open)
}
