//! Listeners and rules, in the controller's order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Kind, Note};
use super::actions::backend;
use super::annotations::Annotations;
use super::objects::{Ingress, Objects};
use super::ports::{Port, certificates, listen_ports};
use super::{Answers, note};

/// Writes a load balancer down: a group of Ingresses.
pub(super) fn balancer(
    name: &str,
    ingresses: &[Ingress],
    objects: &Objects,
    answers: &mut Answers,
    notes: &mut Vec<Note>,
) {
    let first = |key: &str| ingresses.iter().find_map(|one| one.annotations.text(key));
    let arn = format!("kubernetes:loadbalancer/app/{name}/0");
    answers.balancers.push(json!({
        "LoadBalancerArn": arn, "LoadBalancerName": name, "Type": "application",
    }));
    let mut attributes: Vec<Value> = ingresses
        .iter()
        .flat_map(|one| one.annotations.attributes("load-balancer-attributes"))
        .collect();
    let idle = "idle_timeout.timeout_seconds";
    if !attributes.iter().any(|one| one.get("Key").and_then(Value::as_str) == Some(idle)) {
        attributes.push(json!({ "Key": idle, "Value": "60" }));
    }
    answers.attributes.push((name.to_owned(), json!({ "Attributes": attributes })));
    let mut ports: BTreeMap<Port, Vec<&Ingress>> = BTreeMap::new();
    for ingress in ingresses {
        for port in listen_ports(ingress, notes) {
            ports.entry(port).or_default().push(ingress);
        }
    }
    let redirect = first("ssl-redirect").map(str::to_owned);
    let policy = first("ssl-policy").map(str::to_owned);
    for (ingress, closed) in ingresses.iter().map(|one| (one, is_closed(one, objects, notes))) {
        if closed {
            answers.backends.close(&ingress.name());
        }
    }
    for ((port, is_https), of_port) in ports {
        let listener = format!("kubernetes:listener/app/{name}/0/{port}");
        let own_redirect = redirect.as_deref().filter(|_| !is_https);
        answers.listeners.push(json!({
            "ListenerArn": listener, "LoadBalancerArn": arn, "Port": port,
            "Protocol": if is_https { "HTTPS" } else { "HTTP" }, "SslPolicy": policy,
            "Certificates": certificates(&of_port),
        }));
        let front = format!("kubernetes:listener-rule/app/{name}/0/{port}");
        let default = match own_redirect {
            Some(to) => vec![json!({ "Type": "redirect", "RedirectConfig": {
                "Protocol": "HTTPS", "Port": to, "StatusCode": "HTTP_301" } })],
            None => {
                let mut writer = Rules {
                    objects,
                    answers,
                    notes,
                    is_https,
                    front: &front,
                    next: 1,
                    full: Vec::new(),
                };
                for ingress in &of_port {
                    writer.ingress(ingress);
                }
                writer.default(&of_port)
            }
        };
        answers.rules.push(json!({
            "RuleArn": format!("{front}/default"), "Priority": "default", "Actions": default,
        }));
    }
}

pub(super) fn place(ingress: &Ingress) -> String {
    format!("Ingress {}", ingress.name())
}

/// Tells what is not read of its annotations and of its Services', and whether that may have kept
/// somebody out.
fn is_closed(ingress: &Ingress, objects: &Objects, notes: &mut Vec<Note>) -> bool {
    let mut closed = false;
    let mut tell = |of: &Annotations, place: &str| {
        for (key, is_guard) in of.unknown() {
            let then = if is_guard { "; rules that it may guard answer 503" } else { "" };
            note(
                notes,
                Kind::Dropped,
                place,
                format!("`{key}` is not known to this importer{then}"),
            );
            closed |= is_guard;
        }
    };
    tell(&ingress.annotations, &place(ingress));
    let paths = |rule: &Value| rule.pointer("/http/paths").and_then(Value::as_array).cloned();
    let rules = ingress.spec.get("rules").and_then(Value::as_array);
    for path in rules.into_iter().flatten().filter_map(paths).flatten() {
        let name = path.pointer("/backend/service/name").and_then(Value::as_str);
        if let Some(service) = name.and_then(|name| objects.service(&ingress.namespace, name)) {
            tell(&service.annotations, &format!("Service {}", name.unwrap_or_default()));
        }
    }
    closed
}

pub(super) struct Rules<'a> {
    pub(super) objects: &'a Objects,
    pub(super) answers: &'a mut Answers,
    pub(super) notes: &'a mut Vec<Note>,
    pub(super) is_https: bool,
    pub(super) front: &'a str,
    next: u64,
    /// Hosts of which some rule takes everything.
    full: Vec<Vec<String>>,
}

