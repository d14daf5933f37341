//! What `routes.yaml` means, once it has been read and found right.
//!
//! Every reference is resolved to an index, every default is filled in, every number is inside its
//! range. Whoever holds a [`Config`] need not check it again. Nothing here opens a file or socket.

mod api;
mod aws;
mod cors;
mod reload;
mod throttle;
mod tracing;
mod usage;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::api::{
    Api, ApiIndex, AuthorizerKind, Backend, EventFormat, Flavour, GatewayResponse, Integration,
    Mapped, Mapping, Mock, OpenApiFile, Operation, RequestAuthorizer, RequestParameter,
    ResponseCase, ResponseMapping, ResponseType, Route, RouteAuthorizer, RoutePattern, Segment,
};
pub use self::aws::AwsCredential;
pub use self::cors::{AllowedOrigin, Cors};
pub use self::reload::{Reload, ReloadGuard};
pub use self::throttle::{Throttle, ThrottleKey};
pub use self::tracing::Tracing;
pub use self::usage::{ApiKey, Pace, Period, PlanApi, Quota, Usage, UsagePlan};
pub use super::body_model::BodyModel;
use super::deny_list::Entry;
use super::diagnostics::Span;
pub use super::error_page::{ErrorPage, ErrorPages, PageFor};
pub use super::mutual_authentication::{
    ClientHeader, ClientHeaderNames, MutualAuthentication, MutualMode, TrustStore,
};
pub use super::regex::Regex;
pub use super::response_headers::{AddedHeader, ResponseHeaders, ServerHeader};
pub use super::rewrite::Rewrite;
pub use super::security_policy::SecurityPolicy;
pub use super::sign_in::{
    Authenticate, ClientAuthentication, Logout, OidcData, OnUnauthenticatedRequest, Provider,
    SignOut,
};
use super::signing_key::SigningKey;
pub use crate::http::PathPolicy;
use crate::http::TrustedProxies;
use crate::http::forwarded::ForwardedFor;
pub use crate::telemetry::log_format::LogFormat;

/// A name that the file gives to something; cheap to clone.
pub type Name = Arc<str>;

/// The whole file.
#[derive(Debug, Clone)]
pub struct Config {
    /// The admin listener.
    pub admin: Admin,
    /// Worker threads; as many as the machine has cores when absent.
    pub threads: Option<usize>,
    /// Bytes that the process may have resident; the control group's limit when absent.
    pub memory_limit: Option<u64>,
    /// Where key sets are kept over a restart; in memory only when absent.
    pub state_directory: Option<PathBuf>,
    /// What cookies are sealed with: the first seals, all open. Empty: a key of this machine's own.
    pub session_keys: Vec<Secret>,
    /// How long `/readyz` waits for first key sets after the start.
    pub startup_wait: Duration,
    /// What a changed file must stand.
    pub reload: Reload,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// One line a request.
    pub access_log: AccessLog,
    /// Where the lines of client connections go. Default off.
    pub connection_log: LogDestination,
    /// Where spans of requests go; nowhere when absent.
    pub tracing: Option<Tracing>,
    /// How target groups that want it are told who calls.
    pub identity_assertion: Option<IdentityAssertion>,
    /// Callers whose tokens and sessions are no longer good, from a file.
    pub deny_list: Option<DenyFile>,
    /// How targets are told who signed in, in ALB's header.
    pub oidc_data: OidcData,
    /// One line a health check. Default off.
    pub health_check_log: LogDestination,
    /// The file's `claim_headers`, or the default four.
    pub claim_headers: Vec<ClaimHeader>,
    /// Every header name that this gateway owns beside the `x-amzn-oidc-*` and `x-amzn-mtls-*`
    /// families: the file's, every rule's and every listener's, lower case, sorted, without doubles.
    pub owned_headers: Vec<String>,
    /// User pools, in file order; [`PoolIndex`] points here.
    pub user_pools: Vec<UserPool>,
    /// Target groups, in file order; [`GroupIndex`] points here.
    pub target_groups: Vec<TargetGroup>,
    /// Whose signatures routes with `aws_iam` accept, in file order.
    pub aws_credentials: Vec<AwsCredential>,
    /// APIs, in file order; [`ApiIndex`] points here.
    pub apis: Vec<Api>,
    /// API keys and usage plans.
    pub usage: Usage,
    /// Listeners, in file order.
    pub listeners: Vec<Listener>,
    /// The embedded pool, started by `demo` and `user-pool` only.
    pub development_user_pool: Option<DevelopmentUserPool>,
}

