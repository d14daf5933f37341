//! IAM policy documents, as authorizers of APIs answer with and as resource policies are written
//! (api-gateway.md 2.7 and 2.9).
//!
//! A document is bounded and read whole: whatever is not understood, be it a key, an operator or a
//! type, refuses all of it, since a `Deny` that is not understood must not become silence. Which
//! policy a request is judged by, and what follows, is the caller's affair.

mod condition;
mod glob;
mod list;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::condition::Condition;
use self::glob::Glob;
use self::list::{OneOrMany, Pairs};
use crate::clock::UnixMillis;

/// The action that callers of an API need.
pub const INVOKE: &str = "execute-api:Invoke";
/// Longest document, in bytes.
pub const LONGEST_DOCUMENT: usize = 8192;
/// Longest pattern of a resource, in bytes.
pub const LONGEST_RESOURCE: usize = 512;

/// A document, ready to judge by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// Whose document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A caller's: it names no principal.
    Caller,
    /// A resource's: each statement names its principals.
    Resource {
        /// The ARN of the resource, `arn:aws:execute-api:REGION:ACCOUNT:API`; it stands in for the
        /// `execute-api:` of `execute-api:/stage/*`.
        own: &'a str,
    },
}

/// What a document says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement denies, whatever others allow.
    ExplicitDeny,
    /// A statement allows, and none denies.
    Allow,
    /// None applies.
    Silent,
}