pub(super) fn fixed(status: &str) -> Value {
    json!({ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": status } })
}

impl Rules<'_> {
    fn ingress(&mut self, ingress: &Ingress) {
        let rules = ingress.spec.get("rules").and_then(Value::as_array);
        for rule in rules.into_iter().flatten() {
            let host = rule.get("host").and_then(Value::as_str).filter(|host| !host.is_empty());
            let paths = rule.pointer("/http/paths").and_then(Value::as_array);
            let mut paths: Vec<&Value> = paths.into_iter().flatten().collect();
            paths.sort_by_key(|path| {
                let length = text(path, "path").len();
                match text(path, "pathType") {
                    "Exact" => (0, 0),
                    "Prefix" => (1, usize::MAX - length),
                    _ => (2, 0),
                }
            });
            for path in paths {
                self.path(ingress, host, path);
            }
        }
    }

    fn path(&mut self, ingress: &Ingress, host: Option<&str>, path: &Value) {
        let own = text(path, "path");
        let at = format!("{}, {}{own}", place(ingress), host.unwrap_or_default());
        let kind = text(path, "pathType");
        if matches!(kind, "Exact" | "Prefix") && own.contains(['*', '?']) {
            let text = format!("the whole rule: a path of type {kind} has no wildcards");
            return note(self.notes, Kind::Dropped, &at, text);
        }
        let mut paths: Vec<String> = match (kind, own) {
            (_, "") => Vec::new(),
            ("Prefix", "/") => vec!["/*".to_owned()],
            ("Prefix", own) => {
                let own = own.trim_end_matches('/');
                vec![own.to_owned(), format!("{own}/*")]
            }
            (_, own) => vec![own.to_owned()],
        };
        let mut hosts: Vec<String> = host.map(str::to_owned).into_iter().collect();
        let backend = backend(path.get("backend"));
        let (mut actions, mut is_understood) = self.actions(ingress, &backend, &at);
        if actions.iter().any(|action| self.comes_back(action)) {
            // The controller leaves it out too: it is meant for the other listener.
            return;
        }
        let service = backend.pointer("/service/name").and_then(Value::as_str).unwrap_or_default();
        let mut conditions = Vec::new();
        match ingress.annotations.json(&format!("conditions.{service}")) {
            Ok(more) => {
                for condition in more.as_ref().and_then(Value::as_array).into_iter().flatten() {
                    let values = |pointer| {
                        let list = condition.pointer(pointer).and_then(Value::as_array);
                        let list = list.into_iter().flatten().filter_map(Value::as_str);
                        list.map(str::to_owned).collect::<Vec<_>>()
                    };
                    match text(condition, "Field") {
                        "host-header"
                            if condition.pointer("/HostHeaderConfig/RegexValues").is_none() =>
                        {
                            hosts.extend(values("/HostHeaderConfig/Values"));
                        }
                        "path-pattern"
                            if condition.pointer("/PathPatternConfig/RegexValues").is_none() =>
                        {
                            paths.extend(values("/PathPatternConfig/Values"));
                        }
                        _ => conditions.push(condition.clone()),
                    }
                }
            }
            Err(()) => is_understood = false,
        }
        let transforms = ingress.annotations.json(&format!("transforms.{service}"));
        is_understood &= transforms.is_ok();
        let has_own_sources =
            conditions.iter().any(|condition| text(condition, "Field") == "source-ip");
        if let Some(networks) = networks(ingress) {
            if has_own_sources {
                let text = "`inbound-cidrs` and a condition on the source: it answers 503";
                note(self.notes, Kind::Dropped, &at, text);
                actions = vec![fixed("503")];
            } else {
                conditions.push(
                    json!({ "Field": "source-ip", "SourceIpConfig": { "Values": networks } }),
                );
            }
        }
        if !is_understood {
            note(
                self.notes,
                Kind::Dropped,
                &at,
                "an annotation of it is no JSON that is understood: it answers 503",
            );
            actions = vec![fixed("503")];
        }
        if hosts.is_empty()
            && paths.is_empty()
            && conditions.iter().all(|one| text(one, "Field") == "source-ip")
        {
            paths.push("/*".to_owned());
        }
        if self.full.contains(&hosts) {
            note(
                self.notes,
                Kind::Advice,
                &at,
                "left out: a rule in front takes all requests of its host",
            );
            return;
        }
        if conditions.is_empty() && paths == ["/*"] {
            self.full.push(hosts.clone());
        }
        if !hosts.is_empty() {
            conditions
                .push(json!({ "Field": "host-header", "HostHeaderConfig": { "Values": hosts } }));
        }
        if !paths.is_empty() {
            conditions
                .push(json!({ "Field": "path-pattern", "PathPatternConfig": { "Values": paths } }));
        }
        let priority = self.next;
        self.next += 1;
        self.answers.rules.push(json!({
            "RuleArn": format!("{}/{priority}", self.front), "Priority": priority.to_string(),
            "Origin": place(ingress), "Conditions": conditions, "Actions": actions,
            "Transforms": transforms.ok().flatten().unwrap_or_else(|| json!([])),
        }));
    }

    /// What becomes of requests that no rule takes.
    fn default(&mut self, ingresses: &[&Ingress]) -> Vec<Value> {
        let has_one = |one: &&&Ingress| one_of(&one.spec).is_some_and(|backend| !backend.is_null());
        let Some(ingress) = ingresses.iter().find(has_one) else { return vec![fixed("404")] };
        let at = format!("default backend of {}", place(ingress));
        if networks(ingress).is_some() {
            note(
                self.notes,
                Kind::Dropped,
                &at,
                "`inbound-cidrs` has no default rule: it answers 503",
            );
            return vec![fixed("503")];
        }
        let backend = backend(one_of(&ingress.spec));
        match self.actions(ingress, &backend, &at) {
            (actions, true) => actions,
            (_, false) => {
                note(
                    self.notes,
                    Kind::Dropped,
                    &at,
                    "an annotation of it is no JSON that is understood: it answers 503",
                );
                vec![fixed("503")]
            }
        }
    }
}

fn one_of(spec: &Value) -> Option<&Value> {
    spec.get("defaultBackend").or_else(|| spec.get("backend"))
}

/// Who may connect, where that is not everybody.
fn networks(ingress: &Ingress) -> Option<Vec<String>> {
    let networks = ingress.annotations.list("inbound-cidrs");
    let is_all = networks.iter().any(|network| network == "0.0.0.0/0");
    (!networks.is_empty() && !is_all).then_some(networks)
}

pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
