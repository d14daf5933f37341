//! The files that target groups name: authorities, client certificates and their keys. When one is
//! replaced on disk the groups are compiled anew, as after a reload.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::config;
use crate::config::model::{Config, Protocol};
use crate::config::watch::{Change, Watch};

/// A look at each of them.
#[derive(Debug, Default)]
pub(super) struct TargetFiles(Vec<Watch>);

impl TargetFiles {
    /// Those of a file, as they are now.
    pub(super) fn of(config: &Config) -> Self {
        let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
        for group in &config.target_groups {
            let Protocol::Https(tls) = &group.protocol else { continue };
            paths.extend(tls.authorities.clone());
            if let Some(files) = &tls.client_certificate {
                paths.extend([files.certificate.clone(), files.private_key.clone()]);
            }
        }
        Self(paths.into_iter().map(watch).collect())
    }

    /// Whether one has changed and come to rest.
    pub(super) fn poll(&mut self) -> bool {
        // Every one is looked at, also behind one that has changed.
        self.0
            .iter_mut()
            .filter_map(|watch| (watch.poll() == Change::Changed).then_some(()))
            .count()
            > 0
    }
}

fn watch(path: PathBuf) -> Watch {
    let known = std::fs::read(&path).map(|bytes| config::digest(&bytes)).unwrap_or_default();
    Watch::new(path, known)
}
