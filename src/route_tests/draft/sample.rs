//! Requests that might take a rule: its patterns filled in, the plainest first.
//!
//! Whether one does is for the engine to say.

use std::net::{IpAddr, Ipv4Addr};

use ::http::{HeaderName, HeaderValue};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::config::model::{
    Api, Conditions, HeaderCondition, Listener, Located, ProtocolVersion, QueryParameter, Regex,
    RequestParameter, Route, RoutePattern, Rule, Segment,
};
use crate::explain::Question;

/// How many are tried for a rule.
pub(super) const MOST: usize = 300;
/// What wildcards are filled with, one after the other.
const FILLINGS: [&str; 5] = ["1", "something", "", "some/where", "some.where"];
const HOST_FILLINGS: [&str; 3] = ["www", "some-host", "some.host"];
/// Where a rule takes every method: a rule in front may take some.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// Requests for a rule.
pub(super) fn of_rule(listener: &Listener, rule: &Rule) -> impl Iterator<Item = Question> {
    let mut paths = paths(&rule.conditions);
    if paths.is_empty() {
        paths = ["/", "/somewhere", "/some/where/else"].map(str::to_owned).to_vec();
    }
    requests(listener, rule, paths, methods(&rule.conditions), &[])
}

/// The same request as these targets understand it.
pub(super) fn in_version(mut question: Question, version: ProtocolVersion) -> Question {
    question.is_http2 = version != ProtocolVersion::Http1;
    if version == ProtocolVersion::Grpc {
        if question.method == "GET" {
            question.method = "POST".to_owned();
        }
        let kind = HeaderValue::from_static("application/grpc");
        question.headers.push((::http::header::CONTENT_TYPE, kind));
    }
    question
}

/// Requests for a route of the API that a rule leads to.
pub(super) fn of_route(
    listener: &Listener,
    rule: &Rule,
    api: &Api,
    route: &Route,
) -> impl Iterator<Item = Question> {
    let stage = api.stage.as_ref().filter(|_| api.has_stage_in_path);
    let front =
        stage.map_or_else(|| api.base_path.clone(), |stage| format!("{}/{stage}", api.base_path));
    let (method, paths) = match &route.pattern {
        RoutePattern::Default => (None, vec!["/".to_owned(), "/somewhere".to_owned()]),
        RoutePattern::Path { method, segments } => {
            let path = |filling: &str| {
                let of = |segment: &Segment| match segment {
                    Segment::Literal(text) => format!("/{text}"),
                    Segment::Variable(_) => format!("/{filling}"),
                    Segment::Greedy(_) => format!("/{filling}/{filling}"),
                };
                segments.iter().map(of).collect::<String>()
            };
            (method.clone(), ["1", "something"].map(path).to_vec())
        }
    };
    let paths = paths.iter().map(|path| format!("{front}{path}")).collect();
    let methods = match method {
        Some(method) => vec![method],
        None => methods(&rule.conditions),
    };
    requests(listener, rule, paths, methods, &route.required)
}

