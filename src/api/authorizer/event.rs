//! What a service is told of a request: the events of AWS's Lambda authorizers (api-gateway.md 2.7).
//!
//! Names of headers are in lower case. What the gateway cannot know, such as a client certificate's
//! AWS record, is `null`.

use std::borrow::Cow;

use ::http::header::COOKIE;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::super::facts::joined;
use super::Facts;
use crate::config::expression::Variable;
use crate::config::model::{EventFormat, RequestAuthorizer};

pub(super) fn event(
    settings: &RequestAuthorizer,
    facts: &Facts<'_>,
    identity: &[Cow<'_, str>],
) -> Value {
    let arn = facts.asked_arn(settings).unwrap_or_default();
    match settings.event {
        EventFormat::RestToken => json!({
            "type": "TOKEN",
            "methodArn": arn,
            "authorizationToken": identity.first(),
        }),
        EventFormat::HttpTwo => two(settings, facts, identity, &arn),
        EventFormat::HttpOne => {
            let mut event = one(settings, facts, &arn);
            let joined = identity.join(",");
            event.insert("version".into(), "1.0".into());
            event.insert("identitySource".into(), joined.as_str().into());
            event.insert("authorizationToken".into(), joined.into());
            Value::Object(event)
        }
        EventFormat::RestRequest => Value::Object(one(settings, facts, &arn)),
    }
}

fn two(
    settings: &RequestAuthorizer,
    facts: &Facts<'_>,
    identity: &[Cow<'_, str>],
    arn: &str,
) -> Value {
    let cookies: Vec<&str> = facts
        .headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(str::trim)
        .filter(|cookie| !cookie.is_empty())
        .collect();
    let mut headers = headers(facts);
    headers.remove(COOKIE.as_str());
    json!({
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": arn,
        "identitySource": identity,
        "routeKey": &*facts.route.key,
        "rawPath": decoded(facts.path),
        "rawQueryString": facts.query.unwrap_or_default(),
        "cookies": cookies,
        "headers": headers,
        "queryStringParameters": parameters(facts, true),
        "requestContext": {
            "accountId": account(settings),
            "apiId": &*facts.api.name,
            "authentication": Value::Null,
            "domainName": facts.host(),
            "domainPrefix": facts.host().split('.').next(),
            "http": {
                "method": facts.method,
                "path": decoded(facts.path),
                "protocol": said(facts, &Variable::Protocol),
                "sourceIp": facts.client.to_string(),
                "userAgent": said(facts, &Variable::UserAgent),
            },
            "requestId": said(facts, &Variable::RequestId),
            "routeKey": &*facts.route.key,
            "stage": facts.api.stage(),
            "time": said(facts, &Variable::RequestTime),
            "timeEpoch": facts.now.0,
        },
        "pathParameters": variables(facts, true),
        "stageVariables": stage_variables(facts),
    })
}

fn one(settings: &RequestAuthorizer, facts: &Facts<'_>, arn: &str) -> Map<String, Value> {
    let is_rest = settings.event == EventFormat::RestRequest;
    let event = json!({
        "type": "REQUEST",
        "methodArn": arn,
        "resource": said(facts, &Variable::ResourcePath),
        "path": facts.relative,
        "httpMethod": facts.method,
        "headers": headers(facts),
        "multiValueHeaders": all_headers(facts),
        "queryStringParameters": parameters(facts, false),
        "multiValueQueryStringParameters": all_parameters(facts),
        "pathParameters": variables(facts, !is_rest),
        "stageVariables": stage_variables(facts),
        "requestContext": {
            "accountId": account(settings),
            "apiId": &*facts.api.name,
            "domainName": facts.host(),
            "domainPrefix": facts.host().split('.').next(),
            "extendedRequestId": facts.id,
            "httpMethod": facts.method,
            "identity": {
                "sourceIp": facts.client.to_string(),
                "userAgent": said(facts, &Variable::UserAgent),
            },
            "path": facts.path,
            "protocol": said(facts, &Variable::Protocol),
            "requestId": said(facts, &Variable::RequestId),
            "requestTime": said(facts, &Variable::RequestTime),
            "requestTimeEpoch": facts.now.0,
            "resourcePath": said(facts, &Variable::ResourcePath),
            "stage": facts.api.stage(),
        },
    });
    match event {
        Value::Object(event) => event,
        _ => Map::new(),
    }
}

fn said(facts: &Facts<'_>, variable: &Variable) -> Value {
    facts.variable(variable).map_or(Value::Null, |text| Value::from(&*text))
}

fn account(settings: &RequestAuthorizer) -> Option<&str> {
    settings.api_arn.split(':').nth(4)
}

/// Values of one name joined by commas.
fn headers(facts: &Facts<'_>) -> Map<String, Value> {
    let names = facts.headers.keys();
    names
        .filter_map(|name| {
            Some((name.as_str().to_owned(), joined(facts.headers, name.as_str())?.into()))
        })
        .collect()
}

fn all_headers(facts: &Facts<'_>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in facts.headers {
        if let Ok(value) = value.to_str() {
            push(&mut all, name.as_str(), value);
        }
    }
    all
}

/// Of a name that stands twice: all values joined by commas, or the last.
fn parameters(facts: &Facts<'_>, joins: bool) -> Option<Map<String, Value>> {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in url::form_urlencoded::parse(facts.query?.as_bytes()) {
        let before = all.get(&*name).and_then(Value::as_str).filter(|_| joins);
        let text = before.map_or_else(|| value.to_string(), |before| format!("{before},{value}"));
        all.insert(name.into_owned(), text.into());
    }
    Some(all)
}

fn all_parameters(facts: &Facts<'_>) -> Option<Map<String, Value>> {
    let mut all = Map::new();
    for (name, value) in url::form_urlencoded::parse(facts.query?.as_bytes()) {
        push(&mut all, &name, &value);
    }
    Some(all)
}

fn push(all: &mut Map<String, Value>, name: &str, value: &str) {
    let values = all.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(values) = values {
        values.push(value.into());
    }
}

fn variables(facts: &Facts<'_>, decodes: bool) -> Option<Map<String, Value>> {
    let mut all = Map::new();
    for (name, part) in &facts.route.variables {
        let raw = part.of_path(facts.relative)?;
        let value = if decodes { decoded(raw) } else { raw.into() };
        all.insert(name.to_string(), Value::from(&*value));
    }
    (!all.is_empty()).then_some(all)
}

fn stage_variables(facts: &Facts<'_>) -> Option<Map<String, Value>> {
    let all = facts.api.stage_variables.iter();
    let all: Map<_, _> =
        all.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    (!all.is_empty()).then_some(all)
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}
