//! The built gateway as a child process, with ports of its own and its log read line by line.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest wait for anything that a test expects. Far above what is needed: reaching it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running `portcullis run`, killed when dropped.
pub struct Gateway {
    child: Child,
    folder: TempDir,
    log: Receiver<String>,
    log_is_unread: Arc<AtomicBool>,
    seen: Vec<String>,
    listeners: BTreeMap<String, SocketAddr>,
    admin: SocketAddr,
}

/// A gateway that ended before it served.
#[derive(Debug)]
pub struct Refused {
    /// Its exit status.
    pub status: ExitStatus,
    /// All that it said on standard error.
    pub said: String,
}

/// How to start one.
pub struct Start {
    folder: TempDir,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    before: Option<String>,
    stdout: Option<Stdio>,
    stdin: Stdio,
    wait_ready: bool,
}

impl Start {
    /// Takes the text of `routes.yaml`. Use port 0 everywhere: the real ports are read back.
    pub fn with(yaml: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("routes.yaml"), yaml).expect("routes.yaml is written");
        Self {
            folder,
            environment: Vec::new(),
            arguments: Vec::new(),
            before: None,
            stdout: None,
            stdin: Stdio::null(),
            wait_ready: true,
        }
    }

    /// Puts a file beside `routes.yaml`.
    pub fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), bytes).expect("a file is written");
        self
    }

    /// Changes `routes.yaml`.
    pub fn edit(self, change: impl Fn(&str) -> String) -> Self {
        let file = self.folder.path().join("routes.yaml");
        let yaml = std::fs::read_to_string(&file).expect("routes.yaml");
        std::fs::write(file, change(&yaml)).expect("routes.yaml is written");
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets it have so many descriptors.
    pub fn descriptors(self, most: usize) -> Self {
        self.after(&format!("ulimit -n {most}"))
    }

    /// Runs a line of shell in the process that becomes the gateway. `$FOLDER` holds `routes.yaml`.
    pub fn after(mut self, line: &str) -> Self {
        self.before = Some(line.to_owned());
        self
    }

    /// Sends its standard output, with the access log, elsewhere than to a file of its own.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Passes a listening socket on, as systemd does, and keeps it open itself.
    pub fn socket(mut self, socket: &std::net::TcpListener) -> Self {
        let socket = socket.try_clone().expect("one more descriptor");
        self.stdin = std::os::fd::OwnedFd::from(socket).into();
        self.after("exec 3<&0 </dev/null && export LISTEN_FDS=1 LISTEN_PID=$$")
    }

    /// The same through `systemd-socket-activate`, which starts the gateway when somebody connects.
    pub fn socket_by_systemd(self, socket: &std::net::TcpListener) -> Self {
        let mut start = self.socket(socket);
        // It hands on only the variables that it is told to.
        let launcher =
            "exec systemd-socket-activate --setenv=PORTCULLIS_LOG_FORMAT --setenv=FOLDER";
        start.before = start.before.map(|line| format!("{line} && {launcher} \"$0\" \"$@\""));
        start
    }

    /// Does not wait for `/readyz`, only for the admin listener.
    pub fn unready(mut self) -> Self {
        self.wait_ready = false;
        self
    }

    /// Starts it and waits until it serves.
    pub fn run(self) -> Gateway {
        match self.try_run() {
            Ok(gateway) => gateway,
            Err(refused) => panic!("the gateway ended with {}:\n{}", refused.status, refused.said),
        }
    }

    /// Starts it; tells when it ends instead of serving.
    pub fn try_run(self) -> Result<Gateway, Refused> {
        let stdout = self.stdout.unwrap_or_else(|| {
            let file = self.folder.path().join("access.log");
            std::fs::File::create(file).expect("a file").into()
        });
        let mut command = match &self.before {
            None => Command::new(env!("CARGO_BIN_EXE_portcullis")),
            Some(line) => {
                let mut shell = Command::new("sh");
                let line = format!("{line} && exec \"$0\" \"$@\"");
                shell.arg("-c").arg(line).arg(env!("CARGO_BIN_EXE_portcullis"));
                shell
            }
        };
        let mut child = command
            .arg("run")
            .arg(self.folder.path().join("routes.yaml"))
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("PORTCULLIS_LOG_FORMAT", "json")
            .env("FOLDER", self.folder.path())
            .stdin(self.stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let (tell, log) = channel();
        let stderr = child.stderr.take().expect("a pipe");
        let log_is_unread = Arc::new(AtomicBool::new(false));
        let is_unread = Arc::clone(&log_is_unread);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { break };
                if tell.send(line).is_err() {
                    break;
                }
                while is_unread.load(Ordering::Relaxed) {
                    std::thread::park();
                }
            }
        });
        let mut gateway = Gateway {
            child,
            folder: self.folder,
            log,
            log_is_unread,
            seen: Vec::new(),
            listeners: BTreeMap::new(),
            admin: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        gateway.read_addresses()?;
        if self.wait_ready {
            gateway.wait_ready();
        }
        Ok(gateway)
    }
}

impl Gateway {
    /// Shorthand for `Start::with(yaml).run()`.
    pub fn start(yaml: &str) -> Self {
        Start::with(yaml).run()
    }

