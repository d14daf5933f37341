//! `routes.yaml` as it is typed: one type a mapping, one field a key, no meaning yet.
//!
//! The doc comments are what an editor shows on hover, and the JSON Schema is made from these
//! types, so they speak to whoever writes the file. Defaults and checks are in `validate`.

mod accepted_risk;
mod api;
mod aws;
mod cors;
mod development;
mod error_page;
mod forwarding;
mod listener;
mod openapi;
mod reload;
mod response_headers;
mod rule;
mod sign_in;
mod stickiness;
mod target_group;
mod throttle;
mod tracing;
mod transform;
mod usage;
mod user_pool;

use schemars::JsonSchema;
use serde::Deserialize;

use super::field::{Field, List, Table};
pub(super) use super::route_tests::raw::Test as RouteTest;
use super::units::{DurationText, SizeText};

pub(super) use self::tracing::*;
pub(super) use accepted_risk::*;
pub(super) use api::*;
pub(super) use aws::*;
pub(super) use cors::*;
pub(super) use development::*;
pub(super) use error_page::*;
pub(super) use forwarding::*;
pub(super) use listener::*;
pub(super) use openapi::*;
pub(super) use reload::*;
pub(super) use response_headers::*;
pub(super) use rule::*;
pub(super) use sign_in::*;
pub(super) use stickiness::*;
pub(super) use target_group::*;
pub(super) use throttle::*;
pub(super) use transform::*;
pub(super) use usage::*;
pub(super) use user_pool::*;

/// Portcullis: verifies user pool tokens in front of target groups and routes by rules.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "routes.yaml")]
pub(super) struct File {
    /// The admin listener: health, metrics, keys, configuration. Default: `127.0.0.1:9901`, no
    /// token. A change needs a restart.
    pub(super) admin: Field<Admin>,
    /// Worker threads. Default: as many as the machine has cores. A change needs a restart.
    pub(super) threads: Field<u64>,
    /// Memory that the process may have, at least `64MiB`. Near it, unused connections are closed and no
    /// new ones accepted. Default: the limit of the control group (container, systemd unit), if
    /// there is one. A change needs a restart.
    #[schemars(example = &"512MiB")]
    pub(super) memory_limit: Field<SizeText>,
    /// Where key sets are kept over a restart. Without it they live in memory only. A relative path
    /// starts at this file's folder. A change needs a restart.
    pub(super) state_directory: Field<String>,
    /// Secrets that seal cookies, 1 to 8 of them, at least 32 bytes each: the first one seals, all of them open.
    /// Give every replica the same list; to change a key, put the new one in front and drop the old
    /// one when its cookies have expired. Default: a key of this machine, kept in `state_directory`,
    /// or in memory only.
    #[schemars(length(min = 1))]
    pub(super) session_keys: Field<List<SecretText>>,
    /// How long `/readyz` waits at start for each pool's first key set. Default: `30s`.
    pub(super) startup_wait: Field<DurationText>,
    /// What a changed file must stand before and after it is put in force.
    pub(super) reload: Field<Reload>,
    /// How the process ends.
    pub(super) shutdown: Field<Shutdown>,
    /// One line for each request.
    pub(super) access_log: Field<AccessLog>,
    /// One line for each attempt of a client to connect, in the format of an Application Load
    /// Balancer's connection log. Default: none.
    pub(super) connection_log: Field<ConnectionLog>,
    /// Spans of requests, for an OpenTelemetry collector. Default: none.
    pub(super) tracing: Field<Tracing>,
    /// How target groups with `identity_assertion: true` are told who calls.
    pub(super) identity_assertion: Field<IdentityAssertion>,
    /// A file of callers whose tokens and sessions are refused though they look good: one JSON object
    /// a line, `{"claim": "sub", "value": "..."}`, with `issuer`, `issued_before` and `until` (seconds
    /// since 1970) as needed; claims are `sub`, `sid`, `origin_jti`, `jti` and `client_id`. It is read
    /// again when it changes.
    #[schemars(example = &"deny.jsonl")]
    pub(super) deny_list: Field<String>,
    /// How `x-amzn-oidc-data`, which tells targets who signed in, is signed.
    pub(super) oidc_data: Field<OidcData>,
    /// One line for each health check, in the fields of ALB's health-check log.
    pub(super) health_check_log: Field<HealthCheckLog>,
    /// The headers this gateway owns: removed from every request in every spelling, then set from
    /// the verified identity. A name on the left, a claim on the right. Absent means
    /// `x-auth-subject`, `x-auth-client-id`, `x-auth-scope` and `x-auth-groups`; `{}` means none.
    pub(super) claim_headers: Field<Table<ClaimValue>>,
    /// Issuers of tokens, by the name that rules use.
    pub(super) user_pools: Field<Table<UserPool>>,
    /// Backends that serve the same thing, by the name that rules use.
    pub(super) target_groups: Field<Table<TargetGroup>>,
    /// What our own answers show in place of ALB's pages, by status (`404`) or class (`4xx`, `5xx`).
    /// A listener may have its own. gRPC callers never get one.
    pub(super) error_pages: Field<Table<ErrorPage>>,
    /// Whose signatures routes of APIs with `authorizer: aws_iam` accept.
    pub(super) aws_credentials: Field<Table<AwsCredential>>,
    /// APIs as on API Gateway, by the name that rules use.
    pub(super) apis: Field<Table<Api>>,
    /// Keys that callers of REST APIs send in `x-api-key`, by the name that logs tell. They say who
    /// is counted, not who is calling: a route needs an authorizer besides.
    pub(super) api_keys: Field<Table<ApiKey>>,
    /// A file of more keys, up to 10,000: one JSON object a line,
    /// `{"name": "...", "value": "...", "usage_plans": ["..."]}`, with `enabled` as needed. It is read
    /// again when it changes.
    #[schemars(example = &"/run/secrets/api-keys.jsonl")]
    pub(super) api_key_file: Field<String>,
    /// Which API keys open which REST APIs, and how much each may be used.
    pub(super) usage_plans: Field<Table<UsagePlan>>,
    /// Addresses and ports we accept on, each with its rules.
    pub(super) listeners: Field<Table<Listener>>,
    /// The embedded user pool for development, started by `portcullis demo` and
    /// `portcullis user-pool`; `portcullis run` refuses a file that has it.
    pub(super) development_user_pool: Field<DevelopmentUserPool>,
    /// Findings of `portcullis check --security` that are known and meant, each with a reason.
    #[schemars(length(min = 1))]
    pub(super) accepted_risks: Field<List<AcceptedRisk>>,
    /// Requests, and what must become of them. `portcullis test` runs them, and
    /// every reload before the file is put in force. Many stand better
    /// in a file beside this one: routes.test.yaml.
    #[schemars(length(min = 1))]
    pub(super) tests: Field<List<RouteTest>>,
}

