//! Load balancers and APIs that Terraform keeps, from what `terraform show -json` prints of a state
//! or a plan.
//!
//! Resources become the answers of AWS that the other importers read, so there is one reading of
//! what a rule means. Secrets of the state are never read.

mod apis;
mod balancers;
mod resources;
mod words;

#[cfg(test)]
mod tests;

use serde_json::Value;

use self::resources::Resources;
use super::{Document, ImportError, Imported, Kind, Note, apigateway, elbv2};

/// Makes `routes.yaml` of the load balancers, or else of the APIs.
///
/// # Errors
///
/// A file that is not JSON, or nothing of either in any of them.
pub fn import(documents: &[Document]) -> Result<Imported, ImportError> {
    let mut resources = Resources::default();
    let mut notes = Vec::new();
    for document in documents {
        let value: Value = serde_json::from_str(&document.text)
            .map_err(|why| ImportError::Syntax { name: document.name.clone(), why })?;
        resources.take(&value);
    }
    resources.link(&mut notes);
    let has_apis = apis::has_any(&resources);
    let mut imported = if balancers::has_any(&resources) {
        if has_apis {
            notes.push(Note {
                kind: Kind::Dropped,
                place: "the APIs of API Gateway".to_owned(),
                text: "load balancers and APIs become files of their own: give a file without the \
                       load balancers to have the APIs"
                    .to_owned(),
            });
        }
        elbv2::import(&balancers::documents(&resources, &mut notes))?
    } else if has_apis {
        apigateway::import(&apis::documents(&resources))?
    } else {
        return Err(ImportError::Incomplete(
            "no aws_lb_listener, aws_apigatewayv2_api or aws_api_gateway_rest_api found: give what \
             `terraform show -json` prints",
        ));
    };
    for resource in resources.unknown() {
        notes.push(Note {
            kind: Kind::Dropped,
            place: resource.address.clone(),
            text: format!("`{}` is not known to this importer", resource.kind),
        });
    }
    notes.append(&mut imported.notes);
    for note in &mut notes {
        note.text = in_words_of_terraform(&note.text);
    }
    let routes = imported.routes;
    let routes = routes.replacen("import elbv2`", "import terraform`", 1);
    Ok(Imported { routes: routes.replacen("import apigateway`", "import terraform`", 1), notes })
}

/// What the other importers say to whom they ask for more of AWS's answers.
fn in_words_of_terraform(text: &str) -> String {
    if text.starts_with("its targets: give what") {
        return "its targets: no attachment of it tells an address (a cluster or a group of \
                instances registers them): write addresses or a name; without them it answers 503"
            .to_owned();
    }
    if text.starts_with("AWS does not tell the client's secret") {
        return text
            .replace("AWS does not tell the client's secret", "the client's secret is not copied");
    }
    text.to_owned()
}
