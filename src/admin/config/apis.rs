//! APIs as JSON.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::claims::jwt_validation;
use super::{Names, seconds};
use crate::config::expression::Expression;
use crate::config::iam_policy::Policy;
use crate::config::model::{
    AllowedOrigin, Api, AuthorizerKind, Backend, Cors, GatewayResponse, Integration, Mapped,
    Mapping, Mock, Operation, RequestParameter, ResponseCase, Route, RouteAuthorizer, Segment,
    Throttle, ThrottleKey,
};
use crate::config::regex::Regex;

pub(super) fn api(api: &Api, names: &Names<'_>) -> Value {
    let Api {
        name: _,
        flavour,
        arn,
        has_region: _,
        has_account: _,
        policy,
        stage,
        has_stage_in_path,
        stage_variables,
        gateway_responses,
        base_path,
        is_strict,
        cors,
        throttle,
        log_format,
        routes,
        openapi,
        span: _,
    } = api;
    let routes: Map<String, Value> =
        routes.iter().map(|route| (route.key.to_string(), self::route(route, names))).collect();
    let variables: Map<String, Value> =
        stage_variables.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let responses: Map<String, Value> = gateway_responses.iter().map(gateway_response).collect();
    json!({
        "type": flavour.as_str(),
        "arn": &**arn,
        "policy": policy.is_some(),
        "policy_digest": policy.as_ref().map(Policy::fingerprint),
        "base_path": base_path,
        "stage": stage.as_deref().unwrap_or("$default"),
        "stage_in_path": has_stage_in_path,
        "stage_variables": variables,
        "compatibility": if *is_strict { "strict" } else { "aws" },
        "gateway_responses": responses,
        "cors": cors.as_ref().map(self::cors),
        "throttle": limits(throttle),
        "openapi": openapi.as_ref().map(|file| file.path.display().to_string()),
        "access_log": log_format.as_ref().map(|format| json!({ "format": format.text })),
        "routes": routes,
    })
}

fn cors(cors: &Cors) -> Value {
    let Cors {
        allow_origins,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
        allow_credentials,
    } = cors;
    json!({
        "allow_origins": allow_origins.iter().map(AllowedOrigin::text).collect::<Vec<_>>(),
        "allow_methods": allow_methods,
        "allow_headers": allow_headers,
        "expose_headers": expose_headers,
        "max_age": max_age.map(|age| seconds(Duration::from_secs(age.into()))),
        "allow_credentials": allow_credentials,
    })
}

fn gateway_response(response: &GatewayResponse) -> (String, Value) {
    let GatewayResponse { case, status_code, headers, template } = response;
    let case = match case {
        ResponseCase::Default4xx => "DEFAULT_4XX",
        ResponseCase::Default5xx => "DEFAULT_5XX",
        ResponseCase::Type(kind) => kind.as_str(),
    };
    let headers: Map<String, Value> =
        headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let templates: Map<String, Value> =
        template.iter().map(|(kind, text)| (kind.clone(), json!(text))).collect();
    let value = json!({
        "status_code": status_code, "response_parameters": headers, "response_templates": templates,
    });
    (case.to_owned(), value)
}

fn route(route: &Route, names: &Names<'_>) -> Value {
    let Route {
        key: _,
        pattern: _,
        authorizer,
        is_api_key_required,
        throttle,
        required,
        body_models,
        integration,
        file: _,
        span: _,
    } = route;
    let Integration { backend, path, request_mappings, response_mappings, timeout } = integration;
    let responses: Map<String, Value> = response_mappings
        .iter()
        .map(|response| (response.status.to_string(), mappings(&response.mappings)))
        .collect();
    json!({
        "authorizer": authorizer.as_ref().map_or_else(
            || json!("none"),
            |authorizer| self::authorizer(authorizer, names),
        ),
        "api_key_required": is_api_key_required,
        "throttle": limits(throttle),
        "required_parameters": required.iter().map(required_parameter).collect::<Vec<_>>(),
        "request_models": body_models
            .iter()
            .map(|(kind, model)| (kind.clone(), model.schema().clone()))
            .collect::<Map<String, Value>>(),
        "integration": {
            "target_group": backend.group().and_then(|group| names.groups.get(group.0)).map(|name| &***name),
            "mock": match backend {
                Backend::Group(_) => None,
                Backend::Mock(mock) => Some(self::mock(mock)),
            },
            "path": path.as_deref().map(template),
            "request_parameters": mappings(request_mappings),
            "response_parameters": responses,
            "timeout": seconds(*timeout),
        },
    })
}

