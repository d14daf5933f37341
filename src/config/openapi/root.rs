//! What a file says of the whole API.

use std::time::Duration;

use super::view::View;
use super::{Reader, extend};
use crate::config::decode::quoted;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List};
use crate::config::literal::Literal;
use crate::config::model::Flavour;
use crate::config::raw;
use crate::config::units::DurationText;

const PREFIX: &str = "x-amazon-apigateway-";

impl<'a> Reader<'a> {
    pub(super) fn root_keys(&mut self, api: &mut raw::Api) {
        for (name, view) in self.root.entries() {
            match name.strip_prefix(PREFIX) {
                Some(extension) => self.extension(extension, view, api),
                None if name == "security" && self.flavour == Flavour::Rest => {
                    let message = "`security` of the whole file is ignored, as API Gateway does: \
                                   operations without their own are open";
                    self.report(
                        Diagnostic::warning("ignored-security", view.key, message)
                            .help("give each operation its `security`, or the API an `authorizer`"),
                    );
                }
                None if name.starts_with("x-amazon-") => {
                    self.left_out(view.key, &quoted(name), "remove it");
                }
                None => {}
            }
        }
    }

    fn extension(&mut self, name: &str, view: View<'a>, api: &mut raw::Api) {
        let is_rest = self.flavour == Flavour::Rest;
        match name {
            "cors" => {
                let cors = self.cors(view);
                if api.cors.is_absent() {
                    api.cors = view.field(Box::new(cors));
                }
            }
            "gateway-responses" if is_rest => {
                let entries = view.entries().map(|(name, response)| {
                    (response.name(name), Some(self.gateway_response(response)))
                });
                let entries = entries.collect();
                extend(&mut api.gateway_responses, view.key, entries);
            }
            "request-validators" if is_rest => {
                let entries = view.entries().map(|(name, validator)| {
                    (validator.name(name), Some(self.request_validator(validator)))
                });
                let entries = entries.collect();
                extend(&mut api.request_validators, view.key, entries);
            }
            "request-validator" if is_rest => {
                if let Some(name) = self.text(view)
                    && api.request_validator.is_absent()
                {
                    api.request_validator = view.field(name.to_owned());
                }
            }
            "policy" if is_rest => {
                if api.policy.is_absent() {
                    let document = view.json(&mut str::to_owned);
                    api.policy = view.field(Literal(document));
                }
            }
            // Bodies pass as they are; names and versions mean nothing here.
            "binary-media-types"
            | "importexport-version"
            | "documentation"
            | "tag-value"
            | "endpoint-configuration"
            | "integrations" => {}
            "minimum-compression-size" => {
                let help = "answers pass as the target has compressed them";
                self.left_out(view.key, "`x-amazon-apigateway-minimum-compression-size`", help);
            }
            "api-key-source" => {
                if view.text() != Some("HEADER") {
                    let what = "API keys that an authorizer tells";
                    self.cannot(view.key, what, "callers send them in `x-api-key`");
                }
            }
            _ => {
                let what = format!("`{PREFIX}{name}`");
                self.cannot(view.key, &what, "remove it, and say it in `routes.yaml`");
            }
        }
    }

    fn cors(&mut self, view: View<'a>) -> raw::Cors {
        let mut cors = raw::Cors::default();
        for (name, value) in view.entries() {
            match name {
                "allowOrigins" => cors.allow_origins = self.list(value),
                "allowMethods" => cors.allow_methods = self.list(value),
                "allowHeaders" => cors.allow_headers = self.list(value),
                "exposeHeaders" => cors.expose_headers = self.list(value),
                "maxAge" => match value.number() {
                    Some(age) => {
                        cors.max_age = value.field(DurationText(Duration::from_secs(age)));
                    }
                    None => self.misfit(value, "a number of seconds"),
                },
                "allowCredentials" => match value.flag() {
                    Some(flag) => cors.allow_credentials = value.field(flag),
                    None => self.misfit(value, "`true` or `false`"),
                },
                _ => self.cannot(value.key, &quoted(name), "remove it"),
            }
        }
        cors
    }

    /// A list of texts, or one text.
    fn list(&mut self, view: View<'a>) -> Field<List<String>> {
        let items: Vec<_> = if view.is_list() {
            let texts =
                view.items().filter_map(|item| Some(item.spanned(self.text(item)?.to_owned())));
            texts.collect()
        } else {
            self.text(view).map(|text| view.spanned(text.to_owned())).into_iter().collect()
        };
        // AWS writes an empty list for nothing.
        if items.is_empty() && view.items().next().is_none() {
            return Field::Absent;
        }
        view.field(List { is_empty: items.is_empty(), items })
    }

    fn gateway_response(&mut self, view: View<'a>) -> raw::GatewayResponse {
        let mut response = raw::GatewayResponse::default();
        for (name, value) in view.entries() {
            match name {
                "statusCode" => match value.number() {
                    Some(code) => response.status_code = value.field(code),
                    None => self.misfit(value, "a status"),
                },
                "responseParameters" => {
                    response.response_parameters = value.field(self.texts(value));
                }
                "responseTemplates" => {
                    response.response_templates = value.field(self.texts(value));
                }
                _ => self.cannot(value.key, &quoted(name), "remove it"),
            }
        }
        response
    }

    fn request_validator(&mut self, view: View<'a>) -> raw::RequestValidator {
        let mut validator = raw::RequestValidator::default();
        for (name, value) in view.entries() {
            match (name, value.flag()) {
                ("validateRequestParameters", Some(flag)) => {
                    validator.validate_request_parameters = value.field(flag);
                }
                ("validateRequestBody", Some(flag)) => {
                    validator.validate_request_body = value.field(flag);
                }
                _ => self.cannot(value.key, &quoted(name), "`true` or `false`"),
            }
        }
        validator
    }
}
