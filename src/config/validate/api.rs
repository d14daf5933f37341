//! `apis:`, their stages and routes.

mod authorizer;
mod extends;
mod gateway_response;
mod mapping;
mod mock;
mod request_authorizer;
mod request_validation;
mod route_key;

use std::collections::HashMap;
use std::time::Duration;

use self::authorizer::{Authorizers, Door, Premises, Proof};
use self::extends::Merged;
pub(super) use self::mapping::FilledHeader;
use self::mapping::Surroundings;
use self::request_validation::Validators;
use self::route_key::{base_path, route_key, shape, template};
use super::pattern::Refusal;
use super::{Judge, Scene, seconds};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned, Table};
use crate::config::iam_policy::{Kind, Policy};
use crate::config::model::{Api, Backend, Flavour, Integration, Mapped, Name, Route, RoutePattern};
use crate::config::raw;

/// Most routes of an API; AWS's quota is 300.
const MOST_ROUTES: usize = 20_000;
/// Most scopes of a route, and longest of them (API Gateway's quotas).
const MOST_SCOPES: usize = 10;
const LONGEST_SCOPE: usize = 64;
/// Most stage variables, and longest value (API Gateway's quotas).
const MOST_VARIABLES: usize = 100;
const LONGEST_VARIABLE: usize = 2048;
/// The stage of a REST API that names none: it must have one.
const REST_STAGE: &str = "prod";

/// What routes of one API refer to.
struct House {
    flavour: Flavour,
    is_strict: bool,
    authorizers: Authorizers,
    validators: Validators,
    stage_variables: Vec<(String, String)>,
    /// Whether routes that do not say so themselves ask for an API key.
    needs_api_key: bool,
}

