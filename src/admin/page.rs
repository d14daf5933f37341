//! The pages of the admin listener: HTML made here, one style sheet, no script, nothing from
//! elsewhere.
//!
//! They only show. What changes something takes the token as a `Bearer`, which no browser sends of
//! itself, so no page of another site can have it done; the pages say which command does it.

mod facts;
mod reasons;
mod shown;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

pub use self::facts::{Certificate, Facts, Group, Issuer, Rule, Sample, Served, Target};

use self::shown::{Interval, Piece};
use super::problem::Problem;
use crate::clock::UnixMillis;
use crate::telemetry::denials::Denial;

/// The style sheet.
pub(super) const STYLE: &str = include_str!("page/style.css");
/// What a page may load: the style sheet of this listener.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; \
                                 form-action 'self'; frame-ancestors 'none'";
/// Rules on one page.
const RULES: usize = 80;
/// Bytes of a configuration that is shown whole.
const LONGEST_CONFIG: usize = 256 * 1024;
/// Denials on the first page.
const FIRST_DENIALS: usize = 10;
/// Seconds after which a page that refreshes itself does.
const REFRESH: u64 = 5;
/// A certificate with less than this is told.
const SHORT: u64 = 14 * 86_400;

/// What a reason means, and what to do, in the manual's words.
#[must_use]
pub fn meaning(reason: &str) -> Option<(&'static str, &'static str)> {
    reasons::meaning(reason).map(|meaning| (meaning.what, meaning.advice))
}

/// What every page has around it.
struct Frame {
    title: &'static str,
    version: &'static str,
    now: String,
    refresh: Option<u64>,
}

impl Frame {
    fn new(title: &'static str, facts: &Facts, refreshes: bool) -> Self {
        let refresh = refreshes.then_some(REFRESH);
        Self { title, version: facts.version, now: shown::time(facts.now), refresh }
    }
}

/// How it stands, in a word that has a colour.
struct Light {
    class: &'static str,
    word: &'static str,
    lines: Vec<String>,
}

fn light(facts: &Facts) -> Light {
    let mut lines: Vec<String> = Vec::new();
    if let Some(why) = &facts.held_back {
        lines.push(format!(
            "The file on disk is not served. It was rolled back: {why}. Mend it, or send SIGHUP to serve it all the same."
        ));
    }
    if !facts.is_last_reload_good {
        lines.push("The last file that was read was refused; the log says why. `portcullis check` says the same.".to_owned());
    }
    let held = facts.held_back.as_deref().map(|why| format!("rolled back: {why}"));
    let is_told = |note: &&String| held.as_ref().is_none_or(|held| !note.ends_with(held.as_str()));
    lines.extend(facts.readiness.notes.iter().filter(is_told).cloned());
    for group in &facts.groups {
        if group.is_fail_open {
            lines.push(format!(
                "Target group {}: no target is healthy, so all are asked.",
                group.name
            ));
        }
    }
    for issuer in &facts.issuers {
        if issuer.age.is_some_and(|age| age > issuer.max_stale / 2) {
            lines.push(format!(
                "User pool {}: its keys grow old; they could not be fetched anew.",
                issuer.user_pool
            ));
        }
    }
    for certificate in &facts.certificates {
        if certificate.end < facts.now.seconds() + SHORT {
            lines.push(format!("Certificate {} ends in less than 14 days.", certificate.file));
        }
    }
    if facts.readiness.ready {
        let (class, word) =
            if lines.is_empty() { ("good", "Ready") } else { ("warn", "Ready, but look") };
        Light { class, word, lines }
    } else {
        let reasons = facts.readiness.reasons.iter().cloned();
        Light { class: "bad", word: "Not ready", lines: reasons.chain(lines).collect() }
    }
}

/// A line of a table of denials.
struct DenialRow {
    id: String,
    ago: String,
    request: String,
    place: String,
    client: String,
    status: u16,
    reason: &'static str,
    short: String,
}

impl DenialRow {
    fn new(denial: &Denial, now: UnixMillis) -> Self {
        let short = match &denial.failed {
            Some(failed) if !failed.found.is_empty() => {
                let told =
                    format!("{} wanted: {}; found: {}", failed.what, failed.wanted, failed.found);
                told.replace('`', "")
            }
            _ => String::new(),
        };
        Self {
            id: id(denial),
            ago: shown::ago(denial.time, now),
            request: format!("{} {}{}", denial.method, denial.host, denial.path),
            place: place(denial),
            client: denial.client.to_string(),
            status: denial.status,
            reason: denial.reason,
            short,
        }
    }

