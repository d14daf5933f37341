//! From a checked file to a serving process.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server};
use pingora_core::services::background::background_service;
use pingora_proxy::HttpProxy;
use thiserror::Error;

use super::background::Background;
use super::reload::Reloader;
use super::session_key::{self, SessionKeyError};
use super::stop::StopSignal;
use super::traces::Traces;
use super::usage_store::UsageStore;
use crate::config::Loaded;
use crate::config::model::{self, Config, LogDestination};
use crate::connection::{
    self, BindError, ListenerService, ListenerSettings, MemoryLimit, PassedSockets, Shares,
};
use crate::fetch::{
    CalloutDesk, ClientError, DenyStore, DenyStoreError, HttpClient, KeyKeeper, KeyStore, Limits,
    LogoutDesk, SignInDesk, StoreError,
};
use crate::proxy;
use crate::recording::Recorder;
use crate::snapshot::Snapshot;
use crate::telemetry::access_log::{AccessLog, Destination, Settings};
use crate::telemetry::connection_log::ConnectionLog;
use crate::telemetry::denials::Denials;
use crate::telemetry::health_check_log::HealthCheckLog;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otel::Sampler;
use crate::telemetry::trace::Ids;
use crate::tls::{self, CertificateWatch, TlsError};

/// Requests that could not be sent on at first are tried once more.
const MAX_TRIES: usize = 2;
/// Kept connections to all targets, per worker thread, where descriptors allow it.
const KEPT_CONNECTIONS: usize = 1024;

