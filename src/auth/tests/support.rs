//! An issuer of our own: keys, tokens, configurations.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as lc, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::super::key_source::{FetchFailure, Fetched, KeySource};
use super::super::*;
use crate::clock::{UnixMillis, monotonic};
use crate::config::model::{self, *};

pub(crate) const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI";
pub(crate) const UPDATED: &str =
    "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI";
pub(crate) const CLIENT: &str = "1example23456789";
/// The tests' present: 2026-11-23.
pub(crate) const NOW: u64 = 1_795_392_000;

pub(crate) fn now() -> UnixMillis {
    UnixMillis(NOW * 1000)
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// RSA keys are slow to make: all tests share three.
pub(crate) fn rsa(n: usize) -> &'static RsaKeyPair {
    static KEYS: [OnceLock<RsaKeyPair>; 3] = [const { OnceLock::new() }; 3];
    KEYS[n].get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

pub(crate) fn p256() -> &'static EcdsaKeyPair {
    static KEY: OnceLock<EcdsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| EcdsaKeyPair::generate(&lc::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
}

pub(crate) fn p384() -> &'static EcdsaKeyPair {
    static KEY: OnceLock<EcdsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| EcdsaKeyPair::generate(&lc::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
}

pub(crate) fn ed25519() -> &'static Ed25519KeyPair {
    static KEY: OnceLock<Ed25519KeyPair> = OnceLock::new();
    KEY.get_or_init(|| Ed25519KeyPair::generate().unwrap())
}

