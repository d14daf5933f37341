//! The two sides of each comparison: what the file wants, and what the token has.

use ::http::header::AUTHORIZATION;
use serde_json::Value;

use super::profile::{first_unfit, is_cognito};
use super::shown::{list, relative, shown};
use super::{Seen, Stage, Told};
use crate::config::model::{
    AdditionalClaim, AppClients, ClaimFormat, Demand, IdentitySource, TokenUse, UserPool,
};
use crate::explain::signer;

impl Seen<'_> {
    /// What the file wants, and what the token has.
    pub(super) fn sides(&self, stage: Stage, told: Option<&Told>) -> (String, String) {
        let pool = self.pool(told);
        let claim = |name: &str| shown(told.and_then(|told| told.claims.get(name)));
        let header = |name: &str| shown(told.and_then(|told| told.header.get(name)));
        match stage {
            Stage::Header => self.header_sides(),
            Stage::Format => {
                let length = self.token().map_or(0, |token| token.len());
                let longest = self.compiled.max_token_size();
                (format!("a signed token of at most {longest} bytes"), format!("{length} bytes"))
            }
            Stage::Issuer => (self.accepted_issuers(), claim("iss")),
            Stage::Algorithm => {
                let names = |pool: &UserPool| {
                    list(pool.algorithms.iter().map(|algorithm| signer::name(*algorithm)))
                };
                let typ = told.and_then(|told| told.header.get("typ"));
                let typ = typ.map_or_else(String::new, |typ| format!(", typ {}", shown(Some(typ))));
                (pool.map(names).unwrap_or_default(), format!("{}{typ}", header("alg")))
            }
            Stage::Key => (self.known_keys(pool), header("kid")),
            Stage::Signature => ("the signature of that key".to_owned(), String::new()),
            Stage::Claims => self.claim_sides(told, pool),
            Stage::Time => self.time_sides(told, pool),
            Stage::Client => client_sides(told, pool),
            Stage::DenyList => ("a caller that is not on it".to_owned(), String::new()),
            Stage::TokenUse => (token_use(self.wanted.token_use).to_owned(), claim("token_use")),
            Stage::AdditionalClaims => self.additional_sides(told),
            Stage::Scopes => {
                let scope = told
                    .and_then(|told| told.claims.get("scope").or_else(|| told.claims.get("scp")));
                (self.wanted.scopes.as_ref().map(demand).unwrap_or_default(), shown(scope))
            }
            Stage::Groups => {
                let name = if pool.is_none_or(is_cognito) { "cognito:groups" } else { "groups" };
                (self.wanted.groups.as_ref().map(demand).unwrap_or_default(), claim(name))
            }
        }
    }

    fn header_sides(&self) -> (String, String) {
        let name = self.compiled.token_header();
        let wanted = match &self.wanted.identity_source {
            IdentitySource::Query(name) => format!("one parameter `{name}` in the query"),
            IdentitySource::BearerOrBare(_) => format!("one `{name}: Bearer TOKEN` or bare"),
            IdentitySource::Authorization => "one `authorization: Bearer TOKEN`".to_owned(),
            IdentitySource::Header(_) => format!("one `{name}: TOKEN`"),
        };
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        let found = match &values[..] {
            [] => "absent".to_owned(),
            [one] if name == AUTHORIZATION => {
                let scheme = String::from_utf8_lossy(one.as_bytes());
                // Without a space there may be nothing but a credential.
                let scheme = scheme.split_once(' ').map(|(scheme, _)| scheme.to_owned());
                scheme.map_or_else(
                    || "a value without a scheme".to_owned(),
                    |s| format!("scheme {s}"),
                )
            }
            [_] => "there".to_owned(),
            several => format!("{} times", several.len()),
        };
        (wanted, found)
    }

    fn accepted_issuers(&self) -> String {
        let pools = self
            .wanted
            .pools
            .iter()
            .filter_map(|index| self.snapshot.config.user_pools.get(index.0));
        let issuers = pools.flat_map(|pool| {
            pool.issuers.iter().map(move |issuer| format!("{} ({})", issuer.issuer, pool.name))
        });
        list(issuers)
    }

    fn known_keys(&self, pool: Option<&UserPool>) -> String {
        let Some(pool) = pool else { return String::new() };
        let compiled = self.compiled.pools().find(|compiled| *compiled.name() == pool.name);
        let keys = compiled.into_iter().flat_map(|pool| pool.issuers()).flat_map(|issuer| {
            let current = issuer.source().current().clone();
            let keys = current.map(|current| current.set().keys().to_vec()).unwrap_or_default();
            keys.into_iter().map(|key| key.kid().to_owned())
        });
        let mut keys: Vec<_> = keys.collect();
        keys.dedup();
        if keys.is_empty() { "(no key set is known)".to_owned() } else { list(keys) }
    }

    fn claim_sides(&self, told: Option<&Told>, pool: Option<&UserPool>) -> (String, String) {
        let (Some(told), Some(pool)) = (told, pool) else { return Default::default() };
        match first_unfit(&told.claims, pool.profile) {
            Some((name, wanted)) => {
                (format!("{name}: {wanted}"), format!("{name}: {}", shown(told.claims.get(name))))
            }
            None => ("what every token has".to_owned(), format!("{} claims", told.claims.len())),
        }
    }

    fn time_sides(&self, told: Option<&Told>, pool: Option<&UserPool>) -> (String, String) {
        let now = self.moment.wall.seconds();
        let skew = pool.map_or(0, |pool| pool.clock_skew.as_secs());
        let time = |name: &str| {
            let seconds = told.and_then(|told| told.claims.get(name)).and_then(Value::as_f64);
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
            seconds.map(|seconds| format!("{name} {}", relative((seconds - now as f64) as i64)))
        };
        let found = ["exp", "nbf", "iat"].into_iter().filter_map(time).collect::<Vec<_>>();
        let grace = if skew == 0 { String::new() } else { format!(", give or take {skew} s") };
        (format!("exp ahead, nbf past, iat not ahead{grace}"), found.join(", "))
    }

    fn additional_sides(&self, told: Option<&Told>) -> (String, String) {
        let claims = &self.wanted.additional_claims;
        let unmet = told.and_then(|told| self.compiled.first_unmet(&told.payload));
        let shown_of = |wanted: &AdditionalClaim| {
            format!(
                "{}: {}",
                wanted.name,
                shown(told.and_then(|told| told.claims.get(&wanted.name)))
            )
        };
        match unmet.and_then(|position| claims.get(position)) {
            Some(unmet) => (additional(unmet), shown_of(unmet)),
            None => (list(claims.iter().map(additional)), list(claims.iter().map(shown_of))),
        }
    }
}

