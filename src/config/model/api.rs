//! `apis:` as it is meant.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Cors, GroupIndex, JwtValidation, LogFormat, Name, Throttle};
use crate::config::body_model::BodyModel;
use crate::config::diagnostics::Span;
use crate::config::expression::{Expression, Piece};
use crate::config::iam_policy::Policy;
use crate::config::regex::Regex;

/// Position in [`Config::apis`](super::Config::apis).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiIndex(pub usize);

/// `apis: NAME:`
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// The file's name for it.
    pub name: Name,
    /// How it finds routes and what it says.
    pub flavour: Flavour,
    /// `arn:aws:execute-api:REGION:ACCOUNT:NAME`
    pub arn: Name,
    /// Whether the file names the region; signatures must be for it then.
    pub has_region: bool,
    /// Whether the file names the account.
    pub has_account: bool,
    /// Who may come to a REST API, whatever its routes say.
    pub policy: Option<Policy>,
    /// Its stage's name; absent for `$default`.
    pub stage: Option<Name>,
    /// Whether the stage's name stands in the path, behind `base_path`. Default false.
    pub has_stage_in_path: bool,
    /// Values that integrations may use, by name.
    pub stage_variables: Vec<(String, String)>,
    /// What callers of a REST API are told in place of API Gateway's words.
    pub gateway_responses: Vec<GatewayResponse>,
    /// Taken off the path before routes are matched: empty, or `/a/b` without a slash at its end.
    pub base_path: String,
    /// Whether the safe reading applies where AWS's is open to bypass. Default true.
    pub is_strict: bool,
    /// Which pages of other origins may call; targets say it when absent.
    pub cors: Option<Cors>,
    /// How often its routes may be asked; all of these count.
    pub throttle: Vec<Throttle>,
    /// How its requests are written to the access log; as the file says when absent.
    pub log_format: Option<LogFormat>,
    /// In file order.
    pub routes: Vec<Route>,
    /// The file that says some of it.
    pub openapi: Option<OpenApiFile>,
    /// Where the API stands in the file.
    pub span: Span,
}

/// Which of API Gateway's kinds of API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// An HTTP API (v2).
    Http,
    /// A REST API (v1).
    Rest,
}

impl Flavour {
    /// As the file names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Rest => "rest",
        }
    }
}

impl Api {
    /// The target groups of its routes.
    pub fn groups(&self) -> impl Iterator<Item = GroupIndex> + '_ {
        self.routes.iter().filter_map(|route| route.integration.backend.group())
    }
}

/// One route of an API.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its key as AWS spells it: `GET /orders/{id}`.
    pub key: Name,
    /// What it matches.
    pub pattern: RoutePattern,
    /// Who may come; nobody is asked when absent.
    pub authorizer: Option<RouteAuthorizer>,
    /// Whether it asks for an API key of a usage plan. Default false.
    pub is_api_key_required: bool,
    /// How often it may be asked; all of these count, and the API's.
    pub throttle: Vec<Throttle>,
    /// What requests must have.
    pub required: Vec<RequestParameter>,
    /// What their bodies must look like, by content type.
    pub body_models: Vec<(String, BodyModel)>,
    /// Where requests go.
    pub integration: Integration,
    /// The OpenAPI file that says it; absent where it is written by hand.
    pub file: Option<Name>,
    /// Where its key stands in that file, or in ours.
    pub span: Span,
}

impl Route {
    /// Whether it asks its callers for anything: to say who they are, or for an API key.
    #[must_use]
    pub const fn is_protected(&self) -> bool {
        self.authorizer.is_some() || self.is_api_key_required
    }
}

/// A parameter that a request must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestParameter {
    /// A header: as the file spells it, and in lower case.
    Header(String, String),
    /// A parameter of the query.
    Query(String),
    /// A variable of the path.
    Path(String),
}

impl RequestParameter {
    /// Its name, as callers are told it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Header(name, _) | Self::Query(name) | Self::Path(name) => name,
        }
    }
}

/// Who may come to a route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteAuthorizer {
    /// The file's name for it.
    pub name: Name,
    /// Which of API Gateway's authorizers.
    pub kind: AuthorizerKind,
    /// What the token must be; absent where a service is asked instead.
    pub validation: Option<JwtValidation>,
}

