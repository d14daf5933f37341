//! From typed tests to what they mean: names resolved, every mistake reported.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};

use super::{Caller, Expect, Request, Test, raw};
use crate::config::decode::{Misspelt, quoted};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, List, Spanned, Table};
use crate::config::model::{Config, Located};
use crate::config::{DurationText, suggest};

const EXPECTATIONS: [&str; 10] = [
    "rule",
    "route",
    "forwarded",
    "target_group",
    "status",
    "reason",
    "location",
    "target_path",
    "headers",
    "headers_absent",
];

/// What names in tests may refer to.
pub(super) struct Known<'a> {
    pools: Vec<&'a str>,
    groups: Vec<&'a str>,
    listeners: Vec<&'a str>,
    rules: Vec<&'a str>,
    routes: Vec<&'a str>,
}

impl<'a> Known<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        let rules = config.listeners.iter().flat_map(|listener| {
            listener.rules.iter().chain(std::iter::once(&listener.default_rule))
        });
        Self {
            pools: config.user_pools.iter().map(|pool| &*pool.name).collect(),
            groups: config.target_groups.iter().map(|group| &*group.name).collect(),
            listeners: config.listeners.iter().map(|listener| &*listener.name).collect(),
            rules: rules.map(|rule| &*rule.name).collect(),
            routes: config.apis.iter().flat_map(|api| &api.routes).map(|r| &*r.key).collect(),
        }
    }
}

/// Judges a file of tests against a configuration.
pub(super) struct Judge<'a> {
    known: &'a Known<'a>,
    misspelt: &'a Misspelt,
    findings: &'a mut Vec<Diagnostic>,
    /// By name; `None` for one that is wrong.
    identities: Vec<(String, Option<Caller>)>,
}

impl<'a> Judge<'a> {
    pub(super) const fn new(
        known: &'a Known<'a>,
        misspelt: &'a Misspelt,
        findings: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Self { known, misspelt, findings, identities: Vec::new() }
    }

    /// All tests of a file.
    pub(super) fn file(&mut self, file: &Spanned<raw::File>) -> Vec<Test> {
        for (name, identity) in file.value.identities.value().map_or(&[][..], |all| &all.entries) {
            let caller = identity.as_ref().map(|identity| self.identity(identity));
            self.identities.push((name.value.clone(), caller));
        }
        if file.value.tests.is_absent() && !self.misspelt.has_any(file.key, &["tests"]) {
            self.error("missing-key", file.key, "`tests` is missing");
        }
        self.list(&file.value.tests)
    }

    /// All tests of a list.
    pub(super) fn list(&mut self, tests: &Field<List<raw::Test>>) -> Vec<Test> {
        let Some(tests) = tests.given() else { return Vec::new() };
        if tests.value.is_empty {
            self.error("empty-list", tests.key, "there is no test");
        }
        tests.value.items.iter().flat_map(|test| self.test(test)).collect()
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.findings.push(Diagnostic::error(code, span, message));
    }

    /// A name that must be one of those.
    fn name(&mut self, name: &Field<String>, what: &str, known: &[&str]) -> Option<String> {
        let given = name.given()?;
        if known.contains(&given.value.as_str()) {
            return Some(given.value.clone());
        }
        self.findings.push(unknown(what, &given.value, given.span, known));
        None
    }

    fn identity(&mut self, raw: &raw::Identity) -> Caller {
        let mut claims = serde_json::Map::new();
        for (name, value) in raw.claims.value().map_or(&[][..], |claims| &claims.entries) {
            if let Some(value) = value {
                claims.insert(name.value.clone(), value.0.clone());
            }
        }
        Caller {
            user_pool: self.name(&raw.user_pool, "user pool", &self.known.pools),
            claims,
            expires_in: raw.expires_in.given().and_then(|text| self.signed_duration(text)),
            is_forged: matches!(raw.signature.value(), Some(raw::Signature::Forged)),
            in_session: raw.session.value().copied().unwrap_or_default(),
        }
    }

    fn signed_duration(&mut self, text: &Spanned<String>) -> Option<i64> {
        let bare = text.value.strip_prefix('-');
        match DurationText::from_str(bare.unwrap_or(&text.value)) {
            Ok(DurationText(duration)) => {
                let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
                if duration != Duration::from_secs(duration.as_secs()) {
                    self.error("out-of-range", text.span, "tokens count whole seconds");
                }
                Some(if bare.is_some() { -seconds } else { seconds })
            }
            Err(why) => {
                self.error("invalid-duration", text.span, why.to_string());
                None
            }
        }
    }

