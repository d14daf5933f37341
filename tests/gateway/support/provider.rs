//! The sign-in half of an identity provider: it counts what it is asked, and fails when told to.
//! (Well-behaved ones are the embedded pool and `oidc-provider`.)

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::issuer::{CLIENT, Issuer, Key, now};

/// The client's secret.
pub const SECRET: &str = "s3cret/+=";

/// How an endpoint behaves.
#[derive(Debug, Clone, Default)]
pub enum Mood {
    /// As it should.
    #[default]
    Well,
    /// Says this.
    Say(u16, Vec<u8>),
    /// Accepts and never answers.
    Hang,
    /// Sends bytes without end.
    Endless,
}

/// What it knows, and how it behaves. Tests may change it at any time.
#[derive(Default)]
pub struct Book {
    /// Of the token endpoint.
    pub tokens: Mood,
    /// Of the user info endpoint.
    pub user_info: Mood,
    /// Seconds that an access token lasts by the token endpoint's word.
    pub expires_in: u64,
    /// Claims of ID tokens that are set, or removed where they are null.
    pub id_claims: Value,
    /// Claims of access tokens that are set, or removed where they are null.
    pub access_claims: Value,
    /// Claims of the user info that are set, or removed where they are null.
    pub more_info: Value,
    /// Members of the token endpoint's answer that are set, or removed where they are null.
    pub answer: Value,
    /// Whether a refresh token is good once only.
    pub rotates: bool,
    /// What was asked of the token endpoint, by grant.
    pub grants: Vec<String>,
    /// How often claims were asked for.
    pub infos: usize,
    /// Refresh tokens that were revoked.
    pub revoked: Vec<String>,
    /// Forms and `Authorization` headers as they came.
    pub forms: Vec<(HashMap<String, String>, String)>,
    codes: HashMap<String, HashMap<String, String>>,
    refresh_tokens: Vec<String>,
    given: usize,
}

/// A running provider.
pub struct Provider {
    address: SocketAddr,
    /// What it knows.
    pub book: Arc<Mutex<Book>>,
}

impl Provider {
    /// One whose tokens are those of an issuer.
    pub fn start(issuer: &Issuer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let book = Arc::new(Mutex::new(Book { expires_in: 3600, ..Book::default() }));
        let (shared, name) = (Arc::clone(&book), issuer.issuer());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                let (shared, name) = (Arc::clone(&shared), name.clone());
                std::thread::spawn(move || serve(stream, &shared, &name));
            }
        });
        Self { address, book }
    }

    /// Its `domain`.
    pub fn domain(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a `user_pools` entry needs for signing in, indented.
    pub fn pool(&self) -> String {
        format!(
            "    domain: {}\n    client_id: {CLIENT}\n    client_secret: '${{env:CLIENT_SECRET}}'\n",
            self.domain()
        )
    }

    /// The user signs in: from the authorization request to the callback's query.
    pub fn sign_in(&self, authorization_request: &str) -> String {
        let query = authorization_request.split_once('?').expect("a query").1;
        let query = pairs(query);
        let mut book = self.book.lock();
        book.given += 1;
        let code = format!("code-{}", book.given);
        let state = query["state"].clone();
        book.codes.insert(code.clone(), query);
        let encode = |text: &str| url_encode(text);
        format!("code={}&state={}", encode(&code), encode(&state))
    }
}

