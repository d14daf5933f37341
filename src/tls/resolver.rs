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
    default: Arc<CertifiedKey>,
    ranked: Vec<Arc<CertifiedKey>>,
    /// Name to positions in `ranked`, ascending. `*.example.com` is kept as `.example.com`.
    names: HashMap<Box<str>, Vec<usize>>,
}

impl Certificates {
    /// `None` when there is no certificate.
    pub(super) fn new(mut leaves: Vec<(Leaf, Arc<CertifiedKey>)>, now: UnixMillis) -> Option<Self> {
        let default = Arc::clone(&leaves.first()?.1);
        leaves.sort_by_cached_key(|(leaf, _)| leaf.rank(now));
        let mut names: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (position, (leaf, _)) in leaves.iter().enumerate() {
            for name in &leaf.names {
                let name = name.strip_prefix('*').unwrap_or(name);
                names.entry(name.into()).or_default().push(position);
            }
        }
        let ranked = leaves.into_iter().map(|(_, key)| key).collect();
        Some(Self { default, ranked, names })
    }

    pub(super) fn choose(
        &self,
        name: &str,
        offered: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        if name.starts_with('.') {
            return None;
        }
        // A wildcard stands for exactly the leftmost label.
        let exact = self.names.get(name).map_or(&[][..], Vec::as_slice);
        let wild = name.find('.').and_then(|dot| self.names.get(name.get(dot..)?));
        let wild = wild.map_or(&[][..], Vec::as_slice);
        let best = exact.iter().chain(wild).filter(|&&position| {
            self.ranked
                .get(position)
                .is_some_and(|candidate| candidate.key.choose_scheme(offered).is_some())
        });
        self.ranked.get(*best.min()?)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls has checked that it is a DNS name, and made it lower case.
        let chosen = client_hello
            .server_name()
            .and_then(|name| self.choose(name, client_hello.signature_schemes()));
        Some(Arc::clone(chosen.unwrap_or(&self.default)))
    }
}
