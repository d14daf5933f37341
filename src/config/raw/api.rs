//! `apis:` as typed: API Gateway's HTTP and REST APIs.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, List, Table};
use crate::config::literal::Literal;
use crate::config::raw::{AdditionalClaim, ApiKeySource, Cors, OpenApi, Throttle};
use crate::config::units::DurationText;

/// An API as on API Gateway: its routes decide who may come and who serves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    { "required": ["type", "routes"] },
    { "required": ["type", "openapi"] },
    { "required": ["extends"] },
]))]
pub(in crate::config) struct Api {
    /// Another API whose keys this one has too, but for those written here: another stage of it.
    pub(in crate::config) extends: Field<String>,
    /// `http`: an HTTP API (v2). `rest`: a REST API (v1). They find routes and answer differently.
    #[serde(rename = "type")]
    pub(in crate::config) kind: Field<ApiType>,
    /// Taken off the path before routes are matched. Default: nothing.
    #[schemars(example = &"/shop")]
    pub(in crate::config) base_path: Field<String>,
    /// The stage's name: letters, digits, `-` and `_`. Default: `$default` for HTTP APIs, `prod` for
    /// REST APIs.
    #[schemars(example = &"dev")]
    pub(in crate::config) stage: Field<String>,
    /// Whether the stage's name is the first segment behind `base_path`, as with the addresses that
    /// AWS generates. Default: `false`, as with custom domains.
    pub(in crate::config) stage_in_path: Field<bool>,
    /// What integrations may use as `$stageVariables.NAME`.
    pub(in crate::config) stage_variables: Field<Table<String>>,
    /// `strict` (the default): access tokens only, and no open route serves a path that a protected
    /// route of another method names. `aws`: as AWS does.
    pub(in crate::config) compatibility: Field<Compatibility>,
    /// The region in ARNs that request authorizers are told and policies name. Default: `local`.
    #[schemars(example = &"eu-west-1")]
    pub(in crate::config) region: Field<String>,
    /// The account in those ARNs: 12 digits. Default: `000000000000`. The API's id there is its name.
    #[schemars(example = &"123456789012")]
    pub(in crate::config) account_id: Field<String>,
    /// REST APIs: an IAM policy document that says who may come, whatever routes say.
    pub(in crate::config) policy: Field<Literal>,
    /// Who may come, by the name that routes use.
    pub(in crate::config) authorizers: Field<Table<Authorizer>>,
    /// The authorizer of routes that name none; `none` for no authorizer.
    pub(in crate::config) authorizer: Field<String>,
    /// What callers of a REST API are told in place of API Gateway's words, by response type:
    /// `UNAUTHORIZED`, `DEFAULT_4XX`, ...
    pub(in crate::config) gateway_responses: Field<Table<GatewayResponse>>,
    /// What bodies of requests look like, by the name that routes use. REST APIs.
    pub(in crate::config) models: Field<Table<Model>>,
    /// What REST APIs can look at in requests before they pass, by the name that routes use.
    pub(in crate::config) request_validators: Field<Table<RequestValidator>>,
    /// The validator of routes that name none. Default: nothing is looked at.
    pub(in crate::config) request_validator: Field<String>,
    /// Which pages of other origins may call from a browser. Default: what targets say of it passes.
    pub(in crate::config) cors: Field<Box<Cors>>,
    /// How often requests for its routes may come, all together or each client's. Limits of a route
    /// count too.
    pub(in crate::config) throttle: Field<Throttle>,
    /// An OpenAPI file with API Gateway's extensions. Routes, authorizers and other keys that stand
    /// here replace the file's of the same name.
    pub(in crate::config) openapi: Field<OpenApi>,
    /// Whether routes that do not say so themselves ask for an API key of a usage plan. REST APIs
    /// only. Default: `false`.
    pub(in crate::config) api_key_required: Field<bool>,
    /// Where the API key stands: `header`, which is `x-api-key`.
    pub(in crate::config) api_key_source: Field<ApiKeySource>,
    /// How its requests are written to the access log, instead of as the file says.
    pub(in crate::config) access_log: Field<ApiAccessLog>,
    /// By route key: `GET /orders/{id}`, `ANY /files/{proxy+}`, `$default`. The most specific path
    /// wins, then the method.
    #[schemars(extend("minProperties" = 1))]
    pub(in crate::config) routes: Field<Table<Route>>,
}

/// How requests are written to the access log.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["format"]))]
pub(in crate::config) struct ApiAccessLog {
    /// Text with `$context.*` variables, or a stock format: `clf`, `json`, `csv`, `xml`.
    #[schemars(example = &"json")]
    pub(in crate::config) format: Field<String>,
}

/// Which of AWS's two kinds of API.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum ApiType {
    /// An HTTP API (v2).
    Http,
    /// A REST API (v1).
    Rest,
}

/// How closely AWS is followed where that is open to bypass.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Compatibility {
    /// The safe reading.
    Strict,
    /// AWS's.
    Aws,
}

