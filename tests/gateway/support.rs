//! What the gateway tests stand on: the real process, raw clients, targets and issuers.

pub mod clients;
pub mod http2;
pub mod issuer;
pub mod mortal;
pub mod names;
pub mod process;
pub mod provider;
pub mod sigv4;
pub mod target;
pub mod tls;
pub mod trial;
pub mod wire;

pub use issuer::Issuer;
pub use process::{Gateway, Start, eventually};
pub use provider::{Browser, Provider};
pub use target::Target;
pub use trial::{Trials, Verdict};
pub use wire::Connection;

/// Says that a test did nothing here, past the harness, which hides what a passing test prints.
pub fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
