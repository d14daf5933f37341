//! `aws_apigatewayv2_*` and `aws_api_gateway_*` as what the command line of AWS would have printed.

use serde_json::{Map, Value, json};

use super::super::Document;
use super::resources::{Resource, Resources};
use super::words::{block, blocks, camel, members, pascal};

pub(super) fn has_any(resources: &Resources) -> bool {
    ["apigatewayv2_api", "api_gateway_rest_api"]
        .iter()
        .any(|kind| resources.of(kind).next().is_some())
}

pub(super) fn documents(resources: &Resources) -> Vec<Document> {
    let mut documents = Vec::new();
    for api in resources.of("apigatewayv2_api") {
        http(api, resources, &mut documents);
    }
    for api in resources.of("api_gateway_rest_api") {
        rest(api, resources, &mut documents);
    }
    usage(resources, &mut documents);
    documents
}

/// API keys and usage plans, without the keys' values.
fn usage(resources: &Resources, documents: &mut Vec<Document>) {
    let mut add = |name: String, items: Vec<Value>| {
        let text = json!({ "items": items }).to_string();
        documents.push(Document { name, text });
    };
    let key = |one: &Resource| {
        let is_enabled = one.values.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        json!({ "id": one.text("id"), "name": one.own_name(), "enabled": is_enabled })
    };
    add("api-keys".to_owned(), resources.of("api_gateway_api_key").map(key).collect());
    for plan in resources.of("api_gateway_usage_plan") {
        let id = plan.text("id").unwrap_or_default();
        let stages = blocks(&plan.values, "api_stages").map(|stage| {
            let limits = blocks(stage, "throttle").filter_map(|limit| {
                let path = limit.get("path")?.as_str()?.to_owned();
                Some((path, Value::Object(members(limit, camel))))
            });
            let limits: Map<String, Value> = limits.collect();
            json!({ "apiId": stage.get("api_id"), "stage": stage.get("stage"), "throttle": limits })
        });
        let mut made =
            json!({ "id": id, "name": plan.own_name(), "apiStages": stages.collect::<Vec<_>>() });
        for (theirs, ours) in [("throttle_settings", "throttle"), ("quota_settings", "quota")] {
            if let Some(settings) = block(&plan.values, theirs) {
                made[ours] = Value::Object(members(settings, camel));
            }
        }
        add(format!("usage-plans-{id}"), vec![made]);
        let own = resources.of("api_gateway_usage_plan_key");
        let own = own.filter(|one| one.text("usage_plan_id") == Some(id));
        let own = own.map(|one| json!({ "id": one.text("key_id"), "type": "API_KEY" }));
        add(format!("usage-plan-keys-{id}"), own.collect());
    }
}

/// Members of the resource, with `id` under the name that AWS has for it.
fn item(resource: &Resource, id: &str, name: fn(&str) -> String) -> Map<String, Value> {
    let mut item = members(&resource.values, name);
    for key in ["id", "Id", "arn", "Arn", "ExecutionArn", "executionArn"] {
        item.remove(key);
    }
    item.insert(id.to_owned(), resource.text("id").into());
    item
}

/// Blocks of one as what they hold.
fn unfold(
    item: &mut Map<String, Value>,
    values: &Map<String, Value>,
    key: &str,
    name: fn(&str) -> String,
) {
    if let Some(block) = block(values, key) {
        item.insert(name(key), Value::Object(members(block, name)));
    }
}

