//! Who vouches for clients: the files of a trust store, made into a verifier.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;

use super::{TlsError, client, read_file};
use crate::config::diagnostics::Span;
use crate::config::model::{MutualMode, TrustStore};
use crate::config::trust_store;

/// What clients are judged by.
pub(super) struct Trust<'a> {
    pub(super) mode: &'a MutualMode,
    /// Absent where nothing is verified.
    files: Option<Files<'a>>,
}

/// A trust store with the bytes of its files.
struct Files<'a> {
    store: &'a TrustStore,
    authorities: Vec<u8>,
    revocation_lists: Vec<Vec<u8>>,
}

impl<'a> Trust<'a> {
    pub(super) fn read(mode: &'a MutualMode) -> Result<Self, TlsError> {
        let MutualMode::Verify(store) = mode else { return Ok(Self { mode, files: None }) };
        let get = |path: &Path, span| {
            read_file(path).map_err(|error| TlsError::Unreadable {
                path: path.to_owned(),
                error,
                span,
            })
        };
        let authorities = get(&store.authorities, store.span)?;
        let lists = store.revocation_lists.iter().map(|(path, span)| get(path, *span));
        let revocation_lists = lists.collect::<Result<_, _>>()?;
        Ok(Self { mode, files: Some(Files { store, authorities, revocation_lists }) })
    }

    /// Everything that makes two of them different.
    pub(super) fn parts(&self, add: &mut impl FnMut(&[u8])) {
        add(b"clients");
        if let Some(files) = &self.files {
            add(&[u8::from(files.store.ignore_expiry), u8::from(files.store.advertise_names)]);
            add(&files.authorities);
            files.revocation_lists.iter().for_each(|list| add(list));
        }
    }

    pub(super) fn verifier(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let Some(files) = &self.files else {
            let algorithms = provider.signature_verification_algorithms;
            return Ok(Arc::new(client::Passthrough { algorithms }));
        };
        let store = files.store;
        let authorities = trust_store::authorities(&files.authorities)
            .map_err(unusable(&store.authorities, store.span))?;
        let mut revoked = Vec::new();
        for ((path, span), list) in store.revocation_lists.iter().zip(&files.revocation_lists) {
            revoked.extend(trust_store::revocation_lists(list).map_err(unusable(path, *span))?);
        }
        let inner = trust_store::verifier(authorities, revoked, store.advertise_names)
            .map_err(unusable(&store.authorities, store.span))?;
        Ok(Arc::new(client::Verify { inner, ignore_expiry: store.ignore_expiry }))
    }
}

fn unusable(path: &Path, span: Span) -> impl FnOnce(String) -> TlsError {
    let path = path.to_owned();
    move |reason| TlsError::Unusable { path, reason, span }
}