    fn meaning(&self) -> Vec<Piece> {
        reasons::meaning(self.reason).map_or_else(Vec::new, |meaning| shown::prose(meaning.what))
    }
}

fn id(denial: &Denial) -> String {
    String::from_utf8_lossy(denial.request_id.as_bytes()).into_owned()
}

fn place(denial: &Denial) -> String {
    match (&*denial.rule, &*denial.api, &*denial.route) {
        (rule, "", _) => format!("rule {rule}"),
        (rule, api, route) => format!("rule {rule}, API {api}, route {route}"),
    }
}

/// `/`
#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    frame: Frame,
    facts: &'a Facts,
    light: Light,
    up_for: String,
    minute: Option<Interval>,
    lines: [(&'static str, String, String); 3],
    decisions: Vec<(&'static str, String, u64, Vec<Piece>)>,
    denials: Vec<DenialRow>,
    dead: usize,
    dead_routes: usize,
    ends: Vec<(String, String, String, bool)>,
}

pub(super) fn overview(facts: &Facts, refreshes: bool) -> Response {
    let last_minute = &facts.samples[facts.samples.len().saturating_sub(13)..];
    let minute = Interval::over(last_minute);
    let of = |part: fn(&Interval) -> u64| {
        let whole = minute.as_ref().map_or(0, |minute| minute.requests);
        minute.as_ref().map_or_else(|| "–".to_owned(), |m| shown::share(part(m), whole))
    };
    let rate = minute.as_ref().map_or_else(|| "–".to_owned(), Interval::rate);
    let line = |part| shown::sparkline(&facts.samples, part);
    let lines = [
        ("requests a second", rate, line(|i| i.requests)),
        ("answered 5xx", of(|i| i.errors), line(|i| i.errors)),
        ("denied", of(|i| i.denials), line(|i| i.denials)),
    ];
    let most = facts.decisions.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    let decisions = facts.decisions.iter().map(|(reason, count)| {
        let meaning = reasons::meaning(reason).map_or_else(Vec::new, |m| shown::prose(m.what));
        (*reason, shown::count(*count), (count * 100).div_ceil(most), meaning)
    });
    let ends = facts.certificates.iter().map(|certificate| {
        let left = certificate.end.saturating_sub(facts.now.seconds());
        let days = format!("{} days", left / 86_400);
        (certificate.listener.clone(), certificate.file.clone(), days, left < SHORT)
    });
    page(&Overview {
        frame: Frame::new("Overview", facts, refreshes),
        facts,
        light: light(facts),
        up_for: shown::span(facts.up_for),
        minute,
        lines,
        decisions: decisions.collect(),
        denials: facts
            .denials
            .iter()
            .take(FIRST_DENIALS)
            .map(|d| DenialRow::new(d, facts.now))
            .collect(),
        dead: dead(&facts.rules),
        dead_routes: dead(&facts.routes),
        ends: ends.collect(),
    })
}

/// `/page/denials`
#[derive(Template)]
#[template(path = "denials.html")]
struct DenialsPage {
    frame: Frame,
    find: String,
    denials: Vec<DenialRow>,
    kept: usize,
    suppressed: String,
}

pub(super) fn denials(facts: &Facts, find: &str) -> Response {
    let rows = facts.denials.iter().map(|denial| DenialRow::new(denial, facts.now));
    let is_sought = |row: &DenialRow| {
        let texts = [&*row.id, &row.request, &row.place, &row.client, row.reason];
        texts.iter().any(|text| contains(text, find))
    };
    page(&DenialsPage {
        frame: Frame::new("Denials", facts, false),
        find: find.to_owned(),
        denials: rows.filter(is_sought).collect(),
        kept: facts.denials.len(),
        suppressed: shown::count(facts.suppressed),
    })
}

/// `/page/denials/ID`
#[derive(Template)]
#[template(path = "denial.html")]
struct DenialPage<'a> {
    frame: Frame,
    denial: &'a Denial,
    row: DenialRow,
    time: String,
    meaning: Vec<Piece>,
    advice: Vec<Piece>,
    question: String,
}

pub(super) fn denial(facts: &Facts, sought: &str) -> Response {
    let Some(denial) = facts.denials.iter().find(|denial| id(denial) == sought) else {
        let detail = "no denial of this id is kept; there are the last 200";
        return Problem::new(StatusCode::NOT_FOUND, detail).into_response();
    };
    let meaning = reasons::meaning(denial.reason);
    let prose = |of: fn(reasons::Meaning) -> &'static str| {
        meaning.map_or_else(Vec::new, |meaning| shown::prose(of(meaning)))
    };
    page(&DenialPage {
        frame: Frame::new("Denial", facts, false),
        denial,
        row: DenialRow::new(denial, facts.now),
        time: shown::time(denial.time),
        meaning: prose(|meaning| meaning.what),
        advice: prose(|meaning| meaning.advice),
        question: question(denial),
    })
}

