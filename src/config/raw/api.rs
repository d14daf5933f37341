//! `apis:` as typed: API Gateway's HTTP APIs.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, List, Table};
use crate::config::raw::{Cors, Throttle};
use crate::config::units::DurationText;

/// An API as on API Gateway: its routes decide who may come and who serves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["type", "routes"]))]
pub(in crate::config) struct Api {
    /// `http`: an HTTP API (v2).
    #[serde(rename = "type")]
    pub(in crate::config) kind: Field<ApiType>,
    /// Taken off the path before routes are matched. Default: nothing.
    #[schemars(example = &"/shop")]
    pub(in crate::config) base_path: Field<String>,
    /// `strict` (the default): access tokens only, and no open route serves a path that a protected
    /// route of another method names. `aws`: as AWS does.
    pub(in crate::config) compatibility: Field<Compatibility>,
    /// Who may come, by the name that routes use.
    pub(in crate::config) authorizers: Field<Table<Authorizer>>,
    /// The authorizer of routes that name none; `none` for no authorizer.
    pub(in crate::config) authorizer: Field<String>,
    /// Which pages of other origins may call from a browser. Default: what targets say of it passes.
    pub(in crate::config) cors: Field<Box<Cors>>,
    /// How often requests for its routes may come, all together or each client's. Limits of a route
    /// count too.
    pub(in crate::config) throttle: Field<Throttle>,
    /// By route key: `GET /orders/{id}`, `ANY /files/{proxy+}`, `$default`. The most specific path
    /// wins, then the method.
    #[schemars(extend("minProperties" = 1))]
    pub(in crate::config) routes: Field<Table<Route>>,
}

/// Which of AWS's two kinds of API.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum ApiType {
    /// An HTTP API (v2).
    Http,
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

/// Who may come.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["jwt"]))]
pub(in crate::config) struct Authorizer {
    /// Callers with a good token of a user pool.
    pub(in crate::config) jwt: Field<Box<JwtAuthorizer>>,
}

/// Callers with a good token of a user pool.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["user_pool"]))]
pub(in crate::config) struct JwtAuthorizer {
    /// The pool; its issuer, app clients and audiences decide.
    pub(in crate::config) user_pool: Field<String>,
    /// Where the token is, with `Bearer` in front or bare: `$request.header.NAME`. Default:
    /// `$request.header.Authorization`.
    #[schemars(example = &"$request.header.Authorization")]
    pub(in crate::config) identity_source: Field<String>,
}

/// Requests of one method and path.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["integration"]))]
pub(in crate::config) struct Route {
    /// An authorizer of this API, or `none`. Default: the API's `authorizer`.
    pub(in crate::config) authorizer: Field<String>,
    /// Any of these scopes.
    #[schemars(length(min = 1), example = ["orders/read"])]
    pub(in crate::config) scopes: Field<List<String>>,
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
    /// Longest silence of a target that owes us bytes: `50ms` to `30s`. Default: `30s`.
    pub(in crate::config) timeout: Field<DurationText>,
}
