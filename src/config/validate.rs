//! From the raw types to the model: every default filled in, every reference resolved, every
//! mistake reported.
//!
//! A part that is wrong is left out of the result, but judging goes on. Whether the result may be
//! used is decided by the findings: there is no configuration when there is an error.

mod accepted_risk;
mod access_log;
mod action;
mod address;
mod api;
mod aws;
mod balancing;
mod browser_url;
mod chain;
mod claims;
mod condition;
mod cors;
mod deny_list;
mod development;
mod error_page;
mod forwarding;
mod header;
mod identity_assertion;
mod listener;
mod listener_tls;
mod log_format;
mod openapi;
mod pattern;
mod reload;
mod response_headers;
mod rule;
mod session;
mod sign_in;
mod stickiness;
mod target_group;
mod throttle;
mod tracing;
mod transform;
mod usage;
mod user_pool;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

pub(super) use self::accepted_risk::accepted_risks;
pub(super) use self::pattern::Refusal;
use super::decode::Misspelt;
use super::diagnostics::{Diagnostic, Severity, Span};
use super::field::{Field, List, Spanned};
use super::model::{
    Admin, Api, Config, GroupIndex, Name, PoolIndex, Profile, Shutdown, Stickiness, UserPool,
};
use super::source::Source;
use super::suggest;
use super::units::{DurationText, SizeText};
use super::{Ground, raw, secret};

/// Judges a file; `None` when it cannot be used.
pub(super) fn validate(
    mut raw: raw::File,
    ground: Ground<'_>,
    misspelt: &Misspelt,
    source: &mut Source,
    findings: &mut Vec<Diagnostic>,
) -> Option<Config> {
    let mut judge = Judge {
        ground,
        misspelt,
        source,
        findings,
        token_headers: Vec::new(),
        filled_headers: Vec::new(),
        renamed: Vec::new(),
        header_conditions: Vec::new(),
        documents: Vec::new(),
    };
    let admin = judge.admin(raw.admin.value());
    let threads = judge.threads(&raw.threads);
    let memory_limit = judge.memory_limit(&raw.memory_limit);
    let state_directory =
        raw.state_directory.given().and_then(|path| judge.path("state_directory", path));
    let session_keys = judge.session_keys(&raw.session_keys);
    let startup_wait = judge.duration(&raw.startup_wait, seconds(30), seconds(0)..=seconds(3600));
    let reload = judge.reload(&raw.reload);
    let shutdown = judge.shutdown(raw.shutdown.value());
    let access_log = judge.access_log(raw.access_log.value());
    let connection_log = judge.connection_log(&raw.connection_log, &access_log);
    let tracing = judge.tracing(&raw.tracing);
    let identity_assertion = judge.identity_assertion(&raw.identity_assertion, &raw.target_groups);
    let deny_list = judge.deny_list(&raw.deny_list);
    let oidc_data = judge.oidc_data(&raw.oidc_data);
    let health_check_log = judge.health_check_log(&raw.health_check_log);
    let claim_headers = judge.file_claim_headers(&raw.claim_headers);

    let mut pools = Names::new(&mut judge, "user pool", "unknown-user-pool", &raw.user_pools);
    let user_pools = judge.user_pools(&raw.user_pools);
    let mut groups =
        Names::new(&mut judge, "target group", "unknown-target-group", &raw.target_groups);
    let fronts = chain::Fronts::of(&raw.listeners);
    let target_groups = judge.target_groups(&raw.target_groups, &fronts);
    let mut api_names = Names::new(&mut judge, "API", "unknown-api", &raw.apis);
    let profiles = user_pools.iter().map(|pool| pool.as_ref().map(|pool| pool.profile)).collect();

    let providers =
        user_pools.iter().map(|pool| pool.as_ref().map(|pool| pool.sign_in.is_some())).collect();
    let stickiness = target_groups
        .iter()
        .map(|group| group.as_ref().and_then(|group| group.stickiness.clone()))
        .collect();
    let error_pages = judge.error_pages(&raw.error_pages);
    let mut scene = Scene {
        pools: &mut pools,
        groups: &mut groups,
        profiles,
        providers,
        stickiness,
        claim_headers: claim_headers.clone(),
        error_pages,
        apis: &mut api_names,
        protected_apis: Vec::new(),
    };
    judge.openapi_files(&mut raw.apis, &user_pools);
    let aws_credentials = judge.aws_credentials(&raw.aws_credentials);
    let apis = judge.apis(&raw.apis, &mut scene);
    scene.protected_apis = apis.iter().map(|api| api.as_ref().is_some_and(is_protected)).collect();
    let known_apis = usage::KnownApis::new(&raw.apis, &apis);
    let usage = judge.usage(&raw, &known_apis);
    let (listeners, owned) = judge.listeners(raw.listeners, &mut scene);
    let development =
        raw.development_user_pool.given().map(|pool| judge.development_user_pool(pool));

    judge.addresses(
        &listeners,
        (raw_admin_span(&raw.admin), admin.address),
        &raw.development_user_pool,
    );
    judge.loops(&target_groups, &apis, &listeners);
    pools.report_unused(&mut judge, "unused-user-pool");
    groups.report_unused(&mut judge, "unused-target-group");
    api_names.report_unused(&mut judge, "unused-api");

    let mut owned_headers: Vec<String> =
        claim_headers.iter().map(|header| header.header.clone()).chain(owned).collect();
    let mut claims = owned_headers.clone();
    claims.sort_unstable();
    judge.own_renamed(&mut owned_headers);
    judge.own_filled(&mut owned_headers);
    owned_headers.sort_unstable();
    owned_headers.dedup();
    judge.check_token_headers(&owned_headers);
    judge.check_condition_headers(&owned_headers);
    judge.check_filled(&owned_headers, &claims);
    Some(Config {
        admin,
        threads,
        memory_limit,
        state_directory,
        session_keys,
        startup_wait,
        reload,
        shutdown,
        access_log,
        connection_log,
        tracing,
        identity_assertion,
        deny_list,
        oidc_data,
        health_check_log,
        claim_headers: claim_headers.to_vec(),
        owned_headers,
        user_pools: user_pools.into_iter().collect::<Option<_>>()?,
        target_groups: target_groups.into_iter().collect::<Option<_>>()?,
        aws_credentials,
        apis: apis.into_iter().collect::<Option<_>>()?,
        usage,
        listeners: listeners.into_iter().map(|listener| listener.model).collect::<Option<_>>()?,
        development_user_pool: match development {
            Some(pool) => Some(pool?),
            None => None,
        },
    })
}

