//! What is known about one client connection, and the levers by which it is watched and ended.
//!
//! One allocation a connection, shared by its stream, the hooks that serve its requests, and the
//! watch that ends what takes too long. Every number has a single writer, the stream; but requests
//! of HTTP/2 are counted by whoever serves them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use pingora_core::protocols::http::ServerSession;
use tokio::sync::watch;

use super::chunked::ChunkError;
use super::desync::Finding;
use super::listener::ListenerSettings;
use crate::telemetry::trace::ConnectionId;
use crate::tls::{ClientIdentity, Presented};

/// What the TLS handshake settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite's name as IANA has it.
    pub cipher: &'static str,
    /// The same as OpenSSL spells it.
    pub openssl_cipher: &'static str,
    /// The group of the key exchange, as IANA calls it.
    pub key_exchange: &'static str,
    /// The name that the client asked for (SNI), lower case.
    pub server_name: Option<Box<str>>,
    /// Who the client has shown to be, if its certificate was asked for and it had one.
    pub client: Option<Box<ClientIdentity>>,
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// One client connection.
pub struct ConnectionFacts {
    /// Our name for it, in both logs.
    pub id: ConnectionId,
    /// The other end.
    pub peer: SocketAddr,
    /// The client's end: where a PROXY header says that the connection comes from, or the peer.
    pub source: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Position of the listener in the configuration.
    pub listener: usize,
    /// Absent on a plain HTTP listener.
    pub tls: Option<TlsFacts>,
    /// Which HTTP is spoken.
    pub http: HttpVersion,
    /// When it was accepted, by the monotonic clock.
    pub accepted: Instant,
    pub(super) settings: Arc<ListenerSettings>,
    pub(super) life: Life,
}

impl ConnectionFacts {
    /// The connection that carries this request. `None` only for a session that did not come
    /// through a [`super::ListenerService`].
    #[must_use]
    pub fn of(session: &ServerSession) -> Option<&Self> {
        shared(session).map(AsRef::as_ref)
    }

    /// The certificates of this connection, whatever was reloaded since; absent without TLS.
    #[must_use]
    pub fn presented(&self) -> Option<Presented<'_>> {
        let compiled = self.settings.tls.as_ref()?;
        Some(Presented { compiled, server_name: self.tls.as_ref()?.server_name.as_deref() })
    }

    /// Whether no trust store has vouched for the client.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        let client = self.tls.as_ref().and_then(|tls| tls.client.as_ref());
        client.is_none_or(|client| !client.is_verified)
    }

    /// Longest silence of the client, or of both sides of an upgraded connection.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        self.settings.idle_timeout
    }

    /// To be said by the first hook of every request. What the HTTP engine answers before that is
    /// recorded as malformed, since no hook will ever see it.
    pub fn request_began(&self) {
        self.life.began.store(true, Relaxed);
        if self.http == HttpVersion::Http2
            && self.life.requests.fetch_add(1, Relaxed) + 1 >= self.settings.max_http2_requests
        {
            self.life.close(AGED);
        }
    }

    /// Whether this connection shall take no further request: it is being drained, or it is older
    /// than `client_keep_alive`. Answers should then say `Connection: close`.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.life.closing.load(Relaxed) != OPEN
    }

    /// What the desync analyser found in the head of the request under way; `None` when it is
    /// compliant, and for HTTP/2.
    #[must_use]
    pub fn desync(&self) -> Option<Finding> {
        Finding::of_code(self.life.desync.load(Relaxed))
    }

    /// Whether the target's connection must not serve another request after this one: the target
    /// may have read its end elsewhere.
    #[must_use]
    pub fn must_part_with_target(&self) -> bool {
        self.desync().is_some_and(|finding| finding.closes_in(self.settings.desync))
    }

    /// Bytes received and sent since this was asked last; streams of one connection share them.
    pub fn take_traffic(&self) -> (u64, u64) {
        let [told_in, told_out] = &self.life.told;
        let take = |told: &AtomicU64, now: u64| now.saturating_sub(told.fetch_max(now, Relaxed));
        (take(told_in, self.bytes_in()), take(told_out, self.bytes_out()))
    }

    /// Bytes read from the client so far, TLS taken off.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.life.bytes_in.load(Relaxed)
    }

    /// Bytes written to the client so far, before TLS.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.life.bytes_out.load(Relaxed)
    }

    /// Requests begun on this connection, this one included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.life.requests.load(Relaxed)
    }

    /// Notes the target that serves the request of an HTTP/1 connection, 0 when none does, so that
    /// [`super::Drain::interrupt`] finds it. HTTP/2 has many requests at a time and notes nothing.
    pub fn is_served_by(&self, target: u64) {
        if self.http == HttpVersion::Http1 {
            self.life.target.store(target, Relaxed);
        }
    }

    /// Says when the tunnel that this connection is now shall end; the earliest word counts.
    pub fn ends_at(&self, end: Instant) {
        let millis = end.saturating_duration_since(self.accepted).as_millis();
        let ends = u64::try_from(millis).unwrap_or(u64::MAX).max(1);
        let said = self.life.tunnel_ends.load(Relaxed);
        if said == 0 || ends < said {
            self.life.tunnel_ends.store(ends, Relaxed);
        }
    }

    /// Why reading the request body failed, when it was this connection that ended it: the right
    /// answer is then [`BodyRefusal::status`].
    #[must_use]
    pub fn body_refusal(&self) -> Option<BodyRefusal> {
        match self.life.body_refusal.load(Relaxed) {
            0 => None,
            1 => Some(BodyRefusal::TooSlow),
            2 => Some(BodyRefusal::Malformed(ChunkError::Size)),
            3 => Some(BodyRefusal::Malformed(ChunkError::Extension)),
            4 => Some(BodyRefusal::Malformed(ChunkError::LineBreak)),
            6 => Some(BodyRefusal::CutShort),
            _ => Some(BodyRefusal::Malformed(ChunkError::Trailer)),
        }
    }
}

