//! Puts a changed file in force: whole, or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use thiserror::Error;

use super::expiry::{Expiry, Nearness};
use super::history::{Cause, Entry, History};
use super::history_store::HistoryStore;
use super::named_files::NamedFiles;
use super::probation::Probation;
use super::rehearsal;
use super::start::{Gateway, destination, log_settings};
use super::supervisor;
use crate::admin::ReloadReport;
use crate::check;
use crate::clock;
use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::route_tests::Suite;
use crate::config::{self, Ground, LoadOptions, Loaded, System};
use crate::connection::{ListenerHandle, ListenerSettings};
use crate::snapshot::Snapshot;
use crate::tls::{self, CertificateFacts, CertificateWatch};

mod rollback;

use rollback::HeldBack;

/// Why a file was not put in force. The one before still is.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// The file is wrong.
    #[error("{0}")]
    File(String),
    /// Something that the file needs cannot be had now.
    #[error("{0}")]
    Needs(String),
}

/// Reads the file again.
pub struct Reloader {
    gateway: Arc<Gateway>,
    file: PathBuf,
    /// One reload at a time: holds what belongs to the file in force.
    state: Mutex<State>,
    /// Locked for moments only, so that it can be shown during a reload.
    history: Mutex<History>,
    history_store: HistoryStore,
    /// Why the file on disk is not served, while it was rolled back.
    held_back: Mutex<Option<HeldBack>>,
}

struct State {
    digest: [u8; 32],
    /// Of the bytes that were read last, put in force or refused.
    judged: [u8; 32],
    handles: Vec<ListenerHandle>,
    certificates: Vec<Option<CertificateWatch>>,
    named_files: NamedFiles,
    expiry: Expiry,
    probation: Probation,
    /// The last text that stood its trial.
    proven: Option<Entry>,
}

