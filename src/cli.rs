//! The command line: one file a sub-command. Facts go to standard output, talk to standard error.
//!
//! Exit codes: 0 good, 1 the file is wrong or the work failed, 2 the command was misused.

mod admin;
pub mod check;
mod demo;
pub mod diff;
pub mod explain;
pub mod healthcheck;
mod import;
pub mod pages;
mod run;
pub mod schema;
pub mod test;
pub mod token;
pub mod user_pool;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::config::{self, LoadOptions, Loaded};

const FAILED: u8 = 1;
const MISUSED: u8 = 2;

const RUN_EXAMPLES: &str = "\
Examples:
  portcullis run /etc/portcullis/routes.yaml
  PORTCULLIS_LOG=debug PORTCULLIS_LOG_FORMAT=text portcullis run
  kill -HUP PID     reload now; a changed file is seen within a second all the same";

const CHECK_EXAMPLES: &str = "\
Exit code 0 when the file can be served, 1 when it cannot.

Examples:
  portcullis check routes.yaml
  portcullis check --strict --portable routes.yaml     in CI: no certificates or secrets needed
  portcullis check --json routes.yaml | jq '.[].message'
  portcullis check --security routes.yaml              what could be safer; 1 from `medium` on
  portcullis check --security --min-severity high routes.yaml";

const SCHEMA_EXAMPLES: &str = "\
Example:
  portcullis schema > routes.schema.json
  portcullis schema --tests > routes.test.schema.json
and as the first line of routes.yaml:
  # yaml-language-server: $schema=routes.schema.json";

const DEMO_EXAMPLES: &str = "\
Example:
  portcullis demo routes.yaml     prints curl lines to try; Ctrl-C ends it";

const USER_POOL_EXAMPLES: &str = "\
Example:
  portcullis user-pool routes.yaml --address 127.0.0.1:9902
  portcullis token routes.yaml     in another terminal";

const TOKEN_EXAMPLES: &str = "\
Examples:
  curl -H \"Authorization: Bearer $(portcullis token routes.yaml)\" http://127.0.0.1:8080/account
  portcullis token --user bob --id
  portcullis token --machine --client demo_machine --scope orders/read
  portcullis token --expires-in 1s     one that expires while you look";

const EXPLAIN_EXAMPLES: &str = "\
Exit code 0 when the request was explained, whatever becomes of it; 1 when the file is wrong.

Examples:
  portcullis explain GET https://api.example.com/orders/7
  portcullis explain routes.yaml POST /orders --claims '{\"scope\": \"orders/write\"}'
  portcullis explain GET /admin -H 'Host: app.example.com' --source-ip 192.0.2.1 --json
  portcullis token | portcullis explain GET /account --token - --online
  portcullis explain --id 6a5df3ace8456191     a request that a running gateway has decided
  portcullis explain --id 6a5df3ace8456191 routes.yaml     rule by rule, as this file has it";

const DIFF_EXAMPLES: &str = "\
Exit code 0 when both mean the same, 1 when they do not, 2 when one of them cannot be read.

Examples:
  portcullis diff routes.yaml routes.new.yaml
  portcullis diff <(git show main:routes.yaml) routes.yaml
  portcullis diff --fail-on-opened OLD NEW     in CI: fails only when something was opened
  portcullis diff --replay today.jsonl OLD NEW     and which requests of today meet something else";

const HEALTHCHECK_EXAMPLES: &str = "\
Exit code 0 when it is ready, 1 when it is not or does not answer.

