//! Addresses we accept on: binding them with a clear word when that fails, and what may change on
//! them while connections live.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::answer::Style;
use crate::config::model::{self, ProxyProtocol};
use crate::http::TrustedProxies;
use crate::tls;

/// Connections that the kernel completes before we take them. `net.core.somaxconn` caps it.
const BACKLOG: i32 = 4096;

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there already.
    #[error(
        "cannot listen on {0}: the address is in use; stop the other process \
         (`ss -ltnp 'sport = :{port}'` names it) or choose another port",
        port = .0.port()
    )]
    InUse(SocketAddr),
    /// A port that only the privileged may have.
    #[error(
        "cannot listen on {0}: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE \
         (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE; containers: add NET_BIND_SERVICE, or \
         map the port to one above 1023)"
    )]
    Denied(SocketAddr),
    /// The machine does not have the address.
    #[error(
        "cannot listen on {0}: no interface of this machine has that address; \
         0.0.0.0 or [::] means all of them"
    )]
    NoSuchAddress(SocketAddr),
    /// Anything else, in the system's words.
    #[error("cannot listen on {0}: {1}")]
    Other(SocketAddr, #[source] io::Error),
}

/// A socket that already listens, before any request can be served.
#[derive(Debug)]
pub struct BoundListener {
    pub(super) socket: TcpListener,
    address: SocketAddr,
    /// Somebody else listens on the same socket when we are gone.
    pub(super) is_shared: bool,
}

impl BoundListener {
    /// Where it listens; the real port when the configuration said 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself, for a listener that this module does not serve (the admin's). Needs a
    /// runtime.
    ///
    /// # Errors
    ///
    /// The runtime cannot watch it.
    pub fn into_tokio(self) -> std::io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.socket)
    }
}

/// Listens on `address`.
///
/// # Errors
/// [`BindError`] says what is in the way and what to do about it.
pub fn bind(address: SocketAddr) -> Result<BoundListener, BindError> {
    let explain = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        io::ErrorKind::PermissionDenied => BindError::Denied(address),
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress(address),
        _ => BindError::Other(address, error),
    };
    // The standard library sets SO_REUSEADDR, but a backlog of 128: listen again with ours.
    let socket = TcpListener::bind(address).map_err(explain)?;
    listen(socket, false).map_err(explain)
}

/// Listens on a socket that was passed on, and is kept open by somebody else.
///
/// # Errors
/// The socket cannot be listened on.
pub(super) fn take_over(
    socket: TcpListener,
    address: SocketAddr,
) -> Result<BoundListener, BindError> {
    listen(socket, true).map_err(|error| BindError::Other(address, error))
}

fn listen(socket: TcpListener, is_shared: bool) -> io::Result<BoundListener> {
    socket2::SockRef::from(&socket).listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok(BoundListener { socket, address, is_shared })
}

/// What holds for a listener's connections; a connection keeps what it was accepted with.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// Certificates; `None` for plain HTTP.
    pub tls: Option<tls::Compiled>,
    /// Longest silence of a client.
    pub idle_timeout: Duration,
    /// Age after which a connection takes one more request.
    pub client_keep_alive: Duration,
    /// From the first byte of a head to its last.
    pub head_timeout: Duration,
    /// What happens to HTTP/1 heads that others may read differently.
    pub desync: model::DesyncMitigationMode,
    /// Connections at a time.
    pub max_connections: usize,
    /// Those of one client at a time; not bounded when absent.
    pub max_connections_per_client: Option<usize>,
    /// Requests on one HTTP/2 connection; then it gets GOAWAY.
    pub max_http2_requests: u64,
    /// The header that each connection begins with.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Who may send that header; anybody, when it is empty.
    pub trusted_proxies: TrustedProxies,
    /// How requests are refused that the HTTP engine does not see.
    pub style: Arc<Style>,
}

impl ListenerSettings {
    /// What the file says about `listener`, with its compiled certificates.
    #[must_use]
    pub fn new(listener: &model::Listener, tls: Option<tls::Compiled>) -> Self {
        Self {
            tls,
            idle_timeout: listener.idle_timeout,
            client_keep_alive: listener.client_keep_alive,
            head_timeout: listener.head_timeout,
            desync: listener.desync_mitigation_mode,
            max_connections: listener.max_connections,
            max_connections_per_client: listener.max_connections_per_client,
            max_http2_requests: listener.max_http2_requests,
            proxy_protocol: listener.proxy_protocol,
            trusted_proxies: listener.trusted_proxies.clone(),
            style: Arc::new(Style::compile(&listener.response_headers, &listener.error_pages)),
        }
    }
}

/// Changes a listener while it runs. Cheap to clone.
#[derive(Clone)]
pub struct ListenerHandle(pub(super) Arc<ArcSwap<ListenerSettings>>);

impl ListenerHandle {
    /// For connections accepted from now on.
    pub fn update(&self, settings: ListenerSettings) {
        self.0.store(Arc::new(settings));
    }

    /// New certificates for connections accepted from now on; everything else stays.
    pub fn update_tls(&self, tls: &tls::Compiled) {
        self.0.rcu(|old| ListenerSettings { tls: Some(tls.clone()), ..(**old).clone() });
    }
}
