//! From an accepted socket to the HTTP engine: TLS, then request after request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora_core::protocols::Shutdown;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use rustls::{CipherSuite, NamedGroup, ServerConnection};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::clients::{Clients, Seat};
use super::facts::{ConnectionFacts, HttpVersion, Life, TlsFacts};
use super::guarded::Guarded;
use super::journal::{Arrival, Journal};
use super::listener::ListenerSettings;
use super::proxy_protocol::{self, Fault};
use super::service::busy;
use super::transport::Transport;
use super::watch::{Admission, Book};
use crate::clock;
use crate::tls::{self, HandshakeFailure};

/// Draining the rest of a request body before the connection is used again.
const BODY_DRAIN: Duration = Duration::from_secs(5);

/// A connection just accepted.
pub(super) struct Newcomer<A> {
    pub(super) app: Arc<A>,
    pub(super) book: Arc<Book>,
    pub(super) journal: Arc<Journal>,
    pub(super) listener: usize,
    pub(super) settings: Arc<ListenerSettings>,
    pub(super) clients: Arc<Clients>,
    pub(super) admission: Admission,
}

/// A client has as many connections as it may have.
struct TooMany;

impl<A> Newcomer<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    pub(super) async fn serve(self, mut tcp: TcpStream, peer: SocketAddr) {
        let accepted = clock::monotonic();
        // Pingora flushes whole answers; Nagle would only hold them back.
        let local = match tcp.set_nodelay(true).and_then(|()| tcp.local_addr()) {
            Ok(local) => local,
            Err(error) => return tracing::debug!(%peer, %error, "client left at once"),
        };
        let Some(source) = self.source(&mut tcp, peer).await else { return };
        let Ok(_seat) = self.seat(&tcp, source.ip()) else { return };
        let arrival = self.journal.arrival(source, local);
        let began = clock::monotonic();
        let Some((transport, tls, http)) = self.handshake(tcp, arrival).await else { return };
        let took = clock::monotonic().saturating_duration_since(began);
        self.journal.connected(arrival, tls.as_ref(), took);
        let life = Life::new(self.book.now());
        let shutdown = life.farewell.subscribe();
        let listener = self.listener;
        let settings = Arc::clone(&self.settings);
        let facts = Arc::new(ConnectionFacts {
            id: arrival.id,
            peer,
            source,
            local,
            listener,
            tls,
            http,
            accepted,
            settings,
            life,
        });
        let guarded = Guarded::new(transport, Arc::clone(&facts), self.admission, self.book);
        let Some(guarded) = guarded else { return };
        let guarded = Box::new(guarded);
        match http {
            HttpVersion::Http1 => serve_http1(&self.app, guarded, &shutdown).await,
            HttpVersion::Http2 => {
                ServerApp::process_new(&self.app, guarded, &shutdown).await;
            }
        }
        tracing::debug!(
            target: "portcullis::connection",
            peer = %source, listener, bytes_in = facts.bytes_in(), bytes_out = facts.bytes_out(),
            requests = facts.requests(), "connection closed"
        );
    }

    /// A seat for the client, where the listener counts them.
    fn seat(&self, tcp: &TcpStream, client: IpAddr) -> Result<Option<Seat>, TooMany> {
        let settings = &self.settings;
        let Some(most) = settings.max_connections_per_client else { return Ok(None) };
        if settings.trusted_proxies.contains(client) {
            return Ok(None);
        }
        let seat = self.clients.seat(client, most);
        if seat.is_none() {
            self.book.stats.refused_at_client_limit.fetch_add(1, Relaxed);
            if settings.tls.is_none() {
                let _ = tcp.try_write(&busy(&settings.style));
            }
        }
        seat.map(Some).ok_or(TooMany)
    }

    /// Where the connection comes from, by its PROXY header if it must have one.
    async fn source(&self, tcp: &mut TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
        let Some(accepted) = self.settings.proxy_protocol else { return Some(peer) };
        let trusted = &self.settings.trusted_proxies;
        let told = if trusted.is_empty() || trusted.contains(peer.ip()) {
            let header = proxy_protocol::receive(tcp, accepted);
            let limit = self.settings.head_timeout;
            tokio::time::timeout(limit, header).await.unwrap_or(Err(Fault::TooSlow))
        } else {
            Err(Fault::Untrusted)
        };
        match told {
            Ok(source) => Some(source.unwrap_or(peer)),
            Err(fault) => {
                let now = self.book.now();
                self.book.stats.proxy_header_refused(now, peer, self.listener, &fault);
                None
            }
        }
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        arrival: Arrival,
    ) -> Option<(Transport, Option<TlsFacts>, HttpVersion)> {
        let Some(compiled) = &self.settings.tls else {
            return Some((Transport::Plain(tcp), None, HttpVersion::Http1));
        };
        let handshake = TlsAcceptor::from(Arc::clone(&compiled.config)).accept(tcp);
        let handshake = tokio::time::timeout(self.book.timing.handshake, handshake);
        let (accepted, witness) = tls::witnessed(handshake).await;
        let (why, failure) = match accepted {
            Ok(Ok(stream)) => {
                let (facts, http) = settled(stream.get_ref().1, compiled);
                return Some((Transport::Tls(Box::new(stream)), Some(facts), http));
            }
            Ok(Err(error)) => {
                let library = error.get_ref().and_then(|inner| inner.downcast_ref());
                let failure = library.map(HandshakeFailure::of);
                (error.to_string(), witness.failure.or(failure))
            }
            Err(_) => ("not done in time".to_owned(), None),
        };
        let stats = &self.book.stats;
        stats.handshake_failed(self.book.now(), arrival.peer, self.listener, &why);
        let failure = failure.unwrap_or(HandshakeFailure::UnmappedConnectionError);
        self.journal.failed(arrival, failure, witness.certificate.as_ref());
        None
    }
}