Example, in a Dockerfile:
  HEALTHCHECK CMD [\"/usr/bin/portcullis\", \"healthcheck\"]";

const RELOAD_EXAMPLES: &str = "\
Exit code 0 when the file is in force, 1 when it was refused or nobody answers.

Example:
  portcullis reload --admin-token /run/secrets/admin-token";

const HISTORY_EXAMPLES: &str = "\
Examples:
  portcullis history
  portcullis history --json | jq -r '.history[] | [.id, .outcome, .why] | @tsv'";

const ROLLBACK_EXAMPLES: &str = "\
Exit code 0 when it is served again, 1 when it is not.

Examples:
  portcullis rollback --admin-token /run/secrets/admin-token       the last good one
  portcullis rollback 7 --admin-token /run/secrets/admin-token";

const RECORD_EXAMPLES: &str = "\
Exit code 0 when requests were recorded, 1 when nobody answers or nothing could be written.

Examples:
  portcullis record --seconds 300 --output today.jsonl --admin-token /run/secrets/admin-token
  portcullis diff --replay today.jsonl routes.yaml routes.new.yaml
  portcullis record --claim department --header x-tenant --output today.jsonl";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  portcullis completions bash > /usr/share/bash-completion/completions/portcullis
  portcullis completions fish > ~/.config/fish/completions/portcullis.fish";

const MAN_EXAMPLE: &str = "\
Example:
  portcullis man > /usr/share/man/man1/portcullis.1";

const TEST_EXAMPLES: &str = "\
Exit code 0 when all is as expected, 1 when it is not.

Examples:
  portcullis test                        runs routes.test.yaml against routes.yaml
  portcullis test --junit results.xml edge/routes.yaml
  portcullis test --mutate               what could be weakened and no test would notice?
and in routes.test.yaml:
  tests:
    - request: GET https://api.example.com/orders/7
      as: { claims: { scope: orders/read } }
      expect: { rule: orders, target_group: orders }";

/// An edge authorizer gateway: verifies user pool tokens in front of target groups.
///
/// Everything it does is in one file, routes.yaml. Begin with `portcullis demo`, or with
/// `portcullis check` on a file of your own.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve what the file says, until SIGTERM
    ///
    /// The file is read again when it changes, on SIGHUP and on POST /reload: whole, or not at all.
    /// SIGTERM makes /readyz red, waits shutdown.pre_stop_wait, and ends when the last request has
    /// ended or shutdown.drain_limit is over; a second signal ends at once.
    #[command(after_help = RUN_EXAMPLES)]
    Run(FileArgs),
    /// Judge the file: every mistake at once, with its place; opens no socket
    #[command(
        visible_alias = "validate",
        after_help = CHECK_EXAMPLES
    )]
    Check(CheckArgs),
    /// Say what would become of a request, and why: rule by rule, claim by claim
    ///
    /// The same code decides that serves. No socket is opened but with --online, and neither
    /// certificates nor secrets are needed.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Run the tests beside the file: requests, callers, and what must become of them
    ///
    /// The same code decides that serves; callers get real tokens of throw-away keys. No socket is
    /// opened, and neither certificates nor secrets are needed.
    #[command(after_help = TEST_EXAMPLES)]
    Test(test::TestArgs),
    /// Say what changes in meaning from one file to another: above all, what becomes open
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(diff::DiffArgs),
    /// Print the JSON Schema of the file, for editors
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(schema::SchemaArgs),
    /// Run the file's development user pool, its targets and the gateway in one process
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(FileArgs),
    /// Make a routes.yaml of what guards a service today
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Run only the development user pool of routes.yaml
    #[command(after_help = USER_POOL_EXAMPLES)]
    UserPool(user_pool::UserPoolArgs),
    /// Get a token from a running development user pool
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(token::TokenArgs),
    /// Ask a running gateway whether it is ready, where there is no curl
    #[command(after_help = HEALTHCHECK_EXAMPLES)]
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Have a running gateway read its file again, and say what came of it
    ///
    /// Waits until the file is checked, its tests are run and it is in force. A wrong one is refused
    /// whole, with its findings; what was served is served on.
    #[command(after_help = RELOAD_EXAMPLES)]
    Reload(admin::ReloadArgs),
    /// Say which files a running gateway has served, by whose doing, and what became of them
    #[command(after_help = HISTORY_EXAMPLES)]
    History(admin::HistoryArgs),
    /// Have a running gateway serve a file of its history again
    ///
    /// The file on disk is left as it is, and not taken up again until it changes.
    #[command(after_help = ROLLBACK_EXAMPLES)]
    Rollback(admin::RollbackArgs),
    /// Have a running gateway keep the requests of a while, without their secrets
    ///
    /// What they would meet by another file, `diff --replay` says. Kept are method, target, host,
    /// addresses, names of headers, and values of what rules look at; never tokens, cookies, keys,
    /// or who a caller is.
    #[command(after_help = RECORD_EXAMPLES)]
    Record(admin::RecordArgs),
    /// Print what makes a shell complete this command line
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(pages::CompletionsArgs),
    /// Print the manual page
    #[command(after_help = MAN_EXAMPLE)]
    Man,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The configuration
    #[arg(value_name = "FILE", default_value = "routes.yaml", env = "PORTCULLIS_CONFIG")]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    file: FileArgs,
    /// A JSON list of findings instead of text
    #[arg(long)]
    json: bool,
    /// A warning fails too
    #[arg(long)]
    strict: bool,
    /// Look neither at certificates nor at secrets nor at any other file
    #[arg(long)]
    portable: bool,
    /// Warn where AWS would not take as much
    #[arg(long)]
    aws_quotas: bool,
    /// Review what a right file leaves weaker than it could be; `accepted_risks` says what is meant
    #[arg(long, conflicts_with_all = ["strict", "aws_quotas"])]
    security: bool,
    /// The least severity that fails a review
    #[arg(long, value_name = "SEVERITY", requires = "security", default_value = "medium")]
    min_severity: check::security::MinSeverity,
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let code = match Arguments::parse().command {
        Command::Run(args) => run::run(&args.file),
        Command::Demo(args) => demo::run(&args.file),
        Command::Check(args) => check(&args),
        Command::Explain(args) => run_explain(&args),
        Command::Test(args) => {
            let color = use_color(&io::stdout());
            told(test::run(&args, color, &mut io::stdout().lock()))
        }
        Command::Diff(args) => run_diff(&args),
        Command::Schema(args) => exit_code(schema::run(&args, &mut io::stdout().lock())),
        Command::Import(command) => run_import(&command),
        Command::UserPool(args) => run_user_pool(&args),
        Command::Token(args) => run_token(&args),
        Command::Healthcheck(args) => exit_code(healthcheck::run(args, &mut io::stdout().lock())),
        Command::Reload(args) => asked(admin::reload(&args, &mut io::stdout().lock())),
        Command::History(args) => asked(admin::history(&args, &mut io::stdout().lock())),
        Command::Rollback(args) => asked(admin::roll_back(&args, &mut io::stdout().lock())),
        Command::Record(args) => asked(admin::record(&args, &mut io::stdout().lock())),
        Command::Completions(args) => {
            exit_code(pages::completions(Arguments::command(), args, &mut io::stdout().lock()))
        }
        Command::Man => exit_code(pages::man(Arguments::command(), &mut io::stdout().lock())),
    };
    ExitCode::from(code)
}

