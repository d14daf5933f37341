//! `portcullis demo [FILE]`: the file's user pool, its targets and the gateway in one process.

pub(crate) mod echo;
mod page;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::app::Task;
use crate::config::model::{
    Action, Config, Demand, DevelopmentUserPool, Listener, Rule, TargetHost,
};
use crate::user_pool::http::{Service, serve};
use crate::user_pool::{SystemRandomness, TokenOrder};

/// Runs the demonstration. The exit code.
pub(super) fn run(file: &Path) -> u8 {
    let Some(mut loaded) = super::load(file) else { return super::FAILED };
    let config = &mut loaded.config;
    let Some(pool) = config.development_user_pool.clone() else {
        return super::fail(&format!(
            "{} has no development_user_pool, which the demo runs; `portcullis run` serves it",
            file.display()
        ));
    };
    let mut tasks = Vec::new();
    for (name, address) in targets(config) {
        match listen(address) {
            Ok(listener) => tasks.push(echo_task(listener, name)),
            Err(why) => {
                return super::fail(&format!("the demo's target at {address}: {why}"));
            }
        }
    }
    let started = super::block_on(prepare(pool, config.state_directory.clone()));
    let (socket, service, pool) = match started {
        Ok(started) => started,
        Err(why) => return super::fail(&why),
    };
    explain(config, &pool, &service, file);
    tasks.push(pool_task(socket, service));
    super::run::serve(file, loaded, None, tasks)
}

/// The targets on loopback, with the names of their groups.
fn targets(config: &Config) -> Vec<(String, SocketAddr)> {
    let mut found: Vec<(String, SocketAddr)> = Vec::new();
    for group in &config.target_groups {
        // A listener of the file answers by itself.
        for target in group.targets.iter().filter(|target| target.listener.is_none()) {
            if let TargetHost::Address(address) = target.host
                && address.is_loopback()
            {
                let address = SocketAddr::new(address, target.port);
                if found.iter().all(|(_, known)| *known != address) {
                    found.push((group.name.to_string(), address));
                }
            }
        }
    }
    found
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn echo_task(listener: std::net::TcpListener, name: String) -> Task {
    Box::pin(async move {
        let served = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => echo::serve(listener, name).await,
            Err(why) => Err(why),
        };
        if let Err(why) = served {
            tracing::error!(%why, "a target of the demo has ended");
        }
    })
}

type Started = (std::net::TcpListener, Service, DevelopmentUserPool);

/// Makes keys and listens, before anything else starts: what cannot work is told at once.
async fn prepare(
    mut pool: DevelopmentUserPool,
    state_directory: Option<std::path::PathBuf>,
) -> Result<Started, String> {
    let (listener, service) = super::user_pool::start(&mut pool, state_directory.as_deref())
        .await
        .map_err(|why| why.to_string())?;
    let listener = listener.into_std().map_err(|why| why.to_string())?;
    Ok((listener, service, pool))
}

fn pool_task(listener: std::net::TcpListener, service: Service) -> Task {
    Box::pin(async move {
        let served = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => serve(listener, Arc::new(service), std::future::pending())
                .await
                .map_err(|why| why.to_string()),
            Err(why) => Err(why.to_string()),
        };
        if let Err(why) = served {
            tracing::error!(%why, "the user pool of the demo has ended");
        }
    })
}

/// What the file offers to try: a protected path and the scopes that it wants, and a public one.
struct Samples {
    protected: String,
    scopes: Vec<String>,
    public: String,
    /// Where a browser signs in, if anywhere.
    page: Option<String>,
}

