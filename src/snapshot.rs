//! One compiled, immutable configuration. A request sees exactly one, whatever is reloaded meanwhile.
//!
//! Each module compiles its own part from the model and, for what must outlive a reload, from the
//! part of the snapshot before. Nothing here does I/O.

mod looked_at;

use std::sync::{Arc, LazyLock};

use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;

pub use self::looked_at::LookedAt;
use crate::answer::{Answer, Refusal, Style};
use crate::api::usage::Usage;
use crate::api::{self, Api};
use crate::assertion::Asserter;
use crate::assertion::oidc_data::OidcSigner;
use crate::auth::{self, Authorizers, CompiledValidation};
use crate::aws::Credentials;
use crate::config::model::{
    self, ApiIndex, ClientHeader, Config, Forward, GroupIndex, Name, Redirect,
};
use crate::http::forwarded::{ForwardedFor, forwarded_port, forwarded_proto};
use crate::http::{Malformed, OwnedHeaders, PathPolicy, Scheme, TrustedProxies};
use crate::routing::RuleTable;
use crate::session::Seal;
use crate::session::keys::Key;
use crate::sign_in::logout::LogoutRealm;
use crate::sign_in::sign_out::SignOutAction;
use crate::sign_in::{SessionCache, SignIn};
use crate::stickiness::Stickiness;
use crate::telemetry::metrics::{ListenerMetrics, Metrics, Outcomes, RuleMetrics};
use crate::upstream::TargetGroups;

/// What requests see of the file, and of the world as the file describes it.
pub struct Snapshot {
    /// Counts files that were put in force, from 1.
    pub generation: u64,
    /// The file itself.
    pub config: Config,
    /// In file order.
    pub listeners: Vec<Listener>,
    /// User pools, their key sets and the tokens that were verified with them.
    pub authorizers: Arc<Authorizers>,
    /// Target groups with their targets' states.
    pub groups: Arc<TargetGroups>,
    /// Whose signatures are accepted.
    pub credentials: Credentials,
    /// APIs, in file order.
    pub apis: Vec<Api>,
    /// API keys and their plans; absent where there is no plan.
    pub usage: Option<Box<Usage>>,
    /// Headers that are ours.
    pub owned: OwnedHeaders,
    /// Vouches for requests to groups that want it; `None` when there is no such group, or when
    /// the system had no randomness for a key.
    pub asserter: Option<Arc<Asserter>>,
    /// Tells targets who signed in; `None` when nobody does, or as of `asserter`.
    pub oidc_signer: Option<Arc<OidcSigner>>,
    /// Seals what browsers keep for us.
    pub seal: Seal,
    /// How clients are kept on targets and in target groups.
    pub stickiness: Stickiness,
    /// Sessions that were opened with the keys of `seal`.
    pub sessions: Arc<SessionCache>,
    /// What of requests its rules look at.
    pub looked_at: LookedAt,
}

/// One listener, ready for requests.
pub struct Listener {
    /// The file's name for it.
    pub name: Name,
    /// How clients reach it.
    pub scheme: Scheme,
    /// Its port, for `X-Forwarded-Port` and redirects.
    pub port: u16,
    /// Whether only this machine reaches it.
    pub is_loopback: bool,
    /// How strictly paths are read.
    pub path: PathPolicy,
    /// Longest request body in bytes.
    pub max_request_body: u64,
    /// Its rules' conditions.
    pub table: RuleTable,
    /// Its rules, and the default rule as the last.
    pub rules: Vec<Rule>,
    /// Its counters.
    pub metrics: Arc<ListenerMetrics>,
    /// Whether only clients are served that its trust store vouches for.
    pub verifies_clients: bool,
    /// Names of the headers that tell targets of a client's certificate, as they are written;
    /// empty where none is asked for.
    pub client_headers: Vec<(ClientHeader, Bytes)>,
    /// Proxies whose word about their clients is taken.
    pub trusted_proxies: TrustedProxies,
    /// What becomes of `X-Forwarded-For`.
    pub forwarded_for: ForwardedFor,
    /// Whether `Host` goes on in the client's spelling.
    pub preserves_host: bool,
    /// Whether fields with names that ALB calls invalid are removed.
    pub drops_invalid: bool,
    /// Names of the headers that tell the client's TLS: version and cipher suite.
    pub tls_headers: Option<[HeaderName; 2]>,
    /// Names of cookies that targets do not get; empty where nobody signs in.
    pub session_cookies: Vec<Arc<str>>,
    /// Prepared values of headers toward targets.
    pub forwarded_proto: HeaderValue,
    /// The same for the port.
    pub forwarded_port: HeaderValue,
    /// User pools whose issuers may end sessions here; empty where none may.
    pub logouts: Arc<[Arc<LogoutRealm>]>,
    /// What it does to every answer.
    pub style: Style,
}

