//! The tests of a changed file, run before it is put in force.

use std::path::Path;

use crate::auth::Patience;
use crate::clock;
use crate::config::Report;
use crate::config::model::Config;
use crate::config::route_tests::{self as file, Suite};
use crate::engine::Moment;
use crate::explain::Signer;
use crate::route_tests::{self, Wallet};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

/// Runs `inside`, or else the tests beside `path`, if there are any, with a snapshot of their own.
///
/// # Errors
///
/// Which tests fail, or what is wrong with them.
pub(super) fn rehearse(path: &Path, inside: Suite, config: &Config) -> Result<(), String> {
    let beside = file::beside(path);
    let suite = match (inside.tests.is_empty(), beside.exists()) {
        (true, false) => return Ok(()),
        (true, true) => file::load(&beside, config).map_err(|report| report.render(false))?,
        (false, _) => inside,
    };
    let unknown = route_tests::judge(&suite.tests);
    if !unknown.is_empty() {
        return Err(Report::new(suite.source, unknown).render(false));
    }
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), "");
    let snapshot = Snapshot::compile(config.clone(), None, &metrics);
    let moment = Moment {
        wall: clock::wall(),
        mono: clock::monotonic(),
        random: 0,
        patience: Patience::HasWaited,
    };
    let signer = Signer::for_pools(&snapshot.config)
        .and_then(|signer| {
            signer.publish(&snapshot.authorizers, moment.wall, moment.mono).map(|()| signer)
        })
        .map_err(|why| format!("its tests cannot be run: {why}"))?;
    let mut wallet = Wallet::new(&suite, signer);
    let run = route_tests::run(&suite, &snapshot, &mut wallet, moment);
    if run.failed() == 0 {
        return Ok(());
    }
    let options = route_tests::Options { verbose: false, coverage: false, color: false };
    let told = route_tests::render(&run, suite.source.name(), options);
    Err(format!("its tests fail (`reload.run_tests: false` puts it in force anyway)\n{told}"))
}