fn check(args: &CheckArgs) -> u8 {
    let options = check::Options {
        json: args.json,
        strict: args.strict,
        portable: args.portable,
        color: use_color(&io::stdout()),
    };
    let out = &mut io::stdout().lock();
    let lints = |loaded: &Loaded| {
        let mut findings = crate::check::judge(&loaded.config);
        findings.extend(crate::route_tests::judge(&loaded.tests));
        if args.aws_quotas {
            findings.extend(crate::check::aws_quotas::judge(&loaded.config));
        }
        findings
    };
    if args.security {
        let least = args.min_severity;
        return exit_code(check::security::run(&args.file.file, options, least, lints, out));
    }
    exit_code(check::run(&args.file.file, options, lints, out))
}

/// The exit code of a command that asks a running gateway.
fn asked(result: Result<u8, String>) -> u8 {
    result.unwrap_or_else(|why| fail(&why))
}

fn run_explain(args: &explain::ExplainArgs) -> u8 {
    let color = use_color(&io::stdout());
    if let Some(id) = &args.id {
        let out = &mut io::stdout().lock();
        return match args.past_file() {
            Ok(None) => asked(admin::past(&args.admin, id, args.json, out)),
            Ok(Some(file)) => told(explain::run_past(args, id, file, color, out).map(|()| 0)),
            Err(why) => told(Err(why)),
        };
    }
    told(explain::run(args, &default_file(), color, &mut io::stdout().lock()).map(|()| 0))
}

