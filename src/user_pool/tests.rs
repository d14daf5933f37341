//! What the pool promises, checked on signed tokens with an independent verifier.

mod authorization;
mod claims;
mod codes;
mod keys;
mod orders;
mod sign_in;
mod token_endpoint;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::*;
use crate::clock::UnixMillis;
use crate::config::model::{
    DevelopmentClient, DevelopmentGrant, DevelopmentGroup, DevelopmentUser, Secret,
};

/// 2026-11-23, a moment like any other.
pub(in crate::user_pool) const NOW: UnixMillis = UnixMillis(1_795_392_000_500);

pub(in crate::user_pool) const PUBLIC: &str = "1example23456789";
pub(in crate::user_pool) const CONFIDENTIAL: &str = "2example23456789";
pub(in crate::user_pool) const MACHINE: &str = "3example23456789";
/// Browser applications: one with a secret, one without.
pub(in crate::user_pool) const WEB: &str = "4example23456789";
pub(in crate::user_pool) const APP: &str = "5example23456789";
pub(in crate::user_pool) const CALLBACK: &str = "https://app.example/oauth2/idpresponse";
pub(in crate::user_pool) const SECRET: &str = "mysecret";

/// Counts up, so that every draw differs and every run is the same.
#[derive(Default)]
pub(in crate::user_pool) struct Counting(u8);

impl Randomness for Counting {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0 += 1;
        bytes.fill(self.0);
        Ok(())
    }
}

struct Exhausted;

impl Randomness for Exhausted {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), NoRandomness> {
        Err(NoRandomness)
    }
}

/// Made once: an RSA key takes its time.
pub(in crate::user_pool) fn keys() -> KeyRing {
    static KEYS: OnceLock<KeyRing> = OnceLock::new();
    KEYS.get_or_init(|| KeyRing::generate().unwrap()).clone()
}

pub(in crate::user_pool) fn configuration() -> DevelopmentUserPool {
    let client = |id: &str, secret: Option<&str>, grants: &[DevelopmentGrant]| DevelopmentClient {
        client_id: id.to_owned(),
        client_secret: secret.map(|secret| Secret::new(secret.to_owned())),
        scopes: vec!["orders/read".to_owned(), "orders/write".to_owned()],
        grants: grants.to_vec(),
        callback_urls: Vec::new(),
        logout_urls: Vec::new(),
        refresh_token_rotation: None,
    };
    let group = |name: &str, precedence, role: Option<&str>| DevelopmentGroup {
        name: name.to_owned(),
        precedence,
        role: role.map(str::to_owned),
    };
    let person = [DevelopmentGrant::UserPassword, DevelopmentGrant::RefreshToken];
    DevelopmentUserPool {
        address: "127.0.0.1:9902".parse().unwrap(),
        user_pool_id: "eu-west-1_DevPool01".to_owned(),
        clients: vec![
            client(PUBLIC, None, &person),
            client(CONFIDENTIAL, Some(SECRET), &person),
            client(MACHINE, Some(SECRET), &[DevelopmentGrant::ClientCredentials]),
            browser_client(WEB, Some(SECRET)),
            browser_client(APP, None),
        ],
        groups: vec![
            group("staff", 20, Some("arn:aws:iam::111122223333:role/staff")),
            group("admins", 10, Some("arn:aws:iam::111122223333:role/admins")),
            group("readers", 5, None),
            group("rivals", 10, Some("arn:aws:iam::111122223333:role/rivals")),
        ],
        users: vec![
            user("alice", "Passw0rd!x", &["staff", "admins", "readers"]),
            user("bob", "Passw0rd!y", &[]),
            user("carol", "Passw0rd!z", &["rivals", "admins"]),
        ],
        resource_servers: BTreeMap::new(),
        token_validity: Duration::from_secs(3600),
    }
}

/// A client whose users sign in on the pool's page.
fn browser_client(id: &str, secret: Option<&str>) -> DevelopmentClient {
    let scopes = ["openid", "email", "phone", "profile", "orders/read"];
    DevelopmentClient {
        client_id: id.to_owned(),
        client_secret: secret.map(|secret| Secret::new(secret.to_owned())),
        scopes: scopes.map(str::to_owned).to_vec(),
        grants: vec![DevelopmentGrant::AuthorizationCode, DevelopmentGrant::RefreshToken],
        callback_urls: [CALLBACK, "https://app.example/cb?tenant=1", "myapp://signed-in"]
            .map(str::to_owned)
            .to_vec(),
        logout_urls: vec!["https://app.example/bye".to_owned()],
        refresh_token_rotation: secret.is_none().then_some(Duration::from_secs(10)),
    }
}

