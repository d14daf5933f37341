//! `apis:` as typed: API Gateway's HTTP and REST APIs.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, List, Table};
use crate::config::raw::{AdditionalClaim, ApiKeySource, Cors, Throttle};
use crate::config::units::DurationText;

/// An API as on API Gateway: its routes decide who may come and who serves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["type", "routes"] }, { "required": ["extends"] }]))]
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
    /// Who may come, by the name that routes use.
    pub(in crate::config) authorizers: Field<Table<Authorizer>>,
    /// The authorizer of routes that name none; `none` for no authorizer.
    pub(in crate::config) authorizer: Field<String>,
    /// What callers of a REST API are told in place of API Gateway's words, by response type:
    /// `UNAUTHORIZED`, `DEFAULT_4XX`, ...
    pub(in crate::config) gateway_responses: Field<Table<GatewayResponse>>,
    /// Which pages of other origins may call from a browser. Default: what targets say of it passes.
    pub(in crate::config) cors: Field<Box<Cors>>,
    /// How often requests for its routes may come, all together or each client's. Limits of a route
    /// count too.
    pub(in crate::config) throttle: Field<Throttle>,
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
#[schemars(extend("oneOf" = [{ "required": ["jwt"] }, { "required": ["cognito"] }]))]
pub(in crate::config) struct Authorizer {
    /// Callers with a good token of a user pool.
    pub(in crate::config) jwt: Field<Box<JwtAuthorizer>>,
    /// REST APIs: callers with an ID token of one of these pools, or an access token where the route
    /// has scopes.
    pub(in crate::config) cognito: Field<Box<CognitoAuthorizer>>,
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
    /// quotes), `$context.error.responseType` and `$context.requestId` are put in.
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
    /// An authorizer of this API, or `none`. Default: the API's `authorizer`.
    pub(in crate::config) authorizer: Field<String>,
    /// Any of these scopes. With a `cognito` authorizer they ask for access tokens.
    #[schemars(length(min = 1), example = ["orders/read"])]
    pub(in crate::config) scopes: Field<List<String>>,
    /// Whether it asks for an API key of a usage plan. Default: what the API says.
    pub(in crate::config) api_key_required: Field<bool>,
    /// How often requests may come, all together or each client's. Limits of the API count too.
    pub(in crate::config) throttle: Field<Throttle>,
    /// Who serves it, and how it is asked.
    pub(in crate::config) integration: Field<Box<Integration>>,
}

/// Who serves a route, and how it is asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["target_group"]))]
pub(in crate::config) struct Integration {
    /// The target group.
    pub(in crate::config) target_group: Field<String>,
    /// The path that targets get; `{name}` stands for a variable of the route, as a whole segment.
    /// Default: the request's path without `base_path`.
    #[schemars(example = &"/v1/orders/{id}")]
    pub(in crate::config) path: Field<String>,
    /// What is changed before the target sees it: `append`, `overwrite` or `remove`, then
    /// `:header.NAME`, `:querystring.NAME` or `:path`. Values are text, `$request.header.NAME`,
    /// `$request.querystring.NAME`, `$request.path`, `$request.path.VARIABLE`, `$context.VARIABLE`,
    /// `$context.authorizer.claims.NAME` or `$stageVariables.NAME`; several in `${}`.
    pub(in crate::config) request_parameters: Field<Table<String>>,
    /// What is changed before the client sees it, by the target's status: `append`, `overwrite` or
    /// `remove`, then `:header.NAME`; or `overwrite:statuscode`. Values also `$response.header.NAME`.
    pub(in crate::config) response_parameters: Field<Table<Table<String>>>,
    /// Longest silence of a target that owes us bytes: `50ms` to `30s` for HTTP APIs
    /// (default `30s`), to `5m` for REST APIs (default `29s`).
    pub(in crate::config) timeout: Field<DurationText>,
}
