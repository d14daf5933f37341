//! The rules that were looked at, each with what it wanted and what the request had instead.

use ::http::HeaderMap;
use ::http::header::{AUTHORIZATION, COOKIE};

use super::{Asked, Canonical};
use crate::config::model::{self, Conditions, HeaderCondition, Located, Name, QueryParameter};
use crate::routing::{Facts, Miss, RuleTable};
use crate::snapshot::{Listener, Snapshot};

/// One rule that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStep {
    /// Its position on the listener, from 0; that of the default rule is the last.
    pub position: usize,
    /// Its name.
    pub name: Name,
    /// Its line in the file.
    pub line: usize,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a look at a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It takes the request.
    Taken,
    /// It does not, because of this.
    Missed(Missed),
}

/// The first condition that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Its key in the file.
    pub condition: &'static str,
    /// What about the request it judges: `path`, `header x-env`.
    pub subject: String,
    /// What it wants, as the file has it; any of these.
    pub wanted: Vec<String>,
    /// What the request has; absent when it has nothing of the kind.
    pub found: Option<String>,
}

/// A rule's position, and why it did not take the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walked {
    position: usize,
    miss: Option<Miss>,
}

/// Looks at one rule after the other until one takes the request, or the default rule does.
pub(super) fn walk(table: &RuleTable, facts: &Facts<'_>) -> Vec<Walked> {
    let mut walked = Vec::new();
    for position in 0..table.len() {
        let miss = table.first_miss_of(position, facts);
        walked.push(Walked { position, miss });
        if miss.is_none() {
            return walked;
        }
    }
    walked.push(Walked { position: table.len(), miss: None });
    walked
}

/// Says which rule the path selects once its parameters are cut.
pub(super) fn tell_other(
    other: Walked,
    listener: &Listener,
    canonical: Option<&Canonical>,
) -> String {
    let rule = listener.rules.get(other.position).map(|rule| &*rule.name).unwrap_or_default();
    let path = canonical.and_then(|canonical| canonical.without_parameters.as_deref());
    let path = path.unwrap_or_default();
    format!("without its parameters the path is {path}, which rule `{rule}` takes")
}

/// Puts into words what was walked.
pub(super) fn describe(
    walked: Vec<Walked>,
    snapshot: &Snapshot,
    asked: &Asked,
    canonical: Option<&Canonical>,
) -> Vec<RuleStep> {
    let (Some(listener), Some(canonical)) =
        (snapshot.config.listeners.get(asked.listener), canonical)
    else {
        return Vec::new();
    };
    let describe = |walked: Walked| {
        let rule = listener.rules.get(walked.position).unwrap_or(&listener.default_rule);
        let verdict = walked.miss.map_or(Verdict::Taken, |miss| {
            Verdict::Missed(missed(miss, &rule.conditions, snapshot, asked, canonical))
        });
        RuleStep {
            position: walked.position,
            name: rule.name.clone(),
            line: rule.span.line,
            verdict,
        }
    };
    walked.into_iter().map(describe).collect()
}

fn missed(
    miss: Miss,
    conditions: &Conditions,
    snapshot: &Snapshot,
    asked: &Asked,
    canonical: &Canonical,
) -> Missed {
    let of = |condition, subject: &str, wanted, found: String| Missed {
        condition,
        subject: subject.to_owned(),
        wanted,
        found: Some(found),
    };
    let host = || canonical.host.clone();
    let path = || canonical.path.clone();
    match miss {
        Miss::Host => of("host_header", "host", texts(&conditions.host_header), host()),
        Miss::HostRegex => of("host_header", "host", regexes(&conditions.host_regex), host()),
        Miss::Path => of("path_pattern", "path", texts(&conditions.path_pattern), path()),
        Miss::PathRegex => of("path_pattern", "path", regexes(&conditions.path_regex), path()),
        Miss::Method => {
            let wanted = texts(&conditions.http_request_method);
            of("http_request_method", "method", wanted, asked.method.clone())
        }
        Miss::SourceIp => {
            let wanted = conditions.source_ip.iter().map(|each| each.value.to_string()).collect();
            of("source_ip", "client", wanted, asked.client(snapshot).to_string())
        }
        Miss::Header(position) => header(conditions.http_header.get(position), &asked.headers),
        Miss::Query(position) => {
            let any_of = conditions.query_string.get(position).map_or(&[][..], Vec::as_slice);
            Missed {
                condition: "query_string",
                subject: "query".to_owned(),
                wanted: any_of.iter().map(parameter).collect(),
                found: canonical.query.clone(),
            }
        }
    }
}

fn texts(values: &[Located<String>]) -> Vec<String> {
    values.iter().map(|located| located.value.clone()).collect()
}

fn regexes(values: &[Located<model::Regex>]) -> Vec<String> {
    values.iter().map(|located| format!("regex {}", located.value.as_str())).collect()
}

fn parameter(parameter: &QueryParameter) -> String {
    let key = parameter.key.as_deref().unwrap_or("*");
    format!("{key}={}", parameter.value)
}

fn header(condition: Option<&HeaderCondition>, headers: &HeaderMap) -> Missed {
    let name = condition.map(|condition| condition.name.as_str()).unwrap_or_default();
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| {
            // A credential is nobody's business, not even on a terminal.
            if name == AUTHORIZATION.as_str() || name == COOKIE.as_str() || value.is_sensitive() {
                "(not shown)".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            }
        })
        .collect();
    let wanted = condition.map(|condition| {
        let values = texts(&condition.values);
        [values, regexes(&condition.regex_values)].concat()
    });
    Missed {
        condition: "http_header",
        subject: format!("header {name}"),
        wanted: wanted.unwrap_or_default(),
        found: (!values.is_empty()).then(|| values.join(", ")),
    }
}