    fn caller(&mut self, raw: &Field<raw::Caller>) -> Option<Caller> {
        let given = raw.given()?;
        match &given.value {
            raw::Caller::Identity(identity) => Some(self.identity(identity)),
            raw::Caller::Name(name) => {
                let found = self.identities.iter().find(|(known, _)| known == name);
                if let Some((_, caller)) = found {
                    return caller.clone();
                }
                let known: Vec<String> =
                    self.identities.iter().map(|(name, _)| name.clone()).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let field = Field::Given(given.at(name.clone()));
                self.name(&field, "identity", &known);
                None
            }
        }
    }

    /// One test for each case.
    fn test(&mut self, test: &Spanned<raw::Test>) -> Vec<Test> {
        let raw = &test.value;
        let requests = self.requests(raw, test.span);
        let name = raw.name.value().cloned().unwrap_or_else(|| match requests.first() {
            Some(Request { method, url }) => format!("{method} {url}"),
            None => String::new(),
        });
        let base = Test {
            name,
            span: test.span,
            requests,
            headers: self.request_headers(&raw.headers),
            source_ip: self.source_ip(&raw.source_ip),
            listener: self.name(&raw.listener, "listener", &self.known.listeners),
            http2: raw.http2.value().copied().unwrap_or_default(),
            caller: None,
            expect: Expect::default(),
        };
        if let Field::Given(cases) = &raw.cases {
            for (name, key) in [("as", raw.caller.key()), ("expect", raw.expect.key())] {
                if let Some(key) = key {
                    let message = format!("`{name}` stands beside `cases`, where each has its own");
                    self.error("contradiction", key, message);
                }
            }
            return cases.value.items.iter().map(|case| self.case(&base, case)).collect();
        }
        let has_none = raw.expect.is_absent() && raw.cases.is_absent();
        if has_none && !self.misspelt.has_any(test.span, &["expect", "cases"]) {
            self.findings.push(
                Diagnostic::error("missing-key", test.span, "this test expects nothing")
                    .help("add `expect: { status: ... }`, or `rule`, `target_group`, `reason`"),
            );
        }
        let caller = self.caller(&raw.caller);
        let expect = self.expect(&raw.expect);
        vec![Test { caller, expect, ..base }]
    }

    fn case(&mut self, base: &Test, case: &Spanned<raw::Case>) -> Test {
        let who = match case.value.caller.value() {
            None => "nobody",
            Some(raw::Caller::Name(name)) => name,
            Some(raw::Caller::Identity(_)) => "somebody",
        };
        if case.value.expect.is_absent() && !self.misspelt.has_any(case.span, &["expect"]) {
            self.error("missing-key", case.span, "this case expects nothing");
        }
        Test {
            name: format!("{} (as {who})", base.name),
            span: case.span,
            caller: self.caller(&case.value.caller),
            expect: self.expect(&case.value.expect),
            ..base.clone()
        }
    }

    fn requests(&mut self, raw: &raw::Test, test: Span) -> Vec<Request> {
        let given = match &raw.request {
            Field::Given(given) => given,
            Field::Absent if !self.misspelt.has_any(test, &["request"]) => {
                self.error("missing-key", test, "this test has no `request`");
                return Vec::new();
            }
            Field::Absent | Field::Wrong(_) => return Vec::new(),
        };
        match &given.value {
            raw::Requests::One(text) => self.request(&given.at(text.clone())).into_iter().collect(),
            raw::Requests::Several(list) => {
                if list.is_empty {
                    self.error("empty-list", given.key, "`request` may not be an empty list");
                }
                list.items.iter().filter_map(|text| self.request(text)).collect()
            }
        }
    }

    fn request(&mut self, text: &Spanned<String>) -> Option<Request> {
        let parts = text.value.split_once(' ').map(|(method, url)| (method, url.trim()));
        match parts {
            Some((method, url))
                if url.starts_with('/')
                    || url == "*"
                    || url.contains("://") && !method.is_empty() =>
            {
                Some(Request { method: method.to_owned(), url: url.to_owned() })
            }
            _ => {
                let message = format!("{} is no request", quoted(&text.value));
                let finding = Diagnostic::error("invalid-request", text.span, message);
                self.findings.push(finding.help("write `GET https://HOST/PATH`, or `GET /PATH`"));
                None
            }
        }
    }

    fn source_ip(&mut self, raw: &Field<String>) -> IpAddr {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let Some(given) = raw.given() else { return localhost };
        given.value.parse().unwrap_or_else(|_| {
            let message = format!("{} is no IP address", quoted(&given.value));
            self.error("invalid-address", given.span, message);
            localhost
        })
    }

