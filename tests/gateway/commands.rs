//! What the operator types, and what it says.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::authorization::protected;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tempfile::TempDir;

use crate::support::process::{PATIENCE, portcullis};
use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");

/// A command that goes on until it is told to end; killed when dropped.
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(PORTCULLIS);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("portcullis starts"))
    }

    /// Reads one of its outputs up to a line that holds a text. The rest is read and thrown away.
    pub fn read_until(from: impl Read + Send + 'static, text: &str) -> String {
        let mut lines = BufReader::new(from).lines().map_while(Result::ok);
        let mut said = String::new();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("no {text} in:\n{said}"));
            said.push_str(&line);
            said.push('\n');
            if line.contains(text) {
                std::thread::spawn(move || lines.for_each(drop));
                return said;
            }
        }
    }

    /// Sends a signal, and waits for its exit code.
    pub fn end(mut self, signal: &str) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
        eventually("it ends", || self.0.try_wait().expect("a child")).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The sample `routes.yaml` on free ports.
pub fn sample() -> (TempDir, PathBuf) {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/routes.yaml"));
    let mut text = text.expect("the sample");
    for port in ["8080", "9901", "9902", "9911", "9912"] {
        let free = format!("127.0.0.1:{}", Issuer::free_port());
        text = text.replace(&format!("127.0.0.1:{port}"), &free);
    }
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("routes.yaml");
    fs::write(&file, text).expect("written");
    (folder, file)
}

fn written(text: impl AsRef<[u8]>) -> (TempDir, String) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("routes.yaml");
    fs::write(&file, text).expect("written");
    let file = file.display().to_string();
    (folder, file)
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// What a shell would call `curl` with, and the address it would ask.
fn ask_as_curl(line: &str, token: &str) -> wire::Response {
    let script = format!("curl() {{ printf '%s\\n' \"$@\"; }}\nTOKEN='{token}'\n{line}\n");
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh runs");
    assert!(output.status.success(), "{line}: {}", said(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    let words: Vec<&str> = text.lines().collect();
    let url = words.iter().find_map(|word| word.strip_prefix("http://")).expect("a URL");
    let (address, path) = url.split_once('/').expect("a path");
    let headers: Vec<(&str, &str)> = words
        .windows(2)
        .filter(|pair| pair[0] == "-H")
        .map(|pair| pair[1].split_once(": ").expect("a header"))
        .collect();
    let address: SocketAddr = address.parse().expect("an address");
    wire::request(address, "GET", &format!("/{path}"), &headers)
}

#[test]
fn each_curl_line_of_the_demo_answers_as_it_says() {
    let (folder, file) = sample();
    let mut demo = Running::start(&["demo", &file.display().to_string()]);
    let told = Running::read_until(demo.0.stderr.take().expect("a pipe"), "\"ready\"");
    let token = told.lines().find_map(|line| line.trim().strip_prefix("TOKEN="));
    let token = token.expect("a token").to_owned();
    let lines: Vec<&str> =
        told.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    let answers: Vec<_> = lines.iter().map(|line| ask_as_curl(line, &token)).collect();
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 401, 401, 403, 200], "{told}");
    assert!(answers[0].text().contains("x-auth-subject"), "{}", answers[0].text());
    let challenge = answers[3].header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("orders/read"), "{challenge}");
    let forged = answers[4].text();
    assert!(!forged.contains("admin") && !forged.contains("x_auth_groups"), "{forged}");
    assert_eq!(demo.end("-INT"), Some(0));
    drop(folder);
}

#[test]
fn a_demo_in_a_folder_whose_name_a_shell_would_take_apart_prints_lines_that_work() {
    let (folder, file) = sample();
    let strange = folder.path().join("it's $HOME & more");
    fs::create_dir(&strange).expect("a folder");
    let moved = strange.join("routes.yaml");
    fs::rename(file, &moved).expect("moved");
    let mut demo = Running::start(&["demo", &moved.display().to_string()]);
    let told = Running::read_until(demo.0.stderr.take().expect("a pipe"), "\"ready\"");
    let mut lines = told.lines().map(str::trim).filter(|line| line.starts_with("curl "));
    let line = lines.find(|line| line.contains(" token ")).expect("a line");
    assert_eq!(ask_as_curl(line, "").status, 403, "{line}");
    assert_eq!(demo.end("-TERM"), Some(0));
}

