//! `listeners:`: where we accept, and in which order rules are tried.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::rule::Place;
use super::{Judge, Scene, address, seconds};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned, Table};
use crate::config::model::{DesyncMitigationMode, Listener, PathPolicy, Rule};
use crate::config::raw;

/// A listener, and what other checks need of it even when it is wrong.
pub(super) struct Judged {
    pub(super) name: String,
    pub(super) address: Option<(Span, SocketAddr)>,
    pub(super) model: Option<Listener>,
}

/// Most sockets that are listened on.
const MOST_LISTENERS: usize = 1_000;
/// Longest time limit of a client connection.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Judge<'_> {
    /// All listeners, and the headers that their rules own.
    pub(super) fn listeners(
        &mut self,
        raw: Field<Table<raw::Listener>>,
        scene: &mut Scene<'_>,
    ) -> (Vec<Judged>, Vec<String>) {
        let mut listeners = Vec::new();
        let mut owned = Vec::new();
        let Field::Given(table) = raw else { return (listeners, owned) };
        if let Some((name, _)) = table.value.entries.get(MOST_LISTENERS) {
            let message = format!("more than {MOST_LISTENERS} listeners");
            self.report(Diagnostic::error("out-of-range", name.span, message));
            return (listeners, owned);
        }
        for (name, listener) in table.value.entries {
            self.check_name("listener", &name);
            let Some(listener) = listener else {
                listeners.push(Judged { name: name.value, address: None, model: None });
                continue;
            };
            listeners.push(self.listener(name, listener, scene, &mut owned));
        }
        (listeners, owned)
    }

    fn listener(
        &mut self,
        name: Spanned<String>,
        raw: raw::Listener,
        scene: &mut Scene<'_>,
        owned: &mut Vec<String>,
    ) -> Judged {
        let address = self.demand(&raw.address, name.span, "address").and_then(|text| {
            let address = address::listen(&text.value);
            Some((text.span, self.accept("invalid-address", text.span, address)?))
        });
        let tls = raw.tls.given().and_then(|tls| self.listener_tls(tls));
        let has_tls = !raw.tls.is_absent();
        if let Some(key) = raw.plaintext.key().filter(|_| has_tls) {
            let message = "`plaintext` is for listeners without `tls`";
            self.report(Diagnostic::error("contradiction", key, message));
        }
        let exposed = address.is_some_and(|(_, address)| !address.ip().is_loopback());
        let path = path_policy(raw.path.value());
        let place = Place {
            tls: has_tls,
            tokens_in_clear: !has_tls && exposed && raw.plaintext.is_absent(),
            merge_slashes: path.merge_slashes,
        };

        let trusted_proxies = self.trusted_proxies(&raw.trusted_proxies);
        let proxy_protocol = self.proxy_protocol(&raw, address);
        let request_headers = self.request_headers(&raw, has_tls, owned);
        let tls_headers = raw.tls_headers.key();
        let response_headers = self.response_headers(&raw.response_headers);
        let error_pages = self.error_pages(&raw.error_pages).over(&scene.error_pages);

        let rules = self.rules(raw.rules, place, scene, owned);
        let default_rule = self.default_rule(&name, raw.default_action, place, scene, owned);
        if let (Some(key), Some(names)) = (tls_headers, &request_headers.tls) {
            self.check_tls_names(key, names, rules.iter().chain(&default_rule));
        }
        let limits = LIMIT_SHORTEST..=DAY;
        let idle_timeout = self.duration(&raw.idle_timeout, seconds(60), limits.clone());
        let client_keep_alive =
            self.duration(&raw.client_keep_alive, seconds(3600), limits.clone());
        let head_timeout = self.duration(&raw.head_timeout, seconds(10), limits);
        let max_request_body = self.size(&raw.max_request_body, 1 << 30, 0..=1 << 50);
        let max_connections = self.number(&raw.max_connections, 65_536, 1..=1_000_000);
        let max_per_client = self.number(&raw.max_connections_per_client, 1, 1..=1_000_000);
        let max_connections_per_client =
            raw.max_connections_per_client.given().map(|_| max_per_client);
        let max_http2_requests = self.number(&raw.max_http2_requests, 10_000, 1..=1_000_000_000);
        let model = address.zip(default_rule).map(|((_, address), default_rule)| Listener {
            name: name.value.as_str().into(),
            address,
            tls,
            http2: raw.http2.value().copied().unwrap_or(true),
            path,
            trusted_proxies,
            proxy_protocol,
            request_headers,
            response_headers,
            error_pages,
            idle_timeout,
            client_keep_alive,
            head_timeout,
            desync_mitigation_mode: desync_mitigation_mode(raw.desync_mitigation_mode.value()),
            max_request_body,
            max_connections,
            max_connections_per_client,
            max_http2_requests,
            rules,
            default_rule,
            span: name.span,
        });
        Judged { name: name.value, address, model }
    }

    fn default_rule(
        &mut self,
        listener: &Spanned<String>,
        raw: Field<raw::DefaultAction>,
        place: Place,
        scene: &mut Scene<'_>,
        owned: &mut Vec<String>,
    ) -> Option<Rule> {
        match raw {
            Field::Wrong(_) => None,
            Field::Absent => Some(super::rule::not_found(listener.span, scene)),
            Field::Given(action) => {
                let span = action.key;
                let rule =
                    self.rule("default".into(), (span, span), &action.value.into(), place, scene)?;
                own_headers(&rule, owned);
                Some(rule)
            }
        }
    }

    fn rules(
        &mut self,
        raw: Field<crate::config::field::List<raw::Rule>>,
        place: Place,
        scene: &mut Scene<'_>,
        owned: &mut Vec<String>,
    ) -> Vec<Rule> {
        let Field::Given(list) = raw else { return Vec::new() };
        let list = list.value.items;
        let prioritized = self.check_priorities(&list);
        let mut names: HashMap<String, Span> = HashMap::with_capacity(list.len());
        let mut rules = Vec::with_capacity(list.len());
        for (position, item) in list.iter().enumerate() {
            let raw = &item.value;
            let (name, span) = match raw.name.given() {
                Some(name) => (name.value.clone(), name.span),
                None => (format!("rule-{}", position + 1), item.span),
            };
            if let Some(name) = raw.name.given() {
                self.check_name("rule", name);
                if name.value == "default" {
                    let message = "`default` is the name of the listener's default action";
                    self.report(Diagnostic::error("invalid-name", name.span, message));
                }
            }
            if let Some(first) = names.get(&name) {
                let message = format!("two rules of this listener are named `{name}`");
                self.report(
                    Diagnostic::error("duplicate-rule-name", span, message)
                        .related(*first, "first given here"),
                );
            } else {
                names.insert(name.clone(), span);
            }
            self.check_conditions_present(item);
            let Some(mut rule) = self.rule(name.into(), (span, item.key), raw, place, scene) else {
                continue;
            };
            let in_file = u32::try_from(position + 1).unwrap_or(u32::MAX);
            rule.priority = match raw.priority.value() {
                Some(&priority) if prioritized => u32::try_from(priority).unwrap_or(u32::MAX),
                _ => in_file,
            };
            own_headers(&rule, owned);
            rules.push(rule);
        }
        rules.sort_by_key(|rule| rule.priority);
        rules
    }

    /// Whether rules are ordered by priority: every one has its own, or none has any.
    fn check_priorities(&mut self, rules: &[Spanned<raw::Rule>]) -> bool {
        const MOST: u64 = 50_000;
        let mut seen: HashMap<u64, Span> = HashMap::new();
        let mut given = None;
        for priority in rules.iter().filter_map(|rule| rule.value.priority.given()) {
            given = given.or(Some(priority.span));
            if !(1..=MOST).contains(&priority.value) {
                let message = format!("`{}` is out of range: 1 to {MOST}", priority.value);
                self.report(Diagnostic::error("out-of-range", priority.span, message));
            } else if let Some(first) = seen.get(&priority.value) {
                let message = format!("the priority {} is taken", priority.value);
                self.report(
                    Diagnostic::error("priority-in-use", priority.span, message)
                        .related(*first, "by this rule"),
                );
            } else {
                seen.insert(priority.value, priority.span);
            }
        }
        let Some(given) = given else { return false };
        let mut lacking = rules.iter().filter(|rule| rule.value.priority.is_absent());
        if let Some(rule) = lacking.next() {
            let span = rule.value.name.given().map_or(rule.span, |name| name.span);
            let message = match lacking.count() {
                0 => "this rule has no `priority`, but another one has".to_owned(),
                more => {
                    format!("this rule and {more} more have no `priority`, but another one has")
                }
            };
            self.report(
                Diagnostic::error("missing-priority", span, message)
                    .related(given, "such as this one")
                    .help("give every rule of the listener a priority, or none"),
            );
        }
        true
    }

    fn check_conditions_present(&mut self, item: &Spanned<raw::Rule>) {
        let conditions = &item.value.conditions;
        let empty = match conditions {
            Field::Absent => true,
            Field::Wrong(_) => false,
            Field::Given(conditions) => {
                let conditions = &conditions.value;
                conditions.host_header.is_absent()
                    && conditions.path_pattern.is_absent()
                    && conditions.http_request_method.is_absent()
                    && conditions.http_header.is_absent()
                    && conditions.query_string.is_absent()
                    && conditions.source_ip.is_absent()
            }
        };
        const CONDITIONS: [&str; 6] = [
            "host_header",
            "path_pattern",
            "http_request_method",
            "http_header",
            "query_string",
            "source_ip",
        ];
        let misspelt = self.misspelt.has_any(item.key, &["conditions"])
            || conditions.key().is_some_and(|key| self.misspelt.has_any(key, &CONDITIONS));
        if empty && !misspelt {
            let name = item.value.name.given().map(|name| name.span);
            let span = conditions.key().or(name).unwrap_or(item.span);
            let message = "this rule has no condition, so no rule after it would ever be tried";
            self.report(
                Diagnostic::error("missing-conditions", span, message)
                    .help("add a condition, or make it the listener's `default_action`"),
            );
        }
    }
}