/// Which of API Gateway's authorizers: they refuse in different words.
#[derive(Debug, Clone, PartialEq)]
pub enum AuthorizerKind {
    /// JWT authorizer.
    Jwt,
    /// Cognito user pool authorizer of a REST API.
    Cognito {
        /// What an `aud` of the token must match.
        validation_expression: Option<Regex>,
    },
    /// A service of the operator's is asked: AWS's Lambda authorizers.
    Request(Arc<RequestAuthorizer>),
    /// A signature of AWS.
    AwsIam,
}

/// A service that is asked who may come (API Gateway, "Lambda authorizers").
#[derive(Debug, Clone, PartialEq)]
pub struct RequestAuthorizer {
    /// The file's name for it.
    pub name: Name,
    /// Where it is asked.
    pub uri: Name,
    /// What it is told.
    pub event: EventFormat,
    /// What of a request must be there, and tells callers apart: as written, and what it means.
    pub identity_sources: Vec<(Name, Piece)>,
    /// What the one identity source of a `token` authorizer must match.
    pub validation_expression: Option<Regex>,
    /// How long an answer is good for the same identity; zero: it is asked each time.
    pub result_ttl: Duration,
    /// How long it may take. Default 10 s.
    pub timeout: Duration,
    /// Whether it answers with `isAuthorized` in place of a policy.
    pub has_simple_responses: bool,
    /// ARN of the API that it judges, which policies name.
    pub api_arn: Name,
}

/// What an authorizer is told of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFormat {
    /// Payload format 1.0 of HTTP APIs.
    HttpOne,
    /// Payload format 2.0 of HTTP APIs.
    HttpTwo,
    /// `REQUEST` of REST APIs.
    RestRequest,
    /// `TOKEN` of REST APIs.
    RestToken,
}

impl EventFormat {
    /// As AWS names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HttpOne => "1.0",
            Self::HttpTwo => "2.0",
            Self::RestRequest => "REQUEST",
            Self::RestToken => "TOKEN",
        }
    }
}

/// What callers are told in a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayResponse {
    /// The case.
    pub case: ResponseCase,
    /// The status in place of API Gateway's.
    pub status_code: Option<u16>,
    /// Headers that are added, with their values.
    pub headers: Vec<(String, String)>,
    /// The body's template and its content type.
    pub template: Option<(String, String)>,
}

/// What a gateway response is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseCase {
    /// Whatever has a 4xx status and no response of its own.
    Default4xx,
    /// Whatever has a 5xx status and no response of its own.
    Default5xx,
    /// Of this type.
    Type(ResponseType),
}

