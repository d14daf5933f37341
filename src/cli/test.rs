//! `portcullis test [FILE]`: runs the tests beside the file.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use super::explain::{Failure, now, signer, snapshot_of};
use crate::config::model::Config;
use crate::config::route_tests::{self as file, Suite};
use crate::config::{self, LoadOptions, Loaded, Report, Source};
use crate::route_tests::{self, Wallet, mutation};
use crate::telemetry::metrics::Metrics;

/// Requests, callers, and what must become of them
#[derive(Debug, Clone, clap::Args)]
pub struct TestArgs {
    /// The configuration
    #[arg(value_name = "FILE", default_value = "routes.yaml", env = "PORTCULLIS_CONFIG")]
    file: PathBuf,
    /// The tests, if they are not beside the configuration (routes.test.yaml)
    #[arg(long, value_name = "FILE")]
    tests: Option<PathBuf>,
    /// Only tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Also list the tests that pass
    #[arg(short, long)]
    verbose: bool,
    /// One JSON object instead of text
    #[arg(long, conflicts_with_all = ["verbose", "draft"])]
    json: bool,
    /// Also write the results as JUnit XML
    #[arg(long, value_name = "PATH")]
    junit: Option<PathBuf>,
    /// Fail when fewer of a hundred rules and routes of APIs are reached
    #[arg(long, value_name = "PERCENT", conflicts_with = "filter", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Weaken the configuration in one place at a time, and fail when no test notices
    #[arg(long, conflicts_with_all = ["filter", "junit"])]
    mutate: bool,
    /// Run nothing; write tests for a file that has none: a request for each rule, and its callers
    #[arg(long, conflicts_with_all = ["tests", "filter", "junit", "min_coverage", "mutate"])]
    draft: bool,
}

/// Runs tests; the exit code is 0 when all is as expected, 1 when it is not.
///
/// # Errors
///
/// See [`Failure`].
pub fn run(args: &TestArgs, color: bool, out: &mut impl Write) -> Result<u8, Failure> {
    let loaded = config::load(&args.file, LoadOptions { portable: true }).map_err(Failure::File)?;
    let Loaded { config, tests, source, .. } = loaded;
    let snapshot = snapshot_of(config);
    if args.draft {
        let moment = now();
        let text = route_tests::draft::draft(&snapshot, &signer(&snapshot, moment)?, moment);
        return out.write_all(text.as_bytes()).map(|()| 0).map_err(Failure::Output);
    }
    let mut suite = suite(args, tests, source, &snapshot.config)?;
    if let Some(filter) = &args.filter {
        suite.tests.retain(|test| test.name.contains(filter.as_str()));
        if suite.tests.is_empty() {
            return Err(Failure::Usage(format!("no test's name holds `{filter}`")));
        }
    }
    let moment = now();
    let mut wallet = Wallet::new(&suite, signer(&snapshot, moment)?);
    let run = route_tests::run(&suite, &snapshot, &mut wallet, moment);
    let name = suite.source.name().to_owned();
    let options =
        route_tests::Options { verbose: args.verbose, coverage: args.filter.is_none(), color };
    let mut say = |text: &str| match args.json {
        true => Ok(()),
        false => out.write_all(text.as_bytes()).map_err(Failure::Output),
    };
    say(&route_tests::render(&run, &name, options))?;
    if let Some(junit) = &args.junit {
        fs::write(junit, route_tests::to_junit(&run, &name))
            .map_err(|why| Failure::Work(format!("cannot write {}: {why}", junit.display())))?;
    }
    let mut is_good = run.failed() == 0;
    if let Some(least) = args.min_coverage.map(usize::from)
        && run.coverage.percentage() < least
    {
        let reached = run.coverage.percentage();
        let what = if run.coverage.routes().count() == 0 { "rules" } else { "rules and routes" };
        say(&format!("too few {what}: {reached} % reached, {least} % wanted\n"))?;
        is_good = false;
    }
    let configuration = args.file.display().to_string();
    let mut mutation = None;
    if args.mutate && is_good {
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), "");
        let mutated = mutation::mutate(&suite, &run, &snapshot, &mut wallet, &metrics, moment)
            .map_err(|why| Failure::Work(why.to_string()))?;
        say(&route_tests::render_mutation(&mutated, &configuration, color))?;
        is_good = mutated.survivors.is_empty();
        mutation = Some(mutated);
    }
    if args.json {
        let files = (&*name, &*configuration);
        let told = route_tests::to_json(&run, files, mutation.as_ref(), is_good);
        serde_json::to_writer_pretty(&mut *out, &told)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
            .map_err(Failure::Output)?;
    }
    Ok(u8::from(!is_good))
}

/// The tests: those of another file, or of the configuration itself.
fn suite(
    args: &TestArgs,
    inside: Vec<file::Test>,
    source: Source,
    config: &Config,
) -> Result<Suite, Failure> {
    let path = args.tests.clone().unwrap_or_else(|| file::beside(&args.file));
    let suite = if args.tests.is_some() || inside.is_empty() {
        file::load(&path, config).map_err(Failure::File)?
    } else if path.exists() {
        let (one, other) = (args.file.display(), path.display());
        let why = format!("{one} has `tests`, and there is {other}: keep one, or say --tests");
        return Err(Failure::Usage(why));
    } else {
        Suite { tests: inside, source }
    };
    let unknown = route_tests::judge(&suite.tests);
    if unknown.is_empty() {
        return Ok(suite);
    }
    Err(Failure::File(Box::new(Report::new(suite.source, unknown))))
}