/// A request of HTTP/2 that is being served. While there is one, its connection is not idle.
pub struct OpenStream(Arc<ConnectionFacts>);

impl OpenStream {
    /// `None` for HTTP/1, where the stream itself knows.
    #[must_use]
    pub fn of(session: &ServerSession) -> Option<Self> {
        let facts = shared(session).filter(|facts| facts.http == HttpVersion::Http2)?;
        facts.life.streams.fetch_add(1, Relaxed);
        Some(Self(Arc::clone(facts)))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.life.streams.fetch_sub(1, Relaxed);
    }
}

fn shared(session: &ServerSession) -> Option<&Arc<ConnectionFacts>> {
    let digest = session.digest()?.proxy_digest.as_ref()?;
    digest.user_data.as_ref()?.downcast_ref::<Arc<ConnectionFacts>>()
}

impl std::fmt::Debug for ConnectionFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionFacts")
            .field("peer", &self.peer)
            .field("local", &self.local)
            .field("listener", &self.listener)
            .field("tls", &self.tls)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

/// Why a request body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyRefusal {
    /// Silent for the idle timeout, or slower than the least rate.
    #[error("request body too slow")]
    TooSlow,
    /// Chunks that are not spelled as they must be.
    #[error(transparent)]
    Malformed(#[from] ChunkError),
    /// The client closed, or reset, before its end.
    #[error("request body cut short")]
    CutShort,
}

impl BodyRefusal {
    /// 408 or 400.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TooSlow => 408,
            Self::Malformed(_) | Self::CutShort => 400,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::TooSlow => 1,
            Self::Malformed(ChunkError::Size) => 2,
            Self::Malformed(ChunkError::Extension) => 3,
            Self::Malformed(ChunkError::LineBreak) => 4,
            Self::Malformed(ChunkError::Trailer) => 5,
            Self::CutShort => 6,
        }
    }
}

/// What a connection is waiting for, which decides how long it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// A request is being served: the target's timeouts rule.
    Serving,
    /// For the first byte of a request.
    Idle,
    /// For the rest of a head, or of the HTTP/2 preface.
    Head,
    /// For bytes of a request body.
    Body,
    /// For bytes in either direction of an upgraded connection.
    Tunnel,
    /// For the client to see our last words before its unread bytes reset them.
    Linger,
}

const STAGES: [Stage; 6] =
    [Stage::Serving, Stage::Idle, Stage::Head, Stage::Body, Stage::Tunnel, Stage::Linger];

/// A stage and the time it began, in one word: a verdict on it can never hit the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase(u64);

impl Phase {
    pub(super) const fn new(stage: Stage, since: u64) -> Self {
        Self(since << 8 | stage as u64)
    }

    pub(super) fn stage(self) -> Stage {
        let index = usize::try_from(self.0 & 0xff).unwrap_or_default();
        STAGES.get(index).copied().unwrap_or(Stage::Serving)
    }

    /// Milliseconds by the watch's clock.
    pub(super) const fn since(self) -> u64 {
        self.0 >> 8
    }
}

pub(super) const OPEN: u8 = 0;
pub(super) const AGED: u8 = 1;
pub(super) const DRAINED: u8 = 2;
/// Of a tunnel whose caller's identity has ended.
pub(super) const ENDED: u8 = 3;

