//! The pool over a real socket, as its clients see it.

mod browser;

use std::net::SocketAddr;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::user_pool::tests::{MACHINE, PUBLIC, SECRET, configuration, keys, verified};
use crate::user_pool::{bind, load_or_generate};

/// A pool on a port of its own.
struct Running {
    address: SocketAddr,
    client: Client,
    directory: tempfile::TempDir,
}

async fn start() -> Running {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut configuration = configuration();
    configuration.address = address;
    let pool = Arc::new(UserPool::new(&configuration, keys()).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let service = Arc::new(Service::new(pool, Some(directory.path().to_owned())));
    tokio::spawn(serve(listener, service, std::future::pending()));
    let client = Client::builder().no_proxy().build().unwrap();
    Running { address, client, directory }
}

impl Running {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path))
    }

    async fn api(&self, operation: &str, body: &str) -> Response {
        self.post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
            .body(body.to_owned())
            .send()
            .await
            .unwrap()
    }

    async fn form(&self, path: &str, body: &str) -> (u16, Value) {
        let request = self.post(path).header("content-type", "application/x-www-form-urlencoded");
        judged(request.body(body.to_owned())).await
    }

    async fn jwks(&self) -> Value {
        let url = self.url("/eu-west-1_DevPool01/.well-known/jwks.json");
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

async fn judged(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

const SIGN_IN: &str = r#"{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"1example23456789",
    "AuthParameters":{"USERNAME":"alice","PASSWORD":"Passw0rd!x"},"ClientMetadata":{}}"#;

#[tokio::test]
async fn the_key_set_is_cacheable_and_open_to_every_origin() {
    let pool = start().await;
    let url = pool.url("/eu-west-1_DevPool01/.well-known/jwks.json");
    let response = pool.client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert_eq!(header(&response, "cache-control"), "public, max-age=60");
    assert_eq!(header(&response, "content-type"), "application/json");
    let other = pool.url("/eu-west-1_Other/.well-known/jwks.json");
    assert_eq!(pool.client.get(other).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn discovery_names_the_address_that_answers() {
    let pool = start().await;
    let url = pool.url("/eu-west-1_DevPool01/.well-known/openid-configuration");
    let document: Value = pool.client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(document["issuer"], pool.url("/eu-west-1_DevPool01"));
    assert_eq!(document["token_endpoint"], pool.url("/oauth2/token"));
    let jwks = document["jwks_uri"].as_str().unwrap();
    assert_eq!(pool.client.get(jwks).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_sign_in_over_http_gives_tokens_that_the_served_keys_verify() {
    let pool = start().await;
    let response = pool.api("InitiateAuth", SIGN_IN).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/x-amz-json-1.1");
    assert_eq!(header(&response, "x-amzn-requestid").len(), 36);
    assert_eq!(header(&response, "cache-control"), "no-store");
    let answer: Value = response.json().await.unwrap();
    let result = &answer["AuthenticationResult"];
    assert_eq!(result["TokenType"], "Bearer");
    assert_eq!(result["ExpiresIn"], 3600);
    assert_eq!(answer["ChallengeParameters"], json!({}));
    let jwks = pool.jwks().await;
    let claims = verified(&jwks, result["AccessToken"].as_str().unwrap());
    assert_eq!(claims["iss"], pool.url("/eu-west-1_DevPool01"));
    verified(&jwks, result["IdToken"].as_str().unwrap());
}

#[tokio::test]
async fn api_errors_have_awss_shape() {
    let pool = start().await;
    let cases = [
        ("InitiateAuth", r#"{"AuthFlow":1}"#, "SerializationException"),
        ("InitiateAuth", "not json", "SerializationException"),
        ("InitiateAuth", "{}", "InvalidParameterException"),
        ("GetUser", "{}", "InvalidParameterException"),
        ("GetUser", r#"{"AccessToken":"x"}"#, "NotAuthorizedException"),
        ("RevokeToken", r#"{"Token":"x","ClientId":"y"}"#, "ResourceNotFoundException"),
        ("AdminDeleteUser", "{}", "UnknownOperationException"),
    ];
    for (operation, body, name) in cases {
        let response = pool.api(operation, body).await;
        assert_eq!(response.status(), 400, "{operation} {body}");
        assert_eq!(header(&response, "x-amzn-errortype"), name, "{operation} {body}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["__type"], name);
        assert!(answer["message"].is_string());
    }
}

#[tokio::test]
async fn a_parse_error_does_not_repeat_the_body() {
    let pool = start().await;
    let body = r#"{"AuthParameters":{"PASSWORD":["hunter2"]}}"#;
    let answer = pool.api("InitiateAuth", body).await.text().await.unwrap();
    assert!(!answer.contains("hunter2"), "{answer}");
}

#[tokio::test]
async fn clients_authenticate_by_basic_or_in_the_form_and_not_by_both() {
    let pool = start().await;
    let grant = "grant_type=client_credentials&scope=orders%2Fread";
    let in_form = format!("{grant}&client_id={MACHINE}&client_secret={SECRET}");
    let (status, answer) = pool.form("/oauth2/token", &in_form).await;
    assert_eq!((status, &answer["token_type"]), (200, &json!("Bearer")));
    assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());
    let basic = |body: &str| {
        pool.post("/oauth2/token")
            .basic_auth(MACHINE, Some(SECRET))
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .body(body.to_owned())
    };
    let (status, answer) = judged(basic(grant)).await;
    assert_eq!(status, 200);
    let claims = verified(&pool.jwks().await, answer["access_token"].as_str().unwrap());
    assert_eq!(claims["scope"], "orders/read");
    for both in [in_form, format!("{grant}&client_id={PUBLIC}")] {
        let (status, answer) = judged(basic(&both)).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{both}");
    }
}

#[tokio::test]
async fn token_endpoint_errors_have_oauths_shape() {
    let pool = start().await;
    let client = format!("client_id={MACHINE}&client_secret={SECRET}");
    let cases = [
        (client.clone(), "invalid_request"),
        (format!("{client}&grant_type=client_credentials&grant_type=x"), "invalid_request"),
        ("grant_type=client_credentials".to_owned(), "invalid_request"),
        (format!("{client}&grant_type=refresh_token"), "invalid_request"),
        (format!("{client}&grant_type=password"), "unsupported_grant_type"),
        (format!("{client}x&grant_type=client_credentials"), "invalid_client"),
        (format!("{client}&grant_type=client_credentials&scope=x"), "invalid_scope"),
        (format!("grant_type=refresh_token&refresh_token=x&client_id={PUBLIC}"), "invalid_grant"),
    ];
    for (body, error) in cases {
        let (status, answer) = pool.form("/oauth2/token", &body).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "{body}");
    }
    let as_json = pool.post("/oauth2/token").header("content-type", "application/json");
    let (status, answer) = judged(as_json.body("{}")).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn revocation_is_silent_about_unknown_tokens() {
    let pool = start().await;
    let body = format!("client_id={PUBLIC}&token=refresh.unknown");
    assert_eq!(pool.form("/oauth2/revoke", &body).await, (200, Value::Null));
    let stranger = "client_id=nobody&token=x";
    let (status, answer) = pool.form("/oauth2/revoke", stranger).await;
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
}

#[tokio::test]
async fn a_body_over_64_kib_is_refused() {
    let pool = start().await;
    let body = " ".repeat(MAX_BODY + 1);
    assert_eq!(pool.api("InitiateAuth", &body).await.status(), 413);
    assert_eq!(pool.form("/oauth2/token", &body).await.0, 413);
    assert_eq!(pool.post("/dev/token").body(body).send().await.unwrap().status(), 413);
}

#[tokio::test]
async fn a_page_that_rebinds_its_name_to_loopback_gets_nothing() {
    let pool = start().await;
    for host in ["Host: evil.example\r\n", "", "Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n"] {
        let request = format!(
            "POST /dev/token HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = pool.raw(&request).await;
        assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("eyJ"), "{host:?} {answer}");
    }
}

#[tokio::test]
async fn development_endpoints_refuse_requests_that_a_web_page_made() {
    let pool = start().await;
    for path in ["/dev/token", "/dev/tokens?count=1", "/dev/rotate-keys"] {
        let request = pool.post(path).header("origin", "http://localhost:3000");
        assert_eq!(request.send().await.unwrap().status(), 403, "{path}");
    }
}

#[tokio::test]
async fn browsers_may_preflight_the_api() {
    let pool = start().await;
    let request = pool.client.request(reqwest::Method::OPTIONS, pool.url("/"));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert!(header(&response, "access-control-allow-headers").contains("x-amz-target"));
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
}

#[tokio::test]
async fn a_token_is_ordered_by_query_or_by_body() {
    let pool = start().await;
    let by_query = pool.post("/dev/token?username=bob&scope=a%2Fb");
    let by_body = pool.post("/dev/token").body(r#"{"username":"bob","scopes":["a/b"]}"#);
    for request in [by_query, by_body] {
        let text = request.send().await.unwrap().text().await.unwrap();
        let claims = verified(&pool.jwks().await, text.strip_suffix('\n').unwrap());
        assert_eq!((&claims["username"], &claims["scope"]), (&json!("bob"), &json!("a/b")));
    }
    let (status, answer) = judged(pool.post("/dev/token").body(r#"{"user":"bob"}"#)).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")));
    assert_eq!(judged(pool.post("/dev/token?username=x")).await.0, 400);
}

#[tokio::test]
async fn many_tokens_are_one_a_line_and_all_different() {
    let pool = start().await;
    let order = pool.post("/dev/tokens?count=150").body(r#"{"scopes":["orders/read"]}"#);
    let text = order.send().await.unwrap().text().await.unwrap();
    let lines: std::collections::HashSet<&str> = text.lines().collect();
    assert_eq!(lines.len(), 150);
    let jwks = pool.jwks().await;
    let subs: std::collections::HashSet<_> =
        lines.iter().map(|line| verified(&jwks, line)["sub"].to_string()).collect();
    assert_eq!(subs.len(), 150);
}

#[tokio::test]
async fn too_many_tokens_are_refused() {
    let pool = start().await;
    for count in ["0", "20001", "4294967296", "-1", "x"] {
        let request = pool.post(&format!("/dev/tokens?count={count}"));
        assert_eq!(request.send().await.unwrap().status(), 400, "{count}");
    }
}

#[tokio::test]
async fn rotated_keys_sign_are_served_and_are_stored() {
    let pool = start().await;
    let before = pool.jwks().await;
    let (status, answer) = judged(pool.post("/dev/rotate-keys")).await;
    assert_eq!((status, &answer["published_keys"]), (200, &json!(4)));
    let token = pool.post("/dev/token").send().await.unwrap().text().await.unwrap();
    let kid = jsonwebtoken::decode_header(token.trim()).unwrap().kid.unwrap();
    assert_eq!(answer["access_kid"], kid);
    assert!(!before.to_string().contains(&kid));
    let stored = load_or_generate(Some(pool.directory.path()), "eu-west-1_DevPool01").unwrap();
    assert_eq!(stored.jwks(), pool.jwks().await);
    let (_, answer) = judged(pool.post("/dev/rotate-keys?forget_old=true")).await;
    assert_eq!(answer["published_keys"], 2);
    let (_, answer) = judged(pool.post("/dev/rotate-keys").body(r#"{"forget_old":true}"#)).await;
    assert_eq!(answer["published_keys"], 2);
}

#[tokio::test]
async fn every_answer_says_that_it_is_for_development() {
    let pool = start().await;
    for path in ["/healthz", "/nowhere"] {
        let response = pool.client.get(pool.url(path)).send().await.unwrap();
        assert_eq!(header(&response, DEVELOPMENT.as_str()), "not for production");
    }
}

#[tokio::test]
async fn the_server_ends_when_told_although_a_connection_is_open() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let pool = Arc::new(UserPool::new(&configuration(), keys()).unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = Arc::new(Service::new(pool, None));
    let server = tokio::spawn(serve(listener, service, async { drop(stopped.await) }));
    let mut idle = TcpStream::connect(address).await.unwrap();
    // Half a head: the server waits for the rest, and must not wait for ever.
    idle.write_all(b"GET / HT").await.unwrap();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
