//! Rules as typed: conditions, at most one pre-routing action, exactly one routing action.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Authenticate, ClaimValue, GroupStickiness, SignOut, Transforms};
use crate::config::field::{Field, List, Table};

/// Conditions, at most one pre-routing action (`jwt_validation`, `authenticate_cognito` or
/// `authenticate_oidc`; the first may stand beside one of the others), and exactly one routing
/// action: `forward`, `redirect`, `fixed_response`, `sign_out` or `api`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["forward"] }, { "required": ["redirect"] }, { "required": ["fixed_response"] },
    { "required": ["sign_out"] }, { "required": ["api"] }
]))]
#[schemars(extend("required" = ["conditions"]))]
pub(in crate::config) struct Rule {
    /// Its name in logs and metrics, unique on its listener. Default: `rule-` and its position.
    pub(in crate::config) name: Field<String>,
    /// 1 to 50000; lower is tried first. Either every rule of a listener has one or none.
    #[schemars(range(min = 1, max = 50_000))]
    pub(in crate::config) priority: Field<u64>,
    /// All must hold.
    pub(in crate::config) conditions: Field<Box<Conditions>>,
    /// Only requests with a good token pass.
    pub(in crate::config) jwt_validation: Field<Box<JwtValidation>>,
    /// Browsers sign in at a Cognito user pool. Beside `jwt_validation`: that decides about requests
    /// with an `Authorization` header, this one about those without.
    pub(in crate::config) authenticate_cognito: Field<Box<Authenticate>>,
    /// The same at any other OpenID Connect issuer.
    pub(in crate::config) authenticate_oidc: Field<Box<Authenticate>>,
    /// What of the request changes on its way to a target: host, path, query.
    pub(in crate::config) transforms: Field<Box<Transforms>>,
    /// Whether WebSockets and streams end when the identity that opened them does. Default: `true`.
    pub(in crate::config) end_with_identity: Field<bool>,
    /// `true` says that forwarding without authentication is meant.
    pub(in crate::config) public: Field<bool>,
    /// To a target group, or to several by weight.
    pub(in crate::config) forward: Field<Forward>,
    /// A redirect, 301 or 302.
    pub(in crate::config) redirect: Field<Box<Redirect>>,
    /// An answer made here.
    pub(in crate::config) fixed_response: Field<Box<FixedResponse>>,
    /// Ends the session of a browser.
    pub(in crate::config) sign_out: Field<Box<SignOut>>,
    /// An API; its routes decide who may come and who serves, and the next rule is never tried.
    pub(in crate::config) api: Field<String>,
}

/// What happens when no rule matches: a rule without conditions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["forward"] }, { "required": ["redirect"] }, { "required": ["fixed_response"] },
    { "required": ["sign_out"] }, { "required": ["api"] }
]))]
pub(in crate::config) struct DefaultAction {
    /// Only requests with a good token pass.
    pub(in crate::config) jwt_validation: Field<Box<JwtValidation>>,
    /// Browsers sign in at a Cognito user pool. Beside `jwt_validation`: that decides about requests
    /// with an `Authorization` header, this one about those without.
    pub(in crate::config) authenticate_cognito: Field<Box<Authenticate>>,
    /// The same at any other OpenID Connect issuer.
    pub(in crate::config) authenticate_oidc: Field<Box<Authenticate>>,
    /// Whether WebSockets and streams end when the identity that opened them does. Default: `true`.
    pub(in crate::config) end_with_identity: Field<bool>,
    /// `true` says that forwarding without authentication is meant.
    pub(in crate::config) public: Field<bool>,
    /// To a target group, or to several by weight.
    pub(in crate::config) forward: Field<Forward>,
    /// A redirect, 301 or 302.
    pub(in crate::config) redirect: Field<Box<Redirect>>,
    /// An answer made here.
    pub(in crate::config) fixed_response: Field<Box<FixedResponse>>,
    /// Ends the session of a browser.
    pub(in crate::config) sign_out: Field<Box<SignOut>>,
    /// An API; its routes decide who may come and who serves, and the next rule is never tried.
    pub(in crate::config) api: Field<String>,
}

impl From<DefaultAction> for Rule {
    fn from(action: DefaultAction) -> Self {
        let DefaultAction {
            jwt_validation,
            authenticate_cognito,
            authenticate_oidc,
            end_with_identity,
            public,
            forward,
            redirect,
            fixed_response,
            sign_out,
            api,
        } = action;
        Self {
            jwt_validation,
            authenticate_cognito,
            authenticate_oidc,
            end_with_identity,
            public,
            forward,
            redirect,
            fixed_response,
            sign_out,
            api,
            ..Self::default()
        }
    }
}