/// Position in [`Config::user_pools`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolIndex(pub usize);

/// Position in [`Config::target_groups`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupIndex(pub usize);

/// A resolved secret. Its `Debug` prints stars, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes over the text of a secret.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one place that has to send or compare it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `admin:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens. Default `127.0.0.1:9901`.
    pub address: SocketAddr,
    /// What a `POST`, and beyond loopback `/config` and `/keys`, must bear.
    pub token: Option<Secret>,
}

/// `shutdown:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// After SIGTERM, how long the gateway is unready but still accepts. Default 0 s.
    pub pre_stop_wait: Duration,
    /// How long requests in flight may take to end after that. Default 25 s.
    pub drain_limit: Duration,
}

/// `access_log:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go.
    pub destination: LogDestination,
    /// How they are written; ours when absent.
    pub format: Option<LogFormat>,
    /// Whether the query string is written. Default false: it may hold secrets.
    pub query: bool,
    /// Where lines in the format of an Application Load Balancer go.
    pub alb: LogDestination,
    /// What the load balancer is called in them: `app/NAME/ID`.
    pub load_balancer: Arc<str>,
}

/// Where lines of a log go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogDestination {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to a file.
    File(PathBuf),
}

/// `deny_list:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyFile {
    /// The file.
    pub path: PathBuf,
    /// A digest of what was read.
    pub digest: [u8; 32],
    /// What it says.
    pub entries: Arc<[Entry]>,
}

/// `identity_assertion:`
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityAssertion {
    /// `iss`.
    pub issuer: Arc<str>,
    /// How long an assertion is good, 120 s at most. Default 60 s.
    pub lifetime: Duration,
    /// How often a new key takes over, when there are no given ones. Default 24 h.
    pub rotation: Duration,
    /// Given keys, the first of which signs; empty for keys of the process's own.
    pub signing_keys: Vec<SigningKey>,
}

/// One owned header that carries a claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimHeader {
    /// Header name, lower case, a valid HTTP token.
    pub header: String,
    /// Which claim.
    pub claim: ClaimPath,
    /// How an array is written.
    pub form: ArrayForm,
    /// Values longer than this many bytes are left out and recorded. Default 8 KiB.
    pub max_size: usize,
}

/// How a claim is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClaimPath {
    /// The claim of exactly this name: `sub`, `cognito:groups`, `https://example.com/role`.
    Name(String),
    /// An RFC 6901 JSON pointer, split and unescaped: `/realm_access/roles`.
    Pointer(Vec<String>),
}

/// How an array becomes header values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ArrayForm {
    /// `a,b`; a comma inside an element is percent-encoded.
    #[default]
    Csv,
    /// A JSON array.
    Json,
    /// One header line for each element.
    Repeat,
}

/// `user_pools: NAME:`
#[derive(Debug, Clone, PartialEq)]
pub struct UserPool {
    /// The file's name for it.
    pub name: Name,
    /// Which rules its tokens follow.
    pub profile: Profile,
    /// Issuers with their key sets; two for a Cognito pool given by id.
    pub issuers: Vec<Issuer>,
    /// App clients whose tokens are accepted (Cognito).
    pub app_clients: AppClients,
    /// Accepted `aud` values. For Cognito access tokens: empty means `aud` is ignored.
    pub audiences: Vec<String>,
    /// Cognito access tokens must carry an `aud` that is in `audiences`.
    pub require_resource_audience: bool,
    /// Accepted signature algorithms. Never empty, never symmetric.
    pub algorithms: Vec<Algorithm>,
    /// Grace for `exp` and `nbf`, at most 60 s. Default 0.
    pub clock_skew: Duration,
    /// How often the key set is fetched. Default 1 h.
    pub refresh: Duration,
    /// How long keys are used without a successful fetch. Default 24 h.
    pub max_stale: Duration,
    /// A token longer than this is refused unread. Default 16 KiB.
    pub max_token_size: usize,
    /// How people sign in here; absent: they do not.
    pub sign_in: Option<Arc<Provider>>,
    /// Where the pool stands in the file.
    pub span: Span,
}

