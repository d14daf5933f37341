//! The configuration in force as JSON, for `/config`: defaults filled in, secrets starred.
//!
//! Written by hand in the words of `routes.yaml`, and every model type is taken apart without
//! `..`: a field that is added to the model does not compile until somebody decides here whether
//! it may be shown.

mod apis;
mod claims;
mod listeners;
mod sign_in;
mod targets;
mod usage;

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::iam_policy::Policy;
use crate::config::model::{
    AccessLog, Admin, AppClients, AwsCredential, Config, DenyFile, DevelopmentClient,
    DevelopmentGrant, DevelopmentGroup, DevelopmentUser, DevelopmentUserPool, IdentityAssertion,
    Issuer, KeySource, LogDestination, Name, Profile, Reload, Secret, Shutdown, Tracing, UserPool,
};

use claims::{algorithm, claim_headers};

/// The whole configuration without its secrets.
#[must_use]
pub fn redacted(config: &Config) -> Value {
    let Config {
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
        claim_headers: headers,
        owned_headers,
        user_pools,
        target_groups,
        aws_credentials,
        apis,
        usage,
        listeners,
        development_user_pool,
    } = config;
    let names = Names::of(config);
    json!({
        "admin": self::admin(admin),
        "threads": threads,
        "memory_limit": memory_limit,
        "state_directory": state_directory.as_deref().map(path),
        "session_keys": session_keys.iter().map(|key| secret(Some(key))).collect::<Vec<_>>(),
        "startup_wait": seconds(*startup_wait),
        "reload": reload_settings(reload),
        "shutdown": self::shutdown(shutdown),
        "access_log": self::access_log(access_log),
        "connection_log": { "destination": log_destination(connection_log) },
        "tracing": tracing.as_ref().map(self::tracing),
        "identity_assertion": identity_assertion.as_ref().map(self::identity_assertion),
        "deny_list": deny_list.as_ref().map(deny_file),
        "oidc_data": sign_in::oidc_data(oidc_data),
        "health_check_log": { "destination": log_destination(health_check_log) },
        "claim_headers": claim_headers(headers),
        "owned_headers": owned_headers,
        "user_pools": named(user_pools.iter().map(|pool| (&pool.name, user_pool(pool)))),
        "target_groups":
            named(target_groups.iter().map(|group| (&group.name, targets::target_group(group)))),
        "aws_credentials":
            named(aws_credentials.iter().map(|one| (&one.name, aws_credential(one)))),
        "apis": named(apis.iter().map(|api| (&api.name, apis::api(api, &names)))),
        "api_keys": usage::api_keys(usage),
        "api_key_file": usage::key_file(usage),
        "usage_plans": usage::usage_plans(config, &names),
        "listeners": named(
            listeners.iter().map(|listener| {
                (&listener.name, listeners::listener(listener, &names))
            })
        ),
        "development_user_pool": development_user_pool.as_ref().map(development),
    })
}

fn tracing(tracing: &Tracing) -> Value {
    let Tracing { endpoint, sample, max_per_second, service_name } = tracing;
    json!({
        "otlp_endpoint": endpoint.trim_end_matches("/v1/traces"),
        "sample": format!("{}%", f64::from(*sample) / 10_000.0),
        "max_traces_per_second": max_per_second,
        "service_name": service_name,
    })
}

fn aws_credential(credential: &AwsCredential) -> Value {
    let AwsCredential {
        name: _,
        access_key_id,
        secret_access_key,
        session_token,
        arn,
        user_id,
        policies,
    } = credential;
    json!({
        "access_key_id": access_key_id,
        "secret_access_key": secret(Some(secret_access_key)),
        "session_token": session_token.as_ref().map(|token| secret(Some(token))),
        "arn": arn,
        "user_id": user_id,
        "policies": policies.iter().map(Policy::fingerprint).collect::<Vec<_>>(),
    })
}

/// What the indices of the model stand for.
struct Names<'a> {
    pools: Vec<&'a Name>,
    groups: Vec<&'a Name>,
    apis: Vec<&'a Name>,
}

impl<'a> Names<'a> {
    fn of(config: &'a Config) -> Self {
        Self {
            pools: config.user_pools.iter().map(|pool| &pool.name).collect(),
            groups: config.target_groups.iter().map(|group| &group.name).collect(),
            apis: config.apis.iter().map(|api| &api.name).collect(),
        }
    }
}

fn named<'a>(entries: impl Iterator<Item = (&'a Name, Value)>) -> Value {
    entries.map(|(name, value)| (name.to_string(), value)).collect::<Map<_, _>>().into()
}

/// `10s`, `500ms`: as the file has it.
fn seconds(duration: Duration) -> Value {
    let text = if duration.subsec_millis() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{}ms", duration.as_millis())
    };
    text.into()
}

/// As text: JSON cannot hold a path that is not UTF-8.
fn path(path: &Path) -> String {
    path.display().to_string()
}

fn secret(secret: Option<&Secret>) -> Value {
    secret.map(|_| "***").into()
}

fn admin(admin: &Admin) -> Value {
    let Admin { address, token } = admin;
    json!({ "address": address.to_string(), "token": secret(token.as_ref()) })
}

fn reload_settings(reload: &Reload) -> Value {
    json!({
        "run_tests": reload.run_tests,
        "history": reload.history,
        "guard": reload.guard.as_ref().map(|guard| json!({
            "window": seconds(guard.window),
            "max_error_increase": guard.max_error_increase,
            "max_denial_increase": guard.max_denial_increase,
            "min_requests": guard.min_requests,
        })),
    })
}

