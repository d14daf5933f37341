//! `user_pools:`: who issues the tokens that we accept, and where their keys are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Judge, address, seconds};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned, Table};
use crate::config::model::{Algorithm, AppClients, Issuer, KeySource, Profile, UserPool};
use crate::config::raw;
use crate::config::secret;

/// Where a pool's keys are, behind its issuer.
const KEY_SET_PATH: &str = "/.well-known/jwks.json";
/// Longest `iss` or `aud` that is compared.
const LONGEST_NAME: usize = 2048;

impl Judge<'_> {
    pub(super) fn user_pools(
        &mut self,
        raw: &Field<Table<raw::UserPool>>,
    ) -> Vec<Option<UserPool>> {
        let mut pools = Vec::new();
        let mut issuers: HashMap<Arc<str>, (String, Span)> = HashMap::new();
        for (name, pool) in raw.value().map(|table| &table.entries).into_iter().flatten() {
            let judged = pool.as_ref().and_then(|pool| self.user_pool(name, pool));
            for issuer in judged.iter().flat_map(|pool| &pool.issuers) {
                let place = pool.as_ref().map_or(name.span, |pool| issuer_place(pool, name.span));
                if let Some((other, first)) = issuers.get(&issuer.issuer) {
                    let message = format!(
                        "the pools `{other}` and `{}` share the issuer `{}`",
                        name.value, issuer.issuer
                    );
                    self.report(
                        Diagnostic::error("shared-issuer", place, message)
                            .related(*first, "first given here")
                            .help("a token's issuer must say which pool judges it; make them one pool"),
                    );
                    break;
                }
                issuers.insert(issuer.issuer.clone(), (name.value.clone(), place));
            }
            pools.push(judged);
        }
        pools
    }

    fn user_pool(&mut self, name: &Spanned<String>, raw: &raw::UserPool) -> Option<UserPool> {
        let profile = self.profile(name, raw);
        let issuers = self.issuers(name, raw);
        let app_clients = self.app_clients(name, raw, profile);
        let audiences = self.audiences(name, raw, profile);
        let require_resource_audience = self.resource_audience(raw, profile, audiences.is_empty());
        let refresh = self.duration(&raw.refresh, seconds(3600), seconds(60)..=seconds(24 * 3600));
        let week = seconds(7 * 24 * 3600);
        let max_stale = self.duration(&raw.max_stale, seconds(24 * 3600), seconds(60)..=week);
        if let Some(given) = raw.max_stale.given().filter(|_| max_stale < refresh) {
            let message = "keys would go stale before they are fetched again";
            self.report(
                Diagnostic::error("out-of-range", given.span, message)
                    .help("`max_stale` must not be shorter than `refresh`"),
            );
        }
        let pool = UserPool {
            name: name.value.as_str().into(),
            profile,
            issuers,
            app_clients,
            audiences,
            require_resource_audience,
            algorithms: self.algorithms(&raw.algorithms),
            clock_skew: self.duration(&raw.clock_skew, Duration::ZERO, seconds(0)..=seconds(60)),
            refresh,
            max_stale,
            max_token_size: usize::try_from(self.size(
                &raw.max_token_size,
                16 * 1024,
                1024..=64 * 1024,
            ))
            .ok()?,
            sign_in: self.provider(name, raw, profile),
            span: name.span,
        };
        Some(pool)
    }

    fn profile(&mut self, name: &Spanned<String>, raw: &raw::UserPool) -> Profile {
        let by_id = raw.user_pool_id.key();
        let misspelt = self.misspelt.has_any(name.span, &["user_pool_id", "issuer"]);
        if by_id.is_none() && raw.issuer.is_absent() && !misspelt {
            let message =
                format!("the pool `{}` has neither `user_pool_id` nor `issuer`", name.value);
            self.report(
                Diagnostic::error("missing-key", name.span, message)
                    .help("`user_pool_id` for Cognito, `issuer` for any other issuer"),
            );
        }
        let Some(given) = raw.profile.given() else {
            let id_like = by_id.is_some() || raw.issuer.is_absent();
            return if id_like { Profile::Cognito } else { Profile::Oidc };
        };
        let profile = match given.value {
            raw::Profile::Cognito => Profile::Cognito,
            raw::Profile::Oidc => Profile::Oidc,
            raw::Profile::Rfc9068 => Profile::Rfc9068,
        };
        if (profile == Profile::Cognito) != by_id.is_some() {
            let message = if by_id.is_some() {
                "`user_pool_id` means `profile: cognito`"
            } else {
                "`profile: cognito` needs `user_pool_id`"
            };
            let mut finding = Diagnostic::error("contradiction", given.span, message);
            if let Some(key) = by_id {
                finding = finding.related(key, "given here");
            }
            self.report(finding);
            // What the pool is by its keys, so that the rest is not told twice.
            return if by_id.is_some() { Profile::Cognito } else { Profile::Oidc };
        }
        profile
    }

    fn issuers(&mut self, name: &Spanned<String>, raw: &raw::UserPool) -> Vec<Issuer> {
        let region = raw.user_pool_id.given().and_then(|id| self.region(id));
        if let (Some(given), Some(_)) = (raw.issuer_type.given(), raw.issuer.key()) {
            let message = "`issuer` replaces both issuer forms, so `issuer_type` says nothing";
            self.report(Diagnostic::error("contradiction", given.key, message));
        } else if let (Some(given), true) = (raw.issuer_type.given(), raw.user_pool_id.is_absent())
        {
            let message = "`issuer_type` chooses between the two issuers of a `user_pool_id`";
            self.report(Diagnostic::error("contradiction", given.key, message));
        }
        let names: Vec<(String, Span)> =
            match (raw.issuer.given(), raw.user_pool_id.given(), region) {
                (Some(issuer), ..) => {
                    if !self.is_issuer(issuer) {
                        return Vec::new();
                    }
                    vec![(issuer.value.clone(), issuer.span)]
                }
                (None, Some(id), Some(region)) => {
                    let form = |host: &str| {
                        (format!("https://{host}.{region}.amazonaws.com/{}", id.value), id.span)
                    };
                    match raw.issuer_type.value() {
                        Some(raw::IssuerType::Original) => vec![form("cognito-idp")],
                        Some(raw::IssuerType::Updated) => vec![form("issuer-cognito-idp")],
                        None => vec![form("cognito-idp"), form("issuer-cognito-idp")],
                    }
                }
                _ => return Vec::new(),
            };
        let mut issuers = Vec::with_capacity(names.len());
        for (issuer, place) in names {
            if let Some(keys) = self.keys(name, raw, &issuer, place) {
                issuers.push(Issuer { issuer: issuer.into(), keys });
            }
        }
        issuers
    }

    /// The region of a pool id.
    pub(super) fn region(&mut self, id: &Spanned<String>) -> Option<String> {
        const LONGEST: usize = 55;
        let parts = id.value.split_once('_').filter(|(region, rest)| {
            let region_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            id.value.len() <= LONGEST
                && !region.is_empty()
                && region.bytes().all(region_byte)
                && !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if parts.is_none() {
            let message =
                format!("{} is not a user pool id", crate::config::decode::quoted(&id.value));
            self.report(
                Diagnostic::error("invalid-user-pool-id", id.span, message)
                    .help("a region, `_` and letters or digits, as in `eu-west-1_AbCdEfGhI`"),
            );
        }
        parts.map(|(region, _)| region.to_owned())
    }

    fn is_issuer(&mut self, issuer: &Spanned<String>) -> bool {
        let text = &issuer.value;
        let good = (1..=LONGEST_NAME).contains(&text.len())
            && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        if !good {
            let message = "an issuer is the exact `iss` of its tokens: not empty, without spaces";
            self.report(Diagnostic::error("invalid-issuer", issuer.span, message));
        }
        good
    }

    fn keys(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::UserPool,
        issuer: &str,
        issuer_place: Span,
    ) -> Option<KeySource> {
        if let (Some(uri), Some(file)) = (raw.jwks_uri.key(), raw.jwks_file.key()) {
            let message = "`jwks_uri` and `jwks_file` both say where the keys are";
            self.report_once(
                Diagnostic::error("contradiction", file, message).related(uri, "given here"),
            );
            return None;
        }
        if let Some(file) = raw.jwks_file.given() {
            return self.key_file(file).map(KeySource::File);
        }
        if raw.jwks_file.key().is_some() {
            return None;
        }
        if let Some(uri) = raw.jwks_uri.given() {
            let url = address::key_url(&uri.value);
            if let Err(refusal) = url {
                let mut finding = Diagnostic::error("invalid-jwks-uri", uri.span, refusal.message);
                finding.help = refusal.help;
                self.report_once(finding);
                return None;
            }
            return Some(KeySource::Url(uri.value.as_str().into()));
        }
        if raw.jwks_uri.key().is_some() {
            return None;
        }
        let derived = format!("{}{KEY_SET_PATH}", issuer.trim_end_matches('/'));
        if let Err(refusal) = address::key_url(&derived) {
            let message = format!(
                "no place of keys follows from the issuer of `{}`: {}",
                name.value, refusal.message
            );
            self.report(
                Diagnostic::error("invalid-jwks-uri", issuer_place, message)
                    .help("say `jwks_uri: https://...` or `jwks_file: PATH`"),
            );
            return None;
        }
        Some(KeySource::Url(derived.into()))
    }

    /// Two issuer forms of one pool must not tell the same thing twice.
    pub(super) fn report_once(&mut self, finding: Diagnostic) {
        if self.findings.last() != Some(&finding) {
            self.report(finding);
        }
    }

    fn key_file(&mut self, file: &Spanned<String>) -> Option<std::path::PathBuf> {
        let path = self.path("jwks_file", file)?;
        let Some(surroundings) = self.ground.surroundings else { return Some(path) };
        let problem = match surroundings.file(&path) {
            Err(why) => Some(format!("cannot read `{}`: {why}", path.display())),
            Ok(bytes) => match serde_json::from_slice::<serde_json::Value>(&bytes) {
                Ok(value) if value.get("keys").is_some_and(serde_json::Value::is_array) => None,
                _ => Some(format!("`{}` is not a key set", path.display())),
            },
        };
        match problem {
            None => Some(path),
            Some(message) => {
                self.report_once(Diagnostic::error("missing-key-file", file.span, message));
                None
            }
        }
    }

    fn app_clients(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::UserPool,
        profile: Profile,
    ) -> AppClients {
        if profile != Profile::Cognito {
            if let Some(key) = raw.app_clients.key() {
                let message = "`app_clients` is for Cognito pools";
                self.report(
                    Diagnostic::error("contradiction", key, message)
                        .help("other issuers say for whom a token is in `aud`: use `audiences`"),
                );
            }
            return AppClients::Any;
        }
        match &raw.app_clients {
            Field::Absent => {
                // Who signs people in as a client accepts that client's tokens.
                if let Some(client) = raw.client_id.given() {
                    return AppClients::Only(vec![client.value.clone()]);
                }
                if raw.user_pool_id.key().is_some() && raw.client_id.is_absent() {
                    let message = format!(
                        "the pool `{}` does not say which app clients it accepts",
                        name.value
                    );
                    self.report(
                        Diagnostic::error("missing-key", name.span, message)
                            .help("add `app_clients: [ID]`; `app_clients: any` accepts every client of the pool"),
                    );
                }
                AppClients::Any
            }
            Field::Wrong(_) => AppClients::Any,
            Field::Given(given) => match &given.value {
                raw::AppClients::Any => {
                    let message = "tokens of every app client of this pool are accepted";
                    self.report(
                        Diagnostic::warning("any-app-client", given.span, message)
                            .help("list the clients: `app_clients: [ID]`"),
                    );
                    AppClients::Any
                }
                raw::AppClients::Only(list) => {
                    let list = given.at(list.clone());
                    for item in &list.value.items {
                        self.no_reference(item);
                    }
                    AppClients::Only(self.texts(&list, "`app_clients`"))
                }
            },
        }
    }

    /// `${env:X}` is not looked up here, and comparing with it literally is never meant.
    fn no_reference(&mut self, text: &Spanned<String>) {
        if secret::reference(&text.value).is_some() {
            let message = "`${...}` stands for a secret, and no secret is expected here";
            self.report(
                Diagnostic::error("misplaced-secret", text.span, message)
                    .help("write the value itself"),
            );
        }
    }

    fn audiences(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::UserPool,
        profile: Profile,
    ) -> Vec<String> {
        match raw.audiences.given() {
            Some(list) => {
                for item in &list.value.items {
                    self.no_reference(item);
                }
                self.texts(list, "`audiences`")
            }
            None => {
                let misspelt = self.misspelt.has_any(name.span, &["audiences"]);
                let signs_in = raw.client_id.key().is_some();
                let is_needed = profile != Profile::Cognito && !signs_in;
                if is_needed && raw.audiences.is_absent() && !misspelt {
                    let message = format!(
                        "the pool `{}` does not say which audiences it accepts",
                        name.value
                    );
                    self.report(
                        Diagnostic::error("missing-key", name.span, message)
                            .help("add `audiences: [NAME]`: the `aud` of tokens made for you"),
                    );
                }
                Vec::new()
            }
        }
    }

    fn resource_audience(
        &mut self,
        raw: &raw::UserPool,
        profile: Profile,
        no_audience: bool,
    ) -> bool {
        let Some(given) = raw.require_resource_audience.given() else { return false };
        if profile != Profile::Cognito {
            let message =
                "`require_resource_audience` is for Cognito pools; others always need `aud`";
            self.report(Diagnostic::error("contradiction", given.key, message));
        } else if given.value && no_audience && raw.audiences.is_absent() {
            let message = "`require_resource_audience` needs `audiences`";
            self.report(Diagnostic::error("missing-key", given.key, message));
        }
        given.value
    }

    fn algorithms(
        &mut self,
        raw: &Field<crate::config::field::List<raw::Algorithm>>,
    ) -> Vec<Algorithm> {
        let Some(list) = raw.given() else { return vec![Algorithm::RS256] };
        if list.value.is_empty {
            let message = "`algorithms` may not be an empty list";
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        let mut algorithms = Vec::new();
        for item in &list.value.items {
            if !algorithms.contains(&item.value.0) {
                algorithms.push(item.value.0);
            }
        }
        algorithms
    }
}

fn issuer_place(raw: &raw::UserPool, name: Span) -> Span {
    let issuer = raw.issuer.given().map(|issuer| issuer.span);
    issuer.or_else(|| raw.user_pool_id.given().map(|id| id.span)).unwrap_or(name)
}
