//! Services as target groups.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::{Kind, Note};
use super::{Annotations, Objects, note};

/// Namespace, service and port.
type Key = (String, String, u64);

/// Target groups that rules forward to.
#[derive(Default)]
pub(super) struct Backends {
    used: BTreeMap<Key, Annotations>,
    /// Ingresses whose rules answer 503.
    closed: BTreeSet<String>,
    notes: Vec<Note>,
}

impl Backends {
    pub(super) fn close(&mut self, ingress: &str) {
        self.closed.insert(ingress.to_owned());
    }

    pub(super) fn is_closed(&self, ingress: &str) -> bool {
        self.closed.contains(ingress)
    }

    /// The ARN that its target group would have. `annotations` are the Service's, and those of the
    /// Ingress behind them.
    pub(super) fn arn(
        &mut self,
        objects: &Objects,
        (namespace, service): (&str, &str),
        port: &Value,
        annotations: &Annotations,
        place: &str,
    ) -> String {
        let known = objects.service(namespace, service);
        let number = port.as_u64().or_else(|| port.as_str()?.parse().ok());
        let number = number.or_else(|| known?.port(port.as_str()?)).unwrap_or_else(|| {
            let text = format!(
                "the port `{}` of the service {service}: give the Service too, or write its number \
                 in place of 80",
                port.as_str().unwrap_or("?")
            );
            note(&mut self.notes, Kind::ToDo, place, text);
            80
        });
        let key = (namespace.to_owned(), service.to_owned(), number);
        let arn = format!("kubernetes:targetgroup/{namespace}-{service}-{number}/0");
        self.used.entry(key).or_insert_with(|| annotations.clone());
        arn
    }

    pub(super) fn tell(&mut self, notes: &mut Vec<Note>) {
        notes.append(&mut self.notes);
        if !self.used.is_empty() {
            let text = "targets are Services under their name in the cluster: with an ordinary one, \
                        Kubernetes chooses the pod, and balancing, stickiness and health are the \
                        Service's; a headless one gives every pod's address";
            note(notes, Kind::Changed, "target groups", text);
        }
    }

    /// What AWS would say of them, by the name of the file.
    pub(super) fn answers(self) -> Vec<(String, Value)> {
        let mut groups = Vec::new();
        let mut answers = Vec::new();
        let same = |service: &str| self.used.keys().filter(|(_, own, _)| own == service).count();
        for ((namespace, service, port), annotations) in &self.used {
            let name = match same(service) {
                1 => service.clone(),
                _ => format!("{namespace}-{service}-{port}"),
            };
            groups.push(group(&name, (namespace, service, *port), annotations));
            let target = format!("{service}.{namespace}.svc.cluster.local:{port}");
            let health = json!({ "TargetHealthDescriptions": [{ "Target": { "Host": target } }] });
            answers.push((name.clone(), health));
            let mut attributes = annotations.attributes("target-group-attributes");
            let delay = "deregistration_delay.timeout_seconds";
            if !attributes.iter().any(|one| one.get("Key").and_then(Value::as_str) == Some(delay)) {
                attributes.push(json!({ "Key": delay, "Value": "300" }));
            }
            answers.push((name, json!({ "Attributes": attributes })));
        }
        answers.push(("target-groups".to_owned(), json!({ "TargetGroups": groups })));
        answers
    }
}

fn group(name: &str, (namespace, service, port): (&str, &str, u64), own: &Annotations) -> Value {
    let upper = |key: &str| own.text(key).map(str::to_ascii_uppercase);
    let version = upper("backend-protocol-version");
    let is_grpc = version.as_deref() == Some("GRPC");
    let mut group = Map::new();
    let mut put = |key: &str, value: Value| {
        group.insert(key.to_owned(), value);
    };
    put("TargetGroupArn", format!("kubernetes:targetgroup/{namespace}-{service}-{port}/0").into());
    put("TargetGroupName", name.into());
    put("TargetType", "ip".into());
    put("Port", port.into());
    put("Protocol", upper("backend-protocol").unwrap_or_else(|| "HTTP".to_owned()).into());
    put("ProtocolVersion", version.into());
    put("HealthCheckEnabled", true.into());
    put("HealthCheckProtocol", upper("healthcheck-protocol").into());
    put("HealthCheckPath", own.text("healthcheck-path").into());
    // A port that is named is one of the pod's, not of the Service.
    let number = own.text("healthcheck-port").filter(|text| text.parse::<u16>().is_ok());
    put("HealthCheckPort", number.into());
    for (key, theirs, usual) in [
        ("HealthCheckIntervalSeconds", "healthcheck-interval-seconds", "15"),
        ("HealthCheckTimeoutSeconds", "healthcheck-timeout-seconds", "5"),
        ("HealthyThresholdCount", "healthy-threshold-count", "2"),
        ("UnhealthyThresholdCount", "unhealthy-threshold-count", "2"),
    ] {
        put(key, own.text(theirs).unwrap_or(usual).into());
    }
    let key = if is_grpc { "GrpcCode" } else { "HttpCode" };
    put("Matcher", json!({ key: own.text("success-codes") }));
    Value::Object(group)
}
