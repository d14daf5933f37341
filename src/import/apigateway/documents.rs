//! Tells apart what the files hold, and finds whose routes are whose.

use serde_json::Value;

use super::super::{Document, ImportError, Kind, Note};
use super::openapi;

/// An API as it is listed.
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) is_rest: bool,
    pub(super) value: Value,
}

/// What a list of items is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Routes,
    Resources,
    Authorizers,
    Integrations,
    Stages,
    GatewayResponses,
    UsagePlans,
    ApiKeys,
    /// Keys of one plan, whose id is in the file's name.
    PlanKeys,
}

/// Everything that was given.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) apis: Vec<Listed>,
    /// What, by the name of its file.
    items: Vec<(Topic, String, Value)>,
    /// Domain, and what one of its base paths leads to.
    pub(super) mappings: Vec<(String, Value)>,
}

impl Documents {
    pub(super) fn sort(documents: &[Document], notes: &mut Vec<Note>) -> Result<Self, ImportError> {
        let mut sorted = Self::default();
        for document in documents {
            let value: Value = serde_json::from_str(&document.text)
                .map_err(|why| ImportError::Syntax { name: document.name.clone(), why })?;
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
        let mut note = |kind, text: &str| {
            let place = format!("file {name}");
            notes.push(Note { kind, place, text: text.to_owned() });
        };
        let is_cut = ["NextToken", "nextToken", "position"]
            .iter()
            .any(|key| answer.get(key).is_some_and(|marker| !marker.is_null()));
        if is_cut {
            note(Kind::ToDo, "is one page of several: give the others too");
        }
        let items = ["Items", "items", "item"].iter().find_map(|key| answer.get(key));
        let items = match items {
            Some(Value::Array(items)) => items.clone(),
            // `get-api` and its like print one without a list.
            _ => vec![answer],
        };
        let mut is_known = true;
        for item in items {
            is_known &= match openapi::is_definition(&item) {
                true => self.take_definition(&item),
                false => self.take_item(name, item),
            };
        }
        if !is_known {
            note(Kind::Dropped, "holds something that is not known of an API");
        }
    }

    /// An API that was exported whole.
    fn take_definition(&mut self, definition: &Value) -> bool {
        let id = format!("openapi-{:04}", self.apis.len());
        let items = openapi::items(definition, &id);
        items.into_iter().fold(true, |is_known, item| is_known & self.take_item(&id, item))
    }

    fn take_item(&mut self, name: &str, item: Value) -> bool {
        let has = |key: &str| item.get(key).is_some_and(|value| !value.is_null());
        let topic = if has("ApiMappingId") || has("restApiId") && has("basePath") {
            self.mappings.push((domain_of(name), item));
            return true;
        } else if has("DomainName") || has("domainName") && has("endpointConfiguration") {
            return true;
        } else if has("RouteKey") {
            Topic::Routes
        } else if has("IntegrationId") {
            Topic::Integrations
        } else if has("AuthorizerId")
            || has("type") && (has("authType") || has("providerARNs") || has("authorizerUri"))
        {
            Topic::Authorizers
        } else if has("StageName") || has("stageName") {
            Topic::Stages
        } else if has("responseType") {
            Topic::GatewayResponses
        } else if has("apiStages") {
            Topic::UsagePlans
        } else if item.get("type").and_then(Value::as_str) == Some("API_KEY") {
            Topic::PlanKeys
        } else if has("stageKeys") || has("enabled") && has("name") && has("id") {
            Topic::ApiKeys
        } else if has("path") && has("id") {
            Topic::Resources
        } else if has("ProtocolType") && has("ApiId") || has("name") && has("id") {
            let key = if has("ApiId") { "ApiId" } else { "id" };
            let id = item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            self.apis.push(Listed { id, is_rest: key == "id", value: item });
            return true;
        } else {
            return false;
        };
        self.items.push((topic, name.to_owned(), item));
        true
    }

    /// All items of a topic, with the names of their files.
    pub(super) fn all(&self, topic: Topic) -> impl Iterator<Item = (&str, &Value)> {
        let items = self.items.iter().filter(move |(of, ..)| *of == topic);
        items.map(|(_, file, value)| (file.as_str(), value))
    }

    /// The items of one API: those of files that are named after its id, and all where there is
    /// one API only.
    pub(super) fn of(&self, topic: Topic, id: &str) -> Vec<&Value> {
        let is_only = self.apis.len() == 1;
        let items = self
            .items
            .iter()
            .filter(|(of, file, _)| *of == topic && (is_only || file.contains(id)));
        items.map(|(_, _, value)| value).collect()
    }
}

/// `mappings-api.example.com` is about `api.example.com`.
fn domain_of(file: &str) -> String {
    let is_part = |part: &&str| part.contains('.');
    let domain = file.split("mappings-").last().filter(is_part).unwrap_or(file);
    domain.to_ascii_lowercase()
}
