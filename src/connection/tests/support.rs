//! A gateway that forwards everything, a target that says what it got, and a client that speaks
//! raw bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::Result;
use pingora_proxy::{HttpProxy, ProxyHttp, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use super::super::watch::Timing;
use super::super::{
    ConnectionFacts, ConnectionStats, Drain, ListenerHandle, ListenerService, ListenerSettings,
    MemoryLimit, OpenStream, bind, prepare,
};

/// Long enough for a loaded machine; a test that waits so long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What a hook saw of a request's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) peer: SocketAddr,
    pub(super) server_name: Option<String>,
    pub(super) tls: Option<&'static str>,
    pub(super) requests: u64,
}

/// Forwards everything. With `x-late` it acts as if draining had begun just after its answer.
struct Forwarder {
    target: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[async_trait]
impl ProxyHttp for Forwarder {
    type CTX = Option<OpenStream>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        stream: &mut Option<OpenStream>,
    ) -> Result<bool> {
        *stream = OpenStream::of(session);
        let facts = ConnectionFacts::of(session).expect("came through the listener");
        facts.request_began();
        let tls = facts.tls.as_ref();
        let seen = Seen {
            path: session.req_header().uri.path().to_owned(),
            peer: facts.peer,
            server_name: tls.and_then(|tls| tls.server_name.as_deref()).map(str::to_owned),
            tls: tls.map(|tls| tls.version),
            requests: facts.requests(),
        };
        self.seen.lock().push(seen);
        Ok(false)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        _: &mut pingora_http::ResponseHeader,
        _: &mut Option<OpenStream>,
    ) -> Result<()> {
        let is_late = session.get_header("x-late").is_some();
        if !is_late && ConnectionFacts::of(session).is_some_and(ConnectionFacts::is_closing) {
            session.set_keepalive(None);
        }
        Ok(())
    }

    async fn upstream_peer(
        &self,
        _: &mut Session,
        _: &mut Option<OpenStream>,
    ) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.target, false, String::new())))
    }
}

pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    pub(super) handle: ListenerHandle,
    pub(super) drain: Drain,
    pub(super) stats: Arc<ConnectionStats>,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    pub(super) target: Arc<Target>,
    _shutdown: watch::Sender<bool>,
}

/// Generous limits; a test sets the one it is about.
pub(super) fn settings() -> ListenerSettings {
    ListenerSettings {
        tls: None,
        idle_timeout: PATIENCE,
        client_keep_alive: Duration::from_secs(3600),
        head_timeout: PATIENCE,
        desync: crate::config::model::DesyncMitigationMode::Defensive,
        max_connections: 1000,
        max_connections_per_client: None,
        max_http2_requests: 10_000,
        proxy_protocol: None,
        trusted_proxies: crate::http::TrustedProxies::default(),
        style: Arc::default(),
    }
}

/// What stands in a refusal.
pub(super) fn page(status: u16) -> String {
    String::from_utf8_lossy(&crate::answer::error_page(status)).into_owned()
}

pub(super) fn timing() -> Timing {
    Timing { sweep: Duration::from_millis(10), ..Timing::default() }
}

impl Gateway {
    pub(super) async fn start(settings: ListenerSettings) -> Self {
        Self::start_with(settings, timing(), None).await
    }

    pub(super) async fn start_with(
        settings: ListenerSettings,
        timing: Timing,
        budget: Option<usize>,
    ) -> Self {
        let target = Target::start().await;
        let seen = Arc::default();
        let forwarder = Forwarder { target: target.address, seen: Arc::clone(&seen) };
        let mut proxy = HttpProxy::new(forwarder, Arc::new(ServerConf::default()));
        proxy.handle_init_modules();
        prepare(&mut proxy);
        let budget = budget.unwrap_or(1000);
        let mut service =
            ListenerService::with_timing(Arc::new(proxy), budget, MemoryLimit::NONE, timing);
        let bound = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = bound.address();
        let handle = service.add(bound, settings);
        let (drain, stats) = (service.drain(), service.stats());
        let (shutdown, watch) = watch::channel(false);
        tokio::spawn(async move { service.serve(watch).await });
        Self { address, handle, drain, stats, seen, target, _shutdown: shutdown }
    }

