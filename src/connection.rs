//! A client connection before, around and after HTTP.
//!
//! Pingora's hooks begin once a request head is parsed. What comes before is here: accepting, the
//! TLS handshake, holding a head until it is complete and judging its raw spelling, deadlines for
//! everything a client may be slow with, and draining. Nothing here knows what a request means.

mod chunked;
mod clients;
mod descriptors;
mod desync;
mod facts;
mod guarded;
pub mod head;
mod http2;
mod journal;
mod listener;
mod memory;
mod newcomer;
mod passed;
mod proxy_protocol;
mod service;
mod stats;
mod transport;
mod watch;
mod websocket;

#[cfg(test)]
mod tests;

pub use self::chunked::ChunkError;
pub use self::descriptors::Shares;
pub use self::facts::{BodyRefusal, ConnectionFacts, HttpVersion, OpenStream, TlsFacts};
pub use self::http2::prepare;
pub use self::listener::{BindError, BoundListener, ListenerHandle, ListenerSettings, bind};
pub use self::memory::MemoryLimit;
pub use self::passed::PassedSockets;
pub use self::service::ListenerService;
pub use self::stats::ConnectionStats;
pub use self::watch::Drain;