/// One rule, ready for requests.
pub struct Rule {
    /// The file's name for it.
    pub name: Name,
    /// The pre-routing action.
    pub validation: Option<CompiledValidation>,
    /// The other pre-routing action.
    pub sign_in: Option<Arc<SignIn>>,
    /// What of the request changes on its way to a target; absent when nothing does.
    pub transforms: Option<Box<model::Transforms>>,
    /// Whether what lasts ends with the identity that opened it.
    pub ends_with_identity: bool,
    /// Whether a verified token goes on to the target.
    pub forwards_authorization: bool,
    /// Scopes that a refused caller is told to want.
    pub wanted_scopes: Vec<String>,
    /// The routing action.
    pub action: Action,
    /// Its counters.
    pub metrics: RuleMetrics,
}

/// The routing action, ready for requests.
pub enum Action {
    /// To target groups by weight.
    Forward(Forward),
    /// To another location.
    Redirect(Redirect),
    /// A prepared answer.
    Fixed(Answer),
    /// The end of a session.
    SignOut(Box<SignOutAction>),
    /// What a route of this API says.
    Api(ApiIndex),
}

/// Outcomes of authorization for [`RuleMetrics::decision`]: `allowed`, then each reason of `auth`.
pub static OUTCOMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let reasons = auth::Reason::ALL.iter().map(|reason| reason.as_str());
    std::iter::once("allowed").chain(reasons).collect()
});

/// Causes for [`ListenerMetrics::refused`].
pub static CAUSES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let malformed = Malformed::ALL.iter().map(|cause| cause.as_str());
    malformed.chain(Refusal::ALL_BUT_MALFORMED.iter().map(|cause| cause.as_str())).collect()
});

impl Snapshot {
    /// Compiles a file, taking over from the snapshot before what must outlive it.
    #[must_use]
    pub fn compile(config: Config, previous: Option<&Self>, metrics: &Metrics) -> Self {
        let authorizers =
            Arc::new(Authorizers::compile(&config, previous.map(|old| &*old.authorizers)));
        let groups = Arc::new(TargetGroups::compile(&config, previous.map(|old| &*old.groups)));
        let listeners: Vec<Listener> = config
            .listeners
            .iter()
            .map(|listener| Listener::compile(listener, &config, &authorizers, metrics))
            .collect();
        let asserter = config.identity_assertion.as_ref().and_then(|settings| {
            Asserter::compile(settings, previous.and_then(|old| old.asserter.as_ref()))
        });
        let apis: Vec<Api> = config
            .apis
            .iter()
            .map(|api| {
                let before = previous.into_iter().flat_map(|old| &old.apis);
                let before = before.into_iter().find(|old| old.name == api.name);
                Api::compile(api, &authorizers, &config.claim_headers, before, metrics)
            })
            .collect();
        let usage = (!config.usage.plans.is_empty()).then(|| {
            let before = previous.and_then(|old| old.usage.as_deref());
            Box::new(Usage::compile(&config.usage, &config.apis, before, metrics))
        });
        let signs_in = listeners
            .iter()
            .any(|listener| listener.rules.iter().any(|rule| rule.sign_in.is_some()));
        let oidc_signer = signs_in
            .then(|| {
                let previous = previous.and_then(|old| old.oidc_signer.as_ref());
                OidcSigner::compile(&config.oidc_data, previous)
            })
            .flatten();
        let owned = OwnedHeaders::compile(&config.owned_headers);
        // Where rules judge methods, nobody may ask a target for another one behind their back.
        let judges_methods =
            !apis.is_empty() || listeners.iter().any(|listener| listener.table.judges_methods());
        let seal = seal(&config, previous.map(|old| &old.seal));
        // What a key that is gone had opened must be opened again.
        let sessions = previous
            .filter(|old| old.config.session_keys == config.session_keys)
            .map_or_else(Arc::default, |old| Arc::clone(&old.sessions));
        Self {
            generation: previous.map_or(1, |old| old.generation + 1),
            owned: if judges_methods { owned.with_method_overrides() } else { owned },
            listeners,
            credentials: Credentials::compile(&config.aws_credentials),
            apis,
            usage,
            authorizers,
            groups,
            asserter,
            oidc_signer,
            stickiness: Stickiness::compile(&config, metrics),
            seal,
            sessions,
            looked_at: LookedAt::of(&config),
            config,
        }
    }
}

