//! Notices that certificate files have changed.

use super::{Compiled, TlsError, compile};
use crate::clock::UnixMillis;
use crate::config::model::ListenerTls;

/// A listener's certificates and where they come from. Whoever holds it decides how often to look.
#[derive(Debug)]
pub struct CertificateWatch {
    tls: ListenerTls,
    http2: bool,
    current: Compiled,
    last_error: Option<String>,
}

impl CertificateWatch {
    /// Watches the files of `tls`, of which `current` was compiled.
    #[must_use]
    pub fn new(tls: ListenerTls, http2: bool, current: Compiled) -> Self {
        Self { tls, http2, current, last_error: None }
    }

    /// What is in use.
    #[must_use]
    pub fn current(&self) -> &Compiled {
        &self.current
    }

    /// Reads the files again (blocking, a few kilobytes). `None` when nothing is new: the content
    /// is the same, or it is wrong in the way already told. After an error the old ones stay in
    /// use; two files are never replaced at the same moment, so the next look may find them right.
    pub fn poll(&mut self, now: UnixMillis) -> Option<Result<Compiled, TlsError>> {
        match compile(&self.tls, self.http2, now, Some(&self.current)) {
            Ok(compiled) => {
                self.last_error = None;
                if compiled.fingerprint == self.current.fingerprint {
                    return None;
                }
                self.current = compiled.clone();
                Some(Ok(compiled))
            }
            Err(error) => {
                let text = error.to_string();
                if self.last_error.replace(text.clone()).is_some_and(|last| last == text) {
                    return None;
                }
                Some(Err(error))
            }
        }
    }
}
