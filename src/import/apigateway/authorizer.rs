//! Who may come: authorizers, and the user pools that they trust.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::name::{cognito_pool, slug, unique};
use super::super::yaml::Writer;
use super::super::{Kind, Object};
use super::Import;
use super::draft::{Draft, list, text};
use super::function::owner_of;

/// An issuer that an authorizer trusts.
pub(super) struct Pool {
    pub(super) name: String,
    /// App clients or audiences; empty for all.
    pub(super) audiences: BTreeSet<String>,
}

/// What authorizers are called in the file, by the id that AWS gave them; `None` for one that
/// cannot be carried over.
pub(super) type Known = BTreeMap<String, Option<String>>;

impl Import<'_> {
    pub(super) fn authorizers(&mut self, draft: &mut Draft, values: &[&Value]) -> Known {
        let (mut known, mut taken) = (Known::new(), BTreeSet::new());
        for value in values {
            let Some(object) = Object::new(value, "authorizer") else { continue };
            let either = |upper, lower| object.text(upper).or_else(|| object.text(lower));
            let id = either("AuthorizerId", "id").unwrap_or_default().to_owned();
            let name = unique(&slug(either("Name", "name").unwrap_or(&id)), &mut taken);
            let place = format!("authorizer {name}");
            let kind = either("AuthorizerType", "type").unwrap_or_default().to_owned();
            let object = object.at(&*place);
            object.ignore(&["authType", "AuthorizerPayloadFormatVersion"]);
            let written = match kind.as_str() {
                "JWT" => self.jwt(&object, &place),
                "COGNITO_USER_POOLS" => self.cognito(&object, draft, &place),
                "REQUEST" => self.function(&object, draft, &place, false),
                "TOKEN" => self.function(&object, draft, &place, true),
                _ => None,
            };
            if written.is_none() {
                let text = format!("the authorizer, of type `{kind}`; its routes are closed");
                self.note(Kind::Dropped, &place, text);
            }
            object.finish(&mut self.notes);
            known.insert(id, written.is_some().then(|| name.clone()));
            draft.authorizers.extend(written.map(|written| (name, written)));
        }
        known
    }

    fn jwt(&mut self, object: &Object<'_>, place: &str) -> Option<String> {
        let configuration = object.object("JwtConfiguration")?;
        let issuer = configuration.text("Issuer")?.trim_end_matches('/').to_owned();
        let audiences = configuration.texts("Audience");
        configuration.finish(&mut self.notes);
        let pool = self.pool(&issuer, &audiences, place);
        let source = object.texts("IdentitySource").first().map(|source| (*source).to_owned());
        let source = source.or_else(|| object.text("IdentitySource").map(str::to_owned));
        let default = "$request.header.Authorization";
        let source = source.filter(|source| !source.eq_ignore_ascii_case(default));
        let source = source.map(|source| format!(", identity_source: {}", text(&source)));
        Some(format!("{{ jwt: {{ user_pool: {}{} }} }}", text(&pool), source.unwrap_or_default()))
    }

    fn cognito(&mut self, object: &Object<'_>, draft: &mut Draft, place: &str) -> Option<String> {
        object.ignore(&["authorizerResultTtlInSeconds"]);
        let mut pools = Vec::new();
        for arn in object.texts("providerARNs") {
            // `arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID`
            let (front, id) = arn.split_once(":userpool/")?;
            let region = front.split(':').nth(3)?;
            let (own, account) = owner_of(arn);
            draft.region = draft.region.take().or(own);
            draft.account = draft.account.take().or(account);
            let issuer = format!("https://cognito-idp.{region}.amazonaws.com/{id}");
            pools.push(self.pool(&issuer, &[], place));
        }
        if pools.is_empty() {
            return None;
        }
        let pools: Vec<&str> = pools.iter().map(String::as_str).collect();
        let source = object
            .text("identitySource")
            .filter(|source| *source != "method.request.header.Authorization")
            .map(|source| format!(", identity_source: {}", text(source)));
        let expression = object
            .text("identityValidationExpression")
            .map(|expression| format!(", identity_validation_expression: {}", text(expression)));
        Some(format!(
            "{{ cognito: {{ user_pools: {}{}{} }} }}",
            list(&pools),
            source.unwrap_or_default(),
            expression.unwrap_or_default()
        ))
    }

    /// The name of the pool of an issuer, which is made where there is none.
    fn pool(&mut self, issuer: &str, audiences: &[&str], place: &str) -> String {
        let audiences: BTreeSet<String> = audiences.iter().map(|&a| a.to_owned()).collect();
        let known = self.pools.get_mut(issuer);
        if let Some(pool) = known {
            let name = pool.name.clone();
            if pool.audiences != audiences {
                // All are let in where one authorizer asks for none.
                if pool.audiences.is_empty() || audiences.is_empty() {
                    pool.audiences.clear();
                } else {
                    pool.audiences.extend(audiences);
                }
                self.note(
                    Kind::Changed,
                    place,
                    format!(
                        "user pool {name} is trusted with other audiences by another authorizer; \
                         here both take the audiences of both"
                    ),
                );
            }
            return name;
        }
        let mut taken: BTreeSet<String> =
            self.pools.values().map(|pool| pool.name.clone()).collect();
        let own = cognito_pool(issuer).unwrap_or_else(|| {
            let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
            host.split('/').next().unwrap_or(host)
        });
        let name = unique(&slug(own), &mut taken);
        self.pools.insert(issuer.to_owned(), Pool { name: name.clone(), audiences });
        name
    }

    pub(super) fn write_pools(&mut self, file: &mut Writer) {
        let pools = std::mem::take(&mut self.pools);
        if pools.is_empty() {
            return;
        }
        file.blank();
        file.under("user_pools", |file| {
            for (issuer, pool) in &pools {
                file.under(&pool.name, |file| self.write_pool(file, issuer, pool));
            }
        });
    }

    fn write_pool(&mut self, file: &mut Writer, issuer: &str, pool: &Pool) {
        let place = format!("user pool {}", pool.name);
        let audiences = pool.audiences.iter().map(String::as_str);
        let is_cognito = cognito_pool(issuer).is_some();
        match cognito_pool(issuer) {
            Some(id) => file.line("user_pool_id", id),
            None => file.line("issuer", issuer),
        }
        if is_cognito && pool.audiences.is_empty() {
            file.line("app_clients", "any");
            let text = "API Gateway takes tokens of every app client; name yours in `app_clients`";
            self.note(Kind::Advice, &place, text);
        } else if pool.audiences.is_empty() {
            file.list("audiences", ["CHANGE-ME"]);
            let text = "say in `audiences` for whom tokens are made, else none is accepted";
            self.note(Kind::ToDo, &place, text);
        } else {
            file.list(if is_cognito { "app_clients" } else { "audiences" }, audiences);
        }
        if !is_cognito {
            self.note(
                Kind::ToDo,
                &place,
                "say in `jwks_uri` where the issuer's keys are, unless it is the issuer and \
                 `/.well-known/jwks.json`",
            );
        }
    }
}
