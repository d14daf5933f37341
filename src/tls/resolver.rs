//! Which certificate a client gets (alb.md 2.2).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Leaf;
use crate::clock::UnixMillis;

/// A listener's certificates, best first. The first of the file is served to whoever asks for no
/// name, or for one that none covers: the handshake does not fail for that.
#[derive(Debug)]
pub(super) struct Certificates {
    default: usize,
    ranked: Vec<Arc<CertifiedKey>>,
    /// Name to positions in `ranked`, ascending. `*.example.com` is kept as `.example.com`.
    names: HashMap<Box<str>, Vec<usize>>,
}

impl Certificates {
    /// `None` when there is no certificate.
    pub(super) fn new(mut leaves: Vec<(Leaf, Arc<CertifiedKey>)>, now: UnixMillis) -> Option<Self> {
        let first = Arc::clone(&leaves.first()?.1);
        leaves.sort_by_cached_key(|(leaf, _)| leaf.rank(now));
        let mut names: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (position, (leaf, _)) in leaves.iter().enumerate() {
            for name in &leaf.names {
                let name = name.strip_prefix('*').unwrap_or(name);
                names.entry(name.into()).or_default().push(position);
            }
        }
        let ranked: Vec<_> = leaves.into_iter().map(|(_, key)| key).collect();
        let default = ranked.iter().position(|key| Arc::ptr_eq(key, &first))?;
        Some(Self { default, ranked, names })
    }

    pub(super) fn choose(
        &self,
        name: &str,
        offered: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let usable = self.covering(name).filter(|&position| {
            self.ranked
                .get(position)
                .is_some_and(|candidate| candidate.key.choose_scheme(offered).is_some())
        });
        self.ranked.get(usable.min()?)
    }

    /// Whether two hosts belong to the same certificate; `None` is a client that names no host.
    ///
    /// What kind of key a client can verify is left out of it, so that an ECDSA and an RSA
    /// certificate for the same names count as one.
    pub(super) fn is_same(&self, one: Option<&str>, other: Option<&str>) -> bool {
        self.ranked.len() == 1 || one == other || self.best(one) == self.best(other)
    }

    fn best(&self, name: Option<&str>) -> usize {
        name.and_then(|name| self.covering(name).min()).unwrap_or(self.default)
    }

    /// Positions of the certificates that are good for a name.
    fn covering(&self, name: &str) -> impl Iterator<Item = usize> {
        // A wildcard stands for exactly the leftmost label; `.example.com` is no name.
        let dot = name.find('.').filter(|&dot| dot > 0);
        let exact = self.names.get(name).filter(|_| !name.starts_with('.'));
        let wild = dot.and_then(|dot| self.names.get(name.get(dot..)?));
        exact.into_iter().chain(wild).flatten().copied()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls has checked that it is a DNS name, and made it lower case.
        let chosen = client_hello
            .server_name()
            .and_then(|name| self.choose(name, client_hello.signature_schemes()));
        chosen.or_else(|| self.ranked.get(self.default)).map(Arc::clone)
    }
}
