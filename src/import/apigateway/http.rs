//! HTTP APIs (v2).

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Kind, Object};
use super::Import;
use super::authorizer::Known;
use super::documents::Topic;
use super::draft::{Draft, Integration, Proxy, Route, list, throttle};
use super::function::region_of_host;
use super::integration::{has_its_variables, is_own_path};

impl Import<'_> {
    /// `None` for a WebSocket API.
    pub(super) fn http_api(&mut self, api: Object<'_>, id: &str) -> Option<Draft> {
        let place = api.place().to_owned();
        if api.text("ProtocolType").is_some_and(|protocol| protocol != "HTTP") {
            self.note(Kind::Dropped, &place, "the whole API: it is a WebSocket API");
            return None;
        }
        let mut draft = Draft::default();
        let endpoint = api.text("ApiEndpoint").and_then(|url| url.strip_prefix("https://"));
        draft.generated = endpoint.map(str::to_owned);
        draft.region = endpoint.and_then(region_of_host);
        api.ignore(&[
            "ApiId",
            "Name",
            "CreatedDate",
            "Description",
            "Tags",
            "Version",
            "ApiGatewayManaged",
            "IpAddressType",
            "RouteSelectionExpression",
            "ApiKeySelectionExpression",
            "ImportInfo",
            "Warnings",
            "DisableSchemaValidation",
            "DisableExecuteApiEndpoint",
        ]);
        if let Some(cors) = api.object("CorsConfiguration") {
            draft.cors = self.cors(cors);
        }
        api.finish(&mut self.notes);
        let documents = self.documents;
        let per_route = self.stage(&mut draft, &place, &documents.of(Topic::Stages, id));
        let known = self.authorizers(&mut draft, &documents.of(Topic::Authorizers, id));
        let integrations: BTreeMap<&str, &Value> = documents
            .of(Topic::Integrations, id)
            .into_iter()
            .filter_map(|value| Some((value.get("IntegrationId")?.as_str()?, value)))
            .collect();
        for value in documents.of(Topic::Routes, id) {
            let Some(route) = Object::new(value, &*place) else { continue };
            let Some(key) = route.text("RouteKey") else { continue };
            let at = format!("route {key} of {place}");
            let mut made = match self.route(&route, key, &at, &known, &integrations, &draft) {
                Ok(made) => made,
                Err(why) => {
                    self.note(Kind::Dropped, &at, format!("{why}; it answers 503"));
                    Route::closed(key, &why)
                }
            };
            made.throttle = per_route.get(key).cloned();
            route.at(&*at).finish(&mut self.notes);
            draft.routes.push(made);
        }
        Some(draft)
    }

    fn cors(&mut self, cors: Object<'_>) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        for (key, theirs) in [
            ("allow_origins", "AllowOrigins"),
            ("allow_methods", "AllowMethods"),
            ("allow_headers", "AllowHeaders"),
            ("expose_headers", "ExposeHeaders"),
        ] {
            let values = cors.texts(theirs);
            if !values.is_empty() {
                lines.push((key, list(&values)));
            }
        }
        lines.extend(cors.number("MaxAge").map(|age| ("max_age", format!("{age}s"))));
        if cors.flag("AllowCredentials") == Some(true) {
            lines.push(("allow_credentials", "true".to_owned()));
        }
        cors.finish(&mut self.notes);
        lines
    }

    /// Takes one stage over, and gives the limits of its routes.
    fn stage(
        &mut self,
        draft: &mut Draft,
        place: &str,
        stages: &[&Value],
    ) -> BTreeMap<String, String> {
        let chosen = stages.iter().find(|stage| stage_name(stage) == Some("$default"));
        let Some(chosen) = chosen.or(stages.first()) else { return BTreeMap::new() };
        for other in stages.iter().filter(|stage| !std::ptr::eq(**stage, *chosen)) {
            let name = stage_name(other).unwrap_or("?");
            self.note(Kind::Dropped, place, format!("the stage {name}: import it by itself"));
        }
        let Some(stage) = Object::new(chosen, format!("the stage of {place}")) else {
            return BTreeMap::new();
        };
        stage.ignore(&[
            "AutoDeploy",
            "CreatedDate",
            "LastUpdatedDate",
            "DeploymentId",
            "Description",
            "Tags",
            "LastDeploymentStatusMessage",
            "ApiGatewayManaged",
            "ClientCertificateId",
        ]);
        let name = stage.text("StageName").filter(|name| *name != "$default");
        draft.stage = name.map(str::to_owned);
        draft.stage_in_path = name.is_some();
        draft.stage_variables = owned(&stage.members("StageVariables"));
        let limits = |value: &Value| {
            let rate = value.get("ThrottlingRateLimit").and_then(Value::as_f64);
            let burst = value.get("ThrottlingBurstLimit").and_then(Value::as_u64);
            throttle(rate, burst)
        };
        stage.ignore(&["DefaultRouteSettings", "RouteSettings"]);
        draft.throttle = chosen.get("DefaultRouteSettings").and_then(limits);
        if draft.throttle.is_some() {
            let text = "its default limit is one for all routes together here, and each route's \
                        own at API Gateway";
            self.note(Kind::Changed, place, text);
        }
        stage.finish(&mut self.notes);
        let settings = chosen.get("RouteSettings").and_then(Value::as_object);
        let settings = settings.into_iter().flatten();
        settings.filter_map(|(key, value)| Some((key.clone(), limits(value)?))).collect()
    }

    fn route(
        &mut self,
        route: &Object<'_>,
        key: &str,
        at: &str,
        known: &Known,
        integrations: &BTreeMap<&str, &Value>,
        draft: &Draft,
    ) -> Result<Route, String> {
        route.ignore(&["RouteId", "OperationName", "ApiGatewayManaged", "RequestModels"]);
        let needs_key = route.flag("ApiKeyRequired") == Some(true);
        let id = route.text("AuthorizerId");
        let kind = route.text("AuthorizationType").unwrap_or("NONE");
        // Those of another kind of authorizer mean nothing at the source.
        let scopes = route.texts("AuthorizationScopes").into_iter();
        let scopes = scopes.filter(|_| kind == "JWT").map(str::to_owned).collect();
        let target = route.text("Target").and_then(|target| target.strip_prefix("integrations/"));
        let authorizer = match kind {
            "NONE" => "none".to_owned(),
            "JWT" | "CUSTOM" => {
                let name = id.and_then(|id| known.get(id).cloned().flatten());
                name.ok_or("its authorizer is not carried over")?
            }
            "AWS_IAM" => "aws_iam".to_owned(),
            other => return Err(format!("authorization by `{other}` is not carried over")),
        };
        if needs_key {
            return Err("an API key is not carried over".to_owned());
        }
        let value = target.and_then(|id| integrations.get(id));
        let value = value.ok_or("its integration was not given")?;
        let integration = self.integration(value, key, at, draft)?;
        Ok(Route {
            key: key.to_owned(),
            authorizer,
            scopes,
            needs_api_key: false,
            throttle: None,
            integration: Some(Integration::Proxy(integration)),
            comment: None,
        })
    }

    fn integration(
        &mut self,
        value: &Value,
        key: &str,
        at: &str,
        draft: &Draft,
    ) -> Result<Proxy, String> {
        let object = Object::new(value, at).ok_or("its integration is no object")?;
        let kind = object.text("IntegrationType").unwrap_or_default();
        let uri = object.text("IntegrationUri").unwrap_or_default();
        if kind != "HTTP_PROXY" {
            return Err(format!("an integration of type `{kind}` is not carried over"));
        }
        object.ignore(&[
            "IntegrationId",
            "ConnectionId",
            "ConnectionType",
            "PayloadFormatVersion",
            "Description",
            "ApiGatewayManaged",
            "PassthroughBehavior",
        ]);
        let server_name = object.object("TlsConfig").and_then(|tls| tls.text("ServerNameToVerify"));
        let place = self.place_of(uri, &draft.stage_variables, server_name)?;
        let (method, route_path) = key.split_once(' ').unwrap_or(("ANY", "/"));
        let theirs = object.text("IntegrationMethod").unwrap_or("ANY");
        if theirs != "ANY" && theirs != method {
            let text = format!("targets were asked by {theirs}; here by the request's own method");
            self.note(Kind::Changed, at, text);
        }
        let path = place.path.filter(|path| !is_own_path(route_path, path));
        if path.as_deref().is_some_and(|path| !has_its_variables(route_path, path)) {
            return Err("its address has variables that its route has not".to_owned());
        }
        let mut request = owned(&object.members("RequestParameters"));
        request.retain(|(key, value)| {
            let is_text = !value.chars().any(char::is_control);
            if !is_text {
                self.note(Kind::Dropped, at, format!("`{key}`: its value has control characters"));
            }
            is_text
        });
        let responses = value.get("ResponseParameters").and_then(Value::as_object);
        object.ignore(&["ResponseParameters"]);
        let response = responses.into_iter().flatten().filter_map(|(status, changes)| {
            let changes = changes.as_object()?.iter();
            let changes = changes.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
            Some((status.clone(), changes.collect()))
        });
        let response = response.collect();
        let timeout = object.number("TimeoutInMillis").filter(|timeout| *timeout != 30_000);
        object.finish(&mut self.notes);
        Ok(Proxy { group: place.group, path, timeout, request, response })
    }
}

fn stage_name(value: &Value) -> Option<&str> {
    value.get("StageName").and_then(Value::as_str)
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