    pub(super) async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }
}

/// Answers `path method body` and obeys a few paths.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// A request to `/held` has arrived.
    pub(super) arrived: Notify,
    /// `/held` is answered.
    pub(super) release: Notify,
}

impl Target {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            arrived: Notify::new(),
            release: Notify::new(),
        });
        let serving = Arc::clone(&target);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(Client::new(tcp)));
            }
        });
        target
    }

    async fn serve(self: Arc<Self>, mut client: Client<TcpStream>) {
        while let Some(head) = client.head().await {
            let lower = head.to_ascii_lowercase();
            let body = match (field(&lower, "content-length"), field(&lower, "transfer-encoding")) {
                (Some(length), _) => client.bytes(length.parse().unwrap()).await,
                (None, Some(_)) => client.until(b"0\r\n\r\n").await,
                (None, None) => Vec::new(),
            };
            let path = head.split(' ').nth(1).unwrap().to_owned();
            match path.as_str() {
                "/ws" => return self.web_socket(client).await,
                "/held" => {
                    self.arrived.notify_one();
                    self.release.notified().await;
                }
                _ => {}
            }
            let method = head.split(' ').next().unwrap();
            let text = format!("{path} {method} {}", String::from_utf8_lossy(&body));
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            client.send(answer).await;
        }
    }

    /// Says hello, then sends back each byte until the client's close frame, and answers that.
    async fn web_socket(&self, mut client: Client<TcpStream>) {
        client
            .send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        client.send([0x81, 0x05, b'h', b'e', b'l', b'l', b'o']).await;
        loop {
            let got = client.some().await;
            if got.is_empty() {
                return;
            }
            if got.first() == Some(&0x88) {
                client.send([0x88, 0x00]).await;
                return;
            }
            client.send(got).await;
        }
    }
}

/// The value of a field in a lower-case head.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// One side of a conversation in raw bytes.
pub(super) struct Client<S> {
    pub(super) stream: S,
    buffer: Vec<u8>,
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A peer that has closed is seen by what is read.
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    async fn fill(&mut self) -> usize {
        let read = self.stream.read_buf(&mut self.buffer);
        tokio::time::timeout(PATIENCE, read).await.expect("answer in time").unwrap_or(0)
    }

    /// Up to and with `mark`.
    pub(super) async fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, mark) {
                let rest = self.buffer.split_off(at + mark.len());
                return std::mem::replace(&mut self.buffer, rest);
            }
            if self.fill().await == 0 {
                return std::mem::take(&mut self.buffer);
            }
        }
    }

    pub(super) async fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            if self.fill().await == 0 {
                return std::mem::take(&mut self.buffer);
            }
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Whatever comes next; empty when the other side has closed.
    pub(super) async fn some(&mut self) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.fill().await;
        }
        std::mem::take(&mut self.buffer)
    }

    /// A head, or `None` when the other side has closed in front of one.
    pub(super) async fn head(&mut self) -> Option<String> {
        let head = self.until(b"\r\n\r\n").await;
        (!head.is_empty()).then(|| String::from_utf8_lossy(&head).into_owned())
    }

    /// Status, whether the connection lives on, and body of an answer.
    pub(super) async fn answer(&mut self) -> (u16, bool, String) {
        let head = self.head().await.expect("an answer").to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let body = String::from_utf8_lossy(&self.bytes(length).await).into_owned();
        (status, field(&head, "connection") != Some("close"), body)
    }

    /// Everything up to the end of the connection.
    pub(super) async fn rest(&mut self) -> String {
        while self.fill().await > 0 {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    pub(super) async fn is_closed(&mut self) -> bool {
        self.rest().await.is_empty()
    }
}
