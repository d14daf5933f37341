//! The admin listener: health, metrics, keys, configuration, recent requests and denials, recordings,
//! reload, and pages that show them.
//!
//! It only shows and passes on: what is true is asked of a [`View`], which the composition root
//! implements. It must answer when nothing else does, so it takes its own small bounds: one
//! request a connection, 64 connections of which the oldest gives way, short deadlines, a few
//! descriptors in reserve, and no lock shared with requests. It must not be a way in either:
//! changes and, beyond loopback, whatever tells about users need the token, and a `Host` that is a
//! foreign name is refused, since a browser may have been led here by it.

pub mod config;
mod connection;
mod guard;
pub mod page;
mod problem;
mod routes;
mod scrape;
mod view;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::config::model::Secret;

pub use connection::{LONGEST_CONNECTION, LONGEST_HEAD, MOST_CONNECTIONS};
pub use view::{
    DenyError, Readiness, RecordingError, RecordingOrder, RefreshError, RefreshedPool,
    ReloadReport, View,
};

use connection::{Deadlines, Door};
use guard::Guard;

/// How long open connections may take to end once the listener is told to end.
const LONGEST_END: Duration = Duration::from_secs(1);

/// What the listener is told by the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What changes, and beyond loopback some pages, must bear. Empty counts as absent.
    pub token: Option<Secret>,
    /// Names beside `localhost` under which the listener may be asked. Addresses always may.
    pub hosts: Vec<String>,
}

/// Serves until `shutdown` resolves and open connections have ended, at most a second longer.
///
/// # Errors
///
/// The listener does not know its own address.
pub async fn serve(
    listener: TcpListener,
    options: &Options,
    view: Arc<dyn View>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_within(listener, options, view, Deadlines::default(), shutdown).await
}

async fn serve_within(
    listener: TcpListener,
    options: &Options,
    view: Arc<dyn View>,
    deadlines: Deadlines,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let guard = Guard::new(options, listener.local_addr()?.ip());
    let service =
        routes::router(view, guard).into_make_service_with_connect_info::<connection::Peer>();
    let (ends, end) = oneshot::channel();
    let told = async move {
        shutdown.await;
        let _ = ends.send(());
    };
    let serving = axum::serve(Door::new(listener, deadlines), service).with_graceful_shutdown(told);
    let too_long = async {
        let _ = end.await;
        tokio::time::sleep(LONGEST_END).await;
    };
    tokio::select! {
        result = serving => result,
        () = too_long => Ok(()),
    }
}

#[cfg(test)]
mod tests;