fn client_sides(told: Option<&Told>, pool: Option<&UserPool>) -> (String, String) {
    let Some(pool) = pool else { return Default::default() };
    let claim = |name: &str| told.and_then(|told| told.claims.get(name));
    let found = |name: &str| claim(name).map(|value| format!("{name} {}", shown(Some(value))));
    let clients = match &pool.app_clients {
        AppClients::Any => "any client".to_owned(),
        AppClients::Only(clients) => format!("a client of {}", list(clients)),
    };
    let audiences = format!("aud of {}", list(&pool.audiences));
    let wanted = match (is_cognito(pool), pool.audiences.is_empty()) {
        (true, true) if pool.require_resource_audience => format!("{clients}, and {audiences}"),
        (true, true) => clients,
        (true, false) => format!("{clients}, and {audiences} if there is one"),
        (false, _) => audiences,
    };
    let both = ["client_id", "aud"].into_iter().filter_map(found).collect::<Vec<_>>();
    (wanted, if both.is_empty() { "absent".to_owned() } else { both.join(", ") })
}

fn demand(demand: &Demand) -> String {
    match demand {
        Demand::AnyOf(names) if names.len() == 1 => list(names),
        Demand::AnyOf(names) => format!("any of {}", list(names)),
        Demand::AllOf(names) => format!("all of {}", list(names)),
    }
}

fn additional(claim: &AdditionalClaim) -> String {
    let how = match claim.format {
        ClaimFormat::SingleString => "is one of",
        ClaimFormat::StringArray => "has one of",
        ClaimFormat::SpaceSeparatedValues => "has all of",
    };
    format!("{} {how} {}", claim.name, list(&claim.values))
}

const fn token_use(wanted: TokenUse) -> &'static str {
    match wanted {
        TokenUse::Access => "access",
        TokenUse::Id => "id",
        TokenUse::Any => "access or id",
    }
}
