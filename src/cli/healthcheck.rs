//! `portcullis healthcheck`: asks a running gateway's admin listener, for images without `curl`.
//!
//! It does not read `routes.yaml`: what is in force is right even when the file has become wrong,
//! and a container must not be ended for that.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// For each of connecting, asking and hearing.
const PATIENCE: Duration = Duration::from_secs(2);
/// Far more than the admin listener answers there.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Whom to ask, and what.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct HealthcheckArgs {
    /// `admin.address` of the file in force, reachable from here
    #[arg(long, default_value = "127.0.0.1:9901", env = "PORTCULLIS_ADMIN_ADDRESS")]
    pub address: SocketAddr,
    /// Ask whether the process turns (/livez), not whether requests should be sent (/readyz)
    #[arg(long)]
    pub live: bool,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Asks, and writes the answer's body. The exit code: 0 when the answer was 200.
///
/// # Errors
///
/// Nobody answers there, or `out` cannot be written.
pub fn run(args: HealthcheckArgs, out: &mut impl Write) -> io::Result<i32> {
    let path = if args.live { "/livez" } else { "/readyz?verbose" };
    let answer = ask(args.address, path)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let is_good = head.split(' ').nth(1) == Some("200");
    if args.json {
        let said: Vec<_> = body.lines().filter(|line| !line.is_empty()).collect();
        writeln!(out, "{}", serde_json::json!({ "healthy": is_good, "said": said }))?;
    } else {
        writeln!(out, "{}", body.trim_end())?;
    }
    Ok(i32::from(!is_good))
}

fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
