//! Requests that both files decide: what do they meet here, and what there?
//!
//! They are made from the conditions of both files: each pattern filled in, every host with every
//! path, as far as that can be afforded; and from the routes of their APIs. Where the files differ somewhere between the examples, it
//! shows in the settings only.

use std::net::{IpAddr, Ipv4Addr};

use ::http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::fate::{Shift, fate, kind};
use super::{route_probes, settings};
use crate::admin::config::redacted;
use crate::config::model::{Conditions, Config, Listener};
use crate::engine::Moment;
use crate::explain::Question;
use crate::snapshot::Snapshot;

/// Requests for one listener at most.
pub(super) const MOST_PROBES: usize = 20_000;
/// What a wildcard is filled with.
pub(super) const FILLING: char = 'x';
/// A host that no file names.
pub(super) const STRANGER: &str = "unlisted.invalid";

/// What conditions look at beside host, path and method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) query: Vec<String>,
    source: Option<IpAddr>,
}

/// The gravest first.
pub(super) fn compare(old: &Snapshot, new: &Snapshot, moment: Moment) -> Vec<Shift> {
    let doors = (doors(&old.config), doors(&new.config));
    let mut shifts: Vec<Shift> = Vec::new();
    for listener in &old.config.listeners {
        let Some(later) = same_listener(listener, &new.config) else { continue };
        let of_routes = route_probes::questions([(listener, &old.config), (later, &new.config)]);
        for question in questions(listener, later).into_iter().chain(of_routes) {
            let of_new = Question { listener: Some(later.name.to_string()), ..question.clone() };
            let met = (fate(old, &question, moment), fate(new, &of_new, moment));
            let (Some((before, from)), Some((after, to))) = met else { continue };
            let is_looser = from
                .zip(to)
                .is_some_and(|(from, to)| loosens(door(&doors.0, from), door(&doors.1, to)));
            if before.is_like(&after) && !is_looser {
                continue;
            }
            let same = |shift: &&mut Shift| {
                shift.listener == listener.name && shift.old == before && shift.new == after
            };
            if let Some(known) = shifts.iter_mut().find(same) {
                known.count += 1;
                continue;
            }
            shifts.push(Shift {
                kind: kind(&before, &after, is_looser),
                listener: listener.name.clone(),
                example: format!("{} {}", question.method, question.url),
                count: 1,
                old: before,
                new: after,
            });
        }
    }
    shifts.sort_by_key(|shift| shift.kind);
    shifts
}

/// What each route of each API demands of requests, as settings.
fn doors(config: &Config) -> Vec<Vec<Value>> {
    let all = redacted(config);
    let of_route = |api: &Value, key: &str| {
        let route = api.get("routes").and_then(|routes| routes.get(key));
        let field = |name| route.and_then(|route: &Value| route.get(name));
        json!({
            "policy": api.get("policy"),
            "compatibility": api.get("compatibility"),
            "authorizer": field("authorizer"),
            "api_key_required": field("api_key_required"),
            "required_parameters": field("required_parameters"),
            "request_models": field("request_models"),
        })
    };
    let of_api = |api: &crate::config::model::Api| {
        let shown = all.get("apis").and_then(|apis| apis.get(&*api.name));
        let shown = shown.unwrap_or(&Value::Null);
        api.routes.iter().map(|route| of_route(shown, &route.key)).collect()
    };
    config.apis.iter().map(of_api).collect()
}

fn door(doors: &[Vec<Value>], (api, route): (usize, usize)) -> &Value {
    doors.get(api).and_then(|api| api.get(route)).unwrap_or(&Value::Null)
}

/// Whether the one demands something that the other does not.
fn loosens(old: &Value, new: &Value) -> bool {
    settings::compare(old, new).iter().any(|setting| setting.is_weaker)
}

/// What a listener became: it is known by its name, or else by its address.
fn same_listener<'c>(listener: &Listener, config: &'c Config) -> Option<&'c Listener> {
    let all = &config.listeners;
    let by_name = all.iter().find(|other| other.name == listener.name);
    by_name.or_else(|| all.iter().find(|other| other.address == listener.address))
}