/// How to ask for all of it, quoted for a shell.
fn question(denial: &Denial) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    format!(
        "portcullis explain routes.yaml {} {} --listener {} -H {} --source-ip {} --token token.txt",
        quoted(&denial.method),
        quoted(&denial.path),
        quoted(&denial.listener),
        quoted(&format!("host: {}", denial.host)),
        denial.client,
    )
}

/// `/page/rules`
#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage<'a> {
    frame: Frame,
    find: String,
    only_dead: bool,
    /// The question but for the page, as it stands in a URL.
    others: String,
    rules: Vec<(&'a Rule, String, String, String)>,
    found: usize,
    all: usize,
    dead: usize,
    routes: usize,
    dead_routes: usize,
    number: usize,
    last: usize,
}

/// What of the rules is asked for.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct RulesQuery {
    #[serde(default)]
    find: String,
    #[serde(default)]
    dead: Option<String>,
    #[serde(default)]
    page: Option<usize>,
}

pub(super) fn rules(facts: &Facts, query: &RulesQuery) -> Response {
    let only_dead = query.dead.is_some();
    let is_sought = |rule: &&Rule| {
        let texts = [&*rule.listener, &rule.name, &rule.conditions, &rule.callers, &rule.action];
        (!only_dead || rule.requests == 0) && texts.iter().any(|text| contains(text, &query.find))
    };
    let found: Vec<_> = facts.rules.iter().chain(&facts.routes).filter(is_sought).collect();
    let last = found.len().div_ceil(RULES).max(1);
    let number = query.page.unwrap_or(1).clamp(1, last);
    let mut others = url::form_urlencoded::Serializer::new(String::new());
    if !query.find.is_empty() {
        others.append_pair("find", &query.find);
    }
    if only_dead {
        others.append_pair("dead", "");
    }
    let mut others = others.finish();
    if !others.is_empty() {
        others.push('&');
    }
    page(&RulesPage {
        frame: Frame::new("Rules", facts, false),
        find: query.find.clone(),
        only_dead,
        others,
        rules: found
            .iter()
            .skip((number - 1) * RULES)
            .take(RULES)
            .map(|rule| counted(rule))
            .collect(),
        found: found.len(),
        all: facts.rules.len(),
        dead: dead(&facts.rules),
        routes: facts.routes.len(),
        dead_routes: dead(&facts.routes),
        number,
        last,
    })
}

/// How many were never hit.
fn dead(rules: &[Rule]) -> usize {
    rules.iter().filter(|rule| rule.requests == 0).count()
}

/// A rule with its figures.
fn counted(rule: &Rule) -> (&Rule, String, String, String) {
    let Rule { requests, errors, denials, .. } = rule;
    let share = |part| shown::share(part, *requests);
    (rule, shown::count(*requests), share(*errors), share(*denials))
}

/// `/page/configuration`
#[derive(Template)]
#[template(path = "configuration.html")]
struct ConfigurationPage<'a> {
    frame: Frame,
    facts: &'a Facts,
    history: Vec<(&'a Served, String, &'a str)>,
    /// Absent where it is too long to be read here.
    config: Option<String>,
}

pub(super) fn configuration(facts: &Facts, config: &str) -> Response {
    let pretty = || {
        let value: serde_json::Value = serde_json::from_str(config).unwrap_or_default();
        let config = value.get("config").unwrap_or(&value);
        serde_json::to_string_pretty(config).unwrap_or_default()
    };
    page(&ConfigurationPage {
        frame: Frame::new("Configuration", facts, false),
        facts,
        history: facts.history.iter().map(served).collect(),
        config: (config.len() <= LONGEST_CONFIG).then(pretty),
    })
}

/// A file of the history, since when, and the beginning of its digest.
fn served(served: &Served) -> (&Served, String, &str) {
    let since = shown::time(UnixMillis(served.served_since * 1000));
    (served, since, served.sha256.get(..12).unwrap_or(&served.sha256))
}

pub(super) fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// Whether a text has another one in it, whatever the case of its letters.
fn contains(text: &str, sought: &str) -> bool {
    sought.is_empty() || text.to_lowercase().contains(&sought.to_lowercase())
}

fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response(),
        Err(why) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response()
        }
    }
}