/// What a handshake that is done has settled.
fn settled(session: &ServerConnection, compiled: &tls::Compiled) -> (TlsFacts, HttpVersion) {
    let http = match session.alpn_protocol() {
        Some(b"h2") => HttpVersion::Http2,
        _ => HttpVersion::Http1,
    };
    let suite = session.negotiated_cipher_suite().map(|suite| suite.suite());
    let facts = TlsFacts {
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        },
        cipher: suite.map_or("", cipher_name),
        openssl_cipher: suite.map_or("", openssl_name),
        key_exchange: session
            .negotiated_key_exchange_group()
            .map_or("", |group| group_name(group.name())),
        server_name: session.server_name().map(|name| name.to_ascii_lowercase().into()),
        client: compiled.identify(session).map(Box::new),
    };
    (facts, http)
}

/// Request after request on one HTTP/1 connection.
async fn serve_http1<A>(app: &Arc<A>, mut guarded: Box<Guarded>, shutdown: &ShutdownWatch)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let mut settings: Option<HttpPersistentSettings> = None;
    while guarded.wait().await {
        let mut session = ServerSession::new_http1(guarded);
        if let Some(settings) = settings.take() {
            settings.apply_to_session(&mut session);
        }
        // No timers of the engine's: `Some(0)` means none, and the watch keeps ours.
        session.set_keepalive(Some(0));
        session.set_read_timeout(None);
        session.set_total_drain_timeout(Some(BODY_DRAIN));
        let Some(reused) = app.process_new_http(session, shutdown).await else { return };
        let (stream, persistent) = reused.consume();
        let Ok(returned) = stream.into_any().downcast::<Guarded>() else { return };
        guarded = returned;
        // Even while draining: the answer said keep-alive, so a request may be on its way.
        guarded.expect_head();
        settings = persistent;
    }
    guarded.shutdown().await;
}

/// IANA's name; rustls has names of its own for those of TLS 1.3.
fn cipher_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or_default(),
    }
}

/// OpenSSL's name, which ALB's logs have and its targets are told. Those of TLS 1.3 are IANA's.
fn openssl_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            "ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        other => cipher_name(other),
    }
}

/// IANA's name.
fn group_name(group: NamedGroup) -> &'static str {
    match group {
        NamedGroup::X25519 => "x25519",
        NamedGroup::secp256r1MLKEM768 => "SecP256r1MLKEM768",
        other => other.as_str().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_that_is_spoken_has_openssl_s_name() {
        for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
            let (iana, openssl) = (cipher_name(suite.suite()), openssl_name(suite.suite()));
            let is_1_3 = suite.tls13().is_some();
            assert_eq!(is_1_3, iana == openssl, "{iana}");
            assert_eq!(is_1_3, openssl.starts_with("TLS_"), "{openssl}");
        }
    }
}
