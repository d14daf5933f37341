//! Where unguessable bytes come from; an argument everywhere, so that tests can foresee them.

use std::fmt::Write as _;

/// A source of unguessable bytes.
pub trait Randomness {
    /// Fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the source has failed; nothing may be minted then.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system has no randomness to give")]
pub struct NoRandomness;

/// The operating system's randomness, through aws-lc.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| NoRandomness)
    }
}

/// A version 4 UUID (RFC 9562) in lower-case text, as in `jti` and `event_id`.
pub(super) fn uuid(random: &mut dyn Randomness) -> Result<String, NoRandomness> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    Ok(uuid_text(bytes))
}

/// Turns 16 bytes into a version 4 UUID, overwriting the bits that say so.
pub(super) fn uuid_text(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
