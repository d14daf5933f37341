//! From bytes to a proved identity: signature first, then the claims that a profile demands.
//!
//! The order is that of RFC 7515 and of Cognito's own verifier: shape, header, `iss` by exact
//! match, key by `kid`, signature over the received bytes, claim types. What depends on the time,
//! on the pool's lists or on a rule is judged afresh for each request, in `policy`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256};

use super::claims::{Claims, Payload, Span};
use super::headers::BlockCache;
use super::jwks::Key;
use super::logout_token::says_logout;
use super::pool::Issuer;
use super::reason::Reason;
use super::token::{Header, Parts, SignatureBuffer, TokenType};
use crate::clock::UnixMillis;
use crate::config::model::{Algorithm, Profile};

/// The number of the next token.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// 2^53: beyond, a JSON number is not an exact integer everywhere.
const MAX_DATE: f64 = 9_007_199_254_740_992.0;

/// What `token_use` says of a Cognito token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// `access`.
    Access,
    /// `id`.
    Id,
}

/// A token whose signature is right and whose claims have the types that its profile demands.
///
/// That is all it says: whether it is in time, and admitted by a pool and a rule, is judged again
/// for each request.
#[derive(Debug)]
pub struct VerifiedToken {
    number: u64,
    issuer: Arc<Issuer>,
    /// `None` for the claims of a session, which were proved when it began.
    signature: Option<(Arc<Key>, Algorithm)>,
    profile: Profile,
    token_use: Option<Use>,
    pub(super) expires: UnixMillis,
    pub(super) not_before: UnixMillis,
    pub(super) issued: Option<UnixMillis>,
    subject: Span,
    client: Option<Span>,
    audiences: Box<[Span]>,
    scopes: Box<[Span]>,
    groups: Box<[Span]>,
    claims: Claims,
    digest: OnceLock<[u8; 16]>,
    pub(super) blocks: BlockCache,
}

impl VerifiedToken {
    /// Tells it from every other token that this process has verified; never 0.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The issuer that signed it.
    #[must_use]
    pub const fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// The key that it was signed with; none for the claims of a session.
    #[must_use]
    pub fn key(&self) -> Option<&Arc<Key>> {
        self.signature.as_ref().map(|(key, _)| key)
    }

    /// The algorithm that it was signed with; none for the claims of a session.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.signature.as_ref().map(|(_, algorithm)| *algorithm)
    }

    /// The profile that its claims follow.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// `token_use`; absent unless the profile is Cognito's.
    #[must_use]
    pub const fn token_use(&self) -> Option<Use> {
        self.token_use
    }

    /// When the bearer proved who they are, or else when it was issued, in seconds since 1970: what a
    /// refresh does not change comes first.
    #[must_use]
    pub fn first_issued(&self) -> Option<u64> {
        let number = |name: &str| self.claims.raw(name)?.parse::<f64>().ok().filter(|n| *n >= 0.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let signed_in = number("auth_time").map(|seconds| seconds as u64);
        signed_in.or_else(|| self.issued.map(UnixMillis::seconds))
    }

    /// `exp`.
    #[must_use]
    pub const fn expires(&self) -> UnixMillis {
        self.expires
    }

    /// `sub`, never empty.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.claims.slice(self.subject)
    }

    /// `client_id`; for a Cognito ID token its `aud`.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.map(|client| self.claims.slice(client))
    }

    /// The values of `aud`.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.audiences.iter().map(|span| self.claims.slice(*span))
    }

    /// The scopes, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|span| self.claims.slice(*span))
    }

    /// The groups: `cognito:groups`, or `groups` of another issuer.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|span| self.claims.slice(*span))
    }

    /// All claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether it is a machine's: Cognito's client credentials give `sub` = `client_id` and no
    /// user name.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.client() == Some(self.subject()) && self.claims.raw("username").is_none()
    }

    /// 16 hexadecimal digits that stand for issuer and subject in logs.
    #[must_use]
    pub fn digest(&self) -> &str {
        let digest = self.digest.get_or_init(|| {
            let mut context = Context::new(&SHA256);
            context.update(self.issuer.name().as_bytes());
            context.update(&[0]);
            context.update(self.subject().as_bytes());
            let digest = context.finish();
            let mut text = [0; 16];
            for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(digest.as_ref()) {
                *pair = [byte >> 4, byte & 15].map(|nibble| match nibble {
                    0..=9 => b'0' + nibble,
                    _ => b'a' - 10 + nibble,
                });
            }
            text
        });
        std::str::from_utf8(digest).unwrap_or_default()
    }

    /// Bytes that the token takes in the cache, with room for its header blocks.
    pub(super) fn weight(&self) -> usize {
        let spans = self.audiences.len() + self.scopes.len() + self.groups.len();
        std::mem::size_of::<Self>()
            + self.claims.weight()
            + spans * std::mem::size_of::<Span>()
            + self.blocks.room()
    }
}