/// Something that runs beside the gateway in the same process, such as the demo's targets.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why it cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listener's port cannot be had.
    #[error("listener `{listener}`: {why}")]
    Listener {
        /// Its name.
        listener: String,
        /// What stands in the way.
        #[source]
        why: BindError,
    },
    /// The admin listener's port cannot be had.
    #[error("the admin listener: {0}")]
    Admin(#[source] BindError),
    /// The deny list that was kept is not readable.
    #[error(transparent)]
    DenyList(#[from] DenyStoreError),
    /// A certificate cannot be used.
    #[error("listener `{listener}`: {why}")]
    Tls {
        /// Its name.
        listener: String,
        /// What is wrong with it.
        #[source]
        why: TlsError,
    },
    /// The state directory cannot be used.
    #[error("state_directory: {0}")]
    State(#[from] StoreError),
    /// The key in the state directory cannot be used.
    #[error("state_directory: {0}")]
    SessionKey(#[from] SessionKeyError),
    /// A target group cannot be spoken to safely.
    #[error("{0}")]
    Target(String),
    /// No client for key sets can be had.
    #[error("the HTTP client for key sets: {0}")]
    Client(#[from] ClientError),
    /// The access log cannot be opened.
    #[error("access_log: {0}")]
    AccessLog(#[source] io::Error),
    /// The log of health checks cannot be opened.
    #[error("health_check_log: {0}")]
    HealthCheckLog(#[source] io::Error),
    /// The connection log cannot be opened.
    #[error("connection_log: {0}")]
    ConnectionLog(#[source] io::Error),
}

/// What the parts of the running process share.
pub struct Gateway {
    /// The configuration in force.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Fetches key sets.
    pub keys: Arc<KeyKeeper>,
    /// All counters.
    pub metrics: Arc<Metrics>,
    /// One line a request.
    pub access_log: Arc<ArcSwap<AccessLog>>,
    /// One line a health check.
    pub health_check_log: Arc<ArcSwap<HealthCheckLog>>,
    /// One line for each attempt to connect.
    pub connection_log: Arc<ArcSwap<ConnectionLog>>,
    /// Where the deny list is kept.
    pub deny_store: Arc<DenyStore>,
    /// Where it is kept what quotas have counted.
    pub usage_store: UsageStore,
    /// The last refusals.
    pub denials: Arc<Denials>,
    /// Requests that are kept to be decided again.
    pub recorder: Arc<Recorder>,
    /// Whether first key sets are in, or were waited for long enough.
    pub has_started: AtomicBool,
    /// Whether the process is about to end.
    pub is_stopping: AtomicBool,
}

/// Serves until a signal ends it.
///
/// # Errors
///
/// Why it could not start. Nothing was served then.
pub fn run(
    file: PathBuf,
    loaded: Loaded,
    metrics: Arc<Metrics>,
    tasks: Vec<Task>,
    mut passed: PassedSockets,
) -> Result<(), StartError> {
    let config = loaded.config.clone();
    let threads = threads(&config);
    let shares = Shares::of_process(KEPT_CONNECTIONS * threads);
    let server = server(threads, shares);
    let memory = MemoryLimit::of_process(config.memory_limit);
    if let Some(bytes) = memory.bytes() {
        tracing::info!(bytes, "memory is limited");
    }
    let gateway = Arc::new(gateway(loaded.config, metrics)?);

    let traces = Traces::new(Arc::clone(&gateway.metrics), Arc::clone(&gateway.snapshot))?;
    let traces = Arc::new(traces);
    let proxy = proxy::Gateway {
        snapshot: Arc::clone(&gateway.snapshot),
        keys: Arc::clone(&gateway.keys),
        callouts: CalloutDesk::new()?,
        sign_in: SignInDesk::new(Arc::clone(&gateway.keys))?,
        logouts: LogoutDesk::new(Arc::clone(&gateway.keys), Arc::clone(&gateway.deny_store)),
        access_log: Arc::clone(&gateway.access_log),
        denials: Arc::clone(&gateway.denials),
        recorder: Arc::clone(&gateway.recorder),
        metrics: Arc::clone(&gateway.metrics),
        sampler: Sampler::new(&gateway.metrics.traces_limited),
        spans: Arc::clone(&traces.queue),
        body_room: proxy::BodyRoom::default(),
        ids: Ids::random(),
    };
    let mut http = HttpProxy::new(proxy, Arc::clone(&server.configuration));
    http.handle_init_modules();
    connection::prepare(&mut http);
    let mut service = ListenerService::new(Arc::new(http), shares.clients, memory);
    service.log_to(Arc::clone(&gateway.connection_log));

    tell_unused(&passed, &config);
    let mut handles = Vec::with_capacity(config.listeners.len());
    let mut certificates = Vec::new();
    for listener in &config.listeners {
        let name = || listener.name.to_string();
        let bound = passed
            .bind(listener.address)
            .map_err(|why| StartError::Listener { listener: name(), why })?;
        let compiled = match &listener.tls {
            Some(tls) => Some(
                tls::compile(tls, listener.http2, crate::clock::wall(), None)
                    .map_err(|why| StartError::Tls { listener: name(), why })?,
            ),
            None => None,
        };
        tracing::info!(listener = %listener.name, address = %bound.address(), tls = compiled.is_some(), "listening");
        handles.push(service.add(bound, ListenerSettings::new(listener, compiled.clone())));
        certificates.push(
            compiled
                .zip(listener.tls.clone())
                .map(|(compiled, tls)| CertificateWatch::new(tls, listener.http2, compiled)),
        );
    }
    let admin = passed.bind(config.admin.address).map_err(StartError::Admin)?;
    tracing::info!(address = %admin.address(), "admin listening");

    let drain = service.drain();
    let stats = service.stats();
    let reloader = Reloader::new(
        Arc::clone(&gateway),
        file,
        (loaded.source.text(), loaded.digest),
        handles,
        certificates,
    );
    let reloader = Arc::new(reloader);
    let told = (drain.clone(), Arc::clone(&traces));
    let background = Background::new(Arc::clone(&gateway), reloader, admin, stats, told, tasks);
    let stop = StopSignal::new(Arc::clone(&gateway), drain, traces);

    let mut server = server;
    server.add_service(service);
    server.add_service(background_service("background", background));
    tracing::info!(listeners = config.listeners.len(), "serving");
    server.run(RunArgs { shutdown_signal: Box::new(stop) });

    gateway.usage_store.keep(gateway.snapshot.load().usage.as_deref());
    gateway.access_log.load().flush_and_stop(Duration::from_secs(1));
    gateway.health_check_log.load().flush_and_stop(Duration::from_secs(1));
    gateway.connection_log.load().flush_and_stop(Duration::from_secs(1));
    Ok(())
}

fn tell_unused(passed: &PassedSockets, config: &Config) {
    let listeners = config.listeners.iter().map(|listener| listener.address);
    let wanted: Vec<_> = listeners.chain([config.admin.address]).collect();
    for address in passed.unused(&wanted) {
        tracing::warn!(%address, "a passed socket is not used: no listener has its address");
    }
}

fn threads(config: &Config) -> usize {
    config.threads.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
    })
}

fn server(threads: usize, shares: Shares) -> Server {
    let mut server = Server::new_with_opt_and_conf(
        None,
        ServerConf {
            threads,
            // The whole drain is ours and over when Pingora hears of the end.
            grace_period_seconds: Some(0),
            graceful_shutdown_timeout_seconds: Some(0),
            // Pingora multiplies it by `threads`.
            upstream_keepalive_pool_size: (shares.kept / threads.max(1)).max(1),
            max_retries: MAX_TRIES,
            ..ServerConf::default()
        },
    );
    server.bootstrap();
    server
}

fn gateway(config: Config, metrics: Arc<Metrics>) -> Result<Gateway, StartError> {
    let store = config.state_directory.as_deref().map(KeyStore::open).transpose()?;
    let keys = KeyKeeper::new(HttpClient::new(Limits::default())?, store);
    let access_log = AccessLog::start(log_settings(&config.access_log), &metrics.log_dropped)
        .map_err(StartError::AccessLog)?;
    let health_check_log =
        HealthCheckLog::start(destination(&config.health_check_log), &metrics.log_dropped)
            .map_err(StartError::HealthCheckLog)?;
    let connection_log = ConnectionLog::start(
        destination(&config.connection_log),
        Arc::clone(&config.access_log.load_balancer),
        &metrics.log_dropped,
    )
    .map_err(StartError::ConnectionLog)?;
    let deny_store = DenyStore::new(config.state_directory.as_deref());
    let denied = deny_store.read()?;
    let own_key = config.state_directory.as_deref().map(session_key::keep).transpose()?;
    let mut snapshot = Snapshot::compile(config, None, &metrics);
    if let Some(key) = own_key {
        snapshot.seal = snapshot.seal.with_own(key);
    }
    if let Some(fault) = snapshot.groups.faults().first() {
        return Err(StartError::Target(fault.to_string()));
    }
    snapshot.authorizers.deny_list().posted().restore(denied);
    let usage_store = UsageStore::new(snapshot.config.state_directory.as_deref());
    if let Some(usage) = &snapshot.usage {
        usage_store.restore(usage);
    }
    keys.adopt(Arc::clone(&snapshot.authorizers));
    metrics.reload_succeeded(snapshot.generation, crate::clock::wall());
    Ok(Gateway {
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        keys,
        metrics,
        access_log: Arc::new(ArcSwap::from_pointee(access_log)),
        health_check_log: Arc::new(ArcSwap::from_pointee(health_check_log)),
        connection_log: Arc::new(ArcSwap::from_pointee(connection_log)),
        deny_store: Arc::new(deny_store),
        usage_store,
        denials: Arc::new(Denials::new()),
        recorder: Arc::default(),
        has_started: AtomicBool::new(false),
        is_stopping: AtomicBool::new(false),
    })
}

/// What the file says, in the words of telemetry, which does not know the file.
pub(super) fn log_settings(log: &model::AccessLog) -> Settings {
    Settings {
        json: destination(&log.destination),
        alb: destination(&log.alb),
        load_balancer: Arc::clone(&log.load_balancer),
    }
}

pub(super) fn destination(destination: &LogDestination) -> Destination {
    match destination {
        LogDestination::Off => Destination::Off,
        LogDestination::Stdout => Destination::Stdout,
        LogDestination::File(path) => Destination::File(path.clone()),
    }
}

impl Gateway {
    /// Whether new requests should be sent here.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.has_started.load(Ordering::Acquire) && !self.is_stopping.load(Ordering::Acquire)
    }
}
