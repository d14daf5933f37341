//! What a route changes in requests and in answers: values are put together from what was asked
//! and what is known, and nothing that a client sent can become more than a value.

use std::borrow::Cow;

use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::facts::{Facts, escape, joined};
use crate::config::expression::{Expression, Piece};
use crate::config::model::{self, Mapped, Mapping, Operation};
use crate::http::target::tidy_again;
use crate::http::{Malformed, PathPolicy};

/// A change of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderEdit {
    /// Takes all its values away.
    Remove(HeaderName),
    /// Replaces all its values.
    Set(HeaderName, HeaderValue),
    /// Adds a value.
    Add(HeaderName, HeaderValue),
}

/// A change of answers with a status, as far as it is known before there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseEdits {
    /// The target's status.
    pub status: u16,
    /// What the client is told in its place.
    pub new_status: Option<u16>,
    edits: Vec<(HeaderName, Operation)>,
}

/// What a request's mappings make.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Changes of headers, in order.
    pub headers: Vec<HeaderEdit>,
    /// Changes of the answer, by its status.
    pub responses: Vec<ResponseEdits>,
    /// The new path and query; absent when they are the old ones.
    pub target: Option<Box<str>>,
}

/// The mappings of a route, ready for requests.
pub(super) struct Mappings {
    headers: Vec<(HeaderName, Operation)>,
    parameters: Vec<(String, Operation)>,
    path: Option<Expression>,
    responses: Vec<Response>,
}

/// Those for a status of the target.
struct Response {
    status: u16,
    new_status: Option<u16>,
    headers: Vec<(HeaderName, Operation)>,
}

impl Mappings {
    /// `None` where there are none.
    pub(super) fn compile(integration: &model::Integration) -> Option<Self> {
        let mappings = &integration.request_mappings;
        if mappings.is_empty() && integration.response_mappings.is_empty() {
            return None;
        }
        let parameters = mappings.iter().filter_map(|mapping| match &mapping.place {
            Mapped::Parameter(name) => Some((name.clone(), mapping.operation.clone())),
            _ => None,
        });
        let path = mappings.iter().find(|mapping| mapping.place == Mapped::Path);
        let responses = integration.response_mappings.iter().map(|response| Response {
            status: response.status,
            new_status: response.mappings.iter().find_map(|mapping| match mapping.place {
                Mapped::StatusCode(code) => Some(code),
                _ => None,
            }),
            headers: headers(&response.mappings),
        });
        Some(Self {
            headers: headers(mappings),
            parameters: parameters.collect(),
            path: path.and_then(|mapping| mapping.operation.value().cloned()),
            responses: responses.collect(),
        })
    }

    /// What becomes of a request that would ask the target for `path`. What cannot be told is left
    /// out; a header that was to be replaced is removed all the same.
    ///
    /// # Errors
    ///
    /// The path or the query that come out may not be sent.
    pub(super) fn apply(
        &self,
        facts: &Facts<'_>,
        path: &str,
        policy: PathPolicy,
    ) -> Result<Edits, Malformed> {
        let edit = |(name, operation): &(HeaderName, Operation)| {
            let value = |expression| facts.header_value(expression);
            match operation {
                Operation::Append(expression) => {
                    Some(HeaderEdit::Add(name.clone(), value(expression)?))
                }
                Operation::Overwrite(expression) => Some(match value(expression) {
                    Some(value) => HeaderEdit::Set(name.clone(), value),
                    None => HeaderEdit::Remove(name.clone()),
                }),
                Operation::Remove => Some(HeaderEdit::Remove(name.clone())),
            }
        };
        let target = self.target(facts, path, policy)?;
        Ok(Edits {
            headers: self.headers.iter().filter_map(edit).collect(),
            responses: self.responses.iter().map(|response| response.fill(facts)).collect(),
            target,
        })
    }

