//! `portcullis user-pool [FILE]`: runs the file's development user pool, and only that.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::model::DevelopmentUserPool;
use crate::user_pool::http::{Service, serve};
use crate::user_pool::{PoolError, UserPool, bind, issuer_of, load_or_generate, sample_lines};

/// Run only the development user pool of routes.yaml
#[derive(Debug, Clone, clap::Args)]
pub struct UserPoolArgs {
    /// The file with `development_user_pool:`
    #[arg(value_name = "FILE", default_value = "routes.yaml")]
    pub file: PathBuf,
    /// Listen here instead of at the file's address; loopback only
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub address: Option<SocketAddr>,
    /// Keep the signing keys here, so that tokens outlive a restart
    #[arg(long, value_name = "DIRECTORY")]
    pub state_directory: Option<PathBuf>,
}

/// Runs the pool until Ctrl-C or SIGTERM. `state_directory` is the file's; the argument's wins.
///
/// # Errors
///
/// [`PoolError`] when the pool cannot be started or its server fails.
pub async fn run(
    args: &UserPoolArgs,
    configuration: &DevelopmentUserPool,
    state_directory: Option<&Path>,
) -> Result<(), PoolError> {
    let directory = args.state_directory.as_deref().or(state_directory);
    let mut configuration = configuration.clone();
    configuration.address = args.address.unwrap_or(configuration.address);
    let (listener, service) = start(&mut configuration, directory).await?;
    announce(&configuration, directory);
    serve(listener, Arc::new(service), told_to_stop()).await
}

/// Listens and makes the pool ready to be served. With port 0 in the configuration, the port that
/// was given is written back into it, since issuer and samples name it.
///
/// # Errors
///
/// [`PoolError`]: the address is not loopback or taken, or the keys cannot be had.
pub async fn start(
    configuration: &mut DevelopmentUserPool,
    state_directory: Option<&Path>,
) -> Result<(tokio::net::TcpListener, Service), PoolError> {
    let listener = bind(configuration.address).await?;
    configuration.address = listener.local_addr().map_err(PoolError::Serve)?;
    let directory = state_directory.map(Path::to_owned);
    let (from, pool_id) = (directory.clone(), configuration.user_pool_id.clone());
    let keys = tokio::task::spawn_blocking(move || load_or_generate(from.as_deref(), &pool_id));
    let keys = keys.await.map_err(|_| PoolError::Crypto)??;
    let pool = UserPool::new(configuration, keys)?;
    Ok((listener, Service::new(Arc::new(pool), directory)))
}

fn announce(configuration: &DevelopmentUserPool, directory: Option<&Path>) {
    let keys = match directory {
        Some(directory) => format!("kept in {}", directory.display()),
        None => "in memory: they end with this process".to_owned(),
    };
    let text = format!(
        "Development user pool, not for production\n\
         address  http://{}\n\
         issuer   {}\n\
         keys     {keys}\n\n{}\nCtrl-C ends it.\n",
        configuration.address,
        issuer_of(configuration),
        sample_lines(configuration),
    );
    // Whoever closed our output does not want to read it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

async fn told_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => drop(interrupted.await),
    }
}
