//! An identity provider of the tests whose key-set endpoint can be told to fail in every way that
//! real ones do. Tokens are real RS256. (The embedded pool and `moto` are the well-behaved ones.)

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// The app client of [`Issuer::claims`].
pub const CLIENT: &str = "1example23456789";

/// How the key-set endpoint behaves.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Serves the present keys.
    Serve,
    /// Serves this body with this status and content type.
    Say(u16, &'static str, Vec<u8>),
    /// Accepts and never answers.
    Hang,
    /// Sends the answer one byte every 50 ms.
    Drip,
    /// Sends bytes without end.
    Endless,
    /// Closes at once.
    Close,
}

/// A key with its name.
#[derive(Clone)]
pub struct Key {
    pair: Arc<KeyPair>,
    /// Its `kid`.
    pub kid: String,
}

impl Key {
    /// One of four keys that are made once a test run (making one takes a moment).
    pub fn number(index: usize) -> Self {
        static KEYS: OnceLock<Vec<Arc<KeyPair>>> = OnceLock::new();
        let keys = KEYS.get_or_init(|| {
            let make = || Arc::new(KeyPair::generate(KeySize::Rsa2048).expect("a key"));
            (0..4).map(|_| make()).collect()
        });
        Self { pair: Arc::clone(&keys[index]), kid: format!("key-{index}+/=") }
    }

    /// The same key under another name.
    pub fn named(&self, kid: &str) -> Self {
        Self { pair: Arc::clone(&self.pair), kid: kid.to_owned() }
    }

    /// As a member of a key set.
    pub fn jwk(&self) -> Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(public.n), "e": URL_SAFE_NO_PAD.encode(public.e),
        })
    }

    /// The public key as PKCS#1 DER.
    pub fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// The public key as SubjectPublicKeyInfo DER.
    pub fn public_info(&self) -> Vec<u8> {
        self.pair.public_key().as_der().expect("encoded").as_ref().to_vec()
    }

    /// Signs a header and a payload that are given as JSON texts, or as any bytes.
    pub fn sign_texts(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.sign_as(&RSA_PKCS1_SHA256, header, payload)
    }

    /// Signs by another RSA algorithm, whatever the header says.
    pub fn sign_as(
        &self,
        algorithm: &'static dyn RsaEncoding,
        header: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
    ) -> String {
        let input =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        self.sign_input(algorithm, &input)
    }

    /// Signs `header.payload` in just this spelling.
    pub fn sign_input(&self, algorithm: &'static dyn RsaEncoding, input: &str) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(algorithm, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .expect("signed");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The usual header: `kid` and `alg`, as Cognito's.
    pub fn header(&self) -> String {
        json!({ "kid": self.kid, "alg": "RS256" }).to_string()
    }

    /// Signs claims under the usual header.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_texts(self.header(), claims.to_string())
    }
}

struct State {
    mode: Mode,
    keys: Vec<Key>,
}

/// A running issuer.
pub struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    /// Starts one that serves key 0.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self::on(listener)
    }

    /// A port on which nobody listens.
    pub fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    }

    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { mode: Mode::Serve, keys: vec![Key::number(0)] }));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (Arc::clone(&state), Arc::clone(&fetches));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                let (shared, count) = (Arc::clone(&shared), Arc::clone(&count));
                std::thread::spawn(move || answer(stream, &shared, &count));
            }
        });
        Self { address, state, fetches }
    }

    /// The issuer string.
    pub fn issuer(&self) -> String {
        format!("http://{}/us-east-1_TestPool1", self.address)
    }

    /// Its key-set address.
    pub fn jwks_uri(&self) -> String {
        format!("{}/.well-known/jwks.json", self.issuer())
    }

    /// A `user_pools` entry of this name, indented for the top level of the file.
    pub fn pool(&self, name: &str) -> String {
        format!(
            "  {name}:\n    user_pool_id: us-east-1_TestPool1\n    issuer: {issuer}\n    \
             jwks_uri: {uri}\n    app_clients: [{CLIENT}]\n",
            issuer = self.issuer(),
            uri = self.jwks_uri(),
        )
    }

    /// Changes how the endpoint behaves.
    pub fn set(&self, mode: Mode) {
        self.state.lock().mode = mode;
    }

    /// Changes which keys it serves.
    pub fn serve(&self, keys: &[Key]) {
        self.state.lock().keys = keys.to_vec();
    }

    /// How often its key set was asked for.
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// Claims of a good access token.
    pub fn claims(&self) -> Value {
        let now = now();
        json!({
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "iss": self.issuer(), "client_id": CLIENT, "token_use": "access",
            "scope": "orders/read profile", "cognito:groups": ["staff"],
            "auth_time": now, "iat": now, "exp": now + 3600, "jti": "11111111-2222",
            "origin_jti": "33333333-4444", "username": "alice", "version": 2,
        })
    }

    /// A good access token.
    pub fn token(&self) -> String {
        Key::number(0).sign(&self.claims())
    }

    /// A token of key 0 with claims given as JSON texts: see [`payload`].
    pub fn token_texts(&self, changes: &[(&str, &str)]) -> String {
        Key::number(0).sign_texts(Key::number(0).header(), payload(&self.claims(), changes))
    }

    /// A good access token with some claims replaced, or removed where the value is null.
    pub fn token_with(&self, changes: &Value) -> String {
        let mut claims = self.claims();
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        Key::number(0).sign(&claims)
    }
}

/// Claims as JSON text with some values replaced by any text, or removed where that is empty.
pub fn payload(claims: &Value, changes: &[(&str, &str)]) -> String {
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = claims.as_object().expect("an object").iter();
    let kept = kept.filter(|(name, _)| !is_changed(name)).map(|(n, v)| (n.clone(), v.to_string()));
    let new = changes.iter().filter(|(_, value)| !value.is_empty());
    let new = new.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let members: Vec<String> =
        kept.chain(new).map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    format!("{{{}}}", members.join(","))
}

/// Seconds since the epoch.
#[allow(clippy::disallowed_methods)]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn answer(mut stream: TcpStream, state: &Mutex<State>, count: &AtomicUsize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    count.fetch_add(1, Ordering::SeqCst);
    let (mode, body) = {
        let state = state.lock();
        let keys: Vec<Value> = state.keys.iter().map(Key::jwk).collect();
        (state.mode.clone(), json!({ "keys": keys }).to_string().into_bytes())
    };
    let whole = |status: u16, kind: &str, body: &[u8]| {
        let mut bytes = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        bytes
    };
    let _ = match mode {
        Mode::Serve => stream.write_all(&whole(200, "application/json", &body)),
        Mode::Say(status, kind, body) => stream.write_all(&whole(status, kind, &body)),
        Mode::Close => Ok(()),
        Mode::Hang => hold(&mut stream),
        Mode::Drip => drip(&mut stream, &whole(200, "application/json", &body)),
        Mode::Endless => flood(&mut stream),
    };
}

/// Waits until the other side gives up.
fn hold(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.read(&mut [0]).map(drop)
}

fn drip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte])?;
        // A slow peer is what this simulates; no assertion depends on its pace.
        std::thread::park_timeout(Duration::from_millis(50));
    }
    Ok(())
}

fn flood(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n{\"keys\":[")?;
    loop {
        stream.write_all(&[b' '; 8192])?;
    }
}