/// Conditions: all must hold, and each holds if any of its values matches.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(in crate::config) struct Conditions {
    /// Host names, without port. `*` is any number of characters, `?` exactly one. A pattern that
    /// begins with `*` must stand in quotes.
    #[schemars(example = ["api.example.com", "*.example.com"])]
    pub(in crate::config) host_header: Field<Texts>,
    /// Whole paths, without query; case matters. `*` is any number of characters (also `/`), `?`
    /// exactly one: `/img/*` does not match `/img`.
    #[schemars(example = ["/orders/*"])]
    pub(in crate::config) path_pattern: Field<Texts>,
    /// Methods, in capitals.
    #[schemars(length(min = 1), example = ["GET", "POST"])]
    pub(in crate::config) http_request_method: Field<List<String>>,
    /// Headers; all of these conditions must hold.
    #[schemars(length(min = 1))]
    pub(in crate::config) http_header: Field<List<HeaderCondition>>,
    /// Parameters of the query; all of these conditions must hold.
    #[schemars(length(min = 1))]
    pub(in crate::config) query_string: Field<List<QueryCondition>>,
    /// Networks of clients: the TCP peer, or whom a PROXY header or a trusted proxy names.
    #[schemars(length(min = 1), example = ["192.0.2.0/24", "2001:db8::/32"])]
    pub(in crate::config) source_ip: Field<List<String>>,
}

/// Patterns with wildcards, or regular expressions in their place.
#[derive(Debug)]
pub(in crate::config) enum Texts {
    /// Patterns.
    Values(List<String>),
    /// The long form.
    Object(Box<TextsObject>),
}

short_and_long!(Texts, "a list of patterns, or a mapping with `values` or `regex_values`", {
    list: String => |list| Texts::Values(list),
    map: TextsObject => |object| Texts::Object(Box::new(object)),
});

/// Patterns, or regular expressions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(in crate::config) struct TextsObject {
    /// Patterns: `*` is anything, `?` one character.
    #[schemars(length(min = 1))]
    pub(in crate::config) values: Field<List<String>>,
    /// Regular expressions that match anywhere; write `^` and `$` for the whole.
    #[schemars(length(min = 1), example = ["^/v[0-9]+/"])]
    pub(in crate::config) regex_values: Field<List<String>>,
}

/// A condition on one header; any value of any occurrence will do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub(in crate::config) struct HeaderCondition {
    /// The header's name, not `Host`.
    #[schemars(example = &"x-environment")]
    pub(in crate::config) name: Field<String>,
    /// Whole values in any case: `*` is anything, `?` one character.
    #[schemars(length(min = 1), example = ["prod*"])]
    pub(in crate::config) values: Field<List<String>>,
    /// Regular expressions that match anywhere in a value.
    #[schemars(length(min = 1))]
    pub(in crate::config) regex_values: Field<List<String>>,
}

/// A condition on the query: one parameter, or any of several. In any case; `*` is anything, `?`
/// one character, `\*` and `\?` these characters themselves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct QueryCondition {
    /// The parameter's name. Default: any.
    pub(in crate::config) key: Field<String>,
    /// Its value.
    #[schemars(example = &"v1")]
    pub(in crate::config) value: Field<String>,
    /// Any of these instead.
    #[schemars(length(min = 1))]
    pub(in crate::config) any_of: Field<List<QueryParameter>>,
}

/// One parameter of the query.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["value"]))]
pub(in crate::config) struct QueryParameter {
    /// The parameter's name. Default: any.
    pub(in crate::config) key: Field<String>,
    /// Its value.
    pub(in crate::config) value: Field<String>,
}

/// Only requests with a good token pass.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["user_pools"]))]
pub(in crate::config) struct JwtValidation {
    /// Pools whose tokens are accepted; a token's `iss` says which one judges it.
    #[schemars(length(min = 1))]
    pub(in crate::config) user_pools: Field<List<String>>,
    /// Which kind of Cognito token: `access` (the default), `id` or `any`.
    pub(in crate::config) token_use: Field<TokenUse>,
    /// A list means any of these scopes; `{ all_of: [...] }` means each.
    pub(in crate::config) scopes: Field<Demand>,
    /// A list means any of these groups; `{ all_of: [...] }` means each.
    pub(in crate::config) groups: Field<Demand>,
    /// Demands on other claims, in ALB's shape; all must hold.
    pub(in crate::config) additional_claims: Field<List<AdditionalClaim>>,
    /// Owned headers that this rule adds, or fills from another claim than the file says.
    pub(in crate::config) claim_headers: Field<Table<ClaimValue>>,
    /// Where the token is: `$request.header.NAME`. Default: `$request.header.Authorization`.
    #[schemars(example = &"$request.header.Authorization")]
    pub(in crate::config) identity_source: Field<String>,
    /// Whether the token reaches the target. Default: `true`.
    pub(in crate::config) forward_authorization: Field<bool>,
}

/// Which kind of Cognito token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum TokenUse {
    /// Access tokens.
    Access,
    /// ID tokens.
    Id,
    /// Either.
    Any,
}

/// What a set of scopes or groups must contain.
#[derive(Debug)]
pub(in crate::config) enum Demand {
    /// At least one of these.
    AnyOf(List<String>),
    /// As the mapping says.
    Object(Box<DemandObject>),
}