impl Snapshot {
    /// How requests to its rules have ended so far.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        let rules = self.listeners.iter().flat_map(|listener| &listener.rules);
        rules.map(|rule| rule.metrics.outcomes()).fold(Outcomes::default(), |sum, rule| Outcomes {
            requests: sum.requests + rule.requests,
            errors: sum.errors + rule.errors,
            denials: sum.denials + rule.denials,
        })
    }
}

impl Listener {
    fn compile(
        listener: &model::Listener,
        config: &Config,
        authorizers: &Authorizers,
        metrics: &Metrics,
    ) -> Self {
        let scheme = if listener.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let rules: Vec<Rule> = listener
            .rules
            .iter()
            .chain(std::iter::once(&listener.default_rule))
            .map(|rule| Rule::compile(rule, &listener.name, config, authorizers, metrics))
            .collect();
        Self {
            name: Arc::clone(&listener.name),
            scheme,
            port: listener.address.port(),
            is_loopback: listener.address.ip().is_loopback(),
            path: listener.path,
            max_request_body: listener.max_request_body,
            table: RuleTable::compile(&listener.rules),
            metrics: metrics.listener(&listener.name, &CAUSES),
            verifies_clients: listener
                .tls
                .as_ref()
                .is_some_and(model::ListenerTls::verifies_clients),
            client_headers: client_headers(listener.tls.as_ref()),
            trusted_proxies: listener.trusted_proxies.clone(),
            forwarded_for: listener.request_headers.forwarded_for,
            preserves_host: listener.request_headers.preserve_host,
            drops_invalid: listener.request_headers.drop_invalid,
            tls_headers: listener.request_headers.tls.as_ref().and_then(tls_headers),
            session_cookies: session_cookies(listener),
            forwarded_proto: forwarded_proto(scheme),
            forwarded_port: forwarded_port(listener.address.port()),
            logouts: LogoutRealm::compile(signing_in(&rules), config, metrics),
            rules,
            style: Style::compile(&listener.response_headers, &listener.error_pages),
        }
    }
}

fn signing_in(rules: &[Rule]) -> impl Iterator<Item = &SignIn> {
    rules.iter().filter_map(|rule| rule.sign_in.as_deref())
}

/// The file was checked: these are names.
fn tls_headers(names: &model::TlsHeaders) -> Option<[HeaderName; 2]> {
    let name = |text: &Name| HeaderName::from_bytes(text.as_bytes()).ok();
    Some([name(&names.version)?, name(&names.cipher_suite)?])
}

