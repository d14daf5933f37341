//! The composition root: the one module that knows all the others.
//!
//! It binds before it starts, so that what cannot work is told before anything serves; it puts
//! snapshots in force, runs what must run beside requests, and ends the process in order.

mod background;
mod expiry;
mod facts;
mod history;
mod history_store;
mod named_files;
mod probation;
mod recording;
mod rehearsal;
mod reload;
mod route_facts;
mod session_key;
mod start;
mod stop;
mod supervisor;
mod targets;
mod traces;
mod traffic;
mod usage_store;
mod view;

pub use self::history::Cause;
pub use self::reload::{ReloadError, Reloader};
pub use self::start::{Gateway, StartError, Task, run};

/// What is logged unless the operator says otherwise. Pingora tells at `info` what only its own
/// developers want to know, such as that it bootstraps.
pub const LOG_FILTER: &str = "info,pingora_core=warn,pingora_proxy=warn,pingora_pool=warn";