/// What conditions and principals are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// `aws:SourceIp`
    pub source_ip: IpAddr,
    /// `aws:CurrentTime`, `aws:EpochTime`
    pub now: UnixMillis,
    /// `aws:SecureTransport`
    pub is_tls: bool,
    /// `aws:Referer`
    pub referer: Option<&'a str>,
    /// `aws:UserAgent`
    pub user_agent: Option<&'a str>,
    /// Who is calling, where AWS would know: an ARN and its account.
    pub principal: Option<(&'a str, &'a str)>,
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Over [`LONGEST_DOCUMENT`].
    #[error("the policy is longer than {LONGEST_DOCUMENT} bytes")]
    TooLong,
    /// Not JSON, not of this shape, or with a member that is not known. Line and column.
    #[error("the policy is malformed at {0}:{1}")]
    Malformed(usize, usize),
    /// A version that is none.
    #[error("the policy's version is not known")]
    Version,
    /// A statement has both of two members, or neither.
    #[error("a statement needs exactly one of `{0}` and `Not{0}`")]
    OneOf(&'static str),
    /// A pattern of an action or resource is empty, too long or has a variable.
    #[error("a statement's pattern cannot be used")]
    Pattern,
    /// A principal is missing, out of place or not known.
    #[error("a statement's principal cannot be used")]
    Principal,
    /// An operator, key or value of a condition.
    #[error("a condition cannot be used: {0}")]
    Condition(#[from] condition::ConditionError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawPolicy {
    version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: OneOrMany<RawStatement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawStatement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: Effect,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<OneOrMany<String>>,
    principal: Option<Box<RawValue>>,
    condition: Option<Pairs<Pairs<OneOrMany<condition::Scalar>>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    effect: Effect,
    actions: Patterns,
    resources: Patterns,
    principals: Principals,
    conditions: Vec<Condition>,
}

/// What `Action` or `NotAction` say; of resources alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Patterns {
    globs: Vec<Glob>,
    is_negated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Principals {
    Everybody,
    /// ARNs and accounts.
    Named(Vec<String>),
}

impl Policy {
    /// Digits that differ where policies say something else.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = super::digest(format!("{:?}", self.statements).as_bytes());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Whatever is not understood.
    pub fn parse(text: &str, kind: Kind<'_>) -> Result<Self, PolicyError> {
        if text.len() > LONGEST_DOCUMENT {
            return Err(PolicyError::TooLong);
        }
        let raw: RawPolicy = serde_json::from_str(text)
            .map_err(|error| PolicyError::Malformed(error.line(), error.column()))?;
        if !matches!(raw.version.as_deref(), None | Some("2012-10-17" | "2008-10-17")) {
            return Err(PolicyError::Version);
        }
        let statements = raw.statement.0.into_iter().map(|raw| Statement::parse(raw, kind));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }

    /// What it says of an action on a resource.
    #[must_use]
    pub fn evaluate(&self, action: &str, resource: &str, facts: &Facts<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in &self.statements {
            if !statement.applies(action, resource, facts) {
                continue;
            }
            match statement.effect {
                Effect::Deny => return Verdict::ExplicitDeny,
                Effect::Allow => verdict = Verdict::Allow,
            }
        }
        verdict
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let patterns = self.statements.iter().flat_map(|s| [&s.actions, &s.resources]);
        let globs = patterns.flat_map(|patterns| &patterns.globs).map(Glob::weight);
        let conditions = self.statements.iter().flat_map(|s| &s.conditions).map(Condition::weight);
        self.statements.len() * size_of::<Statement>()
            + globs.sum::<usize>()
            + conditions.sum::<usize>()
    }
}

impl Statement {
    fn parse(raw: RawStatement, kind: Kind<'_>) -> Result<Self, PolicyError> {
        let own = match kind {
            Kind::Caller => None,
            Kind::Resource { own } => Some(own),
        };
        let principals = match (kind, raw.principal) {
            (Kind::Caller, None) => Principals::Everybody,
            (Kind::Resource { .. }, Some(raw)) => principals(raw.get())?,
            _ => return Err(PolicyError::Principal),
        };
        let conditions = match raw.condition {
            Some(raw) => condition::parse(raw)?,
            None => Vec::new(),
        };
        let pattern = |text: &String| Glob::new(text).ok_or(PolicyError::Pattern);
        let resource = |text: &String| match (own, text.strip_prefix("execute-api:/")) {
            _ if text.len() > LONGEST_RESOURCE => Err(PolicyError::Pattern),
            (Some(own), Some(rest)) => pattern(&format!("{own}/{rest}")),
            _ => pattern(text),
        };
        Ok(Self {
            effect: raw.effect,
            // Actions are compared without case.
            actions: Patterns::of("Action", (raw.action, raw.not_action), |text| {
                pattern(&text.to_ascii_lowercase())
            })?,
            resources: Patterns::of("Resource", (raw.resource, raw.not_resource), resource)?,
            principals,
            conditions,
        })
    }

    fn applies(&self, action: &str, resource: &str, facts: &Facts<'_>) -> bool {
        self.principals.include(facts.principal)
            && self.actions.match_text(&action.to_ascii_lowercase())
            && self.resources.match_text(resource)
            && self.conditions.iter().all(|condition| condition.holds(facts))
    }
}

impl Patterns {
    fn of(
        name: &'static str,
        (these, others): (Option<OneOrMany<String>>, Option<OneOrMany<String>>),
        glob: impl Fn(&String) -> Result<Glob, PolicyError>,
    ) -> Result<Self, PolicyError> {
        let (texts, is_negated) = match (these, others) {
            (Some(these), None) => (these.0, false),
            (None, Some(others)) => (others.0, true),
            _ => return Err(PolicyError::OneOf(name)),
        };
        // Nothing at all is none of nothing: it would match everything.
        if texts.is_empty() {
            return Err(PolicyError::Pattern);
        }
        Ok(Self { globs: texts.iter().map(glob).collect::<Result<_, _>>()?, is_negated })
    }

    fn match_text(&self, text: &str) -> bool {
        self.globs.iter().any(|glob| glob.matches(text.as_bytes())) != self.is_negated
    }
}

impl Principals {
    fn include(&self, principal: Option<(&str, &str)>) -> bool {
        match (self, principal) {
            (Self::Everybody, _) => true,
            (Self::Named(_), None) => false,
            (Self::Named(names), Some((arn, account))) => names.iter().any(|name| {
                let root = || {
                    let rest = name.strip_prefix("arn:aws:iam::")?;
                    rest.strip_suffix(":root")
                };
                name == arn || name == account || root() == Some(account)
            }),
        }
    }
}

/// `"*"`, or `{ "AWS": ... }`: who else AWS knows never calls here.
fn principals(text: &str) -> Result<Principals, PolicyError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        #[serde(rename = "AWS")]
        aws: OneOrMany<String>,
    }
    if serde_json::from_str::<String>(text).is_ok_and(|text| text == "*") {
        return Ok(Principals::Everybody);
    }
    let Named { aws: OneOrMany(names) } =
        serde_json::from_str(text).map_err(|_| PolicyError::Principal)?;
    if names.iter().any(|name| name == "*") {
        return Ok(Principals::Everybody);
    }
    let is_name = |name: &String| {
        let is_account = name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit());
        is_account || (name.starts_with("arn:") && !name.contains(['*', '?']))
    };
    if names.is_empty() || !names.iter().all(is_name) {
        return Err(PolicyError::Principal);
    }
    Ok(Principals::Named(names))
}
