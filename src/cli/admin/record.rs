//! `portcullis record`: has a running gateway keep requests for a while, and fetches them.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{AdminArgs, LONG_PATIENCE, PATIENCE};
use crate::cli::block_on;
use crate::recording::{LONGEST_SECONDS, MOST_REQUESTS};

/// How often a recording under way is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// What is recorded, and where it is written
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct RecordArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// The file to write, which must not exist; `-` for standard output
    #[arg(long, short, value_name = "FILE|-", default_value = "-")]
    output: PathBuf,
    /// How long it lasts at most; Ctrl-C ends it before
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=LONGEST_SECONDS))]
    seconds: u64,
    /// How many requests it holds at most
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..=MOST_REQUESTS as u64))]
    requests: u64,
    /// A header whose values are kept although no rule looks at them; may be given several times
    #[arg(long = "header", value_name = "NAME")]
    headers: Vec<String>,
    /// A query parameter whose values are kept although no rule looks at them
    #[arg(long = "parameter", value_name = "NAME")]
    parameters: Vec<String>,
    /// A claim whose values are kept although no rule looks at them; may be given several times
    #[arg(long = "claim", value_name = "NAME")]
    claims: Vec<String>,
    /// Begin nothing: end the recording under way, and write what it has
    #[arg(long, conflicts_with_all = ["seconds", "requests", "headers", "parameters", "claims"])]
    stop: bool,
}

/// Records, and writes what was recorded.
pub(in crate::cli) fn record(args: &RecordArgs, out: &mut impl Write) -> Result<u8, String> {
    // Nothing is recorded that could not be written.
    let mut file = match args.output.as_os_str() == "-" {
        true => None,
        false => Some(create(&args.output)?),
    };
    let recorded = if args.stop { stop(&args.admin) } else { begin_and_wait(args) };
    let lines = recorded
        .and_then(|()| Ok(args.admin.ask("GET", "/recording/requests", LONG_PATIENCE)?.body));
    let lines = match lines {
        Ok(lines) => lines,
        Err(why) => {
            if file.is_some() {
                let _ = std::fs::remove_file(&args.output);
            }
            return Err(why);
        }
    };
    let written = match &mut file {
        Some(file) => file.write_all(lines.as_bytes()),
        None => out.write_all(lines.as_bytes()),
    };
    written.map_err(|why| format!("{}: {why}", args.output.display()))?;
    let (head, requests) = lines.split_once('\n').unwrap_or((&lines, ""));
    let head: Value = serde_json::from_str(head).unwrap_or_default();
    let count = requests.lines().count();
    if head["requests"].as_u64() != u64::try_from(count).ok() {
        return Err("the recording came incomplete; try `portcullis record --stop`".to_owned());
    }
    let dropped = match head["dropped"].as_u64() {
        None | Some(0) => String::new(),
        Some(dropped) => format!(", and {dropped} that found no room were left out"),
    };
    say(&format!("{count} requests recorded{dropped}"));
    Ok(0)
}

/// For its owner only: it tells who may do what.
fn create(path: &Path) -> Result<std::fs::File, String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} exists already; nothing is written over", path.display())
        }
        _ => format!("{}: {why}", path.display()),
    })
}

fn stop(admin: &AdminArgs) -> Result<(), String> {
    admin.ask("POST", "/recording/stop", PATIENCE).map(drop)
}

fn begin_and_wait(args: &RecordArgs) -> Result<(), String> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("seconds", &args.seconds.to_string());
    query.append_pair("requests", &args.requests.to_string());
    query.append_pair("headers", &args.headers.join(","));
    query.append_pair("parameters", &args.parameters.join(","));
    query.append_pair("claims", &args.claims.join(","));
    args.admin.ask("POST", &format!("/recording?{}", query.finish()), PATIENCE)?;
    let shows_progress = io::stderr().is_terminal();
    block_on(async {
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return stop(&args.admin),
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let state = args.admin.ask("GET", "/recording", PATIENCE)?.json()?;
            if shows_progress {
                let (left, count) = (&state["seconds_left"], &state["requests"]);
                let _ = write!(io::stderr(), "\r{count} requests, {left} seconds left  ");
            }
            if state["state"] != "under_way" {
                if shows_progress {
                    let _ = writeln!(io::stderr());
                }
                return Ok(());
            }
        }
    })
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "portcullis: {text}");
}