/// As of diff(1), a file that cannot be read is trouble, and not a difference.
fn run_diff(args: &diff::DiffArgs) -> u8 {
    let color = use_color(&io::stdout());
    let result = diff::run(args, color, &mut io::stdout().lock());
    let is_trouble = result.is_err();
    let code = told(result);
    if is_trouble { MISUSED } else { code }
}

/// The file of commands whose first word may be something else.
fn default_file() -> PathBuf {
    let named = std::env::var_os("PORTCULLIS_CONFIG").filter(|name| !name.is_empty());
    named.map_or_else(|| PathBuf::from("routes.yaml"), PathBuf::from)
}

/// The exit code of a command that asks the engine; says what was in the way.
fn told(result: Result<u8, explain::Failure>) -> u8 {
    match result {
        Ok(code) => code,
        Err(explain::Failure::File(report)) => {
            let _ = write!(io::stderr(), "{}", report.render(use_color(&io::stderr())));
            FAILED
        }
        Err(explain::Failure::Work(why)) => fail(&why),
        Err(explain::Failure::Output(why)) => exit_code(Err(why)),
        Err(explain::Failure::Usage(why)) => {
            fail(&why);
            MISUSED
        }
    }
}

fn run_import(command: &import::ImportCommand) -> u8 {
    match import::run(command) {
        Ok(told) => {
            let _ = writeln!(io::stderr(), "{told}");
            0
        }
        Err(why) => fail(&why),
    }
}

fn run_user_pool(args: &user_pool::UserPoolArgs) -> u8 {
    let Some(loaded) = load(&args.file) else { return FAILED };
    let Some(pool) = &loaded.config.development_user_pool else {
        return fail(&format!("{} has no development_user_pool", args.file.display()));
    };
    let directory = loaded.config.state_directory.as_deref();
    finish(block_on(user_pool::run(args, pool, directory)))
}

fn run_token(args: &token::TokenArgs) -> u8 {
    let loaded = if args.pool.is_some() {
        None
    } else {
        let Some(loaded) = load(&args.file) else { return FAILED };
        Some(loaded)
    };
    let pool = loaded.as_ref().and_then(|loaded| loaded.config.development_user_pool.as_ref());
    finish(block_on(token::run(args, pool)))
}

/// Reads a file; says what is wrong with it.
fn load(file: &Path) -> Option<Loaded> {
    match config::load(file, LoadOptions::default()) {
        Ok(loaded) => Some(loaded),
        Err(report) => {
            let _ = write!(io::stderr(), "{}", report.render(use_color(&io::stderr())));
            None
        }
    }
}

fn use_color(stream: &impl io::IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn block_on<T, E: std::fmt::Display>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|why| format!("no threads to be had: {why}"))?;
    runtime.block_on(work).map_err(|why| why.to_string())
}

fn finish(result: Result<(), String>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(why) => fail(&why),
    }
}

fn fail(why: &str) -> u8 {
    let _ = writeln!(io::stderr(), "portcullis: {why}");
    FAILED
}

/// A command whose only trouble can be that nobody reads what it prints.
fn exit_code(result: io::Result<i32>) -> u8 {
    match result {
        Ok(code) => u8::try_from(code).unwrap_or(FAILED),
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => FAILED,
        Err(why) => fail(&why.to_string()),
    }
}