/// Who may come: exactly one of the keys.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["jwt"] },
    { "required": ["cognito"] },
    { "required": ["request"] },
    { "required": ["token"] },
]))]
pub(in crate::config) struct Authorizer {
    /// Callers with a good token of a user pool.
    pub(in crate::config) jwt: Field<Box<JwtAuthorizer>>,
    /// REST APIs: callers with an ID token of one of these pools, or an access token where the route
    /// has scopes.
    pub(in crate::config) cognito: Field<Box<CognitoAuthorizer>>,
    /// Callers that a service of yours admits, which is told of the request: AWS's Lambda authorizer
    /// of type `REQUEST`.
    pub(in crate::config) request: Field<Box<RequestAuthorizer>>,
    /// REST APIs: callers that a service of yours admits, which is told of one header: AWS's Lambda
    /// authorizer of type `TOKEN`.
    pub(in crate::config) token: Field<Box<TokenAuthorizer>>,
}

/// A service that is told of the request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["uri"]))]
pub(in crate::config) struct RequestAuthorizer {
    /// Where the event is posted: https, or http on loopback.
    #[schemars(example = &"https://authorizer.internal/decide")]
    pub(in crate::config) uri: Field<String>,
    /// What must be in a request, else it is answered 401: `$request.header.NAME`,
    /// `$request.querystring.NAME`, `$context.VARIABLE` or `$stageVariables.NAME`; REST APIs also
    /// `method.request.header.NAME` and so on. Together they name the cached answer. Default: none.
    #[schemars(length(min = 1), example = ["$request.header.Authorization"])]
    pub(in crate::config) identity_source: Field<List<String>>,
    /// How long an answer is good for the same identity on all routes of the authorizer: `0s` to
    /// `1h`. Default: `0s` for HTTP APIs, `300s` for REST APIs with an `identity_source`.
    pub(in crate::config) result_ttl: Field<DurationText>,
    /// How long the service may take: `50ms` to `10s` (the default).
    pub(in crate::config) timeout: Field<DurationText>,
    /// HTTP APIs: the event's shape, `"1.0"` or `"2.0"` (the default).
    #[schemars(example = &"2.0")]
    pub(in crate::config) payload_format_version: Field<String>,
    /// HTTP APIs with format 2.0: whether the service answers with `isAuthorized` in place of an IAM
    /// policy. Default: `false`.
    pub(in crate::config) enable_simple_responses: Field<bool>,
}

/// A service that is told of one header.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["uri"]))]
pub(in crate::config) struct TokenAuthorizer {
    /// Where the event is posted: https, or http on loopback.
    #[schemars(example = &"https://authorizer.internal/decide")]
    pub(in crate::config) uri: Field<String>,
    /// The header: `method.request.header.NAME`. Default: `method.request.header.Authorization`.
    #[schemars(example = &"method.request.header.Authorization")]
    pub(in crate::config) identity_source: Field<String>,
    /// A regular expression that the header must match; else it is answered 401 and nobody is asked.
    #[schemars(example = &"^Bearer [-0-9a-zA-Z._]+$")]
    pub(in crate::config) identity_validation_expression: Field<String>,
    /// How long an answer is good for the same header: `0s` to `1h`. Default: `300s`.
    pub(in crate::config) result_ttl: Field<DurationText>,
    /// How long the service may take: `50ms` to `10s` (the default).
    pub(in crate::config) timeout: Field<DurationText>,
}

/// Callers of Cognito user pools, as a REST API's authorizer `COGNITO_USER_POOLS` judges them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["user_pools"]))]
pub(in crate::config) struct CognitoAuthorizer {
    /// The pools; the token's `iss` says which one judges it.
    #[schemars(length(min = 1), example = ["customers"])]
    pub(in crate::config) user_pools: Field<List<String>>,
    /// Where the token is, with `Bearer` in front or bare: `method.request.header.NAME` or
    /// `$request.header.NAME`. Default: `method.request.header.Authorization`.
    #[schemars(example = &"method.request.header.Authorization")]
    pub(in crate::config) identity_source: Field<String>,
    /// A regular expression that an `aud` of the token must match.
    #[schemars(example = &"^clientA$")]
    pub(in crate::config) identity_validation_expression: Field<String>,
}

/// What callers of a REST API are told.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct GatewayResponse {
    /// In place of the type's own status: 400 to 599.
    #[schemars(range(min = 400, max = 599))]
    pub(in crate::config) status_code: Field<u64>,
    /// Headers that are added: `gatewayresponse.header.NAME`, with the value in single quotes.
    pub(in crate::config) response_parameters: Field<Table<String>>,
    /// The body, by content type; one. `$context.error.message`, `$context.error.messageString` (in
    /// quotes), `$context.error.responseType`, `$context.error.validationErrorString` and
    /// `$context.requestId` are put in.
    pub(in crate::config) response_templates: Field<Table<String>>,
}

