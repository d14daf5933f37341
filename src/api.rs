//! API Gateway's HTTP and REST APIs: which route takes a request, who may come, and what its target gets.
//!
//! Pure, like everything that decides. Tokens are judged by `auth` as for any rule; here is only
//! what differs: how a path selects a route, and in which words a caller is refused. Sending is
//! `proxy`'s, bodies and headers of answers are `answer`'s.

mod authorizer;
mod body;
pub mod cors;
mod dialect;
mod facts;
mod integration;
pub mod limits;
mod mapping;
mod required;
mod table;
pub mod usage;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use ::http::HeaderMap;

pub use self::authorizer::{
    AnswerName, Consultation, Consulted, Judged, Known, LONGEST_ANSWER, RequestAuthorizer, Unjudged,
};
pub use self::body::{BodyModels, JudgedBody};
pub use self::cors::Cors;
pub use self::dialect::{Asker, Denial, authorizer_error};
pub use self::facts::{Facts, claim};
pub use self::integration::{Backend, Integration, mocked};
pub use self::limits::Limits;
use self::mapping::Mappings;
pub use self::mapping::{Edits, HeaderEdit, ResponseEdits};
pub use self::required::missing;
use self::table::RouteTable;
use crate::auth::{self, Authorizers, CompiledValidation};
use crate::config::iam_policy::Policy;
use crate::config::model::{
    self, AuthorizerKind, ClaimHeader, Demand, Flavour, GatewayResponse, GroupIndex,
    IdentitySource, Name,
};
use crate::http::{Malformed, PathPolicy};
use crate::telemetry::metrics::{Metrics, RouteMetrics};

/// Longest request body, in bytes (API Gateway's fixed quota).
pub const MAX_BODY: u64 = 10 * 1024 * 1024;
/// Longest request line with names and values of headers, in bytes (API Gateway's fixed quota).
pub const MAX_HEAD: usize = 10_240;

/// An API, ready for requests.
pub struct Api {
    /// The file's name for it.
    pub name: Name,
    /// How it finds routes and what it says.
    pub flavour: Flavour,
    /// `arn:aws:execute-api:REGION:ACCOUNT:API`
    pub arn: Name,
    has_region: bool,
    has_account: bool,
    /// Who may come, whatever routes say.
    pub policy: Option<Policy>,
    stage: Option<Name>,
    stage_variables: Vec<(String, String)>,
    /// Taken off paths: base path, and stage where it stands there.
    prefix: Box<str>,
    gateway_responses: Vec<GatewayResponse>,
    table: RouteTable,
    /// What browsers are told; targets tell it when absent.
    pub cors: Option<Cors>,
    /// How often it may be asked.
    pub limits: Option<Box<Limits>>,
    /// Whether it takes the safe reading where API Gateway's is not, and tells who is over a limit
    /// when to come again.
    pub is_strict: bool,
    /// In file order.
    pub routes: Vec<Route>,
}

/// A route, ready for requests.
pub struct Route {
    /// As in the file: `GET /orders/{id}`.
    pub key: Name,
    /// Who may come; everybody when absent.
    pub validation: Option<CompiledValidation>,
    /// Which authorizer that is.
    pub kind: Option<AuthorizerKind>,
    /// The service that is asked instead of judging a token.
    pub request_authorizer: Option<Arc<RequestAuthorizer>>,
    query_parameter: Option<Box<str>>,
    /// Any of these is demanded; what a refused caller is told.
    pub scopes: Vec<String>,
    /// Whether it asks for an API key of a usage plan.
    pub is_api_key_required: bool,
    /// How often it may be asked.
    pub limits: Option<Box<Limits>>,
    /// What requests must have.
    pub required: Vec<model::RequestParameter>,
    /// What their bodies must look like.
    pub body_models: Option<BodyModels>,
    /// What becomes of its requests.
    pub integration: Integration,
    /// How often it is taken.
    pub metrics: Arc<RouteMetrics>,
    variables: Vec<(Box<str>, integration::Part)>,
    mappings: Option<Mappings>,
}

/// Where a request came to, for whoever answers it or writes it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Position of the API in the file.
    pub api: usize,
    /// Position of the route in the API; absent when none takes the request.
    pub route: Option<usize>,
}

