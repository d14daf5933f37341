//! Tells apart what the files hold, and finds whose attributes are whose.

use serde_json::Value;

use super::super::{Document, ImportError, Kind, Note};

/// Everything that was given, by kind.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) load_balancers: Vec<Value>,
    pub(super) listeners: Vec<Value>,
    pub(super) rules: Vec<Value>,
    pub(super) target_groups: Vec<Value>,
    /// By the name of the file.
    pub(super) attributes: Vec<(String, Value)>,
    pub(super) target_health: Vec<(String, Value)>,
    pub(super) certificates: Vec<(String, Value)>,
}

impl Documents {
    pub(super) fn sort(documents: &[Document], notes: &mut Vec<Note>) -> Result<Self, ImportError> {
        let mut sorted = Self::default();
        for document in documents {
            let value: Value = serde_json::from_str(&document.text)
                .map_err(|why| ImportError::Syntax { name: document.name.clone(), why })?;
            // Several answers may stand in one file, one after the other in a list.
            let answers = match value {
                Value::Array(answers) => answers,
                one => vec![one],
            };
            for answer in answers {
                sorted.take(&document.name, answer, notes);
            }
        }
        Ok(sorted)
    }

    fn take(&mut self, name: &str, answer: Value, notes: &mut Vec<Note>) {
        let list = |key: &str| match answer.get(key) {
            Some(Value::Array(items)) => Some(items.clone()),
            _ => None,
        };
        if let Some(items) = list("LoadBalancers") {
            self.load_balancers.extend(items);
        } else if let Some(items) = list("Listeners") {
            self.listeners.extend(items);
        } else if let Some(items) = list("Rules") {
            self.rules.extend(items);
        } else if let Some(items) = list("TargetGroups") {
            self.target_groups.extend(items);
        } else if list("Attributes").is_some() {
            self.attributes.push((name.to_owned(), answer));
            return;
        } else if list("TargetHealthDescriptions").is_some() {
            self.target_health.push((name.to_owned(), answer));
            return;
        } else if list("Certificates").is_some() {
            self.certificates.push((name.to_owned(), answer));
            return;
        } else {
            let text = "holds nothing that `aws elbv2 describe-*` prints for a load balancer";
            notes.push(Note {
                kind: Kind::Dropped,
                place: format!("file {name}"),
                text: text.to_owned(),
            });
            return;
        }
        if answer.get("NextMarker").is_some_and(|marker| !marker.is_null()) {
            let text = "is one page of several: give the others too (`NextMarker` is set)";
            notes.push(Note {
                kind: Kind::ToDo,
                place: format!("file {name}"),
                text: text.to_owned(),
            });
        }
    }

    /// The answer whose file is named after `name` or, when it is about the only thing of its
    /// kind, any.
    pub(super) fn about<'d>(
        answers: &'d [(String, Value)],
        name: &str,
        others: &[&str],
        fits: impl Fn(&Value) -> bool,
    ) -> Vec<&'d Value> {
        let candidates = || answers.iter().filter(|(_, answer)| fits(answer));
        // Of two names that a file's name holds, the longer one is meant.
        let is_named = |file: &str| {
            let longest =
                others.iter().filter(|other| file.contains(**other)).max_by_key(|o| o.len());
            longest == Some(&name)
        };
        let named: Vec<&Value> =
            candidates().filter(|(file, _)| is_named(file)).map(|(_, answer)| answer).collect();
        if named.is_empty() && others.len() == 1 {
            return candidates().map(|(_, answer)| answer).collect();
        }
        named
    }
}
