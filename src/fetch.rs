//! The HTTP clients toward identity providers: the loop that keeps their keys fresh, and the desk
//! where sign-ins are dealt with.
//!
//! `auth` decides when a key set is due and what an answer is worth; here it is only carried out.
//! Nothing named in a token is ever fetched: addresses come from the configuration alone.

mod client;
mod keeper;
mod provider;
mod sign_in;
mod store;

pub use client::{ClientError, HttpClient, Limits};
pub use keeper::KeyKeeper;
pub use sign_in::SignInDesk;
pub use store::{KeyStore, StoreError};

#[cfg(test)]
mod tests;