#[test]
fn a_demo_whose_port_is_taken_says_which_and_ends_with_code_1() {
    let (_folder, file) = sample();
    let text = fs::read_to_string(&file).expect("read");
    let address = |key: &str| {
        let at = text.find(key).expect("a key") + key.len();
        text[at..].split([' ', ']', '\n']).next().expect("an address").to_owned()
    };
    for taken in [address("targets: ["), address("  address: ")] {
        let _holder = TcpListener::bind(&taken).expect("free until now");
        let output = portcullis(&["demo", &file.display().to_string()]);
        assert_eq!(output.status.code(), Some(1), "{taken}");
        assert!(said(&output).contains(&taken), "{}", said(&output));
    }
}

#[test]
fn user_pool_and_token_work_together_and_each_says_what_is_missing() {
    let (_folder, file) = sample();
    let file = file.display().to_string();
    let output = portcullis(&["token", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty() && said(&output).contains("user-pool"), "{}", said(&output));

    let mut pool = Running::start(&["user-pool", &file]);
    Running::read_until(pool.0.stdout.take().expect("a pipe"), "Ctrl-C");
    let token = |arguments: &[&str]| {
        let output = portcullis(&[&["token", file.as_str()], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(text.lines().count(), 1, "only the token is on standard output");
        let payload = text.split('.').nth(1).expect("a payload").to_owned();
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        serde_json::from_slice::<serde_json::Value>(&payload).expect("JSON")
    };
    assert_eq!(token(&[])["token_use"], "access");
    assert_eq!(token(&["--user", "bob", "--id"])["email"], "bob@example.com");
    let machine = token(&["--machine", "--client", "demo_machine", "--scope", "orders/read"]);
    assert_eq!(machine["scope"], "orders/read");
    let refused =
        portcullis(&["token", &file, "--user", "alice", "--password", "not-the-password"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty(), "{}", said(&refused));

    let second = portcullis(&["user-pool", &file]);
    assert_eq!(second.status.code(), Some(1), "the port is taken");
    let (_other, without) = written("listeners:\n  public: { address: 127.0.0.1:0 }\n");
    for command in ["user-pool", "demo", "token"] {
        let output = portcullis(&[command, &without]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(said(&output).contains("development_user_pool"), "{}", said(&output));
    }
    assert_eq!(pool.end("-TERM"), Some(0));
}

#[test]
fn check_tells_good_from_bad_and_strict_from_lenient_by_exit_code() {
    let (_folder, good) = sample();
    let good = good.display().to_string();
    let (_bad_folder, bad) = written("listeners:\n  public: { adress: 127.0.0.1:0 }\n");
    let (_doubtful_folder, doubtful) = written(
        "listeners:\n  public:\n    address: 127.0.0.1:0\ntarget_groups:\n  \
         unused: { targets: [127.0.0.1:1] }\n",
    );
    for (arguments, code, needed) in [
        (vec!["check", &good], 0, "good: 1 listener"),
        (vec!["validate", "--strict", &good], 0, "good: 1 listener"),
        (vec!["check", &bad], 1, "routes.yaml:2:"),
        (vec!["check", "--json", &bad], 1, "\"line\": 2"),
        (vec!["check", &doubtful], 0, "unused-target-group"),
        (vec!["check", "--strict", &doubtful], 1, "refused, since --strict"),
    ] {
        let output = portcullis(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(needed), "{arguments:?}: {text}");
    }
    let json = portcullis(&["check", "--json", &bad]).stdout;
    assert!(serde_json::from_slice::<serde_json::Value>(&json).expect("JSON").is_array());
}

#[test]
fn check_reads_from_a_pipe() {
    let (_folder, good) = sample();
    let mut child = Command::new(PORTCULLIS)
        .args(["check", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("portcullis starts");
    let text = fs::read(good).expect("read");
    child.stdin.take().expect("a pipe").write_all(&text).expect("sent");
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn what_is_no_file_of_ours_is_refused_soon_and_without_a_panic() {
    let folder = TempDir::new().expect("a folder");
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    };
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let large = folder.path().join("large");
    fs::File::create(&large).and_then(|file| file.set_len(100 << 20)).expect("made");
    let nested = "[".repeat(5000) + &"]".repeat(5000);
    let cases = [
        put("bomb", bomb.as_bytes()),
        put("deep", format!("listeners: {nested}").as_bytes()),
        put("blocks", (0..5000).map(|n| " ".repeat(n) + "a:\n").collect::<String>().as_bytes()),
        put("latin", b"listeners:\n  caf\xe9: { address: 127.0.0.1:0 }\n"),
        put("binary", &[0, 159, 146, 150, 0, 255]),
        large,
        folder.path().join("missing"),
        folder.path().to_owned(),
        Path::new("/dev/zero").to_owned(),
    ];
    for path in cases {
        for command in ["check", "run", "demo", "user-pool", "token"] {
            let begun = Instant::now();
            let output = portcullis(&[command, &path.display().to_string()]);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{command} {}: {said}", path.display());
            assert!(!said.contains("panic") && !said.is_empty(), "{said}");
            assert!(said.len() < 64 * 1024, "{command} {} said too much", path.display());
            assert!(begun.elapsed() < PATIENCE, "{command} {}", path.display());
        }
    }
}

#[test]
fn nobody_who_stops_reading_makes_a_command_panic() {
    let many: String = (0..5000).map(|number| format!("nonsense_{number}: 1\n")).collect();
    let (_folder, bad) = written(many);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/samples/route-tests.yaml");
    let commands: [&[&str]; 8] = [
        &["check", &bad],
        &["check", "--json", &bad],
        &["explain", sample, "GET", "/"],
        &["test", "--verbose", sample],
        &["diff", "--json", sample, sample],
        &["schema"],
        &["--help"],
        &["check", "-h"],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let child = Command::new(PORTCULLIS)
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .expect("portcullis starts");
        let output = child.wait_with_output().expect("an end");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code().is_some(), "{arguments:?} was ended by a signal");
        assert!(!text.contains("panic"), "{arguments:?}: {text}");
    }
}

#[test]
fn schema_prints_the_committed_schema() {
    let output = portcullis(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/routes.schema.json");
    assert_eq!(output.stdout, fs::read(file).expect("the schema"));
}

#[test]
fn each_command_s_help_teaches_with_an_example() {
    for command in
        ["run", "check", "explain", "test", "diff", "schema", "demo", "user-pool", "token"]
    {
        let output = portcullis(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        let text = String::from_utf8(output.stdout).expect("text");
        let example = text.split("Example").nth(1).unwrap_or_else(|| panic!("{command}: {text}"));
        assert!(example.contains("portcullis "), "{command}: {text}");
    }
    let output = portcullis(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("portcullis demo"));
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_code_2_and_a_hint() {
    for (arguments, hint) in [
        (vec!["chekc"], "check"),
        (vec!["check", "--strcit"], "--strict"),
        (vec!["run", "--port", "80"], "Usage"),
        (vec!["check", "a", "b"], "Usage"),
        (vec!["token", "--count", "0"], "--count"),
        (vec!["user-pool", "--address", "nowhere"], "--address"),
        (vec![], "Usage"),
    ] {
        let output = portcullis(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(text.contains(hint), "{arguments:?}: {text}");
    }
}

#[test]
fn a_taken_port_ends_it_with_code_1_naming_listener_and_port() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let yaml = protected(&issuer, &target)
        .replace("    address: 127.0.0.1:0\n", &format!("    address: {address}\n"));
    let refused = Start::with(&yaml).try_run().err().expect("refused");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.said.contains("`public`") && refused.said.contains(&address),
        "{}",
        refused.said
    );
}

#[test]
fn run_refuses_a_development_user_pool() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/routes.yaml");
    let output = portcullis(&["run", sample]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("development_user_pool"), "{said}");
}

#[test]
fn the_log_does_not_open_with_lines_of_pingora() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    assert!(!gateway.said().contains("pingora"), "{}", gateway.said());
}

#[test]
fn no_token_is_in_any_log() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let mut gateway = Gateway::start(&protected(&issuer, &target));
    let token = issuer.token();
    for path in ["/orders/1".to_owned(), format!("/orders/1?access_token={token}")] {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Cookie", token.as_str())];
        crate::support::wire::request(gateway.address(), "GET", &path, &headers);
    }
    let lines = gateway.wait_access_log(|lines| lines.len() == 2);
    gateway.signal("TERM");
    gateway.wait_log(&["stopping"]);
    assert!(!format!("{lines:?}{}", gateway.said()).contains("eyJ"));
}

#[test]
fn healthcheck_tells_by_its_exit_code_whether_a_gateway_is_ready() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = format!("shutdown: {{ pre_stop_wait: 60s }}\n{}", protected(&issuer, &target));
    let gateway = Gateway::start(&yaml);
    let address = gateway.admin().to_string();
    let ask = |more: &[&str]| portcullis(&[&["healthcheck", "--address", &address], more].concat());
    let output = ask(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).starts_with("ready"), "{}", said(&output));
    // A file that has become wrong is no reason to end what serves the one before.
    gateway.write("nonsense");
    assert_eq!(ask(&[]).status.code(), Some(0));
    gateway.signal("TERM");
    eventually("it is not ready any more", || (ask(&[]).status.code() == Some(1)).then_some(()));
    assert!(said(&ask(&[])).contains("stopping"));
    let told: serde_json::Value = serde_json::from_str(&said(&ask(&["--json"]))).expect("JSON");
    assert_eq!(told["healthy"], false, "{told}");
    assert!(told["said"].to_string().contains("stopping"), "{told}");
    assert_eq!(ask(&["--live"]).status.code(), Some(0));
    drop(gateway);
    let output = ask(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("refused"), "{}", said(&output));
}

#[test]
fn completions_are_what_each_shell_reads_and_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = portcullis(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        for name in ["check", "explain", "import", "user-pool", "completions", "--portable"] {
            let name = if shell == "fish" { name.trim_start_matches('-') } else { name };
            assert!(text.contains(name), "{shell} does not complete {name}");
        }
    }
    assert_eq!(portcullis(&["completions", "basic"]).status.code(), Some(2));
    // bash itself completes what was begun.
    let text = portcullis(&["completions", "bash"]).stdout;
    let (_folder, file) = written(text);
    let script = format!(
        ". {file}; COMP_WORDS=(portcullis che); COMP_CWORD=1; _portcullis portcullis che portcullis; \
         printf '%s' \"${{COMPREPLY[*]}}\""
    );
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash runs");
    assert_eq!(said(&output), "check");
}

#[test]
fn the_manual_page_has_a_section_for_every_command_that_help_names() {
    let page = String::from_utf8(portcullis(&["man"]).stdout).expect("UTF-8");
    assert!(page.contains(".TH portcullis 1"), "{page}");
    let help = String::from_utf8(portcullis(&["--help"]).stdout).expect("UTF-8");
    let (_, commands) = help.split_once("Commands:\n").expect("a list of commands");
    let names = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    let mut count = 0;
    for name in names.filter(|name| *name != "help") {
        let section = format!(".SH \"PORTCULLIS {}\"\n", name.to_uppercase());
        assert_eq!(page.matches(&section).count(), 1, "{name}");
        count += 1;
    }
    assert!(count >= 13, "{count} commands in {help}");
    // Pages of their own are not shipped: none is referred to.
    assert!(!page.contains("portcullis\\-run(1)"));
}