impl Samples {
    fn of(listener: &Listener) -> Self {
        let mut samples = Self {
            protected: "/".to_owned(),
            scopes: Vec::new(),
            public: "/".to_owned(),
            page: None,
        };
        let forwards = |rule: &&Rule| matches!(rule.action, Action::Forward(_));
        let protected =
            listener.rules.iter().filter(forwards).find(|rule| rule.authentication.is_some());
        if let Some(rule) = protected {
            samples.protected = sample_path(rule);
            let scopes = rule.authentication.as_ref().and_then(|jwt| jwt.scopes.as_ref());
            samples.scopes = match scopes {
                Some(Demand::AnyOf(scopes)) => scopes.iter().take(1).cloned().collect(),
                Some(Demand::AllOf(scopes)) => scopes.clone(),
                None => Vec::new(),
            };
        }
        let public = listener.rules.iter().filter(forwards).find(|rule| rule.public);
        samples.public = public.map_or(samples.public, sample_path);
        let page = listener.rules.iter().filter(forwards).find(|rule| rule.sign_in.is_some());
        samples.page = page.map(sample_path);
        samples
    }
}

/// A path that the rule's first pattern matches.
fn sample_path(rule: &Rule) -> String {
    rule.conditions
        .path_pattern
        .first()
        .map_or_else(|| "/".to_owned(), |pattern| pattern.value.replace(['*', '?'], "1"))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Says what there is and what to try.
fn explain(config: &Config, pool: &DevelopmentUserPool, service: &Service, file: &Path) {
    let Some(listener) = config.listeners.first() else { return };
    let samples = Samples::of(listener);
    let order = TokenOrder { scopes: Some(samples.scopes.clone()), ..TokenOrder::default() };
    let token = service
        .pool()
        .mint(&order, crate::clock::wall(), &mut SystemRandomness)
        .unwrap_or_else(|why| format!("(no token: {why})"));
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    let gateway = format!("{scheme}://{}", listener.address);
    let (protected, public) = (&samples.protected, &samples.public);
    let portcullis = std::env::current_exe()
        .map_or_else(|_| "portcullis".to_owned(), |path| path.display().to_string());
    let portcullis = quoted(&portcullis);
    let argument = quoted(&file.display().to_string());
    let file = file.display();
    let text = format!(
        "\n\
         Portcullis demo: everything runs on this machine and ends with Ctrl-C.\n\
         \n  \
           gateway    {gateway}\n  \
           admin      http://{admin}/   (health, metrics, keys)\n  \
           user pool  http://{pool}/    (development only)\n  \
           targets    {targets}\n\
         \n\
         Paste into another terminal. A token that holds for an hour:\n\n  \
           TOKEN={token}\n\
         \n\
         It passes, and the target prints the claim headers that it received:\n\n  \
           curl -i {gateway}{protected} -H \"Authorization: Bearer $TOKEN\"\n\
         \n\
         No token, then a broken one: 401, and no target hears of it:\n\n  \
           curl -i {gateway}{protected}\n  \
           curl -i {gateway}{protected} -H \"Authorization: Bearer ${{TOKEN}}x\"\n\
         \n\
         A token without the scope: 403 names the one that is wanted:\n\n  \
           curl -i {gateway}{protected} -H \"Authorization: Bearer $({portcullis} token {argument} --scope openid)\"\n\
         \n\
         A forged header never arrives, on a public rule neither:\n\n  \
           curl -i {gateway}{public} -H 'X-Auth-Subject: admin' -H 'x_auth_groups: admins'\n\
         \n\
         How fast is it? (wrk is in Debian)\n\n  \
           wrk -t1 -c64 -d10s -H \"Authorization: Bearer $TOKEN\" {gateway}{protected}\n\
         \n\
         {page}Then change a rule in {file}, or break it: the log below says what became of it.\n\n",
        page = samples.page.as_ref().map_or_else(String::new, |page| {
            let user = pool.users.first();
            let user = user.map_or_else(String::new, |user| {
                format!(" ({}, {})", user.username, user.password.expose())
            });
            format!("Sign in with a browser{user}:\n\n  {gateway}{page}\n\n")
        }),
        admin = config.admin.address,
        pool = pool.address,
        targets = targets(config)
            .iter()
            .map(|(name, address)| format!("{name} at {address}"))
            .collect::<Vec<_>>()
            .join(", "),
    );
    let _ = io::stderr().write_all(text.as_bytes());
}
