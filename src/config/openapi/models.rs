//! Models of bodies: the schemas of an operation, with whatever they refer to.

use serde_json::{Map, Value, json};

use super::Reader;
use super::operation::Operation;
use super::view::View;
use crate::config::field::{Field, Spanned, Table};
use crate::config::literal::Literal;
use crate::config::raw;

impl<'a> Reader<'a> {
    /// The models of an operation's bodies, where a validator looks at them.
    pub(super) fn body_models(&mut self, operation: Operation<'a>, route: &mut raw::Route) {
        let mut entries = Vec::new();
        for (kind, schema) in self.schemas(operation) {
            let (definitions, model) = self.model(schema);
            let Value::Object(mut map) = model else {
                self.misfit(schema, "a schema");
                continue;
            };
            map.insert("definitions".to_owned(), definitions);
            let place = schema.spanned(());
            // No name of a file is like this.
            let name = format!("{} {}:{}", operation.method, place.span.line, place.span.column);
            let model = raw::Model { schema: schema.field(Literal(Value::Object(map))) };
            self.models.push((schema.name(name.clone()), Some(model)));
            entries.push((schema.name(kind), Some(name)));
        }
        if !entries.is_empty() {
            let value = Table { entries };
            let Spanned { span, key, .. } = operation.view.spanned(());
            route.request_models = Field::Given(Spanned { value, span, key });
        }
    }

    /// Content types and schemas.
    fn schemas(&mut self, operation: Operation<'a>) -> Vec<(&'a str, View<'a>)> {
        if !self.is_swagger() {
            let body = operation.view.get("requestBody").and_then(|body| self.resolve(body));
            let contents = body.and_then(|body| body.get("content"));
            let all = contents.into_iter().flat_map(View::entries);
            return all.filter_map(|(kind, media)| Some((kind, media.get("schema")?))).collect();
        }
        let mut found = Vec::new();
        for listed in [operation.view.get("parameters"), operation.path.get("parameters")] {
            for parameter in listed.into_iter().flat_map(View::items) {
                let Some(parameter) = self.resolve(parameter) else { continue };
                let is_body = parameter.get("in").and_then(View::text) == Some("body");
                if let Some(schema) = parameter.get("schema").filter(|_| is_body) {
                    let kinds =
                        operation.view.get("consumes").or_else(|| self.root.get("consumes"));
                    let kinds = kinds.into_iter().flat_map(View::items).filter_map(View::text);
                    found.extend(kinds.map(|kind| (kind, schema)));
                    if found.is_empty() {
                        found.push(("application/json", schema));
                    }
                    return found;
                }
            }
        }
        found
    }

    /// A schema, and those that it refers to by name. A reference that is none of these is left as
    /// it is, and refused where the model is compiled.
    fn model(&self, schema: View<'a>) -> (Value, Value) {
        let folder = if self.is_swagger() { "#/definitions/" } else { "#/components/schemas/" };
        let all = match self.is_swagger() {
            true => self.root.get("definitions"),
            false => self.root.get("components").and_then(|all| all.get("schemas")),
        };
        let mut wanted: Vec<String> = Vec::new();
        let mut refer = |reference: &str| match reference.strip_prefix(folder) {
            Some(name) if !name.contains('/') => {
                wanted.push(name.to_owned());
                format!("#/definitions/{name}")
            }
            // Not to be mistaken for a place in what is made here.
            _ => format!("out-of-reach:{reference}"),
        };
        let model = schema.json(&mut refer);
        let mut definitions = Map::new();
        while let Some(name) = wanted.pop() {
            let spelled = name.replace("~1", "/").replace("~0", "~");
            let found = all.and_then(|all| all.get(&spelled));
            if let Some(view) = found.filter(|_| !definitions.contains_key(&spelled)) {
                let mut refer = |reference: &str| match reference.strip_prefix(folder) {
                    Some(name) if !name.contains('/') => {
                        wanted.push(name.to_owned());
                        format!("#/definitions/{name}")
                    }
                    _ => format!("out-of-reach:{reference}"),
                };
                definitions.insert(spelled, view.json(&mut refer));
            }
        }
        // Beside a reference nothing else of a schema counts in draft 4.
        let model = match model.get("$ref") {
            Some(_) => json!({ "allOf": [model] }),
            None => model,
        };
        (Value::Object(definitions), model)
    }
}