/// Checks the signature with `key` and then the claims; `header` and `payload` are the token's.
pub(super) fn verify(
    parts: &Parts<'_>,
    header: &Header<'_>,
    payload: Payload,
    profile: Profile,
    issuer: &Arc<Issuer>,
    key: &Arc<Key>,
) -> Result<VerifiedToken, Reason> {
    let algorithm = check_signature(parts, header, key)?;
    read_claims(payload, profile, issuer, key, algorithm)
}

/// Checks the signature alone; the algorithm that it was made with.
pub(super) fn check_signature(
    parts: &Parts<'_>,
    header: &Header<'_>,
    key: &Arc<Key>,
) -> Result<Algorithm, Reason> {
    let algorithm = header.algorithm.ok_or(Reason::AlgorithmNotAllowed)?;
    let mut buffer = SignatureBuffer::new();
    let signature = parts.signature(&mut buffer)?;
    if key.verifies(algorithm, parts.signed, signature) {
        Ok(algorithm)
    } else {
        Err(Reason::SignatureInvalid)
    }
}

/// The claims of a session, as if they were a token's: they were proved when the session began, and
/// sealed since. Claims beside `sub` are what they are, and of no use where their type is wrong.
pub(super) fn session_claims(
    text: String,
    profile: Profile,
    issuer: &Arc<Issuer>,
    (issued, expires): (UnixMillis, UnixMillis),
) -> Result<VerifiedToken, Reason> {
    let mut payload = Payload::parse(text).map_err(|_| Reason::TokenMalformed)?;
    let known = payload.known;
    let subject = text_claim(&mut payload, known.sub)?.ok_or(Reason::ClaimMissing)?;
    let client = text_claim(&mut payload, known.client_id).unwrap_or_default();
    let scopes = scopes(&mut payload, profile).unwrap_or_default();
    let groups = groups(&mut payload, profile).unwrap_or_default();
    let claims = payload.into_claims();
    let blocks = BlockCache::for_claims(claims.weight());
    Ok(VerifiedToken {
        number: NEXT.fetch_add(1, Ordering::Relaxed),
        issuer: Arc::clone(issuer),
        signature: None,
        profile,
        token_use: None,
        expires,
        not_before: UnixMillis(0),
        issued: Some(issued),
        subject,
        client,
        audiences: Box::default(),
        scopes,
        groups,
        claims,
        digest: OnceLock::new(),
        blocks,
    })
}

/// Whether `typ` is one of the profile's (RFC 8725 section 3.11).
pub(super) fn has_right_type(header: &Header<'_>, profile: Profile) -> bool {
    match profile {
        Profile::Cognito | Profile::Oidc => header.token_type == TokenType::Plain,
        Profile::Rfc9068 => header.token_type == TokenType::AccessToken,
    }
}

fn read_claims(
    mut payload: Payload,
    profile: Profile,
    issuer: &Arc<Issuer>,
    key: &Arc<Key>,
    algorithm: Algorithm,
) -> Result<VerifiedToken, Reason> {
    let known = payload.known;
    let expires = date(&payload, known.exp)?.ok_or(Reason::ClaimMissing)?.floor();
    let not_before = date(&payload, known.nbf)?.map_or(UnixMillis(0), Date::ceil);
    let issued = date(&payload, known.iat)?.map(Date::ceil);
    let subject = text_claim(&mut payload, known.sub)?.ok_or(Reason::ClaimMissing)?;
    if payload.get(subject).is_empty() {
        return Err(Reason::ClaimFormatInvalid);
    }
    let jti = text_claim(&mut payload, known.jti)?;
    text_claim(&mut payload, known.username)?;
    let audience = audience(&mut payload, known.aud)?;
    let scopes = scopes(&mut payload, profile)?;
    let groups = groups(&mut payload, profile)?;
    let (token_use, client) = match profile {
        Profile::Cognito => {
            issued.ok_or(Reason::ClaimMissing)?;
            cognito_use(&mut payload, &audience)?
        }
        Profile::Oidc => (None, text_claim(&mut payload, known.client_id)?),
        Profile::Rfc9068 => {
            let client_id = text_claim(&mut payload, known.client_id)?;
            let is_complete = issued.is_some() && jti.is_some() && client_id.is_some();
            (None, client_id.filter(|_| is_complete).ok_or(Reason::ClaimMissing).map(Some)?)
        }
    };
    let claims = payload.into_claims();
    // Nor does a token that signs somebody out let anybody in, where its `typ` does not tell.
    if profile != Profile::Cognito && claims.raw("events").is_some_and(says_logout) {
        return Err(Reason::TypeWrong);
    }
    let blocks = BlockCache::for_claims(claims.weight());
    Ok(VerifiedToken {
        number: NEXT.fetch_add(1, Ordering::Relaxed),
        issuer: Arc::clone(issuer),
        signature: Some((Arc::clone(key), algorithm)),
        profile,
        token_use,
        expires,
        not_before,
        issued,
        subject,
        client,
        audiences: audience.into_spans(),
        scopes,
        groups,
        claims,
        digest: OnceLock::new(),
        blocks,
    })
}

