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
    /// Each with its class: what is equally good, by ALB's order, has the same one.
    ranked: Vec<(usize, Arc<CertifiedKey>)>,
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
        let mut ranked: Vec<(usize, Arc<CertifiedKey>)> = Vec::with_capacity(leaves.len());
        let mut last = None;
        for (leaf, key) in leaves {
            let rank = leaf.rank(now);
            let before = ranked.last().map_or(0, |(class, _)| *class);
            let is_equal = last.as_ref().is_none_or(|last| *last == rank);
            ranked.push((before + usize::from(!is_equal), key));
            last = Some(rank);
        }
        let default = ranked.iter().position(|(_, key)| Arc::ptr_eq(key, &first))?;
        Some(Self { default, ranked, names })
    }

    pub(super) fn choose(
        &self,
        name: &str,
        offered: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let is_usable = |key: &CertifiedKey| key.key.choose_scheme(offered).is_some();
        let best = self.covering(name, is_usable)?;
        self.ranked.get(best).map(|(_, key)| key)
    }

    /// Whether two hosts belong to the same certificate; `None` is a client that names no host.
    ///
    /// What kind of key a client can verify is left out of it, so that an ECDSA and an RSA
    /// certificate for the same names count as one.
    pub(super) fn is_same(&self, one: Option<&str>, other: Option<&str>) -> bool {
        self.ranked.len() == 1 || one == other || self.best(one) == self.best(other)
    }

    fn best(&self, name: Option<&str>) -> usize {
        name.and_then(|name| self.covering(name, |_| true)).unwrap_or(self.default)
    }

    /// The best of the certificates that are good for a name. ALB's order does not ask whether it
    /// is named or covered by a wildcard; among equals, the one that names it goes first, then the
    /// order of the file.
    fn covering(&self, name: &str, is_usable: impl Fn(&CertifiedKey) -> bool) -> Option<usize> {
        // A wildcard stands for exactly the leftmost label; `.example.com` is no name.
        let dot = name.find('.').filter(|&dot| dot > 0);
        let exact = self.names.get(name).filter(|_| !name.starts_with('.'));
        let wild = dot.and_then(|dot| self.names.get(name.get(dot..)?));
        let exact = exact.into_iter().flatten().map(|&position| (false, position));
        let wild = wild.into_iter().flatten().map(|&position| (true, position));
        exact
            .chain(wild)
            .filter_map(|(is_wild, position)| {
                let (class, key) = self.ranked.get(position)?;
                is_usable(key).then_some((*class, is_wild, position))
            })
            .min()
            .map(|(_, _, position)| position)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls has checked that it is a DNS name, and made it lower case.
        let chosen = client_hello
            .server_name()
            .and_then(|name| self.choose(name, client_hello.signature_schemes()));
        let default = || self.ranked.get(self.default).map(|(_, key)| key);
        chosen.or_else(default).map(Arc::clone)
    }
}