impl Judge<'_> {
    /// One entry for each name; `None` where it is wrong.
    pub(super) fn apis(
        &mut self,
        raw: &Field<Table<raw::Api>>,
        scene: &mut Scene<'_>,
    ) -> Vec<Option<Api>> {
        let entries = raw.value().map(|table| &table.entries).into_iter().flatten();
        let before = self.findings.len();
        let apis = entries
            .map(|(name, api)| {
                let merged = self.merged(raw.value()?, name, api.as_ref()?, scene);
                self.api(name, &merged, scene)
            })
            .collect();
        self.forget_repeated(before);
        apis
    }

    fn api(
        &mut self,
        name: &Spanned<String>,
        raw: &Merged<'_>,
        scene: &mut Scene<'_>,
    ) -> Option<Api> {
        let kind = self.demand(raw.kind, name.span, "type");
        let flavour = kind.map(|kind| match kind.value {
            raw::ApiType::Http => Flavour::Http,
            raw::ApiType::Rest => Flavour::Rest,
        });
        let base_path = match raw.base_path.given() {
            None => Some(String::new()),
            Some(text) => self.accept("invalid-base-path", text.span, base_path(&text.value)),
        };
        let stage = self.stage(raw, flavour);
        let stage_variables = self.stage_variables(raw.stage_variables);
        if let Some(key) = raw.gateway_responses.key().filter(|_| flavour == Some(Flavour::Http)) {
            let message = "an HTTP API has no gateway responses";
            self.report(Diagnostic::error("contradiction", key, message).help("`type: rest` has"));
        }
        if let Some(key) = raw.cors.key().filter(|_| flavour == Some(Flavour::Rest)) {
            let message = "a REST API has no `cors`";
            let finding = Diagnostic::error("contradiction", key, message);
            self.report(finding.help("give it a route for `OPTIONS` and `gateway_responses`"));
        }
        if let Some(key) = raw.api_key_source.key().filter(|_| flavour == Some(Flavour::Http)) {
            let message = "an HTTP API has no API keys";
            self.report(Diagnostic::error("contradiction", key, message).help("`type: rest` has"));
        }
        let log_format = raw.access_log.given().and_then(|log| {
            self.demand(&log.value.format, log.key, "format")?;
            self.log_format(&log.value.format, flavour == Some(Flavour::Rest))
        });
        let cors = self.cors(raw.cors);
        let gateway_responses = self.gateway_responses(raw.gateway_responses);
        let premises = Premises { flavour, stage_variables: &stage_variables };
        let arn = self.api_arn(raw, &name.value);
        let policy = self.resource_policy(raw, flavour, &arn);
        let authorizers = self.authorizers(raw, (premises, &arn), scene);
        let table = self.demand(raw.routes, name.span, "routes")?;
        let house = House {
            flavour: flavour.unwrap_or(Flavour::Http),
            is_strict: !matches!(raw.compatibility.value(), Some(raw::Compatibility::Aws)),
            authorizers,
            validators: self.request_validators(raw, flavour),
            stage_variables: stage_variables.clone(),
            needs_api_key: self.needs_api_key(raw.api_key_required, flavour).unwrap_or(false),
        };
        let routes = self.routes(table, &house, scene);
        // Limits by claim need a token somewhere.
        let has_token = |route: &Route| route.authorizer.as_ref()?.validation.as_ref().map(|_| ());
        let is_open = |routes: &Vec<Route>| routes.iter().all(|route| has_token(route).is_none());
        let throttle = self.throttle(raw.throttle, routes.as_ref().is_some_and(is_open));
        let routes = routes?;
        self.judge_throttle_memory(name.span, &throttle, &routes);
        Some(Api {
            name: name.value.as_str().into(),
            flavour: flavour?,
            arn: arn.as_str().into(),
            has_region: raw.region.given().is_some(),
            has_account: raw.account_id.given().is_some(),
            policy,
            stage: stage?,
            has_stage_in_path: raw.stage_in_path.value().copied().unwrap_or(false),
            stage_variables,
            gateway_responses,
            base_path: base_path?,
            is_strict: house.is_strict,
            cors,
            throttle,
            log_format,
            routes,
            openapi: self
                .documents
                .iter()
                .find(|(api, _)| *api == name.value)
                .map(|(_, file)| file.clone()),
            span: name.span,
        })
    }

    /// `policy:`
    fn resource_policy(
        &mut self,
        raw: &Merged<'_>,
        flavour: Option<Flavour>,
        arn: &str,
    ) -> Option<Policy> {
        let given = raw.policy.given()?;
        if flavour == Some(Flavour::Http) {
            let message = "an HTTP API has no resource policy";
            let finding = Diagnostic::error("contradiction", given.key, message);
            self.report(finding.help("`type: rest` has"));
            return None;
        }
        self.policy(given.span, &given.value.0, Kind::Resource { own: arn })
    }

    /// `Some(None)` is `$default`.
    #[allow(clippy::option_option)]
    fn stage(&mut self, raw: &Merged<'_>, flavour: Option<Flavour>) -> Option<Option<Name>> {
        let stage = match raw.stage.given() {
            None if raw.stage.is_absent() => {
                (flavour == Some(Flavour::Rest)).then(|| REST_STAGE.into())
            }
            None => return None,
            Some(text) => match self.accept("invalid-stage", text.span, stage(&text.value))? {
                None if flavour == Some(Flavour::Rest) => {
                    let message = "a REST API has no stage `$default`";
                    let finding = Diagnostic::error("invalid-stage", text.span, message);
                    self.report(finding.help("name it, such as `prod`"));
                    return None;
                }
                stage => stage,
            },
        };
        if let Some(key) = raw.stage_in_path.given().filter(|given| given.value && stage.is_none())
        {
            let message = "`$default` does not stand in the path";
            let finding = Diagnostic::error("contradiction", key.key, message);
            self.report(finding.help("give the API a `stage`"));
        }
        Some(stage)
    }

    fn stage_variables(&mut self, raw: &Field<Table<String>>) -> Vec<(String, String)> {
        let Some(table) = raw.given() else { return Vec::new() };
        if table.value.entries.len() > MOST_VARIABLES {
            let message = format!("more than {MOST_VARIABLES} stage variables");
            self.report(Diagnostic::error("out-of-range", table.key, message));
        }
        let mut variables = Vec::new();
        for (name, value) in &table.value.entries {
            let Some(value) = value else { continue };
            let variable = stage_variable(&name.value, value);
            variables.extend(self.accept("invalid-stage-variable", name.span, variable));
        }
        variables
    }

    fn routes(
        &mut self,
        table: &Spanned<Table<raw::Route>>,
        house: &House,
        scene: &mut Scene<'_>,
    ) -> Option<Vec<Route>> {
        if table.value.entries.is_empty() {
            let message = "`routes` may not be empty: every request would be answered 404";
            self.report(Diagnostic::error("missing-routes", table.key, message));
        }
        if let Some((key, _)) = table.value.entries.get(MOST_ROUTES) {
            let message = format!("more than {MOST_ROUTES} routes");
            self.report(Diagnostic::error("out-of-range", key.span, message));
            return None;
        }
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut routes = Vec::with_capacity(table.value.entries.len());
        let mut is_whole = true;
        for (key, raw) in &table.value.entries {
            let pattern =
                self.accept("invalid-route-key", key.span, route_key(&key.value, house.flavour));
            if let Some(pattern) = &pattern
                && let Some(first) = seen.insert(shape(pattern), key.span)
            {
                let message = format!("`{}` matches the same requests as another route", key.value);
                self.report(
                    Diagnostic::error("duplicate-route", key.span, message)
                        .related(first, "the other route"),
                );
            }
            let route = match (pattern, raw) {
                (Some(pattern), Some(raw)) => self.route(key, pattern, raw, house, scene),
                _ => None,
            };
            is_whole &= route.is_some();
            routes.extend(route);
        }
        is_whole.then_some(routes)
    }

    fn route(
        &mut self,
        key: &Spanned<String>,
        pattern: RoutePattern,
        raw: &raw::Route,
        house: &House,
        scene: &mut Scene<'_>,
    ) -> Option<Route> {
        let door = self.door(key, raw, &house.authorizers);
        let scopes = self.route_scopes(raw);
        if let (Some(Door::Open), Some(place)) = (&door, raw.scopes.key()) {
            let message = "`scopes` without an authorizer: nobody would look at them";
            self.report(
                Diagnostic::error("contradiction", place, message)
                    .help("name an authorizer of the API"),
            );
        }
        if let (Some(Door::Closed(closed)), Some(place)) = (&door, raw.scopes.key())
            && closed.is_request()
        {
            let message = "`scopes` are of tokens, and this authorizer judges by itself";
            let finding = Diagnostic::error("contradiction", place, message);
            self.report(finding.help("leave them out, or use `jwt`"));
        }
        let proof = Proof::of(door.as_ref());
        let around = Surroundings {
            flavour: house.flavour,
            is_strict: house.is_strict,
            proof,
            pattern: &pattern,
            stage_variables: &house.stage_variables,
        };
        let throttle = self.throttle(
            &raw.throttle,
            matches!(proof, Proof::Nothing | Proof::Context | Proof::Signature),
        );
        let required = self.required_parameters(raw, &pattern, house.flavour, &house.validators);
        let body_models = self.body_models(raw, house.flavour, &house.validators);
        let key_required = self.needs_api_key(&raw.api_key_required, Some(house.flavour));
        let is_api_key_required = key_required.unwrap_or(house.needs_api_key);
        let integration = self.integration(key, around, raw, scene);
        let authorizer = match door? {
            Door::Open => None,
            Door::Closed(closed) => Some(house.authorizers.judge(*closed, scopes)),
        };
        let span = key.span;
        let file = self.source.name_at(span);
        let file = (file != self.source.name()).then(|| file.into());
        let key = key.value.as_str().into();
        Some(Route {
            key,
            pattern,
            authorizer,
            is_api_key_required,
            throttle,
            required,
            body_models,
            integration: integration?,
            file,
            span,
        })
    }

    fn needs_api_key(&mut self, raw: &Field<bool>, flavour: Option<Flavour>) -> Option<bool> {
        let given = raw.given()?;
        if given.value && flavour == Some(Flavour::Http) {
            let message = "an HTTP API has no API keys";
            let finding = Diagnostic::error("contradiction", given.key, message);
            self.report(finding.help("`type: rest` has, and an authorizer says who is calling"));
        }
        Some(given.value)
    }

    fn route_scopes(&mut self, raw: &raw::Route) -> Option<Vec<String>> {
        let list = raw.scopes.given()?;
        let scopes = self.texts(list, "`scopes`");
        if scopes.len() > MOST_SCOPES {
            let message = format!("more than {MOST_SCOPES} scopes");
            self.report(Diagnostic::error("out-of-range", list.key, message));
        }
        for item in &list.value.items {
            let is_scope = item.value.len() <= LONGEST_SCOPE
                && item.value.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
            if !is_scope {
                let message = "this is not a scope";
                let help =
                    format!("visible ASCII without quotes, at most {LONGEST_SCOPE} characters");
                self.report(Diagnostic::error("invalid-value", item.span, message).help(help));
            }
        }
        Some(scopes)
    }

    fn integration(
        &mut self,
        key: &Spanned<String>,
        around: Surroundings<'_>,
        raw: &raw::Route,
        scene: &mut Scene<'_>,
    ) -> Option<Integration> {
        let given = self.demand(&raw.integration, key.span, "integration")?;
        let raw = &given.value;
        let backend = self.backend(given, scene);
        let path = match raw.path.given() {
            None if raw.path.is_absent() => None,
            None => return None,
            Some(text) => {
                let template = template(&text.value, around.pattern);
                Some(self.accept("invalid-integration-path", text.span, template)?)
            }
        };
        const SHORTEST: Duration = Duration::from_millis(50);
        let request_mappings = self.request_mappings(&raw.request_parameters, around);
        let response_mappings = self.response_mappings(&raw.response_parameters, around);
        let maps_path = request_mappings.iter().any(|mapping| mapping.place == Mapped::Path);
        if let Some(key) = raw.path.key().filter(|_| maps_path) {
            let message = "`path` and `overwrite:path` both say which path the target gets";
            self.report(Diagnostic::error("contradiction", key, message).help("keep one"));
        }
        let (default, longest) = match around.flavour {
            Flavour::Http => (seconds(30), seconds(30)),
            Flavour::Rest => (seconds(29), seconds(300)),
        };
        let timeout = self.duration(&raw.timeout, default, SHORTEST..=longest);
        Some(Integration { backend: backend?, path, request_mappings, response_mappings, timeout })
    }

    /// Who serves a route: a target group, or nobody.
    fn backend(
        &mut self,
        given: &Spanned<Box<raw::Integration>>,
        scene: &mut Scene<'_>,
    ) -> Option<Backend> {
        let raw = &given.value;
        let Some(key) = raw.mock.key() else {
            let name = self.demand(&raw.target_group, given.key, "target_group")?;
            return scene.groups.group(self, name).map(Backend::Group);
        };
        let unasked = [
            ("target_group", raw.target_group.key()),
            ("path", raw.path.key()),
            ("request_parameters", raw.request_parameters.key()),
            ("timeout", raw.timeout.key()),
        ];
        for (name, place) in unasked {
            let Some(place) = place else { continue };
            let message = format!("`{name}` beside `mock`: no target is asked");
            self.report(
                Diagnostic::error("contradiction", place, message).related(key, "always answered"),
            );
        }
        self.mock(raw.mock.given()?).map(|mock| Backend::Mock(Box::new(mock)))
    }
}

/// `None` for `$default`.
fn stage(text: &str) -> Result<Option<Name>, Refusal> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    match text {
        "$default" => Ok(None),
        _ if (1..=128).contains(&text.len()) && text.bytes().all(is_name) => Ok(Some(text.into())),
        _ => Err(Refusal {
            message: format!("`{text}` cannot be the name of a stage"),
            help: Some("letters, digits, `-` and `_`, or `$default`".to_owned()),
        }),
    }
}

fn stage_variable(name: &str, value: &str) -> Result<(String, String), Refusal> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_value = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&b);
    let is_good = (1..=64).contains(&name.len())
        && name.bytes().all(is_name)
        && (1..=LONGEST_VARIABLE).contains(&value.len())
        && value.bytes().all(is_value);
    if is_good {
        return Ok((name.to_owned(), value.to_owned()));
    }
    Err(Refusal {
        message: format!("`{name}` cannot be this stage variable"),
        help: Some("the name: letters, digits and `_`; the value: those and `-._~:/?#&=,`".into()),
    })
}