fn http(api: &Resource, resources: &Resources, documents: &mut Vec<Document>) {
    let id = api.text("id").unwrap_or_default();
    let mut add = |topic: &str, items: Vec<Map<String, Value>>| {
        let text = json!({ "Items": items }).to_string();
        documents.push(Document { name: format!("{topic}-{id}"), text });
    };
    let mut own = item(api, "ApiId", pascal);
    unfold(&mut own, &api.values, "cors_configuration", pascal);
    own.insert("Name".to_owned(), api.own_name().into());
    own.entry("ProtocolType").or_insert_with(|| "HTTP".into());
    for key in ["FailOnWarnings", "Body", "CredentialsArn", "RouteKey", "Target"] {
        own.remove(key);
    }
    add("apis", vec![own]);
    let of = |kind| resources.of(kind).filter(|one| one.text("api_id") == Some(id));
    let without = |mut item: Map<String, Value>| {
        item.remove("ApiId");
        item
    };
    add(
        "routes",
        of("apigatewayv2_route").map(|one| without(item(one, "RouteId", pascal))).collect(),
    );
    let integration = |one: &Resource| {
        let mut made = without(item(one, "IntegrationId", pascal));
        // The other way round, where the answer to something else is asked for.
        made.remove("IntegrationResponseSelectionExpression");
        unfold(&mut made, &one.values, "tls_config", pascal);
        made
    };
    add("integrations", of("apigatewayv2_integration").map(integration).collect());
    let authorizer = |one: &Resource| {
        let mut made = without(item(one, "AuthorizerId", pascal));
        if let Some(sources) = made.remove("IdentitySources") {
            made.insert("IdentitySource".to_owned(), sources);
        }
        unfold(&mut made, &one.values, "jwt_configuration", pascal);
        made
    };
    add("authorizers", of("apigatewayv2_authorizer").map(authorizer).collect());
    let stage = |one: &Resource| {
        let mut made = members(&one.values, pascal);
        for key in ["Id", "Arn", "ApiId", "ExecutionArn", "InvokeUrl", "Name", "AccessLogSettings"]
        {
            made.remove(key);
        }
        made.insert("StageName".to_owned(), one.own_name().into());
        unfold(&mut made, &one.values, "default_route_settings", pascal);
        made.remove("RouteSettings");
        let settings = blocks(&one.values, "route_settings").filter_map(|settings| {
            let key = settings.get("route_key")?.as_str()?.to_owned();
            Some((key, Value::Object(members(settings, pascal))))
        });
        made.insert("RouteSettings".to_owned(), Value::Object(settings.collect()));
        made
    };
    add("stages", of("apigatewayv2_stage").map(stage).collect());
    for mapping in of("apigatewayv2_api_mapping") {
        let domain = mapping.text("domain_name").unwrap_or_default().to_owned();
        let text = json!({ "Items": [item(mapping, "ApiMappingId", pascal)] }).to_string();
        documents.push(Document { name: format!("mappings-{domain}"), text });
    }
}

fn rest(api: &Resource, resources: &Resources, documents: &mut Vec<Document>) {
    let id = api.text("id").unwrap_or_default();
    let mut add = |topic: &str, items: Vec<Value>| {
        let text = json!({ "items": items }).to_string();
        documents.push(Document { name: format!("{topic}-{id}"), text });
    };
    let mut own = json!({ "id": id, "name": api.own_name() });
    if let Some(own) = own.as_object_mut() {
        own.extend(api.text("policy").map(|policy| ("policy".to_owned(), policy.into())));
        own.extend(
            api.text("api_key_source").map(|source| ("apiKeySource".to_owned(), source.into())),
        );
    }
    add("apis", vec![own]);
    let of = |kind| resources.of(kind).filter(|one| one.text("rest_api_id") == Some(id));
    let mut paths: Vec<(String, String)> = Vec::new();
    if let Some(root) = api.text("root_resource_id") {
        paths.push((root.to_owned(), "/".to_owned()));
    }
    let all: Vec<&Resource> = of("api_gateway_resource").collect();
    for resource in &all {
        if let Some(own) = resource.text("id") {
            paths.push((own.to_owned(), path(resource, &all)));
        }
    }
    // A root that is not known yet is the one that methods name and nobody has.
    for method in of("api_gateway_method") {
        let own = method.text("resource_id").unwrap_or_default();
        if !paths.iter().any(|(known, _)| known == own) {
            paths.push((own.to_owned(), "/".to_owned()));
        }
    }
    let listed = paths.iter().map(|(own, path)| {
        let methods = of("api_gateway_method")
            .filter(|one| one.text("resource_id").unwrap_or_default() == own);
        let methods = methods.map(|one| {
            let responses = of("api_gateway_integration_response");
            method(one, of("api_gateway_integration"), responses)
        });
        json!({ "id": own, "path": path, "resourceMethods": methods.collect::<Map<_, _>>() })
    });
    add("resources", listed.collect());
    let authorizer = |one: &Resource| {
        let mut made = item(one, "id", camel);
        made.remove("restApiId");
        if let Some(arns) = made.remove("providerArns") {
            made.insert("providerARNs".to_owned(), arns);
        }
        if let Some(seconds) = made.remove("authorizerResultTtlInSeconds") {
            made.insert("authorizerResultTtlInSeconds".to_owned(), seconds);
        }
        made.entry("type").or_insert_with(|| "TOKEN".into());
        Value::Object(made)
    };
    add("authorizers", of("api_gateway_authorizer").map(authorizer).collect());
    let stage = |one: &Resource| json!({ "stageName": one.text("stage_name"), "variables": one.values.get("variables") });
    add("stages", of("api_gateway_stage").map(stage).collect());
    for mapping in resources.of("api_gateway_base_path_mapping") {
        if mapping.text("api_id") == Some(id) {
            let domain = mapping.text("domain_name").unwrap_or_default();
            let text = json!({ "items": [{
                "restApiId": id, "basePath": mapping.text("base_path").unwrap_or("(none)"),
                "stage": mapping.text("stage_name"),
            }] });
            documents.push(Document { name: format!("mappings-{domain}"), text: text.to_string() });
        }
    }
}

