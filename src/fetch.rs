//! The one HTTP client toward identity providers, and the loop that keeps their keys fresh.
//!
//! `auth` decides when a key set is due and what an answer is worth; here it is only carried out.
//! Nothing named in a token is ever fetched: addresses come from the configuration alone.

mod client;
mod keeper;
mod store;

pub use client::{ClientError, HttpClient, Limits};
pub use keeper::KeyKeeper;
pub use store::{KeyStore, StoreError};

#[cfg(test)]
mod tests;