fn is_error(finding: &Diagnostic) -> bool {
    finding.severity == Severity::Error
}

fn is_protected(api: &Api) -> bool {
    api.routes.iter().any(|route| route.authorizer.is_some())
}

fn raw_admin_span(admin: &Field<raw::Admin>) -> Span {
    admin
        .value()
        .and_then(|admin| admin.address.given())
        .map(|address| address.span)
        .unwrap_or_default()
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What rules refer to.
struct Scene<'a> {
    pools: &'a mut Names,
    groups: &'a mut Names,
    /// By pool; `None` when the pool is wrong.
    profiles: Vec<Option<Profile>>,
    /// By pool: whether people sign in there; `None` when the pool is wrong.
    providers: Vec<Option<bool>>,
    /// By target group.
    stickiness: Vec<Option<Stickiness>>,
    /// The file's claim headers.
    claim_headers: std::sync::Arc<[super::model::ClaimHeader]>,
    /// The file's pages.
    error_pages: super::model::ErrorPages,
    apis: &'a mut Names,
    /// Whether routes of an API take tokens, by API.
    protected_apis: Vec<bool>,
}

/// Collects what is wrong.
struct Judge<'a> {
    ground: Ground<'a>,
    misspelt: &'a Misspelt,
    source: &'a mut Source,
    findings: &'a mut Vec<Diagnostic>,
    /// Headers beside `Authorization` that tokens come in.
    token_headers: Vec<(String, Span)>,
    /// Headers that mappings of APIs fill.
    filled_headers: Vec<api::FilledHeader>,
    /// Headers that tell of client certificates under names of the file's choice.
    renamed: Vec<(String, Span)>,
    /// Headers that conditions look at.
    header_conditions: Vec<(String, Span)>,
    /// OpenAPI files that were read, by API.
    documents: Vec<(String, super::model::OpenApiFile)>,
}

