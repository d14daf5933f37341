//! Verifies Signature Version 4 (AWS IAM user guide, "AWS Signature Version 4 for API requests"):
//! what a client has signed is put together anew from what arrived, and signed with the secret of
//! the credential that it names.
//!
//! AWS's own crate signs, and chooses what it signs; whoever verifies must take the client's choice.
//! A signature is good for five minutes either way, or as long as a presigned URL says, and may be
//! used again in that time: there is nothing in it that could be used up.

mod authorization;
mod canonical;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{constant_time, hmac};

use self::authorization::{Form, Presented};
use super::credentials::{Credential, Credentials};
use crate::clock::UnixMillis;

/// How far a client's clock may be off.
const SKEW: Duration = Duration::from_secs(5 * 60);
/// The longest time that a presigned URL may ask for.
const LONGEST_PRESIGNED: Duration = Duration::from_secs(7 * 24 * 3600);
/// What API Gateway is called in signatures.
const SERVICE: &str = "execute-api";

/// A request, as it was received.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it came.
    pub path: &'a str,
    /// The query as it came.
    pub query: Option<&'a str>,
    /// What `host` stands for: the `Host` of HTTP/1, the `:authority` of HTTP/2.
    pub host: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
}

/// Why a signature is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is none.
    #[error("the request is not signed")]
    Missing,
    /// There is one in the header and one in the query, or two of either.
    #[error("the request is signed twice")]
    Twice,
    /// It is not spelled as signatures are; how, in AWS's words.
    #[error("the signature is malformed")]
    Malformed(String),
    /// It is of another algorithm, service or region, or of a day that is not its own.
    #[error("the signature's scope is wrong")]
    ScopeWrong,
    /// What must be signed is not.
    #[error("`{0}` is not signed")]
    Unsigned(String),
    /// It is too old, or of the future.
    #[error("the signature's time is over or not yet")]
    Expired,
    /// Nobody knows the access key, or its session token is another.
    #[error("the credentials are not known")]
    KeyUnknown,
    /// It is not made with the secret, or not of this request.
    #[error("the signature is wrong")]
    Wrong,
    /// The body is not the one that was signed, or nobody signed it.
    #[error("the body is not the one that was signed")]
    BodyWrong,
}

impl Refused {
    /// The label in logs, metrics and decision records.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "signature_missing",
            Self::Twice => "signature_repeated",
            Self::Malformed(_) => "signature_malformed",
            Self::ScopeWrong => "signature_scope_wrong",
            Self::Unsigned(_) => "signature_incomplete",
            Self::Expired => "signature_expired",
            Self::KeyUnknown => "access_key_unknown",
            Self::Wrong => "signature_wrong",
            Self::BodyWrong => "signed_body_wrong",
        }
    }

    /// Every label.
    pub const LABELS: [&'static str; 9] = [
        "signature_missing",
        "signature_repeated",
        "signature_malformed",
        "signature_scope_wrong",
        "signature_incomplete",
        "signature_expired",
        "access_key_unknown",
        "signature_wrong",
        "signed_body_wrong",
    ];
}

/// What becomes of a signed request.
#[derive(Debug)]
pub enum Verdict {
    /// It is this one's.
    Signed(Arc<Credential>),
    /// So far it may be good; whether it is, the body shows.
    NeedsBody,
    /// It is not.
    Refused(Refused),
}

/// Who signed.
pub type Signed = Arc<Credential>;

/// Whether a request carries something that means to be a signature.
#[must_use]
pub fn is_signed(headers: &HeaderMap, query: Option<&str>) -> bool {
    authorization::in_header(headers).next().is_some() || authorization::in_query(query)
}

/// Judges a request. `region`: the only one that is accepted, where there is one. `body`: absent
/// while it is not known.
#[must_use]
pub fn verify(
    request: Received<'_>,
    credentials: &Credentials,
    region: Option<&str>,
    now: UnixMillis,
    body: Option<&[u8]>,
) -> Verdict {
    judge(request, credentials, region, now, body).unwrap_or_else(Verdict::Refused)
}