/// The admin listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Admin {
    /// IP address and port. Default: `127.0.0.1:9901`.
    #[schemars(example = &"127.0.0.1:9901")]
    pub(super) address: Field<String>,
    /// What a POST must bear, and beyond loopback `/config`, `/keys` and `/denials` too. Only as
    /// `${env:NAME}` or `${file:PATH}`.
    pub(super) token: Field<SecretText>,
}

/// How the process ends after SIGTERM.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Shutdown {
    /// How long the gateway is unready but still accepts. Default: `0s`.
    pub(super) pre_stop_wait: Field<DurationText>,
    /// How long requests in flight may take to end after that. Default: `25s`.
    pub(super) drain_limit: Field<DurationText>,
}

/// One line for each request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AccessLog {
    /// `stdout` (the default), `off`, or the path of a file.
    #[schemars(example = &"stdout")]
    pub(super) destination: Field<String>,
    /// How lines are written: text with `$context.*` variables as of API Gateway, or one of its
    /// stock formats `clf`, `json`, `csv`, `xml`. Default: our own JSON.
    #[schemars(example = &"$context.requestId $context.status $context.routeKey")]
    pub(super) format: Field<String>,
    /// Whether the query string is written; it may hold secrets. Default: `false`.
    pub(super) query: Field<bool>,
    /// The same requests in the access-log format of an Application Load Balancer. Default: none.
    pub(super) alb: Field<AlbLog>,
}

/// One line for each attempt of a client to connect.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["destination"]))]
pub(super) struct ConnectionLog {
    /// `stdout`, `off`, or the path of a file.
    #[schemars(example = &"connections.log")]
    pub(super) destination: Field<String>,
}

/// The access log in the format of an Application Load Balancer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["destination"]))]
pub(super) struct AlbLog {
    /// `stdout`, `off`, or the path of a file.
    #[schemars(example = &"alb.log")]
    pub(super) destination: Field<String>,
    /// The load balancer's name in the lines. Default: `app/portcullis/0000000000000000`.
    #[schemars(regex(pattern = r"^app/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}$"))]
    #[schemars(example = &"app/edge/50dc6c495c0c9188")]
    pub(super) load_balancer: Field<String>,
}

/// The signed header `x-portcullis-identity`: proof to targets that a request comes from here, and
/// from whom.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["issuer"]))]
pub(super) struct IdentityAssertion {
    /// `iss` of the assertions: an `https` URL that stands for this gateway.
    #[schemars(example = &"https://edge.example.com")]
    pub(super) issuer: Field<String>,
    /// How long one is good: `10s` to `120s`. Default: `60s`.
    pub(super) lifetime: Field<DurationText>,
    /// How often a new signing key takes over: `1m` to `720h`. Default: `24h`.
    pub(super) rotation: Field<DurationText>,
    /// Private keys (P-256, PEM) to share between gateways, instead of keys of this process's own.
    /// The first signs; all are published.
    #[schemars(length(min = 1))]
    pub(super) signing_keys: Field<List<SecretText>>,
}