/// Which claims a pool's tokens must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Amazon Cognito: `token_use`, `client_id`, `cognito:groups`.
    Cognito,
    /// Any OpenID Connect issuer: `aud` must match.
    Oidc,
    /// RFC 9068: `typ` is `at+jwt`, `aud` must match, `client_id`, `jti`, `iat`, `sub` required.
    Rfc9068,
}

/// One accepted `iss` and where its keys are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    /// Compared byte for byte with `iss`.
    pub issuer: Arc<str>,
    /// Its key set.
    pub keys: KeySource,
}

/// Where a key set comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// `https`, or `http` on loopback.
    Url(Arc<str>),
    /// A file, read at start and whenever it changes.
    File(PathBuf),
}

/// `app_clients:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppClients {
    /// `any`: the client is not checked.
    Any,
    /// Only these.
    Only(Vec<String>),
}

/// A signature algorithm of RFC 7518 that uses a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// `target_groups: NAME:`
#[derive(Debug, Clone, PartialEq)]
pub struct TargetGroup {
    /// The file's name for it.
    pub name: Name,
    /// Its targets, in file order; may be empty (503).
    pub targets: Vec<Target>,
    /// How targets are spoken to.
    pub protocol: Protocol,
    /// Which HTTP version targets speak.
    pub protocol_version: ProtocolVersion,
    /// How a target is chosen.
    pub algorithm: BalancingAlgorithm,
    /// Whether clients stay on the target that served them first.
    pub stickiness: Option<Stickiness>,
    /// With `weighted_random`: requests are held back from targets that fail more than their peers.
    /// Default false.
    pub anomaly_mitigation: bool,
    /// How long the share of a target rises after it became healthy. Default 0: not at all.
    pub slow_start: Duration,
    /// How long a target that left the file may go on with the requests that it has. Default 300 s.
    pub deregistration_delay: Duration,
    /// Below this, requests go to all targets.
    pub minimum_healthy: MinimumHealthy,
    /// Targets that fail in a row are left out for a while. Default: they are not.
    pub outliers: Option<OutlierEjection>,
    /// Requests at a time. Default: any number.
    pub limits: TargetLimits,
    /// Active health checks.
    pub health_check: HealthCheck,
    /// Time limits toward targets.
    pub timeouts: TargetTimeouts,
    /// Whether targets are told in a signed header who calls.
    pub identity_assertion: bool,
    /// Where the group stands in the file.
    pub span: Span,
}

/// `target_group_health:`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MinimumHealthy {
    /// At least so many targets. Default 1.
    pub count: u32,
    /// And so many in a hundred of those that are registered. Default 0: any.
    pub percentage: u8,
}

impl MinimumHealthy {
    /// Whether too few targets are healthy.
    #[must_use]
    pub const fn is_missed(self, healthy: usize, registered: usize) -> bool {
        healthy < self.count as usize || healthy * 100 < registered * self.percentage as usize
    }
}

/// `outlier_ejection:`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutlierEjection {
    /// Failures in a row: a 5xx of the target's, or no answer. Default 5.
    pub consecutive_failures: u32,
    /// How long the first ejection lasts; the next one in a row lasts twice as long, and so on.
    /// Default 30 s.
    pub base_ejection_time: Duration,
    /// The longest. Default 300 s.
    pub max_ejection_time: Duration,
    /// At most so many in a hundred of the targets are out at a time. Default 50.
    pub max_ejected_percentage: u8,
}

/// `limits:`, each absent by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TargetLimits {
    /// Requests in flight at one target.
    pub requests_per_target: Option<u32>,
    /// Requests in flight in the whole group.
    pub requests: Option<u32>,
    /// Requests of the group that wait for a connection.
    pub pending: Option<u32>,
}