macro_rules! response_types {
    ($($(#[$doc:meta])* $variant:ident $name:literal $status:literal $error_type:literal,)*) => {
        /// Gateway responses of REST APIs (API Gateway, "Gateway response types").
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ResponseType { $($(#[$doc])* $variant,)* }

        impl ResponseType {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// AWS's name for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The status that it has unless the file says otherwise.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// `x-amzn-ErrorType`.
            #[must_use]
            #[allow(clippy::match_same_arms)]
            pub const fn error_type(self) -> &'static str {
                match self { $(Self::$variant => $error_type,)* }
            }
        }
    };
}

response_types! {
    /// The caller is known and may not.
    AccessDenied "ACCESS_DENIED" 403 "AccessDeniedException",
    /// A fault of the API's own.
    ApiConfigurationError "API_CONFIGURATION_ERROR" 500 "ApiConfigurationException",
    /// The authorizer could not judge.
    AuthorizerConfigurationError "AUTHORIZER_CONFIGURATION_ERROR" 500 "AuthorizerConfigurationException",
    /// The authorizer failed.
    AuthorizerFailure "AUTHORIZER_FAILURE" 500 "AuthorizerFailureException",
    /// The body is not what the model demands, or not even framed.
    BadRequestBody "BAD_REQUEST_BODY" 400 "BadRequestException",
    /// A required parameter is missing, or the request is malformed.
    BadRequestParameters "BAD_REQUEST_PARAMETERS" 400 "BadRequestException",
    /// The credentials of a signed request have ended.
    ExpiredToken "EXPIRED_TOKEN" 403 "ExpiredTokenException",
    /// The target could not be asked.
    IntegrationFailure "INTEGRATION_FAILURE" 504 "InternalServerErrorException",
    /// The target did not answer in time.
    IntegrationTimeout "INTEGRATION_TIMEOUT" 504 "InternalServerErrorException",
    /// The API key is missing, unknown or of no plan for this stage.
    InvalidApiKey "INVALID_API_KEY" 403 "ForbiddenException",
    /// The signature of a signed request is wrong.
    InvalidSignature "INVALID_SIGNATURE" 403 "InvalidSignatureException",
    /// No method takes the request.
    MissingAuthenticationToken "MISSING_AUTHENTICATION_TOKEN" 403 "MissingAuthenticationTokenException",
    /// The plan's quota is used up.
    QuotaExceeded "QUOTA_EXCEEDED" 429 "LimitExceededException",
    /// The request is too large.
    RequestTooLarge "REQUEST_TOO_LARGE" 413 "RequestTooLargeException",
    /// There is no such resource.
    ResourceNotFound "RESOURCE_NOT_FOUND" 404 "ResourceNotFoundException",
    /// Too many requests.
    Throttled "THROTTLED" 429 "TooManyRequestsException",
    /// The caller is not known.
    Unauthorized "UNAUTHORIZED" 401 "UnauthorizedException",
    /// The body's type is not taken.
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" 415 "BadRequestException",
    /// A firewall refused it.
    WafFiltered "WAF_FILTERED" 403 "ForbiddenException",
}

/// What a route matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutePattern {
    /// `$default`: whatever no other route takes.
    Default,
    /// `METHOD /path`.
    Path {
        /// `None` for `ANY`.
        method: Option<String>,
        /// The path, split at its slashes; `/` is one empty literal.
        segments: Vec<Segment>,
    },
}

/// A segment of a route's path, or of an integration's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Itself.
    Literal(String),
    /// `{name}`: one segment that is not empty.
    Variable(String),
    /// `{name+}`: all the rest, one segment or more. Always the last.
    Greedy(String),
}

/// A change of what is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// What is changed.
    pub place: Mapped,
    /// How.
    pub operation: Operation,
}

/// What a mapping changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// A header, in lower case.
    Header(String),
    /// A parameter of the query.
    Parameter(String),
    /// The path.
    Path,
    /// The status of an answer, and what it becomes.
    StatusCode(u16),
}

/// How a mapping changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Adds this value to those that are there.
    Append(Expression),
    /// Replaces all values by this one.
    Overwrite(Expression),
    /// Takes all values away.
    Remove,
}

impl Operation {
    /// Its value.
    #[must_use]
    pub const fn value(&self) -> Option<&Expression> {
        match self {
            Self::Append(value) | Self::Overwrite(value) => Some(value),
            Self::Remove => None,
        }
    }
}

/// Changes of answers with a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseMapping {
    /// The target's status.
    pub status: u16,
    /// In file order.
    pub mappings: Vec<Mapping>,
}

/// `integration:`
#[derive(Debug, Clone, PartialEq)]
pub struct Integration {
    /// Who serves it.
    pub backend: Backend,
    /// The path that the target gets; the request's, less `base_path`, when absent.
    pub path: Option<Vec<Segment>>,
    /// What is changed in requests, in file order.
    pub request_mappings: Vec<Mapping>,
    /// What is changed in answers, by status.
    pub response_mappings: Vec<ResponseMapping>,
    /// Longest silence of a target that owes us bytes. Default 30 s for HTTP APIs, 29 s for REST APIs.
    pub timeout: Duration,
}

/// Who serves a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// A target of this group.
    Group(GroupIndex),
    /// Nobody: the answer is always this one.
    Mock(Box<Mock>),
}

impl Backend {
    /// The target group, if there is one.
    #[must_use]
    pub const fn group(&self) -> Option<GroupIndex> {
        match self {
            Self::Group(group) => Some(*group),
            Self::Mock(_) => None,
        }
    }
}

/// `mock:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mock {
    /// Default 200.
    pub status_code: u16,
    /// Default `application/json`.
    pub content_type: String,
    /// Others than the content type; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Default empty.
    pub body: String,
}

/// An OpenAPI file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenApiFile {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
}
