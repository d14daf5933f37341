//! What a request says, in one canonical spelling: authority, path, header names, client address.
//!
//! Everything that judges a request (rules, authorization, logs) and everything that is sent to a
//! target starts from what is made here, once. Nothing here decides who may do what, and nothing
//! here knows the configuration: the little that can be set arrives as plain values.

pub mod authority;
pub mod client;
pub mod cookies;
pub mod forwarded;
pub mod limits;
pub mod malformed;
pub mod names;
pub mod ownership;
pub mod path;
mod scan;
pub mod target;
pub mod trace;

pub use authority::{Authority, Scheme};
pub use client::{Client, TrustedProxies};
pub use malformed::Malformed;
pub use ownership::OwnedHeaders;
pub use path::PathPolicy;
pub use target::{Received, Target, tidy};