short_and_long!(Demand, "a list, or a mapping with `all_of`", {
    list: String => |list| Demand::AnyOf(list),
    map: DemandObject => |object| Demand::Object(Box::new(object)),
});

/// Exactly one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct DemandObject {
    /// Each of these.
    pub(in crate::config) all_of: Field<List<String>>,
    /// At least one of these; the same as the bare list.
    pub(in crate::config) any_of: Field<List<String>>,
}

/// A demand on a claim.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name", "format", "values"]))]
pub(in crate::config) struct AdditionalClaim {
    /// The claim's name; not `exp`, `iss`, `nbf` or `iat`, which are always judged.
    pub(in crate::config) name: Field<String>,
    /// How its value is read.
    pub(in crate::config) format: Field<ClaimFormat>,
    /// The values.
    #[schemars(length(min = 1))]
    pub(in crate::config) values: Field<List<String>>,
}

/// How a claim's value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum ClaimFormat {
    /// A string equal to one of the values.
    SingleString,
    /// An array of strings that has one of the values.
    StringArray,
    /// A string that, split on spaces, has all of the values.
    SpaceSeparatedValues,
}

/// A target group's name, or several groups by weight.
#[derive(Debug)]
pub(in crate::config) enum Forward {
    /// One group.
    Group(String),
    /// Several.
    Object(Box<ForwardObject>),
}

short_and_long!(Forward, "a target group's name, or a mapping with `target_groups`", {
    text: |text| Ok(Forward::Group(text)),
    map: ForwardObject => |object| Forward::Object(Box::new(object)),
});

/// Several target groups by weight.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["target_groups"]))]
pub(in crate::config) struct ForwardObject {
    /// The groups and their shares.
    #[schemars(length(min = 1))]
    pub(in crate::config) target_groups: Field<List<WeightedGroup>>,
    /// Keeps a client in the group that was chosen for it first.
    pub(in crate::config) stickiness: Field<GroupStickiness>,
}

/// A group's name, or a name with a weight.
#[derive(Debug)]
pub(in crate::config) enum WeightedGroup {
    /// With weight 1.
    Name(String),
    /// With its own.
    Object(Box<WeightedGroupObject>),
}

short_and_long!(WeightedGroup, "a target group's name, or a mapping with `name` and `weight`", {
    text: |text| Ok(WeightedGroup::Name(text)),
    map: WeightedGroupObject => |object| WeightedGroup::Object(Box::new(object)),
});

/// A target group and its share.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub(in crate::config) struct WeightedGroupObject {
    /// The group.
    pub(in crate::config) name: Field<String>,
    /// Its share, 0 to 999; 0 receives nothing. Default: 1.
    #[schemars(range(max = 999))]
    pub(in crate::config) weight: Field<u64>,
}

/// A redirect. Texts may hold `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}`; put
/// them in quotes, since `#` begins a comment in YAML. What is absent stays as in the request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["status_code"]))]
pub(in crate::config) struct Redirect {
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub(in crate::config) protocol: Field<String>,
    /// A host name; may hold `#{host}`.
    pub(in crate::config) host: Field<String>,
    /// 1 to 65535, or `#{port}`.
    #[schemars(with = "NumberOrText")]
    pub(in crate::config) port: Field<String>,
    /// Begins with `/`; may hold `#{host}`, `#{port}` and `#{path}` (without its first `/`).
    #[schemars(example = &"/new/#{path}")]
    pub(in crate::config) path: Field<String>,
    /// Without `?`; may hold every keyword.
    pub(in crate::config) query: Field<String>,
    /// 301 or 302.
    #[schemars(with = "RedirectStatus")]
    pub(in crate::config) status_code: Field<String>,
}

/// Schema of a port: a bare one is a number to YAML.
struct NumberOrText;

impl JsonSchema for NumberOrText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NumberOrText".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"], "examples": [443, "#{port}"] })
    }
}

/// Schema of a redirect's status.
struct RedirectStatus;

impl JsonSchema for RedirectStatus {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RedirectStatus".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": [301, 302, "HTTP_301", "HTTP_302"] })
    }
}

/// An answer made here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["status_code"]))]
pub(in crate::config) struct FixedResponse {
    /// 200 to 299, or 400 to 599.
    #[schemars(range(min = 200, max = 599))]
    pub(in crate::config) status_code: Field<u64>,
    /// Default: `text/plain`.
    pub(in crate::config) content_type: Field<ContentType>,
    /// Default: empty.
    pub(in crate::config) message_body: Field<String>,
}

/// What a fixed response may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::config) enum ContentType {
    /// `text/plain`
    #[serde(rename = "text/plain")]
    Plain,
    /// `text/css`
    #[serde(rename = "text/css")]
    Css,
    /// `text/html`
    #[serde(rename = "text/html")]
    Html,
    /// `application/javascript`
    #[serde(rename = "application/javascript")]
    JavaScript,
    /// `application/json`
    #[serde(rename = "application/json")]
    Json,
}