fn shutdown(shutdown: &Shutdown) -> Value {
    let Shutdown { pre_stop_wait, drain_limit } = shutdown;
    json!({ "pre_stop_wait": seconds(*pre_stop_wait), "drain_limit": seconds(*drain_limit) })
}

fn access_log(log: &AccessLog) -> Value {
    let AccessLog { destination, format, query, alb, load_balancer } = log;
    json!({
        "destination": log_destination(destination),
        "format": format.as_ref().map(|format| &format.text),
        "query": query,
        "alb": { "destination": log_destination(alb), "load_balancer": &**load_balancer },
    })
}

fn identity_assertion(assertion: &IdentityAssertion) -> Value {
    let IdentityAssertion { issuer, lifetime, rotation, signing_keys } = assertion;
    json!({
        "issuer": &**issuer,
        "lifetime": seconds(*lifetime),
        "rotation": seconds(*rotation),
        "signing_keys": signing_keys.iter().map(|_| "***").collect::<Vec<_>>(),
    })
}

fn log_destination(destination: &LogDestination) -> Value {
    match destination {
        LogDestination::Off => json!("off"),
        LogDestination::Stdout => json!("stdout"),
        LogDestination::File(file) => json!({ "file": path(file) }),
    }
}

/// Whom it names is not for everybody who may see the configuration.
fn deny_file(file: &DenyFile) -> Value {
    let DenyFile { path, digest: _, entries } = file;
    json!({ "file": self::path(path), "entries": entries.len() })
}

fn user_pool(pool: &UserPool) -> Value {
    let UserPool {
        name: _,
        profile,
        issuers,
        app_clients,
        audiences,
        require_resource_audience,
        algorithms,
        clock_skew,
        refresh,
        max_stale,
        max_token_size,
        sign_in,
        span: _,
    } = pool;
    json!({
        "profile": match profile {
            Profile::Cognito => "cognito",
            Profile::Oidc => "oidc",
            Profile::Rfc9068 => "rfc9068",
        },
        "issuers": issuers.iter().map(issuer).collect::<Vec<_>>(),
        "app_clients": match app_clients {
            AppClients::Any => json!("any"),
            AppClients::Only(clients) => json!(clients),
        },
        "audiences": audiences,
        "require_resource_audience": require_resource_audience,
        "algorithms": algorithms.iter().copied().map(algorithm).collect::<Vec<_>>(),
        "clock_skew": seconds(*clock_skew),
        "refresh": seconds(*refresh),
        "max_stale": seconds(*max_stale),
        "max_token_size": max_token_size,
        "sign_in": sign_in.as_deref().map(sign_in::provider),
    })
}

/// A URL may bear a password before its host, which is nobody's business.
fn issuer(issuer: &Issuer) -> Value {
    let Issuer { issuer, keys } = issuer;
    match keys {
        KeySource::Url(url) => json!({ "issuer": &**issuer, "jwks_uri": without_password(url) }),
        KeySource::File(file) => json!({ "issuer": &**issuer, "jwks_file": path(file) }),
    }
}

fn without_password(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return "***".into() };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".into();
    }
    if url.query().is_some() {
        url.set_query(Some("***"));
    }
    url.into()
}

fn development(pool: &DevelopmentUserPool) -> Value {
    let DevelopmentUserPool {
        address,
        user_pool_id,
        clients,
        groups,
        users,
        resource_servers,
        token_validity,
    } = pool;
    json!({
        "address": address.to_string(),
        "user_pool_id": user_pool_id,
        "clients": clients.iter().map(development_client).collect::<Vec<_>>(),
        "groups": groups.iter().map(development_group).collect::<Vec<_>>(),
        "users": users.iter().map(development_user).collect::<Vec<_>>(),
        "resource_servers": resource_servers,
        "token_validity": seconds(*token_validity),
    })
}

fn development_client(client: &DevelopmentClient) -> Value {
    let DevelopmentClient {
        client_id,
        client_secret,
        scopes,
        grants,
        callback_urls,
        logout_urls,
        refresh_token_rotation,
    } = client;
    let rotation = |grace| json!({ "retry_grace_period": seconds(grace) });
    let grant = |grant: &DevelopmentGrant| match grant {
        DevelopmentGrant::AuthorizationCode => "authorization_code",
        DevelopmentGrant::ClientCredentials => "client_credentials",
        DevelopmentGrant::UserPassword => "user_password",
        DevelopmentGrant::RefreshToken => "refresh_token",
    };
    json!({
        "client_id": client_id,
        "client_secret": secret(client_secret.as_ref()),
        "scopes": scopes,
        "grants": grants.iter().map(grant).collect::<Vec<_>>(),
        "callback_urls": callback_urls,
        "logout_urls": logout_urls,
        "refresh_token_rotation": refresh_token_rotation.map(rotation),
    })
}

fn development_group(group: &DevelopmentGroup) -> Value {
    let DevelopmentGroup { name, precedence, role } = group;
    json!({ "name": name, "precedence": precedence, "role": role })
}

/// Attributes of invented users are shown by name only: the invented may resemble the real.
fn development_user(user: &DevelopmentUser) -> Value {
    let DevelopmentUser { username, password, groups, attributes } = user;
    json!({
        "username": username,
        "password": secret(Some(password)),
        "groups": groups,
        "attributes": attributes.keys().collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
