//! Connections of the admin listener and their bounds.
//!
//! The HTTP server of `axum` has no deadlines of its own, so they sit in the stream: once one
//! passes, reading and writing fail and the server lets go of the connection.

use std::collections::VecDeque;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Sleep, sleep};

/// Connections at a time; one more, and the oldest is cut.
pub const MOST_CONNECTIONS: usize = 64;
/// From accepting a connection to the end of its request head.
pub const LONGEST_HEAD: Duration = Duration::from_secs(5);
/// From accepting a connection to its end.
pub const LONGEST_CONNECTION: Duration = Duration::from_secs(30);
/// Bytes of a request head.
const LARGEST_HEAD: usize = 16 * 1024;
/// Descriptors kept back for when the process has no other.
const RESERVE: usize = 4;
/// Between two attempts to accept while there is no descriptor at all.
const RETRY: Duration = Duration::from_millis(100);

/// Deadlines of a connection, counted from its acceptance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub(super) head: Duration,
    pub(super) connection: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { head: LONGEST_HEAD, connection: LONGEST_CONNECTION }
    }
}

/// Who is at the other end, and whether they have asked for something yet.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) has_asked: Arc<AtomicBool>,
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

/// The listener.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    deadlines: Deadlines,
    slots: Arc<Semaphore>,
    /// Ends of what can be cut, the oldest first; those of ended connections are closed.
    open: Arc<Mutex<VecDeque<oneshot::Sender<()>>>>,
    reserve: Vec<File>,
}

impl Door {
    pub(super) fn new(listener: TcpListener, deadlines: Deadlines) -> Self {
        let mut door = Self {
            listener,
            deadlines,
            slots: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            open: Arc::default(),
            reserve: Vec::new(),
        };
        door.refill_reserve();
        door
    }

    fn refill_reserve(&mut self) {
        while self.reserve.len() < RESERVE {
            let Ok(file) = File::open("/dev/null") else { return };
            self.reserve.push(file);
        }
    }

    /// A slot, at the cost of the oldest connection if there is no other.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return Some(slot);
            }
            let oldest = self.open.lock().pop_front();
            drop(oldest);
            let freed = Arc::clone(&self.slots).acquire_owned();
            if let Ok(slot) = tokio::time::timeout(Duration::from_millis(100), freed).await {
                return slot.ok();
            }
        }
    }

    async fn next(&mut self) -> (TcpStream, SocketAddr) {
        let mut is_told = false;
        loop {
            let error = match self.listener.accept().await {
                Ok(accepted) => {
                    self.refill_reserve();
                    return accepted;
                }
                Err(error) => error,
            };
            // The other end was quicker.
            if is_of_one_connection(&error) {
                continue;
            }
            if let Some(accepted) = self.accept_from_reserve().await {
                return accepted;
            }
            if self.reserve.is_empty() {
                if !is_told {
                    tracing::warn!(%error, "the admin listener cannot accept");
                    is_told = true;
                }
                sleep(RETRY).await;
            }
        }
    }

    /// Accepts with a descriptor from the reserve, if a connection is there. The kernel takes the
    /// descriptor first and looks for a connection then, so it complains even when none is there:
    /// then the descriptor goes back.
    async fn accept_from_reserve(&mut self) -> Option<(TcpStream, SocketAddr)> {
        drop(self.reserve.pop()?);
        let accepted = poll_fn(|context| match self.listener.poll_accept(context) {
            Poll::Ready(result) => Poll::Ready(result.ok()),
            Poll::Pending => Poll::Ready(None),
        });
        let accepted = accepted.await;
        if accepted.is_none() {
            self.refill_reserve();
        }
        accepted
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Listener for Door {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        loop {
            let (stream, _) = self.next().await;
            let Some(slot) = self.slot().await else { continue };
            let (cut, is_cut) = oneshot::channel();
            {
                let mut open = self.open.lock();
                open.retain(|cut| !cut.is_closed());
                open.push_back(cut);
            }
            let peer = Peer { has_asked: Arc::default() };
            let connection = Connection {
                stream,
                has_asked: Arc::clone(&peer.has_asked),
                head_read: 0,
                head_end: Box::pin(sleep(self.deadlines.head)),
                end: Box::pin(sleep(self.deadlines.connection)),
                is_cut,
                _slot: slot,
            };
            return (connection, peer);
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { has_asked: Arc::default() })
    }
}

/// A stream with its bounds.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    has_asked: Arc<AtomicBool>,
    head_read: usize,
    head_end: Pin<Box<Sleep>>,
    end: Pin<Box<Sleep>>,
    is_cut: oneshot::Receiver<()>,
    _slot: OwnedSemaphorePermit,
}

impl Connection {
    /// Fails once a bound is passed; until then the task is woken when one passes.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if Pin::new(&mut self.is_cut).poll(context).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if self.end.as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.has_asked.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.head_read > LARGEST_HEAD || self.head_end.as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.head_read += buffer.filled().len() - before;
        result
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
