//! APIs of API Gateway, from what `aws apigatewayv2 get-*` and `aws apigateway get-*` print.
//!
//! Shapes are those of the AWS API references "apigatewayv2/latest/api-reference" and
//! "apigateway/latest/api"; an OpenAPI export is taken for what they would have been. Answers that do not name their API (routes, resources, authorizers,
//! integrations, stages) are matched by the name of their file, unless there is one API only.
//!
//! A route that guards in a way that cannot be carried over, or whose integration cannot, is
//! written down as one that answers 503. Left out it would be another, maybe open, route's.

mod authorizer;
mod documents;
mod draft;
mod function;
mod http;
mod integration;
mod openapi;
mod rest;
mod usage;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::authorizer::Pool;
use self::documents::Documents;
use self::draft::Draft;
use self::integration::Group;
use super::name::{slug, unique};
use super::yaml::Writer;
use super::{Document, ImportError, Imported, Kind, Note, Object};

/// Makes `routes.yaml` of them.
///
/// # Errors
///
/// A file that is not JSON, or no API in any of them.
pub fn import(documents: &[Document]) -> Result<Imported, ImportError> {
    let mut notes = Vec::new();
    let documents = Documents::sort(documents, &mut notes)?;
    if documents.apis.is_empty() {
        return Err(ImportError::Incomplete(
            "no API found: give what `aws apigatewayv2 get-apis`, or `aws apigateway \
             get-rest-apis`, prints, or an OpenAPI export as JSON",
        ));
    }
    let mut import =
        Import { documents: &documents, pools: BTreeMap::new(), groups: BTreeMap::new(), notes };
    let drafts = import.drafts();
    let mut apis = Writer::default();
    apis.blank();
    apis.under("apis", |file| {
        for draft in &drafts {
            draft.write(file);
        }
    });
    let mut file = Writer::default();
    file.comment(
        "Made by `portcullis import apigateway`. See its report for what could not be carried over.",
    );
    import.write_pools(&mut file);
    import.write_groups(&mut file);
    import.write_usage(&mut file, &drafts);
    import.write_listener(&mut file, &drafts);
    import.tell_signatures(&drafts);
    Ok(Imported { routes: file.into_text() + &apis.into_text(), notes: import.notes })
}

/// An import at work.
struct Import<'a> {
    documents: &'a Documents,
    /// Who signs tokens, by issuer.
    pools: BTreeMap<String, Pool>,
    /// Who serves, by what the file calls it.
    groups: BTreeMap<String, Group>,
    notes: Vec<Note>,
}

impl Import<'_> {
    fn note(&mut self, kind: Kind, place: &str, text: impl Into<String>) {
        self.notes.push(Note { kind, place: place.to_owned(), text: text.into() });
    }

    fn drafts(&mut self) -> Vec<Draft> {
        let documents = self.documents;
        let mut taken = BTreeSet::new();
        let mut drafts = Vec::new();
        for api in &documents.apis {
            let text = |key: &str| api.value.get(key).and_then(Value::as_str);
            let own = text("Name").or_else(|| text("name")).unwrap_or(&api.id);
            let name = unique(&slug(own), &mut taken);
            let place = format!("API {name}");
            let Some(object) = Object::new(&api.value, &*place) else { continue };
            let mut draft = match api.is_rest {
                true => self.rest_api(object, &api.id),
                false => match self.http_api(object, &api.id) {
                    Some(draft) => draft,
                    None => continue,
                },
            };
            draft.name = name;
            draft.id.clone_from(&api.id);
            if draft.routes.is_empty() {
                self.note(Kind::Dropped, &place, "the whole API: no route of it was given");
                continue;
            }
            self.place(&mut draft, &api.id);
            drafts.push(draft);
        }
        drafts
    }

    /// What routes that ask for a signature need besides.
    fn tell_signatures(&mut self, drafts: &[Draft]) {
        for draft in drafts.iter().filter(|draft| draft.is_signed()) {
            let place = format!("API {}", draft.name);
            self.note(
                Kind::ToDo,
                &place,
                "routes with `aws_iam` know nobody yet: say in `aws_credentials` whose signatures \
                 count, and what their policies allow. Until then they answer 403",
            );
            if draft.region.is_none() {
                self.note(
                    Kind::ToDo,
                    &place,
                    "say its `region`, which signatures are for, and its `account_id`, which \
                     policies name",
                );
            }
        }
    }

    /// Custom domains and base paths; without any the stage is in the path, as it is at the host
    /// that AWS generates.
    fn place(&mut self, draft: &mut Draft, id: &str) {
        let documents = self.documents;
        let place = format!("API {}", draft.name);
        for (domain, mapping) in &documents.mappings {
            let Some(mapping) = Object::new(mapping, &*place) else { continue };
            let whose = mapping.text("ApiId").or_else(|| mapping.text("restApiId"));
            if whose != Some(id) {
                continue;
            }
            let stage = mapping.text("Stage").or_else(|| mapping.text("stage"));
            if stage.is_some_and(|stage| stage != draft.stage_name()) {
                let text = format!("the mapping of {domain} to stage {}", stage.unwrap_or("?"));
                self.note(Kind::Dropped, &place, text);
                continue;
            }
            let key = mapping.text("ApiMappingKey").or_else(|| mapping.text("basePath"));
            let key = key.filter(|key| *key != "(none)").map(|key| format!("/{key}"));
            if !draft.hosts.is_empty() && draft.base_path != key {
                let text = format!("the mapping of {domain}: another has another base path");
                self.note(Kind::Dropped, &place, text);
                continue;
            }
            draft.base_path = key;
            draft.hosts.push(domain.clone());
            draft.stage_in_path = false;
        }
    }

    fn write_listener(&mut self, file: &mut Writer, drafts: &[Draft]) {
        let needs_rules = drafts.len() != 1 || drafts.iter().any(|draft| !draft.hosts.is_empty());
        file.blank();
        file.under("listeners", |file| {
            file.under("https", |file| {
                file.line("address", "0.0.0.0:443");
                file.raw(
                    "tls",
                    "{ certificates: [{ certificate: certificates/edge.pem, \
                     private_key: certificates/edge.key }] }",
                );
                if !needs_rules {
                    let name = drafts.first().map_or("", |draft| &draft.name);
                    file.under("default_action", |file| file.line("api", name));
                    return;
                }
                file.under("rules", |file| {
                    for draft in drafts {
                        file.item(|file| {
                            file.line("name", &draft.name);
                            file.under("conditions", |file| draft.write_conditions(file));
                            file.line("api", &draft.name);
                        });
                    }
                });
                file.raw("default_action", "{ fixed_response: { status_code: 404 } }");
            });
        });
        self.note(
            Kind::ToDo,
            "listener https",
            "AWS does not give its certificates away: put yours, and their keys, where the file \
             says",
        );
        for draft in drafts.iter().filter(|draft| needs_rules && draft.hosts.is_empty()) {
            self.note(
                Kind::ToDo,
                &format!("API {}", draft.name),
                "the host that clients will use, in place of the one that AWS generated",
            );
        }
    }
}
