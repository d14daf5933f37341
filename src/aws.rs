//! Signatures of AWS: who signed a request with which credentials.

pub mod credentials;
pub mod sigv4;

pub use self::credentials::{Credential, Credentials};
pub use self::sigv4::{Refused, Signed, Verdict};
