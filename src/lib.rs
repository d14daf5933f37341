//! Portcullis: an edge authorizer gateway.
//!
//! It validates user pool tokens in front of target groups, routes by one `routes.yaml`, and hands
//! the verified claims on as headers that nobody outside can forge. `docs/architecture.md` draws
//! the map; each module says at its top what it is for.

pub mod admin;
pub mod answer;
pub mod api;
pub mod app;
pub mod assertion;
pub mod auth;
pub mod aws;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod diff;
pub mod engine;
pub mod explain;
pub mod fetch;
pub mod http;
pub mod import;
pub mod limit;
pub mod proxy;
pub mod recording;
pub mod route_tests;
pub mod routing;
pub mod session;
pub mod sign_in;
pub mod snapshot;
pub mod stickiness;
pub mod telemetry;
pub mod tls;
pub mod transform;
pub mod upstream;
pub mod user_pool;