impl Api {
    /// Makes an API ready. Its callers' claims become the file's `claim_headers`. Limits that the
    /// API of this name had before keep their state.
    #[must_use]
    pub fn compile(
        api: &model::Api,
        authorizers: &Authorizers,
        claim_headers: &[ClaimHeader],
        previous: Option<&Self>,
        metrics: &Metrics,
    ) -> Self {
        let before: HashMap<&str, &Limits> = previous
            .into_iter()
            .flat_map(|api| &api.routes)
            .filter_map(|route| Some((&*route.key, route.limits.as_deref()?)))
            .collect();
        let groups = groups(api);
        let mut services = Services::before(previous);
        let mut routes = Vec::with_capacity(api.routes.len());
        for route in &api.routes {
            let group = route.integration.backend.group();
            let position = groups.iter().position(|known| Some(*known) == group);
            let authorizer = route.authorizer.as_ref();
            let validation = authorizer.and_then(|authorizer| authorizer.validation.as_ref());
            let parameter = validation.and_then(|validation| match &validation.identity_source {
                IdentitySource::Query(name) => Some(name.as_str()),
                _ => None,
            });
            routes.push(Route {
                key: route.key.clone(),
                is_api_key_required: route.is_api_key_required,
                limits: Limits::compile(&route.throttle, before.get(&*route.key).copied(), || {
                    metrics.throttle(&api.name, &route.key)
                }),
                scopes: validation.map(scopes).unwrap_or_default(),
                validation: validation.map(|v| authorizers.compile_validation(v, claim_headers)),
                kind: authorizer.map(|authorizer| authorizer.kind.clone()),
                required: route.required.clone(),
                body_models: BodyModels::compile(&route.body_models, api.is_strict),
                request_authorizer: match authorizer.map(|authorizer| &authorizer.kind) {
                    Some(AuthorizerKind::Request(settings)) => {
                        Some(services.of(&api.name, settings, metrics))
                    }
                    _ => None,
                },
                query_parameter: parameter.map(Box::from),
                integration: Integration::compile(route, position.unwrap_or_default()),
                variables: integration::variables(&route.pattern),
                mappings: Mappings::compile(&route.integration),
                metrics: metrics.route(&api.name, &route.key),
            });
        }
        Self {
            name: api.name.clone(),
            flavour: api.flavour,
            arn: api.arn.clone(),
            has_region: api.has_region,
            has_account: api.has_account,
            policy: api.policy.clone(),
            stage: api.stage.clone(),
            stage_variables: api.stage_variables.clone(),
            prefix: prefix(api).into(),
            gateway_responses: api.gateway_responses.clone(),
            table: RouteTable::compile(api),
            cors: api.cors.as_ref().map(Cors::compile),
            limits: Limits::compile(
                &api.throttle,
                previous.and_then(|api| api.limits.as_deref()),
                || metrics.throttle(&api.name, ""),
            ),
            is_strict: api.is_strict,
            routes,
        }
    }

    /// The part of a canonical path that routes are matched with; `None` where it is not this
    /// API's.
    #[must_use]
    pub fn relative<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&*self.prefix)?;
        let rest = match rest.as_bytes() {
            [] => "/",
            // Sent as a target of its own it would begin with an authority.
            [b'/', b'/', ..] if !self.prefix.is_empty() => return None,
            [b'/', ..] => rest,
            _ => return None,
        };
        // A REST API ignores a slash at the end, so its targets do not see one either.
        match (self.flavour, rest.strip_suffix('/')) {
            (Flavour::Rest, Some(shorter)) if !shorter.is_empty() => Some(shorter),
            _ => Some(rest),
        }
    }

    /// The region that signatures must be for, where the file names one.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.arn.split(':').nth(3).filter(|_| self.has_region)
    }

    /// The account that it belongs to, where the file names one.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.arn.split(':').nth(4).filter(|_| self.has_account)
    }

    /// Its stage's name.
    #[must_use]
    pub fn stage(&self) -> &str {
        self.stage.as_deref().unwrap_or("$default")
    }

    /// The position of the route that takes a request for this relative path.
    #[must_use]
    pub fn select(&self, method: &str, relative: &str) -> Option<usize> {
        self.table.select(method, relative)
    }
}

impl Route {
    /// What of a relative path is in this variable, as it stands there.
    fn variable<'a>(&'a self, name: &str, relative: &'a str) -> Option<&'a str> {
        let (_, part) = self.variables.iter().find(|(known, _)| **known == *name)?;
        part.of_path(relative)
    }

    /// What the route's mappings make of a request; `None` where it has none.
    ///
    /// # Errors
    ///
    /// What they make may not be sent.
    pub fn map(
        &self,
        facts: &Facts<'_>,
        path: &str,
        policy: PathPolicy,
    ) -> Result<Option<Edits>, Malformed> {
        self.mappings.as_ref().map(|mappings| mappings.apply(facts, path, policy)).transpose()
    }

