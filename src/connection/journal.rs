//! Names connections, and writes a line for each attempt to make one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::facts::TlsFacts;
use crate::clock;
use crate::telemetry::connection_log::{Attempt, Certificate, ConnectionLog, Handshake};
use crate::telemetry::trace::{ConnectionId, Ids};
use crate::tls::{ClientCertificate, HandshakeFailure};

/// Shared by all listeners.
pub(super) struct Journal {
    ids: Ids,
    log: Option<Arc<ArcSwap<ConnectionLog>>>,
}

/// Whom a line is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) id: ConnectionId,
}

impl Journal {
    pub(super) fn new(log: Option<Arc<ArcSwap<ConnectionLog>>>) -> Self {
        Self { ids: Ids::random(), log }
    }

    pub(super) fn arrival(&self, peer: SocketAddr, local: SocketAddr) -> Arrival {
        Arrival { peer, local, id: self.ids.connection_id() }
    }

    /// A connection is there; `took` is how long its handshake did.
    pub(super) fn connected(&self, arrival: Arrival, tls: Option<&TlsFacts>, took: Duration) {
        let certificate = tls.and_then(|tls| tls.client.as_ref()).map(|client| &client.certificate);
        let handshake = tls.map(|tls| Handshake::Done {
            version: tls.version,
            cipher: tls.openssl_cipher,
            key_exchange: tls.key_exchange,
            took,
        });
        self.write(arrival, handshake, certificate);
    }

    /// A handshake has failed.
    pub(super) fn failed(
        &self,
        arrival: Arrival,
        why: HandshakeFailure,
        certificate: Option<&ClientCertificate>,
    ) {
        self.write(arrival, Some(Handshake::Failed(why.as_str())), certificate);
    }

    fn write(
        &self,
        arrival: Arrival,
        handshake: Option<Handshake<'_>>,
        certificate: Option<&ClientCertificate>,
    ) {
        let Some(log) = self.log.as_ref().map(|log| log.load()).filter(|log| log.is_on()) else {
            return;
        };
        let Arrival { peer, local, id } = arrival;
        let certificate = certificate.map(|certificate| Certificate {
            subject: &certificate.subject,
            validity: &certificate.validity,
            serial_number: &certificate.serial_number,
        });
        log.log(&Attempt { time: clock::wall(), peer, local, id, handshake, certificate });
    }
}