/// Shortest time limit of a client connection; tests of operators want short ones.
const LIMIT_SHORTEST: Duration = Duration::from_millis(10);

fn own_headers(rule: &Rule, owned: &mut Vec<String>) {
    if rule.authenticates() {
        for header in rule.claim_headers.iter() {
            if !owned.contains(&header.header) {
                owned.push(header.header.clone());
            }
        }
    }
}

const fn desync_mitigation_mode(raw: Option<&raw::DesyncMitigationMode>) -> DesyncMitigationMode {
    match raw {
        Some(raw::DesyncMitigationMode::Monitor) => DesyncMitigationMode::Monitor,
        None | Some(raw::DesyncMitigationMode::Defensive) => DesyncMitigationMode::Defensive,
        Some(raw::DesyncMitigationMode::Strictest) => DesyncMitigationMode::Strictest,
    }
}

fn path_policy(raw: Option<&raw::PathPolicy>) -> PathPolicy {
    let mut policy = PathPolicy::default();
    let Some(raw) = raw else { return policy };
    policy.keep_encoded_slash = matches!(raw.encoded_slash.value(), Some(raw::EncodedSlash::Keep));
    policy.keep_parameters = matches!(raw.parameters.value(), Some(raw::Parameters::Keep));
    policy.merge_slashes = raw.merge_slashes.value().copied().unwrap_or(true);
    policy
}