/// One backend of a target group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where it is.
    pub host: TargetHost,
    /// Its port.
    pub port: u16,
    /// Its share beside its siblings, 0 to 999. Default 1; 0 receives nothing.
    pub weight: u16,
    /// The listener of this file that it is, if it was given so.
    pub listener: Option<Name>,
}

/// An address, or a name that is resolved in the background.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TargetHost {
    /// Used as it stands.
    Address(IpAddr),
    /// Resolved again and again; all its addresses are targets.
    Name(Arc<str>),
}

impl TargetHost {
    /// As the file has it, with a port.
    #[must_use]
    pub fn label(&self, port: u16) -> String {
        match self {
            Self::Address(address) => SocketAddr::new(*address, port).to_string(),
            Self::Name(name) => format!("{name}:{port}"),
        }
    }
}

/// `protocol:` and `tls:` of a target group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTPS.
    Https(TargetTls),
}

/// TLS toward targets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetTls {
    /// False only when the file says `tls: insecure`.
    pub verify: bool,
    /// Name that is sent as SNI and checked; the target's own name when absent.
    pub server_name: Option<String>,
    /// PEM file of the authorities to trust instead of the system's.
    pub authorities: Option<PathBuf>,
    /// What we show to targets that ask for a certificate.
    pub client_certificate: Option<CertificateFiles>,
}

/// `protocol_version:`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ProtocolVersion {
    /// HTTP/1.1, the default.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
    /// gRPC over HTTP/2.
    Grpc,
}

/// `algorithm:`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BalancingAlgorithm {
    /// In turn, by weight; the default.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight for its weight.
    LeastOutstandingRequests,
    /// By lot, by weight.
    WeightedRandom,
}

/// `stickiness:` of a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stickiness {
    /// What keeps a client on its target.
    pub cookie: StickyCookie,
    /// How long after its last answer. Default 24 h.
    pub duration: Duration,
}

/// `type:` and `cookie_name:` of a stickiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StickyCookie {
    /// `lb_cookie`: a cookie of ours.
    LoadBalancer,
    /// `app_cookie`: one of ours beside the target's own of this name.
    Application(String),
}

/// `health_check:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// False means that every target counts as healthy.
    pub enabled: bool,
    /// Origin-form target of the request. Default `/`, for gRPC `/AWS.ALB/healthcheck`.
    pub path: String,
    /// Another port than the target's own.
    pub port: Option<u16>,
    /// From the start of one check to the start of the next. Default 30 s.
    pub interval: Duration,
    /// For a whole check. Default 5 s.
    pub timeout: Duration,
    /// Successes in a row before an unhealthy target is healthy. Default 5.
    pub healthy_threshold: u32,
    /// Failures in a row before a target is unhealthy. Default 2.
    pub unhealthy_threshold: u32,
    /// Statuses that pass: of HTTP 200 to 499, by default 200; of gRPC 0 to 99, by default 12.
    pub matcher: Vec<RangeInclusive<u16>>,
}

/// Time limits toward targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TargetTimeouts {
    /// TCP connect, and again TLS. Default 10 s.
    pub connect: Duration,
    /// Longest silence of a target that owes us bytes. Default 60 s.
    pub response: Duration,
    /// Longest wait until a target takes bytes. Default 60 s.
    pub send: Duration,
    /// How long an unused connection is kept. Default 50 s.
    pub idle: Duration,
}

