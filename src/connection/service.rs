//! Accepts connections and leads each to the HTTP engine.
//!
//! Pingora's own loop cannot stop accepting while connections are drained, exits the process when a
//! port is taken, and cannot tell which port it got for 0. So this is ours; from the head of a
//! request on, Pingora serves it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::HeaderValue;
use http::header::RETRY_AFTER;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::date;
use pingora_core::server::{ListenFds, ShutdownWatch};
use pingora_core::services::Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::clients::Clients;
use super::journal::Journal;
use super::listener::{BoundListener, ListenerHandle, ListenerSettings};
use super::memory::MemoryLimit;
use super::newcomer::Newcomer;
use super::stats::ConnectionStats;
use super::watch::{Book, Drain, Place, Timing};
use crate::answer::{Answer, Caller, Style};
use crate::telemetry::connection_log::ConnectionLog;

/// How long to wait when the system has no descriptor or memory for a connection.
const RESPITE: Duration = Duration::from_millis(100);

/// How long handshakes that have begun may take to complete when the socket is to be closed.
const LAST_CALL: Duration = Duration::from_millis(100);

/// All listeners of the gateway, as one service of the server.
pub struct ListenerService<A> {
    app: Arc<A>,
    book: Arc<Book>,
    listeners: Vec<Option<BoundListener>>,
    settings: Vec<Arc<ArcSwap<ListenerSettings>>>,
    addresses: Vec<String>,
    budget: usize,
    journal: Arc<Journal>,
}

impl<A> ListenerService<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    /// A service that leads requests to `app`, which is the `HttpProxy`, on so many connections at
    /// a time ([`Shares::clients`](super::Shares)), as far as memory allows.
    #[must_use]
    pub fn new(app: Arc<A>, budget: usize, memory: MemoryLimit) -> Self {
        Self::with_timing(app, budget, memory, Timing::default())
    }

    pub(super) fn with_timing(
        app: Arc<A>,
        budget: usize,
        memory: MemoryLimit,
        timing: Timing,
    ) -> Self {
        Self {
            app,
            book: Book::new(timing, memory),
            listeners: Vec::new(),
            settings: Vec::new(),
            addresses: Vec::new(),
            budget,
            journal: Arc::new(Journal::new(None)),
        }
    }

    /// Writes a line there for each attempt to connect.
    pub fn log_to(&mut self, log: Arc<ArcSwap<ConnectionLog>>) {
        self.journal = Arc::new(Journal::new(Some(log)));
    }

    /// Adds a listener; the first is number 0 in [`super::ConnectionFacts::listener`].
    pub fn add(&mut self, bound: BoundListener, settings: ListenerSettings) -> ListenerHandle {
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        self.addresses.push(bound.address().to_string());
        self.listeners.push(Some(bound));
        self.settings.push(Arc::clone(&settings));
        ListenerHandle(settings)
    }

    /// Ends the connections of all listeners.
    #[must_use]
    pub fn drain(&self) -> Drain {
        Drain(Arc::clone(&self.book))
    }

    /// What the listeners have seen.
    #[must_use]
    pub fn stats(&self) -> Arc<ConnectionStats> {
        Arc::clone(&self.book.stats)
    }

    /// Accepts until [`Drain::stop_accepting`], or until `shutdown` turns true.
    pub(super) async fn serve(&mut self, mut shutdown: ShutdownWatch) {
        let permits = Arc::new(Semaphore::new(self.budget));
        let watch = tokio::spawn(Arc::clone(&self.book).watch());
        let mut loops = tokio::task::JoinSet::new();
        for (index, (bound, settings)) in self.listeners.iter_mut().zip(&self.settings).enumerate()
        {
            let Some(bound) = bound.take() else { continue };
            let (address, is_shared) = (bound.address(), bound.is_shared);
            let socket = match TcpListener::from_std(bound.socket) {
                Ok(socket) => socket,
                Err(error) => {
                    tracing::error!(%address, %error, "listener cannot be served");
                    continue;
                }
            };
            let entrance = Entrance {
                app: Arc::clone(&self.app),
                book: Arc::clone(&self.book),
                journal: Arc::clone(&self.journal),
                index,
                settings: Arc::clone(settings),
                place: Place::default(),
                clients: Arc::default(),
                permits: Arc::clone(&permits),
                budget: self.budget,
                is_shared,
            };
            loops.spawn(entrance.accept(socket));
        }
        let stopped = tokio::select! {
            _ = shutdown.wait_for(|is_stopped| *is_stopped) => true,
            () = async { while loops.join_next().await.is_some() {} } => false,
        };
        if stopped {
            self.drain().stop_accepting();
            while loops.join_next().await.is_some() {}
        }
        // The watch outlives the sockets: connections are still open.
        drop(watch);
    }
}

