//! `portcullis explain [FILE] METHOD URL`: what would become of a request, and why.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::admin::{AdminArgs, shape_of};
use crate::auth::Patience;
use crate::auth::jwks::MAX_BYTES;
use crate::clock;
use crate::config::model::Config;
use crate::config::{self, LoadOptions, Report};
use crate::engine::Moment;
use crate::explain::{self, Explanation, Identity, Question, Signer, question};
use crate::fetch::{ClientError, HttpClient, KeyKeeper, Limits};
use crate::recording::{Caller, Player};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

/// What a request would meet
#[derive(Debug, Clone, clap::Args)]
#[command(
    override_usage = "portcullis explain [OPTIONS] [FILE] METHOD URL\n       portcullis explain --id REQUEST_ID [FILE]"
)]
pub struct ExplainArgs {
    /// The configuration (routes.yaml if not said), the method, and https://HOST/PATH or /PATH
    #[arg(value_name = "[FILE] METHOD URL", num_args = 1..=3, required_unless_present = "id")]
    words: Vec<String>,
    /// A past request: the id of one that a running gateway turned away, or of one of its last
    ///
    /// With FILE it is asked again of that file: whoever called is stood in for by somebody with the
    /// same scopes, groups and whatever claims rules look at.
    #[arg(long, value_name = "REQUEST_ID", conflicts_with_all = ["claims", "token"])]
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    /// A header, 'name: value'; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = question::read_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Where the connection comes from
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    source_ip: IpAddr,
    /// Which listener; found by the URL if not said
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Over HTTP/2
    #[arg(long)]
    http2: bool,
    /// A caller with these claims: a JSON object, or the path of a file that holds one
    ///
    /// The token is signed with a key that lives as long as this command. What every token of the
    /// pool has is filled in; a claim of `null` is left out.
    #[arg(long, value_name = "JSON|FILE", conflicts_with = "token")]
    claims: Option<String>,
    /// The user pool that vouches for --claims; the first that the rule accepts if not said
    #[arg(long, value_name = "NAME", requires = "claims")]
    user_pool: Option<String>,
    /// The caller of --claims is a browser that has signed in, also where a rule takes tokens too
    #[arg(long, requires = "claims")]
    session: bool,
    /// A real token: a file that holds it, or `-` for standard input
    #[arg(long, value_name = "FILE|-")]
    token: Option<PathBuf>,
    /// The key set for --token, a JWK set; the file's own `jwks_file` is read anyway
    #[arg(long, value_name = "FILE", requires = "token")]
    jwks: Option<PathBuf>,
    /// Fetch the key sets that the file names; otherwise no socket is opened
    #[arg(long, requires = "token", conflicts_with = "jwks")]
    online: bool,
    /// One JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Why nothing could be explained.
#[derive(Debug)]
pub enum Failure {
    /// The file is wrong.
    File(Box<Report>),
    /// Something could not be done.
    Work(String),
    /// The command was misused.
    Usage(String),
    /// What was found out cannot be written.
    Output(io::Error),
}

/// A token is short, and so is a list of claims.
const MAX_INPUT: u64 = 256 * 1024;

/// Explains one request.
///
/// # Errors
///
/// See [`Failure`].
pub fn run(
    args: &ExplainArgs,
    default_file: &Path,
    color: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (file, method, url) = match &args.words[..] {
        [file, method, url] => (Path::new(file), method, url),
        [method, url] => (default_file, method, url),
        _ => return Err(Failure::Usage("say METHOD URL, or FILE METHOD URL".to_owned())),
    };
    let question = Question {
        method: method.clone(),
        url: url.clone(),
        headers: args.headers.clone(),
        source: args.source_ip,
        listener: args.listener.clone(),
        is_http2: args.http2,
    };
    let snapshot = compile(file)?;
    let mut asked = question.ask(&snapshot).map_err(|why| Failure::Usage(why.to_string()))?;
    if args.online {
        fetch_keys(&snapshot)?;
    }
    let moment = now();
    let misuse = |why: explain::IdentityError| Failure::Usage(why.to_string());
    if let Some(claims) = &args.claims {
        let identity = Identity {
            user_pool: args.user_pool.clone(),
            in_session: args.session,
            ..Identity::of(read_claims(claims)?)
        };
        let signer = signer(&snapshot, moment)?;
        explain::ask_as(&identity, &snapshot, &signer, &mut asked, moment).map_err(misuse)?;
    } else if let Some(path) = &args.token {
        let token = String::from_utf8(read(path, MAX_INPUT)?);
        let token = token.map_err(|_| Failure::Usage("the token is not text".to_owned()))?;
        take_keys(&snapshot, args.jwks.as_deref(), moment)?;
        explain::ask_with(token.trim(), &snapshot, &mut asked, moment);
    }
    write(args, &explain::explain(&snapshot, &asked, moment), color, out)
}

impl ExplainArgs {
    /// The file that a past request is asked of again, if it is.
    pub(super) fn past_file(&self) -> Result<Option<&Path>, Failure> {
        match &self.words[..] {
            [] => Ok(None),
            [file] => Ok(Some(Path::new(file))),
            _ => Err(Failure::Usage("with --id say no more than FILE".to_owned())),
        }
    }
}

/// Explains a request that a running gateway has decided, as a file would have it.
pub(super) fn run_past(
    args: &ExplainArgs,
    id: &str,
    file: &Path,
    color: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let shape = shape_of(&args.admin, id).map_err(Failure::Work)?;
    let loaded = config::load(file, LoadOptions { portable: true }).map_err(Failure::File)?;
    let moment = now();
    let player = Player::new(loaded.config, moment);
    let mut player = player.map_err(|why| Failure::Work(why.to_string()))?;
    let asked = player.ask(&shape, &shape.listener);
    let asked = asked.map_err(|why| Failure::Work(format!("it cannot be asked again: {why}")))?;
    let mut told = explain::explain(&player.snapshot, &asked, moment);
    told.notes.push(format!(
        "at {} the gateway answered {} by rule `{}`: {}",
        shape.ts, shape.met.status, shape.met.rule, shape.met.reason
    ));
    if !matches!(shape.caller, Caller::None) {
        told.notes.push("a stand-in calls, with the claims that rules look at".to_owned());
    }
    write(args, &told, color, out)
}

fn write(
    args: &ExplainArgs,
    explanation: &Explanation,
    color: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let written = if args.json {
        serde_json::to_writer_pretty(&mut *out, &explain::to_json(explanation))
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        out.write_all(explain::render(explanation, color).as_bytes())
    };
    written.map_err(Failure::Output)
}

/// A snapshot of a file, made without its secrets and certificates.
pub(super) fn compile(file: &Path) -> Result<Snapshot, Failure> {
    let loaded = config::load(file, LoadOptions { portable: true }).map_err(Failure::File)?;
    Ok(snapshot_of(loaded.config))
}

pub(super) fn snapshot_of(config: Config) -> Snapshot {
    Snapshot::compile(config, None, &Metrics::new(env!("CARGO_PKG_VERSION"), ""))
}

pub(super) fn now() -> Moment {
    Moment {
        wall: clock::wall(),
        mono: clock::monotonic(),
        random: 0,
        // Nobody would fetch.
        patience: Patience::HasWaited,
    }
}

pub(super) fn signer(snapshot: &Snapshot, moment: Moment) -> Result<Signer, Failure> {
    let failed = |why: explain::SignerError| Failure::Work(why.to_string());
    let signer = Signer::for_pools(&snapshot.config).map_err(failed)?;
    signer.publish(&snapshot.authorizers, moment.wall, moment.mono).map_err(failed)?;
    Ok(signer)
}

/// The key sets for a real token: one that was given for all pools, and those of the file.
fn take_keys(snapshot: &Snapshot, given: Option<&Path>, moment: Moment) -> Result<(), Failure> {
    let most = MAX_BYTES as u64;
    let given = given.map(|path| read(path, most).map(|body| (path, body))).transpose()?;
    for source in snapshot.authorizers.sources() {
        let own = match source.place() {
            crate::config::model::KeySource::File(path) => read(path, most).ok(),
            crate::config::model::KeySource::Url(_) => None,
        };
        let wrong = |path: &Path, why| Failure::Work(format!("{}: {why}", path.display()));
        if let Some((path, body)) = &given {
            let taken = source.restore(body, moment.wall, moment.wall, moment.mono);
            taken.map_err(|why| wrong(path, why))?;
        } else if let Some(body) = own {
            // A key set that the gateway would not take leaves it without, and that is explained.
            let _ = source.restore(&body, moment.wall, moment.wall, moment.mono);
        }
    }
    Ok(())
}

/// Fetches every key set, as the gateway does when it starts. One that cannot be had is told, and
/// then explained.
fn fetch_keys(snapshot: &Snapshot) -> Result<(), Failure> {
    let client =
        HttpClient::new(Limits::default()).map_err(|why| Failure::Work(why.to_string()))?;
    let fetched = super::block_on(async {
        let keeper = KeyKeeper::new(client, None);
        keeper.adopt(Arc::clone(&snapshot.authorizers));
        let (_stop, stopped) = watch::channel(false);
        let running = tokio::spawn(Arc::clone(&keeper).run(stopped));
        let fetched = keeper.refresh(None).await;
        running.abort();
        Ok::<_, ClientError>(fetched)
    });
    for (pool, failure) in fetched.map_err(Failure::Work)? {
        if let Some(failure) = failure {
            let why = failure.as_str();
            let _ = writeln!(io::stderr(), "portcullis: no keys of user pool `{pool}`: {why}");
        }
    }
    Ok(())
}

/// A JSON object, or a file that holds one.
fn read_claims(text: &str) -> Result<Map<String, Value>, Failure> {
    let bytes = if text.trim_start().starts_with('{') {
        text.as_bytes().to_vec()
    } else {
        read(Path::new(text), MAX_INPUT)?
    };
    serde_json::from_slice(&bytes)
        .map_err(|why| Failure::Usage(format!("the claims are no JSON object: {why}")))
}

/// Reads a file, or standard input.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Work(format!("cannot read {}: {why}", path.display()))
    };
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        io::stdin().lock().take(most + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    result.map_err(|why| failed(&why))?;
    if bytes.len() as u64 > most {
        return Err(failed(&"it is too long"));
    }
    Ok(bytes)
}