/// `listeners: NAME:`
#[derive(Debug, Clone)]
pub struct Listener {
    /// The file's name for it.
    pub name: Name,
    /// Where it listens.
    pub address: SocketAddr,
    /// Certificates; absent on a plain HTTP listener.
    pub tls: Option<ListenerTls>,
    /// Whether HTTP/2 is offered by ALPN. Default true.
    pub http2: bool,
    /// How paths are made canonical.
    pub path: PathPolicy,
    /// Proxies whose word about their clients is taken. Default: nobody.
    pub trusted_proxies: TrustedProxies,
    /// What every connection begins with. Default: nothing of the kind.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// What becomes of the headers of a request.
    pub request_headers: RequestHeaders,
    /// What every answer bears.
    pub response_headers: ResponseHeaders,
    /// What its own answers show, with the file's pages where it has none.
    pub error_pages: ErrorPages,
    /// Longest silence on a client connection. Default 60 s.
    pub idle_timeout: Duration,
    /// Age after which a client connection takes one more request. Default 3600 s.
    pub client_keep_alive: Duration,
    /// From the first byte of a request head to its last. Default 10 s.
    pub head_timeout: Duration,
    /// What happens to HTTP/1 requests that others may read differently. Default defensive.
    pub desync_mitigation_mode: DesyncMitigationMode,
    /// Longest request body in bytes. Default 1 GiB.
    pub max_request_body: u64,
    /// Client connections at a time. Default 65,536.
    pub max_connections: usize,
    /// Those of one client at a time; not bounded when absent.
    pub max_connections_per_client: Option<usize>,
    /// Requests on one HTTP/2 connection. Default: 10,000.
    pub max_http2_requests: u64,
    /// Rules in the order in which they are tried.
    pub rules: Vec<Rule>,
    /// What happens when no rule matches: a rule without conditions, named `default`.
    pub default_rule: Rule,
    /// Where the listener stands in the file.
    pub span: Span,
}

/// Which headers of the PROXY protocol are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyProtocol {
    /// The line of text.
    V1,
    /// The binary header.
    V2,
    /// Either.
    Any,
}

/// What becomes of the headers of a request on its way to a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestHeaders {
    /// `X-Forwarded-For`. Default: append.
    pub forwarded_for: ForwardedFor,
    /// Whether `Host` goes on in the client's spelling. Default: false.
    pub preserve_host: bool,
    /// Whether fields with names that ALB calls invalid are removed. Default: false.
    pub drop_invalid: bool,
    /// Headers that tell the client's TLS. Default: none.
    pub tls: Option<TlsHeaders>,
}

/// `tls_headers:` names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsHeaders {
    /// Carries the version.
    pub version: Name,
    /// Carries the cipher suite.
    pub cipher_suite: Name,
}

/// `desync_mitigation_mode:` of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DesyncMitigationMode {
    /// Non-compliant requests are counted and logged.
    Monitor,
    /// Severe ones are refused; after ambiguous ones both connections are closed.
    #[default]
    Defensive,
    /// Only compliant ones are forwarded.
    Strictest,
}

/// `tls:` of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListenerTls {
    /// At least one; the first is the default for an unknown or absent SNI.
    pub certificates: Vec<CertificateFiles>,
    /// Versions, suites and groups.
    pub security_policy: SecurityPolicy,
    /// What is asked of clients' certificates; absent: nothing.
    pub mutual_authentication: Option<MutualAuthentication>,
}

impl ListenerTls {
    /// Whether only clients are served that a trust store vouches for.
    #[must_use]
    pub fn verifies_clients(&self) -> bool {
        let mutual = self.mutual_authentication.as_ref();
        mutual.is_some_and(|mutual| matches!(mutual.mode, MutualMode::Verify(_)))
    }
}

/// A certificate chain and its key, PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub private_key: PathBuf,
    /// Where it stands in the file.
    pub span: Span,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name; made from its position when the file gives none. Unique on its listener.
    pub name: Name,
    /// Number by which rules are ordered, 1 to 50000; file order when absent. 0 is the default rule.
    pub priority: u32,
    /// All must hold.
    pub conditions: Conditions,
    /// The pre-routing action.
    pub authentication: Option<JwtValidation>,
    /// The other pre-routing action: browsers sign in. Beside the first one, that judges requests
    /// with an `Authorization` header, and this one those without.
    pub sign_in: Option<Authenticate>,
    /// What of the request changes on its way to a target.
    pub transforms: Transforms,
    /// Whether WebSockets and streams end with the identity that opened them. Default true.
    pub ends_with_identity: bool,
    /// `public: true`: forwarding without authentication is meant.
    pub public: bool,
    /// The routing action.
    pub action: Action,
    /// Headers made from the identity: the file's, with the rule's own added or put in their place.
    pub claim_headers: Arc<[ClaimHeader]>,
    /// Where the rule stands in the file.
    pub span: Span,
}

