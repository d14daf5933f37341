//! Which parameters an operation requires, where a validator looks at them.

use std::collections::HashSet;

use super::Reader;
use super::operation::Operation;
use super::view::View;
use crate::config::field::{Field, List, Spanned};
use crate::config::raw;

impl<'a> Reader<'a> {
    pub(super) fn validation(
        &mut self,
        operation: Operation<'a>,
        api: &raw::Api,
        route: &mut raw::Route,
    ) {
        let view = operation.view;
        let own = view.get("x-amazon-apigateway-request-validator");
        if let Some(own) = own
            && let Some(name) = self.text(own)
        {
            route.request_validator = own.field(name.to_owned());
        }
        let name = route.request_validator.value().or_else(|| api.request_validator.value());
        let validators = api.request_validators.value().map(|table| table.entries.as_slice());
        let named =
            validators.unwrap_or_default().iter().find(|(known, _)| Some(&known.value) == name);
        let Some((_, Some(validator))) = named else { return };
        // As on API Gateway: what nobody looks at is documentation.
        let looks_at_bodies = validator.validate_request_body.value() == Some(&true);
        if validator.validate_request_parameters.value() == Some(&true) {
            self.parameters(operation, route);
        }
        if looks_at_bodies {
            self.body_models(operation, route);
        }
    }

    fn parameters(&mut self, operation: Operation<'a>, route: &mut raw::Route) {
        let view = operation.view;
        let mut items: Vec<Spanned<String>> = Vec::new();
        let mut seen = HashSet::new();
        // Those of the operation come first: they replace the path's.
        for listed in [view.get("parameters"), operation.path.get("parameters")] {
            for parameter in listed.into_iter().flat_map(View::items) {
                let Some(parameter) = self.resolve(parameter) else { continue };
                let part = |name| parameter.get(name).and_then(View::text).unwrap_or_default();
                let (place, name) = (part("in"), part("name"));
                if !seen.insert((place, name)) {
                    continue;
                }
                let is_required = parameter.get("required").and_then(View::flag) == Some(true);
                let place = match place {
                    "header" => "header",
                    "query" => "querystring",
                    // A variable of the path is always there, a body is no parameter.
                    _ => continue,
                };
                if is_required {
                    items.push(parameter.spanned(format!("method.request.{place}.{name}")));
                }
            }
        }
        if !items.is_empty() {
            let value = List { items, is_empty: false };
            let place = view.get("parameters").unwrap_or(view);
            route.required_parameters =
                Field::Given(Spanned { value, span: place.span(), key: place.key });
        }
    }
}