impl Reloader {
    /// For a gateway that serves `file`, whose text and digest these are.
    #[must_use]
    pub fn new(
        gateway: Arc<Gateway>,
        file: PathBuf,
        (text, digest): (&str, [u8; 32]),
        handles: Vec<ListenerHandle>,
        certificates: Vec<Option<CertificateWatch>>,
    ) -> Self {
        let snapshot = gateway.snapshot.load_full();
        let config = &snapshot.config;
        let named_files = NamedFiles::of(config);
        let state = State {
            digest,
            judged: digest,
            handles,
            certificates,
            named_files,
            expiry: Expiry::default(),
            probation: Probation::default(),
            proven: None,
        };
        let history_store = HistoryStore::new(config.state_directory.as_deref());
        let mut history = History::restored(history_store.read());
        if let Some(why) = history.begin(text.into(), digest, clock::wall(), config.reload.history)
        {
            tracing::warn!(file = %file.display(), why, "this very file was rolled back before; a start serves it all the same");
        }
        history_store.keep(&history.entries());
        state.show_ends(&gateway);
        Self {
            gateway,
            file,
            state: Mutex::new(state),
            history: Mutex::new(history),
            history_store,
            held_back: Mutex::default(),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// SHA-256 of the bytes in force.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.state.lock().digest
    }

    /// Reads, checks, compiles and swaps. Takes as long as the file is large: not for a thread that
    /// serves requests.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, as `check` prints it. Nothing has changed then but a gauge.
    pub fn reload(&self, cause: Cause) -> Result<ReloadReport, ReloadError> {
        self.reload_locked(&mut self.state.lock(), cause)
    }

    /// Reloads a file that was seen to change, unless somebody asked for it sooner: these bytes
    /// were judged then.
    pub fn reload_changed(&self, digest: [u8; 32]) {
        let mut state = self.state.lock();
        if state.judged != digest {
            // What is wrong is said in the log and by a gauge; the rules before still serve.
            drop(self.reload_locked(&mut state, Cause::FileChange));
        }
    }

    fn reload_locked(&self, state: &mut State, cause: Cause) -> Result<ReloadReport, ReloadError> {
        // Before the start is over, "ready again" would be too early.
        let is_told = self.gateway.is_ready();
        if is_told {
            supervisor::reloading();
        }
        let result =
            self.read(state, cause).and_then(|loaded| self.put_in_force(loaded, state, cause));
        match &result {
            Ok(report) => tracing::info!(
                generation = report.generation,
                changed = report.changed,
                warnings = report.warnings.len(),
                "reloaded"
            ),
            Err(why) => {
                self.gateway.metrics.reload_refused();
                tracing::error!(file = %self.file.display(), "reload refused, the rules before still serve:\n{why}");
            }
        }
        if is_told && self.gateway.is_ready() {
            supervisor::ready(match &result {
                Ok(_) => "serving",
                Err(_) => "serving the rules before: the changed file was refused, see the log",
            });
        }
        result
    }

    /// The file; but while it was rolled back, what it names is read again for the text that serves.
    fn read(&self, state: &mut State, cause: Cause) -> Result<Loaded, ReloadError> {
        let serving = (cause == Cause::NamedFile && self.held_back.lock().is_some())
            .then(|| self.history.lock().serving().cloned())
            .flatten();
        if let Some(entry) = serving {
            return self.judge(self.parse(&entry)?);
        }
        let loaded = config::load(&self.file, LoadOptions::default()).map_err(|report| {
            state.judged = config::digest(report.source.text().as_bytes());
            ReloadError::File(report.render(false))
        })?;
        state.judged = loaded.digest;
        let mut loaded = self.judge(loaded)?;
        if loaded.config.reload.run_tests && loaded.digest != state.digest {
            let tests = std::mem::take(&mut loaded.tests);
            let suite = Suite { tests, source: loaded.source.clone() };
            rehearsal::rehearse(&self.file, suite, &loaded.config).map_err(ReloadError::File)?;
        }
        Ok(loaded)
    }

    fn parse(&self, entry: &Entry) -> Result<Loaded, ReloadError> {
        let ground = Ground {
            folder: self
                .file
                .parent()
                .filter(|path| !path.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
            surroundings: Some(&System),
            parts: Some(&System),
            now: clock::wall(),
        };
        let name = self.file.display().to_string();
        let mut loaded = config::parse(entry.text.as_bytes(), &name, ground)
            .map_err(|report| ReloadError::File(report.render(false)))?;
        loaded.digest = entry.digest;
        Ok(loaded)
    }

    fn judge(&self, mut loaded: Loaded) -> Result<Loaded, ReloadError> {
        let mut warnings = std::mem::take(&mut loaded.warnings);
        warnings.extend(check::judge(&loaded.config));
        (loaded.warnings, _) = check::security::without_accepted(&loaded, warnings);
        let in_force = self.gateway.snapshot.load();
        let restart = config::needs_restart(&in_force.config, &loaded.config);
        loaded.warnings.extend(restart);
        if loaded.warnings.iter().any(|finding| finding.severity == Severity::Error) {
            let text = config::render(&loaded.source, &loaded.warnings, false);
            return Err(ReloadError::File(text));
        }
        Ok(loaded)
    }

    fn put_in_force(
        &self,
        loaded: Loaded,
        state: &mut State,
        cause: Cause,
    ) -> Result<ReloadReport, ReloadError> {
        let gateway = &self.gateway;
        let old = gateway.snapshot.load_full();
        let changed = loaded.digest != state.digest;
        let warnings = describe(&loaded.warnings);

        // Everything that can fail comes before anything that changes.
        let config = loaded.config;
        let access_log = gateway
            .access_log
            .load()
            .carry_over(log_settings(&config.access_log), &gateway.metrics.log_dropped)
            .map_err(|why| ReloadError::Needs(format!("access_log: {why}")))?;
        let health_check_log = gateway
            .health_check_log
            .load()
            .carry_over(destination(&config.health_check_log), &gateway.metrics.log_dropped)
            .map_err(|why| ReloadError::Needs(format!("health_check_log: {why}")))?;
        let connection_log = gateway
            .connection_log
            .load()
            .carry_over(
                destination(&config.connection_log),
                Arc::clone(&config.access_log.load_balancer),
                &gateway.metrics.log_dropped,
            )
            .map_err(|why| ReloadError::Needs(format!("connection_log: {why}")))?;
        let mut compiled = Vec::with_capacity(config.listeners.len());
        for (listener, before) in config.listeners.iter().zip(&state.certificates) {
            let tls = match &listener.tls {
                Some(tls) => {
                    let before = before.as_ref().map(CertificateWatch::current);
                    Some(tls::compile(tls, listener.http2, clock::wall(), before).map_err(
                        |why| ReloadError::Needs(format!("listener `{}`: {why}", listener.name)),
                    )?)
                }
                None => None,
            };
            compiled.push(tls);
        }
        // Before they are read: what changes in between is then seen as a change.
        let named_files = NamedFiles::of(&config);
        let snapshot = Arc::new(Snapshot::compile(config, Some(&old), &gateway.metrics));
        // A target under a new name must not answer 503 until the name is looked up.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.block_on(snapshot.groups.resolve_new());
        }

        if let Some(fault) = snapshot.groups.faults().first() {
            return Err(ReloadError::Needs(fault.to_string()));
        }
        state.probation.note(old.outcomes(), clock::monotonic());
        gateway.keys.adopt(Arc::clone(&snapshot.authorizers));
        gateway.access_log.store(Arc::new(access_log));
        gateway.health_check_log.store(Arc::new(health_check_log));
        gateway.connection_log.store(Arc::new(connection_log));
        gateway.snapshot.store(Arc::clone(&snapshot));
        state.certificates.clear();
        let listeners = snapshot.config.listeners.iter().zip(&state.handles).zip(compiled);
        for ((listener, handle), tls) in listeners {
            handle.update(ListenerSettings::new(listener, tls.clone()));
            let watch = tls.zip(listener.tls.clone());
            state.certificates.push(
                watch.map(|(compiled, tls)| CertificateWatch::new(tls, listener.http2, compiled)),
            );
        }
        state.named_files = named_files;
        state.digest = loaded.digest;
        if changed {
            let text = loaded.source.text().into();
            self.begin(text, loaded.digest, &snapshot, cause, state);
        }
        if cause != Cause::Rollback && cause != Cause::NamedFile {
            self.hold_back(None);
        }
        state.show_ends(gateway);
        gateway.metrics.reload_succeeded(snapshot.generation, clock::wall());
        Ok(ReloadReport { generation: snapshot.generation, changed, warnings })
    }

    /// Takes up certificate files that have changed, and tells of those that end soon.
    pub fn poll_certificates(&self) {
        let mut state = self.state.lock();
        let mut is_changed = false;
        let State { handles, certificates, .. } = &mut *state;
        for (watch, handle) in certificates.iter_mut().zip(handles) {
            match watch.as_mut().and_then(|watch| watch.poll(clock::wall())) {
                Some(Ok(compiled)) => {
                    handle.update_tls(&compiled);
                    is_changed = true;
                    tracing::info!("certificates reloaded");
                }
                Some(Err(why)) => {
                    tracing::error!(%why, "changed certificates are not usable, those before still serve");
                }
                None => {}
            }
        }
        if is_changed {
            state.show_ends(&self.gateway);
        }
        if state.named_files.poll() {
            tracing::info!("a file that is named in the file has changed");
            // What is wrong is said in the log and by a gauge; what was before still serves.
            drop(self.reload_locked(&mut state, Cause::NamedFile));
        }
        state.tell_ends(&self.gateway);
    }
}

impl State {
    /// Sets the metric.
    fn show_ends(&self, gateway: &Gateway) {
        let snapshot = gateway.snapshot.load();
        let ends = in_use(&snapshot, &self.certificates)
            .map(|(listener, facts)| (listener, facts.path.as_path(), facts.not_after));
        gateway.metrics.set_certificates(ends);
    }

