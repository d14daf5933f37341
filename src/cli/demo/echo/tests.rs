//! The echo target over real sockets.

use std::net::SocketAddr;

use futures_util::SinkExt as _;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;

use super::*;

async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, "orders-1".to_owned()));
    address
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

async fn get(address: SocketAddr, path: &str) -> reqwest::Response {
    client().get(format!("http://{address}{path}")).send().await.unwrap()
}

#[tokio::test]
async fn every_header_is_shown_sorted_and_doubles_are_kept() {
    let address = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "POST /orders/7?x=%2F HTTP/1.1\r\nHost: shop\r\nX-B: 2\r\nx-a: first\r\n\
                   X_Auth: under\r\nX-A: second\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("x-echo-target: orders-1"), "{head}");
    let received: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        received,
        json!({
            "name": "orders-1",
            "method": "POST",
            "target": "/orders/7?x=%2F",
            "version": "HTTP/1.1",
            "headers": [
                ["connection", "close"],
                ["content-length", "3"],
                ["host", "shop"],
                ["x-a", "first"],
                ["x-a", "second"],
                ["x-b", "2"],
                ["x_auth", "under"],
            ],
            "body_bytes": 3,
        })
    );
}

#[tokio::test]
async fn http_2_without_tls_is_spoken() {
    let address = start().await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let response = client.get(format!("http://{address}/a")).send().await.unwrap();
    let received: Value = response.json().await.unwrap();
    assert_eq!(received["version"], "HTTP/2");
}

#[tokio::test]
async fn websocket_messages_come_back_on_any_path() {
    let address = start().await;
    let url = format!("ws://{address}/chat");
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    for message in
        [tungstenite::Message::text("hello"), tungstenite::Message::binary(vec![0, 1, 2])]
    {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
}

#[tokio::test]
async fn the_plain_paths_answer_two_bytes() {
    let address = start().await;
    for path in ["/plain", "/healthz"] {
        assert_eq!(get(address, path).await.bytes().await.unwrap().as_ref(), b"ok");
    }
}

#[tokio::test]
async fn a_status_is_answered_as_asked_if_it_can_be_final() {
    let address = start().await;
    for (path, status) in
        [("/status/503", 503), ("/status/204", 204), ("/status/101", 400), ("/status/1000", 400)]
    {
        assert_eq!(get(address, path).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn bytes_are_as_many_as_asked_and_bounded() {
    let address = start().await;
    for size in [0, 1, 16_384, 16_385, 1_000_000] {
        let response = get(address, &format!("/bytes?n={size}")).await;
        assert_eq!(response.content_length(), Some(size));
        assert_eq!(response.bytes().await.unwrap().len() as u64, size);
    }
    assert_eq!(get(address, "/bytes?n=100000001").await.status(), 400);
}

#[tokio::test]
async fn drops_arrive_as_events() {
    let address = start().await;
    let response = get(address, "/drip?n=3&ms=1").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    assert_eq!(text, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
}

#[tokio::test]
async fn slow_answers_are_echoes() {
    let address = start().await;
    let received: Value = get(address, "/slow?ms=1").await.json().await.unwrap();
    assert_eq!(received["target"], "/slow?ms=1");
}
