//! The end of the process: unready first, then drained, then gone. A second signal ends it at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::start::Gateway;
use super::supervisor;
use super::traces::Traces;
use crate::connection::Drain;

/// How long the last spans may take to a trace collector.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Tells Pingora to end only when nothing is in flight any more.
pub(super) struct StopSignal {
    gateway: Arc<Gateway>,
    drain: Drain,
    traces: Arc<Traces>,
}

impl StopSignal {
    pub(super) const fn new(gateway: Arc<Gateway>, drain: Drain, traces: Arc<Traces>) -> Self {
        Self { gateway, drain, traces }
    }

    async fn drain(&self) {
        let settings = self.gateway.snapshot.load().config.shutdown.clone();
        self.gateway.is_stopping.store(true, Ordering::Release);
        supervisor::stopping(settings.pre_stop_wait.saturating_add(settings.drain_limit));
        self.drain.begin();
        tokio::time::sleep(settings.pre_stop_wait).await;
        self.drain.stop_accepting();
        if !self.drain.wait(settings.drain_limit).await {
            let connections = self.drain.open_connections();
            tracing::warn!(connections, "drain_limit reached, connections are cut off");
            self.drain.cut_off();
        }
        self.traces.flush(LAST_SPANS).await;
    }
}

#[async_trait]
impl ShutdownSignalWatch for StopSignal {
    async fn recv(&self) -> ShutdownSignal {
        let mut signals = match StopSignals::listen() {
            Ok(signals) => signals,
            Err(why) => {
                tracing::error!(%why, "no signal can be heard; only SIGKILL will end this process");
                return std::future::pending().await;
            }
        };
        let name = signals.next().await;
        tracing::info!(signal = name, "stopping: unready, draining connections");
        tokio::select! {
            () = self.drain() => tracing::info!("drained"),
            name = signals.next() => tracing::warn!(signal = name, "second signal: ending at once"),
        }
        ShutdownSignal::FastShutdown
    }
}

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
        }
    }
}
