//! Requests that are made from routes of APIs: each route's path filled in, with what it requires
//! beside, at every host of the rules that lead there.

use std::collections::HashSet;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderName, HeaderValue};

use super::probes::{FILLING, MOST_PROBES, STRANGER, Setting, hosts, question, setting};
use crate::config::model::{
    Action, Api, Config, Listener, RequestParameter, Route, RoutePattern, Rule, Segment,
};
use crate::explain::Question;

/// What `ANY` stands for.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/// Requests for a listener that both files have; they name it as the first of them does.
pub(super) fn questions(sides: [(&Listener, &Config); 2]) -> Vec<Question> {
    let mut questions = Vec::new();
    let mut known = HashSet::new();
    let Some((first, _)) = sides.first() else { return questions };
    let place = (&*first.name, if first.tls.is_some() { "https" } else { "http" });
    for (listener, config) in sides {
        for rule in listener.rules.iter().chain(std::iter::once(&listener.default_rule)) {
            let Action::Api(index) = rule.action else { continue };
            let Some(api) = config.apis.get(index.0) else { continue };
            for route in &api.routes {
                for question in of_route(place, rule, api, route) {
                    if questions.len() >= MOST_PROBES {
                        return questions;
                    }
                    if known.insert(fingerprint(&question)) {
                        questions.push(question);
                    }
                }
            }
        }
    }
    questions
}

/// What tells one request from another.
fn fingerprint(question: &Question) -> String {
    let mut text = format!("{} {} {}", question.method, question.url, question.source);
    for (name, value) in &question.headers {
        text.push_str(&format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    text
}

fn of_route(place: (&str, &str), rule: &Rule, api: &Api, route: &Route) -> Vec<Question> {
    let mut hosts = hosts(&rule.conditions);
    if hosts.is_empty() {
        hosts.push(STRANGER.to_owned());
    }
    let setting = with_required(setting(&rule.conditions), route);
    let (methods, paths) = match &route.pattern {
        RoutePattern::Default => (METHODS.to_vec(), vec!["/".to_owned(), format!("/{FILLING}")]),
        RoutePattern::Path { method, segments } => {
            let methods = method.as_deref().map_or_else(|| METHODS.to_vec(), |own| vec![own]);
            (methods, vec![segments.iter().map(filled).collect()])
        }
    };
    let front = match &api.stage {
        Some(stage) if api.has_stage_in_path => format!("{}/{stage}", api.base_path),
        _ => api.base_path.clone(),
    };
    let mut questions = Vec::new();
    for host in &hosts {
        for path in &paths {
            for method in &methods {
                let path = format!("{front}{path}");
                questions.push(question(place, method, host, &path, &setting));
            }
        }
    }
    questions
}

fn filled(segment: &Segment) -> String {
    match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Variable(_) => format!("/{FILLING}"),
        Segment::Greedy(_) => format!("/{FILLING}/{FILLING}"),
    }
}

/// A setting with everything that a route refuses requests without.
fn with_required(mut setting: Setting, route: &Route) -> Setting {
    for parameter in &route.required {
        match parameter {
            RequestParameter::Header(name, _) => {
                let name = HeaderName::try_from(name.as_str());
                let value = HeaderValue::from_static("x");
                setting.headers.extend(name.ok().map(|name| (name, value)));
            }
            RequestParameter::Query(name) => {
                let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
                setting.query.push(format!("{name}={FILLING}"));
            }
            RequestParameter::Path(_) => {}
        }
    }
    let kind = route.body_models.first().and_then(|(kind, _)| HeaderValue::try_from(kind).ok());
    setting.headers.extend(kind.map(|kind| (CONTENT_TYPE, kind)));
    setting
}
