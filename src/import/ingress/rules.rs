//! Listeners and rules, in the controller's order.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{Kind, Note};
use super::annotations::Annotations;
use super::objects::{Ingress, Objects};
use super::{Answers, note};

/// A port, and whether it speaks HTTPS.
type Port = (u64, bool);

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
                let mut writer =
                    Rules { objects, answers, notes, is_https, front: &front, next: 1 };
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

/// `[{"HTTP": 80}]`
fn listen_ports(ingress: &Ingress, notes: &mut Vec<Note>) -> Vec<Port> {
    let annotations = &ingress.annotations;
    let usual = match annotations.text("certificate-arn") {
        Some(_) => (443, true),
        None => (80, false),
    };
    let Some(text) = annotations.text("listen-ports") else { return vec![usual] };
    let list: Vec<BTreeMap<String, u64>> = serde_json::from_str(text).unwrap_or_default();
    let ports: Vec<Port> = list
        .iter()
        .flatten()
        .filter(|(protocol, _)| matches!(&***protocol, "HTTP" | "HTTPS"))
        .map(|(protocol, port)| (*port, protocol == "HTTPS"))
        .collect();
    if ports.is_empty() {
        let text = format!("`listen-ports` is not understood: port {} it is", usual.0);
        note(notes, Kind::ToDo, &place(ingress), text);
        return vec![usual];
    }
    ports
}

/// Those that are named, or else those of `tls`.
fn certificates(ingresses: &[&Ingress]) -> Vec<Value> {
    let named = ingresses.iter().flat_map(|one| one.annotations.list("certificate-arn"));
    let mut all: Vec<String> = named.collect();
    if all.is_empty() {
        let tls = ingresses.iter().filter_map(|one| one.spec.get("tls")?.as_array()).flatten();
        let secrets = tls.filter_map(|tls| tls.get("secretName")?.as_str());
        all = secrets.map(|secret| format!("secret/{secret}")).collect();
    }
    if all.is_empty() {
        all.push("certificate/edge".to_owned());
    }
    all.iter().map(|arn| json!({ "CertificateArn": arn })).collect()
}

fn place(ingress: &Ingress) -> String {
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

struct Rules<'a> {
    objects: &'a Objects,
    answers: &'a mut Answers,
    notes: &'a mut Vec<Note>,
    is_https: bool,
    front: &'a str,
    next: u64,
}

