//! The built gateway, tested from outside through real sockets. A module is a behaviour.
#![allow(unreachable_pub, missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

mod access_log;
mod admin;
mod authorization;
mod bodies;
mod claim_headers;
mod clock;
mod commands;
mod desync;
mod exhaustion;
mod forwarding;
mod grpc;
mod handshakes;
mod http2;
mod key_sets;
mod listeners;
mod logs;
mod lost_targets;
mod metrics;
mod misdirected;
mod names;
mod panics;
mod persistence;
mod pools;
mod reload;
mod shutdown;
mod slow_clients;
mod smuggling;
mod spellings;
mod spoofing;
mod target_tls;
mod targets;
mod token_cache;
mod tokens;
mod tracing;
mod upgrade;
