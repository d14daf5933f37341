//! Who may have how many of the process's descriptors, so that they never run out.

use tokio::sync::Semaphore;

/// Descriptors kept for what is not a connection of a request: logs, admin, key sets, probes, the
/// file itself.
const RESERVE: usize = 64;
/// Clients that are served however few descriptors there are.
const FEWEST_CLIENTS: usize = 16;

/// The descriptors of the process, shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Client connections at a time. Each may need a target's connection beside its own.
    pub clients: usize,
    /// Connections to targets that are kept while no request uses them.
    pub kept: usize,
}

impl Shares {
    /// Shares out the soft limit on open files, keeping at most `most_kept` unused connections.
    #[must_use]
    pub fn of_process(most_kept: usize) -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        // Where it cannot be read, the least that systems give by default.
        Self::of(parse_limit(&limits).unwrap_or(1024), most_kept)
    }

    pub(super) fn of(descriptors: usize, most_kept: usize) -> Self {
        let free = descriptors.saturating_sub(RESERVE);
        let kept = most_kept.min(free / 4);
        let clients = ((free - kept) / 2).clamp(FEWEST_CLIENTS, Semaphore::MAX_PERMITS);
        Self { clients, kept }
    }
}

pub(super) fn parse_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    match line.split_whitespace().nth(3)? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}