/// The moving parts.
pub(super) struct Life {
    phase: AtomicU64,
    expired: AtomicU64,
    /// Since when the client takes no bytes; 0 when it does.
    pub(super) write_blocked: AtomicU64,
    pub(super) closing: AtomicU8,
    pub(super) killed: AtomicBool,
    /// When a tunnel ends, in milliseconds since the connection was accepted; 0 for never.
    pub(super) tunnel_ends: AtomicU64,
    pub(super) began: AtomicBool,
    /// What of the next two was told by [`ConnectionFacts::take_traffic`].
    told: [AtomicU64; 2],
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) requests: AtomicU64,
    /// HTTP/2: requests that are being served now.
    pub(super) streams: AtomicU64,
    /// HTTP/2, for the sweep alone: what was seen of the connection last, and since when no more.
    pub(super) last_seen: AtomicU64,
    pub(super) quiet_since: AtomicU64,
    /// Bytes of the current body, and milliseconds waited for them before the current wait.
    pub(super) body_bytes: AtomicU64,
    pub(super) body_waited: AtomicU64,
    body_refusal: AtomicU8,
    /// Who serves the request, and whose requests shall end; 0 for nobody.
    target: AtomicU64,
    interrupted: AtomicU64,
    /// Code of a [`Finding`]; 0 for none.
    pub(super) desync: AtomicU8,
    waker: AtomicWaker,
    /// Pingora's own sign that a connection shall end: `Connection: close`, GOAWAY.
    pub(super) farewell: watch::Sender<bool>,
}

impl Life {
    pub(super) fn new(now: u64) -> Self {
        Self {
            phase: AtomicU64::new(Phase::new(Stage::Idle, now).0),
            expired: AtomicU64::new(u64::MAX),
            write_blocked: AtomicU64::new(0),
            closing: AtomicU8::new(OPEN),
            killed: AtomicBool::new(false),
            tunnel_ends: AtomicU64::new(0),
            began: AtomicBool::new(false),
            told: Default::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            last_seen: AtomicU64::new(0),
            quiet_since: AtomicU64::new(now),
            body_bytes: AtomicU64::new(0),
            body_waited: AtomicU64::new(0),
            body_refusal: AtomicU8::new(0),
            target: AtomicU64::new(0),
            interrupted: AtomicU64::new(0),
            desync: AtomicU8::new(0),
            waker: AtomicWaker::new(),
            farewell: watch::Sender::new(false),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        Phase(self.phase.load(Relaxed))
    }

    pub(super) fn enter(&self, stage: Stage, now: u64) {
        self.phase.store(Phase::new(stage, now).0, Relaxed);
    }

    /// The watch's verdict that `phase` has lasted too long.
    pub(super) fn expire(&self, phase: Phase) {
        self.expired.store(phase.0, Relaxed);
        self.waker.wake();
    }

    /// Whether the phase that the connection is in has lasted too long.
    pub(super) fn is_expired(&self) -> bool {
        self.expired.load(Relaxed) == self.phase.load(Relaxed)
    }

    /// Every later read and write fails.
    pub(super) fn kill(&self) {
        self.killed.store(true, Relaxed);
        self.waker.wake();
    }

    /// Reading fails as long as this target serves the request; writing goes on, so that there can
    /// be an answer.
    pub(super) fn interrupt(&self, target: u64) {
        if self.target.load(Relaxed) == target {
            self.interrupted.store(target, Relaxed);
            self.waker.wake();
        }
    }

    /// Whether the request that is being served shall end.
    pub(super) fn is_interrupted(&self) -> bool {
        let interrupted = self.interrupted.load(Relaxed);
        interrupted != 0 && interrupted == self.target.load(Relaxed)
    }

    /// No request after the next one.
    pub(super) fn close(&self, reason: u8) {
        if self.closing.fetch_max(reason, Relaxed) < reason {
            self.farewell.send_replace(true);
            self.waker.wake();
        }
    }

    /// Whether a tunnel is to be closed at the next boundary of its frames.
    pub(super) fn is_drained(&self) -> bool {
        self.closing.load(Relaxed) >= DRAINED
    }

    /// Whether that is for its caller's sake, and not for ours.
    pub(super) fn has_ended(&self) -> bool {
        self.closing.load(Relaxed) == ENDED
    }

    pub(super) fn refuse_body(&self, refusal: BodyRefusal) {
        self.body_refusal.store(refusal.code(), Relaxed);
    }

    pub(super) fn accept_body(&self) {
        self.body_refusal.store(0, Relaxed);
        self.body_bytes.store(0, Relaxed);
        self.body_waited.store(0, Relaxed);
    }

    /// To be called before every return of `Pending`, and before the verdicts are looked at.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}

/// Adds to a number that only this task writes.
pub(super) fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Relaxed).wrapping_add(more), Relaxed);
}
