//! Services of the operator's that say who may come: AWS's Lambda authorizers, asked over HTTP.
//!
//! Here is decided whether one must be asked, what it is told, what its answer is worth and how
//! long. Asking is `fetch`'s.

mod event;
mod judged;

use std::borrow::Cow;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;
use tokio::sync::Semaphore;

pub use self::judged::Judged;
use super::Facts;
use crate::auth::cache::{NameHasher, Namer, TokenName};
use crate::config::expression::Piece;
use crate::config::iam_policy::{self, INVOKE, Verdict};
use crate::config::model::{self, EventFormat};
use crate::telemetry::metrics::AuthorizerMetrics;

/// Longest answer of a service, in bytes.
pub const LONGEST_ANSWER: usize = 64 * 1024;
/// Longest ARN of a method that a REST API judges by (API Gateway's quota).
const LONGEST_ARN: usize = 1600;
/// Most questions that a service is asked at a time, and most requests that wait for one.
const MOST_CALLOUTS: usize = 256;
const MOST_WAITERS: usize = 4096;
/// Bytes that the answers of one authorizer may take, and least that one counts for.
const CAPACITY: u64 = 16 * 1024 * 1024;
const OVERHEAD: usize = 256;

/// A service, and what it has answered.
pub struct RequestAuthorizer {
    /// What the file says of it.
    pub settings: Arc<model::RequestAuthorizer>,
    /// How often it is asked, and what comes of it.
    pub metrics: Arc<AuthorizerMetrics>,
    /// No two of a process share it.
    pub number: u64,
    /// Taken for each question.
    pub callouts: Arc<Semaphore>,
    /// Taken by each request that waits for an answer that another has asked for.
    pub waiters: Arc<Semaphore>,
    /// `None` only if the machine has no randomness: then nothing is kept.
    namer: Option<Namer>,
    answers: Cache<TokenName, Arc<Judged>, BuildHasherDefault<NameHasher>>,
}

/// A question that must be asked.
pub struct Consultation {
    /// Whom.
    pub authorizer: Arc<RequestAuthorizer>,
    /// What an answer is kept under; none where it is not kept.
    pub name: Option<AnswerName>,
    /// What it is told: a JSON text that holds credentials.
    pub event: Vec<u8>,
}

/// Stands for the identity that a question is about: a keyed hash of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnswerName(TokenName);

/// What came of a question.
pub type Consulted = Result<Arc<Judged>, Unjudged>;

/// Why a request authorizer lets nobody through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unjudged {
    /// What tells callers apart is missing or empty.
    #[error("an identity source is missing")]
    SourceMissing,
    /// It is there twice, or not what the file demands of it.
    #[error("an identity source is not valid")]
    SourceInvalid,
    /// The ARN of the method is over 1600 bytes.
    #[error("the path is too long to be judged")]
    ArnTooLong,
    /// The service does not know the caller.
    #[error("the authorizer says: unauthorized")]
    Unauthorized,
    /// The service does not allow it.
    #[error("the authorizer does not allow it")]
    Denied,
    /// The service denies it.
    #[error("the authorizer denies it")]
    ExplicitlyDenied,
    /// The service cannot be reached, or said that it has failed.
    #[error("the authorizer has failed")]
    Failed,
    /// The service took too long.
    #[error("the authorizer did not answer in time")]
    TimedOut,
    /// The answer is none.
    #[error("the authorizer's answer is malformed")]
    Malformed,
    /// Too many questions are open.
    #[error("the authorizer is asked too much already")]
    Busy,
}

impl Unjudged {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SourceMissing,
        Self::SourceInvalid,
        Self::ArnTooLong,
        Self::Unauthorized,
        Self::Denied,
        Self::ExplicitlyDenied,
        Self::Failed,
        Self::TimedOut,
        Self::Malformed,
        Self::Busy,
    ];

    /// The label in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SourceMissing => "authorizer_source_missing",
            Self::SourceInvalid => "authorizer_source_invalid",
            Self::ArnTooLong => "authorizer_arn_too_long",
            Self::Unauthorized => "authorizer_unauthorized",
            Self::Denied => "authorizer_denied",
            Self::ExplicitlyDenied => "authorizer_explicit_deny",
            Self::Failed => "authorizer_failed",
            Self::TimedOut => "authorizer_timeout",
            Self::Malformed => "authorizer_malformed",
            Self::Busy => "authorizer_busy",
        }
    }
}

/// What is known of a request before anybody is asked.
pub enum Known {
    /// The service has answered about this identity before.
    Judged(Arc<Judged>),
    /// It must be asked.
    Ask(Box<Consultation>),
}

