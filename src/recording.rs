//! Requests without their secrets: what a running gateway keeps of them, so that they can be decided
//! again.
//!
//! Kept are method, target, host, the client's address, the names of all headers, and of values only
//! what decides: those of headers, query parameters and claims that the file looks at, and of a few
//! headers that are nobody's secret. Never kept: tokens, cookies, API keys, signatures, who a caller
//! is. Asking again puts stand-ins in their places, which a throw-away key signs.

mod caller;
mod file;
mod player;
mod recorder;
mod shape;
mod take;

#[cfg(test)]
mod tests;

pub use self::file::{Recording, RecordingError};
pub use self::player::{Player, Unplayable};
pub use self::recorder::{
    BeginError, LONGEST_SECONDS, MOST_REQUESTS, Order, RECENT, Recorder, Want,
};
pub use self::shape::{Caller, Met, Shape, UNKNOWN};
pub use self::take::{Seen, is_plain_header, is_secret_header, take};