fn user(name: &str, password: &str, groups: &[&str]) -> DevelopmentUser {
    let mut attributes = BTreeMap::new();
    if name == "alice" {
        attributes.insert("email".to_owned(), "alice@example.com".to_owned());
        attributes.insert("custom:team".to_owned(), "42".to_owned());
        attributes.insert("sub".to_owned(), "forged".to_owned());
        attributes.insert("cognito:groups".to_owned(), "forged".to_owned());
    }
    DevelopmentUser {
        username: name.to_owned(),
        password: Secret::new(password.to_owned()),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        attributes,
    }
}

pub(in crate::user_pool) fn pool() -> UserPool {
    UserPool::new(&configuration(), keys()).unwrap()
}

/// An `InitiateAuth` request.
pub(in crate::user_pool) fn request(
    flow: &str,
    client: &str,
    parameters: &[(&str, &str)],
) -> InitiateAuth {
    InitiateAuth {
        auth_flow: Some(flow.to_owned()),
        client_id: Some(client.to_owned()),
        auth_parameters: parameters
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

fn sign_in_alice(pool: &UserPool) -> AuthenticationResult {
    let parameters = [("USERNAME", "alice"), ("PASSWORD", "Passw0rd!x")];
    let request = request("USER_PASSWORD_AUTH", PUBLIC, &parameters);
    pool.initiate_auth(&request, NOW, &mut Counting::default()).unwrap()
}

/// Verifies `token` as a stranger would, who knows nothing but the served key set.
pub(in crate::user_pool) fn verified(jwks: &Value, token: &str) -> Map<String, Value> {
    let set: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let kid = decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid).expect("the kid is published")).unwrap();
    let mut rules = Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.validate_exp = false;
    rules.validate_aud = false;
    decode::<Map<String, Value>>(token, &key, &rules).unwrap().claims
}

fn names(claims: &Map<String, Value>) -> Vec<&str> {
    claims.keys().map(String::as_str).collect()
}

#[test]
fn an_address_beyond_loopback_is_refused() {
    for address in ["0.0.0.0:9902", "192.0.2.1:9902", "[::]:9902"] {
        let configuration =
            DevelopmentUserPool { address: address.parse().unwrap(), ..configuration() };
        let refused = UserPool::new(&configuration, keys());
        assert!(matches!(refused, Err(PoolError::NotLoopback(_))), "{address}");
    }
}

#[test]
fn a_pool_id_that_is_none_is_refused() {
    for id in ["", "_", "eu-west-1_", "_abc", "../eu-west-1_abc", "eu/west_abc", "eu_a-b", "a_é"] {
        let configuration = DevelopmentUserPool { user_pool_id: id.to_owned(), ..configuration() };
        let refused = UserPool::new(&configuration, keys());
        assert!(matches!(refused, Err(PoolError::PoolId(_))), "{id}");
    }
}

#[test]
fn secret_hash_equals_the_known_vector() {
    assert_eq!(
        secret_hash("mysecret", "alice", "1example23456789"),
        "vaj8HTBe5GbOXXYp/c3Y8ONQDrEIMNo6p+wW9dQfQmQ="
    );
}

#[test]
fn only_loopback_names_are_our_host() {
    for host in
        ["127.0.0.1:9902", "127.8.9.1", "localhost:9902", "LocalHost", "[::1]:9902", "[::1]"]
    {
        assert!(is_loopback_host(host), "{host}");
    }
    for host in ["", "evil.example:9902", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1"] {
        assert!(!is_loopback_host(host), "{host}");
    }
}

#[test]
fn samples_are_one_shell_word_whatever_the_password() {
    let mut configuration = configuration();
    configuration.users[0].password = Secret::new("it's $(x)".to_owned());
    let lines = sample_lines(&configuration);
    assert!(lines.contains(r"it'\''s $(x)"), "{lines}");
    assert!(lines.contains("http://127.0.0.1:9902/eu-west-1_DevPool01/.well-known/jwks.json"));
    let page = lines.split("http://127.0.0.1:9902/oauth2/authorize?").nth(1).unwrap();
    let parameters = Parameters::parse(page.lines().next().unwrap().as_bytes()).unwrap();
    assert!(pool().authorization(&parameters).is_ok());
}
