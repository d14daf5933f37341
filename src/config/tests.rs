mod apis;
mod balancing;
mod cors;
mod error_pages;
mod forwarding;
mod hostile;
mod meaning;
mod mistakes;
mod openapi;
mod rendering;
mod response_headers;
mod sign_in;
mod surroundings;
mod throttle;
mod tracing;
mod usage;

use super::diagnostics::Diagnostic;
use super::{Loaded, Report, parse_portable};

/// A file that is good, and has something of everything.
const GOOD: &str = "\
user_pools:
  main: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
target_groups:
  orders: { targets: [10.0.0.1:80] }
listeners:
  public:
    address: 127.0.0.1:8080
    rules:
      - name: orders
        conditions: { path_pattern: [/orders/*] }
        jwt_validation: { user_pools: [main] }
        forward: orders
";

fn good(text: &str) -> Loaded {
    parse_portable(text, "routes.yaml").unwrap_or_else(|report| panic!("{report}"))
}

fn bad(text: &str) -> Box<Report> {
    match parse_portable(text, "routes.yaml") {
        Ok(loaded) => panic!("taken: {text}\n{:?}", loaded.warnings),
        Err(report) => report,
    }
}

/// Code, line and column of each finding.
fn places(findings: &[Diagnostic]) -> Vec<(&'static str, usize, usize)> {
    findings.iter().map(|finding| (finding.code, finding.span.line, finding.span.column)).collect()
}