fn required_parameter(parameter: &RequestParameter) -> String {
    let place = match parameter {
        RequestParameter::Header(..) => "header",
        RequestParameter::Query(_) => "querystring",
        RequestParameter::Path(_) => "path",
    };
    format!("method.request.{place}.{}", parameter.name())
}

fn mock(mock: &Mock) -> Value {
    let Mock { status_code, content_type, headers, body } = mock;
    let headers: Map<String, Value> =
        headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({ "status_code": status_code, "content_type": content_type, "headers": headers, "body": body })
}

fn mappings(mappings: &[Mapping]) -> Value {
    let entries: Map<String, Value> = mappings
        .iter()
        .map(|mapping| {
            let operation = match mapping.operation {
                Operation::Append(_) => "append",
                Operation::Overwrite(_) => "overwrite",
                Operation::Remove => "remove",
            };
            let (place, value) = match &mapping.place {
                Mapped::Header(name) => (format!("header.{name}"), None),
                Mapped::Parameter(name) => (format!("querystring.{name}"), None),
                Mapped::Path => ("path".to_owned(), None),
                Mapped::StatusCode(code) => ("statuscode".to_owned(), Some(code.to_string())),
            };
            let value = value.or_else(|| mapping.operation.value().map(Expression::to_string));
            (format!("{operation}:{place}"), json!(value.unwrap_or_default()))
        })
        .collect();
    Value::Object(entries)
}

fn authorizer(authorizer: &RouteAuthorizer, names: &Names<'_>) -> Value {
    let RouteAuthorizer { name, kind, validation } = authorizer;
    let judged = validation.as_ref().map(|validation| jwt_validation(validation, names));
    match kind {
        AuthorizerKind::Jwt => json!({ "name": &**name, "jwt": judged }),
        AuthorizerKind::Cognito { validation_expression } => json!({
            "name": &**name,
            "cognito": judged,
            "identity_validation_expression": validation_expression.as_ref().map(Regex::as_str),
        }),
        AuthorizerKind::AwsIam => json!({ "name": &**name }),
        AuthorizerKind::Request(service) => {
            let sources: Vec<&str> =
                service.identity_sources.iter().map(|(text, _)| &**text).collect();
            let expression = service.validation_expression.as_ref();
            json!({
                "name": &**name,
                "request": {
                    "uri": &*service.uri,
                    "event": service.event.as_str(),
                    "identity_source": sources,
                    "identity_validation_expression": expression.map(Regex::as_str),
                    "result_ttl": seconds(service.result_ttl),
                    "timeout": seconds(service.timeout),
                    "enable_simple_responses": service.has_simple_responses,
                    "api_arn": &*service.api_arn,
                },
            })
        }
    }
}

fn limits(limits: &[Throttle]) -> Value {
    let limit = |limit: &Throttle| {
        let Throttle { rate, burst, per, max_keys } = limit;
        json!({
            "rate": rate,
            "burst": burst,
            "per": per.as_ref().map(ThrottleKey::text),
            "max_keys": max_keys,
        })
    };
    limits.iter().map(limit).collect()
}

fn template(segments: &[Segment]) -> String {
    let mut text = String::new();
    for segment in segments {
        text.push('/');
        match segment {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Variable(name) | Segment::Greedy(name) => {
                text.extend(["{", name.as_str(), "}"]);
            }
        }
    }
    text
}