    /// The token of a request, where this route looks for it.
    ///
    /// # Errors
    ///
    /// There is none, or more than one.
    pub fn token<'a>(
        &self,
        headers: &'a HeaderMap,
        query: Option<&'a str>,
    ) -> Result<Cow<'a, [u8]>, auth::Reason> {
        match (&self.query_parameter, &self.validation) {
            (Some(name), _) => {
                let mut values = parameters(query.unwrap_or_default(), name);
                let value = values.next().ok_or(auth::Reason::TokenMissing)?;
                if values.next().is_some() {
                    return Err(auth::Reason::TokenRepeated);
                }
                let token = match value.split_at_checked("bearer ".len()) {
                    Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token,
                    _ => &*value,
                };
                if token.is_empty() {
                    return Err(auth::Reason::TokenMissing);
                }
                Ok(Cow::Owned(token.as_bytes().to_vec()))
            }
            (None, Some(validation)) => validation.token(headers).map(Cow::Borrowed),
            (None, None) => Err(auth::Reason::TokenMissing),
        }
    }

    /// Whether an audience of a token is one that the authorizer's expression allows.
    pub fn allows_audience<'a>(&self, mut audiences: impl Iterator<Item = &'a str>) -> bool {
        match &self.kind {
            Some(AuthorizerKind::Cognito { validation_expression: Some(expression) }) => {
                audiences.any(|audience| expression.is_match(audience.as_bytes()))
            }
            _ => true,
        }
    }
}

/// Values of a parameter of a query, decoded. Names are compared as they are meant, too.
fn parameters<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(move |(known, _)| known == name)
        .map(|(_, value)| value)
}

/// The request authorizers of an API: routes that name the same share it, and one with equal
/// settings is the one from before.
struct Services<'a> {
    before: Vec<&'a Arc<RequestAuthorizer>>,
    known: Vec<Arc<RequestAuthorizer>>,
}

impl<'a> Services<'a> {
    fn before(previous: Option<&'a Api>) -> Self {
        let routes = previous.into_iter().flat_map(|api| &api.routes);
        let before = routes.filter_map(|route| route.request_authorizer.as_ref());
        Self { before: before.collect(), known: Vec::new() }
    }

    fn of(
        &mut self,
        api: &str,
        settings: &Arc<model::RequestAuthorizer>,
        metrics: &Metrics,
    ) -> Arc<RequestAuthorizer> {
        let is_it = |known: &&Arc<RequestAuthorizer>| known.settings == *settings;
        if let Some(known) = self.known.iter().find(is_it) {
            return Arc::clone(known);
        }
        let before = self.before.iter().copied().find(is_it);
        let handle = metrics.authorizer(api, &settings.name);
        let made = RequestAuthorizer::compile(settings, before, handle);
        self.known.push(Arc::clone(&made));
        made
    }
}

fn prefix(api: &model::Api) -> String {
    match &api.stage {
        Some(stage) if api.has_stage_in_path => format!("{}/{stage}", api.base_path),
        _ => api.base_path.clone(),
    }
}

/// An open route that serves what a protected one seems to cover.
pub struct Bypass<'a> {
    /// The protected route.
    pub protected: &'a model::Route,
    /// The open one.
    pub open: &'a model::Route,
    /// A request that shows it: its method and its path in the API.
    pub request: String,
}

/// The open routes of an API that serve what protected ones name, by another method or with a slash
/// at the end; one for each protected route. A strict API refuses such requests.
#[must_use]
pub fn bypasses(api: &model::Api) -> Vec<Bypass<'_>> {
    let table = RouteTable::compile(api);
    let protected = api.routes.iter().filter(|route| route.authorizer.is_some());
    let bypass = |protected| {
        let path = sample(protected)?;
        // A REST API ignores that slash.
        let slashed = (api.flavour == Flavour::Http).then(|| format!("{path}/"));
        let paths: Vec<String> = std::iter::once(path).chain(slashed).collect();
        let asked = paths.iter().flat_map(|path| table::ANY.map(|method| (method, path)));
        asked.into_iter().find_map(|(method, path)| {
            let open = api.routes.get(table.bypass(method, path)?)?;
            Some(Bypass { protected, open, request: format!("{method} {path}") })
        })
    };
    protected.filter_map(bypass).collect()
}

/// A path that a route takes.
fn sample(route: &model::Route) -> Option<String> {
    let model::RoutePattern::Path { segments, .. } = &route.pattern else { return None };
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.push_str(match segment {
            model::Segment::Literal(text) => text,
            model::Segment::Variable(_) | model::Segment::Greedy(_) => "x",
        });
    }
    Some(path)
}

/// The target groups of all routes, each once, as they first stand there. An integration's
/// position points here.
#[must_use]
pub fn groups(api: &model::Api) -> Vec<GroupIndex> {
    let mut groups = Vec::new();
    for group in api.groups() {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

fn scopes(validation: &model::JwtValidation) -> Vec<String> {
    match &validation.scopes {
        Some(Demand::AnyOf(scopes) | Demand::AllOf(scopes)) => scopes.clone(),
        None => Vec::new(),
    }
}
