//! Sealed values: what a browser keeps for us, and can neither read nor change.
//!
//! [`Seal`] encrypts and authenticates under the first of the session keys and opens under any of
//! them, so that keys can be changed without losing what was sealed before. [`keys`] makes keys of
//! secrets, and [`shards`] cuts what is too long for one cookie. Not here: what is sealed, how long it
//! is good for, and the attributes of the cookies that carry it.

pub mod keys;
mod seal;
pub mod shards;

pub use seal::{MAX_PLAIN, MAX_SEALED, Purpose, Seal, sealed_length};
