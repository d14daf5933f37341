//! Paths and their operations.

use super::view::View;
use super::{Reader, extend, names};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::Spanned;
use crate::config::model::Flavour;
use crate::config::raw;

/// The operation for all methods that have none of their own.
const ANY: &str = "x-amazon-apigateway-any-method";

/// An operation, and what stands beside it.
#[derive(Clone, Copy)]
pub(super) struct Operation<'a> {
    pub(super) view: View<'a>,
    pub(super) path: View<'a>,
    pub(super) method: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn paths(&mut self, api: &mut raw::Api) {
        let Some(paths) = self.root.get("paths").filter(|paths| paths.is_map()) else {
            let message = "the file has no `paths`";
            self.report(Diagnostic::error("missing-key", self.root.span(), message));
            return;
        };
        let own = names(&api.routes);
        let mut routes = Vec::new();
        for (path, item) in paths.entries() {
            if path.starts_with("x-") {
                continue;
            }
            if let Some(reference) = item.get("$ref") {
                self.cannot(reference.key, "a path that stands elsewhere", "write it out here");
                continue;
            }
            for (name, view) in item.entries() {
                let Some(method) = self.method(name, view) else { continue };
                let key = self.route_key(method, path, view);
                if own.contains(&key) {
                    continue;
                }
                let operation = Operation { view, path: item, method };
                let before = self.findings.len();
                let route = self.route(operation, api);
                // What is wrong with it is told; the route must not be missed as well.
                let route = route.filter(|_| self.findings.iter().skip(before).all(is_warning));
                routes.push((view.name(key), route));
            }
        }
        extend(&mut api.routes, paths.key, routes);
    }

    fn method(&mut self, name: &'a str, view: View<'a>) -> Option<&'a str> {
        Some(match name {
            "get" => "GET",
            "head" => "HEAD",
            "post" => "POST",
            "put" => "PUT",
            "patch" => "PATCH",
            "delete" => "DELETE",
            "options" => "OPTIONS",
            ANY => "ANY",
            "parameters" | "summary" | "description" | "servers" => return None,
            "trace" => {
                self.cannot(view.key, "the method TRACE", "it is refused everywhere");
                return None;
            }
            name if name.starts_with("x-amazon-") => {
                self.cannot(view.key, &format!("`{name}` of a path"), "remove it");
                return None;
            }
            name if name.starts_with("x-") => return None,
            _ => {
                let message = format!("{} is no method", crate::config::decode::quoted(name));
                let finding = Diagnostic::error("unknown-key", view.key, message);
                self.report(finding.help("methods stand in lower case"));
                return None;
            }
        })
    }

    fn route_key(&mut self, method: &str, path: &str, view: View<'a>) -> String {
        let flag = view.get("isDefaultRoute");
        if flag.and_then(View::flag) == Some(true) {
            if path == "/$default" && method == "ANY" {
                return "$default".to_owned();
            }
            let place = flag.map_or(view.key, |flag| flag.key);
            let help = format!("it belongs to `{ANY}` of the path `/$default`");
            self.cannot(place, "`isDefaultRoute` here", &help);
        }
        format!("{method} {path}")
    }

    fn route(&mut self, operation: Operation<'a>, api: &mut raw::Api) -> Option<raw::Route> {
        let view = operation.view;
        for (name, value) in view.entries() {
            let is_known = matches!(
                name,
                "x-amazon-apigateway-integration"
                    | "x-amazon-apigateway-auth"
                    | "x-amazon-apigateway-request-validator"
            );
            if name.starts_with("x-amazon-") && !is_known {
                self.cannot(value.key, &format!("`{name}`"), "remove it, or write this route");
            }
        }
        let mut route = raw::Route::default();
        self.door(operation, api, &mut route);
        if self.flavour == Flavour::Rest {
            self.validation(operation, api, &mut route);
        }
        let Some(integration) = view.get("x-amazon-apigateway-integration") else {
            let message = "nobody serves this operation";
            let help = "give it an `x-amazon-apigateway-integration`, or write this route under \
                        `routes`";
            self.report(Diagnostic::error("missing-integration", view.key, message).help(help));
            return None;
        };
        let integrated = self.integration(integration, operation)?;
        let Spanned { span, key, .. } = integration.spanned(());
        let value = Box::new(integrated);
        route.integration = crate::config::field::Field::Given(Spanned { value, span, key });
        Some(route)
    }
}

fn is_warning(finding: &Diagnostic) -> bool {
    finding.severity == crate::config::diagnostics::Severity::Warning
}