/// What the old file's listener of this name became.
pub(super) fn same_listener_by_name<'c>(
    name: &str,
    old: &Config,
    new: &'c Config,
) -> Option<&'c Listener> {
    same_listener(old.listeners.iter().find(|listener| *listener.name == *name)?, new)
}

/// Requests for a listener that both files have.
fn questions(old: &Listener, new: &Listener) -> Vec<Question> {
    let of_rules = || old.rules.iter().chain(&new.rules).map(|rule| &rule.conditions);
    let mut hosts = vec![STRANGER.to_owned()];
    let mut paths = vec!["/".to_owned()];
    let mut methods = vec!["GET".to_owned()];
    let mut settings = vec![Setting::default()];
    for conditions in of_rules() {
        add(&mut hosts, self::hosts(conditions));
        add(&mut paths, self::paths(conditions));
        add(&mut methods, self::methods(conditions));
        add(&mut settings, [setting(conditions)]);
    }
    let place = (&*old.name, if old.tls.is_some() { "https" } else { "http" });
    let all = hosts.len() * paths.len() * methods.len() * settings.len();
    let mut questions = Vec::new();
    let mut ask = |hosts: &[String], paths: &[String], methods: &[String], settings: &[Setting]| {
        for setting in settings {
            for host in hosts {
                for path in paths {
                    for method in methods {
                        questions.push(question(place, method, host, path, setting));
                    }
                }
            }
        }
    };
    if all <= MOST_PROBES {
        ask(&hosts, &paths, &methods, &settings);
    } else {
        let some = |list: Vec<String>, other: &str| {
            if list.is_empty() { vec![other.to_owned()] } else { list }
        };
        for conditions in of_rules() {
            let hosts = some(self::hosts(conditions), STRANGER);
            let paths = some(self::paths(conditions), "/");
            let methods = some(self::methods(conditions), "GET");
            ask(&hosts, &paths, &methods, &[setting(conditions)]);
        }
        questions.truncate(MOST_PROBES);
    }
    questions
}

fn add<T: PartialEq>(list: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

pub(super) fn question(
    (listener, scheme): (&str, &str),
    method: &str,
    host: &str,
    path: &str,
    setting: &Setting,
) -> Question {
    let query = if setting.query.is_empty() {
        String::new()
    } else {
        format!("?{}", setting.query.join("&"))
    };
    Question {
        method: method.to_owned(),
        url: format!("{scheme}://{host}{path}{query}"),
        headers: setting.headers.clone(),
        source: setting.source.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        listener: Some(listener.to_owned()),
        is_http2: false,
    }
}

pub(super) fn hosts(conditions: &Conditions) -> Vec<String> {
    conditions.host_header.iter().map(|located| filled(&located.value)).collect()
}

fn paths(conditions: &Conditions) -> Vec<String> {
    let path = |text: &str| {
        let path = filled(text);
        if path.starts_with('/') { path } else { format!("/{path}") }
    };
    conditions.path_pattern.iter().map(|located| path(&located.value)).collect()
}

fn methods(conditions: &Conditions) -> Vec<String> {
    conditions.http_request_method.iter().map(|located| located.value.clone()).collect()
}

/// Regular expressions are not filled in.
pub(super) fn setting(conditions: &Conditions) -> Setting {
    let header = |condition: &crate::config::model::HeaderCondition| {
        let value = condition.values.first()?;
        let name = HeaderName::try_from(&condition.name).ok()?;
        Some((name, HeaderValue::try_from(filled(&value.value)).ok()?))
    };
    let parameter = |any_of: &Vec<crate::config::model::QueryParameter>| {
        let parameter = any_of.first()?;
        let key = parameter.key.as_deref().map_or_else(|| FILLING.to_string(), filled);
        Some(format!("{key}={}", filled(&parameter.value)))
    };
    Setting {
        headers: conditions.http_header.iter().filter_map(header).collect(),
        query: conditions.query_string.iter().filter_map(parameter).collect(),
        source: conditions.source_ip.first().map(|network| network.value.addr()),
    }
}

/// A pattern with its wildcards filled in.
fn filled(pattern: &str) -> String {
    let mut characters = pattern.chars();
    let mut text = String::with_capacity(pattern.len());
    while let Some(character) = characters.next() {
        match character {
            '*' | '?' => text.push(FILLING),
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}
