//! REST APIs (v1).

use serde_json::Value;

use super::super::{Kind, Object};
use super::Import;
use super::authorizer::Known;
use super::documents::Topic;
use super::draft::{Draft, GatewayResponse, Integration, Proxy, Route, text, throttle};
use super::integration::{has_its_variables, is_own_path};

impl Import<'_> {
    pub(super) fn rest_api(&mut self, api: Object<'_>, id: &str) -> Draft {
        let place = api.place().to_owned();
        let mut draft = Draft { is_rest: true, stage_in_path: true, ..Draft::default() };
        api.ignore(&[
            "id",
            "name",
            "description",
            "createdDate",
            "version",
            "tags",
            "warnings",
            "endpointConfiguration",
            "rootResourceId",
            "disableExecuteApiEndpoint",
            "apiStatus",
            "securityPolicy",
        ]);
        let is_guarded = api.text("policy").is_some();
        if is_guarded {
            let text = "its resource policy: all of its routes are closed until it is carried over";
            self.note(Kind::Dropped, &place, text);
        }
        if api.text("apiKeySource").is_some_and(|source| source != "HEADER") {
            self.note(Kind::Dropped, &place, "API keys that its authorizer tells");
        }
        api.finish(&mut self.notes);
        let documents = self.documents;
        self.rest_stage(&mut draft, &place, &documents.of(Topic::Stages, id));
        let known = self.authorizers(&mut draft, &documents.of(Topic::Authorizers, id));
        for value in documents.of(Topic::GatewayResponses, id) {
            draft.gateway_responses.extend(self.gateway_response(value, &place));
        }
        for value in documents.of(Topic::Resources, id) {
            let path = value.get("path").and_then(Value::as_str).unwrap_or("/");
            let methods = value.get("resourceMethods").and_then(Value::as_object);
            for (name, method) in methods.into_iter().flatten() {
                let key = format!("{name} {path}");
                let at = format!("method {key} of {place}");
                let made = match is_guarded {
                    true => Err("the API's resource policy is not carried over".to_owned()),
                    false => self.method(method, (name, path), &at, &known, &draft),
                };
                draft.routes.push(made.unwrap_or_else(|why| {
                    if !is_guarded {
                        self.note(Kind::Dropped, &at, format!("{why}; it answers 503"));
                    }
                    Route::closed(&key, &why)
                }));
            }
        }
        draft
    }

    fn rest_stage(&mut self, draft: &mut Draft, place: &str, stages: &[&Value]) {
        let Some((chosen, others)) = stages.split_first() else { return };
        let name_of = |value: &Value| {
            value.get("stageName").and_then(Value::as_str).unwrap_or("?").to_owned()
        };
        for other in others {
            let text = format!("the stage {}: import it by itself", name_of(other));
            self.note(Kind::Dropped, place, text);
        }
        draft.stage = Some(name_of(chosen));
        let at = format!("stage {} of {place}", name_of(chosen));
        let Some(stage) = Object::new(chosen, &*at) else { return };
        stage.ignore(&[
            "stageName",
            "deploymentId",
            "createdDate",
            "lastUpdatedDate",
            "description",
            "tags",
            "cacheClusterEnabled",
            "cacheClusterStatus",
            "cacheClusterSize",
            "tracingEnabled",
            "documentationVersion",
            "methodSettings",
        ]);
        let variables = stage.members("variables").into_iter();
        draft.stage_variables = variables.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let settings = chosen.get("methodSettings").and_then(Value::as_object);
        for (key, settings) in settings.into_iter().flatten() {
            let rate = settings.get("throttlingRateLimit").and_then(Value::as_f64);
            let burst = settings.get("throttlingBurstLimit").and_then(Value::as_u64);
            match throttle(rate, burst) {
                Some(limit) if key == "*/*" => draft.throttle = Some(limit),
                Some(limit) => {
                    let text = format!("the limit of `{key}`: `throttle: {limit}`");
                    self.note(Kind::ToDo, &at, text);
                }
                None => {}
            }
        }
        stage.finish(&mut self.notes);
    }

    fn gateway_response(&mut self, value: &Value, place: &str) -> Option<GatewayResponse> {
        let object = Object::new(value, format!("gateway responses of {place}"))?;
        // AWS lists its own too.
        if object.flag("defaultResponse") == Some(true) {
            return None;
        }
        let kind = object.text("responseType")?.to_owned();
        let status = object.number("statusCode").map(|status| status.to_string());
        let pairs = |pairs: Vec<(&str, &str)>| -> Vec<(String, String)> {
            pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
        };
        let headers = pairs(object.members("responseParameters"));
        let mut templates = pairs(object.members("responseTemplates")).into_iter();
        let template = templates.next();
        for (kind, _) in templates {
            let text = format!("the template for `{kind}`: there is one for each response");
            self.note(Kind::Dropped, object.place(), text);
        }
        object.finish(&mut self.notes);
        Some(GatewayResponse { kind, status, headers, template })
    }

    fn method(
        &mut self,
        value: &Value,
        (name, path): (&str, &str),
        at: &str,
        known: &Known,
        draft: &Draft,
    ) -> Result<Route, String> {
        let method = Object::new(value, at)
            .ok_or("nothing is known of it: get resources with `--embed methods`")?;
        method.ignore(&["httpMethod", "methodResponses", "operationName", "methodIntegration"]);
        let kind = method.text("authorizationType");
        // Those of another kind of authorizer mean nothing at the source.
        let has_scopes = matches!(kind, Some("COGNITO_USER_POOLS" | "JWT"));
        let scopes = method.texts("authorizationScopes").into_iter();
        let scopes = scopes.filter(|_| has_scopes).map(str::to_owned).collect();
        let id = method.text("authorizerId");
        let authorizer = match kind {
            Some("NONE") => "none".to_owned(),
            Some("COGNITO_USER_POOLS" | "CUSTOM" | "JWT") => {
                let name = id.and_then(|id| known.get(id).cloned().flatten());
                name.ok_or("its authorizer is not carried over")?
            }
            Some("AWS_IAM") => "aws_iam".to_owned(),
            Some(other) => return Err(format!("authorization by `{other}` is not carried over")),
            None => {
                return Err("nothing is known of it: get resources with `--embed methods`".into());
            }
        };
        let needs_api_key = method.flag("apiKeyRequired") == Some(true);
        if method.text("requestValidatorId").is_some() {
            self.note(Kind::Dropped, at, "its request validator");
        }
        method.ignore(&["requestParameters", "requestModels"]);
        method.finish(&mut self.notes);
        let integration = value.get("methodIntegration").and_then(|it| Object::new(it, at));
        let integration = integration.ok_or("its integration was not given")?;
        let integration = self.rest_integration(&integration, (name, path), at, draft)?;
        Ok(Route {
            key: format!("{name} {path}"),
            authorizer,
            scopes,
            needs_api_key,
            throttle: None,
            integration: Some(integration),
            comment: None,
        })
    }

    /// An answer of the gateway's own: the integration response that is chosen when nothing else is.
    fn mock(&mut self, object: &Object<'_>, at: &str) -> Result<Integration, String> {
        object.ignore(&[
            "type",
            "requestTemplates",
            "passthroughBehavior",
            "timeoutInMillis",
            "cacheNamespace",
            "cacheKeyParameters",
        ]);
        let responses = object.list("integrationResponses").iter();
        let responses: Vec<&Value> = match responses.len() {
            0 => object.values("integrationResponses"),
            _ => responses.collect(),
        };
        let is_default = |response: &&&Value| {
            let pattern = response.get("selectionPattern").and_then(Value::as_str);
            pattern.is_none_or(str::is_empty)
        };
        let response = responses.iter().find(is_default).ok_or("its mock has no default answer")?;
        let response = Object::new(response, at).ok_or("its mock has no default answer")?;
        let status = response.text("statusCode").unwrap_or("200");
        let mut answer = vec![format!("status_code: {status}")];
        let mut headers = Vec::new();
        for (name, value) in response.members("responseParameters") {
            let literal = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
            match (name.strip_prefix("method.response.header."), literal) {
                (Some(name), Some(literal)) if name.eq_ignore_ascii_case("content-type") => {
                    answer.push(format!("content_type: {}", text(literal)));
                }
                (Some(name), Some(literal)) => {
                    headers.push(format!("{}: {}", text(name), text(literal)));
                }
                _ => self.note(
                    Kind::Dropped,
                    at,
                    format!("`{name}` of its mock, which is `{value}`"),
                ),
            }
        }
        if !headers.is_empty() {
            answer.push(format!("headers: {{ {} }}", headers.join(", ")));
        }
        for (kind, template) in response.members("responseTemplates") {
            if template.is_empty() {
                continue;
            }
            if template.contains(['$', '#']) || answer.iter().any(|part| part.starts_with("body")) {
                self.note(Kind::Dropped, at, format!("the template for `{kind}` of its mock"));
                continue;
            }
            if !answer.iter().any(|part| part.starts_with("content_type")) {
                answer.push(format!("content_type: {}", text(kind)));
            }
            answer.push(format!("body: {}", text(template)));
        }
        Ok(Integration::Mock(format!("{{ {} }}", answer.join(", "))))
    }

    fn rest_integration(
        &mut self,
        object: &Object<'_>,
        (name, path): (&str, &str),
        at: &str,
        draft: &Draft,
    ) -> Result<Integration, String> {
        let kind = object.text("type").unwrap_or_default();
        if kind == "MOCK" {
            return self.mock(object, at);
        }
        if kind != "HTTP_PROXY" {
            return Err(format!("an integration of type `{kind}` is not carried over"));
        }
        if let Some(theirs) = object.text("httpMethod").filter(|m| *m != "ANY" && *m != name) {
            let text = format!("targets were asked by {theirs}; here by the request's own method");
            self.note(Kind::Changed, at, text);
        }
        let place =
            self.place_of(object.text("uri").unwrap_or_default(), &draft.stage_variables, None)?;
        let mut asked = place.path;
        let mut request = Vec::new();
        for (key, value) in object.members("requestParameters") {
            let value = expression(value);
            if let Some(header) = key.strip_prefix("integration.request.header.") {
                request.push((format!("overwrite:header.{header}"), value));
            } else if let Some(name) = key.strip_prefix("integration.request.querystring.") {
                request.push((format!("overwrite:querystring.{name}"), value));
            } else if let Some(name) = key.strip_prefix("integration.request.path.") {
                let Some(variable) = value.strip_prefix("$request.path.") else {
                    return Err(format!("its path variable `{name}` is `{value}`"));
                };
                asked = asked
                    .map(|path| path.replace(&format!("{{{name}}}"), &format!("{{{variable}}}")));
            } else {
                self.note(Kind::Dropped, at, format!("the parameter `{key}`"));
            }
        }
        let path = match asked.filter(|asked| !is_own_path(path, asked)) {
            Some(asked) if !has_its_variables(path, &asked) => {
                return Err("its address has variables that its method has not".to_owned());
            }
            other => other,
        };
        let timeout = object.number("timeoutInMillis").filter(|timeout| *timeout != 29_000);
        let (group, response) = (place.group, Vec::new());
        Ok(Integration::Proxy(Proxy { group, path, timeout, request, response }))
    }
}

/// A value of a mapping in the words of the file.
fn expression(value: &str) -> String {
    if let Some(literal) = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
        return literal.to_owned();
    }
    for (theirs, ours) in [
        ("method.request.header.", "$request.header."),
        ("method.request.querystring.", "$request.querystring."),
        ("method.request.path.", "$request.path."),
        ("context.", "$context."),
        ("stageVariables.", "$stageVariables."),
    ] {
        if let Some(rest) = value.strip_prefix(theirs) {
            return format!("{ours}{rest}");
        }
    }
    value.to_owned()
}