impl Judge<'_> {
    fn report(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    fn refuse(&mut self, code: &'static str, span: Span, refusal: Refusal) {
        let mut finding = Diagnostic::error(code, span, refusal.message);
        finding.help = refusal.help;
        self.report(finding);
    }

    /// The value, or the finding why there is none.
    fn accept<T>(
        &mut self,
        code: &'static str,
        span: Span,
        value: Result<T, Refusal>,
    ) -> Option<T> {
        value.map_err(|refusal| self.refuse(code, span, refusal)).ok()
    }

    /// A key that must be there. A key with a wrong value is reported already.
    fn demand<'f, T>(
        &mut self,
        field: &'f Field<T>,
        place: Span,
        key: &'static str,
    ) -> Option<&'f Spanned<T>> {
        if field.is_absent() && !self.misspelt.has_any(place, &[key]) {
            self.report(Diagnostic::error(
                "missing-key",
                place,
                format!("`{key}` is missing here"),
            ));
        }
        field.given()
    }

    fn duration(
        &mut self,
        field: &Field<DurationText>,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(given) = field.given() else { return default };
        if range.contains(&given.value.0) {
            return given.value.0;
        }
        let (least, most) = (DurationText(*range.start()), DurationText(*range.end()));
        let message = format!("`{}` is out of range: {least} to {most}", given.value);
        self.report(Diagnostic::error("out-of-range", given.span, message));
        default
    }

    fn size(&mut self, field: &Field<SizeText>, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(given) = field.given() else { return default };
        if range.contains(&given.value.0) {
            return given.value.0;
        }
        let (least, most) = (SizeText(*range.start()), SizeText(*range.end()));
        let message = format!("`{}` is out of range: {least} to {most}", given.value);
        self.report(Diagnostic::error("out-of-range", given.span, message));
        default
    }

    fn number<N: TryFrom<u64>>(
        &mut self,
        field: &Field<u64>,
        default: N,
        range: RangeInclusive<u64>,
    ) -> N {
        let Some(given) = field.given() else { return default };
        match N::try_from(given.value) {
            Ok(number) if range.contains(&given.value) => number,
            _ => {
                let (least, most) = (range.start(), range.end());
                let message = format!("`{}` is out of range: {least} to {most}", given.value);
                self.report(Diagnostic::error("out-of-range", given.span, message));
                default
            }
        }
    }

    /// Non-empty texts of a list that may not be empty itself.
    fn texts(&mut self, list: &Spanned<List<String>>, what: &str) -> Vec<String> {
        let mut texts = Vec::with_capacity(list.value.items.len());
        let mut seen = HashSet::new();
        if list.value.is_empty {
            let message = format!("{what} may not be an empty list");
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        for item in &list.value.items {
            if item.value.trim().is_empty() || item.value.chars().any(char::is_control) {
                let message = "text may not be empty here, nor hold control characters";
                self.report(Diagnostic::error("invalid-value", item.span, message));
            } else if !seen.insert(&item.value) {
                let message = format!("`{}` is listed twice", item.value);
                self.report(Diagnostic::error("duplicate-value", item.span, message));
            } else {
                texts.push(item.value.clone());
            }
        }
        texts
    }

    /// A path; a relative one begins at the file's folder.
    fn path(&mut self, what: &str, path: &Spanned<String>) -> Option<PathBuf> {
        if path.value.trim().is_empty() || path.value.contains('\0') {
            let message = format!("`{what}` is not a path");
            self.report(Diagnostic::error("invalid-path", path.span, message));
            return None;
        }
        Some(self.ground.folder.join(&path.value))
    }

    fn secret(&mut self, text: &Spanned<raw::SecretText>) -> Option<super::model::Secret> {
        secret::resolve(&text.value.0, text.span, self.ground, self.source)
            .map_err(|finding| self.report(*finding))
            .ok()
    }

    fn admin(&mut self, raw: Option<&raw::Admin>) -> Admin {
        const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);
        const SHORTEST_TOKEN: usize = 16;
        let mut admin = Admin { address: DEFAULT, token: None };
        let Some(raw) = raw else { return admin };
        if let Some(text) = raw.address.given() {
            let address = address::listen(&text.value);
            if let Some(address) = self.accept("invalid-address", text.span, address) {
                admin.address = address;
            }
        }
        if let Some(text) = raw.token.given() {
            admin.token = self.secret(text);
            let length = admin.token.as_ref().map_or(0, |token| token.expose().len());
            if (1..SHORTEST_TOKEN).contains(&length) {
                let message = "the admin token is short enough to be guessed";
                self.report(
                    Diagnostic::warning("short-token", text.span, message)
                        .help(format!("use {SHORTEST_TOKEN} characters or more")),
                );
            }
        }
        admin
    }

    fn threads(&mut self, raw: &Field<u64>) -> Option<usize> {
        const MOST: u64 = 1024;
        raw.given().is_some().then(|| self.number(raw, 1, 1..=MOST))
    }

    fn memory_limit(&mut self, raw: &Field<SizeText>) -> Option<u64> {
        const LEAST: u64 = 64 << 20;
        const MOST: u64 = 1 << 50;
        raw.given().is_some().then(|| self.size(raw, LEAST, LEAST..=MOST))
    }

    fn shutdown(&mut self, raw: Option<&raw::Shutdown>) -> Shutdown {
        let absent = raw::Shutdown::default();
        let raw = raw.unwrap_or(&absent);
        let hour = seconds(3600);
        Shutdown {
            pre_stop_wait: self.duration(&raw.pre_stop_wait, seconds(0), seconds(0)..=hour),
            drain_limit: self.duration(&raw.drain_limit, seconds(25), seconds(0)..=hour),
        }
    }

    /// A token cannot come in a header that is removed from what comes in.
    fn check_token_headers(&mut self, owned: &[String]) {
        for (header, span) in std::mem::take(&mut self.token_headers) {
            if owned.binary_search(&header).is_ok() {
                let message =
                    format!("`{header}` is an owned header: it is removed from every request");
                self.report(Diagnostic::error("invalid-identity-source", span, message));
            }
        }
    }

    /// A condition on a header that is removed from what comes in would never hold.
    fn check_condition_headers(&mut self, owned: &[String]) {
        let families = ["x-amzn-oidc-", "x-amzn-mtls-", "x-portcullis-"];
        for (header, span) in std::mem::take(&mut self.header_conditions) {
            if owned.binary_search(&header).is_ok()
                || families.iter().any(|family| header.starts_with(family))
            {
                let message = format!(
                    "`{header}` is an owned header: no client can send it, so this never holds"
                );
                self.report(Diagnostic::error("invalid-header", span, message));
            }
        }
    }

    /// No two of our sockets may want the same address.
    fn addresses(
        &mut self,
        listeners: &[listener::Judged],
        admin: (Span, SocketAddr),
        development: &Field<raw::DevelopmentUserPool>,
    ) {
        let mut taken: Vec<(String, Span, SocketAddr)> =
            vec![("the admin listener".to_owned(), admin.0, admin.1)];
        let embedded = development.value().and_then(|pool| pool.address.given()).and_then(|text| {
            let address = address::listen(&text.value).ok()?;
            Some(("the development user pool".to_owned(), text.span, address))
        });
        let ours = listeners.iter().filter_map(|listener| {
            let (span, address) = listener.address?;
            Some((format!("listener `{}`", listener.name), span, address))
        });
        for (what, span, address) in embedded.into_iter().chain(ours) {
            if let Some((whose, first, _)) =
                taken.iter().find(|(_, _, other)| address::collide(*other, address))
            {
                let mut finding = Diagnostic::error(
                    "address-taken",
                    span,
                    format!("{what} wants `{address}`, which {whose} has already"),
                );
                if first.line > 0 {
                    finding = finding.related(*first, "taken here");
                }
                self.report(finding);
            }
            taken.push((what, span, address));
        }
    }
}

