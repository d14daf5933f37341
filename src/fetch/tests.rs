//! Real sockets on loopback; the identity provider is a few lines that speak raw HTTP.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::auth::jwks::MAX_BYTES;
use crate::auth::key_source::FetchFailure;
use crate::auth::tests::support::*;
use crate::auth::{Authorizers, CompiledValidation, Outcome, Patience, Reason};
use crate::clock::{UnixMillis, monotonic, wall};
use crate::config::model::{self, UserPool};

fn quick() -> HttpClient {
    let limit = Duration::from_millis(300);
    HttpClient::new(Limits { connect: limit, total: limit, body: MAX_BYTES }).unwrap()
}

fn patient() -> HttpClient {
    HttpClient::new(Limits::default()).unwrap()
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    (listener, url)
}

/// Takes one request and returns its head with the connection.
async fn accept(listener: &TcpListener) -> (String, TcpStream) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What the client makes of these bytes.
async fn fetched(answer: Vec<u8>) -> Result<Vec<u8>, FetchFailure> {
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let (head, mut stream) = accept(&listener).await;
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
        head
    });
    let outcome = patient().key_set(&url).await;
    let head = server.await.unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get /keys http/1.1\r\n"));
    assert!(!head.contains("accept-encoding") && !head.contains("cookie"));
    outcome.map(|fetched| fetched.body)
}

#[tokio::test]
async fn only_a_short_plain_200_is_taken() {
    assert_eq!(fetched(ok(b"{}")).await, Ok(b"{}".to_vec()));
    let refused = [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}", FetchFailure::Status),
        ("HTTP/1.1 204 No Content\r\n\r\n", FetchFailure::Status),
        (
            "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n",
            FetchFailure::Status,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 150001\r\n\r\n", FetchFailure::TooLarge),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\":", FetchFailure::Broken),
    ];
    for (answer, failure) in refused {
        assert_eq!(fetched(answer.into()).await, Err(failure), "{answer}");
    }
    assert!(fetched(b"garbage\r\n\r\n".to_vec()).await.is_err());
    let chunk = format!("ffff\r\n{}\r\n", "x".repeat(0xffff));
    let endless =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(4));
    assert_eq!(fetched(endless.into_bytes()).await, Err(FetchFailure::TooLarge));
}

