//! The client's stream as the HTTP engine sees it.
//!
//! In front of the engine for HTTP/1: it hands over exactly one judged head, then exactly that
//! request's body, and keeps what a client sends ahead until it is wanted. It answers for the
//! engine what the engine cannot (408, 431, a refused head), ends what lasts too long, and lets a
//! client read the last answer before the connection is gone. HTTP/2 only passes through it.
//!
//! What a request means is decided elsewhere; here are only bytes and time.

mod body;
mod reading;
mod writing;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora_http::ResponseHeader;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use self::reading::Reading;
use self::writing::Writing;
use super::facts::{ConnectionFacts, HttpVersion, Stage};
use super::transport::Transport;
use super::watch::{Admission, Book};

/// Most bytes of a client that are thrown away while it reads our last answer.
const MAX_LINGER: usize = 16 * 1024 * 1024;

/// A client connection under guard.
pub(super) struct Guarded {
    /// Taken only when the stream is dropped.
    transport: Option<Transport>,
    admission: Option<Admission>,
    book: Arc<Book>,
    facts: Arc<ConnectionFacts>,
    reading: Reading,
    writing: Writing,
    is_shut: bool,
    socket: Arc<SocketDigest>,
    tls: Option<Arc<SslDigest>>,
    digest: Arc<ProxyDigest>,
}

impl Guarded {
    /// Takes over an accepted connection whose TLS handshake, if any, is done.
    pub(super) fn new(
        transport: Transport,
        facts: Arc<ConnectionFacts>,
        mut admission: Admission,
        book: Arc<Book>,
    ) -> Option<Self> {
        let user_data: Box<dyn std::any::Any + Send + Sync> = Box::new(Arc::clone(&facts));
        let response = ResponseHeader::build(200, Some(0)).ok()?;
        let digest = ProxyDigest::new(Box::new(response), Some(user_data));
        let socket = SocketDigest::from_raw_fd(transport.descriptor());
        let _ = socket.peer_addr.set(Some(facts.peer.into()));
        let _ = socket.local_addr.set(Some(facts.local.into()));
        let tls = facts
            .tls
            .as_ref()
            .map(|tls| Arc::new(SslDigest::new(tls.cipher, tls.version, None, None, Vec::new())));
        let reading = match facts.http {
            HttpVersion::Http1 => Reading::http1(),
            HttpVersion::Http2 => Reading::http2(),
        };
        let stage = if facts.http == HttpVersion::Http1 { Stage::Idle } else { Stage::Head };
        facts.life.enter(stage, book.now());
        admission.enter(&facts);
        Some(Self {
            transport: Some(transport),
            admission: Some(admission),
            book,
            facts,
            reading,
            writing: Writing::default(),
            is_shut: false,
            socket: Arc::new(socket),
            tls,
            digest: Arc::new(digest),
        })
    }

    /// A request was answered and the connection lives on: the next head may come.
    pub(super) fn expect_head(&mut self) {
        self.reading.expect_head();
        self.facts.life.enter(Stage::Idle, self.book.now());
    }

    /// Waits for the first byte of a request. False when the connection shall end instead.
    ///
    /// The engine keeps some ten kilobytes for a request; an idle connection does without.
    pub(super) async fn wait(&mut self) -> bool {
        std::future::poll_fn(|cx| {
            if self.reading.has_held() {
                return Poll::Ready(true);
            }
            let Some(transport) = self.transport.as_mut() else { return Poll::Ready(false) };
            if let Poll::Ready(readable) = transport.poll_readable(cx) {
                return Poll::Ready(readable.is_ok());
            }
            self.facts.life.register(cx.waker());
            let is_over = self.facts.life.is_expired() || self.check().is_err();
            if is_over { Poll::Ready(false) } else { Poll::Pending }
        })
        .await
    }

    fn check(&self) -> io::Result<()> {
        if self.facts.life.killed.load(Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// The whole request has been read, and nothing that follows it.
    fn has_unread(&self) -> bool {
        self.facts.http == HttpVersion::Http1 && self.reading.has_unread()
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        if let Poll::Ready(read) = this.poll_reading(cx, buf) {
            return Poll::Ready(read);
        }
        this.facts.life.register(cx.waker());
        // A verdict from before the waker was there has woken nobody: look again.
        this.check()?;
        if this.facts.life.is_interrupted() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if this.facts.life.is_expired() { this.poll_reading(cx, buf) } else { Poll::Pending }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check()?;
        let polled = this.poll_writing(cx, buf);
        this.note_blocked(cx, polled.is_pending());
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        let polled = this.poll_flushing(cx);
        this.note_blocked(cx, polled.is_pending());
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        let flushed = this.poll_flushing(cx);
        this.note_blocked(cx, flushed.is_pending());
        match flushed {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        match this.transport.as_mut() {
            Some(transport) => transport.poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        // The HTTP/2 codec hands over frame heads and payloads apart.
        self.facts.http == HttpVersion::Http2
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check()?;
        let polled = match this.facts.http {
            HttpVersion::Http2 => this.poll_passing(cx, bufs),
            HttpVersion::Http1 => {
                let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| &**buf);
                this.poll_writing(cx, first)
            }
        };
        this.note_blocked(cx, polled.is_pending());
        polled
    }
}

#[async_trait]
impl Shutdown for Guarded {
    /// Ends our side, and waits a moment for the client's when it still has something to send: a
    /// socket that is closed over unread bytes resets the connection, and our answer with it.
    async fn shutdown(&mut self) {
        self.is_shut = true;
        let unread = self.has_unread();
        self.facts.life.enter(Stage::Linger, self.book.now());
        let sent = AsyncWriteExt::shutdown(self).await;
        if unread && sent.is_ok() {
            std::future::poll_fn(|cx| self.poll_linger(cx)).await;
        }
    }
}

impl Drop for Guarded {
    /// The engine drops a connection after some errors without shutting it down. Do it then.
    fn drop(&mut self) {
        let killed = self.facts.life.killed.load(Relaxed);
        let (Some(transport), Some(admission)) = (self.transport.take(), self.admission.take())
        else {
            return;
        };
        let wanted = self.has_unread() || transport.is_tls() || self.writing.has_unsent();
        if self.is_shut || killed || !wanted || !self.writing.has_written() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut last = Self {
            transport: Some(transport),
            admission: Some(admission),
            book: Arc::clone(&self.book),
            facts: Arc::clone(&self.facts),
            reading: std::mem::replace(&mut self.reading, Reading::http2()),
            writing: std::mem::take(&mut self.writing),
            is_shut: true,
            socket: Arc::clone(&self.socket),
            tls: None,
            digest: Arc::clone(&self.digest),
        };
        let linger = self.book.timing.linger;
        runtime.spawn(async move {
            let _ = tokio::time::timeout(linger, Shutdown::shutdown(&mut last)).await;
        });
    }
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Guarded").field(&self.facts).finish()
    }
}

impl UniqueID for Guarded {
    fn id(&self) -> UniqueIDType {
        self.transport.as_ref().map_or(-1, Transport::descriptor)
    }
}

impl Ssl for Guarded {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match self.facts.http {
            HttpVersion::Http1 => Some(ALPN::H1),
            HttpVersion::Http2 => Some(ALPN::H2),
        }
    }
}

impl GetTimingDigest for Guarded {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        // Asked for with every request; `ConnectionFacts::accepted` says it without allocating.
        Vec::new()
    }
}

impl GetProxyDigest for Guarded {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl GetSocketDigest for Guarded {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket))
    }
}

impl Peek for Guarded {}
