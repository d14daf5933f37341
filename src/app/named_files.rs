//! The files that are named in the file: authorities, client certificates and their keys, texts, API
//! keys, OpenAPI files. When one is replaced on disk all is read and compiled anew, as after a reload.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::config;
use crate::config::model::{Config, Protocol};
use crate::config::watch::{Change, Watch};

/// A look at each of them.
#[derive(Debug, Default)]
pub(super) struct NamedFiles(Vec<Watch>);

impl NamedFiles {
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
        let pages = config.listeners.iter().flat_map(|listener| listener.error_pages.iter());
        let mut texts = BTreeMap::new();
        for (_, page) in pages {
            if let Some(file) = &page.file {
                // What was read, whatever has happened to the file since.
                texts.insert(file.clone(), config::digest(page.body.as_bytes()));
            }
        }
        for file in config.apis.iter().filter_map(|api| api.openapi.as_ref()) {
            texts.insert(file.path.clone(), file.digest);
        }
        if let Some(list) = &config.deny_list {
            texts.insert(list.path.clone(), list.digest);
        }
        texts.extend(config.usage.key_file.clone());
        let texts = texts.into_iter().map(|(path, known)| Watch::new(path, known));
        Self(paths.into_iter().map(watch).chain(texts).collect())
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