#[tokio::test]
async fn a_silent_or_absent_server_is_given_up() {
    let (listener, url) = listen().await;
    // The system takes the connection; nobody ever answers.
    assert_eq!(quick().key_set(&url).await.unwrap_err(), FetchFailure::Timeout);
    drop(listener);
    assert_eq!(patient().key_set(&url).await.unwrap_err(), FetchFailure::Connect);
    let (listener, url) = listen().await;
    let stuck = tokio::spawn(async move {
        let (_, mut stream) = accept(&listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await.unwrap();
        // Held open until the client gives up.
        let _ = stream.read_u8().await;
    });
    assert_eq!(quick().key_set(&url).await.unwrap_err(), FetchFailure::Timeout);
    stuck.await.unwrap();
    let outside = patient().key_set("http://192.0.2.1/keys").await;
    assert_eq!(outside.unwrap_err(), FetchFailure::Connect);
    assert_eq!(patient().key_set("file:///etc/passwd").await.unwrap_err(), FetchFailure::Connect);
}

fn pool(keys: model::KeySource) -> UserPool {
    let mut pool = cognito("customers");
    pool.issuers.truncate(1);
    pool.issuers[0].keys = keys;
    pool
}

fn compile(url: &str) -> (Arc<Authorizers>, CompiledValidation) {
    let pool = pool(model::KeySource::Url(url.into()));
    let authorizers = Arc::new(Authorizers::compile(&config(vec![pool]), None));
    let check = authorizers.compile_validation(&validation(1), &[]);
    (authorizers, check)
}

fn ask(
    authorizers: &Authorizers,
    check: &CompiledValidation,
    token: &str,
    patience: Patience,
) -> Outcome {
    authorizers.authorize_token(check, token.as_bytes(), now(), monotonic(), patience)
}

/// A keeper at work; it ends when the sender is dropped.
fn start(
    keeper: &Arc<KeyKeeper>,
    authorizers: &Arc<Authorizers>,
) -> (watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    keeper.adopt(Arc::clone(authorizers));
    (stop, tokio::spawn(Arc::clone(keeper).run(stopped)))
}

#[tokio::test]
async fn first_keys_are_fetched_at_the_start_and_make_the_gateway_ready() {
    let (listener, url) = listen().await;
    let (authorizers, check) = compile(&url);
    let keeper = KeyKeeper::new(patient(), None);
    let (stop, running) = start(&keeper, &authorizers);
    let (_, mut stream) = accept(&listener).await;
    assert!(!keeper.all_first_sets_in());
    assert!(!keeper.await_initial(Duration::ZERO).await);
    stream.write_all(&ok(&key_set(&[rsa_jwk(0, "access=")]))).await.unwrap();
    assert!(keeper.await_initial(Duration::from_secs(10)).await);
    let outcome = ask(&authorizers, &check, &Mint::access().sign(), Patience::MayWait);
    assert!(matches!(outcome, Outcome::Allowed(_)));
    let status = keeper.status(monotonic());
    assert!(status[0].is_ready);
    assert_eq!(status[0].issuers[0].1.keys[0].0, "access=");
    // Nothing more is asked within the budget.
    assert_eq!(keeper.refresh(None).await, [(status[0].pool.clone(), None)]);
    assert_eq!(keeper.status(monotonic())[0].issuers[0].1.attempts, 1);
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn a_request_with_a_new_kid_waits_for_the_attempt_under_way() {
    let directory = tempfile::tempdir().unwrap();
    let store = KeyStore::open(directory.path()).unwrap();
    let (listener, url) = listen().await;
    store.save(&url, &key_set(&[rsa_jwk(0, "access=")]), wall()).unwrap();
    let (authorizers, check) = compile(&url);
    let keeper = KeyKeeper::new(patient(), Some(store.clone()));
    let (_stop, _running) = start(&keeper, &authorizers);
    // The keys of the earlier run serve at once.
    assert!(keeper.all_first_sets_in());
    let known = ask(&authorizers, &check, &Mint::access().sign(), Patience::MayWait);
    assert!(matches!(known, Outcome::Allowed(_)));
    let (_, mut stream) = accept(&listener).await;
    let token = Mint::access().header("kid", "new").key(1).sign();
    let Outcome::NeedsKey(wait) = ask(&authorizers, &check, &token, Patience::MayWait) else {
        panic!("does not wait");
    };
    let waiting = tokio::spawn({
        let keeper = Arc::clone(&keeper);
        async move { keeper.wait(wait).await }
    });
    let both = key_set(&[rsa_jwk(0, "access="), rsa_jwk(1, "new")]);
    stream.write_all(&ok(&both)).await.unwrap();
    waiting.await.unwrap();
    let outcome = ask(&authorizers, &check, &token, Patience::HasWaited);
    assert!(matches!(outcome, Outcome::Allowed(_)));
}

#[tokio::test]
async fn a_restart_while_the_issuer_is_down_still_serves() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, url) = listen().await;
    {
        let (authorizers, _) = compile(&url);
        let store = KeyStore::open(directory.path()).unwrap();
        let keeper = KeyKeeper::new(patient(), Some(store.clone()));
        let (stop, running) = start(&keeper, &authorizers);
        let (_, mut stream) = accept(&listener).await;
        stream.write_all(&ok(&key_set(&[rsa_jwk(0, "access=")]))).await.unwrap();
        assert!(keeper.await_initial(Duration::from_secs(10)).await);
        // Kept by a task of its own, soon after.
        while store.load(&url).unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        stop.send(true).unwrap();
        running.await.unwrap();
    }
    drop(listener);
    let (authorizers, check) = compile(&url);
    let keeper = KeyKeeper::new(patient(), KeyStore::open(directory.path()).ok());
    keeper.adopt(Arc::clone(&authorizers));
    assert!(keeper.all_first_sets_in());
    let outcome = ask(&authorizers, &check, &Mint::access().sign(), Patience::MayWait);
    assert!(matches!(outcome, Outcome::Allowed(_)));
}