/// A text as a value in a query.
pub fn url_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A form or a query.
pub fn pairs(text: &str) -> HashMap<String, String> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            if byte == b'%' {
                let hex = std::str::from_utf8(&after[..2]).expect("hex");
                bytes.push(u8::from_str_radix(hex, 16).expect("hex"));
                rest = &after[2..];
            } else {
                bytes.push(byte);
                rest = after;
            }
        }
        String::from_utf8(bytes).expect("text")
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn change(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().into_iter().flatten() {
        if value.is_null() {
            object.as_object_mut().expect("an object").remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

fn serve(mut stream: TcpStream, book: &Mutex<Book>, issuer: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let mut body = vec![0; field("content-length").map_or(0, |n| n.parse().expect("a length"))];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let authorization = field("authorization").unwrap_or_default();
    let (mood, (status, answer)) = {
        let mut book = book.lock();
        match path.as_str() {
            "/oauth2/token" => {
                let form = pairs(&body);
                book.grants.push(form.get("grant_type").cloned().unwrap_or_default());
                book.forms.push((form.clone(), authorization.clone()));
                (book.tokens.clone(), give(&mut book, issuer, &form, &authorization))
            }
            "/oauth2/userInfo" => {
                book.infos += 1;
                let info = json!({
                    "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "email": "alice@example.com",
                    "email_verified": "true", "username": "alice",
                });
                (book.user_info.clone(), (200, change(info, &book.more_info)))
            }
            "/oauth2/revoke" => {
                book.revoked.push(pairs(&body)["token"].clone());
                (Mood::Well, (200, json!({})))
            }
            _ => (Mood::Well, (404, json!({}))),
        }
    };
    let (status, answer) = match mood {
        Mood::Well => (status, answer.to_string().into_bytes()),
        Mood::Say(status, body) => (status, body),
        Mood::Hang => {
            let _ = stream.read(&mut [0]);
            return;
        }
        Mood::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n{\"a\":\"");
            while stream.write_all(&[b'x'; 8192]).is_ok() {}
            return;
        }
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &answer].concat());
}

/// What the token endpoint says.
fn give(
    book: &mut Book,
    issuer: &str,
    form: &HashMap<String, String>,
    authorization: &str,
) -> (u16, Value) {
    let encoded = format!("{CLIENT}:{}", url_encode(SECRET));
    if authorization != format!("Basic {}", STANDARD.encode(encoded)) {
        return (401, json!({ "error": "invalid_client" }));
    }
    let refused = (400, json!({ "error": "invalid_grant" }));
    let nonce = match form["grant_type"].as_str() {
        "authorization_code" => {
            let Some(asked) = book.codes.remove(&form["code"]) else { return refused };
            let verifier = form.get("code_verifier").cloned().unwrap_or_default();
            let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
            if asked["code_challenge"] != challenge
                || asked["code_challenge_method"] != "S256"
                || asked["redirect_uri"] != form["redirect_uri"]
            {
                return refused;
            }
            Some(asked["nonce"].clone())
        }
        "refresh_token" => {
            let token = &form["refresh_token"];
            if !book.refresh_tokens.contains(token) {
                return refused;
            }
            if book.rotates {
                book.refresh_tokens.retain(|known| known != token);
            }
            None
        }
        _ => return (400, json!({ "error": "unsupported_grant_type" })),
    };
    let now = now();
    let common = json!({
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "iss": issuer, "iat": now,
        "exp": now + 3600, "auth_time": now, "origin_jti": "o-1", "cognito:groups": ["staff"],
    });
    let access = json!({
        "client_id": CLIENT, "token_use": "access", "scope": "openid email", "username": "alice",
        "jti": format!("j-{}", book.grants.len()), "version": 2,
    });
    let access = change(change(common.clone(), &access), &book.access_claims);
    let access = Key::number(0).sign(&access);
    let hash = digest(&SHA256, access.as_bytes());
    let id = json!({
        "aud": CLIENT, "token_use": "id", "cognito:username": "alice", "nonce": nonce,
        "at_hash": URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]),
    });
    let id = Key::number(0).sign(&change(change(common, &id), &book.id_claims));
    let mut answer = json!({
        "access_token": access, "id_token": id, "token_type": "Bearer",
        "expires_in": book.expires_in,
    });
    if nonce.is_some() || book.rotates {
        book.given += 1;
        let token = format!("refresh-{}", book.given);
        book.refresh_tokens.push(token.clone());
        answer["refresh_token"] = token.into();
    }
    (200, change(answer, &book.answer))
}

/// A browser: it keeps cookies.
#[derive(Clone)]
pub struct Browser {
    address: SocketAddr,
    /// Names and values.
    pub cookies: Vec<(String, String)>,
}

impl Browser {
    /// One that was never here.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, cookies: Vec::new() }
    }

    /// Goes to a page.
    pub fn visit(&mut self, path: &str) -> super::wire::Response {
        self.ask("GET", path, &[("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html")])
    }

    /// Sends a request with its cookies, and keeps those of the answer.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> super::wire::Response {
        let cookies = self.cookie_header();
        let mut headers = headers.to_vec();
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        let answer = super::wire::request(self.address, method, path, &headers);
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            self.keep(cookie);
        }
        answer
    }

    /// `Cookie` as it sends it.
    pub fn cookie_header(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join("; ")
    }

    fn keep(&mut self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').expect("attributes");
        let (name, value) = pair.split_once('=').expect("a cookie");
        assert!(cookie.len() <= 4096, "a browser would refuse {} bytes", cookie.len());
        self.cookies.retain(|(known, _)| known != name);
        if !attributes.contains("Thu, 01 Jan 1970") {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}