/// The names of one kind of thing, and which of them are used.
struct Names {
    what: &'static str,
    unknown: &'static str,
    spans: Vec<(Name, Span)>,
    by_name: HashMap<Name, usize>,
    used: Vec<bool>,
    unresolved: usize,
}

/// After so many unknown names nobody reads hints any more, and each costs a look at every name.
const MOST_GUESSES: usize = 100;

/// So many names may be listed in a hint.
const MOST_LISTED: usize = 8;

impl Names {
    fn new<T>(
        judge: &mut Judge<'_>,
        what: &'static str,
        unknown: &'static str,
        table: &Field<super::field::Table<T>>,
    ) -> Self {
        let mut names = Self {
            what,
            unknown,
            spans: Vec::new(),
            by_name: HashMap::new(),
            used: Vec::new(),
            unresolved: 0,
        };
        for (name, _) in table.value().map(|table| &table.entries).into_iter().flatten() {
            judge.check_name(what, name);
            let shared: Name = name.value.as_str().into();
            names.by_name.insert(shared.clone(), names.spans.len());
            names.spans.push((shared, name.span));
            names.used.push(false);
        }
        names
    }

    fn resolve(&mut self, judge: &mut Judge<'_>, name: &Spanned<String>) -> Option<usize> {
        if let Some(&index) = self.by_name.get(name.value.as_str()) {
            if let Some(used) = self.used.get_mut(index) {
                *used = true;
            }
            return Some(index);
        }
        let shown = super::decode::quoted(&name.value);
        let mut finding =
            Diagnostic::error(self.unknown, name.span, format!("unknown {} {shown}", self.what));
        let known = self.spans.iter().map(|(known, _)| known.as_ref());
        self.unresolved += 1;
        if self.unresolved <= MOST_GUESSES {
            finding.help = suggest::did_you_mean(&name.value, known);
        }
        if finding.help.is_none() {
            finding.help = match self.spans.as_slice() {
                [] => Some(format!("the file has no {} at all", self.what)),
                few @ [_, ..] if few.len() <= MOST_LISTED => {
                    let names: Vec<_> = few.iter().map(|(name, _)| name.as_ref()).collect();
                    Some(format!("known: {}", names.join(", ")))
                }
                _ => None,
            };
        }
        judge.report(finding);
        None
    }

