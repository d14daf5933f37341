//! Requests that both files decide: what do they meet here, and what there?
//!
//! They are made from the conditions of both files: each pattern filled in, every host with every
//! path, as far as that can be afforded. Where the files differ somewhere between the examples, it
//! shows in the settings only.

use std::net::{IpAddr, Ipv4Addr};

use ::http::{HeaderName, HeaderValue};

use crate::config::model::{Action, ApiIndex, Conditions, Config, Listener, Name, Rule};
use crate::engine::{self, Moment, Reason, Step};
use crate::explain::Question;
use crate::sign_in::Outcome;
use crate::snapshot::Snapshot;

/// Requests for one listener at most.
const MOST_PROBES: usize = 20_000;
/// What a wildcard is filled with.
const FILLING: char = 'x';
/// A host that no file names.
const STRANGER: &str = "unlisted.invalid";

/// Requests that meet something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// How grave it is.
    pub kind: ShiftKind,
    /// The listener.
    pub listener: Name,
    /// One of them: method, host and `path?query`.
    pub example: String,
    /// How many of the requests that were tried.
    pub count: usize,
    /// What they met.
    pub old: Fate,
    /// What they meet.
    pub new: Fate,
}

/// How grave a shift is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShiftKind {
    /// A target is reached without saying who asks, which was demanded before.
    Opened,
    /// A target is reached without saying who asks, where the gateway itself answered before.
    Exposed,
    /// It is demanded now.
    Closed,
    /// Something else.
    Changed,
}

/// What a request without a token meets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fate {
    /// The rule; `None` where it never comes to rules.
    pub rule: Option<Name>,
    /// Whether somebody must say who asks.
    pub asks: bool,
    /// What then becomes of it: `forward to orders`, `answer 404`.
    pub end: String,
}

/// What conditions look at beside host, path and method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Setting {
    headers: Vec<(HeaderName, HeaderValue)>,
    query: Vec<String>,
    source: Option<IpAddr>,
}

/// The gravest first.
pub(super) fn compare(old: &Snapshot, new: &Snapshot, moment: Moment) -> Vec<Shift> {
    let mut shifts: Vec<Shift> = Vec::new();
    for listener in &old.config.listeners {
        let Some(later) = same_listener(listener, &new.config) else { continue };
        for question in questions(listener, later) {
            let of_new = Question { listener: Some(later.name.to_string()), ..question.clone() };
            let fates = (fate(old, &question, moment), fate(new, &of_new, moment));
            let (Some(before), Some(after)) = fates else { continue };
            if before == after {
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
                kind: kind(&before, &after),
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

fn kind(old: &Fate, new: &Fate) -> ShiftKind {
    match (old.asks, new.asks) {
        (true, false) if new.is_forwarded() => ShiftKind::Opened,
        (false, false) if new.is_forwarded() && !old.is_forwarded() => ShiftKind::Exposed,
        (false, true) => ShiftKind::Closed,
        _ => ShiftKind::Changed,
    }
}

const FORWARD: &str = "forward";

impl Fate {
    fn is_forwarded(&self) -> bool {
        self.end.starts_with(FORWARD)
    }
}

/// What a request without a token meets.
fn fate(snapshot: &Snapshot, question: &Question, moment: Moment) -> Option<Fate> {
    let asked = question.ask(snapshot).ok()?;
    let decision = engine::decide(snapshot, &asked.request(snapshot), moment);
    let listener = snapshot.config.listeners.get(asked.listener())?;
    let rule = decision
        .rule
        .map(|position| listener.rules.get(position).unwrap_or(&listener.default_rule));
    let asks = match decision.reason {
        Reason::Auth(_) => true,
        Reason::SignIn(outcome) => {
            matches!(outcome, Outcome::Begun | Outcome::SessionMissing | Outcome::ScriptRefused)
        }
        _ => false,
    };
    let end = match (&decision.step, rule) {
        // Whoever says who he is comes to the rule's action.
        (Step::Forward(_), Some(rule)) => action(rule, &snapshot.config),
        (_, Some(rule)) if asks => action(rule, &snapshot.config),
        (Step::Answer { answer, .. }, _) => format!("answer {}", answer.status),
        _ => decision.reason.as_str().to_owned(),
    };
    Some(Fate { rule: rule.map(|rule| rule.name.clone()), asks, end })
}

/// What a rule does with whom it lets in.
pub(super) fn action(rule: &Rule, config: &Config) -> String {
    match &rule.action {
        Action::Forward(forward) => {
            let groups = forward.groups.iter().filter(|weighted| weighted.weight > 0);
            let names = groups.filter_map(|weighted| config.target_groups.get(weighted.group.0));
            let names: Vec<_> = names.map(|group| &*group.name).collect();
            format!("{FORWARD} to {}", names.join(" or "))
        }
        Action::Redirect(redirect) => format!("answer {}", redirect.status_code),
        Action::FixedResponse(response) => format!("answer {}", response.status_code),
        Action::SignOut(_) => "sign out".to_owned(),
        Action::Api(ApiIndex(api)) => {
            let name = config.apis.get(*api).map_or("", |api| &api.name);
            format!("the API {name}")
        }
    }
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

fn question(
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

fn hosts(conditions: &Conditions) -> Vec<String> {
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
fn setting(conditions: &Conditions) -> Setting {
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
