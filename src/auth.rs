//! Who is calling, and may they: tokens, key sets, claims, the rule's demands.
//!
//! No socket, no file, no clock: bytes, time and randomness are arguments, so that `explain`, tests
//! and the running gateway judge alike. Fetching keys is `fetch`'s; turning a [`Refusal`] into
//! status, body and header is `answer`'s.
//!
//! Order of one token: `extract` finds it, `cache` may know it, `token` takes it apart, `jwks` has
//! the key, `verify` proves it, `policy` judges it by pool and rule, `headers` hands its claims on.

mod authorize;
mod authorizers;
pub mod cache;
pub mod claims;
pub mod deny;
mod extract;
pub mod headers;
pub mod id_token;
mod json;
pub mod jwks;
pub mod key_source;
pub mod logout_token;
pub mod policy;
pub mod pool;
pub mod reason;
mod token;
pub mod verify;

pub use authorize::{Identity, Outcome, Patience};
pub use authorizers::{Authorizers, PoolStatus};
pub use headers::encode_claim;
pub use policy::CompiledValidation;
pub use reason::{Challenge, Reason, Refusal};
pub use token::said_algorithm;
pub use verify::VerifiedToken;

#[cfg(test)]
pub(crate) mod tests;
