//! `request_validators:` of a REST API, and the parameters that its routes require.

use super::extends::Merged;
use std::collections::HashMap;

use super::super::pattern::Refusal;
use super::super::{Judge, error_page, header};
use super::mapping::has_variable;
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::Spanned;
use crate::config::model::{BodyModel, Flavour, RequestParameter, RoutePattern};
use crate::config::{raw, suggest};

/// Most parameters that a route requires.
const MOST_PARAMETERS: usize = 64;
/// Longest name of a parameter of the query.
const LONGEST_NAME: usize = 128;

/// The validators of one API.
pub(super) struct Validators {
    /// By name; `None` where the validator is wrong.
    by_name: Vec<(String, Option<Looks>)>,
    /// Of routes that name none.
    default: Option<Spanned<String>>,
    /// By name; `None` where the model is wrong.
    models: HashMap<String, Option<BodyModel>>,
}

/// What a validator looks at.
#[derive(Clone, Copy, Default)]
struct Looks {
    at_parameters: bool,
    at_bodies: bool,
}

impl Judge<'_> {
    pub(super) fn request_validators(
        &mut self,
        raw: &Merged<'_>,
        flavour: Option<Flavour>,
    ) -> Validators {
        let keys = [
            ("request_validators", raw.request_validators.key()),
            ("request_validator", raw.request_validator.key()),
            ("models", raw.models.key()),
        ];
        for (name, key) in keys {
            if let Some(key) = key.filter(|_| flavour == Some(Flavour::Http)) {
                let message = format!("an HTTP API has no `{name}`");
                self.report(
                    Diagnostic::error("contradiction", key, message).help("`type: rest` has"),
                );
            }
        }
        let mut by_name = Vec::new();
        let entries = raw.request_validators.value().map(|table| &table.entries);
        for (name, validator) in entries.into_iter().flatten() {
            let looks = validator.as_ref().map(|raw| Looks {
                at_parameters: raw.validate_request_parameters.value() == Some(&true),
                at_bodies: raw.validate_request_body.value() == Some(&true),
            });
            by_name.push((name.value.clone(), looks));
        }
        let mut models = HashMap::new();
        for (name, model) in raw.models.value().map(|table| &table.entries).into_iter().flatten() {
            let schema =
                model.as_ref().and_then(|raw| self.demand(&raw.schema, name.span, "schema"));
            let model = schema.and_then(|schema| {
                let model = BodyModel::new(schema.value.0.clone()).map_err(|why| Refusal {
                    message: format!("this schema cannot be used: {}", first_line(&why)),
                    help: Some("JSON Schema, draft 4".to_owned()),
                });
                self.accept("invalid-model", schema.span, model)
            });
            models.insert(name.value.clone(), model);
        }
        let default = raw.request_validator.given().cloned();
        let validators = Validators { by_name, default, models };
        if let Some(default) = &validators.default {
            self.validates(&validators, default);
        }
        validators
    }

    /// The parameters that a request for a route must have; none where nobody looks at them, as on
    /// API Gateway.
    pub(super) fn required_parameters(
        &mut self,
        raw: &raw::Route,
        pattern: &RoutePattern,
        flavour: Flavour,
        validators: &Validators,
    ) -> Vec<RequestParameter> {
        let keys = [
            ("required_parameters", raw.required_parameters.key()),
            ("request_validator", raw.request_validator.key()),
            ("request_models", raw.request_models.key()),
        ];
        for (name, key) in keys {
            if let Some(key) = key.filter(|_| flavour == Flavour::Http) {
                let message = format!("a route of an HTTP API has no `{name}`");
                self.report(
                    Diagnostic::error("contradiction", key, message).help("`type: rest` has"),
                );
            }
        }
        if let Some(name) = raw.request_validator.given() {
            self.validates(validators, name);
        }
        let looks = validators.of(raw).at_parameters;
        let mut required: Vec<RequestParameter> = Vec::new();
        let Some(list) = raw.required_parameters.given() else { return required };
        if list.value.items.len() > MOST_PARAMETERS {
            let message = format!("more than {MOST_PARAMETERS} required parameters");
            self.report(Diagnostic::error("out-of-range", list.key, message));
        }
        for item in &list.value.items {
            let parameter = parameter(&item.value, pattern);
            let parameter = self.accept("invalid-parameter", item.span, parameter);
            required.extend(parameter.filter(|parameter| !required.contains(parameter)));
        }
        if !looks {
            self.unlooked(list.key, flavour);
            required.clear();
        }
        required
    }

    /// The models of a route's bodies; none where nobody looks at them, as on API Gateway.
    pub(super) fn body_models(
        &mut self,
        raw: &raw::Route,
        flavour: Flavour,
        validators: &Validators,
    ) -> Vec<(String, BodyModel)> {
        let mut found = Vec::new();
        let Some(table) = raw.request_models.given() else { return found };
        for (kind, name) in &table.value.entries {
            let checked = error_page::content_type(&kind.value);
            let essence = checked.map(|text| text.to_ascii_lowercase());
            let essence = self.accept("invalid-content-type", kind.span, essence);
            let Some(name) = name else { continue };
            let Some(model) = validators.models.get(name) else {
                let shown = crate::config::decode::quoted(name);
                let message = format!("this API has no model {shown}");
                let mut finding = Diagnostic::error("unknown-model", kind.span, message);
                let known = validators.models.keys().map(String::as_str);
                finding.help = suggest::did_you_mean(name, known);
                self.report(finding);
                continue;
            };
            found.extend(essence.zip(model.clone()));
        }
        if !validators.of(raw).at_bodies {
            if flavour == Flavour::Rest {
                let message = "no `request_validator` looks at bodies: these models hold nobody up";
                let help = "name a validator with `validate_request_body: true`";
                let finding = Diagnostic::warning("unvalidated-bodies", table.key, message);
                self.report(finding.help(help));
            }
            found.clear();
        }
        found
    }

    fn unlooked(&mut self, key: Span, flavour: Flavour) {
        if flavour == Flavour::Rest {
            let message = "no `request_validator` looks at these parameters: none is required";
            let help = "name a validator with `validate_request_parameters: true`";
            self.report(Diagnostic::warning("unvalidated-parameters", key, message).help(help));
        }
    }

    fn validates(&mut self, validators: &Validators, name: &Spanned<String>) {
        if validators.find(&name.value).is_some() {
            return;
        }
        let shown = crate::config::decode::quoted(&name.value);
        let message = format!("this API has no request validator {shown}");
        let mut finding = Diagnostic::error("unknown-request-validator", name.span, message);
        let known = validators.by_name.iter().map(|(name, _)| name.as_str());
        finding.help = suggest::did_you_mean(&name.value, known)
            .or_else(|| Some("name one of the API's `request_validators`".to_owned()));
        self.report(finding);
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

impl Validators {
    fn find(&self, name: &str) -> Option<Looks> {
        let found = self.by_name.iter().find(|(known, _)| known == name);
        found.map(|(_, looks)| looks.unwrap_or_default())
    }

    /// What is looked at in requests for a route.
    fn of(&self, raw: &raw::Route) -> Looks {
        let name = raw.request_validator.given().or(self.default.as_ref());
        name.and_then(|name| self.find(&name.value)).unwrap_or_default()
    }
}

fn parameter(text: &str, pattern: &RoutePattern) -> Result<RequestParameter, Refusal> {
    let refuse = |message: &str, help: &str| {
        Err(Refusal { message: message.to_owned(), help: Some(help.to_owned()) })
    };
    let place = text.strip_prefix("method.request.").or_else(|| text.strip_prefix("$request."));
    match place.and_then(|place| place.split_once('.')) {
        Some(("header", name)) => {
            Ok(RequestParameter::Header(name.to_owned(), header::token(name)?))
        }
        Some(("querystring", name)) => {
            let is_name = |b: u8| b.is_ascii_graphic() && !b"&=#+%\"\\[], ".contains(&b);
            if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_name) {
                return refuse("this is not the name of a parameter", "visible ASCII, unescaped");
            }
            Ok(RequestParameter::Query(name.to_owned()))
        }
        Some(("path", name)) if has_variable(pattern, name) => {
            Ok(RequestParameter::Path(name.to_owned()))
        }
        Some(("path", _)) => refuse(
            "the route has no variable of this name",
            "only variables of the route key can stand here",
        ),
        _ => refuse(
            "this is no parameter of a request",
            "write `method.request.header.NAME`, `method.request.querystring.NAME` or \
             `method.request.path.NAME`",
        ),
    }
}