fn requests(
    listener: &Listener,
    rule: &Rule,
    paths: Vec<String>,
    methods: Vec<String>,
    required: &[RequestParameter],
) -> impl Iterator<Item = Question> {
    let hosts = hosts(&rule.conditions);
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    let (name, conditions) = (listener.name.to_string(), &rule.conditions);
    let mut headers: Vec<_> = conditions.http_header.iter().filter_map(header).collect();
    let mut query: Vec<String> =
        conditions.query_string.iter().filter_map(|any_of| parameter(any_of)).collect();
    for parameter in required {
        match parameter {
            RequestParameter::Header(name, _) => {
                let name = HeaderName::try_from(name.as_str());
                headers.extend(name.ok().map(|name| (name, HeaderValue::from_static("1"))));
            }
            RequestParameter::Query(name) => query.push(format!("{}=1", encoded(name))),
            RequestParameter::Path(_) => {}
        }
    }
    if rule.sign_in.is_some() {
        // Only who asks for a page is sent to sign in.
        headers.push((::http::header::ACCEPT, HeaderValue::from_static("text/html")));
    }
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let source = conditions.source_ip.first().map(|network| network.value.addr());
    let source = source.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let all = methods.into_iter().flat_map(move |method| {
        let (hosts, paths) = (hosts.clone(), paths.clone());
        hosts.into_iter().flat_map(move |host| {
            let method = method.clone();
            paths.clone().into_iter().map(move |path| (method.clone(), host.clone(), path))
        })
    });
    all.map(move |(method, host, path)| {
        let host = host.map_or_else(String::new, |host| format!("{scheme}://{host}"));
        Question {
            method,
            url: format!("{host}{path}{query}"),
            headers: headers.clone(),
            source,
            listener: Some(name.clone()),
            is_http2: false,
        }
    })
    .filter(|question| question.url.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn methods(conditions: &Conditions) -> Vec<String> {
    let own: Vec<String> =
        conditions.http_request_method.iter().map(|method| method.value.clone()).collect();
    if own.is_empty() { METHODS.map(str::to_owned).to_vec() } else { own }
}

/// None is any host.
fn hosts(conditions: &Conditions) -> Vec<Option<String>> {
    let patterns = conditions.host_header.iter().map(|host| &host.value);
    let mut hosts = filled_in(&patterns, &HOST_FILLINGS);
    hosts.extend(conditions.host_regex.iter().filter_map(of_regex));
    if hosts.is_empty() { vec![None] } else { hosts.into_iter().map(Some).collect() }
}

fn paths(conditions: &Conditions) -> Vec<String> {
    let patterns = conditions.path_pattern.iter().map(|path| &path.value);
    let mut paths = filled_in(&patterns, &FILLINGS);
    paths.extend(conditions.path_regex.iter().filter_map(of_regex));
    let rooted = |path: String| if path.starts_with('/') { path } else { format!("/{path}") };
    paths.into_iter().map(rooted).collect()
}

/// Every pattern with each filling; the fillings change slower.
fn filled_in<'p>(
    patterns: &(impl Iterator<Item = &'p String> + Clone),
    fillings: &[&str],
) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for filling in fillings {
        for pattern in patterns.clone() {
            let text = filled(pattern, filling);
            if !all.contains(&text) {
                all.push(text);
            }
        }
    }
    all
}

/// A pattern with its wildcards filled in.
fn filled(pattern: &str, filling: &str) -> String {
    let mut characters = pattern.chars();
    let mut text = String::with_capacity(pattern.len());
    while let Some(character) = characters.next() {
        match character {
            '*' => text.push_str(filling),
            '?' => text.push(filling.chars().next().unwrap_or('x')),
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

fn header(condition: &HeaderCondition) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::try_from(&condition.name).ok()?;
    let plain = condition.values.first().map(|value| filled(&value.value, "1"));
    let value = plain.or_else(|| condition.regex_values.first().and_then(of_regex))?;
    Some((name, HeaderValue::try_from(value).ok()?))
}

fn parameter(any_of: &[QueryParameter]) -> Option<String> {
    let parameter = any_of.first()?;
    let key = parameter.key.as_deref().map_or_else(|| "any".to_owned(), |key| filled(key, "1"));
    Some(format!("{}={}", encoded(&key), encoded(&filled(&parameter.value, "1"))))
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A text that a regular expression matches: of every choice the first, of every repetition the
/// fewest, but one where none is possible.
fn of_regex(regex: &Located<Regex>) -> Option<String> {
    let hir = regex_syntax::Parser::new().parse(regex.value.as_str()).ok()?;
    let mut text = String::new();
    write_regex(&hir, &mut text).then_some(text)
}

/// The longest text that is made of a regular expression.
const LONGEST: usize = 1024;

fn write_regex(hir: &Hir, text: &mut String) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(literal) => {
                text.push_str(literal);
                true
            }
            Err(_) => false,
        },
        HirKind::Class(class) => match pick(class) {
            Some(character) => {
                text.push(character);
                true
            }
            None => false,
        },
        HirKind::Repetition(repetition) => {
            let times = repetition.min.max(1).min(repetition.max.unwrap_or(u32::MAX));
            (0..times).all(|_| write_regex(&repetition.sub, text))
        }
        HirKind::Capture(capture) => write_regex(&capture.sub, text),
        HirKind::Concat(all) => all.iter().all(|one| write_regex(one, text)),
        HirKind::Alternation(any) => any.first().is_some_and(|one| write_regex(one, text)),
    }
}

/// One of a class, if it can be a character that needs no explanation.
fn pick(class: &Class) -> Option<char> {
    let nice = || ('a'..='z').chain('0'..='9').chain('A'..='Z').chain("-_./~".chars());
    match class {
        Class::Unicode(class) => {
            nice().find(|c| class.iter().any(|range| (range.start()..=range.end()).contains(c)))
        }
        Class::Bytes(class) => nice().find(|c| {
            u8::try_from(*c).is_ok_and(|byte| {
                class.iter().any(|range| (range.start()..=range.end()).contains(&byte))
            })
        }),
    }
}
