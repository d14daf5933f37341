//! The HTTP clients toward identity providers and authorizers: the loop that keeps keys fresh, and the
//! desks where sign-ins, sign-outs and questions to authorizers are dealt with. And the one toward trace
//! collectors.
//!
//! `auth` decides when a key set is due and what an answer is worth; here it is only carried out.
//! Nothing named in a token is ever fetched: addresses come from the configuration alone.

mod callout;
mod client;
mod collector;
mod deny_store;
mod keeper;
mod logout;
mod provider;
mod sign_in;
mod store;

pub use callout::CalloutDesk;
pub use client::{ClientError, HttpClient, Limits};
pub use collector::{CollectorClient, Delivery};
pub use deny_store::{DenyStore, DenyStoreError};
pub use keeper::KeyKeeper;
pub use logout::LogoutDesk;
pub use sign_in::SignInDesk;
pub use store::{KeyStore, StoreError};

#[cfg(test)]
mod tests;
