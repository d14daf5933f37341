//! Conditions that no index helps with: regular expressions, headers, the query, the client's
//! address. They are judged last, on rules whose host, path and method fit already.

use std::borrow::Cow;
use std::net::IpAddr;

use ::http::HeaderMap;
use ipnet::IpNet;

use super::miss::Miss;
use super::wildcard::Wildcard;
use crate::config::model::{self, Conditions, Located, Regex};

/// What of a request these conditions look at. The default has nothing that a condition could
/// match.
#[derive(Debug, Clone, Copy, Default)]
pub struct Particulars<'a> {
    /// Its headers, without those that were dropped.
    pub headers: Option<&'a HeaderMap>,
    /// The query, without `?`.
    pub query: &'a str,
    /// The client's address.
    pub client: Option<IpAddr>,
}

/// The conditions of one rule; all of them must hold.
#[derive(Debug, PartialEq)]
pub(super) struct Unindexed {
    hosts: Box<[Regex]>,
    paths: Box<[Regex]>,
    headers: Box<[Header]>,
    queries: Box<[Box<[Parameter]>]>,
    sources: Box<[IpNet]>,
}

/// One `http_header`: any value, of any occurrence.
#[derive(Debug, PartialEq)]
struct Header {
    name: Box<str>,
    values: Box<[Wildcard]>,
    patterns: Box<[Regex]>,
}

/// One entry of `query_string`.
#[derive(Debug, PartialEq)]
struct Parameter {
    /// `None`: whatever its name.
    key: Option<Wildcard>,
    value: Wildcard,
}

fn values<T: Clone>(located: &[Located<T>]) -> Box<[T]> {
    located.iter().map(|located| located.value.clone()).collect()
}

impl Unindexed {
    /// `None` for a rule without any.
    pub(super) fn new(conditions: &Conditions) -> Option<Box<Self>> {
        let parameter = |parameter: &model::QueryParameter| Parameter {
            key: parameter.key.as_ref().map(|key| Wildcard::new(key, true)),
            value: Wildcard::new(&parameter.value, true),
        };
        let header = |header: &model::HeaderCondition| Header {
            name: header.name.as_str().into(),
            values: header.values.iter().map(|value| Wildcard::new(&value.value, false)).collect(),
            patterns: values(&header.regex_values),
        };
        let this = Self {
            hosts: values(&conditions.host_regex),
            paths: values(&conditions.path_regex),
            headers: conditions.http_header.iter().map(header).collect(),
            queries: conditions
                .query_string
                .iter()
                .map(|any_of| any_of.iter().map(parameter).collect())
                .collect(),
            sources: values(&conditions.source_ip),
        };
        let is_empty = this.hosts.is_empty()
            && this.paths.is_empty()
            && this.headers.is_empty()
            && this.queries.is_empty()
            && this.sources.is_empty();
        (!is_empty).then(|| Box::new(this))
    }

    /// The first that does not hold; `None` when all do.
    pub(super) fn first_miss(&self, host: &str, path: &str, of: &Particulars<'_>) -> Option<Miss> {
        if !is_any(&self.hosts, |regex| regex.is_match(host.as_bytes())) {
            return Some(Miss::HostRegex);
        }
        if !is_any(&self.paths, |regex| regex.is_match(path.as_bytes())) {
            return Some(Miss::PathRegex);
        }
        let is_inside = |network: &IpNet| {
            of.client.is_some_and(|client| network.contains(&client.to_canonical()))
        };
        if !is_any(&self.sources, is_inside) {
            return Some(Miss::SourceIp);
        }
        let misses = |header: &Header| !of.headers.is_some_and(|all| header.matches(all));
        if let Some(position) = self.headers.iter().position(misses) {
            return Some(Miss::Header(position));
        }
        let missed = self.queries.iter().position(|any_of| !matches_query(any_of, of.query));
        missed.map(Miss::Query)
    }

    /// Whether each of these holds whenever all of the others do. Right when it says so; it does
    /// not see through patterns.
    pub(super) fn is_implied_by(&self, others: &Self) -> bool {
        let same = |ours: &[Regex], theirs: &[Regex]| ours.is_empty() || ours == theirs;
        let is_inside = |theirs: &IpNet| self.sources.iter().any(|ours| ours.contains(theirs));
        same(&self.hosts, &others.hosts)
            && same(&self.paths, &others.paths)
            && self.headers.iter().all(|header| others.headers.contains(header))
            && self.queries.iter().all(|query| others.queries.contains(query))
            && (self.sources.is_empty()
                || !others.sources.is_empty() && others.sources.iter().all(is_inside))
    }
}

/// An empty list is no condition.
fn is_any<T>(list: &[T], holds: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(holds)
}

impl Header {
    fn matches(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&*self.name).iter().any(|value| {
            let value = value.as_bytes();
            self.values.iter().any(|wildcard| wildcard.matches(value))
                || self.patterns.iter().any(|regex| regex.is_match(value))
        })
    }
}

/// Pairs are compared as they were sent, and as they are meant (alb.md U6).
fn matches_query(any_of: &[Parameter], query: &str) -> bool {
    let mut pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.any(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let sent = (key.as_bytes(), value.as_bytes());
        if any_of.iter().any(|parameter| parameter.matches(sent.0, sent.1)) {
            return true;
        }
        if !pair.contains('%') {
            return false;
        }
        let (key, value) = (decoded(key), decoded(value));
        any_of.iter().any(|parameter| parameter.matches(&key, &value))
    })
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode_str(text).into()
}

impl Parameter {
    fn matches(&self, key: &[u8], value: &[u8]) -> bool {
        self.key.as_ref().is_none_or(|wanted| wanted.matches(key)) && self.value.matches(value)
    }
}

#[cfg(test)]
mod tests;