/// The client of an access token is `client_id` and never `aud`; that of an ID token is `aud`,
/// which must then be one string, and a `client_id` in it is a claim like any other.
fn cognito_use(
    payload: &mut Payload,
    audience: &Audience,
) -> Result<(Option<Use>, Option<Span>), Reason> {
    let span = text_claim(payload, payload.known.token_use)?.ok_or(Reason::ClaimMissing)?;
    match payload.get(span) {
        "access" => {
            let client_id = text_claim(payload, payload.known.client_id)?;
            Ok((Some(Use::Access), Some(client_id.ok_or(Reason::ClaimMissing)?)))
        }
        "id" => match audience {
            Audience::One(client) => Ok((Some(Use::Id), Some(*client))),
            Audience::Many(_) => Err(Reason::ClaimFormatInvalid),
            Audience::Absent => Err(Reason::ClaimMissing),
        },
        _ => Err(Reason::TokenUseWrong),
    }
}

/// A claim that is a string if it is there.
fn text_claim(payload: &mut Payload, span: Option<Span>) -> Result<Option<Span>, Reason> {
    match span {
        None => Ok(None),
        Some(span) => payload.string(span).map(Some).ok_or(Reason::ClaimFormatInvalid),
    }
}

/// `aud` (RFC 7519 section 4.1.3).
enum Audience {
    Absent,
    One(Span),
    Many(Box<[Span]>),
}

impl Audience {
    fn into_spans(self) -> Box<[Span]> {
        match self {
            Self::Absent => Box::default(),
            Self::One(span) => Box::new([span]),
            Self::Many(spans) => spans,
        }
    }
}

fn audience(payload: &mut Payload, span: Option<Span>) -> Result<Audience, Reason> {
    let Some(span) = span else { return Ok(Audience::Absent) };
    if let Some(one) = payload.string(span) {
        return Ok(Audience::One(one));
    }
    payload.strings(span).map(Audience::Many).ok_or(Reason::ClaimFormatInvalid)
}

/// `scope`, split at spaces; other issuers than Cognito may call it `scp` and make it an array.
fn scopes(payload: &mut Payload, profile: Profile) -> Result<Box<[Span]>, Reason> {
    if let Some(scope) = text_claim(payload, payload.known.scope)? {
        return Ok(payload.split_at_spaces(scope));
    }
    let Some(scp) = payload.known.scp.filter(|_| profile != Profile::Cognito) else {
        return Ok(Box::default());
    };
    match payload.string(scp) {
        Some(scope) => Ok(payload.split_at_spaces(scope)),
        None => payload.strings(scp).ok_or(Reason::ClaimFormatInvalid),
    }
}

/// `cognito:groups` must be an array of strings. `groups` of other issuers is not ours to judge:
/// anything but an array of strings is no group.
fn groups(payload: &mut Payload, profile: Profile) -> Result<Box<[Span]>, Reason> {
    match profile {
        Profile::Cognito => match payload.known.cognito_groups {
            Some(span) => payload.strings(span).ok_or(Reason::ClaimFormatInvalid),
            None => Ok(Box::default()),
        },
        Profile::Oidc | Profile::Rfc9068 => {
            let span = payload.known.groups;
            Ok(span.and_then(|span| payload.strings(span)).unwrap_or_default())
        }
    }
}

/// A `NumericDate` (RFC 7519 section 2) in milliseconds, between 0 and 2^53 s.
#[derive(Debug, Clone, Copy)]
struct Date(f64);

impl Date {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn floor(self) -> UnixMillis {
        UnixMillis((self.0 * 1000.0).floor() as u64)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn ceil(self) -> UnixMillis {
        UnixMillis((self.0 * 1000.0).ceil() as u64)
    }
}

/// A claim that is a date if it is there, rounded down.
pub(super) fn date_of(payload: &Payload, span: Option<Span>) -> Result<Option<UnixMillis>, Reason> {
    Ok(date(payload, span)?.map(Date::floor))
}

/// A claim that is a date if it is there. `exp` before 1970 is expired in any case; for the others
/// it is as good as 1970.
fn date(payload: &Payload, span: Option<Span>) -> Result<Option<Date>, Reason> {
    let Some(span) = span else { return Ok(None) };
    let raw = payload.get(span);
    let is_number = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let seconds: f64 = raw.parse().ok().filter(|_| is_number).ok_or(Reason::ClaimFormatInvalid)?;
    if seconds.is_finite() && seconds <= MAX_DATE {
        Ok(Some(Date(seconds.max(0.0))))
    } else {
        Err(Reason::ClaimFormatInvalid)
    }
}
