//! Commands that ask a running gateway: `reload`, `history`, `rollback`, `explain --id`, `record`.
//!
//! They speak to the admin listener in the plainest HTTP there is and read no file: what is in force
//! is right even when the file has become wrong.

mod past;
mod record;

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

pub(super) use self::past::{past, shape_of};
pub(super) use self::record::{RecordArgs, record};
use crate::clock::UnixMillis;
use crate::telemetry::json::push_time;

/// For connecting, and for what only shows something.
const PATIENCE: Duration = Duration::from_secs(5);
/// For what reads a file, runs its tests and puts it in force.
const LONG_PATIENCE: Duration = Duration::from_secs(120);
/// Far more than the admin listener answers: the longest is a recording.
const LONGEST_ANSWER: u64 = 128 * 1024 * 1024;
/// A token is short.
const LONGEST_TOKEN: u64 = 16 * 1024;

/// Whom to ask, and with which right.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AdminArgs {
    /// `admin.address` of the file in force, reachable from here
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9901",
        env = "PORTCULLIS_ADMIN_ADDRESS"
    )]
    address: SocketAddr,
    /// A file that holds the admin token, or `-` for standard input
    #[arg(long, value_name = "FILE|-", env = "PORTCULLIS_ADMIN_TOKEN_FILE")]
    admin_token: Option<PathBuf>,
}

/// What came back.
struct Answer {
    status: u16,
    body: String,
}

/// Whom to have read its file again
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// The answer of `/reload` as it is
    #[arg(long)]
    json: bool,
}

/// Which text of the history
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Its number, as `portcullis history` tells it; the last good one before what is served if not
    /// said
    #[arg(value_name = "NUMBER")]
    id: Option<u64>,
    /// The answer of `/rollback` as it is
    #[arg(long)]
    json: bool,
}

/// Whom to ask
#[derive(Debug, Clone, clap::Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// The answer of `/history` as it is
    #[arg(long)]
    json: bool,
}

/// Has the file read again.
pub(super) fn reload(args: &ReloadArgs, out: &mut impl Write) -> Result<u8, String> {
    changed(&args.admin.ask("POST", "/reload", LONG_PATIENCE)?, args.json, out)
}

/// Has a text of the history served again.
pub(super) fn roll_back(args: &RollbackArgs, out: &mut impl Write) -> Result<u8, String> {
    let path = args.id.map_or_else(|| "/rollback".to_owned(), |id| format!("/rollback?id={id}"));
    changed(&args.admin.ask("POST", &path, LONG_PATIENCE)?, args.json, out)
}

/// Says which files were served.
pub(super) fn history(args: &HistoryArgs, out: &mut impl Write) -> Result<u8, String> {
    let answer = args.admin.ask("GET", "/history", PATIENCE)?;
    let history = answer.json()?;
    if args.json {
        return written(out, &answer.body);
    }
    let mut text = String::new();
    for entry in history["history"].as_array().into_iter().flatten() {
        let since = UnixMillis(entry["served_since"].as_u64().unwrap_or_default() * 1000);
        let digest = shown(&entry["sha256"]);
        let _ = writeln!(
            text,
            "{:>4}  {}  {:<11}  {}  {}{}",
            entry["id"],
            time(since),
            shown(&entry["cause"]),
            digest.get(..12).unwrap_or(&digest),
            shown(&entry["outcome"]),
            entry["why"].as_str().map_or_else(String::new, |why| format!(": {}", clean(why))),
        );
    }
    if let Some(why) = history["rolled_back"].as_str() {
        let _ =
            writeln!(text, "The file on disk is not served, it was rolled back: {}", clean(why));
    }
    written(out, &text)
}

impl AdminArgs {
    fn ask(&self, method: &str, path: &str, patience: Duration) -> Result<Answer, String> {
        let token = self.token()?;
        let answer =
            ask(self.address, method, path, token.as_deref(), patience).map_err(|why| {
                format!("the admin listener at {} does not answer: {why}", self.address)
            })?;
        match answer.status {
            200 => Ok(answer),
            status => Err(format!("{} answered {status}: {}", self.address, answer.detail())),
        }
    }

    fn token(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.admin_token else { return Ok(None) };
        let told = |why: io::Error| format!("{}: {why}", path.display());
        let mut text = String::new();
        if path.as_os_str() == "-" {
            io::stdin().lock().take(LONGEST_TOKEN).read_to_string(&mut text).map_err(told)?;
        } else {
            let file = std::fs::File::open(path).map_err(told)?;
            file.take(LONGEST_TOKEN).read_to_string(&mut text).map_err(told)?;
        }
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{}: this holds no token", path.display()));
        }
        Ok(Some(token.to_owned()))
    }
}

impl Answer {
    fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.body).map_err(|why| format!("the answer is no JSON: {why}"))
    }

    /// Of a problem what it says.
    fn detail(&self) -> String {
        let problem = self.json().unwrap_or_default();
        clean(problem["detail"].as_str().unwrap_or(&self.body))
    }
}

/// Tells what a reload or a rollback came to.
fn changed(answer: &Answer, json: bool, out: &mut impl Write) -> Result<u8, String> {
    if json {
        return written(out, &answer.body);
    }
    let report = answer.json()?;
    let mut text = String::new();
    for warning in report["warnings"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "{}", clean(warning.as_str().unwrap_or_default()));
    }
    let is_same = report["changed"] == false;
    let note = if is_same { ", which means what was served before" } else { "" };
    let _ = writeln!(text, "configuration {} is served{note}", report["generation"]);
    written(out, &text)
}

fn written(out: &mut impl Write, text: &str) -> Result<u8, String> {
    match out.write_all(text.as_bytes()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => Err(why.to_string()),
        _ => Ok(0),
    }
}

/// One request on a connection of its own.
fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    patience: Duration,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n"
    );
    if let Some(token) = token {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("what is there speaks no HTTP"))?;
    Ok(Answer { status, body: body.to_owned() })
}

/// A text without what a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn shown(value: &Value) -> String {
    clean(value.as_str().unwrap_or_default())
}

fn time(at: UnixMillis) -> String {
    let mut text = Vec::new();
    push_time(&mut text, at);
    let text = String::from_utf8_lossy(&text);
    text.trim_matches('"').split('.').next().unwrap_or_default().to_owned() + "Z"
}