    /// The folder of `routes.yaml`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its `routes.yaml`.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("routes.yaml")
    }

    /// Where its only listener listens.
    pub fn address(&self) -> SocketAddr {
        assert_eq!(self.listeners.len(), 1, "several listeners: {:?}", self.listeners);
        *self.listeners.values().next().expect("one")
    }

    /// Where a listener listens.
    pub fn listener(&self, name: &str) -> SocketAddr {
        *self.listeners.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.listeners))
    }

    /// Where the admin listener listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Processor time that it has used so far.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("a child");
        // utime and stime, in hundredths of a second: the 12th and 13th after the name.
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|n| n.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Descriptors that it has open.
    pub fn open_descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("a child").count()
    }

    /// From now on nobody reads its log, which is a pipe.
    pub fn leave_log_unread(&self) {
        self.log_is_unread.store(true, Ordering::Relaxed);
    }

    /// The reader of its log ends with the next line.
    pub fn stop_reading_log(&mut self) {
        self.log = channel().1;
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A blocking GET on the admin listener.
    pub fn ask_admin(&self, path: &str) -> super::wire::Response {
        super::wire::get(self.admin, path)
    }

    /// The value of a metric line that starts with this text, such as
    /// `portcullis_reloads_total{result="ok"}`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let text = self.ask_admin("/metrics").text();
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    /// Sum over all series of a metric whose line contains each of the given texts.
    pub fn metric_sum(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.ask_admin("/metrics").text();
        text.lines()
            .filter(|line| {
                line.starts_with(name) && labels.iter().all(|label| line.contains(label))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Replaces `routes.yaml` by rename, as an editor does.
    pub fn write(&self, yaml: &str) {
        let new = self.folder.path().join("routes.yaml.new");
        std::fs::write(&new, yaml).expect("written");
        std::fs::rename(&new, self.file()).expect("renamed");
    }

    /// Sends a signal by name: `TERM`, `HUP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -{name}");
    }

    /// Waits until a log line holds all of these texts.
    pub fn wait_log(&mut self, texts: &[&str]) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) => {
                    let found = texts.iter().all(|text| line.contains(text));
                    self.seen.push(line.clone());
                    if found {
                        return line;
                    }
                }
                Err(why) => panic!("no log line with {texts:?} ({why:?}) in:\n{}", self.said()),
            }
        }
    }

    /// All that it said so far.
    pub fn said(&self) -> String {
        self.seen.join("\n")
    }

    /// All lines that it has logged so far.
    pub fn log(&mut self) -> &[String] {
        self.seen.extend(self.log.try_iter());
        &self.seen
    }

    /// The access log so far, one JSON value a line.
    pub fn access_log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.folder.path().join("access.log"));
        let text = text.expect("the access log");
        // What follows the last line break is a line that is being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
            .collect()
    }

    /// Waits until the access log satisfies a condition, and returns it.
    pub fn wait_access_log(
        &self,
        enough: impl Fn(&[serde_json::Value]) -> bool,
    ) -> Vec<serde_json::Value> {
        eventually("the access log", || {
            let lines = self.access_log();
            enough(&lines).then_some(lines)
        })
    }

    /// Waits for its end.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the process ends", || child.try_wait().expect("a child"))
    }

    fn wait_ready(&self) {
        eventually("/readyz is 200", || (self.ask_admin("/readyz").status == 200).then_some(()));
    }

    /// Reads the log up to the line that tells that it serves.
    fn read_addresses(&mut self) -> Result<(), Refused> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    let Ok(event) = serde_json::from_str::<serde_json::Value>(&line) else {
                        continue;
                    };
                    let address =
                        || -> Option<SocketAddr> { event["address"].as_str()?.parse().ok() };
                    match event["message"].as_str() {
                        Some("listening") => {
                            let name = event["listener"].as_str().expect("a name").to_owned();
                            self.listeners.insert(name, address().expect("an address"));
                        }
                        Some("admin listening") => self.admin = address().expect("an address"),
                        Some("serving") => return Ok(()),
                        _ => {}
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().expect("a status");
                    return Err(Refused { status, said: self.said() });
                }
                Err(RecvTimeoutError::Timeout) => panic!("not serving:\n{}", self.said()),
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.seen.extend(self.log.try_iter());
        if std::thread::panicking() {
            eprintln!("--- the gateway said:\n{}", self.said());
            return;
        }
        // Whatever a test was about: no web token is in any log. A claim that begins with `eyJ` would be a
        // false alarm; there is none.
        let access = std::fs::read(self.folder.path().join("access.log")).unwrap_or_default();
        let said = format!("{}\n{}", String::from_utf8_lossy(&access), self.said());
        let token = said.lines().find(|line| line.contains("eyJ"));
        assert!(token.is_none(), "a web token is in a log: {token:?}");
    }
}

/// Asks again until there is an answer; fails when patience ends. Between two askings it yields for
/// a moment, which is pacing, not timing: no test depends on its length.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "never came true: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Runs a sub-command to its end.
pub fn portcullis(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("portcullis runs")
}
