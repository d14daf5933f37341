//! From what was typed to the one HTTP request that gets it. Opens no connection.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use url::Url;

use super::{TokenArgs, TokenError};
use crate::config::model::{DevelopmentClient, DevelopmentGrant, DevelopmentUserPool};
use crate::user_pool::secret_hash;

/// A POST and where the token is in its answer.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    /// JSON pointer to the token; `None` when the answer is nothing but tokens.
    pub(super) member: Option<&'static str>,
    /// What the person should know.
    pub(super) remark: Option<&'static str>,
}

impl Plan {
    /// The pool as a person names it.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// Decides which of the pool's three ways to a token is meant.
pub(super) fn plan(
    args: &TokenArgs,
    pool: Option<&DevelopmentUserPool>,
) -> Result<Plan, TokenError> {
    let base = base_url(args, pool)?;
    if let (Some(user), Some(password)) = (&args.user, &args.password) {
        return sign_in(args, pool, &base, user, password);
    }
    if args.machine && args.count.is_none() && args.expires_in.is_none() {
        let client = machine_client(args, pool)?;
        if let Some(secret) = secret_of(args, pool, &client) {
            return client_credentials(args, &base, &client, &secret);
        }
    }
    order(args, pool, &base)
}

fn base_url(args: &TokenArgs, pool: Option<&DevelopmentUserPool>) -> Result<Url, TokenError> {
    let url = match (&args.pool, pool) {
        (Some(url), _) => url.clone(),
        (None, Some(pool)) => {
            Url::parse(&format!("http://{}/", pool.address)).map_err(|_| TokenError::PoolUrl)?
        }
        (None, None) => return Err(TokenError::NoPool),
    };
    if url.cannot_be_a_base() || url.scheme() != "http" {
        return Err(TokenError::PoolUrl);
    }
    Ok(url)
}

fn at(base: &Url, path: &str) -> Result<Url, TokenError> {
    // Absolute paths: an issuer given as --pool works as well as its origin.
    base.join(path).map_err(|_| TokenError::PoolUrl)
}

/// `InitiateAuth` with `USER_PASSWORD_AUTH`.
fn sign_in(
    args: &TokenArgs,
    pool: Option<&DevelopmentUserPool>,
    base: &Url,
    user: &str,
    password: &str,
) -> Result<Plan, TokenError> {
    let client = match &args.client {
        Some(id) => id.clone(),
        None => first_with(pool, DevelopmentGrant::UserPassword)
            .ok_or(TokenError::Missing("say --client ID: which app client signs in"))?,
    };
    let mut parameters = json!({ "USERNAME": user, "PASSWORD": password });
    if let Some(secret) = secret_of(args, pool, &client) {
        parameters["SECRET_HASH"] = secret_hash(&secret, user, &client).into();
    }
    let body = json!({
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": client,
        "AuthParameters": parameters,
    });
    let target = "AWSCognitoIdentityProviderService.InitiateAuth";
    Ok(Plan {
        url: at(base, "/")?,
        headers: vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", target.to_owned()),
        ],
        body: body.to_string(),
        member: Some(if args.id {
            "/AuthenticationResult/IdToken"
        } else {
            "/AuthenticationResult/AccessToken"
        }),
        remark: (!args.id).then_some(
            "a password sign-in grants only the scope aws.cognito.signin.user.admin; \
             leave --password out for a token with an API's scopes",
        ),
    })
}

/// `client_credentials` at the token endpoint.
fn client_credentials(
    args: &TokenArgs,
    base: &Url,
    client: &str,
    secret: &str,
) -> Result<Plan, TokenError> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !args.scope.is_empty() {
        form.append_pair("scope", &args.scope.join(" "));
    }
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let pair = format!("{}:{}", encode(client), encode(secret));
    Ok(Plan {
        url: at(base, "/oauth2/token")?,
        headers: vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("authorization", format!("Basic {}", STANDARD.encode(pair))),
        ],
        body: form.finish(),
        member: Some("/access_token"),
        remark: None,
    })
}

/// The development endpoint.
fn order(
    args: &TokenArgs,
    pool: Option<&DevelopmentUserPool>,
    base: &Url,
) -> Result<Plan, TokenError> {
    let mut order = Map::new();
    let mut put = |name: &str, value: Value| drop(order.insert(name.to_owned(), value));
    if args.machine {
        put("client_id", machine_client(args, pool)?.into());
    } else {
        match (&args.user, &args.client) {
            (Some(user), _) => put("username", user.as_str().into()),
            // A client alone would order a machine's token.
            (None, Some(_)) => put("username", first_user(pool)?.into()),
            (None, None) => {}
        }
        if let Some(client) = &args.client {
            put("client_id", client.as_str().into());
        }
    }
    if args.id {
        put("token_use", "id".into());
    }
    if !args.scope.is_empty() {
        put("scopes", args.scope.clone().into());
    }
    if let Some(seconds) = args.expires_in {
        put("expires_in", seconds.into());
    }
    let path = match args.count {
        Some(count) => format!("/dev/tokens?count={count}"),
        None => "/dev/token".to_owned(),
    };
    Ok(Plan {
        url: at(base, &path)?,
        headers: vec![("content-type", "application/json".to_owned())],
        body: Value::from(order).to_string(),
        member: None,
        remark: None,
    })
}

fn machine_client(
    args: &TokenArgs,
    pool: Option<&DevelopmentUserPool>,
) -> Result<String, TokenError> {
    let first = || first_with(pool, DevelopmentGrant::ClientCredentials);
    args.client
        .clone()
        .or_else(first)
        .ok_or(TokenError::Missing("say --client ID: which machine asks"))
}

fn first_user(pool: Option<&DevelopmentUserPool>) -> Result<String, TokenError> {
    pool.and_then(|pool| pool.users.first())
        .map(|user| user.username.clone())
        .ok_or(TokenError::Missing("say --user NAME, or --machine for the client's own token"))
}

fn first_with(pool: Option<&DevelopmentUserPool>, grant: DevelopmentGrant) -> Option<String> {
    let client = pool?.clients.iter().find(|client| client.grants.contains(&grant))?;
    Some(client.client_id.clone())
}

fn secret_of(
    args: &TokenArgs,
    pool: Option<&DevelopmentUserPool>,
    client_id: &str,
) -> Option<String> {
    let in_file = || {
        let is_it = |client: &&DevelopmentClient| client.client_id == client_id;
        let client = pool?.clients.iter().find(is_it)?;
        Some(client.client_secret.as_ref()?.expose().to_owned())
    };
    args.client_secret.clone().or_else(in_file)
}
