//! `portcullis token`: a token from a running development user pool, alone on standard output, so
//! that it fits into `$(...)`. What there is to say goes to standard error.

mod request;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use self::request::{Plan, plan};
use crate::config::model::DevelopmentUserPool;

/// What a single answer may weigh; many tokens are passed on as they come and not kept.
const MAX_ANSWER: usize = 256 * 1024;

/// Get a token from a running development user pool
///
/// Without --password the pool's development endpoint mints it, with any scope. With --user and
/// --password it comes from a real sign-in, which grants the scope aws.cognito.signin.user.admin
/// and no other.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    /// The file with `development_user_pool:`; says where the pool is
    #[arg(value_name = "FILE", default_value = "routes.yaml", conflicts_with = "pool")]
    pub file: PathBuf,
    /// Where the pool is, instead of a file
    #[arg(long, value_name = "URL")]
    pub pool: Option<Url>,
    /// Whose token; the pool's first user if not said
    #[arg(long, value_name = "NAME", conflicts_with = "machine")]
    pub user: Option<String>,
    /// Sign in with this password
    #[arg(
        long, requires = "user",
        conflicts_with_all = ["scope", "count", "expires_in"]
    )]
    pub password: Option<String>,
    /// The app client
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
    /// Its secret, if the file does not say
    #[arg(long, requires = "client")]
    pub client_secret: Option<String>,
    /// The access token; this is the default
    #[arg(long, group = "kind")]
    pub access: bool,
    /// The ID token
    #[arg(long, group = "kind")]
    pub id: bool,
    /// A machine's access token, by client credentials
    #[arg(long, group = "kind")]
    pub machine: bool,
    /// A scope; may be given several times. All of the client's if none is
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// Seconds the token lives; negative for one that has expired
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub expires_in: Option<i64>,
    /// That many tokens, one a line, each with its own jti and sub; at most 20000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub count: Option<u32>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Neither a file with a pool nor `--pool`.
    #[error("the file has no development_user_pool; say --pool URL")]
    NoPool,
    /// `--pool` is not a place.
    #[error("--pool wants an address such as http://127.0.0.1:9902")]
    PoolUrl,
    /// Something must be said that cannot be guessed.
    #[error("{0}")]
    Missing(&'static str),
    /// Nobody listens there.
    #[error(
        "no user pool answers at {0}: start it with `portcullis user-pool` or `portcullis demo`"
    )]
    NotRunning(String),
    /// It answered, and not with a token.
    #[error("the user pool refused: {0}")]
    Refused(String),
    /// It answered with something else.
    #[error("what answers at {0} is not a development user pool")]
    NotAPool(String),
    /// The connection failed midway.
    #[error("the user pool stopped answering: {0}")]
    Broken(#[from] reqwest::Error),
    /// Standard output is gone.
    #[error("cannot write the token: {0}")]
    Output(#[from] io::Error),
}

/// Prints the token or tokens. `pool` is the file's, where there is one.
///
/// # Errors
///
/// [`TokenError`], each a sentence for the person who typed the command.
pub async fn run(args: &TokenArgs, pool: Option<&DevelopmentUserPool>) -> Result<(), TokenError> {
    let plan = plan(args, pool)?;
    if let Some(remark) = plan.remark {
        let _ = writeln!(io::stderr(), "{remark}");
    }
    fetch(&plan, &mut io::stdout()).await
}

/// Carries out `plan` and writes tokens, each with a newline, to `out`.
async fn fetch(plan: &Plan, out: &mut (impl Write + Send)) -> Result<(), TokenError> {
    // No proxy: the pool is on this machine, whatever the environment says.
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(15))
        .build()?;
    let mut request = client.post(plan.url.clone()).body(plan.body.clone());
    for (name, value) in &plan.headers {
        request = request.header(*name, value);
    }
    let mut response = request.send().await.map_err(|error| {
        if error.is_connect() {
            TokenError::NotRunning(plan.origin())
        } else {
            TokenError::Broken(error)
        }
    })?;
    if response.status().is_success() && plan.member.is_none() {
        let is_text = response
            .headers()
            .get(reqwest::header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
        if !is_text {
            return Err(TokenError::NotAPool(plan.origin()));
        }
        while let Some(chunk) = response.chunk().await? {
            out.write_all(&chunk)?;
        }
        return Ok(out.flush()?);
    }
    let is_success = response.status().is_success();
    let status = response.status();
    let answer = read_json(&mut response).await?;
    let answer = answer.ok_or_else(|| TokenError::NotAPool(plan.origin()))?;
    let token = plan.member.and_then(|pointer| answer.pointer(pointer)).and_then(Value::as_str);
    match token {
        Some(token) if is_success => Ok(writeln!(out, "{token}")?),
        _ => Err(TokenError::Refused(reason(&answer).unwrap_or_else(|| status.to_string()))),
    }
}

async fn read_json(response: &mut reqwest::Response) -> Result<Option<Value>, TokenError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&bytes).ok())
}

/// The API says `message`, OAuth `error_description`, the development endpoints both kinds.
fn reason(answer: &Value) -> Option<String> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let name = text("__type").or_else(|| text("error"))?;
    let message = text("message").or_else(|| text("error_description")).unwrap_or_default();
    Some(if message.is_empty() { name.to_owned() } else { format!("{message} ({name})") })
}