    fn tell_ends(&mut self, gateway: &Gateway) {
        let snapshot = gateway.snapshot.load();
        let now = clock::wall();
        for (listener, facts) in in_use(&snapshot, &self.certificates) {
            let end = self.expiry.look(listener, &facts.path, facts.not_after, now);
            let file = facts.path.display();
            match end {
                Some((Nearness::Expired, _)) => {
                    tracing::error!(listener, %file, "a certificate in use has expired");
                }
                Some((_, days)) => {
                    tracing::warn!(listener, %file, "a certificate expires in {days} days");
                }
                None => {}
            }
        }
    }
}

/// Every certificate in use, with the name of its listener.
fn in_use<'a>(
    snapshot: &'a Snapshot,
    certificates: &'a [Option<CertificateWatch>],
) -> impl Iterator<Item = (&'a str, &'a CertificateFacts)> {
    let listeners = snapshot.config.listeners.iter().zip(certificates);
    listeners.flat_map(|(listener, watch)| {
        let facts = watch.iter().flat_map(|watch| watch.current().certificates.iter());
        facts.map(move |facts| (&*listener.name, facts))
    })
}

fn describe(warnings: &[Diagnostic]) -> Vec<String> {
    warnings
        .iter()
        .map(|warning| {
            format!("{}:{}: {}", warning.span.line, warning.span.column, warning.message)
        })
        .collect()
}