/// `transforms:` of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transforms {
    /// Of the host name.
    pub host: Option<Rewrite>,
    /// Of path and query.
    pub url: Option<Rewrite>,
}

/// Conditions of a rule: an empty list is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// ALB patterns, lower case; any of them.
    pub host_header: Vec<Located<String>>,
    /// Regular expressions in the place of host patterns; any of them, any case.
    pub host_regex: Vec<Located<Regex>>,
    /// ALB patterns, case kept; any of them.
    pub path_pattern: Vec<Located<String>>,
    /// Regular expressions in the place of path patterns; any of them.
    pub path_regex: Vec<Located<Regex>>,
    /// Methods; any of them.
    pub http_request_method: Vec<Located<String>>,
    /// All of them.
    pub http_header: Vec<HeaderCondition>,
    /// All of the lists, any parameter of each.
    pub query_string: Vec<Vec<QueryParameter>>,
    /// Any of these networks.
    pub source_ip: Vec<Located<ipnet::IpNet>>,
}

/// A condition on one header: any of these, of any occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderCondition {
    /// In lower case.
    pub name: String,
    /// Whole values with wildcards, in any case.
    pub values: Vec<Located<String>>,
    /// Regular expressions in the place of values.
    pub regex_values: Vec<Located<Regex>>,
}

/// A parameter of the query; `*`, `?` and `\` as in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryParameter {
    /// Any name when absent.
    pub key: Option<String>,
    /// The whole value.
    pub value: String,
}

/// A value and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub span: Span,
}

/// `jwt_validation:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtValidation {
    /// Pools whose tokens are accepted, at least one; chosen by exact `iss`.
    pub pools: Vec<PoolIndex>,
    /// Which kind of Cognito token.
    pub token_use: TokenUse,
    /// Demanded scopes.
    pub scopes: Option<Demand>,
    /// Demanded groups.
    pub groups: Option<Demand>,
    /// Demands on other claims; all must hold.
    pub additional_claims: Vec<AdditionalClaim>,
    /// Where the token is.
    pub identity_source: IdentitySource,
    /// Whether the token reaches the target. Default true.
    pub forward_authorization: bool,
}

/// `token_use:`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TokenUse {
    /// The default.
    #[default]
    Access,
    /// ID tokens.
    Id,
    /// Either.
    Any,
}

/// What a set of scopes or groups must contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// At least one of these; never empty.
    AnyOf(Vec<String>),
    /// Each of these; never empty.
    AllOf(Vec<String>),
}

/// One entry of `additional_claims`, as on ALB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdditionalClaim {
    /// Claim name, not `exp`, `iss`, `nbf` or `iat`.
    pub name: String,
    /// How its value is read.
    pub format: ClaimFormat,
    /// Wanted values.
    pub values: Vec<String>,
}

/// `format:` of an additional claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClaimFormat {
    /// A string equal to one of the values.
    SingleString,
    /// An array of strings that has one of the values.
    StringArray,
    /// A string that, split on spaces, has all of the values.
    SpaceSeparatedValues,
}

/// `identity_source:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// `Authorization: Bearer`, the default.
    Authorization,
    /// Another header that holds the bare token, lower case.
    Header(String),
    /// A header of an API's choice, lower case: `Bearer` may stand in front of the token.
    BearerOrBare(String),
    /// A parameter of the query, of an API: `Bearer` may stand in front of the token.
    Query(String),
}

/// The routing action.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// To target groups.
    Forward(Forward),
    /// 301 or 302.
    Redirect(Redirect),
    /// A fixed answer.
    FixedResponse(FixedResponse),
    /// The end of a session.
    SignOut(SignOut),
    /// Whatever the API's routes say, without the next rule's help.
    Api(ApiIndex),
}

impl Action {
    /// The target groups that requests may come to by it, given the file's APIs.
    pub fn groups<'a>(&self, api: impl FnOnce(ApiIndex) -> Option<&'a Api>) -> Vec<GroupIndex> {
        match self {
            Self::Forward(forward) => forward.groups.iter().map(|w| w.group).collect(),
            Self::Api(index) => api(*index).into_iter().flat_map(Api::groups).collect(),
            Self::Redirect(_) | Self::FixedResponse(_) | Self::SignOut(_) => Vec::new(),
        }
    }
}

