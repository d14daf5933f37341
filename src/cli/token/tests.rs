//! What is typed becomes the right request, and what comes back is printed or explained.

use std::sync::Arc;

use clap::Parser as _;

use super::*;
use crate::cli::user_pool::start;
use crate::config::model::{DevelopmentClient, DevelopmentGrant, DevelopmentUser, Secret};
use crate::user_pool::http::serve;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    token: TokenArgs,
}

fn parsed(words: &[&str]) -> Result<TokenArgs, clap::Error> {
    let words = std::iter::once("token").chain(words.iter().copied());
    Command::try_parse_from(words).map(|command| command.token)
}

fn configuration() -> DevelopmentUserPool {
    let client = |id: &str, secret: Option<&str>, grant| DevelopmentClient {
        client_id: id.to_owned(),
        client_secret: secret.map(|secret| Secret::new(secret.to_owned())),
        scopes: vec!["orders/read".to_owned()],
        grants: vec![grant],
        callback_urls: Vec::new(),
        logout_urls: Vec::new(),
        refresh_token_rotation: None,
    };
    DevelopmentUserPool {
        address: "127.0.0.1:0".parse().unwrap(),
        user_pool_id: "eu-west-1_DevPool01".to_owned(),
        clients: vec![
            client("app", Some("mysecret"), DevelopmentGrant::UserPassword),
            client("machine", Some("my+secret"), DevelopmentGrant::ClientCredentials),
        ],
        groups: Vec::new(),
        users: vec![DevelopmentUser {
            username: "alice".to_owned(),
            password: Secret::new("Passw0rd!x".to_owned()),
            groups: Vec::new(),
            attributes: std::collections::BTreeMap::new(),
        }],
        resource_servers: std::collections::BTreeMap::new(),
        token_validity: Duration::from_secs(3600),
    }
}

/// What the command prints against a pool that runs.
async fn printed(pool: Option<&DevelopmentUserPool>, words: &[&str]) -> Result<String, TokenError> {
    let mut out = Vec::new();
    let args = parsed(words).unwrap();
    fetch(&plan(&args, pool)?, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.trim_end().split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

async fn running() -> DevelopmentUserPool {
    let mut configuration = configuration();
    let (listener, service) = start(&mut configuration, None).await.unwrap();
    tokio::spawn(serve(listener, Arc::new(service), std::future::pending()));
    configuration
}

#[tokio::test]
async fn each_way_to_a_token_prints_the_token_and_nothing_else() {
    let pool = running().await;
    let cases: [(&[&str], &str, &str, &str); 6] = [
        (&[], "access", "scope", "orders/read"),
        (&["--id"], "id", "cognito:username", "alice"),
        (&["--user", "alice", "--scope", "x/y"], "access", "scope", "x/y"),
        (
            &["--user", "alice", "--password", "Passw0rd!x"],
            "access",
            "scope",
            "aws.cognito.signin.user.admin",
        ),
        (&["--user", "alice", "--password", "Passw0rd!x", "--id"], "id", "aud", "app"),
        (&["--machine"], "access", "sub", "machine"),
    ];
    for (words, token_use, claim, value) in cases {
        let text = printed(Some(&pool), words).await.unwrap();
        assert_eq!(text.lines().count(), 1, "{words:?}");
        let claims = claims(&text);
        assert_eq!(claims["token_use"], token_use, "{words:?}");
        assert_eq!(claims[claim], value, "{words:?}");
    }
}

#[tokio::test]
async fn the_pool_is_found_by_url_too() {
    let pool = running().await;
    let url = format!("http://{}/eu-west-1_DevPool01", pool.address);
    let text = printed(None, &["--pool", &url, "--user", "alice"]).await.unwrap();
    assert_eq!(claims(&text)["username"], "alice");
    let words = ["--pool", &url, "--machine", "--client", "machine"];
    assert_eq!(claims(&printed(None, &words).await.unwrap())["sub"], "machine");
}

#[tokio::test]
async fn many_tokens_are_printed_one_a_line() {
    let pool = running().await;
    let text = printed(Some(&pool), &["--count", "3"]).await.unwrap();
    assert_eq!(text.lines().count(), 3);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_pools_words() {
    let pool = running().await;
    let wrong = printed(Some(&pool), &["--user", "alice", "--password", "no"]).await.unwrap_err();
    assert!(wrong.to_string().contains("Incorrect username or password"), "{wrong}");
    let words = ["--machine", "--scope", "orders/delete"];
    let scope = printed(Some(&pool), &words).await.unwrap_err();
    assert!(scope.to_string().contains("invalid_scope"), "{scope}");
    let user = printed(Some(&pool), &["--user", "nobody"]).await.unwrap_err();
    assert!(user.to_string().contains("no user `nobody`"), "{user}");
}

#[tokio::test]
async fn a_pool_that_does_not_run_is_said_to_be_not_running() {
    let mut pool = configuration();
    let (listener, _) = start(&mut pool, None).await.unwrap();
    drop(listener);
    let error = printed(Some(&pool), &[]).await.unwrap_err();
    assert!(matches!(error, TokenError::NotRunning(_)), "{error:?}");
    assert!(error.to_string().contains("portcullis user-pool"), "{error}");
}

#[test]
fn words_that_contradict_each_other_are_a_usage_error() {
    let cases: [&[&str]; 7] = [
        &["--id", "--machine"],
        &["--password", "x"],
        &["--user", "a", "--password", "x", "--scope", "s"],
        &["--user", "a", "--password", "x", "--count", "2"],
        &["--machine", "--user", "a"],
        &["--count", "0"],
        &["--count", "20001"],
    ];
    for words in cases {
        assert!(parsed(words).is_err(), "{words:?}");
    }
    assert_eq!(parsed(&["--expires-in", "-5"]).unwrap().expires_in, Some(-5));
}

#[test]
fn what_cannot_be_guessed_is_asked_for() {
    let told = |words: &[&str]| plan(&parsed(words).unwrap(), None).unwrap_err().to_string();
    assert!(told(&[]).contains("--pool"));
    let pool = "http://127.0.0.1:9902";
    assert!(told(&["--pool", pool, "--machine"]).contains("--client"));
    assert!(told(&["--pool", pool, "--user", "a", "--password", "x"]).contains("--client"));
    assert!(told(&["--pool", "ftp://127.0.0.1"]).contains("http://"));
}