#[tokio::test]
async fn a_key_file_is_read_and_anything_else_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    std::fs::write(&path, key_set(&[rsa_jwk(0, "access=")])).unwrap();
    let mut pools = vec![pool(model::KeySource::File(path))];
    pools.push(oidc("partners", "https://p.example"));
    pools[1].issuers[0].keys = model::KeySource::File(directory.path().to_owned());
    let authorizers = Arc::new(Authorizers::compile(&config(pools), None));
    let check = authorizers.compile_validation(&validation(1), &[]);
    let keeper = KeyKeeper::new(patient(), None);
    let (_stop, _running) = start(&keeper, &authorizers);
    let failure = || authorizers.sources()[1].last_failure();
    while !authorizers.pools()[0].has_keys() || failure().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(failure(), Some(FetchFailure::File));
    let outcome = ask(&authorizers, &check, &Mint::access().sign(), Patience::MayWait);
    assert!(matches!(outcome, Outcome::Allowed(_)));
    let unknown = Mint::access().header("kid", "x").sign();
    let Outcome::Refused(refusal) = ask(&authorizers, &check, &unknown, Patience::MayWait) else {
        panic!();
    };
    assert_eq!(refusal.reason, Reason::KeyUnknownCooldown);
}

#[test]
fn kept_sets_are_private_and_read_back_only_for_their_address() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let store = KeyStore::open(&state).unwrap();
    let url = "https://idp.example/../../etc/keys?x=1";
    assert!(store.load(url).unwrap().is_none());
    store.save(url, b"{\"keys\":[\"\xc3\xa9\"]}", UnixMillis(7)).unwrap();
    let (body, fetched_at) = store.load(url).unwrap().unwrap();
    assert_eq!((&body[..], fetched_at), (&b"{\"keys\":[\"\xc3\xa9\"]}"[..], UnixMillis(7)));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("keys")), 0o700);
    let files: Vec<_> = std::fs::read_dir(state.join("keys")).unwrap().flatten().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(mode(&files[0].path()), 0o600);
    let other = "https://other.example/keys";
    store.save(other, b"{}", UnixMillis(7)).unwrap();
    let second = std::fs::read_dir(state.join("keys")).unwrap().flatten();
    let second = second.map(|file| file.path()).find(|path| *path != files[0].path()).unwrap();
    std::fs::copy(files[0].path(), &second).unwrap();
    assert!(matches!(store.load(other), Err(StoreError::Foreign { .. })));
    for junk in ["", "{", "[]", "{\"version\":2,\"url\":\"\",\"fetched_at\":0,\"body\":\"\"}"] {
        std::fs::write(&second, junk).unwrap();
        assert!(matches!(store.load(other), Err(StoreError::Foreign { .. })), "{junk}");
    }
}

#[tokio::test]
async fn a_kept_set_that_is_no_key_set_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let store = KeyStore::open(directory.path()).unwrap();
    let url = "https://idp.example/keys";
    for (body, at) in [
        (key_set(&[]), wall()),
        (b"<html>".to_vec(), wall()),
        (key_set(&[rsa_jwk(0, "k")]), wall().plus(Duration::from_secs(3600))),
    ] {
        store.save(url, &body, at).unwrap();
        let (authorizers, _) = compile(url);
        let keeper = KeyKeeper::new(patient(), Some(store.clone()));
        keeper.adopt(Arc::clone(&authorizers));
        assert!(!keeper.all_first_sets_in());
    }
}

#[tokio::test]
async fn a_reload_keeps_the_keys_and_the_keeper() {
    let (listener, url) = listen().await;
    let (first, _) = compile(&url);
    let keeper = KeyKeeper::new(patient(), None);
    let (_stop, _running) = start(&keeper, &first);
    let (_, mut stream) = accept(&listener).await;
    stream.write_all(&ok(&key_set(&[rsa_jwk(0, "access=")]))).await.unwrap();
    assert!(keeper.await_initial(Duration::from_secs(10)).await);
    let (other_listener, other_url) = listen().await;
    let mut pools = vec![pool(model::KeySource::Url(url.as_str().into()))];
    pools.push(oidc("partners", "https://p.example"));
    pools[1].issuers[0].keys = model::KeySource::Url(other_url.as_str().into());
    let second = Arc::new(Authorizers::compile(&config(pools), Some(&first)));
    keeper.adopt(Arc::clone(&second));
    assert!(second.pools()[0].has_keys() && !second.pools()[1].has_keys());
    let (_, mut stream) = accept(&other_listener).await;
    stream.write_all(&ok(&key_set(&[rsa_jwk(1, "k")]))).await.unwrap();
    assert!(keeper.await_initial(Duration::from_secs(10)).await);
    assert_eq!(second.sources()[0].status(monotonic()).attempts, 1);
}