/// Its path, put together where AWS has not told it yet.
fn path(resource: &Resource, all: &[&Resource]) -> String {
    if let Some(path) = resource.text("path") {
        return path.to_owned();
    }
    let mut parts = Vec::new();
    let mut at = Some(resource);
    // API Gateway has no path of more parts than resources.
    for _ in 0..all.len() {
        let Some(one) = at else { break };
        parts.push(one.text("path_part").unwrap_or("unknown").to_owned());
        let parent = one.text("parent_id");
        at = all.iter().find(|other| other.text("id") == parent).copied();
    }
    parts.reverse();
    format!("/{}", parts.join("/"))
}

fn method<'r>(
    method: &Resource,
    mut integrations: impl Iterator<Item = &'r Resource>,
    responses: impl Iterator<Item = &'r Resource>,
) -> (String, Value) {
    let verb = method.text("http_method").unwrap_or("ANY").to_owned();
    let mut made = members(&method.values, camel);
    for key in ["id", "arn", "restApiId", "resourceId", "authorization"] {
        made.remove(key);
    }
    made.insert("httpMethod".to_owned(), verb.clone().into());
    // What is not known is not open.
    let authorization = method.text("authorization").unwrap_or("CUSTOM");
    made.insert("authorizationType".to_owned(), authorization.into());
    let is_its = |one: &&Resource| {
        one.text("resource_id") == method.text("resource_id")
            && one.text("http_method") == Some(&verb)
    };
    let own = integrations.find(is_its);
    let responses = responses.filter(is_its).filter_map(|one| {
        let mut made = members(&one.values, camel);
        for key in ["id", "restApiId", "resourceId", "httpMethod"] {
            made.remove(key);
        }
        Some((one.text("status_code")?.to_owned(), Value::Object(made)))
    });
    if let Some(own) = own {
        let mut integration = members(&own.values, camel);
        for key in ["id", "arn", "restApiId", "resourceId", "httpMethod"] {
            integration.remove(key);
        }
        if let Some(verb) = integration.remove("integrationHttpMethod") {
            integration.insert("httpMethod".to_owned(), verb);
        }
        if let Some(millis) = integration.remove("timeoutMilliseconds") {
            integration.insert("timeoutInMillis".to_owned(), millis);
        }
        let responses: Map<String, Value> = responses.collect();
        integration.insert("integrationResponses".to_owned(), Value::Object(responses));
        made.insert("methodIntegration".to_owned(), Value::Object(integration));
    }
    (verb, Value::Object(made))
}