fn fixed(status: &str) -> Value {
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
        let backend = path.get("backend").cloned().unwrap_or_default();
        let (mut actions, mut is_understood) = self.actions(ingress, &backend, &at);
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

    /// What comes of a request, and whether it was understood.
    fn actions(&mut self, ingress: &Ingress, backend: &Value, at: &str) -> (Vec<Value>, bool) {
        if self.answers.backends.is_closed(&ingress.name()) {
            return (vec![fixed("503")], true);
        }
        let Some(service) = backend.pointer("/service/name").and_then(Value::as_str) else {
            note(self.notes, Kind::Dropped, at, "a backend that is no Service: it answers 503");
            return (vec![fixed("503")], true);
        };
        let port =
            backend.pointer("/service/port/number").or(backend.pointer("/service/port/name"));
        let port = port.cloned().unwrap_or_default();
        let mut whose = ingress.annotations.clone();
        let action = if port.as_str() == Some("use-annotation") {
            match ingress.annotations.json(&format!("actions.{service}")) {
                Ok(Some(action)) => self.custom(ingress, action, &mut whose, at),
                Ok(None) | Err(()) => return (Vec::new(), false),
            }
        } else {
            if let Some(known) = self.objects.service(&ingress.namespace, service) {
                whose = known.annotations.or(&whose);
            }
            let place = (ingress.namespace.as_str(), service);
            let arn = self.answers.backends.arn(self.objects, place, &port, &whose, at);
            json!({ "Type": "forward", "TargetGroupArn": arn })
        };
        let Some(guard) = self.guard(&whose, at) else { return (vec![fixed("503")], true) };
        let ordered = guard.into_iter().chain([action]).enumerate().map(|(order, mut action)| {
            action["Order"] = (order + 1).into();
            action
        });
        (ordered.collect(), true)
    }

    /// An action of an annotation, with its Services as target groups.
    fn custom(
        &mut self,
        ingress: &Ingress,
        mut action: Value,
        whose: &mut Annotations,
        at: &str,
    ) -> Value {
        let groups =
            action.pointer_mut("/ForwardConfig/TargetGroups").and_then(Value::as_array_mut);
        let Some(groups) = groups else { return action };
        let is_only = groups.len() == 1;
        for group in groups {
            let Some(service) = group.get("ServiceName").and_then(Value::as_str) else { continue };
            let known = self.objects.service(&ingress.namespace, service);
            let own = known.map_or_else(
                || ingress.annotations.clone(),
                |known| known.annotations.or(&ingress.annotations),
            );
            let port = group.get("ServicePort").cloned().unwrap_or_default();
            let place = (ingress.namespace.as_str(), service);
            let arn = self.answers.backends.arn(self.objects, place, &port, &own, at);
            let weight = group.get("Weight").cloned().unwrap_or_else(|| 1.into());
            *group = json!({ "TargetGroupArn": arn, "Weight": weight });
            if is_only {
                *whose = own;
            }
        }
        action
    }

    /// Who may come. `None` when that cannot be carried over.
    fn guard(&mut self, whose: &Annotations, at: &str) -> Option<Vec<Value>> {
        let mut guard = Vec::new();
        let kind = whose.text("auth-type").unwrap_or("none");
        if kind != "none" && self.is_https {
            let (key, theirs) = match kind {
                "cognito" => ("auth-idp-cognito", "AuthenticateCognitoConfig"),
                _ => ("auth-idp-oidc", "AuthenticateOidcConfig"),
            };
            let provider = whose.json(key).ok().flatten();
            let Some(Value::Object(mut config)) =
                provider.filter(|_| matches!(kind, "cognito" | "oidc"))
            else {
                let text = format!(
                    "`auth-type: {kind}` without a provider that is understood: it answers 503"
                );
                note(self.notes, Kind::Dropped, at, text);
                return None;
            };
            if let Some(secret) = config.remove("SecretName") {
                let text = format!("`client_id`: it is in the secret {secret} of the cluster");
                note(self.notes, Kind::ToDo, at, text);
                config.insert("ClientId".to_owned(), "CHANGE-ME".into());
            }
            for (key, ours) in [
                ("auth-scope", "Scope"),
                ("auth-session-cookie", "SessionCookieName"),
                ("auth-session-timeout", "SessionTimeout"),
                ("auth-on-unauthenticated-request", "OnUnauthenticatedRequest"),
            ] {
                config.extend(whose.text(key).map(|text| (ours.to_owned(), text.into())));
            }
            let mut action = Map::new();
            action.insert("Type".to_owned(), format!("authenticate-{kind}").into());
            action.insert(theirs.to_owned(), Value::Object(config));
            guard.push(Value::Object(action));
        } else if kind != "none" {
            let text =
                "on HTTP nobody signs in, as before; `ssl-redirect` would send people to HTTPS";
            note(self.notes, Kind::Advice, at, text);
        }
        match whose.json("jwt-validation") {
            Ok(None) => {}
            Ok(Some(config)) => {
                guard.push(json!({ "Type": "jwt-validation", "JwtValidationConfig": config }))
            }
            Err(()) => {
                note(
                    self.notes,
                    Kind::Dropped,
                    at,
                    "`jwt-validation` is not understood: it answers 503",
                );
                return None;
            }
        }
        Some(guard)
    }

    /// What becomes of requests that no rule takes.
    fn default(&mut self, ingresses: &[&Ingress]) -> Vec<Value> {
        let has_one = |one: &&&Ingress| {
            one.spec.get("defaultBackend").is_some_and(|backend| !backend.is_null())
        };
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
        let backend = ingress.spec.get("defaultBackend").cloned().unwrap_or_default();
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

/// Who may connect, where that is not everybody.
fn networks(ingress: &Ingress) -> Option<Vec<String>> {
    let networks = ingress.annotations.list("inbound-cidrs");
    let is_all = networks.iter().any(|network| network == "0.0.0.0/0");
    (!networks.is_empty() && !is_all).then_some(networks)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