impl Rule {
    /// Whether nobody comes past it without an identity.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        match &self.sign_in {
            Some(sign_in) => sign_in.on_unauthenticated_request != OnUnauthenticatedRequest::Allow,
            None => self.authentication.is_some(),
        }
    }

    /// Whether it asks who is calling, even where it serves those who do not say.
    #[must_use]
    pub const fn authenticates(&self) -> bool {
        self.authentication.is_some() || self.sign_in.is_some()
    }
}

/// `forward:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// By weight; at least one.
    pub groups: Vec<WeightedGroup>,
    /// How long after its last answer a client stays in its group; absent: it does not.
    pub stickiness: Option<Duration>,
}

/// A target group and its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightedGroup {
    /// Which group.
    pub group: GroupIndex,
    /// 0 to 999.
    pub weight: u16,
}

/// `redirect:`; texts may hold `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `HTTP`, `HTTPS` or `#{protocol}` (the default).
    pub protocol: String,
    /// Default `#{host}`.
    pub host: String,
    /// Default `#{port}`.
    pub port: String,
    /// Default `/#{path}`.
    pub path: String,
    /// Without `?`. Default `#{query}`.
    pub query: String,
    /// 301 or 302.
    pub status_code: u16,
}

/// `fixed_response:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedResponse {
    /// 2xx, 4xx or 5xx.
    pub status_code: u16,
    /// Default `text/plain`.
    pub content_type: String,
    /// Default empty.
    pub message_body: String,
}

/// `development_user_pool:`, loopback only.
#[derive(Debug, Clone)]
pub struct DevelopmentUserPool {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its pool id; the issuer is `http://ADDRESS/POOL_ID`.
    pub user_pool_id: String,
    /// App clients by name.
    pub clients: Vec<DevelopmentClient>,
    /// Groups, by rising precedence.
    pub groups: Vec<DevelopmentGroup>,
    /// Users.
    pub users: Vec<DevelopmentUser>,
    /// Resource servers: identifier to scope names. A scope is `IDENTIFIER/NAME`.
    pub resource_servers: BTreeMap<String, Vec<String>>,
    /// Life of access and ID tokens. Default 1 h.
    pub token_validity: Duration,
}

/// An app client of the embedded pool.
#[derive(Debug, Clone)]
pub struct DevelopmentClient {
    /// `client_id`.
    pub client_id: String,
    /// Present on a confidential client.
    pub client_secret: Option<Secret>,
    /// Full scope names it may ask for.
    pub scopes: Vec<String>,
    /// What it may do.
    pub grants: Vec<DevelopmentGrant>,
    /// Where a code may be sent; compared byte for byte.
    pub callback_urls: Vec<String>,
    /// Where a signed-out browser may be sent; compared byte for byte.
    pub logout_urls: Vec<String>,
    /// Present when each refresh gives a new refresh token: how long the old one still works.
    pub refresh_token_rotation: Option<Duration>,
}

/// What a client of the embedded pool may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DevelopmentGrant {
    /// Sign-in on the pool's own page, and its code at `/oauth2/token`.
    AuthorizationCode,
    /// `client_credentials` at `/oauth2/token`.
    ClientCredentials,
    /// `InitiateAuth` with `USER_PASSWORD_AUTH`.
    UserPassword,
    /// Refresh.
    RefreshToken,
}

/// A group of the embedded pool.
#[derive(Debug, Clone)]
pub struct DevelopmentGroup {
    /// Its name.
    pub name: String,
    /// Lower wins.
    pub precedence: u32,
    /// An IAM role for `cognito:roles`.
    pub role: Option<String>,
}

/// A user of the embedded pool.
#[derive(Debug, Clone)]
pub struct DevelopmentUser {
    /// User name.
    pub username: String,
    /// Plain password: a development pool has nothing to protect.
    pub password: Secret,
    /// Names of groups.
    pub groups: Vec<String>,
    /// `email`, `custom:team` and the like.
    pub attributes: BTreeMap<String, String>,
}