    fn target(
        &self,
        facts: &Facts<'_>,
        path: &str,
        policy: PathPolicy,
    ) -> Result<Option<Box<str>>, Malformed> {
        let new_path = match &self.path {
            None => None,
            Some(expression) => Some(facts.path_of(expression).ok_or(Malformed::TargetForm)?),
        };
        let query = (!self.parameters.is_empty()).then(|| self.query(facts));
        if new_path.is_none() && query.is_none() {
            return Ok(None);
        }
        let mut target = new_path.unwrap_or_else(|| path.to_owned());
        let query = match &query {
            Some(query) => query.as_deref(),
            None => facts.query,
        };
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        // Values cannot become dot segments, nor leave a segment empty: that would be another path
        // than the file says.
        let tidied = tidy_again(&target, policy)?;
        if tidied.path_and_query() != target {
            return Err(Malformed::AboveRoot);
        }
        Ok(Some(target.into()))
    }

    /// The query, parameter by parameter; those that nothing is mapped to stay as they are spelled.
    fn query(&self, facts: &Facts<'_>) -> Option<String> {
        let mut parts: Vec<Cow<'_, str>> =
            facts.query.into_iter().flat_map(|query| query.split('&')).map(Cow::Borrowed).collect();
        for (name, operation) in &self.parameters {
            if !matches!(operation, Operation::Append(_)) {
                parts.retain(|part| !is_called(part, name));
            }
            let value = operation.value().and_then(|expression| facts.text(expression));
            if let Some(value) = value {
                let mut part = String::new();
                escape(name, &mut part);
                part.push('=');
                escape(&value, &mut part);
                parts.push(part.into());
            }
        }
        (!parts.is_empty()).then(|| parts.join("&"))
    }
}

impl Response {
    fn fill(&self, facts: &Facts<'_>) -> ResponseEdits {
        let fill = |(name, operation): &(HeaderName, Operation)| {
            let operation = match operation {
                Operation::Append(expression) => Operation::Append(facts.fill(expression)?),
                Operation::Overwrite(expression) => Operation::Overwrite(facts.fill(expression)?),
                Operation::Remove => Operation::Remove,
            };
            Some((name.clone(), operation))
        };
        ResponseEdits {
            status: self.status,
            new_status: self.new_status,
            edits: self.headers.iter().filter_map(fill).collect(),
        }
    }
}

impl ResponseEdits {
    /// The changes, now that there is an answer.
    #[must_use]
    pub fn headers(&self, answer: &HeaderMap) -> Vec<HeaderEdit> {
        let value = |expression: &Expression| {
            let mut text = String::new();
            for piece in &expression.pieces {
                match piece {
                    Piece::Literal(literal) => text.push_str(literal),
                    Piece::ResponseHeader(name) => text.push_str(&joined(answer, name)?),
                    _ => return None,
                }
            }
            HeaderValue::try_from(text).ok()
        };
        let edit = |(name, operation): &(HeaderName, Operation)| match operation {
            Operation::Append(expression) => {
                Some(HeaderEdit::Add(name.clone(), value(expression)?))
            }
            Operation::Overwrite(expression) => {
                Some(HeaderEdit::Set(name.clone(), value(expression)?))
            }
            Operation::Remove => Some(HeaderEdit::Remove(name.clone())),
        };
        self.edits.iter().filter_map(edit).collect()
    }
}

/// Whether a part of a query is for this parameter, however it is spelled.
fn is_called(part: &str, name: &str) -> bool {
    url::form_urlencoded::parse(part.as_bytes()).next().is_some_and(|(known, _)| known == name)
}

fn headers(mappings: &[Mapping]) -> Vec<(HeaderName, Operation)> {
    let headers = mappings.iter().filter_map(|mapping| match &mapping.place {
        Mapped::Header(name) => {
            Some((HeaderName::try_from(name.as_str()).ok()?, mapping.operation.clone()))
        }
        _ => None,
    });
    headers.collect()
}
