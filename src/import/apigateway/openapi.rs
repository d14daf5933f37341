//! An OpenAPI export of an API, with API Gateway's extensions, as what the command line of AWS would
//! have printed of it.

use serde_json::{Map, Value, json};

/// Methods of a path item, and the word for all of them.
const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"];

/// Whether it is one at all.
pub(super) fn is_definition(value: &Value) -> bool {
    value.get("openapi").is_some() || value.get("swagger").is_some()
}

/// The API of this id, and all that belongs to it.
pub(super) fn items(definition: &Value, id: &str) -> Vec<Value> {
    let definition = Definition { root: definition };
    if definition.is_http() { definition.http(id) } else { definition.rest(id) }
}

struct Definition<'d> {
    root: &'d Value,
}

/// A path's method.
struct Operation<'d> {
    path: &'d str,
    method: String,
    value: &'d Value,
}

/// Who may use an operation.
#[derive(Default)]
struct Guard {
    kind: Option<&'static str>,
    authorizer: Option<String>,
    scopes: Vec<String>,
    needs_api_key: bool,
}

impl<'d> Definition<'d> {
    /// Only HTTP APIs say how a payload is written, and only they know JWTs.
    fn is_http(&self) -> bool {
        let has_format = |operation: &Operation<'d>| {
            self.integration(operation).is_some_and(|it| it.get("payloadFormatVersion").is_some())
        };
        let is_jwt = |(_, scheme): (&String, &Value)| {
            authorizer(scheme).is_some_and(|it| text(it, "type") == Some("jwt"))
        };
        self.operations().iter().any(has_format) || self.schemes().any(is_jwt)
    }

    fn operations(&self) -> Vec<Operation<'d>> {
        let paths = self.root.get("paths").and_then(Value::as_object).into_iter().flatten();
        let of_path = |(path, item): (&'d String, &'d Value)| {
            METHODS.iter().filter_map(move |name| {
                let value = item.get(name)?;
                let method = match name.strip_prefix("x-") {
                    Some(_) => "ANY".to_owned(),
                    None => name.to_ascii_uppercase(),
                };
                Some(Operation { path, method, value })
            })
        };
        paths.flat_map(of_path).collect()
    }

    /// Its integration, also where that stands among the components.
    fn integration(&self, operation: &Operation<'d>) -> Option<&'d Value> {
        let own = operation.value.get("x-amazon-apigateway-integration")?;
        match text(own, "$ref") {
            Some(place) => self.root.pointer(place.strip_prefix('#')?),
            None => Some(own),
        }
    }

    fn schemes(&self) -> impl Iterator<Item = (&'d String, &'d Value)> {
        let newer = self.root.pointer("/components/securitySchemes");
        let schemes = newer.or_else(|| self.root.get("securityDefinitions"));
        schemes.and_then(Value::as_object).into_iter().flatten()
    }

    fn guard(&self, operation: &Operation<'_>) -> Guard {
        let mut guard = Guard::default();
        let signed = operation.value.pointer("/x-amazon-apigateway-auth/type");
        if signed.and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("AWS_IAM")) {
            guard.kind = Some("AWS_IAM");
        }
        let security = operation.value.get("security").or_else(|| self.root.get("security"));
        let named = security.and_then(Value::as_array).into_iter().flatten();
        for (name, scopes) in named.filter_map(Value::as_object).flatten() {
            let scheme = self.schemes().find(|(own, _)| *own == name).map(|(_, scheme)| scheme);
            let is_signature = scheme.is_some_and(|scheme| {
                text(scheme, "x-amazon-apigateway-authtype") == Some("awsSigv4")
            });
            match scheme.and_then(authorizer) {
                _ if is_signature => guard.kind = Some("AWS_IAM"),
                Some(own) => {
                    guard.kind = Some(match text(own, "type") {
                        Some("jwt") => "JWT",
                        Some("cognito_user_pools") => "COGNITO_USER_POOLS",
                        _ => "CUSTOM",
                    });
                    guard.authorizer = Some(name.clone());
                    let scopes = scopes.as_array().into_iter().flatten().filter_map(Value::as_str);
                    guard.scopes = scopes.map(str::to_owned).collect();
                }
                // What names nothing that is known is not open.
                None if scheme.and_then(|scheme| text(scheme, "type")) == Some("apiKey") => {
                    guard.needs_api_key = true;
                }
                None => guard.kind = Some("UNKNOWN"),
            }
        }
        guard
    }

    fn title(&self) -> &'d str {
        self.root.pointer("/info/title").and_then(Value::as_str).unwrap_or("api")
    }

    fn http(&self, id: &str) -> Vec<Value> {
        let mut api = json!({ "ApiId": id, "Name": self.title(), "ProtocolType": "HTTP" });
        if let Some(cors) = self.root.get("x-amazon-apigateway-cors") {
            api["CorsConfiguration"] = pascal(cors);
        }
        let mut items = vec![api];
        for (number, operation) in self.operations().into_iter().enumerate() {
            let guard = self.guard(&operation);
            let key = match operation.path {
                "/$default" => "$default".to_owned(),
                path => format!("{} {path}", operation.method),
            };
            items.push(json!({
                "RouteId": number.to_string(),
                "RouteKey": key,
                "ApiKeyRequired": guard.needs_api_key,
                "AuthorizationType": guard.kind.unwrap_or("NONE"),
                "AuthorizerId": guard.authorizer,
                "AuthorizationScopes": guard.scopes,
                "Target": format!("integrations/{number}"),
            }));
            let Some(own) = self.integration(&operation) else { continue };
            let get = |key: &str| own.get(key).cloned().unwrap_or_default();
            let mut made = json!({
                "IntegrationId": number.to_string(),
                "IntegrationType": kind(own),
                "IntegrationMethod": get("httpMethod"),
                "IntegrationUri": get("uri"),
                "TimeoutInMillis": get("timeoutInMillis"),
                "ConnectionType": get("connectionType"),
                "RequestParameters": get("requestParameters"),
                "ResponseParameters": get("responseParameters"),
            });
            if let Some(tls) = own.get("tlsConfig") {
                made["TlsConfig"] = pascal(tls);
            }
            items.push(made);
        }
        items.extend(self.schemes().filter_map(|(name, scheme)| {
            let own = authorizer(scheme)?;
            let get = |key: &str| own.get(key).cloned().unwrap_or_default();
            let sources = text(own, "identitySource").unwrap_or_default().split(',');
            let sources: Vec<&str> = sources.map(str::trim).filter(|s| !s.is_empty()).collect();
            let discovered = text(scheme, "openIdConnectUrl")
                .and_then(|url| url.strip_suffix("/.well-known/openid-configuration"));
            let issuer = own.pointer("/jwtConfiguration/issuer").and_then(Value::as_str);
            let mut made = json!({
                "AuthorizerId": name,
                "Name": name,
                "AuthorizerType": kind(own),
                "IdentitySource": sources,
                "AuthorizerUri": get("authorizerUri"),
                "AuthorizerPayloadFormatVersion": get("authorizerPayloadFormatVersion"),
                "AuthorizerResultTtlInSeconds": get("authorizerResultTtlInSeconds"),
                "EnableSimpleResponses": get("enableSimpleResponses"),
            });
            if let Some(issuer) = issuer.or(discovered) {
                let audience = own.pointer("/jwtConfiguration/audience").cloned();
                made["JwtConfiguration"] = json!({ "Issuer": issuer, "Audience": audience });
            }
            Some(made)
        }));
        items
    }

    fn rest(&self, id: &str) -> Vec<Value> {
        let get = |key: &str| self.root.get(key).cloned().unwrap_or_default();
        let policy = self.root.get("x-amazon-apigateway-policy").map(Value::to_string);
        let mut items = vec![json!({
            "id": id, "name": self.title(), "policy": policy,
            "apiKeySource": get("x-amazon-apigateway-api-key-source"),
        })];
        let mut resources: Map<String, Value> = Map::new();
        for operation in self.operations() {
            let guard = self.guard(&operation);
            let mut made = json!({
                "httpMethod": operation.method,
                "authorizationType": guard.kind.unwrap_or("NONE"),
                "authorizerId": guard.authorizer,
                "authorizationScopes": guard.scopes,
                "apiKeyRequired": guard.needs_api_key,
            });
            if let Some(own) = self.integration(&operation) {
                made["methodIntegration"] = rest_integration(own);
            }
            let methods = resources.entry(operation.path).or_insert_with(|| json!({}));
            methods[operation.method.as_str()] = made;
        }
        let listed = resources.into_iter();
        items.extend(listed.map(
            |(path, methods)| json!({ "id": path, "path": path, "resourceMethods": methods }),
        ));
        items.extend(self.schemes().filter_map(|(name, scheme)| {
            let own = authorizer(scheme)?;
            let mut made = own.as_object()?.clone();
            let header = text(scheme, "name").map(|name| format!("method.request.header.{name}"));
            made.insert("id".to_owned(), name.as_str().into());
            made.insert("name".to_owned(), name.as_str().into());
            made.insert("type".to_owned(), kind(own).into());
            made.entry("authType").or_insert_with(|| "custom".into());
            if let Some(header) = header {
                made.entry("identitySource").or_insert_with(|| header.into());
            }
            Some(Value::Object(made))
        }));
        let responses = self.root.get("x-amazon-apigateway-gateway-responses");
        for (name, response) in responses.and_then(Value::as_object).into_iter().flatten() {
            let mut made = response.clone();
            made["responseType"] = name.as_str().into();
            made["defaultResponse"] = false.into();
            items.push(made);
        }
        items
    }
}

/// With the answers by the pattern that chooses them; `default` is chosen when nothing else is.
fn rest_integration(own: &Value) -> Value {
    let mut made = own.as_object().cloned().unwrap_or_default();
    made.insert("type".to_owned(), kind(own).into());
    let responses = made.remove("responses");
    let responses = responses.as_ref().and_then(Value::as_object).into_iter().flatten();
    let responses = responses.map(|(pattern, response)| {
        let mut response = response.clone();
        let pattern = if pattern == "default" { "" } else { pattern };
        response["selectionPattern"] = pattern.into();
        response
    });
    made.insert("integrationResponses".to_owned(), responses.collect());
    Value::Object(made)
}

fn authorizer(scheme: &Value) -> Option<&Value> {
    scheme.get("x-amazon-apigateway-authorizer").filter(|own| own.is_object())
}

/// `type` as AWS's command line writes it.
fn kind(own: &Value) -> String {
    text(own, "type").unwrap_or_default().to_ascii_uppercase()
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

/// Members with a capital in front.
fn pascal(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten();
    let capital = |key: &String| {
        let mut characters = key.chars();
        let first = characters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(characters).collect::<String>()
    };
    Value::Object(members.map(|(key, value)| (capital(key), value.clone())).collect())
}