impl RequestAuthorizer {
    /// Makes it ready. One with equal settings keeps its answers.
    #[must_use]
    pub fn compile(
        settings: &Arc<model::RequestAuthorizer>,
        previous: Option<&Arc<Self>>,
        metrics: Arc<AuthorizerMetrics>,
    ) -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        if let Some(previous) = previous.filter(|old| old.settings == *settings) {
            return Arc::clone(previous);
        }
        let answers = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|_, judged: &Arc<Judged>| {
                u32::try_from(judged.weight() + OVERHEAD).unwrap_or(u32::MAX)
            })
            .time_to_live(settings.result_ttl)
            .build_with_hasher(BuildHasherDefault::default());
        Arc::new(Self {
            settings: Arc::clone(settings),
            metrics,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            callouts: Arc::new(Semaphore::new(MOST_CALLOUTS)),
            waiters: Arc::new(Semaphore::new(MOST_WAITERS)),
            namer: Namer::new(),
            answers,
        })
    }

    /// What is known of a request.
    ///
    /// # Errors
    /// It cannot even be asked about.
    pub fn look(self: &Arc<Self>, facts: &Facts<'_>) -> Result<Known, Unjudged> {
        let identity = self.identity(facts)?;
        if facts.asked_arn(&self.settings).is_none() {
            return Err(Unjudged::ArnTooLong);
        }
        let name = self.name(&identity);
        if let Some(judged) = name.and_then(|name| self.kept(name)) {
            self.metrics.cached();
            return Ok(Known::Judged(judged));
        }
        let event = event::event(&self.settings, facts, &identity);
        let event = serde_json::to_vec(&event).map_err(|_| Unjudged::Failed)?;
        Ok(Known::Ask(Box::new(Consultation { authorizer: Arc::clone(self), name, event })))
    }

    /// The values of all identity sources.
    fn identity<'f>(&'f self, facts: &'f Facts<'_>) -> Result<Vec<Cow<'f, str>>, Unjudged> {
        let mut values = Vec::with_capacity(self.settings.identity_sources.len());
        for (_, source) in &self.settings.identity_sources {
            let count = match source {
                Piece::RequestHeader(name) => facts.headers.get_all(name).iter().count(),
                Piece::RequestParameter(name) => {
                    super::parameters(facts.query.unwrap_or_default(), name).count()
                }
                _ => 1,
            };
            if count > 1 {
                // Services differ in which one they would take.
                return Err(Unjudged::SourceInvalid);
            }
            let value = facts.piece(source).filter(|value| !value.is_empty());
            values.push(value.ok_or(Unjudged::SourceMissing)?);
        }
        if let Some(expression) = &self.settings.validation_expression
            && !values.iter().all(|value| expression.is_match(value.as_bytes()))
        {
            return Err(Unjudged::SourceInvalid);
        }
        Ok(values)
    }

    /// Each value with its length in front: no two identities can be spelled alike.
    fn name(&self, identity: &[Cow<'_, str>]) -> Option<AnswerName> {
        if self.settings.result_ttl.is_zero() || identity.is_empty() {
            return None;
        }
        let mut text = Vec::new();
        for value in identity {
            text.extend_from_slice(&value.len().to_be_bytes());
            text.extend_from_slice(value.as_bytes());
        }
        self.namer.as_ref()?.name(&text).map(AnswerName)
    }

    /// What is kept under this name.
    #[must_use]
    pub fn kept(&self, name: AnswerName) -> Option<Arc<Judged>> {
        self.answers.get(&name.0)
    }

    /// Keeps an answer as long as the file says.
    pub fn keep(&self, name: AnswerName, judged: &Arc<Judged>) {
        self.answers.insert(name.0, Arc::clone(judged));
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// It is none, or says that the caller is not known.
    pub fn read(&self, status: u16, body: &[u8]) -> Consulted {
        Judged::read(&self.settings, status, body).map(Arc::new)
    }

    /// Whether what was said lets this request through.
    ///
    /// # Errors
    /// It does not.
    pub fn judge(&self, judged: &Judged, facts: &Facts<'_>, is_tls: bool) -> Result<(), Unjudged> {
        let text = |name: ::http::HeaderName| facts.headers.get(name)?.to_str().ok();
        let about = iam_policy::Facts {
            source_ip: facts.client,
            now: facts.now,
            is_tls,
            referer: text(::http::header::REFERER),
            user_agent: text(::http::header::USER_AGENT),
            principal: None,
        };
        let arn = facts.asked_arn(&self.settings).ok_or(Unjudged::ArnTooLong)?;
        match judged.verdict(INVOKE, &arn, &about) {
            Verdict::Allow => Ok(()),
            Verdict::Silent => Err(Unjudged::Denied),
            Verdict::ExplicitDeny => Err(Unjudged::ExplicitlyDenied),
        }
    }
}

impl Facts<'_> {
    /// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/path` of the request; `None` where it is
    /// too long for a REST API.
    fn asked_arn(&self, settings: &model::RequestAuthorizer) -> Option<String> {
        let (arn, stage) = (&settings.api_arn, self.api.stage());
        let text = format!("{arn}/{stage}/{}{}", self.method, self.relative);
        let is_rest = matches!(settings.event, EventFormat::RestRequest | EventFormat::RestToken);
        (!is_rest || text.len() <= LONGEST_ARN).then_some(text)
    }
}

impl std::fmt::Debug for Consultation {
    /// The event holds credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consultation").field("uri", &self.authorizer.settings.uri).finish()
    }
}
