//! `development_user_pool:`, the embedded issuer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Judge, address, seconds};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List, Spanned, Table};
use crate::config::model::{
    DevelopmentClient, DevelopmentGrant, DevelopmentGroup, DevelopmentUser, DevelopmentUserPool,
    Secret,
};
use crate::config::{raw, secret, suggest};

/// Scopes that every pool has.
const STANDARD_SCOPES: [&str; 5] =
    ["openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"];

impl Judge<'_> {
    pub(super) fn development_user_pool(
        &mut self,
        raw: &Spanned<raw::DevelopmentUserPool>,
    ) -> Option<DevelopmentUserPool> {
        let (key, raw) = (raw.key, &raw.value);
        let address = self.demand(&raw.address, key, "address").and_then(|text| {
            let address =
                self.accept("invalid-address", text.span, address::listen(&text.value))?;
            if !address.ip().is_loopback() {
                let message = "the development user pool listens on loopback only";
                self.report(
                    Diagnostic::error("development-pool-exposed", text.span, message)
                        .help("as in `127.0.0.1:9902`"),
                );
            }
            Some(address)
        });
        let user_pool_id = self.demand(&raw.user_pool_id, key, "user_pool_id").and_then(|id| {
            self.region(id)?;
            Some(id.value.clone())
        });
        let resource_servers = self.resource_servers(&raw.resource_servers);
        let groups = self.development_groups(&raw.groups);
        let clients = self.development_clients(&raw.clients, &resource_servers);
        let users = self.development_users(&raw.users, &groups);
        let hour = seconds(3600);
        Some(DevelopmentUserPool {
            address: address?,
            user_pool_id: user_pool_id?,
            clients,
            groups,
            users,
            resource_servers,
            token_validity: self.duration(&raw.token_validity, hour, seconds(1)..=hour * 24),
        })
    }

    /// A secret, which may stand here as it is: the pool protects nothing.
    fn development_secret(&mut self, text: &Spanned<raw::SecretText>) -> Option<Secret> {
        if secret::reference(&text.value.0).is_some() {
            return self.secret(text);
        }
        if text.value.0.is_empty() {
            self.report(Diagnostic::error("empty-secret", text.span, "this may not be empty"));
            return None;
        }
        Some(Secret::new(text.value.0.clone()))
    }

    fn resource_servers(
        &mut self,
        raw: &Field<Table<List<String>>>,
    ) -> BTreeMap<String, Vec<String>> {
        let mut servers = BTreeMap::new();
        for (name, scopes) in entries(raw) {
            let scopes = scopes.iter().flat_map(|list| &list.items);
            let scopes = scopes.map(|scope| scope.value.clone()).collect();
            servers.insert(name.value.clone(), scopes);
        }
        servers
    }

    fn development_groups(
        &mut self,
        raw: &Field<Table<raw::DevelopmentGroup>>,
    ) -> Vec<DevelopmentGroup> {
        let mut groups: Vec<DevelopmentGroup> = entries(raw)
            .map(|(name, group)| DevelopmentGroup {
                name: name.value.clone(),
                precedence: group.as_ref().map_or(u32::MAX, |group| {
                    self.number(&group.precedence, u32::MAX, 0..=u64::from(u32::MAX))
                }),
                role: group.as_ref().and_then(|group| group.role.value().cloned()),
            })
            .collect();
        groups.sort_by_key(|group| group.precedence);
        groups
    }

    fn development_clients(
        &mut self,
        raw: &Field<Table<raw::DevelopmentClient>>,
        servers: &BTreeMap<String, Vec<String>>,
    ) -> Vec<DevelopmentClient> {
        let mut clients = Vec::new();
        for (name, client) in entries(raw) {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+-".contains(&b);
            if name.value.is_empty() || name.value.len() > 128 || !name.value.bytes().all(allowed) {
                let message = "a client id has 1 to 128 letters, digits, `_`, `+` or `-`";
                self.report(Diagnostic::error("invalid-name", name.span, message));
            }
            let Some(client) = client else { continue };
            let client_secret =
                client.client_secret.given().and_then(|text| self.development_secret(text));
            let scopes = self.development_scopes(client, servers);
            let grants = self.development_grants(name, client, &scopes);
            let (callback_urls, logout_urls) = self.browser_urls(name, client, &grants);
            clients.push(DevelopmentClient {
                client_id: name.value.clone(),
                client_secret,
                scopes,
                grants,
                callback_urls,
                logout_urls,
                refresh_token_rotation: self.rotation(client),
            });
        }
        clients
    }

    fn development_scopes(
        &mut self,
        client: &raw::DevelopmentClient,
        servers: &BTreeMap<String, Vec<String>>,
    ) -> Vec<String> {
        let known: BTreeSet<String> = servers
            .iter()
            .flat_map(|(server, scopes)| {
                scopes.iter().map(move |scope| format!("{server}/{scope}"))
            })
            .chain(STANDARD_SCOPES.map(str::to_owned))
            .collect();
        let mut scopes = Vec::new();
        for scope in client.scopes.value().map(|list| &list.items).into_iter().flatten() {
            if !known.contains(&scope.value) {
                let shown = crate::config::decode::quoted(&scope.value);
                let mut finding = Diagnostic::error(
                    "unknown-scope",
                    scope.span,
                    format!("unknown scope {shown}"),
                );
                finding.help =
                    suggest::did_you_mean(&scope.value, known.iter().map(String::as_str))
                        .or_else(|| Some("define it under `resource_servers`".to_owned()));
                self.report(finding);
            }
            scopes.push(scope.value.clone());
        }
        scopes
    }

    fn development_grants(
        &mut self,
        name: &Spanned<String>,
        client: &raw::DevelopmentClient,
        scopes: &[String],
    ) -> Vec<DevelopmentGrant> {
        let Some(list) = self.demand(&client.grants, name.span, "grants") else {
            return Vec::new();
        };
        if list.value.is_empty {
            let message = "`grants` may not be an empty list: this client could do nothing";
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        let mut grants = Vec::new();
        for grant in &list.value.items {
            let grant = match grant.value {
                raw::DevelopmentGrant::ClientCredentials => {
                    let custom =
                        scopes.iter().any(|scope| !STANDARD_SCOPES.contains(&scope.as_str()));
                    if client.client_secret.is_absent() || !custom {
                        let message = "`client_credentials` needs a `client_secret` and a scope of a resource server";
                        self.report(Diagnostic::error("contradiction", grant.span, message));
                    }
                    DevelopmentGrant::ClientCredentials
                }
                raw::DevelopmentGrant::AuthorizationCode => {
                    if scopes.is_empty() {
                        let message = "`authorization_code` needs `scopes`, as in `[openid]`";
                        self.report(Diagnostic::error("contradiction", grant.span, message));
                    }
                    DevelopmentGrant::AuthorizationCode
                }
                raw::DevelopmentGrant::UserPassword => DevelopmentGrant::UserPassword,
                raw::DevelopmentGrant::RefreshToken => DevelopmentGrant::RefreshToken,
            };
            if !grants.contains(&grant) {
                grants.push(grant);
            }
        }
        let both = [DevelopmentGrant::AuthorizationCode, DevelopmentGrant::ClientCredentials];
        if both.iter().all(|grant| grants.contains(grant)) {
            let message = "one client has not both `authorization_code` and `client_credentials`";
            self.report(
                Diagnostic::error("contradiction", list.key, message)
                    .help("as in Cognito: make it two clients"),
            );
        }
        grants
    }

    fn rotation(&mut self, client: &raw::DevelopmentClient) -> Option<Duration> {
        let rotation = client.refresh_token_rotation.given()?;
        let grants = client.grants.value().map(|list| &list.items);
        let may_refresh = |grants: &Vec<Spanned<raw::DevelopmentGrant>>| {
            grants.iter().any(|grant| grant.value == raw::DevelopmentGrant::RefreshToken)
        };
        if grants.is_some_and(|grants| !may_refresh(grants)) {
            let message = "`refresh_token_rotation` is for a client with the grant `refresh_token`";
            self.report(Diagnostic::error("contradiction", rotation.key, message));
        }
        let range = Duration::ZERO..=seconds(60);
        Some(self.duration(&rotation.value.retry_grace_period, Duration::ZERO, range))
    }

    fn development_users(
        &mut self,
        raw: &Field<Table<raw::DevelopmentUser>>,
        groups: &[DevelopmentGroup],
    ) -> Vec<DevelopmentUser> {
        let known: BTreeSet<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        let mut users = Vec::new();
        for (name, user) in entries(raw) {
            let Some(user) = user else { continue };
            let password = self.demand(&user.password, name.span, "password");
            let password = password.and_then(|text| self.development_secret(text));
            let mut own = Vec::new();
            for group in user.groups.value().map(|list| &list.items).into_iter().flatten() {
                if !known.contains(group.value.as_str()) {
                    let shown = crate::config::decode::quoted(&group.value);
                    let mut finding = Diagnostic::error(
                        "unknown-group",
                        group.span,
                        format!("unknown group {shown} of the development user pool"),
                    );
                    finding.help = suggest::did_you_mean(&group.value, known.iter().copied());
                    self.report(finding);
                }
                own.push(group.value.clone());
            }
            let attributes = entries(&user.attributes)
                .filter_map(|(name, value)| Some((name.value.clone(), value.clone()?)))
                .collect();
            let Some(password) = password else { continue };
            let username = name.value.clone();
            users.push(DevelopmentUser { username, password, groups: own, attributes });
        }
        users
    }
}

fn entries<T>(table: &Field<Table<T>>) -> impl Iterator<Item = &(Spanned<String>, Option<T>)> {
    table.value().map(|table| &table.entries).into_iter().flatten()
}