impl Rule {
    fn compile(
        rule: &model::Rule,
        listener: &str,
        config: &Config,
        authorizers: &Authorizers,
        metrics: &Metrics,
    ) -> Self {
        let (action, groups) = match &rule.action {
            model::Action::Forward(forward) => {
                let groups = forward.groups.iter().map(|weighted| weighted.group);
                (Action::Forward(forward.clone()), group_names(config, groups))
            }
            model::Action::Redirect(redirect) => (Action::Redirect(redirect.clone()), Vec::new()),
            model::Action::FixedResponse(fixed) => {
                (Action::Fixed(Answer::fixed(fixed)), Vec::new())
            }
            model::Action::SignOut(sign_out) => {
                let compiled = SignOutAction::compile(sign_out, &config.user_pools, authorizers);
                // The file was checked: there is such a pool.
                let action = compiled.map_or_else(
                    || Action::Fixed(Answer::page(500)),
                    |action| Action::SignOut(Box::new(action)),
                );
                (action, Vec::new())
            }
            model::Action::Api(index) => {
                let groups = config.apis.get(index.0).map(api::groups).unwrap_or_default();
                (Action::Api(*index), group_names(config, groups.into_iter()))
            }
        };
        let validation = rule.authentication.as_ref();
        let sign_in = rule.sign_in.as_ref().map(|sign_in| {
            let pools = &config.user_pools;
            SignIn::compile(sign_in, pools, authorizers, &rule.claim_headers).map(Arc::new)
        });
        // The file was checked: there is such a pool. Were there none, nobody may come in.
        let (sign_in, action) = match sign_in {
            Some(None) => (None, Action::Fixed(Answer::page(500))),
            sign_in => (sign_in.flatten(), action),
        };
        Self {
            name: Arc::clone(&rule.name),
            forwards_authorization: validation.is_none_or(|v| v.forward_authorization),
            wanted_scopes: validation.map(wanted_scopes).unwrap_or_default(),
            sign_in,
            ends_with_identity: rule.ends_with_identity,
            transforms: Some(&rule.transforms)
                .filter(|transforms| transforms.host.is_some() || transforms.url.is_some())
                .map(|transforms| Box::new(transforms.clone())),
            validation: validation.map(|v| authorizers.compile_validation(v, &rule.claim_headers)),
            action,
            metrics: metrics.rule(listener, &rule.name, &groups, &OUTCOMES),
        }
    }
}

fn client_headers(tls: Option<&model::ListenerTls>) -> Vec<(ClientHeader, Bytes)> {
    let Some(mutual) = tls.and_then(|tls| tls.mutual_authentication.as_ref()) else {
        return Vec::new();
    };
    let name = |header| Bytes::copy_from_slice(mutual.header_names.name(header).as_bytes());
    ClientHeader::ALL.into_iter().map(|header| (header, name(header))).collect()
}

/// The names of sessions that rules of a listener make or end, each once.
fn session_cookies(listener: &model::Listener) -> Vec<Arc<str>> {
    let rules = listener.rules.iter().chain(std::iter::once(&listener.default_rule));
    let mut names: Vec<Arc<str>> = rules
        .filter_map(|rule| match (&rule.sign_in, &rule.action) {
            (Some(sign_in), _) => Some(Arc::clone(&sign_in.session_cookie_name)),
            (None, model::Action::SignOut(action)) => Some(Arc::clone(&action.session_cookie_name)),
            (None, _) => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn group_names(config: &Config, groups: impl Iterator<Item = GroupIndex>) -> Vec<&str> {
    let groups = groups.filter_map(|group| config.target_groups.get(group.0));
    groups.map(|group| &*group.name).collect()
}

/// The file's session keys. Our own, for when it has none, outlives a reload.
fn seal(config: &Config, previous: Option<&Seal>) -> Seal {
    let derive = |secret: &model::Secret| Key::derive(secret.expose().as_bytes()).ok();
    let own = match previous {
        Some(previous) => previous.own().cloned(),
        None => Key::random().ok().map(Arc::new),
    };
    Seal::new(config.session_keys.iter().filter_map(derive).collect(), own)
}

fn wanted_scopes(validation: &model::JwtValidation) -> Vec<String> {
    match &validation.scopes {
        Some(model::Demand::AnyOf(scopes) | model::Demand::AllOf(scopes)) => scopes.clone(),
        None => Vec::new(),
    }
}