/// Callers with a good token of a user pool.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["user_pool"]))]
pub(in crate::config) struct JwtAuthorizer {
    /// The pool; its issuer, app clients and audiences decide.
    pub(in crate::config) user_pool: Field<String>,
    /// Where the token is, with `Bearer` in front or bare: `$request.header.NAME`, or
    /// `$request.querystring.NAME` for HTTP APIs. Default: `$request.header.Authorization`.
    #[schemars(example = &"$request.header.Authorization")]
    pub(in crate::config) identity_source: Field<String>,
    /// REST APIs: claims that must be there, with one of these values.
    pub(in crate::config) additional_claims: Field<List<AdditionalClaim>>,
}

/// Requests of one method and path.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["integration"]))]
pub(in crate::config) struct Route {
    /// An authorizer of this API, `aws_iam` for a signature of `aws_credentials`, or `none`. Default:
    /// the API's `authorizer`.
    pub(in crate::config) authorizer: Field<String>,
    /// Any of these scopes. With a `cognito` authorizer they ask for access tokens.
    #[schemars(length(min = 1), example = ["orders/read"])]
    pub(in crate::config) scopes: Field<List<String>>,
    /// Whether it asks for an API key of a usage plan. Default: what the API says.
    pub(in crate::config) api_key_required: Field<bool>,
    /// How often requests may come, all together or each client's. Limits of the API count too.
    pub(in crate::config) throttle: Field<Throttle>,
    /// A request validator of this API. Default: the API's `request_validator`.
    pub(in crate::config) request_validator: Field<String>,
    /// What requests must have, if the validator looks at parameters:
    /// `method.request.header.NAME`, `method.request.querystring.NAME` or
    /// `method.request.path.NAME`.
    #[schemars(length(min = 1), example = ["method.request.header.x-tenant"])]
    pub(in crate::config) required_parameters: Field<List<String>>,
    /// By content type, the model of bodies, if the validator looks at bodies.
    pub(in crate::config) request_models: Field<Table<String>>,
    /// Who serves it, and how it is asked.
    pub(in crate::config) integration: Field<Box<Integration>>,
}

/// What a REST API looks at in requests before they pass.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RequestValidator {
    /// Whether a request without one of the route's `required_parameters` is answered 400.
    /// Default: `false`.
    pub(in crate::config) validate_request_parameters: Field<bool>,
    /// Whether a body that is not as the route's `request_models` have it is answered 400.
    /// Default: `false`.
    pub(in crate::config) validate_request_body: Field<bool>,
}

/// What a body looks like.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["schema"]))]
pub(in crate::config) struct Model {
    /// JSON Schema, draft 4. It may refer to itself (`#/definitions/...`) and to nothing else.
    pub(in crate::config) schema: Field<Literal>,
}

/// Who serves a route, and how it is asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["target_group"] }, { "required": ["mock"] }]))]
pub(in crate::config) struct Integration {
    /// The target group.
    pub(in crate::config) target_group: Field<String>,
    /// In place of a target group: always this answer.
    pub(in crate::config) mock: Field<Box<Mock>>,
    /// The path that targets get; `{name}` stands for a variable of the route, as a whole segment.
    /// Default: the request's path without `base_path`.
    #[schemars(example = &"/v1/orders/{id}")]
    pub(in crate::config) path: Field<String>,
    /// What is changed before the target sees it: `append`, `overwrite` or `remove`, then
    /// `:header.NAME`, `:querystring.NAME` or `:path`. Values are text, `$request.header.NAME`,
    /// `$request.querystring.NAME`, `$request.path`, `$request.path.VARIABLE`, `$context.VARIABLE`,
    /// `$context.authorizer.claims.NAME`, `$context.authorizer.KEY` of a request authorizer, or
    /// `$stageVariables.NAME`; several in `${}`.
    pub(in crate::config) request_parameters: Field<Table<String>>,
    /// What is changed before the client sees it, by the target's status: `append`, `overwrite` or
    /// `remove`, then `:header.NAME`; or `overwrite:statuscode`. Values also `$response.header.NAME`.
    pub(in crate::config) response_parameters: Field<Table<Table<String>>>,
    /// Longest silence of a target that owes us bytes: `50ms` to `30s` for HTTP APIs
    /// (default `30s`), to `5m` for REST APIs (default `29s`).
    pub(in crate::config) timeout: Field<DurationText>,
}

/// An answer that no target is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Mock {
    /// Default: 200.
    #[schemars(range(min = 200, max = 599))]
    pub(in crate::config) status_code: Field<u64>,
    /// Default: `application/json`.
    #[schemars(example = &"text/plain")]
    pub(in crate::config) content_type: Field<String>,
    /// Beside the content type.
    pub(in crate::config) headers: Field<Table<String>>,
    /// 64 KiB at most. Default: nothing.
    pub(in crate::config) body: Field<String>,
}