/// Signs with one of the shared RSA keys.
pub(crate) fn rsa_sign(n: usize, how: &'static dyn lc::RsaEncoding, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; rsa(n).public_modulus_len()];
    rsa(n).sign(how, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

pub(crate) fn rsa_jwk(n: usize, kid: &str) -> Value {
    let public: RsaPublicKeyComponents<Vec<u8>> = rsa(n).public_key().into();
    json!({ "kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig",
            "n": b64(public.n), "e": b64(public.e) })
}

pub(crate) fn ec_jwk(key: &EcdsaKeyPair, curve: &str, kid: &str) -> Value {
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    json!({ "kty": "EC", "kid": kid, "crv": curve, "x": b64(x), "y": b64(y) })
}

pub(crate) fn ed_jwk(kid: &str) -> Value {
    json!({ "kty": "OKP", "kid": kid, "crv": "Ed25519", "x": b64(ed25519().public_key()) })
}

pub(crate) fn key_set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// A token in the making.
#[derive(Clone)]
pub(crate) struct Mint {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) key: usize,
}

impl Mint {
    /// Cognito's access token.
    pub(crate) fn access() -> Self {
        Self {
            header: object(&json!({ "kid": "access=", "alg": "RS256" })),
            claims: object(&json!({
                "sub": "aaaaaaaa-bbbb-cccc-dddd-example", "iss": POOL, "client_id": CLIENT,
                "origin_jti": "o", "event_id": "e", "token_use": "access",
                "scope": "orders/read orders/write", "auth_time": NOW - 10, "exp": NOW + 3600,
                "iat": NOW - 10, "jti": "j", "username": "alice",
                "cognito:groups": ["admin", "a,b"]
            })),
            key: 0,
        }
    }

    /// Cognito's ID token, signed with the other key.
    pub(crate) fn id() -> Self {
        Self {
            header: object(&json!({ "kid": "id=", "alg": "RS256" })),
            claims: object(&json!({
                "sub": "aaaaaaaa-bbbb-cccc-dddd-example", "iss": POOL, "aud": CLIENT,
                "token_use": "id", "exp": NOW + 3600, "iat": NOW - 10, "auth_time": NOW - 10,
                "cognito:username": "alice", "email": "a@example.com", "email_verified": true
            })),
            key: 1,
        }
    }

    /// A machine's access token.
    pub(crate) fn machine() -> Self {
        let mut mint = Self::access();
        for name in ["username", "cognito:groups", "origin_jti"] {
            mint.claims.remove(name);
        }
        mint.claim("sub", CLIENT)
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.remove(name).unwrap();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    pub(crate) fn key(mut self, n: usize) -> Self {
        self.key = n;
        self
    }

    pub(crate) fn sign(&self) -> String {
        let header = Value::from(self.header.clone()).to_string();
        sign_text(&header, &Value::from(self.claims.clone()).to_string(), self.key)
    }
}

/// A token of exactly these texts.
pub(crate) fn sign_text(header: &str, payload: &str, key: usize) -> String {
    sign_parts(&b64(header), &b64(payload), key)
}

/// A token of exactly these parts.
pub(crate) fn sign_parts(header: &str, payload: &str, key: usize) -> String {
    let message = format!("{header}.{payload}");
    let signature = rsa_sign(key, &lc::RSA_PKCS1_SHA256, message.as_bytes());
    format!("{message}.{}", b64(signature))
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

pub(crate) fn cognito(name: &str) -> UserPool {
    UserPool {
        name: name.into(),
        profile: Profile::Cognito,
        issuers: vec![issuer(POOL), issuer(UPDATED)],
        app_clients: AppClients::Only(vec![CLIENT.into()]),
        audiences: vec![],
        require_resource_audience: false,
        algorithms: vec![Algorithm::RS256],
        clock_skew: Duration::ZERO,
        refresh: Duration::from_secs(3600),
        max_stale: Duration::from_secs(24 * 3600),
        max_token_size: 16 * 1024,
        sign_in: None,
        span: crate::config::diagnostics::Span::default(),
    }
}

pub(crate) fn oidc(name: &str, iss: &str) -> UserPool {
    UserPool {
        profile: Profile::Oidc,
        issuers: vec![issuer(iss)],
        app_clients: AppClients::Any,
        audiences: vec!["shop-api".into()],
        ..cognito(name)
    }
}

fn issuer(iss: &str) -> model::Issuer {
    let url = format!("{iss}/.well-known/jwks.json");
    model::Issuer { issuer: iss.into(), keys: model::KeySource::Url(url.into()) }
}

pub(crate) fn config(user_pools: Vec<UserPool>) -> Config {
    Config {
        admin: Admin { address: ([127, 0, 0, 1], 9901).into(), token: None },
        threads: None,
        memory_limit: None,
        state_directory: None,
        session_keys: vec![],
        startup_wait: Duration::from_secs(30),
        reload: crate::config::model::Reload::default(),
        shutdown: Shutdown { pre_stop_wait: Duration::ZERO, drain_limit: Duration::from_secs(25) },
        access_log: AccessLog {
            format: None,
            destination: LogDestination::Off,
            query: false,
            alb: LogDestination::Off,
            load_balancer: "app/test/0000000000000000".into(),
        },
        connection_log: LogDestination::Off,
        tracing: None,
        identity_assertion: None,
        deny_list: None,
        oidc_data: crate::config::model::OidcData::default(),
        health_check_log: LogDestination::Off,
        claim_headers: vec![],
        owned_headers: vec![],
        user_pools,
        target_groups: vec![],
        aws_credentials: Vec::new(),
        apis: Vec::new(),
        usage: crate::config::model::Usage::default(),
        listeners: vec![],
        development_user_pool: None,
    }
}

pub(crate) fn validation(pools: usize) -> JwtValidation {
    JwtValidation {
        pools: (0..pools).map(PoolIndex).collect(),
        token_use: TokenUse::Access,
        scopes: None,
        groups: None,
        additional_claims: vec![],
        identity_source: IdentitySource::Authorization,
        forward_authorization: true,
    }
}

pub(crate) fn header_for(header: &str, claim: &str) -> ClaimHeader {
    ClaimHeader {
        header: header.into(),
        claim: ClaimPath::Name(claim.into()),
        form: ArrayForm::Csv,
        max_size: 8192,
    }
}

/// Gives a source its answer, at once.
pub(crate) fn answer(source: &Arc<KeySource>, body: Result<Vec<u8>, FetchFailure>, mono: Instant) {
    let attempt = source.begin(mono).expect("an attempt is due");
    let fetched = body.map(|body| Fetched { body, max_age: None });
    attempt.finish(fetched, now(), mono, 0);
}

/// Pools with keys, and one rule.
pub(crate) struct Gate {
    pub(crate) authorizers: Authorizers,
    pub(crate) check: CompiledValidation,
    pub(crate) mono: Instant,
    pub(crate) now: UnixMillis,
}

impl Gate {
    /// All pools' sources answered with the two keys of Cognito, and the rule accepts all pools.
    pub(crate) fn new(pools: Vec<UserPool>) -> Self {
        let count = pools.len();
        Self::with(pools, &validation(count), &[rsa_jwk(0, "access="), rsa_jwk(1, "id=")])
    }

    pub(crate) fn with(pools: Vec<UserPool>, rule: &JwtValidation, keys: &[Value]) -> Self {
        let authorizers = Authorizers::compile(&config(pools), None);
        let mono = monotonic();
        for source in authorizers.sources() {
            answer(source, Ok(key_set(keys)), mono);
        }
        let headers = [header_for("x-auth-subject", "sub")];
        let check = authorizers.compile_validation(rule, &headers);
        Self { authorizers, check, mono, now: now() }
    }

    pub(crate) fn cognito() -> Self {
        Self::new(vec![cognito("customers")])
    }

    pub(crate) fn ask(&self, token: &str) -> Outcome {
        self.authorizers.authorize_token(
            &self.check,
            token.as_bytes(),
            self.now,
            self.mono,
            Patience::HasWaited,
        )
    }

    /// The reason of the refusal; `None` if allowed.
    pub(crate) fn refuses(&self, token: &str) -> Option<Reason> {
        match self.ask(token) {
            Outcome::Allowed(_) => None,
            Outcome::Refused(refusal) => Some(refusal.reason),
            Outcome::NeedsKey(_) => panic!("asked to wait twice"),
        }
    }

    /// Has a token that passes remembered: by its second coming.
    pub(crate) fn remember(&self, token: &str) {
        assert!([(); 2].iter().all(|()| !self.identity(token).was_cached));
    }

    pub(crate) fn identity(&self, token: &str) -> Identity {
        match self.ask(token) {
            Outcome::Allowed(identity) => identity,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn id_rule() -> JwtValidation {
    JwtValidation { token_use: TokenUse::Id, ..validation(1) }
}

pub(crate) fn block(headers: &headers::HeaderBlock) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &headers.headers {
        map.entry(name.to_string()).or_default().push(value.to_str().unwrap().to_owned());
    }
    map
}