    fn request_headers(&mut self, raw: &Field<Table<String>>) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        for (name, value) in raw.value().map_or(&[][..], |table| &table.entries) {
            let Some(value) = value else { continue };
            match (HeaderName::try_from(&name.value), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => headers.push((name, value)),
                _ => self.error("invalid-header", name.span, "this cannot be a header"),
            }
        }
        headers
    }

    fn header_name(&mut self, name: &Spanned<String>) -> Option<String> {
        match HeaderName::try_from(&name.value) {
            Ok(name) => Some(name.as_str().to_owned()),
            Err(_) => {
                let message = format!("{} is no header name", quoted(&name.value));
                self.error("invalid-header", name.span, message);
                None
            }
        }
    }

    fn expect(&mut self, raw: &Field<Box<raw::Expect>>) -> Expect {
        let Some(given) = raw.given() else { return Expect::default() };
        let raw = &*given.value;
        let headers = raw.headers.value().map_or(&[][..], |table| &table.entries);
        let mut wanted = Vec::new();
        for (name, value) in headers {
            if let (Some(name), Some(value)) = (self.header_name(name), value) {
                wanted.push((name, value.clone()));
            }
        }
        let absent = raw.headers_absent.value().map_or(&[][..], |list| &list.items);
        let absent: Vec<_> = absent.iter().filter_map(|name| self.header_name(name)).collect();
        if let Some(name) = absent.iter().find(|name| wanted.iter().any(|(own, _)| own == *name)) {
            let message = format!("`{name}` cannot be there and absent");
            self.error("contradiction", raw.headers_absent.key().unwrap_or(given.key), message);
        }
        let expect = Expect {
            rule: self.name(&raw.rule, "rule", &self.known.rules),
            route: self.name(&raw.route, "route", &self.known.routes),
            forwarded: raw.forwarded.value().copied(),
            target_group: self.name(&raw.target_group, "target group", &self.known.groups),
            status: self.status(&raw.status),
            reason: raw
                .reason
                .given()
                .map(|reason| Located { value: reason.value.clone(), span: reason.span }),
            location: raw.location.value().cloned(),
            target_path: raw.target_path.value().cloned(),
            headers: wanted,
            headers_absent: absent,
        };
        self.agrees_with_itself(raw, given.key);
        if raw.is_empty() && !self.misspelt.has_any(given.key, &EXPECTATIONS) {
            self.error("empty-mapping", given.key, "`expect` expects nothing");
        }
        expect
    }

    /// Forwarded requests have no status of ours, answered ones no target group.
    fn agrees_with_itself(&mut self, raw: &raw::Expect, place: Span) {
        let of_forwards =
            [("target_group", raw.target_group.key()), ("target_path", raw.target_path.key())];
        let of_answers = [("status", raw.status.key()), ("location", raw.location.key())];
        let mut forwards = of_forwards.iter().filter_map(|(name, key)| Some((*name, (*key)?)));
        let mut answers = of_answers.iter().filter_map(|(name, key)| Some((*name, (*key)?)));
        let forward = forwards.next();
        let answer = answers.next();
        let forwarded = raw.forwarded.value();
        let clash = match (forward, answer, forwarded) {
            (Some((one, _)), Some((other, key)), _) => Some((one, other, key)),
            (Some((one, key)), None, Some(false)) => Some(("forwarded: false", one, key)),
            (None, Some((one, key)), Some(true)) => Some(("forwarded: true", one, key)),
            _ => None,
        };
        if let Some((one, other, key)) = clash {
            let message = format!("no request can have both: `{one}` and `{other}`");
            let span = if key == Span::default() { place } else { key };
            self.findings.push(
                Diagnostic::error("contradiction", span, message)
                    .help("`status` and `location` are those of the gateway's own answers"),
            );
        }
    }

    fn status(&mut self, raw: &Field<u64>) -> Option<u16> {
        let given = raw.given()?;
        let status = u16::try_from(given.value).ok().filter(|status| (100..600).contains(status));
        if status.is_none() {
            self.error("out-of-range", given.span, "a status is between 100 and 599");
        }
        status
    }
}

/// A name that stands for nothing.
pub(super) fn unknown(what: &str, name: &str, span: Span, known: &[&str]) -> Diagnostic {
    let message = format!("there is no {what} {}", quoted(name));
    let mut finding = Diagnostic::error("unknown-name", span, message);
    finding.help = suggest::did_you_mean(name, known.iter().copied());
    finding
}
