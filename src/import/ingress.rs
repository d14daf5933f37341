//! Ingress objects of Kubernetes, with the annotations of the AWS Load Balancer Controller.
//!
//! They become the answers of AWS that [`elbv2`](super::elbv2) reads, as the controller would have
//! made them: rules in its order, sign-in on HTTPS only. Services become target groups under their
//! name in the cluster's DNS. What says who may come and is not understood closes its rules.

mod actions;
mod annotations;
mod backends;
mod objects;
mod ports;
mod rules;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::annotations::Annotations;
use self::backends::Backends;
use self::objects::{Ingress, Objects};
use super::{Document, ImportError, Imported, Kind, Note, elbv2};

/// Makes `routes.yaml` of them.
///
/// # Errors
///
/// A file that is neither YAML nor JSON, or no Ingress in any of them.
pub fn import(documents: &[Document]) -> Result<Imported, ImportError> {
    let mut objects = Objects::default();
    for document in documents {
        objects.read(document)?;
    }
    if objects.ingresses.is_empty() {
        return Err(ImportError::Incomplete(
            "no Ingress found: give what `kubectl get ingress,service -A -o yaml` prints",
        ));
    }
    let mut notes = Vec::new();
    let mut groups: BTreeMap<String, Vec<Ingress>> = BTreeMap::new();
    for ingress in std::mem::take(&mut objects.ingresses) {
        groups.entry(ingress.group()).or_default().push(ingress);
    }
    let mut answers = Answers::default();
    for (name, mut ingresses) in groups {
        ingresses.sort_by_key(|ingress| (ingress.order(), ingress.name()));
        rules::balancer(&name, &ingresses, &objects, &mut answers, &mut notes);
    }
    answers.backends.tell(&mut notes);
    let mut imported = elbv2::import(&answers.documents())?;
    imported.notes.retain(|note| !note.text.starts_with("its rules: give what"));
    for note in &mut imported.notes {
        note.text = note.text.replace(
            "AWS does not tell the client's secret",
            "the client's secret is not copied from the cluster",
        );
    }
    notes.append(&mut imported.notes);
    let routes = imported.routes.replacen("import elbv2`", "import ingress`", 1);
    Ok(Imported { routes, notes })
}

/// What AWS would have answered.
#[derive(Default)]
struct Answers {
    balancers: Vec<Value>,
    listeners: Vec<Value>,
    rules: Vec<Value>,
    /// By the load balancer's name.
    attributes: Vec<(String, Value)>,
    backends: Backends,
}

impl Answers {
    fn documents(self) -> Vec<Document> {
        let mut all = vec![
            ("load-balancers".to_owned(), json!({ "LoadBalancers": self.balancers })),
            ("listeners".to_owned(), json!({ "Listeners": self.listeners })),
            ("rules".to_owned(), json!({ "Rules": self.rules })),
        ];
        all.extend(self.attributes);
        all.extend(self.backends.answers());
        all.into_iter().map(|(name, value)| Document { name, text: value.to_string() }).collect()
    }
}

fn note(notes: &mut Vec<Note>, kind: Kind, place: &str, text: impl Into<String>) {
    notes.push(Note { kind, place: place.to_owned(), text: text.into() });
}