/// One line for each health check.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HealthCheckLog {
    /// `off` (the default), `stdout`, or the path of a file.
    #[schemars(example = &"stdout")]
    pub(super) destination: Field<String>,
}

/// A secret: `${env:NAME}` or `${file:PATH}`. Its text is never shown.
#[derive(Clone)]
pub(super) struct SecretText(pub(super) String);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A secret, from the environment or a file.",
            "pattern": "^\\$\\{(env|file):[^}]+\\}$",
            "examples": ["${env:ADMIN_TOKEN}", "${file:/run/secrets/admin-token}"],
        })
    }
}

/// Where a claim is, and how it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["claim"]))]
pub(super) struct ClaimObject {
    /// A claim's name taken literally (`cognito:groups`), or a JSON pointer
    /// (`/realm_access/roles`).
    pub(super) claim: Field<String>,
    /// How an array is written: `csv` (the default), `json`, or `repeat` for one header line each.
    #[serde(rename = "as")]
    pub(super) form: Field<ArrayForm>,
    /// Longer values are left out and recorded. Default: `8KiB`.
    pub(super) max_size: Field<SizeText>,
}

/// How an array is written.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum ArrayForm {
    /// `a,b`; a comma inside an element is percent-encoded.
    Csv,
    /// A JSON array.
    Json,
    /// One header line for each element.
    Repeat,
}

/// A claim name, or a mapping that says more.
#[derive(Debug)]
pub(super) enum ClaimValue {
    /// A claim's name or a JSON pointer.
    Claim(String),
    /// The long form.
    Object(Box<ClaimObject>),
}

short_and_long!(ClaimValue, "a claim's name, or a mapping with `claim`", {
    text: |text| Ok(ClaimValue::Claim(text)),
    map: ClaimObject => |object| ClaimValue::Object(Box::new(object)),
});

/// Keys whose values are secrets.
pub(super) const SECRET_KEYS: &[&str] =
    &["token", "client_secret", "password", "secret", "session_keys"];

/// What to say of a key that AWS has and we do not have yet.
pub(super) fn planned(structure: &str, key: &str) -> Option<&'static str> {
    /// A key that would loosen or tighten a rule if it were ignored.
    const RULE: &str =
        "a rule can verify tokens, sign browsers in, and forward, redirect, answer or name an API";
    const API: &str = "see the JSON Schema (`portcullis schema`) for what an API can have";
    const TARGET_GROUP: &str =
        "see the JSON Schema (`portcullis schema`) for what a group can have";
    const LISTENER: &str = "see the JSON Schema (`portcullis schema`) for what a listener can have";
    const FILE: &str = "see the JSON Schema (`portcullis schema`) for what a file can have";
    Some(match (structure, key) {
        ("Rule", "url_rewrite" | "host_header_rewrite") => {
            return Some("it belongs under `transforms`");
        }
        ("DefaultAction", "transforms" | "url_rewrite" | "host_header_rewrite") => {
            return Some("a default action has no transforms: make it a rule with the path `/*`");
        }
        ("Rule" | "DefaultAction", "rate_limit") => RULE,
        ("TargetGroup", "target_type" | "attributes" | "ip_address_type" | "retries") => {
            TARGET_GROUP
        }
        ("Listener", "alpn_policy" | "attributes") => LISTENER,
        ("Listener", "mutual_authentication") => "it belongs under `tls`",
        ("Listener" | "ListenerTls", "ssl_policy") => "it is called `tls.security_policy` here",
        ("ListenerTls", "client_authentication") => "it is called `mutual_authentication`",
        ("UserPool", "session_cookie_name" | "scope" | "session_timeout") => {
            "it belongs to the rule's `authenticate_cognito` or `authenticate_oidc`"
        }
        (
            "Authenticate",
            "issuer"
            | "client_id"
            | "client_secret"
            | "authorization_endpoint"
            | "token_endpoint"
            | "user_info_endpoint"
            | "user_pool_domain",
        ) => {
            return Some("it belongs to the pool, under `user_pools`; name that pool here");
        }
        ("File", "identity_pools" | "rate_limits") => FILE,
        ("Api", "stages" | "mutual_tls") | ("Integration", "connection_type") => API,
        ("JwtAuthorizer", "issuer" | "audience" | "audiences") => {
            return Some(
                "describe the issuer under `user_pools` and name it here: `user_pool: NAME`",
            );
        }
        ("JwtValidation", "jwks_endpoint" | "issuer") => {
            return Some(
                "name the issuer under `user_pools` and list it in `user_pools: [NAME]` here",
            );
        }
        _ => return None,
    })
}