    fn pool(&mut self, judge: &mut Judge<'_>, name: &Spanned<String>) -> Option<PoolIndex> {
        self.resolve(judge, name).map(PoolIndex)
    }

    fn group(&mut self, judge: &mut Judge<'_>, name: &Spanned<String>) -> Option<GroupIndex> {
        self.resolve(judge, name).map(GroupIndex)
    }

    /// Only of a file without errors: a misspelt name leaves the right one unused.
    fn report_unused(&self, judge: &mut Judge<'_>, code: &'static str) {
        if judge.findings.iter().any(|finding| finding.severity == Severity::Error) {
            return;
        }
        for ((name, span), used) in self.spans.iter().zip(&self.used) {
            if !used {
                let message = format!("no rule uses the {} `{name}`", self.what);
                judge.report(Diagnostic::warning(code, *span, message));
            }
        }
    }
}

impl Judge<'_> {
    /// Names go into logs, metrics and paths of the admin listener.
    fn check_name(&mut self, what: &str, name: &Spanned<String>) {
        const LONGEST: usize = 64;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let good = (1..=LONGEST).contains(&name.value.len())
            && name.value.bytes().all(allowed)
            && name.value.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !good {
            let shown = super::decode::quoted(&name.value);
            let message = format!("{shown} cannot be the name of a {what}");
            let help = "letters, digits, `-`, `_` and `.`, at most 64, a letter or digit first";
            self.report(Diagnostic::error("invalid-name", name.span, message).help(help));
        }
    }
}
