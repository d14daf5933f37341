//! The objects that files hold: one, several documents, or a list.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Document, ImportError};
use super::Annotations;

/// Deeper than any Ingress, and shallow enough for every stack.
const DEEPEST: usize = 64;

/// An Ingress.
#[derive(Debug)]
pub(super) struct Ingress {
    pub(super) namespace: String,
    own: String,
    pub(super) annotations: Annotations,
    pub(super) spec: Value,
}

impl Ingress {
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.own)
    }

    /// What the load balancer is called: that of its group, or its own.
    pub(super) fn group(&self) -> String {
        let named = self.annotations.text("group.name");
        named.map_or_else(|| format!("{}-{}", self.namespace, self.own), str::to_owned)
    }

    pub(super) fn order(&self) -> i64 {
        self.annotations.text("group.order").and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// A Service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) annotations: Annotations,
    ports: BTreeMap<String, u64>,
}

impl Service {
    pub(super) fn port(&self, name: &str) -> Option<u64> {
        self.ports.get(name).copied()
    }
}

/// Everything that was given.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) ingresses: Vec<Ingress>,
    /// By namespace and name.
    services: BTreeMap<(String, String), Service>,
}

impl Objects {
    pub(super) fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.get(&(namespace.to_owned(), name.to_owned()))
    }

    pub(super) fn read(&mut self, document: &Document) -> Result<(), ImportError> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: DEEPEST,
                flow_nesting_limit: DEEPEST,
                max_aliases: 1000,
            },
            with_snippet: false,
        };
        let all: Vec<Value> =
            serde_saphyr::from_multiple_with_options(&document.text, options).map_err(|why| {
                ImportError::Yaml { name: document.name.clone(), why: why.to_string() }
            })?;
        for one in all {
            self.take(&one, 0);
        }
        Ok(())
    }

    fn take(&mut self, object: &Value, depth: usize) {
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = text(object.get("kind"));
        if kind.ends_with("List") && depth < 2 {
            for item in object.get("items").and_then(Value::as_array).into_iter().flatten() {
                self.take(item, depth + 1);
            }
            return;
        }
        let Some(meta) = object.get("metadata") else { return };
        let own = text(meta.get("name"));
        let namespace = match text(meta.get("namespace")) {
            none if none.is_empty() => "default".to_owned(),
            some => some,
        };
        let annotations = Annotations::of(meta.get("annotations"));
        let spec = object.get("spec").cloned().unwrap_or_default();
        match &*kind {
            "Ingress" => self.ingresses.push(Ingress { namespace, own, annotations, spec }),
            "Service" => {
                let ports = spec.get("ports").and_then(Value::as_array).into_iter().flatten();
                let ports = ports
                    .filter_map(|port| Some((text(port.get("name")), port.get("port")?.as_u64()?)));
                let service = Service { annotations, ports: ports.collect() };
                self.services.insert((namespace, own), service);
            }
            _ => {}
        }
    }
}
