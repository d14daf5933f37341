//! What becomes of a route's requests: the target group, and the target that is asked of it.

use std::time::Duration;

use ::http::HeaderMap;

use super::mapping::{HeaderEdit, ResponseEdits};
use crate::answer::Answer;
use crate::config::model::{self, Forward, RoutePattern, Segment, WeightedGroup};

/// An integration, ready for requests.
pub struct Integration {
    /// Who serves it.
    pub backend: Backend,
    /// Longest silence of a target that owes us bytes.
    pub timeout: Duration,
    /// The target's path; the relative one when absent.
    path: Option<Box<[Part]>>,
}

/// Who serves a route.
pub enum Backend {
    /// A target group.
    Group {
        /// As rules have it.
        forward: Forward,
        /// Its position among the API's.
        position: usize,
    },
    /// Nobody: this is always said.
    Mock(Answer),
}

/// A piece of a path that is put together.
pub(super) enum Part {
    Literal(Box<str>),
    /// This segment of the relative path.
    Segment(usize),
    /// All from this segment on.
    From(usize),
}

impl Integration {
    pub(super) fn compile(route: &model::Route, position: usize) -> Self {
        let integration = &route.integration;
        let backend = match &integration.backend {
            model::Backend::Group(group) => {
                let groups = vec![WeightedGroup { group: *group, weight: 1 }];
                Backend::Group { forward: Forward { groups, stickiness: None }, position }
            }
            model::Backend::Mock(mock) => Backend::Mock(Answer::mock(mock)),
        };
        let path = integration.path.as_ref();
        Self {
            backend,
            timeout: integration.timeout,
            path: path.map(|path| path.iter().map(|part| Part::of(part, route)).collect()),
        }
    }

    /// The path that the target gets for a canonical relative path.
    ///
    /// Variables are put in as they stand there, escaped: what a segment means is the same on both
    /// sides, and a whole segment can become neither two nor a dot segment.
    #[must_use]
    pub fn path(&self, relative: &str) -> String {
        let Some(parts) = &self.path else { return relative.to_owned() };
        let mut path = String::with_capacity(relative.len() + 16);
        for part in parts {
            path.push('/');
            path.push_str(part.of_path(relative).unwrap_or_default());
        }
        path
    }

    /// Whether the target gets the relative path as it is.
    #[must_use]
    pub const fn keeps_path(&self) -> bool {
        self.path.is_none()
    }
}

impl Part {
    fn of(part: &Segment, route: &model::Route) -> Self {
        match part {
            Segment::Literal(text) => Self::Literal(text.as_str().into()),
            Segment::Variable(name) | Segment::Greedy(name) => {
                let variable = variables(&route.pattern).into_iter().find(|(n, _)| **n == **name);
                variable.map_or_else(|| Self::Literal("".into()), |(_, part)| part)
            }
        }
    }

    /// What it is of a relative path.
    pub(super) fn of_path<'a>(&'a self, relative: &'a str) -> Option<&'a str> {
        let rest = relative.strip_prefix('/').unwrap_or(relative);
        match self {
            Self::Literal(text) => Some(text),
            Self::Segment(number) => rest.split('/').nth(*number),
            Self::From(number) => Some(from(rest, *number)),
        }
    }
}

/// Where the variables of a route are in a relative path.
pub(super) fn variables(pattern: &RoutePattern) -> Vec<(Box<str>, Part)> {
    let RoutePattern::Path { segments, .. } = pattern else { return Vec::new() };
    let variable = |(number, segment): (usize, &Segment)| match segment {
        Segment::Literal(_) => None,
        Segment::Variable(name) => Some((name.as_str().into(), Part::Segment(number))),
        Segment::Greedy(name) => Some((name.as_str().into(), Part::From(number))),
    };
    segments.iter().enumerate().filter_map(variable).collect()
}

/// All from a segment on.
fn from(rest: &str, number: usize) -> &str {
    let mut rest = rest;
    for _ in 0..number {
        rest = rest.split_once('/').map_or("", |(_, after)| after);
    }
    rest
}

/// A mock's answer, changed as a target's of its status would be.
#[must_use]
pub fn mocked(answer: &Answer, edits: &[ResponseEdits]) -> Answer {
    let mut answer = answer.clone();
    let Some(edits) = edits.iter().find(|edits| edits.status == answer.status) else {
        return answer;
    };
    let headers: HeaderMap = answer.headers.iter().cloned().collect();
    for edit in edits.headers(&headers) {
        let (HeaderEdit::Remove(name) | HeaderEdit::Set(name, _) | HeaderEdit::Add(name, _)) =
            &edit;
        if !matches!(edit, HeaderEdit::Add(..)) {
            answer.headers.retain(|(own, _)| own != name);
        }
        if let HeaderEdit::Set(name, value) | HeaderEdit::Add(name, value) = edit {
            answer.headers.push((name, value));
        }
    }
    if let Some(status) = edits.new_status {
        answer.status = status;
    }
    answer
}