fn judge(
    request: Received<'_>,
    credentials: &Credentials,
    region: Option<&str>,
    now: UnixMillis,
    body: Option<&[u8]>,
) -> Result<Verdict, Refused> {
    let presented = Presented::of(request.headers, request.query)?;
    let scope = &presented.scope;
    if scope.service != SERVICE || region.is_some_and(|region| region != scope.region) {
        return Err(Refused::ScopeWrong);
    }
    check_time(&presented, now)?;
    check_signed(&presented, request.headers)?;
    let credential = credentials.find(&presented.access_key_id).ok_or(Refused::KeyUnknown)?;
    let is_token = match (&credential.session_token, presented.session_token.as_deref()) {
        (None, None) => true,
        (Some(own), Some(given)) => {
            constant_time::verify_slices_are_equal(own.as_bytes(), given.as_bytes()).is_ok()
        }
        _ => false,
    };
    if !is_token {
        return Err(Refused::KeyUnknown);
    }
    let declared = declared_hash(request.headers)?;
    let actual = body.map(|body| hex(digest(&SHA256, body).as_ref()));
    // A declared hash is judged with the signature, so nobody unknown has a body read.
    let Some(hash) = declared.or(actual.as_deref()) else { return Ok(Verdict::NeedsBody) };
    let text = canonical::string_to_sign(&request, &presented, hash)?;
    let key = signing_key(credential, &presented);
    hmac::verify(&key, text.as_bytes(), &presented.signature).map_err(|_| Refused::Wrong)?;
    match actual {
        None => Ok(Verdict::NeedsBody),
        Some(actual) if actual == hash => Ok(Verdict::Signed(Arc::clone(credential))),
        Some(_) => Err(Refused::BodyWrong),
    }
}

fn check_time(presented: &Presented, now: UnixMillis) -> Result<(), Refused> {
    let signed = UnixMillis(presented.time.saturating_mul(1000));
    let end = match presented.form {
        Form::Header => signed.plus(SKEW),
        Form::Query { expires } => signed.plus(expires.min(LONGEST_PRESIGNED)),
    };
    if signed > now.plus(SKEW) || now > end {
        return Err(Refused::Expired);
    }
    Ok(())
}

/// `host` and all of AWS's own headers must be signed, or they could be exchanged.
fn check_signed(presented: &Presented, headers: &HeaderMap) -> Result<(), Refused> {
    let is_signed = |name: &str| presented.signed_headers.iter().any(|signed| signed == name);
    let own = headers.keys().map(::http::HeaderName::as_str).filter(|name| {
        name.starts_with("x-amz-") && *name != "x-amz-cf-id" && *name != "x-amz-apigw-id"
    });
    let must = std::iter::once("host").chain(own);
    for name in must {
        if !is_signed(name) {
            return Err(Refused::Unsigned(name.to_owned()));
        }
    }
    Ok(())
}

/// The hash of the body that the client declares. One that leaves the body open is refused, as is
/// one of pieces.
fn declared_hash(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let mut values = headers.get_all("x-amz-content-sha256").into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refused::Twice);
    }
    let value = value.to_str().map_err(|_| Refused::BodyWrong)?;
    let is_hash = value.len() == 64
        && value.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if is_hash { Ok(Some(value)) } else { Err(Refused::BodyWrong) }
}

fn signing_key(credential: &Credential, presented: &Presented) -> hmac::Key {
    let scope = &presented.scope;
    let steps = [&*scope.date, &*scope.region, &*scope.service, "aws4_request"];
    let first = hmac::Key::new(hmac::HMAC_SHA256, &credential.secret);
    steps.iter().fold(first, |key, step| {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, step.as_bytes()).as_ref())
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