#[async_trait]
impl<A> Service for ListenerService<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        _listeners_per_fd: usize,
    ) {
        self.serve(shutdown).await;
    }

    fn name(&self) -> &str {
        "listeners"
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        Some(self.addresses.clone())
    }
}

/// One listener at work.
struct Entrance<A> {
    app: Arc<A>,
    book: Arc<Book>,
    journal: Arc<Journal>,
    index: usize,
    settings: Arc<ArcSwap<ListenerSettings>>,
    place: Place,
    clients: Arc<Clients>,
    permits: Arc<Semaphore>,
    budget: usize,
    is_shared: bool,
}

impl<A> Entrance<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    async fn accept(self, socket: TcpListener) {
        let mut stop = self.book.stop_signal();
        let mut told = 0;
        loop {
            let permit = tokio::select! {
                biased;
                _ = stop.wait_for(|is_stopped| *is_stopped) => break,
                permit = self.permit(&mut told) => permit,
            };
            let Some(permit) = permit else { return };
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|is_stopped| *is_stopped) => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => self.admit(tcp, peer, permit),
                Err(error) if is_shortage(&error) => {
                    self.tell_pause(&mut told, &error.to_string());
                    tokio::time::sleep(RESPITE).await;
                }
                // The client gave up before we came.
                Err(error) => tracing::debug!(%error, "accept failed"),
            }
        }
        // What the kernel completes on a socket that somebody else keeps open waits for who comes
        // next. Keeping newcomers out would keep them out for that one too.
        if !self.is_shared {
            self.accept_last(socket).await;
        }
    }

    /// Closing a socket resets what the kernel has completed on it. So newcomers are kept out
    /// first, and whoever is in, or half in, is served.
    async fn accept_last(&self, socket: TcpListener) {
        if let Err(error) = keep_out_newcomers(&socket) {
            tracing::debug!(%error, "a connection that is made while the socket closes may be reset");
        }
        while let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            match tokio::time::timeout(LAST_CALL, socket.accept()).await {
                Ok(Ok((tcp, peer))) => self.admit(tcp, peer, permit),
                Ok(Err(error)) if is_shortage(&error) => return,
                Ok(Err(_)) => {}
                Err(_nobody_came) => return,
            }
        }
    }

    /// Room for one more connection, if need be after a wait.
    async fn permit(&self, told: &mut u64) -> Option<OwnedSemaphorePermit> {
        while self.book.is_full() {
            self.tell_pause(told, "memory is short");
            tokio::time::sleep(RESPITE).await;
        }
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        self.tell_pause(told, &format!("{} connections are open", self.budget));
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// At most one line a second.
    fn tell_pause(&self, told: &mut u64, why: &str) {
        self.book.stats.accept_pauses.fetch_add(1, Relaxed);
        let second = self.book.now() / 1000 + 1;
        if std::mem::replace(told, second) != second {
            tracing::warn!(
                target: "portcullis::connection",
                listener = self.index, why, "accepting pauses until connections end"
            );
        }
    }

    fn admit(&self, tcp: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let settings = self.settings.load_full();
        if self.place.0.load(Relaxed) >= settings.max_connections {
            self.book.stats.refused_at_limit.fetch_add(1, Relaxed);
            if settings.tls.is_none() {
                let _ = tcp.try_write(&busy(&settings.style));
            }
            return;
        }
        let admission = self.book.admit(permit, self.place.clone());
        let newcomer = Newcomer {
            app: Arc::clone(&self.app),
            book: Arc::clone(&self.book),
            journal: Arc::clone(&self.journal),
            listener: self.index,
            settings,
            clients: Arc::clone(&self.clients),
            admission,
        };
        tokio::spawn(newcomer.serve(tcp, peer));
    }
}

/// Answered, as well as one write does it, where there are as many connections as there may be.
pub(super) fn busy(style: &Style) -> Vec<u8> {
    let answer = Answer::page(503).with(RETRY_AFTER, HeaderValue::from_static("1"));
    style.dress(answer, Caller::default(), "").to_last_words(&date::get_cached_date())
}

/// Has the kernel drop what opens a connection (SYN) to this socket. What completes one that was
/// begun passes, so nobody is left with half a connection. A newcomer's kernel asks again after a
/// second, and then hears who listens here by then.
#[cfg(target_os = "linux")]
fn keep_out_newcomers(socket: &TcpListener) -> io::Result<()> {
    use socket2::SockFilter;

    // Classic BPF, which sees a segment from its TCP header on: the flags are its byte 13.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const SYN: u32 = 0x02;
    socket2::SockRef::from(socket).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(AND, 0, 0, SYN),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ])
}

#[cfg(not(target_os = "linux"))]
fn keep_out_newcomers(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No descriptor, or no memory, for one more socket.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
