//! `reload:`

use std::time::Duration;

/// What a changed file must stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// Whether its tests must pass before it is put in force.
    pub run_tests: bool,
    /// How many texts are remembered.
    pub history: usize,
    /// When it is taken back; never when absent.
    pub guard: Option<ReloadGuard>,
}

/// When a changed file is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadGuard {
    /// How long it is watched.
    pub window: Duration,
    /// Percentage points by which the share of 5xx may rise.
    pub max_error_increase: u64,
    /// Percentage points by which the share of denials may rise.
    pub max_denial_increase: u64,
    /// With fewer requests, before or after, nothing is judged.
    pub min_requests: u64,
}

impl Default for Reload {
    fn default() -> Self {
        Self { run_tests: true, history: 10, guard: Some(ReloadGuard::default()) }
    }
}

impl Default for ReloadGuard {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            max_error_increase: 5,
            max_denial_increase: 20,
            min_requests: 50,
        }
    }
}
